//! Looks into the past: which events had been written then, and what documents showed by that.
//! `SPEC: PAST-1, PAST-2, PAST-3`

use std::collections::BTreeMap;

use crate::command::{
    At, Command, Failure, FailureKind, HistoryPage, HistoryRow, PastCommand, PastRead, PastReply,
    Reply, RequestId,
};
use crate::document::past::{History, PastDone, PastTask, Stood};
use crate::document::{DocPath, DocumentDone, DocumentTask, EditFault};
use crate::id::{ChangeHash, DocumentId, EventId};
use crate::replica::Replica;
use crate::replica::documents::{Pending, edit_failure};
use crate::time::Stamp;
use crate::workspace::Written;

/// A moment, and what had been written by then.
struct Moment {
    after: Option<EventId>,
    until: Option<Stamp>,
    written: Written,
}

impl Replica {
    pub(super) fn start_past(&mut self, request: RequestId, asked: PastCommand) {
        let task = match &asked {
            PastCommand::Search(search) => return self.start_search(request, search.clone()),
            PastCommand::Read { path, at } => {
                self.moment(at).map(|moment| self.task_at(path, &moment))
            }
            PastCommand::History { path, limit } => {
                let undone = self.workspace.changes_undone();
                Ok(PastTask::History { path: path.clone(), limit: *limit, undone })
            }
        };
        let root = self.workspace.held_document().ok_or_else(|| self.unreadable());
        match (root, task) {
            (Ok(root), Ok(task)) => {
                let pending = Pending::Past(request, Box::new(asked));
                self.ask(pending, DocumentTask::Past { root, task });
            }
            (Err(failure), _) | (_, Err(failure)) => self.reply(request, Reply::Failed(failure)),
        }
    }

    fn moment(&self, at: &At) -> Result<Moment, Failure> {
        match at {
            At::Time(until) => {
                // Of what is to come nothing is here, whatever the stamps say of what is.
                let then = if self.is_to_come(*until) { Stamp(u64::MAX) } else { *until };
                let written = self.workspace.written_until(self.now, then);
                Ok(Moment { after: None, until: Some(*until), written })
            }
            At::Event(begin) => {
                let after = self.find_event(begin)?;
                let written = self.workspace.written_at(&after);
                let written = written
                    .ok_or_else(|| says_nothing("an event of the content lane, or a time"))?;
                Ok(Moment { after: Some(after), until: None, written })
            }
        }
    }

    /// Is it ahead of this device's clock?
    fn is_to_come(&self, until: Stamp) -> bool {
        until.0 > self.now.wall_us
    }

    /// The documents that are held, as they were; another one is opened when a path leads there.
    fn task_at(&self, path: &DocPath, moment: &Moment) -> PastTask {
        let held = self.workspace.opened().iter().copied().chain(self.workspace.root_document());
        let heads = held.map(|id| (id, self.workspace.heads_at(&id, &moment.written)));
        PastTask::Read { path: path.clone(), heads: heads.collect::<BTreeMap<_, _>>() }
    }

    pub(super) fn on_past(&mut self, request: RequestId, asked: PastCommand, done: DocumentDone) {
        let reply = match (done, asked) {
            (DocumentDone::Closed(documents), asked) => {
                let path = match &asked {
                    PastCommand::Read { path, .. } | PastCommand::History { path, .. } => path,
                    PastCommand::Search(_) => &DocPath::default(),
                };
                let absent = edit_failure(&EditFault::Absent(path.to_string()));
                return self.open_for(request, Command::Past(asked), &documents, absent);
            }
            (DocumentDone::Past(Ok(PastDone::Read(document, value))), asked) => {
                self.touch(document);
                self.past_read(&document, value, asked)
            }
            (
                DocumentDone::Past(Ok(PastDone::History(document, history))),
                PastCommand::History { path, .. },
            ) => {
                self.touch(document);
                Reply::Past(Box::new(PastReply::History(self.history(&document, path, history))))
            }
            (DocumentDone::Past(Err(fault)), PastCommand::Read { .. }) => {
                let mut failure = edit_failure(&fault);
                if let EditFault::Absent(path) = &fault {
                    failure.message = format!("there was nothing at {path:?} then");
                }
                Reply::Failed(
                    failure.with_hint("`kern doc history PATH` shows what ever stood there"),
                )
            }
            (DocumentDone::Past(Err(fault)), _) => Reply::Failed(edit_failure(&fault)),
            (done, asked) => {
                self.damaged(format!("the documents answered {done:?} to {asked:?}"));
                let text = "the documents answered wrongly";
                Reply::Failed(Failure::new(FailureKind::Failed, text))
            }
        };
        self.reply(request, reply);
    }

    fn past_read(
        &self,
        document: &DocumentId,
        value: crate::document::ReadValue,
        asked: PastCommand,
    ) -> Reply {
        let PastCommand::Read { path, at } = asked else {
            return Reply::Failed(Failure::new(FailureKind::Failed, "nothing was to be read"));
        };
        match (self.read_reply(document, path, Ok(value)), self.moment(&at)) {
            (Reply::Read(read), Ok(Moment { after, until, written })) => {
                let events = written.events();
                let ahead = until.is_some_and(|until| self.is_to_come(until));
                let without = after.is_some_and(|after| !self.workspace.has_effect(&after));
                let read = PastRead { read, after, until, ahead, without, events };
                Reply::Past(Box::new(PastReply::Read(read)))
            }
            (_, Err(failure)) => Reply::Failed(failure),
            (other, _) => other,
        }
    }

    fn history(&self, document: &DocumentId, path: DocPath, history: History) -> HistoryPage {
        let carrier = |change: ChangeHash| self.workspace.carrier(document, &change);
        let row = |stood: Stood| {
            let event = carrier(stood.change);
            let header = event.and_then(|event| self.workspace.header(&event));
            HistoryRow {
                removed: stood.value.is_none(),
                value: stood.value.unwrap_or_default(),
                event,
                device: header.map(|header| header.author),
                time: header.map(|header| header.stamp),
                clock_wrong: header.is_some_and(|header| self.is_wrong(header.stamp)),
                current: stood.current,
                part: stood.part,
                lost_to: stood.lost_to.and_then(carrier),
                follows: stood.follows,
            }
        };
        let rows = history.values.into_iter().map(row).collect();
        HistoryPage { path, rows, older: history.older }
    }
}

/// No event of the control lane is a state of a document.
pub(super) fn says_nothing(hint: &str) -> Failure {
    let text = "it is of the control lane: who writes it says nothing of documents";
    Failure::new(FailureKind::Failed, text).with_hint(format!("name {hint}: see `kern log`"))
}
