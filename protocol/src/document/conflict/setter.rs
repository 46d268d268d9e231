//! Who wrote what a side shows, where an undo put it back.
//!
//! An undo of a resolution puts each of the values that were there by a change of its own, so that
//! the conflict is open again; the sides are those changes. Who took back decides nothing by that:
//! the value is still that of the change that put it before it was resolved, and that is read at
//! what the resolution was made on. What stood there before, and what the sides knew of each other,
//! is told of those changes too. `SPEC: CFL-17, UNDO-2`

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ChangeHash as Hash};
use serde_json::Value as Json;

use super::Side;
use crate::document::read::Seen;
use crate::document::{DocPath, Reversal};
use crate::id::ChangeHash;
use crate::limits::SETTER_UNDOS_MAX;

/// The changes of undos that put several values back, each with what it takes back.
pub type PutBack = BTreeMap<ChangeHash, Reversal>;

/// Names the change that wrote each side's value first, where an undo put it back.
pub(super) fn name_setters(
    doc: &Automerge,
    path: &DocPath,
    sides: &mut [Side],
    put_back: &PutBack,
) {
    let mut named = BTreeSet::new();
    for side in sides {
        side.wrote = setter(doc, path, &side.value, side.change, put_back, &named);
        named.extend(side.wrote);
    }
}

/// The change that put the value, behind as many undos as put it back. Of several that put the
/// same it is one that was not named yet, as long as there is one: where several took the same back
/// there are more sides than were put, and none of them is who took back.
fn setter(
    doc: &Automerge,
    path: &DocPath,
    value: &Json,
    side: ChangeHash,
    put_back: &PutBack,
    named: &BTreeSet<ChangeHash>,
) -> Option<ChangeHash> {
    let mut change = side;
    for _ in 0..SETTER_UNDOS_MAX {
        let Some(reversal) = put_back.get(&change) else { break };
        let resolution = doc.get_change_meta_by_hash(&Hash(reversal.change.0));
        let Some(resolution) = resolution else { break };
        let is_before = |dep: &&Hash| !reversal.joined.contains(&ChangeHash(dep.0));
        let before: Vec<_> = resolution.deps.iter().filter(is_before).copied().collect();
        let seen = Seen::at(doc, &before);
        // What resolved nothing had no sides: who says to take it back brings no old value up
        // again in another's name.
        let found = seen.find(path).ok().filter(|found| found.len() > 1 && !before.is_empty());
        let same = found.into_iter().flatten().filter(|(of, id)| seen.json(of, id, 0) == *value);
        let setters: Vec<_> = same.filter_map(|(_, id)| doc.hash_for_opid(&id)).collect();
        let unnamed = setters.iter().find(|setter| !named.contains(&ChangeHash(setter.0)));
        let Some(setter) = unnamed.or_else(|| setters.first()) else { break };
        change = ChangeHash(setter.0);
    }
    (change != side).then_some(change)
}
