//! Branches: documents whose changes build on those of another. `SPEC: BRA-1, BRA-2`
//!
//! A document and its branches are a *family*: their changes are one graph, in which each keeps
//! the document that it was written to. What a document holds follows from that alone: its own
//! changes, and the past of each.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effects, History, Links, VoidReason, void};
use crate::authority::ContentNo;
use crate::document::validate::ChangeFault;
use crate::id::{ChangeHash, DocumentId};
use crate::limits::BRANCH_DEPTH_MAX;

/// Where a branch comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The document that it is a branch of.
    pub document: DocumentId,
    /// The one that is no branch.
    family: DocumentId,
    depth: u8,
}

/// Where each branch comes from.
#[derive(Default)]
pub(super) struct Branches(BTreeMap<DocumentId, Origin>);

impl Branches {
    /// The document that is no branch, of the family of this one.
    pub(super) fn family(&self, document: &DocumentId) -> DocumentId {
        self.0.get(document).map_or(*document, |origin| origin.family)
    }

    fn depth(&self, document: &DocumentId) -> u8 {
        self.0.get(document).map_or(0, |origin| origin.depth)
    }

    pub(super) fn check_depth(&self, origin: &DocumentId) -> Result<(), VoidReason> {
        if self.depth(origin) >= BRANCH_DEPTH_MAX {
            let text =
                format!("it would be a branch of branches more than {BRANCH_DEPTH_MAX} deep");
            return Err(void("branch_depth", &text));
        }
        Ok(())
    }

    /// `branch` is made of `origin`; which one that is follows from its id.
    pub(super) fn add(&mut self, branch: DocumentId, origin: DocumentId) {
        let family = self.family(&origin);
        let depth = self.depth(&origin).saturating_add(1);
        self.0.entry(branch).or_insert(Origin { document: origin, family, depth });
    }
}

impl Effects {
    /// Where a document comes from that is a branch.
    #[must_use]
    pub fn origin(&self, document: &DocumentId) -> Option<&Origin> {
        self.branches.0.get(document)
    }

    /// All branches.
    pub fn branches(&self) -> impl Iterator<Item = (&DocumentId, &Origin)> {
        self.branches.0.iter()
    }

    /// Has the document branches, or is it one?
    #[must_use]
    pub fn has_branches(&self, document: &DocumentId) -> bool {
        self.family(document).is_some_and(|family| family.own.len() > 1)
    }

    /// The document that is no branch, of the family of this one.
    #[must_use]
    pub fn first_of(&self, document: &DocumentId) -> DocumentId {
        self.branches.family(document)
    }

    fn family(&self, document: &DocumentId) -> Option<&History> {
        self.documents.get(&self.branches.family(document))
    }

    fn links(&self, document: &DocumentId, change: &ChangeHash) -> Option<&Links> {
        self.family(document)?.changes.get(change)
    }

    /// The document that a change of this one or of its family was written to.
    #[must_use]
    pub fn document_of(&self, document: &DocumentId, change: &ChangeHash) -> DocumentId {
        self.links(document, change).map_or(*document, |links| links.document)
    }

    /// The events that make a document.
    #[must_use]
    pub fn made_by(&self, document: &DocumentId) -> &[ContentNo] {
        let made_by = self.family(document).and_then(|history| history.made_by.get(document));
        made_by.map_or(&[], Vec::as_slice)
    }

    /// The event that carries a change; of several the first here.
    #[must_use]
    pub fn carrier(&self, document: &DocumentId, change: &ChangeHash) -> Option<ContentNo> {
        self.carriers(document, change).first().copied()
    }

    /// The events that carry a change.
    #[must_use]
    pub fn carriers(&self, document: &DocumentId, change: &ChangeHash) -> &[ContentNo] {
        self.links(document, change).map_or(&[], |links| &links.carriers)
    }

    /// Is there a change that several events carry? Else each comes after what it depends on.
    #[must_use]
    pub fn is_recarried(&self) -> bool {
        self.is_recarried
    }

    /// What a change with effect depends on. `SPEC: SYNC-9`
    #[must_use]
    pub fn deps(&self, document: &DocumentId, change: &ChangeHash) -> &[ChangeHash] {
        self.links(document, change).map_or(&[], |links| &links.deps)
    }

    /// What a change depends on that was written to another document: by it that comes into this
    /// one. `SPEC: BRA-2`
    pub fn joined<'a>(
        &'a self,
        document: &'a DocumentId,
        change: &ChangeHash,
    ) -> impl Iterator<Item = ChangeHash> + 'a {
        let deps = self.deps(document, change).iter().copied();
        deps.filter(move |dep| self.document_of(document, dep) != *document)
    }

    /// How many keys and objects a change with effect makes, and does it make its document?
    /// `SPEC: DOC-29, PRJ-1`
    #[must_use]
    pub fn makes(&self, document: &DocumentId, change: &ChangeHash) -> (u64, bool) {
        self.links(document, change).map_or((0, false), |links| (links.makes.into(), links.begins))
    }

    /// Is it a change with effect that makes its document? `SPEC: PRJ-1`
    #[must_use]
    pub fn begins(&self, document: &DocumentId, change: &ChangeHash) -> bool {
        self.links(document, change).is_some_and(|links| links.begins)
    }

    /// The changes with effect that were written to a document, causes first.
    #[must_use]
    pub fn order(&self, document: &DocumentId) -> &[ChangeHash] {
        let own = self.family(document).and_then(|history| history.own.get(document));
        own.map_or(&[], Vec::as_slice)
    }

    /// The changes of the family that stand, where `counts` says which do by themselves: what
    /// builds on one that does not stands neither.
    #[must_use]
    pub fn standing(
        &self,
        document: &DocumentId,
        counts: &dyn Fn(&DocumentId, &ChangeHash) -> bool,
    ) -> BTreeSet<ChangeHash> {
        let mut stands = BTreeSet::new();
        let Some(history) = self.family(document) else { return stands };
        for hash in &history.order {
            let Some(links) = history.changes.get(hash) else { continue };
            if links.deps.iter().all(|dep| stands.contains(dep)) && counts(&links.document, hash) {
                stands.insert(*hash);
            }
        }
        stands
    }

    /// The other changes that have the number of this one of its actor. `SPEC: PRJ-4`
    #[must_use]
    pub fn rivals(&self, document: &DocumentId, change: &ChangeHash) -> Vec<ChangeHash> {
        let Some(history) = self.family(document) else { return Vec::new() };
        let mut forked = history.forked.iter().filter_map(|place| history.places.get(place));
        let place = forked.find(|place| place.contains(change));
        place.into_iter().flatten().filter(|other| *other != change).copied().collect()
    }

    /// Is `past` this change, or in its past?
    #[must_use]
    pub fn knows(&self, document: &DocumentId, change: &ChangeHash, past: &ChangeHash) -> bool {
        let [change, past] = [change, past].map(|hash| automerge::ChangeHash(hash.0));
        self.family(document).is_some_and(|history| history.index.knows(&change, &past))
    }

    /// The number of the first operation of a change that depends on these.
    #[must_use]
    pub fn next_op(&self, document: &DocumentId, deps: &[ChangeHash]) -> u64 {
        let last =
            |dep: &ChangeHash| self.family(document)?.index.last_op(&automerge::ChangeHash(dep.0));
        u64::from(deps.iter().filter_map(last).max().unwrap_or(0)).saturating_add(1)
    }

    /// What is found of a change that is written now, on the events that count, if it would count.
    /// A branch is of the family of its `origin`.
    pub fn would_count(
        &self,
        counts: &dyn Fn(ContentNo) -> bool,
        (document, origin): (&DocumentId, Option<&DocumentId>),
        actor: &[u8; 16],
        change: &[u8],
    ) -> Result<super::Checked, VoidReason> {
        origin.map_or(Ok(()), |origin| self.branches.check_depth(origin))?;
        let new = History::default();
        let history = self.family(origin.unwrap_or(document)).unwrap_or(&new);
        let admitted = |hash: &automerge::ChangeHash| {
            let links = history.changes.get(&ChangeHash(hash.0));
            links.is_some_and(|links| links.carriers.iter().any(|no| counts(*no)))
        };
        let checked = history.index.check(change, actor, &admitted);
        checked.map_err(|fault: ChangeFault| void(fault.code(), &fault))
    }
}
