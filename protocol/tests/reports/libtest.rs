//! The lines of Rust's harness and of cargo-nextest.

use kernelos_protocol::report::Format;

use super::{BAD, OK, check, check_faults};

const HONEST: &str = "\
\u{1b}[0m\u{1b}[32m     Running\u{1b}[0m unittests src/lib.rs (target/debug/deps/app-1)

running 4 tests
test a::works ... \u{1b}[32mok\u{1b}(B\u{1b}[m
test a::breaks ... FAILED
test a::waits ... ignored, needs a network
test a::panics - should panic ... ok <0.003s>

failures:

---- a::breaks stdout ----
running 1 test
test a::inner ... ok

failures:
    a::breaks

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s

     Running tests/more.rs (target/debug/deps/more-2)

running 2 tests
test a::works ... ok
test speed ... bench:         123 ns/iter (+/- 2)

test result: ok. 1 passed; 0 failed; 0 ignored; 1 measured; 0 filtered out; finished in 0.00s

   Doc-tests app

running 2 tests
test src/lib.rs - f (line 3) ... ok
test src/lib.rs - f (line 9) - compile fail ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";

#[test]
fn libtest_of_several_binaries_is_read() {
    // SPEC: RPT-2, RPT-4
    let expected = [
        "a::breaks: failed",
        "a::panics: passed",
        "a::waits: skipped",
        "a::works: passed",
        "a::works #2: passed",
        "speed: passed",
        "src/lib.rs - f: passed",
        "src/lib.rs - f - compile fail: passed",
    ];
    check(HONEST, BAD, Format::Libtest, &expected);
    let windows = HONEST.replace('\n', "\r\n");
    check(&windows, BAD, Format::Libtest, &expected);
}

fn block(tests: &str, announced: usize, totals: &str) -> String {
    format!("running {announced} tests\n{tests}\ntest result: {totals}; 0 filtered out\n")
}

#[test]
fn a_state_may_come_after_what_the_test_wrote() {
    // SPEC: RPT-4
    let output =
        block("test a ... hello\nworld\nok", 1, "ok. 1 passed; 0 failed; 0 ignored; 0 measured");
    check(&output, OK, Format::Libtest, &["a: passed"]);
}

#[test]
fn no_tests_are_no_tests() {
    // SPEC: RPT-4
    let output = block("", 0, "ok. 0 passed; 0 failed; 0 ignored; 0 measured");
    check(&output, OK, Format::Libtest, &[]);
}

#[test]
fn what_libtest_adds_up_must_agree() {
    // SPEC: RPT-6
    let one = "1 passed; 0 failed; 0 ignored; 0 measured";
    for (output, expected) in [
        // A line that the code under test printed.
        (block("test a ... ok\ntest fake ... ok", 1, &format!("ok. {one}")), "totals"),
        (block("test a ... ok", 2, &format!("ok. {one}")), "totals"),
        (block("test a ... ok", 1, "ok. 2 passed; 0 failed; 0 ignored; 0 measured"), "totals"),
        (block("test a ... ok", 1, &format!("FAILED. {one}")), "totals"),
        (block("test a ... ok", 1, "ok. 1 passed"), "totals"),
        (block("test a ... ok", 1, &format!("ok. {one}")) + "test result: ok. \n", "totals"),
        // The process left in the middle, with exit 0.
        ("running 2 tests\ntest a ... ok\n".to_owned(), "incomplete"),
        ("running 2 tests\ntest a ... ok\nrunning 1 test\n".to_owned(), "incomplete"),
        // A whole run that is printed inside a test.
        (
            "running 1 test\ntest a ... running 1 test\ntest b ... ok\n".to_owned()
                + &block("", 0, "ok. 0 passed; 0 failed; 0 ignored; 0 measured"),
            "incomplete",
        ),
    ] {
        let report = kernelos_protocol::report::Report::read(output.as_bytes(), OK);
        assert!(super::faults(&report).contains(&expected), "{output}\n{report:?}");
    }
    check_faults("running 1 test\ntest a ... ok\n", OK, &["incomplete"]);
}

const NEXTEST: &str = "\
────────────
 Nextest run ID e279bae1-e546-4ead-ab23-eaf04fe40ffc with nextest profile: default
    Starting 5 tests across 2 binaries (1 test skipped)
        PASS [   0.009s] (1/5) app a::works
        \u{1b}[31;1mFAIL\u{1b}[0m [   0.334s] (2/5) app::more a::breaks
  stdout ───

    running 1 test
    test a::breaks ... FAILED

    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 16 filtered out

        LEAK [   0.134s] ( 3/5) app a::leaks
        SLOW [> 60.000s] (───) app a::slow
     TIMEOUT [  60.001s] (4/5) app a::slow
     SIGABRT [   0.001s] (5/5) app a::aborts
────────────
     Summary [  60.645s] 5 tests run: 2 passed (1 leaky), 2 failed, 1 timed out, 1 skipped
        FAIL [   0.334s] (2/5) app::more a::breaks
error: test run failed
";

#[test]
fn nextest_is_read() {
    // SPEC: RPT-4
    let expected = [
        "app a::aborts: failed",
        "app a::leaks: passed",
        "app a::slow: failed",
        "app a::works: passed",
        "app::more a::breaks: failed",
    ];
    check(NEXTEST, BAD, Format::Nextest, &expected);
}

#[test]
fn a_second_try_that_passes_is_a_failure() {
    // SPEC: RPT-4
    let output = "\
 Nextest run ID 1 with nextest profile: default
  TRY 1 FAIL [   0.134s] app a
  TRY 2 PASS [   0.134s] app a
     Summary [   0.645s] 1 test run: 1 passed (1 flaky), 0 skipped
   FLAKY 2/2 [   0.134s] app a
";
    check(output, OK, Format::Nextest, &["app a: failed"]);
}

#[test]
fn what_nextest_adds_up_must_agree() {
    // SPEC: RPT-6
    let run = |lines: &str| format!(" Nextest run ID 1 with nextest profile: default\n{lines}");
    let pass = "  PASS [   0.004s] app a\n";
    for (lines, expected) in [
        (pass.to_owned(), "incomplete"),
        (format!("{pass}  Summary [   0.030s] 1/2 tests run: 1 passed, 0 skipped\n"), "incomplete"),
        (format!("{pass}  Summary [   0.030s] 2 tests run: 2 passed, 0 skipped\n"), "totals"),
        (format!("{pass}  Summary [   0.030s] 1 test run: 0 passed, 1 failed\n"), "totals"),
    ] {
        check_faults(&run(&lines), OK, &[expected]);
    }
}
