//! What a device that is not ours any more does beside what its Replica does.
//!
//! It has its key, its disk and a copy of it, so it signs whatever a Replica can be brought to
//! sign: a shadow of its own starts from either disk, writes, and what it wrote is sent.

use std::collections::BTreeMap;

use kernelos_protocol::command::Command;
use kernelos_protocol::document::Edit;
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{EventId, Incarnation, Lane};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{FRAME_BYTES_MAX, RECEIPT_TIPS_MAX, WANT_COUNT_MAX};
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::{Claims, LinkId, Message, Receipt, Tip};
use rand_chacha::rand_core::Rng as _;

use crate::node::Node;
use crate::rogue::Rogue;
use crate::script::{Lie, Who};
use crate::world::World;

/// A day, by which it backdates.
const DAY_US: i64 = 24 * 3_600 * 1_000_000;
/// Virtual milliseconds between two times that it wants everything again.
const WANT_MS: u64 = 500;
/// Letters of what it floods others with, per event: an event holds no more than 10,000.
const FLOOD_BYTES: usize = 9_000;

impl World {
    /// This device is not ours: nothing is promised of it, and it remembers what it sends.
    pub fn turn_rogue(&mut self, who: Who) {
        self.nodes[who].rogue.get_or_insert_default();
    }

    /// A device lies, if it is on.
    pub fn lie(&mut self, who: Who, lie: &Lie) {
        if !self.nodes[who].is_up() || self.asleep.contains_key(&who) {
            return;
        }
        self.faults += 1;
        self.turn_rogue(who);
        self.note(who, &format!("lies: {lie:?}"));
        let set = |path: &_, value: String| {
            let edit = Edit::Set { set: Clone::clone(path), value: value.into() };
            Command::Edit { edits: vec![edit] }
        };
        match lie {
            Lie::Fork(path, value) => {
                let disk = self.nodes[who].disk.clone();
                let other = self.shadow(who, disk, 0, vec![set(path, format!("{value}, or not"))]);
                self.ask(who, set(path, value.clone()));
                for (at, link) in self.network.links_of(who).into_iter().enumerate() {
                    if at == 0 || self.dice(2) == 0 {
                        self.tell(who, link, &other);
                    }
                }
            }
            Lie::Backdate(path, value) => {
                let disk = self.copy_of(who);
                let events = self.shadow(who, disk, -DAY_US, vec![set(path, value.clone())]);
                self.tell_all(who, &events);
            }
            Lie::BackdateAnew(path, value) => {
                let mut disk = self.copy_of(who);
                let mut life = [0xff; 8];
                life[..4].copy_from_slice(&self.next_key().to_be_bytes()[4..]);
                disk.commit(&[Record::Incarnation(Incarnation(life))]).ok();
                let events = self.shadow(who, disk, -DAY_US, vec![set(path, value.clone())]);
                self.tell_all(who, &events);
            }
            Lie::BackdateRevocation(target) => {
                let device = self.nodes[*target].device();
                let revoke = Command::Revoke { device, reason: "a lie".to_owned() };
                let disk = self.copy_of(who);
                let events = self.shadow(who, disk, -DAY_US, vec![revoke]);
                self.tell_all(who, &events);
            }
            Lie::Flood(count) => self.flood(who, *count),
            Lie::Withhold(from) => {
                self.rogue(who).withholds.insert(*from);
            }
            Lie::Want => {
                let now = self.now;
                self.rogue(who).wants_from.get_or_insert(now);
            }
            Lie::Replay => {
                let frames = self.nodes[who].rogue.as_ref().map(Rogue::sent);
                self.frames_to_all(who, &frames.unwrap_or_default());
            }
            Lie::Garbage => self.garbage(who),
            Lie::TooMuch => self.frames_to_all(who, &[vec![0x82; FRAME_BYTES_MAX + 1]]),
            Lie::Claim => self.claim(who),
            Lie::Offer => self.offer(who),
        }
    }

    fn rogue(&mut self, who: Who) -> &mut Rogue {
        self.nodes[who].rogue.get_or_insert_default()
    }

    fn copy_of(&self, who: Who) -> MemoryStore {
        let node = &self.nodes[who];
        node.copy().unwrap_or(&node.disk).clone()
    }

    /// What a Replica with this device's key writes that starts from a disk and is asked for this.
    fn shadow(
        &mut self,
        who: Who,
        disk: MemoryStore,
        ahead_us: i64,
        commands: Vec<Command>,
    ) -> Vec<Verified> {
        let number = self.next_key();
        let node = &self.nodes[who];
        let mut config = node.config.clone();
        config.seed[16..24].copy_from_slice(&number.to_be_bytes());
        let mut clock = node.clock;
        clock.set(ahead_us);
        let now = clock.time(self.now);
        let mut shadow = Node::new(config);
        shadow.disk = disk;
        let before = shadow.disk.ids().clone();
        shadow.start(now);
        for command in commands {
            shadow.ask(now, command);
        }
        let events = read_all(&mut shadow.disk, 512);
        events.into_iter().filter(|event| !before.contains(&event.id())).collect()
    }

    fn tell_all(&mut self, who: Who, events: &[Verified]) {
        for link in self.network.links_of(who) {
            self.tell(who, link, events);
        }
    }

    /// Events over one connection, one a frame, unless they prove each other.
    fn tell(&mut self, who: Who, link: LinkId, events: &[Verified]) {
        for run in kernelos_protocol::event::Runs::of(events.iter().cloned()) {
            self.send(who, link, Message::Events(vec![run]).encode());
        }
    }

    fn frames_to_all(&mut self, who: Who, frames: &[Vec<u8>]) {
        for link in self.network.links_of(who) {
            for frame in frames {
                self.send(who, link, frame.clone());
            }
        }
    }

    fn flood(&mut self, who: Who, count: u64) {
        let edit = |_| {
            // Of 64 letters, so that it is not packed much.
            let mut bytes = vec![0; FLOOD_BYTES];
            self.rng.fill_bytes(&mut bytes);
            let value: String = bytes.iter().map(|byte| char::from(b'0' + (byte & 63))).collect();
            let set = "notes/flood".parse().ok()?;
            Some(Command::Edit { edits: vec![Edit::Set { set, value: value.into() }] })
        };
        let edits: Vec<_> = (0..=count).filter_map(edit).collect();
        let disk = self.nodes[who].disk.clone();
        let events = self.shadow(who, disk, 0, edits);
        self.tell_all(who, events.get(1..).unwrap_or_default());
    }

    /// Bytes of no form; a true frame with a bit turned; one with its end cut off.
    fn garbage(&mut self, who: Who) {
        for link in self.network.links_of(who) {
            let sent = self.nodes[who].rogue.as_ref().map(Rogue::sent);
            let mut frame = sent.and_then(|mut sent| sent.pop()).unwrap_or_default();
            let at = usize::try_from(self.dice(frame.len() as u64)).unwrap_or(0);
            match (self.dice(3), frame.get_mut(at)) {
                (0, Some(byte)) => *byte ^= 1 << (self.rng.next_u64() % 8),
                (1, Some(_)) => frame.truncate(at),
                _ => {
                    frame = vec![0; 64];
                    self.rng.fill_bytes(&mut frame);
                }
            }
            self.send(who, link, frame);
        }
    }

    fn nowhere(&mut self) -> EventId {
        let mut id = [0; 32];
        self.rng.fill_bytes(&mut id);
        EventId(id)
    }

    /// Everything that is on any disk.
    fn everything(&mut self) -> BTreeMap<EventId, Verified> {
        let disks = self.nodes.iter_mut().map(|node| read_all(&mut node.disk, 512));
        disks.flatten().map(|event| (event.id(), event)).collect()
    }

    fn claim(&mut self, who: Who) {
        let nowhere = self.nowhere();
        let all = self.everything();
        let of = |lane| {
            let ids = all.values().filter(move |event| event.header().lane == lane);
            ids.map(Verified::id).take(RECEIPT_TIPS_MAX - 1).chain([nowhere]).collect::<Vec<_>>()
        };
        let (control, content) = (of(Lane::Control), of(Lane::Content));
        let node = &self.nodes[who];
        let key = DeviceKey::from_secret(&node.config.secret);
        let claims = Claims::new(control.clone(), content, control, vec![nowhere], true);
        let workspace = node.config.workspace;
        let receipt = Receipt::sign(&key, workspace, node.life(), u64::MAX, claims);
        self.frames_to_all(who, &[Message::Receipts(vec![receipt]).encode()]);
    }

    fn offer(&mut self, who: Who) {
        let mut ends = BTreeMap::new();
        for event in self.everything().values() {
            let seq = ends.entry(event.chain()).or_insert(0);
            *seq = event.header().seq.max(*seq);
        }
        let mut tip = |(chain, seq): (_, u64)| Tip { chain, seq: seq + 1_000, id: self.nowhere() };
        let tips: Vec<_> = ends.into_iter().map(&mut tip).collect();
        self.frames_to_all(who, &[Message::Have(tips).encode()]);
    }

    /// Who wants forever answers what it gets so.
    pub(super) fn lie_back(&mut self, who: Who, link: LinkId) {
        let now = self.now;
        let Some(from) = self.nodes[who].rogue.as_mut().and_then(|r| r.wants_from.as_mut()) else {
            return;
        };
        if *from > now || self.network.link(link).is_none() {
            return;
        }
        *from = now + WANT_MS;
        let nowhere = self.nowhere();
        let ids = self.nodes[who].disk.ids().iter().copied().chain([nowhere]);
        let wants: Vec<_> = ids.take(64).map(|id| (id, WANT_COUNT_MAX)).collect();
        self.send(who, link, Message::Want(wants).encode());
    }

    /// Does a device send this frame of its Replica? Who withholds sends no events.
    pub(super) fn is_told(&mut self, who: Who, link: LinkId, frame: &[u8]) -> bool {
        let Some(rogue) = &mut self.nodes[who].rogue else { return true };
        rogue.remember(frame);
        let Some(link) = self.network.link(link) else { return true };
        let to = if link.from == who { link.to } else { link.from };
        if !rogue.withholds.contains(&to) {
            return true;
        }
        let workspace = self.nodes[who].config.workspace;
        !matches!(Message::decode(frame, &workspace), Ok(Message::Events(_)))
    }
}
