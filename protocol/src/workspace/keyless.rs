//! Who lacks keys that this device could give: found again only when something of it changed, and
//! given by at most so many wraps at once (SPEC: KEY-8).

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{AuthorFault, Pen, Workspace};
use crate::event::Verified;
use crate::id::{DeviceId, EventId};
use crate::key::SealingKey;
use crate::limits::{WRAP_RECIPIENTS_MAX, WRAPPED_EPOCHS_MAX};
use crate::role::Role;

/// Devices, and what is sealed to them.
type Readers = Vec<(DeviceId, SealingKey)>;

/// What was found of who lacks keys. It depends on what only grows: how many control events are
/// here, keys are held and epochs are sealed under.
#[derive(Default)]
pub(super) struct Keyless(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    found_of: Option<(DeviceId, usize, (usize, usize))>,
    /// The epochs that some lack, and one more than are wrapped at once at most.
    lacking: Vec<(EventId, Readers)>,
    /// All that may read, and the epochs that none of them lacks.
    readers: Readers,
    whole: BTreeSet<EventId>,
    /// How often it was looked at whether a reader holds an epoch.
    looks: u64,
}

impl Workspace {
    /// Members that may read and were never given the key of a current epoch that is held here, or
    /// of one that content is sealed under and to which no current one leads: of two rescues that
    /// did not hear of each other only one stays, and a member wrote under the other.
    /// Only from who holds the key by what events say: nobody else's wrap counts (AUTH-23).
    fn find_keyless(&self, own: &DeviceId) {
        let mut kept = self.keyless.0.borrow_mut();
        let here = (*own, self.control.len(), self.ring.version());
        if kept.found_of.replace(here) == Some(here) {
            return;
        }
        let members = self.control.members(&self.control.all()).into_iter();
        let readers = members.filter(|(_, role)| role.reads());
        let readers: Vec<_> = readers
            .filter_map(|(device, _)| Some((device, self.sealing.get(&device)?.key)))
            .collect();
        if kept.readers != readers {
            kept.readers = readers;
            kept.whole.clear();
        }
        kept.lacking.clear();
        let mut held = self.current_epochs();
        held.extend(self.ring.strays(&held));
        for epoch in held {
            let is_held = self.ring.key(&epoch).is_some() && self.ring.is_holder(&epoch, own);
            if !is_held || kept.whole.contains(&epoch) {
                continue;
            }
            let lacks = |(device, _): &&(DeviceId, _)| !self.ring.is_holder(&epoch, device);
            let lacking: Vec<_> = kept.readers.iter().filter(lacks).copied().collect();
            kept.looks = kept.looks.saturating_add(kept.readers.len() as u64);
            if lacking.is_empty() {
                kept.whole.insert(epoch);
                continue;
            }
            kept.lacking.push((epoch, lacking));
            if kept.lacking.len() > WRAPPED_EPOCHS_MAX {
                break;
            }
        }
    }

    /// Does a member lack a key that this device could give it?
    #[must_use]
    pub fn has_keyless(&self, own: &DeviceId) -> bool {
        if self.control.role(own, &self.control.all()).is_none() {
            return false;
        }
        self.find_keyless(own);
        !self.keyless.0.borrow().lacking.is_empty()
    }

    /// How often it was looked at whether a reader holds the key of an epoch.
    #[must_use]
    pub fn keyless_looks(&self) -> u64 {
        self.keyless.0.borrow().looks
    }

    /// Wraps the keys that members lack and this device holds: a grant and an epoch that were made
    /// apart do not know each other. Twice is harmless. Where that is more than one call writes, an
    /// epoch that leads to all of them is made instead, by who may. `SPEC: KEY-8`
    pub fn write_missing_wraps(&mut self, pen: &mut Pen<'_>) -> Result<Vec<Verified>, AuthorFault> {
        let device = pen.key.device();
        self.find_keyless(&device);
        let lacking = self.keyless.0.borrow().lacking.clone();
        let role = self.control.role(&device, &self.control.all());
        if lacking.len() > WRAPPED_EPOCHS_MAX && role.is_some_and(Role::writes_content) {
            return self.write_epoch(pen);
        }
        let mut events = Vec::new();
        for (epoch, devices) in lacking.into_iter().take(WRAPPED_EPOCHS_MAX) {
            for devices in devices.chunks(WRAP_RECIPIENTS_MAX) {
                events.extend(self.write_wrap(pen, epoch, devices)?);
            }
        }
        Ok(events)
    }
}
