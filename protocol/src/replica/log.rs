//! The log: every event that is here with what became of it, and between them what this device
//! saw others do (`SPEC: DUR-4`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::command::{Failure, FailureKind, LogPage, LogRow, Reply, RequestId};
use crate::document::{DocumentTask, Reversal};
use crate::event::Verified;
use crate::facts::{BodyState, EventView, ID_DIGITS_MIN};
use crate::id::{ChangeHash, DeviceId, DocumentId, EventId};
use crate::limits::{
    LOAD_SLICE_EVENTS, NOTICE_BYTES_MAX, STAMP_BEFORE_MAX_US, STAMP_WITNESSES_MAX,
};
use crate::notice::{Notice, NoticeKind};
use crate::replica::apart::Of;
use crate::replica::documents::Pending;
use crate::replica::search::Searched;
use crate::replica::{LoadFor, Replica};
use crate::store::{LoadRequest, Record};
use crate::time::{Stamp, is_ahead};
use crate::workspace::Undoable;

/// What a caller asked for that is in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// What this device introduces itself with: how many of them are its past, the rest its tail.
    Introduction(usize),
    /// One event, whole.
    Event(EventId),
    /// What a branch that is kept apart is made of.
    Preview(Of),
    /// All from one place in the order on, and how many of them are one page.
    Archive(usize, usize),
    /// Which of them somebody looks for.
    Search(Box<Searched>),
}

impl Replica {
    /// The store gave the events that a caller asked for something of.
    pub(super) fn on_asked_loaded(
        &mut self,
        request: RequestId,
        asked: &Asked,
        events: Vec<Verified>,
        is_damaged: bool,
    ) {
        match asked {
            Asked::Introduction(shown) => {
                self.on_introduction_loaded(request, *shown, events, is_damaged);
            }
            Asked::Event(id) => match self.event(id, events.first()) {
                Ok(view) => self.show_event(request, id, view),
                Err(failure) => self.reply(request, Reply::Failed(failure)),
            },
            Asked::Preview(of) => self.on_branch_loaded(request, *of, &events),
            Asked::Archive(from, wanted) => {
                self.on_archive_loaded(request, (*from, *wanted), events);
            }
            Asked::Search(page) => self.on_search_loaded(request, page, &events),
        }
    }

    /// Asks the store for the one event whose id begins so.
    pub(super) fn start_event(&mut self, request: RequestId, begin: &str) {
        let place = self.find_event(begin).map(|id| {
            let position = self.workspace.position(&id);
            (id, position.and_then(|(_, position)| self.workspace.place_at(position)))
        });
        match place {
            Ok((id, place)) => {
                let places = place.into_iter().collect();
                let load = LoadFor::Asked(request, Asked::Event(id));
                self.load_next(load, LoadRequest::Events(places));
            }
            Err(failure) => self.reply(request, Reply::Failed(failure)),
        }
    }

    pub(super) fn find_event(&self, begin: &str) -> Result<EventId, Failure> {
        let fail = |kind, text: String, hint: &str| Err(Failure::new(kind, text).with_hint(hint));
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let digits = ID_DIGITS_MIN..=EventId::DIGITS;
        if !digits.contains(&begin.len()) || !begin.chars().all(is_digit) {
            let text = format!("{begin:?} begins no event's id");
            let hint = "an id has hex digits, lower case, and 4 of them say which: see `kern log`";
            return fail(FailureKind::Usage, text, hint);
        }
        match self.workspace.beginning_with(begin)[..] {
            [id] => Ok(id),
            [] => {
                let text = format!("there is no event {begin:?}");
                fail(FailureKind::Failed, text, "`kern log --json` shows all, with their ids")
            }
            _ => {
                let text = format!("several events begin with {begin:?}");
                fail(FailureKind::Usage, text, "give more of the id")
            }
        }
    }

    /// An event that the store could not give is shown without its body.
    fn event(&self, id: &EventId, event: Option<&Verified>) -> Result<EventView, Failure> {
        let (Some(row), Some(header)) = (self.log_row(id), self.workspace.header(id)) else {
            return Err(Failure::new(FailureKind::Failed, "there is no such event"));
        };
        let event = event.filter(|event| event.id() == *id);
        let missing = (BodyState::Missing, Json::Null);
        let (body, facts) = match event {
            _ if self.workspace.is_purged(id) => (BodyState::Purged, Json::Null),
            None => missing,
            Some(event) => self.workspace.read(event),
        };
        let (heard, body_bytes) = (header.heard.clone(), header.body.map(|body| body.len));
        Ok(EventView { row, heard, body, body_bytes, facts, wrote: None })
    }

    /// Of one that changed documents it is looked up there what it changed.
    fn show_event(&mut self, request: RequestId, id: &EventId, view: EventView) {
        let changes = match self.workspace.undoable(id) {
            Ok(Undoable::Change(changes)) => changes,
            _ => BTreeMap::new(),
        };
        let root = self.workspace.held_document();
        let is_held = |id: &DocumentId| Some(*id) == root || self.workspace.opened().contains(id);
        let reversal = |(document, change): (DocumentId, ChangeHash)| {
            let joined = self.workspace.joined(&document, &change);
            (document, Reversal { change, joined, by_one: true })
        };
        let held = changes.into_iter().filter(|(document, _)| is_held(document));
        let changes: BTreeMap<_, _> = held.map(reversal).collect();
        match root.filter(|_| !changes.is_empty()) {
            Some(root) => {
                let pending = Pending::Wrote(request, Box::new(view));
                self.ask(pending, DocumentTask::Wrote { root, changes });
            }
            None => self.reply(request, Reply::Event(Box::new(view))),
        }
    }

    /// Notes what a device did, durable with the turn.
    pub(super) fn note(&mut self, kind: NoticeKind, device: DeviceId, reason: &str) {
        let at = (Stamp(self.now.wall_us), self.workspace.len() as u64);
        let kept = self.notices.note(kind, device, reason, at);
        self.persist.extend(kept.map(Record::Notice));
    }

    /// Notes what the node saw.
    pub(super) fn on_notice(&mut self, kind: NoticeKind, device: DeviceId, reason: &str) -> Reply {
        if reason.len() > NOTICE_BYTES_MAX {
            let failure = Failure::new(FailureKind::Usage, "the reason is too long");
            let hint = format!("use at most {NOTICE_BYTES_MAX} bytes");
            return Reply::Failed(failure.with_hint(hint));
        }
        self.note(kind, device, reason);
        Reply::Noted
    }

    pub(super) fn log(&self, from: usize, limit: usize) -> Reply {
        let limit = limit.clamp(1, LOAD_SLICE_EVENTS);
        let to = from.saturating_add(limit);
        let next = (to < self.workspace.len()).then_some(to);
        let mut notices = self.notices.between(from, next).into_iter().peekable();
        let mut rows = Vec::new();
        for (place, id) in (from..to).zip(self.workspace.order(from)) {
            let before = |notice: &&Notice| notice.after <= place as u64;
            while let Some(notice) = notices.next_if(before) {
                rows.push(notice_row(notice));
            }
            rows.extend(self.log_row(id));
        }
        rows.extend(notices.map(notice_row));
        Reply::Log(LogPage { rows, next })
    }

    /// Does a stamp say that its author's clock was wrong: that it was written long before the
    /// workspace was made, or far ahead of now? Shown, never decides. `SPEC: CFL-17`
    pub(super) fn is_wrong(&self, stamp: Stamp) -> bool {
        is_ahead(self.now, stamp) || self.is_before_genesis(stamp)
    }

    /// A genesis whose own clock was ahead says nothing of the others: where two other devices or
    /// more wrote among what came first, and all of it is that early, it is the genesis' that was
    /// wrong. Of two devices alone nobody knows which.
    fn is_before_genesis(&self, stamp: Stamp) -> bool {
        let first = self.workspace.order(0).take(STAMP_WITNESSES_MAX);
        let mut first = first.filter_map(|id| self.workspace.header(id));
        let Some(genesis) = first.next() else { return false };
        let is_before =
            |stamp: Stamp| stamp.0.saturating_add(STAMP_BEFORE_MAX_US) < genesis.stamp.0;
        if !is_before(stamp) {
            return false;
        }
        let mut devices = BTreeSet::new();
        let mut others = first.filter(|header| header.author != genesis.author);
        let all_are = others.all(|header| {
            devices.insert(header.author);
            is_before(header.stamp)
        });
        !all_are || devices.len() < 2
    }

    pub(super) fn log_row(&self, id: &EventId) -> Option<LogRow> {
        let header = self.workspace.header(id)?;
        let (verdict, reason) = self.workspace.verdict(id)?;
        Some(LogRow {
            id: Some(*id),
            author: header.author,
            incarnation: Some(header.incarnation),
            seq: Some(header.seq),
            lane: Some(header.lane),
            kind: self.workspace.kind(id)?,
            parents: header.before().copied().collect(),
            stamp: header.stamp,
            stamp_ahead: is_ahead(self.now, header.stamp),
            clock_wrong: self.is_wrong(header.stamp),
            verdict: Some(verdict),
            reason,
            times: None,
        })
    }
}

pub(super) fn notice_row(notice: &Notice) -> LogRow {
    LogRow {
        id: None,
        author: notice.device,
        incarnation: None,
        seq: None,
        lane: None,
        kind: "notice".to_owned(),
        parents: Vec::new(),
        stamp: notice.stamp,
        stamp_ahead: false,
        clock_wrong: false,
        verdict: None,
        reason: Some(notice.reason.clone()),
        times: Some(notice.times),
    }
}
