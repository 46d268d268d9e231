//! Devices with a wire between them that can be cut, moved by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kernelos_protocol::command::{
    Command, ConflictRow, NotUndone, Reply, RequestId, Status, Undone,
};
use kernelos_protocol::document::{DocumentTask, Documents, Edit};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::FRAME_BYTES_MAX;
use kernelos_protocol::mission::work::Order;
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::{LinkId, Message, Receipt, SyncFault, workspace_tag};
use kernelos_protocol::time::Time;
use serde_json::Value as Json;

use crate::kit::{NOON, Peer, config, secret};

pub(super) struct Device {
    pub(super) config: Config,
    pub(super) replica: Replica,
    pub(super) disk: MemoryStore,
    pub(super) documents: Documents,
    pub(super) replies: BTreeMap<u64, Reply>,
    /// Frames that were sent and not delivered yet, by connection.
    pub(super) wire: VecDeque<(LinkId, Vec<u8>)>,
    pub(super) disconnected: BTreeMap<LinkId, String>,
    pub(super) reachable: BTreeMap<DeviceId, Vec<std::net::SocketAddr>>,
    /// How many changes its documents were told at once, batch by batch.
    pub(super) told: Vec<usize>,
    /// Where its documents are at work, what they were asked and did not answer yet.
    pub(super) busy: Option<VecDeque<DocumentTask>>,
    /// What missions ordered and nobody did yet.
    pub(super) orders: Vec<Order>,
    /// It dies before it performs the output of this number, counted from now.
    pub(super) dies_before: Option<usize>,
}

/// Devices by number, the connections between them, and the time.
pub(super) struct Mesh {
    pub(super) devices: BTreeMap<u8, Device>,
    pub(super) links: BTreeMap<LinkId, (u8, u8)>,
    pub(super) now: Time,
    pub(super) frames: usize,
    /// Frames of this device that say such a thing lie on the wire.
    pub(super) withheld: Option<(u8, Said)>,
}

/// What a message says.
type Said = fn(&Message) -> bool;

pub(super) fn id(number: u8) -> DeviceId {
    DeviceKey::from_secret(&secret(number)).device()
}

impl Device {
    pub(super) fn new(config: Config, replica: Replica, disk: MemoryStore) -> Self {
        Self {
            config,
            replica,
            disk,
            documents: Documents::default(),
            replies: BTreeMap::new(),
            wire: VecDeque::new(),
            disconnected: BTreeMap::new(),
            reachable: BTreeMap::new(),
            told: Vec::new(),
            busy: None,
            orders: Vec::new(),
            dies_before: None,
        }
    }

    /// A frame as this device reads it.
    pub(super) fn read(&self, frame: &[u8]) -> Result<Message, SyncFault> {
        Message::decode(frame, &self.config.workspace)
    }

    /// Whatever an own receipt names is on the disk when it is sent.
    pub(super) fn claims_what_is_kept(&self, frame: &[u8]) {
        let own = DeviceKey::from_secret(&self.config.secret).device();
        let named: Vec<_> = match self.read(frame) {
            Ok(Message::Receipts(receipts)) => {
                let own = receipts.iter().filter(|receipt| receipt.device() == own);
                let claims = own.map(Receipt::claims);
                let named = claims.flat_map(|claims| {
                    claims.control().iter().chain(claims.content()).chain(claims.epochs())
                });
                named.copied().collect()
            }
            Ok(Message::Renewal(renewal)) => {
                renewal.sets.into_iter().take(3).flatten().flatten().collect()
            }
            _ => return,
        };
        let kept = read_all(&mut self.disk.clone(), 512);
        let kept: BTreeSet<_> = kept.iter().map(Verified::id).collect();
        named.iter().for_each(|id| assert!(kept.contains(id), "{id} is claimed and not kept"));
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dies_before == Some(0)
    }

    fn perform(&mut self, now: Time, task: DocumentTask) {
        let done = self.documents.perform(task);
        self.replica.handle(now, Input::Done(done));
    }

    /// Its documents answer the first of what they were asked.
    pub(super) fn answer(&mut self, now: Time) {
        let task = self.busy.as_mut().and_then(VecDeque::pop_front).unwrap();
        self.perform(now, task);
        self.run(now);
    }

    pub(super) fn run(&mut self, now: Time) {
        while !self.is_dead() {
            let mut outputs = Vec::new();
            while let Some(output) = self.replica.poll_output() {
                outputs.push(output);
            }
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                if self.is_dead() {
                    return;
                }
                self.dies_before = self.dies_before.map(|left| left - 1);
                match output {
                    Output::Persist(records) => self.disk.commit(&records).unwrap(),
                    Output::Load(request) => {
                        let slice = self.disk.load(&request).unwrap();
                        self.replica.handle(now, Input::Loaded(slice));
                    }
                    Output::Perform(task) => {
                        if let DocumentTask::Apply { changes, .. } = &task {
                            self.told.push(changes.len());
                        }
                        match &mut self.busy {
                            Some(tasks) => tasks.push_back(task),
                            None => self.perform(now, task),
                        }
                    }
                    Output::Reply(request, reply) => {
                        self.replies.insert(request.0, reply);
                    }
                    Output::Send(link, frame) => {
                        self.claims_what_is_kept(&frame);
                        self.wire.push_back((link, frame));
                    }
                    Output::Disconnect(link, reason) => {
                        self.disconnected.insert(link, reason);
                    }
                    Output::Reachable(device, addresses) => {
                        self.reachable.insert(device, addresses);
                    }
                    Output::Work(order) => self.orders.push(*order),
                    Output::Cancel(ticket) => self.orders.retain(|order| order.ticket != ticket),
                }
            }
        }
    }
}

impl Mesh {
    /// Device 1 founded a workspace and granted roles to the others, who know nothing yet.
    pub(super) fn of(roles: &[(u8, Role)]) -> Self {
        let (mut founder, mut events) = Peer::founder();
        for (number, role) in roles {
            events.extend(founder.grant(*number, *role));
        }
        let workspace = founder.workspace.id();
        let mut mesh = Self {
            devices: BTreeMap::new(),
            links: BTreeMap::new(),
            now: NOON,
            frames: 0,
            withheld: None,
        };
        let mut disk = MemoryStore::default();
        let records: Vec<_> = events.into_iter().map(Record::Event).collect();
        disk.commit(&records).unwrap();
        // What the kit wrote used the first generation.
        disk.commit(&[Record::Counter { name: "generation".to_owned(), value: 1 }]).unwrap();
        mesh.add(1, workspace, disk);
        for (number, _) in roles {
            mesh.add(*number, workspace, MemoryStore::default());
        }
        mesh
    }

    pub(super) fn add(&mut self, number: u8, workspace: WorkspaceId, disk: MemoryStore) {
        let config = config(number, workspace);
        let replica = Replica::load(config.clone(), self.now);
        self.devices.insert(number, Device::new(config, replica, disk));
        self.settle();
    }

    pub(super) fn device(&mut self, number: u8) -> &mut Device {
        self.devices.get_mut(&number).unwrap()
    }

    pub(super) fn connect(&mut self, a: u8, b: u8) -> LinkId {
        let link = LinkId(self.links.len() as u64 + 1);
        self.links.insert(link, (a, b));
        let workspace = self.device(a).config.workspace;
        let tag = workspace_tag(&[link.0 as u8; 32], &workspace);
        let now = self.now;
        for (own, other, dialed) in [(a, b, true), (b, a, false)] {
            let up = Input::PeerUp { link, device: id(other), dialed, workspace: tag };
            self.device(own).replica.handle(now, up);
        }
        self.settle();
        link
    }

    /// Device `at` is sent a message by somebody with the key of device `by`, whom it then loses.
    pub(super) fn feed(&mut self, at: u8, by: u8, message: Message) {
        let (link, now, workspace) = (LinkId(1_000), self.now, [0; 32]);
        let hello =
            Message::Hello { workspace, incarnation: Incarnation([by; 8]), lanes_hash: [0; 32] };
        let device = self.device(at);
        let up = Input::PeerUp { link, device: id(by), dialed: false, workspace };
        device.replica.handle(now, up);
        for message in [hello, message] {
            device.replica.handle(now, Input::Message(link, message));
            device.run(now);
        }
        device.replica.handle(now, Input::PeerDown(link));
        device.run(now);
        device.wire.retain(|(on, _)| *on != link);
    }

    pub(super) fn cut(&mut self, link: LinkId) {
        let now = self.now;
        if let Some((a, b)) = self.links.get(&link).copied() {
            for number in [a, b] {
                self.device(number).wire.retain(|(on, _)| *on != link);
                self.device(number).replica.handle(now, Input::PeerDown(link));
            }
            self.links.insert(link, (0, 0));
        }
        self.settle();
    }

    /// Delivers frames until nobody says anything more.
    pub(super) fn settle(&mut self) {
        loop {
            let now = self.now;
            self.devices.values_mut().for_each(|device| device.run(now));
            let withheld = self.withheld;
            let frame = self.devices.iter_mut().find_map(|(number, device)| {
                let lies = |frame: &[u8]| {
                    withheld.is_some_and(|(from, what)| {
                        from == *number && device.read(frame).is_ok_and(|said| what(&said))
                    })
                };
                let at = device.wire.iter().position(|(_, frame)| !lies(frame))?;
                let (link, frame) = device.wire.remove(at)?;
                Some((*number, link, frame))
            });
            match frame {
                Some((from, link, frame)) => self.deliver(from, link, &frame),
                None if self.hang_up() => {}
                None => return,
            }
        }
    }

    /// Where one side ended a connection, the other hears that it is down; once each.
    pub(super) fn hang_up(&mut self) -> bool {
        let now = self.now;
        let mut heard = false;
        for (link, (a, b)) in self.links.clone() {
            for (ended, other) in [(a, b), (b, a)] {
                let down = |number| {
                    self.devices
                        .get(&number)
                        .is_some_and(|d: &Device| d.disconnected.contains_key(&link))
                };
                if down(ended) && !down(other) {
                    let device = self.device(other);
                    device.disconnected.insert(link, "the other side ended it".to_owned());
                    device.replica.handle(now, Input::PeerDown(link));
                    heard = true;
                }
            }
        }
        heard
    }

    pub(super) fn deliver(&mut self, from: u8, link: LinkId, frame: &[u8]) {
        let Some(&(a, b)) = self.links.get(&link) else { return };
        let to = if from == a { b } else { a };
        let now = self.now;
        let gone = self.device(from).disconnected.contains_key(&link);
        let Some(device) = self.devices.get_mut(&to) else { return };
        if gone || device.disconnected.contains_key(&link) {
            device.replica.handle(now, Input::PeerDown(link));
            return;
        }
        self.frames += 1;
        assert!(frame.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
        let input = match device.read(frame) {
            Ok(message) => Input::Message(link, message),
            Err(fault) => Input::Fault(link, fault.code().to_owned()),
        };
        device.replica.handle(now, input);
    }

    /// Lets time pass; every device hears of its deadlines.
    pub(super) fn wait(&mut self, milliseconds: u64) {
        self.now.monotonic_ms += milliseconds;
        self.now.wall_us += milliseconds * 1_000;
        let now = self.now;
        for device in self.devices.values_mut() {
            if device.replica.next_deadline().is_some_and(|(at, _)| at <= now.monotonic_ms) {
                device.replica.handle(now, Input::Tick);
            }
        }
        self.settle();
    }

    pub(super) fn ask(&mut self, number: u8, command: Command) -> Reply {
        let now = self.now;
        self.device(number).replica.handle(now, Input::Command(RequestId(7), command));
        self.settle();
        self.device(number).replies.remove(&7).unwrap()
    }

    pub(super) fn set(&mut self, number: u8, path: &str, value: &str) {
        self.edit(number, serde_json::json!([{"set": path, "value": value}]));
    }

    /// One event of these edits, as scripts write them. What stands already is written anew, as
    /// other programs may write it: it is removed first.
    #[track_caller]
    pub(super) fn edit(&mut self, number: u8, edits: Json) -> EventId {
        let edits: Vec<Edit> = serde_json::from_value(edits).unwrap();
        let removal = |edit: &Edit| match edit {
            Edit::Set { set, .. } => Some(Edit::Rm { rm: set.clone() }),
            _ => None,
        };
        let anew = |edit: &Edit| [removal(edit), Some(edit.clone())].into_iter().flatten();
        let all_anew = edits.iter().flat_map(anew).collect();
        for edits in [edits, all_anew] {
            match self.ask(number, Command::Edit { edits }) {
                Reply::Edited(edited) if edited.event.is_none() => {}
                Reply::Edited(edited) => return edited.event.unwrap(),
                other => panic!("{other:?}"),
            }
        }
        panic!("nothing was to change")
    }

    /// Asks for an event to be taken back; the last of its own where none is named.
    pub(super) fn undo(&mut self, number: u8, event: Option<EventId>, force: bool) -> Reply {
        let begin = event.map(|event| event.to_string());
        self.ask(number, Command::Undo { begin, force })
    }

    /// The same, which is done.
    #[track_caller]
    pub(super) fn undone(&mut self, number: u8, event: Option<EventId>) -> Undone {
        match self.undo(number, event, false) {
            Reply::Undone(undone) => undone,
            other => panic!("{other:?}"),
        }
    }

    /// The same, which is not.
    #[track_caller]
    pub(super) fn not_undone(&mut self, number: u8, event: Option<EventId>) -> NotUndone {
        match self.undo(number, event, false) {
            Reply::NotUndone(not) => not,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn get(&mut self, number: u8, path: &str) -> String {
        match self.ask(number, Command::Read { path: path.parse().unwrap() }) {
            Reply::Read(read) => read.value.to_string(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn status(&mut self, number: u8) -> Status {
        match self.ask(number, Command::Status) {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Of its conflicts as many as one page holds.
    pub(super) fn conflicts(&mut self, number: u8) -> Vec<ConflictRow> {
        match self.ask(number, Command::Conflicts) {
            Reply::Conflicts(page) => page.conflicts,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn state(&mut self, number: u8) -> String {
        let status = self.status(number);
        assert_eq!(status.damage, Vec::<String>::new());
        status.state_hash.unwrap().to_string()
    }

    /// The same process again, with its disk and without its memory or connections.
    pub(super) fn restart(&mut self, number: u8) {
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            if self.links[&link].0 == number || self.links[&link].1 == number {
                self.cut(link);
            }
        }
        let (config, disk) = {
            let device = self.device(number);
            (device.config.clone(), device.disk.clone())
        };
        let replica = Replica::load(config.clone(), self.now);
        self.devices.insert(number, Device::new(config, replica, disk));
        self.settle();
    }

    /// The same process again on a device whose wall clock says this.
    pub(super) fn restart_at(&mut self, number: u8, wall_us: u64) {
        self.now.wall_us = wall_us;
        self.restart(number);
    }

    #[track_caller]
    pub(super) fn assert_equal(&mut self, numbers: &[u8]) {
        let states: Vec<_> = numbers.iter().map(|number| self.state(*number)).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
    }
}
