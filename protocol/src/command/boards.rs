//! Boards, as callers hear of them.

use serde::{Deserialize, Serialize};

use crate::id::{DocumentId, EventId};

/// The boards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardPage {
    /// As many as are listed at once, by name; those without a link last.
    pub boards: Vec<BoardRow>,
    /// How many there are beyond those.
    pub more: usize,
}

/// One board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardRow {
    /// Its name; none where no link leads to it any more: its id does.
    pub name: Option<String>,
    /// Its document.
    pub document: DocumentId,
    /// Is it put away?
    pub archived: bool,
    /// Does its name lead to it? Of several that were made apart under one name it leads to one.
    pub is_shown: bool,
    /// Were several made apart under this name?
    pub conflict: bool,
    /// Is it held in memory?
    pub loaded: bool,
    /// The event that linked it.
    pub event: Option<EventId>,
}
