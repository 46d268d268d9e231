//! The loop around one `Replica`: one task owns it, one place performs its outputs.
//!
//! A turn (SPEC: DUR-1): every input that waits goes in, all outputs come out, everything to be
//! remembered is committed as one transaction, then the rest is performed in order. If the commit
//! fails, nothing else of the turn happens: its callers hear that nothing was stored, and the
//! Replica is loaded anew. The documents work on a thread of their own, with a large stack.

mod documents;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply, RequestId};
use kernelos_protocol::document::DocumentDone;
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::store::{EventStore, LoadRequest, Record, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::home::random;
use crate::store::{Meta, SqliteStore, to_failure};
use documents::DocumentThread;

/// Inputs that wait for the loop. Beyond it a caller hears "busy".
const INBOX_MAX: usize = 1_024;

/// Everything that wakes the loop.
enum Wake {
    Request(Command, oneshot::Sender<Reply>),
    /// The documents' answer, from the thread of this number: one that was replaced is not heard.
    Done(u64, DocumentDone),
    Stop,
}

/// A running workspace.
pub struct Engine {
    /// What its store says of it.
    pub meta: Meta,
    inbox: mpsc::Sender<Wake>,
    thread: thread::JoinHandle<()>,
}

impl Engine {
    /// Opens the store at `path` and runs its workspace on a thread of its own.
    pub fn start(path: &Path, secret: [u8; 32]) -> Result<Self, Failure> {
        let store = SqliteStore::open(path).map_err(|error| to_failure(&error))?;
        let meta = store.meta().map_err(|error| to_failure(&error))?;
        let config = Config {
            secret,
            incarnation: meta.incarnation,
            seed: random()?,
            workspace: meta.workspace,
            workspace_name: meta.name.clone(),
            device_name: meta.device.clone(),
            mode: meta.mode,
        };
        let (inbox, waiting) = mpsc::channel(INBOX_MAX);
        let state = Loop::new(config, Box::new(store), waiting, inbox.downgrade())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| Failure::new(FailureKind::Failed, error))?;
        let thread = thread::Builder::new()
            .name("workspace".to_owned())
            .spawn(move || runtime.block_on(state.run()))
            .map_err(|error| Failure::new(FailureKind::Failed, error))?;
        Ok(Self { meta, inbox, thread })
    }

    /// Which workspace.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        self.meta.workspace
    }

    /// Asks, and waits for the reply.
    pub async fn ask(&self, command: Command) -> Reply {
        let (sender, reply) = oneshot::channel();
        if self.inbox.try_send(Wake::Request(command, sender)).is_err() {
            let failure = Failure::new(FailureKind::Busy, "the workspace is busy or stopping");
            return Reply::Failed(failure.with_hint("try again in a moment"));
        }
        reply.await.unwrap_or_else(|_| Reply::Failed(stopped()))
    }

    /// Finishes what is under way, then stops.
    pub async fn stop(self) {
        self.inbox.send(Wake::Stop).await.ok();
        drop(self.inbox);
        let thread = self.thread;
        tokio::task::spawn_blocking(move || thread.join()).await.ok();
    }
}

fn stopped() -> Failure {
    Failure::new(FailureKind::Busy, "the node stopped before it answered")
        .with_hint("whether it was done is in `kern log`; start the node with `kern up`")
}

struct Loop {
    config: Config,
    replica: Replica,
    store: Box<dyn EventStore + Send>,
    documents: DocumentThread,
    waiting: mpsc::Receiver<Wake>,
    inbox: mpsc::WeakSender<Wake>,
    callers: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    requests: u64,
    stopping: bool,
}

impl Loop {
    fn new(
        config: Config,
        store: Box<dyn EventStore + Send>,
        waiting: mpsc::Receiver<Wake>,
        inbox: mpsc::WeakSender<Wake>,
    ) -> Result<Self, Failure> {
        let replica = Replica::load(config.clone(), clock::now());
        let documents = start_documents(0, &inbox)?;
        let callers = BTreeMap::new();
        Ok(Self {
            config,
            replica,
            store,
            documents,
            waiting,
            inbox,
            callers,
            requests: 0,
            stopping: false,
        })
    }

    async fn run(mut self) {
        loop {
            self.turn();
            if self.stopping && self.callers.is_empty() {
                break;
            }
            let Some(wake) = self.waiting.recv().await else { break };
            self.hand_in(wake);
            // Everything that waits is one turn: its commits share one transaction.
            for _ in 0..INBOX_MAX {
                let Ok(wake) = self.waiting.try_recv() else { break };
                self.hand_in(wake);
            }
        }
    }

    fn hand_in(&mut self, wake: Wake) {
        match wake {
            Wake::Request(_, caller) if self.stopping => {
                caller.send(Reply::Failed(stopped())).ok();
            }
            Wake::Request(command, caller) => {
                self.requests += 1;
                let request = RequestId(self.requests);
                self.callers.insert(request, caller);
                self.replica.handle(clock::now(), Input::Command(request, command));
            }
            Wake::Done(thread, done) if thread == self.documents.number() => {
                self.replica.handle(clock::now(), Input::Done(done));
            }
            Wake::Done(..) => {}
            Wake::Stop => self.stopping = true,
        }
    }

    /// One turn after the other, until nothing is left to do without an input from outside.
    fn turn(&mut self) {
        loop {
            let mut persist = Vec::new();
            let mut rest = Vec::new();
            while let Some(output) = self.replica.poll_output() {
                match output {
                    Output::Persist(records) => persist.extend(records),
                    output => rest.push(output),
                }
            }
            if !persist.is_empty()
                && let Err(error) = self.commit(&persist)
            {
                self.start_over(&error, rest);
                continue;
            }
            let loads = self.perform(rest);
            if loads.is_empty() {
                return;
            }
            for request in loads {
                self.load(&request);
            }
        }
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let committed = self.store.commit(records);
        if committed.as_ref().is_err_and(StoreError::is_fatal) {
            // Nothing may be said or done any more, not even a clean end.
            std::process::abort();
        }
        committed
    }

    fn perform(&mut self, outputs: Vec<Output>) -> Vec<LoadRequest> {
        let mut loads = Vec::new();
        for output in outputs {
            match output {
                Output::Persist(_) => {}
                Output::Load(request) => loads.push(request),
                Output::Perform(task) => self.documents.perform(task),
                Output::Reply(request, reply) => self.reply(request, reply),
            }
        }
        loads
    }

    fn load(&mut self, request: &LoadRequest) {
        let slice = self.store.load(request).unwrap_or_else(|error| {
            let damaged = vec![format!("the store could not be read: {error}")];
            kernelos_protocol::store::Slice { damaged, ..Default::default() }
        });
        self.replica.handle(clock::now(), Input::Loaded(slice));
    }

    fn reply(&mut self, request: RequestId, reply: Reply) {
        if let Some(caller) = self.callers.remove(&request) {
            // A caller that went away does not mind.
            caller.send(reply).ok();
        }
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
        self.replica = Replica::load(self.config.clone(), clock::now());
        match start_documents(self.documents.number() + 1, &self.inbox) {
            Ok(documents) => self.documents = documents,
            Err(_) => std::process::abort(),
        }
    }
}

fn start_documents(number: u64, inbox: &mpsc::WeakSender<Wake>) -> Result<DocumentThread, Failure> {
    let inbox = inbox.clone();
    DocumentThread::start(number, move |done| {
        inbox.upgrade().is_some_and(|inbox| inbox.blocking_send(Wake::Done(number, done)).is_ok())
    })
    .map_err(|error| Failure::new(FailureKind::Failed, error))
}
