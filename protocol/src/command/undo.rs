//! What callers hear of an event that is taken back.

use serde::{Deserialize, Serialize};

use crate::id::EventId;

/// An event took another back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The event that takes back.
    pub event: EventId,
    /// The event that is taken back.
    pub undoes: EventId,
}

/// An event is not taken back, or there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUndone {
    /// Which; null where none was named and nothing is left that can be taken back.
    pub refused: Option<EventId>,
    /// Why, for people.
    pub reason: String,
    /// The event that builds on it, where that is why and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<EventId>,
    /// The command that takes it back all the same, where one does: by force where something else
    /// was written there since, by its name where it is a revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<String>,
}
