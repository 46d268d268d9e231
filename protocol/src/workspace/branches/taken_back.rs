//! Merges that were taken back. By lineage what they brought is in the origin, which does not show
//! it; so no later merge brings it, and who looks at the branch is told what does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::authority::ContentNo;
use crate::command::LostMerge;
use crate::effect::Effect;
use crate::id::DocumentId;
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
