//! Tests as they are found, bounded, and how tests of one name are told apart.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{ReportFault, TestState};
use crate::limits::{REPORT_NAME_BYTES_MAX, REPORT_TESTS_MAX};
use crate::printable::shown;

/// What a reader found so far.
#[derive(Default)]
pub(super) struct Tests {
    found: Vec<(String, TestState)>,
    faults: BTreeSet<ReportFault>,
}

impl Tests {
    /// Takes in a test; one too many is a fault. `SPEC: RPT-7`
    pub(super) fn add(&mut self, name: &str, state: TestState) {
        if self.found.len() < REPORT_TESTS_MAX {
            self.found.push((shown(name.trim(), REPORT_NAME_BYTES_MAX), state));
        } else {
            self.fault(ReportFault::TooManyTests);
        }
    }

    pub(super) fn fault(&mut self, fault: ReportFault) {
        self.faults.insert(fault);
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Names the tests. Of several with one name the worst has the plain name, so that the order in
    /// which they ran does not matter and none can cover another. `SPEC: RPT-5`
    pub(super) fn finish(mut self) -> (BTreeMap<String, TestState>, BTreeSet<ReportFault>) {
        self.found.sort();
        let mut tests: BTreeMap<String, TestState> = BTreeMap::new();
        let mut last: Option<(String, usize)> = None;
        for (name, state) in self.found {
            let number = last.filter(|(of, _)| *of == name).map_or(1, |(_, number)| number + 1);
            let own = if number == 1 { name.clone() } else { format!("{name} #{number}") };
            // A test may itself be named like a second one: the worse of the two stays.
            tests.entry(own).and_modify(|there| *there = state.min(*there)).or_insert(state);
            last = Some((name, number));
        }
        (tests, self.faults)
    }
}

/// A line without what colours it in a terminal: the control sequences of ECMA-48, and the choice
/// of a set of characters (`ESC ( B`) with which terminfo resets a colour.
pub(super) fn plain(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
        } else if chars.as_str().starts_with('[') {
            chars.next();
            chars.find(|c| matches!(c, '@'..='~'));
        } else if chars.as_str().starts_with(['(', ')']) {
            chars.nth(1);
        }
    }
    Cow::Owned(out)
}

/// A decimal number of at most nine digits and nothing else.
pub(super) fn number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.len() < 10 && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}
