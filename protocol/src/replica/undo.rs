//! Taking back what an event did, by an event: edits by what was there before, a grant by a
//! revocation, a revocation by a new grant. `SPEC: UNDO-1`

use std::collections::BTreeSet;

use crate::command::{Edited, Failure, FailureKind, LaterOrder, NotUndone, Reply, RequestId};
use crate::command::{TakenBack, Undone, UndonePlace};
use crate::content::{About, DocumentChange};
use crate::control::ControlBody;
use crate::document::{BuiltOn, DocumentTask, EditFault, LocalChange, Reversal, Taken};
use crate::event::Verified;
use crate::id::{ChangeHash, DeviceId, DocumentId, EventId};
use crate::limits::UNDO_PASSED_MAX;
use crate::replica::Replica;
use crate::replica::commands::no_history;
use crate::replica::documents::{Pending, Purpose, author_failure};
use crate::replica::work::Work;
use crate::role::Role;
use crate::workspace::{AuthorFault, NewMember, UNDO_REASON, Undoable};

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
    /// How many were passed over before it.
    pub(super) passed: usize,
    /// A person did one of those: it fell, or cannot be taken back.
    pub(super) left: bool,
    /// The last of those that did not fall: it cannot be put back, or shows what was there before.
    pub(super) over: Option<EventId>,
}

impl Replica {
    pub(super) fn start_undo(&mut self, request: RequestId, begin: Option<String>, force: bool) {
        let is_last = begin.is_none();
        let event = match begin {
            Some(begin) => self.find_event(&begin),
            None => match self.workspace.last_undoable(&self.key.device(), None) {
                Some(event) => Ok(event),
                None => return self.nothing_left(request, false),
            },
        };
        match event {
            Ok(event) => self.take_back(Undo {
                request,
                event,
                force,
                is_last,
                passed: 0,
                left: false,
                over: None,
            }),
            Err(failure) => self.reply(request, Reply::Failed(failure)),
        }
    }

    /// The last event was not named, and cannot be taken back: the one before it is looked at.
    fn pass_over(&mut self, undo: Undo) {
        if undo.passed >= UNDO_PASSED_MAX {
            let reason = format!("{UNDO_PASSED_MAX} later ones were passed over already");
            return self.refuse_undo(undo, reason);
        }
        match self.workspace.last_undoable(&self.key.device(), Some(&undo.event)) {
            Some(event) => self.take_back(Undo { event, passed: undo.passed + 1, ..undo }),
            None => self.nothing_left(undo.request, undo.left),
        }
    }

    fn nothing_left(&mut self, request: RequestId, left: bool) {
        let reason = if left {
            "nothing is left that can be taken back"
        } else if self.workspace.was_undone(&self.key.device()) {
            "all that this device did and an undo takes back is taken back already"
        } else {
            "this device did nothing that can be taken back"
        };
        let (refused, reason) = (None, reason.to_owned());
        self.reply(request, Reply::NotUndone(NotUndone::because(refused, reason)));
    }

    fn take_back(&mut self, undo: Undo) {
        // Once more it would be taken back by a second undo, beside the first that still counts.
        // What others say to have taken back refuses nothing: it may show still what it wrote.
        if !undo.force && self.took_back(&undo.event) {
            return self.is_back_already(undo);
        }
        let done = match self.workspace.undoable(&undo.event) {
            Ok(Undoable::Change(changes)) => match self.may_write() {
                Ok(()) => {
                    let work = Work::Undo { changes, force: undo.force };
                    return self.work(Purpose::Undo(undo), work);
                }
                Err(failure) => Err(failure),
            },
            Ok(Undoable::Grant(device)) => {
                let what = TakenBack::Grant { device, own: device == self.key.device() };
                self.revoke(device, UNDO_REASON).map(|event| (event, what))
            }
            // Who was put out, as a lost device is, is let in by no accident: it is named.
            Ok(Undoable::Revoke(member)) if undo.is_last => {
                return self.name_revocation(undo, &member.device);
            }
            Ok(Undoable::Revoke(member)) => {
                let what = TakenBack::Revoke { device: member.device, role: member.role };
                self.grant_again(*member).map(|event| (event, what))
            }
            Err(reason) => return self.refuse_undo(undo, reason),
        };
        let reply = match done {
            Ok((event, what)) => Reply::Undone(Undone {
                event,
                undoes: undo.event,
                what: Some(what),
                reopened: false,
                also: Vec::new(),
                passed: undo.over,
                later: self.later_order(&undo),
            }),
            Err(failure) => Reply::Failed(failure),
        };
        self.reply(undo.request, reply);
    }

    pub(super) fn may_write(&self) -> Result<(), Failure> {
        let control = self.workspace.control();
        let role = control.role(&self.key.device(), &control.all());
        if role < Some(Role::Member) {
            return Err(author_failure(&AuthorFault::Role(role)));
        }
        self.workspace.held_document().ok_or_else(no_history).map(drop)
    }

    /// What people are told of an event that changed documents, and was taken back by these.
    pub(super) fn edit_taken_back(
        &self,
        undo: Undo,
        event: EventId,
        changes: &[(DocumentId, LocalChange)],
    ) -> Undone {
        let root = self.workspace.root_document();
        let places = changes.iter().flat_map(|(document, change)| {
            let document = Some(*document).filter(|id| Some(*id) != root);
            change.places.iter().map(move |path| UndonePlace { document, path: path.clone() })
        });
        let kind = (self.workspace.is_undo(&undo.event), self.workspace.merges(&undo.event));
        let what = TakenBack::edit(kind, places.collect());
        let (undoes, reopened, also) = (undo.event, false, Vec::new());
        let (what, passed, later) = (Some(what), undo.over, self.later_order(&undo));
        Undone { event, undoes, what, reopened, also, passed, later }
    }

    /// What was not meant, where no event was named.
    fn later_order(&self, undo: &Undo) -> Option<LaterOrder> {
        let later = self.workspace.later_order(&self.key.device(), &undo.event);
        let later = later.filter(|_| undo.is_last);
        later.map(|(event, how)| LaterOrder { event, how })
    }

    /// The event that takes back is written, or was not to be.
    pub(super) fn on_undone(&mut self, undo: Undo, reply: Reply) {
        let reply = match reply {
            Reply::Edited(Edited { event: None, .. }) if undo.is_last => {
                let over = undo.over.or(Some(undo.event));
                return self.pass_over(Undo { left: true, over, ..undo });
            }
            Reply::Edited(Edited { event: None, .. }) => {
                let reason = "what it changed shows already what was there before";
                return self.refuse_undo(undo, reason.to_owned());
            }
            other => other,
        };
        self.reply(undo.request, reply);
    }

    /// The documents made no change that takes back.
    pub(super) fn not_undone(&mut self, undo: Undo, fault: EditFault) {
        match &fault {
            EditFault::Reopens(values) => self.reopen(undo, *values),
            EditFault::Kept(_) if undo.is_last => self.pass_over(undo),
            EditFault::NotRestorable(_) | EditFault::NotHeld(_) if undo.is_last => {
                let over = undo.over.or(Some(undo.event));
                self.pass_over(Undo { left: true, over, ..undo });
            }
            EditFault::BuiltOn(built) => self.built_on(undo, built),
            EditFault::Closes(_) => {
                let force = Some(format!("kern undo {} --force", undo.event.short()));
                let (refused, reason) = (Some(undo.event), fault.to_string());
                let not_undone = NotUndone { force, ..NotUndone::because(refused, reason) };
                self.reply(undo.request, Reply::NotUndone(not_undone));
            }
            _ => self.refuse_undo(undo, fault.to_string()),
        }
    }

    /// What an undo overwrote fell with what that took back. An undo of an undo puts things back,
    /// and so does one of a resolution: who wants to go on from there has to say so.
    fn built_on(&mut self, undo: Undo, built: &BuiltOn) {
        let by = |taken: &Taken| taken.by.as_ref().and_then(|by| self.carrier_of(by));
        let writers: Vec<_> = built.taken.iter().map(|taken| (&taken.path, by(taken))).collect();
        let fell =
            |by: &Option<EventId>| by.is_some_and(|by| self.workspace.fell_with(&undo.event, &by));
        // Where it fell at one place of several, and stands at another, it did not fall.
        if undo.is_last && !built.shows && writers.iter().all(|(_, by)| fell(by)) {
            return self.pass_over(Undo { left: true, ..undo });
        }
        if self.workspace.taken_back_by(&undo.event).is_some() {
            return self.is_back_already(undo);
        }
        let other = writers.iter().find(|(_, by)| !fell(by)).or_else(|| writers.first());
        let (path, by) = other.map_or(("", None), |(path, by)| (path.as_str(), *by));
        let reason = match by {
            Some(event) if self.workspace.is_past_of(&undo.event, &event) => {
                let author = self.workspace.header(&event).map(|header| header.author);
                let what = match (self.workspace.is_undo(&event), author == Some(self.key.device()))
                {
                    (false, _) => "event",
                    (true, true) => "this device's own undo",
                    (true, false) => "the undo",
                };
                format!("{path:?} was changed since: {what} {} builds on it", event.short())
            }
            Some(event) => {
                let event = event.short();
                format!("{path:?} was changed apart from it: event {event} does not know it")
            }
            None => format!("{path:?} was changed since"),
        };
        let reason = match undo.over {
            Some(over) => format!("{reason}; {} after it left nothing to put back", over.short()),
            None => reason,
        };
        let force = Some(format!("kern undo {} --force", undo.event.short()));
        let refused = NotUndone::because(Some(undo.event), reason);
        let not_undone = NotUndone { by, force, ..refused };
        self.reply(undo.request, Reply::NotUndone(not_undone));
    }

    /// Did this device take it back itself?
    fn took_back(&self, event: &EventId) -> bool {
        let is_own = |undo: &EventId| {
            self.workspace.header(undo).is_some_and(|header| header.author == self.key.device())
        };
        self.workspace.undos_of(event).iter().any(is_own)
    }

    /// It is taken back: by one, which brings back what it did once that is taken back, or by
    /// several, of which each put one side of a conflict again.
    fn is_back_already(&mut self, undo: Undo) {
        let by = self.workspace.undos_of(&undo.event);
        let not_undone = match by[..] {
            [by] => {
                let reason = format!("it is taken back already, by event {}", by.short());
                let refused = NotUndone::because(Some(undo.event), reason);
                NotUndone { by: Some(by), ..refused }
            }
            _ => {
                let ids: Vec<_> = by.iter().map(EventId::short).collect();
                let ids = ids.join(" and ");
                let reason = format!("it is taken back already, by events {ids}");
                // By one device it takes several where it decided a conflict.
                let author = |id: &EventId| self.workspace.header(id).map(|header| header.author);
                let authors: BTreeSet<_> = by.iter().filter_map(author).collect();
                let again = (authors.len() < by.len()).then(|| "kern conflicts".to_owned());
                NotUndone { again, ..NotUndone::because(Some(undo.event), reason) }
            }
        };
        self.reply(undo.request, Reply::NotUndone(not_undone));
    }

    fn carrier_of(&self, change: &ChangeHash) -> Option<EventId> {
        self.workspace.documents().find_map(|document| self.workspace.carrier(&document, change))
    }

    /// What was resolved is open again by as many changes as it had values. None of them knows the
    /// others, so each has an actor of its own. `SPEC: UNDO-2, PRJ-2`
    fn reopen(&mut self, undo: Undo, values: usize) {
        let changes = match self.workspace.undoable(&undo.event) {
            Ok(Undoable::Change(changes)) => changes,
            Ok(_) => return self.refuse_undo(undo, "it changed no document".to_owned()),
            Err(reason) => return self.refuse_undo(undo, reason),
        };
        let Some(root) = self.workspace.held_document() else {
            return self.reply(undo.request, Reply::Failed(no_history()));
        };
        let (hand, actors) = (self.hand(), values as u64);
        let reversal = |(document, change): (DocumentId, ChangeHash)| {
            let joined = self.workspace.joined(&document, &change);
            (document, Reversal { change, joined, by_one: true })
        };
        let changes = changes.into_iter().map(reversal).collect();
        let may = self.may_undo(undo.force);
        let task = DocumentTask::Reopen { root, hand, changes, may };
        self.use_actors(actors);
        let first = hand.generation;
        self.ask(Pending::Reopen { undo, first, actors }, task);
    }

    pub(super) fn on_reopened(
        &mut self,
        undo: Undo,
        (first, actors): (u64, u64),
        changes: Result<Vec<Vec<(DocumentId, LocalChange)>>, EditFault>,
    ) {
        let changes = match changes {
            Ok(changes) => changes,
            Err(fault) => return self.refuse_undo(undo, fault.to_string()),
        };
        // All of them put something at the same places.
        let first_made = changes.first().cloned().unwrap_or_default();
        let mut left: Vec<_> = changes.iter().rev().cloned().collect();
        // Something fell out of a document meanwhile: they may build on that.
        let is_outdated = self.generation != first.saturating_add(actors);
        let again = Failure::new(FailureKind::Busy, "the document was built anew meanwhile");
        let mut event = Err(again.with_hint("try again in a moment"));
        let mut also = Vec::new();
        for (generation, of_actor) in (first..).zip(changes).filter(|_| !is_outdated) {
            let change = |(document, change): (DocumentId, LocalChange)| DocumentChange {
                document: Some(document),
                generation,
                change: change.chunk,
            };
            let changes = of_actor.into_iter().map(change).collect();
            let written = self.write_changes(changes, About::Undo(undo.event));
            also.extend(event.ok());
            event = written.map_err(|fault| self.not_written(fault));
            if event.is_err() {
                break;
            }
            left.pop();
        }
        left.iter().for_each(|changes| self.drop_changes(changes));
        let reply = match event {
            Ok(event) => {
                let undone = self.edit_taken_back(undo, event, &first_made);
                // By one alone nothing is open again: a conflict that a merge brought is gone.
                Reply::Undone(Undone { reopened: actors > 1, also, ..undone })
            }
            // What was written stays, and is told.
            Err(failure) if !also.is_empty() => {
                let ids: Vec<_> = also.iter().map(EventId::short).collect();
                let hint = format!(
                    "it is taken back in part, by {}; kern conflicts shows what is open",
                    ids.join(", ")
                );
                Reply::Failed(failure.with_hint(hint))
            }
            Err(failure) => Reply::Failed(failure),
        };
        self.reply(undo.request, reply);
    }

    fn refuse_undo(&mut self, undo: Undo, reason: String) {
        let refused = NotUndone::because(Some(undo.event), reason);
        self.reply(undo.request, Reply::NotUndone(refused));
    }

    /// The last event is a revocation, which is taken back by its name alone. `SPEC: UNDO-4`
    fn name_revocation(&mut self, undo: Undo, device: &DeviceId) {
        let reason = format!("it revoked {}, which would be a member again", device.short());
        let force = Some(format!("kern undo {}", undo.event.short()));
        let refused = NotUndone::because(Some(undo.event), reason);
        let not_undone = NotUndone { force, device: Some(*device), ..refused };
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
