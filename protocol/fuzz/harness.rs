//! The entry of a target for libFuzzer: the name of the running program says which it is.
//!
//! Beside what the target asserts, the bytes that it holds at any moment stay below its bound.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::abort;
use std::sync::{Mutex, OnceLock, PoisonError};

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;

use crate::fuzz;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The last panic, and where it was.
static LAST: Mutex<String> = Mutex::new(String::new());

fn target() -> &'static fuzz::Target {
    static TARGET: OnceLock<&'static fuzz::Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let program = std::env::args_os().next().unwrap_or_default();
        fuzz::of(&Path::new(&program).file_name().unwrap_or_default().to_string_lossy())
    })
}

fuzz_target!(
    init: {
        // A panic that is caught on the way is no finding: libFuzzer's own hook ends the program.
        std::panic::set_hook(Box::new(|panic| {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
        }));
        // What is made once and kept is not counted.
        (target().run)(&[]);
    },
    |input: &[u8]| {
        let target = target();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
            let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("{}: {last}", target.name);
            abort();
        }
        let peak = MEMORY.peak_usage().saturating_sub(before);
        if peak > target.peak {
            eprintln!("{}: {peak} bytes at once, {} at most", target.name, target.peak);
            abort();
        }
    }
);
