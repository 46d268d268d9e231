//! The validator of Automerge changes: which bytes count as a change of a document.
//!
//! Automerge is not safe against hostile changes, so it never sees bytes that this module has not
//! framed, and never applies a change that it has not passed. The verdict is a pure function of
//! the bytes and of the closure of the change's dependencies.

pub mod chunk;

mod actions;
mod check;
mod clock;
mod columns;
mod facts;
mod fault;
mod history;
mod leb;
mod plain;
mod rules;
mod runs;
mod sequence;

pub use automerge::ChangeHash;
pub use check::Checked;
pub use chunk::{Framed, frame};
pub(crate) use clock::Clock;
pub use fault::ChangeFault;
pub use history::ChangeIndex;
pub(crate) use leb::Reader;
pub(crate) use plain::{change as plain_change, operation as plain_operation};

/// The hash of a change that passed, as the rest of the protocol names it.
#[must_use]
pub fn to_hash(checked: &Checked) -> crate::id::ChangeHash {
    crate::id::ChangeHash(checked.hash.0)
}
