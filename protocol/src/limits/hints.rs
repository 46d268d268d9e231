//! Bounds of hints, which decide nothing: what is beyond them is ignored, by whoever it came.

/// Heads in a hint: the newest of both lanes. Who lacks none of them may lack others, and hears of
/// those by sync.
pub const HINT_HEADS_MAX: usize = 3;

/// Bytes of a hint: three heads at 34 bytes each, a signature and some 130 beside them. Gossip
/// drops what is too long for it without a word, so this has to stay far below its bound.
pub const HINT_BYTES_MAX: usize = 320;

/// Bytes of one frame of gossip, the same on every device: a hint, or what neighbours say of eight
/// others and where they are.
pub const GOSSIP_FRAME_BYTES_MAX: usize = 4_096;

/// A device says that it is here as often as this, and no more often than this that it holds
/// something else than before.
pub const HINT_EVERY_MS: u64 = 30_000;

/// See [`HINT_EVERY_MS`].
pub const HINT_INTERVAL_MS: u64 = 250;

/// Who was not heard for so long, and then is, has come back: two hints may be lost between.
pub const HINT_ABSENT_MS: u64 = 3 * HINT_EVERY_MS;

/// Hints that a neighbour may deliver at once, and each second after that: all of a hundred devices
/// that type, or of thirty that did for the four seconds in which it was not reached.
pub const HINTS_AT_ONCE_MAX: u32 = 512;

/// See [`HINTS_AT_ONCE_MAX`].
pub const HINTS_PER_SECOND: u32 = 512;

/// Junk that a neighbour may deliver at once, and one more every second after that. Gossip passes
/// on before anybody looks, so what a bad neighbour of a good one sent comes from that good one
/// too, until that one puts the bad one away.
pub const HINT_JUNK_AT_ONCE_MAX: u32 = 32;

/// Neighbours whose deliveries are counted: members alone are let in, and a workspace has few.
pub const HINT_NEIGHBOURS_MAX: usize = 64;

/// Bytes that a neighbour may send in a second, whatever it says: more than so many hints take.
pub const GOSSIP_BYTES_PER_SECOND: u64 = 256 * 1_024;

/// After so many bytes gossip begins anew: its library keeps what neighbours say of devices, and
/// those may be made up.
pub const GOSSIP_BYTES_MAX: u64 = 32 * 1_024 * 1_024;
