//! `Replica`: one workspace on one device, behind one door.
//!
//! [`Replica::handle`] takes what happened, [`Replica::poll_output`] gives what is to be done.
//! A **turn** is: hand in every input that waits, take all outputs, commit all their `Persist`s as
//! one transaction, then perform the others in order. If the commit fails the other outputs are
//! dropped, and the Replica is loaded anew from the store (SPEC: DUR-1, DUR-2). Replies carry a
//! request id, never a channel, so what a node lived through is a list of inputs.

mod absent;
mod apart;
mod archive;
mod artifacts;
mod boards;
mod branches;
mod commands;
mod deadlines;
mod documents;
mod glance;
mod granting;
mod inbox;
mod introductions;
mod loading;
mod log;
mod mending;
mod missions;
mod past;
mod peers;
mod quota;
mod receipts;
mod rescue;
mod search;
mod survey;
mod telling;
mod timeline;
mod undo;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::artifacts::Artifacts;
use crate::command::{Command, Failure, FailureKind, Mode, Reply, RequestId};
use crate::content::{About, DocumentChange};
use crate::document::{Degraded, DocumentDone, DocumentTask, founding_change};
use crate::hash;
use crate::id::{ChangeHash, DeviceId, DocumentId, Incarnation, Lane, WorkspaceId};
use crate::key::{DeviceKey, RecoveryPublic};
use crate::limits::{COMMANDS_WAITING_MAX, LOAD_SLICE_EVENTS, NOTICES_MAX};
use crate::mission::driver::Driver;
use crate::mission::work::{Order, Outcome, Ticket};
use crate::notice::Notices;
use crate::store::{LoadRequest, Record, Slice};
use crate::sync::{Card, Cards, Conduct, Held, LinkId, Message, Receipt, Receipts, Sync, Tails};
use crate::time::{StampClock, Time};
use crate::workspace::{AuthorFault, Pen, Workspace};

use absent::Absent;
use documents::{Pending, Redo};
use glance::Glances;
use loading::LoadFor;
use mending::Mending;
use quota::Quota;
use survey::{Counted, Survey};
use telling::Telling;
use timeline::Disputed;

/// The counter of this device's Automerge actors. `SPEC: PRJ-2`
const GENERATION: &str = "generation";

/// What a Replica is told once.
#[derive(Clone)]
pub struct Config {
    /// The device's secret. A Replica keeps the key that is made of it, and overwrites this.
    pub secret: [u8; 32],
    /// The life of its store, where the store was told no later one.
    pub incarnation: Incarnation,
    /// Fresh at every start, never stored: the only source of randomness.
    pub seed: [u8; 32],
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// Its name on this device.
    pub workspace_name: String,
    /// This device's name.
    pub device_name: String,
    /// Does it speak with others?
    pub mode: Mode,
    /// Does it let agents run on it? Others read that in its receipt.
    pub runs: bool,
    /// How many keys and objects each device may make in an hour, as this one lets them into its
    /// documents: [`crate::limits::QUOTA_MAKES`]. `SPEC: SYNC-9`
    pub quota: u64,
}

impl Drop for Config {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Somebody asks.
    Command(RequestId, Command),
    /// The store gives back what was asked of it.
    Loaded(Slice),
    /// The documents answer, one for each task and in their order.
    Done(DocumentDone),
    /// A connection with a device is up, whose key was proven by it.
    PeerUp {
        /// The connection.
        link: LinkId,
        /// The device.
        device: DeviceId,
        /// Did we dial it?
        dialed: bool,
        /// How hellos name the workspace on its channel.
        workspace: [u8; 32],
    },
    /// A connection is gone.
    PeerDown(LinkId),
    /// A peer says something; its events are verified.
    Message(LinkId, Message),
    /// What a peer sent is no message: the reason code.
    Fault(LinkId, String),
    /// Where this device can be reached now.
    Addresses(Vec<SocketAddr>),
    /// What the node was ordered is done.
    Worked(Ticket, Box<Outcome>),
    /// A deadline passed.
    Tick,
}

/// Everything that is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Make this durable before any other output of the turn is performed.
    Persist(Vec<Record>),
    /// Ask the store.
    Load(LoadRequest),
    /// Ask the documents.
    Perform(DocumentTask),
    /// Answer.
    Reply(RequestId, Reply),
    /// Send a frame.
    Send(LinkId, Vec<u8>),
    /// End a connection, and say why.
    Disconnect(LinkId, String),
    /// Where a device can be reached, as it says itself.
    Reachable(DeviceId, Vec<SocketAddr>),
    /// Do something for a mission; answered by [`Input::Worked`].
    Work(Box<Order>),
    /// What was ordered is of no use any more; it need not be answered.
    Cancel(Ticket),
}

/// A workspace on this device.
pub struct Replica {
    config: Config,
    key: DeviceKey,
    rng: ChaCha20Rng,
    clock: StampClock,
    now: Time,
    workspace: Workspace,
    quota: Quota,
    sync: Sync,
    conduct: Conduct,
    held: Held,
    tails: Tails,
    cards: Cards,
    driver: Driver,
    artifacts: Artifacts,
    /// Cards of devices that are no members yet, and who sent them.
    early_cards: Vec<(LinkId, Card)>,
    receipts: Receipts,
    /// Receipts of devices that are no members yet, and who sent them.
    early_receipts: Vec<(LinkId, Receipt)>,
    /// When each device said something last, by the monotonic clock.
    seen: BTreeMap<DeviceId, u64>,
    /// When the next join is due, by the monotonic clock.
    join_at: Option<u64>,
    /// What others did that is no event.
    notices: Notices,
    /// What is asked of the store, in order.
    loads: VecDeque<LoadFor>,
    commands: VecDeque<(RequestId, Command)>,
    pending: VecDeque<Pending>,
    redo: Redo,
    telling: Telling,
    absent: Absent,
    heads: BTreeMap<DocumentId, Result<Vec<ChangeHash>, Degraded>>,
    /// When each document beside the root was of use last, by a count.
    used: BTreeMap<DocumentId, u64>,
    /// What is looked for in all documents.
    survey: Option<Survey>,
    /// How many conflicts were found in documents, and at which heads.
    counted: BTreeMap<DocumentId, Counted>,
    disputed: Disputed,
    generation: u64,
    generation_kept: bool,
    damage: Vec<String>,
    mending: Mending,
    glances: Glances,
    /// This device's name, until the document is there that it is written into.
    unnamed: Option<String>,
    persist: Vec<Record>,
    outputs: VecDeque<Output>,
    turned: bool,
}

impl Replica {
    /// A Replica of what its store holds; it asks for that at once.
    #[must_use]
    pub fn load(config: Config, now: Time) -> Self {
        let workspace = Workspace::new(config.workspace);
        let mut replica = Self::new(config, now, workspace);
        let request = LoadRequest::From { cursor: 0, limit: LOAD_SLICE_EVENTS };
        replica.load_next(LoadFor::History, request);
        replica
    }

    /// A new workspace: genesis, epoch, wraps and the first change, all in one turn. The workspace
    /// in `config` is replaced by the one that is made. `SPEC: CTL-2, PRJ-6`
    pub fn found(config: Config, recovery: RecoveryPublic, now: Time) -> Result<Self, AuthorFault> {
        let workspace = Workspace::new(WorkspaceId::UNBORN);
        let mut replica = Self::new(config, now, workspace);
        let (workspace, events) = replica.with_pen(|_, pen| Workspace::found(pen, recovery))?;
        replica.config.workspace = workspace.id();
        replica.workspace = workspace.keyed(&replica.config.seed);
        replica.persist.extend(events.into_iter().map(Record::Event));
        let device = replica.key.device();
        let incarnation = replica.config.incarnation;
        let document = hash::document_id(&device, &incarnation, 0);
        let actor = hash::actor(&device, &incarnation, &document, replica.generation);
        let names = (device.to_string(), replica.config.device_name.clone());
        let name = replica.config.workspace_name.clone();
        let change = founding_change(actor, &name, (&names.0, &names.1))
            .map_err(|fault| AuthorFault::Own(fault.to_string()))?;
        let generation = replica.generation;
        let change = DocumentChange { document: None, generation, change };
        replica.write_changes(vec![change], About::Nothing)?;
        Ok(replica)
    }

    fn new(mut config: Config, now: Time, workspace: Workspace) -> Self {
        let key = DeviceKey::from_secret(&config.secret);
        config.secret.zeroize();
        let workspace = workspace.keyed(&config.seed);
        Self {
            key,
            rng: ChaCha20Rng::from_seed(config.seed),
            quota: Quota::new(config.quota),
            config,
            clock: StampClock::default(),
            now,
            workspace,
            sync: Sync::default(),
            conduct: Conduct::default(),
            held: Held::default(),
            tails: Tails::default(),
            cards: Cards::default(),
            driver: Driver::new(now),
            artifacts: Artifacts::default(),
            early_cards: Vec::new(),
            receipts: Receipts::default(),
            early_receipts: Vec::new(),
            seen: BTreeMap::new(),
            join_at: None,
            notices: Notices::default(),
            loads: VecDeque::new(),
            commands: VecDeque::new(),
            pending: VecDeque::new(),
            redo: Redo::default(),
            telling: Telling::default(),
            absent: Absent::default(),
            heads: BTreeMap::new(),
            used: BTreeMap::new(),
            survey: None,
            counted: BTreeMap::new(),
            disputed: Disputed::default(),
            generation: 1,
            generation_kept: false,
            damage: Vec::new(),
            mending: Mending::default(),
            glances: Glances::default(),
            unnamed: None,
            persist: Vec::new(),
            outputs: VecDeque::new(),
            turned: true,
        }
    }

    /// The workspace as it is known here.
    #[must_use]
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Takes one thing that happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.now = self.now.max(now);
        self.turned = true;
        match input {
            Input::Command(request, command) => self.on_command(request, command),
            Input::Loaded(slice) => self.on_loaded(slice),
            Input::Done(done) => self.on_done(done),
            Input::PeerUp { link, device, dialed, workspace } => {
                self.on_peer_up(link, device, dialed, workspace);
            }
            Input::PeerDown(link) => self.on_peer_down(link),
            Input::Message(link, message) => self.on_message(link, message),
            Input::Fault(link, code) => self.on_fault(link, &code),
            Input::Addresses(addresses) => self.on_addresses(addresses),
            Input::Worked(ticket, outcome) => self.on_worked(ticket, *outcome),
            Input::Tick => {}
        }
    }

    /// Gives the next thing to do; none when the turn is over. What must be durable comes first.
    pub fn poll_output(&mut self) -> Option<Output> {
        if std::mem::take(&mut self.turned) {
            self.proceed();
        }
        if !self.persist.is_empty() {
            return Some(Output::Persist(std::mem::take(&mut self.persist)));
        }
        self.outputs.pop_front()
    }

    /// The requests that have no reply yet: who drops this Replica answers them.
    #[must_use]
    pub fn unanswered(&self) -> Vec<RequestId> {
        let waiting = self.commands.iter().map(|(request, _)| *request);
        let loading = self.loads.iter().filter_map(|load| match load {
            LoadFor::Asked(request, _) => Some(*request),
            LoadFor::Artifacts(load) => load.request(),
            _ => None,
        });
        let anew = self.redo.edits.iter().filter_map(|(purpose, _)| purpose.request());
        let pending = self.pending.iter().filter_map(Pending::request);
        let surveyed = self.survey.iter().filter_map(Survey::request);
        waiting.chain(loading).chain(pending).chain(anew).chain(surveyed).collect()
    }

    fn on_command(&mut self, request: RequestId, command: Command) {
        if self.commands.len() >= COMMANDS_WAITING_MAX {
            let failure = Failure::new(FailureKind::Busy, "too many commands wait")
                .with_hint("try again in a moment");
            self.reply(request, Reply::Failed(failure));
            return;
        }
        self.commands.push_back((request, command));
    }

    /// Does what can be done now: once a turn, when every input of it is in.
    fn proceed(&mut self) {
        if self.loads.iter().any(LoadFor::is_start) {
            return self.answer_by_glance();
        }
        self.end_glance();
        self.mend();
        self.tell();
        self.note_absent();
        self.go_on_surveying();
        self.name_self();
        while let Some((request, command)) = self.commands.pop_front() {
            if !self.is_ready_for(&command) {
                self.commands.push_front((request, command));
                break;
            }
            self.perform(request, command);
        }
        self.tell_rest();
        self.answer_news();
        self.keep_early_cards();
        self.keep_early_receipts();
        self.drive();
        self.speak();
        self.speak_of_chunks();
        self.speak_receipts();
        self.glance();
        self.close_idle();
    }

    /// Hands the documents what they are to hold, as far as there is room, and asks for bodies that
    /// are missing for it.
    fn project(&mut self, room: usize) {
        let (quota, now) = (&mut self.quota, self.now);
        let charge: &mut dyn FnMut(&DeviceId, u64) -> bool =
            &mut |device, makes| quota.take(now, device, makes);
        let tasks = self.workspace.batch_of_tasks(room, charge);
        if self.workspace.take_fallen() {
            self.retire_actor();
        }
        for task in tasks {
            self.ask(Pending::Projection, task);
        }
        if !self.loads.iter().any(|load| matches!(load, LoadFor::Bodies(_))) {
            let wanted = self.workspace.wanted_places();
            if !wanted.is_empty() {
                let ids = wanted.iter().map(|place| place.id).collect();
                self.load_next(LoadFor::Bodies(ids), LoadRequest::Events(wanted));
            }
        }
    }

    /// Remembers what is wrong here, for people; the first of it, where it is much.
    fn damaged(&mut self, damage: String) {
        if self.damage.len() < NOTICES_MAX {
            self.damage.push(damage);
        }
    }

    fn reply(&mut self, request: RequestId, reply: Reply) {
        self.outputs.push_back(Output::Reply(request, reply));
    }

    fn with_pen<T>(&mut self, write: impl FnOnce(&mut Workspace, &mut Pen<'_>) -> T) -> T {
        let (clock, now) = (&mut self.clock, self.now);
        let makes_max = self.quota.left(now, &self.key.device());
        let mut pen = Pen {
            key: &self.key,
            incarnation: self.config.incarnation,
            stamp: &mut || clock.next(now),
            rng: &mut self.rng,
            makes_max,
        };
        write(&mut self.workspace, &mut pen)
    }

    /// How many events of peers wait for what they name, and their bytes with full headers.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        self.held.size()
    }

    /// Does our own chain of a lane stand here?
    #[must_use]
    pub fn has_written(&self, lane: Lane) -> bool {
        let device = self.key.device();
        self.workspace.own_tip(&device, &self.config.incarnation, lane).is_some()
    }
}
