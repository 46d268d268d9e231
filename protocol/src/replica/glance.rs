//! A glance: what this device showed when it last was at rest, so that a start answers before it
//! has read its history.
//!
//! It answers reads where the store holds exactly the events that it was taken of, so it never
//! shows what is not so any more. Of an older one the status is shown, and what is read by who said
//! that it may be older; both are marked, so nobody takes it for all that was acknowledged. It
//! claims nothing, decides nothing, and is sealed under a key of this device: at rest a store holds
//! no content in the clear. `SPEC: DUR-9`

use std::collections::BTreeMap;

use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::command::{Command, Loading, Reply, RequestId, Status};
use crate::document::{DocPath, DocumentTask, Dump, EditFault, ReadValue, route};
use crate::id::{ChangeHash, DocumentId, EventId};
use crate::limits::{GLANCE_BYTES_MAX, GLANCE_EVENTS_MIN, GLANCE_QUIET_MS};
use crate::replica::documents::Pending;
use crate::replica::survey::For;
use crate::replica::{LoadFor, Replica};
use crate::seal::{open_local, seal_local};
use crate::store::Record;

/// What was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Glance {
    /// Of how many events.
    events: usize,
    status: Status,
    /// The root document, and with it those that were open, where they are not too large.
    root: Option<DocumentId>,
    documents: BTreeMap<DocumentId, Dump>,
    /// The events that carry the changes that the documents name.
    carriers: BTreeMap<DocumentId, BTreeMap<ChangeHash, EventId>>,
}

/// What is known of glances.
#[derive(Debug, Default)]
pub(super) struct Glances {
    /// The one from the store, until its history is here.
    found: Option<Glance>,
    /// How many events the store holds.
    kept: usize,
    /// Of how many events the last one was taken.
    taken_at: usize,
    /// How many documents the one that is being taken leaves out of its count of conflicts.
    uncounted: usize,
    /// How many events were here when last looked, and since when, by the monotonic clock.
    seen: (usize, u64),
}

impl Glances {
    /// When the next is due, if nothing more comes.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        let (events, since) = self.seen;
        let is_due = events >= GLANCE_EVENTS_MIN && events != self.taken_at;
        is_due.then(|| since.saturating_add(GLANCE_QUIET_MS))
    }
}

impl Replica {
    /// The store gave the beginning of its history, and this with it.
    pub(super) fn find_glance(&mut self, sealed: Option<&[u8]>, kept: u64) {
        self.glances.kept = usize::try_from(kept).unwrap_or(usize::MAX);
        // One that does not open was damaged, or another device's: as good as none.
        let inside = sealed.and_then(|sealed| {
            open_local(&self.key.glance_key(), &self.config.workspace.0, sealed)
        });
        let found = inside.and_then(|inside| serde_json::from_slice::<Glance>(&inside).ok());
        self.glances.taken_at = found.as_ref().map_or(0, |glance| glance.events);
        self.glances.found = found;
    }

    /// Answers what can be answered while the history is read.
    pub(super) fn answer_by_glance(&mut self) {
        let glance = self.glances.found.take();
        for (request, command) in std::mem::take(&mut self.commands) {
            let reply = match &glance {
                // What is kept stays as it is.
                _ if command == Command::Rest => Some(Reply::Noted),
                Some(glance) => self.glanced(glance, &command),
                None => None,
            };
            match reply {
                Some(reply) => self.reply(request, reply),
                None => self.commands.push_back((request, command)),
            }
        }
        self.glances.found = glance;
    }

    fn glanced(&self, glance: &Glance, command: &Command) -> Option<Reply> {
        let is_newest = glance.events == self.glances.kept;
        let loading =
            Loading { events: self.workspace.len(), of: self.glances.kept, shown: glance.events };
        match command {
            Command::Status => {
                let status = Status {
                    state_hash: None,
                    current: false,
                    loading: Some(loading),
                    ..glance.status.clone()
                };
                Some(Reply::Status(Box::new(status)))
            }
            Command::Read { path } if is_newest => glance.read(path, None),
            // Of more events than are here it would show what the store lost.
            Command::Glance { path } if glance.events <= self.glances.kept => {
                glance.read(path, (!is_newest).then_some(loading))
            }
            _ => None,
        }
    }

    /// The history is here: nothing is shown by a glance any more.
    pub(super) fn end_glance(&mut self) {
        self.glances.found = None;
    }

    /// Once a turn: takes a glance where nothing came for a while, of what takes long to read.
    pub(super) fn glance(&mut self) {
        let events = self.workspace.len();
        if self.glances.seen.0 != events {
            self.glances.seen = (events, self.now.monotonic_ms);
        }
        let is_due = |at| at <= self.now.monotonic_ms;
        if self.glances.next_deadline().is_some_and(is_due) {
            // Whatever comes of it, it is not tried again for these events.
            self.glances.taken_at = events;
            self.start_glance(None);
        }
    }

    /// Takes a glance, and says so to who asked.
    pub(super) fn start_glance(&mut self, request: Option<RequestId>) {
        let is_calm = self.mending.is_whole()
            && self.workspace.is_projected()
            && !self.workspace.lacks_bodies()
            && !self.loads.iter().any(|load| matches!(load, LoadFor::Bodies(_)));
        match self.workspace.held_document() {
            _ if !is_calm || self.survey.is_some() => self.glanced_at(request),
            Some(_) => self.start_survey(For::Glance(request)),
            None => {
                self.glances.uncounted = 0;
                self.keep_glance(0, BTreeMap::new());
                self.glanced_at(request);
            }
        }
    }

    /// So many conflicts are open, and those of so many documents were not counted.
    pub(super) fn on_glance_count(
        &mut self,
        request: Option<RequestId>,
        (conflicts, uncounted): (usize, usize),
    ) {
        self.glances.uncounted = uncounted;
        let pending = Pending::Glance(request, conflicts, self.workspace.len());
        let root = self.workspace.root_document();
        let documents = root.into_iter().chain(self.workspace.opened().iter().copied()).collect();
        self.ask(pending, DocumentTask::Dump { documents });
    }

    pub(super) fn on_glance(
        &mut self,
        (request, conflicts, events): (Option<RequestId>, usize, usize),
        dumps: Result<BTreeMap<DocumentId, Dump>, EditFault>,
    ) {
        // What came meanwhile is not in it.
        if events == self.workspace.len()
            && let Ok(dumps) = dumps
        {
            self.keep_glance(conflicts, dumps);
        }
        self.glanced_at(request);
    }

    fn glanced_at(&mut self, request: Option<RequestId>) {
        if let Some(request) = request {
            self.reply(request, Reply::Noted);
        }
    }

    fn keep_glance(&mut self, conflicts: usize, documents: BTreeMap<DocumentId, Dump>) {
        let Reply::Status(mut status) = self.status(conflicts) else { return };
        status.uncounted = self.glances.uncounted;
        let root = self.workspace.root_document();
        let mut carriers = BTreeMap::new();
        for (document, dump) in &documents {
            let carrier =
                |change: &ChangeHash| Some((*change, self.workspace.carrier(document, change)?));
            let of: BTreeMap<_, _> = dump.changes().iter().filter_map(carrier).collect();
            carriers.insert(*document, of);
        }
        let events = self.workspace.len();
        let mut glance = Glance { events, status: *status, root, documents, carriers };
        let mut inside = glance.encode();
        // Where all are too much, the root alone may not be.
        for keeps in [root, None] {
            if inside.len() > GLANCE_BYTES_MAX {
                glance.documents.retain(|id, _| keeps == Some(*id));
                glance.carriers.retain(|id, _| keeps == Some(*id));
                inside = glance.encode();
            }
        }
        let mut nonce = [0; 12];
        self.rng.fill_bytes(&mut nonce);
        let sealed = seal_local(&self.key.glance_key(), &self.config.workspace.0, nonce, inside);
        self.glances.taken_at = events;
        self.persist.push(Record::Glance(sealed));
    }
}

impl Glance {
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What is at a path; none where nothing is: who asks for that hears of it when all is here.
    fn read(&self, path: &DocPath, loading: Option<Loading>) -> Option<Reply> {
        let root = self.root?;
        let of_root = self.documents.get(&root)?;
        let (document, read) = match route(&root, path, |path| of_root.read(path)) {
            None => (root, of_root.read(path)?),
            Some(routed) => {
                let whole = self.documents.get(&routed.document)?.read(&routed.path)?;
                match routed.link.filter(|_| routed.path.segments().is_empty()) {
                    Some(link) => (root, ReadValue { value: whole.value, ..link }),
                    None => (routed.document, whole),
                }
            }
        };
        let of = self.carriers.get(&document);
        let event = read.change.and_then(|change| of?.get(&change)).copied();
        Some(Reply::Read(crate::command::ReadReply {
            path: path.clone(),
            value: read.value,
            conflict: read.conflict,
            conflict_below: read.conflict_below,
            event,
            loading,
        }))
    }
}
