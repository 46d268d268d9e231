//! What is kept apart, as callers hear it.

use serde::{Deserialize, Serialize};

use crate::document::preview::PreviewRow;
use crate::id::{DeviceId, EventId, Incarnation};
use crate::time::Stamp;

/// The branches that are kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinePage {
    /// As many as are listed at once, by author, chain and place.
    pub branches: Vec<BranchRow>,
    /// How many there are beyond those.
    pub more: usize,
}

/// Events of one chain in a row that have no effect, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchRow {
    /// Who wrote them.
    pub author: DeviceId,
    /// In which life of its store.
    pub chain: Incarnation,
    /// The last of them.
    pub tip: EventId,
    /// How many they are.
    pub events: usize,
    /// Why they have none.
    pub why: Apart,
    /// When that was decided, as its author says; none where no one decision did it.
    pub since: Option<Stamp>,
    /// Who decided it.
    pub by: Option<DeviceId>,
    /// The decision.
    pub decision: Option<EventId>,
    /// Why it was decided, as written there.
    #[serde(default)]
    pub reason: String,
}

/// Why content is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Apart {
    /// Its author was revoked, and nobody built on it in good faith.
    Revoked,
    /// A strike names it.
    Struck,
    /// It depends on what a strike names.
    Dependent,
    /// Its device forked, and another change has its number.
    Forked,
}

impl Apart {
    /// In a word, as scripts read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Struck => "struck",
            Self::Dependent => "dependent",
            Self::Forked => "forked",
        }
    }
}

/// What a branch would set, were it to count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BranchPreview {
    /// The last event of the branch.
    pub tip: EventId,
    /// How many events do not count, of those that it is and those that it builds on.
    pub events: usize,
    /// How many of these are shown: the first.
    pub shown: usize,
    /// How many of these could not be read here.
    pub unread: usize,
    /// The places that would show something else.
    pub changes: Vec<PreviewRow>,
    /// How many places there are beyond those.
    pub more: usize,
    /// Did a fork leave it out? It comes back by nothing: its number is taken.
    #[serde(default)]
    pub left_out: bool,
}
