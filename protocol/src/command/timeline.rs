//! The timeline and the log, as callers ask for them and hear them.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, EventId, Incarnation, Lane};
use crate::limits::TIMELINE_EVENTS_MAX;
use crate::time::Stamp;
use crate::workspace::Verdict;

/// Which part of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineQuery {
    /// Where.
    pub at: TimelineAt,
    /// How many events at most, before the page is widened to whole blocks.
    #[serde(default = "all")]
    pub limit: usize,
    /// Are runs of ordinary edits one row? `SPEC: TIME-3`
    #[serde(default)]
    pub folded: bool,
    /// The lanes that the page above left open, where one is shown: they go on.
    #[serde(default)]
    pub lanes: Vec<Option<usize>>,
}

fn all() -> usize {
    TIMELINE_EVENTS_MAX
}

/// A place in the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineAt {
    /// Its end.
    Newest,
    /// The events before this causal index.
    Before(usize),
    /// The events after it.
    After(usize),
    /// The events around it.
    Around(usize),
    /// The events around the one whose id begins so: hex digits, four at least.
    Event(String),
}

/// A part of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelinePage {
    /// How many events there are.
    pub total: usize,
    /// The causal index of the first event that the page covers.
    pub from: usize,
    /// The causal index after its last.
    pub to: usize,
    /// Newest first.
    pub rows: Vec<TimelineRow>,
    /// The lanes that are open below it: for which event each waits, by causal index.
    pub lanes: Vec<Option<usize>>,
}

/// One event, a run of edits, or a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// The causal index of the event, of the newest of a run; how many events were here at a
    /// notice. `SPEC: TIME-1`
    pub index: usize,
    /// How many events it stands for: more than one for a run, none for a notice.
    pub events: usize,
    /// The event, the newest of a run, or the notice.
    pub event: LogRow,
    /// Whom a grant or revocation is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<DeviceId>,
    /// What it, or the oldest event of a run, follows in its lane, prev first.
    pub follows: Vec<Follow>,
    /// Does another event follow it?
    pub followed: bool,
    /// What is to be seen of it.
    pub flags: Vec<TimelineFlag>,
    /// In which lane it stands, from 0.
    pub lane: usize,
    /// The lanes of this row in box characters, two columns each, without spaces at the end; what
    /// is none is the event.
    pub graph: String,
    /// How many lanes are open beyond those drawn.
    pub more: usize,
    /// For how many seconds nothing was written before it, where that is a time of quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_s: Option<u64>,
}

/// An event that another follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Its causal index.
    pub index: usize,
    /// Its id.
    pub id: EventId,
    /// Who signed it.
    pub author: DeviceId,
}

/// What is to be seen of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineFlag {
    /// This device signed it.
    Own,
    /// A step, a check or a mission that did not succeed.
    Failed,
    /// The policy said no.
    Refused,
    /// It has no effect.
    Void,
    /// It is kept apart.
    Quarantined,
    /// A side of a conflict that is open and listed.
    Conflict,
}

impl TimelineRow {
    /// The causal index of the oldest event that it stands for.
    #[must_use]
    pub fn first(&self) -> usize {
        self.index.saturating_sub(self.events.saturating_sub(1))
    }

    /// Is it this?
    #[must_use]
    pub fn is(&self, flag: TimelineFlag) -> bool {
        self.flags.contains(&flag)
    }
}

/// Some rows of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The rows.
    pub rows: Vec<LogRow>,
    /// Where to go on; none at the end.
    pub next: Option<usize>,
}

/// One event of the log, or a notice: what this device saw another do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRow {
    /// Its id; none for a notice, and so for what else only an event has.
    pub id: Option<EventId>,
    /// Who signed it; the device that a notice is about.
    pub author: DeviceId,
    /// The life of the author's store.
    pub incarnation: Option<Incarnation>,
    /// Its place in its chain.
    pub seq: Option<u64>,
    /// Control or content.
    pub lane: Option<Lane>,
    /// What it says; `notice` for a notice.
    pub kind: String,
    /// The events of its lane that it follows, prev first.
    pub parents: Vec<EventId>,
    /// When, as its author says, in microseconds since 1970.
    pub stamp: Stamp,
    /// Is the stamp further ahead of our clock than an honest one? Shown, never decides.
    pub stamp_ahead: bool,
    /// Was its author's clock wrong, by its stamp? Shown, never decides. `SPEC: CFL-17`
    #[serde(default)]
    pub clock_wrong: bool,
    /// What became of it.
    pub verdict: Option<Verdict>,
    /// Why, where it does not count; what a notice says.
    pub reason: Option<String>,
    /// How often a notice was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}
