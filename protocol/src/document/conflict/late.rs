//! The conflicts of a document that goes on while they are not up to date.
//!
//! What goes into a document can be read at once; where changes disagree is asked for rarely. So
//! changes wait here, as their chunks, until somebody asks or the documents have nothing else to
//! do; more than a bound of them never do. Whoever asks gets an index of all: what it says is a
//! function of the set of changes (SPEC: CFL-1), and does not tell when they were taken in.

use std::collections::VecDeque;

use automerge::{Automerge, Change, ChangeHash};

use super::ConflictIndex;
use crate::limits::{CONFLICTS_LATE_BYTES_MAX, CONFLICTS_LATE_SLICE};

/// A change that was applied.
#[derive(Debug)]
struct Late {
    hash: ChangeHash,
    chunk: Vec<u8>,
}

/// An index of conflicts, and what it has to take in yet.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    index: ConflictIndex,
    /// In the order in which they were applied.
    late: VecDeque<Late>,
    /// How long the chunks are that wait.
    bytes: usize,
}

impl Conflicts {
    /// Of all changes that a document holds.
    pub(crate) fn of(doc: &Automerge) -> Self {
        Self { index: ConflictIndex::of(doc), ..Self::default() }
    }

    /// Conflicts of all that was applied.
    pub(crate) fn index(&mut self) -> &mut ConflictIndex {
        while self.catch_up() {}
        &mut self.index
    }

    /// A change was applied whose chunk this is, perhaps once more.
    pub(crate) fn later(&mut self, hash: ChangeHash, chunk: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(chunk.len());
        self.late.push_back(Late { hash, chunk });
        while self.bytes > CONFLICTS_LATE_BYTES_MAX && self.catch_up() {}
    }

    /// The same of one that was just made.
    pub(crate) fn made(&mut self, change: &Change) {
        self.later(change.hash(), change.raw_bytes().to_vec());
    }

    /// Has it to take in something?
    pub(crate) fn is_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// Takes in some of what waits; says whether more does.
    pub(crate) fn catch_up(&mut self) -> bool {
        // A change may hold many operations, or none.
        let until = self.index.work().saturating_add(CONFLICTS_LATE_SLICE as u64);
        for _ in 0..CONFLICTS_LATE_SLICE {
            if self.index.work() >= until {
                break;
            }
            let Some(Late { hash, chunk }) = self.late.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(chunk.len());
            self.index.learn_chunk(hash, &chunk);
        }
        if self.late.is_empty() {
            // A long history leaves no room behind that nobody uses.
            self.late = VecDeque::new();
        }
        !self.late.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use automerge::transaction::{CommitOptions, Transactable as _};
    use automerge::{ActorId, Automerge, Change, ROOT};

    use super::Conflicts;
    use crate::document::conflict::{ConflictIndex, Which};
    use crate::document::{Degraded, DocumentTask, Documents};
    use crate::id::DocumentId;
    use crate::limits::{CONFLICTS_LATE_BYTES_MAX, CONFLICTS_LATE_SLICE};

    /// A change that puts a value, as the next of its actor.
    fn put(doc: &mut Automerge, key: &str, value: &str) -> Change {
        let mut tx = doc.transaction();
        tx.put(ROOT, key, value).unwrap();
        tx.commit_with(CommitOptions::default().with_time(0));
        doc.get_last_local_change().unwrap()
    }

    fn later(conflicts: &mut Conflicts, change: &Change) {
        conflicts.later(change.hash(), change.raw_bytes().to_vec());
    }

    /// Two who put different values at so many keys, and their changes.
    fn apart(keys: usize) -> (Automerge, Vec<Change>) {
        let mut one = Automerge::new().with_actor(ActorId::from([1; 16]));
        let first = put(&mut one, "first", "value");
        let mut two = one.fork().with_actor(ActorId::from([2; 16]));
        let mut changes = vec![first, put(&mut one, "first", "of its own writer once more")];
        for key in (0..keys).map(|key| format!("key-{key}")) {
            changes.push(put(&mut one, &key, "one"));
            changes.push(put(&mut two, &key, "two"));
        }
        one.merge(&mut two).unwrap();
        (one, changes)
    }

    #[test]
    fn who_asks_is_told_of_all_that_was_applied_and_of_nothing_twice() {
        // SPEC: CFL-1, CFL-10
        let document = DocumentId([7; 32]);
        let (doc, changes) = apart(CONFLICTS_LATE_SLICE);
        let expected = ConflictIndex::of(&doc).list(&doc, &document, &Which::First).unwrap();
        assert_eq!(expected.total(), CONFLICTS_LATE_SLICE);
        for taken_in in [0, 1, changes.len()] {
            let mut conflicts = Conflicts::default();
            for change in &changes[..taken_in] {
                later(&mut conflicts, change);
            }
            conflicts.index();
            // All of them: the first ones come around once more.
            for change in &changes {
                later(&mut conflicts, change);
            }
            let list = conflicts.index().list(&doc, &document, &Which::First).unwrap();
            assert_eq!(list, expected, "{taken_in} were taken in before");
        }
    }

    #[test]
    fn what_waits_is_taken_in_slice_by_slice() {
        let (_, changes) = apart(CONFLICTS_LATE_SLICE);
        let mut conflicts = Conflicts::default();
        changes.iter().for_each(|change| later(&mut conflicts, change));
        assert_eq!(conflicts.index.work(), 0, "nothing is taken in that nobody asked for");
        assert!(conflicts.catch_up());
        assert_eq!(conflicts.index.work(), CONFLICTS_LATE_SLICE as u64);
        assert!(conflicts.catch_up() && !conflicts.catch_up() && !conflicts.catch_up());
        assert_eq!(conflicts.index.work(), changes.len() as u64);
        assert_eq!((conflicts.bytes, conflicts.late.capacity()), (0, 0));
    }

    #[test]
    fn a_slice_is_done_with_a_change_of_as_many_operations() {
        let mut doc = Automerge::new().with_actor(ActorId::from([1; 16]));
        let mut conflicts = Conflicts::default();
        for change in 0..3 {
            let mut tx = doc.transaction();
            for key in 0..CONFLICTS_LATE_SLICE {
                tx.put(ROOT, format!("key-{key}"), change).unwrap();
            }
            tx.commit_with(CommitOptions::default().with_time(0));
            later(&mut conflicts, &doc.get_last_local_change().unwrap());
        }
        for left in [2, 1, 0] {
            assert_eq!(conflicts.catch_up(), left > 0);
            assert_eq!(conflicts.late.len(), left);
        }
    }

    #[test]
    fn documents_that_rest_take_in_all_that_waits_but_for_what_automerge_failed_on() {
        let (_, changes) = apart(CONFLICTS_LATE_SLICE);
        let chunks: Vec<_> = changes.iter().map(|change| change.raw_bytes().to_vec()).collect();
        let mut documents = Documents::default();
        for document in [1, 2].map(|number| DocumentId([number; 32])) {
            let changes = chunks.clone();
            documents.perform(DocumentTask::Apply { document, changes });
        }
        let failed = documents.documents.get_mut(&DocumentId([1; 32])).unwrap();
        failed.degraded = Some(Degraded { reason: "it failed".to_owned(), at: None });
        let mut rests = 0;
        while documents.rest() {
            rests += 1;
            assert!(rests <= changes.len(), "it comes to an end");
        }
        assert_eq!(rests, changes.len().div_ceil(CONFLICTS_LATE_SLICE));
        let late = documents.documents.values().map(|held| held.conflicts.is_late());
        assert_eq!(late.collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn no_more_than_a_bound_of_it_waits() {
        let mut doc = Automerge::new().with_actor(ActorId::from([1; 16]));
        let value = "x".repeat(CONFLICTS_LATE_BYTES_MAX / 4);
        let mut conflicts = Conflicts::default();
        for key in ["a", "b", "c", "d", "e", "f"] {
            let change = put(&mut doc, key, &value);
            later(&mut conflicts, &change);
            assert!(conflicts.bytes <= CONFLICTS_LATE_BYTES_MAX, "{} wait", conflicts.bytes);
        }
    }
}
