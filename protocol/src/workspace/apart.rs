//! Room for what is in quarantine (SPEC: SYNC-12): how much of it is here, whose, and what would
//! come into it. A local rule: it drops what nobody needs, and decides nothing.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::Workspace;
use super::disputes::KeptDisputes;
use crate::authority::ContentNo;
use crate::event::Header;
use crate::id::{DeviceId, EventId, Lane};
use crate::limits::{HEADER_BYTES_MAX, QUARANTINE_AUTHOR_BYTES_MAX, QUARANTINE_BYTES_MAX};
use crate::role::Role;
use crate::sync::Tip;

/// What is in quarantine here, in bytes with a full header counted for each event.
#[derive(Default)]
pub(super) struct Room {
    bytes: BTreeMap<DeviceId, u64>,
    total: u64,
    /// The content that is not admitted.
    pub(super) events: BTreeSet<ContentNo>,
    /// How many events were looked at to say what is kept apart.
    pub(super) looks: Cell<u64>,
    /// What is disputed, and of what that was found.
    pub(super) disputes: RefCell<KeptDisputes>,
    /// What a cut that counts names, or a readmission in effect, and that is not here.
    named: BTreeSet<EventId>,
}

fn cost(header: &Header) -> u64 {
    (HEADER_BYTES_MAX as u64).saturating_add(header.body.map_or(0, |body| body.len))
}

impl Room {
    fn comes(&mut self, no: ContentNo, header: &Header) {
        self.events.insert(no);
        let bytes = self.bytes.entry(header.author).or_default();
        *bytes = bytes.saturating_add(cost(header));
        self.total = self.total.saturating_add(cost(header));
    }

    fn goes(&mut self, no: ContentNo, header: &Header) {
        self.events.remove(&no);
        let Some(bytes) = self.bytes.get_mut(&header.author) else { return };
        *bytes = bytes.saturating_sub(cost(header));
        self.total = self.total.saturating_sub(cost(header));
        if *bytes == 0 {
            self.bytes.remove(&header.author);
        }
    }

    fn has(&self, author: &DeviceId, bytes: u64) -> bool {
        let own = self.bytes.get(author).copied().unwrap_or(0);
        own.saturating_add(bytes) <= QUARANTINE_AUTHOR_BYTES_MAX
            && self.total.saturating_add(bytes) <= QUARANTINE_BYTES_MAX
    }
}

impl Workspace {
    /// A content event came: what is admitted by it is in quarantine no longer, and it may be.
    pub(super) fn room_for_new(&mut self, no: ContentNo, admitted: &[ContentNo]) {
        self.room.named.remove(&self.content.id(no));
        if !self.content.is_admitted(no) {
            self.room_changes(no, false);
        }
        for other in admitted.iter().filter(|other| **other != no) {
            self.room_changes(*other, true);
        }
    }

    /// An event that was here before is admitted now, or is not any more.
    pub(super) fn room_changes(&mut self, no: ContentNo, admitted: bool) {
        let at = self.place_of(&self.content.id(no));
        let Some(known) = at.and_then(|at| self.known.get(at)) else { return };
        if admitted {
            self.room.goes(no, &known.header);
        } else {
            self.room.comes(no, &known.header);
        }
    }

    /// The control lane changed: what it names of content may have, too.
    pub(super) fn name_missing(&mut self) {
        self.room.named = self.content.missing_cuts(&self.control).into_iter().collect();
    }

    /// The events that cuts and readmissions name and that are not here. `SPEC: AUTH-13`
    pub fn named_missing(&self) -> &BTreeSet<EventId> {
        &self.room.named
    }

    /// Is there room for so many events of `author` more, as small as they may be?
    #[must_use]
    pub fn has_room_apart(&self, author: &DeviceId, events: u64) -> bool {
        self.room.has(author, events.saturating_mul(HEADER_BYTES_MAX as u64))
    }

    /// Is there room for this event, if it comes into quarantine?
    #[must_use]
    pub fn has_room_for(&self, header: &Header) -> bool {
        self.room.has(&header.author, cost(header))
    }

    /// Would this event, which is not here, come into quarantine, unless something needs it? Where
    /// it names what is not here that is not known yet.
    #[must_use]
    pub fn is_doubtful(&self, header: &Header) -> bool {
        if header.lane == Lane::Control {
            return false;
        }
        let all = self.control.all();
        let author = &header.author;
        if self.control.role(author, &all) >= Some(Role::Runner)
            && self.control.revocations_of(author, &all).is_empty()
        {
            return false;
        }
        let Ok(mut heard) = self.control.set_of(&header.heard) else { return false };
        for no in header.before().filter_map(|id| self.content.number(id)) {
            heard = self.control.union(&self.content.heard_set(no), &heard);
        }
        let standing = self.control.standing(author, &heard, Role::Runner, &all);
        !standing.claims.iter().any(|claim| claim.within.is_empty())
    }

    /// The ends of what is in quarantine here.
    #[must_use]
    pub fn apart_tips(&self) -> Vec<Tip> {
        let tips = self.room.bytes.keys().flat_map(|device| self.content.tips_of(device));
        let tip = |id: EventId| {
            let no = self.content.number(&id)?;
            let header = self.header(&id).filter(|_| !self.content.is_admitted(no))?;
            Some(Tip { chain: header.chain(), seq: header.seq, id })
        };
        tips.filter_map(tip).collect()
    }
}
