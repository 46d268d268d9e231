//! What is firm, what is in a View, what is admitted.
//!
//! A View is closed: what is in View(x) has its own View in it. So all of an event's past but for
//! its excluded set is in its View, and a walk backwards may stop at an event whose View is
//! settled, if it goes on at what that event excluded.

use std::sync::Arc;

use super::{ContentLane, ContentNo, Reach, Rejudged, SetNo, WRITES};
use crate::authority::bits::BitSet;
use crate::authority::control::{ControlLane, Standing};
use crate::role::Role;

/// How many standings are remembered.
const REMEMBERED: usize = 1 << 16;

impl ContentLane {
    /// The role in which the author of `e` stands for it by the control events `among`.
    // SPEC: AUTH-14
    pub(super) fn standing_in(
        &self,
        control: &ControlLane,
        e: ContentNo,
        among: SetNo,
    ) -> Option<Role> {
        let place = &self.at(e).place;
        self.standing(control, e, among).role(|r| self.cuts.within(r, place))
    }

    fn firm(&self, control: &ControlLane, e: ContentNo, among: SetNo) -> bool {
        self.standing_in(control, e, among).is_some()
    }

    /// How the author of `e` may stand. The same for all its events that heard the same.
    pub(super) fn standing(
        &self,
        control: &ControlLane,
        e: ContentNo,
        among: SetNo,
    ) -> Arc<Standing> {
        let event = self.at(e);
        let key = (event.author, event.heard, among);
        if let Some(known) = self.standings.borrow().get(&key) {
            return Arc::clone(known);
        }
        let (heard, among) = (self.set(event.heard), self.set(among));
        let standing = Arc::new(control.standing(&event.author, &heard, WRITES, &among));
        let mut standings = self.standings.borrow_mut();
        if standings.len() >= REMEMBERED {
            standings.clear();
        }
        standings.insert(key, Arc::clone(&standing));
        standing
    }

    /// The past of `e` without View(e). The walk stops at firm events, so it goes only through
    /// what is doubtful; usually `e` names firm events that exclude nothing, and nothing is walked.
    // SPEC: AUTH-16
    pub(super) fn find_excluded(&self, control: &ControlLane, e: ContentNo) -> Arc<BitSet> {
        let event = self.at(e);
        let clean = |p| self.at(p).excluded.is_empty() && self.firm(control, p, event.heard);
        if event.before().all(clean) {
            return Arc::clone(&self.nothing);
        }
        // Those whose View, but perhaps for themselves, is admitted: firm ones, and ones that heard
        // the same as `e`, by which the same of their past is admitted. And what may be excluded.
        let (mut settled, mut doubtful) = (Vec::new(), Vec::new());
        let mut seen = BitSet::new();
        let mut next: Vec<ContentNo> = event.before().collect();
        while let Some(p) = next.pop() {
            if !seen.insert(p.0) {
                continue;
            }
            let firm = self.firm(control, p, event.heard);
            let same = self.at(p).heard == event.heard;
            if !firm {
                doubtful.push(p);
            }
            if !firm && !same {
                next.extend(self.at(p).before());
                continue;
            }
            // The rest of its past is in its View.
            settled.push(p);
            for x in self.at(p).excluded.iter().map(ContentNo) {
                if !same {
                    next.push(x);
                } else if seen.insert(x.0) {
                    // By the same it was not firm for `p`, nor had it a View that `p` has not.
                    doubtful.push(x);
                }
            }
        }
        let in_some_view = |x| settled.iter().any(|&p| x != p && self.in_view(p, x));
        let excluded: BitSet =
            doubtful.into_iter().filter(|&x| !in_some_view(x)).map(|x| x.0).collect();
        // Whoever builds on an event with an excluded set has the same one; it is kept once.
        event
            .before()
            .map(|p| &self.at(p).excluded)
            .find(|known| ***known == excluded)
            .map_or_else(|| Arc::new(excluded), Arc::clone)
    }

    /// Judges the newest event: what is admitted now and was not before, by number.
    // SPEC: AUTH-17
    pub(super) fn judge_new(&mut self, control: &ControlLane, e: ContentNo) -> Vec<ContentNo> {
        let firm = self.firm(control, e, self.now);
        self.at_mut(e).firm = firm;
        if !firm {
            return Vec::new();
        }
        for head in self.covered_heads(e) {
            self.heads.remove(&head);
        }
        self.heads.insert(e);
        let mut newly = if self.has_plain_past(e) {
            self.at_mut(e).admitted = true;
            vec![e]
        } else {
            self.admit_view(e)
        };
        newly.sort_unstable();
        self.tips_grow(&newly);
        newly
    }

    /// The heads in the past of the newest event. What is in the past of something admitted is none
    /// already, so of heads that are many only those that it names are looked at.
    fn covered_heads(&self, e: ContentNo) -> Vec<ContentNo> {
        if self.at(e).before().all(|p| self.is_admitted(p)) {
            return self.at(e).before().filter(|p| self.heads.contains(p)).collect();
        }
        self.heads.iter().copied().filter(|&h| self.in_past(e, h)).collect()
    }

    /// Is everything in the past of an event admitted, as nearly always? What an admitted event has
    /// in its past and did not exclude is admitted with it.
    fn has_plain_past(&self, e: ContentNo) -> bool {
        self.at(e).before().all(|p| self.is_admitted(p) && self.at(p).excluded.is_empty())
    }

    /// Admits View(e); gives what was not admitted before.
    fn admit_view(&mut self, e: ContentNo) -> Vec<ContentNo> {
        let mut newly = Vec::new();
        let mut seen = BitSet::new();
        let mut next = vec![e];
        while let Some(x) = next.pop() {
            if !seen.insert(x.0) {
                continue;
            }
            if self.at(x).admitted {
                // Its View is admitted already.
                next.extend(self.at(x).excluded.iter().map(ContentNo));
                continue;
            }
            if self.in_view(e, x) {
                self.at_mut(x).admitted = true;
                newly.push(x);
            }
            next.extend(self.at(x).before());
        }
        newly
    }

    /// Finds all Views anew, after an event came that a cut names. Cover only grows by that, and
    /// with it what is firm, Views and what is admitted: nothing falls.
    // SPEC: AUTH-13
    pub(super) fn rejudge_views(&mut self, control: &ControlLane) -> Vec<ContentNo> {
        for no in self.all_numbers() {
            let excluded = self.find_excluded(control, no);
            self.at_mut(no).excluded = excluded;
        }
        self.rejudge(control).admitted
    }

    /// Judges everything by `now`. From the newest to the oldest, so that a View is walked only
    /// where no newer firm event admitted it.
    // SPEC: AUTH-17
    pub(super) fn rejudge(&mut self, control: &ControlLane) -> Rejudged {
        self.rejudged += 1;
        let before: BitSet =
            self.all_numbers().filter(|&no| self.is_admitted(no)).map(|no| no.0).collect();
        for event in &mut self.events {
            event.admitted = false;
        }
        self.heads.clear();
        self.admitted_tips.get_mut().clear();
        let mut reached = Reach::default();
        for e in self.all_numbers().rev() {
            let firm = self.firm(control, e, self.now);
            self.at_mut(e).firm = firm;
            if !firm || self.is_admitted(e) {
                continue;
            }
            self.admit_view(e);
            // A newer event may have it in its past and not in its View.
            if !self.is_reached(&reached, e) {
                self.heads.insert(e);
                reached.add(self, e);
            }
        }
        let mut changes = Rejudged::default();
        for no in self.all_numbers() {
            match (before.contains(no.0), self.is_admitted(no)) {
                (false, true) => changes.admitted.push(no),
                (true, false) => changes.fallen.push(no),
                _ => {}
            }
        }
        changes
    }

    fn all_numbers(&self) -> impl DoubleEndedIterator<Item = ContentNo> + use<> {
        (0..u32::try_from(self.events.len()).unwrap_or(u32::MAX)).map(ContentNo)
    }
}
