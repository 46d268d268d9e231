//! Branches: documents whose changes build on those of another. `SPEC: BRA-1, BRA-2`
//!
//! A document and its branches are a *family*: their changes are one graph, in which each keeps
//! the document that it was written to. What a document holds follows from that alone: its own
//! changes, and the past of each.

use std::collections::BTreeMap;

use super::family::automerge_hash;
use super::{ChangeNo, DocumentNo, Effects, FamilyNo, History, VoidReason, void};
use crate::authority::{BitSet, ContentNo};
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
    pub fn has_branches(&self, document: DocumentNo) -> bool {
        self.documents.history(self.family(document)).documents > 1
    }

    /// Is there a change that several events carry? Else each comes after what it depends on.
    #[must_use]
    pub fn is_recarried(&self) -> bool {
        self.is_recarried
    }

    /// What a change depends on that was not written to this document of its family: by it that
    /// comes into this one. `SPEC: BRA-2`
    pub fn joined(
        &self,
        document: DocumentNo,
        change: ChangeNo,
    ) -> impl Iterator<Item = ChangeNo> + '_ {
        self.deps(change).filter(move |dep| self.document_of(*dep) != document)
    }

    /// The changes of the family that stand, by number, where `counts` says which do by themselves:
    /// what builds on one that does not stands neither.
    #[must_use]
    pub fn standing(&self, family: FamilyNo, counts: &dyn Fn(ChangeNo) -> bool) -> BitSet {
        let mut stands = BitSet::new();
        for (number, links) in (0..).zip(&self.documents.history(family).links) {
            let is_whole = links.deps.iter().all(|dep| stands.contains(*dep));
            if is_whole && counts(ChangeNo::new(family, number)) {
                stands.insert(number);
            }
        }
        stands
    }

    /// The other changes that have the number of this one of its actor. `SPEC: PRJ-4`
    #[must_use]
    pub fn rivals(&self, change: ChangeNo) -> Vec<ChangeNo> {
        let history = self.documents.history(change.family());
        let place = history.forked.get(&history.index.place(change.number()));
        let others = place.into_iter().flatten().filter(|other| **other != change.number());
        others.map(|other| ChangeNo::new(change.family(), *other)).collect()
    }

    /// Is `past` this change, or in its past? Both are of one family.
    #[must_use]
    pub fn knows(&self, change: ChangeNo, past: ChangeNo) -> bool {
        let history = self.documents.history(change.family());
        history.index.knows_number(change.number(), past.number())
    }

    /// The number of the first operation of a change that depends on these.
    #[must_use]
    pub fn next_op(&self, document: &DocumentId, deps: &[ChangeHash]) -> u64 {
        let history =
            self.document_number(document).map(|no| self.documents.history(self.family(no)));
        let last = |dep: &ChangeHash| history?.index.last_op(&automerge_hash(dep));
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
        let first = self.branches.family(origin.unwrap_or(document));
        let history = self.documents.family_named(&first).unwrap_or(&new);
        let admitted = |number: u32| {
            let links = history.links.get(number as usize);
            links.is_some_and(|links| links.carriers.iter().any(|no| counts(*no)))
        };
        let is_seen = |_: &_, number: Option<u32>| number.is_some_and(admitted);
        let checked = history.index.check_in(change, actor, &is_seen);
        checked.map_err(|fault: ChangeFault| void(fault.code(), &fault))
    }
}
