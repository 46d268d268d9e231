//! The rulebook is data, and so is its test: each line says what it catches and what passes.

use std::collections::BTreeSet;

use kernelos_protocol::change::{RULEBOOK, Rulebook, rules_bytes};
use kernelos_protocol::limits::CHANGE_RULES_VERSION;

/// What the bytes of the rules add up to (FNV-1a, 64 bits) in each version.
const VERSIONS: &[(u32, u64)] = &[(1, 0x7e21_ee3e_3aca_bf27)];

fn rulebook() -> Rulebook {
    Rulebook::read(RULEBOOK).expect("the rulebook must be readable")
}

#[test]
fn every_kind_catches_its_path_and_lets_its_near_miss_pass() {
    // SPEC: CHG-7
    let rulebook = rulebook();
    let mut wrong = Vec::new();
    for kind in rulebook.kinds() {
        let caught = rulebook.kind_of(&kind.catches, false).map(|caught| caught.name.as_str());
        if caught != Some(&kind.name) {
            wrong.push(format!("{}: {} is caught by {caught:?}", kind.name, kind.catches));
        }
        if let Some(other) = rulebook.kind_of(&kind.passes, false) {
            wrong.push(format!("{}: {} is caught by {}", kind.name, kind.passes, other.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rulebook_has_more_than_eighty_kinds_each_once() {
    // SPEC: CHG-7
    let rulebook = rulebook();
    let unique = |of: fn(&kernelos_protocol::change::Kind) -> &str| {
        rulebook.kinds().iter().map(of).collect::<BTreeSet<_>>().len()
    };
    assert!(rulebook.kinds().len() > 80);
    assert_eq!(unique(|kind| &kind.name), rulebook.kinds().len());
    assert_eq!(unique(|kind| &kind.catches), rulebook.kinds().len());
}

#[test]
fn honest_sources_are_of_no_kind() {
    // SPEC: CHG-7
    let rulebook = rulebook();
    for path in [
        "build.rs",
        "src/build/mod.rs",
        "src/build/tmp/mod.rs",
        "src/target/mod.rs",
        "target/arm/helper.c",
        "llvm/lib/Target/X86/X86.td",
        "src/dist/release.py",
        "dist/systemd/app.service",
        "src/bin/debug/main.rs",
        "src/core/mod.rs",
        "src/log/mod.rs",
        "src/cache/lru.rs",
        "Lib/venv/__init__.py",
        "bin/tool",
        "obj/teapot.obj",
        "docs/.vitepress/config.ts",
        ".github/workflows/ci.yml",
        ".gitignore",
        ".gitattributes",
        ".editorconfig",
        ".env.example",
        ".vscode/settings.json",
        "deploy/service-account.yaml",
        "PLAN.md",
        "AGENTS.md",
        "Cargo.lock",
        "package-lock.json",
        "vendor/github.com/x/y/z.go",
        "tests/fixtures/a.json",
        "migrations/0001_init.sql",
        "assets/logo.png",
        "src/tmp/mod.rs",
        "lib/core.js",
        "include/a.h",
        "types/index.d.ts",
        "out/mod.rs",
    ] {
        assert_eq!(rulebook.kind_of(path, false).map(|kind| &kind.name), None, "{path}");
    }
}

#[test]
fn case_is_no_disguise_and_a_link_is_judged_as_a_folder_too() {
    // SPEC: CHG-7, CHG-8
    let rulebook = rulebook();
    let kind = |path, is_link| rulebook.kind_of(path, is_link).map(|kind| kind.name.as_str());
    assert_eq!(kind("Web/Node_Modules/a.js", false), Some("node-modules"));
    assert_eq!(kind("web/node_modules", false), None);
    assert_eq!(kind("web/node_modules", true), Some("node-modules"));
    assert_eq!(kind("SERVER.LOG", false), Some("log"));
}

#[test]
fn a_line_that_is_no_kind_is_told_with_its_number() {
    // SPEC: CHG-8
    for (text, expected) in [
        ("", "rulebook, line 1: no kinds"),
        ("# a comment\n\na | b | c | d", "rulebook, line 3: not five fields"),
        ("a | b | c | d | e | f", "rulebook, line 1: not five fields"),
        ("A | b | c | d | e", "rulebook, line 1: not a name of a kind"),
        ("a | B | c | d | e", "rulebook, line 1: not a pattern"),
        ("a | b**c | c | d | e", "rulebook, line 1: not a pattern"),
        ("a | b |  | d | e", "rulebook, line 1: an empty field"),
        ("a | b | c | d | e\na | f | c | d | e", "rulebook, line 2: a kind that was there before"),
    ] {
        assert_eq!(Rulebook::read(text).unwrap_err().to_string(), expected, "{text:?}");
    }
    let long = "#\n".repeat(20_000);
    assert_eq!(Rulebook::read(&long).unwrap_err().to_string(), "rulebook, line 1: too many bytes");
}

#[test]
fn another_rulebook_or_limit_is_another_version() {
    // SPEC: CHG-9
    let fingerprint = rules_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let (version, expected) = VERSIONS.last().unwrap();
    assert_eq!(*version, CHANGE_RULES_VERSION);
    assert_eq!(fingerprint, *expected, "raise CHANGE_RULES_VERSION and add {fingerprint:#x}");
}
