//! Rules 2 and 3: which revocation overrides what, and which revocations count.
//!
//! Override, backdating and the witnesses of a dispute depend on the pasts of the events alone.
//! They are found once, when the later of the two is inserted, and then looked up; only the voices
//! depend on what is known. The witnesses are members in the intersection of two pasts, a set of
//! smaller numbers whose disputes are known already: so the rule needs no recursion.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ControlFact, ControlLane, ControlNo, ControlSet};
use crate::id::DeviceId;

/// Two concurrent revocations of which at least one overrides the other.
#[derive(Clone, Debug)]
pub(super) struct Dispute {
    sides: [Side; 2],
    /// The members whose voices settle it.
    witnesses: Arc<[DeviceId]>,
}

/// One of the two revocations of a dispute.
#[derive(Clone, Copy, Debug)]
struct Side {
    revocation: ControlNo,
    /// It is overridden by the other.
    overridden: bool,
    /// It is overridden by the other, and rests on what the other's target backdated.
    backdated: bool,
}

impl ControlLane {
    /// Whether the revocation `r` overrides the grant or revocation `k`.
    // SPEC: AUTH-6
    pub(super) fn overrides(&self, r: ControlNo, k: ControlNo) -> bool {
        self.overridden.get(&r).is_some_and(|set| set.contains(k.0))
    }

    /// Whom a revocation removes.
    pub(super) fn target(&self, r: ControlNo) -> Option<&DeviceId> {
        match &self.at(r).fact {
            ControlFact::Revoke { target, .. } => Some(target),
            _ => None,
        }
    }

    /// Finds what overrides the new event `no`, and what it overrides. In order of number, for an
    /// override may follow from that of a grant in the past.
    pub(super) fn note_overrides(&mut self, no: ControlNo) {
        let earlier = if self.can_be_overridden(no) { self.revocations.len() } else { 0 };
        for at in 0..earlier {
            let Some(&r) = self.revocations.get(at) else {
                break;
            };
            self.note_override(r, no);
        }
        if self.target(no).is_some() {
            for k in (0..no.0).map(ControlNo) {
                if self.can_be_overridden(k) {
                    self.note_override(no, k);
                }
            }
        }
    }

    /// Nothing asks whether other kinds are overridden; genesis and what the recovery key signed
    /// never is.
    // SPEC: AUTH-6
    fn can_be_overridden(&self, k: ControlNo) -> bool {
        let fact = &self.at(k).fact;
        matches!(fact, ControlFact::Grant { .. } | ControlFact::Revoke { recovery: false, .. })
    }

    fn note_override(&mut self, r: ControlNo, k: ControlNo) {
        if self.heard(k, r) {
            return;
        }
        let event = self.at(k);
        let wrote_it = self.target(r) == Some(&event.author) && !self.heard(r, k);
        let rests = &event.rests_on;
        let follows = || !rests.is_empty() && rests.iter().all(|&g| self.overrides(r, g));
        if wrote_it || follows() {
            self.overridden.entry(r).or_default().insert(k.0);
        }
    }

    /// Finds the disputes of the new revocation `r` with earlier ones.
    pub(super) fn open_disputes(&mut self, r: ControlNo) {
        let mut opened: Vec<Dispute> = Vec::new();
        for &q in self.revocations.iter().filter(|&&q| !self.heard(r, q)) {
            let Some(mut dispute) = self.dispute(q, r) else {
                continue;
            };
            // Neighbours mostly have the same witnesses; they are kept once.
            if let Some(last) = opened.last().or_else(|| self.disputes.last())
                && last.witnesses == dispute.witnesses
            {
                dispute.witnesses = Arc::clone(&last.witnesses);
            }
            opened.push(dispute);
        }
        self.disputes.extend(opened);
    }

    fn dispute(&self, q: ControlNo, r: ControlNo) -> Option<Dispute> {
        let side = |a, b| {
            let overridden = self.overrides(b, a);
            let backdated = overridden && self.backdated(a, b);
            Side { revocation: a, overridden, backdated }
        };
        let sides = [side(q, r), side(r, q)];
        sides
            .iter()
            .any(|s| s.overridden)
            .then(|| Dispute { witnesses: self.witnesses(&sides), sides })
    }

    /// Whether `q` rests on an event of r's target, unheard by `r`, that lacks some event of the
    /// target that `r` heard.
    // SPEC: AUTH-8
    fn backdated(&self, q: ControlNo, r: ControlNo) -> bool {
        let Some(written) = self.target(r).and_then(|target| self.written.get(target)) else {
            return false;
        };
        let known: Vec<ControlNo> =
            written.iter().copied().filter(|&e| self.at(r).past.contains(e)).collect();
        written
            .iter()
            .filter(|&&e| self.heard(q, e) && !self.heard(r, e))
            .any(|&e| known.iter().any(|&k| !self.heard(e, k)))
    }

    /// The members in both pasts, but for the authors and for whom one side removes by overriding
    /// the other.
    // SPEC: AUTH-9
    fn witnesses(&self, sides: &[Side; 2]) -> Arc<[DeviceId]> {
        let [a, b] = sides.map(|s| s.revocation);
        let meet = ControlSet(Arc::new(self.at(a).past.0.intersection(&self.at(b).past.0)));
        let mut members = self.members(&meet);
        for (side, other) in [(&sides[0], b), (&sides[1], a)] {
            members.remove(&self.at(side.revocation).author);
            if side.overridden
                && let Some(target) = self.target(other)
            {
                members.remove(target);
            }
        }
        members.into_keys().collect()
    }

    /// Whether more than half of the witnesses heard `first` and, with the same event, not `then`.
    /// Where one of the two carries the recovery signature, nobody is asked.
    // SPEC: AUTH-9
    fn settled(
        &self,
        dispute: &Dispute,
        first: ControlNo,
        then: ControlNo,
        among: &ControlSet,
    ) -> bool {
        if self.at(first).fact.is_by_recovery() || self.at(then).fact.is_by_recovery() {
            return self.at(first).fact.is_by_recovery();
        }
        let voice =
            |x: ControlNo| among.contains(x) && self.heard(x, first) && !self.heard(x, then);
        let voices = dispute
            .witnesses
            .iter()
            .filter(|&d| self.written.get(d).is_some_and(|w| w.iter().any(|&x| voice(x))))
            .count();
        2 * voices > dispute.witnesses.len()
    }

    /// The revocations of `among` that count, by number.
    // SPEC: AUTH-7
    pub(super) fn count(&self, among: &ControlSet) -> Vec<ControlNo> {
        // (loser, winner) for every way in which one may be excluded.
        let mut excluded = BTreeSet::new();
        let mut beaten_by = Vec::new();
        for dispute in &self.disputes {
            let [a, b] = dispute.sides;
            if !among.contains(a.revocation) || !among.contains(b.revocation) {
                continue;
            }
            let a_first = self.settled(dispute, a.revocation, b.revocation, among);
            let b_first = self.settled(dispute, b.revocation, a.revocation, among);
            for (q, r, q_first, r_first) in [(a, b, a_first, b_first), (b, a, b_first, a_first)] {
                if q.backdated && !q_first {
                    excluded.insert(q.revocation);
                } else if q.overridden && r_first && !q_first {
                    beaten_by.push((q.revocation, r.revocation));
                }
            }
        }
        // Only what is not excluded as backdated beats.
        let beaten: BTreeSet<ControlNo> =
            beaten_by.iter().filter(|(_, r)| !excluded.contains(r)).map(|&(q, _)| q).collect();
        self.revocations
            .iter()
            .copied()
            .filter(|r| among.contains(*r) && !excluded.contains(r) && !beaten.contains(r))
            .collect()
    }
}
