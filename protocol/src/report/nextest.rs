//! The lines of cargo-nextest: a status, a time in brackets, a name; a summary at the end.
//!
//! Names are unique there (binary and test), so a test that is told twice keeps its worst state; a
//! test that passed at its second try changed its verdict and counts as failed. `SPEC: RPT-4`

use std::collections::BTreeMap;

use super::found::{Tests, number, plain};
use super::{ReportFault, TestState};

/// None if no run of nextest begins or ends there.
pub(super) fn read(text: &str) -> Option<Tests> {
    let mut tests = Tests::default();
    let mut run: BTreeMap<String, TestState> = BTreeMap::new();
    let (mut is_known, mut is_over) = (false, false);
    for line in text.lines() {
        let line = plain(line);
        let line = line.trim();
        if line.starts_with("Nextest run ID ") {
            if is_known && !is_over {
                tests.fault(ReportFault::Incomplete);
            }
            (is_known, is_over) = (true, false);
        } else if is_over {
            // Failures are told once more behind the summary.
        } else if let Some((status, name)) = status(line) {
            if status == "Summary" && name.contains("run:") {
                (is_known, is_over) = (true, true);
                summary(&name, &run, &mut tests);
                add(&mut tests, std::mem::take(&mut run));
            } else if let Some(state) = state(status) {
                run.entry(name).and_modify(|of| *of = state.min(*of)).or_insert(state);
            }
        }
    }
    add(&mut tests, run);
    if !is_over {
        tests.fault(ReportFault::Incomplete);
    }
    is_known.then_some(tests)
}

fn add(tests: &mut Tests, run: BTreeMap<String, TestState>) {
    for (name, state) in run {
        tests.add(&name, state);
    }
}

/// `PASS [   0.004s] (1/12) app::bin name`: the status and the name.
fn status(line: &str) -> Option<(&str, String)> {
    let (status, rest) = line.split_once(" [")?;
    let (time, name) = rest.split_once(']')?;
    let seconds = time.trim().strip_suffix('s')?;
    seconds.parse::<f64>().ok()?;
    let name = name.trim();
    let counted = name.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let is_count = |text: &str| {
        text.split_once('/')
            .is_some_and(|(at, of)| number(at.trim()).is_some() && number(of.trim()).is_some())
    };
    let name = counted.filter(|(count, _)| is_count(count)).map_or(name, |(_, name)| name.trim());
    (!name.is_empty()).then(|| (status.trim(), name.to_owned()))
}

fn state(status: &str) -> Option<TestState> {
    let is_failed = |word: &str| {
        matches!(word, "FAIL" | "LEAK-FAIL" | "TIMEOUT" | "ABORT" | "FLAKY" | "TRY")
            || word.starts_with("SIG")
    };
    match status {
        "PASS" | "LEAK" | "TIMEOUT-PASS" => Some(TestState::Passed),
        _ => status.split(' ').next().filter(|word| is_failed(word)).map(|_| TestState::Failed),
    }
}

/// `12 tests run: 11 passed (1 slow), 1 failed, 0 skipped`; `3/12 tests run` where it gave up.
fn summary(text: &str, run: &BTreeMap<String, TestState>, tests: &mut Tests) {
    let count = text.split(' ').next().unwrap_or_default();
    let (ran, all) = count.split_once('/').unwrap_or((count, count));
    if ran != all {
        tests.fault(ReportFault::Incomplete);
    }
    let words: Vec<&str> = text.split([' ', ',', ':']).filter(|word| !word.is_empty()).collect();
    let passed = words.windows(2).find(|pair| pair.last() == Some(&"passed"));
    let passed = passed.and_then(|pair| pair.first()).and_then(|word| number(word)).unwrap_or(0);
    // What passed at a second try is failed here and passed there.
    let counted = run.values().filter(|state| **state == TestState::Passed).count();
    let is_right = number(ran) == Some(run.len()) && (counted..=run.len()).contains(&passed);
    let has_failed = text.contains(" failed") || text.contains(" timed out");
    if !is_right || (has_failed && counted == run.len()) {
        tests.fault(ReportFault::Totals);
    }
}
