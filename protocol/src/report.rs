//! What a run of tests said: names and states, read from the run's output and exit.
//!
//! Formats, the first that is recognised: JUnit's XML anywhere in the output, nextest's lines,
//! libtest's lines, TAP 13 and 14. What is none of these is one test named `command`, passed if
//! the command exited with 0, and the format [`Format::Opaque`] says so.
//!
//! The output is written by the code under test as much as by its harness, so it may lie. A report
//! therefore holds [`ReportFault`]s where it contradicts itself: totals, plans, ends, the exit. A
//! report with a fault has the failed test `command` beside its others. What is forged without any
//! contradiction is believed here; [`crate::verify`] compares runs that the forger does not all
//! write.
//!
//! Reading order: `found` (names), `libtest`, `nextest`, `tap`, `xml`, `junit`.

mod found;
mod junit;
mod libtest;
mod nextest;
mod tap;
mod xml;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::limits::REPORT_BYTES_MAX;
use found::Tests;

/// The name of the one test that a command is where its output says no more.
pub const COMMAND: &str = "command";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With this code.
    Exited(i32),
    /// By a signal that was not ours.
    Killed,
    /// It took too long and was ended.
    TimedOut,
}

impl Outcome {
    /// Whether it ended by itself with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

/// What a report was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The Test Anything Protocol, version 13 or 14.
    Tap,
    /// JUnit's XML.
    #[serde(rename = "junit")]
    JUnit,
    /// The lines of cargo-nextest.
    Nextest,
    /// The lines of Rust's own harness.
    Libtest,
    /// Nothing that is known: the exit alone.
    Opaque,
}

/// What became of a test, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestState {
    /// It failed, or its verdict changed within the run.
    Failed,
    /// It ran and passed.
    Passed,
    /// It did not run, or does not count (TODO).
    Skipped,
}

crate::code::codes! {
    /// How a report contradicts itself. `SPEC: RPT-6`
    ReportFault:
    /// More output than is read.
    OutputTruncated = "output_truncated", "there was more output than is read";
    /// More tests than are counted.
    TooManyTests = "too_many_tests", "there are more tests than are counted";
    /// The exit says failure, no test does.
    ExitContradicts = "exit_contradicts", "no test failed, but the command did";
    /// Totals that are not those of the tests before them.
    Totals = "totals", "the totals are not those of the tests";
    /// Not as many tests as were announced.
    Plan = "plan", "there are not as many tests as were announced";
    /// The end is missing.
    Incomplete = "incomplete", "the output ends before the tests do";
    /// TAP's bail out.
    BailOut = "bail_out", "the tests were given up";
    /// XML that is none, or deeper or larger than is read.
    Malformed = "malformed", "the report is no XML that can be read";
}

/// What one run of a command said about its tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What it was read from.
    pub format: Format,
    /// How the command ended.
    pub outcome: Outcome,
    /// The tests, by name in showable form; of tests with one name the worst has it, then the next
    /// as `name #2`, and so on.
    pub tests: BTreeMap<String, TestState>,
    /// Whether output or tests were left out.
    pub truncated: bool,
    /// How it contradicts itself. If anyhow, the tests hold a failed [`COMMAND`].
    pub faults: BTreeSet<ReportFault>,
}

impl Report {
    /// Reads what a command wrote, standard output and error together in the order in which they
    /// came. Give one byte more than [`REPORT_BYTES_MAX`] where there is more.
    /// `SPEC: RPT-1, RPT-2`
    #[must_use]
    pub fn read(output: &[u8], outcome: Outcome) -> Self {
        let head = output.get(..REPORT_BYTES_MAX).unwrap_or(output);
        let text = String::from_utf8_lossy(head);
        let is_cut = output.len() > head.len();
        let known = [
            (Format::JUnit, junit::read as fn(&str) -> Option<Tests>),
            (Format::Nextest, nextest::read),
            (Format::Libtest, libtest::read),
            (Format::Tap, tap::read),
        ];
        let found = known.iter().find_map(|(format, read)| Some((*format, read(&text)?)));
        let (format, mut tests) = found.unwrap_or_else(|| (Format::Opaque, Tests::default()));
        if is_cut && format != Format::Opaque {
            tests.fault(ReportFault::OutputTruncated);
        }
        Self::of(format, outcome, tests)
    }

    fn of(format: Format, outcome: Outcome, found: Tests) -> Self {
        let (mut tests, mut faults) = found.finish();
        let has_failed = tests.values().any(|state| *state == TestState::Failed);
        if format == Format::Opaque {
            let passed = outcome.is_success();
            let state = if passed { TestState::Passed } else { TestState::Failed };
            tests = BTreeMap::from([(COMMAND.to_owned(), state)]);
        } else if !outcome.is_success() && !has_failed {
            faults.insert(ReportFault::ExitContradicts);
        }
        if !faults.is_empty() {
            tests.insert(COMMAND.to_owned(), TestState::Failed);
        }
        let cuts = [ReportFault::OutputTruncated, ReportFault::TooManyTests];
        let truncated = cuts.iter().any(|cut| faults.contains(cut));
        Self { format, outcome, tests, truncated, faults }
    }

    /// The tests that the command itself reported: without [`COMMAND`] where a fault put it there.
    pub fn reported(&self) -> impl Iterator<Item = (&str, TestState)> {
        let is_added = !self.faults.is_empty();
        let tests = self.tests.iter().map(|(name, state)| (name.as_str(), *state));
        tests.filter(move |(name, _)| !(is_added && *name == COMMAND))
    }

    /// How many of them are in this state.
    #[must_use]
    pub fn count(&self, state: TestState) -> usize {
        self.reported().filter(|(_, of)| *of == state).count()
    }

    /// How many of them ran: passed or failed.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.count(TestState::Passed) + self.count(TestState::Failed)
    }

    /// Whether the command failed by itself before it said anything about tests, as a build does.
    #[must_use]
    pub fn is_unbuilt(&self) -> bool {
        let is_failed = matches!(self.outcome, Outcome::Exited(code) if code != 0);
        self.format == Format::Opaque && is_failed
    }

    /// The state of a test by its name.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<TestState> {
        self.tests.get(name).copied()
    }

    /// The state of a test that the command itself reported.
    #[must_use]
    pub fn reported_state(&self, name: &str) -> Option<TestState> {
        let is_added = name == COMMAND && !self.faults.is_empty();
        if is_added { None } else { self.state(name) }
    }
}
