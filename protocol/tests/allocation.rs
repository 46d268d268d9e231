//! What hostile inputs cost in memory: every allocation of this program is counted.
//!
//! The counter is the program's, so one test counts at a time.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic, its numbers are small; it uses a part of what is shared"
)]

#[allow(clippy::disallowed_types, reason = "Automerge's own macros make a HashMap")]
#[path = "changes/common.rs"]
mod common;
mod fuzz;
mod kit;
#[path = "memory/lanes.rs"]
mod lanes;
#[path = "memory/worst.rs"]
mod worst;

/// As the other tests name it.
mod changes {
    pub(crate) use super::common;
}

use std::sync::{Mutex, PoisonError};

use kernelos_protocol::document::foreign::{ForeignFault, read, read_within};
use kernelos_protocol::limits::Room;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Held by the test that counts.
static COUNTING: Mutex<()> = Mutex::new(());

/// Most bytes at once beyond those of before, while `work` is done.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage().saturating_sub(before)
}

#[test]
fn no_input_of_a_corpus_and_no_worst_one_takes_more_memory_than_its_decoder_may() {
    // SPEC: DOC-1, DOC-10, SEAL-1, SYNC-1
    let _counting = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = peak_of(|| drop(vec![0_u8; 1 << 20]));
    assert!((1 << 20..1 << 21).contains(&counted), "what is allocated is counted: {counted}");
    for target in fuzz::TARGETS {
        // What is made once and kept is not counted.
        (target.run)(&[]);
        let committed = fuzz::corpus::inputs(target.name);
        let committed = committed.into_iter().map(|(path, input)| (format!("{path:?}"), input));
        let made = worst::inputs(target.name).into_iter();
        let made = made.map(|(what, input)| (what.to_owned(), input));
        for (what, input) in committed.chain(made) {
            let peak = peak_of(|| (target.run)(&input));
            println!("{peak:>12} of {} {what}", target.name);
            assert!(peak <= target.peak, "{}: {peak} bytes at once for {what}", target.name);
        }
    }
}

#[test]
fn a_small_file_that_stands_for_much_is_refused_before_automerge_sees_it() {
    // SPEC: PRJ-14
    let _counting = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room { ops: 1 << 20, inflated: 1 << 20, text: 1 << 20 };
    for (what, contents) in worst::files() {
        let deflated = miniz_oxide::deflate::compress_to_vec(&contents, 6);
        let files = if what.starts_with("a change") {
            vec![common::seal(1, &contents), common::seal(2, &deflated)]
        } else {
            vec![common::seal(0, &contents)]
        };
        for file in files {
            let refused = || {
                assert_eq!(read_within(&file, room), Err(ForeignFault::TooLarge), "{what}");
            };
            let peak = peak_of(refused);
            assert!(peak <= 4 << 20, "{peak} bytes at once for {what}");
        }
    }
    // What a fuzzer found: 240 thousand million changes in 969 bytes, and a number cut short.
    let found = common::seal(0, include_bytes!("../fuzz/corpus/foreign/c4fee695e313"));
    let peak = peak_of(|| assert!(matches!(read(&found), Err(ForeignFault::Unreadable(_)))));
    assert!(peak <= 1 << 20, "{peak}");
}
