//! From admitted events to documents: what goes in, what falls out, and what is waited for.
//!
//! A document is told in causal order. Where a body has to come from the store first, what comes
//! after it waits, so that no change is ever applied before what it builds on.

mod behind;

use std::collections::{BTreeMap, BTreeSet};

use super::Workspace;
use super::backlog::Charge;
use crate::authority::{BitSet, ContentNo};
use crate::content::Content;
use crate::document::DocumentTask;
use crate::effect::{ChangeNo, Chunks, DocumentNo, Effect, made_document};
use crate::event::Verified;
use crate::few::Few;
use crate::id::{DocumentId, EventId};
use crate::limits::LOAD_SLICE_EVENTS;
use crate::store::Place;
use behind::{Carried, Way};

/// What the choice between forked changes depends on: how much is here, was judged, and how often
/// strikes changed.
pub(super) type ForksOf = (usize, usize, u64);

impl Workspace {
    /// An event is admitted: what it changes waits for the documents.
    pub(super) fn admit(&mut self, no: ContentNo, chunks: Option<Chunks>) {
        if !self.is_void_by_strikes(no) {
            self.enter(no, chunks);
        }
    }

    /// An event counts: what it changes waits for the documents.
    pub(super) fn enter(&mut self, no: ContentNo, chunks: Option<Chunks>) {
        if matches!(self.effects.of(no), Effect::Change(_)) && !self.backlog.contains(no) {
            self.waiting.insert(no, chunks);
        }
    }

    /// An event is admitted no longer.
    pub(super) fn fall(&mut self, no: ContentNo) {
        self.unsettle_strikes();
        self.leave(no);
    }

    /// An event counts no longer: what it changed falls out.
    pub(super) fn leave(&mut self, no: ContentNo) {
        let waited = self.waiting.remove(&no).is_some() || self.backlog.contains(no);
        let Effect::Change(changes) = self.effects.of(no) else { return };
        self.backlog.fall(no, changes);
        for change in changes.clone() {
            let document = self.effects.document_of(change);
            // Where it waits what it brings in is held already.
            self.may_shrink(change);
            let falls = self.applied.leave(document, change, no).unwrap_or_else(|| {
                // An own change stands in its document before its event is told.
                self.fell_closed |= !self.is_open_no(document);
                self.has_in(document, change)
            });
            if falls {
                self.fall_out(document, change);
            } else if waited && let Some(heir) = self.carrier_to_tell(change) {
                // It was to be told, perhaps once more, by this event.
                self.waiting.entry(heir).or_insert(None);
            }
        }
    }

    /// The last event that was told leaves of those that carry a change. Where another one counts,
    /// and waits yet, it stands by that one, and so does what builds on it; else it falls out.
    fn fall_out(&mut self, document: DocumentNo, change: ChangeNo) {
        if let Some(heir) = self.carrier_to_tell(change) {
            self.applied.tell(document, change, heir);
            return;
        }
        self.fell_closed |= !self.is_open_no(document);
        self.drop_from(document, change);
        self.unshare(change);
    }

    /// The events whose bodies are needed from the store: admitted again, or readable since. In
    /// causal order, at most a slice of them.
    #[must_use]
    pub fn wanted_places(&self) -> Vec<Place> {
        let waiting = self.waiting.iter().filter(|(_, chunks)| chunks.is_none()).map(|(no, _)| *no);
        let wanted: BTreeSet<_> = waiting.chain(self.readable.iter().copied()).collect();
        let place = |no| {
            let id = self.content.id(no);
            let header = self.header(&id)?;
            Some(Place { chain: header.chain(), seq: header.seq, id })
        };
        let wanted = wanted.into_iter().filter(|no| !self.lost.holds_up(*no));
        wanted.filter_map(place).take(LOAD_SLICE_EVENTS).collect()
    }

    /// The events that came without the bodies that they name.
    pub fn without_bodies(&self) -> impl Iterator<Item = EventId> {
        self.bare.iter().map(|no| self.content.id(*no))
    }

    /// Another number since any other events are without their bodies.
    #[must_use]
    pub fn without_bodies_version(&self) -> u64 {
        self.bare.version()
    }

    /// Takes the body of an event that came without it. It is read, and what builds on it, when
    /// the store gives it back: by then it is kept. `SPEC: EVT-3`
    pub(super) fn fill(&mut self, event: &Verified) -> bool {
        let bare = self.content.number(&event.id()).filter(|no| self.bare.contains(no));
        let (Some(no), Some(_)) = (bare, event.body()) else { return false };
        self.bare.remove(&no);
        let epoch = event.header().epoch;
        if epoch.is_some_and(|epoch| self.ring.key(&epoch).is_some()) {
            self.read_again(no);
        }
        true
    }

    /// A body came from the store. They come in the order of [`Self::wanted_places`].
    pub fn body_loaded(&mut self, event: &Verified) {
        let Some(no) = self.content.number(&event.id()) else { return };
        self.readable.remove(&no);
        let chunks = match self.effects.of(no) {
            Effect::Unread => self.judge(no, event),
            _ => self.open_again(event),
        };
        if self.content.is_admitted(no) {
            self.admit(no, Some(chunks));
        }
    }

    /// The chunks of an event that was judged before.
    pub(super) fn open_again(&self, event: &Verified) -> Chunks {
        let header = event.header();
        let opened = header.epoch.and_then(|epoch| self.ring.key(&epoch)).and_then(|key| {
            let inside = crate::seal::open_event(key, event)?.ok()?;
            Content::decode(&inside).ok()
        });
        let (origin, changes) = match opened {
            Some(Content::Change(changes) | Content::Undo(_, changes)) => (None, changes),
            Some(Content::Branch(origin, changes)) => (Some(origin), changes),
            _ => return Chunks::new(),
        };
        let made = made_document(header, origin.as_ref());
        changes.into_iter().map(|change| (change.document.unwrap_or(made), change.change)).collect()
    }

    /// What the documents are to do next: first what falls out, then what waits, as far as its
    /// bodies are here and `charge` lets it. `SPEC: SYNC-9`
    pub fn document_tasks(&mut self, charge: Charge<'_>) -> Vec<DocumentTask> {
        self.batch_of_tasks(usize::MAX, charge)
    }

    /// The same, but of what waits no more than fills so much room, in operations; the rest waits
    /// on. `SPEC: DUR-10`
    pub fn batch_of_tasks(&mut self, room: usize, charge: Charge<'_>) -> Vec<DocumentTask> {
        self.settle();
        self.settle_forks();
        self.release(charge);
        self.settle_shares();
        let anew = std::mem::take(&mut self.anew);
        let dropped = std::mem::take(&mut self.dropped).into_iter();
        let dropped = dropped.filter(|(document, _)| !anew.contains(document));
        let mut tasks: Vec<_> =
            dropped.map(|(document, changes)| DocumentTask::Drop { document, changes }).collect();
        tasks.extend(anew.into_iter().map(|document| DocumentTask::Begin { document }));
        let mut apply: BTreeMap<DocumentId, Vec<Vec<u8>>> = BTreeMap::new();
        let mut way = Way::with_room(room);
        while way.has_room() {
            self.tell_in_turn(&mut way, &mut apply, charge);
            let together = self.take_together(&way);
            if together.is_empty() {
                break;
            }
            self.put_in(together, &mut way, &mut apply);
        }
        tasks.extend(
            apply.into_iter().map(|(document, changes)| DocumentTask::Apply { document, changes }),
        );
        self.rebuilding &= self.waits_to_go_in() > 0;
        tasks
    }

    /// Each event after what it depends on.
    fn tell_in_turn(
        &mut self,
        way: &mut Way,
        apply: &mut BTreeMap<DocumentId, Vec<Vec<u8>>>,
        charge: Charge<'_>,
    ) {
        while way.has_room()
            && let Some((no, chunks)) = self.next_of(way)
        {
            if !self.may_go_in(no, charge) {
                // Its body comes from the store when it may: what waits for long takes no memory.
                continue;
            }
            let Effect::Change(changes) = self.effects.of(no) else { continue };
            let brings: Few<_> =
                changes.iter().filter(|one| !self.is_out(**one)).copied().collect();
            let first = self.share(no, &brings);
            way.fetch(&first);
            if first.iter().any(|carrier| *carrier < no) {
                self.waiting.insert(no, chunks);
                // What it brings in stands before it in the order, and goes first.
                way.look_again(first.into_iter().chain([no]));
                continue;
            }
            way.look_again(first.into_iter());
            if self.is_behind_absent(way, &brings) {
                self.waiting.insert(no, chunks);
                continue;
            }
            if let Some(change) = self.comes_later(no, &brings) {
                self.waiting.insert(no, chunks);
                way.wait(no, change);
                continue;
            }
            self.put_in(vec![(no, chunks)], way, apply);
        }
    }

    /// What events carry goes into the documents that are open and hold it.
    fn put_in(
        &mut self,
        events: Vec<(ContentNo, Option<Chunks>)>,
        way: &mut Way,
        apply: &mut BTreeMap<DocumentId, Vec<Vec<u8>>>,
    ) {
        let mut carried = Vec::new();
        for (by, chunks) in events {
            let Effect::Change(changes) = self.effects.of(by).clone() else { continue };
            for change in &changes {
                self.note_counting(*change);
            }
            way.told(by, &changes);
            self.lost.told(by);
            let chunks = chunks.unwrap_or_default().into_iter().zip(changes);
            carried.extend(chunks.map(|((_, chunk), change)| Carried { by, change, chunk }));
        }
        for Carried { by, change, chunk } in self.causes_first(carried) {
            let document = self.effects.document_of(change);
            self.applied.tell(document, change, by);
            if self.is_out(change) {
                continue;
            }
            for holder in self.shares.holders(change) {
                if self.held.entry(holder).or_default().insert(change.number()) {
                    way.fill(self.effects.operations(change), &chunk);
                    let to = apply.entry(self.effects.document_id(holder)).or_default();
                    to.push(chunk.clone());
                }
            }
            let id = self.effects.document_id(document);
            if self.is_open(&id) && self.held.entry(document).or_default().insert(change.number()) {
                way.fill(self.effects.operations(change), &chunk);
                apply.entry(id).or_default().push(chunk);
            }
        }
    }

    /// How many events wait to go into the documents, and how many changes these hold; none where
    /// something else is to be done first, as what falls out.
    #[must_use]
    pub fn untold(&self) -> Option<(usize, usize)> {
        let is_plain = !self.stale && self.dropped.is_empty() && self.anew.is_empty();
        is_plain.then(|| (self.waits_to_go_in(), self.changes_held()))
    }

    /// How many changes the documents hold.
    #[must_use]
    pub fn changes_held(&self) -> usize {
        self.held.values().map(BitSet::len).sum()
    }

    /// May what waits to go in wait on? Not where something falls out: what is written meanwhile
    /// would build on it. `SPEC: DUR-10`
    pub fn may_gather(&mut self) -> bool {
        self.settle();
        self.settle_forks();
        self.settle_shares();
        self.dropped.is_empty() && self.anew.is_empty() && !self.fell_closed && !self.rebuilding
    }

    /// A document that Automerge failed on lost something, perhaps what it failed on: it is told
    /// everything that counts anew, from nothing. `SPEC: PRJ-3`
    pub fn tell_anew(&mut self, document: DocumentId) {
        self.anew.insert(document);
        self.rebuilding = true;
        let Some(document) = self.effects.document_number(&document) else { return };
        self.held.remove(&document);
        self.shares.forget(document);
        let carriers = self.effects.order(document).filter_map(|change| self.told_best(change));
        for no in carriers.collect::<Vec<_>>() {
            self.waiting.entry(no).or_insert(None);
        }
    }

    /// Of the events that told a change, the first whose body is to be had.
    fn told_best(&self, change: ChangeNo) -> Option<ContentNo> {
        let by = self.applied.by(change).iter().copied();
        by.min_by_key(|no| (self.lost.holds_up(*no), *no))
    }

    /// What a decision of this device brought back is to go in: who asks meanwhile waits for it.
    pub fn bring_back(&mut self) {
        self.rebuilding = true;
    }

    /// Is a document being told everything anew, or what a decision brought back?
    #[must_use]
    pub fn is_rebuilding(&self) -> bool {
        self.rebuilding
    }

    /// Chooses anew between changes that share a number of an actor.
    fn settle_forks(&mut self) {
        if !self.effects.has_forks() {
            return;
        }
        let here = (self.order.len(), self.effects.judged(), self.strikes_version());
        if self.forks_of.replace(here) == Some(here) {
            return;
        }
        let left_out = self.effects.left_out(&self.content, &|no| self.counts(no));
        if left_out == self.left_out {
            return;
        }
        let before = std::mem::replace(&mut self.left_out, left_out.clone());
        for change in before.symmetric_difference(&left_out) {
            self.note_counting(*change);
        }
        for change in &left_out {
            let document = self.effects.document_of(*change);
            // A number of an own actor may be among them.
            self.fell_closed |= !self.is_open_no(document);
            self.drop_from(document, *change);
            self.drop_shared(*change);
            self.may_shrink(*change);
        }
        for change in before.difference(&left_out) {
            let document = self.effects.document_of(*change);
            if (self.is_open_no(document) || self.shares.has(*change))
                && let Some(no) = self.told_best(*change)
            {
                self.waiting.entry(no).or_insert(None);
            }
        }
    }

    /// How many events and changes were looked at so far to choose between changes that share a
    /// number of an actor. `SPEC: PRJ-4`
    #[must_use]
    pub fn fork_looks(&self) -> u64 {
        self.effects.fork_looks()
    }

    /// Is a change left out of its document, since another has its number?
    pub(super) fn is_left_out(&self, changes: &[ChangeNo]) -> bool {
        changes.iter().any(|change| self.is_out(*change))
    }

    fn is_out(&self, change: ChangeNo) -> bool {
        self.left_out.contains(&change)
    }

    /// Is everything that is admitted and readable on its way into the documents?
    #[must_use]
    pub fn is_projected(&self) -> bool {
        self.is_told() && !self.lacks_to_tell() && self.backlog.is_empty()
    }

    /// The same, but for what waits for a quota, which takes its time, and for what is lost.
    /// `SPEC: SYNC-9, DUR-16`
    #[must_use]
    pub fn is_told(&self) -> bool {
        !self.stale
            && self.waits_to_go_in() == 0
            && self.dropped.is_empty()
            && self.anew.is_empty()
            && self.readable.iter().all(|no| self.lost.holds_up(*no))
    }

    /// How many events were looked at to find out what others wait for.
    #[must_use]
    pub fn waiting_work(&self) -> u64 {
        self.effects.waiting_work()
    }

    /// Is something admitted that cannot be read here, and of which state may be derived?
    /// `SPEC: STATE-3, STATE-4`
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.effects.has_unread()
            && self
                .content
                .all()
                .any(|no| self.content.is_admitted(no) && self.effects.may_be_built_on(no))
    }
}
