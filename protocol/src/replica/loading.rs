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
    /// They waited for what is here now.
    Freed,
}

impl LoadFor {
    /// Is it what a start waits for?
    pub(super) fn is_start(&self) -> bool {
        matches!(self, Self::History | Self::Freed | Self::Artifacts(ArtifactLoad::List))
    }
}

impl Replica {
    pub(super) fn on_loaded(&mut self, mut slice: Slice) {
        let Some(what) = self.loads.pop_front() else { return };
        let is_damaged = !slice.damaged.is_empty();
        let is_history = matches!(what, LoadFor::History | LoadFor::Freed);
        for damage in std::mem::take(&mut slice.damaged) {
            if is_history {
                self.lose(damage);
            } else {
                self.fade(damage);
            }
        }
        let events = std::mem::take(&mut slice.events).into_iter();
        slice.events = events.map(|event| self.workspace.without_purged(event)).collect();
        match what {
            LoadFor::History => self.on_history(slice),
            LoadFor::Freed => {
                slice.events.into_iter().for_each(|event| self.put_back(event, false));
                let released = std::mem::take(&mut self.mending.released);
                self.receive(released);
                self.load_freed();
                self.end_history();
            }
            LoadFor::Bodies(asked) => {
                for event in &slice.events {
                    self.workspace.body_loaded(event);
                }
                let came: Vec<_> = slice.events.iter().map(Verified::id).collect();
                self.workspace.bodies_lost(asked.into_iter().filter(|id| !came.contains(id)));
            }
            LoadFor::Peer(link) => self.serve(link, slice.events),
            LoadFor::Asked(request, asked) => {
                self.on_asked_loaded(request, &asked, slice.events, is_damaged);
            }
            LoadFor::Artifacts(load) => {
                self.on_chunks_loaded(load, slice.chunks, slice.chunk_list);
            }
        }
    }

    fn on_history(&mut self, slice: Slice) {
        if let Some(life) = slice.incarnation {
            self.config.incarnation = life;
        }
        if slice.kept > 0 {
            self.find_glance(slice.glance.as_deref(), slice.kept);
        }
        slice.events.into_iter().for_each(|event| self.put_back(event, true));
        self.load_freed();
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
            self.mending.is_read = true;
            self.end_history();
        }
    }

    /// The store gave all of the history once: what nothing proves is lost, unless something that
    /// may prove it is loaded once more.
    fn end_history(&mut self) {
        if self.mending.is_read && !self.loads.contains(&LoadFor::Freed) {
            self.mending.is_read = false;
            self.lose_unproven();
            self.workspace.exempt();
            self.load_chunk_list(None);
        }
    }

    pub(super) fn load_next(&mut self, what: LoadFor, request: LoadRequest) {
        self.loads.push_back(what);
        self.outputs.push_back(Output::Load(request));
    }
}
