//! The wires between devices: who reaches whom, and how long a frame takes.
//!
//! A connection is a reliable stream, as QUIC gives it: frames come in order or not at all. What a
//! lossy network does to it shows as time (a lost packet is sent again) and as connections that
//! break with everything that was under way.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::sync::LinkId;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;

/// Milliseconds that a frame takes at least, and how much more at most.
const LATENCY_MS: (u64, u64) = (2, 40);
/// One frame of so many is lost once, and sent again after a timeout.
const LOSS_ONE_IN: u64 = 20;
/// The timeout after which a lost packet is sent again.
const RESEND_MS: u64 = 200;

/// A connection between two devices, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Who dialed.
    pub from: usize,
    /// Who was dialed.
    pub to: usize,
}

/// All wires.
#[derive(Debug, Default)]
pub struct Network {
    /// Which devices are apart: of two sides that are listed, none reaches the other.
    sides: Option<Vec<BTreeSet<usize>>>,
    /// Who does not hear whom.
    deaf: BTreeSet<(usize, usize)>,
    /// Connections over which nothing reaches this end any more, though it is healed: what was lost
    /// does not come.
    broken: BTreeSet<(LinkId, usize)>,
    links: BTreeMap<LinkId, Link>,
    /// When the last frame arrives, by connection and receiver: the next comes after it.
    last: BTreeMap<(LinkId, usize), u64>,
    next: u64,
}

impl Network {
    /// Do two devices reach each other?
    #[must_use]
    pub fn reaches(&self, a: usize, b: usize) -> bool {
        if self.deaf.contains(&(a, b)) || self.deaf.contains(&(b, a)) {
            return false;
        }
        match &self.sides {
            None => true,
            Some(sides) => sides.iter().any(|side| side.contains(&a) && side.contains(&b)),
        }
    }

    /// Cuts the network into sides; who is on none is alone. Gives the connections that break.
    pub fn cut(&mut self, sides: Vec<BTreeSet<usize>>) -> Vec<LinkId> {
        self.sides = Some(sides);
        let broken = self.links.iter().filter(|(_, link)| !self.reaches(link.from, link.to));
        broken.map(|(id, _)| *id).collect()
    }

    /// Everybody reaches everybody.
    pub fn heal(&mut self) {
        self.sides = None;
        self.deaf.clear();
    }

    /// One does not hear another any more; gives the connections over which it did.
    pub fn deafen(&mut self, one: usize, other: usize) -> Vec<LinkId> {
        self.deaf.insert((one, other));
        let between = |link: &Link| {
            (link.from, link.to) == (one, other) || (link.from, link.to) == (other, one)
        };
        let links = self.links.iter().filter(|(_, link)| between(link));
        let links: Vec<_> = links.map(|(id, _)| *id).collect();
        self.broken.extend(links.iter().map(|link| (*link, one)));
        links
    }

    /// Does nothing that is sent now reach this end?
    #[must_use]
    pub fn is_deaf(&self, link: LinkId, to: usize) -> bool {
        self.broken.contains(&(link, to))
    }

    /// A new connection.
    pub fn connect(&mut self, link: Link) -> LinkId {
        self.next += 1;
        self.links.insert(LinkId(self.next), link);
        LinkId(self.next)
    }

    /// A connection is no more; what it was.
    pub fn disconnect(&mut self, id: LinkId) -> Option<Link> {
        self.last.retain(|(link, _), _| *link != id);
        self.broken.retain(|(link, _)| *link != id);
        self.links.remove(&id)
    }

    /// The connection of this id, while it is up.
    #[must_use]
    pub fn link(&self, id: LinkId) -> Option<Link> {
        self.links.get(&id).copied()
    }

    /// The connections of a device.
    #[must_use]
    pub fn links_of(&self, device: usize) -> Vec<LinkId> {
        let of = self.links.iter().filter(|(_, l)| l.from == device || l.to == device);
        of.map(|(id, _)| *id).collect()
    }

    /// Are two devices connected?
    #[must_use]
    pub fn are_connected(&self, a: usize, b: usize) -> bool {
        let between =
            |link: &Link| (link.from, link.to) == (a, b) || (link.from, link.to) == (b, a);
        self.links.values().any(between)
    }

    /// When a frame that is sent now arrives.
    pub fn arrival(&mut self, rng: &mut ChaCha20Rng, now: u64, link: LinkId, to: usize) -> u64 {
        let mut at = now + LATENCY_MS.0 + rng.next_u64() % LATENCY_MS.1;
        if rng.next_u64().is_multiple_of(LOSS_ONE_IN) {
            at += RESEND_MS;
        }
        let last = self.last.entry((link, to)).or_insert(0);
        *last = at.max(*last + 1);
        *last
    }
}
