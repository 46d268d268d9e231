//! Which change was the last to write at a place since another: also one that removed it, of which
//! nothing is shown there, or that wrote below what was removed. `SPEC: UNDO-3`

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{ObjectId, OpId, OpType};
use automerge::{ActorId, Automerge, ChangeHash as Hash, ObjId};
use serde::{Deserialize, Serialize};

use super::read::Seen;
use crate::document::DocPath;
use crate::id::ChangeHash;

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
pub(super) fn last_hidden<'a>(
    doc: &Automerge,
    since: Hash,
    before: &Seen<'_>,
    paths: impl Iterator<Item = &'a DocPath>,
) -> BTreeMap<DocPath, ChangeHash> {
    let mut last = BTreeMap::new();
    let later = doc.get_changes(&[since]);
    if later.is_empty() {
        return last;
    }
    let heads = [since];
    let after = Seen::at(doc, &heads);
    let mut gone: BTreeMap<(u64, ActorId), &DocPath> = BTreeMap::new();
    for path in paths {
        let objects = |seen: &Seen<'_>| -> BTreeSet<_> {
            seen.objects(path).into_iter().filter_map(put_by).collect()
        };
        let left = objects(&after);
        let lost = objects(before).into_iter().filter(|put| !left.contains(put));
        gone.extend(lost.map(|put| (put, path)));
    }
    for change in later {
        if gone.is_empty() {
            break;
        }
        let (actor, start) = (change.actor_id().clone(), change.start_op().get());
        for (op, number) in change.decode().operations.iter().zip(start..) {
            let ObjectId::Id(OpId(of, by)) = &op.obj else { continue };
            let Some(path) = gone.get(&(*of, by.clone())).copied() else { continue };
            last.insert(path.clone(), ChangeHash(change.hash().0));
            if matches!(op.action, OpType::Make(_)) {
                gone.insert((number, actor.clone()), path);
            }
        }
    }
    last
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
