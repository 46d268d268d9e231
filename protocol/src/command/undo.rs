//! What callers hear of an event that is taken back.

use serde::{Deserialize, Serialize};

use crate::document::DocPath;
use crate::id::{DeviceId, DocumentId, EventId};
use crate::role::Role;

/// An event took another back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The event that takes back.
    pub event: EventId,
    /// The event that is taken back.
    pub undoes: EventId,
    /// What that had done; none from a node that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<TakenBack>,
    /// A conflict that it had decided is open again: who wants it as it was decides again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopened: bool,
    /// Those that take it back besides: each puts one of several values back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<EventId>,
    /// The last event, where none was named and another was taken back: it shows already what was
    /// there before it, or that cannot be put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<EventId>,
    /// The last strike or readmission since, where no event was named: no undo takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<LaterOrder>,
}

/// What a device did that another command takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaterOrder {
    /// The event.
    pub event: EventId,
    /// How it is taken back, for people.
    pub how: String,
}

/// How many places of one event are told.
const PLACES_TOLD: usize = 3;

/// What an event had done that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TakenBack {
    /// It changed documents.
    Edit {
        /// It took another back itself.
        undo: bool,
        /// It merged a branch.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        merge: bool,
        /// Where, as far as that is told.
        places: Vec<UndonePlace>,
        /// At how many places beyond those.
        more: usize,
    },
    /// It gave a device a role.
    Grant {
        /// Which, that is no member now.
        device: DeviceId,
        /// Is that the one that took it back, and can bring nothing back?
        #[serde(default)]
        own: bool,
    },
    /// It took a device out.
    Revoke {
        /// Which.
        device: DeviceId,
        /// What that is again.
        role: Role,
    },
}

/// A place that shows again what it showed before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndonePlace {
    /// In which document; none where it is the root.
    pub document: Option<DocumentId>,
    /// Where, as seen from the root.
    pub path: DocPath,
}

impl TakenBack {
    /// An event changed these places.
    #[must_use]
    pub fn edit((undo, merge): (bool, bool), mut places: Vec<UndonePlace>) -> Self {
        let more = places.len().saturating_sub(PLACES_TOLD);
        places.truncate(PLACES_TOLD);
        Self::Edit { undo, merge, places, more }
    }
}

/// An event is not taken back, or there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUndone {
    /// Which; null where none was named and nothing is left that can be taken back.
    pub refused: Option<EventId>,
    /// Why, for people.
    pub reason: String,
    /// The event that builds on it, where that is why and it is known; without a command that takes
    /// it back all the same, the one that took it back already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<EventId>,
    /// The command that takes it back all the same, where one does: by force where something else
    /// was written there, since or apart, by its name where it is a revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<String>,
    /// The device that it revoked, where that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The command that shows what is to be decided anew, where several took it back already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
}

impl NotUndone {
    /// An event is not taken back for this reason alone.
    #[must_use]
    pub fn because(refused: Option<EventId>, reason: String) -> Self {
        Self { refused, reason, by: None, force: None, device: None, again: None }
    }
}
