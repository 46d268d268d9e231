//! Branches: made, listed, compared, merged and put away. Every one of these first looks at the
//! links of the root, which say what a name leads to. `SPEC: BRA-3, BRA-4`

mod listing;

use crate::command::{
    BranchChanges, BranchCommand, BranchReply, Command, ConflictRow, Failure, FailureKind,
    LostMerge, Reply, RequestId,
};
use crate::content::{About, DocumentChange};
use crate::document::{
    BranchLink, DocPath, DocumentDone, DocumentTask, EditFault, Fork, Link, Links, MergePreview,
    check_name, is_unshowable, merging_change,
};
use crate::hash;
use crate::id::{ChangeHash, DocumentId};
use crate::limits::PURPOSE_BYTES_MAX;
use crate::replica::Replica;
use crate::replica::commands::no_history;
use crate::replica::documents::{Pending, Purpose, author_failure, edit_failure};
use crate::replica::past::says_nothing;
use crate::replica::survey::above;
use crate::replica::work::{New, Work};

/// A branch, as a name leads to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    branch: DocumentId,
    origin: DocumentId,
    /// Why nothing is merged from it, or into its origin: one of them was put away.
    away: Option<EditFault>,
}

impl Replica {
    pub(super) fn start_branch(&mut self, request: RequestId, command: BranchCommand) {
        let started = self.check_branch(&command).and_then(|()| {
            let root = self.workspace.held_document();
            root.ok_or_else(|| if command.writes() { no_history() } else { self.unreadable() })
        });
        match started {
            Ok(root) => {
                self.ask(Pending::Branch(request, command), DocumentTask::Links { root });
            }
            Err(failure) => self.reply(request, Reply::Failed(failure)),
        }
    }

    fn check_branch(&self, command: &BranchCommand) -> Result<(), Failure> {
        if command.writes() && self.workspace.root_document().is_some() {
            self.may_write()?;
        }
        let BranchCommand::Create { name, purpose, .. } = command else { return Ok(()) };
        check_name(name).map_err(|fault| {
            Failure::new(FailureKind::Usage, fault).with_hint("for example: kern branch create try")
        })?;
        if purpose.len() > PURPOSE_BYTES_MAX || purpose.chars().any(is_unshowable) {
            let text = format!("a purpose is a line of at most {PURPOSE_BYTES_MAX} bytes");
            return Err(Failure::new(FailureKind::Usage, text)
                .with_hint("say the rest in a note on the branch"));
        }
        Ok(())
    }

    /// The root said what its links are.
    pub(super) fn on_branch_links(
        &mut self,
        request: RequestId,
        command: BranchCommand,
        links: Result<Links, EditFault>,
    ) {
        let links = match links {
            Ok(links) => links,
            Err(fault) => return self.reply(request, Reply::Failed(edit_failure(&fault))),
        };
        let done = match command {
            BranchCommand::Create { name, of, at, purpose } => {
                match self.new_branch(&links, name, &of, at.as_deref(), purpose) {
                    Ok(new) => {
                        return self.work(Purpose::Request(request), Work::Make(new));
                    }
                    Err(failure) => Err(failure),
                }
            }
            BranchCommand::List { all } => Ok(BranchReply::List(self.branch_page(&links, all))),
            BranchCommand::Archive { name, archived } => match put_away_as(&links, name) {
                Ok(name) => {
                    let link = Link::ArchiveBranch { name, archived };
                    return self.work(Purpose::Request(request), Work::Link(link));
                }
                Err(failure) => Err(failure),
            },
            BranchCommand::Merge { name } => {
                self.find_branch(&links, &name).and_then(|named| self.merge(&name, &named))
            }
            BranchCommand::Diff { ref name } | BranchCommand::Preview { ref name } => {
                match self.find_branch(&links, name) {
                    Ok(named) => return self.compare(request, command, links, &named),
                    Err(failure) => Err(failure),
                }
            }
        };
        self.reply(request, done.map_or_else(Reply::Failed, Reply::Branch));
    }

    /// The branch that a name or an id leads to.
    fn find_branch(&self, links: &Links, name: &str) -> Result<Named, Failure> {
        let by_id = name.parse::<DocumentId>().ok();
        let leads = |link: &&BranchLink| match by_id {
            Some(id) => link.document == id,
            None => link.name == *name && link.is_shown,
        };
        let link = links.branches.iter().find(leads);
        let document = by_id.or_else(|| link.map(|link| link.document));
        let found = document.and_then(|branch| Some((branch, self.workspace.origin(&branch)?)));
        let Some((branch, origin)) = found else {
            return Err(edit_failure(&EditFault::NoBranch(name.to_owned())));
        };
        let of_name = link.filter(|link| by_id.is_none() && link.archived);
        let of_name = of_name.map(|link| EditFault::PutAway(link.name.clone()));
        let of_id = || by_id.and_then(|id| links.put_away(&id));
        let away = of_name.or_else(of_id).or_else(|| self.put_away(links, &origin));
        Ok(Named { branch, origin, away })
    }

    fn new_branch(
        &self,
        links: &Links,
        name: String,
        of: &DocPath,
        at: Option<&str>,
        purpose: String,
    ) -> Result<New, Failure> {
        let origin = self.document_at(links, of)?;
        let heads = match at {
            None => None,
            Some(begin) => {
                let event = self.find_event(begin)?;
                let written = self.workspace.written_at(&event);
                let written =
                    written.ok_or_else(|| says_nothing("an event of the content lane"))?;
                if !self.workspace.has_effect(&event) {
                    let text = format!(
                        "event {} has no effect, so the branch would not have it",
                        event.short()
                    );
                    return Err(Failure::new(FailureKind::Failed, text).with_hint(
                        "`kern log` says why, and `kern quarantine` what is kept apart and how it \
                         comes back",
                    ));
                }
                let heads = self.workspace.heads_at(&origin, &written);
                if heads.is_empty() {
                    let text = format!("at event {} the document was not there", event.short());
                    return Err(Failure::new(FailureKind::Failed, text)
                        .with_hint("name a content event that came after it: `kern log`"));
                }
                Some(heads)
            }
        };
        Ok(New::Branch { name, purpose, origin, heads })
    }

    /// Why nothing is merged into an origin. No link leads into the root, so whatever a member made
    /// up puts it away as little as it leads there. `SPEC: PRJ-10, BRA-12`
    fn put_away(&self, links: &Links, origin: &DocumentId) -> Option<EditFault> {
        let is_root = self.workspace.held_document().as_ref() == Some(origin);
        if is_root { None } else { links.put_away(origin) }
    }

    /// The document that a path of the root names: the root, a board, or a branch.
    fn document_at(&self, links: &Links, path: &DocPath) -> Result<DocumentId, Failure> {
        let root = self.workspace.held_document().ok_or_else(no_history)?;
        let [map, name] = path.segments() else {
            let usage = || {
                Failure::new(FailureKind::Usage, format!("{path} names no document"))
                    .with_hint("for example: --of boards/garden")
            };
            return if path.segments().is_empty() { Ok(root) } else { Err(usage()) };
        };
        let found = match name.parse::<DocumentId>() {
            Ok(id) => Some(id).filter(|id| self.workspace.has_document(id)),
            Err(_) if map == "branches" => {
                let mut of = links.branches.iter().filter(|link| link.is_shown);
                of.find(|link| link.name == *name).map(|link| link.document)
            }
            Err(_) => {
                let mut of = links.boards.iter().filter(|link| link.is_shown);
                of.find(|link| link.name == *name).map(|link| link.document)
            }
        };
        found.filter(|_| ["boards", "branches"].contains(&map.as_str())).ok_or_else(|| {
            let text = format!("there is no board or branch at {path}");
            Failure::new(FailureKind::Failed, text)
                .with_hint("`kern board list` and `kern branch list` show all")
        })
    }

    /// What a new branch builds on now, and the first change that says so.
    pub(super) fn branch_heads(&self, origin: &DocumentId) -> Vec<ChangeHash> {
        self.workspace.line(origin).heads
    }

    /// The origin knows, by one event, all that the branch does. `SPEC: BRA-4`
    fn merge(&mut self, name: &str, named: &Named) -> Result<BranchReply, Failure> {
        let failed = |text: String| Failure::new(FailureKind::Failed, text);
        if let Some(away) = &named.away {
            return Err(edit_failure(away));
        }
        let origin = named.origin;
        let heads = self.workspace.line(&origin).heads;
        let distance = self.workspace.distance(&named.branch, heads);
        let taken_back = self.taken_back(&named.branch);
        if distance.ahead == 0 {
            let is_there = format!(
                "all that was changed on it is there already; write to it with `--branch {name:?}`"
            );
            let said: Vec<_> = taken_back.iter().map(ToString::to_string).collect();
            let hint = if said.is_empty() { is_there } else { said.join("; ") };
            return Err(failed("there is nothing to merge".to_owned()).with_hint(hint));
        }
        let mut deps = self.workspace.line(&origin).heads;
        deps.extend(self.workspace.line(&named.branch).heads);
        // An actor of its own: this change is told with what it brings, later than it is written.
        self.retire_actor();
        let (device, life) = (self.key.device(), self.config.incarnation);
        let actor = hash::actor(&device, &life, &origin, self.generation);
        let change = merging_change(actor, &deps, self.workspace.next_op(&origin, &deps));
        let document = Some(origin);
        let change = DocumentChange { document, generation: self.generation, change };
        let written = self.write_changes(vec![change], About::Nothing);
        self.retire_actor();
        let event = written.map_err(|fault| self.not_written(fault))?;
        self.tell_now();
        Ok(BranchReply::Merged { event, changes: distance.ahead, taken_back })
    }

    fn taken_back(&self, branch: &DocumentId) -> Vec<LostMerge> {
        self.workspace.merges_taken_back().remove(branch).unwrap_or_default()
    }

    fn compare(&mut self, request: RequestId, command: BranchCommand, links: Links, named: &Named) {
        let fork = Fork {
            branch: named.branch,
            origin: named.origin,
            from: self.workspace.fork_heads(&named.branch),
            merge: matches!(command, BranchCommand::Preview { .. }),
            put_back: self.workspace.put_back(&named.origin),
        };
        let pending = Pending::Fork { request, command, links, named: named.clone() };
        self.ask(pending, DocumentTask::Fork(fork));
    }

    pub(super) fn on_forked(
        &mut self,
        request: RequestId,
        command: BranchCommand,
        (links, named): (Links, Named),
        done: DocumentDone,
    ) {
        let reply = match done {
            DocumentDone::Closed(documents) => {
                return self.open_for(request, Command::Branch(command), &documents, no_history());
            }
            DocumentDone::Forked(Ok(preview)) => {
                self.touch(named.branch);
                self.touch(named.origin);
                let MergePreview { shown, conflicts } = *preview;
                let root = self.workspace.root_document();
                let above = above(root, Some(&links), &named.origin);
                let more_conflicts = conflicts.more;
                let conflicts = self.document_rows(named.origin, &above, conflicts.conflicts);
                // None of them is open, and there is nothing to decide, before it is merged.
                let not_open = |row| ConflictRow { next: Vec::new(), ..row };
                let conflicts = conflicts.into_iter().map(not_open).collect();
                Reply::Branch(BranchReply::Changes(Box::new(BranchChanges {
                    document: named.branch,
                    origin: named.origin,
                    changes: shown.rows,
                    more: shown.more,
                    conflicts,
                    more_conflicts,
                    taken_back: self.taken_back(&named.branch),
                })))
            }
            DocumentDone::Forked(Err(fault)) => Reply::Failed(edit_failure(&fault)),
            other => {
                self.damaged(format!("the documents answered {other:?} to a comparison"));
                let text = "the documents answered wrongly";
                Reply::Failed(Failure::new(FailureKind::Failed, text))
            }
        };
        self.reply(request, reply);
    }

    fn path_of(&self, links: &Links, document: &DocumentId) -> String {
        if self.workspace.root_document() == Some(*document) {
            return String::new();
        }
        let path = links.name_of(document);
        // Of a branch without a name, its id among branches.
        match (path.segments(), self.workspace.origin(document)) {
            ([map, id], Some(_)) if map == "boards" && *id == document.to_string() => {
                format!("branches/{id}")
            }
            _ => path.to_string(),
        }
    }

    /// The document that the next own content event would make as a branch of `origin`.
    pub(super) fn next_branch(&mut self, origin: &DocumentId) -> Result<DocumentId, Failure> {
        self.next_document().map_err(|fault| author_failure(&fault))?;
        let (device, life) = (self.key.device(), self.config.incarnation);
        let next = self.workspace.next_branch(&device, &life, origin);
        next.ok_or_else(|| Failure::new(FailureKind::Failed, "there are heads that are not joined"))
    }
}

/// The name that is put away where a branch is named by it, or by its id.
fn put_away_as(links: &Links, name: String) -> Result<String, Failure> {
    let Ok(id) = name.parse::<DocumentId>() else { return Ok(name) };
    let link = links.branches.iter().find(|link| link.document == id && link.is_shown);
    link.map(|link| link.name.clone()).ok_or_else(|| {
        let text = format!("no name leads to {id}, and a name is what is put away");
        Failure::new(FailureKind::Failed, text)
            .with_hint("`kern branch list --all` says what gives it a name again")
    })
}
