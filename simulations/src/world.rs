//! The world: devices, wires and time, driven from one seed.
//!
//! Things happen in the order of their virtual times; of equal times, in the order in which they
//! were arranged. Nothing is read from outside, so one seed gives one history.

mod faults;
mod lies;
mod meeting;

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::id::{EventId, WorkspaceId};
use kernelos_protocol::key::{DeviceKey, RecoveryKey};
use kernelos_protocol::mission::work::{Outcome, Ticket};
use kernelos_protocol::replica::{Input, Replica};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{LinkId, Message, REVOKED};
use kernelos_protocol::time::Time;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;

use crate::clock::Clock;
use crate::network::Network;
use crate::node::{Node, Wish, config};
use crate::script::Device;
use crate::trace::Trace;
use crate::worker::perform;

/// The recovery key of every world.
pub const RECOVERY: [u8; 32] = [7; 32];
/// Milliseconds after which who can reach each other connects, at most.
const CONNECT_MS: u64 = 300;
/// Milliseconds after which a broken connection is noticed, at most.
const NOTICE_MS: u64 = 3_000;
/// Milliseconds after which who was refused tries again.
const RETRY_MS: u64 = 5_000;

/// What is arranged for a later time.
enum Happening {
    Deliver {
        link: LinkId,
        to: usize,
        frame: Vec<u8>,
    },
    /// A device learns that a connection is gone; it tries again within some milliseconds.
    Notice {
        link: LinkId,
        device: usize,
        within: u64,
    },
    Connect {
        from: usize,
        to: usize,
    },
    /// A connection over which nothing comes from one end is given up.
    Break(LinkId),
    Wake(usize),
    /// A device that was suspended goes on.
    GoOn(usize),
    /// A device is done with an order, if it is the same process still.
    Work {
        device: usize,
        start: u64,
        ticket: Ticket,
    },
}

/// A world.
pub struct World {
    /// The devices, by their places in the script.
    pub nodes: Vec<Node>,
    /// The wires.
    pub network: Network,
    /// What happened.
    pub trace: Trace,
    /// Frames that arrived.
    pub deliveries: u64,
    /// Cuts, crashes and restarts.
    pub faults: u64,
    /// Did a disk lose rows? Its device says so until they came again.
    pub lost_rows: bool,
    /// The most events that waited in the memory of a device after a step.
    pub waiting: usize,
    /// The missions that were started, and where.
    pub missions: Vec<(usize, EventId)>,
    /// The holder of a lease that crashed last.
    pub lost: Option<usize>,
    keys: u64,
    rng: ChaCha20Rng,
    now: u64,
    agenda: BTreeMap<(u64, u64), Happening>,
    arranged: u64,
    /// Pairs whose next try to connect is arranged: one each, or tries would multiply.
    trying: BTreeSet<(usize, usize)>,
    /// Who was told last, and by whom, that it is revoked.
    refused: BTreeSet<(usize, usize)>,
    /// Who is suspended, and until when.
    asleep: BTreeMap<usize, u64>,
    /// Who is a clone, and of whom.
    clones: BTreeMap<usize, usize>,
}

impl World {
    /// A world in which the first device founded a workspace and granted the others their roles.
    pub fn new(seed: u64, devices: &[Device], keep_trace: bool) -> Result<Self, String> {
        let mut world = Self {
            nodes: Vec::new(),
            network: Network::default(),
            trace: Trace::new(keep_trace),
            deliveries: 0,
            faults: 0,
            lost_rows: false,
            waiting: 0,
            missions: Vec::new(),
            lost: None,
            keys: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            now: 0,
            agenda: BTreeMap::new(),
            arranged: 0,
            trying: BTreeSet::new(),
            refused: BTreeSet::new(),
            asleep: BTreeMap::new(),
            clones: BTreeMap::new(),
        };
        let founder = devices.first().ok_or("a world has a device at least")?;
        let recovery = RecoveryKey::from_bytes(RECOVERY).public();
        let first = config(seed, 0, founder, WorkspaceId::UNBORN);
        let replica = Replica::found(first, recovery, Clock::default().time(0));
        let replica = replica.map_err(|fault| fault.to_string())?;
        let workspace = replica.workspace().id();
        for (number, device) in devices.iter().enumerate() {
            let mut told = config(seed, number, device, workspace);
            if let Some(of) = device.copy_of.and_then(|of| world.nodes.get(of).map(|n| (of, n))) {
                told.secret = of.1.config.secret;
                told.incarnation = of.1.config.incarnation;
                world.clones.insert(number, of.0);
            }
            world.nodes.push(Node::new(told));
        }
        let now = world.time(0);
        let wishes = world.nodes.first_mut().map(|node| node.begin(replica, now));
        world.grant_wishes(0, wishes.unwrap_or_default());
        for (number, Device { name, role, .. }) in devices.iter().enumerate().skip(1) {
            if let Some(role) = role {
                world.grant(0, number, *role).map_err(|fault| format!("{name}: {fault}"))?;
            }
            world.start(number);
        }
        Ok(world)
    }

    /// The virtual time, in milliseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The time by a device's clocks.
    #[must_use]
    pub fn time(&self, device: usize) -> Time {
        let clock = self.nodes.get(device).map(|node| node.clock);
        clock.unwrap_or_default().time(self.now)
    }

    /// Whose home a device is a clone of; itself where it is none.
    #[must_use]
    pub fn original(&self, device: usize) -> usize {
        self.clones.get(&device).copied().unwrap_or(device)
    }

    /// Asks a device; none where it is off or does not answer at once.
    pub fn ask(&mut self, device: usize, command: Command) -> Option<Reply> {
        if self.asleep.contains_key(&device) {
            return None;
        }
        let now = self.time(device);
        let name = self.nodes[device].name.clone();
        let what = serde_json::to_value(&command).unwrap_or_default();
        let (reply, wishes) = self.nodes[device].ask(now, command);
        let said = serde_json::to_value(&reply).unwrap_or_default();
        self.trace.add(self.now, &name, json!({ "asked": what, "said": said }));
        self.grant_wishes(device, wishes);
        reply
    }

    /// One device makes another a member.
    pub fn grant(&mut self, by: usize, device: usize, role: Role) -> Result<(), String> {
        let key = DeviceKey::from_secret(&self.nodes[device].config.secret);
        let statement = key.sealing_statement();
        let command = Command::Grant {
            device: key.device(),
            sealing_key: statement.key,
            sealing_signature: kernelos_protocol::id::Signature(statement.signature),
            role,
            name: self.nodes[device].name.clone(),
            rule: "simulated".to_owned(),
            uses: None,
        };
        match self.ask(by, command) {
            Some(Reply::Failed(failure)) => Err(failure.message),
            _ => Ok(()),
        }
    }

    /// Turns a device on. A clone that was not made yet is no device.
    pub fn start(&mut self, device: usize) {
        let node = &self.nodes[device];
        if node.is_up() || (self.clones.contains_key(&device) && node.disk.is_empty()) {
            return;
        }
        self.note(device, "starts");
        let now = self.time(device);
        let wishes = self.nodes[device].start(now);
        self.grant_wishes(device, wishes);
        self.arrange_connections(device, CONNECT_MS);
    }

    /// Turns a device off without warning.
    pub fn crash(&mut self, device: usize) {
        self.nodes[device].crash();
        self.asleep.remove(&device);
        self.died(device);
    }

    fn died(&mut self, device: usize) {
        self.faults += 1;
        self.note(device, "died");
        for link in self.network.links_of(device) {
            self.break_link(link);
        }
    }

    /// Cuts the network.
    pub fn cut(&mut self, sides: Vec<BTreeSet<usize>>) {
        self.faults += 1;
        self.trace.add(self.now, "", json!({ "cut": sides }));
        for link in self.network.cut(sides) {
            self.break_link(link);
        }
        self.arrange_all();
    }

    /// Everybody reaches everybody again.
    pub fn heal(&mut self) {
        self.trace.add(self.now, "", json!("heal"));
        self.network.heal();
        self.arrange_all();
    }

    fn arrange(&mut self, at: u64, what: Happening) {
        self.arranged += 1;
        self.agenda.insert((at, self.arranged), what);
    }

    /// Lets everything happen that is due until a virtual time.
    pub fn run_until(&mut self, until: u64) {
        while let Some((&(at, _), _)) = self.agenda.first_key_value() {
            if at > until {
                break;
            }
            if let Some((_, what)) = self.agenda.pop_first() {
                self.now = self.now.max(at);
                self.happen(what);
            }
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, what: Happening) {
        let Some(what) = self.unless_asleep(what) else { return };
        match what {
            Happening::Deliver { link, to, frame } => self.deliver(link, to, &frame),
            Happening::Notice { link, device, within } => {
                self.input(device, Input::PeerDown(link));
                self.arrange_connections(device, within);
            }
            Happening::Connect { from, to } => self.connect(from, to),
            Happening::Work { device, start, ticket } => {
                let Some(order) = self.nodes[device].take_order(start, ticket) else { return };
                let outcome = perform(self, device, &order);
                // Where it died on the way nobody hears of it.
                let outcome = outcome.unwrap_or_else(|| Outcome::Failed("not kept".to_owned()));
                self.input(device, Input::Worked(ticket, Box::new(outcome)));
            }
            Happening::GoOn(device) => self.go_on(device),
            Happening::Break(link) => self.break_link(link),
            Happening::Wake(device) => {
                if self.is_due(device) {
                    self.input(device, Input::Tick);
                }
            }
        }
    }

    fn deliver(&mut self, link: LinkId, to: usize, frame: &[u8]) {
        if self.network.link(link).is_none() || !self.nodes[to].is_up() {
            return;
        }
        self.deliveries += 1;
        let input = match Message::decode(frame, &self.nodes[to].config.workspace) {
            Ok(message) => Input::Message(link, message),
            Err(fault) => Input::Fault(link, fault.code().to_owned()),
        };
        let name = self.nodes[to].name.clone();
        let hash = kernelos_protocol::hash::hash_under("kernelos 1 simulated frame", &[frame]);
        let seen = json!({ "link": link, "bytes": frame.len(),
            "frame": kernelos_protocol::id::to_hex(&hash[..8]) });
        self.trace.add(self.now, &name, seen);
        self.input(to, input);
        self.lie_back(to, link);
    }

    fn input(&mut self, device: usize, input: Input) {
        let now = self.time(device);
        let wishes = self.nodes[device].handle(now, input);
        self.grant_wishes(device, wishes);
    }

    fn grant_wishes(&mut self, device: usize, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Work(start, ticket, takes) => {
                    self.note(device, &format!("starts order {}", ticket.0));
                    let what = Happening::Work { device, start, ticket };
                    self.arrange(self.now + takes, what);
                }
                Wish::Send(id, frame) => {
                    if self.is_told(device, id, &frame) {
                        self.send(device, id, frame);
                    }
                }
                Wish::Disconnect(id, reason) => {
                    self.note(device, &format!("disconnects {}: {reason}", id.0));
                    let Some(link) = self.network.disconnect(id) else { continue };
                    let other = if link.from == device { link.to } else { link.from };
                    if reason == REVOKED {
                        self.refused.insert((other, device));
                    }
                    let notice = Happening::Notice { link: id, device: other, within: RETRY_MS };
                    self.arrange(self.now + 1, notice);
                    self.try_to_connect(device, other, self.now + RETRY_MS);
                }
            }
        }
        if !self.nodes[device].is_up() && !self.network.links_of(device).is_empty() {
            self.died(device);
        }
        self.arrange_wake(device);
    }

    fn arrange_wake(&mut self, device: usize) {
        let node = &self.nodes[device];
        if let Some(at) = node.deadline().map(|at| node.clock.when(at)) {
            self.arrange(at.max(self.now + 1), Happening::Wake(device));
        }
    }

    fn is_due(&self, device: usize) -> bool {
        let shows = self.time(device).monotonic_ms;
        self.nodes[device].deadline().is_some_and(|at| at <= shows)
    }

    fn send(&mut self, device: usize, id: LinkId, frame: Vec<u8>) {
        let Some(link) = self.network.link(id) else { return };
        let to = if link.from == device { link.to } else { link.from };
        if self.network.is_deaf(id, to) {
            return;
        }
        let at = self.network.arrival(&mut self.rng, self.now, id, to);
        self.arrange(at, Happening::Deliver { link: id, to, frame });
    }

    /// A number that was never drawn before.
    pub fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    /// Notes something about a device.
    pub fn note(&mut self, device: usize, what: &str) {
        let name = self.nodes[device].name.clone();
        self.trace.add(self.now, &name, json!(what));
    }

    /// A number below `bound`, from the seed.
    pub fn dice(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }
}
