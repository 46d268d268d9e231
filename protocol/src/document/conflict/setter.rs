//! Who wrote what a side shows, where an undo put it back.
//!
//! An undo of a resolution puts each of the values that were there by a change of its own, so that
//! the conflict is open again; the sides are those changes. Who took back decides nothing by that:
//! the value is still that of the change that put it before it was resolved, and that is read at
//! what the resolution was made on. What stood there before, and what the sides knew of each other,
//! is told of those changes too, and the sides have the letters that they had. Who removed, or
//! wrote what stands beside a removal, is found in a copy of that past, of few pasts in one
//! listing, and has no part in the letters.
//! `SPEC: CFL-8, CFL-17, UNDO-2`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::{ChangeHash as Hash, ObjId, ReadDoc as _, Value};
use serde_json::Value as Json;

use super::decided::Decided;
use super::meaning::FINAL;
use super::resolve::{key_of, object_of};
use super::scan::{Open, OpenSide, Scan};
use super::tree::{Tree, View};
use crate::document::Reversal;
use crate::document::read::Seen;
use crate::id::ChangeHash;
use crate::limits::{CONFLICT_SIDES_MAX, SETTER_PASTS_MAX, SETTER_UNDOS_MAX};

/// The changes of undos, each with what it takes back.
pub type PutBack = BTreeMap<ChangeHash, Reversal>;

impl<'a> Scan<'a> {
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
        if put_back.is_empty() {
            return vec![None; listed];
        }
        if !open.plans.is_empty() {
            // They are named: no letter depends on who wrote them.
            return (0..listed).map(|at| self.who_marked(open, at, put_back)).collect();
        }
        let (mut named, mut sides) = (BTreeSet::new(), Vec::<(_, _, OpenSide)>::new());
        for side in &open.sides[..listed] {
            let own = ChangeHash(self.index.lineage.hash(side.change).0);
            let mut wrote = None;
            if is_side(put_back, &own) {
                wrote = self.setter(open, *side, put_back, &named, false);
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

    /// The same of the sides of which that does not tell: of removals, and of what is in a list. No
    /// letter depends on it, since not all pasts are looked at.
    pub(super) fn who_wrote(
        &mut self,
        open: &Open,
        put_back: &PutBack,
        mut wrote: Vec<Option<ChangeHash>>,
    ) -> Vec<Option<ChangeHash>> {
        if put_back.is_empty() || !open.plans.is_empty() {
            return wrote;
        }
        let mut named: BTreeSet<_> = wrote.iter().copied().flatten().collect();
        for (wrote, side) in wrote.iter_mut().zip(&open.sides) {
            let own = ChangeHash(self.index.lineage.hash(side.change).0);
            // Behind several undos the last that is seen without such a copy is one of them.
            let is_undo = wrote.is_none_or(|wrote| is_side(put_back, &wrote));
            if is_undo && is_side(put_back, &own) {
                *wrote = self.setter(open, *side, put_back, &named, true);
                named.extend(*wrote);
            }
        }
        wrote
    }

    /// Who said that a plan is final, where an undo says it again: what that takes back had said
    /// that it is not. `SPEC: CFL-12, CFL-17`
    fn who_marked(&self, open: &Open, at: usize, put_back: &PutBack) -> Option<ChangeHash> {
        let (side, plan) = open.sides.get(at).zip(open.plans.get(at))?;
        let mark = open.path.child(&plan.name).ok()?.child(FINAL).ok()?;
        let side = ChangeHash(self.index.lineage.hash(side.change).0);
        let mut change = side;
        for _ in 0..SETTER_UNDOS_MAX {
            let Some(before) = put_back.get(&change).and_then(|of| self.before(of)) else { break };
            let was = Seen::at(self.doc, &before).read(&mark);
            let said = was.ok().filter(|was| was.value == Json::Bool(true));
            let Some(said) = said.and_then(|was| was.change) else { break };
            change = said;
        }
        (change != side).then_some(change)
    }

    /// What a change knew that was taken back, but for what came in by it.
    fn before(&self, of: &Reversal) -> Option<Vec<Hash>> {
        let change = self.doc.get_change_meta_by_hash(&Hash(of.change.0))?;
        let is_before = |dep: &&Hash| !of.joined.contains(&ChangeHash(dep.0));
        Some(change.deps.iter().filter(is_before).copied().collect())
    }

    /// The change that put the value, or removed, behind as many undos as put it back. Of several
    /// that did the same it is one that was not named yet, as long as there is one: where several
    /// took the same back there are more sides than were put, and none of them is who took back.
    fn setter(
        &mut self,
        open: &Open,
        side: OpenSide,
        put_back: &PutBack,
        named: &BTreeSet<ChangeHash>,
        in_pasts: bool,
    ) -> Option<ChangeHash> {
        let mut value = self.tree_left(&open.spot, side).map(|tree| tree.to_json());
        let side = ChangeHash(self.index.lineage.hash(side.change).0);
        let mut change = side;
        for _ in 0..SETTER_UNDOS_MAX {
            let Some(reversal) = put_back.get(&change) else { break };
            let setters = self.setters(open, value.as_ref(), reversal, in_pasts);
            let unnamed = setters.iter().find(|setter| !named.contains(setter));
            let Some(setter) = unnamed.or_else(|| setters.first()) else { break };
            change = *setter;
            // Others may have written below it before it was decided again.
            value = self.stood(open, &[Hash(change.0)]).pop().map(|(value, _)| value);
        }
        (change != side).then_some(change)
    }

    /// Who put this value, or removed, of those between whom what was taken back decided.
    fn setters(
        &mut self,
        open: &Open,
        value: Option<&Json>,
        reversal: &Reversal,
        in_pasts: bool,
    ) -> Vec<ChangeHash> {
        let before = self.before(reversal).unwrap_or_default();
        if before.is_empty() {
            return Vec::new();
        }
        // What resolved nothing had no sides: who says to take it back brings no old value up
        // again in another's name.
        let stood = Some(self.stood(open, &before)).filter(|stood| stood.len() > 1);
        let same = stood.into_iter().flatten().filter(|(of, _)| Some(of) == value);
        let setters = same.filter_map(|(_, id)| self.doc.hash_for_opid(&id));
        let setters: Vec<_> = setters.map(|hash| ChangeHash(hash.0)).collect();
        if !setters.is_empty() || !in_pasts {
            return setters;
        }
        let decided = self.decided_by(reversal, &before);
        let spot = &open.spot;
        let (object, key) = (object_of(self, spot.object), key_of(self, spot));
        let is_here = |one: &&Decided| one.object == object && one.key == key;
        let of = decided.iter().flat_map(|all| all.iter()).filter(is_here);
        let sides = of.flat_map(|of| of.sides.iter().zip(&of.by));
        let is_it = |side: &Option<Tree>| side.as_ref().map(Tree::to_json).as_ref() == value;
        sides.filter(|(side, _)| is_it(side)).map(|(_, by)| *by).collect()
    }

    /// The values at a place as some changes knew it.
    fn stood(&mut self, open: &Open, heads: &[Hash]) -> Vec<(Json, ObjId)> {
        let view = View { doc: self.doc, heads: Some(heads) };
        let all = self.values_then(open, heads).into_iter();
        all.map(|(value, id)| (view.tree(&value, &id, 0).to_json(), id)).collect()
    }

    /// The same as they are, that which was shown last: of an element wherever it stood then. An
    /// undo of a removal makes anew what the place is in: what was there before is found by path.
    pub(super) fn values_then<'h>(
        &mut self,
        open: &Open,
        heads: &'h [Hash],
    ) -> Vec<(Value<'h>, ObjId)>
    where
        'a: 'h,
    {
        let view = View { doc: self.doc, heads: Some(heads) };
        let object = self.id_of(open.spot.object);
        let made = self.doc.hash_for_opid(&object).map(|hash| ChangeHash(hash.0));
        let knows = |made: &ChangeHash| {
            heads.iter().any(|head| head.0 == made.0 || self.index.knows(&ChangeHash(head.0), made))
        };
        if made.as_ref().is_none_or(knows) {
            let prop = self.prop(&open.spot, Some(heads));
            prop.map_or_else(Vec::new, |prop| view.all(&object, prop))
        } else {
            view.at(&open.segments)
        }
    }

    /// What a change decided, found once; none where too many were looked for by now.
    fn decided_by(&mut self, of: &Reversal, before: &[Hash]) -> Option<Arc<Vec<Decided>>> {
        let change = of.change;
        // The first of a listing are looked at, whatever is kept of others: every listing is alike.
        if !self.pasts.contains(&change) {
            if self.pasts.len() >= SETTER_PASTS_MAX {
                return None;
            }
            self.pasts.insert(change);
        }
        let mut kept = self.index.decided.borrow_mut();
        if let Some(decided) = kept.get(&change) {
            return Some(Arc::clone(decided));
        }
        let whole = self.doc.get_change_by_hash(&Hash(change.0))?;
        // A merge writes nothing: what came in by it decided.
        let decided = match of.joined.is_empty() {
            true => self.index.decided(self.doc, &whole, before),
            false => self.index.decided_by_merge(self.doc, &whole, before),
        };
        let decided = Arc::new(decided.unwrap_or_default());
        if kept.len() >= SETTER_PASTS_MAX {
            kept.retain(|change, _| self.pasts.contains(change));
        }
        kept.insert(change, Arc::clone(&decided));
        Some(decided)
    }
}

/// Did several changes take back what this one does, each for a side of a conflict?
fn is_side(put_back: &PutBack, own: &ChangeHash) -> bool {
    put_back.get(own).is_some_and(|of| !of.by_one)
}
