//! What a change decided that several values put at one place do not open again: a conflict of a
//! removal, or of what stands in a list; and the changes that open it again.
//!
//! What was open where the change was made is found in a copy of that past, as everybody finds it
//! there. That costs as much as the document, so it is looked for only where a conflict was once.
//! Operations are written as a resolution writes them: at an element that is gone, and to remove
//! what is removed. `SPEC: UNDO-2`

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Automerge, Change, ChangeHash as Hash, ExpandedChange, ScalarValue};

use super::ConflictIndex;
use super::lineage::OpNo;
use super::places::{At, Spot};
use super::resolve::{Maker, key_of, object_of, op_ids};
use super::scan::{Open, Scan, What};
use super::tree::Tree;
use crate::document::restore::Restored;
use crate::document::{DocPath, EditFault};
use crate::id::{ChangeHash, ConflictId, DocumentId};
use crate::limits::CONFLICT_SIDES_MAX;

/// A conflict that a change decided.
#[derive(Debug)]
pub(in crate::document) struct Decided {
    /// Which, as this device finds it.
    pub(in crate::document) id: ConflictId,
    /// Where it stands.
    pub(in crate::document) path: DocPath,
    /// The same; of what is in a list, the outermost list.
    pub(in crate::document) place: DocPath,
    /// Where it stood before the change; none of an element that was gone.
    pub(in crate::document) was: Option<DocPath>,
    /// Did the change write elsewhere in that list, too?
    pub(in crate::document) beside: bool,
    /// What each side left there, that which was shown last; none where it left nothing.
    pub(super) sides: Vec<Option<Tree>>,
    /// The change of each side.
    pub(super) by: Vec<ChangeHash>,
    pub(super) object: ObjectId,
    pub(super) key: Key,
    pub(super) is_there: bool,
    /// What stands there now, or stood there before it was removed.
    pub(super) past: Vec<OpId>,
}

impl Decided {
    /// The place that is written by it; none of an element that is gone: another has its number.
    pub(in crate::document) fn written(&self) -> Option<DocPath> {
        self.is_there.then(|| self.path.clone())
    }

    /// Is this step at it or below it, where it is put again?
    pub(in crate::document) fn covers(&self, step: &Restored) -> bool {
        let is_in = |path: &DocPath, above: &DocPath| path.segments().starts_with(above.segments());
        match (step, step.from()) {
            (_, Some(from)) => self.was.as_ref().is_some_and(|was| is_in(from, was)),
            (Restored::Edit(edit, None), None) => {
                self.is_there && edit.path().is_some_and(|path| is_in(path, &self.path))
            }
            (Restored::Edit(_, Some(_)) | Restored::Gone(_), None) => false,
        }
    }

    /// How many sides it had.
    pub(in crate::document) fn sides(&self) -> usize {
        self.sides.len()
    }
}

/// An actor, and the change that it made already.
pub(in crate::document) type Made = ([u8; 16], Option<Change>);

/// What a change did to a document.
struct Done<'a> {
    change: &'a Change,
    operations: Vec<Op>,
    /// Of those the places that are no part of what it made.
    spots: Vec<Option<Spot>>,
}

impl ConflictIndex {
    /// Those that a change decided, of `doc`. `before` is what the change knew.
    pub(in crate::document) fn decided(
        &self,
        doc: &Automerge,
        change: &Change,
        before: &[Hash],
    ) -> Result<Vec<Decided>, EditFault> {
        let operations = change.decode().operations;
        let spots = operations.iter().map(|op| self.spot(op)).collect();
        let done = Done { change, operations, spots };
        let is_own = |spot: &Spot| done.spots.iter().flatten().any(|own| own == spot);
        if !self.whole()?.places.met().any(is_own) {
            return Ok(Vec::new());
        }
        let (past, index) = Self::at(doc, before)?;
        let own: BTreeSet<_> = done.operations.iter().filter_map(|op| index.spot(op)).collect();
        let mut then = Scan::new(index.whole()?, &past);
        // Ids are compared with each other alone.
        let mut open = then.contests(&DocumentId([0; 32]));
        open.retain(|open| own.contains(&open.spot) && !is_plain(open));
        let mut now = Scan::new(self, doc);
        let mut decided = Vec::new();
        for open in &open {
            let Some(spot) = found_now(&then, &mut now, open) else { continue };
            // What no edit could write is not put again: as a whole it is refused, or forced over.
            let one = self.one(&mut then, &mut now, (open, &spot), &done);
            decided.extend(one.map(|one| (one, spot)));
        }
        let spots: BTreeSet<_> = decided.iter().map(|(_, spot)| spot.clone()).collect();
        let mut decided: Vec<_> = decided.into_iter().map(|(one, _)| one).collect();
        let elsewhere = self.written_elsewhere(&done, &spots);
        decided.retain(|one| !one.past.is_empty());
        for one in decided.iter_mut().filter(|one| one.place != one.path) {
            let is_in = |path: &DocPath| path.segments().starts_with(one.place.segments());
            one.beside = elsewhere.iter().any(is_in);
        }
        Ok(decided)
    }

    /// Those that were open at what a merge knew, `before`, but for what came in by it, and were
    /// decided, or got other sides, by that.
    pub(super) fn decided_by_merge(
        &self,
        doc: &Automerge,
        merge: &Change,
        before: &[Hash],
    ) -> Result<Vec<Decided>, EditFault> {
        let ((past, index), (made, index_made)) =
            (Self::at(doc, before)?, Self::at(doc, &[merge.hash()])?);
        // Ids are compared with each other alone.
        let document = DocumentId([0; 32]);
        let after = Scan::new(index_made.whole()?, &made).contests(&document);
        let stays: BTreeSet<_> = after.iter().map(|open| open.id).collect();
        let mut then = Scan::new(index.whole()?, &past);
        let mut open = then.contests(&document);
        open.retain(|open| !stays.contains(&open.id));
        let mut now = Scan::new(self, doc);
        let mut decided = Vec::new();
        for open in &open {
            let Some(spot) = found_now(&then, &mut now, open) else { continue };
            let Some((sides, by)) = sides(&mut then, open) else { continue };
            let one = self.at_spot(&mut now, &spot, open);
            decided.extend(one.map(|one| Decided { sides, by, ..one }));
        }
        Ok(decided)
    }

    fn one(
        &self,
        then: &mut Scan<'_>,
        now: &mut Scan<'_>,
        (open, spot): (&Open, &Spot),
        done: &Done<'_>,
    ) -> Option<Decided> {
        let (sides, by) = sides(then, open)?;
        let shown = now.shown(spot, None);
        let mut past = op_ids(now, shown);
        if past.is_empty() {
            let own = done.operations.iter().zip(&done.spots);
            let here = own.filter(|(_, own)| own.as_ref() == Some(spot));
            past = here.flat_map(|(op, _)| op.pred.iter().cloned()).collect();
            past.sort();
            past.dedup();
        }
        let was = then.stands(&open.spot);
        Some(Decided { sides, by, past, was, ..self.at_spot(now, spot, open)? })
    }

    /// Where it stands now: of a list others may have taken out what was before it.
    pub(super) fn at_spot(&self, now: &mut Scan<'_>, spot: &Spot, open: &Open) -> Option<Decided> {
        let (mut segments, _) = now.climb(spot.object)?;
        let last = now.prop(spot, None).map(|prop| prop.to_string());
        let is_there = last.is_some();
        segments.extend(last.or_else(|| open.segments.last().cloned()));
        let (path, place) = (DocPath::nearest(&segments), self.place(spot));
        let (object, key) = (object_of(now, spot.object), key_of(now, spot));
        Some(Decided {
            id: open.id,
            path,
            place,
            was: None,
            beside: false,
            sides: Vec::new(),
            by: Vec::new(),
            object,
            key,
            is_there,
            past: Vec::new(),
        })
    }

    /// Where a change wrote beside these spots, and beside what it made itself.
    fn written_elsewhere(&self, done: &Done<'_>, spots: &BTreeSet<Spot>) -> BTreeSet<DocPath> {
        let start = done.change.start_op().get();
        let is_made = |op: &Op| match &op.obj {
            ObjectId::Root => false,
            ObjectId::Id(OpId(number, actor)) => {
                actor == done.change.actor_id() && *number >= start
            }
        };
        let others = done.operations.iter().zip(&done.spots).filter(|(op, _)| !is_made(op));
        let path = |(op, spot): (&Op, &Option<Spot>)| match spot {
            Some(spot) if spots.contains(spot) => None,
            Some(spot) => Some(self.place(spot)),
            // Behind another element of a list.
            None => {
                let ObjectId::Id(OpId(number, actor)) = &op.obj else { return None };
                let object = self.lineage.op(*number, actor)?;
                self.places.spot_of(object).map(|spot| self.place(spot))
            }
        };
        others.filter_map(path).collect()
    }

    /// The changes of these actors with what opens conflicts again beside what they hold already,
    /// of which none knows another. Of each conflict that is shown which was: Automerge shows the
    /// operation with the highest number, and of those the highest actor's.
    pub(in crate::document) fn open_again(
        &self,
        doc: &Automerge,
        made: Vec<Made>,
        decided: &[&Decided],
    ) -> Vec<Change> {
        let start = self.lineage.last_op() + 1;
        let maker = |(actor, change): &Made| {
            let ops = change.as_ref().map_or_else(Vec::new, |change| change.decode().operations);
            let start = change.as_ref().map_or(start, |change| change.start_op().get());
            let next = start.saturating_add(ops.len() as u64);
            Maker { actor: ActorId::from(&actor[..]), next, ops }
        };
        let mut makers: Vec<_> = made.iter().map(maker).collect();
        for one in decided {
            let all = makers.get_mut(..one.sides.len()).unwrap_or_default();
            let shown = (0..all.len())
                .max_by_key(|at| all.get(*at).map(|maker| (maker.next, maker.actor.clone())));
            let others = (0..all.len()).filter(|at| Some(*at) != shown);
            let order: Vec<_> = others.chain(shown).collect();
            for (at, side) in order.into_iter().zip(&one.sides) {
                let Some(maker) = all.get_mut(at) else { continue };
                let past = one.past.clone();
                match side {
                    Some(tree) => maker.put(&one.object, one.key.clone(), past, false, tree),
                    None => {
                        maker.push(&one.object, one.key.clone(), past, false, OpType::Delete);
                    }
                }
            }
        }
        let mut deps = doc.get_heads();
        deps.sort();
        let changes = made.into_iter().zip(makers);
        changes.filter_map(|((_, change), maker)| self.change(change, maker, &deps)).collect()
    }

    /// None where it holds nothing.
    fn change(&self, change: Option<Change>, maker: Maker, deps: &[Hash]) -> Option<Change> {
        if change.as_ref().is_some_and(|change| change.len() == maker.ops.len()) {
            return change;
        }
        let first = maker.next.saturating_sub(maker.ops.len() as u64);
        (!maker.ops.is_empty()).then(|| {
            Change::from(ExpandedChange {
                operations: maker.ops,
                seq: self.lineage.next_seq(&maker.actor),
                actor_id: maker.actor,
                hash: None,
                start_op: NonZeroU64::new(first).unwrap_or(NonZeroU64::MIN),
                time: 0,
                message: None,
                deps: deps.to_vec(),
                extra_bytes: Vec::new(),
                author: None,
            })
        })
    }
}

/// Is it opened again by several values that are put at one place?
pub(super) fn is_plain(open: &Open) -> bool {
    let mut way = std::iter::once(&open.spot).chain(&open.above);
    let is_in_list = way.any(|spot| matches!(spot.at, At::Element(_)));
    !is_in_list && open.sides.iter().all(|side| matches!(side.what, What::Value(_)))
}

/// The same spot as it is numbered now; none where the object is not shown any more.
pub(super) fn found_now(then: &Scan<'_>, now: &mut Scan<'_>, open: &Open) -> Option<Spot> {
    let found = |op: OpNo| now.op(&then.id_of(op));
    let object = found(open.spot.object)?;
    let at = match &open.spot.at {
        At::Key(key) => At::Key(key.clone()),
        At::Element(element) => At::Element(found(*element)?),
    };
    now.climb(object)?;
    Some(Spot { object, at })
}

/// What each side leaves at the place, that which is shown last, and its change; none where JSON
/// cannot say it, or where there are more than are listed.
pub(super) fn sides(
    scan: &mut Scan<'_>,
    open: &Open,
) -> Option<(Vec<Option<Tree>>, Vec<ChangeHash>)> {
    if open.sides.len() > CONFLICT_SIDES_MAX {
        return None;
    }
    let shown = scan.shown(&open.spot, None);
    let mut sides: Vec<_> = open.sides.clone();
    sides.sort_by_key(|side| match side.what {
        What::Nothing => (0, None),
        What::Removed(_) => (1, None),
        What::Value(op) => (2, shown.iter().position(|found| *found == op)),
    });
    let lineage = &scan.index.lineage;
    let by = sides.iter().map(|side| ChangeHash(lineage.hash(side.change).0)).collect();
    let value = |side| {
        let tree = scan.tree(&open.spot, side);
        tree.as_ref().is_none_or(is_json).then_some(tree)
    };
    Some((sides.into_iter().map(value).collect::<Option<_>>()?, by))
}

/// Does JSON say what it is?
pub(super) fn is_json(tree: &Tree) -> bool {
    match tree {
        Tree::Text(_) | Tree::Scalar(ScalarValue::Null | ScalarValue::Boolean(_)) => true,
        Tree::Scalar(ScalarValue::Int(_)) => true,
        Tree::Scalar(scalar) => matches!(scalar, ScalarValue::F64(number) if number.is_finite()),
        Tree::List(items) => items.iter().all(is_json),
        Tree::Map(fields) => fields.iter().all(|(key, item)| !key.is_empty() && is_json(item)),
    }
}
