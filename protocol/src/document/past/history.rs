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
use crate::document::{DocPath, EditFault};
use crate::id::ChangeHash;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_LOOKS_MAX, HISTORY_MERGES_MAX, HISTORY_ROWS_MAX};

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
    let (mut values, mut looked, mut bytes) = (Vec::new(), 0, 0_usize);
    for touch in touches.iter().rev().take(HISTORY_LOOKS_MAX) {
        if values.len() >= limit.clamp(1, HISTORY_ROWS_MAX) || bytes > HISTORY_BYTES_MAX {
            break;
        }
        looked += 1;
        let value = shown(&[touch.hash]);
        // What shows nothing new was read, too.
        bytes = bytes.saturating_add(value.as_ref().map_or(0, |value| value.to_string().len()));
        if value == shown(&touch.deps) {
            continue;
        }
        let change = ChangeHash(touch.hash.0);
        values.push(Stood { value, change, current: false, lost_to: None });
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
        for (op, number) in change.decode().operations.iter().zip(start..) {
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
