//! What is kept of an operation once its change counts: as much as later ones may name.
//!
//! Its object, its place there, what it does, and how deep an object it made is: 48 bytes, and
//! the string of a key once for the whole document.

use std::sync::Arc;

/// An operation: the number of its change in the index, and its place in the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpRef {
    pub(crate) change: u32,
    pub(crate) op: u32,
}

impl OpRef {
    const NOWHERE: u32 = u32::MAX;
    const UNNUMBERED: u32 = u32::MAX - 1;
    /// The document itself, the object that no operation made.
    pub(crate) const ROOT: Self = Self { change: Self::NOWHERE, op: 0 };
    /// What stands before the first element of every sequence.
    pub(crate) const HEAD: Self = Self { change: Self::NOWHERE, op: 1 };

    /// An operation of the change that is being checked, which has no number yet.
    pub(crate) fn own(op: usize) -> Self {
        Self { change: Self::UNNUMBERED, op: u32::try_from(op).unwrap_or(u32::MAX) }
    }

    pub(crate) fn is_own(self) -> bool {
        self.change == Self::UNNUMBERED
    }

    fn number(&mut self, change: u32) {
        if self.is_own() {
            self.change = change;
        }
    }
}

/// What an operation does, as far as later ones ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Map,
    List,
    Text,
    Value,
    Counter,
    Delete,
    Increment,
    MarkBegin,
    MarkEnd,
}

impl Kind {
    /// Whether a later operation may replace or delete what this one put.
    pub(crate) fn is_value(self) -> bool {
        matches!(self, Self::Map | Self::List | Self::Text | Self::Value | Self::Counter)
    }

    pub(crate) fn is_object(self) -> bool {
        matches!(self, Self::Map | Self::List | Self::Text)
    }

    pub(crate) fn is_mark(self) -> bool {
        matches!(self, Self::MarkBegin | Self::MarkEnd)
    }
}

/// Where in its object an operation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At a key of a map.
    Key(Arc<str>),
    /// At an element that an earlier operation inserted.
    Element(OpRef),
    /// At the element that it inserts itself, behind `parent`; `jump` is an ancestor further up
    /// (`sequence.rs`), `level` the number of ancestors.
    Inserted { parent: OpRef, jump: OpRef, level: u32 },
}

/// What is kept of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) object: OpRef,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    /// For an operation that makes an object: how deep that object is, the root being 0.
    pub(crate) depth: u8,
}

impl Fact {
    /// Gives the operations of the change that was checked its number.
    pub(crate) fn number(&mut self, change: u32) {
        self.object.number(change);
        match &mut self.place {
            Place::Key(_) => {}
            Place::Element(element) => element.number(change),
            Place::Inserted { parent, jump, .. } => {
                parent.number(change);
                jump.number(change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_takes_no_more_than_it_says() {
        assert!(size_of::<Fact>() <= 48);
    }
}
