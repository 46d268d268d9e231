//! Honest histories: several actors that edit apart and merge, with real transactions.

use automerge::hydrate::Value;
use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable;
use automerge::{
    ActorId, AutoCommit, Change, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, hydrate_list,
    hydrate_map,
};

use super::{Rng, actor, commit};

fn scalar(rng: &mut Rng) -> ScalarValue {
    match rng.below(10) {
        0 => ScalarValue::Null,
        1 => true.into(),
        2 => false.into(),
        3 => ScalarValue::Uint(rng.next()),
        4 => ScalarValue::Int(rng.next() as i64),
        5 => ScalarValue::F64(rng.next() as f64 / 7.0),
        6 => ScalarValue::Bytes(rng.next().to_be_bytes()[..rng.below(9)].to_vec()),
        7 => ScalarValue::Timestamp(rng.next() as i64),
        8 => ScalarValue::counter(rng.below(1_000) as i64 - 500),
        _ => "é string"[..rng.below(2) * 2].into(),
    }
}

fn kind(rng: &mut Rng) -> ObjType {
    [ObjType::Map, ObjType::List, ObjType::Text][rng.below(3)]
}

/// One edit of a random object that the document holds.
fn edit(doc: &mut AutoCommit, rng: &mut Rng) {
    let mut object = ROOT;
    for _ in 0..rng.below(4) {
        let below: Vec<ObjId> = match doc.object_type(&object).unwrap() {
            ObjType::Text => Vec::new(),
            ObjType::List => (0..doc.length(&object))
                .filter_map(|at| doc.get(&object, at).unwrap())
                .filter_map(|(value, id)| value.is_object().then_some(id))
                .collect(),
            _ => {
                let keys: Vec<_> = doc.keys(&object).collect();
                keys.iter()
                    .flat_map(|key| doc.get_all(&object, key.as_str()).unwrap())
                    .filter_map(|(value, id)| value.is_object().then_some(id))
                    .collect()
            }
        };
        if below.is_empty() {
            break;
        }
        object = below[rng.below(below.len())].clone();
    }
    let length = doc.length(&object);
    match doc.object_type(&object).unwrap() {
        ObjType::Text => edit_text(doc, rng, &object, length),
        ObjType::List => edit_list(doc, rng, &object, length),
        _ => edit_map(doc, rng, &object),
    }
}

/// A value that holds others.
fn nested(rng: &mut Rng) -> Value {
    match rng.below(3) {
        0 => hydrate_map! { "x" => 1, "y" => hydrate_list![1, "two"] }.into(),
        1 => hydrate_list!["a", hydrate_map! { "z" => 3 }].into(),
        _ => (rng.below(100) as i64).into(),
    }
}

fn edit_map(doc: &mut AutoCommit, rng: &mut Rng, object: &ObjId) {
    let name = ["a", "b", "c", "a much longer key than the inline one"][rng.below(4)];
    match rng.below(10) {
        8 => {
            let value = nested(rng);
            drop(doc.batch_create_object(object, name, &value, false));
        }
        9 => {
            let value: Value =
                hydrate_map! { name => rng.below(9) as i64, "b" => nested(rng) }.into();
            doc.update_object(object, &value).unwrap();
        }
        0 | 1 => drop(doc.put_object(object, name, kind(rng)).unwrap()),
        2 => drop(doc.delete(object, name)),
        3 | 4 => drop(doc.increment(object, name, rng.below(100) as i64 - 50)),
        _ => doc.put(object, name, scalar(rng)).unwrap(),
    }
}

fn edit_list(doc: &mut AutoCommit, rng: &mut Rng, object: &ObjId, length: usize) {
    let at = rng.below(length + 1);
    match rng.below(10) {
        8 => {
            let (gone, values) =
                (rng.below(length - at + 1) as isize, vec![nested(rng), nested(rng)]);
            doc.splice(object, at, gone, values).unwrap();
        }
        9 => {
            let value: Value = hydrate_list![1, nested(rng), rng.below(9) as i64].into();
            doc.update_object(object, &value).unwrap();
        }
        0 => drop(doc.insert_object(object, at, kind(rng)).unwrap()),
        1 if at < length => doc.delete(object, at).unwrap(),
        2 if at < length => drop(doc.increment(object, at, 3)),
        3 if at < length => doc.put(object, at, scalar(rng)).unwrap(),
        4 if at < length => drop(doc.put_object(object, at, kind(rng)).unwrap()),
        _ => doc.insert(object, at, scalar(rng)).unwrap(),
    }
}

fn edit_text(doc: &mut AutoCommit, rng: &mut Rng, object: &ObjId, length: usize) {
    let at = rng.below(length + 1);
    let end = at + rng.below(length - at + 1);
    let expand = [ExpandMark::Both, ExpandMark::None, ExpandMark::After, ExpandMark::Before];
    match rng.below(5) {
        4 => doc.update_text(object, ["hello", "wörld, hello", ""][rng.below(3)]).unwrap(),
        0 => {
            let mark = Mark::new("bold".into(), rng.below(2) == 0, at, end);
            doc.mark(object, mark, expand[rng.below(4)]).unwrap();
        }
        1 => doc.unmark(object, "bold", at, end, expand[rng.below(4)]).unwrap(),
        2 => doc.splice_text(object, at, (end - at).min(3) as isize, "é").unwrap(),
        _ => doc.splice_text(object, at, 0, "hello wörld").unwrap(),
    }
}

/// A history of several actors that edit apart and merge, in causal order.
pub(crate) fn history(seed: u64, steps: usize) -> (AutoCommit, Vec<Change>) {
    history_by(&mut Rng::new(seed), steps)
}

/// The same with another generator.
pub(crate) fn history_by(rng: &mut Rng, steps: usize) -> (AutoCommit, Vec<Change>) {
    let mut docs: Vec<_> =
        (1..=4).map(|who| AutoCommit::new().with_actor(ActorId::from(actor(who)))).collect();
    for _ in 0..steps {
        let at = rng.below(docs.len());
        if rng.below(3) == 0 {
            let other = rng.below(docs.len());
            let mut from = docs[other].clone();
            docs[at].merge(&mut from).unwrap();
        } else {
            for _ in 0..1 + rng.below(6) {
                edit(&mut docs[at], rng);
            }
            commit(&mut docs[at]);
        }
    }
    let mut whole = docs.remove(0);
    for mut doc in docs {
        whole.merge(&mut doc).unwrap();
    }
    let changes = whole.get_changes(&[]);
    (whole, changes)
}
