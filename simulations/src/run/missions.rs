//! The sentences about missions.

use kernelos_protocol::id::EventId;

use crate::checks::{self, Broken};
use crate::run::eventually;
use crate::script::Step;
use crate::worker::start_mission;
use crate::world::World;

/// Does a step that is about a mission; nothing for the others.
pub(super) fn perform(world: &mut World, step: &Step) -> Result<(), Broken> {
    if let Step::StartMission(home, steps) = step {
        return match start_mission(world, *home, *steps) {
            Some(_) => Ok(()),
            None => Err(broken("a mission is started", &world.nodes[*home].name)),
        };
    }
    let Some((home, mission)) = world.missions.last().copied() else {
        return Err(broken("a mission was started", step));
    };
    match step {
        Step::StepDone(number) => eventually(world, "a step is done", |world| {
            let done = checks::steps_held(&world.nodes[home], &mission) as u64;
            holds(done >= *number, "a step is done", &done)
        }),
        Step::CandidatesMade(count) => eventually(world, "candidates are made", |world| {
            let made = checks::candidates(world, &mission);
            holds(made >= *count, "candidates are made", &made)
        }),
        Step::HolderCrashes => {
            let holder = holder(world, home, &mission)?;
            world.lost = Some(holder);
            world.crash(holder);
            Ok(())
        }
        Step::HolderCutOff => {
            let holder = holder(world, home, &mission)?;
            let others = (0..world.nodes.len()).filter(|device| *device != holder).collect();
            world.cut(vec![others, [holder].into()]);
            Ok(())
        }
        Step::HolderSleeps(time) => {
            let holder = holder(world, home, &mission)?;
            world.sleep(holder, *time);
            Ok(())
        }
        Step::LostRestarts => {
            let Some(lost) = world.lost.take() else {
                return Err(broken("a holder is lost", step));
            };
            world.start(lost);
            Ok(())
        }
        Step::Promoted => everywhere(world, "the mission is promoted", &mission, |view| {
            view.state == "promoted" && view.promoted_commit.is_some()
        }),
        Step::Resumed => {
            everywhere(world, "the mission is resumed", &mission, |view| view.resumed_by.is_some())
        }
        Step::NotResumed => everywhere(world, "the mission is not resumed", &mission, |view| {
            view.resumed_by.is_none()
        }),
        Step::CandidatesShown(count) => {
            everywhere(world, "candidates are shown", &mission, |view| {
                view.candidates.len() == *count
            })
        }
        Step::StartedTimes(number, times) => {
            everywhere(world, "a step was started so often", &mission, |view| {
                view.steps.iter().any(|step| step.n == *number && step.executions == *times)
            })
        }
        Step::StartedAtMost(times) => {
            everywhere(world, "no step was started more often", &mission, |view| {
                view.steps.iter().all(|step| step.executions <= *times)
            })
        }
        _ => Ok(()),
    }
}

/// Liveness: within a bound every mission that can has ended.
pub(super) fn missions_end(world: &mut World, members: &[usize]) -> Result<(), Broken> {
    eventually(world, "missions end", |world| checks::missions_end(world, members))
}

/// Within a bound it holds on every device that is up.
fn everywhere(
    world: &mut World,
    invariant: &'static str,
    mission: &EventId,
    is_so: impl Fn(&kernelos_protocol::mission::show::MissionView) -> bool,
) -> Result<(), Broken> {
    eventually(world, invariant, |world| {
        for node in world.nodes.iter().filter(|node| node.is_up()) {
            let view = checks::view(node, mission);
            holds(view.as_ref().is_some_and(&is_so), invariant, &(&node.name, &view))?;
        }
        Ok(())
    })
}

/// Who holds the lease, as the home knows.
fn holder(world: &World, home: usize, mission: &EventId) -> Result<usize, Broken> {
    let state = checks::state(&world.nodes[home], mission);
    let lease = state.and_then(|state| state.lease.as_ref());
    let holder =
        lease.and_then(|lease| world.nodes.iter().position(|node| node.device() == lease.holder));
    holder.ok_or_else(|| broken("somebody holds the lease", &mission))
}

fn holds(is_so: bool, invariant: &'static str, seen: &impl std::fmt::Debug) -> Result<(), Broken> {
    if is_so { Ok(()) } else { Err(broken(invariant, seen)) }
}

fn broken(invariant: &'static str, seen: &impl std::fmt::Debug) -> Broken {
    Broken { invariant, detail: format!("{seen:?}") }
}
