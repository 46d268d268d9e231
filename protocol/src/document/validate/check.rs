//! The door: whether a change counts.
//!
//! It keeps DOC-12 and DOC-13 and calls the rest: the frame (`chunk.rs`), the past
//! (`history.rs`), the operations (`rules.rs`). A verdict depends on the bytes and on the closure
//! of the change's dependencies alone, so every device gives the same, in any order of arrival.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::Arc;

use automerge::legacy::Op;
use automerge::{Change, ChangeHash, ExpandedChange};

use super::chunk::{ACTOR_BYTES, frame};
use super::clock::Clock;
use super::facts::Fact;
use super::fault::ChangeFault;
use super::history::{ChangeIndex, InView};
use super::plain;
use super::rules::Rules;
use crate::few::Few;

/// A change that passed every rule: what the index keeps of it.
#[derive(Debug)]
pub struct Checked {
    /// The change's name.
    pub hash: ChangeHash,
    /// Who made it.
    pub actor: [u8; ACTOR_BYTES],
    /// Its number among the changes of the actor.
    pub seq: u32,
    /// The number of its first operation.
    pub start_op: u32,
    /// What it depends on, ascending.
    pub deps: Vec<ChangeHash>,
    /// How many keys and objects it makes. `SPEC: DOC-29`
    pub makes: u32,
    /// The numbers of those, in the same order.
    pub(crate) on: Few<u32>,
    pub(crate) prev: Option<u32>,
    pub(crate) known: Clock,
    pub(crate) facts: Vec<Fact>,
    pub(crate) names: BTreeSet<Arc<str>>,
}

impl ChangeIndex {
    /// Whether `bytes` count as a change of this document.
    ///
    /// `actor` is what the author of the event may use, `in_view` says whether a change is one of
    /// an event in the author's view. Every change in that view must have been judged before, and
    /// inserted if it passed: a dependency in view that is not here is void.
    /// SPEC: DOC-27, DOC-28
    pub fn check(
        &self,
        bytes: &[u8],
        actor: &[u8; ACTOR_BYTES],
        in_view: &dyn Fn(&ChangeHash) -> bool,
    ) -> Result<Checked, ChangeFault> {
        self.check_in(bytes, actor, &|hash, _| in_view(hash))
    }

    /// The same, where the view is asked with the number of each change that was accepted.
    pub(crate) fn check_in(
        &self,
        bytes: &[u8],
        actor: &[u8; ACTOR_BYTES],
        in_view: InView<'_>,
    ) -> Result<Checked, ChangeFault> {
        let framed = frame(bytes)?;
        // SPEC: DOC-13
        if framed.actor != *actor {
            return Err(ChangeFault::ActorMismatch);
        }
        let past = self.past(&framed, in_view)?;
        let mut rules = Rules::new(self, &framed, &past);
        let expanded = if let Some(op) = plain::operation(bytes) {
            debug_assert!(is_read_by_automerge(bytes, &op), "Automerge reads another operation");
            rules.read(std::slice::from_ref(&op))?;
            None
        } else {
            let expanded = read(bytes)?;
            rules.read(&expanded.operations)?;
            Some(expanded)
        };
        let makes = rules.makes();
        let (facts, names) = rules.finish()?;
        expanded.map_or(Ok(()), |expanded| same_when_written_again(bytes, expanded))?;
        Ok(Checked {
            hash: framed.hash,
            actor: framed.actor,
            seq: framed.seq,
            start_op: framed.start_op,
            deps: framed.deps,
            makes,
            on: past.deps,
            prev: past.own,
            known: past.known,
            facts,
            names,
        })
    }
}

/// Automerge's reading of a change that is framed. SPEC: DOC-12
///
/// The frame leaves nothing that this decoder is known to panic on. If it does all the same, it
/// does so on every device, since it sees the bytes alone; so a panic is a verdict like an error.
fn read(bytes: &[u8]) -> Result<ExpandedChange, ChangeFault> {
    let attempt = catch_unwind(|| Some(Change::try_from(bytes).ok()?.decode()));
    attempt.ok().flatten().ok_or(ChangeFault::AutomergeRefused)
}

/// Does Automerge read this one operation, and write it so?
fn is_read_by_automerge(bytes: &[u8], op: &Op) -> bool {
    read(bytes).is_ok_and(|expanded| {
        expanded.operations.iter().eq([op]) && same_when_written_again(bytes, expanded).is_ok()
    })
}

/// Whether Automerge writes the very bytes for what it has read. SPEC: DOC-4
///
/// This is the path that is faithful and cheap: its own encoder for changes that are given as
/// operations. It writes what a transaction writes, byte for byte, and takes microseconds.
fn same_when_written_again(bytes: &[u8], expanded: ExpandedChange) -> Result<(), ChangeFault> {
    let again =
        catch_unwind(|| Change::from(expanded)).map_err(|_| ChangeFault::AutomergeRefused)?;
    if again.raw_bytes() == bytes { Ok(()) } else { Err(ChangeFault::NotCanonical) }
}
