//! What callers ask of the past of a workspace, and what they hear.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{LogRow, ReadReply};
use crate::document::DocPath;
use crate::id::{DeviceId, EventId};
use crate::time::Stamp;

/// What a caller asks of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "past", rename_all = "snake_case")]
pub enum PastCommand {
    /// What was at a path. `SPEC: PAST-1`
    Read {
        /// Where.
        path: DocPath,
        /// When.
        at: At,
    },
    /// Every value that stood at a path. `SPEC: PAST-3`
    History {
        /// Where.
        path: DocPath,
        /// How many at most: the newest.
        limit: usize,
    },
    /// The events that a person looks for, a page of them. `SPEC: PAST-4`
    Search(Search),
}

/// A moment of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// After an event, by how its id begins: hex digits, four at least.
    Event(String),
    /// After what was written by then.
    Time(Stamp),
}

/// What to look for in the log: all of it has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// In what an event says: in capitals or not.
    pub text: Option<String>,
    /// The devices that this text names: what they signed or what is about them is meant too.
    #[serde(default)]
    pub named: Vec<DeviceId>,
    /// Who signed it.
    pub device: Option<DeviceId>,
    /// What it is.
    pub kind: Option<String>,
    /// Not stamped before.
    pub since: Option<Stamp>,
    /// How many events to pass over.
    pub from: usize,
}

/// What a caller hears of the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "past", rename_all = "snake_case")]
pub enum PastReply {
    /// To `Read`.
    Read(PastRead),
    /// To `History`.
    History(HistoryPage),
    /// To `Search`.
    Found(FoundPage),
}

/// What was at a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastRead {
    /// Where, what, and which event wrote it.
    #[serde(flatten)]
    pub read: ReadReply,
    /// The event after which it was so, where one was named.
    pub after: Option<EventId>,
    /// The time until which it was so, where one was named.
    pub until: Option<Stamp>,
    /// Is that time ahead of this device's clock, so that this is what is there now?
    #[serde(default)]
    pub ahead: bool,
    /// Has that event no effect, so that nothing of it is in this?
    #[serde(default)]
    pub without: bool,
    /// How many events of the workspace's content had been written by then.
    pub events: usize,
}

/// The values of a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// Where.
    pub path: DocPath,
    /// As many as were asked for, the newest last.
    pub rows: Vec<HistoryRow>,
    /// How many older changes touched the place, and are not shown.
    pub older: usize,
}

/// A value that stood at a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// What; null where it was removed.
    pub value: Json,
    /// Was it removed?
    pub removed: bool,
    /// The event that wrote it.
    pub event: Option<EventId>,
    /// Who signed that.
    pub device: Option<DeviceId>,
    /// When, as its author says, in microseconds since 1970.
    pub time: Option<Stamp>,
    /// Was its author's clock wrong? `SPEC: CFL-17`
    #[serde(default)]
    pub clock_wrong: bool,
    /// Does it stand there now?
    pub current: bool,
    /// As a part of what is shown, which others wrote apart?
    #[serde(default)]
    pub part: bool,
    /// Written apart from this one, the event that is shown in its place.
    pub lost_to: Option<EventId>,
    /// Was it made on just what the row above shows? What that shows and this does not was else
    /// removed by nobody.
    #[serde(default)]
    pub follows: bool,
}

/// Some events that were looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundPage {
    /// The rows, as the log shows them.
    pub rows: Vec<FoundRow>,
    /// Where to go on; none at the end.
    pub next: Option<usize>,
    /// How many events are here.
    pub of: usize,
    /// How many of this page could not be read, so that only their rows were looked at.
    pub unread: usize,
}

/// An event that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundRow {
    /// As the log shows it.
    #[serde(flatten)]
    pub row: LogRow,
    /// What of it says what was looked for.
    pub found: Option<String>,
}
