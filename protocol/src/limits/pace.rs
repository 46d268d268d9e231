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

/// Of what is left to tell of a history, here or on its way, so great a part, 1 in this many, is
/// one batch: the documents work while the rest comes, and less and less is left for the end.
pub const TELL_LEFT_SHARE: usize = 3;

/// And of all, with what the documents hold, 1 in this many: a batch costs a time that grows with
/// the document, so that there must not be many.
pub const TELL_ALL_SHARE: usize = 8;

/// So many times as much where the documents are at work: else what comes meanwhile waits for them.
pub const TELL_BUSY_TIMES: usize = 2;

/// Changes that are told at once whatever is on its way: a batch of many costs Automerge about as
/// much as this many cost beside that, whichever they are.
pub const TELL_CHANGES_MIN: usize = 3_000;

/// Operations of one batch where a document holds something: an edit of this device waits for one
/// at most. Of overwrites of one map that was overwritten 50 times, eleven events of 4,500 took
/// Automerge 1.3 times as long as one, and all 44 of them three times.
pub const TELL_BATCH_OPERATIONS: usize = 50_000;

/// Or, where that is more, as many as 1 in this many of the changes that are held: what a batch
/// costs beside its operations grows with the document.
pub const TELL_BATCH_SHARE: usize = 4;

/// So many bytes of a change are as much as an operation.
pub const TELL_OPERATION_BYTES: usize = 64;

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
