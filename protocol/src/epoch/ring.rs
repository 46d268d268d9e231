//! The epoch keys that a device holds, and which of them it may write under (SPEC: KEY-6, KEY-7).

use std::collections::{BTreeMap, BTreeSet};

use crate::authority::{ControlFact, ControlLane, ControlNo};
use crate::control::{ControlBody, Epoch, Wrap};
use crate::epoch::{EpochKey, unwrap_key};
use crate::event::Verified;
use crate::id::{DeviceId, EventId, WorkspaceId};
use crate::key::{DeviceKey, SealingSecret};

/// Under which epoch a writer seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteEpoch {
    /// This one.
    Use(EventId, EpochKey),
    /// None is fit: make one.
    Make,
}

/// All epochs that were heard of, and the keys that are held.
#[derive(Debug, Default)]
pub struct KeyRing {
    epochs: BTreeMap<EventId, Epoch>,
    keys: BTreeMap<EventId, EpochKey>,
    /// The epochs that content is sealed under.
    used: BTreeSet<EventId>,
    /// The older epochs that each held epoch leads to.
    leads_to: BTreeMap<EventId, BTreeSet<EventId>>,
    /// Who may hold an epoch's key, its maker and whom it was wrapped to, and by which events.
    holders: BTreeMap<EventId, BTreeMap<DeviceId, Vec<ControlNo>>>,
    /// The recovery key, which holds every epoch and is no device.
    recovery: Option<DeviceId>,
    /// The wraps that were made to it, for a rescue.
    for_recovery: Vec<Wrap>,
}

impl KeyRing {
    /// The key of `epoch`, if it is held.
    #[must_use]
    pub fn key(&self, epoch: &EventId) -> Option<&EpochKey> {
        self.keys.get(epoch)
    }

    /// How many keys are held, and how many epochs content is sealed under: both only grow.
    #[must_use]
    pub fn version(&self) -> (usize, usize) {
        (self.keys.len(), self.used.len())
    }

    /// Content that is here says that it is sealed under this epoch, which it heard of.
    pub fn note_use(&mut self, epoch: EventId) {
        if self.epochs.contains_key(&epoch) {
            self.used.insert(epoch);
        }
    }

    /// The held epochs that content is sealed under and to which none of these leads that are held:
    /// whoever was given these alone cannot read it. Where such lead to each other, the last ones.
    /// `SPEC: KEY-8`
    #[must_use]
    pub fn strays(&self, current: &[EventId]) -> Vec<EventId> {
        let reached = self.reached(current.to_vec());
        let is_stray =
            |epoch: &&EventId| !reached.contains(*epoch) && self.keys.contains_key(*epoch);
        if !self.used.iter().any(|epoch| is_stray(&epoch)) {
            return Vec::new();
        }
        let apart: BTreeSet<_> = self.keys.keys().filter(is_stray).collect();
        let led: BTreeSet<_> =
            apart.iter().filter_map(|epoch| self.leads_to.get(*epoch)).flatten().collect();
        let last = apart.difference(&led).map(|epoch| **epoch);
        last.filter(|epoch| !self.reached(vec![*epoch]).is_disjoint(&self.used)).collect()
    }

    /// These epochs, and all that they lead to.
    fn reached(&self, mut open: Vec<EventId>) -> BTreeSet<EventId> {
        let mut reached = BTreeSet::new();
        while let Some(epoch) = open.pop() {
            if reached.insert(epoch) {
                open.extend(self.leads_to.get(&epoch).into_iter().flatten());
            }
        }
        reached
    }

    /// May `device` hold the key of `epoch`, by what events say?
    #[must_use]
    pub fn is_holder(&self, epoch: &EventId, device: &DeviceId) -> bool {
        self.holders.get(epoch).is_some_and(|holders| holders.contains_key(device))
    }

    /// Did `device` hold the key of `epoch` by what is in the past of the event `by`?
    fn held_before(
        &self,
        control: &ControlLane,
        epoch: &EventId,
        device: &DeviceId,
        by: ControlNo,
    ) -> bool {
        let since = self.holders.get(epoch).and_then(|holders| holders.get(device));
        since.is_some_and(|since| since.iter().any(|at| control.past(by).contains(*at)))
    }

    fn note_holder(
        &mut self,
        control: &ControlLane,
        epoch: EventId,
        device: DeviceId,
        by: ControlNo,
    ) {
        // What heard that it holds the key says nothing new.
        if !self.held_before(control, &epoch, &device, by) {
            self.holders.entry(epoch).or_default().entry(device).or_default().push(by);
        }
    }

    /// Takes note of a control event, which is in the lane; returns the epochs whose keys are held
    /// since. Who holds a key is a function of the set of events: a wrap counts by its own past.
    /// `SPEC: KEY-7, AUTH-23`
    pub fn heard(
        &mut self,
        workspace: &WorkspaceId,
        control: &ControlLane,
        event: &Verified,
        own: &DeviceKey,
    ) -> Vec<EventId> {
        let (author, Some(no)) = (event.header().author, control.number(&event.id())) else {
            return Vec::new();
        };
        match event.control() {
            Some(ControlBody::Genesis(genesis)) => {
                self.recovery = Some(genesis.recovery.signing);
                Vec::new()
            }
            Some(ControlBody::Epoch(epoch)) => {
                self.epochs.insert(event.id(), epoch.clone());
                self.holders.entry(event.id()).or_default().insert(author, vec![no]);
                Vec::new()
            }
            Some(ControlBody::Wrap(wrap)) => {
                // Who holds no key gives none: a wrap of garbage makes nobody a holder.
                if !self.held_before(control, &wrap.epoch, &author, no) {
                    return Vec::new();
                }
                for key in &wrap.keys {
                    self.note_holder(control, wrap.epoch, key.recipient, no);
                }
                self.heard_wrap(workspace, wrap, own)
            }
            _ => Vec::new(),
        }
    }

    fn heard_wrap(
        &mut self,
        workspace: &WorkspaceId,
        wrap: &Wrap,
        own: &DeviceKey,
    ) -> Vec<EventId> {
        let to_recovery = wrap.keys.iter().find(|key| Some(key.recipient) == self.recovery);
        if let Some(key) = to_recovery {
            self.for_recovery.push(Wrap { epoch: wrap.epoch, keys: vec![key.clone()] });
        }
        if self.keys.contains_key(&wrap.epoch) {
            return Vec::new();
        }
        let key = self.epochs.get(&wrap.epoch).and_then(|epoch| {
            unwrap_key(workspace, wrap, epoch, &own.device(), own.sealing_secret())
        });
        key.map_or_else(Vec::new, |key| self.learn(wrap.epoch, key))
    }

    /// Opens every epoch that was wrapped to the recovery key, whose secret half this is. Returns
    /// the epochs that are new. `SPEC: KEY-9`
    pub fn open_by_recovery(
        &mut self,
        workspace: &WorkspaceId,
        secret: &SealingSecret,
    ) -> Vec<EventId> {
        let Some(recovery) = self.recovery else { return Vec::new() };
        let wraps = std::mem::take(&mut self.for_recovery);
        let mut learned = Vec::new();
        for wrap in wraps.iter().filter(|wrap| !self.keys.contains_key(&wrap.epoch)) {
            let Some(epoch) = self.epochs.get(&wrap.epoch) else { continue };
            if let Some(key) = unwrap_key(workspace, wrap, epoch, &recovery, secret) {
                learned.push((wrap.epoch, key));
            }
        }
        self.for_recovery = wraps;
        learned.into_iter().flat_map(|(epoch, key)| self.learn(epoch, key)).collect()
    }

    /// Holds `key` of `epoch` and every older one that it leads to, where each matches its
    /// commitment, whatever the effect of its epoch. Returns the epochs that are new.
    pub fn learn(&mut self, epoch: EventId, key: EpochKey) -> Vec<EventId> {
        let mut learned = Vec::new();
        let mut open = vec![(epoch, key)];
        while let Some((id, key)) = open.pop() {
            let Some(epoch) = self.epochs.get(&id) else { continue };
            if self.keys.contains_key(&id) || epoch.commitment != key.commitment() {
                continue;
            }
            // It leads to those alone whose keys it really holds: what it says of others is no key.
            let is_key = |(older, key): &(EventId, EpochKey)| {
                self.epochs.get(older).is_some_and(|epoch| epoch.commitment == key.commitment())
            };
            let older: Vec<_> = key.open_older(&epoch.older).into_iter().filter(is_key).collect();
            self.leads_to.insert(id, older.iter().map(|(older, _)| *older).collect());
            open.extend(older);
            self.keys.insert(id, key);
            learned.push(id);
        }
        learned
    }

    /// The held keys that no other held one leads to: what a new epoch carries. `SPEC: KEY-4`
    #[must_use]
    pub fn newest(&self) -> Vec<(EventId, EpochKey)> {
        let reached: BTreeSet<_> = self.leads_to.values().flatten().copied().collect();
        let keys = self.keys.iter().filter(|(id, _)| !reached.contains(id));
        keys.map(|(id, key)| (*id, key.clone())).collect()
    }

    /// Which epoch to write under: held, in effect, superseded by none, clean; of several the
    /// lowest id. `SPEC: KEY-7`
    #[must_use]
    pub fn write_epoch(&self, control: &ControlLane) -> WriteEpoch {
        let last = control.last_epochs();
        let mut fit: Vec<_> = last.into_iter().map(|no| (control.id(no), no)).collect();
        fit.sort();
        for (id, no) in fit {
            if let Some(key) = self.keys.get(&id)
                && self.is_clean(control, no)
            {
                return WriteEpoch::Use(id, key.clone());
            }
        }
        WriteEpoch::Make
    }

    /// Was no holder of this epoch's key removed since? An epoch that no later one supersedes has
    /// no later holders either.
    fn is_clean(&self, control: &ControlLane, no: ControlNo) -> bool {
        let all = control.all();
        let empty = BTreeMap::new();
        let holders = self.holders.get(&control.id(no)).unwrap_or(&empty);
        let removed_unheard = control.counting(&all).into_iter().any(|revocation| {
            let heard = control.heard(no, revocation);
            !heard
                && matches!(control.fact(revocation),
                    ControlFact::Revoke { target, .. } if holders.contains_key(target))
        });
        let lost = holders.keys().any(|device| {
            Some(*device) != self.recovery && !control.role(device, &all).is_some_and(|r| r.reads())
        });
        !removed_unheard && !lost
    }
}
