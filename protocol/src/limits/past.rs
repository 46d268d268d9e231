//! Bounds of looks into the past.

/// Values of a place that its history lists at most: more than a person reads, and comparing each
/// with each, in view of every third, stays below a second.
pub const HISTORY_ROWS_MAX: usize = 200;

/// Pairs of values of which one history reads what became of both: beyond them none is said to
/// have lost. Once those are left out that are not to be listed, as many are read anew.
pub const HISTORY_MERGES_MAX: usize = 2_000;

/// Changes of a place that do not know each other, up to which it is found out which follows which:
/// more than people write apart. It only saves reading a value twice.
pub const HISTORY_APART_MAX: usize = 64;

/// Changes that one history looks at for that: two reads each, so some seconds at worst.
pub const HISTORY_LOOKS_MAX: usize = 10_000;

/// Bytes of JSON of the values of one history; the newest is always among them.
pub const HISTORY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a text that is searched for: a sentence.
pub const SEARCH_TEXT_MAX: usize = 1_024;

/// Events that one page of a search reads: a few milliseconds of opening bodies, so that nothing
/// waits behind it.
pub const SEARCH_PAGE_EVENTS: usize = 512;

/// Bytes of sealed bodies after which a page of a search ends: they are opened by the thread that
/// does all else, and may hold five times as much.
pub const SEARCH_PAGE_BYTES: u64 = 1_024 * 1_024;

/// Characters that a found event shows of what says it, around that.
pub const SEARCH_SHOWN_CHARS: usize = 80;

/// Places of a map that a row of a history says to have changed: more is read in the value itself.
pub const CHANGED_PLACES_MAX: usize = 8;

/// Bytes of a value that a row of a history shows: some lines of a terminal.
pub const CHANGED_SHOWN_BYTES: usize = 240;

/// Events that one undo without a name passes over: each is a look at a document, and who meets
/// more has to say which event is meant.
pub const UNDO_PASSED_MAX: usize = 100;
