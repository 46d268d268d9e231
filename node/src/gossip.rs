//! Hints by gossip: hands what the protocol says to the library, and back. Switched on by `kern up
//! --gossip`; without it nothing here runs. `SPEC: HINT-3, HINT-4`
//!
//! Neighbours are devices with which there is a link: whoever cannot be reached by sync cannot be
//! reached by this. What they deliver is judged in `Hints`, who they are by the same membership as
//! at the door. A swarm may fall into parts when a device leaves it, so all are met again from time
//! to time; the library keeps what hostile neighbours made up, so it is begun anew after so many
//! bytes.

mod counter;
mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::limits::{GOSSIP_BYTES_MAX, GOSSIP_BYTES_PER_SECOND, HINT_INTERVAL_MS};
use kernelos_protocol::time::Time;
use tokio::sync::mpsc;

use crate::clock;
use crate::node::Node;
use crate::portable::{spawn, timeout};
use crate::transport::iroh::IrohTransport;
use crate::transport::iroh::gossip::{Came, Gossip, Neighbour};
use crate::transport::{DIAL_TIME_MAX, NOT_A_MEMBER, Protocol};
use room::Room;

/// What waits for the driver. Beyond it the library waits, and then drops.
pub(crate) const WAITING_MAX: usize = 64;

/// After a failed dial the next waits so long, doubled each time.
const RETRY_MS: (u64, u64) = (2_000, 60_000);

/// What a neighbour hears that is put away.
const PUT_AWAY: &str = "put away";

/// What wakes the driver.
enum Wake {
    /// A connection came, or was made.
    Met(Neighbour),
    /// A dial failed.
    Missed(DeviceId),
    /// Something came on the topic of a workspace, with the number of the joining that it belongs
    /// to. None: the topic ended.
    Came(WorkspaceId, u64, Option<Came>),
}

/// A neighbour, and how much came from it.
struct Near {
    neighbour: Neighbour,
    /// Of which so many bytes were looked at.
    seen: u64,
    /// So many more may come now.
    left: u64,
}

#[derive(Clone, Copy)]
struct Attempt {
    at_ms: u64,
    delay_ms: u64,
    is_under_way: bool,
}

struct Driver {
    transport: Arc<IrohTransport>,
    /// None where it ended: it is begun anew at the next look.
    gossip: Option<Gossip>,
    inbox: mpsc::Sender<Wake>,
    near: BTreeMap<DeviceId, Vec<Near>>,
    attempts: BTreeMap<DeviceId, Attempt>,
    rooms: BTreeMap<WorkspaceId, Room>,
    /// Bytes that came since it was begun.
    came: u64,
    looked_ms: u64,
}

/// Runs until the node is gone. `arrived` are connections that came for gossip.
pub(crate) async fn run(
    node: Weak<Node>,
    transport: Arc<IrohTransport>,
    mut arrived: mpsc::Receiver<Neighbour>,
) {
    let (inbox, mut waiting) = mpsc::channel(WAITING_MAX);
    let (near, attempts, rooms) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let to = inbox.clone();
    spawn(async move {
        while let Some(neighbour) = arrived.recv().await {
            if to.send(Wake::Met(neighbour)).await.is_err() {
                return;
            }
        }
    });
    let (gossip, came, looked_ms) = (None, 0, 0);
    let mut driver = Driver { transport, gossip, inbox, near, attempts, rooms, came, looked_ms };
    loop {
        let now_ms = clock::now().monotonic_ms;
        let due_ms = driver.looked_ms.saturating_add(HINT_INTERVAL_MS);
        let wait = Duration::from_millis(due_ms.saturating_sub(now_ms));
        let wake = timeout(wait, waiting.recv()).await;
        let Some(node) = node.upgrade() else { return };
        if let Some(Some(wake)) = wake {
            driver.hear(&node, wake).await;
        }
        let now = clock::now();
        if now.monotonic_ms >= due_ms {
            driver.look(&node, now).await;
        }
    }
}

impl Driver {
    async fn hear(&mut self, node: &Node, wake: Wake) {
        let now = clock::now();
        match wake {
            Wake::Met(neighbour) => self.met(node, now, neighbour).await,
            Wake::Missed(device) => self.dialed(&device),
            Wake::Came(workspace, joining, came) => {
                let Some(room) = self.rooms.get_mut(&workspace) else { return };
                let bad = room.came(node, now, joining, came);
                bad.into_iter().for_each(|device| self.put_away(now, &device));
            }
        }
    }

    fn dialed(&mut self, device: &DeviceId) {
        if let Some(attempt) = self.attempts.get_mut(device) {
            attempt.is_under_way = false;
        }
    }

    /// Takes a connection over, or ends it.
    async fn met(&mut self, node: &Node, now: Time, neighbour: Neighbour) {
        let device = neighbour.device;
        self.dialed(&device);
        if !node.admits(&device, Protocol::Gossip) {
            return neighbour.close(NOT_A_MEMBER);
        }
        if self.is_put_away(now, &device) {
            return neighbour.close(PUT_AWAY);
        }
        let Some(gossip) = &self.gossip else { return };
        if !gossip.take(&neighbour).await {
            self.gossip = None;
            return;
        }
        let near = Near { neighbour, seen: 0, left: GOSSIP_BYTES_AT_ONCE };
        self.near.entry(device).or_default().push(near);
        self.rooms.values_mut().for_each(Room::meet_soon);
    }

    /// What is to be done from time to time.
    async fn look(&mut self, node: &Arc<Node>, now: Time) {
        let passed_ms = now.monotonic_ms.saturating_sub(self.looked_ms);
        self.looked_ms = now.monotonic_ms;
        self.begin();
        self.watch(node, now, passed_ms);
        self.knock(node, now);
        let Some(gossip) = &self.gossip else { return };
        let is_open = |near: &Vec<Near>| near.iter().any(|near| near.neighbour.is_open());
        let near = self.near.iter().filter(|(_, near)| is_open(near)).map(|(device, _)| *device);
        let near: BTreeSet<_> = near.collect();
        let engines = node.synced();
        self.rooms.retain(|id, _| engines.iter().any(|engine| engine.workspace() == *id));
        let (mut has_ended, mut strangers) = (false, BTreeSet::new());
        for engine in engines {
            let room = self.rooms.entry(engine.workspace());
            let room = room.or_insert_with(|| Room::new(node, &engine));
            has_ended |= !room.join(gossip, &engine, &self.inbox).await;
            strangers.extend(room.strangers(&engine));
            if has_ended
                || !room.meet(now, &engine, &near).await
                || !room.tell(node, now, &engine).await
            {
                has_ended = true;
                break;
            }
        }
        if has_ended {
            self.gossip = None;
        }
        strangers.iter().for_each(|device| self.part(now, device));
    }

    /// Ends gossip with a device on the topic of a workspace that it is no member of, as far as is
    /// known here: it may be one of another, and have been let in by who was not met yet.
    fn part(&mut self, now: Time, device: &DeviceId) {
        for near in self.near.remove(device).unwrap_or_default() {
            near.neighbour.close(NOT_A_MEMBER);
        }
        let at_ms = now.monotonic_ms.saturating_add(RETRY_MS.1);
        let attempt = Attempt { at_ms, delay_ms: RETRY_MS.1, is_under_way: false };
        self.attempts.insert(*device, attempt);
    }

    /// Begins gossip, for the first time or anew.
    fn begin(&mut self) {
        if self.gossip.is_some() && self.came <= GOSSIP_BYTES_MAX {
            return;
        }
        // What it kept goes with it, and its connections.
        (self.gossip, self.came) = (None, 0);
        self.near.clear();
        self.attempts.clear();
        self.rooms.values_mut().for_each(Room::leave);
        self.gossip = self.transport.gossip();
    }

    /// Lets go who is no neighbour any more, and who sends too much.
    fn watch(&mut self, node: &Node, now: Time, passed_ms: u64) {
        let mut bad = BTreeSet::new();
        for (device, connections) in &mut self.near {
            let is_member = node.admits(device, Protocol::Gossip);
            for near in connections.iter_mut() {
                if !is_member {
                    near.neighbour.close(NOT_A_MEMBER);
                }
                let received = near.neighbour.received_bytes();
                let new = received.saturating_sub(near.seen);
                near.seen = received;
                self.came = self.came.saturating_add(new);
                let given = passed_ms.saturating_mul(GOSSIP_BYTES_PER_SECOND) / 1_000;
                near.left = near.left.saturating_add(given).min(GOSSIP_BYTES_AT_ONCE);
                match near.left.checked_sub(new) {
                    Some(left) => near.left = left,
                    None => drop(bad.insert(*device)),
                }
            }
            connections.retain(|near| near.neighbour.is_open());
        }
        self.near.retain(|_, connections| !connections.is_empty());
        bad.into_iter().for_each(|device| self.put_away(now, &device));
    }

    fn is_put_away(&self, now: Time, device: &DeviceId) -> bool {
        self.rooms.values().any(|room| room.is_put_away(now, device))
    }

    /// Gossip with this neighbour ends for a while, in every workspace: it has one connection.
    fn put_away(&mut self, now: Time, device: &DeviceId) {
        for room in self.rooms.values_mut().filter(|room| !room.is_put_away(now, device)) {
            room.put_away(now, device);
        }
        for near in self.near.remove(device).unwrap_or_default() {
            near.neighbour.close(PUT_AWAY);
        }
    }

    /// Dials who is linked and no neighbour yet.
    fn knock(&mut self, node: &Node, now: Time) {
        let wanted = wanted(node);
        self.attempts.retain(|device, _| wanted.contains_key(device));
        for (device, at) in wanted {
            if self.near.contains_key(&device) {
                // Whoever lets this one in and ends it at once is not dialed again at once.
                self.attempts
                    .retain(|of, attempt| *of != device || now.monotonic_ms < attempt.at_ms);
                continue;
            }
            if self.is_put_away(now, &device) {
                continue;
            }
            let first = Attempt {
                // Of two that find each other one begins; where it cannot, the other does.
                at_ms: now.monotonic_ms + if node.device() < device { 0 } else { RETRY_MS.0 },
                delay_ms: RETRY_MS.0,
                is_under_way: false,
            };
            let attempt = self.attempts.entry(device).or_insert(first);
            if attempt.is_under_way || now.monotonic_ms < attempt.at_ms {
                continue;
            }
            attempt.is_under_way = true;
            attempt.at_ms = now.monotonic_ms.saturating_add(attempt.delay_ms);
            attempt.delay_ms = (attempt.delay_ms * 2).min(RETRY_MS.1);
            let (Some(gossip), to) = (&self.gossip, self.inbox.clone()) else { return };
            let dialing = timeout(DIAL_TIME_MAX, gossip.dial(device, at));
            spawn(async move {
                let dialed = dialing.await.and_then(Result::ok);
                to.send(dialed.map_or(Wake::Missed(device), Wake::Met)).await.ok();
            });
        }
    }
}

/// Members with which there is a link, and where that goes to.
fn wanted(node: &Node) -> BTreeMap<DeviceId, SocketAddr> {
    let mut wanted = BTreeMap::new();
    for engine in node.synced() {
        engine.shared(|shared| {
            for (device, path) in &shared.connected {
                let at = path.and_then(|path| path.again);
                if let Some(at) = at.filter(|_| shared.members.contains(device)) {
                    wanted.insert(*device, at);
                }
            }
        });
    }
    wanted
}

/// A neighbour may send so much at once: all that it passes on while it comes back. `SPEC: HINT-4`
const GOSSIP_BYTES_AT_ONCE: u64 = 4 * GOSSIP_BYTES_PER_SECOND;

#[cfg(test)]
mod tests;
