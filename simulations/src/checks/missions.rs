//! What must hold of missions: no effect without its decision, nothing recorded is done again,
//! one branch moves once, and who holds the same events goes on at the same record.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::mission::journal::Entry;
use kernelos_protocol::mission::record::{Act, Record, Stage};
use kernelos_protocol::mission::show::{MissionView, artifacts, show};
use kernelos_protocol::mission::stage::Progress;
use kernelos_protocol::mission::state::State;
use kernelos_protocol::role::Role;

use crate::checks::{Broken, oracle};
use crate::node::Node;
use crate::world::World;

/// All of it, on every device that is up.
pub fn missions_hold(world: &World) -> Result<(), Broken> {
    for node in &world.nodes {
        if let Some(detail) = node.broken.first() {
            let detail = format!("{}: {detail}", node.name);
            return Err(Broken { invariant: "nothing recorded is done again", detail });
        }
        if let Some((mission, moves)) = node.moves.iter().find(|(_, moves)| moves.len() > 1) {
            let detail = format!("{}: {mission}: {moves:?}", node.name);
            return Err(Broken { invariant: "a branch moves once", detail });
        }
        journals_are_sound(node, &cloned(world))?;
    }
    heads_are_equal(world)
}

/// Devices of which there are several: each has a copy of the repository of its own, and moves the
/// branch in that.
fn cloned(world: &World) -> BTreeSet<DeviceId> {
    let mut seen = BTreeSet::new();
    let devices = world.nodes.iter().map(Node::device);
    devices.filter(|device| !seen.insert(*device)).collect()
}

fn journals_are_sound(node: &Node, cloned: &BTreeSet<DeviceId>) -> Result<(), Broken> {
    let Some(workspace) = node.workspace() else { return Ok(()) };
    let (journal, content) = (workspace.missions(), workspace.content());
    for mission in journal.missions() {
        let mut promoted = BTreeSet::new();
        let is_cloned = journal.entry(mission).is_some_and(|e| cloned.contains(&e.state.home()));
        for end in journal.ends(content, mission) {
            let way = journal.way(&end.state.last);
            let sound = decisions_come_first(&way).and_then(|()| steps_come_once(&way));
            if let Err((invariant, id)) = sound {
                let detail = format!("{}: record {id} of {mission}", node.name);
                return Err(Broken { invariant, detail });
            }
            if matches!(end.state.progress, Progress::Promoted(_)) {
                promoted.extend(end.state.progress.implemented().map(|of| &of.candidate.commit));
            }
        }
        if promoted.len() > 1 && !is_cloned {
            let detail = format!("{}: {mission}: {promoted:?}", node.name);
            return Err(Broken { invariant: "one candidate is promoted", detail });
        }
    }
    Ok(())
}

type Unsound = (&'static str, EventId);

/// What needs a decision follows on one that allowed it to its author.
fn decisions_come_first(way: &[(EventId, &Entry)]) -> Result<(), Unsound> {
    for pair in way.windows(2) {
        let [(_, before), (id, entry)] = pair else { continue };
        let act = match &entry.record {
            Record::Claim(_) => Act::RunAgent,
            Record::Step(_) => Act::StartStep,
            Record::Evidence(evidence) if evidence.stage == Stage::Verify => Act::Verify,
            Record::Promotion(_) => Act::MoveRef,
            _ => continue,
        };
        let allows = matches!(&before.record,
            Record::Decision(decision) if decision.act == act && decision.allowed);
        if !allows || before.who.device != entry.who.device {
            return Err(("an effect follows its decision", *id));
        }
    }
    Ok(())
}

/// Steps are recorded in order and once, leases have rising epochs, and who works holds one.
fn steps_come_once(way: &[(EventId, &Entry)]) -> Result<(), Unsound> {
    let (mut steps, mut holder, mut epoch) = (0, None, 0);
    for (id, entry) in way {
        match &entry.record {
            Record::Step(step) => {
                steps += 1;
                if step.number != steps || holder != Some(entry.who.device) {
                    return Err(("a step is recorded once, by the holder", *id));
                }
            }
            Record::Claim(claim) => {
                if claim.epoch <= epoch {
                    return Err(("epochs rise", *id));
                }
                (holder, epoch) = (Some(entry.who.device), claim.epoch);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where two devices hold the same events, each mission goes on at the same record.
fn heads_are_equal(world: &World) -> Result<(), Broken> {
    let mut seen: BTreeMap<[u8; 32], (&str, Vec<EventId>)> = BTreeMap::new();
    for node in &world.nodes {
        let Some(workspace) = node.workspace() else { continue };
        let (journal, content) = (workspace.missions(), workspace.content());
        let head = |id| Some(journal.head(content, id)?.state.last);
        let heads: Vec<_> = journal.missions().filter_map(head).collect();
        match seen.get(&workspace.lanes_hash()) {
            // Who cannot read all bodies yet knows less of the same events.
            _ if workspace.lacks_bodies() || workspace.has_unread() => {}
            Some((_, others)) if *others == heads => {}
            Some((name, others)) => {
                let detail = format!("{name}: {others:?}, {}: {heads:?}", node.name);
                return Err(Broken { invariant: "equal events have equal heads", detail });
            }
            None => drop(seen.insert(workspace.lanes_hash(), (&node.name, heads))),
        }
    }
    Ok(())
}

/// A mission as a device shows it.
#[must_use]
pub fn view(node: &Node, mission: &EventId) -> Option<MissionView> {
    let workspace = node.workspace()?;
    show(workspace.missions(), workspace.content(), mission, None)
}

/// A mission as far as a device knows.
#[must_use]
pub fn state<'a>(node: &'a Node, mission: &EventId) -> Option<&'a State> {
    let workspace = node.workspace()?;
    Some(&workspace.missions().head(workspace.content(), mission)?.state)
}

/// How many steps a device has the record of, and what they left.
#[must_use]
pub fn steps_held(node: &Node, mission: &EventId) -> usize {
    let (Some(state), Some(artifacts)) = (state(node, mission), node.artifacts()) else { return 0 };
    let outputs = state.steps.iter().filter_map(|step| step.ended.output.as_ref());
    outputs.take_while(|output| artifacts.is_complete(&output.artifact)).count()
}

/// Every mission that somebody can go on with has ended, on every member.
pub fn missions_end(world: &mut World, members: &[usize]) -> Result<(), Broken> {
    let Some(oracle) = oracle(world) else { return Ok(()) };
    let control = oracle.control();
    let roles: BTreeMap<_, _> = control.members(&control.all());
    for (home, mission) in &world.missions {
        // Who lies need not promote what is at home with it.
        if world.nodes[*home].rogue.is_some() {
            continue;
        }
        let home_id = world.nodes[*home].device();
        let may_promote = roles.get(&home_id).is_some_and(|role| *role >= Role::Member);
        let can = |member: &&usize| can_go_on(&world.nodes[**member], mission);
        // Nobody goes on without what was purged; who goes on elsewhere cancels it.
        let is_purged = members.iter().any(|member| names_purged(&world.nodes[*member], mission));
        if !may_promote || is_purged || members.iter().filter(can).count() == 0 {
            continue;
        }
        for member in members {
            let node = &world.nodes[*member];
            let Some(state) = state(node, mission) else { continue };
            let has_ended = matches!(state.progress, Progress::Promoted(_) | Progress::Failed(_));
            if !has_ended && !is_held_by_rogue(world, state) {
                let word = view(node, mission).map(|view| view.state);
                let detail = format!("{}: {mission} is {word:?}", node.name);
                return Err(Broken { invariant: "missions end", detail });
            }
        }
    }
    Ok(())
}

/// Who lies may hold a lease as long as it lives, and do nothing.
fn is_held_by_rogue(world: &World, state: &State) -> bool {
    let holder = state.lease.as_ref().map(|lease| lease.holder);
    world.nodes.iter().any(|node| node.rogue.is_some() && Some(node.device()) == holder)
}

/// Does a mission name what a purge destroyed?
fn names_purged(node: &Node, mission: &EventId) -> bool {
    let Some(workspace) = node.workspace() else { return false };
    let named = artifacts(workspace.missions(), workspace.content(), mission);
    named.iter().any(|artifact| workspace.is_purged(artifact))
}

/// Runs this device agents, and has it all that the next stage starts from?
fn can_go_on(node: &Node, mission: &EventId) -> bool {
    let (Some(state), Some(artifacts)) = (state(node, mission), node.artifacts()) else {
        return false;
    };
    let output = state.output().is_none_or(|output| artifacts.is_complete(&output.artifact));
    node.config.runs && output && artifacts.is_complete(&state.contract().base_artifact)
}

/// How many of the missions that were started somebody who is up knows to be promoted.
#[must_use]
pub fn promoted(world: &World) -> u64 {
    let is_promoted = |node: &Node, mission: &EventId| {
        state(node, mission).is_some_and(|s| matches!(s.progress, Progress::Promoted(_)))
    };
    let known = |(_, mission): &&(usize, EventId)| {
        world.nodes.iter().any(|node| is_promoted(node, mission))
    };
    world.missions.iter().filter(known).count() as u64
}

/// The distinct candidates of a mission that any device that is up knows.
#[must_use]
pub fn candidates(world: &World, mission: &EventId) -> usize {
    let views = world.nodes.iter().filter_map(|node| view(node, mission));
    let commits = views.flat_map(|view| view.candidates.into_iter().map(|row| row.commit));
    commits.collect::<BTreeSet<_>>().len()
}
