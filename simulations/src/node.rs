//! One device of the world: a Replica with its disk, its documents and the ways it can die.
//!
//! The disk is all that outlives a crash. Outputs are performed one by one, after the turn's
//! commit, and a crash can come before any of them.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::artifacts::Artifacts;
use kernelos_protocol::command::{BranchReply, Command, Mode, Reply, RequestId, Undone};
use kernelos_protocol::document::Documents;
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::QUOTA_MAKES;
use kernelos_protocol::mission::record::{Act, ObjectId};
use kernelos_protocol::mission::work::{Order, Task, Ticket};
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::store::{EventStore as _, MemoryStore};
use kernelos_protocol::sync::LinkId;
use kernelos_protocol::time::Time;
use kernelos_protocol::workspace::Workspace;

use crate::clock::Clock;
use crate::rogue::Rogue;
use crate::script::Device;
use crate::worker::duration;

/// What a device wants of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Send a frame.
    Send(LinkId, Vec<u8>),
    /// End a connection.
    Disconnect(LinkId, String),
    /// Be done with an order of this start of the device after so many milliseconds.
    Work(u64, Ticket, u64),
}

/// A device.
pub struct Node {
    /// Its name in the script.
    pub name: String,
    /// What its Replica is told.
    pub config: Config,
    /// What outlives it.
    pub disk: MemoryStore,
    /// Own events that it acknowledged.
    pub acknowledged: Vec<EventId>,
    /// What was ever on its disk, but for what a copy that was put back lacked.
    pub kept: BTreeSet<EventId>,
    /// What its clocks show.
    pub clock: Clock,
    /// What it is up to, where it is not ours any more.
    pub rogue: Option<Rogue>,
    /// A copy of its disk, if one was made.
    copy: Option<MemoryStore>,
    /// Lives of its store whose disk is gone: what they claimed need not be true any more.
    pub past: BTreeSet<Incarnation>,
    /// What it acknowledged and a copy that was put back lacks: others are to give it back.
    pub owed: Vec<EventId>,
    /// Where the branch of each mission of this home went: it outlives the device's process.
    pub moves: BTreeMap<EventId, Vec<ObjectId>>,
    /// What its Replica ordered against the rules.
    pub broken: Vec<String>,
    device: DeviceId,
    running: Option<Running>,
    crash_before: Option<u64>,
    starts: u64,
    requests: u64,
}

struct Running {
    replica: Replica,
    documents: Documents,
    replies: BTreeMap<RequestId, Reply>,
    /// What it is busy with.
    orders: BTreeMap<Ticket, Order>,
}

/// What the device of this number is told. Everything follows from the seed.
#[must_use]
pub fn config(seed: u64, number: usize, device: &Device, workspace: WorkspaceId) -> Config {
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&seed.to_be_bytes());
    secret[8..16].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    let mut incarnation = [0; 8];
    incarnation.copy_from_slice(&(number as u64 + 1).to_be_bytes());
    Config {
        secret,
        incarnation: Incarnation(incarnation),
        seed: secret,
        workspace,
        workspace_name: "simulated".to_owned(),
        device_name: device.name.clone(),
        mode: Mode::Synced,
        runs: device.runs,
        quota: QUOTA_MAKES,
    }
}

impl Node {
    /// A device that is off.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let device = DeviceKey::from_secret(&config.secret).device();
        Self {
            name: config.device_name.clone(),
            config,
            disk: MemoryStore::default(),
            acknowledged: Vec::new(),
            kept: BTreeSet::new(),
            clock: Clock::default(),
            rogue: None,
            copy: None,
            past: BTreeSet::new(),
            owed: Vec::new(),
            moves: BTreeMap::new(),
            broken: Vec::new(),
            device,
            running: None,
            crash_before: None,
            starts: 0,
            requests: 0,
        }
    }

    /// Its id.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Is it on?
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Turns it on, with what is on its disk.
    pub fn start(&mut self, now: Time) -> Vec<Wish> {
        self.starts += 1;
        let mut config = self.config.clone();
        // Drawn anew at every start, as a node draws it from the system.
        config.seed[24..].copy_from_slice(&self.starts.to_be_bytes());
        self.begin(Replica::load(config, now), now)
    }

    /// Turns it on as the founder, whose Replica holds a new workspace.
    pub fn begin(&mut self, replica: Replica, now: Time) -> Vec<Wish> {
        let documents = Documents::default();
        let (replies, orders) = (BTreeMap::new(), BTreeMap::new());
        self.running = Some(Running { replica, documents, replies, orders });
        self.turn(now)
    }

    /// Turns it off: everything but the disk is gone.
    pub fn crash(&mut self) {
        self.running = None;
        self.crash_before = None;
    }

    /// Copies its disk.
    pub fn copy_disk(&mut self) {
        self.copy = Some(self.disk.clone());
    }

    /// The copy of its disk, if one was made.
    #[must_use]
    pub fn copy(&self) -> Option<&MemoryStore> {
        self.copy.as_ref()
    }

    /// The life of its store.
    #[must_use]
    pub fn life(&self) -> Incarnation {
        self.disk.incarnation().unwrap_or(self.config.incarnation)
    }

    /// Has another disk instead of its own, while it is off.
    pub fn exchange_disk(&mut self, disk: MemoryStore) {
        self.past.insert(self.life());
        self.disk = disk;
        self.past.insert(self.life());
        self.kept.clone_from(self.disk.ids());
        // What a disk lacked another may have: one that was put back after it lost rows.
        let all = std::mem::take(&mut self.acknowledged).into_iter();
        let all = all.chain(std::mem::take(&mut self.owed));
        (self.acknowledged, self.owed) = all.partition(|id| self.kept.contains(id));
    }

    /// It will die before the output of this number, counted from now.
    pub fn crash_before(&mut self, output: u64) {
        self.crash_before = Some(output);
    }

    /// Something happens.
    pub fn handle(&mut self, now: Time, input: Input) -> Vec<Wish> {
        let Some(running) = &mut self.running else { return Vec::new() };
        running.replica.handle(now, input);
        self.turn(now)
    }

    /// Somebody asks; the reply, if it came at once.
    pub fn ask(&mut self, now: Time, command: Command) -> (Option<Reply>, Vec<Wish>) {
        self.requests += 1;
        let request = RequestId(self.requests);
        let wishes = self.handle(now, Input::Command(request, command));
        let reply = self.running.as_mut().and_then(|running| running.replies.remove(&request));
        match &reply {
            Some(Reply::Edited(edited)) => self.acknowledged.extend(edited.event),
            Some(
                Reply::Started { mission: event }
                | Reply::ArtifactWritten { event }
                | Reply::BoardMade { event, .. }
                | Reply::Branch(BranchReply::Made { event, .. } | BranchReply::Merged { event, .. })
                | Reply::Undone(Undone { event, .. })
                | Reply::Cancelled { event }
                | Reply::Struck { event, .. }
                | Reply::Purged { event, .. }
                | Reply::Rescued { event, .. }
                | Reply::Readmitted { event, .. },
            ) => {
                self.acknowledged.push(*event);
                if let Some(Reply::Readmitted { others, .. }) = &reply {
                    self.acknowledged.extend(others);
                }
            }
            _ => {}
        }
        (reply, wishes)
    }

    /// What it was ordered in this start and is to be done with now; none where it was called off.
    pub fn take_order(&mut self, start: u64, ticket: Ticket) -> Option<Order> {
        let running = self.running.as_mut().filter(|_| self.starts == start)?;
        running.orders.remove(&ticket)
    }

    /// What it knows, while it is on.
    #[must_use]
    pub fn workspace(&self) -> Option<&Workspace> {
        Some(self.running.as_ref()?.replica.workspace())
    }

    /// Which artifacts it holds, while it is on.
    #[must_use]
    pub fn artifacts(&self) -> Option<&Artifacts> {
        Some(self.running.as_ref()?.replica.artifacts())
    }

    /// How many events of peers wait in its memory for what they name, and their bytes.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        self.running.as_ref().map_or((0, 0), |running| running.replica.waiting())
    }

    /// The root over its lanes, while it is on.
    #[must_use]
    pub fn lanes_hash(&self) -> Option<[u8; 32]> {
        Some(self.workspace()?.lanes_hash())
    }

    /// The devices that it ever heard were granted a role, while it is on.
    #[must_use]
    pub fn granted_devices(&self) -> Vec<DeviceId> {
        let running = self.running.as_ref();
        let granted = running.map(|running| running.replica.workspace().granted_devices());
        granted.unwrap_or_default().into_iter().map(|(device, _)| device).collect()
    }

    /// When it wants to be woken, by the monotonic clock.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        Some(self.running.as_ref()?.replica.next_deadline()?.0)
    }

    /// Turn after turn, until nothing is left to do or it died.
    fn turn(&mut self, now: Time) -> Vec<Wish> {
        let mut wishes = Vec::new();
        while let Some(running) = &mut self.running {
            let mut outputs = Vec::new();
            while let Some(output) = running.replica.poll_output() {
                outputs.push(output);
            }
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                if let Some(left) = &mut self.crash_before {
                    if *left == 0 {
                        self.crash();
                        return wishes;
                    }
                    *left -= 1;
                }
                wishes.extend(self.perform(now, output));
            }
        }
        wishes
    }

    fn perform(&mut self, now: Time, output: Output) -> Option<Wish> {
        let running = self.running.as_mut()?;
        match output {
            Output::Persist(records) => {
                // The memory store has room without end here.
                self.disk.commit(&records).ok();
            }
            Output::Load(request) => {
                let slice = self.disk.load(&request).unwrap_or_default();
                running.replica.handle(now, Input::Loaded(slice));
            }
            Output::Perform(task) => {
                let done = running.documents.perform(task);
                running.replica.handle(now, Input::Done(done));
            }
            Output::Reply(request, reply) => {
                running.replies.insert(request, reply);
            }
            // The world knows where everybody is.
            Output::Reachable(..) => {}
            Output::Work(order) => {
                let (ticket, takes) = (order.ticket, duration(&order.task));
                if let Some(fault) = order_fault(running.replica.workspace(), &self.device, &order)
                {
                    self.broken.push(fault);
                }
                running.orders.insert(ticket, *order);
                return Some(Wish::Work(self.starts, ticket, takes));
            }
            Output::Cancel(ticket) => {
                running.orders.remove(&ticket);
            }
            Output::Send(link, frame) => return Some(Wish::Send(link, frame)),
            Output::Disconnect(link, reason) => return Some(Wish::Disconnect(link, reason)),
        }
        None
    }
}

/// What is wrong with an order of a step: it is recorded already, or nothing allows it.
fn order_fault(workspace: &Workspace, device: &DeviceId, order: &Order) -> Option<String> {
    let Task::Step { number, .. } = &order.task else { return None };
    let head = workspace.missions().head(workspace.content(), &order.mission)?;
    let is_due = head.state.next_step() == Some(*number);
    let is_allowed = head.state.allowed == Some((*device, Act::StartStep));
    (!is_due || !is_allowed).then(|| format!("step {number} of {} is ordered", order.mission))
}
