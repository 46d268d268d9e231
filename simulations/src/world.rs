//! The world: devices, wires and time, driven from one seed.
//!
//! Things happen in the order of their virtual times; of equal times, in the order in which they
//! were arranged. Nothing is read from outside, so one seed gives one history.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::id::{EventId, WorkspaceId};
use kernelos_protocol::key::{DeviceKey, RecoveryKey};
use kernelos_protocol::mission::work::{Outcome, Ticket};
use kernelos_protocol::replica::{Input, Replica};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{LinkId, Message, introduce, introduce::Answer, workspace_tag};
use kernelos_protocol::time::Time;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;

use crate::network::{Link, Network};
use crate::node::{Node, Wish, config};
use crate::script::Device;
use crate::trace::Trace;
use crate::worker::perform;

/// Microseconds since 1970 at which every world begins.
const BEGIN_WALL_US: u64 = 1_700_000_000_000_000;
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
    Wake(usize),
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
            missions: Vec::new(),
            lost: None,
            keys: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            now: 0,
            agenda: BTreeMap::new(),
            arranged: 0,
            trying: BTreeSet::new(),
        };
        let founder = devices.first().ok_or("a world has a device at least")?;
        let recovery = RecoveryKey::from_bytes([7; 32]).public();
        let first = config(seed, 0, founder, WorkspaceId::UNBORN);
        let replica = Replica::found(first, recovery, world.time());
        let replica = replica.map_err(|fault| fault.to_string())?;
        let workspace = replica.workspace().id();
        for (number, device) in devices.iter().enumerate() {
            world.nodes.push(Node::new(config(seed, number, device, workspace)));
        }
        let now = world.time();
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

    fn time(&self) -> Time {
        Time { monotonic_ms: self.now, wall_us: BEGIN_WALL_US + self.now * 1_000 }
    }

    /// Asks a device; none where it is off or does not answer at once.
    pub fn ask(&mut self, device: usize, command: Command) -> Option<Reply> {
        let now = self.time();
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

    /// Turns a device on.
    pub fn start(&mut self, device: usize) {
        if self.nodes[device].is_up() {
            return;
        }
        self.note(device, "starts");
        let now = self.time();
        let wishes = self.nodes[device].start(now);
        self.grant_wishes(device, wishes);
        self.arrange_connections(device, CONNECT_MS);
    }

    /// Turns a device off without warning.
    pub fn crash(&mut self, device: usize) {
        self.nodes[device].crash();
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

    fn arrange_all(&mut self) {
        for device in 0..self.nodes.len() {
            self.arrange_connections(device, CONNECT_MS);
        }
    }

    /// What was under way is lost, and both ends notice some time later.
    fn break_link(&mut self, id: LinkId) {
        let Some(link) = self.network.disconnect(id) else { return };
        for device in [link.from, link.to] {
            let at = self.now + 1 + self.rng.next_u64() % NOTICE_MS;
            self.arrange(at, Happening::Notice { link: id, device, within: CONNECT_MS });
        }
    }

    fn arrange(&mut self, at: u64, what: Happening) {
        self.arranged += 1;
        self.agenda.insert((at, self.arranged), what);
    }

    fn arrange_connections(&mut self, device: usize, within: u64) {
        for other in 0..self.nodes.len() {
            if other != device && !self.network.are_connected(device, other) {
                let at = self.now + 1 + self.rng.next_u64() % within;
                self.try_to_connect(device, other, at);
            }
        }
    }

    fn try_to_connect(&mut self, a: usize, b: usize, at: u64) {
        if self.trying.insert((a.min(b), a.max(b))) {
            let (from, to) = if self.rng.next_u64().is_multiple_of(2) { (a, b) } else { (b, a) };
            self.arrange(at, Happening::Connect { from, to });
        }
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
            Happening::Wake(device) => {
                if self.nodes[device].deadline().is_some_and(|at| at <= self.now) {
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
        let hash = kernelos_protocol::hash::hash("kernelos 1 simulated frame", &[frame]);
        let seen = json!({ "link": link, "bytes": frame.len(),
            "frame": kernelos_protocol::id::to_hex(&hash[..8]) });
        self.trace.add(self.now, &name, seen);
        self.input(to, input);
    }

    fn connect(&mut self, from: usize, to: usize) {
        self.trying.remove(&(from.min(to), from.max(to)));
        let up = self.nodes[from].is_up() && self.nodes[to].is_up();
        if !up || !self.network.reaches(from, to) || self.network.are_connected(from, to) {
            return;
        }
        if !self.is_known(from, to) {
            self.introduce(from, to);
        }
        let link = self.network.connect(Link { from, to });
        self.trace.add(self.now, &self.nodes[from].name, json!({ "connects": to, "link": link }));
        let exporter =
            kernelos_protocol::hash::hash("kernelos 1 simulated channel", &[&link.0.to_be_bytes()]);
        let workspace = workspace_tag(&exporter, &self.nodes[from].config.workspace);
        for (own, other, dialed) in [(from, to, true), (to, from, false)] {
            let device = self.nodes[other].device();
            self.input(own, Input::PeerUp { link, device, dialed, workspace });
        }
    }

    /// Would the guard of `to` let `from` in?
    fn is_known(&self, from: usize, to: usize) -> bool {
        let granted = self.nodes[to].granted_devices();
        granted.is_empty() || granted.contains(&self.nodes[from].device())
    }

    /// A device that is not known shows its grant, as a node does that is turned away.
    fn introduce(&mut self, from: usize, to: usize) {
        let Some(Reply::Introduction { events, tail }) = self.ask(from, Command::Introduction)
        else {
            return;
        };
        let tag = [0; 32];
        let (device, workspace) = (self.nodes[from].device(), self.nodes[to].config.workspace);
        let read = introduce::encode(&tag, &events)
            .and_then(|frame| introduce::read(&frame, &workspace, &device).ok());
        if let Some(events) = read {
            let answer = self.ask(to, Command::Introduce { device, events });
            if answer == Some(Reply::Introduced { answer: Answer::Revoked }) && !tail.is_empty() {
                let (frame, sent) = introduce::encode_tail(&tail);
                let Ok(events) = introduce::read_tail(&frame, &workspace, &device) else { return };
                let taken = self.ask(to, Command::TakeTail { device, events });
                if let Some(Reply::Introduced { answer }) = taken {
                    let device = self.nodes[to].device();
                    self.ask(from, Command::TailAnswered { device, answer, sent });
                }
            }
        }
    }

    fn input(&mut self, device: usize, input: Input) {
        let now = self.time();
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
                    let Some(link) = self.network.link(id) else { continue };
                    let to = if link.from == device { link.to } else { link.from };
                    let at = self.network.arrival(&mut self.rng, self.now, id, to);
                    self.arrange(at, Happening::Deliver { link: id, to, frame });
                }
                Wish::Disconnect(id, reason) => {
                    self.note(device, &format!("disconnects {}: {reason}", id.0));
                    let Some(link) = self.network.disconnect(id) else { continue };
                    let other = if link.from == device { link.to } else { link.from };
                    let notice = Happening::Notice { link: id, device: other, within: RETRY_MS };
                    self.arrange(self.now + 1, notice);
                    self.try_to_connect(device, other, self.now + RETRY_MS);
                }
            }
        }
        if !self.nodes[device].is_up() && !self.network.links_of(device).is_empty() {
            self.died(device);
        }
        if let Some(at) = self.nodes[device].deadline() {
            self.arrange(at.max(self.now + 1), Happening::Wake(device));
        }
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
