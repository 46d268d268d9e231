//! What the control lane costs: `cargo bench -p kernelos-protocol --bench authority [EVENTS]`.
//!
//! Each shape of history is told event by event, and after each the members are asked for, as a
//! node does. Printed are the time and the most memory of that, and how both grow when the history
//! doubles: 2 is linear, 4 is quadratic. Nothing here is a test.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a bench measures time")]

mod shapes;

use std::time::{Duration, Instant};

use kernelos_protocol::authority::ControlLane;
use peak_alloc::PeakAlloc;

use shapes::{SHAPES, Step};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Seconds and bytes of a lane that is told this history.
fn tell(history: &[Step]) -> (Duration, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let mut lane = ControlLane::new();
    let mut members = 0;
    for step in history {
        let added = lane.add(step.id, step.by, step.fact.clone(), &step.before);
        assert!(added.is_ok(), "{added:?}");
        members += lane.present_members().len();
    }
    assert!(members > 0);
    (start.elapsed(), MEMORY.peak_usage().saturating_sub(before))
}

#[expect(clippy::print_stdout, reason = "a bench prints what it found")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let events = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(10_000);
    println!(
        "{:<28} {:>6} {:>9} {:>6} {:>9} {:>6}",
        "shape", "events", "ms", "grows", "KiB", "grows"
    );
    for (name, shape) in SHAPES {
        let chosen =
            arguments.iter().find(|text| !text.starts_with('-') && text.parse::<usize>().is_err());
        if chosen.is_some_and(|text| !name.contains(text.as_str())) {
            continue;
        }
        let (half, whole) = (shape(events / 2), shape(events));
        let (less_time, less_memory) = tell(&half);
        let (time, memory) = tell(&whole);
        let grows = |less: f64, more: f64| more / less.max(f64::MIN_POSITIVE);
        let count = |n: usize| u32::try_from(n).map_or(f64::INFINITY, f64::from);
        println!(
            "{name:<28} {:>6} {:>9.1} {:>6.1} {:>9} {:>6.1}",
            whole.len(),
            time.as_secs_f64() * 1e3,
            grows(less_time.as_secs_f64(), time.as_secs_f64()),
            memory / 1024,
            grows(count(less_memory), count(memory)),
        );
    }
}
