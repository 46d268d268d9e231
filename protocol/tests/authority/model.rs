//! The rules once more, slow and obvious: the oracle that the production code is compared with.
//!
//! A port of the executable model of the design, with its names, extended by the roles below
//! member, by epochs and wraps, by readmissions and by what the recovery key signs. It recurses
//! freely and judges every set from nothing. A set of events is a bit mask; `past` of a control
//! event is the mask of its control ancestors, of a content event that of its content ancestors
//! and of the control events it and they have heard.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::role::Role;

pub(crate) type Mask = u128;
pub(crate) type Device = u8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Genesis,
    Grant,
    Revoke,
    /// Signed by the recovery key: its author is an owner.
    Recover,
    /// A revocation that the recovery key signed.
    RecoveryRevoke,
    /// Brings content of its target back: what `cut` names.
    Readmit,
    /// Takes the effect of what `cut` names of its target.
    Strike,
    Upgrade,
    Join,
    Epoch,
    Wrap,
    Change,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) by: Device,
    pub(crate) kind: Kind,
    /// Of genesis, grant, recover, revoke and readmit.
    pub(crate) target: Device,
    /// Of genesis, grant and recover.
    pub(crate) rank: Role,
    pub(crate) cut: Mask,
    pub(crate) past: Mask,
}

pub(crate) fn bits(mut mask: Mask) -> impl DoubleEndedIterator<Item = usize> {
    let mut numbers = Vec::new();
    while mask != 0 {
        numbers.push(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
    numbers.into_iter()
}

pub(crate) fn bit(e: usize) -> Mask {
    1 << e
}

pub(crate) fn has(mask: Mask, e: usize) -> bool {
    mask >> e & 1 == 1
}

/// What makes somebody a member.
const GRANTS: [Kind; 3] = [Kind::Genesis, Kind::Grant, Kind::Recover];

type Memo<K, V> = RefCell<BTreeMap<K, V>>;

#[derive(Default)]
pub(crate) struct History {
    pub(crate) events: Vec<Event>,
    /// Which of them are control events.
    pub(crate) control: Mask,
    valid: Memo<usize, bool>,
    overrides: Memo<(usize, usize), bool>,
    counting: Memo<Mask, Vec<usize>>,
    effect: Memo<(usize, Mask), bool>,
    rank: Memo<(Device, Mask), Option<Role>>,
    admitted: Memo<Mask, Mask>,
    view: Memo<usize, Mask>,
}

fn remember<K: Ord + Clone, V: Clone>(memo: &Memo<K, V>, key: K, compute: impl FnOnce() -> V) -> V {
    if let Some(known) = memo.borrow().get(&key) {
        return known.clone();
    }
    let value = compute();
    memo.borrow_mut().insert(key, value.clone());
    value
}

impl History {
    pub(crate) fn add(&mut self, event: Event) -> usize {
        let e = self.events.len();
        assert!(e < 128, "a history fits a mask");
        if event.kind != Kind::Change {
            self.control |= bit(e);
        }
        self.events.push(event);
        e
    }

    pub(crate) fn everything(&self) -> Mask {
        (0..self.events.len()).map(bit).sum()
    }

    /// e is r, or has it in its past.
    pub(crate) fn heard(&self, e: usize, r: usize) -> bool {
        e == r || has(self.events[e].past, r)
    }

    pub(crate) fn with_past(&self, e: usize) -> Mask {
        self.events[e].past | bit(e)
    }

    /// The events of a set that are in no other one's past.
    pub(crate) fn heads(&self, among: Mask) -> Mask {
        among & !bits(among).fold(0, |covered, e| covered | self.events[e].past)
    }

    pub(crate) fn own(&self, device: Device, among: Mask) -> Mask {
        bits(among).filter(|&e| self.events[e].by == device).map(bit).sum()
    }

    pub(crate) fn grants_of(&self, device: Device, among: Mask) -> Vec<usize> {
        bits(among & self.control)
            .filter(|&g| {
                let e = &self.events[g];
                GRANTS.contains(&e.kind) && e.target == device
            })
            .collect()
    }

    fn revokes(&self, e: usize) -> bool {
        matches!(self.events[e].kind, Kind::Revoke | Kind::RecoveryRevoke)
    }

    fn by_recovery(&self, e: usize) -> bool {
        matches!(self.events[e].kind, Kind::Recover | Kind::RecoveryRevoke)
    }

    /// The highest rank that a device ever was granted, in effect or not.
    pub(crate) fn once(&self, device: Device, among: Mask) -> Option<Role> {
        let mut grants = self.grants_of(device, among);
        grants.retain(|&g| self.valid(g));
        grants.into_iter().map(|g| self.events[g].rank).max()
    }

    fn rank_needed(&self, k: usize) -> Role {
        let event = &self.events[k];
        let over = |admin| if admin { Role::Owner } else { Role::Admin };
        match event.kind {
            Kind::Grant => over(event.rank >= Role::Admin),
            Kind::Revoke if event.target == event.by => Role::Store,
            Kind::Revoke => over(self.rank(event.target, event.past) >= Some(Role::Admin)),
            Kind::Upgrade => Role::Owner,
            Kind::Readmit | Kind::Strike => {
                over(self.once(event.target, event.past) >= Some(Role::Admin))
            }
            Kind::Epoch | Kind::Change => Role::Runner,
            Kind::Genesis | Kind::Join | Kind::Wrap => Role::Store,
            Kind::Recover | Kind::RecoveryRevoke => Role::Store,
        }
    }

    /// 1. Birth.
    pub(crate) fn valid(&self, e: usize) -> bool {
        remember(&self.valid, e, || {
            let event = &self.events[e];
            let about_nobody = match event.kind {
                Kind::Revoke => self.rank(event.target, event.past).is_none(),
                Kind::RecoveryRevoke | Kind::Readmit | Kind::Strike => {
                    self.once(event.target, event.past).is_none()
                }
                _ => false,
            };
            let may = || self.rank(event.by, event.past) >= Some(self.rank_needed(e));
            // Genesis says which key it is.
            let vouched = self.by_recovery(e) && has(event.past, 0);
            event.kind == Kind::Genesis || !about_nobody && (vouched || may())
        })
    }

    /// 2. r overrides the control event k.
    pub(crate) fn overrides(&self, r: usize, k: usize) -> bool {
        remember(&self.overrides, (r, k), || {
            let (event, revocation) = (&self.events[k], &self.events[r]);
            if event.kind == Kind::Genesis || self.by_recovery(k) || self.heard(k, r) {
                return false;
            }
            if event.by == revocation.target && !self.heard(r, k) {
                return true;
            }
            let mut rests_on = self.grants_of(event.by, event.past);
            rests_on.retain(|&g| self.valid(g) && self.events[g].rank >= self.rank_needed(k));
            !rests_on.is_empty() && rests_on.iter().all(|&g| self.overrides(r, g))
        })
    }

    /// 3. More than half of the witnesses heard r before q.
    fn settled(&self, r: usize, q: usize, among: Mask) -> bool {
        if self.by_recovery(r) || self.by_recovery(q) {
            return self.by_recovery(r);
        }
        let meet = self.events[r].past & self.events[q].past;
        let mut parties = BTreeSet::from([self.events[r].by, self.events[q].by]);
        for (a, b) in [(r, q), (q, r)] {
            if self.overrides(a, b) {
                parties.insert(self.events[a].target);
            }
        }
        let devices: BTreeSet<Device> = bits(meet)
            .filter(|&g| GRANTS.contains(&self.events[g].kind))
            .map(|g| self.events[g].target)
            .collect();
        let witnesses: Vec<Device> = devices
            .into_iter()
            .filter(|&d| self.rank(d, meet).is_some() && !parties.contains(&d))
            .collect();
        let voice = |d: Device| {
            bits(among & self.control)
                .any(|x| self.events[x].by == d && self.heard(x, r) && !self.heard(x, q))
        };
        2 * witnesses.iter().filter(|&&d| voice(d)).count() > witnesses.len()
    }

    fn backdated(&self, q: usize, r: usize) -> bool {
        let target = self.events[r].target;
        let known = self.own(target, self.events[r].past);
        bits(self.own(target, self.with_past(q)))
            .filter(|&e| !self.heard(r, e))
            .any(|e| bits(known).any(|k| !self.heard(e, k)))
    }

    /// The revocations that count.
    pub(crate) fn counting(&self, among: Mask) -> Vec<usize> {
        let among = among & self.control;
        remember(&self.counting, among, || {
            let valid: Vec<usize> =
                bits(among).filter(|&r| self.revokes(r) && self.valid(r)).collect();
            let rivals = |q: usize, of: &[usize]| -> Vec<usize> {
                let rival = |&r: &usize| r != q && !self.heard(r, q) && self.overrides(r, q);
                of.iter().copied().filter(rival).collect()
            };
            let excluded = |q: usize| {
                rivals(q, &valid)
                    .into_iter()
                    .any(|r| self.backdated(q, r) && !self.settled(q, r, among))
            };
            let honest: Vec<usize> = valid.iter().copied().filter(|&q| !excluded(q)).collect();
            let beaten = |q: usize| {
                rivals(q, &honest)
                    .into_iter()
                    .any(|r| self.settled(r, q, among) && !self.settled(q, r, among))
            };
            honest.iter().copied().filter(|&q| !beaten(q)).collect()
        })
    }

    /// 4. Effect of grants, epochs and wraps.
    pub(crate) fn in_effect(&self, g: usize, among: Mask) -> bool {
        remember(&self.effect, (g, among & self.control), || {
            let by = self.events[g].by;
            matches!(self.events[g].kind, Kind::Genesis | Kind::Recover)
                || self.valid(g) && self.standing(by, g, among, self.rank_needed(g)).is_some()
        })
    }

    fn within(&self, e: usize, r: usize) -> bool {
        if has(self.control, e) { self.heard(r, e) } else { has(self.events[r].cut, e) }
    }

    /// The rank that `device` had for event e, by what `among` knows.
    fn standing(&self, device: Device, e: usize, among: Mask, at_least: Role) -> Option<Role> {
        let counting = self.counting(among);
        self.grants_of(device, self.events[e].past)
            .into_iter()
            .filter(|&g| self.events[g].rank >= at_least && self.in_effect(g, among))
            .filter(|&g| {
                let against = counting.iter().filter(|&&r| self.events[r].target == device);
                against.copied().all(|r| self.heard(g, r) || self.within(e, r))
                    || !has(self.control, e) && self.readmitted(e, among)
            })
            .map(|g| self.events[g].rank)
            .max()
    }

    /// Some readmission in effect names the content event e.
    fn readmitted(&self, e: usize, among: Mask) -> bool {
        bits(among & self.control).any(|r| {
            let event = &self.events[r];
            event.kind == Kind::Readmit
                && event.target == self.events[e].by
                && has(event.cut, e)
                && self.in_effect(r, among)
        })
    }

    /// Strike s holds for e: no readmission that heard it names e, too.
    pub(crate) fn strikes(&self, s: usize, e: usize, among: Mask) -> bool {
        let names = |k: usize| {
            let event = &self.events[k];
            event.target == self.events[e].by && has(event.cut, e) && self.in_effect(k, among)
        };
        let back = |r: usize| self.events[r].kind == Kind::Readmit && self.heard(r, s) && names(r);
        names(s) && !bits(among & self.control).any(back)
    }

    /// 5. Members.
    pub(crate) fn rank(&self, device: Device, among: Mask) -> Option<Role> {
        let among = among & self.control;
        remember(&self.rank, (device, among), || {
            let mut against = self.counting(among);
            against.retain(|&r| self.events[r].target == device);
            self.grants_of(device, among)
                .into_iter()
                .filter(|&g| self.in_effect(g, among))
                .filter(|&g| against.iter().all(|&r| self.heard(g, r)))
                .map(|g| self.events[g].rank)
                .max()
        })
    }

    /// 6. Content.
    pub(crate) fn firm(&self, e: usize, among: Mask) -> Option<Role> {
        self.standing(self.events[e].by, e, among, Role::Runner)
    }

    pub(crate) fn admitted(&self, among: Mask) -> Mask {
        remember(&self.admitted, among, || {
            bits(among & !self.control)
                .filter(|&e| self.firm(e, among).is_some())
                .fold(0, |mask, e| mask | self.view(e))
        })
    }

    /// What the author had admitted when it wrote e, and e.
    pub(crate) fn view(&self, e: usize) -> Mask {
        remember(&self.view, e, || self.admitted(self.events[e].past) | bit(e))
    }

    /// The history without the control events that are not valid at birth: they keep their
    /// numbers, but are in no mask, and what follows is judged without them. Gives them, too.
    pub(crate) fn cleaned(&self) -> (Self, Mask) {
        let (mut clean, mut refused) = (Self::default(), 0);
        for event in &self.events {
            let (past, cut) = (event.past & !refused, event.cut & !refused);
            let e = clean.add(Event { past, cut, ..event.clone() });
            if has(clean.control, e) && !clean.valid(e) {
                refused |= bit(e);
            }
        }
        (clean, refused)
    }

    /// The content of a cleaned history whose author has no grant to write in its past.
    pub(crate) fn strangers(&self) -> Mask {
        let writes = |g: usize| self.events[g].rank >= Role::Runner;
        bits(self.everything() & !self.control)
            .filter(|&e| {
                !self.grants_of(self.events[e].by, self.events[e].past).into_iter().any(writes)
            })
            .map(bit)
            .sum()
    }

    /// The history without these events: they keep their numbers, but are in no mask.
    pub(crate) fn without(&self, gone: Mask) -> Self {
        let mut rest = Self::default();
        for event in &self.events {
            rest.add(Event { past: event.past & !gone, cut: event.cut & !gone, ..event.clone() });
        }
        rest
    }

    /// The author's last content event in the past of e: its prev, if content forms chains.
    pub(crate) fn prev(&self, e: usize) -> Option<usize> {
        bits(self.own(self.events[e].by, self.events[e].past & !self.control)).next_back()
    }

    /// The same history with cuts that chains can express: with an event its ancestors by prev.
    pub(crate) fn chained(&self) -> Self {
        let mut chained = Self::default();
        for event in &self.events {
            let mut cut = 0;
            for named in bits(self.own(event.target, event.cut & !self.control)) {
                let mut next = Some(named);
                while let Some(e) = next {
                    cut |= bit(e);
                    next = self.prev(e);
                }
            }
            chained.add(Event { cut, ..event.clone() });
        }
        chained
    }
}
