//! How far a set of events reaches: what is in it or before it, as one height per branch.

use super::{ContentLane, ContentNo};

/// Some events and all before them. What comes in later is never within it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Reach(Vec<u32>);

impl Reach {
    /// Reaches to this event, too.
    pub(super) fn add(&mut self, lane: &ContentLane, no: ContentNo) {
        lane.at(no).place.reach(&mut self.0);
    }
}

impl ContentLane {
    /// How far these events reach.
    pub fn reach(&self, tips: impl Iterator<Item = ContentNo>) -> Reach {
        let mut reach = Reach::default();
        tips.for_each(|tip| reach.add(self, tip));
        reach
    }

    /// Whether an event is within `reach`.
    pub fn is_reached(&self, reach: &Reach, no: ContentNo) -> bool {
        self.at(no).place.is_within(&reach.0)
    }
}
