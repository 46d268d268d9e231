//! The document of all runs: the tasks as one commit, and edits of them as a commit each.

use std::time::Duration;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, AutomergeError, ObjType, ROOT, ReadDoc as _};

use crate::Fault;
use crate::edits::{Edit, Edits, FIELDS, TASKS, name, text};

/// Between two edits that are followed.
pub(crate) const EVERY: Duration = Duration::from_millis(50);

/// The tasks, before anybody edits them.
pub(crate) fn document() -> Result<Automerge, Fault> {
    let mut document = Automerge::new().with_actor(actor(255));
    let mut tx = document.transaction();
    let all = tx.put_object(ROOT, "tasks", ObjType::Map)?;
    for (task, edit) in (0..TASKS).zip(Edits::new(0)) {
        let map = tx.put_object(&all, name(task), ObjType::Map)?;
        let [title, state, owner, days] = FIELDS;
        for field in [title, state, owner] {
            tx.put(&map, field, text(edit.value))?;
        }
        tx.put(&map, days, i64::from(edit.value))?;
    }
    tx.commit_with(CommitOptions::default().with_time(0));
    Ok(document)
}

/// The actor of a node.
pub(crate) fn actor(node: u8) -> ActorId {
    ActorId::from([node; 16])
}

/// One edit, one commit.
pub(crate) fn commit(document: &mut Automerge, edit: Edit) -> Result<(), AutomergeError> {
    let Some((_, all)) = document.get(ROOT, "tasks")? else {
        return Err(AutomergeError::Fail);
    };
    let Some((_, task)) = document.get(&all, name(edit.task))? else {
        return Err(AutomergeError::Fail);
    };
    let mut tx = document.transaction();
    tx.put(&task, FIELDS[edit.field], i64::from(edit.value))?;
    tx.commit_with(CommitOptions::default().with_time(0));
    Ok(())
}

/// The 95th percentile, by the nearest rank.
pub(crate) fn p95(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    let rank = (times.len() * 95).div_ceil(100);
    times.get(rank.checked_sub(1)?).copied()
}
