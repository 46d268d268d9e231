//! JUnit's XML.

use kernelos_protocol::report::{Format, Report};

use super::{BAD, OK, check, check_faults};

const HONEST: &str = r#"
running tests ... <testsuite> is only a word here
<?xml version="1.0" encoding="UTF-8"?>
<!-- written by a harness -->
<testsuites tests="7" failures="3">
  <testsuite name="outer" tests="7" failures="2" errors="1" skipped="2" time="0.1">
    <properties><property name="a" value="b &gt; c"/></properties>
    <testcase classname="app.A" name="works" time="0.01"/>
    <testcase classname='app.A' name='breaks &amp; &quot;tells&quot; &#x41;'>
      <failure message="a &lt; b > c" type="x">
        <![CDATA[</testcase><testcase name="fake"/>]]></failure>
    </testcase>
    <testcase classname="app.A" name="errs"><error/></testcase>
    <testcase classname="app.A" name="waits"><skipped message="no network"/></testcase>
    <testsuite name="inner" tests="3">
      <testcase name="off" status="notrun"/>
      <testcase name="again"><flakyFailure message="x"/><system-out>ok</system-out></testcase>
      <testcase classname="b" name="speaks"><system-out>&lt;failure/&gt;</system-out></testcase>
    </testsuite>
  </testsuite>
</testsuites>
done
"#;

#[test]
fn junit_is_found_in_the_noise_and_read() {
    // SPEC: RPT-2, RPT-4
    let expected = [
        "again: failed",
        "app.A::breaks & \"tells\" A: failed",
        "app.A::errs: failed",
        "app.A::waits: skipped",
        "app.A::works: passed",
        "b::speaks: passed",
        "off: skipped",
    ];
    check(HONEST, BAD, Format::JUnit, &expected);
}

#[test]
fn several_documents_and_an_empty_one_are_read() {
    // SPEC: RPT-4
    let one = |name: &str| {
        format!("<testsuite tests=\"1\"><testcase name=\"{name}\"></testcase></testsuite>\n")
    };
    check(&(one("a") + "noise\n" + &one("b")), OK, Format::JUnit, &["a: passed", "b: passed"]);
    check("<testsuites/>", OK, Format::JUnit, &[]);
    check("say <testsuite tests=\"1\">", OK, Format::Opaque, &["command: passed"]);
}

#[test]
fn what_junit_adds_up_must_agree() {
    // SPEC: RPT-6
    let suite =
        |attributes: &str, inside: &str| format!("<testsuite {attributes}>{inside}</testsuite>\n");
    let case = "<testcase name=\"a\"/>";
    for (output, expected) in [
        (suite("tests=\"2\"", case), "totals"),
        (suite("tests=\"1\"", &case.repeat(2)), "totals"),
        (suite("tests=\"1\" failures=\"1\"", case), "totals"),
        (format!("<testsuite>{case}"), "incomplete"),
        (format!("<testsuite>{case}<testcase name=\"b"), "incomplete"),
        (format!("<testsuite>{case}</testsuites>"), "malformed"),
        (format!("<testsuite>{case}<!DOCTYPE x>"), "malformed"),
        (format!("<testsuite>{case}<!ENTITY x \"y\">"), "malformed"),
        (format!("<testsuite>{case}<a <b>"), "malformed"),
    ] {
        check_faults(&output, OK, &[expected]);
    }
}

#[test]
fn no_entity_is_expanded_but_xmls_own() {
    // SPEC: RPT-3
    let named = |name: &str| {
        let output = format!("<testsuite><testcase name=\"{name}\"/></testsuite>");
        let report = Report::read(output.as_bytes(), OK);
        report.tests.keys().next().cloned().unwrap_or_default()
    };
    for (name, expected) in [
        ("&lol9;", "&lol9;"),
        ("&#60;&#x3e;&apos;", "<>'"),
        ("&#xD800;&#99999999;", "&#xD800;&#99999999;"),
        ("a & b &", "a & b &"),
        ("&#x1b;[2J&#x202e;", "\\u{1b}[2J\\u{202e}"),
    ] {
        assert_eq!(named(name), expected);
    }
}
