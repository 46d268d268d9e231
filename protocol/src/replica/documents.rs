//! The Replica's side of the documents: what it asked, and what it makes of the answers.
//!
//! One edit is made at a time, so that an event names exactly what its change builds on. A change
//! that became no event is taken out of the document again, and its actor is not used any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{
    BranchCommand, Command, Failure, FailureKind, PastCommand, ReadReply, Reply, RequestId,
};
use crate::content::{About, DocumentChange};
use crate::document::{DocPath, DocumentDone, DocumentTask, Edit, EditFault, Links, ReadValue};
use crate::facts::EventView;
use crate::id::{ChangeHash, DocumentId, EventId};
use crate::limits::EDITS_UNDER_WAY_MAX;
use crate::replica::apart::Of;
use crate::replica::branches::Named;
use crate::replica::undo::Undo;
use crate::replica::work::{Made, Work, Worked};
use crate::replica::{GENERATION, Output, Replica};
use crate::store::Record;
use crate::workspace::{AuthorFault, NewMember};

/// A task that the documents have not answered yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pending {
    /// What is admitted goes in, or out.
    Projection,
    /// A document is held no longer.
    Close,
    /// A caller reads.
    Read(RequestId, DocPath),
    /// A caller looks at the past.
    Past(RequestId, Box<PastCommand>),
    /// A survey looks for conflicts in a document.
    Survey(DocumentId),
    /// The same: how documents are named.
    Names,
    /// The same: what was decided about conflicts that stand in no document.
    Decisions,
    /// A caller asks for boards.
    Boards(RequestId, bool),
    /// A caller asks something of branches.
    Branch(RequestId, BranchCommand),
    /// The same, of a branch and its origin.
    Fork { request: RequestId, command: BranchCommand, links: Links, named: Named },
    /// A glance is taken: all that is shown, with so many conflicts, of so many events.
    Glance(Option<RequestId>, usize, usize),
    /// A caller wants to see what a branch would set.
    Preview(RequestId, Of),
    /// A caller looks at an event, and at what it changed.
    Wrote(RequestId, Box<EventView>),
    /// A caller wants a part of the document as a file.
    Save(RequestId, DocumentId, usize),
    /// A caller grants a role, and the names of the devices are looked at first.
    Grant { request: RequestId, member: Box<NewMember>, name: String, uses: Option<u32> },
    /// A resolution is taken back, by so many actors from this generation on.
    Reopen { undo: Undo, first: u64, actors: u64 },
    /// An edit. Something fell out of a document since where `outdated` is set.
    Edit { purpose: Purpose, work: Work, made: Option<Made>, outdated: bool },
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
    pub(super) edits: Vec<(Purpose, Work)>,
    /// What they came to.
    pub(super) changes: BTreeMap<DocumentId, BTreeSet<ChangeHash>>,
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

impl Purpose {
    /// What its event says beside the changes.
    pub(super) fn about(self) -> About {
        match self {
            Self::Undo(undo) => About::Undo(undo.event),
            _ => About::Nothing,
        }
    }
}

impl Pending {
    /// Who waits for it.
    pub(super) fn request(&self) -> Option<RequestId> {
        match self {
            // Who waits for a survey is known to that.
            Self::Projection | Self::Close | Self::Survey(_) | Self::Names | Self::Decisions => {
                None
            }
            Self::Edit { purpose, .. } => purpose.request(),
            Self::Reopen { undo, .. } => Some(undo.request),
            Self::Glance(request, ..) => *request,
            Self::Branch(request, _)
            | Self::Fork { request, .. }
            | Self::Boards(request, _)
            | Self::Preview(request, _)
            | Self::Wrote(request, _)
            | Self::Read(request, _)
            | Self::Past(request, _)
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
    pub(super) fn retire_actor(&mut self) {
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

    /// Makes edits of the root, as seen from there.
    pub(super) fn edit(&mut self, purpose: Purpose, edits: Vec<Edit>) {
        self.work(purpose, Work::Edits { edits, found: BTreeMap::new() });
    }

    pub(super) fn on_done(&mut self, done: DocumentDone) {
        if matches!(done, DocumentDone::Holds { .. } | DocumentDone::Broken { .. }) {
            self.disputed.outdate();
        }
        match (self.pending.pop_front(), done) {
            (Some(Pending::Projection), DocumentDone::Holds { document, heads }) => {
                // Of one that is closed by now nothing is claimed by what it held.
                if self.workspace.is_open(&document) {
                    self.heads.insert(document, heads);
                }
            }
            (Some(Pending::Close), DocumentDone::Holds { .. }) => {}
            (Some(Pending::Projection), DocumentDone::Broken { document, degraded }) => {
                self.heads.insert(document, Err(degraded));
                self.workspace.tell_anew(document);
            }
            (Some(Pending::Wrote(request, view)), DocumentDone::Preview(wrote)) => {
                let wrote = wrote.ok();
                self.reply(request, Reply::Event(Box::new(EventView { wrote, ..*view })));
            }
            (Some(Pending::Preview(request, of)), DocumentDone::Preview(preview)) => {
                self.reply(request, Self::preview_reply(of, preview));
            }
            (Some(Pending::Survey(document)), DocumentDone::Conflicts(list)) => {
                self.on_surveyed(document, list);
            }
            (Some(Pending::Names), DocumentDone::Links(links)) => self.on_survey_names(links),
            (Some(Pending::Decisions), DocumentDone::Read(read)) => self.on_decisions(Some(read)),
            (Some(Pending::Boards(request, all)), DocumentDone::Links(links)) => {
                let reply = self.boards_reply(links, all);
                self.reply(request, reply);
            }
            (Some(Pending::Branch(request, command)), DocumentDone::Links(links)) => {
                self.on_branch_links(request, command, links);
            }
            (Some(Pending::Fork { request, command, links, named }), done) => {
                self.on_forked(request, command, (links, named), done);
            }
            (Some(Pending::Glance(request, conflicts, events)), DocumentDone::Dumped(dumps)) => {
                self.on_glance((request, conflicts, events), dumps)
            }
            (Some(Pending::Read(request, path)), DocumentDone::Looked(document, read)) => {
                self.touch(document);
                let reply = self.read_reply(&document, path, read);
                self.reply(request, reply);
            }
            (Some(Pending::Read(request, path)), DocumentDone::Closed(documents)) => {
                let absent = edit_failure(&EditFault::Absent(path.to_string()));
                self.open_for(request, Command::Read { path }, &documents, absent);
            }
            (Some(Pending::Past(request, asked)), done) => self.on_past(request, *asked, done),
            (Some(Pending::Save(request, document, from)), DocumentDone::Saved(saved)) => {
                let reply = self.save_reply(document, from, saved);
                self.reply(request, reply);
            }
            (Some(Pending::Grant { request, member, name, uses }), DocumentDone::Read(read)) => {
                self.on_names(request, *member, &name, uses, read);
            }
            (Some(Pending::Reopen { undo, first, actors }), DocumentDone::Reopened(changes)) => {
                self.on_reopened(undo, (first, actors), changes);
            }
            (Some(Pending::Edit { purpose, work, made, outdated }), done) => {
                self.on_worked_out(Worked { purpose, work, made, outdated }, done);
            }
            (pending, done) => {
                self.damaged(format!("the documents answered {done:?} to {pending:?}"));
            }
        }
    }

    pub(super) fn read_reply(
        &self,
        document: &DocumentId,
        path: DocPath,
        read: Result<ReadValue, EditFault>,
    ) -> Reply {
        match read {
            Ok(ReadValue { value, conflict, conflict_below, change }) => {
                let event = change.and_then(|change| self.workspace.carrier(document, &change));
                let loading = None;
                Reply::Read(ReadReply { path, value, conflict, conflict_below, event, loading })
            }
            Err(fault) => Reply::Failed(edit_failure(&fault)),
        }
    }

    /// Own changes become an event, and the actor that made them is kept with it.
    pub(super) fn write_changes(
        &mut self,
        changes: Vec<DocumentChange>,
        about: About,
    ) -> Result<EventId, AuthorFault> {
        let generation = self.generation;
        let events = self.with_pen(|workspace, pen| match about {
            About::Nothing => workspace.write_change(pen, changes),
            About::Undo(undoes) => workspace.write_undo(pen, undoes, changes),
            About::Branch(origin) => workspace.write_branch(pen, origin, changes),
        })?;
        if !std::mem::replace(&mut self.generation_kept, true) {
            let name = GENERATION.to_owned();
            self.persist.push(Record::Counter { name, value: generation });
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
        EditFault::RemovedApart(_)
        | EditFault::NoConflict(_)
        | EditFault::NoSide { .. }
        | EditFault::BySide(_) => failure.with_hint("`kern conflicts` lists what is open"),
        EditFault::NoBranch(_) => failure.with_hint("`kern branch list --all` shows all"),
        EditFault::PutAway(name) => failure.with_hint(bring_back("branch", "branches", name)),
        EditFault::BoardPutAway(name) => failure.with_hint(bring_back("board", "boards", name)),
        EditFault::BranchExists(_) => {
            failure.with_hint("write to it, or name another: `kern branch list --all` shows all")
        }
        EditFault::NoBoard(_) => failure.with_hint("`kern board list` shows all"),
        EditFault::BoardExists(_) => {
            failure.with_hint("write to it, or name another: `kern board list --all` shows all")
        }
        EditFault::TooManyDocuments(_) => Failure { kind: FailureKind::Usage, ..failure }
            .with_hint("send the edits of some boards as a batch of their own"),
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
        EditFault::BuiltOn(_) | EditFault::NotRestorable(_) | EditFault::Closes(_) => failure
            .with_hint("`--force` writes it all the same; `kern doc get` shows what is there"),
        EditFault::Reopens(_)
        | EditFault::Kept(_)
        | EditFault::NotHeld(_)
        | EditFault::Document(_) => failure,
    }
}

/// How one goes on with what was put away.
fn bring_back(verb: &str, map: &str, name: &str) -> String {
    let path = DocPath::default().child(map).and_then(|map| map.child(name));
    let path = quoted(&path.map_or_else(|_| name.to_owned(), |path| path.to_string()));
    format!(
        "bring it back: kern {verb} archive {} --undo; or leave it as it is, and go on from it: \
         kern branch create NAME --of {path}",
        quoted(name)
    )
}

/// A word of a command, as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

pub(super) fn author_failure(fault: &AuthorFault) -> Failure {
    match fault {
        AuthorFault::Role(None) => Failure::new(FailureKind::Denied, fault).with_hint(
            "it was revoked, or never let in: `kern devices`; who may revoke takes a revocation \
                 back by `kern undo EVENT`, or lets it in by `kern invite`",
        ),
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
        AuthorFault::NothingToReadmit => Failure::new(FailureKind::Failed, fault).with_hint(
            "`kern log` shows what is quarantined, and whose; what was struck comes back \
                        by `kern readmit --event ID`",
        ),
        AuthorFault::NotContent => Failure::new(FailureKind::Failed, fault)
            .with_hint("`kern log` shows the lane of each event"),
        AuthorFault::FirstChange => Failure::new(FailureKind::Failed, fault)
            .with_hint("without it there is no document: strike what came after it"),
        AuthorFault::NotApart => Failure::new(FailureKind::Failed, fault)
            .with_hint("`kern quarantine list` shows what is kept apart, and why"),
        AuthorFault::NotShreddable(_) => Failure::new(FailureKind::Failed, fault).with_hint(
            "artifacts can be purged that were written since they can; what the document is made \
             of cannot: `kern log` shows what an event is",
        ),
        AuthorFault::NotAdmitted(_) => Failure::new(FailureKind::Failed, fault)
            .with_hint("`kern readmit` brings it back, and then it can be purged"),
        AuthorFault::PurgeNames(_) => {
            Failure::new(FailureKind::Usage, fault).with_hint("purge them in several commands")
        }
        AuthorFault::NewerFormat(_) => Failure::new(FailureKind::Failed, fault)
            .with_hint("upgrade kern: until then this device reads, keeps and passes on"),
        AuthorFault::Refused(_) => Failure::new(FailureKind::Failed, fault)
            .with_hint("`kern devices` shows who is a member"),
        AuthorFault::Own(_) => Failure::new(FailureKind::Failed, fault),
    }
}
