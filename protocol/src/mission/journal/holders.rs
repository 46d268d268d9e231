//! Who holds the lease of a mission's next stage without knowing of another who does
//! (SPEC: CFL-13, CFL-18). One lease of each device is looked at, and so many devices: how often
//! one claims apart from itself makes nothing longer for others.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Entry, Journal, standing};
use crate::authority::ContentLane;
use crate::id::EventId;
use crate::limits::CONFLICT_SIDES_MAX;

impl Journal {
    /// The ends of a mission whose leases no end that went on knows, one of each device; none
    /// unless there are several. They are kept until a record comes, or one does not hold any more.
    #[must_use]
    pub fn holders(&self, content: &ContentLane, mission: &EventId) -> Vec<&Entry> {
        let is_disputable = self.claims.get(mission).is_some_and(|claims| claims.len() > 1);
        let Some(head) = self.head(content, mission).filter(|_| is_disputable) else {
            return Vec::new();
        };
        let kept = self.heads.borrow().1.get(mission).and_then(|found| found.holders.clone());
        let holders = kept.unwrap_or_else(|| {
            let holders = self.find_holders(content, mission, head);
            if let Some(found) = self.heads.borrow_mut().1.get_mut(mission) {
                found.holders = Some(holders.clone());
            }
            holders
        });
        holders.iter().filter_map(|id| self.entries.get(id)).collect()
    }

    fn find_holders(&self, content: &ContentLane, mission: &EventId, head: &Entry) -> Vec<EventId> {
        let stage = head.state.lease_stage().filter(|_| !head.state.progress.is_over());
        let Some(stage) = stage else { return Vec::new() };
        let ends = self.ends(content, mission);
        let of_stage =
            |end: &&Entry| end.state.lease.as_ref().is_some_and(|lease| lease.stage == stage);
        let mut held: Vec<_> = ends.iter().copied().filter(of_stage).collect();
        held.sort_by_cached_key(|end| Reverse(standing(&end.state)));
        let mut devices = BTreeSet::new();
        held.retain(|end| {
            end.state.lease.as_ref().is_some_and(|lease| devices.insert(lease.holder))
        });
        held.truncate(CONFLICT_SIDES_MAX);
        let is_known = |claim: &EventId| {
            let no = content.number(claim);
            ends.iter().any(|end| {
                end.state.leases.iter().all(|lease| lease.claim != *claim)
                    && no.is_some_and(|no| content.in_past(end.no, no))
            })
        };
        held.retain(|end| end.state.lease.as_ref().is_some_and(|lease| !is_known(&lease.claim)));
        let holders = held.iter().map(|end| end.state.last).collect::<Vec<_>>();
        if holders.len() > 1 { holders } else { Vec::new() }
    }
}
