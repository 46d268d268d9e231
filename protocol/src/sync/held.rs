//! Verified events that wait for what they name. On the account of who sent them: when that
//! connection ends, they are forgotten and will be asked for again.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Verified;
use crate::id::EventId;
use crate::limits::HELD_EVENTS_MAX;
use crate::sync::LinkId;

/// Events that wait.
#[derive(Default)]
pub struct Held {
    /// By the first event that each misses.
    waiting: BTreeMap<EventId, Vec<(LinkId, Verified)>>,
    ids: BTreeSet<EventId>,
}

impl Held {
    /// Keeps an event until `missing` is here. The newest is dropped where there are too many.
    pub fn hold(&mut self, link: LinkId, event: Verified, missing: EventId) {
        if self.ids.len() < HELD_EVENTS_MAX && self.ids.insert(event.id()) {
            self.waiting.entry(missing).or_default().push((link, event));
        }
    }

    /// What waited for this event, which is here now.
    pub fn release(&mut self, id: &EventId) -> Vec<(LinkId, Verified)> {
        let released = self.waiting.remove(id).unwrap_or_default();
        for (_, event) in &released {
            self.ids.remove(&event.id());
        }
        released
    }

    /// Forgets what came over a connection.
    pub fn forget(&mut self, link: LinkId) {
        self.waiting.retain(|_, events| {
            events.retain(|(from, event)| {
                let keep = *from != link;
                if !keep {
                    self.ids.remove(&event.id());
                }
                keep
            });
            !events.is_empty()
        });
    }

    /// What is missed and not held itself, with who sent what waits for it.
    #[must_use]
    pub fn missing(&self) -> Vec<(LinkId, EventId)> {
        let missed = self.waiting.iter().filter(|(id, _)| !self.ids.contains(id));
        missed.filter_map(|(id, events)| Some((events.first()?.0, *id))).collect()
    }
}
