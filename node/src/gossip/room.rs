//! Gossip of one workspace: its topic, who is on it, and what this device says there.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernelos_protocol::id::{DeviceId, Incarnation, WorkspaceId};
use kernelos_protocol::limits::HINT_EVERY_MS;
use kernelos_protocol::sync::hint::{Frontier, Hint, topic};
use kernelos_protocol::sync::hints::{Heard, Hints, Ignored};
use kernelos_protocol::time::Time;
use tokio::sync::mpsc;

use super::Wake;
use super::counter::Counter;
use crate::engine::Engine;
use crate::node::Node;
use crate::portable::{Task, spawn};
use crate::transport::iroh::gossip::{Came, Gossip, Teller};

/// What stays of it while gossip is begun anew, and what does not.
pub(super) struct Room {
    workspace: WorkspaceId,
    hints: Hints,
    counter: Counter,
    /// What was said last, and when.
    said: Option<(Incarnation, Frontier)>,
    said_ms: Option<u64>,
    met_ms: Option<u64>,
    /// How often the topic was joined.
    joinings: u64,
    topic: Option<Topic>,
}

struct Topic {
    teller: Teller,
    /// Who is on it, as far as this device is told.
    up: BTreeSet<DeviceId>,
    listening: Task,
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Room {
    pub(super) fn new(node: &Node, engine: &Engine) -> Self {
        let workspace = engine.workspace();
        Self {
            workspace,
            hints: Hints::new(workspace, node.device()),
            counter: Counter::beside(&node.home().store(&workspace)),
            said: None,
            said_ms: None,
            met_ms: None,
            joinings: 0,
            topic: None,
        }
    }

    /// The topic is left; it is joined again at the next look.
    pub(super) fn leave(&mut self) {
        self.topic = None;
        self.meet_soon();
    }

    /// Whoever is near is met at the next look, and told.
    pub(super) fn meet_soon(&mut self) {
        (self.met_ms, self.said_ms) = (None, None);
    }

    /// Joins the topic where it is not; false where gossip has ended.
    pub(super) async fn join(
        &mut self,
        gossip: &Gossip,
        engine: &Engine,
        to: &mpsc::Sender<Wake>,
    ) -> bool {
        if engine.shared(|shared| shared.frontier.is_none()) {
            // It began, or another one took its place.
            engine.gossips();
        }
        if self.topic.is_some() {
            return true;
        }
        let Some((teller, mut listener)) = gossip.join(topic(&self.workspace)).await else {
            return false;
        };
        self.joinings += 1;
        let (workspace, joining, to) = (self.workspace, self.joinings, to.clone());
        let listening = spawn(async move {
            loop {
                let came = listener.next().await;
                let is_over = came.is_none();
                if to.send(Wake::Came(workspace, joining, came)).await.is_err() || is_over {
                    return;
                }
            }
        });
        self.topic = Some(Topic { teller, up: BTreeSet::new(), listening });
        true
    }

    /// Something came on the topic; whom to put away for it.
    pub(super) fn came(
        &mut self,
        node: &Node,
        now: Time,
        joining: u64,
        came: Option<Came>,
    ) -> Option<DeviceId> {
        let topic = self.topic.as_mut().filter(|_| joining == self.joinings)?;
        match came {
            None => self.leave(),
            Some(Came::Up(device)) => {
                topic.up.insert(device);
                // It missed what was said before.
                self.said_ms = None;
            }
            Some(Came::Down(device)) => {
                topic.up.remove(&device);
                self.met_ms = None;
            }
            Some(Came::Said(from, bytes)) => return self.heard(node, now, from, &bytes),
        }
        None
    }

    fn heard(&mut self, node: &Node, now: Time, from: DeviceId, bytes: &[u8]) -> Option<DeviceId> {
        let engine =
            node.synced().into_iter().find(|engine| engine.workspace() == self.workspace)?;
        let members = engine.shared(|shared| shared.members.clone());
        match self.hints.hear(now, &members, &from, bytes) {
            Heard::Presence(hint) => engine.hear(hint),
            Heard::Ignored(Ignored::PutAway) => return Some(from),
            Heard::Ignored(_) => {}
        }
        None
    }

    /// Those on the topic that are no members of its workspace: they may be of another one here.
    pub(super) fn strangers(&self, engine: &Engine) -> Vec<DeviceId> {
        let Some(topic) = &self.topic else { return Vec::new() };
        engine.shared(|shared| {
            topic.up.iter().filter(|device| !shared.members.contains(device)).copied().collect()
        })
    }

    /// Meets those that are near and members, and that are not on the topic: a swarm that fell into
    /// parts grows together by it. `SPEC: HINT-3`
    /// False where gossip does not answer.
    pub(super) async fn meet(
        &mut self,
        now: Time,
        engine: &Engine,
        near: &BTreeSet<DeviceId>,
    ) -> bool {
        let Some(topic) = &self.topic else { return true };
        let is_due =
            self.met_ms.is_none_or(|met| met.saturating_add(HINT_EVERY_MS) <= now.monotonic_ms);
        if !is_due {
            return true;
        }
        let missing = |device: &&DeviceId| {
            !topic.up.contains(device) && engine.shared(|shared| shared.members.contains(device))
        };
        let missing: Vec<_> = near.iter().filter(missing).copied().collect();
        self.met_ms = Some(now.monotonic_ms);
        missing.is_empty() || topic.teller.meet(&missing).await
    }

    /// Says how far this device is, where that is news or was not said for long; false where gossip
    /// does not answer. `SPEC: HINT-1`
    pub(super) async fn tell(&mut self, node: &Arc<Node>, now: Time, engine: &Engine) -> bool {
        let Some(topic) = self.topic.as_ref().filter(|topic| !topic.up.is_empty()) else {
            return true;
        };
        let Some(frontier) = engine.shared(|shared| shared.frontier.clone()) else { return true };
        let is_late =
            self.said_ms.is_none_or(|said| said.saturating_add(HINT_EVERY_MS) <= now.monotonic_ms);
        if !is_late && self.said.as_ref() == Some(&frontier) {
            return true;
        }
        self.said_ms = Some(now.monotonic_ms);
        self.said = Some(frontier.clone());
        let Some(counter) = self.counter.next() else { return true };
        let (incarnation, frontier) = frontier;
        let hint = Hint::sign(&node.key(), self.workspace, incarnation, counter, frontier);
        topic.teller.tell(kernelos_protocol::cbor::encode(&hint)).await
    }

    pub(super) fn is_put_away(&self, now: Time, device: &DeviceId) -> bool {
        self.hints.is_put_away(now, device)
    }

    pub(super) fn put_away(&mut self, now: Time, device: &DeviceId) {
        self.hints.put_away(now, device);
    }
}
