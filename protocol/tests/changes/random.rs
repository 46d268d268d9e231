//! Changes put wrong at random, with the checksum they ought to have: nothing panics, and what
//! is accepted is of use to Automerge.

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use super::common::history::history;
use super::common::{Rng, check, contents, seal, use_among, use_of};
use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{Automerge, Change, ExpandedChange, ObjType, ScalarValue};
use kernelos_protocol::document::validate::ChangeIndex;

struct Mutator<'a> {
    rng: &'a mut Rng,
    /// Operation ids that the history holds.
    ids: &'a [OpId],
    ops: &'a [Op],
}

impl Mutator<'_> {
    fn id(&mut self) -> OpId {
        let mut id = self.ids[self.rng.below(self.ids.len())].clone();
        if self.rng.below(8) == 0 {
            id.0 = id.0.saturating_add_signed(self.rng.below(5) as i64 - 2);
        }
        id
    }

    fn key(&mut self) -> Key {
        match self.rng.below(4) {
            0 => Key::Map(["a", "b", "", "c"][self.rng.below(4)].into()),
            1 => Key::Seq(ElementId::Head),
            _ => Key::Seq(ElementId::Id(self.id())),
        }
    }

    fn action(&mut self) -> OpType {
        let value = match self.rng.below(6) {
            0 => ScalarValue::counter(self.rng.below(100) as i64),
            1 => ScalarValue::F64(f64::from_bits(self.rng.next())),
            2 => ScalarValue::Null,
            3 => ScalarValue::Int(self.rng.next() as i64),
            _ => ["", "x", "é"][self.rng.below(3)].into(),
        };
        match self.rng.below(9) {
            0 => OpType::Make(ObjType::Map),
            1 => OpType::Make(ObjType::List),
            2 => OpType::Make(ObjType::Text),
            3 => OpType::Delete,
            4 => OpType::Increment(self.rng.below(100) as i64 - 50),
            5 => OpType::MarkEnd(self.rng.below(2) == 0),
            6 => OpType::MarkBegin(MarkData { name: "bold".into(), value, expand: true }),
            _ => OpType::Put(value),
        }
    }

    /// One thing of one operation becomes another.
    fn op(&mut self, op: &mut Op) {
        match self.rng.below(8) {
            0 => op.obj = ObjectId::Id(self.id()),
            1 => op.obj = ObjectId::Root,
            2 => op.key = self.key(),
            3 => op.insert = !op.insert,
            4 => op.action = self.action(),
            5 => op.pred = Vec::new().into(),
            6 => {
                let mut preds: Vec<_> = op.pred.iter().cloned().collect();
                preds.push(self.id());
                op.pred = preds.into();
            }
            // An operation that was right in another place.
            _ => *op = self.ops[self.rng.below(self.ops.len())].clone(),
        }
    }

    fn change(&mut self, change: &mut ExpandedChange, earlier: &[Change]) {
        if self.rng.below(8) == 0 && !earlier.is_empty() {
            // Often one that is in the past already.
            change.deps.push(earlier[self.rng.below(earlier.len())].hash());
            change.deps.sort();
            change.deps.dedup();
            return;
        }
        for _ in 0..1 + self.rng.below(3) {
            let count = change.operations.len();
            let at = self.rng.below(count);
            match self.rng.below(6) {
                0 => change.operations.swap(at, count - 1),
                1 if count > 1 => drop(change.operations.remove(at)),
                2 => {
                    let copy = self.ops[self.rng.below(self.ops.len())].clone();
                    change.operations.insert(at, copy);
                }
                _ => self.op(&mut change.operations[at]),
            }
        }
    }
}

/// A byte of the contents becomes another, and the checksum is set right.
fn bytes_put_wrong(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut whole = contents(bytes).to_vec();
    for _ in 0..1 + rng.below(3) {
        let at = rng.below(whole.len());
        match rng.below(4) {
            0 => whole[at] ^= 1 << rng.below(8),
            1 => whole[at] = rng.next() as u8,
            2 => drop(whole.remove(at)),
            _ => whole.insert(at, rng.next() as u8),
        }
    }
    seal(1, &whole)
}

fn index_of(changes: &[Change]) -> ChangeIndex {
    let mut index = ChangeIndex::new();
    for change in changes {
        let checked = check(&index, change.raw_bytes()).unwrap();
        index.insert(checked);
    }
    index
}

/// The changes that are neither the given one nor know it.
fn apart_from(changes: &[Change], at: usize) -> Vec<Change> {
    let mut knowing = BTreeSet::from([changes[at].hash()]);
    let mut apart = Vec::new();
    for change in changes {
        if knowing.contains(&change.hash()) || change.deps().iter().any(|dep| knowing.contains(dep))
        {
            knowing.insert(change.hash());
        } else {
            apart.push(change.clone());
        }
    }
    apart
}

fn run(seeds: std::ops::Range<u64>, each: usize) -> (usize, usize) {
    let (mut all, mut accepted) = (0, 0);
    for seed in seeds {
        let (mut doc, changes) = history(seed, 60);
        let doc: Automerge = doc.document().clone();
        let index = index_of(&changes);
        let decoded: Vec<_> = changes.iter().map(Change::decode).collect();
        let ops: Vec<_> = decoded.iter().flat_map(|change| change.operations.clone()).collect();
        let ids: Vec<_> = decoded
            .iter()
            .flat_map(|change| {
                let start = change.start_op.get();
                (start..start + change.operations.len() as u64)
                    .map(|number| OpId(number, change.actor_id.clone()))
            })
            .collect();
        let mut rng = Rng::new(seed);
        for step in 0..each {
            let at = rng.below(changes.len());
            let bytes = if rng.below(3) == 0 {
                bytes_put_wrong(&mut rng, changes[at].raw_bytes())
            } else {
                let mut change = decoded[at].clone();
                Mutator { rng: &mut rng, ids: &ids, ops: &ops }.change(&mut change, &changes[..at]);
                Change::from(change).raw_bytes().to_vec()
            };
            all += 1;
            if check(&index, &bytes).is_err() {
                continue;
            }
            accepted += 1;
            let change = Change::try_from(&bytes[..]).unwrap();
            let apart = apart_from(&changes, at);
            let used = catch_unwind(|| {
                use_of(&doc, change.clone())?;
                use_among(&apart, &change)
            });
            match used {
                Ok(Ok(())) => {}
                Ok(Err(what)) => {
                    panic!("seed {seed} step {step}: {what}: {:#?}", change.decode().operations)
                }
                Err(_) => {
                    panic!("seed {seed} step {step}: a panic: {:#?}", change.decode().operations)
                }
            }
        }
    }
    (all, accepted)
}

/// SPEC: DOC-12
#[test]
fn what_is_accepted_of_two_thousand_changes_put_wrong_is_of_use() {
    let (all, accepted) = run(100..110, 200);
    assert_eq!(all, 2_000);
    // The test is worth something only if a good part gets through.
    assert!(accepted > 200, "only {accepted} were accepted");
}
