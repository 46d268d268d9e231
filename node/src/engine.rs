//! The loop around one `Replica`: one task owns it, one place performs its outputs.
//!
//! A turn (SPEC: DUR-1): every input that waits goes in, all outputs come out, everything to be
//! remembered is committed as one transaction, then the rest is performed in order. If the commit
//! fails, nothing else of the turn happens: its callers hear that nothing was stored, and the
//! Replica is loaded anew. The documents work on a thread of their own, with a large stack.

mod asker;
mod changes;
mod documents;
mod failing;
mod heard;
mod known;
mod links;
mod missions;
mod owing;
mod peers;
mod shared;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply, RequestId};
use kernelos_protocol::document::DocumentDone;
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::limits::QUOTA_MAKES;
use kernelos_protocol::mission::work::{Outcome, Ticket};
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::store::{LoadRequest, Record, StoreError};
use kernelos_protocol::sync::hint::Hint;
use kernelos_protocol::sync::{LinkId, Message};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock;
use crate::home::random;
use crate::missions::Worker;
use crate::portable::{timeout, yield_now};
use crate::store::{Meta, Stopper, to_failure};
use crate::transport::Link;
pub use asker::Asker;
use asker::stopped;
use changes::Changes;
use documents::{DocumentThread, start_documents};
use failing::{Store, take};
pub use heard::Voice;
use heard::Voices;
use known::Known;
use links::Links;
use missions::Missions;
pub use shared::Shared;

/// Inputs that wait for the loop. Beyond it a caller hears "busy".
const INBOX_MAX: usize = 1_024;

/// A stop does not wait longer, in seconds, for what is under way.
const STOP_MAX_S: u32 = 10;
/// Threads that read frames beside the loop: one goes on while a heavy frame holds the other.
const FRAME_THREADS: usize = 2;

/// Everything that wakes the loop.
enum Wake {
    Request(Command, oneshot::Sender<Reply>),
    /// The documents' answer, from the thread of this number: one that was replaced is not heard.
    Done(u64, DocumentDone),
    /// A connection is up; with what its peer said already.
    Up(Box<Link>, Option<Message>),
    Message(LinkId, Message),
    Fault(LinkId, String),
    Down(LinkId, String),
    /// Where this device can be reached now.
    Addresses(Vec<SocketAddr>),
    /// What a mission ordered is done.
    Worked(Ticket, Box<Outcome>),
    /// How far this device is, is to be told by gossip.
    Gossips,
    /// A member was heard by gossip.
    Heard(Box<Hint>),
    /// No connection may stay up.
    Offline,
    /// A deadline of the Replica passed.
    Deadline,
    Stop,
}

/// A running workspace.
pub struct Engine {
    /// What its store said of it at the start.
    pub meta: Meta,
    /// What became of its store at this start, where that is to be told: a code.
    pub told: Option<String>,
    inbox: mpsc::Sender<Wake>,
    shared: Arc<Mutex<Shared>>,
    stopper: Stopper,
    changes: watch::Sender<u64>,
    thread: thread::JoinHandle<()>,
}

impl Engine {
    /// Opens the store at `path` and runs its workspace on a thread of its own.
    pub fn start(
        path: &std::path::Path,
        secret: &[u8; 32],
        worker: &Worker,
    ) -> Result<Self, Failure> {
        let mut store = take(path, secret).map_err(|error| to_failure(&error))?;
        let told = store.told.take();
        let meta = store.meta().map_err(|error| to_failure(&error))?;
        let config = Config {
            secret: *secret,
            incarnation: meta.incarnation,
            seed: random()?,
            workspace: meta.workspace,
            workspace_name: meta.name.clone(),
            device_name: meta.device.clone(),
            mode: meta.mode,
            runs: worker.runs,
            quota: QUOTA_MAKES,
        };
        let (inbox, waiting) = mpsc::channel(INBOX_MAX);
        let shared = Shared { device: meta.device.clone(), ..Shared::default() };
        let shared = Arc::new(Mutex::new(shared));
        let asker = Asker { inbox: inbox.downgrade(), waits: true };
        let missions = Missions::new(worker.clone(), asker);
        let stopper = Stopper::default();
        let store = Store::new(path, store, &stopper);
        let state = Loop::new(config, store, waiting, missions, Arc::clone(&shared))?;
        let changes = state.changes.sender();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(FRAME_THREADS)
            .build()
            .map_err(|error| Failure::new(FailureKind::Failed, error))?;
        let thread = thread::Builder::new()
            .name("workspace".to_owned())
            .spawn(move || runtime.block_on(state.run()))
            .map_err(|error| Failure::new(FailureKind::Failed, error))?;
        Ok(Self { meta, told, inbox, shared, stopper, changes, thread })
    }

    /// What others may know of it now.
    pub fn shared<T>(&self, read: impl FnOnce(&Shared) -> T) -> T {
        // Nobody panics while holding it; and if so, what it holds is whole.
        read(&self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands over a connection, with what its peer said already.
    pub async fn attach(&self, link: Link, said: Option<Message>) {
        self.inbox.send(Wake::Up(Box::new(link), said)).await.ok();
    }

    /// Says where this device can be reached now.
    pub async fn addresses(&self, addresses: Vec<SocketAddr>) {
        self.inbox.send(Wake::Addresses(addresses)).await.ok();
    }

    /// Ends every connection.
    pub async fn offline(&self) {
        self.inbox.send(Wake::Offline).await.ok();
    }

    /// Which workspace.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        self.meta.workspace
    }

    /// Asks, and waits for the reply.
    pub async fn ask(&self, command: Command) -> Reply {
        self.asker().ask(command).await
    }

    /// A way to ask that does not keep the workspace running.
    #[must_use]
    pub fn asker(&self) -> Asker {
        Asker { inbox: self.inbox.downgrade(), waits: false }
    }

    /// Finishes what is under way, keeps a glance of it, then stops. `SPEC: DUR-9`
    pub async fn stop(self) {
        self.stopper.stop();
        self.inbox.send(Wake::Stop).await.ok();
        let thread = self.thread;
        let mut ended = tokio::task::spawn_blocking(move || thread.join());
        // What the documents answer comes by the inbox, as long as this end of it is held.
        for _ in 0..STOP_MAX_S {
            if timeout(Duration::from_secs(1), &mut ended).await.is_some() {
                return;
            }
            // A statement that had not begun then was not stopped.
            self.stopper.stop();
        }
        drop(self.inbox);
        ended.await.ok();
    }
}

struct Loop {
    config: Config,
    replica: Replica,
    store: Store,
    documents: DocumentThread,
    waiting: mpsc::Receiver<Wake>,
    inbox: mpsc::WeakSender<Wake>,
    missions: Missions,
    callers: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    links: Links,
    shared: Arc<Mutex<Shared>>,
    known: Known,
    changes: Changes,
    voices: Voices,
    requests: u64,
    /// What is asked of the store once the inbox was looked at: a start answers meanwhile.
    later: VecDeque<LoadRequest>,
    /// Connections that came before the history was read: without it, nobody can be told apart.
    arriving: Vec<(Link, Option<Message>)>,
    /// The store cannot be read any more.
    failed: Option<Failure>,
    stopping: bool,
    /// A stop waits until this is answered.
    resting: Option<RequestId>,
}

impl Loop {
    fn new(
        config: Config,
        store: Store,
        waiting: mpsc::Receiver<Wake>,
        missions: Missions,
        shared: Arc<Mutex<Shared>>,
    ) -> Result<Self, Failure> {
        let inbox = missions.asker().inbox.clone();
        let replica = Replica::load(config.clone(), clock::now());
        let documents = start_documents(0, &inbox)?;
        let callers = BTreeMap::new();
        let known = Known::beside(&store.at);
        Ok(Self {
            config,
            replica,
            store,
            documents,
            waiting,
            inbox,
            missions,
            callers,
            links: Links::default(),
            shared,
            known,
            changes: Changes::default(),
            voices: Voices::default(),
            requests: 0,
            later: VecDeque::new(),
            arriving: Vec::new(),
            failed: None,
            stopping: false,
            resting: None,
        })
    }

    async fn run(mut self) {
        loop {
            self.turn();
            self.publish();
            self.tell_changes();
            if self.is_over() {
                break;
            }
            if self.let_in() {
                continue;
            }
            let next = self.later.pop_front();
            if next.is_none() {
                let Some(wake) = self.next_wake().await else { break };
                self.hand_in(wake);
            }
            // Everything that waits is one turn: its commits share one transaction.
            for _ in 0..INBOX_MAX {
                let Ok(wake) = self.waiting.try_recv() else { break };
                self.hand_in(wake);
            }
            if let Some(request) = next {
                self.load(&request);
                yield_now().await;
            }
        }
    }

    /// It is stopped, and what it shows is kept. Who else asks may wait for ever: nobody waits for
    /// them.
    fn is_over(&self) -> bool {
        let is_resting = self.resting.is_some_and(|request| self.callers.contains_key(&request));
        self.stopping && !is_resting
    }

    fn hand_in(&mut self, wake: Wake) {
        match wake {
            Wake::Deadline => self.replica.handle(clock::now(), Input::Tick),
            Wake::Up(link, said) => self.arrived(*link, said),
            Wake::Message(link, message) => {
                self.replica.handle(clock::now(), Input::Message(link, message));
            }
            Wake::Fault(link, code) => {
                self.replica.handle(clock::now(), Input::Fault(link, code));
            }
            Wake::Down(link, reason) => self.link_down(link, reason),
            Wake::Addresses(addresses) => {
                self.replica.handle(clock::now(), Input::Addresses(addresses));
            }
            Wake::Worked(ticket, outcome) => {
                self.replica.handle(clock::now(), Input::Worked(ticket, outcome));
            }
            Wake::Gossips => self.voices.switch_on(),
            Wake::Heard(hint) => self.heard(&hint),
            Wake::Offline => self.go_offline(),
            _ if self.failed.is_some() => self.refuse(wake),
            Wake::Request(_, caller) if self.stopping => {
                caller.send(Reply::Failed(stopped())).ok();
            }
            Wake::Request(command, caller) => drop(self.request(command, caller)),
            Wake::Done(thread, done) if thread == self.documents.number() => {
                self.changes.done(&done);
                self.replica.handle(clock::now(), Input::Done(done));
            }
            Wake::Done(..) => {}
            Wake::Stop => self.stop(),
        }
    }

    /// Nothing is begun any more; what this device shows is kept for its next start.
    fn stop(&mut self) {
        self.stopping = true;
        self.go_offline();
        let (caller, _) = oneshot::channel();
        self.resting = Some(self.request(Command::Rest, caller));
    }

    fn request(&mut self, command: Command, caller: oneshot::Sender<Reply>) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.callers.insert(request, caller);
        self.replica.handle(clock::now(), Input::Command(request, command));
        request
    }

    /// One turn after the other, until nothing is left to do without an input from outside.
    fn turn(&mut self) {
        while self.failed.is_none() {
            let mut persist = Vec::new();
            let mut rest = Vec::new();
            while let Some(output) = self.replica.poll_output() {
                match output {
                    Output::Persist(records) => persist.extend(records),
                    output => rest.push(output),
                }
            }
            if persist.is_empty() && rest.is_empty() {
                return;
            }
            if !persist.is_empty()
                && let Err(error) = self.commit(&persist)
            {
                self.not_stored(&error, rest);
                continue;
            }
            // Who hears of it is let in by it.
            self.publish();
            let loads = self.perform(rest);
            for request in loads {
                let is_history = matches!(request, LoadRequest::From { cursor, .. } if cursor > 0);
                // The store answers in the order in which it is asked. Where it fails, the Replica
                // that asked for the others is gone.
                if is_history || !self.later.is_empty() {
                    self.later.push_back(request);
                } else if !self.load(&request) {
                    break;
                }
            }
        }
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let committed = self.store.open.commit(records);
        self.changes.stored();
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
                Output::Reply(request, reply) => {
                    let reply = self.with_what_is_owed(reply);
                    self.reply(request, reply);
                }
                Output::Send(link, frame) => {
                    let (kind, bytes) = (Message::kind_of(&frame), frame.len() as u64);
                    self.share(|shared| *shared.sent.entry(kind).or_default() += bytes);
                    if !self.links.send(link, frame) {
                        self.links.close(link, "too slow".to_owned());
                        self.replica.handle(clock::now(), Input::PeerDown(link));
                    }
                }
                Output::Disconnect(link, reason) => {
                    if let Some(device) = self.links.device(link) {
                        self.share(|shared| drop(shared.ended.insert(device, reason.clone())));
                    }
                    self.links.close(link, reason);
                }
                Output::Reachable(device, addresses) => {
                    self.share(|shared| drop(shared.reachable.insert(device, addresses)));
                }
                Output::Work(order) => self.missions.start(*order),
                Output::Cancel(ticket) => self.missions.cancel(ticket),
            }
        }
        loads
    }

    fn share(&self, write: impl FnOnce(&mut Shared)) {
        write(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn reply(&mut self, request: RequestId, reply: Reply) {
        if let Some(caller) = self.callers.remove(&request) {
            // A caller that went away does not mind.
            caller.send(reply).ok();
        }
    }
}
