//! Requirements and their citations.
//!
//! SPEC.md defines a requirement by a line that starts with `**AREA-n**`. A comment cites it by the
//! word SPEC, a colon and its id, or several ids with commas between; the rest is prose.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use super::{Finding, Tree};

const MARK: &str = "SPEC:";

struct Citation<'a> {
    path: &'a str,
    line: usize,
    in_test: bool,
    /// None if no id follows the mark.
    id: Option<&'a str>,
}

/// Requirements that SPEC.md defines twice.
pub(super) fn duplicates(tree: &Tree) -> Vec<Finding> {
    let mut seen = BTreeMap::new();
    let mut findings = Vec::new();
    for (id, line) in definitions(tree) {
        if let Some(first) = seen.get(id) {
            let what = format!("{id} is defined in line {first} already");
            findings.push(Finding::new("SPEC.md", line, what));
        } else {
            seen.insert(id, line);
        }
    }
    findings
}

/// Requirements that no code of protocol or node cites.
pub(super) fn without_code(tree: &Tree) -> Vec<Finding> {
    let is_code = |citation: &Citation<'_>| {
        let path = citation.path;
        !citation.in_test && (path.starts_with("protocol/src/") || path.starts_with("node/src/"))
    };
    uncited(tree, is_code, "no code in protocol/src or node/src cites")
}

/// Requirements that no test cites.
pub(super) fn without_test(tree: &Tree) -> Vec<Finding> {
    uncited(tree, |citation| citation.in_test, "no test cites")
}

/// Citations of what SPEC.md does not define.
pub(super) fn unknown(tree: &Tree) -> Vec<Finding> {
    let defined: BTreeSet<&str> = definitions(tree).into_iter().map(|(id, _)| id).collect();
    citations(tree)
        .iter()
        .filter(|citation| citation.id.is_none_or(|id| !defined.contains(id)))
        .map(|citation| {
            let what = match citation.id {
                Some(id) => format!("SPEC.md defines no {id}"),
                None => format!("no id such as LEASE-3 follows `{MARK}`"),
            };
            Finding::new(citation.path, citation.line, what)
        })
        .collect()
}

fn uncited(tree: &Tree, counts: impl Fn(&Citation<'_>) -> bool, what: &str) -> Vec<Finding> {
    let all = citations(tree);
    let cited: BTreeSet<&str> = all.iter().filter(|c| counts(c)).filter_map(|c| c.id).collect();
    definitions(tree)
        .into_iter()
        .filter(|(id, _)| !cited.contains(id))
        .map(|(id, line)| Finding::new("SPEC.md", line, format!("{what} {id}")))
        .collect()
}

/// The ids of SPEC.md with their lines.
fn definitions(tree: &Tree) -> Vec<(&str, usize)> {
    let text = tree.get("SPEC.md").map_or("", |file| &file.text);
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let (id, _) = line.strip_prefix("**")?.split_once("**")?;
            is_id(id).then_some((id, index + 1))
        })
        .collect()
}

fn citations(tree: &Tree) -> Vec<Citation<'_>> {
    let mut citations = Vec::new();
    for file in tree.rust() {
        for (at, _) in file.comments.match_indices(MARK) {
            let line = Source::line_of(&file.comments, at);
            let rest = file.comments[at + MARK.len()..].lines().next().unwrap_or_default();
            let ids = ids(rest);
            let (path, in_test) = (file.path.as_str(), file.is_test(line));
            let cite = |id| Citation { path, line, in_test, id };
            if ids.is_empty() {
                citations.push(cite(None));
            }
            citations.extend(ids.into_iter().map(|id| cite(Some(id))));
        }
    }
    citations
}

/// The ids at the start of what follows the mark: `A-1, A-2 and then prose`.
fn ids(rest: &str) -> Vec<&str> {
    let mut ids = Vec::new();
    for part in rest.split(',') {
        let part = part.trim_start();
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(part.len());
        if !is_id(&part[..end]) {
            break;
        }
        ids.push(&part[..end]);
        if !part[end..].trim().is_empty() {
            break;
        }
    }
    ids
}

/// `AREA-n`: capitals (parts of them joined by hyphens), a hyphen, a number.
fn is_id(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(area, number)| {
        let capitals = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_uppercase())
                && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        };
        area.split('-').all(capitals)
            && !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
    })
}
