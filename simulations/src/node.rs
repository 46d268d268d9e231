//! One device of the world: a Replica with its disk, its documents and the ways it can die.
//!
//! The disk is all that outlives a crash. Outputs are performed one by one, after the turn's
//! commit, and a crash can come before any of them.

use std::collections::BTreeMap;

use kernelos_protocol::command::{Command, Mode, Reply, RequestId};
use kernelos_protocol::document::Documents;
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::store::{EventStore as _, MemoryStore};
use kernelos_protocol::sync::LinkId;
use kernelos_protocol::time::Time;

/// What a device wants of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Send a frame.
    Send(LinkId, Vec<u8>),
    /// End a connection.
    Disconnect(LinkId, String),
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
    running: Option<Running>,
    crash_before: Option<u64>,
    starts: u64,
    requests: u64,
}

struct Running {
    replica: Replica,
    documents: Documents,
    replies: BTreeMap<RequestId, Reply>,
}

/// What the device of this number is told. Everything follows from the seed.
#[must_use]
pub fn config(seed: u64, number: usize, name: &str, workspace: WorkspaceId) -> Config {
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
        device_name: name.to_owned(),
        mode: Mode::Synced,
        runs: false,
    }
}

impl Node {
    /// A device that is off.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            name: config.device_name.clone(),
            config,
            disk: MemoryStore::default(),
            acknowledged: Vec::new(),
            running: None,
            crash_before: None,
            starts: 0,
            requests: 0,
        }
    }

    /// Its id.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceKey::from_secret(&self.config.secret).device()
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
        self.running = Some(Running { replica, documents, replies: BTreeMap::new() });
        self.turn(now)
    }

    /// Turns it off: everything but the disk is gone.
    pub fn crash(&mut self) {
        self.running = None;
        self.crash_before = None;
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
        if let Some(Reply::Edited(edited)) = &reply {
            self.acknowledged.extend(edited.event);
        }
        (reply, wishes)
    }

    /// The root over its lanes, while it is on.
    #[must_use]
    pub fn lanes_hash(&self) -> Option<[u8; 32]> {
        Some(self.running.as_ref()?.replica.workspace().lanes_hash())
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
            Output::Send(link, frame) => return Some(Wish::Send(link, frame)),
            Output::Disconnect(link, reason) => return Some(Wish::Disconnect(link, reason)),
        }
        None
    }
}
