//! Runs a script: does its steps one after the other, and checks after each what must hold.

mod missions;
mod people;
mod settle;

use std::collections::BTreeSet;

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::workspace::Workspace;
use serde::Serialize;

use crate::checks::{self, Broken};
use crate::script::{Script, Step};
use crate::worker::start_mission;
use crate::world::World;

/// Virtual milliseconds within which devices that reach each other must agree.
pub const LIVENESS_MS: u64 = 120_000;
/// Virtual milliseconds between two looks.
const LOOK_MS: u64 = 250;

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What broke, and at which step (from 1).
    pub failed: Option<(usize, String, String)>,
    /// Frames that arrived.
    pub deliveries: u64,
    /// Cuts, crashes and restarts.
    pub faults: u64,
    /// Missions that were started.
    pub missions: u64,
    /// Of them, those that are promoted, as somebody who is up knows.
    pub promoted: u64,
    /// How often a device was compared with one that read the same events in another order.
    pub compared: u64,
    /// The most events of peers that waited in the memory of a device for what they name.
    pub waiting: usize,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
    /// Hash of the trace.
    pub trace_hash: String,
}

/// Runs `script` with `seed`; gives the outcome, and the trace where it is kept.
pub fn run(script: &Script, seed: u64, keep_trace: bool) -> Result<(Outcome, String), String> {
    let mut world = World::new(seed, &script.devices, keep_trace)?;
    for rogue in script.rogues() {
        world.turn_rogue(rogue);
    }
    let (mut failed, mut compared) = (None, 0);
    for (at, step) in script.steps.iter().enumerate() {
        let done = perform(&mut world, step).and_then(|()| checks::always(&mut world));
        // One a step, in turns: slow and simple.
        let who = at % world.nodes.len();
        let done = done.and_then(|()| checks::is_order_free(&mut world, who));
        match done {
            Ok(is_compared) => compared += u64::from(is_compared),
            Err(Broken { invariant, detail }) => {
                failed = Some((at + 1, invariant.to_owned(), detail));
                break;
            }
        }
    }
    let outcome = Outcome {
        failed,
        deliveries: world.deliveries,
        faults: world.faults,
        missions: world.missions.len() as u64,
        promoted: checks::promoted(&world),
        compared,
        waiting: world.waiting,
        virtual_ms: world.now(),
        trace_hash: world.trace.hash(),
    };
    Ok((outcome, world.trace.text()))
}

fn perform(world: &mut World, step: &Step) -> Result<(), Broken> {
    match step {
        Step::Write(who, path, value) => must(world, *who, set(path, value))?,
        Step::Remove(who, path) => must(world, *who, Edit::Rm { rm: path.clone() })?,
        // Who may not is refused, and that is traced; so it is with the next ones.
        Step::TryWrite(who, path, value) => {
            world.ask(*who, Command::Edit { edits: vec![set(path, value)] });
        }
        Step::TryBoard(who, name) => {
            world.ask(*who, Command::CreateBoard { name: name.clone() });
        }
        Step::TryRemove(who, path) => {
            world.ask(*who, Command::Edit { edits: vec![Edit::Rm { rm: path.clone() }] });
        }
        Step::TryMission(who, steps) => drop(start_mission(world, *who, *steps)),
        Step::Revoke(who, target) => {
            let device = world.nodes[*target].device();
            world.ask(*who, Command::Revoke { device, reason: "scripted".to_owned() });
        }
        Step::Grant(who, target, role) => drop(world.grant(*who, *target, *role)),
        Step::Cut(sides) => {
            let sides = sides.iter().map(|side| side.iter().copied().collect::<BTreeSet<_>>());
            world.cut(sides.collect());
        }
        Step::Heal => world.heal(),
        Step::Crash(who) => world.crash(*who),
        Step::CrashBefore(who, output) => world.nodes[*who].crash_before(*output),
        Step::Start(who) => world.start(*who),
        Step::Restart(who) => {
            if world.nodes[*who].is_up() {
                world.crash(*who);
            }
            world.start(*who);
        }
        Step::Copy(who) => world.nodes[*who].copy_disk(),
        Step::PutBack(who) => world.put_back(*who),
        Step::LoseRows(who) => world.lose_rows(*who),
        Step::Clone(who) => world.clone_home(*who),
        Step::ClockForward(who, by) => world.set_clock(*who, by.cast_signed()),
        Step::ClockBack(who, by) => world.set_clock(*who, by.cast_signed().saturating_neg()),
        Step::Drift(who, ppm) => world.drift(*who, *ppm),
        Step::Deaf(who, from) => world.deafen(*who, *from),
        Step::Act(who, act) => people::perform(world, *who, act),
        Step::Sleep(who, time) => world.sleep(*who, *time),
        Step::Lie(who, lie) => world.lie(*who, lie),
        Step::Wait(time) => world.run_until(world.now().saturating_add(*time)),
        Step::Agree(who) => agree(world, who)?,
        Step::Settle => settle::settle(world)?,
        of_state => return says(world, of_state),
    }
    Ok(())
}

/// The sentences that say what a device shows; what is left is about missions.
fn says(world: &mut World, step: &Step) -> Result<(), Broken> {
    match step {
        Step::CannotWrite(who, path) => {
            let edits = vec![set(path, "true")];
            let said = world.ask(*who, Command::Edit { edits });
            let is_refused = matches!(said, Some(Reply::Failed(_)));
            holds(is_refused, "who may not write is refused", world, *who, &said)
        }
        Step::Reads(who, path, value) => {
            let read = read(world, *who, path);
            let is_so = read.as_ref() == Some(&value_of(value));
            holds(is_so, "a device reads what was written", world, *who, &read)
        }
        Step::ReadsNothing(who, path) => {
            let read = read(world, *who, path);
            let invariant = "a device does not read what is not there";
            holds(read.is_none(), invariant, world, *who, &read)
        }
        Step::IsRevoked(who) => {
            let status = checks::status(world, *who);
            let is_so = status.as_ref().is_some_and(|status| status.revoked);
            holds(is_so, "a revoked device knows it", world, *who, &status)
        }
        Step::NewLife(who) => {
            let lives = checks::status(world, *who).map(|status| status.lives);
            let is_so = lives.iter().flatten().any(|row| row.reason.starts_with("new_life"));
            holds(is_so, "a device began a new life", world, *who, &lives)
        }
        Step::ShowsFork(who, of) => {
            let author = world.nodes[*of].device();
            let forks = world.nodes[*who].workspace().map(Workspace::forks).unwrap_or_default();
            let is_so = forks.iter().any(|fork| fork.chain.author == author);
            holds(is_so, "a fork is shown", world, *who, &forks)
        }
        of_mission => missions::perform(world, of_mission),
    }
}

fn value_of(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn set(path: &DocPath, value: &str) -> Edit {
    Edit::Set { set: path.clone(), value: value_of(value) }
}

fn holds(
    is_so: bool,
    invariant: &'static str,
    world: &World,
    who: usize,
    seen: &impl std::fmt::Debug,
) -> Result<(), Broken> {
    if is_so { Ok(()) } else { Err(broken(invariant, world, who, seen)) }
}

fn broken(
    invariant: &'static str,
    world: &World,
    who: usize,
    seen: &impl std::fmt::Debug,
) -> Broken {
    Broken { invariant, detail: format!("{}: {seen:?}", world.nodes[who].name) }
}

/// An edit that a script makes must be acknowledged, unless the device dies of it.
fn must(world: &mut World, who: usize, edit: Edit) -> Result<(), Broken> {
    let was_up = world.nodes[who].is_up();
    let said = world.ask(who, Command::Edit { edits: vec![edit] });
    let died = was_up && !world.nodes[who].is_up();
    if died || matches!(said, Some(Reply::Edited(_))) {
        return Ok(());
    }
    Err(broken("an edit is acknowledged", world, who, &said))
}

fn read(world: &mut World, who: usize, path: &DocPath) -> Option<serde_json::Value> {
    match world.ask(who, Command::Read { path: path.clone() })? {
        Reply::Read(read) => Some(read.value),
        _ => None,
    }
}

/// Liveness: within a bound they agree, on what the oracle says.
fn agree(world: &mut World, who: &[usize]) -> Result<(), Broken> {
    eventually(world, "devices agree", |world| checks::agree(world, who))?;
    if checks::is_beyond_help(world, who) {
        return Ok(());
    }
    checks::lost_came_back(world, who)?;
    checks::nothing_lost(world)?;
    checks::forks_are_shown(world, who)?;
    for who in who {
        checks::is_order_free(world, *who)?;
    }
    order_free(world, who)
}

/// Liveness: within a bound each knows of every other that it holds everything.
fn all_is_known(world: &mut World, who: &[usize]) -> Result<(), Broken> {
    let invariant = "everything is known everywhere";
    eventually(world, invariant, |world| checks::known_everywhere(world, who))
}

/// An invariant that may not hold yet must hold within a bound; no other may break meanwhile.
fn eventually(
    world: &mut World,
    invariant: &'static str,
    holds: impl Fn(&mut World) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let until = world.now() + LIVENESS_MS;
    loop {
        match holds(world) {
            Ok(()) => return Ok(()),
            Err(broken) if world.now() >= until || broken.invariant != invariant => {
                return Err(broken);
            }
            Err(_) => world.run_until(world.now() + LOOK_MS),
        }
    }
}

/// Devices that hold everything hold what the oracle built in another order.
fn order_free(world: &mut World, who: &[usize]) -> Result<(), Broken> {
    if who.len() < world.nodes.len() {
        return Ok(());
    }
    let Some(oracle) = checks::oracle(world) else { return Ok(()) };
    let events = who.first().and_then(|who| checks::status(world, *who)).map(|s| s.events);
    if events == Some(oracle.len()) && world.nodes[who[0]].lanes_hash() != Some(oracle.lanes_hash())
    {
        let detail = "the union of all events, in another order, is another workspace".to_owned();
        return Err(Broken { invariant: "the order of delivery changes nothing", detail });
    }
    Ok(())
}
