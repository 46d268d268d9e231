//! The oracle that is slow and simple: a device that reads the same events from its disk in another
//! order is in the same state.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::EventId;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::workspace::StateHash;

use crate::checks::{Broken, status};
use crate::node::Node;
use crate::world::World;

/// Compares a device with one that was told the same in another order. Was there something to
/// compare? Not where it is off, or claims no state.
pub fn is_order_free(world: &mut World, who: usize) -> Result<bool, Broken> {
    let status = status(world, who);
    let Some(state) = status.filter(|s| s.damage.is_empty()).and_then(|status| status.state_hash)
    else {
        return Ok(false);
    };
    let now = world.time(who);
    let node = &mut world.nodes[who];
    let mut other = Node::new(node.config.clone());
    other.disk = reordered(&mut node.disk);
    if other.disk.len() != node.disk.len() {
        let detail = format!("{}: {} of {}", node.name, other.disk.len(), node.disk.len());
        return Err(Broken { invariant: "what a disk holds builds on what it holds", detail });
    }
    other.start(now);
    let (reply, _) = other.ask(now, Command::Status);
    let Some(Reply::Status(told)) = reply else { return Ok(false) };
    match told.state_hash {
        // Its bodies wait for more than one turn.
        None => Ok(false),
        Some(StateHash(hash)) if hash == state.0 => Ok(true),
        Some(hash) => {
            let detail = format!("{}: {state}, in another order {hash}", node.name);
            Err(Broken { invariant: "the order of delivery changes nothing", detail })
        }
    }
}

/// The same events, as late as what they name allows and by their ids where it leaves a choice.
fn reordered(disk: &mut MemoryStore) -> MemoryStore {
    let life = disk.incarnation();
    let events = read_all(disk, 512).into_iter().map(|event| (event.id(), event));
    let events: BTreeMap<_, _> = events.collect();
    let signed = events.iter().rev().filter(|(_, event)| event.is_signed());
    let mut proofs: Vec<_> = signed.map(|(_, event)| event).collect();
    let mut here = BTreeSet::new();
    let mut other = MemoryStore::default();
    let records: Vec<_> = life.into_iter().map(Record::Incarnation).collect();
    other.commit(&records).ok();
    while !proofs.is_empty() {
        let before = proofs.len();
        proofs.retain(|proof| {
            let run = proven(&events, proof, &here);
            let inside: BTreeSet<_> = run.iter().map(|event| event.id()).collect();
            let names = run.iter().flat_map(|event| {
                let header = event.header();
                let epoch = header.epoch.iter().filter(|id| events.contains_key(id));
                header.before().chain(&header.heard).chain(epoch).copied().collect::<Vec<_>>()
            });
            let is_next = names.into_iter().all(|id| here.contains(&id) || inside.contains(&id));
            if is_next {
                let records: Vec<_> = run.into_iter().cloned().map(Record::Event).collect();
                other.commit(&records).ok();
                here.extend(inside);
            }
            !is_next
        });
        if proofs.len() == before {
            break;
        }
    }
    other
}

/// The run that a signature ends, but for what is here: of several that follow one event the first
/// to come proves it. `SPEC: EVT-12`
fn proven<'a>(
    events: &'a BTreeMap<EventId, Verified>,
    proof: &'a Verified,
    here: &BTreeSet<EventId>,
) -> Vec<&'a Verified> {
    let before = |event: &&'a Verified| {
        let prev = event.header().prev.filter(|prev| !here.contains(prev))?;
        events.get(&prev).filter(|event| !event.is_signed())
    };
    let mut run: Vec<_> = std::iter::successors(Some(proof), before).collect();
    run.reverse();
    run
}
