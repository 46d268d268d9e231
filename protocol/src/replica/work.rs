//! Edits under way: what was asked of the documents, and the event that comes of it.
//!
//! What one command changes is one event, whichever documents it is in. A document that the event
//! makes is named by the event's place in its chain before it is written; where that place is
//! taken meanwhile, all of it is made anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use crate::command::{BranchReply, Command, Edited, Failure, FailureKind, Reply};
use crate::content::{About, DocumentChange};
use crate::document::{
    DocPath, DocumentDone, DocumentTask, Edit, EditFault, Hand, Link, LocalChange, MayUndo,
    Reversal, begin_branch, board_change, mission_change,
};
use crate::id::{ChangeHash, ConflictId, DocumentId, EventId};
use crate::replica::Replica;
use crate::replica::documents::{Pending, Purpose, Redo, author_failure, edit_failure};
use crate::workspace::AuthorFault;

/// What is to be changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// Edits, and where the conflicts are that they resolve.
    Edits { edits: Vec<Edit>, found: BTreeMap<ConflictId, DocumentId> },
    /// A board or branch is put away, or is brought back.
    Link(Link),
    /// A document is made, and linked.
    Make(New),
    /// Changes are taken back.
    Undo { changes: BTreeMap<DocumentId, ChangeHash>, force: bool },
}

/// A document to be made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum New {
    /// A board.
    Board { name: String },
    /// A branch of a document: as that is, or as it was at these heads.
    Branch { name: String, purpose: String, origin: DocumentId, heads: Option<Vec<ChangeHash>> },
    /// Of a mission, with its contract.
    Mission { id: EventId, contract: Map<String, Json> },
}

/// The document that an event is to make, and its first change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    document: DocumentId,
    /// What it is a branch of.
    origin: Option<DocumentId>,
    change: Vec<u8>,
}

/// An edit that the documents answered.
pub(super) struct Worked {
    pub(super) purpose: Purpose,
    pub(super) work: Work,
    pub(super) made: Option<Made>,
    pub(super) outdated: bool,
}

impl Work {
    fn count(&self) -> usize {
        match self {
            Self::Edits { edits, .. } => edits.len(),
            Self::Link(_) | Self::Make(_) | Self::Undo { .. } => 1,
        }
    }
}

impl New {
    fn origin(&self) -> Option<DocumentId> {
        match self {
            Self::Branch { origin, .. } => Some(*origin),
            Self::Board { .. } | Self::Mission { .. } => None,
        }
    }

    fn link(&self, document: DocumentId) -> Link {
        match self {
            Self::Branch { name, purpose, origin, .. } => {
                Link::Branch { name: name.clone(), document, of: *origin, purpose: purpose.clone() }
            }
            Self::Board { name } => Link::Board { name: name.clone(), document },
            Self::Mission { id, .. } => Link::Mission { id: *id, document },
        }
    }
}

impl Replica {
    pub(super) fn hand(&self) -> Hand {
        let (device, incarnation) = (self.key.device(), self.config.incarnation);
        Hand { device, incarnation, generation: self.generation }
    }

    /// Has something changed, on all that counts here; where the documents are at work, on what
    /// they were told: it goes before what waits for them. `SPEC: DUR-10`
    pub(super) fn work(&mut self, purpose: Purpose, work: Work) {
        if self.telling.next_deadline().is_some() && !self.is_telling() {
            self.tell_batch();
        }
        match self.task_of(&work) {
            Ok((task, made)) => {
                self.ask(Pending::Edit { purpose, work, made, outdated: false }, task);
            }
            Err(failure) => self.told(purpose, Reply::Failed(failure)),
        }
    }

    fn task_of(&mut self, work: &Work) -> Result<(DocumentTask, Option<Made>), Failure> {
        let root = self.workspace.root_document();
        let root = root.ok_or_else(crate::replica::commands::no_history)?;
        let hand = self.hand();
        let task = match work {
            Work::Edits { edits, found } => {
                let mut paths = edits.iter().filter_map(Edit::path);
                let edits = edits.clone();
                let decides = edits.iter().any(|edit| edit.conflict().is_some());
                if !decides && found.is_empty() && !paths.any(DocPath::is_linked) {
                    DocumentTask::Transact { document: root, actor: hand.actor(&root), edits }
                } else {
                    let of = found.values().copied().chain([root]).filter(|_| decides);
                    let of: BTreeSet<_> = of.collect();
                    let put_back = of.into_iter().map(|id| (id, self.workspace.put_back(&id)));
                    let put_back = put_back.collect();
                    DocumentTask::Write { root, hand, edits, found: found.clone(), put_back }
                }
            }
            Work::Undo { changes, force } => {
                let reversal = |(document, change): (&DocumentId, &ChangeHash)| {
                    let joined = self.workspace.joined(document, change);
                    (*document, Reversal { change: *change, joined, by_one: true })
                };
                let changes = changes.iter().map(reversal).collect();
                DocumentTask::Undo { root, hand, changes, may: self.may_undo(*force) }
            }
            Work::Link(link) => {
                DocumentTask::Link { root, actor: hand.actor(&root), link: link.clone() }
            }
            Work::Make(new) => {
                let (document, change) = self.first_change(new)?;
                let link = new.link(document);
                let task = DocumentTask::Link { root, actor: hand.actor(&root), link };
                return Ok((task, Some(Made { document, origin: new.origin(), change })));
            }
        };
        Ok((task, None))
    }

    /// What may be overwritten by taking back.
    pub(super) fn may_undo(&self, force: bool) -> MayUndo {
        let (undos, gone) = match force {
            true => return MayUndo::All,
            false => (self.workspace.changes_of_undos(), self.workspace.changes_gone()),
        };
        MayUndo::PutBackBy { undos, gone }
    }

    /// The document that the next own content event would make so, and its first change.
    fn first_change(&mut self, new: &New) -> Result<(DocumentId, Vec<u8>), Failure> {
        let document = match new.origin() {
            Some(origin) => self.next_branch(&origin)?,
            None => self.next_document().map_err(|fault| author_failure(&fault))?,
        };
        let actor = self.hand().actor(&document);
        let change = match new {
            New::Board { name } => board_change(actor, name),
            New::Mission { contract, .. } => mission_change(actor, contract),
            New::Branch { origin, heads, .. } => {
                let heads = heads.clone().unwrap_or_else(|| self.branch_heads(origin));
                let start = self.workspace.next_op(origin, &heads);
                Ok(begin_branch(actor, &heads, start))
            }
        };
        change.map(|change| (document, change)).map_err(|fault| edit_failure(&fault))
    }

    /// The document that the next own content event would make.
    pub(super) fn next_document(&mut self) -> Result<DocumentId, AuthorFault> {
        let (device, life) = (self.key.device(), self.config.incarnation);
        if self.workspace.next_document(&device, &life).is_none() {
            let joins = self.with_pen(|workspace, pen| workspace.write_joins(pen))?;
            self.wrote(joins);
        }
        let next = self.workspace.next_document(&device, &life);
        next.ok_or_else(|| AuthorFault::Own("there are heads that were not joined".to_owned()))
    }

    /// The documents answered an edit.
    pub(super) fn on_worked_out(&mut self, worked: Worked, done: DocumentDone) {
        let Some(root) = self.workspace.root_document() else { return };
        match done {
            DocumentDone::Transacted(change) => {
                let changes = change.map(|change| change.map(|change| (root, change)));
                self.on_changes(worked, changes.map(|changes| changes.into_iter().collect()));
            }
            DocumentDone::Written(changes) => self.on_changes(worked, changes),
            DocumentDone::Closed(documents) => self.on_closed(worked, &documents),
            other => {
                self.damaged(format!("the documents answered {other:?} to an edit"));
                let failure = Failure::new(FailureKind::Failed, "the documents answered wrongly");
                self.told(worked.purpose, Reply::Failed(failure));
            }
        }
    }

    /// Nothing was done, since these are not open. What came behind it goes before it.
    fn on_closed(&mut self, worked: Worked, documents: &BTreeSet<DocumentId>) {
        let Worked { purpose, work, outdated, .. } = worked;
        if outdated {
            return self.on_outdated(purpose, work, Vec::new());
        }
        let absent = edit_failure(&absent_link(&work));
        match (purpose, work) {
            (Purpose::Request(request), Work::Edits { edits, .. }) => {
                self.open_for(request, Command::Edit { edits }, documents, absent);
            }
            (Purpose::Undo(undo), _) => {
                let begin = (!undo.is_last).then(|| undo.event.to_string());
                let command = Command::Undo { begin, force: undo.force };
                self.open_for(undo.request, command, documents, absent);
            }
            (purpose, _) => self.told(purpose, Reply::Failed(absent)),
        }
    }

    fn on_changes(
        &mut self,
        worked: Worked,
        changes: Result<Vec<(DocumentId, LocalChange)>, EditFault>,
    ) {
        let Worked { purpose, work, made, outdated } = worked;
        if outdated {
            return self.on_outdated(purpose, work, changes.unwrap_or_default());
        }
        let changes = match changes {
            Ok(changes) => changes,
            Err(fault) if let Purpose::Undo(undo) = purpose => return self.not_undone(undo, fault),
            Err(fault) => return self.told(purpose, Reply::Failed(edit_failure(&fault))),
        };
        if changes.is_empty() {
            let edited = Edited { edits: work.count(), ..Edited::default() };
            return self.told(purpose, Reply::Edited(edited));
        }
        let (device, life) = (self.key.device(), self.config.incarnation);
        let is_next = |made: &Made| {
            let next = match &made.origin {
                Some(origin) => self.workspace.next_branch(&device, &life, origin),
                None => self.workspace.next_document(&device, &life),
            };
            next == Some(made.document)
        };
        if made.as_ref().is_some_and(|made| !is_next(made)) {
            // Another event took the place in the chain that names the document.
            self.drop_changes(&changes);
            return self.on_outdated(purpose, work, Vec::new());
        }
        let document = made.as_ref().map(|made| (made.document, made.origin));
        let about = document.and_then(|(_, origin)| origin.map(About::Branch));
        let event = self.event_of(made, &changes);
        let reply = match self.write_changes(event, about.unwrap_or_else(|| purpose.about())) {
            Ok(event) => {
                self.hold_own(&event, &changes);
                match (document, purpose) {
                    (Some((document, None)), Purpose::Request(_)) => {
                        Reply::BoardMade { document, event }
                    }
                    (Some((document, Some(_))), _) => {
                        Reply::Branch(BranchReply::Made { document, event })
                    }
                    (None, Purpose::Undo(undo)) => {
                        Reply::Undone(self.edit_taken_back(undo, event, &changes))
                    }
                    _ => {
                        let decided = changes.iter().flat_map(|(_, change)| &change.decided);
                        let decided = decided.cloned().collect();
                        let ended = changes.iter().flat_map(|(_, change)| &change.ended);
                        let ended = ended.cloned().collect();
                        let more = changes.iter().map(|(_, change)| change.ended_more);
                        let (event, edits, ended_more) = (Some(event), work.count(), more.sum());
                        Reply::Edited(Edited { event, edits, decided, ended, ended_more })
                    }
                }
            }
            Err(fault) => {
                self.drop_changes(&changes);
                Reply::Failed(self.not_written(fault))
            }
        };
        changes.iter().for_each(|(document, _)| self.touch(*document));
        self.told(purpose, reply);
    }

    /// What was just made stands in its documents, unless these were begun anew or closed behind
    /// it: then it is told as what others write.
    fn hold_own(&mut self, event: &EventId, changes: &[(DocumentId, LocalChange)]) {
        let may_lack = |p: &Pending| matches!(p, Pending::Projection | Pending::Close);
        if self.pending.iter().any(may_lack) {
            return;
        }
        for (document, change) in changes {
            if self.workspace.stands(event, &(*document, change.hash)) {
                self.heads.insert(*document, Ok(change.heads.clone()));
                self.disputed.outdate();
            }
        }
    }

    /// The changes of one event: first of the document that it makes. `SPEC: CNT-3`
    fn event_of(
        &self,
        made: Option<Made>,
        changes: &[(DocumentId, LocalChange)],
    ) -> Vec<DocumentChange> {
        let generation = self.generation;
        let first =
            made.map(|made| DocumentChange { document: None, generation, change: made.change });
        let others = changes.iter().map(|(document, change)| DocumentChange {
            document: Some(*document),
            generation,
            change: change.chunk.clone(),
        });
        first.into_iter().chain(others).collect()
    }

    /// Who asked for it hears what came of it.
    fn told(&mut self, purpose: Purpose, reply: Reply) {
        match (purpose, reply) {
            (Purpose::Request(request), reply) => self.reply(request, reply),
            (Purpose::Grant(request, event, left), _) => {
                self.reply(request, Reply::Granted { event, left });
            }
            (Purpose::Undo(undo), reply) => self.on_undone(undo, reply),
            (Purpose::Name, _) => {}
            (Purpose::Contract(mission), Reply::Edited(edited)) => {
                self.on_contract(mission, Ok(edited.event.unwrap_or(mission)));
            }
            (Purpose::Contract(mission), Reply::Failed(failure)) => {
                self.on_contract(mission, Err(failure.message));
            }
            (Purpose::Contract(mission), _) => self.driver.contracted(&mission),
        }
    }

    fn on_outdated(
        &mut self,
        purpose: Purpose,
        work: Work,
        changes: Vec<(DocumentId, LocalChange)>,
    ) {
        for (document, change) in changes {
            self.redo.changes.entry(document).or_default().insert(change.hash);
        }
        self.redo.edits.push((purpose, work));
        self.make_anew();
    }

    /// Once every edit has been answered that may build on what fell out: all of them are undone at
    /// once, and made again in their order on what there is now.
    fn make_anew(&mut self) {
        let is_outdated = |p: &Pending| matches!(p, Pending::Edit { outdated: true, .. });
        if self.pending.iter().any(is_outdated) {
            return;
        }
        let Redo { edits, changes } = std::mem::take(&mut self.redo);
        for (document, changes) in changes {
            self.ask(Pending::Projection, DocumentTask::Drop { document, changes });
        }
        for (purpose, work) in edits {
            self.work(purpose, work);
        }
    }

    pub(super) fn not_written(&self, fault: AuthorFault) -> Failure {
        match fault {
            AuthorFault::Quota(makes) => self.quota_failure(makes),
            fault => author_failure(&fault),
        }
    }

    /// Changes that became no event are taken out again.
    pub(super) fn drop_changes(&mut self, changes: &[(DocumentId, LocalChange)]) {
        for (document, change) in changes {
            let (document, changes) = (*document, BTreeSet::from([change.hash]));
            self.ask(Pending::Projection, DocumentTask::Drop { document, changes });
        }
    }
}

/// The first board or branch that edits lead to is none.
fn absent_link(work: &Work) -> EditFault {
    let Work::Edits { edits, .. } = work else { return EditFault::NoBoard(String::new()) };
    let mut linked = edits.iter().filter_map(Edit::path).filter(|path| path.is_linked());
    linked.next().map_or_else(|| EditFault::NoBoard(String::new()), EditFault::not_linked)
}
