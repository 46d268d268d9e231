//! With whom a device's workspaces are to speak, and who of them is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use kernelos_protocol::id::{DeviceId, WorkspaceId};

use super::Node;
use crate::engine::Engine;

impl Node {
    /// The devices that some workspace is to speak with and that it has no connection to.
    pub(crate) fn missed(&self) -> BTreeSet<DeviceId> {
        let own = self.device();
        let missed = |engine: &Arc<Engine>| {
            let mut others = others(engine, own);
            engine.shared(|shared| others.retain(|device| !shared.connected.contains_key(device)));
            others
        };
        self.synced().iter().flat_map(missed).collect()
    }

    /// Whom a workspace is to dial, and where. `heard` says where those are that no card tells of.
    pub(crate) fn targets(
        &self,
        engine: &Engine,
        heard: &BTreeMap<DeviceId, Vec<SocketAddr>>,
    ) -> Vec<(DeviceId, Vec<SocketAddr>)> {
        let own = self.device();
        let (connected, mut reachable, members) = engine.shared(|shared| {
            let connected: BTreeSet<_> = shared.connected.keys().copied().collect();
            (connected, shared.reachable.clone(), shared.members.clone())
        });
        if let Some((device, addresses)) = &engine.meta.introducer {
            reachable.entry(*device).or_insert_with(|| addresses.clone());
        }
        for (device, addresses) in heard {
            reachable.entry(*device).or_default().splice(..0, addresses.iter().copied());
        }
        // Before its history is here, a newcomer knows nobody but who brought it in.
        let wanted = |device: &DeviceId| members.is_empty() || members.contains(device);
        reachable
            .into_iter()
            .filter(|(device, at)| {
                *device != own && !connected.contains(device) && !at.is_empty() && wanted(device)
            })
            .collect()
    }

    /// May a workspace, or any, speak with this device? See [`others`].
    pub(crate) fn speaks_with(&self, device: &DeviceId, workspace: Option<WorkspaceId>) -> bool {
        let meant = |engine: &Engine| workspace.is_none_or(|id| engine.workspace() == id);
        let own = self.device();
        self.synced().iter().any(|engine| meant(engine) && others(engine, own).contains(device))
    }

    /// The workspaces that this device is to speak with, and that have no connection to it.
    pub(crate) fn lacking(&self, device: &DeviceId) -> Vec<Arc<Engine>> {
        let own = self.device();
        let lacks = |engine: &Arc<Engine>| {
            others(engine, own).contains(device)
                && !engine.shared(|shared| shared.connected.contains_key(device))
        };
        self.synced().into_iter().filter(lacks).collect()
    }

    /// Did the last connection of any of them end because the device keeps this one out?
    pub(crate) fn is_kept_out_by(&self, device: &DeviceId) -> bool {
        let keeps_out =
            |engine: &Arc<Engine>| engine.shared(|shared| shared.is_kept_out_by(device));
        self.lacking(device).iter().any(keeps_out)
    }

    /// Is any device not connected that a workspace is to speak with?
    pub(crate) fn lacks_any(&self) -> bool {
        let own = self.device();
        self.synced().iter().any(|engine| {
            let others = others(engine, own);
            engine
                .shared(|shared| others.iter().any(|device| !shared.connected.contains_key(device)))
        })
    }
}

/// The devices that a workspace is to speak with: its members; before its history is here, who
/// brought this one in.
fn others(engine: &Engine, own: DeviceId) -> BTreeSet<DeviceId> {
    let mut others = engine.shared(|shared| shared.members.clone());
    if others.is_empty() {
        others.extend(engine.meta.introducer.as_ref().map(|(device, _)| *device));
    }
    others.remove(&own);
    others
}
