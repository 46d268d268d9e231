//! Rules about the sources that neither the compiler nor clippy knows, one test each.
//!
//! The rules read what `git ls-files` lists, so a new file counts before its first commit. A rule
//! is a function from a `Tree` to findings; `toys` shows on small trees that each of them can fail.

mod arrows;
mod rows;
mod source;
mod spec;
mod style;
mod toys;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use source::Source;

/// A finding that we live with. It must still occur: a stale exception is a finding too.
struct Exception {
    path: &'static str,
    /// The function, or empty for the whole file.
    name: &'static str,
    reason: &'static str,
}

/// Functions that may be longer than `style::FUNCTION_LINES`.
const LONG_FUNCTIONS: &[Exception] = &[];

/// Files that may be longer than `style::FILE_LINES`.
const LONG_FILES: &[Exception] = &[];

/// Every file of the repository that the rules read: Rust, manifests, the specification, the table
/// of hostile inputs.
struct Tree {
    files: Vec<Source>,
}

/// What a rule objects to.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl Tree {
    /// The repository's files, tracked or new, but not the ignored ones.
    fn of_repository() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let git = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .expect("git must be installed");
        assert!(git.status.success(), "git ls-files: {}", String::from_utf8_lossy(&git.stderr));
        let listing = String::from_utf8(git.stdout).expect("file names are UTF-8");
        let mut paths: Vec<&str> = listing.split_terminator('\0').collect();
        paths.sort_unstable();
        paths.dedup();
        let files = paths
            .into_iter()
            .filter(|path| is_read(path) && root.join(path).is_file())
            .map(|path| Source::new(path, std::fs::read_to_string(root.join(path)).unwrap()))
            .collect();
        Self { files }
    }

    fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    fn manifests(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.split('/').next_back() == Some("Cargo.toml"))
    }

    fn get(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn is_read(path: &str) -> bool {
    path.ends_with(".rs")
        || path.ends_with("Cargo.toml")
        || [rows::TABLE, "SPEC.md"].contains(&path)
}

/// Takes the excepted findings out and adds the exceptions that excepted nothing.
fn except(findings: Vec<(Finding, String)>, exceptions: &[Exception], list: &str) -> Vec<Finding> {
    let matches = |exception: &Exception, finding: &Finding, name: &str| {
        exception.path == finding.path && exception.name == name
    };
    let stale = exceptions
        .iter()
        .filter(|e| !findings.iter().any(|(finding, name)| matches(e, finding, name)))
        .map(|e| {
            let what = format!("{list}: `{}` ({}) excepts nothing any more", e.name, e.reason);
            Finding::new(e.path, 1, what)
        })
        .collect::<Vec<_>>();
    findings
        .into_iter()
        .filter(|(finding, name)| !exceptions.iter().any(|e| matches(e, finding, name)))
        .map(|(finding, _)| finding)
        .chain(stale)
        .collect()
}

#[track_caller]
fn assert_none(findings: &[Finding]) {
    let mut report = String::new();
    for finding in findings {
        let _ = writeln!(report, "{}:{}: {}", finding.path, finding.line, finding.what);
    }
    assert!(findings.is_empty(), "{} finding(s)\n{report}", findings.len());
}

#[test]
fn the_tree_is_found() {
    let tree = Tree::of_repository();
    assert!(tree.get("Cargo.toml").is_some() && tree.get("protocol/Cargo.toml").is_some());
    assert!(tree.get("SPEC.md").is_some(), "SPEC.md is missing");
    assert!(tree.rust().count() > 0);
}

#[test]
fn every_file_says_what_it_is() {
    assert_none(&style::without_header(&Tree::of_repository()));
}

#[test]
fn lines_fit() {
    assert_none(&style::long_lines(&Tree::of_repository()));
}

#[test]
fn functions_fit_on_a_page() {
    let findings = style::long_functions(&Tree::of_repository());
    assert_none(&except(findings, LONG_FUNCTIONS, "LONG_FUNCTIONS"));
}

#[test]
fn files_are_read_in_one_sitting() {
    let findings = style::long_files(&Tree::of_repository());
    assert_none(&except(findings, LONG_FILES, "LONG_FILES"));
}

#[test]
fn nothing_is_left_for_later() {
    assert_none(&style::leftovers(&Tree::of_repository()));
}

#[test]
fn the_protocol_has_no_unordered_collections() {
    assert_none(&style::unordered_collections(&Tree::of_repository()));
}

#[test]
fn mesh_code_is_portable() {
    assert_none(&style::unportable_mesh(&Tree::of_repository()));
}

#[test]
fn requirements_are_defined_once() {
    assert_none(&spec::duplicates(&Tree::of_repository()));
}

#[test]
fn every_requirement_is_cited_by_code() {
    assert_none(&spec::without_code(&Tree::of_repository()));
}

#[test]
fn every_requirement_is_cited_by_a_test() {
    assert_none(&spec::without_test(&Tree::of_repository()));
}

#[test]
fn every_citation_names_a_requirement() {
    assert_none(&spec::unknown(&Tree::of_repository()));
}

#[test]
fn dependency_arrows_hold() {
    assert_none(&arrows::forbidden(&Tree::of_repository()));
}

#[test]
fn the_protocol_is_pure() {
    assert_none(&arrows::impure(&Tree::of_repository()));
}

#[test]
fn the_libraries_of_quic_bound_the_pieces_of_a_stream() {
    // The first versions that are known to keep no more than 1,024 pieces with gaps between them.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let bounded = [("noq-proto", [1, 4, 0]), ("quinn-proto", [0, 11, 19])];
    assert_none(&rows::older(&lock, &bounded));
}

#[test]
fn every_hostile_input_has_a_test() {
    assert_none(&rows::untested(&Tree::of_repository()));
}
