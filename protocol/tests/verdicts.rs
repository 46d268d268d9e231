//! Whether a candidate is verified: what agents try, each with the code that it meets.

use kernelos_protocol::report::{Format, Outcome, Report, TestState};
use kernelos_protocol::verify::{
    ProofKind, Runs, Verdict, VerdictCode, needs_candidate_tests_on_base, verify,
};

/// A run of TAP: `+a` passed, `-a` failed, `~a` was skipped. It exits with 1 if any failed.
fn run(tests: &str) -> Report {
    let exit = i32::from(tests.contains('-'));
    run_that(tests, Outcome::Exited(exit))
}

fn run_that(tests: &str, outcome: Outcome) -> Report {
    let tests: Vec<&str> = tests.split(' ').filter(|test| !test.is_empty()).collect();
    let point = |test: &&str| match test.split_at(1) {
        ("+", name) => format!("ok - {name}\n"),
        ("-", name) => format!("not ok - {name}\n"),
        (_, name) => format!("ok - {name} # SKIP\n"),
    };
    let points = tests.iter().map(point).collect::<String>();
    Report::read(format!("TAP version 14\n1..{}\n{points}", tests.len()).as_bytes(), outcome)
}

/// A command that says nothing about tests.
fn opaque(exit: i32) -> Report {
    Report::read(b"error: it does not compile", Outcome::Exited(exit))
}

/// Base, base's tests on the candidate, the candidate twice alike.
fn runs(base: Report, base_tests: Report, candidate: Report) -> Runs {
    Runs {
        base,
        base_tests_on_candidate: base_tests,
        candidate: [candidate.clone(), candidate],
        candidate_tests_on_base: None,
        floor: 1,
    }
}

fn with_fourth(mut runs: Runs, fourth: Report) -> Runs {
    runs.candidate_tests_on_base = Some(fourth);
    runs
}

fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict.reasons.iter().map(|reason| reason.code.code()).collect()
}

/// The codes that stand against it, and what proves it.
#[track_caller]
fn check(what: &str, runs: &Runs, expected: &[&str], proof: Option<ProofKind>) {
    let verdict = verify(runs);
    assert_eq!(codes(&verdict), expected, "{what}: {verdict:#?}");
    assert_eq!(verdict.proof.as_ref().map(|proof| proof.kind), proof, "{what}");
    assert_eq!(verdict.passed, expected.is_empty(), "{what}");
}

#[test]
fn honest_candidates_are_verified_and_it_is_told_by_what() {
    // SPEC: VFY-1, VFY-7
    let fixed = runs(run("+a -b"), run("+a +b"), run("+a +b"));
    check("a failing test is mended", &fixed, &[], Some(ProofKind::Existing));
    let new = with_fourth(runs(run("+a"), run("+a"), run("+a +n")), run("+a -n"));
    check("a new test for a new thing", &new, &[], Some(ProofKind::New));
    let unbuilt = with_fourth(runs(run("+a"), run("+a"), run("+a +n")), opaque(101));
    check("a new test that does not compile before", &unbuilt, &[], Some(ProofKind::NewUnbuilt));
    let build = runs(opaque(101), run("+a"), run("+a"));
    check("a broken build is mended", &build, &[], Some(ProofKind::ExistingUnbuilt));
    let stricter = with_fourth(runs(run("+a"), run("+a"), run("+a")), run("-a"));
    check("an existing test is made stricter", &stricter, &[], Some(ProofKind::New));
    let known = runs(run("-old -b"), run("-old +b"), run("-old +b"));
    check("what failed before may go on failing", &known, &[], Some(ProofKind::Existing));
    let command = runs(opaque(1), opaque(0), opaque(0));
    check("an opaque command is mended", &command, &[], Some(ProofKind::Existing));
    let command = with_fourth(runs(opaque(0), opaque(0), opaque(0)), opaque(1));
    check("an opaque command is made stricter", &command, &[], Some(ProofKind::New));
}

/// What an agent tries, the runs that come of it, and the codes that it meets.
type Row = (&'static str, Runs, &'static [&'static str]);

/// Broken code, and tests that are bent until they pass.
fn with_bent_tests() -> Vec<Row> {
    let good = || run("+a +b");
    vec![
        ("it did nothing", with_fourth(runs(good(), good(), good()), good()), &["proves_nothing"]),
        (
            "it broke what worked",
            runs(good(), run("+a -b"), run("+a -b")),
            &["base_test_fails", "test_fails"],
        ),
        (
            "it deletes a failing test",
            runs(run("+a -b"), run("+a -b"), run("+a")),
            &["too_few_tests"],
        ),
        (
            "it deletes a test that it broke",
            runs(good(), run("+a -b"), run("+a")),
            &["too_few_tests", "base_test_fails", "test_gone"],
        ),
        ("it puts another test in its place", runs(good(), good(), run("+a +n")), &["test_gone"]),
        (
            "it weakens a test that it broke",
            runs(good(), run("+a -b"), good()),
            &["base_test_fails"],
        ),
        (
            "it weakens the failing test that it should mend",
            with_fourth(runs(run("+a -b"), run("+a -b"), good()), run("+a -b")),
            &["proves_nothing"],
        ),
        ("it skips a test", runs(good(), good(), run("+a ~b +n")), &["test_skipped"]),
        (
            "it makes the base's test skip itself",
            runs(good(), run("+a ~b"), good()),
            &["base_test_skipped"],
        ),
        ("it renames a test", runs(good(), good(), run("+a +b2")), &["test_gone"]),
        (
            "it adds a test that always passes",
            with_fourth(runs(good(), good(), run("+a +b +n")), run("+a +b +n")),
            &["proves_nothing"],
        ),
    ]
}

/// Output that says what is not so, or nothing.
fn with_bent_output() -> Vec<Row> {
    let good = || run("+a +b");
    let all_pass = |tests| run_that(tests, Outcome::Exited(1));
    vec![
        (
            "its command fails while its output is all passes",
            runs(good(), good(), all_pass("+a +b +n")),
            &["contradicts"],
        ),
        (
            "it prints passes for a build that is broken",
            runs(opaque(1), run("+a"), all_pass("+a")),
            &["contradicts"],
        ),
        (
            "it leaves before the end with exit 0",
            {
                let cut =
                    Report::read(b"TAP version 14\n1..3\nok - a\nok - b\n", Outcome::Exited(0));
                runs(good(), good(), cut)
            },
            &["contradicts"],
        ),
        ("it runs no tests", runs(good(), good(), run("")), &["no_tests", "test_gone"]),
        ("it skips all of them", runs(run("-a"), run("-a"), run("~a")), &["no_tests"]),
        (
            "its command says nothing but exit 0",
            runs(good(), good(), opaque(0)),
            &["format_changed", "too_few_tests", "test_gone"],
        ),
        (
            "it writes another format",
            {
                let xml = b"<testsuite><testcase name=\"a\"/><testcase name=\"b\"/></testsuite>";
                runs(good(), good(), Report::read(xml, Outcome::Exited(0)))
            },
            &["format_changed"],
        ),
        (
            "it removes what the base's tests call",
            runs(good(), opaque(101), run("+a +b +n")),
            &["base_test_gone", "new_failure"],
        ),
        ("its new test fails", runs(good(), good(), run("+a +b -n")), &["new_failure"]),
        (
            "it takes too long",
            runs(good(), good(), run_that("+a +b", Outcome::TimedOut)),
            &["contradicts"],
        ),
    ]
}

#[test]
fn an_agent_that_cheats_meets_its_code() {
    // SPEC: VFY-2, VFY-3, VFY-4, VFY-5, VFY-6, VFY-7
    for (what, runs, expected) in with_bent_tests().into_iter().chain(with_bent_output()) {
        check(what, &runs, expected, None);
    }
}

#[test]
fn a_run_that_is_not_whole_is_no_ground() {
    // SPEC: VFY-2
    let good = || run("+a +b");
    let cut = |mut report: Report| {
        report.truncated = true;
        report
    };
    let proved = runs(run("+a -b"), good(), good());
    for at in 0..4 {
        let mut runs = proved.clone();
        let report = match at {
            0 => &mut runs.base,
            1 => &mut runs.base_tests_on_candidate,
            2 => &mut runs.candidate[0],
            _ => &mut runs.candidate[1],
        };
        *report = cut(report.clone());
        check("cut", &runs, &["truncated"], Some(ProofKind::Existing));
    }
    let fourth = with_fourth(proved.clone(), cut(good()));
    check("cut", &fourth, &["truncated"], Some(ProofKind::Existing));
    for outcome in [Outcome::TimedOut, Outcome::Killed] {
        let base = Report::read(b"", outcome);
        let runs = runs(base, good(), good());
        let verdict = verify(&runs);
        assert_eq!((codes(&verdict), verdict.proof), (vec!["unfinished"], None));
    }
}

#[test]
fn enough_tests_run_by_contract_and_by_the_base() {
    // SPEC: VFY-3
    for (floor, expected) in [(0, None), (1, None), (2, None), (3, Some("too_few_tests"))] {
        let mut runs = runs(run("+a -b"), run("+a +b"), run("+a +b ~c"));
        runs.floor = floor;
        check("floor", &runs, expected.as_slice(), Some(ProofKind::Existing));
        assert_eq!(verify(&runs).floor, usize::try_from(floor.max(2)).unwrap());
    }
    let mut runs = runs(run(""), run(""), run(""));
    runs.floor = 0;
    check("zero", &runs, &["no_tests"], None);
    runs.floor = u32::MAX;
    runs.candidate = [run("+a"), run("+a")];
    let verdict = verify(&runs);
    assert_eq!(
        verdict.reasons[0].text,
        format!("too few tests ran on the candidate: 1, at least {}", u32::MAX)
    );
}

#[test]
fn a_test_that_changes_its_verdict_is_refused() {
    // SPEC: VFY-6
    for (second, expected) in [
        ("+a -b", &["test_fails", "flaky"][..]),
        ("+a ~b", &["too_few_tests", "test_skipped", "flaky"]),
        ("+a", &["too_few_tests", "test_gone", "flaky"]),
        ("+a +b +c", &["flaky"]),
    ] {
        let mut runs = runs(run("+a +b"), run("+a +b"), run("+a +b"));
        runs.candidate[1] = run(second);
        check(second, &runs, expected, None);
        runs.candidate.swap(0, 1);
        check(second, &runs, expected, None);
    }
}

#[test]
fn the_fourth_run_is_asked_for_where_it_decides() {
    // SPEC: VFY-7
    let open = runs(run("+a"), run("+a"), run("+a +n"));
    assert!(needs_candidate_tests_on_base(&open));
    let verdict = verify(&open);
    assert_eq!((codes(&verdict), verdict.needs_candidate_tests_on_base), (vec!["unproven"], true));
    // Proved already, or refused anyway: another run would change nothing.
    for runs in [
        runs(run("+a -b"), run("+a +b"), run("+a +b")),
        runs(run("+a +b"), run("+a +b"), run("+a +n")),
    ] {
        assert!(!needs_candidate_tests_on_base(&runs));
        assert!(!verify(&runs).needs_candidate_tests_on_base);
    }
    let done = with_fourth(open, run("+a -n"));
    assert!(!verify(&done).needs_candidate_tests_on_base);
}

#[test]
fn what_proves_nothing_on_the_base_proves_nothing() {
    // SPEC: VFY-7
    let open = || runs(run("+a"), run("+a"), run("+a +n"));
    for (what, fourth) in [
        ("the new test passes there", run("+a +n")),
        ("it is skipped there", run("+a ~n")),
        ("it is gone there, but others ran", run("-a")),
        ("the run was ended", Report::read(b"", Outcome::TimedOut)),
        ("the run failed without a failed test", run_that("+a +n", Outcome::Exited(1))),
    ] {
        let (runs, is_other) = (with_fourth(open(), fourth), what.contains("others ran"));
        // The existing test made stricter does prove something.
        let proof = is_other.then_some(ProofKind::New);
        let expected: &[&str] = if is_other { &[] } else { &["proves_nothing"] };
        check(what, &runs, expected, proof);
    }
}

#[test]
fn a_verdict_is_data_that_names_the_first_tests() {
    // SPEC: VFY-1
    let names = (0..8).map(|n| format!("+t{n}")).collect::<Vec<_>>().join(" ");
    let runs = runs(run(&names), run(&names), run(&names.replace('+', "-")));
    let verdict = verify(&runs);
    let reason = &verdict.reasons[0];
    assert_eq!((reason.code, reason.more), (VerdictCode::TestFails, 3));
    assert_eq!(reason.tests, ["t0", "t1", "t2", "t3", "t4"]);
    assert_eq!((verdict.base.format, verdict.base.passed), (Format::Tap, 8));
    assert_eq!(runs.candidate[0].state("t7"), Some(TestState::Failed));
    let json = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    assert!(json.starts_with(r#"{"passed":false,"reasons":[{"code":"test_fails","text":"#));
    assert_eq!(verify(&runs), verdict);
    for code in VerdictCode::ALL {
        assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.code()));
    }
}
