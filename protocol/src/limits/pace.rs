//! Bounds that only set the pace: no outcome depends on them.

/// Bytes from which on an author tries whether deflating makes a body smaller: one edit is mostly
/// hashes and less than this, and trying costs as much as its signature.
pub const DEFLATE_BYTES_MIN: usize = 256;

/// Events asked of peers and not here, from which on documents may be told later: what one frame
/// brings is told at once.
pub const TELL_AWAITED_MIN: u64 = 256;

/// As many changes are told at once whoever says that more is to come: a liar must not hold up what
/// others edit.
pub const TELL_FEW_MAX: usize = 64;

/// Of what the documents hold so great a part, 1 in this many, is told at once: of a long history
/// the last batch is a third, which comes when nothing else is left to do, and all batches together
/// cost what takes three of the last.
pub const TELL_SHARE: usize = 2;

/// The same where the documents have nothing to do: they work while the rest comes, and the last
/// batch is a fifth.
pub const TELL_IDLE_SHARE: usize = 4;

/// Changes that are told at once whatever is on its way: Automerge takes as many in some
/// milliseconds.
pub const TELL_CHANGES_MIN: usize = 1_000;

/// A change that counts is in its document after so long, in milliseconds, however much is on its
/// way: somebody may look.
pub const TELL_MS: u64 = 500;

/// Milliseconds for which an event that a cut names is waited for before anything is claimed
/// without it: what a member holds comes within seconds of meeting it. `SPEC: AUTH-13`
pub const ABSENT_CUT_MS: u64 = 60_000;

/// Epochs whose keys one device wraps at once for those who lack them: more are lacked only where a
/// member makes epochs that lead to none, and one that leads to all of them costs less.
/// `SPEC: KEY-10`
pub const WRAPPED_EPOCHS_MAX: usize = 16;

/// Milliseconds for which a device is not met that broke a rule, the first time and at most; twice
/// as long each time. A second ends a loop of dials, five minutes are little to one behind a faulty
/// version that is mended. `SPEC: LINK-9`
pub const CONDUCT_WAIT_MS: (u64, u64) = (1_000, 300_000);

/// After so long without another, counted from the end of its wait, a broken rule is forgotten.
/// `SPEC: LINK-9`
pub const CONDUCT_FORGOTTEN_MS: u64 = 600_000;

/// Devices whose broken rules are remembered: the members of a large workspace.
pub const CONDUCT_DEVICES_MAX: usize = 256;
