//! Rules 4 and 5 for all that is here, kept up to date event by event.
//!
//! A revocation that comes to count, or ceases to, concerns the grants that its target wrote and
//! that it had not heard, whatever rests on these, and the roles of whom they are for: nothing else
//! is looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::{ControlFact, ControlLane, ControlNo};
use crate::authority::bits::BitSet;
use crate::id::DeviceId;
use crate::role::Role;

/// What all that is here comes to.
#[derive(Clone, Default, Debug)]
pub(super) struct Present {
    /// The revocations that count.
    counting: BitSet,
    /// Genesis, recoveries and grants in effect.
    effect: BitSet,
    members: BTreeMap<DeviceId, Role>,
    /// Grants by who wrote them.
    given: BTreeMap<DeviceId, BitSet>,
}

impl Present {
    pub(super) fn counting(&self) -> &BitSet {
        &self.counting
    }

    pub(super) fn has_effect(&self, g: ControlNo) -> bool {
        self.effect.contains(g.0)
    }

    pub(super) fn role(&self, device: &DeviceId) -> Option<Role> {
        self.members.get(device).copied()
    }

    pub(super) fn members(&self) -> &BTreeMap<DeviceId, Role> {
        &self.members
    }
}

impl ControlLane {
    /// Takes in the new event `no`; of the `concerned` revocations others may count than before.
    pub(super) fn note_present(&mut self, no: ControlNo, concerned: &BitSet) {
        let mut devices = BTreeSet::new();
        let mut grants = BitSet::new();
        let newest = self.target(no).map(|_| no.0);
        for r in concerned.iter().chain(newest).map(ControlNo) {
            let Some(target) = self.target(r).copied() else { continue };
            let counts = !self.is_lost_now(r);
            let changed = match counts {
                true => self.present.counting.insert(r.0),
                false => self.present.counting.remove(r.0),
            };
            if changed {
                devices.insert(target);
                self.doubt_given(&target, &self.at(r).past.0, &mut grants);
            }
        }
        let event = self.at(no);
        match event.fact {
            ControlFact::Genesis | ControlFact::Recover => {
                devices.insert(event.author);
                grants.insert(no.0);
            }
            ControlFact::Grant { device, .. } => {
                devices.insert(device);
                grants.insert(no.0);
                let author = event.author;
                self.present.given.entry(author).or_default().insert(no.0);
            }
            _ => {}
        }
        self.settle_effect(grants, &mut devices);
        let all = self.all();
        let mut ruling = self.ruling(&all);
        for device in devices {
            match self.role_by(&device, &all, &mut ruling) {
                Some(role) => self.present.members.insert(device, role),
                None => self.present.members.remove(&device),
            };
        }
    }

    /// Adds the grants that a device gave and that are not in `heard`.
    fn doubt_given(&self, author: &DeviceId, heard: &BitSet, grants: &mut BitSet) {
        if let Some(given) = self.present.given.get(author) {
            grants.union_with(&given.difference(heard));
        }
    }

    /// Judges these grants again, and what rests on those that change. In order of number: a grant
    /// rests on grants of smaller numbers.
    fn settle_effect(&mut self, mut grants: BitSet, devices: &mut BTreeSet<DeviceId>) {
        while let Some(g) = grants.first().map(ControlNo) {
            grants.remove(g.0);
            let event = self.at(g);
            let device = match event.fact {
                ControlFact::Grant { device, .. } => device,
                _ => event.author,
            };
            let takes = matches!(event.fact, ControlFact::Genesis | ControlFact::Recover)
                || self.stands(g, &self.present.counting, |on| self.present.has_effect(on));
            let changed = match takes {
                true => self.present.effect.insert(g.0),
                false => self.present.effect.remove(g.0),
            };
            if changed {
                devices.insert(device);
                let given = self.present.given.get(&device);
                let resting = given.into_iter().flat_map(BitSet::iter).map(ControlNo);
                for k in resting.filter(|&k| k > g && self.at(k).past.contains(g)) {
                    grants.insert(k.0);
                }
            }
        }
    }
}
