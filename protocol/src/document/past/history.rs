//! Every value that ever stood at a path: which change wrote it, and whether it lost.
//!
//! A change touches a path where one of its operations is there, above it or below it. What it
//! wrote is what the path showed once it was made, to who knew its past and nothing else; so an
//! object that is edited below has as many values as it was edited. `SPEC: PAST-3, PAST-5`

use std::cell::Cell;
use std::collections::BTreeMap;

use automerge::legacy::{Key, ObjectId, OpType};
use automerge::{ActorId, Automerge, ChangeHash as Hash};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::document::conflict::ConflictIndex;
use crate::document::read::Seen;
use crate::document::validate::plain_operation;
use crate::document::{DocPath, EditFault};
use crate::id::ChangeHash;
use crate::limits::{
    HISTORY_APART_MAX, HISTORY_BYTES_MAX, HISTORY_LOOKS_MAX, HISTORY_MERGES_MAX, HISTORY_ROWS_MAX,
};

/// The values of a place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// As many as were asked for, causes first: the newest last.
    pub values: Vec<Stood>,
    /// How many older changes touched the place, and were not looked at.
    pub older: usize,
}

/// A value that stood at a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stood {
    /// What; none where nothing did any more.
    pub value: Option<Json>,
    /// The change that wrote it.
    pub change: ChangeHash,
    /// No later one took its place, and it did not lose.
    pub current: bool,
    /// The change that did not know it, and whose value is shown in its place.
    pub lost_to: Option<ChangeHash>,
    /// What it was made on showed just what stands before it in the list.
    pub follows: bool,
}

/// A change that touched the place.
struct Touch {
    /// Greater than that of every change in its past.
    number: u64,
    hash: Hash,
    deps: Vec<Hash>,
}

pub(super) fn of(
    doc: &Automerge,
    index: &ConflictIndex,
    path: &DocPath,
    limit: usize,
) -> Result<History, EditFault> {
    let mut touches = touching(doc, path);
    touches.sort_unstable_by_key(|touch| (touch.number, touch.hash));
    let shown = |heads: &[Hash]| {
        let read = (!heads.is_empty()).then(|| Seen::at(doc, heads).read(path).ok());
        read.flatten().map(|read| read.value)
    };
    let follows = following(index, &touches);
    let (mut values, mut looked, mut bytes) = (Vec::<Stood>::new(), 0, 0_usize);
    // What the next one shows, where the one before it in this walk was made on exactly that.
    let mut next = None;
    // What the last one in the list was made on.
    let mut made_on = None;
    for (at, touch) in touches.iter().enumerate().rev().take(HISTORY_LOOKS_MAX) {
        if values.len() >= limit.clamp(1, HISTORY_ROWS_MAX) || bytes > HISTORY_BYTES_MAX {
            break;
        }
        looked += 1;
        let value = next.take().unwrap_or_else(|| shown(&[touch.hash]));
        // What shows nothing new was read, too.
        bytes = bytes.saturating_add(value.as_ref().map_or(0, |value| value.to_string().len()));
        let before = shown(&touch.deps);
        let is_new = value != before;
        if follows.get(at) == Some(&true) {
            next = Some(before.clone());
        }
        if !is_new {
            continue;
        }
        let change = ChangeHash(touch.hash.0);
        // What was written apart stands beside each other: neither took out what it never saw.
        let newer_on = made_on.replace(before);
        if let Some(newer) = values.last_mut() {
            newer.follows = newer_on.as_ref() == Some(&value);
        }
        values.push(Stood { value, change, current: false, lost_to: None, follows: false });
    }
    let older = touches.len() - looked;
    if values.is_empty() && older == 0 {
        return Err(EditFault::Absent(path.to_string()));
    }
    values.reverse();
    let merges = Cell::new(0_usize);
    judge(index, &mut values, |one, two| {
        merges.set(merges.get() + 1);
        let heads = [Hash(one.0), Hash(two.0)];
        if merges.get() > HISTORY_MERGES_MAX { None } else { Some(shown(&heads)) }
    });
    Ok(History { values, older })
}

/// Of each touch, which come causes first: does it know the one before, and that all others before?
/// Then what it was made on is what that one shows, for nothing else touched the place. Where too
/// many wrote apart it is not found out: each touch would be compared with all of them.
fn following(index: &ConflictIndex, touches: &[Touch]) -> Vec<bool> {
    let mut last: Vec<ChangeHash> = Vec::new();
    let mut follows = Vec::with_capacity(touches.len());
    for touch in touches {
        if last.len() > HISTORY_APART_MAX {
            follows.push(false);
            continue;
        }
        let hash = ChangeHash(touch.hash.0);
        let count = last.len();
        // What it was made on it knows: to ask the index for each of a long line takes longer.
        let is_dep = |past: &ChangeHash| touch.deps.iter().any(|dep| dep.0 == past.0);
        last.retain(|past| !is_dep(past) && !index.knows(&hash, past));
        follows.push(count == 1 && last.is_empty());
        last.push(hash);
    }
    follows
}

/// Which of them lost, and which stand. `merged` shows the place to who knows two changes, as long
/// as it may.
fn judge(
    index: &ConflictIndex,
    values: &mut [Stood],
    merged: impl Fn(&ChangeHash, &ChangeHash) -> Option<Option<Json>>,
) {
    // Causes come first, so nothing knows what stands behind it.
    let knows: Vec<Vec<bool>> = values
        .iter()
        .enumerate()
        .map(|(at, one)| {
            values.iter().take(at).map(|past| index.knows(&one.change, &past.change)).collect()
        })
        .collect();
    let knew = |one: usize, past: usize| {
        one == past || knows.get(one).and_then(|of| of.get(past)).is_some_and(|knew| *knew)
    };
    // The last of its line that was written apart from the other: what came behind took its place.
    let is_side = |one: usize, other: usize| {
        !(one + 1..values.len())
            .any(|heir| knew(heir, one) && !knew(other, heir) && !knew(heir, other))
    };
    let lost = |one: usize| {
        let mut rivals = (0..values.len()).rev().filter(|rival| {
            !knew(one, *rival) && !knew(*rival, one) && is_side(one, *rival) && is_side(*rival, one)
        });
        let (this, own) = (&values.get(one)?.change, &values.get(one)?.value);
        let won = rivals.find(|rival| {
            let Some(rival) = values.get(*rival) else { return false };
            rival.value != *own && merged(this, &rival.change).is_some_and(|it| it == rival.value)
        });
        values.get(won?).map(|won| won.change)
    };
    let has_heir = |one: usize| (one + 1..values.len()).any(|heir| knew(heir, one));
    let judged: Vec<_> = (0..values.len()).map(|one| (lost(one), has_heir(one))).collect();
    for (value, (lost_to, has_heir)) in values.iter_mut().zip(judged) {
        value.current = lost_to.is_none() && !has_heir;
        value.lost_to = lost_to;
    }
}

/// The changes that touched a path, in the order in which the document holds them.
fn touching(doc: &Automerge, path: &DocPath) -> Vec<Touch> {
    let segments = path.segments();
    // The objects that ever stood on the way there, by how far they are on it; what stands at its
    // end or below is as far as it goes.
    let mut on_way: BTreeMap<(u64, ActorId), usize> = BTreeMap::new();
    let mut touches = Vec::new();
    for change in doc.get_changes(&[]) {
        let (actor, mut touched) = (change.actor_id().clone(), false);
        let start = change.start_op().get();
        // Nearly every change is one plain operation, and to read that takes a tenth.
        let plain = plain_operation(change.raw_bytes());
        let operations = plain.map_or_else(|| change.decode().operations, |op| vec![op]);
        for (op, number) in operations.iter().zip(start..) {
            let depth = match &op.obj {
                ObjectId::Root => Some(0),
                ObjectId::Id(id) => on_way.get(&(id.0, id.1.clone())).copied(),
            };
            let Some(depth) = depth else { continue };
            let leads_there = match (segments.get(depth), &op.key) {
                (None, _) | (Some(_), Key::Seq(_)) => true,
                (Some(segment), Key::Map(key)) => key.as_str() == segment,
            };
            if !leads_there {
                continue;
            }
            touched = true;
            if matches!(op.action, OpType::Make(_)) {
                on_way.insert((number, actor.clone()), (depth + 1).min(segments.len()));
            }
        }
        if touched {
            let (hash, deps) = (change.hash(), change.deps().to_vec());
            touches.push(Touch { number: start, hash, deps });
        }
    }
    touches
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable as _;
    use automerge::{AutoCommit, ROOT};

    use super::*;

    /// A document that two wrote, apart and together, as the bits of a number say.
    fn written(bits: u32) -> Automerge {
        let mut docs = [1, 2].map(|actor| AutoCommit::new().with_actor(ActorId::from([actor; 16])));
        let map = docs[0].put_object(ROOT, "map", automerge::ObjType::Map).unwrap();
        docs[0].commit();
        let [one, two] = &mut docs;
        two.merge(one).unwrap();
        for turn in 0..8 {
            let (writer, other) =
                if bits >> turn & 1 == 0 { (&mut *one, &mut *two) } else { (&mut *two, &mut *one) };
            match bits >> (8 + 2 * turn) & 3 {
                0 => writer.put(&map, "here", i64::from(turn)).unwrap(),
                1 => writer.put(&map, "beside", i64::from(turn)).unwrap(),
                2 => writer.put(ROOT, "elsewhere", i64::from(turn)).unwrap(),
                _ => writer.delete(&map, "here").unwrap(),
            }
            writer.commit();
            if bits >> (24 + turn) & 1 == 1 {
                other.merge(writer).unwrap();
            }
        }
        one.merge(two).unwrap();
        one.document().clone()
    }

    #[test]
    fn a_row_is_what_its_change_shows_where_what_it_was_made_on_shows_something_else() {
        let (mut bits, mut kept) = (1_u32, [0; 2]);
        for _ in 0..400 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let doc = written(bits);
            let index = ConflictIndex::of(&doc);
            for path in ["map", "map/here", "elsewhere"].map(|path| path.parse().unwrap()) {
                let mut touches = touching(&doc, &path);
                touches.sort_unstable_by_key(|touch| (touch.number, touch.hash));
                let shown = |heads: &[Hash]| match heads {
                    [] => None,
                    _ => Seen::at(&doc, heads).read(&path).ok().map(|read| read.value),
                };
                let rows = touches.iter().filter_map(|touch| {
                    let value = shown(&[touch.hash]);
                    (value != shown(&touch.deps)).then_some((ChangeHash(touch.hash.0), value))
                });
                let expected: Vec<_> = rows.collect();
                let history = of(&doc, &index, &path, 100).unwrap_or_default();
                let rows = history.values.into_iter().map(|row| (row.change, row.value));
                assert_eq!(rows.collect::<Vec<_>>(), expected, "{bits:#x} {path}");
                following(&index, &touches).into_iter().for_each(|it| kept[usize::from(it)] += 1);
            }
        }
        assert!(kept.iter().all(|count| *count > 500), "both ways are taken: {kept:?}");
    }
    #[test]
    fn where_many_wrote_apart_no_touch_is_compared_with_all_and_the_values_are_the_same() {
        let mut base = AutoCommit::new().with_actor(ActorId::from([254; 16]));
        base.put(ROOT, "here", 0).unwrap();
        base.commit();
        let mut all = base.fork().with_actor(ActorId::from([255; 16]));
        let apart = u8::try_from(HISTORY_APART_MAX + 2).unwrap();
        for actor in 0..apart {
            let mut one = base.fork().with_actor(ActorId::from([actor; 16]));
            one.put(ROOT, "here", i64::from(actor) + 1).unwrap();
            one.commit();
            all.merge(&mut one).unwrap();
        }
        for value in ["joined", "behind"] {
            all.put(ROOT, "here", value).unwrap();
            all.commit();
        }
        let (doc, path) = (all.document(), "here".parse().unwrap());
        let index = ConflictIndex::of(doc);
        let mut touches = touching(doc, &path);
        touches.sort_unstable_by_key(|touch| (touch.number, touch.hash));
        assert_eq!(following(&index, &touches).last(), Some(&false), "it was given up before");
        let rows = of(doc, &index, &path, 200).unwrap().values;
        assert_eq!(rows.len(), usize::from(apart) + 3);
        assert!(rows.last().is_some_and(|row| row.current && row.follows));
    }
}
