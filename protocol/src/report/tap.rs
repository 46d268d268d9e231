//! The Test Anything Protocol, versions 13 and 14.
//!
//! A subtest is indented by four blanks and told before the test that it is part of; its tests are
//! named `parent > child` and the parent counts too. `SPEC: RPT-4`

use super::found::{Tests, number, plain};
use super::{ReportFault, TestState};
use crate::limits::{REPORT_DEPTH_MAX, REPORT_NAME_BYTES_MAX, REPORT_TESTS_MAX};
use crate::printable::{cut, shown};

/// Blanks of one level.
const INDENT: usize = 4;

#[derive(Default)]
struct Level {
    plan: Option<usize>,
    seen: usize,
    found: Vec<(String, TestState)>,
    /// Tests of the subtest that ended last: the next test is their parent.
    children: Vec<(String, TestState)>,
}

#[derive(Default)]
struct Reader {
    tests: Tests,
    /// The top first, then the open subtests.
    levels: Vec<Level>,
    /// The indent of a block of YAML that is passed over.
    yaml: Option<usize>,
    is_known: bool,
    is_given_up: bool,
}

/// None if there is neither a version nor a plan with tests.
pub(super) fn read(text: &str) -> Option<Tests> {
    let mut reader = Reader::default();
    reader.levels.push(Level::default());
    for line in text.lines() {
        if !reader.is_given_up {
            reader.line(plain(line).trim_end());
        }
    }
    reader.end_stream();
    reader.is_known.then_some(reader.tests)
}

impl Reader {
    fn line(&mut self, line: &str) {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        if let Some(yaml) = self.yaml {
            if indent == yaml && body == "..." {
                self.yaml = None;
            }
            return;
        }
        let depth = indent / INDENT;
        if body == "---" && indent % INDENT == 2 {
            self.yaml = Some(indent);
            return;
        }
        if !indent.is_multiple_of(INDENT) || depth > REPORT_DEPTH_MAX {
            return;
        }
        if depth == 0 && matches!(body, "TAP version 13" | "TAP version 14") {
            self.end_stream();
            self.levels.push(Level::default());
            self.is_known = true;
        } else if body.starts_with("Bail out!") && (self.is_known || self.has_tests()) {
            self.tests.fault(ReportFault::BailOut);
            (self.is_known, self.is_given_up) = (true, true);
        } else if let Some(plan) = plan(body) {
            self.plan(depth, plan);
        } else if let Some(point) = Point::read(body) {
            self.point(depth, &point);
        }
    }

    fn has_tests(&self) -> bool {
        self.levels.first().is_some_and(|level| level.seen > 0)
    }

    fn plan(&mut self, depth: usize, plan: usize) {
        if self.level(depth).and_then(|level| level.plan.replace(plan)).is_some() {
            self.tests.fault(ReportFault::Plan);
        }
    }

    fn point(&mut self, depth: usize, point: &Point) {
        let Some(level) = self.level(depth) else { return };
        level.seen += 1;
        let name = point.name(level.seen);
        for (child, state) in std::mem::take(&mut level.children) {
            let child = cut(format!("{name} > {child}"), REPORT_NAME_BYTES_MAX);
            level.found.push((child, state));
        }
        level.found.push((name, point.state));
        let is_full = level.found.len() > REPORT_TESTS_MAX;
        level.found.truncate(REPORT_TESTS_MAX);
        let found = if depth == 0 { std::mem::take(&mut level.found) } else { Vec::new() };
        if is_full {
            self.tests.fault(ReportFault::TooManyTests);
        }
        for (name, state) in found {
            self.tests.add(&name, state);
        }
    }

    /// The level of this depth, after those below it ended.
    fn level(&mut self, depth: usize) -> Option<&mut Level> {
        while self.levels.len() > depth + 1 {
            self.end_level();
        }
        while self.levels.len() <= depth {
            self.levels.push(Level::default());
        }
        self.levels.last_mut()
    }

    fn end_level(&mut self) {
        let Some(level) = self.levels.pop() else { return };
        if level.plan.is_some_and(|plan| plan != level.seen) {
            self.tests.fault(ReportFault::Plan);
        }
        match self.levels.last_mut() {
            Some(parent) => {
                parent.children.extend(level.found);
                parent.children.extend(level.children);
                parent.children.truncate(REPORT_TESTS_MAX + 1);
            }
            // A subtest whose parent never came.
            None if !level.children.is_empty() => self.tests.fault(ReportFault::Incomplete),
            None => {}
        }
    }

    /// Ends what was open; a stream has a plan, which makes one that broke off known.
    fn end_stream(&mut self) {
        let plan = self.levels.first().and_then(|level| level.plan);
        let has_plan = plan.is_some();
        let has_tests = self.has_tests() || self.levels.len() > 1;
        while self.levels.len() > 1 {
            self.end_level();
        }
        self.is_known |= has_plan && (has_tests || plan == Some(0));
        if (self.is_known || has_tests) && !has_plan && !self.is_given_up {
            self.tests.fault(ReportFault::Plan);
        }
        self.end_level();
    }
}

/// `1..4`, or `1..0 # SKIP no database`.
fn plan(body: &str) -> Option<usize> {
    let rest = body.strip_prefix("1..")?;
    number(rest.split_once('#').map_or(rest, |(plan, _)| plan).trim())
}

/// One test.
struct Point {
    state: TestState,
    description: String,
}

impl Point {
    fn read(body: &str) -> Option<Self> {
        let (is_ok, rest) = match body.strip_prefix("not ok") {
            Some(rest) => (false, rest),
            None => (true, body.strip_prefix("ok")?),
        };
        if !(rest.is_empty() || rest.starts_with(' ')) {
            return None;
        }
        let rest = rest.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (_, rest) = rest.split_at(digits);
        let rest = rest.trim_start();
        let rest = rest.strip_prefix("- ").unwrap_or(rest);
        let (description, is_directive) = split(rest);
        let state = if is_directive {
            TestState::Skipped
        } else if is_ok {
            TestState::Passed
        } else {
            TestState::Failed
        };
        Some(Self { state, description })
    }

    /// Its description, or its place where it has none: numbers move when a test is added.
    fn name(&self, place: usize) -> String {
        if self.description.is_empty() {
            format!("test {place}")
        } else {
            shown(&self.description, REPORT_NAME_BYTES_MAX)
        }
    }
}

/// The description without its escapes, and whether a directive follows it: a `#` without an
/// escape, behind a blank or at the beginning, and `SKIP` or `TODO` in any case. Any other `#` is
/// text.
fn split(text: &str) -> (String, bool) {
    let mut description = String::new();
    let mut is_escaped = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let rest = || text.get(at + 1..).unwrap_or_default().trim_start();
        if c == '#' && !is_escaped && before == ' ' && is_directive(rest()) {
            return (description.trim().to_owned(), true);
        }
        if c == '\\' && !is_escaped {
            is_escaped = true;
            continue;
        }
        if is_escaped && !matches!(c, '#' | '\\') {
            description.push('\\');
        }
        (is_escaped, before) = (false, c);
        description.push(c);
    }
    (description.trim().to_owned(), false)
}

/// Directives may go on: SKIPPED, or TODO with a reason.
fn is_directive(text: &str) -> bool {
    let word = text.get(..4).unwrap_or_default();
    let is_end = |tail: &str| !tail.starts_with(|c: char| c.is_alphanumeric());
    word.eq_ignore_ascii_case("skip")
        || (word.eq_ignore_ascii_case("todo") && is_end(text.get(4..).unwrap_or_default()))
}
