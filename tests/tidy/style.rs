//! Rules about form: headers, lengths, leftovers, and what the protocol may not name.

use super::source::{Source, words};
use super::{Finding, Tree};

pub(super) const LINE_COLUMNS: usize = 100;
pub(super) const FUNCTION_LINES: usize = 70;
pub(super) const FILE_LINES: usize = 450;

/// What may not stand in code, with what to do instead.
const CODE_LEFTOVERS: &[(&str, &str)] = &[
    ("todo!", "write it, or leave the feature out"),
    ("unimplemented!", "write it, or leave the feature out"),
    ("dbg!", "log it, or take it out"),
    ("#[ignore", "a test runs or does not exist"),
];

/// What may not stand in code or comments.
const COMMENT_LEFTOVERS: &[&str] = &["FIXME", "XXX"];

/// Rust files whose first line isn't `//!`.
pub(super) fn without_header(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| {
            Finding::new(&file.path, 1, "the file must start with `//!` and say what it is")
        })
        .collect()
}

/// Lines with more than `LINE_COLUMNS` characters.
pub(super) fn long_lines(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (index, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS {
                let what = format!("{columns} columns, at most {LINE_COLUMNS}");
                findings.push(Finding::new(&file.path, index + 1, what));
            }
        }
    }
    findings
}

/// Functions with more than `FUNCTION_LINES` lines, each with its name.
pub(super) fn long_functions(tree: &Tree) -> Vec<(Finding, String)> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for function in file.functions() {
            let lines = function.last - function.first + 1;
            if lines > FUNCTION_LINES {
                let what =
                    format!("`{}` has {lines} lines, at most {FUNCTION_LINES}", function.name);
                findings.push((Finding::new(&file.path, function.first, what), function.name));
            }
        }
    }
    findings
}

/// Files with more than `FILE_LINES` lines, each with an empty name.
pub(super) fn long_files(tree: &Tree) -> Vec<(Finding, String)> {
    let long = |file: &Source| {
        let lines = file.text.lines().count();
        let what = format!("{lines} lines, at most {FILE_LINES}: split it");
        (lines > FILE_LINES).then(|| (Finding::new(&file.path, lines, what), String::new()))
    };
    tree.rust().filter_map(long).collect()
}

/// Marks of unfinished work.
pub(super) fn leftovers(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (mark, advice) in CODE_LEFTOVERS {
            for (at, _) in file.code.match_indices(mark) {
                if !file.code[..at].ends_with(super::source::is_word) {
                    let line = Source::line_of(&file.code, at);
                    findings.push(Finding::new(&file.path, line, format!("{mark}: {advice}")));
                }
            }
        }
        for mark in COMMENT_LEFTOVERS {
            for view in [&file.code, &file.comments] {
                for at in words(view, mark) {
                    let what = format!("{mark}: do it now, or open an issue");
                    findings.push(Finding::new(&file.path, Source::line_of(view, at), what));
                }
            }
        }
    }
    findings
}

/// Tokio's time and tasks in the mesh code of the node: a browser has others, so only
/// `portable.rs` names them.
pub(super) fn unportable_mesh(tree: &Tree) -> Vec<Finding> {
    const MESH: [&str; 5] = [
        "node/src/transport",
        "node/src/mesh.rs",
        "node/src/pairing.rs",
        "node/src/pairing/",
        "node/src/engine/links.rs",
    ];
    let mut findings = Vec::new();
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.ends_with("/contract.rs");
    let is_mesh = |path: &str| MESH.iter().any(|mesh| path.starts_with(mesh)) && !is_test(path);
    for file in tree.rust().filter(|file| is_mesh(&file.path)) {
        for name in ["tokio::time", "tokio::task", "tokio::spawn", "tokio::runtime"] {
            for at in file.words(name) {
                let what = format!("{name} in mesh code: use portable.rs");
                findings.push(Finding::new(&file.path, Source::line_of(&file.code, at), what));
            }
        }
    }
    findings
}

/// Collections in `protocol/src` whose order differs between runs.
pub(super) fn unordered_collections(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("protocol/src/")) {
        for (name, instead) in [("HashMap", "BTreeMap"), ("HashSet", "BTreeSet")] {
            for at in file.words(name) {
                let what = format!("{name} has no stable order: {instead}");
                findings.push(Finding::new(&file.path, Source::line_of(&file.code, at), what));
            }
        }
    }
    findings
}
