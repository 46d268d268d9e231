//! All missions of a workspace: their records, the state after each, and which of them holds.
//!
//! A record has effect by what is in its past alone; whether it *holds* is whether it and all on
//! the way to it are firm by what is known now (SPEC: MIS-4). Where devices that did not hear
//! each other went on apart, the tree of records has several ends; [`Journal::head`] is the one
//! that goes on, the same on every device that knows the same records.

mod holders;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::record::Record;
use super::stage::Progress;
use super::state::{State, Who};
use crate::authority::{ContentLane, ContentNo};
use crate::effect::VoidReason;
use crate::hash::{self, context};
use crate::id::{DeviceId, EventId};
use crate::limits::MISSIONS_OPEN_MAX;

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
    /// The claims of each mission, by epoch.
    claims: BTreeMap<EventId, Vec<(u64, ContentNo)>>,
    /// By author the missions that it started, and where each ended, once it did.
    started: BTreeMap<DeviceId, Vec<(ContentNo, Vec<ContentNo>)>>,
    /// The heads that were found, and how often all content had been judged anew by then.
    heads: RefCell<(u64, BTreeMap<EventId, Found>)>,
    /// By record, those that follow it.
    followers: BTreeMap<EventId, Vec<ContentNo>>,
    /// Rises with every record, so that who follows the missions sees that there is news.
    version: u64,
    /// Records that lost their effect by strikes.
    struck: BTreeSet<ContentNo>,
}

/// What was found of a mission.
#[derive(Debug, Default)]
struct Found {
    head: Option<EventId>,
    /// Those that hold its lease, once somebody asked.
    holders: Option<Vec<EventId>>,
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
        self.heads.get_mut().1.clear();
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
            (None, Record::Mission(mission)) => {
                let state = State::begin(&who, id, (**mission).clone())?;
                if !self.may_start(&who.device, |at| content.in_past(no, at)) {
                    return Err(too_many());
                }
                state
            }
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
        self.note(no, &state, &record);
        if let Some(on) = record.on() {
            self.followers.entry(on).or_default().push(no);
        }
        self.entries.insert(id, Entry { no, who, record, state: Arc::new(state) });
        self.version += 1;
        Ok(Judged::Counts)
    }

    /// What later records are judged by.
    fn note(&mut self, no: ContentNo, state: &State, record: &Record) {
        self.heads.get_mut().1.remove(&state.mission);
        self.missions.entry(state.mission).or_default().push(state.last);
        if let Record::Claim(claim) = record {
            let claims = self.claims.entry(state.mission).or_default();
            let at = claims.partition_point(|(epoch, _)| *epoch <= claim.epoch);
            claims.insert(at, (claim.epoch, no));
        }
        let first = if state.records == 1 {
            Some(no)
        } else {
            self.entries.get(&state.mission).map(|entry| entry.no)
        };
        let started = self.started.entry(state.home()).or_default();
        if state.records == 1 {
            started.push((no, Vec::new()));
        } else if state.progress.is_over()
            && let Some((_, ends)) = started.iter_mut().find(|(at, _)| Some(*at) == first)
        {
            ends.push(no);
        }
    }

    /// Would what cannot be read of a start's past decide whether it has effect? `own` of that is
    /// by its author, each of which may be one more start; all of it may be ends. `SPEC: MIS-12`
    pub(crate) fn waits_for_room(
        &self,
        content: &ContentLane,
        no: ContentNo,
        (own, all): (usize, usize),
    ) -> bool {
        let open = self.open_missions(&content.author(no), |at| content.in_past(no, at));
        let at_most = open.saturating_add(own);
        all > 0 && at_most >= MISSIONS_OPEN_MAX
    }

    /// May this device start one more mission where `is_past` says what it had seen?
    /// `SPEC: MIS-11`
    fn may_start(&self, device: &DeviceId, is_past: impl Fn(ContentNo) -> bool) -> bool {
        self.open_missions(device, is_past) < MISSIONS_OPEN_MAX
    }

    /// How many missions of this device are open in a past, counted up to the most that may be.
    fn open_missions(&self, device: &DeviceId, is_past: impl Fn(ContentNo) -> bool) -> usize {
        let started = self.started.get(device).map_or(&[][..], Vec::as_slice);
        let is_open = |ends: &[ContentNo]| !ends.iter().any(|end| is_past(*end));
        let open = started.iter().rev().filter(|(at, ends)| is_past(*at) && is_open(ends));
        open.take(MISSIONS_OPEN_MAX).count()
    }

    /// May this device start one more mission now?
    #[must_use]
    pub fn has_room(&self, content: &ContentLane, device: &DeviceId) -> bool {
        self.may_start(device, |at| content.is_under_heads(at))
    }

    /// The greatest epoch of the mission's claims in the past of an event.
    fn epoch_before(&self, content: &ContentLane, no: ContentNo, mission: &EventId) -> u64 {
        self.epoch_in(mission, |at| content.in_past(no, at))
    }

    fn epoch_in(&self, mission: &EventId, is_past: impl Fn(ContentNo) -> bool) -> u64 {
        let claims = self.claims.get(mission).map_or(&[][..], Vec::as_slice);
        claims.iter().rev().find(|(_, at)| is_past(*at)).map_or(0, |(epoch, _)| *epoch)
    }

    /// The greatest epoch of a mission's claims that will be in the past of who writes now.
    #[must_use]
    pub fn epoch(&self, content: &ContentLane, mission: &EventId) -> u64 {
        self.epoch_in(mission, |at| content.is_under_heads(at))
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

    /// The record on which the mission goes on: of several ends the one whose branch moved, that
    /// was cancelled, whose stages are furthest, that did not fail, whose lease has the greatest
    /// epoch, of equal ones the claim with the lowest hash. `SPEC: MIS-5`
    #[must_use]
    pub fn head(&self, content: &ContentLane, mission: &EventId) -> Option<&Entry> {
        let mut heads = self.heads.borrow_mut();
        if heads.0 != content.rejudged() {
            *heads = (content.rejudged(), BTreeMap::new());
        }
        let find = || {
            let ends = self.ends(content, mission).into_iter();
            ends.max_by_key(|entry| standing(&entry.state)).map(|entry| entry.state.last)
        };
        let found = || Found { head: find(), holders: None };
        let head = heads.1.entry(*mission).or_insert_with(found).head;
        head.and_then(|head| self.entries.get(&head))
    }
}

fn too_many() -> VoidReason {
    let text = format!("its author has {MISSIONS_OPEN_MAX} missions that did not end");
    VoidReason { code: "too_many", text }
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
    let settled = match (&state.progress, state.cancelled) {
        (Progress::Promoted(_), _) => 2,
        (_, Some(_)) => 1,
        _ => 0,
    };
    (
        settled,
        state.progress.stages_done(),
        !failed,
        lease.map(|lease| lease.epoch),
        Reverse(order),
        state.records,
        Reverse(state.last),
    )
}
