//! At or below which of some places an operation writes, or on the way to which: its site.
//!
//! Places are found by the objects that they are in, not by what is shown there: what another
//! replaced or removed, or what lost a conflict, is still below the place where it was put.
//! `SPEC: UNDO-3`

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, ObjectId, Op, OpId};
use automerge::{ActorId, ObjId};

use super::conflict::ConflictIndex;
use super::read::Seen;
use crate::document::DocPath;

/// The operation that made an object; that of the root is none.
pub(super) type Made = Option<(u64, ActorId)>;

/// The places that are asked for.
pub(super) struct Sites<'a> {
    index: &'a ConflictIndex,
    /// At or below which place an object is, by its site.
    below: BTreeMap<(u64, ActorId), Option<usize>>,
    /// The keys that are a place or on the way to one: its site, and whether it is a place.
    keys: BTreeMap<(Made, String), (usize, bool)>,
    /// How many sites there are.
    count: usize,
    /// The sites of each place: its own, and those on the way to it.
    ways: Vec<BTreeSet<usize>>,
}

impl<'a> Sites<'a> {
    /// Those of places of which none is in another, as they are seen at these moments.
    pub(super) fn new(
        index: &'a ConflictIndex,
        moments: [&Seen<'_>; 3],
        places: &[&DocPath],
    ) -> Self {
        let mut sites = Self {
            index,
            below: BTreeMap::new(),
            keys: BTreeMap::new(),
            count: 0,
            ways: vec![BTreeSet::new(); places.len()],
        };
        for seen in moments {
            // Places that are next to each other are in the same objects.
            let mut held = BTreeMap::from([(DocPath::default(), Some(None))]);
            for (number, path) in places.iter().enumerate() {
                let way = sites.way(seen, path, &mut held);
                if let Some(ways) = sites.ways.get_mut(number) {
                    ways.extend(way);
                }
            }
        }
        sites
    }

    /// The sites of a place, as it is seen.
    fn way(
        &mut self,
        seen: &Seen<'_>,
        path: &DocPath,
        held: &mut BTreeMap<DocPath, Option<Made>>,
    ) -> Vec<usize> {
        let (mut at, mut way) = (DocPath::default(), Vec::new());
        for (depth, key) in path.segments().iter().enumerate() {
            let found = held.entry(at.clone()).or_insert_with(|| {
                seen.find(&at).ok().and_then(|mut found| found.pop()).map(|(_, id)| made_by(id))
            });
            let Some(object) = found.clone() else { break };
            let (new, is_place) = (self.count, depth + 1 == path.segments().len());
            let (site, _) = *self.keys.entry((object, key.clone())).or_insert((new, is_place));
            self.count = self.count.max(site + 1);
            way.push(site);
            let Ok(below) = at.child(key) else { break };
            at = below;
        }
        way
    }

    /// How many sites there are; they are numbered from 0.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The sites of each place: its own, and those on the way to it.
    pub(super) fn of_places(&self) -> &[BTreeSet<usize>] {
        &self.ways
    }

    /// The site at which an operation writes: at a place or below it, or on the way to one; and
    /// whether it replaces or removes what is there.
    pub(super) fn of(&mut self, op: &Op) -> Option<(usize, bool)> {
        let object = made_in(&op.obj);
        if let Key::Map(key) = &op.key
            && let Some((site, _)) = self.keys.get(&(object.clone(), key.to_string()))
        {
            return Some((*site, true));
        }
        self.place_above(object).map(|site| (site, false))
    }

    /// The place at or below which an object is, by its site.
    fn place_above(&mut self, object: Made) -> Option<usize> {
        let (mut at, mut way, mut found) = (object, Vec::new(), None);
        while let Some(object) = at {
            if let Some(known) = self.below.get(&object) {
                found = *known;
                break;
            }
            let made = self.index.put_at(&object);
            way.push(object);
            let Some((parent, key)) = made else { break };
            let key = key.and_then(|key| self.keys.get(&(parent.clone(), key)));
            found = key.filter(|(_, is_place)| *is_place).map(|(site, _)| *site);
            if found.is_some() {
                break;
            }
            at = parent;
        }
        self.below.extend(way.into_iter().map(|object| (object, found)));
        found
    }
}

/// The operation that made the object in which another writes.
pub(super) fn made_in(object: &ObjectId) -> Made {
    match object {
        ObjectId::Id(OpId(number, actor)) => Some((*number, actor.clone())),
        ObjectId::Root => None,
    }
}

/// The operation that made this.
pub(super) fn made_by(id: ObjId) -> Made {
    match id {
        ObjId::Id(number, actor, _) => Some((number, actor)),
        ObjId::Root => None,
    }
}
