//! The way to a place, and the changes that touched it.
//!
//! On the way through a list an index says which element is meant only to who knows what stands
//! before it. So it is the element that is followed that stands there now, or stood there last,
//! wherever it stood. `SPEC: PAST-3`

use std::cell::RefCell;
use std::collections::BTreeMap;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{
    ActorId, Automerge, Change, ChangeHash as Hash, ObjId, ObjType, Prop, ROOT, ReadDoc as _, Value,
};

use crate::document::DocPath;
use crate::document::conflict::ConflictIndex;
use crate::document::validate::plain_operation;
use crate::limits::HISTORY_APART_MAX;

/// An operation, by its number and who wrote it.
type Number = (u64, ActorId);

/// An element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Element {
    list: Number,
    element: Number,
}

/// The way to a place.
pub(super) struct Way<'a> {
    doc: &'a Automerge,
    index: &'a ConflictIndex,
    path: &'a DocPath,
    /// Of each segment that is an index, of which element; none where that is not known.
    elements: Vec<Option<Element>>,
    /// Nothing has this number now, and what had it last has another, or is not known.
    is_moved: bool,
    /// Where each element was found last: mostly it stands there still.
    found: RefCell<BTreeMap<usize, usize>>,
}

/// A change that touched the place.
pub(super) struct Touch {
    /// Greater than that of every change in its past.
    pub(super) number: u64,
    pub(super) hash: Hash,
    pub(super) deps: Vec<Hash>,
    /// Did it write at the place or above it, and not only below?
    pub(super) wrote: bool,
    /// The same, or somewhere in a list on the way there, where the element is not known.
    pub(super) near: bool,
}

/// One look at a document.
#[derive(Clone, Copy)]
struct Look<'a> {
    doc: &'a Automerge,
    /// As some changes knew it, or as it is.
    heads: Option<&'a [Hash]>,
}

impl Look<'_> {
    fn get(&self, object: &ObjId, prop: Prop) -> Option<(Value<'_>, ObjId)> {
        match self.heads {
            Some(heads) => self.doc.get_at(object, prop, heads),
            None => self.doc.get(object, prop),
        }
        .ok()
        .flatten()
    }
}

impl<'a> Way<'a> {
    /// The way to a place, and the changes that touched it, causes first.
    pub(super) fn of(
        doc: &'a Automerge,
        index: &'a ConflictIndex,
        path: &'a DocPath,
    ) -> (Self, Vec<Touch>) {
        let elements = vec![None; path.segments().len()];
        let (is_moved, found) = (false, RefCell::default());
        let mut way = Self { doc, index, path, elements, is_moved, found };
        let touches = way.touching();
        let now = Look { doc, heads: None };
        if let Some(elements) = way.elements_at(now) {
            way.elements = elements;
        } else {
            let last = touches.iter().rev().take(HISTORY_APART_MAX).find_map(|touch| {
                let look = Look { doc, heads: Some(&[touch.hash][..]) };
                way.elements_at(look).filter(|all| all.iter().any(Option::is_some))
            });
            let Some(elements) = last else {
                // Which element is meant is not known, if it is in a list: nothing is compared.
                way.is_moved = touches.iter().any(|touch| touch.near && !touch.wrote);
                return (way, touches);
            };
            let unknown = std::mem::replace(&mut way.elements, elements);
            way.is_moved = way.segments(now).is_some_and(|now| now != path.segments());
            if way.is_moved {
                way.elements = unknown;
                return (way, touches);
            }
        }
        // Where the elements are known, what was done to others is none of it.
        let touches = match way.elements.iter().any(Option::is_some) {
            true => way.touching(),
            false => touches,
        };
        (way, touches)
    }

    /// Does what stood at this number last stand at another now?
    pub(super) fn is_moved(&self) -> bool {
        self.is_moved
    }

    /// Where the place was to who knew these; none where it was not.
    pub(super) fn then(&self, heads: &[Hash]) -> Option<DocPath> {
        if !self.elements.iter().any(Option::is_some) {
            return Some(self.path.clone());
        }
        let look = Look { doc: self.doc, heads: Some(heads) };
        self.segments(look).map(|segments| DocPath::nearest(&segments))
    }

    /// The elements that the path leads through; none where it leads to nothing.
    fn elements_at(&self, look: Look<'_>) -> Option<Vec<Option<Element>>> {
        let (mut object, mut kind) = (ROOT, ObjType::Map);
        let mut elements = Vec::new();
        for segment in self.path.segments() {
            let in_list = kind == ObjType::List;
            let prop = match kind {
                ObjType::Map | ObjType::Table => Prop::Map(segment.clone()),
                ObjType::List => Prop::Seq(segment.parse().ok()?),
                ObjType::Text => return None,
            };
            let (value, id) = look.get(&object, prop)?;
            let list = number(&object).filter(|_| in_list);
            let element =
                list.map(|list| Some(Element { list, element: self.index.element(&id)? }));
            elements.push(match element {
                Some(element) => Some(element?),
                None => None,
            });
            (object, kind) = match value {
                Value::Object(kind) => (id, kind),
                Value::Scalar(_) => (id, ObjType::Text),
            };
        }
        Some(elements)
    }

    /// The same path to who looks, by where the elements stand; none where it leads to nothing.
    fn segments(&self, look: Look<'_>) -> Option<Vec<String>> {
        let (mut object, mut kind) = (ROOT, ObjType::Map);
        let mut segments = Vec::new();
        for (at, segment) in self.path.segments().iter().enumerate() {
            let prop = match (kind, self.elements.get(at)) {
                (ObjType::Map | ObjType::Table, _) => Prop::Map(segment.clone()),
                (ObjType::List, Some(Some(of))) if number(&object).as_ref() == Some(&of.list) => {
                    Prop::Seq(self.stands_at(look, (at, &object), &of.element)?)
                }
                (ObjType::List, _) => Prop::Seq(segment.parse().ok()?),
                (ObjType::Text, _) => return None,
            };
            segments.push(prop.to_string());
            let (value, id) = look.get(&object, prop)?;
            (object, kind) = match value {
                Value::Object(kind) => (id, kind),
                Value::Scalar(_) => (id, ObjType::Text),
            };
        }
        Some(segments)
    }

    /// Where an element stands.
    fn stands_at(
        &self,
        look: Look<'_>,
        (at, list): (usize, &ObjId),
        element: &Number,
    ) -> Option<usize> {
        let is_it = |id: &ObjId| self.index.is_element(id, element);
        let last = self.found.borrow().get(&at).copied();
        let is_there =
            |last: &usize| look.get(list, Prop::Seq(*last)).is_some_and(|(_, id)| is_it(&id));
        // Or beside it: what went, or came, before it mostly was one.
        let near = last.map(|last| [last, last.saturating_add(1), last.saturating_sub(1)]);
        let near = near.into_iter().flatten().find(is_there);
        let found = near.or_else(|| match look.heads {
            Some(heads) => {
                self.doc.list_range_at(list, .., heads).position(|item| is_it(&item.id()))
            }
            None => self.doc.list_range(list, ..).position(|item| is_it(&item.id())),
        })?;
        self.found.borrow_mut().insert(at, found);
        Some(found)
    }

    /// The changes that touched the place, causes first.
    fn touching(&self) -> Vec<Touch> {
        // The objects that ever stood on the way there, by how far they are on it, and whether
        // that is sure; what stands at its end or below is as far as it goes.
        let mut on_way = BTreeMap::new();
        let changes = self.doc.get_changes(&[]);
        let mut touches: Vec<_> =
            changes.iter().filter_map(|change| self.touch(change, &mut on_way)).collect();
        touches.sort_unstable_by_key(|touch| (touch.number, touch.hash));
        touches
    }

    fn touch(
        &self,
        change: &Change,
        on_way: &mut BTreeMap<Number, (usize, bool)>,
    ) -> Option<Touch> {
        let actor = change.actor_id().clone();
        let (mut touched, mut wrote, mut near) = (false, false, false);
        let (start, len) = (change.start_op().get(), self.path.segments().len());
        // Nearly every change is one plain operation, and to read that takes a tenth.
        let plain = plain_operation(change.raw_bytes());
        let operations = plain.map_or_else(|| change.decode().operations, |op| vec![op]);
        for (op, number) in operations.iter().zip(start..) {
            let depth = match &op.obj {
                ObjectId::Root => Some((0, true)),
                ObjectId::Id(id) => on_way.get(&(id.0, id.1.clone())).copied(),
            };
            let Some((depth, is_sure)) = depth else { continue };
            let Some(names_it) = self.leads_there(op, depth, || (number, actor.clone())) else {
                continue;
            };
            // What is in an element that is not known may be in another.
            let is_sure = is_sure && (names_it || depth >= len);
            touched = true;
            near |= depth < len;
            wrote |= depth < len && is_sure;
            if matches!(op.action, OpType::Make(_)) {
                on_way.insert((number, actor.clone()), ((depth + 1).min(len), is_sure));
            }
        }
        let (hash, deps) = (change.hash(), change.deps().to_vec());
        touched.then_some(Touch { number: start, hash, deps, wrote, near })
    }

    /// Does an operation in an object that is so far on the way lead there, and if so, does it name
    /// what is there? One in a list of which the element is not known may.
    fn leads_there(&self, op: &Op, depth: usize, own: impl Fn() -> Number) -> Option<bool> {
        let Some(segment) = self.path.segments().get(depth) else { return Some(false) };
        let seq = match &op.key {
            Key::Map(key) => return (key.as_str() == segment).then_some(true),
            Key::Seq(seq) => seq,
        };
        let of = self.elements.get(depth).and_then(Option::as_ref);
        let of = of.filter(|of| {
            matches!(&op.obj, ObjectId::Id(OpId(number, actor))
                if *number == of.list.0 && *actor == of.list.1)
        });
        let Some(of) = of else { return Some(false) };
        let is_it = match seq {
            _ if op.insert => own() == of.element,
            ElementId::Id(OpId(number, actor)) => *number == of.element.0 && *actor == of.element.1,
            ElementId::Head => false,
        };
        is_it.then_some(true)
    }
}

fn number(object: &ObjId) -> Option<Number> {
    match object {
        ObjId::Root => None,
        ObjId::Id(number, actor, _) => Some((*number, actor.clone())),
    }
}
