//! Taking back what an event did, by an event: edits by what was there before, a grant by a
//! revocation, a revocation by a new grant. `SPEC: UNDO-1`

use std::collections::BTreeSet;

use crate::command::{Failure, FailureKind, NotUndone, Reply, RequestId, Undone};
use crate::content::DocumentChange;
use crate::control::ControlBody;
use crate::document::{DocumentTask, Edit, EditFault, LocalChange};
use crate::event::Verified;
use crate::id::{DocumentId, EventId};
use crate::replica::Replica;
use crate::replica::commands::no_history;
use crate::replica::documents::{Pending, Purpose, author_failure};
use crate::role::Role;
use crate::workspace::{AuthorFault, NewMember, Undoable};

/// What a revocation says that takes a grant back.
const REASON: &str = "undo";

/// An event is being taken back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Undo {
    /// Who asked.
    pub(super) request: RequestId,
    /// Which event.
    pub(super) event: EventId,
    /// Also where something else stands there now.
    pub(super) force: bool,
    /// It was not named, only the last: one that a person did not make is passed over.
    pub(super) is_last: bool,
}

impl Replica {
    pub(super) fn start_undo(&mut self, request: RequestId, begin: Option<String>, force: bool) {
        let is_last = begin.is_none();
        let event = match begin {
            Some(begin) => self.find_event(&begin),
            None => self.last_undoable(None),
        };
        match event {
            Ok(event) => self.undo(Undo { request, event, force, is_last }),
            Err(failure) => self.reply(request, Reply::Failed(failure)),
        }
    }

    fn last_undoable(&self, before: Option<&EventId>) -> Result<EventId, Failure> {
        let last = self.workspace.last_undoable(&self.key.device(), before);
        last.ok_or_else(|| {
            Failure::new(FailureKind::Failed, "this device did nothing that can be taken back")
                .with_hint("`kern log` shows all; `kern undo EVENT` takes back what another did")
        })
    }

    fn undo(&mut self, undo: Undo) {
        let done = match self.workspace.undoable(&undo.event) {
            Ok(Undoable::Change(document, change)) => match self.begin(undo, document, change) {
                Ok(()) => return,
                Err(failure) => Err(failure),
            },
            Ok(Undoable::Grant(device)) => self.revoke(device, REASON),
            Ok(Undoable::Revoke(member)) => self.grant_again(*member),
            Err(reason) => return self.refuse_undo(undo, reason.to_owned(), None),
        };
        let reply = match done {
            Ok(event) => Reply::Undone(Undone { event, undoes: undo.event }),
            Err(failure) => Reply::Failed(failure),
        };
        self.reply(undo.request, reply);
    }

    fn begin(
        &mut self,
        undo: Undo,
        document: DocumentId,
        change: crate::id::ChangeHash,
    ) -> Result<(), Failure> {
        let control = self.workspace.control();
        let role = control.role(&self.key.device(), &control.all());
        if role < Some(Role::Member) {
            return Err(author_failure(&AuthorFault::Role(role)));
        }
        if self.workspace.held_document() != Some(document) {
            return Err(no_history());
        }
        let edits = vec![Edit::Undo { undo: change, force: undo.force }];
        self.edit(Purpose::Undo(undo), document, edits);
        Ok(())
    }

    /// The documents made the change that takes back, or did not.
    pub(super) fn on_undone(
        &mut self,
        undo: Undo,
        document: DocumentId,
        change: Result<Option<LocalChange>, EditFault>,
    ) {
        match change {
            Ok(Some(change)) => {
                let written = self.write_or_drop(document, &change, Some(undo.event));
                let reply = match written {
                    Ok(event) => Reply::Undone(Undone { event, undoes: undo.event }),
                    Err(failure) => Reply::Failed(failure),
                };
                self.reply(undo.request, reply);
            }
            Err(EditFault::Reopens(values)) => self.reopen(undo, document, values),
            Err(EditFault::Kept(_)) if undo.is_last => {
                match self.last_undoable(Some(&undo.event)) {
                    Ok(event) => self.undo(Undo { event, ..undo }),
                    Err(failure) => self.reply(undo.request, Reply::Failed(failure)),
                }
            }
            Ok(None) => {
                let reason = "what it changed shows already what was there before";
                self.refuse_undo(undo, reason.to_owned(), None);
            }
            Err(fault) => {
                let by = match &fault {
                    EditFault::BuiltOn { by: Some(by), .. } => {
                        self.workspace.carrier(&document, by)
                    }
                    _ => None,
                };
                let reason = match by {
                    Some(event) => format!("{fault}: event {} builds on it", event.short()),
                    None => fault.to_string(),
                };
                self.refuse_undo(undo, reason, by);
            }
        }
    }

    /// What was resolved is open again by as many changes as it had values. None of them knows the
    /// others, so each has an actor of its own. `SPEC: UNDO-2, PRJ-2`
    fn reopen(&mut self, undo: Undo, document: DocumentId, values: usize) {
        let Some(Undoable::Change(_, change)) = self.workspace.undoable(&undo.event).ok() else {
            return self.refuse_undo(undo, "it was taken back meanwhile".to_owned(), None);
        };
        let (device, incarnation) = (self.key.device(), self.config.incarnation);
        let (first, actors) = (self.generation, values as u64);
        let generations = first..first.saturating_add(actors);
        let actor = |generation| crate::hash::actor(&device, &incarnation, &document, generation);
        let task = DocumentTask::Reopen {
            document,
            actors: generations.map(actor).collect(),
            undo: change,
            force: undo.force,
        };
        self.use_actors(actors);
        self.ask(Pending::Reopen { undo, document, first, actors }, task);
    }

    pub(super) fn on_reopened(
        &mut self,
        undo: Undo,
        document: DocumentId,
        (first, actors): (u64, u64),
        changes: Result<Vec<LocalChange>, EditFault>,
    ) {
        let changes = match changes {
            Ok(changes) => changes,
            Err(fault) => return self.on_undone(undo, document, Err(fault)),
        };
        let mut left: BTreeSet<_> = changes.iter().map(|change| change.hash).collect();
        // Something fell out of the document meanwhile: they may build on that.
        let is_outdated = self.generation != first.saturating_add(actors);
        let mut event =
            Err(Failure::new(FailureKind::Busy, "the document was built anew meanwhile")
                .with_hint("try again in a moment"));
        for (generation, change) in (first..).zip(changes).filter(|_| !is_outdated) {
            let (hash, document) = (change.hash, Some(document));
            let change = DocumentChange { document, generation, change: change.chunk };
            event = self
                .write_changed(change, Some(undo.event))
                .map_err(|fault| self.not_written(fault));
            if event.is_err() {
                break;
            }
            left.remove(&hash);
        }
        if !left.is_empty() {
            self.drop_changes(document, left);
        }
        let reply = match event {
            Ok(event) => Reply::Undone(Undone { event, undoes: undo.event }),
            Err(failure) => Reply::Failed(failure),
        };
        self.reply(undo.request, reply);
    }

    fn refuse_undo(&mut self, undo: Undo, reason: String, by: Option<EventId>) {
        let not_undone = NotUndone { refused: undo.event, reason, by };
        self.reply(undo.request, Reply::NotUndone(not_undone));
    }

    /// A device that was revoked is let in again as what it was, under the name that it has.
    fn grant_again(&mut self, member: NewMember) -> Result<EventId, Failure> {
        let events = self.with_pen(|workspace, pen| workspace.write_grant(pen, member));
        let events = events.map_err(|fault| author_failure(&fault))?;
        let is_grant = |body: &ControlBody| matches!(body, ControlBody::Grant(_));
        let event = events.iter().find(|event| event.control().is_some_and(is_grant));
        let event = event.map(Verified::id);
        self.wrote(events);
        event.ok_or_else(|| Failure::new(FailureKind::Failed, "no grant was made"))
    }
}
