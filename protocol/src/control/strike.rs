//! Strikes and upgrades: what an admin or owner decides for all that hear of it.

use crate::cbor::{CborFault, Reader, Writer};
use crate::control::ControlFault;
use crate::control::shape::{read_authors, read_cut, sorted, write_authors, write_cut};
use crate::id::{DeviceId, EventId};
use crate::limits::CONTROL_TEXT_MAX;

/// A strike: all go on from before some content events. `SPEC: CTL-10`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// Whose events they are, sorted; not empty.
    pub authors: Vec<DeviceId>,
    /// The events that lose their effect, sorted; not empty.
    pub events: Vec<EventId>,
    /// Why, for people.
    pub reason: String,
}

/// An upgrade: from here on there are kinds that older programs do not know. `SPEC: CTL-11`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The format that the workspace has from now on.
    pub format: u64,
}

impl Strike {
    pub(super) fn check(&self) -> Result<(), ControlFault> {
        if self.authors.is_empty() || self.events.is_empty() {
            return Err(ControlFault::NothingStruck);
        }
        sorted(&self.authors).and_then(|()| sorted(&self.events))
    }

    pub(super) fn write(&self, to: &mut Writer) {
        to.array(4).uint(9);
        write_authors(to, &self.authors);
        write_cut(to, &self.events);
        to.text(&self.reason);
    }

    /// What follows the number.
    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        let authors = read_authors(from)?;
        let events = read_cut(from)?;
        Ok(Self { authors, events, reason: from.text(CONTROL_TEXT_MAX)?.to_owned() })
    }
}

impl Upgrade {
    pub(super) fn check(&self) -> Result<(), ControlFault> {
        if self.format > 1 { Ok(()) } else { Err(ControlFault::FirstFormat) }
    }
}
