//! What each device wrote, as branches: in a branch every event has the one before it in its past.
//!
//! So what an event of a branch heard, all later ones of it heard, and what a set that is closed
//! under ancestors holds of a branch is its beginning: both are found by halving.

use super::{ControlLane, ControlNo, ControlSet};
use crate::authority::bits::BitSet;
use crate::id::DeviceId;

/// The branches of one device; one, unless it forked.
#[derive(Clone, Default, Debug)]
pub(super) struct Branches(Vec<Vec<ControlNo>>);

impl Branches {
    /// Puts the newest event where it belongs; gives the one before it in its branch.
    pub(super) fn push(&mut self, no: ControlNo, past: &BitSet) -> Option<ControlNo> {
        for branch in self.0.iter_mut().rev() {
            if let Some(&tip) = branch.last()
                && past.contains(tip.0)
            {
                branch.push(no);
                return Some(tip);
            }
        }
        self.0.push(vec![no]);
        None
    }
}

impl ControlLane {
    /// Whether some event of `device` in `among` heard `first` and not `then`.
    pub(super) fn has_voice(
        &self,
        device: &DeviceId,
        first: ControlNo,
        then: ControlNo,
        among: &ControlSet,
    ) -> bool {
        self.written.get(device).is_some_and(|branches| {
            branches.0.iter().any(|branch| {
                // The first that heard the one is the last to hear the other.
                let at = branch.partition_point(|&x| !self.heard(x, first));
                branch.get(at).is_some_and(|&x| among.contains(x) && !self.heard(x, then))
            })
        })
    }
}
