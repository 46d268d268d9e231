//! Which change was the last to write at a place since another: also one that removed it, of which
//! nothing is shown there, or that wrote below what was removed. `SPEC: UNDO-3`

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Automerge, Change, ChangeHash as Hash, ObjId, ROOT, ReadDoc as _};
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

/// Of each of these places the last change, unknown to the one that stands there, that wrote to
/// what this one left nothing of: that removed or replaced a value which it had replaced, or wrote
/// to an object, there or below, that it does not show. None of places where nobody did. Of such
/// writes nothing is shown: who looks at the place alone meets nobody.
///
/// Each place comes with the change that stands there, or with several. It costs as much as there
/// are changes that this one does not know.
pub(super) fn last_hidden(
    doc: &Automerge,
    places: &[(&DocPath, Hash)],
) -> BTreeMap<DocPath, ChangeHash> {
    let standing: BTreeSet<_> = places.iter().map(|(_, since)| *since).collect();
    let mut last = BTreeMap::new();
    for since in standing {
        let paths = places.iter().filter(|(_, by)| *by == since).map(|(path, _)| *path);
        for (path, hidden) in hidden_since(doc, since, paths) {
            last.entry(path).or_insert(hidden);
        }
    }
    last
}

fn hidden_since<'a>(
    doc: &Automerge,
    since: Hash,
    paths: impl Iterator<Item = &'a DocPath>,
) -> BTreeMap<DocPath, ChangeHash> {
    // What knows it wrote on top of what it left.
    let mut knowing = BTreeSet::from([since]);
    let mut later = doc.get_changes(&[since]);
    let unknown: BTreeSet<_> = later.iter().map(Change::hash).collect();
    later.retain(|change| {
        let knows = change.deps().iter().any(|dep| knowing.contains(dep));
        if knows {
            knowing.insert(change.hash());
        }
        !knows
    });
    if later.is_empty() {
        return BTreeMap::new();
    }
    let heads = [since];
    let seen = Seen::at(doc, &heads);
    let own = doc.get_change_by_hash(&since).map(|change| change.decode().operations);
    let own = own.iter().flatten().flat_map(|op| op.pred.iter());
    let mut objects = Objects {
        replaced: own.map(|of| (of.0, of.1.clone())).collect(),
        doc,
        since,
        unknown,
        made: BTreeMap::new(),
        items: BTreeMap::new(),
        below: BTreeMap::new(),
        places: BTreeMap::new(),
    };
    for path in paths {
        let Some((key, above)) = path.segments().split_last() else { continue };
        let Ok(above) = above.iter().try_fold(DocPath::default(), |at, key| at.child(key)) else {
            continue;
        };
        if let Some((_, object)) = seen.find(&above).unwrap_or_default().pop() {
            objects.places.insert((put_by(object), key.clone()), path);
        }
    }
    // Which is the last of several that do not know each other is the same on every device.
    let mut last: BTreeMap<DocPath, (u64, Hash)> = BTreeMap::new();
    for change in later {
        let at = (change.max_op(), change.hash());
        for op in change.decode().operations {
            if let Some(path) = objects.place_of(&op) {
                let last = last.entry(path.clone()).or_insert(at);
                *last = at.max(*last);
            }
        }
    }
    last.into_iter().map(|(path, (_, hash))| (path, ChangeHash(hash.0))).collect()
}

/// An operation by its number and actor; that of the root is none.
type Put = Option<(u64, ActorId)>;

/// Objects of a document as one change left them.
struct Objects<'a> {
    doc: &'a Automerge,
    since: Hash,
    /// The changes that it does not know.
    unknown: BTreeSet<Hash>,
    /// Where objects were made: in which object, under which key, if that is a map.
    made: BTreeMap<(u64, ActorId), (Put, Option<String>)>,
    /// The objects that stand in a list.
    items: BTreeMap<Put, BTreeSet<(u64, ActorId)>>,
    /// At or below which place an object is, and whether nothing is left of it.
    below: BTreeMap<(u64, ActorId), Option<(&'a DocPath, bool)>>,
    /// What the change itself replaced or removed.
    replaced: BTreeSet<(u64, ActorId)>,
    /// The places that are asked for, by object and key.
    places: BTreeMap<(Put, String), &'a DocPath>,
}

impl<'a> Objects<'a> {
    /// The place at or below which an operation wrote to what is hidden, or replaced or removed
    /// what the change did too.
    fn place_of(&mut self, op: &Op) -> Option<&'a DocPath> {
        let object = put_in(&op.obj);
        if let Key::Map(key) = &op.key
            && let Some(path) = self.places.get(&(object.clone(), key.to_string()))
        {
            let path = *path;
            return op.pred.iter().any(|of| self.is_known(&(of.0, of.1.clone()))).then_some(path);
        }
        let object = object?;
        let (path, is_hidden) = match self.below.get(&object) {
            Some(found) => *found,
            None => {
                let found = self.place_above(&object);
                self.below.insert(object, found);
                found
            }
        }?;
        let is_shared = || op.pred.iter().any(|of| self.replaced.contains(&(of.0, of.1.clone())));
        (is_hidden || is_shared()).then_some(path)
    }

    /// The place at or below which an object is, and whether that or what it is in is hidden.
    fn place_above(&mut self, object: &(u64, ActorId)) -> Option<(&'a DocPath, bool)> {
        let (mut at, mut way) = (object.clone(), Vec::new());
        loop {
            let (parent, key) = self.made_at(&at)?;
            way.push(at);
            let place = key.and_then(|key| self.places.get(&(parent.clone(), key))).copied();
            if let Some(path) = place {
                // The outermost first: what is in one that is gone is gone.
                let is_hidden = |at: &(u64, ActorId)| self.is_known(at) && !self.is_shown(at);
                return Some((path, way.iter().rev().any(is_hidden)));
            }
            at = parent?;
        }
    }

    /// In which object, and under which key, an object was made.
    fn made_at(&mut self, object: &(u64, ActorId)) -> Option<(Put, Option<String>)> {
        if !self.made.contains_key(object) {
            let change = self.doc.get_change_by_hash(&self.maker(object)?)?;
            let (actor, start) = (change.actor_id().clone(), change.start_op().get());
            for (op, number) in change.decode().operations.iter().zip(start..) {
                if matches!(op.action, OpType::Make(_)) {
                    let key = match &op.key {
                        Key::Map(key) => Some(key.to_string()),
                        Key::Seq(_) => None,
                    };
                    self.made.insert((number, actor.clone()), (put_in(&op.obj), key));
                }
            }
        }
        self.made.get(object).cloned()
    }

    fn maker(&self, put: &(u64, ActorId)) -> Option<Hash> {
        self.doc.hash_for_opid(&id_of(put))
    }

    /// Was it put by what the change knows, or by itself?
    fn is_known(&self, put: &(u64, ActorId)) -> bool {
        self.maker(put).is_some_and(|hash| !self.unknown.contains(&hash))
    }

    /// Did the change leave it where it is? Of several at one place of a list the first alone.
    fn is_shown(&mut self, object: &(u64, ActorId)) -> bool {
        let Some((parent, key)) = self.made_at(object) else { return false };
        let heads = [self.since];
        let within = parent.as_ref().map_or(ROOT, id_of);
        if let Some(key) = key {
            let found = self.doc.get_all_at(&within, key, &heads).unwrap_or_default();
            return found.into_iter().any(|(_, id)| put_by(id).as_ref() == Some(object));
        }
        let doc = self.doc;
        let items = self.items.entry(parent).or_insert_with(|| {
            doc.list_range_at(&within, .., &heads).filter_map(|item| put_by(item.id())).collect()
        });
        items.contains(object)
    }
}

fn id_of((number, actor): &(u64, ActorId)) -> ObjId {
    ObjId::Id(*number, actor.clone(), 0)
}

/// The operation that made the object in which another writes.
fn put_in(object: &ObjectId) -> Put {
    match object {
        ObjectId::Id(OpId(number, actor)) => Some((*number, actor.clone())),
        ObjectId::Root => None,
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
