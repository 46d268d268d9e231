//! A device and a hostile member: whatever the member says, the device answers within bounds,
//! stays whole, and comes back from its disk as it was.

use std::sync::OnceLock;

use kernelos_protocol::command::{Command, Reply, RequestId, Status};
use kernelos_protocol::document::Documents;
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{EventId, Incarnation};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::FRAME_BYTES_MAX;
use kernelos_protocol::replica::{Input, Output, Replica};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::{Claims, LinkId, Message, Receipt, Tip};
use kernelos_protocol::time::Time;

use crate::changes::common::Rng;
use crate::kit::{NOON, Peer, config, secret};

/// Things that are said at most: beyond it an input only costs.
const SAYINGS_MAX: usize = 40;
/// What one thing that is said may cause.
const OUTPUTS_MAX: usize = 2_000;

/// What the device has, and what the member may show: honest, forked, and not what it seems.
fn pool() -> &'static (Vec<Verified>, Vec<Verified>) {
    static POOL: OnceLock<(Vec<Verified>, Vec<Verified>)> = OnceLock::new();
    POOL.get_or_init(|| {
        let (mut founder, mut base) = Peer::founder();
        base.extend(founder.grant(2, Role::Member));
        let workspace = base[0].workspace();
        let [mut one, mut two, mut stranger] = [2, 2, 9].map(|number| {
            let mut peer = Peer::new(number, workspace);
            peer.take(&base);
            peer
        });
        let mut shown: Vec<_> = (0..4).flat_map(|n| one.set("notes/a", &n.to_string())).collect();
        shown.extend((0..2).flat_map(|n| two.set("notes/b", &n.to_string())));
        let before = vec![shown[0].id()];
        shown.push(one.craft(b"no CBOR", before.clone()));
        shown.push(one.craft(&[0x82, 0x1a, 0, 0x3d, 9, 0, 0xf6], before.clone()));
        let change = two.change_of("notes/c", "in nobody's view");
        shown.push(one.craft_change(change, vec![base[3].id()]));
        shown.push(one.craft_change(vec![0x85, 0x6f, 0x4a, 0x83], before));
        shown.push(one.write(|workspace, pen| workspace.write_join(pen)).unwrap());
        shown.push(one.write_garbage_wrap(shown[0].header().epoch.unwrap(), 8));
        shown.extend(stranger.write(|workspace, pen| workspace.write_join(pen)).ok());
        shown.extend(founder.set("notes/d", "of the founder's other disk"));
        shown.extend(founder.revoke(2));
        (base, shown)
    })
}

struct Device {
    replica: Replica,
    disk: MemoryStore,
    documents: Documents,
    now: Time,
    reply: Option<Reply>,
    links: Vec<LinkId>,
}

impl Device {
    fn of(disk: MemoryStore) -> Self {
        let replica = Replica::load(config(1, pool().0[0].workspace()), NOON);
        let (documents, now) = (Documents::default(), NOON);
        let mut device = Self { replica, disk, documents, now, reply: None, links: Vec::new() };
        device.run();
        device
    }

    fn run(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.replica.poll_output() {
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "it does not come to rest");
            let input = match output {
                Output::Persist(records) => {
                    self.disk.commit(&records).unwrap();
                    continue;
                }
                Output::Load(request) => Input::Loaded(self.disk.load(&request).unwrap()),
                Output::Perform(task) => Input::Done(self.documents.perform(task)),
                Output::Reply(_, reply) => {
                    self.reply = Some(reply);
                    continue;
                }
                Output::Send(_, frame) => {
                    assert!(frame.len() <= FRAME_BYTES_MAX);
                    let workspace = pool().0[0].workspace();
                    let said =
                        Message::decode(&frame, &workspace).expect("what it says is a message");
                    assert_eq!(said.encode(), frame);
                    continue;
                }
                Output::Disconnect(link, reason) => {
                    assert!(!reason.is_empty());
                    self.links.retain(|up| *up != link);
                    Input::PeerDown(link)
                }
                _ => continue,
            };
            self.replica.handle(self.now, input);
        }
    }

    fn handle(&mut self, input: Input) {
        self.replica.handle(self.now, input);
        self.run();
    }

    fn status(&mut self) -> Status {
        self.handle(Input::Command(RequestId(1), Command::Status));
        match self.reply.take() {
            Some(Reply::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// The link to the member; a new one where it was cut off.
    fn link(&mut self, number: u64) -> LinkId {
        if let Some(link) = self.links.first() {
            return *link;
        }
        let (link, workspace) = (LinkId(number), [0; 32]);
        let device = DeviceKey::from_secret(&secret(2)).device();
        self.links.push(link);
        self.handle(Input::PeerUp { link, device, dialed: false, workspace });
        let incarnation = Incarnation([2; 8]);
        let hello = Message::Hello { workspace, incarnation, lanes_hash: [0; 32] };
        self.handle(Input::Message(link, hello));
        link
    }
}

/// One thing that the member says; none where what the bytes choose is no message.
fn said(rng: &mut Rng) -> Option<Message> {
    let (base, shown) = pool();
    let one = |rng: &mut Rng| {
        let all = base.len() + shown.len();
        let at = rng.below(all);
        base.iter().chain(shown).nth(at).expect("one of them").clone()
    };
    let id = |rng: &mut Rng| match rng.below(4) {
        0 => EventId([rng.below(256) as u8; 32]),
        _ => one(rng).id(),
    };
    let count = 1 + rng.below(4);
    Some(match rng.below(9) {
        0 => Message::Want((0..count).map(|_| (id(rng), rng.below(256) as u64)).collect()),
        1 => {
            let tip = |rng: &mut Rng| {
                let event = one(rng);
                Tip { chain: event.chain(), seq: rng.below(9) as u64, id: id(rng) }
            };
            Message::Have((0..count).map(|_| tip(rng)).collect())
        }
        2 => Message::Ack(rng.below(256) as u64),
        3 => Message::Beat(id(rng)),
        4 => {
            let key = DeviceKey::from_secret(&secret(2));
            let mut ids = || (0..count).map(|_| id(rng)).collect::<Vec<_>>();
            let claims = Claims::new(ids(), ids(), ids(), Vec::new(), true);
            let life = Incarnation([2; 8]);
            Message::Receipts(vec![Receipt::sign(&key, base[0].workspace(), life, 5, claims)])
        }
        5 => {
            let length = rng.below(64);
            let bytes: Vec<u8> = (0..length).map(|_| rng.below(256) as u8).collect();
            return Message::decode(&bytes, &base[0].workspace()).ok();
        }
        _ => Message::events((0..count).map(|_| one(rng))),
    })
}

pub(super) fn replica(input: &[u8]) {
    let mut rng = Rng::chosen_by(input);
    let mut disk = MemoryStore::default();
    disk.commit(&pool().0.iter().cloned().map(Record::Event).collect::<Vec<_>>()).unwrap();
    let counter = Record::Counter { name: "generation".to_owned(), value: 1 };
    disk.commit(&[counter]).unwrap();
    let mut device = Device::of(disk);
    for number in 0..(input.len() / 4).min(SAYINGS_MAX) {
        if rng.below(8) == 0 {
            let passed = [1, 150, 2_500, 20_000][rng.below(4)];
            device.now.monotonic_ms += passed;
            device.now.wall_us += passed * 1_000;
            device.handle(Input::Tick);
        }
        let link = device.link(number as u64);
        if let Some(message) = said(&mut rng) {
            device.handle(Input::Message(link, message));
        }
    }
    for link in device.links.clone() {
        device.handle(Input::PeerDown(link));
    }
    let told = device.status();
    assert_eq!(told.damage, Vec::<String>::new());
    // It comes back from its disk with what it told.
    let again = Device::of(device.disk).status();
    assert_eq!((again.events, again.state_hash), (told.events, told.state_hash));
    assert_eq!(again.damage, Vec::<String>::new());
}
