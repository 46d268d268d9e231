//! What the control lane keeps in memory, by a counting allocator.

use kernelos_protocol::authority::ControlLane;
use peak_alloc::PeakAlloc;

#[path = "../benches/authority/shapes.rs"]
mod shapes;

use shapes::{SHAPES, Shape};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most bytes that a lane takes which is told so many events of a shape, and how many it was
/// told.
fn peak(shape: Shape, events: u32) -> (usize, usize) {
    let history = shape(events);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let mut lane = ControlLane::new();
    for step in &history {
        let added = lane.add(step.id, step.by, step.fact.clone(), &step.before);
        assert!(added.is_ok(), "{added:?}");
        // Whoever asks for a set that is not all that is here leaves nothing behind.
        let known = lane.set_of(&step.before);
        let is_member = known.is_ok_and(|known| lane.role(&step.by, &known).is_some());
        assert!(is_member || step.before.is_empty());
    }
    assert!(!lane.present_members().is_empty());
    (MEMORY.peak_usage().saturating_sub(before), history.len())
}

// SPEC: AUTH-22
#[test]
fn a_control_event_takes_less_than_two_kibibytes_however_many_there_are() {
    for (name, shape) in SHAPES.into_iter().filter(|(name, _)| !name.contains("fight")) {
        let ((less, _), (more, events)) = (peak(shape, 1_500), peak(shape, 3_000));
        assert!(more < events * 2048, "{name}: {more} bytes of {events} events");
        assert!(more < less * 5 / 2, "{name}: {less} bytes become {more}");
    }
}

// SPEC: AUTH-22
#[test]
fn two_keys_that_remove_each_other_take_bytes_by_the_pair_only_where_somebody_answers() {
    for (name, shape) in SHAPES.into_iter().filter(|(name, _)| name.contains("fight")) {
        let (more, events) = peak(shape, 400);
        let pairs = if name.contains("heard") { events * events / 4 } else { 0 };
        assert!(more < events * 4096 + pairs * 128, "{name}: {more} bytes of {events} events");
    }
}
