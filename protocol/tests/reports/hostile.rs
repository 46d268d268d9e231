//! Output that is made to cost: each is read within its bounds and in a straight line.

use kernelos_protocol::limits::{
    REPORT_BYTES_MAX, REPORT_DEPTH_MAX, REPORT_NAME_BYTES_MAX, REPORT_TAG_BYTES_MAX,
    REPORT_TESTS_MAX,
};
use kernelos_protocol::report::{Format, Report};

use super::{OK, faults};

fn read(output: &str) -> Report {
    Report::read(output.as_bytes(), OK)
}

#[test]
fn more_output_or_tests_than_are_read_are_told() {
    // SPEC: RPT-7
    let head = "TAP version 14\n1..1\nok 1 - a\n";
    let fill = REPORT_BYTES_MAX - head.len();
    let report = read(&format!("{head}{}", "#".repeat(fill)));
    assert_eq!((report.truncated, faults(&report).len()), (false, 0));
    let report = read(&format!("{head}{}", "#".repeat(fill + 1)));
    assert_eq!((report.truncated, faults(&report)), (true, vec!["output_truncated"]));
    let report = read(&"#".repeat(REPORT_BYTES_MAX + 1));
    assert_eq!((report.format, report.truncated), (Format::Opaque, false));

    let tests = |count: usize| {
        let points = (0..count).map(|n| format!("ok - t{n}\n")).collect::<String>();
        read(&format!("TAP version 14\n1..{count}\n{points}"))
    };
    let report = tests(REPORT_TESTS_MAX);
    assert_eq!((report.ran(), report.truncated), (REPORT_TESTS_MAX, false));
    let report = tests(REPORT_TESTS_MAX + 1);
    assert_eq!((report.ran(), report.truncated), (REPORT_TESTS_MAX, true));
    assert_eq!(faults(&report), ["too_many_tests"]);
}

#[test]
fn a_long_name_is_cut_and_what_hides_is_shown() {
    // SPEC: RPT-7
    let report = read(&format!("1..1\nok - {}\u{202e}\n", "\u{e9}".repeat(400)));
    let name = report.tests.keys().next().unwrap();
    assert!(name.len() <= REPORT_NAME_BYTES_MAX + 3 && name.ends_with('…'), "{name}");
    let report = read("1..1\nok - a\u{202e}b\n");
    assert_eq!(report.tests.keys().next().unwrap(), "a\\u{202e}b");
}

#[test]
fn deep_suites_end_the_reading_and_long_parents_cost_nothing() {
    // SPEC: RPT-3, RPT-7
    let nested = |depth: usize| {
        let (open, close) = ("<testsuite>".repeat(depth), "</testsuite>".repeat(depth));
        read(&format!("{open}<testcase name=\"a\"/>{close}"))
    };
    assert_eq!(faults(&nested(REPORT_DEPTH_MAX)), Vec::<&str>::new());
    let deep = read(&format!("<testsuite><testcase name=\"a\"/>{}", "<testsuite>".repeat(100_000)));
    assert_eq!(faults(&deep), ["malformed"]);
    let wide = format!("<testsuite><testcase name=\"a\"/><b c=\"{}\"/>", "x".repeat(300_000));
    assert!(wide.len() > REPORT_TAG_BYTES_MAX);
    assert_eq!(faults(&read(&wide)), ["malformed"]);

    let mut tap = String::from("TAP version 14\n");
    for _ in 0..5_000 {
        tap += &format!("{}ok - child\n", " ".repeat(4 * REPORT_DEPTH_MAX));
    }
    for depth in (0..REPORT_DEPTH_MAX).rev() {
        tap += &format!("{}ok - {}\n", " ".repeat(4 * depth), "p".repeat(50_000));
    }
    let report = read(&(tap + "1..1\n"));
    assert_eq!(report.ran(), 5_000 + REPORT_DEPTH_MAX);
}

#[test]
fn repeated_beginnings_are_read_in_a_straight_line() {
    // SPEC: RPT-3
    let fill = |text: &str| text.repeat(1_000_000 / text.len());
    for text in [
        "<testsuite",
        "<testsuite ",
        "<testsuite>",
        " <testsuite",
        "<testsuite/>",
        "<!--",
        "<testsuite><!--",
        "<![CDATA[",
        "<testsuite a='&'",
        "\u{1b}[",
        "test a ... ",
        "test a ... ok\n",
        "running 1 test\n",
        "test result: ok. 1 passed\n",
        "    ",
        "ok\n    ok\n",
        "ok # ",
        "1..1\n",
        "PASS [ 1s] a\n",
        "Summary [ 1s] 1 tests run: \n",
        "Nextest run ID 1\n",
        "Bail out!\n",
        "TAP version 14\n",
        "  ---\n",
    ] {
        let report = read(&fill(text));
        assert!(report.tests.len() <= REPORT_TESTS_MAX + 1, "{text:?}");
    }
    let report = read(&format!("<testsuite><testcase name=\"{}\"/>", "&".repeat(200_000)));
    assert_eq!(faults(&report), ["incomplete"]);
}

#[test]
fn bytes_that_are_no_text_are_read_too() {
    // SPEC: RPT-2
    let report = Report::read(b"\xff\xfe\n1..1\nok - a\xff\n", OK);
    assert_eq!(report.tests.keys().collect::<Vec<_>>(), ["a\u{fffd}"]);
    // Every beginning of an honest output is read without a panic.
    let whole = "TAP version 14\n    ok - \u{e9}\n    1..1\nok - p # SKIP\n  ---\n  ...\n1..1\n\
                 <testsuite tests='1'><testcase name='&lt;'/></testsuite>\nrunning 1 test\n\
                 test a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n"
        .as_bytes();
    for end in 0..=whole.len() {
        let report = Report::read(&whole[..end], OK);
        assert!(!report.tests.is_empty(), "{end}");
    }
}
