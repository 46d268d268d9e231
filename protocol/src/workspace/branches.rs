//! Branches: what a document holds of others', and how far a branch is from its origin.
//!
//! A document holds its own changes and the past of each (SPEC: BRA-2). So a branch begins with
//! what its first change knows of the origin, and a change of the origin that knows a branch's
//! brings those in: that is a merge. Nothing is copied, and what falls takes with it what came in
//! by it alone.

mod list;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Workspace;
use super::documents::Line;
use crate::authority::ContentNo;
use crate::id::{ChangeHash, DeviceId, DocumentId, Incarnation};

pub use list::{ApartSide, Distance, Divergence};

/// What stands of a family, and at which count of changes to it that was found.
type Standing = BTreeMap<DocumentId, (u64, Arc<BTreeSet<ChangeHash>>)>;

/// What the changes of documents are to each other.
#[derive(Default)]
pub(super) struct Lines {
    /// With the family of each, and its version.
    pub(super) of: BTreeMap<DocumentId, (DocumentId, u64, Line)>,
    /// How often one was found anew.
    pub(super) looks: u64,
}

/// What documents that are open hold of others'.
#[derive(Default)]
pub(super) struct Shares {
    of: BTreeMap<DocumentId, BTreeSet<ChangeHash>>,
    /// A change left these by which others' had come in.
    shrunk: BTreeSet<DocumentId>,
    /// How often what counts changed: of all, and of each family.
    version: u64,
    versions: BTreeMap<DocumentId, u64>,
    standing: RefCell<Standing>,
    pub(super) lines: RefCell<Lines>,
}

impl Shares {
    /// What counts changed of this family.
    fn note(&mut self, first: DocumentId) {
        self.version = self.version.wrapping_add(1);
        self.versions.insert(first, self.version);
    }

    /// How often what counts changed.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn version_of(&self, first: &DocumentId) -> u64 {
        self.versions.get(first).copied().unwrap_or(0)
    }

    /// The documents that hold this change of another.
    pub(super) fn holders(&self, hash: &ChangeHash) -> Vec<DocumentId> {
        let holds = self.of.iter().filter(|(_, shared)| shared.contains(hash));
        holds.map(|(document, _)| *document).collect()
    }

    /// Does any document hold this change of another?
    pub(super) fn has(&self, hash: &ChangeHash) -> bool {
        self.of.values().any(|shared| shared.contains(hash))
    }

    /// It is held no longer, or is told anew.
    pub(super) fn forget(&mut self, document: &DocumentId) {
        self.of.remove(document);
        self.shrunk.remove(document);
    }
}

impl Workspace {
    /// What an event brings into open documents that was written to others, and is not there yet,
    /// waits to be told: what carries that. `SPEC: BRA-2`
    pub(super) fn share(
        &mut self,
        no: ContentNo,
        changes: &[(DocumentId, ChangeHash)],
    ) -> BTreeSet<ContentNo> {
        let mut waits = BTreeSet::new();
        for (document, hash) in changes {
            if !self.effects.has_branches(document) || !self.is_open(document) {
                continue;
            }
            for found in self.not_shared(document, hash) {
                self.shares.of.entry(*document).or_default().insert(found);
                // It may have been told already, to other documents, whatever carries it.
                let carrier = self.carrier_to_tell(document, &found);
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
    pub(super) fn carrier_to_tell(
        &self,
        document: &DocumentId,
        change: &ChangeHash,
    ) -> Option<ContentNo> {
        let carriers = self.effects.carriers(document, change).iter().copied();
        let carriers = carriers.filter(|no| self.counts(*no));
        carriers.min_by_key(|no| (self.lost.holds_up(*no), *no))
    }

    /// The changes of others that this one of a document brings in, and that it has not yet.
    fn not_shared(&self, document: &DocumentId, hash: &ChangeHash) -> BTreeSet<ChangeHash> {
        let has = self.shares.of.get(document);
        let is_new = |dep: &ChangeHash| has.is_none_or(|has| !has.contains(dep));
        let mut open: Vec<_> = self.effects.joined(document, hash).collect();
        let mut found = BTreeSet::new();
        while let Some(next) = open.pop() {
            if is_new(&next) && found.insert(next) {
                // Its own are told in their turn, each with what it brings.
                open.extend(self.effects.joined(document, &next));
            }
        }
        found
    }

    /// A change of a document counts no longer: it falls out of others that hold it, and so does,
    /// later, what came in by it.
    pub(super) fn unshare(&mut self, document: &DocumentId, hash: &ChangeHash) {
        self.note_counting(document);
        for holder in self.shares.holders(hash) {
            self.drop_from(holder, *hash);
        }
        self.may_shrink(document, hash);
    }

    /// What counts of a document changed.
    pub(super) fn note_counting(&mut self, document: &DocumentId) {
        self.shares.note(self.effects.first_of(document));
    }

    /// What came into a document by this change is to be looked through.
    pub(super) fn may_shrink(&mut self, document: &DocumentId, hash: &ChangeHash) {
        if self.shares.of.contains_key(document)
            && self.effects.joined(document, hash).next().is_some()
        {
            self.shares.shrunk.insert(*document);
        }
    }

    /// It falls out of a document, if it is held there.
    pub(super) fn drop_from(&mut self, document: DocumentId, hash: ChangeHash) {
        if self.held.entry(document).or_default().remove(&hash) {
            self.dropped.entry(document).or_default().insert(hash);
        }
    }

    /// Leaves others' changes out of these documents, as of those that fell out of their own.
    pub(super) fn drop_shared(&mut self, hash: &ChangeHash) {
        for holder in self.shares.holders(hash) {
            self.drop_from(holder, *hash);
        }
    }

    /// What came into a document by a change that left it, and by no other, leaves it too.
    pub(super) fn settle_shares(&mut self) {
        for document in std::mem::take(&mut self.shares.shrunk) {
            let standing = self.standing(&document);
            let own = self.effects.order(&document).iter().filter(|hash| standing.contains(hash));
            let mut open: Vec<_> = own.copied().collect();
            let mut kept = BTreeSet::new();
            while let Some(next) = open.pop() {
                for dep in self.effects.joined(&document, &next) {
                    if kept.insert(dep) {
                        open.push(dep);
                    }
                }
            }
            // What is kept and was not here yet comes with the change that brings it.
            let shared = self.shares.of.remove(&document).unwrap_or_default();
            let (stays, gone): (BTreeSet<_>, BTreeSet<_>) =
                shared.into_iter().partition(|hash| kept.contains(hash));
            self.shares.of.insert(document, stays);
            gone.into_iter().for_each(|hash| self.drop_from(document, hash));
        }
    }

    /// The changes that stand of a document and its family. `SPEC: PRJ-12, BRA-2`
    pub(super) fn standing(&self, document: &DocumentId) -> Arc<BTreeSet<ChangeHash>> {
        let first = self.effects.first_of(document);
        let version = self.shares.version_of(&first);
        let mut kept = self.shares.standing.borrow_mut();
        if let Some((_, standing)) = kept.get(&first).filter(|(kept, _)| *kept == version) {
            return Arc::clone(standing);
        }
        let counts = |document: &DocumentId, hash: &ChangeHash| {
            self.applied.get(document).is_some_and(|applied| applied.contains_key(hash))
                && self.left_out.get(document).is_none_or(|out| !out.contains(hash))
        };
        let standing = Arc::new(self.effects.standing(document, &counts));
        kept.insert(first, (version, Arc::clone(&standing)));
        standing
    }

    /// What the changes are to each other that a document of a family holds.
    pub(super) fn family_line(&self, document: &DocumentId) -> Line {
        let standing = self.standing(document);
        let is_branch = self.effects.origin(document).is_some();
        let mut heads: BTreeSet<ChangeHash> = BTreeSet::new();
        let mut line = Line { heads: Vec::new(), is_straight: true };
        let own = self.effects.order(document).iter().filter(|hash| standing.contains(hash));
        for (at, hash) in own.enumerate() {
            let deps = self.effects.deps(document, hash);
            // A branch begins with what its first change knows.
            let goes_on = deps.len() == heads.len() && heads.iter().eq(deps);
            line.is_straight &= goes_on || (is_branch && at == 0);
            deps.iter().for_each(|dep| {
                heads.remove(dep);
            });
            heads.insert(*hash);
            line.is_straight &= heads.len() == 1;
        }
        let own = self.effects.order(document).iter().filter(|hash| standing.contains(hash));
        self.drop_known(document, own, &mut heads);
        line.heads = heads.into_iter().collect();
        line
    }

    /// What a branch built on, and came back, is no head any more. The work goes with what came in
    /// of others.
    pub(super) fn drop_known<'a>(
        &self,
        document: &DocumentId,
        own: impl Iterator<Item = &'a ChangeHash>,
        heads: &mut BTreeSet<ChangeHash>,
    ) {
        if heads.len() < 2 {
            return;
        }
        // What a branch's first change knows was there before all others of it.
        let later = own.filter(|hash| !self.effects.begins(document, hash));
        let mut open: Vec<_> = later.flat_map(|hash| self.effects.joined(document, hash)).collect();
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop().filter(|_| heads.len() > 1) {
            if !seen.insert(next) {
                continue;
            }
            for dep in self.effects.deps(document, &next) {
                if self.effects.document_of(document, dep) == *document {
                    heads.remove(dep);
                } else {
                    open.push(*dep);
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
