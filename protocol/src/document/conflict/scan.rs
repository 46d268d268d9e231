//! The open conflicts: of the places that changes disagree on, those that can be reached, are no
//! agreement after all, and stand below no other conflict.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use automerge::{Automerge, ChangeHash, ObjId, ObjType, Prop, Value};
use serde_json::Value as Json;

use super::lineage::OpNo;
use super::meaning::{Plan, is_policy};
use super::places::{At, Contest, Kind, Spot};
use super::tree::{Tree, View};
use super::{ConflictIndex, ConflictKind};
use crate::document::DocPath;
use crate::id::{ConflictId, DocumentId};
use crate::limits::ELEMENTS_KEPT_MAX;

/// What a side leaves at the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Nothing,
    /// The value of this operation, which the document holds.
    Value(OpNo),
    /// The value of this operation as the change left it, which another removed.
    Removed(OpNo),
}

/// A side, and its change.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenSide {
    pub(super) change: u32,
    pub(super) what: What,
}

/// A conflict, before it is put into words.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: ConflictId,
    pub(super) spot: Spot,
    pub(super) sides: Vec<OpenSide>,
    pub(super) kind: ConflictKind,
    pub(super) segments: Vec<String>,
    /// The same, or the nearest above it that can be named.
    pub(super) path: DocPath,
    /// Of plans, instead of values: one a side.
    pub(super) plans: Vec<Plan>,
    /// The places of the objects that it stands in.
    pub(super) above: Vec<Spot>,
    /// Where others are open below what it shows, once all were looked at.
    pub(super) below: BTreeSet<DocPath>,
}

/// How two sides are compared.
#[derive(PartialEq)]
enum Look {
    Nothing,
    Leaf(Json),
    /// Equal to itself alone: who edits one of them does not edit the other.
    Object(OpNo),
}

/// One look at a document.
pub(super) struct Scan<'a> {
    pub(super) index: &'a ConflictIndex,
    pub(super) doc: &'a Automerge,
    /// Of lists, now (no heads) or as some changes knew them, where every element stands.
    elements: BTreeMap<(OpNo, Vec<ChangeHash>), BTreeMap<OpNo, usize>>,
    /// Those of them that are kept of the past, the oldest first.
    past: VecDeque<(OpNo, Vec<ChangeHash>)>,
    /// The changes whose pasts were looked at for who wrote a side that was put back.
    pub(super) pasts: BTreeSet<crate::id::ChangeHash>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(index: &'a ConflictIndex, doc: &'a Automerge) -> Self {
        Self {
            index,
            doc,
            elements: BTreeMap::new(),
            past: VecDeque::new(),
            pasts: BTreeSet::new(),
        }
    }

    /// All open conflicts, by path and id. `SPEC: CFL-1`
    pub(super) fn open(&mut self, document: &DocumentId) -> Vec<Open> {
        let mut all = self.contests(document);
        // SPEC: CFL-7
        let spots: BTreeSet<_> = all.iter().map(|open| open.spot.clone()).collect();
        let mut below = BTreeMap::<Spot, BTreeSet<DocPath>>::new();
        all.retain(|open| {
            let mut above = open.above.iter().filter(|above| spots.contains(above)).peekable();
            let is_first = above.peek().is_none();
            for above in above {
                below.entry(above.clone()).or_default().insert(open.path.clone());
            }
            is_first
        });
        for open in &mut all {
            open.below = below.remove(&open.spot).unwrap_or_default();
        }
        all.extend(self.plans(document, &spots));
        all.sort_by(|one, two| (&one.path, one.id).cmp(&(&two.path, two.id)));
        all
    }

    /// The places on which changes disagree, those below others included, in no order of paths.
    pub(super) fn contests(&mut self, document: &DocumentId) -> Vec<Open> {
        let contested = self.index.places.contested();
        contested.filter_map(|(spot, contest)| self.one(document, spot, contest)).collect()
    }

    pub(super) fn one(
        &mut self,
        document: &DocumentId,
        spot: &Spot,
        contest: &Contest,
    ) -> Option<Open> {
        self.index.count(1);
        let (mut segments, above) = self.climb(spot.object)?;
        let sides = self.sides(spot, contest);
        let kind = self.kind(spot, &sides)?;
        segments.push(self.segment(spot, &sides));
        let kind = if is_policy(&segments) { ConflictKind::Policy } else { kind };
        let id = self.id(document, spot, kind, &sides);
        let path = DocPath::nearest(&segments);
        let (spot, below) = (spot.clone(), BTreeSet::new());
        Some(Open { id, spot, sides, kind, segments, path, plans: vec![], above, below })
    }

    /// The path of an object, and the places on it; none where the document does not show it.
    pub(super) fn climb(&mut self, mut object: OpNo) -> Option<(Vec<String>, Vec<Spot>)> {
        let (mut segments, mut above) = (Vec::new(), Vec::new());
        while object != OpNo::ROOT {
            self.index.count(1);
            let spot = self.index.places.spot_of(object)?.clone();
            let prop = self.prop(&spot, None)?;
            let (_, shown) = self.now().get(&self.id_of(spot.object), prop.clone())?;
            if self.op(&shown) != Some(object) {
                return None;
            }
            segments.push(prop.to_string());
            object = spot.object;
            above.push(spot);
        }
        segments.reverse();
        Some((segments, above))
    }

    /// Where a spot is; none of an element that is gone.
    pub(super) fn stands(&mut self, spot: &Spot) -> Option<DocPath> {
        let (mut segments, _) = self.climb(spot.object)?;
        segments.push(self.prop(spot, None)?.to_string());
        Some(DocPath::nearest(&segments))
    }

    /// `SPEC: CFL-2`
    pub(super) fn sides(&mut self, spot: &Spot, contest: &Contest) -> Vec<OpenSide> {
        let writers: Vec<_> = contest
            .writers
            .iter()
            .map(|writer| OpenSide {
                change: writer.change,
                what: match writer.value {
                    Some(value) => What::Value(value),
                    None => self.left(spot, writer.change),
                },
            })
            .collect();
        let lost = contest
            .lost
            .iter()
            .map(|lost| OpenSide { change: lost.edit, what: What::Removed(lost.value) });
        let mut sides: Vec<_> = writers.into_iter().chain(lost).collect();
        sides.sort_by_cached_key(|side| self.order(*side));
        sides
    }

    /// What sides are sorted by. A change can edit below several values of one place; those are
    /// told apart by their ids.
    pub(super) fn order(&self, side: OpenSide) -> impl Ord + use<> {
        let value = match side.what {
            What::Nothing => None,
            What::Value(op) | What::Removed(op) => {
                Some((op.number, self.index.lineage.actor(op.actor).cloned()))
            }
        };
        (self.index.lineage.hash(side.change), value)
    }

    /// What a change left where it deleted. Automerge writes the put of a scalar that is shown
    /// already as a delete of the other values: that one is kept, not deleted. `SPEC: CFL-3`
    fn left(&mut self, spot: &Spot, change: u32) -> What {
        let heads = [self.index.lineage.hash(change)];
        let Some(kept) = self.shown(spot, Some(&heads)).pop() else {
            return What::Nothing;
        };
        if self.shown(spot, None).contains(&kept) { What::Value(kept) } else { What::Removed(kept) }
    }

    /// The values at a place; the last is the one that is shown.
    pub(super) fn shown(&mut self, spot: &Spot, heads: Option<&[ChangeHash]>) -> Vec<OpNo> {
        let Some(prop) = self.prop(spot, heads) else {
            return Vec::new();
        };
        let all = View { doc: self.doc, heads }.all(&self.id_of(spot.object), prop);
        all.iter().filter_map(|(_, id)| self.op(id)).collect()
    }

    /// How the sides disagree, if they do. `SPEC: CFL-6`
    fn kind(&mut self, spot: &Spot, sides: &[OpenSide]) -> Option<ConflictKind> {
        let looks: Vec<_> = sides.iter().map(|side| (side.what, self.look(spot, *side))).collect();
        let values: Vec<_> = looks
            .iter()
            .filter_map(|(what, look)| matches!(what, What::Value(_)).then_some(look))
            .collect();
        let all: Vec<_> = looks.iter().map(|(_, look)| look).collect();
        if differ(&values) {
            Some(ConflictKind::Values)
        } else if differ(&all) {
            Some(ConflictKind::DeleteEdit)
        } else {
            None
        }
    }

    fn look(&mut self, spot: &Spot, side: OpenSide) -> Look {
        let op = match side.what {
            What::Nothing => return Look::Nothing,
            What::Value(op) | What::Removed(op) => op,
        };
        match self.index.places.kind(op) {
            Some(Kind::Map | Kind::List) => Look::Object(op),
            _ => Look::Leaf(self.tree(spot, side).map_or(Json::Null, |tree| tree.to_json())),
        }
    }

    /// What a side shows at the place; none where that is nothing.
    pub(super) fn tree(&mut self, spot: &Spot, side: OpenSide) -> Option<Tree> {
        self.tree_of(spot, side, false)
    }

    /// The same, as the change left it: others may have written below it since.
    pub(super) fn tree_left(&mut self, spot: &Spot, side: OpenSide) -> Option<Tree> {
        self.tree_of(spot, side, true)
    }

    fn tree_of(&mut self, spot: &Spot, side: OpenSide, as_left: bool) -> Option<Tree> {
        let edited = [self.index.lineage.hash(side.change)];
        let (op, heads) = match side.what {
            What::Nothing => return None,
            What::Value(op) if !as_left => (op, None),
            What::Value(op) | What::Removed(op) => (op, Some(&edited[..])),
        };
        let view = View { doc: self.doc, heads };
        let id = self.id_of(op);
        let kind = match self.index.places.kind(op) {
            Some(Kind::Map) => ObjType::Map,
            Some(Kind::List) => ObjType::List,
            Some(Kind::Text) => ObjType::Text,
            Some(Kind::Counter) | None => {
                let prop = self.prop(spot, heads)?;
                let all = view.all(&self.id_of(spot.object), prop);
                let (value, id) = all.into_iter().find(|(_, found)| *found == id)?;
                return Some(view.tree(&value, &id, 0));
            }
        };
        Some(view.tree(&Value::Object(kind), &id, 0))
    }

    /// The last segment of the path. An element that is gone is named by where it stood.
    fn segment(&mut self, spot: &Spot, sides: &[OpenSide]) -> String {
        if let Some(prop) = self.prop(spot, None) {
            return prop.to_string();
        }
        let common = self.common(sides);
        self.prop(spot, Some(&common)).map_or_else(|| "0".to_owned(), |prop| prop.to_string())
    }

    /// The heads of what all sides knew.
    pub(super) fn common(&self, sides: &[OpenSide]) -> Vec<ChangeHash> {
        let changes: Vec<_> = sides.iter().map(|side| side.change).collect();
        let (common, steps) = self.index.lineage.common(&changes);
        self.index.count(steps);
        common
    }

    /// The key, or where the element stands, if it does.
    pub(super) fn prop(&mut self, spot: &Spot, heads: Option<&[ChangeHash]>) -> Option<Prop> {
        let element = match &spot.at {
            At::Key(key) => return Some(Prop::Map(key.to_string())),
            At::Element(element) => *element,
        };
        let key = (spot.object, heads.unwrap_or_default().to_vec());
        if !self.elements.contains_key(&key) {
            let ids = View { doc: self.doc, heads }.elements(&self.id_of(spot.object));
            self.index.count(ids.len() as u64);
            let ops = ids.iter().enumerate().filter_map(|(at, id)| Some((self.op(id)?, at)));
            let places = &self.index.places;
            let stands = ops.map(|(op, at)| (places.element_of(op), at)).collect();
            self.elements.insert(key.clone(), stands);
            if heads.is_some() {
                self.past.push_back(key.clone());
            }
            // Each is as large as the list.
            if self.past.len() > ELEMENTS_KEPT_MAX {
                self.past.pop_front().map(|oldest| self.elements.remove(&oldest));
            }
        }
        self.elements.get(&key)?.get(&element).map(|at| Prop::Seq(*at))
    }

    pub(super) fn now(&self) -> View<'a> {
        View { doc: self.doc, heads: None }
    }

    pub(super) fn op(&self, id: &ObjId) -> Option<OpNo> {
        match id {
            ObjId::Root => Some(OpNo::ROOT),
            ObjId::Id(number, actor, _) => self.index.lineage.op(*number, actor),
        }
    }

    /// Automerge's name of an object; the last number is a hint that it checks.
    pub(super) fn id_of(&self, op: OpNo) -> ObjId {
        match self.index.lineage.actor(op.actor) {
            Some(actor) if op != OpNo::ROOT => ObjId::Id(u64::from(op.number), actor.clone(), 0),
            _ => ObjId::Root,
        }
    }
}

/// Are there two that are not the same?
fn differ(looks: &[&Look]) -> bool {
    looks.windows(2).any(|pair| pair[0] != pair[1])
}
