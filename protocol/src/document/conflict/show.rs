//! A conflict as it is shown: its id, what all sides knew, and what each shows.

use serde_json::Value as Json;

use super::lineage::OpNo;
use super::places::{At, Spot};
use super::scan::{Open, OpenSide, Scan, What};
use super::tree::View;
use super::why;
use super::{Conflict, ConflictKind, Side};
use crate::document::DocPath;
use crate::hash::{self, context};
use crate::id::{ChangeHash, ConflictId, DocumentId};
use crate::limits::CONFLICT_SIDES_MAX;

impl Scan<'_> {
    /// Puts a conflict into words.
    pub(super) fn conflict(&mut self, open: &Open) -> Conflict {
        let listed = &open.sides[..open.sides.len().min(CONFLICT_SIDES_MAX)];
        let mut sides = Vec::with_capacity(listed.len());
        for (at, side) in listed.iter().enumerate() {
            let tree = self.tree(&open.spot, *side);
            sides.push(Side {
                letter: why::letter(at),
                change: ChangeHash(self.index.lineage.hash(side.change).0),
                deleted: side.what == What::Nothing,
                value: tree.map_or(Json::Null, |tree| tree.to_json()),
                knew: why::knew(&self.index.lineage, listed, at),
            });
        }
        Conflict {
            id: open.id,
            path: DocPath::nearest(&open.segments),
            kind: open.kind,
            base: self.base(open),
            more_sides: open.sides.len() - listed.len(),
            why: why::sentence(&sides),
            sides,
        }
    }

    /// `SPEC: CFL-8`
    fn base(&mut self, open: &Open) -> Json {
        let common = self.common(&open.sides);
        if common.is_empty() {
            return Json::Null;
        }
        let view = View { doc: self.doc, heads: Some(&common) };
        let Some(prop) = self.prop(&open.spot, Some(&common)) else {
            return Json::Null;
        };
        let found = view.get(&self.id_of(open.spot.object), prop);
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
