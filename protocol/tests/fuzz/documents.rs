//! The validator and Automerge agree: what passes is of use, what is honestly made passes.

use std::sync::OnceLock;

use automerge::{Automerge, Change};
use kernelos_protocol::document::conflict::Which;
use kernelos_protocol::document::foreign::{plan, read_within};
use kernelos_protocol::document::validate::{ChangeIndex, frame};
use kernelos_protocol::document::{DocumentDone, DocumentTask, Documents, Edit};
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::limits::{CHANGE_OPS_MAX, FOREIGN_VALUES_MAX, Room};

use crate::changes::common::history::{history, history_by};
use crate::changes::common::{Rng, check, seal, use_among, use_of};

/// Steps of a history that bytes choose: some hundred edits of four actors.
const STEPS_MAX: usize = 40;

struct Past {
    doc: Automerge,
    changes: Vec<Change>,
    index: ChangeIndex,
}

/// Four actors' history, of every kind of object and operation.
fn past() -> &'static Past {
    static PAST: OnceLock<Past> = OnceLock::new();
    PAST.get_or_init(|| {
        let (mut doc, changes) = history(7, 24);
        Past { doc: doc.document().clone(), index: accepted(&changes), changes }
    })
}

fn accepted(changes: &[Change]) -> ChangeIndex {
    let mut index = ChangeIndex::new();
    for change in changes {
        let checked = check(&index, change.raw_bytes());
        let checked = checked.unwrap_or_else(|fault| panic!("an honest change is {fault}"));
        assert_eq!(checked.hash, change.hash());
        index.insert(checked);
    }
    index
}

/// A chunk as it is, and the contents of one with the checksum that they ought to have.
pub(super) fn change(input: &[u8]) {
    let past = past();
    for bytes in [input.to_vec(), seal(1, input)] {
        let Ok(framed) = frame(&bytes) else { continue };
        assert!(framed.ops <= CHANGE_OPS_MAX);
        let Ok(checked) = check(&past.index, &bytes) else { continue };
        let change = Change::try_from(&bytes[..]).unwrap();
        assert_eq!(Change::from(change.decode()).raw_bytes(), bytes);
        if past.index.contains(&checked.hash) {
            continue;
        }
        use_of(&past.doc, change.clone()).unwrap();
        use_among(&apart(past, &change), &change).unwrap();
    }
}

/// The history with all that the change does not stand on as well: it knows what it knows.
fn apart(past: &Past, change: &Change) -> Vec<Change> {
    // Of the same actor there is no other branch: the number decides which is the fork.
    let is_other =
        |other: &&Change| other.actor_id() != change.actor_id() || other.seq() < change.seq();
    let mut kept: Vec<Change> = Vec::new();
    for other in past.changes.iter().filter(is_other) {
        let has = |dep| kept.iter().any(|kept| kept.hash() == dep);
        if other.deps().iter().copied().all(has) {
            kept.push(other.clone());
        }
    }
    kept
}

/// Whatever several people do with Automerge and however they merge it, it is accepted.
pub(super) fn honest(input: &[u8]) {
    let steps = (input.len() / 4).min(STEPS_MAX);
    let (mut doc, changes) = history_by(&mut Rng::chosen_by(input), steps);
    let index = accepted(&changes);
    let heads: Vec<_> = index.heads().copied().collect();
    assert_eq!(heads, doc.get_heads());
}

/// Edits as a command brings them: all are done and pass, or none is.
pub(super) fn edits(input: &[u8]) {
    let Ok(batches) = serde_json::from_slice::<Vec<Vec<Edit>>>(input) else { return };
    let (mut documents, document) = (Documents::default(), DocumentId([1; 32]));
    let mut index = ChangeIndex::new();
    for (number, edits) in batches.into_iter().take(8).enumerate() {
        let actor = [1 + (number % 3) as u8; 16];
        let task = DocumentTask::Transact { document, actor, edits };
        let DocumentDone::Transacted(done) = documents.perform(task) else { panic!() };
        if let Ok(Some(made)) = done {
            let checked = check(&index, &made.chunk).unwrap();
            assert_eq!(checked.hash.0, made.hash.0);
            index.insert(checked);
        }
    }
    let read = documents.perform(DocumentTask::Read { document, path: "".parse().unwrap() });
    assert!(matches!(read, DocumentDone::Read(Ok(_))), "{read:?}");
    let listed = documents.perform(DocumentTask::Conflicts {
        document,
        which: Which::First,
        put_back: Default::default(),
    });
    assert!(matches!(listed, DocumentDone::Conflicts(Ok(_))), "{listed:?}");
}

/// What a file may grow to here, so that what it takes is counted among all the others: a
/// hundredth of what it may elsewhere.
const ROOM: Room = Room { ops: 128 * 1024, inflated: 4 * 1024 * 1024, text: 4 * 1024 * 1024 };

/// A file as it is, and a document or change with these contents and the right checksum.
pub(super) fn foreign(input: &[u8]) {
    for bytes in [input.to_vec(), seal(0, input), seal(1, input)] {
        let Ok(found) = read_within(&bytes, ROOM) else { continue };
        assert!(found.conflicts.len() <= FOREIGN_VALUES_MAX);
        let Ok(taken) = plan(found, &"notes/x".parse().unwrap()) else { continue };
        let (mut documents, document) = (Documents::default(), DocumentId([1; 32]));
        let mut index = ChangeIndex::new();
        for edits in taken.batches {
            let task = DocumentTask::Transact { document, actor: [2; 16], edits };
            let DocumentDone::Transacted(done) = documents.perform(task) else { panic!() };
            let Some(made) = done.unwrap() else { continue };
            index.insert(check(&index, &made.chunk).unwrap());
        }
    }
}
