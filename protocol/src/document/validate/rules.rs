//! The rules of operations, each against the past of its change and what stands before it there.
//!
//! It keeps DOC-17 to DOC-26. An operation may name only what exists: an object that an earlier
//! operation made, an element of that object, a value at its own place. What else an operation
//! could do to break Automerge's applying, saving or reading is closed here rule by rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId};

use super::actions::{kind, text_rule};
use super::chunk::Framed;
use super::facts::{Fact, Kind, OpRef, Place};
use super::fault::ChangeFault;
use super::history::{ChangeIndex, Past};
use super::sequence::Elements;
use crate::limits::CHANGE_DEPTH_MAX;

/// A place as a key of a map: of an object, at a key or at an element.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    Key(OpRef, Arc<str>),
    Element(OpRef),
}

/// What is learned of a change, operation by operation.
pub(crate) struct Rules<'a> {
    elements: Elements<'a>,
    past: &'a Past,
    /// Keys that no accepted change has used.
    names: BTreeSet<Arc<str>>,
    /// The object of the operation before: most operations of a change share it.
    last: Option<(ObjectId, Object)>,
    /// How many keys and objects the operations make.
    makes: u32,
    /// The value that the change itself left at a place; `None` once it deleted that.
    left: BTreeMap<Spot, Option<OpRef>>,
}

/// The object that an operation changes.
#[derive(Clone, Copy)]
struct Object {
    at: OpRef,
    kind: Kind,
    depth: u8,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(index: &'a ChangeIndex, framed: &'a Framed, past: &'a Past) -> Self {
        let own = Vec::with_capacity(framed.ops as usize);
        let elements = Elements { index, framed, own };
        Self { elements, past, names: BTreeSet::new(), last: None, makes: 0, left: BTreeMap::new() }
    }

    /// Checks the operations in their order.
    pub(crate) fn read(&mut self, ops: &[Op]) -> Result<(), ChangeFault> {
        for op in ops {
            let object = self.object(&op.obj)?;
            let kind = kind(&op.action)?;
            let place = match object.kind {
                Kind::Map => self.map_place(op, kind)?,
                _ => self.sequence_place(op, kind, object)?,
            };
            self.predecessors(op, kind, object, &place)?;
            self.mark(kind, object, &place)?;
            let depth = object.depth + 1;
            // SPEC: DOC-17
            if depth > CHANGE_DEPTH_MAX && kind.is_object() {
                return Err(ChangeFault::TooDeep);
            }
            let is_key = kind.is_value() && op.pred.is_empty() && matches!(place, Place::Key(_));
            self.makes += u32::from(is_key) + u32::from(kind.is_object());
            self.elements.own.push(Fact { object: object.at, place, kind, depth });
        }
        Ok(())
    }

    /// How many keys and objects the operations that were read make. A put that names no value
    /// before it makes a key, since what it knew held none. `SPEC: DOC-29`
    pub(crate) fn makes(&self) -> u32 {
        self.makes
    }

    /// What is kept of the operations, once all were read.
    pub(crate) fn finish(self) -> Result<(Vec<Fact>, BTreeSet<Arc<str>>), ChangeFault> {
        // SPEC: DOC-26
        match self.elements.own.last() {
            Some(fact) if fact.kind == Kind::MarkBegin => Err(ChangeFault::MarkPair),
            _ => Ok((self.elements.own, self.names)),
        }
    }

    /// SPEC: DOC-18
    fn object(&mut self, id: &ObjectId) -> Result<Object, ChangeFault> {
        if let Some((last, object)) = &self.last
            && last == id
        {
            return Ok(*object);
        }
        let object = match id {
            ObjectId::Root => Object { at: OpRef::ROOT, kind: Kind::Map, depth: 0 },
            ObjectId::Id(op) => {
                let found = self.find(op).and_then(|at| Some((at, self.elements.fact(at)?)));
                let (at, fact) = found.ok_or(ChangeFault::UnknownObject)?;
                if !fact.kind.is_object() {
                    return Err(ChangeFault::UnknownObject);
                }
                Object { at, kind: fact.kind, depth: fact.depth }
            }
        };
        self.last = Some((id.clone(), object));
        Ok(object)
    }

    /// An operation of the past, or one that stands earlier in the change.
    fn find(&self, id: &OpId) -> Option<OpRef> {
        let framed = self.elements.framed;
        let number = u32::try_from(id.counter()).ok()?;
        let actor = id.actor().to_bytes();
        if actor != framed.actor {
            return self.elements.index.find(&self.past.known, actor, number);
        }
        match number.checked_sub(framed.start_op) {
            Some(op) => ((op as usize) < self.elements.own.len()).then(|| OpRef::own(op as usize)),
            None => self.elements.index.find_in_line(self.past.own?, number),
        }
    }

    /// SPEC: DOC-19
    fn map_place(&mut self, op: &Op, kind: Kind) -> Result<Place, ChangeFault> {
        let Key::Map(key) = &op.key else {
            return Err(ChangeFault::WrongPlace);
        };
        if op.insert || kind.is_mark() {
            return Err(ChangeFault::WrongPlace);
        }
        if key.is_empty() {
            return Err(ChangeFault::EmptyKey);
        }
        let known = self.elements.index.name(key).or_else(|| self.names.get(key.as_str()).cloned());
        let name = known.unwrap_or_else(|| {
            let name: Arc<str> = Arc::from(key.as_str());
            self.names.insert(Arc::clone(&name));
            name
        });
        Ok(Place::Key(name))
    }

    fn sequence_place(&self, op: &Op, kind: Kind, object: Object) -> Result<Place, ChangeFault> {
        // SPEC: DOC-19
        let Key::Seq(element) = &op.key else {
            return Err(ChangeFault::WrongPlace);
        };
        if kind.is_mark() && !(op.insert && object.kind == Kind::Text) {
            return Err(ChangeFault::WrongPlace);
        }
        if object.kind == Kind::Text {
            text_rule(op, kind)?;
        }
        // SPEC: DOC-20
        let at = match element {
            ElementId::Head if op.insert => OpRef::HEAD,
            ElementId::Head => return Err(ChangeFault::UnknownElement),
            ElementId::Id(id) => self.element(id, object)?,
        };
        if op.insert {
            // An insertion makes its place, so there is nothing before it to delete or replace.
            if !kind.is_value() && !kind.is_mark() {
                return Err(ChangeFault::WrongPlace);
            }
            return Ok(self.elements.behind(at));
        }
        Ok(Place::Element(at))
    }

    /// An element of the object. SPEC: DOC-20
    fn element(&self, id: &OpId, object: Object) -> Result<OpRef, ChangeFault> {
        let at = self.find(id).ok_or(ChangeFault::UnknownElement)?;
        let fact = self.elements.fact(at).ok_or(ChangeFault::UnknownElement)?;
        let inserted = matches!(fact.place, Place::Inserted { .. });
        if inserted && fact.object == object.at { Ok(at) } else { Err(ChangeFault::UnknownElement) }
    }

    /// SPEC: DOC-21
    fn predecessors(
        &mut self,
        op: &Op,
        kind: Kind,
        object: Object,
        place: &Place,
    ) -> Result<(), ChangeFault> {
        let needed =
            matches!(kind, Kind::Delete | Kind::Increment) || matches!(place, Place::Element(_));
        if needed && op.pred.is_empty() {
            return Err(ChangeFault::MissingPredecessor);
        }
        let left = self.left_at(object, place);
        let (mut counters, mut names_left) = (false, left.is_none());
        let mut before: Option<&OpId> = None;
        for id in op.pred.iter() {
            // They are sorted: the written form has to be the one that Automerge writes.
            if before == Some(id) {
                return Err(ChangeFault::DuplicatePredecessor);
            }
            before = Some(id);
            let at = self.predecessor(id, object, place)?;
            names_left |= left == Some(at);
            counters |= self.elements.fact(at).is_some_and(|fact| fact.kind == Kind::Counter);
        }
        // SPEC: DOC-22
        if !names_left {
            return Err(ChangeFault::OwnPredecessor);
        }
        // SPEC: DOC-23
        if kind == Kind::Increment && !counters {
            return Err(ChangeFault::NotACounter);
        }
        self.leave_at(kind, object, place);
        Ok(())
    }

    /// A value of the past that stands where the operation does.
    fn predecessor(&self, id: &OpId, object: Object, place: &Place) -> Result<OpRef, ChangeFault> {
        let found = self.find(id).and_then(|at| Some((at, self.elements.fact(at)?)));
        let (at, fact) = found.ok_or(ChangeFault::UnknownPredecessor)?;
        let there = match (place, &fact.place) {
            (Place::Element(element), Place::Inserted { .. }) => *element == at,
            (Place::Inserted { .. }, _) => false,
            (place, other) => place == other,
        };
        if there && fact.object == object.at && fact.kind.is_value() {
            Ok(at)
        } else {
            Err(ChangeFault::UnknownPredecessor)
        }
    }

    /// The value that the change itself has left where the next operation stands.
    fn left_at(&self, object: Object, place: &Place) -> Option<OpRef> {
        let spot = spot(object, place)?;
        match (self.left.get(&spot), spot) {
            (Some(left), _) => *left,
            // Insertions are not put down: there are many, and each is at its own place.
            (None, Spot::Element(element)) if element.is_own() => Some(element),
            _ => None,
        }
    }

    fn leave_at(&mut self, kind: Kind, object: Object, place: &Place) {
        let Some(spot) = spot(object, place) else {
            return;
        };
        if kind == Kind::Delete {
            self.left.insert(spot, None);
        } else if kind.is_value() {
            self.left.insert(spot, Some(OpRef::own(self.elements.own.len())));
        }
    }

    /// SPEC: DOC-26
    fn mark(&self, kind: Kind, object: Object, place: &Place) -> Result<(), ChangeFault> {
        let begin = self.elements.own.last().filter(|fact| fact.kind == Kind::MarkBegin);
        let (begin, end) = match (begin, kind) {
            (None, Kind::MarkEnd) => return Err(ChangeFault::MarkPair),
            (None, _) => return Ok(()),
            (Some(begin), Kind::MarkEnd) if begin.object == object.at => (begin, place),
            (Some(_), _) => return Err(ChangeFault::MarkPair),
        };
        let (Place::Inserted { parent: from, .. }, Place::Inserted { parent: to, .. }) =
            (&begin.place, end)
        else {
            return Err(ChangeFault::MarkPair);
        };
        // Both are the latest behind their elements, so they stand as those do, in whatever else
        // will be inserted; or the end stands behind the begin itself.
        let behind = *to == OpRef::own(self.elements.own.len() - 1)
            || self.elements.order(*from, *to).is_lt();
        if behind { Ok(()) } else { Err(ChangeFault::MarkOrder) }
    }
}

fn spot(object: Object, place: &Place) -> Option<Spot> {
    match place {
        Place::Key(key) => Some(Spot::Key(object.at, Arc::clone(key))),
        Place::Element(element) => Some(Spot::Element(*element)),
        Place::Inserted { .. } => None,
    }
}
