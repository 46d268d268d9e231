//! The corpus of every fuzz target, replayed.

#![allow(clippy::disallowed_methods, reason = "a corpus is files")]

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::fuzz::{TARGETS, corpus, orders};
use crate::kit::setting;

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
fn two_orders_of_what_chance_does_are_one_state() {
    // SPEC: STATE-1, EFF-1
    for seed in 0..setting("KERNELOS_WORLDS", 12) as u64 {
        println!("seed {seed}");
        (crate::fuzz::of("orders").run)(&of_chance(seed));
    }
}

fn of_chance(seed: u64) -> Vec<u8> {
    let mut input = vec![0; 144];
    ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut input);
    input
}

#[test]
fn the_corpus_of_orders_comes_to_every_deed() {
    let inputs = corpus::inputs("orders").into_iter().map(|(_, input)| input);
    assert_eq!(orders::undone(inputs), Vec::<&str>::new());
}

#[test]
fn every_target_is_a_program_and_no_corpus_is_left_without_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let (mut programs, mut of_others) = (Vec::new(), Vec::new());
    for table in manifest.split("[[bin]]").skip(1) {
        let name = table.split('"').nth(1).unwrap();
        // Others' stand in `node/src/fuzz.rs` and `simulations/src/fuzz.rs`: they replay them.
        let is_of = |file: &str| table.contains(&format!("path = \"{file}.rs\""));
        let is_of_others = is_of("node") || is_of("scripts");
        assert!(is_of_others || is_of("any"), "{name}");
        if is_of_others { &mut of_others } else { &mut programs }.push(name);
    }
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(programs, names);
    let folders = fs::read_dir(folder.join("corpus")).unwrap();
    let mut folders: Vec<_> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let mut names = [names, of_others].concat();
    names.sort_unstable();
    assert_eq!(folders, names);
}
