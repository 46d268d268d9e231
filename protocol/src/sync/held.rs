//! Verified runs that wait for what they name, each as a whole. On the account of who sent them:
//! when that connection ends, they are forgotten and will be asked for again.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Run, Verified};
use crate::id::EventId;
use crate::limits::{HEADER_BYTES_MAX, HELD_BYTES_MAX, HELD_EVENTS_MAX};
use crate::sync::LinkId;

/// Runs that wait.
#[derive(Default)]
pub struct Held {
    /// By the first event that each misses.
    waiting: BTreeMap<EventId, Vec<(LinkId, Run)>>,
    /// Where each begins and ends.
    runs: BTreeSet<(EventId, EventId)>,
    /// In how many of them each event stands.
    ids: BTreeMap<EventId, usize>,
    /// How many wait of each connection, and their bytes.
    accounts: BTreeMap<LinkId, (usize, usize)>,
}

/// What an event costs its account.
fn bytes(event: &Verified) -> usize {
    HEADER_BYTES_MAX + event.body().map_or(0, <[u8]>::len)
}

impl Held {
    /// Keeps a run until `missing` is here. The newest is dropped where its sender has too many:
    /// one peer takes no room of another.
    pub fn hold(&mut self, link: LinkId, run: Run, missing: EventId) {
        let (events, sum) = self.accounts.get(&link).copied().unwrap_or_default();
        let events = events.saturating_add(run.events().len());
        let sum = run.events().iter().map(bytes).fold(sum, usize::saturating_add);
        let has_room = events <= HELD_EVENTS_MAX && sum <= HELD_BYTES_MAX;
        if has_room && self.runs.insert(run.ends()) {
            self.accounts.insert(link, (events, sum));
            for event in run.events() {
                *self.ids.entry(event.id()).or_default() += 1;
            }
            self.waiting.entry(missing).or_default().push((link, run));
        }
    }

    /// How many events wait, and their bytes, a full header counted for each.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let sums = self.accounts.values();
        sums.fold((0, 0), |sum, account| (sum.0 + account.0, sum.1.saturating_add(account.1)))
    }

    /// What waited for this event, which is here now.
    pub fn release(&mut self, id: &EventId) -> Vec<(LinkId, Run)> {
        let released = self.waiting.remove(id).unwrap_or_default();
        for (link, run) in &released {
            self.let_go(run);
            if let Some((events, sum)) = self.accounts.get_mut(link) {
                *events = events.saturating_sub(run.events().len());
                *sum = run.events().iter().map(bytes).fold(*sum, usize::saturating_sub);
            }
        }
        released
    }

    /// Forgets what came over a connection.
    pub fn forget(&mut self, link: LinkId) {
        self.accounts.remove(&link);
        for (missing, runs) in std::mem::take(&mut self.waiting) {
            let (gone, kept): (Vec<_>, Vec<_>) =
                runs.into_iter().partition(|(from, _)| *from == link);
            gone.iter().for_each(|(_, run)| self.let_go(run));
            if !kept.is_empty() {
                self.waiting.insert(missing, kept);
            }
        }
    }

    fn let_go(&mut self, run: &Run) {
        self.runs.remove(&run.ends());
        for event in run.events() {
            if let Some(times) = self.ids.get_mut(&event.id()) {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    self.ids.remove(&event.id());
                }
            }
        }
    }

    /// What is missed and not held itself, with who sent what waits for it.
    #[must_use]
    pub fn missing(&self) -> Vec<(LinkId, EventId)> {
        let missed = self.waiting.iter().filter(|(id, _)| !self.ids.contains_key(id));
        missed.filter_map(|(id, runs)| Some((runs.first()?.0, *id))).collect()
    }
}
