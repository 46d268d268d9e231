//! Events whose changes depend on what is told later: another event carries it, which came after
//! them, since the first that did counts no longer (SPEC: BRA-11). Without such, events go into the
//! documents in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use crate::authority::ContentNo;
use crate::effect::Chunks;
use crate::id::{ChangeHash, DocumentId};
use crate::workspace::Workspace;
use crate::workspace::lost::Missing;

/// What was met of it on the way through what waits: each event behind one change, so that the
/// work goes with the dependencies.
#[derive(Default)]
pub(super) struct Behind {
    of: BTreeMap<(DocumentId, ChangeHash), BTreeSet<ContentNo>>,
    /// What they waited for was told.
    free: BTreeSet<ContentNo>,
}

impl Behind {
    pub(super) fn wait(&mut self, no: ContentNo, change: (DocumentId, ChangeHash)) {
        self.of.entry(change).or_default().insert(no);
    }

    pub(super) fn told(&mut self, changes: &[(DocumentId, ChangeHash)]) {
        if self.of.is_empty() {
            return;
        }
        self.free.extend(changes.iter().filter_map(|change| self.of.remove(change)).flatten());
    }
}

impl Workspace {
    /// Takes the next event that can go into the documents: first one whose wait is over.
    pub(super) fn next_of(
        &mut self,
        behind: &mut Behind,
        after: &mut Option<ContentNo>,
        missing: &mut Missing,
    ) -> Option<(ContentNo, Option<Chunks>)> {
        while let Some(no) = behind.free.pop_first() {
            if self.waiting.get(&no).is_some_and(Option::is_some) {
                return Some((no, self.waiting.remove(&no).flatten()));
            }
        }
        self.next_to_tell(after, missing)
    }

    /// What an event's changes depend on, where a document that is to hold them does not hold it
    /// yet, and an event that waits is to bring it.
    pub(super) fn comes_later(
        &mut self,
        no: ContentNo,
        changes: &[(DocumentId, ChangeHash)],
    ) -> Option<(DocumentId, ChangeHash)> {
        if !self.effects.is_recarried() {
            return None;
        }
        for (document, change) in changes {
            let mut holders = self.shares.holders(change);
            holders.extend(Some(*document).filter(|document| self.is_open(document)));
            for dep in self.effects.deps(document, change) {
                let lacks =
                    |of: &DocumentId| self.held.get(of).is_none_or(|held| !held.contains(dep));
                if !holders.iter().any(lacks) {
                    continue;
                }
                let carriers = self.effects.carriers(document, dep);
                if carriers.contains(&no) {
                    continue;
                }
                let mut waits =
                    carriers.iter().filter(|of| self.waiting.contains_key(of)).peekable();
                if waits.peek().is_none() {
                    continue;
                }
                if waits.all(|of| self.lost.holds_up(*of)) {
                    self.lost.wait_behind(no);
                }
                return Some((self.effects.document_of(document, dep), *dep));
            }
        }
        None
    }

    /// What one event carries, each after what it depends on.
    pub(super) fn causes_first(
        &self,
        mut carried: Vec<((DocumentId, ChangeHash), Vec<u8>)>,
    ) -> Vec<((DocumentId, ChangeHash), Vec<u8>)> {
        if !self.effects.is_recarried() {
            return carried;
        }
        let mut sorted = Vec::with_capacity(carried.len());
        while !carried.is_empty() {
            let left: BTreeSet<_> = carried.iter().map(|((_, hash), _)| *hash).collect();
            let deps = |(document, hash): &_| self.effects.deps(document, hash);
            let (waits, ready): (Vec<_>, Vec<_>) = carried
                .into_iter()
                .partition(|(change, _)| deps(change).iter().any(|dep| left.contains(dep)));
            // No change is in its own past.
            if ready.is_empty() {
                sorted.extend(waits);
                break;
            }
            sorted.extend(ready);
            carried = waits;
        }
        sorted
    }
}
