//! Bounds of the timeline.

/// Events that one page covers, before its ends are moved to those of [`TIMELINE_BLOCK`]: some ten
/// screens.
pub const TIMELINE_EVENTS_MAX: usize = 512;

/// Runs of edits are folded within blocks of so many events, so that how a page folds does not
/// depend on where it begins, and no row stands for more than a screen or two.
pub const TIMELINE_BLOCK: usize = 64;

/// Lanes that are drawn; the rest is counted. As many as leave room for words on a terminal.
pub const LANES_DRAWN: usize = 8;

/// Lanes that are followed at all: more open ends than people have devices. A history with more,
/// which only a hostile one has, is shown without the lines beyond.
pub const LANES_MAX: usize = 64;

/// Nothing in so many seconds is told as a time of quiet: shorter pauses are work.
pub const QUIET_S: u64 = 30 * 60;
