//! Introducing a device to others: what it shows, and what another's showing comes to.

use super::{InsertFault, InsertRefusal, Workspace, fact};
use crate::authority::{ControlFact, ControlNo};
use crate::event::Verified;
use crate::id::DeviceId;
use crate::store::Place;

impl Workspace {
    /// The control past of a grant by which `device` is a member, or was before it was revoked, in
    /// causal order, the grant last: of several the shortest. None where it never was one by a
    /// grant. `SPEC: INTRO-2`
    #[must_use]
    pub fn introduction(&self, device: &DeviceId) -> Option<Vec<Place>> {
        let all = self.control.all();
        let is_revoked = self.control.role(device, &all).is_none();
        let against = self.control.revocations_of(device, &all);
        let grants = all.iter().filter(|no| match self.control.fact(*no) {
            ControlFact::Grant { device: granted, .. } => granted == device,
            ControlFact::Recover => self.control.author(*no) == *device,
            _ => false,
        });
        let holds = grants
            .filter(|no| self.control.in_effect(*no, &all))
            .filter(|no| is_revoked || against.iter().all(|r| self.control.heard(*no, *r)));
        let grant = holds.min_by_key(|no| (self.control.past(*no).len(), *no))?;
        let past = self.control.past(grant).iter().chain([grant]);
        past.map(|no| self.place_at(self.position(&self.control.id(no))?.1)).collect()
    }

    /// How many control events of a device are here that no counting revocation of it had heard.
    #[must_use]
    pub fn late_control(&self, device: &DeviceId) -> usize {
        let all = self.control.all();
        let against = self.control.revocations_of(device, &all);
        let late = |no: &ControlNo| {
            self.control.author(*no) == *device
                && !against.iter().any(|r| self.control.heard(*r, *no))
        };
        all.iter().filter(late).count()
    }

    /// Would `device` be a member if these control events were here too? They stand in causal
    /// order. Nothing is changed; an event whose author might not make it is refused.
    /// `SPEC: INTRO-4`
    pub fn would_be_member(
        &self,
        device: &DeviceId,
        events: &[Verified],
    ) -> Result<bool, InsertFault> {
        let mut control = self.control.clone();
        for event in events {
            self.check_recovery(event)?;
            let before: Vec<_> = event.header().before().copied().collect();
            control
                .add(event.id(), event.header().author, fact(event), &before)
                .map_err(|refusal| InsertFault::Refused(InsertRefusal::Authority(refusal)))?;
        }
        Ok(control.role(device, &control.all()).is_some())
    }
}
