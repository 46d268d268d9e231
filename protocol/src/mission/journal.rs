//! All missions of a workspace: their records, the state after each, and which of them holds.
//!
//! A record has effect by what is in its past alone; whether it *holds* is whether it and all on
//! the way to it are firm by what is known now (SPEC: MIS-4). Where devices that did not hear
//! each other went on apart, the tree of records has several ends; [`Journal::head`] is the one
//! that goes on, the same on every device that knows the same records.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::record::Record;
use super::stage::Progress;
use super::state::{State, Who};
use crate::authority::{ContentLane, ContentNo};
use crate::effect::VoidReason;
use crate::hash::{self, context};
use crate::id::EventId;

/// A record that has effect.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number in the content lane.
    pub no: ContentNo,
    /// Who wrote it, with what its author had seen.
    pub who: Who,
    /// What it says.
    pub record: Record,
    /// The state after it.
    pub state: Arc<State>,
}

/// The records of all missions.
#[derive(Debug, Default)]
pub struct Journal {
    entries: BTreeMap<EventId, Entry>,
    /// The records of each mission, causes first.
    missions: BTreeMap<EventId, Vec<EventId>>,
    /// By record, those that follow it.
    followers: BTreeMap<EventId, Vec<ContentNo>>,
    /// Rises with every record, so that who follows the missions sees that there is news.
    version: u64,
    /// Records that lost their effect by strikes.
    struck: BTreeSet<ContentNo>,
}

/// What judging a record gave.
pub enum Judged {
    /// It has effect.
    Counts,
    /// The record that it follows is not read yet.
    Waits,
}

impl Journal {
    /// Rises with every record.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A content event lost its effect by strikes, or has it again. `SPEC: EFF-8`
    pub(crate) fn strike(&mut self, no: ContentNo, struck: bool) {
        match struck {
            true => self.struck.insert(no),
            false => self.struck.remove(&no),
        };
        self.version += 1;
    }

    /// The records that follow one.
    #[must_use]
    pub fn followers(&self, id: &EventId) -> &[ContentNo] {
        self.followers.get(id).map_or(&[], Vec::as_slice)
    }

    /// Judges a record by what is in its past. `SPEC: MIS-3`
    pub fn judge(
        &mut self,
        content: &ContentLane,
        no: ContentNo,
        who: Who,
        record: Record,
    ) -> Result<Judged, VoidReason> {
        let id = content.id(no);
        let state = match (record.on(), &record) {
            (None, Record::Mission(mission)) => State::begin(&who, id, (**mission).clone())?,
            (Some(on), _) => {
                let before = content.number(&on).filter(|before| content.in_past(no, *before));
                let Some(_) = before else {
                    let text = "it follows a record that its author had not seen".to_owned();
                    return Err(VoidReason { code: "not_in_past", text });
                };
                let Some(entry) = self.entries.get(&on) else { return Ok(Judged::Waits) };
                let who =
                    Who { epoch: self.epoch_before(content, no, &entry.state.mission), ..who };
                entry.state.apply(&who, id, &record)?
            }
            _ => return Ok(Judged::Waits),
        };
        let who = Who { epoch: self.epoch_before(content, no, &state.mission), ..who };
        self.missions.entry(state.mission).or_default().push(id);
        if let Some(on) = record.on() {
            self.followers.entry(on).or_default().push(no);
        }
        self.entries.insert(id, Entry { no, who, record, state: Arc::new(state) });
        self.version += 1;
        Ok(Judged::Counts)
    }

    /// The greatest epoch of the mission's claims in the past of an event.
    fn epoch_before(&self, content: &ContentLane, no: ContentNo, mission: &EventId) -> u64 {
        let records = self.missions.get(mission).map_or(&[][..], Vec::as_slice);
        let claims = records.iter().filter_map(|id| self.entries.get(id));
        let epochs = claims.filter_map(|entry| match &entry.record {
            Record::Claim(claim) if content.in_past(no, entry.no) => Some(claim.epoch),
            _ => None,
        });
        epochs.max().unwrap_or(0)
    }

    /// The greatest epoch of a mission's claims that will be in the past of who writes now.
    #[must_use]
    pub fn epoch(&self, content: &ContentLane, mission: &EventId) -> u64 {
        let records = self.missions.get(mission).map_or(&[][..], Vec::as_slice);
        let claims = records.iter().filter_map(|id| self.entries.get(id));
        let epochs = claims.filter_map(|entry| match &entry.record {
            Record::Claim(claim) if content.is_under_heads(entry.no) => Some(claim.epoch),
            _ => None,
        });
        epochs.max().unwrap_or(0)
    }

    /// The missions, by id.
    pub fn missions(&self) -> impl Iterator<Item = &EventId> {
        self.missions.keys()
    }

    /// A record.
    #[must_use]
    pub fn entry(&self, id: &EventId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// The records on the way to one, the mission's first.
    #[must_use]
    pub fn way(&self, id: &EventId) -> Vec<(EventId, &Entry)> {
        let mut way = Vec::new();
        let mut at = Some(*id);
        while let Some((id, entry)) = at.and_then(|id| Some((id, self.entries.get(&id)?))) {
            way.push((id, entry));
            at = entry.record.on();
        }
        way.reverse();
        way
    }

    /// The last records that hold: each is the end of a run of this mission.
    #[must_use]
    pub fn ends(&self, content: &ContentLane, mission: &EventId) -> Vec<&Entry> {
        let mut holding = BTreeSet::new();
        let mut ends = BTreeSet::new();
        for id in self.missions.get(mission).into_iter().flatten() {
            let Some(entry) = self.entries.get(id) else { continue };
            let on = entry.record.on();
            let holds = content.is_firm(entry.no) && !self.struck.contains(&entry.no);
            if holds && on.is_none_or(|on| holding.contains(&on)) {
                holding.insert(*id);
                ends.insert(*id);
                if let Some(on) = on {
                    ends.remove(&on);
                }
            }
        }
        ends.iter().filter_map(|id| self.entries.get(id)).collect()
    }

    /// The record on which the mission goes on: of several ends the one whose stages are furthest,
    /// that did not fail, whose lease has the greatest epoch, of equal ones the claim with the
    /// lowest hash. `SPEC: MIS-5`
    #[must_use]
    pub fn head(&self, content: &ContentLane, mission: &EventId) -> Option<&Entry> {
        self.ends(content, mission).into_iter().max_by_key(|entry| standing(&entry.state))
    }
}

/// What decides between runs of one mission: never time.
fn standing(state: &State) -> impl Ord + use<> {
    let failed = matches!(state.progress, Progress::Failed(_));
    let lease = state.leases.last();
    let order = lease.map(|lease| {
        let epoch = lease.epoch.to_be_bytes();
        let parts: [&[u8]; 4] = [&state.mission.0, &epoch, &lease.holder.0, &lease.claim.0];
        hash::hash(context::LEASE_ORDER, &parts)
    });
    (
        state.progress.stages_done(),
        !failed,
        lease.map(|lease| lease.epoch),
        Reverse(order),
        state.records,
        Reverse(state.last),
    )
}
