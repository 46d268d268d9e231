//! Strikes: which of them hold for a content event.

use super::{ControlFact, ControlLane, ControlNo, ControlSet};
use crate::id::{DeviceId, EventId};

impl ControlLane {
    /// Whether a strike, which takes effect in `among`, holds for an event of `author`: it names
    /// both, and no readmission in effect that heard it names them too.
    // SPEC: EFF-8
    pub fn strikes(
        &self,
        strike: ControlNo,
        author: &DeviceId,
        event: &EventId,
        among: &ControlSet,
    ) -> bool {
        let ControlFact::Strike { authors, events } = self.fact(strike) else { return false };
        let names =
            |devices: &[DeviceId], ids: &[EventId]| devices.contains(author) && ids.contains(event);
        let answers = |r: &ControlNo| {
            let named = self.fact(*r).names().is_some_and(|(devices, tips)| names(devices, tips));
            named && self.heard(*r, strike)
        };
        let known = self.readmissions.iter().filter(|r| among.contains(**r));
        let mut ruling = self.ruling(among);
        names(authors, events)
            && !known.filter(|r| answers(r)).any(|r| self.is_stood_for(*r, &mut ruling))
    }
}
