//! Writing what only the recovery key may decide, and bringing content back that fell out.

use std::collections::BTreeSet;

use super::{AuthorFault, Pen, Workspace};
use crate::authority::ControlFact;
use crate::control::{ControlBody, Readmit, Recover, Rescue};
use crate::event::{BodyRef, Header, Verified};
use crate::id::{DeviceId, EventId, Lane};
use crate::key::RecoveryKey;
use crate::limits::{CUTS_MAX, PARENTS_MAX, READMITTED_AUTHORS_MAX};
use crate::role::Role;

/// What a rescue wrote.
#[derive(Debug, Clone)]
pub struct Rescued {
    /// In causal order.
    pub events: Vec<Verified>,
    /// Whom it removed.
    pub removed: Vec<DeviceId>,
}

impl Workspace {
    /// Makes this device an owner by the recovery key, removes all that ever led but it and
    /// `keep`, and starts a new epoch. The removals come first: who hears that somebody else leads
    /// has heard that he is out, and can remove nobody any more. `SPEC: CTL-9, KEY-9`
    pub fn write_rescue(
        &mut self,
        pen: &mut Pen<'_>,
        key: &RecoveryKey,
        keep: &BTreeSet<DeviceId>,
        reason: &str,
    ) -> Result<Rescued, AuthorFault> {
        if self.recovery != Some(key.public()) {
            return Err(AuthorFault::RecoveryKey);
        }
        self.settle();
        let mut events = Vec::new();
        let removed = self.to_remove(&pen.key.device(), keep);
        let sealing = pen.key.sealing_statement();
        let lead = || Rescue::Lead { sealing };
        let (mut last, mut beyond) = (None, Vec::new());
        for &target in &removed {
            let mut cut = self.content.admitted_tips_of(&target);
            // What a cut has no room for falls out, and comes back below.
            if cut.len() > CUTS_MAX {
                beyond.push((target, cut.split_off(CUTS_MAX)));
            }
            let rescue = Rescue::Remove { target, cut, reason: reason.to_owned() };
            last = Some((target, rescue.clone()));
            self.write_recover(pen, key, rescue, Some(&target), &mut events)?;
            self.settle();
        }
        // Whoever led away may have left any number of heads, and who is no member joins none: what
        // is said is said again, until it has heard everything.
        while self.heads(Lane::Control).len() > PARENTS_MAX {
            let (target, again) =
                last.clone().map_or_else(|| (None, lead()), |(t, r)| (Some(t), r));
            self.write_recover(pen, key, again, target.as_ref(), &mut events)?;
        }
        self.write_recover(pen, key, lead(), None, &mut events)?;
        if !self.ring.open_by_recovery(&self.id, &key.sealing_secret()).is_empty() {
            self.note_readable();
        }
        for (author, tips) in beyond {
            events.extend(self.write_readmit_of(pen, &[author], &tips, reason)?);
        }
        events.extend(self.write_epoch(pen)?);
        Ok(Rescued { events, removed })
    }

    /// Who ever was an owner or admin: the keys of any of them may be in wrong hands, and those of
    /// whom they removed, too.
    fn to_remove(&self, own: &DeviceId, keep: &BTreeSet<DeviceId>) -> Vec<DeviceId> {
        let all = self.control.all();
        let leads = |device: &DeviceId| self.control.once(device, &all) >= Some(Role::Admin);
        let known = self.added_by.keys().copied();
        known.filter(|d| d != own && !keep.contains(d) && leads(d)).collect()
    }

    fn write_recover(
        &mut self,
        pen: &mut Pen<'_>,
        key: &RecoveryKey,
        rescue: Rescue,
        about: Option<&DeviceId>,
        events: &mut Vec<Verified>,
    ) -> Result<(), AuthorFault> {
        let drafted = self.draft(pen, Lane::Control, None);
        let parents = self.parents_about(about, drafted.prev);
        let header = Header { parents, ..drafted };
        let body = ControlBody::Recover(Recover::sign(rescue, &header, key)).encode();
        let header = Header { body: Some(BodyRef::of(&body)), ..header };
        events.push(self.sign(pen, header, Some(body))?);
        Ok(())
    }

    /// As many heads as fit, the own prev aside; where there are more, one that heard of a device's
    /// grant is among them.
    fn parents_about(&self, about: Option<&DeviceId>, prev: Option<EventId>) -> Vec<EventId> {
        let mut heads = self.heads(Lane::Control);
        heads.retain(|head| Some(*head) != prev);
        let knows = |head: &EventId| {
            let past = self.control.set_of(std::slice::from_ref(head)).ok();
            about.zip(past).is_some_and(|(device, past)| self.control.once(device, &past).is_some())
        };
        heads.sort_by_key(|head| !knows(head));
        heads.truncate(PARENTS_MAX);
        heads.sort_unstable();
        heads
    }

    /// Brings back everything of a device that is here and not admitted. `SPEC: CTL-8`
    pub fn write_readmit(
        &mut self,
        pen: &mut Pen<'_>,
        authors: &[DeviceId],
        reason: &str,
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.settle();
        let mut authors: Vec<_> = authors.to_vec();
        authors.sort_unstable();
        authors.dedup();
        let mut decisions = Vec::new();
        for authors in authors.chunks(READMITTED_AUTHORS_MAX) {
            let tips = authors.iter().flat_map(|author| self.content.left_out_tips_of(author));
            decisions.push((authors, tips.collect::<Vec<_>>()));
        }
        let mut events = Vec::new();
        for (authors, tips) in decisions {
            events.extend(self.write_readmit_of(pen, authors, &tips, reason)?);
        }
        if events.is_empty() { Err(AuthorFault::NothingToReadmit) } else { Ok(events) }
    }

    /// Brings back what ends so of these devices, in as many decisions as that takes.
    pub(super) fn write_readmit_of(
        &mut self,
        pen: &mut Pen<'_>,
        authors: &[DeviceId],
        tips: &[EventId],
        reason: &str,
    ) -> Result<Vec<Verified>, AuthorFault> {
        let mut tips = tips.to_vec();
        tips.sort_unstable();
        let mut events = Vec::new();
        for tips in tips.chunks(CUTS_MAX) {
            let (authors, tips) = (authors.to_vec(), tips.to_vec());
            let fact = ControlFact::Readmit { authors: authors.clone(), tips: tips.clone() };
            let readmit = Readmit { authors, tips, reason: reason.to_owned() };
            events.extend(self.write_decision(pen, &fact, &ControlBody::Readmit(readmit))?);
        }
        Ok(events)
    }

    /// Writes a decision about what others wrote, where it is this device's to make: it has heard
    /// everything.
    pub(super) fn write_decision(
        &mut self,
        pen: &mut Pen<'_>,
        fact: &ControlFact,
        decision: &ControlBody,
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.check_may(pen, fact)?;
        let mut events = Vec::new();
        self.join_heads(pen, Lane::Control, &mut events)?;
        events.push(self.write_control(pen, decision)?);
        Ok(events)
    }

    /// Brings back one content event: where it is struck, and it with all before it in its chain
    /// where revocations left it out. `SPEC: CTL-8, EFF-8`
    pub fn write_readmit_event(
        &mut self,
        pen: &mut Pen<'_>,
        event: &EventId,
        reason: &str,
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.settle();
        let no = self.content.number(event).ok_or(AuthorFault::NotContent)?;
        if self.content.is_admitted(no) && !self.is_struck(event) {
            return Err(AuthorFault::NotApart);
        }
        let (authors, tips) = (vec![self.content.author(no)], vec![*event]);
        let fact = ControlFact::Readmit { authors: authors.clone(), tips: tips.clone() };
        let readmit = Readmit { authors, tips, reason: reason.to_owned() };
        self.write_decision(pen, &fact, &ControlBody::Readmit(readmit))
    }

    /// How many events of these devices are here and not admitted.
    #[must_use]
    pub fn left_out(&self, authors: &[DeviceId]) -> usize {
        let out = |no: &crate::authority::ContentNo| {
            !self.content.is_admitted(*no) && authors.contains(&self.content.author(*no))
        };
        self.content.all().filter(out).count()
    }
}
