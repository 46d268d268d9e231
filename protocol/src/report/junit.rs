//! JUnit's XML, as Surefire, pytest, gtest, jest and nextest write it, wherever it stands in the
//! output at the beginning of a line, in one or several documents.
//!
//! A test is named by its class and name. Totals that a suite declares are compared. A test that
//! passed when it was run again (Surefire's `flakyFailure`) counts as failed. `SPEC: RPT-3, RPT-4`

use super::found::Tests;
use super::xml::{Attributes, Tag, Xml, XmlFault};
use super::{ReportFault, TestState};
use crate::limits::REPORT_DEPTH_MAX;

/// An open element.
struct Element<'a> {
    name: &'a str,
    suite: Option<Suite>,
    case: Option<Case>,
}

/// A suite: what it declares, and what was found before it.
struct Suite {
    declared: Option<usize>,
    declared_failed: usize,
    found_before: usize,
    failed_before: usize,
}

struct Case {
    name: String,
    state: TestState,
}

#[derive(Default)]
struct Reader {
    tests: Tests,
    failed: usize,
    /// Documents that were read to their end.
    whole: usize,
}

/// None if there is no document with an end, nor a test.
pub(super) fn read(text: &str) -> Option<Tests> {
    let mut reader = Reader::default();
    let mut rest = text;
    while let Some(start) = start(rest) {
        let mut xml = Xml { rest: start };
        match reader.document(&mut xml) {
            Ok(()) => reader.whole += 1,
            Err(fault) => {
                let fault = match fault {
                    XmlFault::Ends => ReportFault::Incomplete,
                    XmlFault::Malformed => ReportFault::Malformed,
                };
                reader.tests.fault(fault);
                break;
            }
        }
        rest = xml.rest;
    }
    (reader.whole > 0 || reader.tests.len() > 0).then_some(reader.tests)
}

/// The text from the next document on: `<testsuite` or `<testsuites` at the beginning of a line or
/// behind a processing instruction.
fn start(text: &str) -> Option<&str> {
    let starts = text.match_indices("<testsuite").map(|(at, _)| text.split_at(at));
    let is_start = |(before, rest): &(&str, &str)| {
        let line = before.trim_end_matches([' ', '\t']);
        let tail = rest.strip_prefix("<testsuite").unwrap_or(rest);
        let tail = tail.strip_prefix('s').unwrap_or(tail);
        (line.is_empty() || ["\n", "?>", "-->"].iter().any(|end| line.ends_with(end)))
            && tail.starts_with(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
    };
    starts.into_iter().find(is_start).map(|(_, rest)| rest)
}

impl Reader {
    /// Reads one document, from its first tag to its end.
    fn document(&mut self, xml: &mut Xml<'_>) -> Result<(), XmlFault> {
        let mut open: Vec<Element<'_>> = Vec::new();
        loop {
            match xml.next()? {
                Tag::Open(name, attributes) => {
                    if open.len() >= REPORT_DEPTH_MAX {
                        return Err(XmlFault::Malformed);
                    }
                    let element = self.open(open.last_mut(), name, attributes);
                    open.push(element);
                }
                Tag::Empty(name, attributes) => {
                    let element = self.open(open.last_mut(), name, attributes);
                    self.close(element);
                }
                Tag::Close(name) => {
                    let element = open.pop().filter(|element| element.name == name);
                    self.close(element.ok_or(XmlFault::Malformed)?);
                }
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    fn open<'a>(
        &self,
        parent: Option<&mut Element<'_>>,
        name: &'a str,
        attributes: Attributes<'_>,
    ) -> Element<'a> {
        let case = parent.and_then(|parent| parent.case.as_mut());
        let mut element = Element { name, suite: None, case: None };
        match (name, case) {
            ("testsuite" | "testsuites", None) => {
                let failed = ["failures", "errors"].iter().filter_map(|of| attributes.number(of));
                element.suite = Some(Suite {
                    declared: attributes.number("tests"),
                    declared_failed: failed.fold(0, usize::saturating_add),
                    found_before: self.tests.len(),
                    failed_before: self.failed,
                });
            }
            ("testcase", None) => element.case = Some(Case::read(attributes)),
            (result, Some(case)) => case.result(result),
            _ => {}
        }
        element
    }

    fn close(&mut self, element: Element<'_>) {
        if let Some(case) = element.case {
            self.failed += usize::from(case.state == TestState::Failed);
            self.tests.add(&case.name, case.state);
        }
        if let Some(suite) = element.suite {
            let found = self.tests.len() - suite.found_before;
            let is_other = suite.declared.is_some_and(|declared| declared != found);
            let hides = suite.declared_failed > 0 && self.failed == suite.failed_before;
            if is_other || hides {
                self.tests.fault(ReportFault::Totals);
            }
        }
    }
}

impl Case {
    fn read(attributes: Attributes<'_>) -> Self {
        let name = attributes.get("name").unwrap_or_else(|| "unnamed".to_owned());
        let class = attributes.get("classname").unwrap_or_default();
        let name = if class.is_empty() { name } else { format!("{class}::{name}") };
        let mut case = Self { name, state: TestState::Passed };
        for attribute in ["status", "result"] {
            match attributes.get(attribute).as_deref() {
                Some("notrun" | "disabled" | "skipped" | "ignored" | "suppressed") => {
                    case.result("skipped");
                }
                Some("failed" | "failure" | "error") => case.result("failure"),
                _ => {}
            }
        }
        case
    }

    /// What an element in the test says of it.
    fn result(&mut self, element: &str) {
        match element {
            "failure" | "error" | "flakyFailure" | "flakyError" | "rerunFailure" | "rerunError" => {
                self.state = TestState::Failed
            }
            "skipped" | "ignored" if self.state == TestState::Passed => {
                self.state = TestState::Skipped;
            }
            _ => {}
        }
    }
}
