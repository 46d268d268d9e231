//! Strikes: which of them hold for a content event.

use super::{ControlFact, ControlLane, ControlNo};
use crate::id::{DeviceId, EventId};

impl ControlLane {
    /// Whether a strike in effect holds for an event of `author`: it names both, and none of these
    /// readmissions in effect that heard it names them too.
    // SPEC: EFF-8
    pub fn strikes(
        &self,
        strike: ControlNo,
        author: &DeviceId,
        event: &EventId,
        readmissions: &[ControlNo],
    ) -> bool {
        let is_strike = matches!(self.fact(strike), ControlFact::Strike { .. });
        let answers = |r: &ControlNo| {
            matches!(self.fact(*r), ControlFact::Readmit { .. })
                && self.names(*r, author, event)
                && self.heard(*r, strike)
        };
        is_strike && self.names(strike, author, event) && !readmissions.iter().any(answers)
    }

    /// Whether a strike or readmission names an author and an event. Their lists are sorted.
    // SPEC: CTL-8, CTL-10
    fn names(&self, e: ControlNo, author: &DeviceId, event: &EventId) -> bool {
        match self.fact(e) {
            ControlFact::Strike { authors, events: ids }
            | ControlFact::Readmit { authors, tips: ids } => {
                authors.binary_search(author).is_ok() && ids.binary_search(event).is_ok()
            }
            _ => false,
        }
    }
}
