//! The control lane: who may do what, rules 1 to 5.
//!
//! This file keeps the events and rule 1 (birth); `control/overrides.rs` keeps rule 2,
//! `control/disputes.rs` rule 3, `control/judgement.rs` rules 4 and 5 for any set, and
//! `control/present.rs` what they come to for all that is here. Insertion is in causal order, so
//! the past of an event has smaller numbers, and a past is a set of numbers closed under ancestors.
//!
//! An insertion costs about as much as it changes: pasts share what they have in common, and what
//! is here is judged again only where the new event can concern it.

mod branches;
mod disputes;
mod facts;
mod judgement;
mod overrides;
mod present;
mod strikes;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::authority::bits::BitSet;
use crate::id::{DeviceId, EventId};
use crate::index::{Keys, Numbers};
use crate::role::Role;

use branches::Branches;
use disputes::Disputes;
pub use facts::{ControlFact, Refusal};
use facts::{granted, over};
pub use judgement::{Claim, Standing};
use overrides::Stale;
use present::Present;

/// A control event of one lane: its dense number, in order of insertion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ControlNo(u32);

impl ControlNo {
    /// The number as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A handle of a set of control events of one lane that is closed under ancestors.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ControlSet(Arc<BitSet>);

impl ControlSet {
    /// Whether `e` is in the set.
    pub fn contains(&self, e: ControlNo) -> bool {
        self.0.contains(e.0)
    }

    /// Whether everything of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.is_subset(&other.0)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many events are in the set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The events, in order of number.
    pub fn iter(&self) -> impl Iterator<Item = ControlNo> + '_ {
        self.0.iter().map(ControlNo)
    }
}

/// One event and what of it never changes.
#[derive(Clone, Debug)]
struct Event {
    author: DeviceId,
    fact: ControlFact,
    past: ControlSet,
    /// How many those are.
    known: usize,
    /// The role that its author needs for it.
    needs: Role,
}

/// The control events of one workspace and the judgement over them.
#[derive(Clone, Default, Debug)]
pub struct ControlLane {
    events: Vec<Event>,
    numbers: Numbers<EventId>,
    all: ControlSet,
    /// The events that are in no other one's past.
    heads: BTreeSet<EventId>,
    /// Genesis and grants, by whom they are for.
    grants: BTreeMap<DeviceId, Vec<ControlNo>>,
    /// Events by author, as branches and as sets.
    written: BTreeMap<DeviceId, Branches>,
    authored: BTreeMap<DeviceId, BitSet>,
    revocations: Vec<ControlNo>,
    /// The same as a set, and by target.
    revoking: BitSet,
    against: BTreeMap<DeviceId, BitSet>,
    readmissions: Vec<ControlNo>,
    /// Both, by number.
    naming: Vec<ControlNo>,
    epochs: BitSet,
    /// By grant or revocation: the revocations that override it.
    overriders: BTreeMap<ControlNo, BitSet>,
    /// By revocation: what is backdated to it.
    stale: BTreeMap<ControlNo, Stale>,
    disputes: Disputes,
    present: Present,
    /// See [`ControlLane::looks`].
    looks: Cell<u64>,
}

impl ControlLane {
    /// An empty lane.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds events under these keys from here on.
    pub(crate) fn rekey(&mut self, keys: &Keys) {
        self.numbers.rekey(keys.clone());
    }

    /// Inserts an event. `before` is its prev and parents. What is not valid from its own past is
    /// refused, and nothing is changed then; a known id gives its number.
    // SPEC: AUTH-22
    pub fn add(
        &mut self,
        id: EventId,
        author: DeviceId,
        fact: ControlFact,
        before: &[EventId],
    ) -> Result<ControlNo, Refusal> {
        if let Some(no) = self.number(&id) {
            return Ok(no);
        }
        let (past, needs) = self.birth(&author, &fact, before)?;
        let no = ControlNo(u32::try_from(self.events.len()).unwrap_or(u32::MAX));
        let mut all = self.all.0.as_ref().clone();
        all.insert(no.0);
        self.all = ControlSet(Arc::new(all));
        self.numbers.push(id);
        // What is in its past and ends nothing else's is named by it.
        for named in before {
            self.heads.remove(named);
        }
        self.heads.insert(id);
        let prev = self.written.entry(author).or_default().push(no, &past.0);
        self.index(no, &author, &fact);
        let known = past.0.len();
        self.events.push(Event { author, fact, past, known, needs });
        let overridden = self.note_overrides(no);
        let concerned = self.note_disputes(no, prev, &overridden);
        self.note_present(no, &concerned);
        Ok(no)
    }

    fn index(&mut self, no: ControlNo, author: &DeviceId, fact: &ControlFact) {
        self.authored.entry(*author).or_default().insert(no.0);
        if let Some((device, _)) = granted(author, fact) {
            self.grants.entry(device).or_default().push(no);
        }
        match fact {
            ControlFact::Revoke { target, .. } => {
                self.revocations.push(no);
                self.revoking.insert(no.0);
                self.against.entry(*target).or_default().insert(no.0);
            }
            ControlFact::Readmit { .. } => self.readmissions.push(no),
            ControlFact::Epoch => {
                self.epochs.insert(no.0);
            }
            _ => {}
        }
        if fact.names().is_some() {
            self.naming.push(no);
        }
    }

    /// Whether `add` would take an event, without adding it.
    pub fn judge(
        &self,
        author: DeviceId,
        fact: &ControlFact,
        before: &[EventId],
    ) -> Result<(), Refusal> {
        self.birth(&author, fact, before).map(|_| ())
    }

    /// Rule 1, from the event's own past alone: its past and the role that it needs.
    // SPEC: AUTH-3, AUTH-4, AUTH-5
    fn birth(
        &self,
        author: &DeviceId,
        fact: &ControlFact,
        before: &[EventId],
    ) -> Result<(ControlSet, Role), Refusal> {
        let past = self.set_of(before).map_err(Refusal::Missing)?;
        if *fact == ControlFact::Genesis {
            let first = self.events.is_empty();
            return if first { Ok((past, Role::Store)) } else { Err(Refusal::SecondGenesis) };
        }
        if fact.is_by_recovery() {
            // Which key it is, genesis says.
            if past.is_empty() {
                return Err(Refusal::NotMember);
            }
            if let ControlFact::Revoke { target, .. } = fact {
                self.once(target, &past).ok_or(Refusal::NeverMember)?;
            }
            return Ok((past, Role::Store));
        }
        let role = self.role(author, &past).ok_or(Refusal::NotMember)?;
        let needs = match fact {
            ControlFact::Genesis | ControlFact::Recover | ControlFact::Join | ControlFact::Wrap => {
                Role::Store
            }
            ControlFact::Epoch => Role::Runner,
            ControlFact::Upgrade => Role::Owner,
            ControlFact::Readmit { authors, .. } | ControlFact::Strike { authors, .. } => {
                let once = authors.iter().map(|author| self.once(author, &past));
                let once = once.collect::<Option<Vec<Role>>>().ok_or(Refusal::NeverMember)?;
                over(once.into_iter().max().ok_or(Refusal::NeverMember)?)
            }
            ControlFact::Grant { role, .. } => over(*role),
            ControlFact::Revoke { target, .. } if target == author => Role::Store,
            ControlFact::Revoke { target, .. } => {
                over(self.role(target, &past).ok_or(Refusal::TargetNotMember)?)
            }
        };
        if role < needs { Err(Refusal::RankTooLow) } else { Ok((past, needs)) }
    }

    /// The highest role that `device` was ever granted in `past`.
    pub fn once(&self, device: &DeviceId, past: &ControlSet) -> Option<Role> {
        let given = self.grants_of(device).filter(|&(g, _)| past.contains(g));
        given.map(|(_, role)| role).max()
    }

    /// The author's grants in the past of an event whose role is enough for it, newest first; none
    /// where the recovery key vouches.
    fn rests_on(&self, e: ControlNo) -> impl Iterator<Item = ControlNo> + '_ {
        let event = self.at(e);
        let grants =
            if event.fact.is_by_recovery() { None } else { self.grants.get(&event.author) };
        let grants = grants.map_or(&[][..], Vec::as_slice);
        let until = grants.partition_point(|g| *g < e);
        let enough = |g: &ControlNo| {
            event.past.contains(*g) && self.gives(*g).is_some_and(|role| role >= event.needs)
        };
        grants.get(..until).unwrap_or(&[]).iter().rev().copied().filter(enough)
    }

    /// The role that a grant gives.
    fn gives(&self, g: ControlNo) -> Option<Role> {
        let event = self.at(g);
        granted(&event.author, &event.fact).map(|(_, role)| role)
    }

    /// Whether a grant of `device` that gives at least `role` is in `past`, in effect or not.
    pub fn has_grant(&self, device: &DeviceId, role: Role, past: &ControlSet) -> bool {
        self.grants_of(device).any(|(g, given)| given >= role && past.contains(g))
    }

    /// All grants of a device, valid ones as all here, with what they give, by number.
    fn grants_of(&self, device: &DeviceId) -> impl Iterator<Item = (ControlNo, Role)> + '_ {
        self.grants.get(device).into_iter().flatten().filter_map(|&g| {
            let event = self.at(g);
            granted(&event.author, &event.fact).map(|(_, role)| (g, role))
        })
    }

    /// The event of a number. Numbers are made by this lane only, so it is there.
    fn at(&self, no: ControlNo) -> &Event {
        self.looks.set(self.looks.get().wrapping_add(1));
        &self.events[no.index()]
    }

    /// The number of an event, if it is here.
    pub fn number(&self, id: &EventId) -> Option<ControlNo> {
        self.numbers.get(id).map(ControlNo)
    }

    /// The id of an event.
    pub fn id(&self, no: ControlNo) -> EventId {
        self.numbers.ids()[no.index()]
    }

    /// Who wrote an event.
    pub fn author(&self, no: ControlNo) -> DeviceId {
        self.at(no).author
    }

    /// What an event says.
    pub fn fact(&self, no: ControlNo) -> &ControlFact {
        &self.at(no).fact
    }

    /// The ancestors of an event.
    pub fn past(&self, no: ControlNo) -> &ControlSet {
        &self.at(no).past
    }

    /// How often an event was looked at so far, by insertions and questions: what judging costs,
    /// but for operations on whole sets, 1,024 numbers at a time.
    // SPEC: AUTH-22
    pub fn looks(&self) -> u64 {
        self.looks.get()
    }

    /// How many events are here.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event is here.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Everything that is here.
    pub fn all(&self) -> ControlSet {
        self.all.clone()
    }

    /// The revocations that are here, by number, whether they count or not.
    pub fn revocations(&self) -> &[ControlNo] {
        &self.revocations
    }

    /// The revocations and readmissions that are here, by number, in effect or not.
    pub(in crate::authority) fn naming(&self) -> &[ControlNo] {
        &self.naming
    }

    /// These events and their ancestors, or the first that is not here.
    // SPEC: AUTH-1
    pub fn set_of(&self, heads: &[EventId]) -> Result<ControlSet, EventId> {
        let mut set = BitSet::new();
        for id in heads {
            let no = self.number(id).ok_or(*id)?;
            set.union_with(&self.at(no).past.0);
            set.insert(no.0);
        }
        Ok(ControlSet(Arc::new(set)))
    }

    /// What is in one of the two.
    pub fn union(&self, a: &ControlSet, b: &ControlSet) -> ControlSet {
        if b.is_subset(a) {
            return a.clone();
        }
        let mut set = a.0.as_ref().clone();
        set.union_with(&b.0);
        ControlSet(Arc::new(set))
    }

    /// Whether a set holds everything that is here.
    fn is_all(&self, among: &ControlSet) -> bool {
        among.0.prefix() == self.events.len()
    }

    /// The events of a set that are in no other one's past, sorted by id.
    pub fn heads(&self, among: &ControlSet) -> Vec<EventId> {
        if self.is_all(among) {
            return self.heads.iter().copied().collect();
        }
        let mut heads: Vec<EventId> = self.last_of(&among.0).map(|e| self.id(e)).collect();
        heads.sort_unstable();
        heads
    }

    /// Those of some events that no other one of them has in its past, from the newest on.
    fn last_of(&self, among: &BitSet) -> impl Iterator<Item = ControlNo> + '_ {
        let mut rest = among.clone();
        std::iter::from_fn(move || {
            let last = ControlNo(rest.last()?);
            rest = rest.difference(&self.at(last).past.0);
            rest.remove(last.0);
            Some(last)
        })
    }

    /// The epochs in effect by all that is here that no later one of these heard.
    pub fn last_epochs(&self) -> Vec<ControlNo> {
        let all = self.all();
        let mut rest = self.epochs.clone();
        let mut found = Vec::new();
        while let Some(last) = rest.last().map(ControlNo) {
            rest.remove(last.0);
            if self.in_effect(last, &all) {
                rest = rest.difference(&self.at(last).past.0);
                found.push(last);
            }
        }
        found.reverse();
        found
    }

    /// Whether `e` is `r` or has it in its past.
    // SPEC: AUTH-2
    pub fn heard(&self, e: ControlNo, r: ControlNo) -> bool {
        e == r || self.at(e).past.contains(r)
    }
}
