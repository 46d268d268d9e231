//! A conflict as it is shown: its id, what all sides knew, and what each shows.

use automerge::ChangeHash as Hash;
use serde_json::Value as Json;

use super::lineage::OpNo;
use super::places::{At, Spot};
use super::scan::{Open, OpenSide, Scan, What};
use super::setter::PutBack;
use super::tree::View;
use super::why::{self, Apart};
use super::{Conflict, ConflictKind, Side};
use crate::hash::{self, context};
use crate::id::{ChangeHash, ConflictId, DocumentId};
use crate::limits::{CONFLICT_SIDES_MAX, ENDED_NAMED_MAX};

impl Scan<'_> {
    /// Puts a conflict into words. What `put_back` names wrote nothing of its own: what is told of
    /// such a side is told of the change that wrote it first. `SPEC: CFL-8, CFL-17`
    pub(super) fn conflict(&mut self, open: &mut Open, put_back: &PutBack) -> Conflict {
        let setters = self.letter(open, put_back);
        let open = &*open;
        let setters = self.who_wrote(open, put_back, setters);
        let listed = &open.sides[..open.sides.len().min(CONFLICT_SIDES_MAX)];
        let mut sides = Vec::with_capacity(listed.len());
        for (at, side) in listed.iter().enumerate() {
            let (value, then) = match open.plans.get(at) {
                Some(plan) => (Json::from(plan.name.as_str()), Some(open.kept_plan(at))),
                None => {
                    let tree = self.tree(&open.spot, *side);
                    (tree.map_or(Json::Null, |tree| tree.to_json()), None)
                }
            };
            sides.push(Side {
                letter: why::letter(at),
                change: ChangeHash(self.index.lineage.hash(side.change).0),
                wrote: setters.get(at).copied().flatten(),
                deleted: side.what == What::Nothing,
                value,
                then,
                knew: Vec::new(),
            });
        }
        let wrote = self.wrote(open, &sides);
        for (at, side) in sides.iter_mut().enumerate() {
            side.knew = why::knew(&self.index.lineage, &wrote[..listed.len()], at);
        }
        let common = self.common(&wrote);
        Conflict {
            id: open.id,
            path: open.path.clone(),
            kind: open.kind,
            base: if open.plans.is_empty() {
                self.base(open, &common)
            } else {
                self.plans_before(open, &common)
            },
            now: self.shows(open),
            more_sides: open.sides.len() - listed.len(),
            below: open.below.iter().take(ENDED_NAMED_MAX).cloned().collect(),
            below_more: open.below.len().saturating_sub(ENDED_NAMED_MAX),
            why: why::sentence(&sides, self.apart(&open.sides, &wrote)),
            sides,
            common: common.iter().map(|hash| ChangeHash(hash.0)).collect(),
        }
    }

    /// What the place shows, or what counts there, as long as nothing is decided.
    fn shows(&mut self, open: &Open) -> Json {
        if !open.plans.is_empty() {
            let marks = open.plans.iter().map(|plan| (plan.name.clone(), true.into()));
            return Json::Object(marks.collect());
        }
        if open.kind == ConflictKind::Policy {
            let strictest = self.strictest(&open.spot, &open.sides);
            return strictest.and_then(|strictest| strictest.value).unwrap_or(Json::Null);
        }
        let Some(prop) = self.prop(&open.spot, None) else { return Json::Null };
        let view = self.now();
        let found = view.get(&self.id_of(open.spot.object), prop);
        found.map_or(Json::Null, |(value, id)| view.tree(&value, &id, 0).to_json())
    }

    /// The sides, each by the change that wrote what it shows.
    fn wrote(&self, open: &Open, sides: &[Side]) -> Vec<OpenSide> {
        let first = |(at, side): (usize, &OpenSide)| {
            let wrote = sides.get(at).and_then(|side| side.wrote);
            let number = wrote.and_then(|wrote| self.index.lineage.number(&Hash(wrote.0)));
            OpenSide { change: number.unwrap_or(side.change), ..*side }
        };
        open.sides.iter().enumerate().map(first).collect()
    }

    fn apart(&self, sides: &[OpenSide], wrote: &[OpenSide]) -> Apart {
        match (self.is_apart(wrote), self.is_apart(sides)) {
            (true, _) => Apart::Written,
            (false, true) => Apart::PutBack,
            (false, false) => Apart::Not,
        }
    }

    /// Does no change of a side know that of another? Where several took one resolution back, one
    /// change wrote several of the sides: it has not itself in its past.
    fn is_apart(&self, sides: &[OpenSide]) -> bool {
        let listed = &sides[..sides.len().min(CONFLICT_SIDES_MAX)];
        let knows = |one: &OpenSide, two: &OpenSide| {
            one.change != two.change && self.index.lineage.knows(one.change, two.change)
        };
        !listed.iter().enumerate().any(|(at, one)| {
            listed.iter().skip(at + 1).any(|two| knows(one, two) || knows(two, one))
        })
    }

    /// `SPEC: CFL-8`
    fn base(&mut self, open: &Open, common: &[Hash]) -> Json {
        if common.is_empty() {
            return Json::Null;
        }
        let view = View { doc: self.doc, heads: Some(common) };
        let found = self.values_then(open, common).pop();
        found.map_or(Json::Null, |(value, id)| view.tree(&value, &id, 0).to_json())
    }

    /// `SPEC: CFL-1`
    pub(super) fn id(
        &self,
        document: &DocumentId,
        spot: &Spot,
        kind: ConflictKind,
        sides: &[OpenSide],
    ) -> ConflictId {
        let mut place = self.op_bytes(spot.object);
        match &spot.at {
            At::Key(key) => {
                place.push(0);
                place.extend((key.len() as u64).to_be_bytes());
                place.extend(key.as_bytes());
            }
            At::Element(element) => {
                place.push(1);
                place.extend(self.op_bytes(*element));
            }
        }
        let changes: Vec<_> =
            sides.iter().flat_map(|side| self.index.lineage.hash(side.change).0).collect();
        let full = hash::hash(context::CONFLICT, &[&document.0, &[kind as u8], &place, &changes]);
        let mut id = [0; 16];
        id.copy_from_slice(&full[..16]);
        ConflictId(id)
    }

    fn op_bytes(&self, op: OpNo) -> Vec<u8> {
        let mut bytes = u64::from(op.number).to_be_bytes().to_vec();
        if op != OpNo::ROOT {
            let actor = self.index.lineage.actor(op.actor).map(|actor| actor.to_bytes());
            bytes.extend(actor.unwrap_or_default());
        }
        bytes
    }
}
