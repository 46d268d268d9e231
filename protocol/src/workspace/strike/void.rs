//! What strikes take the effect of, kept up to date by what an event changes (SPEC: EFF-8, CTL-12).
//!
//! What is void is the least set of which the rule is true. It grows from a void event to those
//! that carry what depends on its changes; where a change that was lost is carried again, what may
//! be void for want of it alone is taken out, and what the rest of the set still voids is put
//! back. Each void event has a turn: what it is void for was void before it. So what still has
//! such a reason is left alone, and what is void by nothing but itself is not. What depends on what
//! is carried by struck events alone needs no such search when it comes: so one copy of each event
//! of a struck chain costs no more than it is, whichever of them comes first.
//!
//! That ends where a change has a carrier that is void and not struck, as a copy that came before,
//! or more than eight struck ones: then a late copy puts in doubt what is behind it (CTL-12), and
//! copies that go through a chain twice from its end cost its square. To ask only that each carrier
//! be struck or void for good would be wrong: two of these could be void for each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::authority::ContentNo;
use crate::effect::{ChangeNo, Effect};
use crate::workspace::Workspace;

/// The turn of all that is struck itself: nothing has to be void before that.
const STRUCK: u64 = 0;

/// The turn of what came when all that carried something it depends on was struck itself. What
/// carries that now and has this turn, too, came later, so no two of them are void for each other.
const FOR_GOOD: u64 = 1;

/// Events that carry one change, beyond which it is not asked whether all of them are struck.
const PLAIN_CARRIERS: usize = 8;

/// The events without effect, and what that was found from.
#[derive(Default)]
pub(in crate::workspace) struct Void {
    turns: BTreeMap<ContentNo, u64>,
    /// How many turns were given beside the first two.
    given: u64,
    /// The changes that void events carry.
    carried: BTreeMap<ChangeNo, Carried>,
    /// Admitted by one step, and not looked at yet.
    coming: BTreeSet<ContentNo>,
    /// How often an event was looked at.
    looks: u64,
}

/// A change that a void event carries.
#[derive(Default)]
struct Carried {
    /// The admitted events that carry it and are not void: without one it is lost.
    by: BTreeSet<ContentNo>,
    /// No void event that carries it has a later turn.
    last: u64,
}

impl Void {
    pub(super) fn contains(&self, no: ContentNo) -> bool {
        self.turns.contains_key(&no)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(super) fn events(&self) -> BTreeSet<ContentNo> {
        self.turns.keys().copied().collect()
    }

    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    /// These are admitted by one step: until each is looked at, it carries nothing.
    pub(super) fn expect(&mut self, events: impl Iterator<Item = ContentNo>) {
        self.coming.extend(events);
    }

    /// This event is looked at now.
    pub(super) fn arrived(&mut self, no: ContentNo) {
        self.coming.remove(&no);
    }

    /// Nothing is void, and how much was looked at is kept.
    pub(super) fn emptied(&self) -> Self {
        Self { looks: self.looks, ..Self::default() }
    }

    /// The turn of what is void for what is void now.
    fn next_turn(&mut self) -> u64 {
        self.given += 1;
        FOR_GOOD + self.given
    }

    fn is_lost(&self, change: &ChangeNo) -> bool {
        self.carried.get(change).is_some_and(|carried| carried.by.is_empty())
    }
}

impl Workspace {
    fn changes_in(&self, no: ContentNo) -> &[ChangeNo] {
        match self.effects.of(no) {
            Effect::Change(changes) => changes,
            _ => &[],
        }
    }

    /// The record that a record follows.
    fn record_before(&self, no: ContentNo) -> Option<ContentNo> {
        if !matches!(self.effects.of(no), Effect::Record(_)) {
            return None;
        }
        let entry = self.missions().entry(&self.content.id(no))?;
        self.content.number(&entry.record.on()?)
    }

    /// Is an event admitted, and looked at?
    fn is_there(&self, no: ContentNo) -> bool {
        self.content.is_admitted(no) && !self.strikes.void.coming.contains(&no)
    }

    /// Is an event void since something that it depends on is?
    pub(super) fn depends_on_void(&self, no: ContentNo) -> bool {
        let void = &self.strikes.void;
        if void.is_empty() {
            return false;
        }
        self.changes_in(no).iter().any(|change| {
            let mut deps = self.effects.deps(*change);
            deps.any(|dep| void.is_lost(&dep))
        }) || self.record_before(no).is_some_and(|on| void.contains(on))
    }

    /// Is an event void whatever else comes to count: does it depend on a change of which each
    /// event here that carries it is struck itself? Of more of them than this it is not said, and
    /// not where a copy is among them, though that be void for good.
    pub(super) fn is_void_for_good(&mut self, no: ContentNo) -> bool {
        let mut looks = 0;
        let mut is_struck = |dep: ChangeNo| {
            let carriers = self.effects.carriers(dep);
            looks += carriers.len().min(PLAIN_CARRIERS) as u64;
            carriers.len() <= PLAIN_CARRIERS
                && carriers.iter().all(|by| self.strike_of(*by).is_some())
        };
        let own = self.changes_in(no);
        let found = own.iter().flat_map(|change| self.effects.deps(*change)).any(&mut is_struck);
        self.strikes.void.looks += looks;
        found
    }

    /// What does not count if this change is lost: the events that carry one that depends on it.
    fn carriers_behind(&self, change: &ChangeNo) -> Vec<ContentNo> {
        let behind = self.effects.dependents(*change).iter();
        let carriers = behind.flat_map(|change| self.effects.carriers(*change));
        carriers.copied().collect()
    }

    /// These events are void, and what is by that. Gives all that are since.
    pub(super) fn make_void(&mut self, events: Vec<ContentNo>) -> Vec<ContentNo> {
        self.make_void_with(events, None)
    }

    /// The same of an event that is void whatever else comes to count.
    pub(super) fn make_void_for_good(&mut self, no: ContentNo) -> Vec<ContentNo> {
        self.make_void_with(vec![no], Some(no))
    }

    fn make_void_with(
        &mut self,
        events: Vec<ContentNo>,
        for_good: Option<ContentNo>,
    ) -> Vec<ContentNo> {
        let (mut open, mut since) = (events, Vec::new());
        while let Some(no) = open.pop() {
            self.strikes.void.looks += 1;
            if self.strikes.void.contains(no) || !self.is_there(no) {
                continue;
            }
            let turn = match self.strike_of(no) {
                Some(_) => STRUCK,
                None if for_good == Some(no) => FOR_GOOD,
                None => self.strikes.void.next_turn(),
            };
            self.strikes.void.turns.insert(no, turn);
            since.push(no);
            for change in self.changes_in(no).to_vec() {
                if self.loses_carrier(change, no, turn) {
                    open.extend(self.carriers_behind(&change));
                }
            }
            let followers = self.missions().followers(&self.content.id(no));
            open.extend_from_slice(followers);
        }
        since
    }

    /// A void event is looked at again: its body may be read only now. Gives what is void by that.
    pub(super) fn read_void(&mut self, no: ContentNo) -> Vec<ContentNo> {
        let turn = self.strikes.void.turns.get(&no).copied().unwrap_or_default();
        let mut open = self.missions().followers(&self.content.id(no)).to_vec();
        for change in self.changes_in(no).to_vec() {
            if self.loses_carrier(change, no, turn) {
                open.extend(self.carriers_behind(&change));
            }
        }
        self.make_void(open)
    }

    /// The event, which is void now, carries this change. Is the change lost by that?
    fn loses_carrier(&mut self, change: ChangeNo, no: ContentNo, turn: u64) -> bool {
        if !self.strikes.void.carried.contains_key(&change) {
            let carriers = self.effects.carriers(change).iter().copied();
            let by = carriers.filter(|x| self.is_there(*x) && !self.strikes.void.contains(*x));
            let carried = Carried { by: by.collect(), last: turn };
            let lost = carried.by.is_empty();
            self.strikes.void.carried.insert(change, carried);
            return lost;
        }
        let Some(carried) = self.strikes.void.carried.get_mut(&change) else { return false };
        carried.last = carried.last.max(turn);
        carried.by.remove(&no) && carried.by.is_empty()
    }

    /// The event, which is not void, carries its changes. Gives what is void no longer by that.
    pub(super) fn carries_again(&mut self, no: ContentNo) -> Vec<ContentNo> {
        self.strikes.void.looks += 1;
        let mut found = Vec::new();
        for change in self.changes_in(no).to_vec() {
            if let Some(carried) = self.strikes.void.carried.get_mut(&change)
                && carried.by.insert(no)
                && carried.by.len() == 1
            {
                found.push(change);
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        let doubted = self.doubt(&found);
        for &no in &doubted {
            self.strikes.void.turns.remove(&no);
            for change in self.changes_in(no).to_vec() {
                if let Some(carried) = self.strikes.void.carried.get_mut(&change) {
                    carried.by.insert(no);
                }
            }
        }
        for &no in &doubted {
            if self.depends_on_void(no) {
                self.make_void(vec![no]);
            }
        }
        doubted.into_iter().filter(|no| !self.strikes.void.contains(*no)).collect()
    }

    /// The void events that may be so for want of these changes alone, which are carried again.
    fn doubt(&mut self, found: &[ChangeNo]) -> BTreeSet<ContentNo> {
        let mut open: Vec<_> = found.iter().flat_map(|at| self.carriers_behind(at)).collect();
        let (mut doubted, mut shaky) = (BTreeSet::new(), BTreeSet::new());
        while let Some(no) = open.pop() {
            self.strikes.void.looks += 1;
            let Some(&turn) = self.strikes.void.turns.get(&no) else { continue };
            if doubted.contains(&no)
                || self.strike_of(no).is_some()
                || self.has_reason(no, turn, &doubted, &shaky)
            {
                continue;
            }
            doubted.insert(no);
            for &change in self.changes_in(no) {
                if self.strikes.void.is_lost(&change) && shaky.insert(change) {
                    open.extend(self.carriers_behind(&change));
                }
            }
            open.extend_from_slice(self.missions().followers(&self.content.id(no)));
        }
        doubted
    }

    /// Is an event void for something that was so before it, and is not in doubt?
    fn has_reason(
        &self,
        no: ContentNo,
        turn: u64,
        doubted: &BTreeSet<ContentNo>,
        shaky: &BTreeSet<ChangeNo>,
    ) -> bool {
        let void = &self.strikes.void;
        let holds = |dep: &ChangeNo| {
            let lost = void.carried.get(dep).filter(|carried| carried.by.is_empty());
            lost.is_some_and(|carried| carried.last < turn) && !shaky.contains(dep)
        };
        self.changes_in(no).iter().any(|change| {
            let mut deps = self.effects.deps(*change);
            deps.any(|dep| holds(&dep))
        }) || self.record_before(no).is_some_and(|on| {
            void.turns.get(&on).is_some_and(|before| *before < turn) && !doubted.contains(&on)
        })
    }
}
