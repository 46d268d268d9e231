//! Conflicts of a document: places on which changes disagree that did not know each other.
//!
//! Automerge merges all of them and shows one value. What it does not say is who lost: it knows
//! several values at a place, but no delete against an edit. So every change is taken in here once
//! more, into an index of who wrote a place last (`places.rs`) and who knew whom (`lineage.rs`).
//! A conflict is a view of that (`scan.rs`, `show.rs`), never a state of its own: it is open until
//! a change that knows all sides writes the place, and every device with the same changes sees
//! the same. Resolving is therefore nothing but such a write (`resolve.rs`).

mod brought;
mod contested;
mod decided;
mod ended;
mod late;
mod lineage;
mod meaning;
mod places;
mod resolve;
mod revived;
mod scan;
mod setter;
mod show;
mod tree;
mod why;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::legacy::Op;
use automerge::{ActorId, Automerge, Change, ObjId};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::document::sites::Made;
use crate::document::validate::plain_change;
use crate::document::{DocPath, Edit, EditFault};
use crate::id::{ChangeHash, ConflictId, DocumentId};
use crate::limits::{CONFLICTS_LISTED_BYTES_MAX, CONFLICTS_LISTED_MAX};
pub(super) use brought::Brought;
pub(super) use contested::Settled;
pub(super) use decided::{Decided, Made as MadeApart};
pub(super) use ended::TakenBack;
pub(crate) use late::Conflicts;
use lineage::{Added, Lineage, New, OpNo};
pub use meaning::Strictest;
use places::{At, Places};
use scan::Scan;
pub use setter::PutBack;

/// How the sides disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Several put different values at one place.
    Values,
    /// One deleted or replaced what another put there, or edited below.
    DeleteEdit,
    /// Several wrote one policy: until somebody decides, the strictest counts. `SPEC: POL-4`
    Policy,
    /// Several plans of one task are final. `SPEC: CFL-12`
    PlansFinal,
    /// Several devices hold a lease on one stage of a mission. `SPEC: CFL-13`
    Holders,
    /// A branch is kept apart. `SPEC: CFL-14`
    Quarantine,
    /// A device forked, and of what it wrote twice one is left out. `SPEC: CFL-14`
    Divergent,
}

impl ConflictKind {
    /// Does it stand at a place of a document, and is it decided there?
    #[must_use]
    pub fn has_place(self) -> bool {
        match self {
            Self::Values | Self::DeleteEdit | Self::Policy | Self::PlansFinal => true,
            Self::Holders | Self::Quarantine | Self::Divergent => false,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Values => "several values",
            Self::DeleteEdit => "removed and edited",
            Self::Policy => "several policies, the strictest counts",
            Self::PlansFinal => "several plans are final",
            Self::Holders => "several hold the lease",
            Self::Quarantine => "a branch is kept apart",
            Self::Divergent => "a branch of a forked device is left out",
        }
    }
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
    /// What the place shows now; null where that is nothing. Of a policy the strictest counts, of
    /// final plans all are.
    pub now: Json,
    /// Who disagrees, at most 26, in the order of their letters.
    pub sides: Vec<Side>,
    /// How many sides there are beyond those.
    pub more_sides: usize,
    /// Where others are open below what it shows: a decision ends them, and no undo opens them
    /// again. `SPEC: CFL-7`
    #[serde(default)]
    pub below: Vec<DocPath>,
    /// How many more.
    #[serde(default)]
    pub below_more: usize,
    /// Why none of them gave way to another, for people.
    pub why: String,
    /// The last changes that all sides knew, sorted; where an undo put a side back, what those
    /// knew who wrote it first.
    pub common: Vec<ChangeHash>,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Its name within the conflict.
    pub letter: String,
    /// The change that made it.
    pub change: ChangeHash,
    /// The change that wrote what it shows, where the one that made it put that back.
    #[serde(default)]
    pub wrote: Option<ChangeHash>,
    /// Does it leave nothing there?
    pub deleted: bool,
    /// What it shows there; null where that is nothing.
    pub value: Json,
    /// What the place shows once it is kept, where that is something else.
    pub then: Option<Json>,
    /// What its change, or the one that wrote it first, knew of each of the other sides.
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
    /// How many there are before those.
    pub before: usize,
    /// Of the conflicts that were looked for, those that are open here.
    pub found: BTreeSet<ConflictId>,
}

impl ConflictList {
    /// How many there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.before.saturating_add(self.conflicts.len()).saturating_add(self.more)
    }
}

/// Which conflicts are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// The first.
    First,
    /// The first behind this place and id, in the order of both. `SPEC: CFL-9`
    Behind(DocPath, ConflictId),
    /// Those with these ids.
    These(BTreeSet<ConflictId>),
    /// Of a branch, those of which one of these changes is a side. `SPEC: BRA-10`
    Own(BTreeSet<ChangeHash>, Box<Self>),
}

/// What is known of a document's changes as far as conflicts ask.
#[derive(Debug, Default)]
pub struct ConflictIndex {
    lineage: Lineage,
    places: Places,
    /// A change came before one that it builds on, so nothing more can be said.
    broken: bool,
    work: Cell<u64>,
    /// What changes decided that were taken back, as far as that was looked for.
    decided: RefCell<BTreeMap<ChangeHash, Arc<Vec<Decided>>>>,
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
        if !self.learn_plain(change.hash(), change.raw_bytes()) {
            self.learn_whole(change);
        }
    }

    /// The same of a change by its name and chunk, which are those of a change that was applied.
    pub(super) fn learn_chunk(&mut self, hash: automerge::ChangeHash, chunk: &[u8]) {
        if self.learn_plain(hash, chunk) {
            return;
        }
        match Change::try_from(chunk) {
            Ok(change) => self.learn_whole(&change),
            Err(_) => self.broken = true,
        }
    }

    /// Takes in a change of one plain operation; says no of any other.
    fn learn_plain(&mut self, hash: automerge::ChangeHash, chunk: &[u8]) -> bool {
        let Some(plain) = plain_change(chunk) else { return false };
        let (deps, actor) = (plain.deps.iter().copied().map(automerge::ChangeHash), &plain.actor);
        let new = New { hash, deps, actor, seq: plain.seq, last_op: plain.start };
        let added = self.lineage.add(new);
        self.learn_operations(added, plain.start, &[plain.op]);
        true
    }

    fn learn_whole(&mut self, change: &Change) {
        let (start, deps) = (change.start_op().get(), change.deps().iter().copied());
        let (hash, actor, seq) = (change.hash(), change.actor_id(), change.seq());
        let added = self.lineage.add(New { hash, deps, actor, seq, last_op: change.max_op() });
        if added != Added::Known {
            self.learn_operations(added, start, &change.decode().operations);
        }
    }

    fn learn_operations(&mut self, added: Added, start: u64, operations: &[Op]) {
        let Added::New(change) = added else {
            self.broken |= added == Added::Apart;
            return;
        };
        for (op, number) in operations.iter().zip(start..) {
            self.count(1);
            if self.places.learn(&self.lineage, change, number, op).is_none() {
                self.broken = true;
            }
        }
    }

    /// Is `past` in the past of `change`, or that itself?
    pub(super) fn knows(&self, change: &ChangeHash, past: &ChangeHash) -> bool {
        let number = |hash: &ChangeHash| self.lineage.number(&automerge::ChangeHash(hash.0));
        matches!((number(change), number(past)), (Some(change), Some(past))
            if self.lineage.knows(change, past))
    }

    /// The element of a list at which a value stands.
    pub(super) fn element(&self, value: &ObjId) -> Option<(u64, ActorId)> {
        let ObjId::Id(number, actor, _) = value else { return None };
        let element = self.places.element_of(self.lineage.op(*number, actor)?);
        Some((u64::from(element.number), self.lineage.actor(element.actor)?.clone()))
    }

    /// Does a value stand at this element?
    pub(super) fn is_element(&self, value: &ObjId, element: &(u64, ActorId)) -> bool {
        let ObjId::Id(number, actor, _) = value else { return false };
        let stands = self.lineage.op(*number, actor).map(|op| self.places.element_of(op));
        stands.is_some() && stands == self.lineage.op(element.0, &element.1)
    }

    /// In which object something was put, and under which key, if that is a map.
    pub(super) fn put_at(&self, object: &(u64, ActorId)) -> Option<(Made, Option<String>)> {
        let spot = self.places.spot_of(self.lineage.op(object.0, &object.1)?)?;
        let key = match &spot.at {
            At::Key(key) => Some(key.to_string()),
            At::Element(_) => None,
        };
        let above = self.lineage.actor(spot.object.actor).filter(|_| spot.object != OpNo::ROOT);
        Some((above.map(|actor| (u64::from(spot.object.number), actor.clone())), key))
    }

    /// The open conflicts of `doc`, which holds what was learned: those that are asked for, as many
    /// as are listed at once. `SPEC: CFL-9`
    pub fn list(
        &self,
        doc: &Automerge,
        document: &DocumentId,
        which: &Which,
    ) -> Result<ConflictList, EditFault> {
        self.list_after_undos(doc, document, which, &PutBack::new())
    }

    /// The same, where these changes put several values back: who wrote those values first is
    /// named, and what that one knew decides what is told. `SPEC: CFL-17`
    pub fn list_after_undos(
        &self,
        doc: &Automerge,
        document: &DocumentId,
        which: &Which,
        put_back: &PutBack,
    ) -> Result<ConflictList, EditFault> {
        let mut scan = Scan::new(self.whole()?, doc);
        let mut open = scan.open(document);
        let mut which = which;
        if let Which::Own(own, of_those) = which {
            let is_own = |change| own.contains(&ChangeHash(self.lineage.hash(change).0));
            open.retain(|open| open.sides.iter().any(|side| is_own(side.change)));
            which = of_those;
        }
        if let Which::These(ids) = which {
            let found = open.iter().map(|open| open.id).filter(|id| ids.contains(id)).collect();
            return Ok(ConflictList { more: open.len(), found, ..ConflictList::default() });
        }
        let before = match which {
            Which::Behind(path, id) => {
                open.partition_point(|open| (&open.path, open.id) <= (path, *id))
            }
            Which::First | Which::These(_) | Which::Own(..) => 0,
        };
        let (mut conflicts, mut bytes) = (Vec::new(), 0_usize);
        for open in open.iter_mut().skip(before).take(CONFLICTS_LISTED_MAX) {
            let conflict = scan.conflict(open, put_back);
            bytes = bytes.saturating_add(size(&conflict));
            if bytes > CONFLICTS_LISTED_BYTES_MAX && !conflicts.is_empty() {
                break;
            }
            conflicts.push(conflict);
        }
        let more = open.len() - before - conflicts.len();
        Ok(ConflictList { conflicts, more, before, found: BTreeSet::new() })
    }

    /// The policies on which changes disagree, and the strictest of what was written of each.
    /// `SPEC: POL-4`
    pub fn policies(&self, doc: &Automerge) -> Result<BTreeMap<String, Strictest>, EditFault> {
        Ok(Scan::new(self.whole()?, doc).policies())
    }

    /// Makes the change that resolves conflicts, and applies it. All `edits` have to resolve; their
    /// letters are those that [`Self::list_after_undos`] gives.
    pub fn resolve(
        &mut self,
        doc: &mut Automerge,
        document: &DocumentId,
        actor: [u8; 16],
        edits: &[Edit],
        put_back: &PutBack,
    ) -> Result<Change, EditFault> {
        let change = resolve::change(self.whole()?, doc, document, actor, edits, put_back)?;
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
        put_back: &PutBack,
    ) -> Result<(), EditFault> {
        resolve::change(self.whole()?, doc, document, actor, edits, put_back).map(drop)
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

/// About how many bytes it takes to say.
fn size(conflict: &Conflict) -> usize {
    let of = |side: &Side| {
        let then = side.then.as_ref().map_or(0, |then| then.to_string().len());
        side.value.to_string().len().saturating_add(then)
    };
    let sides: usize = conflict.sides.iter().map(of).sum();
    let [base, now] = [&conflict.base, &conflict.now].map(|value| value.to_string().len());
    sides.saturating_add(base).saturating_add(now).saturating_add(conflict.why.len())
}
