//! The order of the elements of a sequence, from the tree of their insertions.
//!
//! Every element hangs behind the one it was inserted after; siblings stand with the later
//! operation first; the sequence is that tree, each element before what hangs from it. So the
//! order of two elements follows from their ancestors alone and never changes. Ancestors are
//! found by jumps, so that a text typed letter by letter costs the logarithm of its length.

use std::cmp::Ordering;

use super::chunk::{ACTOR_BYTES, Framed};
use super::facts::{Fact, OpRef, Place};
use super::history::ChangeIndex;

/// The operations that a rule may look at: those accepted, and those of the change so far.
pub(crate) struct Elements<'a> {
    pub(crate) index: &'a ChangeIndex,
    pub(crate) framed: &'a Framed,
    pub(crate) own: Vec<Fact>,
}

/// Where an element hangs in the tree.
struct Hold {
    parent: OpRef,
    jump: OpRef,
    level: u32,
}

const TOP: Hold = Hold { parent: OpRef::HEAD, jump: OpRef::HEAD, level: 0 };

impl Elements<'_> {
    pub(crate) fn fact(&self, at: OpRef) -> Option<&Fact> {
        if at.is_own() { self.own.get(at.op as usize) } else { self.index.fact(at) }
    }

    /// Number and actor, as siblings are ordered by.
    fn id(&self, at: OpRef) -> Option<(u32, &[u8; ACTOR_BYTES])> {
        if at.is_own() {
            Some((self.framed.start_op + at.op, &self.framed.actor))
        } else {
            self.index.id(at)
        }
    }

    fn hold(&self, at: OpRef) -> Hold {
        match self.fact(at).map(|fact| &fact.place) {
            Some(Place::Inserted { parent, jump, level }) => {
                Hold { parent: *parent, jump: *jump, level: *level }
            }
            _ => TOP,
        }
    }

    /// The place of an element that is inserted behind `parent`.
    pub(crate) fn behind(&self, parent: OpRef) -> Place {
        let hold = self.hold(parent);
        let over = self.hold(hold.jump);
        let further = self.hold(over.jump);
        let even = hold.level - over.level == over.level - further.level;
        let jump = if even { over.jump } else { parent };
        Place::Inserted { parent, jump, level: hold.level + 1 }
    }

    /// Which of two elements of one sequence comes first.
    pub(crate) fn order(&self, one: OpRef, two: OpRef) -> Ordering {
        if one == two {
            return Ordering::Equal;
        }
        let (level_one, level_two) = (self.hold(one).level, self.hold(two).level);
        let mut a = self.lifted(one, level_two);
        let mut b = self.lifted(two, level_one);
        if a == b {
            // One hangs from the other, and so stands behind it.
            return level_one.cmp(&level_two);
        }
        loop {
            let (hold_a, hold_b) = (self.hold(a), self.hold(b));
            if hold_a.parent == hold_b.parent {
                return self.id(b).cmp(&self.id(a));
            }
            // Elements of one level jump to one level.
            (a, b) = if hold_a.jump == hold_b.jump {
                (hold_a.parent, hold_b.parent)
            } else {
                (hold_a.jump, hold_b.jump)
            };
        }
    }

    /// The ancestor on that level; the element itself if it is not deeper.
    fn lifted(&self, element: OpRef, level: u32) -> OpRef {
        let mut at = element;
        loop {
            let hold = self.hold(at);
            if hold.level <= level {
                return at;
            }
            at = if self.hold(hold.jump).level >= level { hold.jump } else { hold.parent };
        }
    }
}
