//! Opening again what a change decided: as many changes as there were sides, of which none knows
//! another, each putting there what one of them left. `SPEC: UNDO-2`

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, Change, ChangeHash as Hash, ReadDoc as _};

use super::conflict::{ConflictIndex, Decided, MadeApart};
use crate::document::read::Seen;
use crate::document::{DocPath, Edit, EditFault, Hand, edit};
use crate::id::DocumentId;
use crate::limits::CONFLICT_SIDES_MAX;

/// The changes of so many actors, of which none knows another: of each list of edits one, and
/// beside that what opens these conflicts again.
pub(super) fn apart(
    (doc, index): (&Automerge, &ConflictIndex),
    hand: &Hand,
    document: &DocumentId,
    lists: &[Vec<Edit>],
    decided: &[&Decided],
) -> Result<Vec<Change>, EditFault> {
    // Another document of these has something to write.
    if decided.is_empty() && lists.iter().all(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let mut changes = of_edits(doc, hand, document, lists)?;
    let several = decided.iter().map(|one| one.sides()).max().unwrap_or_default();
    for generation in (hand.generation..).take(several).skip(changes.len()) {
        changes.push((Hand { generation, ..*hand }.actor(document), None));
    }
    let count = changes.len();
    let changes = index.open_again(doc, changes, decided);
    match changes.len() == count {
        true => Ok(changes),
        false => Err(EditFault::Document("no change was made".to_owned())),
    }
}

/// A change of each list of edits, each made on a copy; none where there is none. Of each place
/// with several values that is shown which was: Automerge shows the one whose operation has the
/// highest number, and of those the highest actor's.
fn of_edits(
    doc: &Automerge,
    hand: &Hand,
    document: &DocumentId,
    lists: &[Vec<Edit>],
) -> Result<Vec<MadeApart>, EditFault> {
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
    let change = |((actor, copy), hash): (&([u8; 16], Automerge), Option<Hash>)| {
        (*actor, hash.and_then(|hash| copy.get_change_by_hash(&hash)))
    };
    Ok(copies.iter().zip(hashes).map(change).collect())
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
