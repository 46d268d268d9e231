//! Bodies that the store cannot give though their events are here, and what cannot go on without
//! them: an event that carries or builds on a change of such a body waits, all else goes on
//! (SPEC: DUR-16).

use std::collections::BTreeSet;

use super::Workspace;
use crate::authority::ContentNo;
use crate::effect::{ChangeNo, DocumentNo, Effect};
use crate::id::EventId;

/// What cannot be told to the documents.
#[derive(Default)]
pub(super) struct Lost {
    /// Events whose bodies the store cannot give.
    bodies: BTreeSet<ContentNo>,
    /// Events that wait since they build on such.
    behind: BTreeSet<ContentNo>,
}

impl Lost {
    pub(super) fn bodies(&self) -> &BTreeSet<ContentNo> {
        &self.bodies
    }

    /// Is this body not to be had, or of no use without one?
    pub(super) fn holds_up(&self, no: ContentNo) -> bool {
        self.bodies.contains(&no) || self.behind.contains(&no)
    }

    /// It waits for what such a body is to bring.
    pub(super) fn wait_behind(&mut self, no: ContentNo) {
        self.behind.insert(no);
    }

    /// What it waited for came.
    pub(super) fn told(&mut self, no: ContentNo) {
        self.behind.remove(&no);
    }

    /// It is purged: nothing waits for it.
    pub(super) fn forget(&mut self, no: ContentNo) {
        self.bodies.remove(&no);
        self.behind.clear();
    }
}

/// What was met of it on the way through what waits.
pub(super) type Missing = BTreeSet<ChangeNo>;

impl Workspace {
    /// Bodies that the store cannot give: they are not asked for again, and nothing is claimed.
    pub fn bodies_lost(&mut self, ids: impl Iterator<Item = EventId>) {
        let known = |id: EventId| self.content.number(&id);
        let lost: Vec<_> =
            ids.filter_map(known).filter(|no| self.lost.bodies.insert(*no)).collect();
        // A document may be built without a change of the own actor. `SPEC: PRJ-2`
        self.fell_closed |= !lost.is_empty();
        for no in lost.into_iter().filter(|no| self.waiting.contains_key(no)).collect::<Vec<_>>() {
            let Effect::Change(changes) = self.effects.of(no) else { continue };
            // What it was to tell another may carry. `SPEC: BRA-11`
            let others = changes
                .iter()
                .filter_map(|change| self.carrier_to_tell(*change).filter(|other| *other != no));
            for other in others.collect::<Vec<_>>() {
                self.waiting.entry(other).or_insert(None);
            }
        }
    }

    /// The store has a body again that it could not give.
    pub fn body_found(&mut self, id: &EventId) {
        if let Some(no) = self.content.number(id)
            && self.lost.bodies.remove(&no)
        {
            self.lost.behind.clear();
            if *self.effects.of(no) == Effect::Unread {
                self.read_again(no);
            }
        }
    }

    /// Is a body lost that the documents lack?
    pub(super) fn lacks_to_tell(&self) -> bool {
        let is_needed = |no| self.waiting.contains_key(no) || self.readable.contains(no);
        self.lost.bodies.iter().any(is_needed)
    }

    /// An event can be read, and with it what waited for that.
    pub(super) fn read_again(&mut self, no: ContentNo) {
        let waits = |x: &ContentNo| {
            *self.effects.of(*x) == Effect::Unread
                && !self.bare.contains(x)
                && (*x == no || self.content.in_past(*x, no))
        };
        self.readable.extend(self.content.all().filter(waits));
    }

    /// How many events wait to go into the documents, but those that cannot.
    pub(super) fn waits_to_go_in(&self) -> usize {
        if self.lost.bodies.is_empty() {
            return self.waiting.len();
        }
        self.waiting.keys().filter(|no| !self.lost.holds_up(**no)).count()
    }

    /// Is it one of those that cannot go in?
    pub(super) fn is_held_up(&mut self, no: ContentNo, missing: &mut Missing) -> bool {
        let Effect::Change(changes) = self.effects.of(no) else { return false };
        let is_lost = self.lost.bodies.contains(&no);
        let is_behind = !is_lost && self.builds_on(changes, missing);
        if !is_lost && !is_behind {
            for change in changes {
                missing.remove(change);
            }
            self.lost.behind.remove(&no);
            return false;
        }
        missing.extend(changes.iter().filter(|change| !self.is_told_to_all(**change)));
        if is_behind {
            self.lost.behind.insert(no);
            // What waits for long takes no memory.
            self.waiting.insert(no, None);
        }
        true
    }

    /// Does one of these changes depend on one of those? A merge builds on what was written to
    /// another document.
    pub(super) fn builds_on(&self, changes: &[ChangeNo], on: &Missing) -> bool {
        changes.iter().any(|change| self.effects.deps(*change).any(|dep| on.contains(&dep)))
    }

    /// Do all documents hold a change that are to? Another event may carry it, and be there.
    fn is_told_to_all(&self, change: ChangeNo) -> bool {
        let holds = |of: &DocumentNo| self.has_in(*of, change);
        holds(&self.effects.document_of(change)) && self.shares.holders(change).iter().all(holds)
    }
}
