//! What the loop does where its store fails: it starts over from what the store holds or from what
//! can be salvaged of it, or says that it cannot be read.

use std::path::{Path, PathBuf};

use kernelos_protocol::command::{Failure, FailureKind, Reply};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::replica::{Input, Output, Replica};
use kernelos_protocol::store::{EventStore, LoadRequest, MemoryStore, StoreError};

use super::documents::start_documents;
use super::{Loop, Wake};
use crate::clock;
use crate::home::random;
use crate::store::{SqliteStore, Stopper};

/// A disk that damages what was just salvaged is left alone.
const SALVAGES_MAX: u32 = 3;

/// The store of a workspace, and where it lies.
pub(super) struct Store {
    pub(super) at: PathBuf,
    pub(super) open: Box<dyn EventStore + Send>,
    /// How often it was salvaged while it was open.
    pub(super) salvaged: u32,
    stopper: Stopper,
}

impl Store {
    pub(super) fn new(path: &Path, open: SqliteStore, stopper: &Stopper) -> Self {
        let at = path.to_owned();
        let open = open.stopped_by(stopper);
        Self { at, open: Box::new(open), salvaged: 0, stopper: stopper.clone() }
    }
}

/// The store at `path`, for the device of this secret. `SPEC: DUR-7, DUR-8`
pub(super) fn take(path: &Path, secret: &[u8; 32]) -> Result<SqliteStore, StoreError> {
    SqliteStore::take(path, &DeviceKey::from_secret(secret).device())
}

impl Loop {
    /// What can still be done where the store cannot be read: to say so, and to stop.
    pub(super) fn refuse(&mut self, wake: Wake) {
        match (wake, &self.failed) {
            (Wake::Request(_, caller), Some(failure)) => {
                caller.send(Reply::Failed(failure.clone())).ok();
            }
            (Wake::Stop, _) => self.stopping = true,
            _ => {}
        }
    }

    /// Says no where the Replica is another one now, or nothing can be read any more.
    pub(super) fn load(&mut self, request: &LoadRequest) -> bool {
        let loaded = self.store.open.load(request).map_err(|error| self.not_read(&error));
        let is_read = loaded.is_ok();
        loaded.into_iter().for_each(|slice| {
            self.replica.handle(clock::now(), Input::Loaded(slice));
        });
        is_read
    }

    /// The store could not be read. That must not look like the end of the history.
    pub(super) fn not_read(&mut self, error: &StoreError) {
        match error {
            StoreError::Corrupt(_) => self.not_stored(error, Vec::new()),
            _ => self.unreadable(error),
        }
    }

    /// Starts over; where the store is damaged, with what can be salvaged of it.
    /// `SPEC: DUR-2, DUR-7`
    pub(super) fn not_stored(&mut self, error: &StoreError, dropped: Vec<Output>) {
        if matches!(error, StoreError::Corrupt(_)) {
            self.store.salvaged += 1;
            if self.store.salvaged > SALVAGES_MAX {
                return self.unreadable(error);
            }
            // Nobody has the file open while it is replaced.
            self.store.open = Box::new(MemoryStore::default());
            let device = DeviceKey::from_secret(&self.config.secret).device();
            match SqliteStore::salvage(&self.store.at, &device) {
                Ok(store) => self.store.open = Box::new(store.stopped_by(&self.store.stopper)),
                Err(error) => return self.unreadable(&error),
            }
        }
        self.start_over(error, dropped);
    }

    /// The store cannot be read: this workspace answers that, and does nothing any more.
    fn unreadable(&mut self, error: &StoreError) {
        let failure =
            Failure::new(FailureKind::Failed, format!("the store cannot be read: {error}"))
                .with_hint("nothing was changed; check the disk, then start the node again");
        for (_, caller) in std::mem::take(&mut self.callers) {
            caller.send(Reply::Failed(failure.clone())).ok();
        }
        for link in self.links.ids() {
            self.links.close(link, "store failed".to_owned());
        }
        self.failed = Some(failure);
    }

    /// The commit failed: every caller of this turn and every waiting one hears it, and the
    /// Replica and its documents are what the store holds again. `SPEC: DUR-2`
    fn start_over(&mut self, error: &StoreError, dropped: Vec<Output>) {
        let failure = Failure::new(FailureKind::Failed, format!("not stored: {error}"))
            .with_hint("nothing was changed; try again when the store can be written");
        let replied = dropped.into_iter().filter_map(|output| match output {
            Output::Reply(request, _) => Some(request),
            _ => None,
        });
        let unanswered: Vec<_> = replied.chain(self.replica.unanswered()).collect();
        for request in unanswered {
            self.reply(request, Reply::Failed(failure.clone()));
        }
        for link in self.links.ids() {
            self.links.close(link, "store failed".to_owned());
        }
        self.missions.cancel_all();
        // The seed that was used must not be used again: it would make the same keys.
        match random() {
            Ok(seed) => self.config.seed = seed,
            Err(_) => std::process::abort(),
        }
        self.later.clear();
        self.replica = Replica::load(self.config.clone(), clock::now());
        match start_documents(self.documents.number() + 1, &self.inbox) {
            Ok(documents) => self.documents = documents,
            Err(_) => std::process::abort(),
        }
    }
}
