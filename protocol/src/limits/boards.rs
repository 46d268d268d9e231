//! Bounds of boards and other documents beside the root.

/// Keys and objects that a document of its own counts as beside those that it makes: what every
/// device keeps of one, whether it is opened or not. So a hostile device makes 1,500 in an hour.
/// `SPEC: PRJ-13`
pub const DOCUMENT_MAKES: u64 = 100;

/// Documents beside the root that are held in memory while nothing needs more of them: the boards
/// that people go to and fro between.
pub const DOCUMENTS_OPEN_MAX: usize = 32;

/// Documents beside the root that are opened to count conflicts for one status: so many take a
/// moment, and a hostile device makes many more. The next status goes on with the rest.
pub const SURVEY_OPENED_MAX: usize = 64;

/// Boards that are listed at once; the rest is counted, and reached by name.
pub const BOARDS_LISTED_MAX: usize = 1_000;

/// A branch of a branch, and so on, is so many levels deep at most: more than people follow.
/// `SPEC: BRA-2`
pub const BRANCH_DEPTH_MAX: u8 = 8;

/// Branches that are listed at once; the rest is counted, and reached by name.
pub const BRANCHES_LISTED_MAX: usize = 128;

/// Merges of one branch that were taken back, of which it is told: each stands on its own line, and
/// a person looks at the last. `SPEC: BRA-9`
pub const TAKEN_BACK_LISTED_MAX: usize = 8;

/// Bytes of what a branch is for, as it is said at its link: a sentence or two.
pub const PURPOSE_BYTES_MAX: usize = 512;

/// Changes that are walked over to count how far a branch is behind its origin, or what a side
/// wrote while apart: for every branch in the list. Beyond, it is said to be at least so far.
/// `SPEC: BRA-5, BRA-8`
pub const BEHIND_COUNTED_MAX: usize = 1_000;

/// Heads of a document up to which it is told who went on with it while apart: each is compared
/// with each.
pub const SIDES_COMPARED_MAX: usize = 64;
