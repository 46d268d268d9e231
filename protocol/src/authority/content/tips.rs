//! The ends of what is admitted of an author. Peers are told of them every turn, so they are kept
//! from one look to the next: an event that follows one takes its place, whatever else is admitted
//! lets them be found anew.

use std::collections::BTreeSet;

use super::{ContentLane, ContentNo};
use crate::authority::bits::BitSet;
use crate::id::{DeviceId, EventId};

impl ContentLane {
    /// What a revocation of `target` that is written now names: per branch of its chains the last
    /// admitted event, so that each admitted event of it is one of these or an ancestor by prev.
    /// Sorted by id.
    // SPEC: AUTH-12, AUTH-24
    pub fn admitted_tips_of(&self, target: &DeviceId) -> Vec<EventId> {
        let mut known = self.admitted_tips.borrow_mut();
        let tips = known.entry(*target).or_insert_with(|| self.find_admitted_tips(target));
        let mut tips: Vec<EventId> = tips.iter().map(|no| self.id(*no)).collect();
        tips.sort_unstable();
        tips
    }

    fn find_admitted_tips(&self, target: &DeviceId) -> BTreeSet<ContentNo> {
        self.ends_of(target, |no| self.is_admitted(no))
    }

    /// What a readmission of `author` that is written now names: per branch of its chains the last
    /// event that is not admitted, whatever is admitted above it, so that each one that is not is
    /// one of these or an ancestor by prev. Sorted by id.
    // SPEC: AUTH-21
    pub fn left_out_tips_of(&self, author: &DeviceId) -> Vec<EventId> {
        let tips = self.ends_of(author, |no| !self.is_admitted(no));
        let mut tips: Vec<EventId> = tips.into_iter().map(|no| self.id(no)).collect();
        tips.sort_unstable();
        tips
    }

    /// The last events of an author of which this is true: each other one is an ancestor by prev.
    fn ends_of(&self, author: &DeviceId, is: impl Fn(ContentNo) -> bool) -> BTreeSet<ContentNo> {
        let mut covered = BitSet::new();
        let mut ends = BTreeSet::new();
        for &no in self.written.get(author).into_iter().flatten().rev() {
            if !is(no) || covered.contains(no.0) {
                continue;
            }
            ends.insert(no);
            let mut next = Some(no);
            while let Some(at) = next.filter(|at| covered.insert(at.0)) {
                next = self.prev(at).filter(|&p| self.author(p) == *author);
            }
        }
        ends
    }

    /// These are admitted that were not before, by number.
    pub(super) fn tips_grow(&mut self, newly: &[ContentNo]) {
        for &no in newly {
            let author = self.author(no);
            let prev = self.prev(no).filter(|&prev| self.author(prev) == author);
            // What nothing follows yet, behind what is admitted or nothing, ends a branch.
            let ends = no.index() + 1 == self.events.len()
                && prev.is_none_or(|prev| self.is_admitted(prev));
            let known = self.admitted_tips.get_mut();
            let Some(tips) = known.get_mut(&author) else { continue };
            if !ends {
                known.remove(&author);
                continue;
            }
            if let Some(prev) = prev {
                tips.remove(&prev);
            }
            tips.insert(no);
        }
    }
}
