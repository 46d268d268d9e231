//! Conflicts that taking a change back would end for good: those that were open where it was made
//! and do not come to be open again, and those that are open now where its edits write.
//!
//! What was open in a past is found in a copy of that past, as everybody finds it there. That costs
//! as much as the document, so it is looked for only where a conflict was once. `SPEC: UNDO-2`

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op};
use automerge::{Automerge, Change, ChangeHash as Hash};

use super::ConflictIndex;
use super::lineage::OpNo;
use super::places::{At, Spot};
use super::scan::{Open, Scan, What};
use crate::document::{DocPath, EditFault};
use crate::id::{ConflictId, DocumentId};

/// How a change is taken back.
pub(in crate::document) struct TakenBack<'a> {
    /// The change.
    pub(in crate::document) change: &'a Change,
    /// What it knew of the document.
    pub(in crate::document) before: &'a [Hash],
    /// Did others' changes come in by it?
    pub(in crate::document) joins: bool,
    /// The places that it wrote.
    pub(in crate::document) places: Vec<DocPath>,
    /// Those of them that are written now.
    pub(in crate::document) written: BTreeSet<DocPath>,
    /// Those of which several values are put, and how many.
    pub(in crate::document) opened: BTreeMap<DocPath, usize>,
    /// Conflicts that are put again side by side, removals among them.
    pub(in crate::document) reopened: BTreeSet<ConflictId>,
    /// Those of a merge, as they are called now: nobody had them before others' changes came in.
    pub(in crate::document) gone: BTreeSet<ConflictId>,
}

impl TakenBack<'_> {
    /// Is it open again, with all of its sides?
    fn opens(&self, open: &Open) -> bool {
        let is_put = |what: &What| matches!(what, What::Value(_));
        self.reopened.contains(&open.id)
            || open.sides.iter().all(|side| is_put(&side.what))
                && self.opened.get(&open.path) == Some(&open.sides.len())
    }
}

/// Is a place at one of these, or below it?
fn is_in<'p>(path: &DocPath, mut places: impl Iterator<Item = &'p DocPath>) -> bool {
    places.any(|place| path.segments().starts_with(place.segments()))
}

impl ConflictIndex {
    /// Where the first of those conflicts is, of `doc`, which holds what was learned.
    pub(in crate::document) fn ended(
        &self,
        doc: &Automerge,
        of: &TakenBack<'_>,
    ) -> Result<Option<DocPath>, EditFault> {
        let operations = of.change.decode().operations;
        let own: BTreeSet<_> = operations.iter().filter_map(|op| self.spot(op)).collect();
        let is_there = |spot: &Spot| {
            own.contains(spot) || is_in(&self.place(spot), of.places.iter().chain(&of.written))
        };
        if !self.whole()?.places.met().any(|spot| of.joins || is_there(spot)) {
            return Ok(None);
        }
        // Ids are compared with each other alone.
        let document = DocumentId([0; 32]);
        let (past, index) = Self::at(doc, of.before)?;
        let own: BTreeSet<_> = operations.iter().filter_map(|op| index.spot(op)).collect();
        let open = Scan::new(index.whole()?, &past).contests(&document);
        let after = match of.joins {
            true => Some(Self::at(doc, &[of.change.hash()])?),
            false => None,
        };
        let after = after.as_ref().map(|(doc, index)| Scan::new(index, doc).contests(&document));
        let after = after.map(|open| open.iter().map(|open| open.id).collect::<BTreeSet<_>>());
        let mut scan = Scan::new(self, doc);
        let mut now = scan.contests(&document);
        let stays: BTreeSet<_> = now.iter().map(|open| open.id).collect();
        // An element that is gone has the number of another: it is written with its list.
        let is_written = |open: &Open| {
            let is_gone = scan.prop(&open.spot, None).is_none();
            let list = is_gone.then(|| self.place(&open.spot));
            is_in(list.as_ref().unwrap_or(&open.path), of.written.iter())
        };
        now.retain(is_written);
        let ends = |open: &&Open| !of.opens(open) && !of.gone.contains(&open.id);
        let first = |open: &[Open], ends: &dyn Fn(&&Open) -> bool| {
            open.iter().filter(ends).map(|open| open.path.clone()).min()
        };
        if let Some(path) = first(&now, &ends) {
            return Ok(Some(path));
        }
        // What is put again side by side is made anew, without what was in conflict below it.
        let opened = open.iter().filter(|open| of.reopened.contains(&open.id));
        let opened: BTreeSet<_> = opened.map(|open| &open.spot).collect();
        // Of what came in by it, what it decided; of its own, what it wrote at.
        let is_met = |open: &Open| {
            own.contains(&open.spot)
                || open.above.iter().any(|above| opened.contains(above))
                || is_in(&open.path, of.places.iter())
                || after.as_ref().is_some_and(|after| !after.contains(&open.id))
        };
        let ends = |open: &&Open| is_met(open) && !stays.contains(&open.id) && !of.opens(open);
        Ok(first(&open, &ends))
    }

    /// Where the conflicts are that were open at what a change knew, `before`, and that it decided
    /// or took away with the place. `doc` holds the change.
    pub(in crate::document) fn closed(
        &self,
        doc: &Automerge,
        change: &Change,
        before: &[Hash],
    ) -> Result<BTreeSet<DocPath>, EditFault> {
        let operations = change.decode().operations;
        let spots = operations.iter().filter_map(|op| self.spot(op));
        let written: BTreeSet<_> = spots.map(|spot| self.place(&spot)).collect();
        if !self.whole()?.places.met().any(|spot| is_in(&self.place(spot), written.iter())) {
            return Ok(BTreeSet::new());
        }
        // Ids are compared with each other alone.
        let document = DocumentId([0; 32]);
        let open = |heads: &[Hash]| {
            let (past, index) = Self::at(doc, heads)?;
            Ok(Scan::new(index.whole()?, &past).contests(&document))
        };
        let stays: BTreeSet<_> = open(&[change.hash()])?.iter().map(|open| open.id).collect();
        let closed = open(before)?.into_iter().filter(|open| !stays.contains(&open.id));
        Ok(closed.map(|open| open.path).collect())
    }

    /// A document as it was at these heads, and its index.
    pub(super) fn at(doc: &Automerge, heads: &[Hash]) -> Result<(Automerge, Self), EditFault> {
        let past = doc.fork_at(heads);
        let past = past.map_err(|error| EditFault::Document(error.to_string()))?;
        let index = Self::of(&past);
        Ok((past, index))
    }

    /// The place at which an operation writes, where that is known here.
    pub(super) fn spot(&self, op: &Op) -> Option<Spot> {
        let object = match &op.obj {
            ObjectId::Root => OpNo::ROOT,
            ObjectId::Id(id) => self.lineage.op(id.counter(), id.actor())?,
        };
        let at = match &op.key {
            Key::Map(key) => At::Key(key.as_str().into()),
            Key::Seq(ElementId::Id(id)) if !op.insert => {
                At::Element(self.lineage.op(id.counter(), id.actor())?)
            }
            Key::Seq(_) => return None,
        };
        Some(Spot { object, at })
    }

    /// The path of a place; of what is in a list, that of the list. Objects never move.
    pub(super) fn place(&self, spot: &Spot) -> DocPath {
        let mut way = vec![&spot.at];
        let mut object = spot.object;
        while let Some(above) = self.places.spot_of(object) {
            way.push(&above.at);
            object = above.object;
        }
        let key = |at: &&At| match at {
            At::Key(key) => Some(key.to_string()),
            At::Element(_) => None,
        };
        let segments: Vec<_> = way.iter().rev().map_while(key).collect();
        DocPath::nearest(&segments)
    }
}
