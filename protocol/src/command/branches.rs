//! Branches, as callers ask for them and hear of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ConflictRow;
use crate::document::DocPath;
use crate::document::preview::PreviewRow;
use crate::id::{DeviceId, DocumentId, EventId};

/// What a caller asks of branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "branch", rename_all = "snake_case")]
pub enum BranchCommand {
    /// Makes one: a document that goes on from another. `SPEC: BRA-3`
    Create {
        /// Its name.
        name: String,
        /// Of which document: a board's or a branch's path; without one of the root.
        #[serde(default)]
        of: DocPath,
        /// As that was at an event, by how its id begins; without one as it is now.
        #[serde(default)]
        at: Option<String>,
        /// What it is for.
        #[serde(default)]
        purpose: String,
    },
    /// All of them.
    List {
        /// Those that are put away, too.
        all: bool,
    },
    /// What was changed on one since it was made.
    Diff {
        /// Its name, or its document's id.
        name: String,
    },
    /// What its merge would bring, conflicts too; nothing is written.
    Preview {
        /// Its name, or its document's id.
        name: String,
    },
    /// Brings what was changed on one to where it comes from. `SPEC: BRA-4`
    Merge {
        /// Its name, or its document's id.
        name: String,
    },
    /// Puts one away, or brings it back; nothing of it is lost.
    Archive {
        /// Its name.
        name: String,
        /// Is it put away?
        archived: bool,
    },
}

impl BranchCommand {
    /// Does it write something that others will have?
    #[must_use]
    pub fn writes(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Diff { .. } | Self::Preview { .. })
    }
}

/// What a caller hears of branches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "branch", rename_all = "snake_case")]
pub enum BranchReply {
    /// To `Create`.
    Made {
        /// Its document.
        document: DocumentId,
        /// The event that makes and links it.
        event: EventId,
    },
    /// To `List`.
    List(BranchPage),
    /// To `Diff` and `Preview`.
    Changes(Box<BranchChanges>),
    /// To `Merge`.
    Merged {
        /// The event.
        event: EventId,
        /// How many changes of the branch it brings.
        changes: usize,
        /// What it does not bring: what came by merges that were taken back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        taken_back: Vec<LostMerge>,
    },
}

/// The branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchPage {
    /// As many as are listed at once: those that were made, by name, then what diverged.
    pub branches: Vec<BranchState>,
    /// How many there are beyond those.
    pub more: usize,
}

/// How a branch came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BranchKind {
    /// Somebody made it.
    Made,
    /// Devices went on with a document while apart, and nobody since who knew all of it.
    Divergent,
    /// A device forked, and another change has the number of its first: it is in no document.
    LeftOut,
}

/// One branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchState {
    /// How it came to be.
    pub kind: BranchKind,
    /// Its name; none where no link leads to it any more (its id does), or nobody gave it one.
    pub name: Option<String>,
    /// Its document; of what diverged the one that did.
    pub document: Option<DocumentId>,
    /// The path of the document that it comes from; the root's is empty.
    pub of: String,
    /// What it is for, as its author said.
    pub purpose: String,
    /// Changes that are not where it comes from.
    pub ahead: usize,
    /// Changes there that are not in it.
    pub behind: usize,
    /// There are as many at least: no more are counted. `SPEC: BRA-5`
    #[serde(default)]
    pub behind_at_least: bool,
    /// Who wrote to it, by id; of what diverged each side.
    pub devices: Vec<DeviceId>,
    /// Of what diverged: each side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<BranchSide>,
    /// Its merges that were taken back: what they brought is neither shown nor merged again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back: Vec<LostMerge>,
    /// Is it put away?
    pub archived: bool,
    /// Does its name lead to it? Of several that were made apart under one name it leads to one.
    pub is_shown: bool,
    /// Were several made apart under this name?
    pub conflict: bool,
    /// The event that made it; of what is left out the last.
    pub event: Option<EventId>,
    /// What can be done with it, as commands.
    pub next: Vec<String>,
}

/// A merge that was taken back, and still is. `SPEC: BRA-9`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostMerge {
    /// The event of the merge.
    pub merge: EventId,
    /// The event that took it back.
    pub undo: EventId,
    /// The others that did: each put one side of a conflict again that the merge had added to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<EventId>,
}

impl LostMerge {
    /// What brings in again what the merge brought.
    #[must_use]
    pub fn command(&self) -> String {
        let undos = std::iter::once(&self.undo).chain(&self.also);
        let undos: Vec<_> = undos.map(EventId::short).collect();
        // None of several knows another: each would hold up the undo of the next.
        let force = if self.also.is_empty() { "" } else { " --force" };
        format!("kern undo {}{force}", undos.join(" "))
    }
}

impl fmt::Display for LostMerge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [merge, undo] = [&self.merge, &self.undo].map(EventId::short);
        let command = self.command();
        write!(f, "its merge {merge} was taken back by {undo}: `{command}` brings it in again")
    }
}

/// A side of what diverged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchSide {
    /// Who.
    pub device: DeviceId,
    /// How many changes no other side knew.
    pub changes: usize,
    /// There are as many at least: no more are counted.
    #[serde(default)]
    pub at_least: bool,
    /// The event of the last of them.
    pub event: EventId,
}

/// What was changed on a branch, or what its merge would bring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BranchChanges {
    /// Its document.
    pub document: DocumentId,
    /// The document that it comes from.
    pub origin: DocumentId,
    /// The places that show something else.
    pub changes: Vec<PreviewRow>,
    /// How many places there are beyond those.
    pub more: usize,
    /// The conflicts that a merge would bring.
    pub conflicts: Vec<ConflictRow>,
    /// How many there are beyond those.
    pub more_conflicts: usize,
    /// What a merge would not bring: what came by merges that were taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back: Vec<LostMerge>,
}
