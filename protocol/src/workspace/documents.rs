//! Which documents there are, and which of them are open: held by the second state machine.
//!
//! The root is always open. Another is told nothing until somebody reads or changes it; what it
//! would hold is known all the same, from the changes that count (SPEC: PRJ-12).

use std::collections::BTreeSet;

use super::{AuthorFault, Pen, Workspace};
use crate::authority::{BitSet, ContentNo};
use crate::effect::{ChangeNo, DocumentNo, Effect};
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
    /// The root document, once it holds something here: an edit of one that was not begun yet would
    /// begin another.
    #[must_use]
    pub fn held_document(&self) -> Option<DocumentId> {
        let is_held = |id: &DocumentId| {
            let held = self.effects.document_number(id).and_then(|no| self.held.get(&no));
            held.is_some_and(|held| !held.is_empty())
        };
        self.root_document().filter(is_held)
    }

    /// The event that carries a change of a document.
    #[must_use]
    pub fn carrier(&self, document: &DocumentId, change: &ChangeHash) -> Option<EventId> {
        let change = self.effects.number(document, change)?;
        Some(self.content.id(self.effects.carrier(change)?))
    }

    /// The documents in which something counts, by id.
    pub fn documents(&self) -> impl Iterator<Item = DocumentId> {
        let counts = |no: DocumentNo| {
            let mut changes = self.effects.order(no);
            self.applied.has_any_of(no) && changes.any(|change| self.stands_told(change))
        };
        self.effects.documents().filter(move |(_, no)| counts(*no)).map(|(id, _)| *id)
    }

    /// Was it told, and is it not left out?
    pub(super) fn stands_told(&self, change: ChangeNo) -> bool {
        self.applied.has(change) && !self.left_out.contains(&change)
    }

    /// How many events there are of which a document holds something.
    #[must_use]
    pub fn events_in_documents(&self) -> usize {
        let mut events = BTreeSet::<ContentNo>::new();
        for (_, document) in self.effects.documents() {
            let counting = self.effects.order(document).filter(|change| self.stands_told(*change));
            events.extend(counting.flat_map(|change| self.applied.by(change)));
        }
        events.len()
    }

    /// Is there such a document, with something that counts, or will be told of presently?
    #[must_use]
    pub fn has_document(&self, document: &DocumentId) -> bool {
        let Some(document) = self.effects.document_number(document) else { return false };
        let waits = |no: &ContentNo| match self.effects.of(*no) {
            Effect::Change(changes) => {
                changes.iter().any(|change| self.effects.document_of(*change) == document)
            }
            _ => false,
        };
        self.applied.has_any_of(document) || self.waiting.keys().any(waits)
    }

    /// Is it told what comes?
    #[must_use]
    pub fn is_open(&self, document: &DocumentId) -> bool {
        self.open.contains(document) || self.root_document() == Some(*document)
    }

    pub(super) fn is_open_no(&self, document: DocumentNo) -> bool {
        self.is_open(&self.effects.document_id(document))
    }

    /// Does a document hold a change of its family, or was it told to?
    pub(super) fn has_in(&self, document: DocumentNo, change: ChangeNo) -> bool {
        self.held.get(&document).is_some_and(|held| held.contains(change.number()))
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
        self.dropped.remove(&document);
        self.anew.remove(&document);
        if let Some(no) = self.effects.document_number(&document) {
            self.held.remove(&no);
            self.shares.forget(no);
        }
    }

    /// The document of an own event's change holds it since it was made, so it need not be told.
    /// Says whether that is so: what does not count, or is not to be held, is told as of others.
    pub fn stands(&mut self, event: &EventId, change: &(DocumentId, ChangeHash)) -> bool {
        let waits = |no: &ContentNo| self.waiting.contains_key(no);
        let Some(no) = self.content.number(event).filter(waits) else { return false };
        let (document, hash) = change;
        let Some(change) = self.effects.number(document, hash) else { return false };
        let of = self.effects.document_of(change);
        let carries = matches!(self.effects.of(no), Effect::Change(all) if all.contains(&change))
            && self.effects.document_id(of) == *document;
        // What falls out of it, or begins it anew, is asked of it behind what was just made.
        let stays = !self.stale
            && !self.anew.contains(document)
            && !self.dropped.contains_key(document)
            && !self.is_left_out(&[change]);
        let stands = carries && self.is_open(document) && stays;
        if stands {
            self.held.entry(of).or_default().insert(change.number());
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
        let Some(document) = self.effects.document_number(document) else {
            return Line { heads: Vec::new(), is_straight: true };
        };
        let version = self.shares.version_of(self.effects.family(document));
        let mut lines = self.shares.lines.borrow_mut();
        if let Some((_, line)) = lines.of.get(&document).filter(|(at, _)| *at == version) {
            return line.clone();
        }
        let line = self.find_line(document);
        lines.of.insert(document, (version, line.clone()));
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

    fn find_line(&self, document: DocumentNo) -> Line {
        if self.effects.has_branches(document) {
            return self.family_line(document);
        }
        let mut stands = BitSet::new();
        let mut heads: BTreeSet<ChangeNo> = BTreeSet::new();
        let mut is_straight = true;
        for change in self.effects.order(document) {
            let counts = self.stands_told(change)
                && self.effects.deps(change).all(|dep| stands.contains(dep.number()));
            if counts {
                is_straight &= self.goes_on(change, &heads);
                stands.insert(change.number());
                self.effects.deps(change).for_each(|dep| {
                    heads.remove(&dep);
                });
                heads.insert(change);
                is_straight &= heads.len() == 1;
            }
        }
        Line { heads: self.sorted(heads), is_straight }
    }

    /// Does a change depend on exactly these?
    pub(super) fn goes_on(&self, change: ChangeNo, heads: &BTreeSet<ChangeNo>) -> bool {
        let mut deps = 0;
        let are_heads =
            self.effects.deps(change).inspect(|_| deps += 1).all(|dep| heads.contains(&dep));
        are_heads && deps == heads.len()
    }

    /// The hashes of changes, ascending.
    pub(super) fn sorted(&self, changes: impl IntoIterator<Item = ChangeNo>) -> Vec<ChangeHash> {
        let mut hashes: Vec<_> = changes.into_iter().map(|of| self.effects.hash(of)).collect();
        hashes.sort_unstable();
        hashes
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
