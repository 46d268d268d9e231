//! Merges that were taken back. By lineage what they brought is in the origin, which does not show
//! it; so no later merge brings it, and who looks at the branch is told what does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::authority::ContentNo;
use crate::command::LostMerge;
use crate::effect::{ChangeNo, Effect};
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
            let one = LostMerge { merge: self.content.id(*merge), undo: self.content.id(*undo) };
            for branch in self.merged_by(*merge) {
                found.entry(branch).or_default().push(one);
            }
        }
        for all in found.values_mut() {
            all.sort_by_key(|one| Reverse(self.position(&one.undo).map(|(_, at)| at)));
            all.truncate(TAKEN_BACK_LISTED_MAX);
        }
        found
    }

    /// The changes of branches that came into their origins by merges alone that were taken back:
    /// nothing is shown of them there. `SPEC: UNDO-3`
    #[must_use]
    pub fn changes_gone(&self) -> BTreeSet<ChangeHash> {
        let undone = self.undone();
        let merged = undone.keys().filter(|no| self.counts(**no));
        let branches: BTreeSet<_> = merged.flat_map(|no| self.merged_by(*no)).collect();
        let branches = branches.iter().filter_map(|id| self.effects.document_number(id));
        let mut gone = BTreeSet::new();
        for branch in branches {
            let origin = self.origin(&self.effects.document_id(branch));
            let Some(origin) = origin.and_then(|id| self.effects.document_number(&id)) else {
                continue;
            };
            let of_branch = |change: ChangeNo| {
                let joined = self.effects.joined(origin, change);
                joined.filter(|dep| self.effects.document_of(*dep) == branch).collect::<Vec<_>>()
            };
            let is_undone = |change: &ChangeNo| {
                self.effects.carrier(*change).is_some_and(|no| undone.contains_key(&no))
            };
            let merges =
                self.own_standing(origin).into_iter().filter(|of| !of_branch(*of).is_empty());
            let (lost, kept): (Vec<_>, Vec<_>) = merges.partition(is_undone);
            let knows = |merges: &[ChangeNo], change: ChangeNo| {
                let mut heads = merges.iter().flat_map(|merge| of_branch(*merge));
                heads.any(|head| self.effects.knows(head, change))
            };
            let own = self.own_standing(branch).into_iter();
            let lost = own.filter(|own| knows(&lost, *own) && !knows(&kept, *own));
            gone.extend(lost.map(|change| self.effects.hash(change)));
        }
        gone
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
