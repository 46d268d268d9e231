//! What the node alone sees of a workspace's peers: by what way they are reached, and who is heard.

use kernelos_protocol::command::Status;
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::sync::Overheard;

use super::{Node, speaks, words};
use crate::clock;
use crate::engine::Engine;

impl Node {
    /// What only the node sees: its transport, and over what each peer is reached.
    pub(super) async fn with_paths(&self, engine: &Engine, mut status: Status) -> Status {
        status.online = speaks(engine.meta.mode) && self.is_online().await;
        let (paths, voices) =
            engine.shared(|shared| (shared.connected.clone(), shared.heard.clone()));
        let now_ms = clock::now().monotonic_ms;
        for peer in &mut status.peers {
            let path = paths.get(&peer.device).copied().flatten();
            peer.path = path.map(|path| path.kind.name().to_owned());
            peer.rtt_ms = path.and_then(|path| path.rtt_ms);
            let voice = voices.get(&peer.device).filter(|_| !paths.contains_key(&peer.device));
            peer.heard = voice.map(|voice| Overheard {
                ago_s: now_ms.saturating_sub(voice.at_ms) / 1_000,
                is_ahead: voice.is_ahead,
            });
        }
        let shut = self.pairing.shut(engine.workspace());
        status.damage.extend(shut.map(|failure| words(&failure)));
        status
    }

    /// May hints be passed on with this device? With members that are met, and where it is switched
    /// on. `SPEC: HINT-3`
    pub(crate) fn may_gossip(&self, device: &DeviceId) -> bool {
        let now_ms = clock::now().monotonic_ms;
        self.ways.gossip
            && self.synced().iter().any(|engine| {
                engine.shared(|shared| {
                    shared.members.contains(device) && !shared.keeps_out(device, now_ms)
                })
            })
    }
}
