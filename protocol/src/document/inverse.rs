//! The edits that take a change back: what it wrote shows again what it showed before.
//!
//! A change is taken back where it still stands. What somebody wrote there since is not lost by
//! accident: unless all may be, the edits are refused, and the change that stands there is named.
//! `SPEC: UNDO-2, UNDO-3`

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, Change, ChangeHash as Hash, ReadDoc as _};

use super::conflict::{Brought, ConflictIndex, Decided, TakenBack};
use super::reopen::{apart, reopen};
use super::restore::{Restored, is_restored, list, restore};
use super::several::Part;
use super::since::{BuiltOn, Since, Taken, is_open_again, stands, writers_since, written_by};

use crate::document::preview::places;
use crate::document::read::Seen;
use crate::document::{
    DECIDED, DocPath, DocumentDone, Documents, Edit, EditFault, Hand, LocalChange, MayUndo,
    ReadValue, Reversal, WRITABLE, local,
};
use crate::id::{ChangeHash, DocumentId};

impl Documents {
    /// Takes changes back, of all these documents or of none.
    pub(super) fn undo(
        &mut self,
        root: &DocumentId,
        hand: &Hand,
        changes: &BTreeMap<DocumentId, Reversal>,
        may: &MayUndo,
    ) -> DocumentDone {
        let is_closed = |id: &&DocumentId| !self.documents.contains_key(id);
        let closed: BTreeSet<_> = changes.keys().filter(is_closed).copied().collect();
        if !closed.is_empty() {
            return DocumentDone::Closed(closed);
        }
        let (mut parts, mut built) = (BTreeMap::new(), BuiltOn::default());
        // How many changes it takes, of which none knows another, and which edits do not say.
        let (mut several, mut beside) = (1, false);
        for (id, change) in changes {
            let above = self.above(root, id);
            let Some(held) = self.documents.get_mut(id) else { continue };
            match held.try_with(|doc, conflicts| edits((doc, conflicts.index()), id, change, may)) {
                Ok(mut plan) => {
                    several = several.max(plan.several());
                    beside |= !plan.again.is_empty();
                    let edits = plan.lists.drain(..).next().unwrap_or_default();
                    let mut of_one = plan.built.under(&above);
                    parts.insert(*id, Part { above, edits, ..Part::default() });
                    built.taken.append(&mut of_one.taken);
                    built.shows |= of_one.shows;
                }
                Err(fault) => return DocumentDone::Written(Err(fault.under(&above))),
            };
        }
        if !built.taken.is_empty() {
            return DocumentDone::Written(Err(EditFault::BuiltOn(built)));
        }
        if several > 1 || beside {
            return DocumentDone::Written(Err(EditFault::Reopens(several)));
        }
        let written = self.write_parts(hand, &parts).map(|mut changes| {
            for (id, change) in &mut changes {
                let of = |part: &Part| written_at(&part.edits, &part.above);
                change.places = parts.get(id).map_or_else(Vec::new, of);
            }
            changes
        });
        DocumentDone::Written(written)
    }

    /// Takes changes back of which one at least resolved a conflict: for each actor its changes, in
    /// all documents or in none.
    pub(super) fn reopen(
        &mut self,
        root: &DocumentId,
        hand: &Hand,
        changes: &BTreeMap<DocumentId, Reversal>,
        may: &MayUndo,
    ) -> Result<Vec<Vec<(DocumentId, LocalChange)>>, EditFault> {
        let mut made: Vec<(DocumentId, Vec<DocPath>, Vec<Change>)> = Vec::new();
        for (id, change) in changes {
            let above = self.above(root, id);
            let held = self.documents.get_mut(id).ok_or(EditFault::NotHeld(change.change))?;
            let reopened = held.try_with(|doc, conflicts| {
                let (lists, again) = edits((doc, conflicts.index()), id, change, may)?.all()?;
                let mut places: BTreeSet<_> =
                    lists.iter().flat_map(|edits| written_at(edits, &above)).collect();
                places.extend(again.iter().map(|one| one.path.under(&above)));
                let again: Vec<_> = again.iter().collect();
                let made = apart((doc, conflicts.index()), hand, id, &lists, &again)?;
                Ok((places.into_iter().collect(), made))
            });
            let (places, of_one) = reopened.map_err(|fault| fault.under(&above))?;
            made.push((*id, places, of_one));
        }
        let mut by_actor: Vec<Vec<(DocumentId, LocalChange)>> = Vec::new();
        for (id, places, changes) in made {
            let Some(held) = self.documents.get_mut(&id) else { continue };
            held.try_with(|doc, conflicts| {
                let applied = doc.apply_changes(changes.iter().cloned());
                applied.map_err(|error| EditFault::Document(error.to_string()))?;
                changes.iter().for_each(|change| conflicts.made(change));
                Ok(())
            })?;
            by_actor.resize(by_actor.len().max(changes.len()), Vec::new());
            for (of_actor, change) in by_actor.iter_mut().zip(&changes) {
                let change = local(&held.automerge, change);
                of_actor.push((id, LocalChange { places: places.clone(), ..change }));
            }
        }
        Ok(by_actor)
    }
}

/// Where edits write in the document at `above`: each place once.
fn written_at(edits: &[Edit], above: &DocPath) -> Vec<DocPath> {
    let places: BTreeSet<_> = edits.iter().filter_map(Edit::path).collect();
    places.into_iter().map(|path| path.under(above)).collect()
}

/// How a change is taken back.
struct Plan {
    /// The edits after which every place that it wrote shows what it showed before it: a list for
    /// each change that makes them, of which none knows the others. There are several where it
    /// resolved a conflict, since one alone cannot put several values at a place.
    lists: Vec<Vec<Edit>>,
    /// Conflicts that are opened again beside that, by as many changes as each has sides; of what a
    /// merge brought the one side that was there alone.
    again: Vec<Decided>,
    /// Where others wrote since.
    built: BuiltOn,
}

impl Plan {
    /// How many changes it takes.
    fn several(&self) -> usize {
        let sides = self.again.iter().map(Decided::sides).max();
        self.lists.len().max(sides.unwrap_or_default())
    }

    /// The edits and the conflicts, where they take it back everywhere.
    fn all(self) -> Result<(Vec<Vec<Edit>>, Vec<Decided>), EditFault> {
        if self.built.taken.is_empty() {
            Ok((self.lists, self.again))
        } else {
            Err(EditFault::BuiltOn(self.built))
        }
    }
}

/// Looks at every place that a change wrote: what stands there still, and who took the rest.
fn edits(
    (doc, index): (&Automerge, &ConflictIndex),
    document: &DocumentId,
    of: &Reversal,
    may: &MayUndo,
) -> Result<Plan, EditFault> {
    let hash = Hash(of.change.0);
    let change = doc.get_change_by_hash(&hash).ok_or(EditFault::NotHeld(of.change))?;
    // What it joined of others came in by it.
    let is_before = |dep: &&Hash| !of.joined.contains(&ChangeHash(dep.0));
    let before: Vec<_> = change.deps().iter().filter(is_before).copied().collect();
    let after = [hash];
    let [before, after, now] = [Seen::at(doc, &before), Seen::at(doc, &after), Seen::now(doc)];
    let moments = [&before, &after, &now];
    let (mut lists, mut taken, mut shows) = (vec![Vec::new()], Vec::new(), false);
    let (mut closes, mut opened, mut again) = (None, BTreeMap::new(), Vec::new());
    let mut places = places(doc, before.heads(), after.heads());
    let mut decided = index.decided(doc, &change, before.heads())?;
    let mut brought = match of.joined.is_empty() {
        true => Brought::default(),
        false => brought((doc, index), &change, (&before, &now), (&places, may))?,
    };
    decided.append(&mut brought.hidden);
    let mut decided = with_places(&mut places, decided);
    let places_shown = shown_at(places, &decided, moments, may)?;
    let all: Vec<_> = places_shown.iter().map(|(path, _)| path.clone()).collect();
    let since = since((doc, index), document, hash, moments, (&all, may));
    for ((path, [was, made, is]), since) in places_shown.into_iter().zip(since) {
        // In a list a decided element alone is written: what undos show beside it stays.
        let is_apart =
            since.stranger.is_none() && decided.get(&path).is_some_and(|all| stand_alone(all));
        let is_left = is_apart
            || brought.left.contains(&path)
            || is_open_again(&path, (&after, &now), (made.as_ref(), is.as_ref()), may);
        if !is_left && !stands(made.as_ref(), is.as_ref(), may) {
            let by = written_by(&now, &path, made.as_ref(), is.as_ref());
            // Where it won a conflict it builds on nothing of its own.
            let by = by.filter(|by| *by != of.change).or(since.stranger).or(since.last);
            taken.push((path, by));
            shows |= is.as_ref().is_some_and(|is| is.conflict || is.change == Some(of.change));
            continue;
        }
        shows = true;
        let conflicts = decided.remove(&path);
        let is_restored = conflicts.is_none() && is_restored(was.as_ref(), is.as_ref());
        let (conflicts, beside) = by_itself(conflicts);
        if since.stranger.is_some() && !is_restored {
            taken.push((path, since.stranger));
            continue;
        }
        if let Some(conflicts) = conflicts {
            again.extend(conflicts);
            continue;
        }
        let of_one = (was.as_ref(), is.as_ref(), is_restored, beside);
        let into = (&mut lists, &mut opened, &mut again);
        let settled = put_back((doc, index), (&before, &path), of_one, into)?;
        let ends = *may != MayUndo::All && !settled;
        closes = closes.or_else(|| ends.then(|| path.clone()));
    }
    let writes = !again.is_empty() || lists.iter().any(|edits| !edits.is_empty());
    if let (MayUndo::PutBackBy { .. }, None, true) = (may, &closes, taken.is_empty() && writes) {
        let taken_back = taken_back((&change, before.heads(), of), (&lists, &again), opened, all);
        closes = index.ended(doc, &TakenBack { gone: brought.gone, ..taken_back })?;
    }
    match closes {
        Some(path) if taken.is_empty() => Err(EditFault::Closes(path.to_string())),
        _ => Ok(Plan { lists, again, built: BuiltOn { taken: name(taken), shows } }),
    }
}

/// The conflicts that a merge brought; what is written as edits ends them, too.
fn brought(
    (doc, index): (&Automerge, &ConflictIndex),
    merge: &Change,
    (before, now): (&Seen<'_>, &Seen<'_>),
    (places, may): (&BTreeSet<DocPath>, &MayUndo),
) -> Result<Brought, EditFault> {
    let is_written = |path: &&DocPath| before.shows(path) != now.shows(path);
    let written = places.iter().filter(is_written).cloned().collect();
    index.brought(doc, merge, before.heads(), (&written, may.undos()))
}

/// Those of a place that are opened again alone, and those of a list that is written, too.
fn by_itself(conflicts: Option<Vec<Decided>>) -> (Option<Vec<Decided>>, Vec<Decided>) {
    match conflicts {
        Some(all) if all.iter().any(|one| one.beside) => (None, all),
        conflicts => (conflicts, Vec::new()),
    }
}

/// Are all of them in the list at their place, in which the change wrote nothing else?
fn stand_alone(all: &[Decided]) -> bool {
    all.iter().all(|one| one.place != one.path && !one.beside)
}

/// Who wrote at these places of a document since a change of it was made.
fn since(
    (doc, index): (&Automerge, &ConflictIndex),
    document: &DocumentId,
    change: Hash,
    moments: [&Seen<'_>; 3],
    (places, may): (&[DocPath], &MayUndo),
) -> Vec<Since> {
    match may {
        MayUndo::All => vec![Since::default(); places.len()],
        MayUndo::PutBackBy { undos, gone } => {
            let (none, places) = (BTreeSet::new(), places.iter().collect::<Vec<_>>());
            let gone = gone.get(document).unwrap_or(&none);
            writers_since((doc, index), change, moments, &places, (undos, gone))
        }
    }
}

/// What the index is to know of it, of the places that were looked at: at those of conflicts that
/// are opened again nothing else is written.
fn taken_back<'a>(
    (change, before, of): (&'a Change, &'a [Hash], &Reversal),
    (lists, again): (&[Vec<Edit>], &[Decided]),
    opened: BTreeMap<DocPath, usize>,
    mut places: Vec<DocPath>,
) -> TakenBack<'a> {
    places.retain(|path| !again.iter().any(|one| one.place == *path && !one.beside));
    let edits = lists.iter().flatten().filter_map(Edit::writes_over).cloned();
    let written = edits.chain(again.iter().filter_map(Decided::written)).collect();
    let reopened = again.iter().map(|one| one.id).collect();
    let joins = !of.joined.is_empty();
    let gone = BTreeSet::new();
    TakenBack { change, before, joins, places, written, opened, reopened, gone }
}

/// Puts the places at which a change decided a conflict to those that show something else by it. A
/// conflict below one of those is not put again apart from it.
fn with_places(
    places: &mut BTreeSet<DocPath>,
    mut decided: Vec<Decided>,
) -> BTreeMap<DocPath, Vec<Decided>> {
    let is_below = |path: &DocPath, above: &DocPath| {
        path != above && path.segments().starts_with(above.segments())
    };
    decided.retain(|one| !places.iter().any(|place| is_below(&one.place, place)));
    places.retain(|place| !decided.iter().any(|one| is_below(place, &one.place)));
    let mut by_place = BTreeMap::<_, Vec<_>>::new();
    for one in decided {
        places.insert(one.place.clone());
        by_place.entry(one.place.clone()).or_default().push(one);
    }
    by_place
}

/// What a place showed before a change, after it, and shows now.
type Shown = [Option<ReadValue>; 3];

/// What these places showed and show at the three moments. They must be a person's.
fn shown_at(
    places: BTreeSet<DocPath>,
    decided: &BTreeMap<DocPath, Vec<Decided>>,
    moments: [&Seen<'_>; 3],
    may: &MayUndo,
) -> Result<Vec<(DocPath, Shown)>, EditFault> {
    let shown_at = |path: DocPath| {
        let mut shown = moments.map(|seen| seen.read(&path).ok());
        // Several who wrote the same left one thing.
        for (seen, shown) in moments.iter().zip(&mut shown) {
            if let Some(shown) = shown {
                shown.conflict &= seen.is_disputed(&path);
            }
        }
        // What decided between several values is a person's, whatever they are.
        let decided =
            decided.contains_key(&path) || matches!(&shown, [Some(was), ..] if was.conflict);
        if !decided && !is_a_persons(&path) {
            return Err(EditFault::Kept(path.to_string()));
        }
        if let (MayUndo::PutBackBy { undos, .. }, [.., Some(is)]) = (may, &mut shown) {
            // Several who took the same back apart left one thing.
            is.conflict &= !moments[2].is_agreed(&path, undos);
        }
        Ok((path, shown))
    };
    places.into_iter().map(shown_at).collect()
}

/// One place is kept for each change.
fn name(mut taken: Vec<(DocPath, Option<ChangeHash>)>) -> Vec<Taken> {
    let mut named = BTreeSet::new();
    taken.retain(|(_, by)| named.insert(*by));
    taken.into_iter().map(|(path, by)| Taken { path: path.to_string(), by }).collect()
}

/// Names of devices and contracts of missions follow from other events.
fn is_a_persons(path: &DocPath) -> bool {
    let first = path.segments().first().map(String::as_str);
    let is_decision = matches!(
        path.segments(), [map, key] if map == "workspace" && key.starts_with(DECIDED));
    if is_decision {
        return true;
    }
    path.segments().len() >= 2
        && first.is_some_and(|first| {
            ["agents", "boards", "branches"].contains(&first) || WRITABLE.contains(&first)
        })
}

/// Of a place what it showed before a change, what it shows, whether that is the same, and the
/// conflicts that the change decided in it, where it is a list in which it wrote elsewhere, too.
type Place<'a> = (Option<&'a ReadValue>, Option<&'a ReadValue>, bool, Vec<Decided>);

/// Puts back what a place showed, unless it does already. Was nothing in conflict below that?
fn put_back(
    (doc, index): (&Automerge, &ConflictIndex),
    (before, path): (&Seen<'_>, &DocPath),
    (was, is, is_restored, beside): Place<'_>,
    (lists, opened, again): (&mut Vec<Vec<Edit>>, &mut BTreeMap<DocPath, usize>, &mut Vec<Decided>),
) -> Result<bool, EditFault> {
    let is_settled = |from: &DocPath| is_restored || before.is_settled(from);
    let align =
        |(now, then): (&DocPath, &DocPath)| index.aligned(doc, (before.heads(), [then, now]));
    let was_open = was.is_some_and(|was| was.conflict);
    // Where the sides are what they were, one of them was edited, and that alone is taken back.
    let is_side = was_open && before.has_same(&Seen::now(doc), path);
    let edited = was.zip(is).filter(|_| is_side);
    let edited = edited.and_then(|(was, is)| list(path, &was.value, &is.value, &align));
    let mut steps = match edited {
        None if was_open => {
            opened.insert(path.clone(), reopen(before, path, is.is_some(), lists)?);
            return Ok(is_settled(path));
        }
        None => restore(before, path, was, is, &align)?,
        Some(steps) => steps,
    };
    if !steps.iter().any(|step| step.from() == Some(path)) {
        // Item by item; conflicts in it are put again apart from that.
        steps.retain(|step| !beside.iter().any(|one| one.covers(step)));
        again.extend(beside);
    }
    let settled = steps.iter().filter_map(Restored::from).all(is_settled);
    for one in steps {
        match one {
            Restored::Edit(edit, _) => lists[0].push(edit),
            Restored::Gone(from) => {
                let item = index.revived(doc, (before.heads(), &from));
                let lost = || EditFault::NotRestorable(from.to_string());
                again.push(item.ok_or_else(lost)?);
            }
        }
    }
    Ok(settled)
}
