//! What must hold in every world: nothing acknowledged is lost, and who holds the same events
//! holds the same workspace.
//!
//! The second is compared with an oracle that shares no history with the devices: it takes the
//! union of all disks, in the order of the ids, and builds a workspace from nothing.

mod missions;

pub use missions::{candidates, missions_end, missions_hold, promoted, state, steps_held, view};

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{Command, Reply, Status};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::EventId;
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, LoadRequest};
use kernelos_protocol::workspace::{InsertFault, Workspace};

use crate::world::World;

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Broken {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

/// Nothing that a device acknowledged is missing from its disk.
pub fn nothing_lost(world: &mut World) -> Result<(), Broken> {
    for node in &mut world.nodes {
        let kept: Vec<EventId> = read_all(&mut node.disk, 512).iter().map(Verified::id).collect();
        let kept: BTreeSet<_> = kept.into_iter().collect();
        if let Some(lost) = node.acknowledged.iter().find(|id| !kept.contains(id)) {
            let detail = format!("{} acknowledged {lost} and does not hold it", node.name);
            return Err(Broken { invariant: "nothing acknowledged is lost", detail });
        }
    }
    Ok(())
}

/// What a receipt says, wherever it is kept, its device holds: heads are on the disk, and with
/// them all before them, since a disk takes causes first.
pub fn receipts_are_true(world: &mut World) -> Result<(), Broken> {
    let mut kept = BTreeMap::new();
    let mut receipts = Vec::new();
    for node in &mut world.nodes {
        let ids: BTreeSet<_> = read_all(&mut node.disk, 512).iter().map(Verified::id).collect();
        kept.insert(node.device(), (node.name.clone(), ids, node.past.clone()));
        let first = LoadRequest::From { cursor: 0, limit: 0 };
        receipts.extend(node.disk.load(&first).unwrap_or_default().receipts);
    }
    for receipt in receipts {
        let Some((name, ids, past)) = kept.get(&receipt.device()) else { continue };
        if past.contains(&receipt.incarnation()) {
            continue;
        }
        let claims = receipt.claims();
        let mut named = claims.control().iter().chain(claims.content()).chain(claims.epochs());
        if let Some(lost) = named.find(|id| !ids.contains(id)) {
            let detail = format!("{name} claims {lost} and does not hold it");
            return Err(Broken { invariant: "a receipt is true", detail });
        }
    }
    Ok(())
}

/// Each of these devices knows of every other that it holds everything.
pub fn known_everywhere(world: &mut World, devices: &[usize]) -> Result<(), Broken> {
    let ids: BTreeSet<_> = devices.iter().map(|device| world.nodes[*device].device()).collect();
    for &device in devices {
        let peers = status(world, device).map(|status| status.peers).unwrap_or_default();
        let known = peers.iter().filter(|peer| ids.contains(&peer.device));
        let known: Vec<_> = known.map(|peer| (peer.acked, peer.of)).collect();
        if known.len() + 1 != ids.len() || known.iter().any(|(acked, of)| acked != of) {
            let detail = format!("{}: {known:?}", world.nodes[device].name);
            return Err(Broken { invariant: "everything is known everywhere", detail });
        }
    }
    Ok(())
}

/// The state of a device; none where it is off or claims nothing yet.
pub fn status(world: &mut World, device: usize) -> Option<Status> {
    match world.ask(device, Command::Status)? {
        Reply::Status(status) => Some(*status),
        _ => None,
    }
}

/// All these devices claim one state.
pub fn agree(world: &mut World, devices: &[usize]) -> Result<(), Broken> {
    let mut states = BTreeMap::new();
    for &device in devices {
        let name = world.nodes[device].name.clone();
        let status = status(world, device);
        if let Some(damage) = status.as_ref().and_then(|status| status.damage.first()) {
            let detail = format!("{name}: {damage}");
            return Err(Broken { invariant: "no device is damaged", detail });
        }
        let state = status.and_then(|status| status.state_hash);
        states.insert(name, state.map(|state| state.to_string()));
    }
    let mut values = states.values();
    let first = values.next();
    if first.is_some_and(Option::is_some) && values.all(|state| Some(state) == first) {
        return Ok(());
    }
    Err(Broken { invariant: "devices agree", detail: format!("{states:?}") })
}

/// A workspace of everything that any disk holds, built in the order of the ids.
#[must_use]
pub fn oracle(world: &mut World) -> Option<Workspace> {
    let mut union = BTreeMap::new();
    for node in &mut world.nodes {
        let events = read_all(&mut node.disk, 512);
        union.extend(events.into_iter().map(|event| (event.id(), event)));
    }
    let node = world.nodes.first()?;
    // A key of nobody: the oracle reads no body.
    let nobody = DeviceKey::from_secret(&[0xaa; 32]);
    let mut workspace = Workspace::new(node.config.workspace);
    let mut waiting: Vec<Verified> = union.into_values().collect();
    loop {
        let before = waiting.len();
        waiting.retain(|event| {
            matches!(workspace.insert(event, &nobody), Err(InsertFault::Missing(_)))
        });
        if waiting.len() == before {
            break;
        }
    }
    workspace.settle();
    Some(workspace)
}

/// The devices that are members by everything that any disk holds.
#[must_use]
pub fn members(world: &mut World) -> Vec<usize> {
    let Some(oracle) = oracle(world) else { return Vec::new() };
    let members = oracle.control().members(&oracle.control().all());
    let is_member = |device: &usize| members.contains_key(&world.nodes[*device].device());
    (0..world.nodes.len()).filter(is_member).collect()
}
