//! Verified events that wait for what they name. On the account of who sent them: when that
//! connection ends, they are forgotten and will be asked for again.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Verified;
use crate::id::EventId;
use crate::limits::{HEADER_BYTES_MAX, HELD_BYTES_MAX, HELD_EVENTS_MAX};
use crate::sync::LinkId;

/// Events that wait.
#[derive(Default)]
pub struct Held {
    /// By the first event that each misses.
    waiting: BTreeMap<EventId, Vec<(LinkId, Verified)>>,
    ids: BTreeSet<EventId>,
    /// How many wait of each connection, and their bytes.
    accounts: BTreeMap<LinkId, (usize, usize)>,
}

/// What an event costs its account.
fn bytes(event: &Verified) -> usize {
    HEADER_BYTES_MAX + event.body().map_or(0, <[u8]>::len)
}

impl Held {
    /// Keeps an event until `missing` is here. The newest is dropped where its sender has too many:
    /// one peer takes no room of another.
    pub fn hold(&mut self, link: LinkId, event: Verified, missing: EventId) {
        let (events, sum) = self.accounts.get(&link).copied().unwrap_or_default();
        let sum = sum.saturating_add(bytes(&event));
        let has_room = events < HELD_EVENTS_MAX && sum <= HELD_BYTES_MAX;
        if has_room && self.ids.insert(event.id()) {
            self.accounts.insert(link, (events + 1, sum));
            self.waiting.entry(missing).or_default().push((link, event));
        }
    }

    /// How many events wait, and their bytes, a full header counted for each.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let sums = self.accounts.values();
        sums.fold((0, 0), |sum, account| (sum.0 + account.0, sum.1.saturating_add(account.1)))
    }

    /// What waited for this event, which is here now.
    pub fn release(&mut self, id: &EventId) -> Vec<(LinkId, Verified)> {
        let released = self.waiting.remove(id).unwrap_or_default();
        for (link, event) in &released {
            self.ids.remove(&event.id());
            if let Some((events, sum)) = self.accounts.get_mut(link) {
                *events = events.saturating_sub(1);
                *sum = sum.saturating_sub(bytes(event));
            }
        }
        released
    }

    /// Forgets what came over a connection.
    pub fn forget(&mut self, link: LinkId) {
        self.accounts.remove(&link);
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

    /// Does something that waits need this event, which is not here: directly, or over others that
    /// wait? `is_needed` says of those at the end whether they are wanted by themselves.
    #[must_use]
    pub fn needs(&self, id: &EventId, is_needed: impl Fn(&Verified) -> bool) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = vec![*id];
        while let Some(id) = next.pop() {
            if !seen.insert(id) {
                continue;
            }
            for (_, event) in self.waiting.get(&id).into_iter().flatten() {
                if is_needed(event) {
                    return true;
                }
                next.push(event.id());
            }
        }
        false
    }

    /// What is missed and not held itself, with who sent what waits for it.
    #[must_use]
    pub fn missing(&self) -> Vec<(LinkId, EventId)> {
        let missed = self.waiting.iter().filter(|(id, _)| !self.ids.contains(id));
        missed.filter_map(|(id, events)| Some((events.first()?.0, *id))).collect()
    }
}
