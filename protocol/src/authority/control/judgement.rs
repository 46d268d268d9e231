//! Rules 4 and 5: which events take effect, and who is a member of what.
//!
//! A judgement belongs to a closed set of control events and to nothing else: it never changes,
//! and is remembered. The memory is a cache only; it is emptied when it grows large.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ControlFact, ControlLane, ControlNo, ControlSet};
use crate::authority::bits::BitSet;
use crate::id::DeviceId;
use crate::role::Role;

/// How many judgements are remembered.
const REMEMBERED: usize = 4096;

/// What a set of control events comes to.
#[derive(Debug)]
pub(super) struct Judgement {
    /// The revocations that count, by number.
    counting: Vec<ControlNo>,
    /// The same, by target.
    against: BTreeMap<DeviceId, Vec<ControlNo>>,
    /// Genesis, recoveries and grants in effect.
    effect: BitSet,
    /// The readmissions in effect, by number.
    readmissions: Vec<ControlNo>,
}

impl Judgement {
    fn against(&self, device: &DeviceId) -> &[ControlNo] {
        self.against.get(device).map_or(&[], Vec::as_slice)
    }
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
    fn judgement(&self, among: &ControlSet) -> Arc<Judgement> {
        if let Some(known) = self.judged.borrow().get(among) {
            return Arc::clone(known);
        }
        let judgement = Arc::new(self.compute(among));
        let mut judged = self.judged.borrow_mut();
        if judged.len() >= REMEMBERED {
            judged.clear();
        }
        judged.insert(among.clone(), Arc::clone(&judgement));
        judgement
    }

    fn compute(&self, among: &ControlSet) -> Judgement {
        let counting = self.count(among);
        let mut against: BTreeMap<DeviceId, Vec<ControlNo>> = BTreeMap::new();
        for &r in &counting {
            if let Some(target) = self.target(r) {
                against.entry(*target).or_default().push(r);
            }
        }
        let mut judgement =
            Judgement { counting, against, effect: BitSet::new(), readmissions: Vec::new() };
        // In order of number: a grant rests on grants of smaller numbers.
        for g in among.iter() {
            let takes = match self.at(g).fact {
                ControlFact::Genesis | ControlFact::Recover => true,
                ControlFact::Grant { .. } => self.stands(g, &judgement),
                _ => false,
            };
            if takes {
                judgement.effect.insert(g.0);
            }
        }
        let readmissions = self.readmissions.iter().copied();
        judgement.readmissions =
            readmissions.filter(|&r| among.contains(r) && self.stands(r, &judgement)).collect();
        judgement
    }

    /// Whether the author of a control event stood for it.
    // SPEC: AUTH-10
    fn stands(&self, e: ControlNo, judgement: &Judgement) -> bool {
        let event = self.at(e);
        let against = judgement.against(&event.author);
        event.rests_on.iter().any(|&g| {
            judgement.effect.contains(g.0)
                && against.iter().all(|&r| self.heard(g, r) || self.heard(r, e))
        })
    }

    /// The role of a device by what `among` knows; none if it is no member.
    // SPEC: AUTH-11
    pub fn role(&self, device: &DeviceId, among: &ControlSet) -> Option<Role> {
        self.role_by(device, among, &self.judgement(among))
    }

    fn role_by(&self, device: &DeviceId, among: &ControlSet, by: &Judgement) -> Option<Role> {
        let against = by.against(device);
        self.grants_of(device)
            .filter(|&(g, _)| among.contains(g) && by.effect.contains(g.0))
            .filter(|&(g, _)| against.iter().all(|&r| self.heard(g, r)))
            .map(|(_, role)| role)
            .max()
    }

    /// All members and their roles.
    // SPEC: AUTH-11
    pub fn members(&self, among: &ControlSet) -> BTreeMap<DeviceId, Role> {
        let judgement = self.judgement(among);
        self.grants
            .keys()
            .filter_map(|&d| self.role_by(&d, among, &judgement).map(|role| (d, role)))
            .collect()
    }

    /// Whether a control event of `among` takes effect: a revocation if it counts, a join always,
    /// any other if its author stood for it.
    // SPEC: AUTH-10
    pub fn in_effect(&self, e: ControlNo, among: &ControlSet) -> bool {
        if !among.contains(e) {
            return false;
        }
        let judgement = self.judgement(among);
        match self.at(e).fact {
            ControlFact::Genesis | ControlFact::Recover | ControlFact::Join => true,
            ControlFact::Grant { .. } => judgement.effect.contains(e.0),
            ControlFact::Revoke { .. } => judgement.counting.binary_search(&e).is_ok(),
            ControlFact::Readmit { .. } => judgement.readmissions.binary_search(&e).is_ok(),
            ControlFact::Epoch
            | ControlFact::Wrap
            | ControlFact::Strike { .. }
            | ControlFact::Upgrade => self.stands(e, &judgement),
        }
    }

    /// The revocations that count, by number.
    // SPEC: AUTH-7
    pub fn counting(&self, among: &ControlSet) -> Vec<ControlNo> {
        self.judgement(among).counting.clone()
    }

    /// The counting revocations of a device, by number.
    pub fn revocations_of(&self, device: &DeviceId, among: &ControlSet) -> Vec<ControlNo> {
        self.judgement(among).against(device).to_vec()
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
        let judgement = self.judgement(among);
        let against = judgement.against(device);
        let mut claims: Vec<Claim> = self
            .grants_of(device)
            .filter(|&(g, role)| role >= at_least && heard.contains(g))
            .filter(|&(g, _)| judgement.effect.contains(g.0))
            .map(|(g, role)| {
                let unheard = against.iter().copied().filter(|&r| !self.heard(g, r));
                Claim { role, within: unheard.collect() }
            })
            .collect();
        claims.sort_by(|a, b| b.role.cmp(&a.role).then_with(|| a.within.cmp(&b.within)));
        claims.dedup();
        let names = |r: &ControlNo| {
            self.at(*r).fact.names().is_some_and(|(authors, _)| authors.contains(device))
        };
        let readmissions = judgement.readmissions.iter().copied().filter(names).collect();
        Standing { claims, readmissions }
    }

    /// Whether two sets, one within the other, come to the same for all that heard only the
    /// smaller. It is enough that the same revocations count, as effect follows from them and from
    /// pasts, and that the same content was readmitted.
    pub(in crate::authority) fn alike(&self, less: &ControlSet, more: &ControlSet) -> bool {
        let (less, more) = (self.judgement(less), self.judgement(more));
        less.counting == more.counting && less.readmissions == more.readmissions
    }

    /// The readmissions in effect, by number.
    pub(in crate::authority) fn readmissions(&self, among: &ControlSet) -> Vec<ControlNo> {
        self.judgement(among).readmissions.clone()
    }
}
