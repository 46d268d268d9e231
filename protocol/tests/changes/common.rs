//! Makers of honest and of hostile changes, and a document to make them for.

#[path = "common/history.rs"]
pub(crate) mod history;
#[path = "common/parts.rs"]
mod parts;
#[path = "common/using.rs"]
mod using;

use std::collections::VecDeque;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{
    ActorId, AutoCommit, Automerge, Change, ChangeHash, ExpandedChange, ObjType, ROOT, ScalarValue,
};
use kernelos_protocol::document::validate::{ChangeFault, ChangeIndex, Checked};

pub(crate) use parts::{Parts, contents, seal, signed, unsigned};

pub(crate) use using::{use_among, use_of};

/// A generator of numbers that is the same everywhere (splitmix64). Where it is given bytes, they
/// choose first, one each time.
pub(crate) struct Rng {
    seed: u64,
    chosen: VecDeque<u8>,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, chosen: VecDeque::new() }
    }

    pub(crate) fn chosen_by(bytes: &[u8]) -> Self {
        Self { seed: 0, chosen: bytes.iter().copied().collect() }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let chosen = self.chosen.pop_front().map(u64::from);
        (chosen.unwrap_or_else(|| self.next()) % bound.max(1) as u64) as usize
    }
}

pub(crate) fn actor(number: u8) -> [u8; 16] {
    [number; 16]
}

pub(crate) fn commit(doc: &mut AutoCommit) -> Option<ChangeHash> {
    doc.commit_with(CommitOptions::default().with_time(0))
}

/// A document with one of everything, and the index that accepted it.
pub(crate) struct World {
    pub(crate) index: ChangeIndex,
    pub(crate) doc: Automerge,
}

pub(crate) const MAP: u64 = 1;
pub(crate) const LIST: u64 = 2;
pub(crate) const TEXT: u64 = 3;
pub(crate) const COUNTER: u64 = 4;
pub(crate) const STRING: u64 = 5;
pub(crate) const FIRST: u64 = 7;
pub(crate) const SECOND: u64 = 8;
pub(crate) const LETTER_A: u64 = 10;
pub(crate) const LETTER_B: u64 = 11;
pub(crate) const LETTER_C: u64 = 12;
pub(crate) const LAST: u64 = 12;

pub(crate) fn id(number: u64) -> OpId {
    by(number, 1)
}

pub(crate) fn by(number: u64, who: u8) -> OpId {
    OpId(number, ActorId::from(actor(who)))
}

pub(crate) fn in_object(number: u64) -> ObjectId {
    ObjectId::Id(id(number))
}

pub(crate) fn key(name: &str) -> Key {
    Key::Map(name.into())
}

pub(crate) fn at(number: u64) -> Key {
    Key::Seq(ElementId::Id(id(number)))
}

pub(crate) fn head() -> Key {
    Key::Seq(ElementId::Head)
}

pub(crate) fn op(obj: ObjectId, key: Key, action: OpType, pred: &[OpId]) -> Op {
    Op { action, obj, key, pred: pred.to_vec().into(), insert: false }
}

pub(crate) fn insert(obj: ObjectId, key: Key, action: OpType) -> Op {
    Op { action, obj, key, pred: Vec::new().into(), insert: true }
}

pub(crate) fn put(value: impl Into<ScalarValue>) -> OpType {
    OpType::Put(value.into())
}

impl World {
    pub(crate) fn new() -> Self {
        let mut doc = AutoCommit::new().with_actor(ActorId::from(actor(1)));
        let map = doc.put_object(ROOT, "map", ObjType::Map).unwrap();
        let list = doc.put_object(ROOT, "list", ObjType::List).unwrap();
        let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
        doc.put(ROOT, "counter", ScalarValue::counter(10)).unwrap();
        doc.put(ROOT, "string", "one").unwrap();
        doc.put(&map, "inner", 1).unwrap();
        for index in 0..3 {
            doc.insert(&list, index, index as i64).unwrap();
        }
        doc.splice_text(&text, 0, 0, "abc").unwrap();
        commit(&mut doc).unwrap();
        let changes: Vec<_> = doc.get_changes(&[]).iter().map(|c| c.raw_bytes().to_vec()).collect();
        let mut index = ChangeIndex::new();
        for bytes in &changes {
            let checked = check(&index, bytes).unwrap();
            index.insert(checked);
        }
        Self { index, doc: doc.document().clone() }
    }

    /// The change of those operations that would be next, by the first actor or by another.
    pub(crate) fn expanded(&self, who: u8, operations: Vec<Op>) -> ExpandedChange {
        let all = self.doc.get_changes(&[]);
        let seq = all.iter().filter(|change| *change.actor_id() == by(0, who).1);
        ExpandedChange {
            operations,
            actor_id: ActorId::from(actor(who)),
            hash: None,
            seq: seq.count() as u64 + 1,
            start_op: (LAST + 1).try_into().unwrap(),
            time: 0,
            message: None,
            deps: self.doc.get_heads(),
            extra_bytes: Vec::new(),
            author: None,
        }
    }

    pub(crate) fn change(&self, operations: Vec<Op>) -> Vec<u8> {
        raw(self.expanded(1, operations))
    }

    /// An honest change of the world, to be put wrong.
    pub(crate) fn honest(&self) -> Vec<u8> {
        let root = ObjectId::Root;
        let step = OpType::Increment(2);
        self.change(vec![
            op(root.clone(), key("string"), put("two"), &[id(STRING)]),
            insert(in_object(LIST), at(FIRST), put(5)),
            op(in_object(LIST), at(SECOND), OpType::Delete, &[id(SECOND)]),
            op(root, key("counter"), step, &[id(COUNTER)]),
        ])
    }

    /// The honest change with a part of its bytes put wrong, and the checksum set right.
    pub(crate) fn parts(&self, put_wrong: impl FnOnce(&mut Parts)) -> Vec<u8> {
        let mut parts = Parts::of(&self.honest());
        put_wrong(&mut parts);
        parts.bytes()
    }

    /// A change of one operation with its head put wrong.
    pub(crate) fn put_wrong(&self, put_wrong: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
        let operation = op(ObjectId::Root, key("new"), put(1), &[]);
        let mut change = self.expanded(1, vec![operation]);
        put_wrong(&mut change);
        raw(change)
    }

    /// Asserts what becomes of the change; the fact is what the change is.
    pub(crate) fn is(&self, fact: &str, bytes: Vec<u8>, expected: &str) {
        assert_eq!(self.code(&bytes), expected, "{fact}");
    }

    /// The code that the change is refused with.
    pub(crate) fn code(&self, bytes: &[u8]) -> &'static str {
        self.check(bytes).err().map_or("accepted", ChangeFault::code)
    }

    pub(crate) fn check(&self, bytes: &[u8]) -> Result<Checked, ChangeFault> {
        check(&self.index, bytes)
    }
}

pub(crate) fn raw(expanded: ExpandedChange) -> Vec<u8> {
    Change::from(expanded).raw_bytes().to_vec()
}

/// The check with everything accepted in view, and the actor that the bytes name.
pub(crate) fn check(index: &ChangeIndex, bytes: &[u8]) -> Result<Checked, ChangeFault> {
    let actor = kernelos_protocol::document::validate::frame(bytes)?.actor;
    index.check(bytes, &actor, &|hash| index.contains(hash))
}
