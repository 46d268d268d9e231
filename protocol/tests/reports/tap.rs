//! TAP 13 and 14.

use kernelos_protocol::report::{Format, Outcome, Report};

use super::{BAD, OK, check, check_faults};

#[test]
fn tap_with_its_directives_is_read() {
    // SPEC: RPT-4
    let output = "\
noise before
TAP version 13
# a comment
ok 1 - works
not ok 2 - breaks
  ---
  message: 'ok 9 - not a test'
ok 9 - not a test either
  ...
ok 3 - waits # SKIP no network
not ok 4 later # TODO not written
not ok 5 - off # skipped
ok 6 - a \\# in a name, and a \\\\
ok 7 colour #12 is drawn
ok
not okay
1..8
";
    let expected = [
        "a # in a name, and a \\: passed",
        "breaks: failed",
        "colour #12 is drawn: passed",
        "later: skipped",
        "off: skipped",
        "test 8: passed",
        "waits: skipped",
        "works: passed",
    ];
    check(output, BAD, Format::Tap, &expected);
}

#[test]
fn subtests_are_named_by_what_they_are_part_of() {
    // SPEC: RPT-4
    let output = "\
TAP version 14
# Subtest: outer
    # Subtest: inner
        ok 1 - deep
        1..1
    ok 1 - inner
    not ok 2 - other
    1..2
not ok 1 - outer
ok 2 - plain
1..2
";
    let expected = [
        "outer: failed",
        "outer > inner: passed",
        "outer > inner > deep: passed",
        "outer > other: failed",
        "plain: passed",
    ];
    check(output, BAD, Format::Tap, &expected);
}

#[test]
fn several_streams_and_a_plan_of_nothing_are_read() {
    // SPEC: RPT-4
    let output = "TAP version 14\n1..1\nok 1 - a\nTAP version 14\n1..1\nok 1 - b\n";
    check(output, OK, Format::Tap, &["a: passed", "b: passed"]);
    check("1..0 # SKIP no database\n", OK, Format::Tap, &[]);
    check("1..2\nok 1 - a\nok 2 - b\n", OK, Format::Tap, &["a: passed", "b: passed"]);
}

#[test]
fn the_plan_must_agree() {
    // SPEC: RPT-6
    for (output, expected) in [
        ("TAP version 14\n1..2\nok 1 - a\n", "plan"),
        ("TAP version 14\n1..1\nok 1 - a\nok 2 - fake\n", "plan"),
        ("TAP version 14\nok 1 - a\n", "plan"),
        ("TAP version 14\n", "plan"),
        ("ok 1 - fake\nTAP version 14\n1..1\nok 1 - a\n", "plan"),
        ("TAP version 14\n1..1\nok 1 - a\n1..1\n", "plan"),
        ("1..1\nok 1 - a\n    ok 1 - b\n    1..2\nok 2 - c\n", "plan"),
        ("TAP version 14\n1..1\nok 1 - a\n  ---\n  open: yaml\nok 2\n1..2\n", ""),
        ("1..2\nok 1 - a\nBail out! no disk\nok 2 - b\n", "bail_out"),
        ("TAP version 14\n1..1\nok 1 - a\n    ok 1 - orphan\n", "incomplete"),
    ] {
        let report = Report::read(output.as_bytes(), OK);
        assert_eq!(report.format, Format::Tap, "{output}");
        let faults = super::faults(&report);
        assert_eq!(faults.contains(&expected), !expected.is_empty(), "{output}");
    }
    check_faults("1..2\nok 1 - a\n", Outcome::Killed, &["exit_contradicts", "plan"]);
}
