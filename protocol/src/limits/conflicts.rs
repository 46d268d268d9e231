//! Bounds of the inbox of conflicts.

/// Conflicts listed at once: as many as somebody might go through in one sitting.
pub const CONFLICTS_LISTED_MAX: usize = 1_000;

/// Sides shown of one conflict: one for each letter.
pub const CONFLICT_SIDES_MAX: usize = 26;

/// Bytes of values that are listed at once: one reply of the API, whatever stands in conflict.
pub const CONFLICTS_LISTED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Conflicts that one event decides where many are decided at once. Each takes an operation or
/// more, and its predecessors: a thousand plain values stay below the bytes of a body.
pub const CONFLICTS_DECIDED_MAX: usize = 1_000;

/// Undos of undos behind which it is looked who wrote what a side shows: each is a read of a past.
/// Behind more the side is that of the oldest undo that was looked at.
pub const SETTER_UNDOS_MAX: usize = 16;

/// Pasts of a document that one listing copies to find who removed what an undo put back, or wrote
/// in a list: each costs as much as the document. Of as many what was found is kept.
pub const SETTER_PASTS_MAX: usize = 8;

/// Pasts of lists of which it is kept while conflicts are looked at where each element stood then.
/// Conflicts that were decided together are asked of the same few; each is as large as its list.
pub const ELEMENTS_KEPT_MAX: usize = 8;

/// Bytes of changes that a document holds and its conflicts have to take in yet: of a long history
/// more than comes in one batch, and less than its document takes.
pub const CONFLICTS_LATE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Changes that conflicts take in before it is looked whether something else is to be done, or
/// operations of fewer changes: about a millisecond. (One change has 10,000 at most.)
pub const CONFLICTS_LATE_SLICE: usize = 256;

/// Steps by which an undo brings a list back item by item: what takes more is written as a whole.
pub const RESTORED_EDITS_MAX: usize = 256;

/// Conflicts below what a change writes over that are named.
pub const ENDED_NAMED_MAX: usize = 64;
