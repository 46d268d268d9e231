//! Who wrote at places since a change: at them, below them, or on the way to them, whatever is
//! shown of it. Found by operations, so also what is hidden by another or was taken out again.
//! `SPEC: UNDO-3`

use std::collections::BTreeSet;

use automerge::{Automerge, ChangeHash as Hash};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::conflict::ConflictIndex;
use super::read::Seen;
use super::sites::Sites;
use crate::document::{DocPath, MayUndo, ReadValue};
use crate::id::ChangeHash;
use crate::limits::CONFLICT_SIDES_MAX;

/// Where what a change wrote does not stand any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltOn {
    /// The first such place of each change that took some, by path.
    pub taken: Vec<Taken>,
    /// Something of it is shown still: at another place, in a conflict, or around what was written.
    pub shows: bool,
}

/// A place that another change took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Where.
    pub path: String,
    /// The change that stands there now, or that wrote there last, where it is known.
    pub by: Option<ChangeHash>,
}

impl BuiltOn {
    /// The same, of a document that stands at `above`.
    pub(super) fn under(mut self, above: &DocPath) -> Self {
        for taken in &mut self.taken {
            taken.path = above.before(std::mem::take(&mut taken.path));
        }
        self
    }
}

impl std::fmt::Display for BuiltOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.taken.first().map_or("", |taken| taken.path.as_str());
        write!(f, "{path:?} was changed since")
    }
}

/// Who wrote at one place since a change was made, which does not know them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Since {
    /// The last of all.
    pub(super) last: Option<ChangeHash>,
    /// The last whose writing would be overwritten unheard.
    pub(super) stranger: Option<ChangeHash>,
}

/// The operation with the highest number of a change, and its name. Which is the last of several
/// that do not know each other is by this the same on every device.
type When = (u64, Hash);

fn name(of: Option<When>) -> Option<ChangeHash> {
    of.map(|(_, hash)| ChangeHash(hash.0))
}

/// Who wrote at each of these places, none of which is in another, since `change` was made: at it,
/// below it, or at a place on the way to it, as it was seen at one of these moments.
///
/// Strangers are all but those who know the change and are of `familiar`, or are known to one of
/// those that replaced or removed since what is there or on the way there. What is `gone` wrote
/// nothing.
///
/// It costs as much as there are changes that this one does not know, once for all places.
pub(super) fn writers_since(
    (doc, index): (&Automerge, &ConflictIndex),
    change: Hash,
    moments: [&Seen<'_>; 3],
    places: &[&DocPath],
    (familiar, gone): (&BTreeSet<ChangeHash>, &BTreeSet<ChangeHash>),
) -> Vec<Since> {
    let later = doc.get_changes(&[change]);
    if places.is_empty() || later.is_empty() {
        return vec![Since::default(); places.len()];
    }
    let mut sites = Sites::new(index, moments, places);
    let mut wrote = vec![Wrote::default(); sites.count()];
    for later in later {
        let (hash, at) = (ChangeHash(later.hash().0), (later.max_op(), later.hash()));
        if gone.contains(&hash) {
            continue;
        }
        let is_later = index.knows(&hash, &ChangeHash(change.0));
        let is_familiar = is_later && familiar.contains(&hash);
        let operations = later.decode().operations;
        for op in &operations {
            let Some((site, replaces)) = sites.of(op) else { continue };
            let Some(wrote) = wrote.get_mut(site) else { continue };
            wrote.last = wrote.last.max(Some(at));
            match (is_familiar, is_later) {
                (true, _) if replaces => wrote.covers.add(index, at),
                (true, _) => {}
                (false, true) => wrote.later.add(index, at),
                (false, false) => wrote.apart = wrote.apart.max(Some(at)),
            }
        }
    }
    let of_place = |way: &BTreeSet<usize>| since(index, way.iter().filter_map(|at| wrote.get(*at)));
    sites.of_places().iter().map(of_place).collect()
}

/// Who wrote at one site.
#[derive(Debug, Clone, Default)]
struct Wrote {
    last: Option<When>,
    /// The last that does not know the change.
    apart: Option<When>,
    /// The latest strangers that know it.
    later: Latest,
    /// The latest of those who are none and replaced or removed what is there.
    covers: Latest,
}

/// Changes of which none has another in its past, as far as they are few.
#[derive(Debug, Clone, Default)]
struct Latest {
    changes: Vec<When>,
    /// The last that found no room.
    beyond: Option<When>,
}

impl Latest {
    /// Adds a change that comes after all that it knows.
    fn add(&mut self, index: &ConflictIndex, at: When) {
        if self.changes.last() == Some(&at) {
            return;
        }
        self.changes.retain(|past| !knows(index, at, *past));
        if self.changes.len() < CONFLICT_SIDES_MAX {
            self.changes.push(at);
        } else {
            self.beyond = self.beyond.max(Some(at));
        }
    }
}

fn knows(index: &ConflictIndex, change: When, past: When) -> bool {
    index.knows(&ChangeHash(change.1.0), &ChangeHash(past.1.0))
}

/// Who wrote at a place, by who wrote at it and at each site on the way to it.
fn since<'a>(index: &ConflictIndex, way: impl Iterator<Item = &'a Wrote> + Clone) -> Since {
    let covers = || way.clone().flat_map(|wrote| &wrote.covers.changes);
    let is_covered = |past: &When| covers().any(|cover| knows(index, *cover, *past));
    let stranger = |wrote: &Wrote| {
        let later = wrote.later.changes.iter().copied().filter(|past| !is_covered(past)).max();
        later.max(wrote.apart).max(wrote.later.beyond)
    };
    Since {
        last: name(way.clone().filter_map(|wrote| wrote.last).max()),
        stranger: name(way.clone().filter_map(stranger).max()),
    }
}

/// May what stands there be overwritten, since it is what the change left? So it is too where an
/// undo put the same back: who takes two changes of a place back, one after the other, meets no
/// stranger. `SPEC: UNDO-3`
pub(super) fn stands(made: Option<&ReadValue>, is: Option<&ReadValue>, may: &MayUndo) -> bool {
    let MayUndo::PutBackBy { undos, .. } = may else { return true };
    let same =
        |made: &ReadValue, is: &ReadValue| made.value == is.value && !made.conflict && !is.conflict;
    made == is
        || made.zip(is).is_some_and(|(made, is)| {
            same(made, is) && is.change.is_some_and(|change| undos.contains(&change))
        })
}

/// Did undos put the very sides there again that the change left?
pub(super) fn is_open_again(
    path: &DocPath,
    (after, now): (&Seen<'_>, &Seen<'_>),
    (made, is): (Option<&ReadValue>, Option<&ReadValue>),
    may: &MayUndo,
) -> bool {
    let MayUndo::PutBackBy { undos, .. } = may else { return false };
    let [made, is] = [made, is].map(|shown| shown.filter(|shown| shown.conflict));
    let values = |seen: &Seen<'_>| {
        let values = seen.values(path).unwrap_or_default();
        let mut values: Vec<_> = values.iter().map(Json::to_string).collect();
        values.sort();
        values
    };
    made.is_some() && is.is_some() && now.is_put_by(path, undos) && values(after) == values(now)
}

/// The change that wrote what stands there now, where it is not what the change left.
pub(super) fn written_by(
    now: &Seen<'_>,
    path: &DocPath,
    made: Option<&ReadValue>,
    is: Option<&ReadValue>,
) -> Option<ChangeHash> {
    is.and_then(|is| match made {
        Some(made) if made.change == is.change && made.conflict == is.conflict => {
            writer_below(now, path, &made.value, &is.value)
        }
        _ => is.change,
    })
}

/// The change that wrote what differs within two maps, or that removed nothing that can be named.
fn writer_below(now: &Seen<'_>, path: &DocPath, was: &Json, is: &Json) -> Option<ChangeHash> {
    let (Json::Object(before), Json::Object(after)) = (was, is) else { return None };
    let (key, value) = after.iter().find(|(key, value)| before.get(*key) != Some(value))?;
    let below = path.child(key).ok()?;
    let read = now.read(&below).ok()?;
    match before.get(key) {
        Some(was) => writer_below(now, &below, was, value).or(read.change),
        None => read.change,
    }
}
