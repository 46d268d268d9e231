//! What is kept apart, and the decisions about it: strikes, readmissions of events, the list of
//! branches and the preview of one; and purges.

use std::collections::BTreeSet;

use crate::command::{Apart, BranchPreview, Command, Failure, FailureKind, Reply, RequestId};
use crate::control::ControlBody;
use crate::document::preview::Preview;
use crate::document::{DocumentTask, EditFault};
use crate::event::{Run, Verified};
use crate::id::{DocumentId, EventId, Lane};
use crate::limits::{CONTROL_TEXT_MAX, PURGE_EVENTS_MAX};
use crate::replica::documents::{Pending, author_failure, edit_failure};
use crate::replica::log::Asked;
use crate::replica::rescue::check_texts;
use crate::replica::{LoadFor, Replica};
use crate::store::LoadRequest;
use crate::workspace::AuthorFault;

/// What a preview is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Of {
    pub(super) tip: EventId,
    /// How many events it is of, and how many of them are shown.
    pub(super) events: usize,
    pub(super) shown: usize,
    pub(super) unread: usize,
    /// Did a fork leave it out?
    pub(super) left_out: bool,
}

impl Replica {
    /// Is what of a run is not here too much of its author to be kept? What would come into
    /// quarantine is, where there is no room, unless a cut or a readmission names it, or an event
    /// that counts needs it. `SPEC: SYNC-12`
    pub(super) fn is_too_much(&mut self, run: &Run) -> bool {
        if run.events().iter().any(|event| event.header().lane == Lane::Control) {
            return false;
        }
        self.workspace.settle();
        let workspace = &self.workspace;
        let mut new = run.events().iter().filter(|event| !workspace.contains(&event.id()));
        let is_doubtful = |event: &Verified| {
            workspace.is_doubtful(event.header()) && !workspace.has_room_for(event.header())
        };
        if new.clone().next().is_none() || !new.clone().all(is_doubtful) {
            return false;
        }
        let named = workspace.named_missing();
        let is_needed = |waits: &Verified| {
            named.contains(&waits.id()) || !workspace.is_doubtful(waits.header())
        };
        !new.any(|event| named.contains(&event.id()) || self.held.needs(&event.id(), is_needed))
    }

    pub(super) fn perform_apart(&mut self, request: RequestId, command: Command) {
        let reply = match command {
            Command::Strike { begin, reason } => self.strike(&begin, &reason),
            Command::ReadmitEvent { begin, reason } => self.readmit_event(&begin, &reason),
            Command::Purge { begin } => self.purge(&begin),
            Command::Preview { begin } => match self.start_preview(request, &begin) {
                Ok(()) => return,
                Err(failure) => Err(failure),
            },
            _ => {
                self.workspace.settle();
                Ok(Reply::Quarantine(self.workspace.quarantine()))
            }
        };
        self.reply(request, reply.unwrap_or_else(Reply::Failed));
    }

    /// Why a command that writes may not run now. `SPEC: CTL-11`
    pub(super) fn refusal(&self, command: &Command) -> Option<Failure> {
        let writes = command.writes() && !matches!(command, Command::ImportEvents { .. });
        let format = self.workspace.newer_format().filter(|_| writes)?;
        Some(author_failure(&AuthorFault::NewerFormat(format)))
    }

    /// Takes the effect of an event. `SPEC: CTL-10`
    fn strike(&mut self, begin: &str, reason: &str) -> Result<Reply, Failure> {
        check_texts(&[(reason, CONTROL_TEXT_MAX)])?;
        let id = self.find_event(begin)?;
        self.workspace.settle();
        if self.workspace.is_struck(&id) {
            return Err(Failure::new(FailureKind::Failed, "it is struck already")
                .with_hint(format!("`kern readmit --event {}` brings it back", id.short())));
        }
        let before = self.workspace.count_apart();
        let events = self.with_pen(|workspace, pen| workspace.write_strike(pen, &id, reason));
        let is_strike = |body: &ControlBody| matches!(body, ControlBody::Strike(_));
        let event = self.decided(events, is_strike)?;
        let events = self.workspace.count_apart().saturating_sub(before);
        Ok(Reply::Struck { event, events })
    }

    /// Destroys bodies. With the turn they are gone from this device's store. `SPEC: EFF-12`
    fn purge(&mut self, begin: &[String]) -> Result<Reply, Failure> {
        let mut purged = Vec::with_capacity(begin.len().min(PURGE_EVENTS_MAX));
        for begin in begin {
            let id = self.find_event(begin)?;
            self.workspace.settle();
            if self.workspace.is_purged(&id) {
                let message = format!("{}: its body is purged already", id.short());
                return Err(Failure::new(FailureKind::Failed, message)
                    .with_hint("`kern log` says by whom, and when"));
            }
            purged.push(id);
        }
        purged.sort_unstable();
        purged.dedup();
        let events = self.with_pen(|workspace, pen| workspace.write_purge(pen, &purged));
        let events = events.map_err(|fault| author_failure(&fault))?;
        let event = events.last().map(Verified::id);
        self.wrote(events);
        let event = event.ok_or_else(|| Failure::new(FailureKind::Failed, "no purge was made"))?;
        Ok(Reply::Purged { event, purged })
    }

    /// Brings an event back that is struck, or the chain up to it where revocations left it out.
    /// `SPEC: CTL-8, EFF-8`
    fn readmit_event(&mut self, begin: &str, reason: &str) -> Result<Reply, Failure> {
        check_texts(&[(reason, CONTROL_TEXT_MAX)])?;
        let id = self.find_event(begin)?;
        self.workspace.settle();
        let before = self.workspace.count_apart();
        let events =
            self.with_pen(|workspace, pen| workspace.write_readmit_event(pen, &id, reason));
        let is_readmit = |body: &ControlBody| matches!(body, ControlBody::Readmit(_));
        let event = self.decided(events, is_readmit)?;
        let events = before.saturating_sub(self.workspace.count_apart());
        Ok(Reply::Readmitted { event, events, others: Vec::new() })
    }

    /// Sends what was decided to everybody; gives the decision.
    fn decided(
        &mut self,
        events: Result<Vec<Verified>, AuthorFault>,
        is_it: impl Fn(&ControlBody) -> bool,
    ) -> Result<EventId, Failure> {
        let events = events.map_err(|fault| author_failure(&fault))?;
        let event = events.iter().find(|event| event.control().is_some_and(&is_it));
        let event = event.map(Verified::id);
        self.wrote(events);
        self.tell_decided();
        event.ok_or_else(|| Failure::new(FailureKind::Failed, "nothing was made"))
    }

    /// The documents hear of an own decision before who made it asks them: what it brings back
    /// comes from the store first, and a read or edit behind it waits for that. `SPEC: DUR-10`
    pub(super) fn tell_decided(&mut self) {
        self.workspace.settle();
        self.workspace.bring_back();
        self.tell_now();
    }

    /// Asks the store for the events of a branch.
    fn start_preview(&mut self, request: RequestId, begin: &str) -> Result<(), Failure> {
        let tip = self.find_event(begin)?;
        self.workspace.settle();
        let branch = self.workspace.branch(&tip).ok_or_else(|| {
            Failure::new(FailureKind::Failed, "this event is not kept apart")
                .with_hint("`kern quarantine list` shows what is")
        })?;
        let (events, shown) = (branch.events, branch.places.len());
        let left_out = branch.why == Apart::Forked;
        let asked = Asked::Preview(Of { tip, events, shown, unread: 0, left_out });
        self.load_next(LoadFor::Asked(request, asked), LoadRequest::Events(branch.places));
        Ok(())
    }

    /// The store gave the events of a branch: the documents show what they would set.
    pub(super) fn on_branch_loaded(&mut self, request: RequestId, of: Of, events: &[Verified]) {
        let (changes, unread) = self.workspace.changes_of(events);
        let is_closed =
            |id: &DocumentId| self.workspace.has_document(id) && !self.workspace.is_open(id);
        let closed = changes.iter().map(|(document, _)| *document).filter(is_closed);
        let closed: BTreeSet<_> = closed.collect();
        if !closed.is_empty() {
            let command = Command::Preview { begin: of.tip.to_string() };
            let absent = self.unreadable();
            return self.open_for(request, command, &closed, absent);
        }
        // What the store could not give cannot be read either.
        let unread = unread + of.shown.saturating_sub(events.len());
        let pending = Pending::Preview(request, Of { unread, ..of });
        self.ask(pending, DocumentTask::Preview { changes });
    }

    pub(super) fn preview_reply(of: Of, preview: Result<Preview, EditFault>) -> Reply {
        match preview {
            Ok(Preview { rows, more, .. }) => Reply::Preview(BranchPreview {
                tip: of.tip,
                events: of.events,
                shown: of.shown,
                unread: of.unread,
                changes: rows,
                more,
                left_out: of.left_out,
            }),
            Err(fault) => Reply::Failed(edit_failure(&fault)),
        }
    }
}
