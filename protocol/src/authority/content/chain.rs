//! Chains, ancestry, cuts.
//!
//! An event without a prev of its author opens a branch, and so does the second event after the
//! same prev (a fork). A place is a branch and a height in it. The past of an event holds of every
//! branch all events up to some height, as it is closed under prev: so one height per branch says
//! what is in it, and what is within a cut. An event that names no parents shares the heights of
//! its prev.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ContentNo, Ids, number_of};
use crate::authority::control::{ControlLane, ControlNo};
use crate::id::{DeviceId, EventId};

/// One height per branch, 0 for none.
type Heights = Vec<u32>;

/// Where an event stands, and what its past reaches.
#[derive(Clone, Debug)]
pub(super) struct Place {
    branch: u32,
    height: u32,
    /// Of the other branches; of the own one `height` holds.
    past: Arc<Heights>,
}

impl Place {
    /// The number of its branch.
    pub(super) fn branch(&self) -> u32 {
        self.branch
    }

    /// Whether `other` is here or in the past.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let reached = if other.branch == self.branch {
            self.height
        } else {
            self.past.get(other.branch as usize).copied().unwrap_or(0)
        };
        reached >= other.height
    }

    /// Whether it is below these heights.
    pub(super) fn is_within(&self, heights: &Heights) -> bool {
        heights.get(self.branch as usize).is_some_and(|&height| height >= self.height)
    }

    /// Raises heights to what is here or in the past.
    pub(super) fn reach(&self, heights: &mut Heights) {
        for (mine, theirs) in heights.iter_mut().zip(self.past.iter()) {
            *mine = (*mine).max(*theirs);
        }
        if let Some(rest) = self.past.get(heights.len()..) {
            heights.extend_from_slice(rest);
        }
        let at = self.branch as usize;
        if heights.len() <= at {
            heights.resize(at + 1, 0);
        }
        if let Some(height) = heights.get_mut(at) {
            *height = (*height).max(self.height);
        }
    }
}

#[derive(Clone, Debug)]
struct Branch {
    author: DeviceId,
    /// The height of its last event.
    tip: u32,
    /// Where it leaves another branch of its author, for a fork.
    from: Option<(u32, u32)>,
}

/// The branches of all chains.
#[derive(Clone, Default, Debug)]
pub(super) struct Chains {
    branches: Vec<Branch>,
    /// By number of event.
    places: Vec<Place>,
}

impl Chains {
    /// The place of the next event: `own` is its prev, if that is its author's; `before` are all
    /// its direct ancestors.
    // SPEC: AUTH-18
    pub(super) fn place(
        &mut self,
        author: DeviceId,
        own: Option<ContentNo>,
        before: impl Iterator<Item = ContentNo>,
    ) -> Place {
        let prev = own.and_then(|p| self.places.get(p.index())).cloned();
        let others = before.filter(|&p| Some(p) != own);
        let others: Vec<&Place> = others.filter_map(|p| self.places.get(p.index())).collect();
        let extends = prev.as_ref().filter(|prev| {
            self.branches.get(prev.branch as usize).is_some_and(|b| b.tip == prev.height)
        });
        let past = match extends {
            Some(prev) if others.iter().all(|o| prev.covers(o)) => Arc::clone(&prev.past),
            _ => {
                let mut heights = Heights::new();
                prev.iter().chain(others).for_each(|p| p.reach(&mut heights));
                Arc::new(heights)
            }
        };
        let (branch, height) = match extends {
            Some(prev) => (prev.branch, prev.height.saturating_add(1)),
            None => (u32::try_from(self.branches.len()).unwrap_or(u32::MAX), 1),
        };
        match self.branches.get_mut(branch as usize) {
            Some(branch) => branch.tip = height,
            None => {
                let from = prev.map(|p| (p.branch, p.height));
                self.branches.push(Branch { author, tip: height, from });
            }
        }
        let place = Place { branch, height, past };
        self.places.push(place.clone());
        place
    }

    /// The place of the next event, whose only direct ancestor is the newest one, of its author;
    /// none where that does not end its branch.
    pub(super) fn follow(&mut self, newest: ContentNo) -> Option<Place> {
        let mut place = self.places.get(newest.index())?.clone();
        let branch = self.branches.get_mut(place.branch as usize);
        let branch = branch.filter(|branch| branch.tip == place.height)?;
        place.height = place.height.saturating_add(1);
        branch.tip = place.height;
        self.places.push(place.clone());
        Some(place)
    }

    /// Adds to `cover` an event, if it is the target's, and its ancestors by prev.
    fn cover(&self, cover: &mut BTreeMap<u32, u32>, named: ContentNo, target: &DeviceId) {
        let mut next = self.places.get(named.index()).map(|p| (p.branch, p.height));
        while let Some((branch, height)) = next {
            next = None;
            let Some(of) = self.branches.get(branch as usize).filter(|b| b.author == *target)
            else {
                return;
            };
            let covered = cover.entry(branch).or_insert(0);
            if *covered == 0 {
                next = of.from;
            }
            *covered = (*covered).max(height);
        }
    }
}

/// What the cuts of revocations, and readmissions, cover of what is here.
#[derive(Clone, Default, Debug)]
pub(super) struct Cuts {
    /// By revocation or readmission: the height to which each branch of those that it is about is
    /// covered.
    covers: BTreeMap<ControlNo, BTreeMap<u32, u32>>,
    /// Named and not here, and by which of them.
    awaited: BTreeMap<EventId, BTreeSet<ControlNo>>,
    /// How many of them of the control lane are known.
    learnt: usize,
}

/// The content events that a revocation or readmission names.
pub(super) fn cut(control: &ControlLane, r: ControlNo) -> &[EventId] {
    control.fact(r).names().map_or(&[], |(_, named)| named)
}

impl Cuts {
    /// Takes in the revocations and readmissions that are new in the control lane.
    pub(super) fn learn(&mut self, control: &ControlLane, chains: &Chains, numbers: &Ids) {
        let new = control.naming().get(self.learnt..).unwrap_or(&[]);
        for &r in new {
            for id in cut(control, r).iter().filter(|id| !numbers.contains(id)) {
                self.awaited.entry(*id).or_default().insert(r);
            }
            self.resolve(control, chains, numbers, r);
        }
        self.learnt += new.len();
    }

    /// The named events that are not here, of those whose naming counts, sorted by id.
    // SPEC: AUTH-13
    pub(super) fn missing(&self, control: &ControlLane) -> Vec<EventId> {
        let counts = |by: &BTreeSet<ControlNo>| control.any_in_effect(by.iter());
        self.awaited.iter().filter(|(_, by)| counts(by)).map(|(id, _)| *id).collect()
    }

    /// Does a cut name this event, which is not here?
    pub(super) fn awaits(&self, id: &EventId) -> bool {
        self.awaited.contains_key(id)
    }

    /// Says that an event is here; true if a cut names it, so that views may have grown.
    // SPEC: AUTH-13
    pub(super) fn arrived(
        &mut self,
        control: &ControlLane,
        chains: &Chains,
        numbers: &Ids,
        id: EventId,
    ) -> bool {
        let Some(by) = self.awaited.remove(&id) else {
            return false;
        };
        let mut grown = false;
        for r in by {
            grown |= self.resolve(control, chains, numbers, r);
        }
        grown
    }

    /// Finds anew what a cut covers; true if that changed.
    fn resolve(
        &mut self,
        control: &ControlLane,
        chains: &Chains,
        numbers: &Ids,
        r: ControlNo,
    ) -> bool {
        let Some((authors, named)) = control.fact(r).names() else {
            return false;
        };
        let mut cover = BTreeMap::new();
        for named in named.iter().filter_map(|id| number_of(numbers, id)) {
            for author in authors {
                chains.cover(&mut cover, named, author);
            }
        }
        let changed = self.covers.get(&r) != Some(&cover);
        self.covers.insert(r, cover);
        changed
    }

    /// Whether a place is within the cut of a revocation, or within a readmission.
    // SPEC: AUTH-12
    pub(super) fn within(&self, r: ControlNo, place: &Place) -> bool {
        let height = self.covers.get(&r).and_then(|cover| cover.get(&place.branch));
        height.is_some_and(|&height| height >= place.height)
    }
}
