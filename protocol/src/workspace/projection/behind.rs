//! Events whose changes depend on what is told later: another event carries it, which came after
//! them, since the first that did counts no longer (SPEC: BRA-11). Without such, events go into the
//! documents in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use crate::authority::ContentNo;
use crate::effect::{ChangeNo, Chunks, DocumentNo, Effect};
use crate::few::Few;
use crate::limits::TELL_OPERATION_BYTES;
use crate::workspace::Workspace;
use crate::workspace::lost::Missing;

/// What one event carries of one document.
pub(super) struct Carried {
    pub(super) by: ContentNo,
    pub(super) change: ChangeNo,
    pub(super) chunk: Vec<u8>,
}

/// A change that is lacked: who may bring it yet, and who waits for that.
#[derive(Default)]
struct Lacked {
    carriers: BTreeSet<ContentNo>,
    /// Those that no lost body holds up, here or not.
    hopes: BTreeSet<ContentNo>,
    behind: Vec<ContentNo>,
}

/// One way through what waits, in the order in which it came: each event stands behind one change,
/// and is looked at again when that was told, so that the work goes with the dependencies.
#[derive(Default)]
pub(super) struct Way {
    /// All up to here were met.
    met: Option<ContentNo>,
    /// Of those, what is to be looked at once more, or waits again since.
    again: BTreeSet<ContentNo>,
    of: BTreeMap<ChangeNo, BTreeSet<ContentNo>>,
    /// All that stand behind a change.
    behind: BTreeSet<ContentNo>,
    /// What they waited for was told.
    free: BTreeSet<ContentNo>,
    /// What bodies that are lost were to bring.
    missing: Missing,
    /// What merges of this call bring in, and has to come from the store first.
    fetched: BTreeSet<ContentNo>,
    /// What those of them that were passed over, and what builds on them, are to bring.
    absent: Missing,
    /// So much goes in yet.
    room: usize,
}

impl Way {
    pub(super) fn with_room(room: usize) -> Self {
        Self { room, ..Self::default() }
    }

    pub(super) fn has_room(&self) -> bool {
        self.room > 0
    }

    /// A change of so many operations goes into a document.
    pub(super) fn fill(&mut self, operations: usize, chunk: &[u8]) {
        let weight = operations.max(1).saturating_add(chunk.len() / TELL_OPERATION_BYTES);
        self.room = self.room.saturating_sub(weight);
    }

    pub(super) fn wait(&mut self, no: ContentNo, change: ChangeNo) {
        self.of.entry(change).or_default().insert(no);
        self.behind.insert(no);
    }

    /// These wait, and were met before, unless they stand behind a change.
    pub(super) fn look_again(&mut self, events: impl Iterator<Item = ContentNo>) {
        let (met, behind) = (self.met, &self.behind);
        self.again.extend(events.filter(|no| Some(*no) <= met && !behind.contains(no)));
    }

    /// A merge brings these in.
    pub(super) fn fetch(&mut self, carriers: &BTreeSet<ContentNo>) {
        self.fetched.extend(carriers);
    }

    /// May this one come later, so that others are asked of the store with it? Only in the call
    /// that found it: who asks again meanwhile looks at nothing twice.
    fn passes_over(&mut self, no: ContentNo) -> bool {
        self.fetched.remove(&no)
    }

    /// An event goes in.
    pub(super) fn told(&mut self, no: ContentNo, changes: &[ChangeNo]) {
        self.behind.remove(&no);
        for change in changes {
            self.missing.remove(change);
            for freed in self.of.remove(change).into_iter().flatten() {
                if self.behind.remove(&freed) {
                    self.free.insert(freed);
                }
            }
        }
    }
}

impl Workspace {
    /// How often it was looked at whether an event can go into the documents.
    #[must_use]
    pub fn tell_looks(&self) -> u64 {
        self.tell_looks
    }

    /// Takes the next event that can go into the documents: first one whose wait is over. None
    /// where its body has to come first. What cannot go in for want of a lost body is passed over.
    pub(super) fn next_of(&mut self, way: &mut Way) -> Option<(ContentNo, Option<Chunks>)> {
        self.tell_looks = self.tell_looks.saturating_add(1);
        while let Some(no) = way.free.pop_first() {
            if self.waiting.get(&no).is_some_and(Option::is_some) {
                return Some((no, self.waiting.remove(&no).flatten()));
            }
        }
        loop {
            let from = way.met.map_or(Unbounded, Excluded);
            let ahead = self.waiting.range((from, Unbounded)).map(|(no, _)| *no).next();
            let no = way.again.first().copied().or(ahead)?;
            let is_here = self.waiting.get(&no).map(Option::is_some);
            let mut passes = is_here.is_none()
                || (!self.lost.bodies().is_empty() && self.is_held_up(no, &mut way.missing));
            if !passes && is_here == Some(false) {
                if !way.passes_over(no) {
                    return None;
                }
                if let Effect::Change(changes) = self.effects.of(no) {
                    way.absent.extend(changes);
                }
                passes = true;
            }
            if !way.again.remove(&no) {
                way.met = Some(no);
            }
            if !passes {
                return Some((no, self.waiting.remove(&no).flatten()));
            }
        }
    }

    /// What an event's changes depend on, where a document that is to hold them does not hold it
    /// yet, and the event does not bring it itself; with all that carry it.
    fn lacking<'a>(
        &'a self,
        no: ContentNo,
        changes: &'a [ChangeNo],
    ) -> impl Iterator<Item = (ChangeNo, &'a [ContentNo])> {
        changes.iter().flat_map(move |change| {
            self.effects.deps(*change).filter_map(move |dep| {
                let carriers = self.effects.carriers(dep);
                let is_lacking = self.lacks(*change, dep) && !carriers.contains(&no);
                is_lacking.then_some((dep, carriers))
            })
        })
    }

    /// Does a document that is to hold a change not hold yet what it depends on?
    pub(in crate::workspace) fn lacks(&self, change: ChangeNo, dep: ChangeNo) -> bool {
        let lacks = |of: &DocumentNo| !self.has_in(*of, dep);
        let document = self.effects.document_of(change);
        (self.is_open_no(document) && lacks(&document))
            || self.shares.holders(change).iter().any(lacks)
    }

    /// Does an event build on what was passed over, since its body comes from the store?
    pub(super) fn is_behind_absent(&self, way: &mut Way, changes: &[ChangeNo]) -> bool {
        let is_behind = !way.absent.is_empty() && self.builds_on(changes, &way.absent);
        if is_behind {
            way.absent.extend(changes);
        }
        is_behind
    }

    /// What an event's changes depend on and an event that waits is to bring.
    pub(super) fn comes_later(&self, no: ContentNo, changes: &[ChangeNo]) -> Option<ChangeNo> {
        if !self.effects.is_recarried() {
            return None;
        }
        let waits = |carriers: &[ContentNo]| carriers.iter().any(|of| self.waits(of));
        self.lacking(no, changes).find(|(_, carriers)| waits(carriers)).map(|(name, _)| name)
    }

    fn waits(&self, no: &ContentNo) -> bool {
        self.waiting.contains_key(no)
    }

    /// Takes the events that wait for each other and for nothing else: each brings what others of
    /// them lack, so that none can go in before the others. `SPEC: EFF-8`
    pub(super) fn take_together(&mut self, way: &Way) -> Vec<(ContentNo, Option<Chunks>)> {
        let is_here = |no: &ContentNo| self.waiting.get(no).is_some_and(Option::is_some);
        let mut stay: BTreeSet<_> = way.behind.iter().copied().filter(is_here).collect();
        let (mut lacked, mut gone) = self.lacked_by(&stay);
        if !self.lost.bodies().is_empty() {
            self.note_behind_lost(&mut lacked);
        }
        let never = lacked.values().filter(|lacked| lacked.carriers.is_empty());
        gone.extend(never.flat_map(|lacked| &lacked.behind));
        while let Some(no) = gone.pop() {
            let Effect::Change(changes) = self.effects.of(no) else { continue };
            if !stay.remove(&no) {
                continue;
            }
            for change in changes {
                let Some(lacked) = lacked.get_mut(change) else { continue };
                if lacked.carriers.remove(&no) && lacked.carriers.is_empty() {
                    gone.append(&mut lacked.behind);
                }
            }
        }
        stay.into_iter().map(|no| (no, self.waiting.remove(&no).flatten())).collect()
    }

    /// What these events lack and others that wait are to bring; and those that a quota holds up.
    fn lacked_by(
        &self,
        stay: &BTreeSet<ContentNo>,
    ) -> (BTreeMap<ChangeNo, Lacked>, Vec<ContentNo>) {
        let mut lacked: BTreeMap<ChangeNo, Lacked> = BTreeMap::new();
        let mut withheld = Vec::new();
        for no in stay {
            let Effect::Change(changes) = self.effects.of(*no) else { continue };
            let brings: Few<_> =
                changes.iter().filter(|one| !self.is_out(**one)).copied().collect();
            for (name, carriers) in self.lacking(*no, &brings) {
                // Who waits for a quota holds up what depends on it, unless others bring that, too.
                let waits = carriers.iter().any(|of| self.waits(of));
                if self.backlog.withholds(&name) && !waits {
                    withheld.push(*no);
                } else if waits {
                    let lacked = lacked.entry(name).or_insert_with(|| {
                        let waits = carriers.iter().copied().filter(|of| self.waits(of));
                        let hopes = waits.filter(|of| !self.lost.holds_up(*of)).collect();
                        let here = carriers.iter().copied().filter(|of| stay.contains(of));
                        Lacked { carriers: here.collect(), hopes, behind: Vec::new() }
                    });
                    lacked.behind.push(*no);
                }
            }
        }
        (lacked, withheld)
    }

    /// Of what events lack, something only lost bodies are to bring, or events that wait for such:
    /// whatever else they wait for, they cannot go in. `SPEC: DUR-16`
    fn note_behind_lost(&mut self, lacked: &mut BTreeMap<ChangeNo, Lacked>) {
        let hopeless = lacked.values().filter(|lacked| lacked.hopes.is_empty());
        let mut open: Vec<_> = hopeless.flat_map(|lacked| &lacked.behind).copied().collect();
        while let Some(no) = open.pop() {
            let Effect::Change(changes) = self.effects.of(no) else { continue };
            for change in changes {
                let Some(lacked) = lacked.get_mut(change) else { continue };
                if lacked.hopes.remove(&no) && lacked.hopes.is_empty() {
                    open.extend(&lacked.behind);
                }
            }
            self.lost.wait_behind(no);
        }
    }

    /// What events carry, each after what it depends on.
    pub(super) fn causes_first(&self, carried: Vec<Carried>) -> Vec<Carried> {
        if !self.effects.is_recarried() {
            return carried;
        }
        let mut left: BTreeMap<ChangeNo, Vec<Carried>> = BTreeMap::new();
        let mut order = Vec::with_capacity(carried.len());
        for one in carried {
            order.push(one.change);
            left.entry(one.change).or_default().push(one);
        }
        let mut sorted = Vec::with_capacity(order.len());
        let mut opened = BTreeSet::new();
        for change in order {
            let mut open = vec![change];
            while let Some(change) = open.last().copied() {
                if left.contains_key(&change) && opened.insert(change) {
                    open.extend(self.effects.deps(change).filter(|dep| left.contains_key(dep)));
                    continue;
                }
                // No change is in its own past: what it depends on stands before it by now.
                sorted.extend(left.remove(&change).into_iter().flatten());
                open.pop();
            }
        }
        sorted
    }
}
