//! Who may depend on whom, read from the manifests.

use super::source::words;
use super::{Finding, Tree};

/// The packages of the workspace, and the packages of it that each may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("protocol/fuzz", &["kernelos-protocol"]),
    ("node", &["kernelos-protocol"]),
    ("gui", &["kernelos-protocol"]),
    ("simulations", &["kernelos-protocol"]),
    ("tests", &[]),
];

/// What the protocol may not depend on: I/O, and the system's random source.
const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "chrono",
    "futures",
    "getrandom",
    "iroh",
    "mio",
    "quinn",
    "rand",
    "reqwest",
    "rusqlite",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tracing-subscriber",
];

/// Features that bring the system's random source in by the back door.
const IMPURE_FEATURES: &[&str] = &["getrandom", "os_rng", "sys_rng", "thread_rng"];

/// One dependency of a manifest.
struct Dependency {
    /// What the manifest calls it.
    name: String,
    /// What the registry calls it.
    package: String,
    line: usize,
    /// Its lines, with those of the workspace's entry if it is inherited.
    text: String,
}

/// Dependencies between packages of the workspace that no arrow allows.
pub(super) fn forbidden(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in tree.manifests() {
        let Some((folder, _)) = manifest.path.rsplit_once('/') else { continue };
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
            findings.push(Finding::new(&manifest.path, 1, "a package that ARROWS does not list"));
            continue;
        };
        for dependency in dependencies(tree, &manifest.text) {
            let package = dependency.package.as_str();
            if package.starts_with("kernelos-") && !allowed.contains(&package) {
                let what = format!("{folder} may not depend on {package}");
                findings.push(Finding::new(&manifest.path, dependency.line, what));
            }
        }
    }
    findings
}

/// Dependencies by which the protocol would learn of the world outside.
pub(super) fn impure(tree: &Tree) -> Vec<Finding> {
    let Some(manifest) = tree.get("protocol/Cargo.toml") else { return Vec::new() };
    let mut findings = Vec::new();
    for dependency in dependencies(tree, &manifest.text) {
        let package = dependency.package.as_str();
        if IMPURE.contains(&package)
            || package.starts_with("iroh-")
            || package.starts_with("tokio-")
        {
            let what = format!("the protocol does no I/O and may not depend on {package}");
            findings.push(Finding::new(&manifest.path, dependency.line, what));
            continue;
        }
        for feature in IMPURE_FEATURES {
            if dependency.text.contains(&format!("\"{feature}\"")) {
                let what = format!("{package}: `{feature}` is the system's random source");
                findings.push(Finding::new(&manifest.path, dependency.line, what));
            }
        }
    }
    findings
}

/// The dependencies of every kind and for every target.
fn dependencies(tree: &Tree, manifest: &str) -> Vec<Dependency> {
    let workspace = tree.get("Cargo.toml").map_or("", |file| &file.text);
    let shared = entries(workspace);
    let mut dependencies = entries(manifest);
    for dependency in &mut dependencies {
        let inherited = words(&dependency.text, "workspace").next().is_some();
        let entry = shared.iter().find(|entry| entry.name == dependency.name);
        if let Some(entry) = entry.filter(|_| inherited) {
            dependency.package.clone_from(&entry.package);
            dependency.text.push_str(&entry.text);
        }
    }
    dependencies
}

/// The entries of every table of dependencies: `name = …`, `name.workspace = true` (either may go
/// on over several lines inside brackets), or a table of its own, `[dependencies.name]`.
fn entries(manifest: &str) -> Vec<Dependency> {
    let is_table = |section: &str| {
        section.rsplit('.').next() == Some("dependencies")
            || section.ends_with("dev-dependencies")
            || section.ends_with("build-dependencies")
    };
    let mut entries: Vec<Dependency> = Vec::new();
    let (mut in_table, mut in_entry, mut depth) = (false, false, 0_usize);
    for (index, line) in manifest.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut start = |name: &str| {
            let name = name.trim_matches('"').to_owned();
            let (package, text) = (name.clone(), String::new());
            entries.push(Dependency { name, package, line: index + 1, text });
        };
        if depth == 0 && line.starts_with('[') {
            let section = line.trim_matches(['[', ']']);
            in_table = is_table(section);
            let own = section.rsplit_once('.').filter(|(parent, _)| is_table(parent));
            in_entry = own.is_some();
            if let Some((_, name)) = own {
                start(name);
            }
            continue;
        }
        if depth == 0 && in_table {
            start(line.split(['.', '=', ' ']).next().unwrap_or_default());
        }
        depth = (depth + line.matches(['[', '{']).count())
            .saturating_sub(line.matches([']', '}']).count());
        if let Some(entry) = entries.last_mut().filter(|_| in_table || in_entry) {
            entry.text.push_str(line);
            entry.text.push('\n');
            if let Some(package) = renamed(line) {
                entry.package = package.to_owned();
            }
        }
    }
    entries
}

/// The `x` of `package = "x"`.
fn renamed(line: &str) -> Option<&str> {
    let at = words(line, "package").next()?;
    let value = line[at + "package".len()..].trim_start().strip_prefix('=')?.trim_start();
    value.strip_prefix('"')?.split('"').next()
}
