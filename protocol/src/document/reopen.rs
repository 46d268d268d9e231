//! Opening again what a change decided: as many changes as there were sides, of which none knows
//! another, each putting there what one of them left. `SPEC: UNDO-2`

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, Change, ChangeHash as Hash, ReadDoc as _};
use serde_json::Value as Json;

use crate::document::read::Seen;
use crate::document::{DocPath, Edit, EditFault, Hand, edit};
use crate::id::DocumentId;
use crate::limits::CONFLICT_SIDES_MAX;

/// A change of each list of edits, none of which knows another, each made on a copy. Of each place
/// with several values that is shown which was: Automerge shows the one whose operation has the
/// highest number, and of those the highest actor's.
pub(super) fn apart(
    doc: &Automerge,
    hand: &Hand,
    document: &DocumentId,
    lists: &[Vec<Edit>],
) -> Result<Vec<Change>, EditFault> {
    let copy = |generation: u64| {
        let actor = Hand { generation, ..*hand }.actor(document);
        (actor, doc.clone().with_actor(ActorId::from(&actor[..])))
    };
    let mut copies: Vec<_> = (hand.generation..).take(lists.len()).map(copy).collect();
    let mut made: Vec<_> =
        copies.iter_mut().map(|(actor, copy)| (*actor, copy.transaction())).collect();
    let (places, plain) = reopened(lists);
    for values in places {
        let all = made.get_mut(..values.len()).unwrap_or_default();
        // What was shown is last: it goes to who would be shown.
        let shown = (0..all.len())
            .max_by_key(|at| all.get(*at).map(|(actor, tx)| (tx.pending_ops(), *actor)));
        let others = (0..all.len()).filter(|at| Some(*at) != shown);
        let order: Vec<_> = others.chain(shown).collect();
        for (at, edits) in order.into_iter().zip(values) {
            let Some((_, tx)) = all.get_mut(at) else { continue };
            edits.into_iter().try_for_each(|edit| edit::apply(tx, edit))?;
        }
    }
    if let Some((_, tx)) = made.first_mut() {
        plain.into_iter().try_for_each(|edit| edit::apply(tx, edit))?;
    }
    let hashes: Vec<_> = made
        .into_iter()
        .map(|(_, tx)| tx.commit_with(CommitOptions::default().with_time(0)).0)
        .collect();
    let change = |((_, copy), hash): (&(_, Automerge), Option<Hash>)| {
        let change = hash.and_then(|hash| copy.get_change_by_hash(&hash));
        change.ok_or_else(|| EditFault::Document("no change was made".to_owned()))
    };
    copies.iter().zip(hashes).map(change).collect()
}

/// What puts each of the values of a place there.
type Reopened<'a> = Vec<Vec<&'a Edit>>;

/// The places at which several lists put something, with what each of them does there; and what
/// the first does elsewhere.
fn reopened(lists: &[Vec<Edit>]) -> (Vec<Reopened<'_>>, Vec<&Edit>) {
    let mut paths: Vec<&DocPath> = Vec::new();
    for path in lists.iter().skip(1).flatten().filter_map(Edit::path) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let mut places: Vec<Reopened<'_>> = Vec::with_capacity(paths.len());
    for path in &paths {
        let of = lists.iter().map(|list| list.iter().filter(|edit| edit.path() == Some(*path)));
        let of = of.map(Iterator::collect::<Vec<_>>).filter(|edits| !edits.is_empty());
        places.push(of.collect());
    }
    let first = lists.first().into_iter().flatten();
    let plain = first.filter(|edit| edit.path().is_none_or(|path| !paths.contains(&path)));
    (places, plain.collect())
}

/// Each of the values that were there is put by a list of its own. What is there now is removed
/// first: putting a scalar that is there would do nothing. How many are there?
pub(super) fn reopen(
    before: &Seen<'_>,
    path: &DocPath,
    is_there: bool,
    lists: &mut Vec<Vec<Edit>>,
) -> Result<usize, EditFault> {
    let values = before.values(path)?;
    if values.len() > CONFLICT_SIDES_MAX || !before.is_plain(path) {
        return Err(EditFault::NotRestorable(path.to_string()));
    }
    let count = values.len();
    lists.resize(lists.len().max(count), Vec::new());
    for (list, value) in lists.iter_mut().zip(values) {
        list.extend(is_there.then(|| Edit::Rm { rm: path.clone() }));
        list.push(Edit::Set { set: path.clone(), value });
    }
    Ok(count)
}

/// What each side left is put by a list of its own, or removed. Where nothing is there to remove, a
/// list removes what it put itself: that leaves nothing, too.
pub(super) fn put_again(
    sides: &[Option<Json>],
    path: &DocPath,
    is_there: bool,
    lists: &mut Vec<Vec<Edit>>,
) {
    lists.resize(lists.len().max(sides.len()), Vec::new());
    for (list, side) in lists.iter_mut().zip(sides) {
        let rm = || Edit::Rm { rm: path.clone() };
        let set = |value| Edit::Set { set: path.clone(), value };
        match (side, is_there) {
            (Some(value), true) => list.extend([rm(), set(value.clone())]),
            (Some(value), false) => list.push(set(value.clone())),
            (None, true) => list.push(rm()),
            (None, false) => list.extend([set(Json::Null), rm()]),
        }
    }
}
