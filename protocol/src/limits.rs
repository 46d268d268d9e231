//! Every bound, with its reason. Bounds that decide whether an event counts belong to the header
//! version (marked "frozen"): changing one is a new version.

/// Parents of an event, and heads that a content event has heard; frozen. More heads are first
/// joined by empty events, so a header stays near two kilobytes.
pub const PARENTS_MAX: usize = 32;

/// Bytes of an encoded header; frozen. Two full lists of 32 ids and the fixed fields fit.
pub const HEADER_BYTES_MAX: usize = 2_560;

/// Bytes of a stored body; frozen. One event fits one frame of 256 KiB with its header.
pub const BODY_BYTES_MAX: usize = 192 * 1024;

/// Bytes of a body after inflating; frozen. Bounds what 192 KiB of ciphertext can cost.
pub const BODY_INFLATED_MAX: usize = 1024 * 1024;

/// Bytes of a whole event: header, body, signature and their frame.
pub const EVENT_BYTES_MAX: usize = HEADER_BYTES_MAX + 32 + BODY_BYTES_MAX + 64 + 32;

/// Recipients of one wrap event; frozen. 32 of 112 bytes stay far below a body.
pub const WRAP_RECIPIENTS_MAX: usize = 32;

/// Older keys that an epoch carries; frozen. Concurrent epochs that nobody has joined yet.
pub const EPOCH_OLDER_MAX: usize = 1_024;

/// Cuts named by one revocation; frozen. Branches of one device's content chains.
pub const CUTS_MAX: usize = 1_024;

/// Capabilities in a grant; frozen.
pub const CAPABILITIES_MAX: usize = 64;

/// Bytes of one short text in a control body (capability, rule, reason); frozen.
pub const CONTROL_TEXT_MAX: usize = 256;

/// Changes in one content event, one per document; frozen.
pub const EVENT_CHANGES_MAX: usize = 16;

/// A stamp further ahead of the first witness's clock is flagged: ten minutes, more than the
/// skew of a device that is set by hand.
pub const STAMP_AHEAD_MAX_US: u64 = 10 * 60 * 1_000_000;

/// Commands that wait inside a Replica. A caller beyond it hears "busy" and may try again.
pub const COMMANDS_WAITING_MAX: usize = 1_024;

/// Edits in one batch command. Each costs at least one Automerge operation of 10,000.
pub const BATCH_EDITS_MAX: usize = 5_000;

/// Segments of a document path. The validator allows 32 levels.
pub const PATH_SEGMENTS_MAX: usize = 16;

/// Bytes of one segment of a path: a name, not a text.
pub const PATH_SEGMENT_BYTES_MAX: usize = 256;

/// Conflicts listed at once: as many as somebody might go through in one sitting.
pub const CONFLICTS_LISTED_MAX: usize = 1_000;

/// Sides shown of one conflict: one for each letter.
pub const CONFLICT_SIDES_MAX: usize = 26;

/// Levels of a JSON value that is written into a document, path included: the validator's.
pub const VALUE_DEPTH_MAX: usize = 14;

/// Events that a store hands back in one slice: a slice is applied within 50 ms.
pub const LOAD_SLICE_EVENTS: usize = 512;

/// Bytes of a name of a workspace or device: what fits one column on a phone.
pub const NAME_BYTES_MAX: usize = 64;

/// Bytes of one request to the local API: a full batch of edits in JSON.
pub const API_REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Stack of the thread that calls Automerge, which recurses on nested objects.
pub const DOCUMENT_STACK_BYTES: usize = 64 * 1024 * 1024;

/// Events that wait for a parent. Beyond it the newest is dropped and asked for again.
pub const HELD_EVENTS_MAX: usize = 4_096;
/// Most bytes of one change. It is the most an opened event body may hold; a longer edit is
/// several changes.
pub const CHANGE_BYTES_MAX: usize = 1 << 20;

/// Most operations of one change. Above 10,000 Automerge switches to another encoder, and a
/// change this long already takes tens of milliseconds to apply.
pub const CHANGE_OPS_MAX: u32 = 10_000;

/// Most predecessors of all operations of one change together: twice the operations, so that
/// every place a change touches may have held two values.
pub const CHANGE_PREDS_MAX: u32 = 20_000;

/// Deepest object, the root being 0. Automerge reads objects by recursion: 200 levels fit a
/// 2 MiB stack, 300 do not, and a wasm stack is half of that; our own documents use 6.
pub const CHANGE_DEPTH_MAX: u8 = 32;

/// Most dependencies of one change: the heads that as many devices leave when all wrote apart.
pub const CHANGE_DEPS_MAX: u32 = 1_024;

/// Most actors that the operations of one change name beside its own. A process start makes an
/// actor, so a list edited for years names some hundreds.
pub const CHANGE_ACTORS_MAX: u32 = 1_024;

/// Most bytes of map keys and mark names of one change once run lengths are undone. Automerge
/// copies the key of a run for every operation in it, so 100 kB of input could take 1 GB.
pub const CHANGE_KEY_BYTES_MAX: u64 = 1 << 20;

/// Greatest operation number. Automerge keeps 32 bits and panics above them on the next local
/// write; half of that leaves its sums and ours free of overflow.
pub const OP_NUMBER_MAX: u32 = 1 << 31;

/// Greatest start of a counter, either sign: what a page's numbers hold exactly.
pub const COUNTER_START_MAX: u64 = 1 << 53;

/// Greatest step of a counter, either sign. Automerge adds steps without a check; with this
/// bound an overflow takes 2^30 operations, more than a document can hold.
pub const COUNTER_STEP_MAX: u64 = 1 << 32;

/// Bytes of one sync frame: a body of its greatest size fits with its header.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Events in one sync frame: their signatures take 10 ms to check, so a frame is one slice.
pub const FRAME_EVENTS_MAX: usize = 256;

/// Tips in one message, and kept of one peer: 100 bytes each, so that a message fits a frame.
pub const TIPS_MAX: usize = 2_048;

/// Wants in one message: 45 bytes each.
pub const WANTS_MAX: usize = 2_048;

/// Events that one want may bring: more are asked for when these have come.
pub const WANT_COUNT_MAX: u64 = 1 << 20;

/// Events asked for behind a missing one whose chain is not known.
pub const WANT_BACK: u64 = 64;

/// Events loaded at once to be sent to a peer.
pub const SERVE_EVENTS: usize = 256;

/// Frames of events sent and not acknowledged: two mebibytes a peer.
pub const FRAMES_UNDER_WAY_MAX: u64 = 8;

/// A peer that was asked and sends nothing for so long is not waited for.
pub const STALL_MS: u64 = 2_000;

/// What is new about members is answered by one join after so long: others' news is in it.
pub const JOIN_DELAY_MS: u64 = 1_000;

/// Notices kept of each kind (peers, pairing, introduction), and faults of the own store: what a
/// person reads.
pub const NOTICES_MAX: usize = 256;

/// Bytes of a notice's reason: two codes with a word between them.
pub const NOTICE_BYTES_MAX: usize = 128;

/// Addresses on a card: interfaces of a device that others may reach.
pub const CARD_ADDRESSES_MAX: usize = 16;

/// Cards in one message: each has at most 500 bytes.
pub const CARDS_MAX: usize = 256;

/// Events in one introduction: as many of the smallest, a join, as a frame of 256 KiB holds.
pub const INTRODUCTION_EVENTS_MAX: usize = 1_024;

/// Bytes of the code in an answer to an introduction: the longest of ours has 17.
pub const INTRODUCTION_CODE_BYTES_MAX: usize = 32;

/// Introductions checked at once, over all keys: a family that comes home together.
pub const INTRODUCTIONS_AT_ONCE_MAX: u64 = 8;

/// From then on one every half second: the signatures of a full frame take about a tenth of it.
pub const INTRODUCTIONS_EVERY_MS: u64 = 500;

/// How long an introduction may take: ten seconds, a frame of 256 KiB over a bad mobile link.
pub const INTRODUCTION_MS: u64 = 10 * 1_000;

/// Addresses in a pairing token: one of the home network and one more still fit a QR code that
/// stands in a terminal of 80 by 24.
pub const PAIRING_ADDRESSES_MAX: usize = 2;

/// Bytes of text that are looked at to find a token: the longest token in any sensible URL.
pub const PAIRING_TEXT_BYTES_MAX: usize = 1_024;

/// Bytes of one pairing message. The longest holds two names, a proof and their CBOR heads.
pub const PAIRING_MESSAGE_BYTES_MAX: usize = 256;

/// Bytes of a refusal's code: the longest of ours has 22.
pub const PAIRING_CODE_BYTES_MAX: usize = 32;

/// How long an invitation stays open, at most and by default: five minutes, time to walk to the
/// other device and back. Whoever photographs the code has no longer than that.
pub const PAIRING_LIFETIME_MS: u64 = 5 * 60 * 1_000;

/// How long one step may take that only machines take part in: ten seconds, several round trips
/// over a bad mobile link.
pub const PAIRING_STEP_MS: u64 = 10 * 1_000;

/// Invitations open at once. A person shows one; a script that prepares a room shows some.
pub const PAIRING_INVITATIONS_MAX: usize = 8;

/// Invitations that are over and still known, so that who comes late hears why.
pub const PAIRING_OVER_MAX: usize = 64;

/// Links of pairing at once. Anybody may dial, so this is small; each is at most ten seconds
/// without a proof.
pub const PAIRING_LINKS_MAX: usize = 16;

/// Bad proofs that burn an invitation. An honest newcomer makes none.
pub const PAIRING_BAD_PROOFS_MAX: u8 = 3;

/// Names that an invitation is told are taken: more devices than a workspace of people has.
pub const PAIRING_NAMES_MAX: usize = 1_024;
