//! Merges that were taken back. By lineage what they brought is in the origin, which does not show
//! it; so no later merge brings it, and who looks at the branch is told what does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::authority::ContentNo;
use crate::command::LostMerge;
use crate::effect::{ChangeNo, DocumentNo, Effect};
use crate::id::{ChangeHash, DocumentId};
use crate::limits::TAKEN_BACK_LISTED_MAX;
use crate::workspace::Workspace;

impl Workspace {
    /// The merges of each branch into its origin that were taken back and still are, the one that
    /// was last first. `SPEC: BRA-9, UNDO-4`
    #[must_use]
    pub fn merges_taken_back(&self) -> BTreeMap<DocumentId, Vec<LostMerge>> {
        let mut found: BTreeMap<_, Vec<LostMerge>> = BTreeMap::new();
        for (merge, undo) in self.undone().iter().filter(|(merge, _)| self.counts(**merge)) {
            let (merge_id, undo) = (self.content.id(*merge), self.content.id(*undo));
            let also = self.undos_of(&merge_id).into_iter().filter(|other| *other != undo);
            let one = LostMerge { merge: merge_id, undo, also: also.collect() };
            for branch in self.merged_by(*merge) {
                found.entry(branch).or_default().push(one.clone());
            }
        }
        for all in found.values_mut() {
            all.sort_by_key(|one| Reverse(self.position(&one.undo).map(|(_, at)| at)));
            all.truncate(TAKEN_BACK_LISTED_MAX);
        }
        found
    }

    /// Of origins the changes of their branches, and of those that were merged into these, that
    /// came in by a merge that was taken back: nothing is shown of them there. What a later merge
    /// knows as well came in by the first.
    /// `SPEC: UNDO-3`
    #[must_use]
    pub fn changes_gone(&self) -> BTreeMap<DocumentId, BTreeSet<ChangeHash>> {
        let undone = self.undone();
        let merged = undone.keys().filter(|no| self.counts(**no));
        let branches: BTreeSet<_> = merged.flat_map(|no| self.merged_by(*no)).collect();
        let mut gone: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for branch in branches {
            let Some(origin) = self.origin(&branch) else { continue };
            let number = |id| self.effects.document_number(id);
            let Some((branch, into)) = number(&branch).zip(number(&origin)) else { continue };
            let merges = self.merges_into(into, branch);
            let is_undone = |merge: &ChangeNo| {
                self.effects.carrier(*merge).is_some_and(|no| undone.contains_key(&no))
            };
            let is_gone = |own: &ChangeNo| {
                let has = |(_, heads): &&(ChangeNo, Vec<ChangeNo>)| {
                    heads.iter().any(|head| self.effects.knows(*head, *own))
                };
                let all: Vec<_> = merges.iter().filter(has).map(|(merge, _)| *merge).collect();
                let is_first = |merge: &&ChangeNo| {
                    !all.iter().any(|other| other != *merge && self.effects.knows(**merge, *other))
                };
                !all.is_empty() && all.iter().filter(is_first).all(is_undone)
            };
            let own = self.own_and_merged(branch).into_iter().filter(is_gone);
            let hashes = own.map(|change| self.effects.hash(change));
            gone.entry(origin).or_default().extend(hashes);
        }
        gone
    }

    /// The changes of a document by which a branch was merged into it, each with what it knew of
    /// the branch.
    fn merges_into(
        &self,
        origin: DocumentNo,
        branch: DocumentNo,
    ) -> Vec<(ChangeNo, Vec<ChangeNo>)> {
        let of_branch = |change: ChangeNo| {
            let joined = self.effects.joined(origin, change);
            let heads = joined.filter(|dep| self.effects.document_of(*dep) == branch);
            (change, heads.collect::<Vec<_>>())
        };
        let all = self.own_standing(origin).into_iter().map(of_branch);
        all.filter(|(_, heads)| !heads.is_empty()).collect()
    }

    /// The branches that an event merges into their origin.
    fn merged_by(&self, no: ContentNo) -> BTreeSet<DocumentId> {
        let Effect::Change(changes) = self.effects.of(no) else { return BTreeSet::new() };
        let mut merged = BTreeSet::new();
        for change in changes {
            let document = self.effects.document_of(*change);
            let into = self.effects.document_id(document);
            let joined = self.effects.joined(document, *change);
            let joined = joined.map(|dep| self.effects.document_id(self.effects.document_of(dep)));
            merged.extend(joined.filter(|branch| self.origin(branch) == Some(into)));
        }
        merged
    }
}
