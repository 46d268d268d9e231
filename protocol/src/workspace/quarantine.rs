//! What is kept apart: content that has no effect though by itself it would, as branches. Nothing
//! is deleted; a readmission brings it back (SPEC: EFF-9).

use std::collections::{BTreeMap, BTreeSet};

use super::Workspace;
use super::strike::Struck;
use crate::authority::{ContentNo, ControlNo};
use crate::command::{Apart, BranchRow, QuarantinePage, TakenOut};
use crate::effect::Effect;
use crate::event::Verified;
use crate::id::{DeviceId, DocumentId, EventId};
use crate::limits::{PREVIEW_EVENTS_MAX, QUARANTINE_LISTED_MAX};
use crate::store::Place;

/// What a preview is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The events, causes first: those of the branch and those that it builds on.
    pub places: Vec<Place>,
    /// How many there are; only the first of many are in `places`.
    pub events: usize,
    /// Why its last event is kept apart.
    pub why: Apart,
}

impl Workspace {
    /// Why a content event is kept apart; none where it counts, or has no effect by itself.
    fn apart(&self, no: ContentNo) -> Option<Apart> {
        if !self.content.is_admitted(no) {
            return Some(Apart::Revoked);
        }
        match self.why_struck(no) {
            Some(Struck::By(_)) => return Some(Apart::Struck),
            Some(Struck::Dependent) => return Some(Apart::Dependent),
            None => {}
        }
        match self.effects.of(no) {
            Effect::Change(changes) if self.is_left_out(changes) => Some(Apart::Forked),
            _ => None,
        }
    }

    /// The decision that put an event apart, where there is one; of several that with the lowest
    /// id, so that every device names the same.
    fn decision(&self, no: ContentNo, why: Apart) -> Option<ControlNo> {
        match why {
            Apart::Revoked => self.revocation(no),
            Apart::Struck => self.strike_of(no),
            Apart::Dependent | Apart::Forked => None,
        }
    }

    /// The first revocation of its author that an event did not hear; of several that did not hear
    /// each other that with the lowest id.
    fn revocation(&self, no: ContentNo) -> Option<ControlNo> {
        let all = self.control.revocations_of(&self.content.author(no), &self.control.all());
        self.first_unheard(no, &all)
    }

    /// Of these revocations of its author.
    fn first_unheard(&self, no: ContentNo, all: &[ControlNo]) -> Option<ControlNo> {
        let heard = self.content.heard_set(no);
        let unheard: Vec<_> = all.iter().copied().filter(|no| !heard.contains(*no)).collect();
        let is_first = |no: &ControlNo| {
            let past = self.control.past(*no);
            !unheard.iter().any(|other| past.contains(*other))
        };
        let first = unheard.iter().copied().filter(is_first);
        first.min_by_key(|no| self.control.id(*no))
    }

    /// What may be kept apart, causes first: what is not admitted, what is void by strikes, and
    /// what carries changes that forks left out. All other content counts, and is not looked at.
    fn all_apart(&self) -> BTreeSet<ContentNo> {
        let mut all = self.room.events.clone();
        all.extend(self.void_events());
        all.extend(self.left_out.iter().flat_map(|change| self.effects.carriers(*change)));
        let looks = self.room.looks.get();
        self.room.looks.set(looks.saturating_add(all.len() as u64));
        all
    }

    /// How many events were looked at so far to say what is kept apart.
    #[must_use]
    pub fn apart_looks(&self) -> u64 {
        self.room.looks.get()
    }

    /// All that is kept apart; the work goes with that alone. `SPEC: CFL-18`
    #[must_use]
    pub fn quarantine(&self) -> QuarantinePage {
        let mut rows: BTreeMap<ContentNo, BranchRow> = BTreeMap::new();
        let mut by_author: BTreeMap<DeviceId, Vec<ControlNo>> = BTreeMap::new();
        for no in self.all_apart() {
            let Some(why) = self.apart(no) else { continue };
            let id = self.content.id(no);
            let Some(header) = self.header(&id) else { continue };
            let decision = match why {
                Apart::Revoked => {
                    let all = by_author.entry(header.author).or_insert_with(|| {
                        self.control.revocations_of(&header.author, &self.control.all())
                    });
                    self.first_unheard(no, all)
                }
                _ => self.decision(no, why),
            };
            let decision = decision.map(|no| self.control.id(no));
            let goes_on = |row: &BranchRow| row.why == why && row.decision == decision;
            // Of a fork the first goes on with what stands before it.
            let before = self.content.prev(no).filter(|prev| rows.get(prev).is_some_and(goes_on));
            let row = before.and_then(|prev| rows.remove(&prev));
            let events = row.map_or(0, |row| row.events) + 1;
            let decided = decision.and_then(|id| self.header(&id));
            let row = BranchRow {
                author: header.author,
                chain: header.incarnation,
                tip: id,
                events,
                why,
                since: decided.map(|header| header.stamp),
                by: decided.map(|header| header.author),
                decision,
                reason: decision.map_or_else(String::new, |id| self.reason(&id)),
            };
            rows.insert(no, row);
        }
        let mut branches: Vec<_> = rows.into_values().collect();
        let place = |row: &BranchRow| {
            let seq = self.header(&row.tip).map_or(0, |header| header.seq);
            (row.author, row.chain, seq, row.tip)
        };
        branches.sort_by_key(place);
        let more = branches.len().saturating_sub(QUARANTINE_LISTED_MAX);
        branches.truncate(QUARANTINE_LISTED_MAX);
        QuarantinePage { branches, more }
    }

    /// How a device was taken out; none where no revocation names it. Of several the last, and of
    /// those made apart that with the lowest id.
    #[must_use]
    pub fn taken_out(&self, device: &DeviceId) -> Option<TakenOut> {
        let all = self.control.revocations_of(device, &self.control.all());
        let is_past =
            |no: ControlNo| all.iter().any(|other| self.control.past(*other).contains(no));
        let last = all.iter().copied().filter(|no| !is_past(*no));
        let event = last.map(|no| self.control.id(no)).min()?;
        let header = self.header(&event)?;
        let reason = self.reason(&event);
        Some(TakenOut { by: header.author, at: header.stamp, event, reason })
    }

    /// Why an event took something, as it says.
    fn reason(&self, event: &EventId) -> String {
        self.reasons.get(event).map_or_else(String::new, ToString::to_string)
    }

    /// How many content events are kept apart.
    #[must_use]
    pub fn count_apart(&self) -> usize {
        self.all_apart().into_iter().filter(|no| self.apart(*no).is_some()).count()
    }

    /// The events up to this one that are kept apart, with those they build on; none where it
    /// counts.
    #[must_use]
    pub fn branch(&self, tip: &EventId) -> Option<Branch> {
        let tip = self.content.number(tip)?;
        let why = self.apart(tip)?;
        let mut events = BTreeSet::new();
        let mut next = vec![tip];
        while let Some(no) = next.pop() {
            if self.apart(no).is_none() || !events.insert(no) {
                continue;
            }
            next.extend(self.content.prev(no));
            let Effect::Change(changes) = self.effects.of(no) else { continue };
            for change in changes {
                for dep in self.effects.deps(*change) {
                    let carriers = self.effects.carriers(dep);
                    if !carriers.iter().any(|no| self.apart(*no).is_none()) {
                        next.extend(carriers.first());
                    }
                }
            }
        }
        let place = |no: &ContentNo| self.place_at(self.position(&self.content.id(*no))?.1);
        let places = events.iter().take(PREVIEW_EVENTS_MAX).filter_map(place).collect();
        Some(Branch { places, events: events.len(), why })
    }

    /// What these events change, where they can be read; and how many cannot.
    #[must_use]
    pub fn changes_of(&self, events: &[Verified]) -> (Vec<(DocumentId, Vec<u8>)>, usize) {
        let mut unread = 0;
        let mut chunks = Vec::new();
        for event in events {
            let effect = self.content.number(&event.id()).map(|no| self.effects.of(no));
            match effect {
                Some(Effect::Change(_)) => chunks.extend(self.open_again(event)),
                Some(Effect::Unread) => unread += 1,
                _ => {}
            }
        }
        (chunks, unread)
    }
}
