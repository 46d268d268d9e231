//! Rule 2: which revocation overrides what, and what is backdated to it.
//!
//! Both depend on the pasts of two events alone, and these are concurrent: who heard a
//! revocation is not overridden by it, and what it heard it does not override. So it is found once,
//! when the later of the two is inserted, among what that one has not heard.

use std::collections::BTreeSet;

use super::{ControlFact, ControlLane, ControlNo};
use crate::authority::bits::BitSet;
use crate::id::DeviceId;

/// What is backdated to a revocation.
#[derive(Clone, Debug)]
pub(super) struct Stale {
    /// The last events of its target that it heard.
    known: BitSet,
    /// Those of its target that it did not hear and that lack one of these.
    events: BitSet,
}

impl ControlLane {
    /// Whether the revocation `r` overrides the grant or revocation `k`.
    // SPEC: AUTH-6
    pub(super) fn overrides(&self, r: ControlNo, k: ControlNo) -> bool {
        self.overriders.get(&k).is_some_and(|by| by.contains(r.0))
    }

    /// Whom a revocation removes.
    pub(super) fn target(&self, r: ControlNo) -> Option<&DeviceId> {
        match &self.at(r).fact {
            ControlFact::Revoke { target, .. } => Some(target),
            _ => None,
        }
    }

    /// Nothing asks whether other kinds are overridden; genesis and what the recovery key signed
    /// never is.
    // SPEC: AUTH-6
    pub(super) fn can_be_overridden(&self, k: ControlNo) -> bool {
        let fact = &self.at(k).fact;
        matches!(fact, ControlFact::Grant { .. } | ControlFact::Revoke { recovery: false, .. })
    }

    /// Finds what overrides the new event `no`, and what it overrides: gives those of
    /// that which are revocations.
    pub(super) fn note_overrides(&mut self, no: ControlNo) -> BitSet {
        if self.can_be_overridden(no) {
            let by = self.overriders_of(no);
            if !by.is_empty() {
                self.overriders.insert(no, by);
            }
        }
        self.note_staleness_of(no);
        let Some(target) = self.target(no).copied() else { return BitSet::new() };
        self.note_stale(no, &target);
        let overridden = self.note_overridden(no, target);
        overridden.intersection(&self.revoking)
    }

    /// Whether `q` rests on an event of r's target, unheard by `r`, that lacks some event of the
    /// target that `r` heard.
    // SPEC: AUTH-8
    pub(super) fn backdated(&self, q: ControlNo, r: ControlNo) -> bool {
        let stale = self.stale.get(&r).map(|stale| &stale.events);
        stale.is_some_and(|stale| stale.contains(q.0) || stale.meets(&self.at(q).past.0))
    }

    /// The new event may be one that a revocation of its author has not heard.
    fn note_staleness_of(&mut self, e: ControlNo) {
        let event = self.at(e);
        let Some(against) = self.against.get(&event.author) else { return };
        let past = event.past.clone();
        let unheard = against.difference(&past.0);
        for r in unheard.iter().map(ControlNo).filter(|r| *r != e) {
            if let Some(stale) = self.stale.get_mut(&r)
                && !stale.known.is_subset(&past.0)
            {
                stale.events.insert(e.0);
            }
        }
    }

    /// The new revocation may have not heard earlier events of its target.
    fn note_stale(&mut self, r: ControlNo, target: &DeviceId) {
        let Some(authored) = self.authored.get(target) else { return };
        let past = &self.at(r).past.0;
        // What lacks none of the last known lacks none before them.
        let known: BitSet = self.last_of(&authored.intersection(past)).map(|k| k.0).collect();
        if known.is_empty() {
            return;
        }
        let lacks = |e: &u32| *e != r.0 && !known.is_subset(&self.at(ControlNo(*e)).past.0);
        let events = authored.difference(past).iter().filter(lacks).collect();
        self.stale.insert(r, Stale { known, events });
    }

    /// The revocations of its author that it has not heard, and those that override all on which
    /// it rests.
    fn overriders_of(&self, k: ControlNo) -> BitSet {
        let event = self.at(k);
        let empty = BitSet::new();
        let direct = self.against.get(&event.author).unwrap_or(&empty);
        let mut by = direct.difference(&event.past.0);
        // It is the newest: none of these heard it, but for itself.
        by.remove(k.0);
        let mut common: Option<BitSet> = None;
        for g in self.rests_on(k) {
            let also = self.overriders.get(&g).unwrap_or(&empty);
            common = Some(common.map_or_else(|| also.clone(), |all| all.intersection(also)));
            if common.as_ref().is_some_and(BitSet::is_empty) {
                break;
            }
        }
        if let Some(common) = common {
            by.union_with(&common.difference(&event.past.0));
        }
        by
    }

    /// What the target wrote and the new revocation `r` has not heard, and what rests on that
    /// alone. In order of number, for an override may follow from that of a grant in the past.
    fn note_overridden(&mut self, r: ControlNo, target: DeviceId) -> BitSet {
        let mut found = BitSet::new();
        let mut next: BTreeSet<(ControlNo, bool)> = BTreeSet::new();
        next.extend(self.unheard_by(r, &target).iter().map(|k| (ControlNo(k), true)));
        while let Some((k, wrote_it)) = next.pop_first() {
            if k == r || found.contains(k.0) || !self.can_be_overridden(k) {
                continue;
            }
            let follows = || {
                let mut rests = self.rests_on(k).peekable();
                rests.peek().is_some() && rests.all(|g| self.overrides(r, g))
            };
            if !wrote_it && !follows() {
                continue;
            }
            found.insert(k.0);
            self.overriders.entry(k).or_default().insert(r.0);
            if let ControlFact::Grant { device, .. } = self.at(k).fact {
                let unheard = self.unheard_by(r, &device);
                next.extend(unheard.iter().filter(|e| *e > k.0).map(|e| (ControlNo(e), false)));
            }
        }
        found
    }

    fn unheard_by(&self, r: ControlNo, author: &DeviceId) -> BitSet {
        let authored = self.authored.get(author);
        authored.map(|all| all.difference(&self.at(r).past.0)).unwrap_or_default()
    }
}
