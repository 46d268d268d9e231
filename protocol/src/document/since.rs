//! Which change was the last to write at a place since another: also one that removed it, of which
//! nothing is shown there, or that wrote below what was removed. `SPEC: UNDO-3`

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{ObjectId, OpId, OpType};
use automerge::{ActorId, Automerge, Change, ChangeHash as Hash, ObjId};
use serde::{Deserialize, Serialize};

use super::read::Seen;
use crate::document::DocPath;
use crate::id::ChangeHash;
use crate::limits::UNDO_BELOW_MAX;

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
    /// The change that stands there now, or removed what did, where it is known.
    pub by: Option<ChangeHash>,
}

impl std::fmt::Display for BuiltOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.taken.first().map_or("", |taken| taken.path.as_str());
        write!(f, "{path:?} was changed since")
    }
}

/// Of each place the last change that replaced or removed what stood there, or on the way there,
/// once `since` was made; none where nobody did, or `since` showed nothing there. It costs as much
/// as there are changes that `since` does not know, once for all places.
pub(super) fn last_writers(
    doc: &Automerge,
    since: Hash,
    paths: &[&DocPath],
) -> Vec<Option<ChangeHash>> {
    let mut last = vec![None; paths.len()];
    if paths.is_empty() {
        return last;
    }
    let heads = [since];
    let seen = Seen::at(doc, &heads);
    let mut stood: BTreeMap<(u64, ActorId), BTreeSet<usize>> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        for put in on_the_way(&seen, path) {
            stood.entry(put).or_default().insert(at);
        }
    }
    for change in doc.get_changes(&[since]) {
        let (actor, start) = (change.actor_id().clone(), change.start_op().get());
        for (op, number) in change.decode().operations.iter().zip(start..) {
            let preds = op.pred.iter().filter_map(|of| stood.get(&(of.0, of.1.clone())));
            let took: BTreeSet<usize> = preds.flatten().copied().collect();
            for at in &took {
                if let Some(last) = last.get_mut(*at) {
                    *last = Some(ChangeHash(change.hash().0));
                }
            }
            if !took.is_empty() && !matches!(op.action, OpType::Delete) {
                stood.insert((number, actor.clone()), took);
            }
        }
    }
    last
}

/// Of each of these places the last change that wrote to an object there, or below, which `before`
/// shows and `since` does not any more; none of those where nobody did. Of what is written to an
/// object that was removed or replaced nothing is shown: who looks at the place alone meets nobody.
/// Where all of that was taken back, and the object is in itself what it was, nothing of it could
/// be lost. That is read there, and nobody's word for it is taken (SPEC: CNT-12): now, and as each
/// knew it whose edit counts (SPEC: CFL-4), since what one wrote may be hidden by what another put
/// in its place within the object, though that is the same as before.
pub(super) fn last_hidden<'a>(
    doc: &Automerge,
    since: Hash,
    before: &Seen<'_>,
    paths: impl Iterator<Item = &'a DocPath>,
) -> BTreeMap<DocPath, ChangeHash> {
    let later = doc.get_changes(&[since]);
    if later.is_empty() {
        return BTreeMap::new();
    }
    let heads = [since];
    let after = Seen::at(doc, &heads);
    let mut below = Below::default();
    for path in paths {
        let left = after.objects(path).into_iter().filter_map(|(id, _)| put_by(id));
        let left: BTreeSet<_> = left.collect();
        for (id, within) in before.objects(path) {
            if let Some(put) = put_by(id).filter(|put| !left.contains(put)) {
                below.gone.insert(put, (path, within.and_then(put_by)));
            }
        }
    }
    below.read(&later);
    let numbers: BTreeMap<_, _> = later.iter().map(Change::hash).zip(0..).collect();
    let number = |dep: &Hash| numbers.get(dep).copied();
    let deps = later.iter().map(|change| change.deps().iter().filter_map(number).collect());
    let past = Past { doc, before, later: &later, deps: deps.collect(), below: &below };
    let wrote = below.wrote.iter();
    wrote.filter_map(|(path, by)| Some(((*path).clone(), past.loses(path, by)?))).collect()
}

/// The operation that put an object: its name.
type Put = (u64, ActorId);

/// Of a place the changes that wrote to the objects which are gone there, by number, and to which.
type Wrote = BTreeMap<usize, BTreeSet<Put>>;

/// What became of the objects that are gone, and of those that were made in them since.
#[derive(Default)]
struct Below<'a> {
    /// The place of each, and the one that it is in.
    gone: BTreeMap<Put, (&'a DocPath, Option<Put>)>,
    /// Of each the changes that removed or replaced it, by number.
    took: BTreeMap<Put, BTreeSet<usize>>,
    /// Who wrote to them.
    wrote: BTreeMap<&'a DocPath, Wrote>,
}

impl Below<'_> {
    fn read(&mut self, later: &[Change]) {
        if self.gone.is_empty() {
            return;
        }
        for (at, change) in later.iter().enumerate() {
            let (actor, start) = (change.actor_id().clone(), change.start_op().get());
            for (op, number) in change.decode().operations.iter().zip(start..) {
                for of in op.pred.iter().map(|of| (of.0, of.1.clone())) {
                    if self.gone.contains_key(&of) {
                        self.took.entry(of).or_default().insert(at);
                    }
                }
                let ObjectId::Id(OpId(of, by)) = &op.obj else { continue };
                let of = (*of, by.clone());
                let Some((path, _)) = self.gone.get(&of) else { continue };
                let path = *path;
                if matches!(op.action, OpType::Make(_)) {
                    self.gone.insert((number, actor.clone()), (path, Some(of.clone())));
                }
                self.wrote.entry(path).or_default().entry(at).or_default().insert(of);
            }
        }
    }

    /// The object, and those that it is in.
    fn chain<'b>(&'b self, put: &'b Put) -> impl Iterator<Item = &'b Put> {
        let within = |put: &&'b Put| self.gone.get(*put).and_then(|(_, within)| within.as_ref());
        std::iter::successors(Some(put), within)
    }
}

/// The changes that another does not know, in the order of their numbers: a change has a greater
/// one than all in its past.
struct Past<'a> {
    doc: &'a Automerge,
    before: &'a Seen<'a>,
    later: &'a [Change],
    deps: Vec<Vec<usize>>,
    below: &'a Below<'a>,
}

impl Past<'_> {
    /// Whose edit of what stood at `path` would be lost, of those who wrote there.
    fn loses(&self, path: &DocPath, wrote: &Wrote) -> Option<ChangeHash> {
        let is_left = self.before.is_left_in(&Seen::now(self.doc), path);
        let lost = match is_left.then(|| self.latest(path, wrote)) {
            // Each is a read of all that stood there.
            Some(latest) if latest.len() <= UNDO_BELOW_MAX => {
                let mut latest = latest.into_iter();
                latest.find(|at| !self.at(*at, |seen| self.before.is_left_in(seen, path)))
            }
            _ => wrote.last_key_value().map(|(at, _)| *at),
        };
        lost.and_then(|at| Some(ChangeHash(self.later.get(at)?.hash().0)))
    }

    /// Those whose edit no other knew and had before it, the last one first; one more than are
    /// looked at, where there are more. Who knew the place to be removed, and wrote there by
    /// another program, takes nothing back: that edit does not count. `SPEC: CFL-4`
    fn latest(&self, path: &DocPath, wrote: &Wrote) -> Vec<usize> {
        let objects = |seen: &Seen<'_>| -> BTreeSet<_> {
            let found = seen.find(path).unwrap_or_default();
            found.into_iter().filter_map(|(_, id)| put_by(id)).collect()
        };
        let stood = objects(self.before);
        let (mut known, mut latest) = (BTreeSet::<usize>::new(), Vec::new());
        for at in wrote.keys().rev() {
            if known.contains(at) {
                continue;
            }
            latest.push(*at);
            if latest.len() > UNDO_BELOW_MAX {
                break;
            }
            if self.at(*at, |seen| !objects(seen).is_disjoint(&stood)) {
                known.extend(self.had(*at, wrote));
            }
        }
        latest
    }

    /// Those before it whose edits it knew, and had before it: nothing that they wrote to had been
    /// removed or replaced only by such as did not know the edit. Who met it as the lost side of an
    /// open conflict knew it, and took nothing back. Of more removals and replacements than are
    /// looked at, each of which is a walk through the past, it is not asked who knew what.
    fn had(&self, at: usize, wrote: &Wrote) -> Vec<usize> {
        let mut before = wrote.range(..at).peekable();
        let Some(oldest) = before.peek().map(|(by, _)| **by) else { return Vec::new() };
        let is_in = |past: &[bool], by: usize| past.get(by - oldest).copied().unwrap_or_default();
        let past = self.past([at], oldest);
        // What those knew who took an object.
        let mut knew: BTreeMap<&BTreeSet<usize>, Option<Vec<bool>>> = BTreeMap::new();
        let mut is_had = |by: usize, put: &Put| {
            self.below.chain(put).all(|put| {
                let Some(took) = self.below.took.get(put) else { return true };
                if knew.len() >= UNDO_BELOW_MAX && !knew.contains_key(took) {
                    return false;
                }
                let knew = knew.entry(took).or_insert_with(|| {
                    let took = took.range(oldest..).copied().filter(|took| is_in(&past, *took));
                    let took: Vec<_> = took.collect();
                    (!took.is_empty()).then(|| self.past(took, oldest))
                });
                knew.as_ref().is_none_or(|knew| is_in(knew, by))
            })
        };
        let had = before
            .filter(|(by, into)| is_in(&past, **by) && into.iter().all(|put| is_had(**by, put)));
        had.map(|(by, _)| *by).collect()
    }

    /// Of each change from `oldest` on: is it one of these, or in the past of one?
    fn past(&self, of: impl IntoIterator<Item = usize>, oldest: usize) -> Vec<bool> {
        let mut open: Vec<_> = of.into_iter().collect();
        let mut past = vec![false; self.deps.len().saturating_sub(oldest)];
        while let Some(at) = open.pop() {
            let Some(is_in) = at.checked_sub(oldest).and_then(|at| past.get_mut(at)) else {
                continue;
            };
            if !std::mem::replace(is_in, true) {
                open.extend(self.deps.get(at).into_iter().flatten());
            }
        }
        past
    }

    /// What is seen as that change left it.
    fn at<T>(&self, at: usize, look: impl Fn(&Seen<'_>) -> T) -> T {
        let heads: Vec<_> = self.later.get(at).map(Change::hash).into_iter().collect();
        look(&Seen::at(self.doc, &heads))
    }
}

/// The operation that put this.
fn put_by(id: ObjId) -> Option<(u64, ActorId)> {
    match id {
        ObjId::Id(number, actor, _) => Some((number, actor)),
        ObjId::Root => None,
    }
}

/// The operations that put what stands at each place on the way to `path`, and there.
fn on_the_way(seen: &Seen<'_>, path: &DocPath) -> BTreeSet<(u64, ActorId)> {
    let (mut at, mut put) = (DocPath::default(), BTreeSet::new());
    for segment in path.segments() {
        let Ok(below) = at.child(segment) else { break };
        at = below;
        let found = seen.find(&at).unwrap_or_default();
        put.extend(found.into_iter().filter_map(|(_, id)| put_by(id)));
    }
    put
}
