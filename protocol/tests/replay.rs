//! The corpus of every fuzz target, replayed.

#![allow(clippy::disallowed_methods, reason = "a corpus is files")]

use std::fs;
use std::path::Path;

use crate::fuzz::{TARGETS, corpus};

#[test]
fn every_target_has_a_corpus_and_nothing_in_it_fails() {
    // SPEC: SYNC-1, EVT-2, DOC-12, STATE-1
    for target in TARGETS {
        let inputs = corpus::inputs(target.name);
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for (path, input) in inputs {
            println!("{}", path.display());
            (target.run)(&input);
        }
    }
}

#[test]
fn every_target_is_a_program_and_no_corpus_is_left_without_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let (mut programs, mut of_node) = (Vec::new(), Vec::new());
    for table in manifest.split("[[bin]]").skip(1) {
        let name = table.split('"').nth(1).unwrap();
        // The node's own stand in `node/src/fuzz.rs`, and it replays them.
        let is_of_node = table.contains("path = \"node.rs\"");
        assert!(is_of_node || table.contains("path = \"any.rs\""), "{name}");
        if is_of_node { &mut of_node } else { &mut programs }.push(name);
    }
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(programs, names);
    let folders = fs::read_dir(folder.join("corpus")).unwrap();
    let mut folders: Vec<_> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let mut names = [names, of_node].concat();
    names.sort_unstable();
    assert_eq!(folders, names);
}
