//! Branches: what a document holds of others', and how far a branch is from its origin.
//!
//! A document holds its own changes and the past of each (SPEC: BRA-2). So a branch begins with
//! what its first change knows of the origin, and a change of the origin that knows a branch's
//! brings those in: that is a merge. Nothing is copied, and what falls takes with it what came in
//! by it alone.

mod list;
mod taken_back;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Workspace;
use super::documents::Line;
use crate::authority::{BitSet, ContentNo};
use crate::effect::{ChangeNo, DocumentNo, FamilyNo};
use crate::id::{DeviceId, DocumentId, Incarnation};

pub use list::{ApartSide, Distance, Divergence};

/// What stands of a family, and at which count of changes to it that was found.
type Standing = BTreeMap<FamilyNo, (u64, Arc<BitSet>)>;

/// What the changes of documents are to each other.
#[derive(Default)]
pub(super) struct Lines {
    /// With the version of the family of each.
    pub(super) of: BTreeMap<DocumentNo, (u64, Line)>,
    /// How often one was found anew.
    pub(super) looks: u64,
}

/// What documents that are open hold of others'.
#[derive(Default)]
pub(super) struct Shares {
    of: BTreeMap<DocumentNo, BTreeSet<ChangeNo>>,
    /// A change left these by which others' had come in.
    shrunk: BTreeSet<DocumentNo>,
    /// How often what counts changed: of all, and of each family.
    version: u64,
    versions: BTreeMap<FamilyNo, u64>,
    standing: RefCell<Standing>,
    pub(super) lines: RefCell<Lines>,
}

impl Shares {
    /// What counts changed of this family.
    fn note(&mut self, family: FamilyNo) {
        self.version = self.version.wrapping_add(1);
        self.versions.insert(family, self.version);
    }

    /// How often what counts changed.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn version_of(&self, family: FamilyNo) -> u64 {
        self.versions.get(&family).copied().unwrap_or(0)
    }

    /// The documents that hold this change of another.
    pub(super) fn holders(&self, change: ChangeNo) -> Vec<DocumentNo> {
        let holds = self.of.iter().filter(|(_, shared)| shared.contains(&change));
        holds.map(|(document, _)| *document).collect()
    }

    /// Does any document hold this change of another?
    pub(super) fn has(&self, change: ChangeNo) -> bool {
        self.of.values().any(|shared| shared.contains(&change))
    }

    /// It is held no longer, or is told anew.
    pub(super) fn forget(&mut self, document: DocumentNo) {
        self.of.remove(&document);
        self.shrunk.remove(&document);
    }
}

impl Workspace {
    /// What an event brings into open documents that was written to others, and is not there yet,
    /// waits to be told: what carries that. `SPEC: BRA-2`
    pub(super) fn share(&mut self, no: ContentNo, changes: &[ChangeNo]) -> BTreeSet<ContentNo> {
        let mut waits = BTreeSet::new();
        for change in changes {
            let document = self.effects.document_of(*change);
            if !self.effects.has_branches(document) || !self.is_open_no(document) {
                continue;
            }
            for found in self.not_shared(document, *change) {
                self.shares.of.entry(document).or_default().insert(found);
                // It may have been told already, to other documents, whatever carries it.
                let carrier = self.carrier_to_tell(found);
                if let Some(carrier) = carrier.filter(|carrier| *carrier != no) {
                    self.waiting.entry(carrier).or_insert(None);
                    // Who asks meanwhile waits until the document is whole again.
                    self.rebuilding = true;
                    waits.insert(carrier);
                }
            }
        }
        waits
    }

    /// The event that tells a change: of those that count and carry it, the first whose body is
    /// to be had. `SPEC: BRA-11`
    pub(super) fn carrier_to_tell(&self, change: ChangeNo) -> Option<ContentNo> {
        let carriers = self.effects.carriers(change).iter().copied();
        let carriers = carriers.filter(|no| self.counts(*no));
        carriers.min_by_key(|no| (self.lost.holds_up(*no), *no))
    }

    /// The changes of others that this one of a document brings in, and that it has not yet.
    fn not_shared(&self, document: DocumentNo, change: ChangeNo) -> BTreeSet<ChangeNo> {
        let has = self.shares.of.get(&document);
        let is_new = |dep: &ChangeNo| has.is_none_or(|has| !has.contains(dep));
        let mut open: Vec<_> = self.effects.joined(document, change).collect();
        let mut found = BTreeSet::new();
        while let Some(next) = open.pop() {
            if is_new(&next) && found.insert(next) {
                // Its own are told in their turn, each with what it brings.
                open.extend(self.effects.joined(document, next));
            }
        }
        found
    }

    /// A change of a document counts no longer: it falls out of others that hold it, and so does,
    /// later, what came in by it.
    pub(super) fn unshare(&mut self, change: ChangeNo) {
        self.note_counting(change);
        self.drop_shared(change);
        self.may_shrink(change);
    }

    /// What counts of a family changed: this change.
    pub(super) fn note_counting(&mut self, change: ChangeNo) {
        self.shares.note(change.family());
    }

    /// What came into its document by this change is to be looked through.
    pub(super) fn may_shrink(&mut self, change: ChangeNo) {
        let document = self.effects.document_of(change);
        if self.shares.of.contains_key(&document)
            && self.effects.joined(document, change).next().is_some()
        {
            self.shares.shrunk.insert(document);
        }
    }

    /// It falls out of a document, if it is held there.
    pub(super) fn drop_from(&mut self, document: DocumentNo, change: ChangeNo) {
        if self.held.get_mut(&document).is_some_and(|held| held.remove(change.number())) {
            let id = self.effects.document_id(document);
            self.dropped.entry(id).or_default().insert(self.effects.hash(change));
        }
    }

    /// Leaves others' changes out of these documents, as of those that fell out of their own.
    pub(super) fn drop_shared(&mut self, change: ChangeNo) {
        for holder in self.shares.holders(change) {
            self.drop_from(holder, change);
        }
    }

    /// What came into a document by a change that left it, and by no other, leaves it too.
    pub(super) fn settle_shares(&mut self) {
        for document in std::mem::take(&mut self.shares.shrunk) {
            let mut open = self.own_standing(document);
            let mut kept = BTreeSet::new();
            while let Some(next) = open.pop() {
                for dep in self.effects.joined(document, next) {
                    if kept.insert(dep) {
                        open.push(dep);
                    }
                }
            }
            // What is kept and was not here yet comes with the change that brings it.
            let shared = self.shares.of.remove(&document).unwrap_or_default();
            let (stays, gone): (BTreeSet<_>, BTreeSet<_>) =
                shared.into_iter().partition(|change| kept.contains(change));
            self.shares.of.insert(document, stays);
            gone.into_iter().for_each(|change| self.drop_from(document, change));
        }
    }

    /// The changes that stand of a family, by number. `SPEC: PRJ-12, BRA-2`
    pub(super) fn standing(&self, family: FamilyNo) -> Arc<BitSet> {
        let version = self.shares.version_of(family);
        let mut kept = self.shares.standing.borrow_mut();
        if let Some((_, standing)) = kept.get(&family).filter(|(kept, _)| *kept == version) {
            return Arc::clone(standing);
        }
        let counts = |change: ChangeNo| self.stands_told(change);
        let standing = Arc::new(self.effects.standing(family, &counts));
        kept.insert(family, (version, Arc::clone(&standing)));
        standing
    }

    /// The changes that were written to this document itself and stand, causes first.
    pub(super) fn own_standing(&self, document: DocumentNo) -> Vec<ChangeNo> {
        let standing = self.standing(self.effects.family(document));
        self.effects.order(document).filter(|own| standing.contains(own.number())).collect()
    }

    /// What the changes are to each other that a document of a family holds.
    pub(super) fn family_line(&self, document: DocumentNo) -> Line {
        let is_branch = self.effects.origin(&self.effects.document_id(document)).is_some();
        let mut heads: BTreeSet<ChangeNo> = BTreeSet::new();
        let mut is_straight = true;
        let own = self.own_standing(document);
        for (at, change) in own.iter().enumerate() {
            // A branch begins with what its first change knows.
            is_straight &= self.goes_on(*change, &heads) || (is_branch && at == 0);
            self.effects.deps(*change).for_each(|dep| {
                heads.remove(&dep);
            });
            heads.insert(*change);
            is_straight &= heads.len() == 1;
        }
        self.drop_known(document, own.into_iter(), &mut heads);
        Line { heads: self.sorted(heads), is_straight }
    }

    /// What a branch built on, and came back, is no head any more. The work goes with what came in
    /// of others.
    pub(super) fn drop_known(
        &self,
        document: DocumentNo,
        own: impl Iterator<Item = ChangeNo>,
        heads: &mut BTreeSet<ChangeNo>,
    ) {
        if heads.len() < 2 {
            return;
        }
        // What a branch's first change knows was there before all others of it, where it has one:
        // what was made twice may begin after what it began with.
        let is_made_once = self.effects.made_by(document).len() == 1;
        let later = own.filter(|change| !is_made_once || !self.effects.begins(*change));
        let mut open: Vec<_> =
            later.flat_map(|change| self.effects.joined(document, change)).collect();
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop().filter(|_| heads.len() > 1) {
            if !seen.insert(next) {
                continue;
            }
            for dep in self.effects.deps(next) {
                if self.effects.document_of(dep) == document {
                    heads.remove(&dep);
                } else {
                    open.push(dep);
                }
            }
        }
    }

    /// The branch of `origin` that the next content event of this store would make; none where it
    /// is not the next.
    #[must_use]
    pub fn next_branch(
        &self,
        device: &DeviceId,
        life: &Incarnation,
        origin: &DocumentId,
    ) -> Option<DocumentId> {
        self.next_document(device, life)?;
        let seq = self.next_seq(device, life);
        Some(crate::hash::branch_id(device, life, seq, origin))
    }
}
