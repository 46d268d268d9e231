//! Conflicts of a document: places on which changes disagree that did not know each other.
//!
//! Automerge merges all of them and shows one value. What it does not say is who lost: it knows
//! several values at a place, but no delete against an edit. So every change is taken in here once
//! more, into an index of who wrote a place last (`places.rs`) and who knew whom (`lineage.rs`).
//! A conflict is a view of that (`scan.rs`, `show.rs`), never a state of its own: it is open until
//! a change that knows all sides writes the place, and every device with the same changes sees
//! the same. Resolving is therefore nothing but such a write (`resolve.rs`).

mod lineage;
mod places;
mod resolve;
mod scan;
mod show;
mod tree;
mod why;

use std::cell::Cell;

use automerge::{Automerge, Change};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::document::{DocPath, Edit, EditFault};
use crate::id::{ChangeHash, ConflictId, DocumentId};
use crate::limits::CONFLICTS_LISTED_MAX;
use lineage::Lineage;
use places::Places;
use scan::Scan;

/// How the sides disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Several put different values at one place.
    Values,
    /// One deleted or replaced what another put there, or edited below.
    DeleteEdit,
}

/// A place on which changes disagree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// Its name, the same on every device.
    pub id: ConflictId,
    /// Where. Of a place that no path can name, the nearest above it that one can.
    pub path: DocPath,
    /// How the sides disagree.
    pub kind: ConflictKind,
    /// What all sides knew there; null where nothing was.
    pub base: Json,
    /// Who disagrees, at most 26, in the order of their letters.
    pub sides: Vec<Side>,
    /// How many sides there are beyond those.
    pub more_sides: usize,
    /// Why none of them gave way to another, for people.
    pub why: String,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Its name within the conflict.
    pub letter: String,
    /// The change that made it.
    pub change: ChangeHash,
    /// Does it leave nothing there?
    pub deleted: bool,
    /// What it shows there; null where that is nothing.
    pub value: Json,
    /// What its change knew of each of the other sides.
    pub knew: Vec<Knew>,
}

/// What a change knew of the actor of another: of the run of a program that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knew {
    /// The letter of the other side.
    pub of: String,
    /// How many changes of its actor were known; zero is none.
    pub changes: u32,
    /// The last of them.
    pub last: Option<ChangeHash>,
}

/// The conflicts of a document, by path.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConflictList {
    /// As many as are listed at once.
    pub conflicts: Vec<Conflict>,
    /// How many there are beyond those.
    pub more: usize,
}

/// What is known of a document's changes as far as conflicts ask.
#[derive(Debug, Default)]
pub struct ConflictIndex {
    lineage: Lineage,
    places: Places,
    /// A change came before one that it builds on, so nothing more can be said.
    broken: bool,
    work: Cell<u64>,
}

impl ConflictIndex {
    /// The index of all changes that a document holds.
    #[must_use]
    pub fn of(doc: &Automerge) -> Self {
        let mut index = Self::default();
        for change in doc.get_changes(&[]) {
            index.learn(&change);
        }
        index
    }

    /// Takes in a change, after all that it depends on and once it is applied. Once more is no
    /// more. The work goes with the operations of the change, never with the document.
    /// `SPEC: CFL-10`
    pub fn learn(&mut self, change: &Change) {
        if self.has_learned(change) {
            return;
        }
        let Some(number) = self.lineage.add(change) else {
            self.broken = true;
            return;
        };
        let start = change.start_op().get();
        for (op, number_of_op) in change.decode().operations.iter().zip(start..) {
            self.count(1);
            if self.places.learn(&self.lineage, number, number_of_op, op).is_none() {
                self.broken = true;
            }
        }
    }

    /// Was this change taken in? Automerge is slow to say so: it builds the change anew.
    #[must_use]
    pub fn has_learned(&self, change: &Change) -> bool {
        self.lineage.contains(&change.hash())
    }

    /// Is `past` in the past of `change`, or that itself?
    pub(super) fn knows(&self, change: &ChangeHash, past: &ChangeHash) -> bool {
        let number = |hash: &ChangeHash| self.lineage.number(&automerge::ChangeHash(hash.0));
        matches!((number(change), number(past)), (Some(change), Some(past))
            if self.lineage.knows(change, past))
    }

    /// The open conflicts of `doc`, which holds what was learned. `SPEC: CFL-9`
    pub fn list(&self, doc: &Automerge, document: &DocumentId) -> Result<ConflictList, EditFault> {
        let mut scan = Scan::new(self.whole()?, doc);
        let open = scan.open(document);
        let more = open.len().saturating_sub(CONFLICTS_LISTED_MAX);
        let listed = open.iter().take(CONFLICTS_LISTED_MAX);
        let conflicts = listed.map(|open| scan.conflict(open)).collect();
        Ok(ConflictList { conflicts, more })
    }

    /// Makes the change that resolves conflicts, and applies it. All `edits` have to resolve.
    pub fn resolve(
        &mut self,
        doc: &mut Automerge,
        document: &DocumentId,
        actor: [u8; 16],
        edits: &[Edit],
    ) -> Result<Change, EditFault> {
        let change = resolve::change(self.whole()?, doc, document, actor, edits)?;
        let applied = doc.apply_changes([change.clone()]);
        applied.map_err(|error| EditFault::Document(error.to_string()))?;
        self.learn(&change);
        Ok(change)
    }

    /// Could `edits` be resolved so? Nothing is changed.
    pub fn rehearse(
        &self,
        doc: &Automerge,
        document: &DocumentId,
        actor: [u8; 16],
        edits: &[Edit],
    ) -> Result<(), EditFault> {
        resolve::change(self.whole()?, doc, document, actor, edits).map(drop)
    }

    /// How many steps all of this took: operations taken in, places and changes looked at.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work.get()
    }

    fn count(&self, steps: u64) {
        self.work.set(self.work.get().saturating_add(steps));
    }

    fn whole(&self) -> Result<&Self, EditFault> {
        if self.broken {
            return Err(EditFault::Document("a change came before what it builds on".to_owned()));
        }
        Ok(self)
    }
}
