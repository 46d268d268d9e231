//! Runs a script: does its steps one after the other, and checks after each what must hold.

mod missions;

pub use missions::missions_end;

use std::collections::BTreeSet;

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::{DocPath, Edit};
use serde::Serialize;

use crate::checks::{self, Broken};
use crate::script::{Script, Step};
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
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
    /// Hash of the trace.
    pub trace_hash: String,
}

/// Runs `script` with `seed`; gives the outcome, and the trace where it is kept.
pub fn run(script: &Script, seed: u64, keep_trace: bool) -> Result<(Outcome, String), String> {
    let mut world = World::new(seed, &script.devices, keep_trace)?;
    let mut failed = None;
    for (at, step) in script.steps.iter().enumerate() {
        let done = perform(&mut world, step)
            .and_then(|()| checks::nothing_lost(&mut world))
            .and_then(|()| checks::receipts_are_true(&mut world))
            .and_then(|()| checks::missions_hold(&world));
        if let Err(Broken { invariant, detail }) = done {
            failed = Some((at + 1, invariant.to_owned(), detail));
            break;
        }
    }
    let outcome = Outcome {
        failed,
        deliveries: world.deliveries,
        faults: world.faults,
        missions: world.missions.len() as u64,
        promoted: checks::promoted(&world),
        virtual_ms: world.now(),
        trace_hash: world.trace.hash(),
    };
    Ok((outcome, world.trace.text()))
}

fn perform(world: &mut World, step: &Step) -> Result<(), Broken> {
    match step {
        Step::Write(who, path, value) => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.clone().into());
            return must(world, *who, Edit::Set { set: path.clone(), value });
        }
        Step::Remove(who, path) => return must(world, *who, Edit::Rm { rm: path.clone() }),
        Step::CannotWrite(who, path) => {
            let edit = Edit::Set { set: path.clone(), value: true.into() };
            let said = world.ask(*who, Command::Edit { edits: vec![edit] });
            if !matches!(said, Some(Reply::Failed(_))) {
                return Err(broken("who may not write is refused", world, *who, &said));
            }
        }
        Step::Revoke(who, target) => {
            let device = world.nodes[*target].device();
            world.ask(*who, Command::Revoke { device, reason: "scripted".to_owned() });
        }
        Step::Grant(who, target, role) => {
            // Who may not is refused, and that is traced.
            world.grant(*who, *target, *role).ok();
        }
        Step::Cut(sides) => {
            let sides = sides.iter().map(|side| side.iter().copied().collect::<BTreeSet<_>>());
            world.cut(sides.collect());
        }
        Step::Heal => world.heal(),
        Step::Crash(who) => world.crash(*who),
        Step::CrashBefore(who, output) => world.nodes[*who].crash_before(*output),
        Step::Restart(who) => {
            if world.nodes[*who].is_up() {
                world.crash(*who);
            }
            world.start(*who);
        }
        Step::Copy(who) => world.nodes[*who].copy_disk(),
        Step::PutBack(who) => {
            world.crash(*who);
            world.nodes[*who].put_back();
        }
        Step::Wait(time) => world.run_until(world.now() + time),
        Step::Agree(who) => return agree(world, who),
        Step::Reads(who, path, value) => {
            let expected: serde_json::Value =
                serde_json::from_str(value).unwrap_or_else(|_| value.clone().into());
            let read = read(world, *who, path);
            if read.as_ref() != Some(&expected) {
                return Err(broken("a device reads what was written", world, *who, &read));
            }
        }
        Step::ReadsNothing(who, path) => {
            let read = read(world, *who, path);
            if read.is_some() {
                return Err(broken("a device does not read what is not there", world, *who, &read));
            }
        }
        Step::IsRevoked(who) => {
            let status = checks::status(world, *who);
            if !status.as_ref().is_some_and(|status| status.revoked) {
                return Err(broken("a revoked device knows it", world, *who, &status));
            }
        }
        of_mission => return missions::perform(world, of_mission),
    }
    Ok(())
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
pub fn agree(world: &mut World, who: &[usize]) -> Result<(), Broken> {
    eventually(world, "devices agree", |world| checks::agree(world, who))?;
    for who in who {
        // From here on it has back what a copy lacked.
        let node = &mut world.nodes[*who];
        node.acknowledged.append(&mut node.owed);
    }
    order_free(world, who)
}

/// Liveness: within a bound each knows of every other that it holds everything.
pub fn all_is_known(world: &mut World, who: &[usize]) -> Result<(), Broken> {
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
