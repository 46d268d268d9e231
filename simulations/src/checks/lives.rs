//! What must hold of stores that were put back or cloned, and of who signs two events for one
//! place: what others hold comes back, a new life goes on, and every fork is kept and shown.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::workspace::Workspace;

use crate::checks::{Broken, status};
use crate::node::Node;
use crate::world::World;

/// These agree. What any of them acknowledged and lost with a disk is theirs again if any of them
/// holds it, and was written in a life that is over and told.
pub fn lost_came_back(world: &mut World, who: &[usize]) -> Result<(), Broken> {
    let held: BTreeSet<_> =
        who.iter().flat_map(|who| world.nodes[*who].disk.ids().iter().copied()).collect();
    for &who in who {
        let owed = std::mem::take(&mut world.nodes[who].owed);
        let (back, gone): (Vec<_>, Vec<_>) = owed.into_iter().partition(|id| held.contains(id));
        world.nodes[who].owed = gone;
        if back.is_empty() {
            continue;
        }
        let lives = status(world, who).map(|status| status.lives).unwrap_or_default();
        let node = &mut world.nodes[who];
        let events = read_all(&mut node.disk, 512);
        let life = node.life();
        let mut returned = events.iter().filter(|event| back.contains(&event.id()));
        let is_told = lives.iter().any(|row| row.reason.starts_with("new_life"));
        if !is_told || returned.any(|event| event.header().incarnation == life) {
            let detail = format!("{}: {lives:?}, in {life:?}", node.name);
            return Err(Broken { invariant: "a store that was put back begins a life", detail });
        }
        node.acknowledged.extend(back);
    }
    Ok(())
}

/// Where one of these devices holds two events of one place, it shows the pair. Nobody signs such a
/// pair but a rogue, and a store before it hears of its clone. What is admitted they all hold.
pub fn forks_are_shown(world: &mut World, who: &[usize]) -> Result<(), Broken> {
    for &who in who {
        let mut places = BTreeMap::new();
        for event in read_all(&mut world.nodes[who].disk, 512) {
            let place = (event.chain(), event.header().seq);
            places.entry(place).or_insert_with(BTreeSet::new).insert(event.id());
        }
        places.retain(|_, ids| ids.len() > 1);
        let node = &world.nodes[who];
        let forks = node.workspace().map(Workspace::forks).unwrap_or_default();
        for (chain, _) in places.keys() {
            let may_fork = |node: &Node| {
                let is_past = node.rogue.is_some() || node.past.contains(&chain.incarnation);
                node.device() == chain.author && is_past
            };
            if !world.nodes.iter().any(may_fork) {
                let detail = format!("{}: {chain:?}", node.name);
                return Err(Broken { invariant: "an honest device does not fork", detail });
            }
            let proof = forks.iter().find(|fork| fork.chain == *chain);
            let is_proof = proof.is_some_and(|fork| {
                let ids: BTreeSet<_> = fork.events.iter().copied().collect();
                ids.len() > 1 && places.get(&(*chain, fork.seq)) == Some(&ids)
            });
            if !is_proof {
                let detail = format!("{}: {chain:?}: {proof:?}", node.name);
                return Err(Broken { invariant: "a fork is shown with its proof", detail });
            }
        }
    }
    Ok(())
}
