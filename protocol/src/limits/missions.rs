//! Bounds of missions: their records, leases, changes, reports and verdicts.

/// Bytes of a branch's or repository's name: what file systems allow for one.
pub const REF_BYTES_MAX: usize = 255;

/// Steps of a mission: each is a command that a person wrote.
pub const MISSION_STEPS_MAX: usize = 16;

/// Patterns that say which paths are tests.
pub const MISSION_TESTS_MAX: usize = 32;

/// Bytes of one of them.
pub const GLOB_BYTES_MAX: usize = 255;

/// Bytes of the facts of one piece of evidence: what is larger is an artifact.
pub const EVIDENCE_BYTES_MAX: usize = 64 * 1024;

/// Records on the way to one of a mission. Sixteen steps need about forty; the rest is for devices
/// that are lost again and again.
pub const MISSION_RECORDS_MAX: u64 = 1_024;

/// Missions of one device that did not end: more than people look after, and what a device that
/// lies can make others hold is bounded by it.
pub const MISSIONS_OPEN_MAX: usize = 256;

/// How often the holder of a lease says that it lives, in milliseconds.
pub const BEAT_MS: u64 = 1_000;

/// For how long after that others leave it alone, in milliseconds: three beats, and 1 % for clocks
/// that run apart.
pub const LEASE_MS: u64 = 3_030;

/// For how long each waits for the one that is ranked before it, in milliseconds.
pub const RANK_MS: u64 = 1_000;

/// For how long a candidate waits for a verifier that executed no step, in milliseconds.
pub const INDEPENDENT_WAIT_MS: u64 = 5_000;

/// For how long a step waits until a peer holds what the last one left, in milliseconds. A peer
/// that takes longer does not stop the work.
pub const BOUNDARY_WAIT_MS: u64 = 10_000;

/// For how long a device does not try again what it could not do, in milliseconds; doubled each
/// time.
pub const RETRY_MS: u64 = 10_000;

/// How often it is doubled at most: to ten minutes.
pub const RETRY_DOUBLINGS_MAX: u32 = 6;

/// What is done for missions in one turn: enough for sixteen steps, and a turn ends.
pub const MISSION_ACTIONS_MAX: usize = 64;

/// Files that one change adds, modifies or deletes: what a person reads in one sitting.
pub const CHANGE_FILES_MAX: usize = 80;

/// Bytes of all files of a change as it leaves them, added up: one megabyte, 1,000,000 bytes. A
/// deleted file counts nothing. Sources of 80 files stay far below; what is larger is generated.
pub const CHANGE_BYTES_TOTAL_MAX: u64 = 1_000_000;

/// Bytes of a path in a change, or of a link's target: what every file system under a folder of a
/// workspace still takes.
pub const CHANGE_PATH_BYTES_MAX: usize = 512;

/// Bytes of one segment of a path: what ext4, APFS and NTFS take as a name.
pub const CHANGE_SEGMENT_BYTES_MAX: usize = 255;

/// Refusals told of one change: who has more mends these first.
pub const CHANGE_REFUSALS_MAX: usize = 20;

/// Bytes of the rulebook: it is read once for every change, in well under a millisecond.
pub const RULEBOOK_BYTES_MAX: usize = 32 * 1024;

/// Version of the rules of change: the limits above, the rulebook, and how both are judged. Any
/// change of them is a new version, for evidence names it.
pub const CHANGE_RULES_VERSION: u32 = 1;

/// Bytes of a run's output that are read: 20,000 tests of 400 bytes each. The runner keeps one
/// byte more, so that a longer output is known to be cut.
pub const REPORT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Tests in one report: more than the largest suites that run on one device in minutes.
pub const REPORT_TESTS_MAX: usize = 20_000;

/// Bytes of a test's name: longer ones are cut, for a verdict lists names.
pub const REPORT_NAME_BYTES_MAX: usize = 512;

/// Levels of nested suites, in TAP and in JUnit's XML: people nest four.
pub const REPORT_DEPTH_MAX: usize = 32;

/// Bytes of one tag of XML with its attributes: messages of failures stand in attributes.
pub const REPORT_TAG_BYTES_MAX: usize = 256 * 1024;

/// Tests named by one refusal of a verdict; the others are counted.
pub const VERDICT_TESTS_NAMED_MAX: usize = 5;

/// Characters of a mission's texts together: its contract is one change of the document, which
/// has at most 10,000 operations.
pub const CONTRACT_LETTERS_MAX: usize = 8_000;

/// For how long those that are asked last leave a lease to others, in milliseconds: the home to
/// runners, who executed a step to who did not. Whoever has to fetch the base first has it by then.
pub const STAND_IN_WAIT_MS: u64 = 15_000;

/// How often the time after which a lease is taken anew is doubled at most, where leases bring
/// nothing: to three minutes.
pub const LEASE_DOUBLINGS_MAX: u32 = 6;
