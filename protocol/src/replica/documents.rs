//! The Replica's side of the documents: what it asked, and what it makes of the answers.
//!
//! One edit is made at a time, so that an event names exactly what its change builds on. A change
//! that became no event is taken out of the document again, and its actor is not used any more.

use std::collections::BTreeSet;

use crate::command::{
    ConflictPage, ConflictRow, Edited, Failure, FailureKind, ReadReply, Reply, RequestId, SideRow,
};
use crate::content::DocumentChange;
use crate::document::conflict::{Conflict, ConflictList, Side};
use crate::document::{
    DocPath, DocumentDone, DocumentTask, Edit, EditFault, LocalChange, ReadValue,
};
use crate::id::{ChangeHash, DocumentId, EventId};
use crate::limits::EDITS_UNDER_WAY_MAX;
use crate::replica::apart::Of;
use crate::replica::undo::Undo;
use crate::replica::{GENERATION, Output, Replica};
use crate::store::Record;
use crate::workspace::{AuthorFault, NewMember};

/// A task that the documents have not answered yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pending {
    /// What is admitted goes in, or out.
    Projection,
    /// A caller reads.
    Read(RequestId, DocPath),
    /// A caller asks where it stands, which is how many conflicts there are too.
    Status(RequestId),
    /// A caller asks for conflicts.
    Conflicts(RequestId),
    /// A glance is taken: how many conflicts are open.
    GlanceCount(Option<RequestId>),
    /// The same: all that is shown, with so many conflicts, of so many events.
    Glance(Option<RequestId>, usize, usize),
    /// A caller wants to see what a branch would set.
    Preview(RequestId, Of),
    /// A caller wants a part of the document as a file.
    Save(RequestId, DocumentId),
    /// A caller grants a role, and the names of the devices are looked at first.
    Grant { request: RequestId, member: Box<NewMember>, name: String, uses: Option<u32> },
    /// A resolution is taken back, by actors from this generation on.
    Reopen { undo: Undo, document: DocumentId, first: u64, actors: u64 },
    /// An edit. Something fell out of the document since where `outdated` is set.
    Edit { purpose: Purpose, edits: Vec<Edit>, outdated: bool },
}

/// What an edit is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Purpose {
    /// A caller asked.
    Request(RequestId),
    /// It names a device; the caller hears of the grant.
    Grant(RequestId, EventId, Option<u32>),
    /// It takes an event back.
    Undo(Undo),
    /// It is the contract of a mission.
    Contract(EventId),
    /// It names this device; nobody waits.
    Name,
}

/// Edits that were made on what fell out of the document since.
#[derive(Debug, Default)]
pub(super) struct Redo {
    /// To be made anew, in their order.
    pub(super) edits: Vec<(Purpose, Vec<Edit>)>,
    /// What they came to.
    changes: BTreeSet<ChangeHash>,
}

impl Purpose {
    /// Who waits for it.
    pub(super) fn request(self) -> Option<RequestId> {
        match self {
            Self::Contract(_) | Self::Name => None,
            Self::Undo(undo) => Some(undo.request),
            Self::Request(request) | Self::Grant(request, ..) => Some(request),
        }
    }
}

impl Pending {
    /// Who waits for it.
    pub(super) fn request(&self) -> Option<RequestId> {
        match self {
            Self::Projection => None,
            Self::Edit { purpose, .. } => purpose.request(),
            Self::Reopen { undo, .. } => Some(undo.request),
            Self::GlanceCount(request) | Self::Glance(request, ..) => *request,
            Self::Status(request)
            | Self::Conflicts(request)
            | Self::Preview(request, _)
            | Self::Read(request, _)
            | Self::Save(request, ..)
            | Self::Grant { request, .. } => Some(*request),
        }
    }
}

impl Replica {
    /// Asks the documents. They answer in order, so what was asked is a queue.
    pub(super) fn ask(&mut self, pending: Pending, task: DocumentTask) {
        if let DocumentTask::Drop { .. } = task {
            self.retire_actor();
            self.outdate_edits();
        }
        self.pending.push_back(pending);
        self.outputs.push_back(Output::Perform(task));
    }

    /// The next change is another actor's: a number of this one may be used up.
    fn retire_actor(&mut self) {
        self.use_actors(1);
    }

    /// So many actors, from the present one on, are used up.
    pub(super) fn use_actors(&mut self, actors: u64) {
        self.generation = self.generation.saturating_add(actors);
        self.generation_kept = false;
    }

    /// Is an edit under way, or about to be?
    pub(super) fn is_editing(&self) -> bool {
        let is_edit = |p: &Pending| {
            matches!(p, Pending::Edit { .. } | Pending::Grant { .. } | Pending::Reopen { .. })
        };
        !self.redo.edits.is_empty() || self.pending.iter().any(is_edit)
    }

    /// May a caller's edit be made behind those that are under way? The documents make them in
    /// order, and what becomes durable in one turn is one commit. Behind one that must be made
    /// anew, or that is not a caller's, none is begun.
    pub(super) fn may_edit_too(&self) -> bool {
        let may_follow = |pending: &Pending| match pending {
            Pending::Edit { purpose, outdated, .. } => {
                matches!(purpose, Purpose::Request(_)) && !outdated
            }
            Pending::Grant { .. } | Pending::Reopen { .. } => false,
            _ => true,
        };
        let edits = self.pending.iter().filter(|p| matches!(p, Pending::Edit { .. })).count();
        edits < EDITS_UNDER_WAY_MAX
            && self.redo.edits.is_empty()
            && self.pending.iter().all(may_follow)
    }

    /// Makes edits.
    pub(super) fn edit(&mut self, purpose: Purpose, document: DocumentId, edits: Vec<Edit>) {
        let (device, incarnation) = (self.key.device(), self.config.incarnation);
        let actor = crate::hash::actor(&device, &incarnation, &document, self.generation);
        let pending = Pending::Edit { purpose, edits: edits.clone(), outdated: false };
        self.ask(pending, DocumentTask::Transact { document, actor, edits });
    }

    pub(super) fn on_done(&mut self, done: DocumentDone) {
        match (self.pending.pop_front(), done) {
            (Some(Pending::Projection), DocumentDone::Holds { document, heads }) => {
                self.heads.insert(document, heads);
            }
            (Some(Pending::Projection), DocumentDone::Broken { document, degraded }) => {
                self.heads.insert(document, Err(degraded));
                self.workspace.tell_anew(document);
            }
            (Some(Pending::Preview(request, of)), DocumentDone::Preview(preview)) => {
                self.reply(request, Self::preview_reply(of, preview));
            }
            (Some(Pending::Status(request)), DocumentDone::Conflicts(list)) => {
                let count = list.map_or(0, |list| list.conflicts.len() + list.more);
                let reply = self.status(count);
                self.reply(request, reply);
            }
            (Some(Pending::GlanceCount(request)), DocumentDone::Conflicts(list)) => {
                let count = list.map_or(0, |list| list.conflicts.len() + list.more);
                self.on_glance_count(request, count);
            }
            (Some(Pending::Glance(request, conflicts, events)), DocumentDone::Dumped(dump)) => {
                self.on_glance((request, conflicts, events), dump)
            }
            (Some(Pending::Conflicts(request)), DocumentDone::Conflicts(list)) => {
                let reply = match list {
                    Ok(list) => Reply::Conflicts(self.conflict_page(list)),
                    Err(fault) => Reply::Failed(edit_failure(&fault)),
                };
                self.reply(request, reply);
            }
            (
                Some(Pending::Reopen { undo, document, first, actors }),
                DocumentDone::Reopened(changes),
            ) => self.on_reopened(undo, document, (first, actors), changes),
            (Some(Pending::Read(request, path)), DocumentDone::Read(read)) => {
                let reply = self.read_reply(path, read);
                self.reply(request, reply);
            }
            (Some(Pending::Save(request, document)), DocumentDone::Saved(saved)) => {
                let reply = self.save_reply(document, saved);
                self.reply(request, reply);
            }
            (Some(Pending::Grant { request, member, name, uses }), DocumentDone::Read(read)) => {
                self.on_names(request, *member, &name, uses, read);
            }
            (
                Some(Pending::Edit { purpose, edits, outdated }),
                DocumentDone::Transacted(change),
            ) => self.on_transacted(purpose, edits, outdated, change),
            (pending, done) => {
                self.damaged(format!("the documents answered {done:?} to {pending:?}"));
            }
        }
    }

    /// Who wrote each side, and when, is known by the event that carries its change.
    fn conflict_page(&self, list: ConflictList) -> ConflictPage {
        let side = |side: Side| {
            let event = self.workspace.event_of_change(&side.change);
            let header = event.and_then(|event| self.workspace.header(&event));
            SideRow {
                side: side.letter,
                device: header.map(|header| header.author),
                value: side.value,
                deleted: side.deleted,
                event,
                time: header.map(|header| header.stamp),
            }
        };
        let row = |conflict: Conflict| ConflictRow {
            id: conflict.id,
            path: conflict.path,
            kind: conflict.kind,
            base: conflict.base,
            sides: conflict.sides.into_iter().map(side).collect(),
            why: conflict.why,
            open: true,
        };
        let conflicts = list.conflicts.into_iter().map(row).collect();
        ConflictPage { conflicts, more: list.more }
    }

    fn read_reply(&self, path: DocPath, read: Result<ReadValue, EditFault>) -> Reply {
        match read {
            Ok(ReadValue { value, conflict, change }) => {
                let event = change.and_then(|change| self.workspace.event_of_change(&change));
                Reply::Read(ReadReply { path, value, conflict, event })
            }
            Err(fault) => Reply::Failed(edit_failure(&fault)),
        }
    }

    fn on_transacted(
        &mut self,
        purpose: Purpose,
        edits: Vec<Edit>,
        outdated: bool,
        change: Result<Option<LocalChange>, EditFault>,
    ) {
        let Some(document) = self.workspace.root_document() else { return };
        if outdated {
            self.redo.changes.extend(change.ok().flatten().map(|change| change.hash));
            self.redo.edits.push((purpose, edits));
            return self.make_anew(document);
        }
        let count = edits.len();
        if let Purpose::Undo(undo) = purpose {
            return self.on_undone(undo, document, change);
        }
        let reply = match change {
            Err(fault) => Reply::Failed(edit_failure(&fault)),
            Ok(None) => Reply::Edited(Edited { event: None, edits: count }),
            Ok(Some(change)) => match self.write_or_drop(document, &change, None) {
                Ok(event) => Reply::Edited(Edited { event: Some(event), edits: count }),
                Err(failure) => Reply::Failed(failure),
            },
        };
        match (purpose, reply) {
            (Purpose::Request(request), reply) => self.reply(request, reply),
            (Purpose::Grant(request, event, left), _) => {
                self.reply(request, Reply::Granted { event, left });
            }
            (Purpose::Name | Purpose::Undo(_), _) => {}
            (Purpose::Contract(mission), Reply::Edited(edited)) => {
                self.on_contract(mission, Ok(edited.event.unwrap_or(mission)));
            }
            (Purpose::Contract(mission), Reply::Failed(failure)) => {
                self.on_contract(mission, Err(failure.message));
            }
            (Purpose::Contract(mission), _) => self.driver.contracted(&mission),
        }
    }

    /// Once every edit has been answered that may build on what fell out: all of them are undone at
    /// once, and made again in their order on what there is now.
    fn make_anew(&mut self, document: DocumentId) {
        let is_outdated = |p: &Pending| matches!(p, Pending::Edit { outdated: true, .. });
        if self.pending.iter().any(is_outdated) {
            return;
        }
        let Redo { edits, changes } = std::mem::take(&mut self.redo);
        if !changes.is_empty() {
            self.ask(Pending::Projection, DocumentTask::Drop { document, changes });
        }
        for (purpose, edits) in edits {
            self.edit(purpose, document, edits);
        }
    }

    /// An own change becomes an event, or is taken out of the document again.
    pub(super) fn write_or_drop(
        &mut self,
        document: DocumentId,
        change: &LocalChange,
        undoes: Option<EventId>,
    ) -> Result<EventId, Failure> {
        let written = self.write_change(Some(document), change.chunk.clone(), undoes);
        written.map_err(|fault| {
            self.drop_changes(document, BTreeSet::from([change.hash]));
            self.not_written(fault)
        })
    }

    /// Changes that became no events are taken out of the document again.
    pub(super) fn drop_changes(&mut self, document: DocumentId, changes: BTreeSet<ChangeHash>) {
        self.ask(Pending::Projection, DocumentTask::Drop { document, changes });
    }

    pub(super) fn not_written(&self, fault: AuthorFault) -> Failure {
        match fault {
            AuthorFault::Quota(makes) => self.quota_failure(makes),
            fault => author_failure(&fault),
        }
    }

    /// An own change becomes an event, and the actor that made it is kept with it.
    pub(super) fn write_change(
        &mut self,
        document: Option<DocumentId>,
        change: Vec<u8>,
        undoes: Option<EventId>,
    ) -> Result<EventId, AuthorFault> {
        let change = DocumentChange { document, generation: self.generation, change };
        self.write_changed(change, undoes)
    }

    /// The same, of an actor of a generation that is used up.
    pub(super) fn write_changed(
        &mut self,
        change: DocumentChange,
        undoes: Option<EventId>,
    ) -> Result<EventId, AuthorFault> {
        let events = self.with_pen(|workspace, pen| match undoes {
            None => workspace.write_change(pen, vec![change]),
            Some(undoes) => workspace.write_undo(pen, undoes, vec![change]),
        })?;
        if !std::mem::replace(&mut self.generation_kept, true) {
            let name = GENERATION.to_owned();
            self.persist.push(Record::Counter { name, value: self.generation });
        }
        let id = events.last().map(crate::event::Verified::id);
        if let Some(id) = &id {
            let makes = self.workspace.pay(id);
            self.quota.take(self.now, &self.key.device(), makes);
        }
        self.wrote(events);
        id.ok_or_else(|| AuthorFault::Own("no event was made".to_owned()))
    }
}

pub(super) fn edit_failure(fault: &EditFault) -> Failure {
    let failure = Failure::new(FailureKind::Failed, fault);
    match fault {
        EditFault::Absent(_) => failure.with_hint("`kern doc get` shows what is there"),
        EditFault::Number(_) | EditFault::TooDeep | EditFault::EmptyKey => {
            Failure { kind: FailureKind::Usage, ..failure }
                .with_hint("numbers are int64 or float, keys have names, values are not too deep")
        }
        EditFault::NoConflict(_) | EditFault::NoSide { .. } => {
            failure.with_hint("`kern conflicts` lists what is open")
        }
        EditFault::Mixed => Failure { kind: FailureKind::Usage, ..failure }
            .with_hint("send the resolutions as a batch of their own"),
        EditFault::NotAMap(_) | EditFault::NotAppendable(_) => {
            failure.with_hint("`kern doc get` shows what is there")
        }
        EditFault::Index(_, len) => failure.with_hint(if *len == 0 {
            "0 adds its first item".to_owned()
        } else {
            format!("{len} appends an item, a lower number replaces one")
        }),
        EditFault::BuiltOn { .. } | EditFault::NotRestorable(_) | EditFault::Reopens(_) => failure
            .with_hint("`--force` writes it all the same; `kern doc get` shows what is there"),
        EditFault::Kept(_) | EditFault::NotHeld(_) | EditFault::Document(_) => failure,
    }
}

pub(super) fn author_failure(fault: &AuthorFault) -> Failure {
    match fault {
        AuthorFault::Role(None) => Failure::new(FailureKind::Denied, fault)
            .with_hint("it was revoked, or never let in: `kern status`; an owner can invite it"),
        AuthorFault::Role(_) => Failure::new(FailureKind::Denied, fault)
            .with_hint("an owner or admin can grant this device a role that may write"),
        AuthorFault::Void(_) => Failure::new(FailureKind::Usage, fault).with_hint(
            "one event holds up to 10,000 operations; a text takes one for each character",
        ),
        AuthorFault::Quota(_) => {
            Failure::new(FailureKind::Quota, fault).with_hint("try again within the hour")
        }
        AuthorFault::TooLarge(_) => {
            Failure::new(FailureKind::Failed, fault).with_hint("split it into several edits")
        }
        AuthorFault::RecoveryKey => Failure::new(FailureKind::Denied, fault)
            .with_hint("each workspace has its own; `kern init` wrote or printed it"),
        AuthorFault::NothingToReadmit => Failure::new(FailureKind::Failed, fault)
            .with_hint("`kern log` shows what is quarantined, and whose it is"),
        AuthorFault::NotContent => Failure::new(FailureKind::Failed, fault)
            .with_hint("`kern log` shows the lane of each event"),
        AuthorFault::FirstChange => Failure::new(FailureKind::Failed, fault)
            .with_hint("without it there is no document: strike what came after it"),
        AuthorFault::NotApart => Failure::new(FailureKind::Failed, fault)
            .with_hint("`kern quarantine list` shows what is kept apart, and why"),
        AuthorFault::NewerFormat(_) => Failure::new(FailureKind::Failed, fault)
            .with_hint("upgrade kern: until then this device reads, keeps and passes on"),
        AuthorFault::Refused(_) => Failure::new(FailureKind::Failed, fault)
            .with_hint("`kern devices` shows who is a member"),
        AuthorFault::Own(_) => Failure::new(FailureKind::Failed, fault),
    }
}
