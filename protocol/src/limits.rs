//! Every bound, with its reason. Bounds that decide whether an event counts belong to the header
//! version (marked "frozen"): changing one is a new version.

mod boards;
mod conflicts;
mod foreign;
mod hints;
mod missions;
mod pace;
mod past;
mod stores;
mod timeline;

pub use boards::*;
pub use conflicts::*;
pub use foreign::*;
pub use hints::*;
pub use missions::*;
pub use pace::*;
pub use past::*;
pub use stores::*;
pub use timeline::*;

/// Parents of an event, and heads that a content event has heard; frozen. More heads are first
/// joined by empty events, so a header stays near two kilobytes.
pub const PARENTS_MAX: usize = 32;

/// Bytes of an encoded header; frozen. Two full lists of 32 ids and the fixed fields fit.
pub const HEADER_BYTES_MAX: usize = 2_560;

/// Bytes of a stored body; frozen. One event fits one frame of 256 KiB with its header.
pub const BODY_BYTES_MAX: usize = 192 * 1024;

/// Bytes of a body after inflating; frozen. Bounds what 192 KiB of ciphertext can cost.
pub const BODY_INFLATED_MAX: usize = 1024 * 1024;

/// Places of a chain in a block, whose last event carries its signature: events that one signature
/// proves. 39 µs and 64 bytes of a signature, shared by 64, are nothing beside the events.
pub const RUN_EVENTS_MAX: u64 = 64;

/// Bytes that the headers and bodies of events may have that one signature proves: they fit one
/// frame whatever stands before them in it, and as the greatest single event.
pub const RUN_BYTES_MAX: usize = HEADER_BYTES_MAX + 32 + BODY_BYTES_MAX;

/// Bytes of a whole event: header, body, signature and their frame.
pub const EVENT_BYTES_MAX: usize = HEADER_BYTES_MAX + 32 + BODY_BYTES_MAX + 64 + 32;

/// Recipients of one wrap event; frozen. 32 of 112 bytes stay far below a body.
pub const WRAP_RECIPIENTS_MAX: usize = 32;

/// Older keys that an epoch carries; frozen. Concurrent epochs that nobody has joined yet.
pub const EPOCH_OLDER_MAX: usize = 1_024;

/// Cuts named by one revocation; frozen. Branches of one device's content chains.
pub const CUTS_MAX: usize = 1_024;

/// Authors named by one readmission; frozen. The devices of one household or team.
pub const READMITTED_AUTHORS_MAX: usize = 32;

/// Events that one purge names; frozen. More take several.
pub const PURGE_EVENTS_MAX: usize = 1_024;

/// Bytes of a recovery file that are read: 24 words and some lines about them.
pub const RECOVERY_FILE_BYTES_MAX: u64 = 4 * 1024;

/// Control events that a revoked device may bring after its revocation, counted over all that is
/// here: the joins and epochs that its content of a long absence rests on. Every later grant names
/// what they leave, and an introduction must fit them.
pub const TAIL_CONTROL_MAX: usize = 64;

/// Capabilities in a grant; frozen.
pub const CAPABILITIES_MAX: usize = 64;

/// Bytes of one short text in a control body (capability, rule, reason); frozen.
pub const CONTROL_TEXT_MAX: usize = 256;

/// Changes in one content event, one per document; frozen.
pub const EVENT_CHANGES_MAX: usize = 16;

/// A stamp further ahead of the first witness's clock is flagged: ten minutes, more than the
/// skew of a device that is set by hand.
pub const STAMP_AHEAD_MAX_US: u64 = 10 * 60 * 1_000_000;

/// A stamp further before that of the genesis is of a clock that was wrong: a day, more than a time
/// zone taken for another.
pub const STAMP_BEFORE_MAX_US: u64 = 24 * 60 * 60 * 1_000_000;

/// The first events here, by which it is found out whether the genesis' own stamp was wrong: a look
/// at each, and in as many most workspaces have two other devices.
pub const STAMP_WITNESSES_MAX: usize = 256;

/// Commands that wait inside a Replica. A caller beyond it hears "busy" and may try again.
pub const COMMANDS_WAITING_MAX: usize = 1_024;

/// Edits of callers that the documents have not answered: as many become durable in one commit, and
/// are made again where one before them is refused.
pub const EDITS_UNDER_WAY_MAX: usize = 128;

/// Edits in one batch command. Each costs at least one Automerge operation of 10,000.
pub const BATCH_EDITS_MAX: usize = 5_000;

/// Segments of a document path. The validator allows 32 levels.
pub const PATH_SEGMENTS_MAX: usize = 16;

/// Bytes of one segment of a path: a name, not a text.
pub const PATH_SEGMENT_BYTES_MAX: usize = 256;

/// Branches of the quarantine that are listed at once: the rest is counted.
pub const QUARANTINE_LISTED_MAX: usize = 1_000;

/// Events of one branch that a preview shows: as many as are asked of the store at once.
pub const PREVIEW_EVENTS_MAX: usize = LOAD_SLICE_EVENTS;

/// Places that a preview shows, and the bytes of what they hold: what a person may look at.
pub const PREVIEW_ROWS_MAX: usize = 1_000;

/// See [`PREVIEW_ROWS_MAX`].
pub const PREVIEW_BYTES_MAX: usize = 1024 * 1024;

/// Levels of a JSON value that is written into a document, path included: the validator's.
pub const VALUE_DEPTH_MAX: usize = 14;

/// Bytes of what a device keeps of what it shows, for its next start: sealed and written within a
/// turn's 50 ms.
pub const GLANCE_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Fewer events than this are read before anybody could see a glance.
pub const GLANCE_EVENTS_MIN: usize = 1_000;

/// Without an event for so long a device is at rest, and what it shows is kept.
pub const GLANCE_QUIET_MS: u64 = 5_000;

/// Events that a store hands back in one slice: a slice is applied within 50 ms.
pub const LOAD_SLICE_EVENTS: usize = 512;

/// Bytes of a name of a workspace or device: what fits one column on a phone.
pub const NAME_BYTES_MAX: usize = 64;

/// Bytes of one request to the local API: a full batch of edits in JSON.
pub const API_REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Version of the form of archives: a file of a newer one is not read.
pub const ARCHIVE_VERSION: u32 = 1;

/// Bytes of events in one page or slice of an archive: as JSON four times as many, half of a
/// request. A greatest event fits, and one commit of a slice takes less than 50 ms.
pub const ARCHIVE_SLICE_BYTES: usize = 1024 * 1024;

/// Stack of the thread that calls Automerge, which recurses on nested objects.
pub const DOCUMENT_STACK_BYTES: usize = 64 * 1024 * 1024;

/// Events of one peer that wait for a parent: twice what is under way. Beyond it the newest is
/// dropped and asked for again.
pub const HELD_EVENTS_MAX: usize = 4_096;

/// Bytes of these, a full header counted for each: eight times what is under way.
pub const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

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

/// Keys and objects that one device may make in an hour, and at once: a day of people writing, and
/// 15 full changes. A hundred thousand objects at keys of their own are beyond it, and a million
/// keys of a hostile device take six hours to come into a document, in which its members see who it
/// is and let nothing more of it in; a list or text of any length makes one.
pub const QUOTA_MAKES: u64 = 150_000;

/// The hour of that, in milliseconds.
pub const QUOTA_MS: u64 = 60 * 60 * 1_000;

/// What waits for a quota is looked at once a second: often enough for who waits for minutes.
pub const QUOTA_TICK_MS: u64 = 1_000;

/// Keys and objects that naming a device makes: a map at its key, and in that a text at one.
pub const NAMING_MAKES: u64 = 4;

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

/// Branches in quarantine that one message offers, and that are remembered of one peer.
pub const OFFERS_MAX: usize = 256;

/// Bytes of one author that are in quarantine here and that nobody needs, with a full header
/// counted for each event: what a person wrote on a phone that was then called lost, and no more.
pub const QUARANTINE_AUTHOR_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The same of all authors: a thief may have let in many keys.
pub const QUARANTINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

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

/// A chain of which a peer that was asked for it sent nothing for so long is asked of another that
/// has it too: what stands before it in the order of who serves it is mostly through by then, a
/// mebibyte over 256 kbit/s.
pub const CHAIN_LATE_MS: u64 = 32_000;

/// On a link on which nothing was said for so long, an empty frame is: a quarter of the silence
/// that ends it, so that three in a row may be late.
pub const ALIVE_MS: u64 = 4_000;

/// A peer that acknowledges nothing of what was sent and says nothing else for so long is not there
/// any more, whatever its transport believes: twice what a full frame takes over 256 kbit/s.
pub const SILENT_MS: u64 = 16_000;

/// A connection that said nothing for so long gives way to a newer one with the same device: nobody
/// dials who believes that it is connected.
pub const QUIET_MS: u64 = 5_000;

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

/// Addresses in one announcement on a local network, and those kept of one device: what fits one
/// text of DNS, 255 bytes, and more than one interface has.
pub const NEARBY_ADDRESSES_MAX: usize = 8;

/// Dials of one device within [`NEARBY_DIALS_MS`] because something was heard on a local network:
/// whoever makes up announcements makes nobody knock more often.
pub const NEARBY_DIALS_MAX: usize = 5;

/// See [`NEARBY_DIALS_MAX`].
pub const NEARBY_DIALS_MS: u64 = 60_000;

/// A device that misses others announces itself, first after the shorter, each time after twice as
/// long, at last after the longer (RFC 6762 section 8.3 asks for a second at least): a network that
/// nothing changes on stays quiet.
pub const ANNOUNCE_MS: (u64, u64) = (1_000, 60_000);

/// Heads of one lane in a receipt: an honest writer joins them above 32, so more are left only by
/// as many devices that write apart. A receipt with more claims less.
pub const RECEIPT_TIPS_MAX: usize = 128;

/// Epochs in a receipt: the newest; who opens one opens all that it leads to.
pub const RECEIPT_EPOCHS_MAX: usize = 64;

/// Artifacts in a receipt: those of the runs that go on now.
pub const RECEIPT_ARTIFACTS_MAX: usize = 64;

/// Bytes of one receipt: its sets of ids at 34 bytes each, and 256 beside them.
pub const RECEIPT_BYTES_MAX: usize =
    34 * (2 * RECEIPT_TIPS_MAX + RECEIPT_EPOCHS_MAX + RECEIPT_ARTIFACTS_MAX) + 256;

/// Receipts in one message: with the greatest of them it fits a frame.
pub const RECEIPTS_MAX: usize = 16;

/// Receipts that wait for the grants of their devices.
pub const RECEIPTS_EARLY_MAX: usize = 64;

/// Lives of one device whose receipts are kept: of a store that was restored again and again, the
/// last outlives the others as soon as it wrote its join.
pub const RECEIPT_LIVES_MAX: usize = 4;

/// Own events that are looked through for whether a receipt would say more than they do, in a turn:
/// as many commands wait at most, and a few more after a start.
pub const IMPLIED_MAX: usize = 1_024;

/// A device makes at most one receipt in so long, and passes those of others on as often: a burst
/// of edits is one receipt, and what waits for one waits no longer than a person notices.
pub const RECEIPT_INTERVAL_MS: u64 = 100;
/// Events in one introduction: as many of the smallest, a join, as a frame of 256 KiB holds.
pub const INTRODUCTION_EVENTS_MAX: usize = 1_024;

/// Bytes of the code in an answer to an introduction: the longest of ours has 17.
pub const INTRODUCTION_CODE_BYTES_MAX: usize = 32;

/// Introductions checked at once, over all keys: a family that comes home together.
pub const INTRODUCTIONS_AT_ONCE_MAX: u64 = 8;

/// From then on one every half second: the signatures of a full frame take about a tenth of it.
pub const INTRODUCTIONS_EVERY_MS: u64 = 500;

/// Events in the tail of a revoked device: those of one frame, as in an introduction.
pub const TAIL_EVENTS_MAX: usize = 1_024;

/// Bytes kept of one revoked device's tails while the process lives: years of notes, and little to
/// who holds a stolen key.
pub const TAIL_KEPT_BYTES_MAX: usize = 1024 * 1024;

/// How long an introduction may take: ten seconds, a frame of 256 KiB over a bad mobile link.
pub const INTRODUCTION_MS: u64 = 10 * 1_000;
/// Bytes of a sealed chunk of an artifact; frozen. As a body, so that one fits one frame.
pub const CHUNK_BYTES_MAX: usize = 192 * 1024;

/// Bytes of plaintext in a full chunk; frozen. The seal adds a tag of 16 bytes.
pub const CHUNK_PLAIN_BYTES: usize = CHUNK_BYTES_MAX - 16;

/// Bytes of an artifact; frozen. A packed repository of some ten thousand files; its manifest
/// names 342 chunks then, 12 kilobytes.
pub const ARTIFACT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Chunks of an artifact of the greatest size; frozen.
pub const ARTIFACT_CHUNKS_MAX: usize = ARTIFACT_BYTES_MAX.div_ceil(CHUNK_PLAIN_BYTES);

/// Bytes of an artifact's name; frozen. A name, not a text.
pub const ARTIFACT_NAME_MAX: usize = 64;

/// Sealed bytes of all artifacts of a workspace that a device keeps: a gibibyte, what a phone
/// spares. Later ones are not fetched, and none is written.
pub const ARTIFACTS_TOTAL_MAX: usize = 1024 * 1024 * 1024;

/// Sealed bytes of chunks in one command: one turn commits them within 50 ms.
pub const KEEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Chunks that a peer is asked for and has not answered: 768 kilobytes under way, which fills a
/// home network and lets events pass between them.
pub const CHUNKS_ASKED_MAX: usize = 4;

/// Chunks in one message, and asked of this device by one peer at a time: four windows.
pub const CHUNK_WANTS_MAX: usize = 16;

/// Chunks that a peer was told are lacking, and is told of when they come: six artifacts of the
/// greatest size. What is beyond it, the peer asks for when it connects again.
pub const CHUNKS_OWED_MAX: usize = 2_048;

/// Chunks that a store lists at once: 40 bytes each.
pub const LOAD_SLICE_CHUNKS: usize = 4_096;

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

/// Addresses in a join file: no QR code has to hold them.
pub const JOIN_FILE_ADDRESSES_MAX: usize = 8;

/// Bytes of a join file: the longest of ours has some 700.
pub const JOIN_FILE_BYTES_MAX: usize = 4_096;

/// Bytes of a text that a node keeps beside a store: the ids of 16,000 members.
pub const BESIDE_BYTES_MAX: usize = 1024 * 1024;

/// Devices that one join file lets in: a rack of machines. More are several files.
pub const STANDING_USES_MAX: u32 = 64;

/// For how long a join file is good: thirty days. Who needs it longer writes a new one.
pub const STANDING_LIFETIME_MAX_S: u64 = 30 * 24 * 3_600;

/// Standing invitations of one workspace that an issuer keeps, those that are over among them.
pub const STANDING_MAX: usize = 32;

/// Bytes of a mission's goal: a page of text.
pub const GOAL_BYTES_MAX: usize = 4_096;

/// Bytes of a command of an agent or a verification.
pub const COMMAND_BYTES_MAX: usize = 4_096;
