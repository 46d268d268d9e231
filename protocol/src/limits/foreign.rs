//! Bounds of what is taken in of other programs' documents.

/// Most that a file may grow to while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Operations, over all of its history; a change counts as [`FOREIGN_CHANGE_OPS`] more.
    pub ops: u64,
    /// Bytes that its deflated parts inflate to, and that repeated texts of its columns take.
    pub inflated: usize,
    /// Bytes of keys, places and texts among its values, each as often as it stands there.
    pub text: usize,
}

/// What a file of any program may grow to: sixteen operations for each value. As many, or as many
/// changes as that stands for, take Automerge 1.25 GB, so the process that reads it holds them.
pub const FOREIGN_ROOM: Room =
    Room { ops: 16 * 1024 * 1024, inflated: 256 * 1024 * 1024, text: 256 * 1024 * 1024 };

/// How many operations take what a change takes: its own bytes, and its place in the graph.
pub const FOREIGN_CHANGE_OPS: u64 = 16;

/// Bytes of an Automerge file that is taken in: sixty times the text of a thick book.
pub const FOREIGN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Values in it; as many edits take a minute.
pub const FOREIGN_VALUES_MAX: usize = 1_000_000;

/// Bytes of its values as JSON.
pub const FOREIGN_JSON_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Memory of the process that reads it: what such a file needs ten times over.
pub const FOREIGN_MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Seconds of computing of that process.
pub const FOREIGN_CPU_S: u64 = 60;

/// Operations in one event of what is taken in: [`super::CHANGE_OPS_MAX`], with room for maps on
/// the way.
pub const FOREIGN_EVENT_OPS: usize = 8_000;

/// Bytes of keys, paths and texts in one such event: packed and sealed it stays below
/// [`super::BODY_BYTES_MAX`] whatever they are.
pub const FOREIGN_EVENT_BYTES: usize = 64 * 1024;
