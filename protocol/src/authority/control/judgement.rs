//! Rules 4 and 5: which events take effect, and who is a member of what.
//!
//! Effect follows from pasts and from which revocations count, and from nothing else: so a set is
//! judged by its counting revocations alone, and where these are those of all that is here, what is
//! known of that serves. Else only the grants that a question leads to are judged.

use std::collections::BTreeMap;

use super::{ControlFact, ControlLane, ControlNo, ControlSet};
use crate::authority::bits::BitSet;
use crate::id::{DeviceId, EventId};
use crate::role::Role;

/// What answers are made from, for one set of control events.
pub(super) struct Ruling {
    /// The revocations that count.
    counting: BitSet,
    /// They are those that count by all that is here.
    is_present: bool,
    /// Whether grants take effect, as far as it was asked.
    effect: BTreeMap<ControlNo, bool>,
}

/// How an author may stand for an event outside the control lane: by one of these claims.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The highest role first.
    pub claims: Vec<Claim>,
    /// The readmissions in effect that name the author: an event within one needs no cut.
    // SPEC: AUTH-21
    pub readmissions: Vec<ControlNo>,
}

/// A grant in effect, and what it depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// What the grant gives.
    pub role: Role,
    /// The counting revocations that the grant did not hear: the event must be within the cut of
    /// each.
    pub within: Vec<ControlNo>,
}

impl Standing {
    /// The role in which the author stands, where `covers` says whether the event is within the
    /// cut of a revocation, or within a readmission.
    pub fn role(&self, covers: impl Fn(ControlNo) -> bool) -> Option<Role> {
        let readmitted = || self.readmissions.iter().any(|&r| covers(r));
        let holds = |claim: &&Claim| claim.within.iter().all(|&r| covers(r)) || readmitted();
        self.claims.iter().find(holds).map(|claim| claim.role)
    }
}

impl ControlLane {
    pub(super) fn ruling(&self, among: &ControlSet) -> Ruling {
        let present = self.present.counting();
        if self.is_all(among) {
            return Ruling::new(present.clone(), true);
        }
        let counting = self.revoking.intersection(&among.0).difference(&self.lost(among));
        let is_present = counting == *present;
        Ruling::new(counting, is_present)
    }

    /// The counting revocations of a device that `heard` does not hold.
    fn unheard<'a>(
        &'a self,
        device: &DeviceId,
        counting: &'a BitSet,
        heard: &'a BitSet,
    ) -> impl Iterator<Item = ControlNo> + 'a {
        let against = self.against.get(device);
        against.into_iter().flat_map(move |all| all.only(counting, heard)).map(ControlNo)
    }

    /// Of all that is here, the counting revocation that ended what a grant gave: one of its device
    /// that the grant did not hear, of several the earliest.
    pub fn ended_by(&self, grant: ControlNo) -> Option<ControlNo> {
        let ControlFact::Grant { device, .. } = &self.at(grant).fact else { return None };
        self.unheard(device, self.present.counting(), &self.at(grant).past.0)
            .min_by_key(|revocation| self.earliest(*revocation))
    }

    /// Of all that is here, the grant in effect that let the target of a revocation in again: one
    /// that heard it, of several the earliest.
    pub fn answered_by(&self, revocation: ControlNo) -> Option<ControlNo> {
        let grants = self.grants.get(self.target(revocation)?)?;
        let answers = |g: &&ControlNo| self.present.has_effect(**g) && self.heard(**g, revocation);
        grants.iter().filter(answers).copied().min_by_key(|grant| self.earliest(*grant))
    }

    /// Orders events by how much is in their pasts, in whatever order they came: one that is in the
    /// past of another comes before that.
    fn earliest(&self, no: ControlNo) -> (usize, EventId) {
        (self.at(no).known, self.id(no))
    }

    /// Whether by the grant `g`, which is in the past of the control event `e`, its owner stood for
    /// that: each counting revocation was heard by the one, or heard the other.
    fn is_backed(&self, g: ControlNo, e: ControlNo, counting: &BitSet) -> bool {
        let (author, heard) = (&self.at(e).author, &self.at(g).past.0);
        let mut unheard = self.unheard(author, counting, heard);
        if !self.can_be_overridden(e) {
            return unheard.all(|r| self.heard(r, e));
        }
        // An earlier revocation cannot have heard it, and a later one that did not overrides it:
        // of these there are few, of those that heard it many.
        let over = self.overriders.get(&e).into_iter().flat_map(|by| by.only(counting, heard));
        let against = |r: u32| self.target(ControlNo(r)) == Some(author);
        unheard.next().is_none_or(|r| r >= e) && !over.into_iter().any(against)
    }

    /// Whether the author of a control event stood for it, where `takes` says which grants take
    /// effect.
    // SPEC: AUTH-10
    pub(super) fn stands(
        &self,
        e: ControlNo,
        counting: &BitSet,
        mut takes: impl FnMut(ControlNo) -> bool,
    ) -> bool {
        self.rests_on(e).any(|g| self.is_backed(g, e, counting) && takes(g))
    }

    /// Whether genesis, a recovery or a grant takes effect. Without recursion: what a grant rests
    /// on is found first.
    fn takes_effect(&self, g: ControlNo, by: &mut Ruling) -> bool {
        if by.is_present {
            return self.present.has_effect(g);
        }
        // With each the grants that are still to be tried, and the one that was waited for.
        let mut open = vec![(g, self.rests_on(g), None)];
        while let Some((g, rests, waited)) = open.last_mut() {
            let takes = |on: &ControlNo| by.effect.get(on) == Some(&true);
            let mut stands =
                matches!(self.at(*g).fact, ControlFact::Genesis | ControlFact::Recover)
                    || waited.take().as_ref().is_some_and(takes);
            while !stands && waited.is_none() {
                let Some(on) = rests.find(|on| self.is_backed(*on, *g, &by.counting)) else {
                    break;
                };
                match by.effect.get(&on) {
                    Some(takes) => stands = *takes,
                    None => *waited = Some(on),
                }
            }
            if let Some(on) = *waited {
                open.push((on, self.rests_on(on), None));
            } else {
                by.effect.insert(*g, stands);
                open.pop();
            }
        }
        by.effect.get(&g) == Some(&true)
    }

    /// The role of a device by what `among` knows; none if it is no member.
    // SPEC: AUTH-11
    pub fn role(&self, device: &DeviceId, among: &ControlSet) -> Option<Role> {
        if self.is_all(among) {
            return self.present.role(device);
        }
        self.role_by(device, among, &mut self.ruling(among))
    }

    pub(super) fn role_by(
        &self,
        device: &DeviceId,
        among: &ControlSet,
        by: &mut Ruling,
    ) -> Option<Role> {
        let nothing = BitSet::new();
        let against = self.against.get(device).unwrap_or(&nothing).intersection(&by.counting);
        let grants = self.grants.get(device).map_or(&[][..], Vec::as_slice);
        // Only a later one can have heard the last revocation.
        let from = grants.partition_point(|g| Some(g.0) < against.last());
        let mut best = None;
        for &g in grants.get(from..).unwrap_or(&[]).iter().rev() {
            let role = self.gives(g);
            if role > best
                && among.contains(g)
                && against.is_subset(&self.at(g).past.0)
                && self.takes_effect(g, by)
            {
                best = role;
            }
        }
        best
    }

    /// All members and their roles.
    // SPEC: AUTH-11
    pub fn members(&self, among: &ControlSet) -> BTreeMap<DeviceId, Role> {
        if self.is_all(among) {
            return self.present.members().clone();
        }
        let mut ruling = self.ruling(among);
        let role = |d: &DeviceId| Some((*d, self.role_by(d, among, &mut ruling)?));
        self.grants.keys().filter_map(role).collect()
    }

    /// All members by everything that is here, and their roles.
    // SPEC: AUTH-11
    pub fn present_members(&self) -> &BTreeMap<DeviceId, Role> {
        self.present.members()
    }

    /// Whether a control event of `among` takes effect: a revocation if it counts, a join always,
    /// any other if its author stood for it.
    // SPEC: AUTH-10
    pub fn in_effect(&self, e: ControlNo, among: &ControlSet) -> bool {
        among.contains(e) && self.is_in_effect(e, &mut self.ruling(among))
    }

    /// Those of some control events of `among` that take effect.
    // SPEC: AUTH-10
    pub fn those_in_effect(&self, of: &[ControlNo], among: &ControlSet) -> Vec<ControlNo> {
        let mut ruling = self.ruling(among);
        let known = of.iter().copied().filter(|e| among.contains(*e));
        known.filter(|e| self.is_in_effect(*e, &mut ruling)).collect()
    }

    fn is_in_effect(&self, e: ControlNo, by: &mut Ruling) -> bool {
        match self.at(e).fact {
            ControlFact::Genesis | ControlFact::Recover | ControlFact::Join => true,
            ControlFact::Grant { .. } => self.takes_effect(e, by),
            ControlFact::Revoke { .. } => by.counting.contains(e.0),
            ControlFact::Readmit { .. }
            | ControlFact::Epoch
            | ControlFact::Wrap
            | ControlFact::Strike { .. }
            | ControlFact::Upgrade => self.is_stood_for(e, by),
        }
    }

    fn is_stood_for(&self, e: ControlNo, by: &mut Ruling) -> bool {
        self.rests_on(e).any(|g| self.is_backed(g, e, &by.counting) && self.takes_effect(g, by))
    }

    /// The revocations that count, by number.
    // SPEC: AUTH-7
    pub fn counting(&self, among: &ControlSet) -> Vec<ControlNo> {
        self.ruling(among).counting.iter().map(ControlNo).collect()
    }

    /// The counting revocations of a device, by number.
    pub fn revocations_of(&self, device: &DeviceId, among: &ControlSet) -> Vec<ControlNo> {
        let counting = self.ruling(among).counting;
        self.unheard(device, &counting, &BitSet::new()).collect()
    }

    /// How `device` may stand, with at least a role, for a content event that heard `heard`, by
    /// what `among` knows.
    // SPEC: AUTH-14
    pub fn standing(
        &self,
        device: &DeviceId,
        heard: &ControlSet,
        at_least: Role,
        among: &ControlSet,
    ) -> Standing {
        let mut ruling = self.ruling(among);
        let mut claims: Vec<(ControlNo, Claim)> = Vec::new();
        let grants = self.grants.get(device).map_or(&[][..], Vec::as_slice);
        let known = |g: &&ControlNo| heard.contains(**g) && among.contains(**g);
        for &g in grants.iter().rev().filter(known) {
            let Some(role) = self.gives(g).filter(|role| *role >= at_least) else { continue };
            // A later grant of no lower role that heard this one heard whatever it heard.
            let needless =
                |(later, claim): &(ControlNo, Claim)| claim.role >= role && self.heard(*later, g);
            if claims.iter().any(needless) || !self.takes_effect(g, &mut ruling) {
                continue;
            }
            let within = self.unheard(device, &ruling.counting, &self.at(g).past.0).collect();
            claims.push((g, Claim { role, within }));
        }
        let mut claims: Vec<Claim> = claims.into_iter().map(|(_, claim)| claim).collect();
        claims.sort_by(|a, b| b.role.cmp(&a.role).then_with(|| a.within.cmp(&b.within)));
        claims.dedup();
        let names = |r: &ControlNo| {
            self.at(*r).fact.names().is_some_and(|(authors, _)| authors.contains(device))
        };
        let readmissions = self.readmissions.iter().copied().filter(names);
        let readmissions = readmissions
            .filter(|&r| among.contains(r) && self.is_stood_for(r, &mut ruling))
            .collect();
        Standing { claims, readmissions }
    }

    /// Whether two sets, one within the other, come to the same for all that heard only the
    /// smaller. It is enough that the same revocations count, as effect follows from them and from
    /// pasts, and that nothing more was readmitted.
    pub(in crate::authority) fn alike(&self, less: &ControlSet, more: &ControlSet) -> bool {
        let (before, mut after) = (self.ruling(less), self.ruling(more));
        let new = |r: &&ControlNo| more.contains(**r) && !less.contains(**r);
        before.counting == after.counting
            && !self.readmissions.iter().filter(new).any(|&r| self.is_stood_for(r, &mut after))
    }

    /// Whether a revocation counts, or a readmission takes effect, by all that is here.
    pub(in crate::authority) fn any_in_effect<'a>(
        &self,
        mut of: impl Iterator<Item = &'a ControlNo>,
    ) -> bool {
        of.any(|&e| self.in_effect(e, &self.all))
    }
}

impl Ruling {
    fn new(counting: BitSet, is_present: bool) -> Self {
        Self { counting, is_present, effect: BTreeMap::new() }
    }
}
