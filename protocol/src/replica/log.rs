//! The log: every event that is here with what became of it, and between them what this device
//! saw others do (`SPEC: DUR-4`).

use crate::command::{Failure, FailureKind, LogPage, LogRow, Reply};
use crate::id::{DeviceId, EventId};
use crate::limits::{LOAD_SLICE_EVENTS, NOTICE_BYTES_MAX};
use crate::notice::{Notice, NoticeKind};
use crate::replica::Replica;
use crate::store::Record;
use crate::time::{Stamp, is_ahead};

impl Replica {
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

    fn log_row(&self, id: &EventId) -> Option<LogRow> {
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
            verdict: Some(verdict),
            reason,
            times: None,
        })
    }
}

fn notice_row(notice: &Notice) -> LogRow {
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
        verdict: None,
        reason: Some(notice.reason.clone()),
        times: Some(notice.times),
    }
}
