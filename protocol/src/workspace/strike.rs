//! Strikes and upgrades: what an admin or owner decided for content that is here, or comes.
//!
//! An event stays admitted when it is struck, and what it does is taken back: that of its changes,
//! records and artifacts, and of what depends on them. Which events these are is a function of the
//! set of events (SPEC: EFF-8), found anew where a strike or a readmission comes, and kept up to
//! date event by event where nothing else changes (`strike/void.rs`).

mod void;

use std::collections::{BTreeMap, BTreeSet};

use super::{AuthorFault, Pen, Workspace};
use crate::authority::{ContentNo, ControlFact, ControlNo};
use crate::control::{ControlBody, Strike, WORKSPACE_FORMAT};
use crate::event::Verified;
use crate::id::EventId;
use void::Void;

/// What strikes come to.
#[derive(Default)]
pub(super) struct Strikes {
    /// The strikes that are here, in effect or not.
    all: Vec<ControlNo>,
    readmits: Vec<ControlNo>,
    /// The strikes and readmissions in effect.
    decided: (Vec<ControlNo>, Vec<ControlNo>),
    /// The upgrades, with their formats.
    upgrades: Vec<(ControlNo, u64)>,
    /// What strikes in effect name, here or not.
    named: BTreeMap<EventId, Vec<ControlNo>>,
    /// What readmissions in effect name.
    back: BTreeMap<EventId, Vec<ControlNo>>,
    /// What has no effect: struck, or dependent on such.
    void: Void,
    /// Rises when that changes.
    version: u64,
    /// It is to be found anew.
    stale: bool,
}

/// Why an admitted event has no effect, though by itself it would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Struck {
    /// This strike names it.
    By(ControlNo),
    /// It depends on one that is struck.
    Dependent,
}

impl Workspace {
    /// A control event is here.
    pub(super) fn note_strike(&mut self, event: &Verified) {
        let Some(no) = self.control.number(&event.id()) else { return };
        match event.control() {
            Some(ControlBody::Strike(_)) => self.strikes.all.push(no),
            Some(ControlBody::Readmit(_)) => self.strikes.readmits.push(no),
            Some(ControlBody::Upgrade(upgrade)) => self.strikes.upgrades.push((no, upgrade.format)),
            _ => {}
        }
    }

    /// The format of this workspace, where this program does not know it: an upgrade is in effect.
    /// `SPEC: CTL-11`
    #[must_use]
    pub fn newer_format(&self) -> Option<u64> {
        let all = self.control.all();
        let upgrades =
            self.strikes.upgrades.iter().filter(|(_, format)| *format > WORKSPACE_FORMAT);
        upgrades.filter(|(no, _)| self.control.in_effect(*no, &all)).map(|(_, f)| *f).max()
    }

    /// Does an event have effect, as far as others decide: is it admitted, and not struck?
    pub(super) fn counts(&self, no: ContentNo) -> bool {
        self.content.is_admitted(no) && !self.strikes.void.contains(no)
    }

    /// Is it firm, and not struck?
    pub(crate) fn holds(&self, no: ContentNo) -> bool {
        self.content.is_firm(no) && !self.strikes.void.contains(no)
    }

    /// Does a strike in effect hold for this event?
    #[must_use]
    pub fn is_struck(&self, id: &EventId) -> bool {
        self.content.number(id).is_some_and(|no| self.strike_of(no).is_some())
    }

    pub(super) fn strikes_version(&self) -> u64 {
        self.strikes.version
    }

    /// Why an admitted event has no effect.
    pub(super) fn why_struck(&self, no: ContentNo) -> Option<Struck> {
        if !self.strikes.void.contains(no) {
            return None;
        }
        Some(self.strike_of(no).map_or(Struck::Dependent, Struck::By))
    }

    /// Of the strikes in effect that hold for an event the one with the lowest id.
    pub(super) fn strike_of(&self, no: ContentNo) -> Option<ControlNo> {
        let id = self.content.id(no);
        let by = self.strikes.named.get(&id)?;
        let author = self.content.author(no);
        let back = self.strikes.back.get(&id).map_or(&[][..], Vec::as_slice);
        by.iter().copied().find(|strike| self.control.strikes(*strike, &author, &id, back))
    }

    /// The control lane changed: which strikes hold may have, too.
    pub(super) fn restrike(&mut self) {
        if self.strikes.all.is_empty() {
            return;
        }
        let all = self.control.all();
        let in_effect = |of: &[ControlNo]| self.control.those_in_effect(of, &all);
        let decided = (in_effect(&self.strikes.all), in_effect(&self.strikes.readmits));
        if decided == self.strikes.decided {
            return;
        }
        let by_name = |of: &[ControlNo]| {
            let mut named: BTreeMap<EventId, Vec<ControlNo>> = BTreeMap::new();
            for &no in of {
                let (ControlFact::Strike { events: ids, .. }
                | ControlFact::Readmit { tips: ids, .. }) = self.control.fact(no)
                else {
                    continue;
                };
                ids.iter().for_each(|id| named.entry(*id).or_default().push(no));
            }
            // The order of their arrival is this device's.
            named.values_mut().for_each(|by| by.sort_by_key(|no| self.control.id(*no)));
            named
        };
        let (named, back) = (by_name(&decided.0), by_name(&decided.1));
        (self.strikes.named, self.strikes.back) = (named, back);
        self.strikes.decided = decided;
        self.strikes.stale = true;
    }

    /// Notes that an event fell, which perhaps carried what others depend on.
    pub(super) fn unsettle_strikes(&mut self) {
        self.strikes.stale |= !self.strikes.void.is_empty();
    }

    /// These are admitted by one step, and looked at one by one.
    pub(super) fn expect_admitted(&mut self, events: &[ContentNo]) {
        if !self.strikes.named.is_empty() {
            self.strikes.void.expect(events.iter().copied());
        }
    }

    /// An event is admitted, and judged: is it void by strikes? Then that is remembered, and what
    /// follows from it; where all is to be found anew, only what was known is said.
    pub(super) fn is_void_by_strikes(&mut self, no: ContentNo) -> bool {
        if self.strikes.named.is_empty() {
            return false;
        }
        self.strikes.void.arrived(no);
        if self.strikes.stale {
            return self.strikes.void.contains(no);
        }
        self.effects.index_dependents();
        let (is_void, void, back) = if self.strikes.void.contains(no) {
            (true, self.read_void(no), Vec::new())
        } else if self.strike_of(no).is_some() {
            (true, self.make_void(vec![no]), Vec::new())
        } else {
            self.judge_as_it_counts(no)
        };
        self.apply_strikes(&void, &back);
        is_void
    }

    /// What is void is the least set: so an event counts until something shows that it does not. It
    /// may carry itself what its changes depend on, or what others are void for that carry that.
    /// Where it is void after all, what rests on it is void after it again, in later turns. Is it
    /// void, what is void by it, and what no longer?
    fn judge_as_it_counts(&mut self, no: ContentNo) -> (bool, Vec<ContentNo>, Vec<ContentNo>) {
        // Nothing that it carries can show otherwise: what is behind that need not be doubted.
        if self.is_void_for_good(no) {
            return (true, self.make_void_for_good(no), Vec::new());
        }
        let back = self.carries_again(no);
        if !self.depends_on_void(no) {
            return (false, Vec::new(), back);
        }
        let void = BTreeSet::from_iter(self.make_void(vec![no]));
        let back = BTreeSet::from_iter(back);
        let since = void.difference(&back).copied().collect();
        (true, since, back.difference(&void).copied().collect())
    }

    /// These events have no effect any more, and these have it again.
    fn apply_strikes(&mut self, void: &[ContentNo], back: &[ContentNo]) {
        if void.is_empty() && back.is_empty() {
            return;
        }
        self.strikes.version += 1;
        self.artifacts_changed = true;
        self.unsettle_purges();
        for &no in void {
            self.effects.strike(no, true);
            self.leave(no);
        }
        for &no in back {
            self.effects.strike(no, false);
            if self.content.is_admitted(no) {
                self.enter(no, None);
            }
        }
    }

    /// Finds anew what strikes take the effect of, where that is to be done.
    pub(super) fn settle_strikes(&mut self) {
        if !std::mem::take(&mut self.strikes.stale) {
            return;
        }
        self.effects.index_dependents();
        let here = self.strikes.named.keys().filter_map(|id| self.content.number(id));
        let struck: Vec<_> = here.filter(|no| self.strike_of(*no).is_some()).collect();
        let before = self.strikes.void.events();
        self.strikes.void = self.strikes.void.emptied();
        self.make_void(struck);
        let now = self.strikes.void.events();
        let void: Vec<_> = now.difference(&before).copied().collect();
        let back: Vec<_> = before.difference(&now).copied().collect();
        self.apply_strikes(&void, &back);
    }

    pub(super) fn void_events(&self) -> BTreeSet<ContentNo> {
        self.strikes.void.events()
    }

    /// How often an event was looked at to find what strikes take the effect of. `SPEC: CTL-12`
    #[must_use]
    pub fn strike_looks(&self) -> u64 {
        self.strikes.void.looks()
    }

    /// Takes the effect of a content event. `SPEC: CTL-10`
    pub fn write_strike(
        &mut self,
        pen: &mut Pen<'_>,
        event: &EventId,
        reason: &str,
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.settle();
        let no = self.content.number(event).ok_or(AuthorFault::NotContent)?;
        let founds = self.header(event).is_some_and(|header| {
            let genesis = self.header(&self.id.genesis());
            header.seq == 0
                && genesis.is_some_and(|genesis| {
                    (genesis.author, genesis.incarnation) == (header.author, header.incarnation)
                })
        });
        if founds {
            return Err(AuthorFault::FirstChange);
        }
        let (authors, events) = (vec![self.content.author(no)], vec![*event]);
        let fact = ControlFact::Strike { authors: authors.clone(), events: events.clone() };
        let strike = Strike { authors, events, reason: reason.to_owned() };
        self.write_decision(pen, &fact, &ControlBody::Strike(strike))
    }
}
