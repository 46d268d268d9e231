//! Devices that meet: the Replicas of several, with a wire between them that can be cut.

use std::collections::{BTreeMap, VecDeque};

use kernelos_protocol::command::{Command, Reply, RequestId};
use kernelos_protocol::document::{Documents, Edit};
use kernelos_protocol::id::{DeviceId, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{FRAME_BYTES_MAX, JOIN_DELAY_MS, STALL_MS};
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::{LinkId, Message, SyncFault, workspace_tag};
use kernelos_protocol::time::Time;

use crate::kit::{NOON, Peer, config, secret};

struct Device {
    config: Config,
    replica: Replica,
    disk: MemoryStore,
    documents: Documents,
    replies: BTreeMap<u64, Reply>,
    /// Frames that were sent and not delivered yet, by connection.
    wire: VecDeque<(LinkId, Vec<u8>)>,
    disconnected: BTreeMap<LinkId, String>,
}

/// Devices by number, the connections between them, and the time.
struct Mesh {
    devices: BTreeMap<u8, Device>,
    links: BTreeMap<LinkId, (u8, u8)>,
    now: Time,
    frames: usize,
}

fn id(number: u8) -> DeviceId {
    DeviceKey::from_secret(&secret(number)).device()
}

impl Device {
    fn new(config: Config, replica: Replica, disk: MemoryStore) -> Self {
        Self {
            config,
            replica,
            disk,
            documents: Documents::default(),
            replies: BTreeMap::new(),
            wire: VecDeque::new(),
            disconnected: BTreeMap::new(),
        }
    }

    fn run(&mut self, now: Time) {
        loop {
            let mut outputs = Vec::new();
            while let Some(output) = self.replica.poll_output() {
                outputs.push(output);
            }
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::Persist(records) => self.disk.commit(&records).unwrap(),
                    Output::Load(request) => {
                        let slice = self.disk.load(&request).unwrap();
                        self.replica.handle(now, Input::Loaded(slice));
                    }
                    Output::Perform(task) => {
                        let done = self.documents.perform(task);
                        self.replica.handle(now, Input::Done(done));
                    }
                    Output::Reply(request, reply) => {
                        self.replies.insert(request.0, reply);
                    }
                    Output::Send(link, frame) => self.wire.push_back((link, frame)),
                    Output::Disconnect(link, reason) => {
                        self.disconnected.insert(link, reason);
                    }
                }
            }
        }
    }
}

impl Mesh {
    /// Device 1 founded a workspace and granted roles to the others, who know nothing yet.
    fn of(roles: &[(u8, Role)]) -> Self {
        let (mut founder, mut events) = Peer::founder();
        for (number, role) in roles {
            events.extend(founder.grant(*number, *role));
        }
        let workspace = founder.workspace.id();
        let mut mesh =
            Self { devices: BTreeMap::new(), links: BTreeMap::new(), now: NOON, frames: 0 };
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

    fn add(&mut self, number: u8, workspace: WorkspaceId, disk: MemoryStore) {
        let config = config(number, workspace);
        let replica = Replica::load(config.clone(), self.now);
        self.devices.insert(number, Device::new(config, replica, disk));
        self.settle();
    }

    fn device(&mut self, number: u8) -> &mut Device {
        self.devices.get_mut(&number).unwrap()
    }

    fn connect(&mut self, a: u8, b: u8) -> LinkId {
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

    fn cut(&mut self, link: LinkId) {
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
    fn settle(&mut self) {
        loop {
            let now = self.now;
            self.devices.values_mut().for_each(|device| device.run(now));
            let frame = self.devices.iter_mut().find_map(|(number, device)| {
                let (link, frame) = device.wire.pop_front()?;
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
    fn hang_up(&mut self) -> bool {
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

    fn deliver(&mut self, from: u8, link: LinkId, frame: &[u8]) {
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
        let input = match Message::decode(frame) {
            Ok(message) => Input::Message(link, message),
            Err(fault) => Input::Fault(link, fault.code().to_owned()),
        };
        device.replica.handle(now, input);
    }

    /// Lets time pass; every device hears of its deadlines.
    fn wait(&mut self, milliseconds: u64) {
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

    fn ask(&mut self, number: u8, command: Command) -> Reply {
        let now = self.now;
        self.device(number).replica.handle(now, Input::Command(RequestId(7), command));
        self.settle();
        self.device(number).replies.remove(&7).unwrap()
    }

    fn set(&mut self, number: u8, path: &str, value: &str) {
        let edit = Edit::Set { set: path.parse().unwrap(), value: value.into() };
        let reply = self.ask(number, Command::Edit { edits: vec![edit] });
        assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
    }

    fn get(&mut self, number: u8, path: &str) -> String {
        match self.ask(number, Command::Read { path: path.parse().unwrap() }) {
            Reply::Read(read) => read.value.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn state(&mut self, number: u8) -> String {
        match self.ask(number, Command::Status) {
            Reply::Status(status) => {
                assert_eq!(status.damage, Vec::<String>::new());
                status.state_hash.unwrap().to_string()
            }
            other => panic!("{other:?}"),
        }
    }

    /// The same process again, with its disk and without its memory or connections.
    fn restart(&mut self, number: u8) {
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

    #[track_caller]
    fn assert_equal(&mut self, numbers: &[u8]) {
        let states: Vec<_> = numbers.iter().map(|number| self.state(*number)).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
    }
}

#[test]
fn a_newcomer_gets_the_whole_history() {
    // SPEC: SYNC-2, SYNC-3, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    for i in 0..30 {
        mesh.set(1, &format!("notes/{i}"), "before");
    }
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(mesh.get(2, "notes/7"), "\"before\"");
}

#[test]
fn edits_arrive_live_and_made_apart_merge() {
    // SPEC: SYNC-5
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "one");
    assert_eq!(mesh.get(2, "notes/a"), "\"one\"");
    mesh.set(2, "notes/b", "two");
    assert_eq!(mesh.get(1, "notes/b"), "\"two\"");
    mesh.cut(link);
    mesh.set(1, "notes/c", "apart");
    mesh.set(2, "notes/d", "apart");
    mesh.connect(2, 1);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(mesh.get(1, "notes/d"), "\"apart\"");
}

#[test]
fn two_that_hold_the_same_say_hello_and_nothing_more() {
    // SPEC: SYNC-2
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "one");
    mesh.wait(JOIN_DELAY_MS);
    mesh.cut(link);
    let before = mesh.frames;
    mesh.connect(1, 2);
    assert_eq!(mesh.frames, before + 2);
    let before = mesh.frames;
    mesh.wait(60_000);
    assert_eq!(mesh.frames, before, "an idle mesh is quiet");
}

#[test]
fn what_comes_from_others_is_passed_on() {
    // SPEC: SYNC-5
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(2, 3);
    mesh.set(1, "notes/a", "one");
    assert_eq!(mesh.get(3, "notes/a"), "\"one\"");
    mesh.set(3, "notes/b", "three");
    assert_eq!(mesh.get(1, "notes/b"), "\"three\"");
    // A ring: everybody hears once, and it ends.
    mesh.connect(3, 1);
    mesh.set(2, "notes/c", "two");
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn a_restart_in_the_middle_loses_nothing() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    mesh.set(2, "notes/a", "one");
    mesh.restart(2);
    mesh.set(1, "notes/b", "while it was away");
    mesh.set(2, "notes/c", "before it was back");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(
        mesh.get(2, "notes"),
        r#"{"a":"one","b":"while it was away","c":"before it was back"}"#
    );
}

#[test]
fn a_connection_that_is_cut_at_any_frame_is_made_up_for() {
    // SPEC: SYNC-4
    for cut_after in 0..40 {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        for i in 0..5 {
            mesh.set(1, &format!("notes/{i}"), "x");
        }
        let link = LinkId(1);
        mesh.links.insert(link, (1, 2));
        let tag = [0; 32];
        let now = mesh.now;
        for (own, other, dialed) in [(1, 2, true), (2, 1, false)] {
            let up = Input::PeerUp { link, device: id(other), dialed, workspace: tag };
            mesh.device(own).replica.handle(now, up);
        }
        for _ in 0..cut_after {
            mesh.devices.values_mut().for_each(|device| device.run(now));
            let next = mesh.devices.iter_mut().find_map(|(number, device)| {
                device.wire.pop_front().map(|(link, frame)| (*number, link, frame))
            });
            let Some((from, link, frame)) = next else { break };
            mesh.deliver(from, link, &frame);
        }
        mesh.cut(link);
        mesh.connect(1, 2);
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn a_stranger_is_refused() {
    // SPEC: SYNC-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let workspace = mesh.device(1).config.workspace;
    mesh.add(9, workspace, MemoryStore::default());
    let link = mesh.connect(9, 1);
    assert_eq!(mesh.device(1).disconnected[&link], "not_member");
    assert!(mesh.device(9).disk.is_empty(), "it learned nothing");
}

#[test]
fn a_revoked_device_is_told_so_and_cut_off() {
    // SPEC: SYNC-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "good");
    let reply = mesh.ask(1, Command::Revoke { device: id(2), reason: "lost".to_owned() });
    assert!(matches!(reply, Reply::Revoked { .. }), "{reply:?}");
    assert_eq!(mesh.device(1).disconnected[&link], "revoked");
    let Reply::Status(status) = mesh.ask(2, Command::Status) else { panic!() };
    assert!(status.revoked);
    let edit = Edit::Set { set: "notes/b".parse().unwrap(), value: 1.into() };
    let refused = mesh.ask(2, Command::Edit { edits: vec![edit] });
    assert!(matches!(refused, Reply::Failed(_)), "{refused:?}");
    mesh.set(1, "notes/c", "after");
    let again = mesh.connect(2, 1);
    assert_eq!(mesh.device(1).disconnected[&again], "revoked");
    assert_eq!(mesh.get(2, "notes"), r#"{"a":"good"}"#);
}

#[test]
fn what_a_revoked_device_wrote_unheard_stays_out_though_others_relay_it() {
    // SPEC: AUTH-17, SYNC-6
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let first = mesh.connect(1, 2);
    let second = mesh.connect(2, 3);
    mesh.set(2, "notes/a", "good");
    mesh.cut(first);
    mesh.ask(1, Command::Revoke { device: id(2), reason: String::new() });
    mesh.set(2, "notes/b", "evil");
    mesh.cut(second);
    assert_eq!(mesh.get(3, "notes/b"), "\"evil\"");
    mesh.connect(3, 1);
    assert_eq!(mesh.get(3, "notes"), r#"{"a":"good"}"#);
    mesh.wait(JOIN_DELAY_MS);
    mesh.assert_equal(&[1, 3]);
    mesh.set(3, "notes/c", "goes on");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn news_about_members_is_answered_by_one_join() {
    // SPEC: AUTH-9
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.wait(JOIN_DELAY_MS);
    let joins = |mesh: &mut Mesh| {
        let workspace = mesh.device(1).replica.workspace();
        let all: Vec<_> = workspace.order(0).copied().collect();
        let is_join = |id: &&kernelos_protocol::id::EventId| {
            workspace.kind(id).as_deref() == Some("join")
                && workspace.header(id).is_some_and(|header| header.lane == Lane::Control)
        };
        all.iter().filter(is_join).count()
    };
    let before = joins(&mut mesh);
    mesh.ask(1, Command::Revoke { device: id(3), reason: String::new() });
    mesh.wait(JOIN_DELAY_MS);
    assert_eq!(joins(&mut mesh), before + 1, "device 2 heard it; device 1 said it");
    mesh.wait(60_000);
    assert_eq!(joins(&mut mesh), before + 1);
}

#[test]
fn of_two_connections_with_one_device_one_stays() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let second = mesh.connect(2, 1);
    let third = mesh.connect(1, 2);
    let gone = [1, 2].map(|number| mesh.device(number).disconnected.len());
    assert_eq!(gone, [2, 2], "both agree: {second:?} {third:?}");
    mesh.set(1, "notes/a", "one");
    assert_eq!(mesh.get(2, "notes/a"), "\"one\"");
}

#[test]
fn a_peer_that_has_more_than_it_gives_is_not_waited_for() {
    // SPEC: SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.set(3, "notes/a", "one");
    // Device 2 says that it has an event that nobody ever made.
    let chain = kernelos_protocol::id::ChainId {
        author: id(3),
        incarnation: kernelos_protocol::id::Incarnation([3; 8]),
        lane: Lane::Content,
    };
    let tip = kernelos_protocol::sync::Tip {
        chain,
        seq: 500,
        id: kernelos_protocol::id::EventId([9; 32]),
    };
    let now = mesh.now;
    let lie = Message::Have(vec![tip]);
    mesh.device(1).replica.handle(now, Input::Message(LinkId(1), lie));
    mesh.settle();
    mesh.wait(STALL_MS);
    assert_eq!(mesh.device(1).replica.next_deadline(), None, "it was given up");
    mesh.set(3, "notes/b", "two");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn a_frame_that_is_no_message_ends_the_connection() {
    // SPEC: SYNC-1
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.device(2).wire.push_back((link, vec![0xff; 40]));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "frame_decode");
}

#[test]
fn a_second_hello_or_none_ends_the_connection() {
    // SPEC: SYNC-2
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let hello = Message::Hello {
        workspace: [0; 32],
        incarnation: kernelos_protocol::id::Incarnation([2; 8]),
        lanes_hash: [0; 32],
    };
    mesh.device(2).wire.push_back((link, hello.encode()));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "hello");
}

#[test]
fn messages_are_read_as_they_are_written_and_nothing_else_is() {
    // SPEC: SYNC-1
    let (_, events) = Peer::founder();
    let chain = events[3].chain();
    let tip = kernelos_protocol::sync::Tip { chain, seq: 3, id: events[3].id() };
    let messages = [
        Message::Hello { workspace: [1; 32], incarnation: chain.incarnation, lanes_hash: [2; 32] },
        Message::Have(vec![tip]),
        Message::Want(vec![(events[0].id(), 9)]),
        Message::Events(events),
        Message::Ack(7),
    ];
    for message in messages {
        let frame = message.encode();
        assert_eq!(Message::decode(&frame), Ok(message));
        for len in 0..frame.len() {
            assert!(Message::decode(&frame[..len]).is_err(), "cut at {len}");
        }
        let mut trailing = frame.clone();
        trailing.push(0);
        assert_eq!(Message::decode(&trailing), Err(SyncFault::Decode));
    }
    assert_eq!(Message::decode(&vec![0; FRAME_BYTES_MAX + 1]), Err(SyncFault::Decode));
}
