//! Histories made of a history: what production takes, and what its chains can express.

use super::super::set::{Set, those};
use super::{Event, History, Kind, bits, has};
use kernelos_protocol::role::Role;

impl<M: Set> History<M> {
    /// The history without the control events that are not valid at birth: they keep their
    /// numbers, but are in no mask, and what follows is judged without them. Gives them, too.
    pub(crate) fn cleaned(&self) -> (Self, M) {
        let (mut clean, mut refused) = (Self::default(), M::NONE);
        for event in &self.events {
            clean.add_cleaned(event, &mut refused);
        }
        (clean, refused)
    }

    /// Adds an event without what of its past was refused; it may be refused itself.
    pub(crate) fn add_cleaned(&mut self, event: &Event<M>, refused: &mut M) -> usize {
        let (past, cut) = (event.past.less(*refused), event.cut.less(*refused));
        let e = self.add(Event { past, cut, ..event.clone() });
        if has(self.control, e) && !self.valid(e) {
            *refused |= M::bit(e);
        }
        e
    }

    /// The content of a cleaned history whose author has no grant to write in its past.
    pub(crate) fn strangers(&self) -> M {
        let writes = |g: usize| self.events[g].rank >= Role::Runner;
        let content = bits(self.everything().less(self.control));
        those(content.filter(|&e| {
            !self.grants_of(self.events[e].by, self.events[e].past).into_iter().any(writes)
        }))
    }

    /// The history without these events: they keep their numbers, but are in no mask.
    pub(crate) fn without(&self, gone: M) -> Self {
        let mut rest = Self::default();
        for event in &self.events {
            let (past, cut) = (event.past.less(gone), event.cut.less(gone));
            rest.add(Event { past, cut, ..event.clone() });
        }
        rest
    }

    /// The author's last event of this life and lane in the past of e: its prev, in chains.
    pub(crate) fn prev(&self, e: usize) -> Option<usize> {
        let event = &self.events[e];
        let own = bits(self.own(event.by, event.past)).rev();
        let lane = has(self.control, e);
        own.into_iter().find(|&x| has(self.control, x) == lane && self.events[x].life == event.life)
    }

    /// The same history with cuts that chains can express: with an event its ancestors by prev.
    pub(crate) fn chained(&self) -> Self {
        let mut chained = Self::default();
        for event in &self.events {
            let mut cut = match event.kind {
                Kind::Change | Kind::Wrap => event.cut,
                _ => M::NONE,
            };
            let names = event.cut.less(self.control);
            for named in bits(self.own(event.target, names)) {
                let mut next = Some(named);
                while let Some(e) = next {
                    cut |= M::bit(e);
                    next = self.prev(e);
                }
            }
            chained.add(Event { cut, ..event.clone() });
        }
        chained
    }
}
