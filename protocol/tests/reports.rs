//! What runs of tests say: each format as its harness writes it, and as a liar does.

mod hostile;
mod junit;
mod libtest;
mod tap;

use kernelos_protocol::report::{Format, Outcome, Report, ReportFault, TestState};

const OK: Outcome = Outcome::Exited(0);
const BAD: Outcome = Outcome::Exited(1);

/// The tests as `name: state`, one a line.
fn told(report: &Report) -> String {
    let line = |(name, state): (&String, &TestState)| {
        let state = match state {
            TestState::Passed => "passed",
            TestState::Failed => "failed",
            TestState::Skipped => "skipped",
        };
        format!("{name}: {state}")
    };
    report.tests.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn faults(report: &Report) -> Vec<&'static str> {
    report.faults.iter().map(|fault| fault.code()).collect()
}

/// An honest report: of this format, with these tests and without a fault.
#[track_caller]
fn check(output: &str, outcome: Outcome, format: Format, tests: &[&str]) {
    let report = Report::read(output.as_bytes(), outcome);
    assert_eq!(report.format, format, "{report:?}");
    assert_eq!(told(&report), tests.join("\n"));
    assert_eq!(faults(&report), Vec::<&str>::new());
    assert!(!report.truncated);
}

/// A report that contradicts itself: the faults, and a failed `command`.
#[track_caller]
fn check_faults(output: &str, outcome: Outcome, expected: &[&str]) {
    let report = Report::read(output.as_bytes(), outcome);
    assert_eq!(faults(&report), expected, "{report:?}");
    assert_eq!(report.state("command"), Some(TestState::Failed));
    assert_eq!(report.reported_state("command"), None);
}

#[test]
fn what_cannot_be_read_is_one_test_that_passes_with_the_exit() {
    // SPEC: RPT-1
    for output in ["", "all good\n", "\u{1b}[1mok\u{1b}[0m", "1..3\n", "running 3 tests\n"] {
        check(output, OK, Format::Opaque, &["command: passed"]);
        check(output, BAD, Format::Opaque, &["command: failed"]);
    }
    for outcome in [Outcome::Killed, Outcome::TimedOut, Outcome::Exited(-1)] {
        check("", outcome, Format::Opaque, &["command: failed"]);
    }
    let unbuilt = |outcome| Report::read(b"error[E0425]", outcome).is_unbuilt();
    assert!(unbuilt(BAD) && !unbuilt(OK) && !unbuilt(Outcome::TimedOut));
}

#[test]
fn a_claim_that_all_passed_does_not_count_against_the_exit() {
    // SPEC: RPT-6
    for output in [
        "running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 \
         measured; 0 filtered out; finished in 0.00s\n",
        "TAP version 14\n1..1\nok 1 - a\n",
        "<testsuite tests=\"1\"><testcase name=\"a\"/></testsuite>",
        " Nextest run ID 1 with nextest profile: default\n  PASS [   0.004s] app a\n Summary [   \
         0.030s] 1 test run: 1 passed, 0 skipped\n",
    ] {
        assert_eq!(faults(&Report::read(output.as_bytes(), OK)), Vec::<&str>::new(), "{output}");
        for outcome in [BAD, Outcome::Killed, Outcome::TimedOut] {
            check_faults(output, outcome, &["exit_contradicts"]);
        }
        let report = Report::read(output.as_bytes(), BAD);
        assert_eq!((report.ran(), report.count(TestState::Passed)), (1, 1));
    }
}

#[test]
fn of_tests_with_one_name_the_worst_has_it_whatever_their_order() {
    // SPEC: RPT-5
    let expected = ["a: failed", "a #2: passed", "a #3: passed", "a #4: skipped"];
    let mut points = ["ok - a", "not ok - a", "ok - a # SKIP", "ok - a"];
    for _ in 0..points.len() {
        points.rotate_left(1);
        let output = format!("TAP version 14\n1..4\n{}\n", points.join("\n"));
        let mut sorted = expected;
        sorted.sort_unstable();
        let report = Report::read(output.as_bytes(), BAD);
        let mut lines: Vec<_> = told(&report).lines().map(str::to_owned).collect();
        lines.sort_unstable();
        assert_eq!(lines, sorted);
    }
    // A test that is named like a second one cannot hide a failure.
    let output = "TAP version 14\n1..3\nok - a\nnot ok - a\nnot ok - a #2\n";
    check(output, BAD, Format::Tap, &["a: failed", "a #2: failed"]);
}

#[test]
fn a_report_is_written_and_read_the_same() {
    // SPEC: RPT-1
    let report = Report::read(b"TAP version 14\n1..2\nok - a\n", OK);
    let json = serde_json::to_string(&report).unwrap();
    let expected = concat!(
        r#"{"format":"tap","outcome":{"exited":0},"tests":{"a":"passed","command":"failed"},"#,
        r#""truncated":false,"faults":["plan"]}"#
    );
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    for fault in ReportFault::ALL {
        assert_eq!(serde_json::to_string(fault).unwrap(), format!("\"{}\"", fault.code()));
    }
}
