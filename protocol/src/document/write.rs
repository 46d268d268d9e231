//! Changes that this device makes: by edits, by resolving, by taking back.

use automerge::transaction::CommitOptions;
use automerge::{ActorId, Automerge, Change, ReadDoc};

use super::conflict::ConflictIndex;
use super::{Document, Edit, EditFault, LocalChange, PathFault, ROOT_MAPS, edit, inverse};
use crate::id::{ChangeHash, DocumentId};

impl Document {
    /// Makes a change of edits, all or none; nothing where nothing was to change.
    pub(super) fn transact(
        &mut self,
        document: &DocumentId,
        actor: [u8; 16],
        edits: &[Edit],
    ) -> Result<Option<LocalChange>, EditFault> {
        self.try_with(|doc, conflicts| {
            if let [Edit::Undo { undo, force }] = *edits {
                return match &inverse::edits(doc, undo, force)?[..] {
                    [inverse] => transact(doc, conflicts, actor, inverse),
                    several => Err(EditFault::Reopens(several.len())),
                };
            }
            if edits.iter().any(|edit| edit.path().is_none()) {
                let change = conflicts.resolve(doc, document, actor, edits)?;
                return Ok(Some(local(&change)));
            }
            transact(doc, conflicts, actor, edits)
        })
    }

    /// Takes a change back that resolved a conflict.
    pub(super) fn reopen(
        &mut self,
        actors: &[[u8; 16]],
        undo: ChangeHash,
        force: bool,
    ) -> Result<Vec<LocalChange>, EditFault> {
        self.try_with(|doc, conflicts| {
            let changes = reopen(doc, actors, inverse::edits(doc, undo, force)?)?;
            let applied = doc.apply_changes(changes.iter().cloned());
            applied.map_err(|error| EditFault::Document(error.to_string()))?;
            changes.iter().for_each(|change| conflicts.learn(change));
            Ok(changes.iter().map(local).collect())
        })
    }
}

fn transact(
    doc: &mut Automerge,
    conflicts: &mut ConflictIndex,
    actor: [u8; 16],
    edits: &[Edit],
) -> Result<Option<LocalChange>, EditFault> {
    doc.set_actor(ActorId::from(&actor[..]));
    let mut tx = doc.transaction();
    for edit in edits {
        if let Err(fault) = edit::apply(&mut tx, edit) {
            tx.rollback();
            return Err(fault);
        }
    }
    // Wall time never enters a change: the validator demands 0.
    let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
    let change = hash.and_then(|hash| doc.get_change_by_hash(&hash));
    if let Some(change) = &change {
        conflicts.learn(change);
    }
    Ok(change.as_ref().map(local))
}

/// A change of each list of edits, none of which knows another, each made on a copy.
fn reopen(
    doc: &Automerge,
    actors: &[[u8; 16]],
    lists: Vec<Vec<Edit>>,
) -> Result<Vec<Change>, EditFault> {
    let failed = |error: &dyn std::fmt::Display| EditFault::Document(error.to_string());
    if lists.len() != actors.len() {
        return Err(EditFault::Reopens(lists.len()));
    }
    let mut changes = Vec::with_capacity(lists.len());
    for (actor, edits) in actors.iter().zip(lists) {
        let mut copy = doc.clone().with_actor(ActorId::from(&actor[..]));
        let mut tx = copy.transaction();
        for edit in &edits {
            edit::apply(&mut tx, edit)?;
        }
        let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
        let change = hash.and_then(|hash| copy.get_change_by_hash(&hash));
        changes.push(change.ok_or_else(|| failed(&"no change was made"))?);
    }
    Ok(changes)
}

fn local(change: &Change) -> LocalChange {
    LocalChange { hash: ChangeHash(change.hash().0), chunk: change.raw_bytes().to_vec() }
}

/// The first change of a workspace: every root map, the workspace's name and the founder's.
/// `SPEC: PRJ-6`
pub fn founding_change(
    actor: [u8; 16],
    workspace: &str,
    device: (&str, &str),
) -> Result<Vec<u8>, EditFault> {
    use automerge::transaction::Transactable;
    let failed = |error: automerge::AutomergeError| EditFault::Document(error.to_string());
    let mut doc = Automerge::new().with_actor(ActorId::from(&actor[..]));
    let mut tx = doc.transaction();
    for map in ROOT_MAPS {
        tx.put_object(automerge::ROOT, map, automerge::ObjType::Map).map_err(failed)?;
    }
    for (path, value) in
        [(vec!["workspace", "name"], workspace), (vec!["devices", device.0, "name"], device.1)]
    {
        let set = path
            .join("/")
            .parse()
            .map_err(|fault: PathFault| EditFault::Document(fault.to_string()))?;
        edit::apply(&mut tx, &Edit::Set { set, value: value.into() })?;
    }
    let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
    let made = hash.and_then(|hash| doc.get_change_by_hash(&hash)).as_ref().map(local);
    let missing = || EditFault::Document("no change was made".to_owned());
    made.map(|made| made.chunk).ok_or_else(missing)
}
