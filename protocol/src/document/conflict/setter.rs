//! Who wrote what a side shows, where an undo put it back.
//!
//! An undo of a resolution puts each of the values that were there by a change of its own, so that
//! the conflict is open again; the sides are those changes. Who took back decides nothing by that:
//! the value is still that of the change that put it before it was resolved, and that is read at
//! what the resolution was made on. What stood there before, and what the sides knew of each other,
//! is told of those changes too, and the sides have the letters that they had.
//! `SPEC: CFL-8, CFL-17, UNDO-2`

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ChangeHash as Hash};
use serde_json::Value as Json;

use super::scan::{Open, OpenSide, Scan};
use crate::document::read::Seen;
use crate::document::{DocPath, Reversal};
use crate::id::ChangeHash;
use crate::limits::{CONFLICT_SIDES_MAX, SETTER_UNDOS_MAX};

/// The changes of undos that put several values back, each with what it takes back.
pub type PutBack = BTreeMap<ChangeHash, Reversal>;

impl Scan<'_> {
    /// Brings the sides that are listed into the order of their letters; gives of each the change
    /// that wrote its value first, where an undo put it back. Whoever decides again after an undo
    /// finds each value under the letter that it had, also where several took the same back: what
    /// is there twice comes behind what is there once. `SPEC: CFL-8`
    pub(super) fn letter(
        &mut self,
        open: &mut Open,
        put_back: &PutBack,
    ) -> Vec<Option<ChangeHash>> {
        let listed = open.sides.len().min(CONFLICT_SIDES_MAX);
        if put_back.is_empty() || !open.plans.is_empty() {
            return vec![None; listed];
        }
        let (mut named, mut sides) = (BTreeSet::new(), Vec::<(_, _, OpenSide)>::new());
        for side in &open.sides[..listed] {
            let own = ChangeHash(self.index.lineage.hash(side.change).0);
            let mut wrote = None;
            if put_back.contains_key(&own) {
                let tree = self.tree(&open.spot, *side);
                let value = tree.map_or(Json::Null, |tree| tree.to_json());
                wrote = setter(self.doc, &open.path, &value, own, put_back, &named);
                named.extend(wrote);
            }
            let again = |(_, of, _): &&(_, Option<ChangeHash>, _)| of.is_some() && *of == wrote;
            let turn = sides.iter().filter(again).count();
            sides.push(((turn, wrote.unwrap_or(own)), wrote, *side));
        }
        // Those that one change wrote stay as they are.
        sides.sort_by_key(|(key, ..)| *key);
        for (place, (.., side)) in open.sides.iter_mut().zip(&sides) {
            *place = *side;
        }
        sides.into_iter().map(|(_, wrote, _)| wrote).collect()
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
