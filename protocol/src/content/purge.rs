//! A purge: which shreddable bodies are destroyed.

use crate::cbor::{Canonical, CborFault, Reader, Writer};
use crate::content::kind;
use crate::id::EventId;
use crate::limits::PURGE_EVENTS_MAX;

/// The events whose bodies are destroyed: not empty, sorted. `SPEC: CNT-11`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge(Vec<EventId>);

impl Purge {
    /// A purge of these events; none where they are none or too many for one.
    #[must_use]
    pub fn of(mut events: Vec<EventId>) -> Option<Self> {
        events.sort_unstable();
        events.dedup();
        (1..=PURGE_EVENTS_MAX).contains(&events.len()).then_some(Self(events))
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[EventId] {
        &self.0
    }
}

/// The whole inside of the body: kind and payload.
impl Canonical for Purge {
    fn write(&self, to: &mut Writer) {
        to.array(2).uint(kind::PURGE).array(self.0.len());
        for id in &self.0 {
            to.bytes(&id.0);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(2)?;
        if from.uint()? != kind::PURGE {
            return Err(CborFault::Malformed);
        }
        let len = from.array(PURGE_EVENTS_MAX)?;
        let events = (0..len).map(|_| Ok(EventId(from.fixed()?)));
        let events = events.collect::<Result<Vec<_>, CborFault>>()?;
        let is_sorted = events.windows(2).all(|pair| pair[0] < pair[1]);
        if is_sorted && !events.is_empty() { Ok(Self(events)) } else { Err(CborFault::Malformed) }
    }
}
