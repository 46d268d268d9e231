//! What is asked of the store, and what is made of what it gives back: the history at start, and
//! later what is needed again. The store answers in the order in which it is asked.

use crate::command::RequestId;
use crate::event::Verified;
use crate::id::EventId;
use crate::limits::LOAD_SLICE_EVENTS;
use crate::replica::artifacts::ArtifactLoad;
use crate::replica::log::Asked;
use crate::replica::{GENERATION, Output, Replica};
use crate::store::{LoadRequest, Slice};
use crate::sync::LinkId;
use crate::workspace::InsertFault;

/// What something is asked of the store for. The store answers in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoadFor {
    /// The history, at start.
    History,
    /// Bodies that are needed again: of these events.
    Bodies(Vec<EventId>),
    /// A peer wants them.
    Peer(LinkId),
    /// A caller asked for something of these events.
    Asked(RequestId, Asked),
    /// Chunks of artifacts.
    Artifacts(ArtifactLoad),
}

impl LoadFor {
    /// Is it what a start waits for?
    pub(super) fn is_start(&self) -> bool {
        matches!(self, Self::History | Self::Artifacts(ArtifactLoad::List))
    }
}

impl Replica {
    pub(super) fn on_loaded(&mut self, slice: Slice) {
        let is_damaged = !slice.damaged.is_empty();
        slice.damaged.into_iter().for_each(|damage| self.damaged(damage));
        match self.loads.pop_front() {
            // What is missing may be our own tail: to go on from before it would fork it.
            Some(LoadFor::History) => self.is_damaged |= is_damaged,
            Some(LoadFor::Bodies(asked)) => {
                for event in &slice.events {
                    self.workspace.body_loaded(event);
                }
                let came: Vec<_> = slice.events.iter().map(Verified::id).collect();
                self.workspace.bodies_lost(asked.into_iter().filter(|id| !came.contains(id)));
                return;
            }
            Some(LoadFor::Peer(link)) => return self.serve(link, &slice.events),
            Some(LoadFor::Asked(request, asked)) => {
                return self.on_asked_loaded(request, &asked, slice.events, is_damaged);
            }
            Some(LoadFor::Artifacts(load)) => {
                return self.on_chunks_loaded(load, slice.chunks, slice.chunk_list);
            }
            None => return,
        }
        for event in &slice.events {
            self.clock.saw(self.now, event.header().stamp);
            match self.workspace.insert(event, &self.key) {
                Ok(_) => {}
                Err(InsertFault::Missing(id)) => {
                    self.is_damaged = true;
                    self.damaged(format!("event {} misses {id}", event.id()));
                }
                Err(InsertFault::Refused(refusal)) => {
                    self.is_damaged = true;
                    self.damaged(format!("event {}: {refusal}", event.id()));
                }
            }
        }
        slice.notices.into_iter().for_each(|notice| self.notices.load(notice));
        for card in &slice.cards {
            self.keep_card(None, card);
        }
        slice.receipts.into_iter().for_each(|receipt| self.receipts.load(receipt));
        // No actor is used by two starts: the number that was kept is spent.
        let kept = slice.counters.get(GENERATION).copied().unwrap_or(0);
        self.generation = kept.saturating_add(1);
        if let Some(cursor) = slice.next {
            let request = LoadRequest::From { cursor, limit: LOAD_SLICE_EVENTS };
            self.load_next(LoadFor::History, request);
        } else {
            self.workspace.exempt();
            self.load_chunk_list(None);
        }
    }

    pub(super) fn load_next(&mut self, what: LoadFor, request: LoadRequest) {
        self.loads.push_back(what);
        self.outputs.push_back(Output::Load(request));
    }
}
