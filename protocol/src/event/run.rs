//! Runs: consecutive events of one chain that one signature proves (SPEC: EVT-12).
//!
//! Each event names the one before it by its hash, so who signed the last signed all. A run is
//! verified, kept and given on whole; what is in one is [`Verified`], and nothing else that came
//! without its signature is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{EventFault, Signed, Verified};
use crate::id::EventId;
use crate::limits::RUN_BYTES_MAX;

/// Events of which only the last carries a signature. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u8>>", into = "Vec<Vec<u8>>")]
pub struct Run {
    events: Vec<Verified>,
    /// Of all of them, as `weight` counts: runs grow event by event.
    weight: usize,
}

/// Bytes of an event that count in a run: the same wherever it is, and with or without its body.
pub(super) fn weight(event: &Signed) -> usize {
    let body = event.header.body.as_ref().map_or(0, |body| body.len);
    let body = usize::try_from(body).unwrap_or(usize::MAX);
    let rest = event.header_bytes.len().saturating_add(event.header.class.salt_bytes());
    rest.saturating_add(body)
}

impl Run {
    /// Proves events by the signature of the last; the others carry none, and each follows the
    /// one before it. `SPEC: EVT-12`
    pub fn verify(events: Vec<Signed>) -> Result<Self, EventFault> {
        let (last, inside) = events.split_last().ok_or(EventFault::Unsigned)?;
        if inside.iter().any(|event| event.signature.is_some()) {
            return Err(EventFault::Field("signature"));
        }
        let pairs = events.iter().zip(events.iter().skip(1));
        if !pairs
            .into_iter()
            .all(|(before, after)| after.header.follows(&before.id, &before.header))
        {
            return Err(EventFault::Field("prev"));
        }
        if !Self::may_be(&events) {
            return Err(EventFault::TooLarge);
        }
        last.check_author()?;
        let events = events.into_iter().map(Signed::into_verified);
        events.collect::<Result<_, _>>().map(Self::made_of)
    }

    fn made_of(events: Vec<Verified>) -> Self {
        let weights = events.iter().map(|event| weight(event.signed()));
        let weight = weights.fold(0, usize::saturating_add);
        Self { events, weight }
    }

    /// Are these, which come without a signature or end with one, no more than a run may hold?
    pub(crate) fn may_be(events: &[Signed]) -> bool {
        let sum = events.iter().map(weight).fold(0_usize, usize::saturating_add);
        events.len() < 2 || sum <= RUN_BYTES_MAX
    }

    /// A run of this event alone; none where it does not carry its signature.
    #[must_use]
    pub fn of(event: Verified) -> Option<Self> {
        event.is_signed().then(|| Self::made_of(vec![event]))
    }

    /// Its events, in the order of the chain.
    #[must_use]
    pub fn events(&self) -> &[Verified] {
        &self.events
    }

    /// Its events.
    #[must_use]
    pub fn into_events(self) -> Vec<Verified> {
        self.events
    }

    /// Where it begins and ends.
    #[must_use]
    pub fn ends(&self) -> (EventId, EventId) {
        let id = |event: Option<&Verified>| event.map_or(EventId([0; 32]), Verified::id);
        (id(self.events.first()), id(self.events.last()))
    }

    /// Does it keep the rule about its size? One that was verified does.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.events.len() < 2 || self.weight <= RUN_BYTES_MAX
    }

    /// One run of this and `next`, which follows it, by the signature of `next`; both as they are
    /// where that may not be.
    pub fn join(mut self, mut next: Self) -> Result<Self, (Self, Self)> {
        let may_join = match (self.events.last(), next.events.first()) {
            (Some(last), Some(first)) => {
                first.header().follows(&last.id(), last.header())
                    && last.header().may_be_inside()
                    && self.weight.saturating_add(next.weight) <= RUN_BYTES_MAX
            }
            _ => false,
        };
        if !may_join {
            return Err((self, next));
        }
        let last = self.events.pop().map(Verified::without_signature);
        self.events.extend(last);
        self.events.append(&mut next.events);
        self.weight = self.weight.saturating_add(next.weight);
        Ok(self)
    }
}

impl TryFrom<Vec<Vec<u8>>> for Run {
    type Error = EventFault;
    fn try_from(envelopes: Vec<Vec<u8>>) -> Result<Self, EventFault> {
        let events = envelopes.iter().map(|envelope| Signed::decode(envelope));
        Self::verify(events.collect::<Result<_, _>>()?)
    }
}

impl From<Run> for Vec<Vec<u8>> {
    fn from(run: Run) -> Self {
        run.events.iter().map(Verified::encode).collect()
    }
}

/// Puts events that are verified together to the runs that prove them, in whatever order the
/// chains come, and those of a chain. Of several that follow one event one is put to it.
#[derive(Debug, Default)]
pub struct Runs {
    /// Events that wait for the signature that proves them, by the last.
    open: BTreeMap<EventId, Vec<Verified>>,
    /// The last of those, by what the first follows.
    behind: BTreeMap<EventId, EventId>,
}

impl Runs {
    /// Takes the next event; gives the run that it ends, if it ends one.
    pub fn push(&mut self, event: Verified) -> Option<Run> {
        let header = event.header();
        let before = header.prev.filter(|prev| {
            let last = self.open.get(prev).and_then(|run| run.last());
            last.is_some_and(|last| header.follows(prev, last.header()))
        });
        let mut run = before.and_then(|prev| self.take_open(&prev)).unwrap_or_default();
        let is_signed = event.is_signed();
        run.push(event);
        if is_signed {
            return Some(Run::made_of(run));
        }
        self.join_behind(&mut run);
        if let (Some(first), Some(last)) = (run.first(), run.last().map(Verified::id)) {
            self.behind.extend(first.header().prev.map(|prev| (prev, last)));
            self.open.insert(last, run);
        }
        None
    }

    fn take_open(&mut self, last: &EventId) -> Option<Vec<Verified>> {
        let run = self.open.remove(last)?;
        let prev = run.first().and_then(|first| first.header().prev);
        if let Some(prev) = prev.filter(|prev| self.behind.get(prev) == Some(last)) {
            self.behind.remove(&prev);
        }
        Some(run)
    }

    /// What waits already and follows the last of these is put to them.
    fn join_behind(&mut self, run: &mut Vec<Verified>) {
        let Some(end) = run.last() else { return };
        let (id, header) = (end.id(), end.header());
        let follows = |run: &Vec<Verified>| {
            run.first().is_some_and(|first| first.header().follows(&id, header))
        };
        let Some(last) = self.behind.get(&id).copied() else { return };
        if self.open.get(&last).is_some_and(follows) {
            let more = self.take_open(&last);
            run.extend(more.into_iter().flatten());
        }
    }

    /// The events that no signature proved.
    pub fn take(&mut self) -> Vec<Verified> {
        self.behind.clear();
        std::mem::take(&mut self.open).into_values().flatten().collect()
    }

    /// The runs of these events. What no signature among them proves is left out.
    #[must_use]
    pub fn of(events: impl IntoIterator<Item = Verified>) -> Vec<Run> {
        let mut runs = Self::default();
        events.into_iter().filter_map(|event| runs.push(event)).collect()
    }
}
