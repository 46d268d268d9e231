//! Documents beside the root: boards, which of them are open, and what is claimed of all.

use std::collections::BTreeSet;

use crate::command::{BoardPage, BoardRow, Command, Failure, FailureKind, Reply, RequestId};
use crate::document::{DocumentTask, EditFault, Link, Links, check_name};
use crate::id::{ChangeHash, DocumentId};
use crate::limits::{BOARDS_LISTED_MAX, DOCUMENTS_OPEN_MAX};
use crate::replica::Replica;
use crate::replica::commands::no_history;
use crate::replica::documents::{Pending, Purpose, author_failure, edit_failure};
use crate::replica::survey::For;
use crate::replica::work::{New, Work};
use crate::role::Role;
use crate::workspace::{AuthorFault, StateHash};

impl Replica {
    /// Does what is about the documents as a whole.
    pub(super) fn perform_over_all(&mut self, request: RequestId, command: Command) {
        let started = match command {
            Command::Status => return self.start_survey(For::Status(request)),
            Command::Conflicts => return self.start_survey(For::Conflicts(request, None)),
            Command::ConflictsBehind(place) => {
                return self.start_survey(For::Conflicts(request, Some(place)));
            }
            Command::Timeline(query) => self.start_timeline(request, query),
            Command::Boards { all } => return self.start_boards(request, all),
            Command::SetAgent { name, commands } => self.set_agent(request, &name, commands),
            command => self.start_board(request, command),
        };
        if let Err(failure) = started {
            self.reply(request, Reply::Failed(failure));
        }
    }

    /// Makes a board, or puts one away. `SPEC: PRJ-9`
    fn start_board(&mut self, request: RequestId, command: Command) -> Result<(), Failure> {
        let control = self.workspace.control();
        let role = control.role(&self.key.device(), &control.all());
        if role < Some(Role::Member) && self.workspace.root_document().is_some() {
            return Err(author_failure(&AuthorFault::Role(role)));
        }
        self.workspace.held_document().ok_or_else(no_history)?;
        let work = match command {
            Command::CreateBoard { name } => {
                check_name(&name).map_err(|fault| {
                    Failure::new(FailureKind::Usage, fault)
                        .with_hint("for example: kern board create garden")
                })?;
                Work::Make(New::Board { name })
            }
            Command::ArchiveBoard { name, archived } => {
                Work::Link(Link::Archive { name, archived })
            }
            _ => return Err(Failure::new(FailureKind::Failed, "this is about no board")),
        };
        self.work(Purpose::Request(request), work);
        Ok(())
    }

    fn start_boards(&mut self, request: RequestId, all: bool) {
        match self.workspace.held_document() {
            Some(root) => {
                self.ask(Pending::Boards(request, all), DocumentTask::Links { root });
            }
            None => self.reply(request, Reply::Failed(self.unreadable())),
        }
    }

    pub(super) fn boards_reply(&self, links: Result<Links, EditFault>, all: bool) -> Reply {
        let links = match links {
            Ok(links) => links,
            Err(fault) => return Reply::Failed(edit_failure(&fault)),
        };
        let root = self.workspace.root_document();
        let missions = links.missions.iter().map(|(_, document)| *document);
        let linked = links.boards.iter().map(|board| board.document);
        let branches = self.workspace.branches().map(|(branch, _)| branch);
        let named: BTreeSet<_> = linked.chain(missions).chain(branches).chain(root).collect();
        let row = |document: DocumentId| BoardRow {
            name: None,
            document,
            archived: false,
            is_shown: false,
            conflict: false,
            loaded: self.workspace.is_open(&document),
            event: None,
        };
        let carrier =
            |change: ChangeHash| root.and_then(|root| self.workspace.carrier(&root, &change));
        let of_links = links.boards.iter().filter(|board| all || !board.archived);
        let of_links = of_links.map(|board| BoardRow {
            name: Some(board.name.clone()),
            archived: board.archived,
            is_shown: board.is_shown,
            conflict: board.conflict,
            event: board.change.and_then(carrier),
            ..row(board.document)
        });
        // A link may be gone, by a decision or a hostile hand: what it led to is not.
        let others = self.workspace.documents().filter(|id| !named.contains(id)).map(row);
        let mut boards: Vec<_> = of_links.chain(others).collect();
        let more = boards.len().saturating_sub(BOARDS_LISTED_MAX);
        boards.truncate(BOARDS_LISTED_MAX);
        Reply::Boards(BoardPage { boards, more })
    }

    /// Opens documents, and does the command once they are; fails where one of them is none.
    pub(super) fn open_for(
        &mut self,
        request: RequestId,
        command: Command,
        documents: &BTreeSet<DocumentId>,
        absent: Failure,
    ) {
        if !documents.iter().all(|document| self.workspace.has_document(document)) {
            return self.reply(request, Reply::Failed(absent));
        }
        documents.iter().for_each(|document| self.open(*document));
        // What counts of them is asked for before the command is looked at again.
        self.tell_now();
        self.commands.push_front((request, command));
    }

    /// Has a document held: what counts of it comes from the store. `SPEC: PRJ-12`
    pub(super) fn open(&mut self, document: DocumentId) {
        self.workspace.open(document);
        self.touch(document);
    }

    /// Something was of use just now.
    pub(super) fn touch(&mut self, document: DocumentId) {
        if self.workspace.opened().contains(&document) {
            let last = self.used.values().max().copied().unwrap_or(0);
            self.used.insert(document, last.saturating_add(1));
        }
    }

    /// At the end of a turn: what was of use longest ago is held no longer, where nothing is under
    /// way. One that is degraded stays, and with it what is known of that.
    pub(super) fn close_idle(&mut self) {
        let is_idle = self.pending.is_empty()
            && self.commands.is_empty()
            && self.redo.edits.is_empty()
            && self.survey.is_none();
        while is_idle && self.workspace.opened().len() > DOCUMENTS_OPEN_MAX {
            let is_whole = |id: &&DocumentId| !matches!(self.heads.get(id), Some(Err(_)));
            let opened = self.workspace.opened().iter().filter(is_whole);
            let last = opened.min_by_key(|id| self.used.get(id).copied().unwrap_or(0));
            let Some(last) = last.copied() else { return };
            self.close(last);
        }
    }

    /// Has a document held no longer.
    pub(super) fn close(&mut self, document: DocumentId) {
        self.workspace.close(document);
        self.heads.remove(&document);
        self.used.remove(&document);
        self.ask(Pending::Close, DocumentTask::Close { document });
    }

    /// The state hash: of a document that is not open, by what counts of it.
    /// `SPEC: STATE-3, PRJ-12`
    pub(super) fn state_hash(&self) -> Option<StateHash> {
        // What the documents were not told, or did not answer yet, is not in the heads.
        let is_behind = self.is_telling() || !self.workspace.is_told();
        if is_behind || self.heads.values().any(Result::is_err) || self.waits_for_cuts() {
            return None;
        }
        let mut leaves: Vec<(DocumentId, Vec<ChangeHash>)> = Vec::new();
        for document in self.workspace.documents() {
            let heads = if self.workspace.is_open(&document) {
                self.heads.get(&document)?.clone().ok()?
            } else {
                self.workspace.line(&document).heads
            };
            leaves.push((document, heads));
        }
        self.workspace.state_hash(leaves.iter().map(|(document, heads)| (document, heads)))
    }
}
