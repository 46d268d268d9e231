//! Bounds of what a device does with its own store.

/// Chunks that nothing names any more and that go in one turn: a commit of some milliseconds.
pub const CHUNKS_DROPPED_MAX: usize = 64;

/// Bytes of events of a damaged store that wait for the signature that proves them: 80 runs at
/// their largest. An honest store has as many open as devices wrote at once.
pub const UNPROVEN_BYTES_MAX: usize = 16 << 20;

/// Fewest events that a store keeps in one row: what fewer save is not worth that one of them costs
/// to read all.
pub const PACKED_EVENTS_MIN: usize = 8;

/// Most bytes of a row of several events: as little as one costs to read, and most frames of one
/// edit an event.
pub const PACKED_BYTES_MAX: usize = 64 * 1024;
