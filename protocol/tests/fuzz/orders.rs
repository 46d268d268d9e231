//! Two orders of delivery of one set of events are one state.
//!
//! The bytes say what five devices do, each with what it knows: edit, grant, revoke, join, hear of
//! each other, go on twice from one place, and all that stands in `deeds.rs`. Then two devices that
//! did none of it hear of everything, in two orders.

use std::collections::BTreeMap;

use kernelos_protocol::document::{DocumentDone, DocumentTask};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{ChangeHash, DocumentId, EventId, Incarnation};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::role::Role;
use kernelos_protocol::workspace::{InsertFault, StateHash};

use super::deeds::{DEEDS, Made, deed, write_on};
use crate::changes::common::Rng;
use crate::kit::{Peer, secret};

/// Devices that write. The one after them, a member from the beginning, only hears.
const WRITERS: u8 = 5;
/// What happens at most: beyond it an input only costs.
const STEPS_MAX: usize = 48;

const ROLES: [Role; 6] =
    [Role::Observer, Role::Store, Role::Runner, Role::Member, Role::Admin, Role::Owner];

/// A device, and all events that it holds.
struct Device {
    number: u8,
    peer: Peer,
    held: Vec<Verified>,
}

impl Device {
    fn of(number: u8, held: &[Verified]) -> Self {
        let mut peer = Peer::new(number, held[0].workspace());
        peer.take(held);
        Self { number, peer, held: held.to_vec() }
    }

    fn hear(&mut self, events: &[Verified]) {
        let known: Vec<EventId> = self.held.iter().map(Verified::id).collect();
        let new = events.iter().filter(|event| !known.contains(&event.id()));
        let new: Vec<_> = new.cloned().collect();
        self.peer.take(&new);
        // What it never wrote stands in its chain: its store is a copy, and begins another life.
        let (device, life) = (self.peer.key.device(), self.peer.incarnation);
        if new
            .iter()
            .any(|event| (event.header().author, event.header().incarnation) == (device, life))
        {
            let held = [&self.held[..], &new].concat();
            let number = u8::try_from(held.len()).unwrap_or(u8::MAX);
            *self = Self::of(self.number, &held);
            self.peer.incarnation = Incarnation([self.number, number, life.0[0], 0xf0, 1, 2, 3, 4]);
            return;
        }
        self.held.extend(new);
    }

    /// One thing that it may do; what that wrote. A device without the right to it writes nothing.
    fn act(&mut self, rng: &mut Rng, made: &mut Made) -> Vec<Verified> {
        let target = 1 + rng.below(usize::from(WRITERS) + 1) as u8;
        let peer = &mut self.peer;
        let written = match rng.below(12) {
            0 => peer.try_grant(target, ROLES[rng.below(ROLES.len())]),
            1 => {
                let device = DeviceKey::from_secret(&secret(target)).device();
                peer.write(|workspace, pen| workspace.write_revoke(pen, device, "lost"))
            }
            2 => peer.write(|workspace, pen| workspace.write_join(pen)).map(|event| vec![event]),
            // Who cannot read the document writes nothing into it.
            _ if peer.workspace.root_document().is_none() => return Vec::new(),
            3..=8 => deed(peer, &self.held, made, rng),
            _ => write_on(peer, peer.document(), rng),
        };
        let Ok(written) = written else {
            // A change that became no event stands in its document all the same: it begins anew.
            *self = Self::of(self.number, &self.held);
            return Vec::new();
        };
        self.held.extend(written.iter().cloned());
        self.peer.offer(&written);
        written
    }
}

/// All events of what these bytes say, in the order in which they were written, and what was made.
fn story(rng: &mut Rng, steps: usize) -> (Vec<Verified>, Made) {
    let (mut founder, mut events) = Peer::founder();
    for number in [2, 3, WRITERS + 1] {
        events.extend(founder.grant(number, ROLES[3 + usize::from(number == 2)]));
    }
    let mut devices = vec![Device { number: 1, peer: founder, held: events.clone() }];
    devices.extend([2, 3].map(|number| Device::of(number, &events)));
    let mut made = Made::default();
    for _ in 0..steps {
        let at = rng.below(devices.len());
        match rng.below(8) {
            // A device comes in as far as another knows; or the same once more, from a copy.
            0 if devices.len() < 8 => {
                let number = 1 + rng.below(usize::from(WRITERS)) as u8;
                let held = devices[at].held.clone();
                devices.push(Device::of(number, &held));
            }
            0..=2 => {
                let from = rng.below(devices.len());
                let heard = devices[from].held.clone();
                devices[at].hear(&heard);
            }
            _ => {
                for event in devices[at].act(rng, &mut made) {
                    if !events.contains(&event) {
                        events.push(event);
                    }
                }
            }
        }
    }
    (events, made)
}

/// The verdict on an event and its reason, or with which code it is refused.
fn word(peer: &mut Peer, event: &Verified) -> String {
    match peer.workspace.insert(event, &peer.key) {
        Err(InsertFault::Refused(refusal)) => refusal.code().to_owned(),
        Ok(_) | Err(InsertFault::Missing(_)) => {
            peer.workspace.settle();
            format!("{:?}", peer.workspace.verdict(&event.id()))
        }
    }
}

/// What a device holds for true.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    lanes: [u8; 32],
    /// None where it was revoked: it cannot read what came later.
    state: Option<StateHash>,
    heads: BTreeMap<DocumentId, Vec<ChangeHash>>,
    /// The ends of what is kept apart, why and by which decision; and how many events that are.
    /// Of a fork the branch that came first is told with what both go on from, so not how many
    /// each has.
    apart: (BTreeMap<EventId, String>, usize),
    verdicts: BTreeMap<EventId, String>,
}

/// What a device that hears these in this order holds for true, of these branches, too.
fn outcome(events: &[Verified], branches: &[DocumentId]) -> Outcome {
    let mut peer = Peer::new(WRITERS + 1, events[0].workspace());
    let mut waiting = Vec::new();
    for event in events {
        waiting.push(event.clone());
        waiting = peer.offer(&waiting);
        peer.project();
    }
    assert_eq!(waiting, [], "all of it can be taken");
    let verdicts = events.iter().map(|event| (event.id(), word(&mut peer, event))).collect();
    let documents: Vec<_> =
        peer.workspace.root_document().iter().chain(branches).copied().collect();
    documents.iter().for_each(|document| peer.workspace.open(*document));
    peer.project();
    let mut heads = BTreeMap::new();
    for document in documents {
        let task = DocumentTask::Apply { document, changes: Vec::new() };
        match peer.documents.perform(task) {
            DocumentDone::Holds { heads: held, .. } => heads.insert(document, held.unwrap()),
            other => panic!("{other:?}"),
        };
    }
    let state = peer.workspace.state_hash(heads.iter());
    let rows = peer.workspace.quarantine().branches.into_iter();
    let rows = rows.map(|row| (row.tip, format!("{:?} {:?}", row.why, row.decision)));
    let apart = (rows.collect(), peer.workspace.count_apart());
    Outcome { lanes: peer.workspace.lanes_hash(), state, heads, apart, verdicts }
}

pub(super) fn orders(input: &[u8]) {
    let mut rng = Rng::chosen_by(input);
    let (events, Made { branches, .. }) = story(&mut rng, (input.len() / 3).min(STEPS_MAX));
    let mut other = events.clone();
    for at in (1..other.len()).rev() {
        other.swap(at, rng.below(at + 1));
    }
    let one = outcome(&events, &branches);
    assert_eq!(one, outcome(&other, &branches));
}

/// Which of the deeds that there are these inputs never come to.
pub(crate) fn undone(inputs: impl Iterator<Item = Vec<u8>>) -> Vec<&'static str> {
    let done = |input: Vec<u8>| {
        let mut rng = Rng::chosen_by(&input);
        story(&mut rng, (input.len() / 3).min(STEPS_MAX)).1.done
    };
    let done: Vec<_> = inputs.flat_map(done).collect();
    DEEDS.into_iter().filter(|deed| !done.contains(deed)).collect()
}
