//! The definition of sides once more, word by word over whole pasts, to compare with.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{Automerge, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};

/// Object and key or element.
pub(crate) type Place = (String, String);

#[derive(Default)]
pub(crate) struct Definition {
    knows: BTreeMap<ChangeHash, BTreeSet<ChangeHash>>,
    writers: BTreeMap<Place, BTreeSet<ChangeHash>>,
    /// Objects and counters: where they stand, and whether as a map or list.
    objects: BTreeMap<String, (Place, bool)>,
    removers: BTreeMap<String, BTreeSet<ChangeHash>>,
    /// Changes with the objects that they have operations in, and the counters that they add to.
    touched: BTreeSet<(ChangeHash, String)>,
}

fn name(id: &OpId) -> String {
    format!("{}@{}", id.counter(), id.actor())
}

fn name_of(id: &ObjId) -> String {
    match id {
        ObjId::Root => "root".to_owned(),
        ObjId::Id(number, actor, _) => format!("{number}@{actor}"),
    }
}

impl Definition {
    pub(crate) fn of(doc: &Automerge) -> Self {
        let mut all = Self::default();
        for change in doc.get_changes(&[]) {
            let hash = change.hash();
            let past = change.deps().iter().flat_map(|dep| all.knows[dep].clone());
            let past = past.chain([hash]).collect();
            all.knows.insert(hash, past);
            let expanded = change.decode();
            for (op, number) in expanded.operations.iter().zip(change.start_op().get()..) {
                all.learn(hash, OpId(number, change.actor_id().clone()), op);
            }
        }
        all
    }

    fn learn(&mut self, change: ChangeHash, id: OpId, op: &Op) {
        let object = match &op.obj {
            ObjectId::Root => "root".to_owned(),
            ObjectId::Id(id) => name(id),
        };
        self.touched.insert((change, object.clone()));
        let at = match &op.key {
            Key::Map(key) => format!("key {key}"),
            Key::Seq(_) if op.insert => name(&id),
            Key::Seq(ElementId::Id(element)) => name(element),
            Key::Seq(ElementId::Head) => return,
        };
        let preds = op.pred.iter().map(name);
        if let OpType::Increment(_) = op.action {
            self.touched.extend(preds.map(|counter| (change, counter)));
            return;
        }
        for pred in preds {
            self.removers.entry(pred).or_default().insert(change);
        }
        let place = (object, at);
        match &op.action {
            OpType::Make(ObjType::Text) | OpType::Put(ScalarValue::Counter(_)) => {
                self.objects.insert(name(&id), (place.clone(), false));
            }
            OpType::Make(_) => {
                self.objects.insert(name(&id), (place.clone(), true));
            }
            _ => {}
        }
        self.writers.entry(place).or_default().insert(change);
    }

    fn knows(&self, change: &ChangeHash, past: &ChangeHash) -> bool {
        self.knows[change].contains(past)
    }

    fn latest(&self, changes: &BTreeSet<ChangeHash>) -> BTreeSet<ChangeHash> {
        let known = |one: &&ChangeHash| {
            !changes.iter().any(|other| other != *one && self.knows(other, one))
        };
        changes.iter().filter(known).copied().collect()
    }

    /// The latest edits below every object and counter.
    fn edits(&self) -> BTreeMap<String, BTreeSet<ChangeHash>> {
        let mut edits: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
        for (change, object) in &self.touched {
            let mut object = object;
            while let Some((place, _)) = self.objects.get(object) {
                let removers = self.removers.get(object);
                if removers.is_some_and(|all| all.iter().any(|one| self.knows(change, one))) {
                    break;
                }
                edits.entry(object.clone()).or_default().insert(*change);
                object = &place.0;
            }
        }
        edits.into_iter().map(|(object, all)| (object, self.latest(&all))).collect()
    }

    /// Of every place its sides, in order; and whether an edit below a map or list is lost there.
    pub(crate) fn sides(&self) -> BTreeMap<Place, (Vec<ChangeHash>, bool)> {
        let latest = self.writers.iter().map(|(place, writers)| {
            let sides: Vec<_> = self.latest(writers).into_iter().collect();
            (place.clone(), (sides, false))
        });
        let mut sides: BTreeMap<_, _> = latest.collect();
        for (object, edits) in self.edits() {
            let (place, branches) = &self.objects[&object];
            let known = |edit: &ChangeHash| {
                self.writers[place].iter().any(|writer| self.knows(writer, edit))
            };
            let removed = self.removers.contains_key(&object);
            for edit in edits.iter().filter(|edit| removed && !known(edit)) {
                let (all, lost) = sides.get_mut(place).unwrap();
                all.push(*edit);
                *lost |= branches;
            }
        }
        for (all, _) in sides.values_mut() {
            all.sort();
        }
        sides
    }

    /// The places on the way to an object, if the document shows it.
    pub(crate) fn above(&self, doc: &Automerge, object: &str) -> Option<Vec<Place>> {
        let mut shown = BTreeMap::from([("root".to_owned(), ROOT)]);
        let mut open = vec![ROOT];
        while let Some(object) = open.pop() {
            let below: Vec<_> = match doc.object_type(&object).unwrap() {
                ObjType::Map | ObjType::Table => {
                    doc.map_range(&object, ..).map(|i| i.id()).collect()
                }
                ObjType::List => doc.list_range(&object, ..).map(|item| item.id()).collect(),
                ObjType::Text => continue,
            };
            for id in below.into_iter().filter(|id| doc.object_type(id).is_ok()) {
                shown.insert(name_of(&id), id.clone());
                open.push(id);
            }
        }
        let (mut object, mut above) = (object.to_owned(), Vec::new());
        while object != "root" {
            shown.get(&object)?;
            let (place, _) = self.objects.get(&object)?;
            above.push(place.clone());
            object = place.0.clone();
        }
        Some(above)
    }
}
