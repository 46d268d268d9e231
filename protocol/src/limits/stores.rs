//! Bounds of what a device does with its own store.

/// Chunks that nothing names any more and that go in one turn: a commit of some milliseconds.
pub const CHUNKS_DROPPED_MAX: usize = 64;

/// Bytes of events of a damaged store that wait for the signature that proves them: 80 runs at
/// their largest. An honest store has as many open as devices wrote at once.
pub const UNPROVEN_BYTES_MAX: usize = 16 << 20;

/// Runs of a damaged store that prove what may stand behind them. Of an honest one, where a salvage
/// left a gap that peers filled. Each is a header in memory, so ten mebibytes.
pub const UNPROVEN_RUNS_MAX: usize = 4_096;
