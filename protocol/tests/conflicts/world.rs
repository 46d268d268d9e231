//! Devices that edit one document apart and hear each other, driven by one line of text.

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, Change, ObjId, ROOT, ReadDoc, ScalarValue};
use kernelos_protocol::document::conflict::{Conflict, ConflictIndex, ConflictList, Side, Which};
use kernelos_protocol::document::validate::{ChangeHash, ChangeIndex};
use kernelos_protocol::document::{
    DocumentDone, DocumentTask, Documents, Dump, Edit, EditFault, LocalChange,
};
use kernelos_protocol::id::DocumentId;
use serde_json::Value as Json;

pub(crate) const DOCUMENT: DocumentId = DocumentId([7; 32]);

/// A device: the documents under test, and the same document for what they have no edit for.
pub(crate) struct Device {
    documents: Documents,
    pub(crate) mirror: Automerge,
    actor: [u8; 16],
}

impl Device {
    pub(crate) fn new(actor: u8) -> Self {
        let actor = [actor; 16];
        let mirror = Automerge::new().with_actor(ActorId::from(actor));
        Self { documents: Documents::default(), mirror, actor }
    }

    pub(crate) fn apply(&mut self, changes: &[Change]) {
        self.mirror.apply_changes(changes.iter().cloned()).unwrap();
        let changes = changes.iter().map(|change| change.raw_bytes().to_vec()).collect();
        match self.documents.perform(DocumentTask::Apply { document: DOCUMENT, changes }) {
            DocumentDone::Holds { heads, .. } => assert!(heads.is_ok(), "{heads:?}"),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn edit(&mut self, edits: Vec<Edit>) -> Result<Option<LocalChange>, EditFault> {
        let task = DocumentTask::Transact { document: DOCUMENT, actor: self.actor, edits };
        let DocumentDone::Transacted(done) = self.documents.perform(task) else {
            panic!("another answer")
        };
        if let Ok(Some(made)) = &done {
            let change = Change::from_bytes(made.chunk.clone()).unwrap();
            self.mirror.apply_changes([change]).unwrap();
        }
        done
    }

    pub(crate) fn perform(&mut self, task: DocumentTask) -> DocumentDone {
        self.documents.perform(task)
    }

    pub(crate) fn list(&mut self) -> ConflictList {
        match self.documents.perform(DocumentTask::Conflicts {
            document: DOCUMENT,
            which: Which::First,
            put_back: Default::default(),
        }) {
            DocumentDone::Conflicts(list) => list.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The list made from the whole document at once.
    pub(crate) fn list_from_scratch(&self) -> ConflictList {
        ConflictIndex::of(&self.mirror).list(&self.mirror, &DOCUMENT, &Which::First).unwrap()
    }

    pub(crate) fn drop(&mut self, changes: &[ChangeHash]) {
        let changes = changes.iter().map(|hash| kernelos_protocol::id::ChangeHash(hash.0));
        let task = DocumentTask::Drop { document: DOCUMENT, changes: changes.collect() };
        self.documents.perform(task);
    }

    /// An edit that the documents do not make themselves.
    pub(crate) fn raw(&mut self, make: impl FnOnce(&mut automerge::transaction::Transaction<'_>)) {
        let before = self.mirror.get_heads();
        let mut tx = self.mirror.transaction();
        make(&mut tx);
        tx.commit_with(CommitOptions::default().with_time(0));
        let made: Vec<_> = self.mirror.get_changes(&before);
        let changes = made.iter().map(|change| change.raw_bytes().to_vec()).collect();
        self.documents.perform(DocumentTask::Apply { document: DOCUMENT, changes });
    }

    pub(crate) fn read(&mut self, path: &str) -> Result<Json, EditFault> {
        let task = DocumentTask::Read { document: DOCUMENT, path: path.parse().unwrap() };
        match self.documents.perform(task) {
            DocumentDone::Read(read) => read.map(|read| read.value),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn dump(&mut self) -> Dump {
        match self.documents.perform(DocumentTask::Dump { documents: vec![DOCUMENT] }) {
            DocumentDone::Dumped(dumps) => dumps.unwrap().remove(&DOCUMENT).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Writes so many keys of the notes.
    pub(crate) fn raw_keys(&mut self, keys: std::ops::Range<usize>, value: i64) {
        self.raw(|tx| {
            let (_, notes) = tx.get(ROOT, "notes").unwrap().unwrap();
            for key in keys {
                tx.put(&notes, format!("{key:05}"), value).unwrap();
            }
        });
    }

    fn place(&self, path: &str) -> (ObjId, String) {
        let (above, last) = path.rsplit_once('/').unwrap();
        let mut object = ROOT;
        for key in above.split('/') {
            object = self.mirror.get(&object, key).unwrap().unwrap().1;
        }
        (object, last.to_owned())
    }

    fn told(&mut self, verb: &str, path: &str, value: &str) {
        let json = || serde_json::from_str::<Json>(value).unwrap();
        let edit = match verb {
            "set" => Edit::Set { set: path.parse().unwrap(), value: json() },
            "rm" => Edit::Rm { rm: path.parse().unwrap() },
            "keep" => self.keep(path),
            "decide" => {
                let value = serde_json::from_str(path).unwrap();
                Edit::Decide { resolve: self.list().conflicts[0].id, value }
            }
            "count" => {
                let (object, key) = self.place(path);
                let counter = ScalarValue::counter(value.parse().unwrap());
                return self.raw(|tx| tx.put(&object, key, counter).unwrap());
            }
            "add" => {
                let (object, key) = self.place(path);
                let by = value.parse().unwrap();
                return self.raw(|tx| tx.increment(&object, key, by).unwrap());
            }
            "type" => {
                let (object, key) = self.place(path);
                let text = self.mirror.get(&object, key).unwrap().unwrap().1;
                return self.raw(|tx| tx.splice_text(&text, 0, 0, value).unwrap());
            }
            other => panic!("{other}?"),
        };
        self.edit(vec![edit]).unwrap();
    }

    /// The resolution of the first conflict by the side that shows `value`.
    pub(crate) fn keep(&mut self, value: &str) -> Edit {
        let conflict = self.list().conflicts.remove(0);
        let side = conflict.sides.iter().find(|side| shown(side) == value).unwrap();
        Edit::Keep { resolve: conflict.id, keep: side.letter.clone() }
    }
}

/// Some devices.
pub(crate) struct World(pub(crate) BTreeMap<char, Device>);

impl World {
    /// Devices A, B and C, which know a map `notes`.
    pub(crate) fn new() -> Self {
        let devices = ['A', 'B', 'C'].into_iter().zip(1..);
        let mut world = Self(devices.map(|(name, actor)| (name, Device::new(actor))).collect());
        world.run("A set notes {} | all");
        world
    }

    pub(crate) fn of(history: &str) -> Self {
        let mut world = Self::new();
        world.run(history);
        world
    }

    pub(crate) fn device(&mut self, name: char) -> &mut Device {
        self.0.get_mut(&name).unwrap()
    }

    pub(crate) fn run(&mut self, history: &str) {
        for step in history.split('|').map(str::trim).filter(|step| !step.is_empty()) {
            let mut words = step.splitn(4, ' ');
            let who = words.next().unwrap();
            let verb = words.next().unwrap_or_default();
            match (who, verb) {
                ("all", _) => self.all(),
                (_, "hears") => self.hears(name(who), name(words.next().unwrap())),
                _ => {
                    let path = words.next().unwrap();
                    let device = self.device(name(who));
                    device.told(verb, path, words.next().unwrap_or_default());
                }
            }
        }
    }

    pub(crate) fn hears(&mut self, one: char, other: char) {
        let have = self.device(one).mirror.get_heads();
        let other = &self.device(other).mirror;
        let known: Vec<_> =
            have.into_iter().filter(|hash| other.get_change_by_hash(hash).is_some()).collect();
        let news = other.get_changes(&known);
        let device = self.device(one);
        let new = |change: &Change| device.mirror.get_change_by_hash(&change.hash()).is_none();
        let news: Vec<_> = news.into_iter().filter(new).collect();
        device.apply(&news);
    }

    pub(crate) fn all(&mut self) {
        let names: Vec<_> = self.0.keys().copied().collect();
        for _ in 0..2 {
            for (one, other) in names.iter().flat_map(|one| names.iter().map(move |o| (*one, *o))) {
                if one != other {
                    self.hears(one, other);
                }
            }
        }
    }

    /// What every device lists, in whatever order it heard the changes.
    pub(crate) fn everywhere(&mut self) -> ConflictList {
        self.all();
        let changes = self.device('A').mirror.get_changes(&[]);
        validate(&changes);
        let list = self.device('A').list();
        for device in self.0.values_mut() {
            assert_eq!(device.list(), list);
        }
        assert_eq!(self.device('A').list_from_scratch(), list);
        for seed in 0..4 {
            let mut device = Device::new(9);
            for batch in order(&changes, seed).chunks(1 + seed) {
                device.apply(batch);
            }
            assert_eq!(device.list(), list, "order {seed}");
        }
        list
    }
}

fn name(who: &str) -> char {
    who.chars().next().unwrap()
}

/// Whatever is made here, by resolving too, counts as a change.
fn validate(changes: &[Change]) {
    let mut index = ChangeIndex::new();
    for change in changes {
        let actor: [u8; 16] = change.actor_id().to_bytes().try_into().unwrap();
        let checked = index.check(change.raw_bytes(), &actor, &|hash| index.contains(hash));
        index.insert(checked.unwrap());
    }
}

/// Another order in which every change comes after what it depends on.
fn order(changes: &[Change], seed: usize) -> Vec<Change> {
    let (mut done, mut sorted) = (BTreeSet::new(), Vec::new());
    let mut left: Vec<_> = changes.to_vec();
    while !left.is_empty() {
        let ready = |change: &Change| change.deps().iter().all(|dep| done.contains(dep));
        let ready: Vec<_> = (0..left.len()).filter(|at| ready(&left[*at])).collect();
        let pick = match seed {
            0 => 0,
            1 => ready.len() - 1,
            seed => (sorted.len() * 7 + seed * 13) % ready.len(),
        };
        let change = left.remove(ready[pick]);
        done.insert(change.hash());
        sorted.push(change);
    }
    sorted
}

/// What a side shows: JSON, or `gone`.
pub(crate) fn shown(side: &Side) -> String {
    if side.deleted { "gone".to_owned() } else { side.value.to_string() }
}

/// A conflict as its path, kind, base and what the sides show, sorted.
pub(crate) fn told(conflict: &Conflict) -> String {
    let mut sides: Vec<_> = conflict.sides.iter().map(shown).collect();
    sides.sort();
    let kind = serde_json::to_value(conflict.kind).unwrap();
    let kind = kind.as_str().unwrap();
    format!("{} {kind} {}: {}", conflict.path, conflict.base, sides.join(" or "))
}

pub(crate) fn told_all(list: &ConflictList) -> String {
    list.conflicts.iter().map(told).collect::<Vec<_>>().join("; ")
}

/// Asserts what conflicts a history leaves when everybody heard everything.
#[track_caller]
pub(crate) fn check(history: &str, expected: &str) {
    let list = World::of(history).everywhere();
    assert_eq!(told_all(&list), expected, "{history}");
}
