//! Strikes and upgrades: what an admin or owner decided for content that is here, or comes.
//!
//! An event stays admitted when it is struck, and what it does is taken back: that of its changes,
//! records and artifacts, and of what depends on them. Which events these are is a function of the
//! set of events (SPEC: EFF-8), found anew where a strike, a readmission or what they name comes,
//! and kept up to date event by event where nothing else changes.

use std::collections::{BTreeMap, BTreeSet};

use super::{AuthorFault, Pen, Workspace};
use crate::authority::{ContentNo, ControlFact, ControlNo};
use crate::control::{ControlBody, Strike, WORKSPACE_FORMAT};
use crate::effect::Effect;
use crate::event::Verified;
use crate::id::{ChangeHash, DocumentId, EventId};

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
    /// What has no effect: struck, or dependent on such.
    void: BTreeSet<ContentNo>,
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
        self.content.is_admitted(no) && !self.strikes.void.contains(&no)
    }

    /// Is it firm, and not struck?
    pub(crate) fn holds(&self, no: ContentNo) -> bool {
        self.content.is_firm(no) && !self.strikes.void.contains(&no)
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
        if !self.strikes.void.contains(&no) {
            return None;
        }
        Some(self.strike_of(no).map_or(Struck::Dependent, Struck::By))
    }

    /// The first strike in effect here that holds for an event.
    pub(super) fn strike_of(&self, no: ContentNo) -> Option<ControlNo> {
        let (id, author) = (self.content.id(no), self.content.author(no));
        let by = self.strikes.named.get(&id)?;
        let all = self.control.all();
        by.iter().copied().find(|strike| self.control.strikes(*strike, &author, &id, &all))
    }

    /// The control lane changed: which strikes hold may have, too.
    pub(super) fn restrike(&mut self) {
        if self.strikes.all.is_empty() {
            return;
        }
        let all = self.control.all();
        let in_effect = |of: &[ControlNo]| -> Vec<ControlNo> {
            of.iter().copied().filter(|no| self.control.in_effect(*no, &all)).collect()
        };
        let decided = (in_effect(&self.strikes.all), in_effect(&self.strikes.readmits));
        if decided == self.strikes.decided {
            return;
        }
        let mut named: BTreeMap<EventId, Vec<ControlNo>> = BTreeMap::new();
        for &strike in &decided.0 {
            let ControlFact::Strike { events, .. } = self.control.fact(strike) else { continue };
            for id in events {
                named.entry(*id).or_default().push(strike);
            }
        }
        self.strikes.named = named;
        self.strikes.decided = decided;
        self.strikes.stale = true;
    }

    /// Notes that an event came or fell on which it depends what is void by strikes.
    pub(super) fn unsettle_strikes(&mut self) {
        self.strikes.stale |= !self.strikes.void.is_empty();
    }

    /// An event is admitted, and judged: is it void by strikes? Then that is remembered.
    pub(super) fn is_void_by_strikes(&mut self, no: ContentNo) -> bool {
        if self.strikes.named.is_empty() {
            return false;
        }
        let effects = &self.effects;
        let again = |(document, change): &(DocumentId, ChangeHash)| {
            effects.carriers(document, change).len() > 1
        };
        if matches!(effects.of(no), Effect::Change(changes) if changes.iter().any(again)) {
            // What lost its carriers may have one now.
            self.unsettle_strikes();
        }
        let void = self.strike_of(no).is_some() || self.depends_on(no, &self.strikes.void);
        if void && self.strikes.void.insert(no) {
            self.note_struck();
        }
        void
    }

    /// What is void by strikes changed.
    fn note_struck(&mut self) {
        self.strikes.version += 1;
        self.artifacts_changed = true;
        self.unsettle_purges();
        self.effects.strike(self.strikes.void.clone());
    }

    /// Does what an event does depend on events among these? `SPEC: EFF-8`
    fn depends_on(&self, no: ContentNo, void: &BTreeSet<ContentNo>) -> bool {
        match self.effects.of(no) {
            _ if void.is_empty() => false,
            Effect::Change(changes) => changes.iter().any(|(document, change)| {
                let deps = self.effects.deps(document, change);
                deps.iter().any(|dep| self.is_lost(document, dep, void))
            }),
            Effect::Record(_) => {
                let entry = self.missions().entry(&self.content.id(no));
                let on = entry.and_then(|entry| self.content.number(&entry.record.on()?));
                on.is_some_and(|on| void.contains(&on))
            }
            _ => false,
        }
    }

    /// Are all admitted events that carry a change among these?
    fn is_lost(
        &self,
        document: &DocumentId,
        change: &ChangeHash,
        void: &BTreeSet<ContentNo>,
    ) -> bool {
        let carriers = self.effects.carriers(document, change);
        let mut admitted = carriers.iter().filter(|no| self.content.is_admitted(**no)).peekable();
        admitted.peek().is_some() && admitted.all(|no| void.contains(no))
    }

    /// Finds anew what strikes take the effect of. What is lost only grows on the way, so the
    /// order in which it is found is nothing.
    pub(super) fn settle_strikes(&mut self) {
        if !std::mem::take(&mut self.strikes.stale) {
            return;
        }
        let here = self.strikes.named.keys().filter_map(|id| self.content.number(id));
        let mut void: BTreeSet<_> = here.filter(|no| self.strike_of(*no).is_some()).collect();
        let mut grew = !void.is_empty();
        while grew {
            let found: Vec<_> = self
                .content
                .all()
                .filter(|no| !void.contains(no) && self.content.is_admitted(*no))
                .collect();
            grew = false;
            for no in found {
                if self.depends_on(no, &void) {
                    grew |= void.insert(no);
                }
            }
        }
        if void == self.strikes.void {
            return;
        }
        let before = std::mem::replace(&mut self.strikes.void, void.clone());
        self.note_struck();
        for no in void.difference(&before) {
            self.leave(*no);
        }
        for no in before.difference(&void) {
            if self.content.is_admitted(*no) {
                self.enter(*no, None);
            }
        }
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
