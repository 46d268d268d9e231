//! What must hold in every world: nothing acknowledged is lost, and who holds the same events
//! holds the same workspace.
//!
//! The second is compared with an oracle that shares no history with the devices: it takes the
//! union of all disks, in the order of the ids, and builds a workspace from nothing.

mod branches;
mod lives;
mod missions;
mod order;

pub use branches::branches_agree;
pub use lives::{forks_are_shown, lost_came_back};
pub use missions::{candidates, missions_end, missions_hold, promoted, state, steps_held, view};
pub use order::is_order_free;

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{Command, Reply, Status};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::EventId;
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{HELD_BYTES_MAX, HELD_EVENTS_MAX};
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, LoadRequest};
use kernelos_protocol::workspace::{InsertFault, Workspace};

use crate::node::Node;
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

/// What a device says is damaged.
pub fn damage(world: &mut World, who: usize) -> Vec<String> {
    status(world, who).map(|status| status.damage).unwrap_or_default()
}

/// What must hold after every step.
pub fn always(world: &mut World) -> Result<(), Broken> {
    nothing_lost(world)?;
    receipts_are_true(world)?;
    memory_is_bounded(world)?;
    missions_hold(world)
}

/// Nothing that was ever on a device's disk is missing from it, and so nothing that it
/// acknowledged. What a disk lacks that was put back is another matter.
pub fn nothing_lost(world: &mut World) -> Result<(), Broken> {
    let invariant = "nothing acknowledged is lost";
    for node in world.nodes.iter_mut().filter(|node| node.rogue.is_none()) {
        let ids = node.disk.ids();
        if let Some(lost) = node.acknowledged.iter().find(|id| !ids.contains(id)) {
            let detail = format!("{} acknowledged {lost} and does not hold it", node.name);
            return Err(Broken { invariant, detail });
        }
        if let Some(lost) = node.kept.difference(ids).next() {
            let detail = format!("{} kept {lost} and does not hold it", node.name);
            return Err(Broken { invariant, detail });
        }
        node.kept.clone_from(node.disk.ids());
    }
    Ok(())
}

/// What a receipt says, wherever it is kept, its device holds: heads are on the disk, and with
/// them all before them, since a disk takes causes first. A clone may have said it.
pub fn receipts_are_true(world: &mut World) -> Result<(), Broken> {
    let mut receipts = Vec::new();
    for node in &mut world.nodes {
        let first = LoadRequest::From { cursor: 0, limit: 0 };
        receipts.extend(node.disk.load(&first).unwrap_or_default().receipts);
    }
    for receipt in receipts {
        let of_device = world.nodes.iter().filter(|node| node.device() == receipt.device());
        let of_device: Vec<_> = of_device.collect();
        let is_open =
            |node: &&Node| node.rogue.is_some() || node.past.contains(&receipt.incarnation());
        if of_device.is_empty() || of_device.iter().any(is_open) {
            continue;
        }
        let claims = receipt.claims();
        let mut named = claims.control().iter().chain(claims.content()).chain(claims.epochs());
        let is_here = |id: &EventId| of_device.iter().any(|node| node.disk.ids().contains(id));
        if let Some(lost) = named.find(|id| !is_here(id)) {
            let name = &of_device[0].name;
            let detail = format!("{name} claims {lost} and does not hold it");
            return Err(Broken { invariant: "a receipt is true", detail });
        }
    }
    Ok(())
}

/// What peers sent that names what is not here waits up to a bound for each of them.
fn memory_is_bounded(world: &mut World) -> Result<(), Broken> {
    for (number, node) in world.nodes.iter().enumerate() {
        let (events, bytes) = node.waiting();
        world.waiting = world.waiting.max(events);
        // A connection that broke is noticed a while later.
        let links = world.nodes.len().max(world.network.links_of(number).len());
        let is_bounded = events <= links * HELD_EVENTS_MAX && bytes <= links * HELD_BYTES_MAX;
        if !is_bounded {
            let detail = format!("{}: {events} events, {bytes} bytes", node.name);
            return Err(Broken { invariant: "what waits in memory is bounded", detail });
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

/// Lacks one of these devices what none of the others has? That is lost, and said to be; until then
/// it was asked of all.
pub fn is_beyond_help(world: &mut World, devices: &[usize]) -> bool {
    if !world.lost_rows {
        return false;
    }
    let all: Vec<_> = devices.iter().map(|device| (*device, damage(world, *device))).collect();
    let mut all = all.iter().flat_map(|(device, damage)| damage.iter().map(|what| (*device, what)));
    all.any(|(device, what)| {
        // Whatever else is damaged is no matter of rows.
        let Some(event) = named(what) else { return false };
        let knows = |other: &usize| {
            world.nodes[*other].workspace().is_some_and(|workspace| workspace.contains(&event))
        };
        !devices.iter().any(|other| *other != device && knows(other))
    })
}

/// The event that such words are about.
fn named(damage: &str) -> Option<EventId> {
    damage.strip_prefix("event ")?.get(..EventId::DIGITS)?.parse().ok()
}

/// All these devices claim one state.
pub fn agree(world: &mut World, devices: &[usize]) -> Result<(), Broken> {
    let mut states = BTreeMap::new();
    for &device in devices {
        let name = world.nodes[device].name.clone();
        let status = status(world, device);
        if let Some(damage) = status.as_ref().and_then(|status| status.damage.first()) {
            let detail = format!("{name}: {damage}");
            if !world.lost_rows {
                return Err(Broken { invariant: "no device is damaged", detail });
            }
            if is_beyond_help(world, devices) {
                return Ok(());
            }
            return Err(Broken { invariant: "devices agree", detail });
        }
        let state = status.and_then(|status| status.state_hash);
        states.insert(name, state.map(|state| state.to_string()));
    }
    if states.is_empty() {
        return Ok(());
    }
    let mut values = states.values();
    let first = values.next();
    if first.is_some_and(Option::is_some) && values.all(|state| Some(state) == first) {
        return Ok(());
    }
    let held_up: Vec<_> = devices.iter().filter_map(|at| held_up(&world.nodes[*at])).collect();
    let detail = format!("{states:?} {}", held_up.join(", "));
    Err(Broken { invariant: "devices agree", detail })
}

/// What keeps a device from claiming a state, as far as its workspace tells.
fn held_up(node: &Node) -> Option<String> {
    let workspace = node.workspace()?;
    let facts = [
        ("unread", workspace.has_unread()),
        ("without bodies", workspace.lacks_bodies()),
        ("not projected", !workspace.is_projected()),
        ("not told", !workspace.is_told()),
        ("cuts name what is not here", !workspace.absent_cuts().is_empty()),
    ];
    let facts: Vec<_> = facts.iter().filter(|(_, is_so)| *is_so).map(|(fact, _)| *fact).collect();
    let untold = workspace.untold();
    (!facts.is_empty()).then(|| format!("{}: {facts:?}, untold {untold:?}", node.name))
}

/// A workspace of everything that any honest disk holds, built in the order of the ids.
#[must_use]
pub fn oracle(world: &mut World) -> Option<Workspace> {
    let mut union = BTreeMap::new();
    for node in world.nodes.iter_mut().filter(|node| node.rogue.is_none()) {
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

/// The honest devices that are members by everything that any honest disk holds.
#[must_use]
pub fn members(world: &mut World) -> Vec<usize> {
    let Some(oracle) = oracle(world) else { return Vec::new() };
    let members = oracle.control().members(&oracle.control().all());
    let is_member = |device: &usize| {
        let node = &world.nodes[*device];
        node.is_up() && node.rogue.is_none() && members.contains_key(&node.device())
    };
    (0..world.nodes.len()).filter(is_member).collect()
}
