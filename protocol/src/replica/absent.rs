//! Events that cuts name and that are not here. They are waited for, but not for ever: a revocation
//! by a liar can name what nobody will ever show. `SPEC: AUTH-13`

use std::collections::BTreeMap;

use crate::id::EventId;
use crate::limits::ABSENT_CUT_MS;
use crate::replica::Replica;

/// Since when each is missed, by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Absent {
    since: BTreeMap<EventId, u64>,
    /// How many control events and how much content were here when last looked.
    seen: (usize, usize),
}

impl Absent {
    /// When the next of them is waited for no longer.
    pub(super) fn next_deadline(&self, now: u64) -> Option<u64> {
        let until = self.since.values().map(|since| since.saturating_add(ABSENT_CUT_MS));
        until.filter(|until| *until > now).min()
    }
}

impl Replica {
    /// Is all here that peers said they have, and what cuts name?
    pub(super) fn is_current(&self) -> bool {
        self.sync.is_current() && !self.waits_for_cuts()
    }

    /// Once a turn: what is missed now.
    pub(super) fn note_absent(&mut self) {
        let here = (self.workspace.control().len(), self.workspace.content().len());
        if std::mem::replace(&mut self.absent.seen, here) == here {
            return;
        }
        let before = std::mem::take(&mut self.absent.since);
        let missed = self.workspace.absent_cuts().into_iter();
        let since = |id: EventId| (id, before.get(&id).copied().unwrap_or(self.now.monotonic_ms));
        self.absent.since = missed.map(since).collect();
    }

    /// Is anything missed that may still come soon?
    pub(super) fn waits_for_cuts(&self) -> bool {
        let now = self.now.monotonic_ms;
        let mut since = self.absent.since.values();
        since.any(|since| now < since.saturating_add(ABSENT_CUT_MS))
    }
}
