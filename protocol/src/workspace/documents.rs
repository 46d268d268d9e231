//! Which documents there are, and which of them are open: held by the second state machine.
//!
//! The root is always open. Another is told nothing until somebody reads or changes it; what it
//! would hold is known all the same, from the changes that count (SPEC: PRJ-12).

use std::collections::BTreeSet;

use super::{AuthorFault, Pen, Workspace};
use crate::authority::ContentNo;
use crate::effect::Effect;
use crate::event::Verified;
use crate::hash;
use crate::id::{ChangeHash, DeviceId, DocumentId, EventId, Incarnation, Lane};
use crate::limits::PARENTS_MAX;

/// What the changes that count of a document are to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Those that no other depends on, sorted: the heads that Automerge has of them.
    pub heads: Vec<ChangeHash>,
    /// Every change depends on the one before it, so none was made apart from another.
    pub is_straight: bool,
}

impl Workspace {
    /// The event that carries a change of a document.
    #[must_use]
    pub fn carrier(&self, document: &DocumentId, change: &ChangeHash) -> Option<EventId> {
        Some(self.content.id(self.effects.carrier(document, change)?))
    }

    /// The documents in which something counts, by id.
    pub fn documents(&self) -> impl Iterator<Item = DocumentId> {
        let counts = |id: &DocumentId| {
            let left_out = self.left_out.get(id);
            let mut changes = self.applied.get(id).into_iter().flatten();
            changes.any(|(hash, _)| left_out.is_none_or(|out| !out.contains(hash)))
        };
        self.applied.keys().copied().filter(counts)
    }

    /// How many events there are of which a document holds something.
    #[must_use]
    pub fn events_in_documents(&self) -> usize {
        let mut events = BTreeSet::<ContentNo>::new();
        for (document, applied) in &self.applied {
            let left_out = self.left_out.get(document);
            let counts = |hash: &ChangeHash| left_out.is_none_or(|out| !out.contains(hash));
            let counting = applied.iter().filter(|(hash, _)| counts(hash));
            events.extend(counting.flat_map(|(_, carriers)| carriers));
        }
        events.len()
    }

    /// Is there such a document, with something that counts, or will be told of presently?
    #[must_use]
    pub fn has_document(&self, document: &DocumentId) -> bool {
        let waits = |no: &ContentNo| match self.effects.of(*no) {
            Effect::Change(changes) => changes.iter().any(|(id, _)| id == document),
            _ => false,
        };
        self.applied.get(document).is_some_and(|changes| !changes.is_empty())
            || self.waiting.keys().any(waits)
    }

    /// Is it told what comes?
    #[must_use]
    pub fn is_open(&self, document: &DocumentId) -> bool {
        self.open.contains(document) || self.root_document() == Some(*document)
    }

    /// The documents that are open beside the root.
    #[must_use]
    pub fn opened(&self) -> &BTreeSet<DocumentId> {
        &self.open
    }

    /// From here on it is told what comes, and first what counts already.
    pub fn open(&mut self, document: DocumentId) {
        self.open.insert(document);
        self.tell_anew(document);
    }

    /// It is told nothing any more. Whoever held it need not.
    pub fn close(&mut self, document: DocumentId) {
        self.open.remove(&document);
        self.held.remove(&document);
        self.dropped.remove(&document);
        self.anew.remove(&document);
        self.shares.forget(&document);
    }

    /// The document of an own event's change holds it since it was made, so it need not be told.
    /// Says whether that is so: what does not count, or is not to be held, is told as of others.
    pub fn stands(&mut self, event: &EventId, change: &(DocumentId, ChangeHash)) -> bool {
        let waits = |no: &ContentNo| self.waiting.contains_key(no);
        let Some(no) = self.content.number(event).filter(waits) else { return false };
        let carries = matches!(self.effects.of(no), Effect::Change(all) if all.contains(change));
        let (document, hash) = *change;
        // What falls out of it, or begins it anew, is asked of it behind what was just made.
        let stays = !self.stale
            && !self.anew.contains(&document)
            && !self.dropped.contains_key(&document)
            && !self.is_left_out(&[*change]);
        let stands = carries && self.is_open(&document) && stays;
        if stands {
            self.held.entry(document).or_default().insert(hash);
        }
        stands
    }

    /// Did something fall out of a document since last asked that is not open? An own actor's
    /// number may be free again there, and is not to be used for something else. `SPEC: PRJ-2`
    pub fn take_fallen(&mut self) -> bool {
        std::mem::take(&mut self.fell_closed)
    }

    /// What the changes of a document are to each other: those that count, and stand in it. It is
    /// kept until that changes in the document's family. `SPEC: PRJ-12`
    #[must_use]
    pub fn line(&self, document: &DocumentId) -> Line {
        let first = self.effects.first_of(document);
        let version = self.shares.version_of(&first);
        let mut lines = self.shares.lines.borrow_mut();
        let known = lines.of.get(document).filter(|(of, at, _)| (*of, *at) == (first, version));
        if let Some((_, _, line)) = known {
            return line.clone();
        }
        let line = self.find_line(document);
        lines.of.insert(*document, (first, version, line.clone()));
        lines.looks = lines.looks.saturating_add(1);
        line
    }

    /// Rises when something else counts in any document, open or not.
    #[must_use]
    pub fn changes_version(&self) -> u64 {
        self.shares.version()
    }

    /// How often all changes of a document were looked at for that.
    #[must_use]
    pub fn line_looks(&self) -> u64 {
        self.shares.lines.borrow().looks
    }

    fn find_line(&self, document: &DocumentId) -> Line {
        if self.effects.has_branches(document) {
            return self.family_line(document);
        }
        let (applied, left_out) = (self.applied.get(document), self.left_out.get(document));
        let mut stands: BTreeSet<ChangeHash> = BTreeSet::new();
        let mut heads: BTreeSet<ChangeHash> = BTreeSet::new();
        let mut line = Line { heads: Vec::new(), is_straight: true };
        for hash in self.effects.order(document) {
            let deps = self.effects.deps(document, hash);
            let counts = applied.is_some_and(|applied| applied.contains_key(hash))
                && left_out.is_none_or(|out| !out.contains(hash))
                && deps.iter().all(|dep| stands.contains(dep));
            if !counts {
                continue;
            }
            line.is_straight &= deps.len() == heads.len() && heads.iter().eq(deps);
            stands.insert(*hash);
            heads.retain(|head| !deps.contains(head));
            heads.insert(*hash);
            line.is_straight &= heads.len() == 1;
        }
        line.heads = heads.into_iter().collect();
        line
    }

    /// The document that the next content event of this store would make; none where it is not
    /// the next, since heads have to be joined first. `SPEC: PRJ-1, EVT-11`
    #[must_use]
    pub fn next_document(
        &self,
        device: &DeviceId,
        incarnation: &Incarnation,
    ) -> Option<DocumentId> {
        let is_next = self.heads(Lane::Content).len() <= PARENTS_MAX;
        is_next.then(|| hash::document_id(device, incarnation, self.next_seq(device, incarnation)))
    }

    pub(super) fn next_seq(&self, device: &DeviceId, incarnation: &Incarnation) -> u64 {
        let tip = self.own_tip(device, incarnation, Lane::Content);
        let tip = tip.and_then(|tip| self.header(&tip));
        tip.map_or(0, |header| header.seq.saturating_add(1))
    }

    /// Joins the heads of content where they are too many for one event.
    pub fn write_joins(&mut self, pen: &mut Pen<'_>) -> Result<Vec<Verified>, AuthorFault> {
        let mut events = Vec::new();
        self.settle();
        self.join_heads(pen, Lane::Content, &mut events)?;
        Ok(events)
    }
}
