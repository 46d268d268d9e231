//! The Replica's side of archives: giving all that is here, page by page, and taking slices of
//! another's through the door of all events; and documents as files. `SPEC: ARC-2, ARC-3, PRJ-8`

use crate::command::{Command, DocumentPart, Failure, FailureKind, NotTaken, Reply, RequestId};
use crate::document::{DocumentTask, EditFault, SavedPart};
use crate::event::{Run, Runs, Verified};
use crate::id::DocumentId;
use crate::limits::{ARCHIVE_SLICE_BYTES, HEADER_BYTES_MAX, LOAD_SLICE_EVENTS};
use crate::replica::commands::no_history;
use crate::replica::documents::{Pending, edit_failure};
use crate::replica::log::Asked;
use crate::replica::{LoadFor, Replica};
use crate::store::{LoadRequest, Place};
use crate::workspace::InsertFault;

impl Replica {
    /// Asks the store for the events from the `from`th on: as many as one page holds.
    pub(super) fn start_export(&mut self, request: RequestId, from: usize) {
        let places = self.page(from);
        if places.is_empty() {
            return self.reply(request, Reply::Failed(no_history()));
        }
        let load = LoadFor::Asked(request, Asked::Archive(from, places.len()));
        self.load_next(load, LoadRequest::Events(places));
    }

    fn page(&self, from: usize) -> Vec<Place> {
        let (mut places, mut sum) = (Vec::new(), 0_usize);
        let (mut is_inside, begin) = (false, self.workspace.order(from));
        for (position, id) in (from..).zip(begin) {
            // What one signature proves stands on one page.
            if places.len() >= LOAD_SLICE_EVENTS && !is_inside {
                break;
            }
            let Some(header) = self.workspace.header(id) else { break };
            let body = header.body.as_ref().map_or(0, |body| body.len);
            let body = usize::try_from(body).unwrap_or(usize::MAX);
            sum = sum.saturating_add(body).saturating_add(HEADER_BYTES_MAX);
            if sum > ARCHIVE_SLICE_BYTES && !places.is_empty() && !is_inside {
                break;
            }
            is_inside = self.workspace.is_inside(position);
            places.push(Place { chain: header.chain(), seq: header.seq, id: *id });
        }
        places
    }

    /// The store gave a page. One that lacks an event would make a file that nobody can take.
    pub(super) fn on_archive_loaded(
        &mut self,
        request: RequestId,
        (from, wanted): (usize, usize),
        events: Vec<Verified>,
    ) {
        let runs = Runs::of(events);
        let reply = if runs.iter().map(|run| run.events().len()).sum::<usize>() == wanted {
            let (workspace, count) = (self.workspace.id(), self.workspace.len());
            Reply::EventsPage { workspace, count, from, runs }
        } else {
            let failure = Failure::new(
                FailureKind::Failed,
                "this store is damaged: events of it cannot be read",
            );
            Reply::Failed(failure.with_hint(
                "`kern status` says what is missing; another device of the workspace can export",
            ))
        };
        self.reply(request, reply);
    }

    /// Asks the documents for a part of one as a file; without a name of the root.
    pub(super) fn save(&mut self, request: RequestId, document: Option<DocumentId>, from: usize) {
        let document = document.or_else(|| self.workspace.root_document());
        match document.filter(|document| self.workspace.has_document(document)) {
            Some(document) if !self.workspace.is_open(&document) => {
                let command = Command::SaveDocument { document: Some(document), from };
                let absent = self.unreadable();
                self.open_for(request, command, &[document].into(), absent);
            }
            Some(document) => {
                self.touch(document);
                let pending = Pending::Save(request, document, from);
                self.ask(pending, DocumentTask::Save { document, from });
            }
            None => self.reply(request, Reply::Failed(self.unreadable())),
        }
    }

    pub(super) fn save_reply(
        &self,
        document: DocumentId,
        from: usize,
        saved: Result<SavedPart, EditFault>,
    ) -> Reply {
        let saved = match saved {
            Ok(saved) => saved,
            Err(fault) => return Reply::Failed(edit_failure(&fault)),
        };
        let others = self.workspace.documents().filter(|other| *other != document && from == 0);
        Reply::DocumentPart(Box::new(DocumentPart {
            document,
            others: others.collect(),
            events: if from == 0 { self.workspace.events_in_documents() } else { 0 },
            heads: saved.heads,
            changes: saved.changes,
            size: saved.size,
            bytes: saved.bytes,
        }))
    }

    /// Takes runs in, up to the first that cannot go in.
    pub(super) fn import(&mut self, runs: Vec<Run>) -> Reply {
        let (mut here, mut not_taken, mut new) = (0, None, Vec::new());
        let (mut released, mut filled) = (Vec::new(), Vec::new());
        for run in runs {
            match self.take(&run) {
                Ok(taken) => {
                    here += run.events().len();
                    for id in &taken.new {
                        released.extend(self.held.release(id));
                    }
                    new.extend(taken.new);
                    filled.extend(taken.filled);
                }
                Err(InsertFault::Missing(missing)) => {
                    let code = "archive_missing".to_owned();
                    let message = format!("it names {missing}, which is not before it");
                    not_taken = Some(NotTaken { code, message });
                    break;
                }
                Err(InsertFault::Refused(refusal)) => {
                    let (code, message) = (refusal.code().to_owned(), refusal.to_string());
                    not_taken = Some(NotTaken { code, message });
                    break;
                }
            }
        }
        self.receive(released);
        self.sync.came(&new, &self.workspace);
        self.sync.push(&filled, &self.workspace);
        let new = new.len().saturating_add(filled.len());
        Reply::EventsTaken { here, new, not_taken }
    }
}
