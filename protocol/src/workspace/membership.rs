//! Writing who may do what: grants with the keys that they bring, revocations with the epoch that
//! they end.

use std::collections::BTreeMap;

use super::{AuthorFault, Pen, Workspace};
use crate::authority::ControlFact;
use crate::control::{ControlBody, Grant, Revoke, Wrap};
use crate::epoch::wrap_key;
use crate::event::Verified;
use crate::id::{DeviceId, EventId, Lane};
use crate::key::{SealingKey, SealingStatement};
use crate::limits::CUTS_MAX;
use crate::pairing::standing::STANDING_RULE;
use crate::role::Role;

/// A role for a device.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMember {
    /// Whom.
    pub device: DeviceId,
    /// Its sealing key, signed by it.
    pub sealing: SealingStatement,
    /// As what.
    pub role: Role,
    /// The rule of the policy that allowed it.
    pub rule: String,
}

/// Whom this device let in by standing invitations: the grants, by their rules, whatever their
/// effect. `SPEC: PAIR-24`
#[derive(Debug, Clone, Default)]
pub(super) struct LetIn(BTreeMap<String, BTreeMap<DeviceId, EventId>>);

impl LetIn {
    pub(super) fn note(&mut self, grant: &Grant, event: EventId) {
        if grant.rule.starts_with(STANDING_RULE) {
            let devices = self.0.entry(grant.rule.clone()).or_default();
            devices.entry(grant.device).or_insert(event);
        }
    }
}

impl LetIn {
    /// Is this such a grant?
    pub(super) fn has(&self, event: &EventId) -> bool {
        self.0.values().flat_map(BTreeMap::values).any(|grant| grant == event)
    }
}

impl Workspace {
    /// Whom this device let in by the standing invitation of this rule, and by which grants.
    #[must_use]
    pub fn let_in_by(&self, rule: &str) -> Option<&BTreeMap<DeviceId, EventId>> {
        self.let_in.0.get(rule)
    }

    /// Grants a role, and wraps every epoch that none supersedes to a device that may read.
    /// `SPEC: CTL-3, KEY-6`
    pub fn write_grant(
        &mut self,
        pen: &mut Pen<'_>,
        member: NewMember,
    ) -> Result<Vec<Verified>, AuthorFault> {
        let NewMember { device, sealing, role, rule } = member;
        self.check_may(pen, &ControlFact::Grant { device, role })?;
        let mut events = Vec::new();
        self.join_heads(pen, Lane::Control, &mut events)?;
        let grant = Grant { device, sealing, role, tier: 0, capabilities: Vec::new(), rule };
        events.push(self.write_control(pen, &ControlBody::Grant(grant))?);
        if role.reads() {
            for epoch in self.current_epochs() {
                events.extend(self.write_wrap(pen, epoch, &[(device, sealing.key)])?);
            }
        }
        Ok(events)
    }

    /// Revokes a device within what is admitted of its content, and starts a new epoch.
    /// `SPEC: CTL-4, KEY-7`
    pub fn write_revoke(
        &mut self,
        pen: &mut Pen<'_>,
        target: DeviceId,
        reason: &str,
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.settle();
        let mut cut = self.content.admitted_tips_of(&target);
        let beyond = cut.split_off(CUTS_MAX.min(cut.len()));
        self.check_may(pen, &ControlFact::Revoke { target, cut: cut.clone(), recovery: false })?;
        let mut events = Vec::new();
        // What a cut has no room for would fall out, and is brought back: first, since who leaves
        // decides nothing afterwards. A member that leaves may not: an admin can.
        let back = ControlFact::Readmit { authors: vec![target], tips: beyond.clone() };
        if !beyond.is_empty() && self.check_may(pen, &back).is_ok() {
            events.extend(self.write_readmit_of(pen, &[target], &beyond, reason)?);
        }
        self.join_heads(pen, Lane::Control, &mut events)?;
        let revoke = Revoke { target, cut, reason: reason.to_owned() };
        events.push(self.write_control(pen, &ControlBody::Revoke(revoke))?);
        let own = self.control.role(&pen.key.device(), &self.control.all());
        if own.is_some_and(Role::writes_content) {
            events.extend(self.write_epoch(pen)?);
        }
        Ok(events)
    }

    pub(super) fn check_may(&self, pen: &Pen<'_>, fact: &ControlFact) -> Result<(), AuthorFault> {
        let author = pen.key.device();
        let heads = self.control.heads(&self.control.all());
        self.control.judge(author, fact, &heads).map_err(|refusal| match refusal {
            crate::authority::Refusal::RankTooLow | crate::authority::Refusal::NotMember => {
                AuthorFault::Role(self.control.role(&author, &self.control.all()))
            }
            refusal => AuthorFault::Refused(refusal),
        })
    }

    /// The epochs in effect that no later one supersedes.
    pub(super) fn current_epochs(&self) -> Vec<EventId> {
        self.control.last_epochs().into_iter().map(|no| self.control.id(no)).collect()
    }

    pub(super) fn write_wrap(
        &mut self,
        pen: &mut Pen<'_>,
        epoch: EventId,
        devices: &[(DeviceId, SealingKey)],
    ) -> Result<Option<Verified>, AuthorFault> {
        // Whose key is not held here is wrapped by somebody who holds it.
        let Some(key) = self.ring.key(&epoch).cloned() else { return Ok(None) };
        let wrapped = devices
            .iter()
            .filter_map(|(device, to)| wrap_key(&self.id, &epoch, &key, device, to, pen.rng));
        let mut keys: Vec<_> = wrapped.collect();
        keys.sort_by_key(|key| key.recipient);
        if keys.is_empty() {
            return Ok(None);
        }
        let wrap = ControlBody::Wrap(Wrap { epoch, keys });
        self.write_control(pen, &wrap).map(Some)
    }
}
