//! Admitted changes that the documents are told later: their authors make keys and objects faster
//! than they may, and what depends on such a change waits with it (SPEC: SYNC-9).
//!
//! Nothing else waits: events here are kept, forwarded and judged as ever. A change is charged
//! once. What waits is looked at when it comes, when what it is behind goes in or falls, and when
//! it is the first of its author; so the work grows with the dependencies, not with what waits.

use std::collections::{BTreeMap, BTreeSet};

use super::Workspace;
use crate::authority::ContentNo;
use crate::effect::{ChangeNo, Effect};
use crate::few::Few;
use crate::id::{DeviceId, EventId};
use crate::limits::DOCUMENT_MAKES;

/// May this device make so many keys and objects more? If so, they are charged.
pub type Charge<'a> = &'a mut dyn FnMut(&DeviceId, u64) -> bool;

/// What waits for one device's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whose quota.
    pub device: DeviceId,
    /// How many events wait for it, those of others that depend on them included.
    pub events: usize,
    /// How many keys and objects the first of them makes.
    pub makes: u64,
}

/// What an event waits for.
struct Wait {
    /// Whose quota, in the end.
    device: DeviceId,
    what: What,
    /// What it carries.
    changes: Few<ChangeNo>,
}

enum What {
    /// Its author may make so many keys and objects more.
    Quota(u64),
    /// A change that it depends on, which waits itself.
    Change(ChangeNo),
}

/// A change that waits.
#[derive(Default)]
struct Withheld {
    /// The events that carry it.
    carriers: BTreeSet<ContentNo>,
    /// The events that wait for it.
    behind: BTreeSet<ContentNo>,
}

/// Everything that waits.
#[derive(Default)]
pub(super) struct Backlog {
    waits: BTreeMap<ContentNo, Wait>,
    /// What waits for its own author's quota, in causal order; no queue is empty.
    queues: BTreeMap<DeviceId, BTreeMap<ContentNo, u64>>,
    changes: BTreeMap<ChangeNo, Withheld>,
    /// To be looked at again: what they were behind fell.
    again: BTreeSet<ContentNo>,
    /// Changes that were charged.
    paid: BTreeSet<ChangeNo>,
    /// Events before this number are not charged.
    exempt: usize,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    pub(super) fn contains(&self, no: ContentNo) -> bool {
        self.waits.contains_key(&no)
    }

    /// Does an event that carries this change wait?
    pub(super) fn withholds(&self, name: &ChangeNo) -> bool {
        self.changes.get(name).is_some_and(|change| !change.carriers.is_empty())
    }

    /// Does nothing wait, nor stand behind what waits?
    fn is_idle(&self) -> bool {
        self.waits.is_empty() && self.changes.is_empty()
    }

    /// Whose quota an event waits for.
    pub(super) fn device(&self, no: ContentNo) -> Option<DeviceId> {
        Some(self.waits.get(&no)?.device)
    }

    fn hold(&mut self, no: ContentNo, wait: Wait) {
        let before = self.device(no);
        self.forget_place(no);
        for name in &wait.changes {
            self.changes.entry(*name).or_default().carriers.insert(no);
        }
        if before.is_some_and(|before| before != wait.device) {
            self.tell_behind(&wait.changes, wait.device);
        }
        match &wait.what {
            What::Quota(makes) => {
                self.queues.entry(wait.device).or_default().insert(no, *makes);
            }
            What::Change(name) => {
                self.changes.entry(*name).or_default().behind.insert(no);
            }
        }
        self.waits.insert(no, wait);
    }

    /// What is behind these changes waits for another device now.
    fn tell_behind(&mut self, changes: &[ChangeNo], device: DeviceId) {
        let all = &self.changes;
        let behind = |name: &ChangeNo| all.get(name).map(|change| &change.behind);
        let mut next: Vec<_> = changes.iter().filter_map(behind).flatten().copied().collect();
        while let Some(no) = next.pop() {
            let Some(wait) = self.waits.get_mut(&no) else { continue };
            if wait.device != device {
                wait.device = device;
                next.extend(wait.changes.iter().filter_map(behind).flatten());
            }
        }
    }

    /// It stands in no queue and behind nothing any more; what is behind it stays there.
    fn forget_place(&mut self, no: ContentNo) {
        let Some(wait) = self.waits.remove(&no) else { return };
        match wait.what {
            What::Quota(_) => {
                if let Some(queue) = self.queues.get_mut(&wait.device) {
                    queue.remove(&no);
                    if queue.is_empty() {
                        self.queues.remove(&wait.device);
                    }
                }
            }
            What::Change(name) => {
                if let Some(change) = self.changes.get_mut(&name) {
                    change.behind.remove(&no);
                }
            }
        }
    }

    /// An event goes in: what was behind its changes, or carries one of them too, is given.
    fn let_go(&mut self, no: ContentNo, changes: &[ChangeNo]) -> BTreeSet<ContentNo> {
        self.forget_place(no);
        let gone = changes.iter().filter_map(|name| self.changes.remove(name));
        let mut next: BTreeSet<_> =
            gone.flat_map(|change| change.behind.into_iter().chain(change.carriers)).collect();
        next.remove(&no);
        next
    }

    /// An event counts no longer, and what was behind it alone is looked at again.
    pub(super) fn fall(&mut self, no: ContentNo, changes: &[ChangeNo]) {
        self.again.remove(&no);
        if !self.contains(no) {
            return;
        }
        self.forget_place(no);
        for name in changes {
            let Some(change) = self.changes.get_mut(name) else { continue };
            change.carriers.remove(&no);
            if change.carriers.is_empty() {
                let gone = self.changes.remove(name).unwrap_or_default();
                self.again.extend(gone.behind);
            }
        }
    }

    fn first(&self, device: &DeviceId) -> Option<(ContentNo, u64)> {
        let (no, makes) = self.queues.get(device)?.first_key_value()?;
        Some((*no, *makes))
    }
}

impl Workspace {
    /// What is here now is not charged: it was admitted in an earlier run. `SPEC: SYNC-9`
    pub fn exempt(&mut self) {
        self.backlog.exempt = self.content.all().count();
    }

    /// An own event goes in at once: its author was asked before it was written. Gives how many
    /// keys and objects are to be charged for it.
    pub fn pay(&mut self, id: &EventId) -> u64 {
        let changes = self.content.number(id).map_or(Few::new(), |no| self.names(no));
        let makes = self.unpaid(&changes);
        self.backlog.paid.extend(changes);
        makes
    }

    /// For whose quota something waits.
    pub fn waiting_for_quota(&self) -> impl Iterator<Item = Waiting> {
        let mut events: BTreeMap<DeviceId, usize> = BTreeMap::new();
        for wait in self.backlog.waits.values() {
            *events.entry(wait.device).or_default() += 1;
        }
        events.into_iter().map(|(device, events)| {
            let makes = self.backlog.first(&device).map_or(0, |(_, makes)| makes);
            Waiting { device, events, makes }
        })
    }

    /// The devices whose quota is waited for, and how much of it the first event of each takes.
    pub fn quota_wanted(&self) -> impl Iterator<Item = (&DeviceId, u64)> {
        let first = |queue: &BTreeMap<_, u64>| queue.first_key_value().map(|(_, makes)| *makes);
        self.backlog.queues.iter().filter_map(move |(device, queue)| Some((device, first(queue)?)))
    }

    /// What waited and may go in now waits for its body alone, and so does all that is freed by
    /// it.
    pub(super) fn release(&mut self, charge: Charge<'_>) {
        let again = std::mem::take(&mut self.backlog.again);
        self.weigh_again(again, charge);
        let devices: Vec<_> = self.backlog.queues.keys().copied().collect();
        for device in devices {
            while let Some((no, makes)) = self.backlog.first(&device) {
                if !charge(&device, makes) {
                    break;
                }
                let changes = self.names(no);
                self.backlog.paid.extend(changes.iter().copied());
                let freed = self.backlog.let_go(no, &changes);
                self.waiting.insert(no, None);
                self.weigh_again(freed, charge);
            }
        }
    }

    fn weigh_again(&mut self, mut events: BTreeSet<ContentNo>, charge: Charge<'_>) {
        while let Some(no) = events.pop_first() {
            let changes = self.names(no);
            match self.wait_of(no, &changes, charge) {
                Some(wait) => self.backlog.hold(no, wait),
                None => {
                    events.extend(self.backlog.let_go(no, &changes));
                    self.waiting.insert(no, None);
                }
            }
        }
    }

    /// May an event go into the documents now? If not, it waits in the backlog.
    pub(super) fn may_go_in(&mut self, no: ContentNo, charge: Charge<'_>) -> bool {
        if self.backlog.is_idle() && self.is_paid(no) {
            return true;
        }
        let changes = self.names(no);
        match self.wait_of(no, &changes, charge) {
            Some(wait) => {
                self.backlog.hold(no, wait);
                false
            }
            None => {
                // Another event may carry the same change, and wait.
                let freed = self.backlog.let_go(no, &changes);
                self.weigh_again(freed, charge);
                true
            }
        }
    }

    /// What an event has to wait for; it is charged where that is nothing.
    fn wait_of(
        &mut self,
        no: ContentNo,
        changes: &Few<ChangeNo>,
        charge: Charge<'_>,
    ) -> Option<Wait> {
        if let Some((device, name)) = self.withheld_of(changes) {
            return Some(Wait { device, what: What::Change(name), changes: changes.clone() });
        }
        let makes = self.unpaid(changes);
        if no.index() < self.backlog.exempt || makes == 0 {
            return None;
        }
        let device = self.content.author(no);
        // Who comes first goes in first, or what makes much would never be its author's turn.
        let is_first = self.backlog.first(&device).is_none_or(|(first, _)| no <= first);
        if is_first && charge(&device, makes) {
            self.backlog.paid.extend(changes.iter().copied());
            return None;
        }
        Some(Wait { device, what: What::Quota(makes), changes: changes.clone() })
    }

    /// What an event's changes depend on and an event that waits is to bring, with the device whose
    /// quota that waits for. Not where it was told already, by an event that did not wait.
    fn withheld_of(&self, changes: &[ChangeNo]) -> Option<(DeviceId, ChangeNo)> {
        if self.backlog.changes.is_empty() {
            return None;
        }
        let withholds = |change: ChangeNo, dep: ChangeNo| {
            let carrier = self.backlog.changes.get(&dep)?.carriers.first().copied()?;
            let stands = self.applied.has(dep) && !self.lacks(change, dep);
            if stands { None } else { Some((self.backlog.device(carrier)?, dep)) }
        };
        changes.iter().find_map(|one| {
            let mut deps = self.effects.deps(*one);
            deps.find_map(|dep| withholds(*one, dep))
        })
    }

    /// How many keys and objects these changes make that were not charged yet.
    fn unpaid(&self, changes: &[ChangeNo]) -> u64 {
        let makes = |(at, name): (usize, &ChangeNo)| {
            let (makes, begins) = self.effects.makes(*name);
            if makes == 0 && !begins {
                return 0;
            }
            let is_charged = self.backlog.paid.contains(name)
                || changes.iter().take(at).any(|before| before == name);
            let begins = begins && Some(self.effects.name(*name).0) != self.root_document();
            let beginning = if begins { DOCUMENT_MAKES } else { 0 };
            if is_charged { 0 } else { makes.saturating_add(beginning) }
        };
        changes.iter().enumerate().map(makes).sum()
    }

    /// Is nothing to be charged for an event?
    fn is_paid(&self, no: ContentNo) -> bool {
        let Effect::Change(changes) = self.effects.of(no) else { return true };
        self.unpaid(changes) == 0
    }

    fn names(&self, no: ContentNo) -> Few<ChangeNo> {
        match self.effects.of(no) {
            Effect::Change(changes) => changes.clone(),
            _ => Few::new(),
        }
    }
}
