//! The table of hostile inputs: every row is there, and every test that it names is one.
//!
//! A row of `tests/HOSTILE.md` is `| number | what comes | tests | and |`, each test in backticks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::{Finding, Source, Tree};

pub(super) const TABLE: &str = "tests/HOSTILE.md";

/// The rows that there must be.
const ROWS: [RangeInclusive<u32>; 3] = [1..=63, 70..=70, 76..=78];

/// Rows that are missing or there twice, name no test, or one that does not exist.
pub(super) fn untested(tree: &Tree) -> Vec<Finding> {
    let Some(table) = tree.get(TABLE) else {
        return vec![Finding::new(TABLE, 1, "the table of hostile inputs is missing")];
    };
    let tests: BTreeSet<_> = tree.rust().flat_map(tests).collect();
    let mut rows: BTreeMap<u32, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(table.text.lines()) {
        let cells: Vec<_> = text.split('|').map(str::trim).collect();
        let Some(number) = cells.get(1).and_then(|cell| cell.parse().ok()) else { continue };
        let mut find = |what: String| findings.push(Finding::new(TABLE, line, what));
        if !ROWS.iter().any(|rows| rows.contains(&number)) || rows.insert(number, line).is_some() {
            find(format!("row {number} is there twice, or is none"));
        }
        let &[_, _, what, named, _, _] = &cells[..] else {
            find(format!("row {number} has other columns than four"));
            continue;
        };
        let named: Vec<_> = named.split(',').map(|name| name.trim().trim_matches('`')).collect();
        if what.is_empty() || named == [""] {
            find(format!("row {number} says nothing, or names no test"));
        }
        for name in named.iter().filter(|name| !name.is_empty() && !tests.contains(**name)) {
            find(format!("row {number} names `{name}`, which is no test"));
        }
    }
    let missing = ROWS.into_iter().flatten().filter(|row| !rows.contains_key(row));
    findings.extend(missing.map(|row| Finding::new(TABLE, 1, format!("row {row} is missing"))));
    findings
}

/// The functions of a file that a test runner runs.
fn tests(file: &Source) -> Vec<&str> {
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in file.code.lines().map(str::trim) {
        if let Some((attribute, _)) = line.strip_prefix("#[").and_then(|line| line.split_once(']'))
        {
            let path = attribute.split('(').next().unwrap_or_default();
            is_test |= path.split("::").last() == Some("test");
        } else if let Some((_, after)) = line.split_once("fn ") {
            let end = after.find(['(', '<']).unwrap_or(after.len());
            tests.extend(is_test.then_some(&after[..end]));
            is_test = false;
        } else if !line.is_empty() {
            is_test = false;
        }
    }
    tests
}

/// Packages of a lock file that are older than these versions, or not there.
pub(super) fn older(lock: &str, least: &[(&str, [u64; 3])]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, least) in least {
        let named = format!("name = \"{name}\"");
        let packages = lock.split("[[package]]").filter(|package| package.contains(&named));
        let versions: Vec<_> = packages.filter_map(version).collect();
        let is_old = versions.iter().any(|version| version < least);
        if versions.is_empty() || is_old {
            let what = format!("{name} {versions:?}, at least {least:?}");
            findings.push(Finding::new("Cargo.lock", 1, what));
        }
    }
    findings
}

fn version(package: &str) -> Option<[u64; 3]> {
    let (_, after) = package.split_once("version = \"")?;
    let (version, _) = after.split_once('"')?;
    let numbers: Vec<_> = version.split('.').map_while(|part| part.parse().ok()).collect();
    numbers.try_into().ok()
}
