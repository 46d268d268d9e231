//! Resolving: a change that knows all sides and writes the place.
//!
//! It is built operation by operation and not by an Automerge transaction, since that cannot
//! write what has to be written here: a list element that is removed, to bring it back in its
//! place; a delete of what is deleted, to say that it stays so. To the validator it is a change
//! like others. Objects are made anew, so that an edit of the old one, made apart, is not mixed
//! into what was decided (SPEC: PRJ-5).

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Automerge, Change, ExpandedChange, ObjId, ObjType, ScalarValue};

use super::ConflictIndex;
use super::lineage::OpNo;
use super::meaning::FINAL;
use super::places::{At, Spot};
use super::scan::{Open, Scan, What};
use super::setter::PutBack;
use super::tree::Tree;
use super::why::letter;
use crate::document::{Edit, EditFault};
use crate::id::DocumentId;
use crate::limits::CONFLICT_SIDES_MAX;

/// The change that resolves what `edits` name. `SPEC: CFL-11`
pub(super) fn change(
    index: &ConflictIndex,
    doc: &Automerge,
    document: &DocumentId,
    actor: [u8; 16],
    edits: &[Edit],
    put_back: &PutBack,
) -> Result<Change, EditFault> {
    let mut scan = Scan::new(index, doc);
    let mut open: BTreeMap<_, _> =
        scan.open(document).into_iter().map(|open| (open.id, open)).collect();
    let actor = ActorId::from(&actor[..]);
    let start = index.lineage.last_op() + 1;
    let mut maker = Maker { actor, next: start, ops: Vec::new() };
    for edit in edits {
        let id = match edit {
            Edit::Keep { resolve, .. } | Edit::Decide { resolve, .. } => *resolve,
            Edit::Set { .. } | Edit::Append { .. } | Edit::Rm { .. } => {
                return Err(EditFault::Mixed);
            }
        };
        // What was resolved by an edit before is not open any more.
        let mut conflict = open.remove(&id).ok_or(EditFault::NoConflict(id))?;
        if matches!(edit, Edit::Keep { .. }) {
            scan.letter(&mut conflict, put_back);
        }
        if !conflict.plans.is_empty() {
            let Edit::Keep { keep, .. } = edit else { return Err(EditFault::BySide(id)) };
            let kept = side(&conflict, keep)?;
            maker.keep_plan(&mut scan, &conflict, kept);
            continue;
        }
        let chosen = match edit {
            Edit::Decide { value, .. } => Some(Tree::from_json(value, conflict.segments.len())?),
            Edit::Keep { keep, .. } => kept(&mut scan, &conflict, keep)?,
            Edit::Set { .. } | Edit::Append { .. } | Edit::Rm { .. } => None,
        };
        maker.resolve(&mut scan, &conflict, chosen.as_ref());
    }
    let mut deps = doc.get_heads();
    deps.sort();
    let start_op = NonZeroU64::new(start).unwrap_or(NonZeroU64::MIN);
    Ok(Change::from(ExpandedChange {
        operations: maker.ops,
        seq: index.lineage.next_seq(&maker.actor),
        actor_id: maker.actor,
        hash: None,
        start_op,
        // Wall time never enters a change: the validator demands 0.
        time: 0,
        message: None,
        deps,
        extra_bytes: Vec::new(),
        author: None,
    }))
}

/// What the side of that letter shows; none where that is nothing.
fn kept(scan: &mut Scan<'_>, conflict: &Open, keep: &str) -> Result<Option<Tree>, EditFault> {
    let side = conflict.sides.get(side(conflict, keep)?);
    Ok(side.and_then(|side| scan.tree(&conflict.spot, *side)))
}

/// The place of the side of that letter.
fn side(conflict: &Open, keep: &str) -> Result<usize, EditFault> {
    let listed = conflict.sides.len().min(CONFLICT_SIDES_MAX);
    let last = letter(listed.saturating_sub(1));
    let side = (0..listed).find(|at| letter(*at) == keep);
    side.ok_or_else(|| EditFault::NoSide { conflict: conflict.id, side: keep.to_owned(), last })
}

/// A change in the making.
pub(super) struct Maker {
    pub(super) actor: ActorId,
    /// The number of the next operation.
    pub(super) next: u64,
    pub(super) ops: Vec<Op>,
}

impl Maker {
    /// The other plans are final no longer. `SPEC: CFL-12`
    fn keep_plan(&mut self, scan: &mut Scan<'_>, conflict: &Open, kept: usize) {
        let others = conflict.plans.iter().enumerate().filter(|(at, _)| *at != kept);
        for (_, plan) in others {
            let object = object_of(scan, plan.mark.object);
            let shown = scan.shown(&plan.mark, None);
            let past = op_ids(scan, shown);
            let put = OpType::Put(ScalarValue::Boolean(false));
            self.push(&object, Key::Map(FINAL.into()), past, false, put);
        }
    }

    fn resolve(&mut self, scan: &mut Scan<'_>, conflict: &Open, chosen: Option<&Tree>) {
        let spot = &conflict.spot;
        let object = object_of(scan, spot.object);
        let key = key_of(scan, spot);
        let past = predecessors(scan, conflict);
        match chosen {
            Some(tree) => self.put(&object, key, past, false, tree),
            None => {
                self.push(&object, key, past, false, OpType::Delete);
            }
        }
    }

    pub(super) fn push(
        &mut self,
        object: &ObjectId,
        key: Key,
        past: Vec<OpId>,
        insert: bool,
        action: OpType,
    ) -> OpId {
        let id = OpId(self.next, self.actor.clone());
        self.next += 1;
        self.ops.push(Op { action, obj: object.clone(), key, pred: past.into(), insert });
        id
    }

    /// Recursion over the tree, which is no deeper than a document.
    pub(super) fn put(
        &mut self,
        object: &ObjectId,
        key: Key,
        past: Vec<OpId>,
        insert: bool,
        tree: &Tree,
    ) {
        let action = match tree {
            Tree::Scalar(scalar) => OpType::Put(scalar.clone()),
            Tree::Text(_) => OpType::Make(ObjType::Text),
            Tree::List(_) => OpType::Make(ObjType::List),
            Tree::Map(_) => OpType::Make(ObjType::Map),
        };
        let made = ObjectId::Id(self.push(object, key, past, insert, action));
        let mut behind = ElementId::Head;
        match tree {
            Tree::Scalar(_) => {}
            Tree::Text(text) => {
                for letter in text.chars() {
                    let put = OpType::Put(ScalarValue::Str(letter.to_string().into()));
                    behind = ElementId::Id(self.push(&made, behind.into_key(), vec![], true, put));
                }
            }
            Tree::List(items) => {
                for item in items {
                    let next = ElementId::Id(OpId(self.next, self.actor.clone()));
                    self.put(&made, behind.into_key(), vec![], true, item);
                    behind = next;
                }
            }
            Tree::Map(fields) => {
                for (key, item) in fields {
                    self.put(&made, Key::Map(key.into()), vec![], false, item);
                }
            }
        }
    }
}

/// All values at the place, and those removed there that somebody edited.
pub(super) fn predecessors(scan: &mut Scan<'_>, conflict: &Open) -> Vec<OpId> {
    let mut ops = scan.shown(&conflict.spot, None);
    ops.extend(conflict.sides.iter().filter_map(|side| match side.what {
        What::Removed(value) => Some(value),
        What::Nothing | What::Value(_) => None,
    }));
    op_ids(scan, ops)
}

/// Automerge's name of an object, as operations have it.
pub(super) fn object_of(scan: &Scan<'_>, object: OpNo) -> ObjectId {
    match scan.id_of(object) {
        ObjId::Root => ObjectId::Root,
        ObjId::Id(number, actor, _) => ObjectId::Id(OpId(number, actor)),
    }
}

/// A place in its object, as operations have it.
pub(super) fn key_of(scan: &Scan<'_>, spot: &Spot) -> Key {
    match &spot.at {
        At::Key(key) => Key::Map(key.as_ref().into()),
        At::Element(element) => match scan.id_of(*element) {
            ObjId::Id(number, actor, _) => Key::Seq(ElementId::Id(OpId(number, actor))),
            ObjId::Root => Key::Seq(ElementId::Head),
        },
    }
}

pub(super) fn op_ids(scan: &Scan<'_>, ops: Vec<OpNo>) -> Vec<OpId> {
    let ids = ops.into_iter().filter_map(|op| match scan.id_of(op) {
        ObjId::Root => None,
        ObjId::Id(number, actor, _) => Some(OpId(number, actor)),
    });
    let mut past: Vec<_> = ids.collect();
    past.sort();
    past.dedup();
    past
}
