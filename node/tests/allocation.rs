//! What hostile inputs cost the node in memory: every allocation of this program is counted, so
//! nothing else runs in it. It has no harness, and tells a test runner itself what it is.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic; a target uses a part of each file"
)]

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use peak_alloc::PeakAlloc;

#[path = "allocation/decoders.rs"]
mod decoders;
#[path = "../src/fuzz.rs"]
mod fuzz;

/// As the targets name them.
use decoders::{git, home, peers, sandbox, store};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const NAME: &str = "no_input_of_a_corpus_takes_more_memory_than_the_nodes_decoder_may";

fn main() -> io::Result<()> {
    let asked: Vec<_> = std::env::args().skip(1).collect();
    let has = |word: &str| asked.iter().any(|other| other == word);
    if has("--list") {
        return if has("--ignored") { Ok(()) } else { writeln!(io::stdout(), "{NAME}: test") };
    }
    let counted = peak_of(|| drop(vec![0_u8; 1 << 20]));
    assert!((1 << 20..1 << 21).contains(&counted), "what is allocated is counted: {counted}");
    for target in fuzz::TARGETS {
        is_bounded(target)?;
    }
    Ok(())
}

/// Most bytes at once beyond those of before, while `work` is done.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage().saturating_sub(before)
}

// SPEC: REST-1, DUR-7
fn is_bounded(target: &fuzz::Target) -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz/corpus");
    // What is made once and kept is not counted.
    (target.run)(&[]);
    for file in fs::read_dir(corpus.join(target.name))? {
        let path = file?.path();
        let input = fs::read(&path)?;
        let peak = peak_of(|| (target.run)(&input));
        writeln!(io::stdout(), "{peak:>12} of {} {}", target.name, path.display())?;
        assert!(peak <= target.peak, "{}: {peak} bytes at once for {path:?}", target.name);
    }
    Ok(())
}
