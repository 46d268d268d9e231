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

use super::set::{Set, those, union};

mod forms;
mod keys;

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
pub(crate) struct Event<M = Mask> {
    pub(crate) by: Device,
    /// Which life of its author's store: with the author, its chain.
    pub(crate) life: u8,
    pub(crate) kind: Kind,
    /// Of genesis, grant, recover, revoke, readmit and wrap.
    pub(crate) target: Device,
    /// Of genesis, grant and recover.
    pub(crate) rank: Role,
    /// What a revocation, readmission or strike names; the epoch of a wrap, and of sealed content.
    pub(crate) cut: M,
    pub(crate) past: M,
}

pub(crate) fn bits<M: Set>(mask: M) -> impl DoubleEndedIterator<Item = usize> {
    mask.numbers().into_iter()
}

pub(crate) fn bit(e: usize) -> Mask {
    Mask::bit(e)
}

pub(crate) fn has<M: Set>(mask: M, e: usize) -> bool {
    mask.has(e)
}

/// What makes somebody a member.
const GRANTS: [Kind; 3] = [Kind::Genesis, Kind::Grant, Kind::Recover];

type Memo<K, V> = RefCell<BTreeMap<K, V>>;

pub(crate) struct History<M = Mask> {
    pub(crate) events: Vec<Event<M>>,
    /// Which of them are control events.
    pub(crate) control: M,
    /// By device: what it wrote, and what grants it something.
    written: BTreeMap<Device, M>,
    granting: BTreeMap<Device, M>,
    revoking: M,
    /// By revocation: the control events that have it in their past.
    echoes: BTreeMap<usize, M>,
    valid: Memo<usize, bool>,
    overrides: Memo<(usize, usize), bool>,
    backdated: Memo<(usize, usize), bool>,
    witnesses: Memo<(usize, usize), Vec<Device>>,
    /// By revocation: which override it unheard, of the first so many events.
    rivals: Memo<usize, (usize, M)>,
    counting: Memo<M, Vec<usize>>,
    effect: Memo<(usize, M), bool>,
    rank: Memo<(Device, M), Option<Role>>,
    admitted: Memo<M, M>,
    view: Memo<usize, M>,
}

impl<M: Set> Default for History<M> {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            control: M::NONE,
            written: BTreeMap::new(),
            granting: BTreeMap::new(),
            revoking: M::NONE,
            echoes: BTreeMap::new(),
            valid: Memo::default(),
            overrides: Memo::default(),
            backdated: Memo::default(),
            witnesses: Memo::default(),
            rivals: Memo::default(),
            counting: Memo::default(),
            effect: Memo::default(),
            rank: Memo::default(),
            admitted: Memo::default(),
            view: Memo::default(),
        }
    }
}

fn remember<K: Ord + Clone, V: Clone>(memo: &Memo<K, V>, key: K, compute: impl FnOnce() -> V) -> V {
    if let Some(known) = memo.borrow().get(&key) {
        return known.clone();
    }
    let value = compute();
    memo.borrow_mut().insert(key, value.clone());
    value
}

impl<M: Set> History<M> {
    pub(crate) fn add(&mut self, event: Event<M>) -> usize {
        let e = self.events.len();
        assert!(e < M::ROOM, "a history fits a set");
        *self.written.entry(event.by).or_insert(M::NONE) |= M::bit(e);
        if event.kind != Kind::Change {
            self.control |= M::bit(e);
            for r in bits(event.past & self.revoking) {
                *self.echoes.entry(r).or_insert(M::NONE) |= M::bit(e);
            }
        }
        if GRANTS.contains(&event.kind) {
            *self.granting.entry(event.target).or_insert(M::NONE) |= M::bit(e);
        }
        if matches!(event.kind, Kind::Revoke | Kind::RecoveryRevoke) {
            self.revoking |= M::bit(e);
            self.echoes.insert(e, M::bit(e));
        }
        self.events.push(event);
        e
    }

    /// Forgets what sets came to, so that long histories find room.
    pub(crate) fn forget(&self) {
        self.counting.borrow_mut().clear();
        self.effect.borrow_mut().clear();
        self.rank.borrow_mut().clear();
    }

    pub(crate) fn everything(&self) -> M {
        those(0..self.events.len())
    }

    /// e is r, or has it in its past.
    pub(crate) fn heard(&self, e: usize, r: usize) -> bool {
        e == r || has(self.events[e].past, r)
    }

    pub(crate) fn with_past(&self, e: usize) -> M {
        self.events[e].past | M::bit(e)
    }

    /// The events of a set that are in no other one's past.
    pub(crate) fn heads(&self, among: M) -> M {
        among.less(union(bits(among).map(|e| self.events[e].past)))
    }

    pub(crate) fn own(&self, device: Device, among: M) -> M {
        among & self.written.get(&device).copied().unwrap_or(M::NONE)
    }

    pub(crate) fn grants_of(&self, device: Device, among: M) -> Vec<usize> {
        (among & self.granting.get(&device).copied().unwrap_or(M::NONE)).numbers()
    }

    pub(crate) fn is_revocation(&self, e: usize) -> bool {
        has(self.revoking, e)
    }

    fn by_recovery(&self, e: usize) -> bool {
        matches!(self.events[e].kind, Kind::Recover | Kind::RecoveryRevoke)
    }

    /// The highest rank that a device ever was granted, in effect or not.
    pub(crate) fn once(&self, device: Device, among: M) -> Option<Role> {
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
        let (event, revocation) = (&self.events[k], &self.events[r]);
        if event.kind == Kind::Genesis || self.by_recovery(k) || self.heard(k, r) {
            return false;
        }
        if event.by == revocation.target && !self.heard(r, k) {
            return true;
        }
        remember(&self.overrides, (r, k), || {
            let mut rests_on = self.grants_of(event.by, event.past);
            rests_on.retain(|&g| self.valid(g) && self.events[g].rank >= self.rank_needed(k));
            !rests_on.is_empty() && rests_on.iter().all(|&g| self.overrides(r, g))
        })
    }

    /// 3. More than half of the witnesses heard r before q.
    fn settled(&self, r: usize, q: usize, among: M) -> bool {
        if self.by_recovery(r) || self.by_recovery(q) {
            return self.by_recovery(r);
        }
        let witnesses = remember(&self.witnesses, (r, q), || self.witnesses(r, q));
        let said = among & self.echoes[&r].less(self.echoes[&q]);
        let voices = witnesses.iter().filter(|&&d| self.own(d, said) != M::NONE);
        2 * voices.count() > witnesses.len()
    }

    fn witnesses(&self, r: usize, q: usize) -> Vec<Device> {
        let meet = self.events[r].past & self.events[q].past;
        let mut parties = BTreeSet::from([self.events[r].by, self.events[q].by]);
        for (a, b) in [(r, q), (q, r)] {
            if self.overrides(a, b) {
                parties.insert(self.events[a].target);
            }
        }
        let devices = self.granting.keys().copied().filter(|d| !parties.contains(d));
        devices.filter(|&d| self.rank(d, meet).is_some()).collect()
    }

    fn backdated(&self, q: usize, r: usize) -> bool {
        remember(&self.backdated, (q, r), || {
            let target = self.events[r].target;
            let known = self.own(target, self.events[r].past);
            let unheard = self.own(target, self.with_past(q)).less(self.with_past(r));
            bits(unheard).any(|e| known.less(self.with_past(e)) != M::NONE)
        })
    }

    /// The revocations of `among` that override q and have not heard it.
    fn rivals(&self, q: usize, among: M) -> M {
        let known = self.rivals.borrow().get(&q).copied();
        let (from, mut all) = known.unwrap_or((0, M::NONE));
        if from < self.events.len() {
            for r in bits(self.revoking).filter(|&r| r >= from && r != q) {
                if !self.heard(r, q) && self.overrides(r, q) {
                    all |= M::bit(r);
                }
            }
            self.rivals.borrow_mut().insert(q, (self.events.len(), all));
        }
        all & among
    }

    /// The revocations that count.
    pub(crate) fn counting(&self, among: M) -> Vec<usize> {
        let among = among & self.control;
        remember(&self.counting, among, || {
            let valid: M = those(bits(among & self.revoking).filter(|&r| self.valid(r)));
            let excluded = |q: usize| {
                bits(self.rivals(q, valid))
                    .any(|r| self.backdated(q, r) && !self.settled(q, r, among))
            };
            let left: M = those(bits(valid).filter(|&q| !excluded(q)));
            let beaten = |q: usize| {
                bits(self.rivals(q, left))
                    .any(|r| self.settled(r, q, among) && !self.settled(q, r, among))
            };
            bits(left).filter(|&q| !beaten(q)).collect()
        })
    }

    /// 4. Effect of grants, epochs and wraps.
    pub(crate) fn in_effect(&self, g: usize, among: M) -> bool {
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
    fn standing(&self, device: Device, e: usize, among: M, at_least: Role) -> Option<Role> {
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
    fn readmitted(&self, e: usize, among: M) -> bool {
        bits(among & self.control).any(|r| {
            let event = &self.events[r];
            event.kind == Kind::Readmit
                && event.target == self.events[e].by
                && has(event.cut, e)
                && self.in_effect(r, among)
        })
    }

    /// Strike s holds for e: no readmission that heard it names e, too.
    pub(crate) fn strikes(&self, s: usize, e: usize, among: M) -> bool {
        let names = |k: usize| {
            let event = &self.events[k];
            event.target == self.events[e].by && has(event.cut, e) && self.in_effect(k, among)
        };
        let back = |r: usize| self.events[r].kind == Kind::Readmit && self.heard(r, s) && names(r);
        names(s) && !bits(among & self.control).any(back)
    }

    /// 5. Members.
    pub(crate) fn rank(&self, device: Device, among: M) -> Option<Role> {
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
    pub(crate) fn firm(&self, e: usize, among: M) -> Option<Role> {
        self.standing(self.events[e].by, e, among, Role::Runner)
    }

    pub(crate) fn admitted(&self, among: M) -> M {
        remember(&self.admitted, among, || {
            let content = bits(among.less(self.control));
            union(content.filter(|&e| self.firm(e, among).is_some()).map(|e| self.view(e)))
        })
    }

    /// What the author had admitted when it wrote e, and e.
    pub(crate) fn view(&self, e: usize) -> M {
        remember(&self.view, e, || self.admitted(self.events[e].past) | M::bit(e))
    }
}
