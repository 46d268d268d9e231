//! Many seeds, each with a script of its own: first faults, then everybody is healed and must
//! agree. `SPEC: PRJ-12`

use std::collections::BTreeSet;

use kernelos_protocol::command::Command;
use kernelos_protocol::document::Edit;
use kernelos_protocol::role::Role;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::checks::{self, Broken};
use crate::run::{Outcome, agree, all_is_known, missions_end};
use crate::script::Device;
use crate::worker::start_mission;
use crate::world::World;

/// Steps under faults.
const STEPS: u64 = 40;
/// Boards, by name: some are made apart.
const BOARDS: u64 = 3;
/// Missions at most, of up to three steps.
const MISSIONS: usize = 2;

/// Runs one seed.
pub fn run(seed: u64) -> Result<Outcome, String> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x5eed);
    let count = 2 + rng.next_u64() % 4;
    let roles = [Role::Owner, Role::Owner, Role::Admin, Role::Member, Role::Member];
    let devices: Vec<_> = (0..count)
        .map(|number| {
            let role = if number == 0 { Role::Owner } else { roles[pick(&mut rng, roles.len())] };
            let runs = rng.next_u64().is_multiple_of(2);
            Device { name: format!("d{number}"), role: Some(role), runs }
        })
        .collect();
    let mut world = World::new(seed, &devices, false)?;
    let mut failed = None;
    for step in 0..STEPS {
        fault(&mut world, &mut rng);
        let sound = checks::nothing_lost(&mut world);
        let sound = sound.and_then(|()| checks::receipts_are_true(&mut world));
        if let Err(broken) = sound.and_then(|()| checks::missions_hold(&world)) {
            failed = Some((step + 1, broken));
            break;
        }
    }
    if failed.is_none()
        && let Err(broken) = heal(&mut world)
    {
        failed = Some((STEPS + 1, broken));
    }
    let failed = failed.map(|(step, Broken { invariant, detail })| {
        (usize::try_from(step).unwrap_or(usize::MAX), invariant.to_owned(), detail)
    });
    Ok(Outcome {
        failed,
        deliveries: world.deliveries,
        faults: world.faults,
        missions: world.missions.len() as u64,
        promoted: checks::promoted(&world),
        virtual_ms: world.now(),
        trace_hash: world.trace.hash(),
    })
}

fn pick(rng: &mut ChaCha20Rng, len: usize) -> usize {
    usize::try_from(rng.next_u64() % len.max(1) as u64).unwrap_or(0)
}

fn fault(world: &mut World, rng: &mut ChaCha20Rng) {
    let count = world.nodes.len();
    let who = pick(rng, count);
    match rng.next_u64() % 100 {
        0..2 => {
            if world.missions.len() < MISSIONS {
                let steps = 1 + pick(rng, 3);
                start_mission(world, who, steps);
            }
        }
        2..55 => {
            let board = format!("b{}", rng.next_u64() % BOARDS);
            let path = match rng.next_u64() % 8 {
                0 => {
                    world.ask(who, Command::CreateBoard { name: board });
                    return pause(world, rng);
                }
                1..3 => format!("boards/{board}/notes/{}", rng.next_u64() % 3),
                _ => format!("notes/{}", rng.next_u64() % 6),
            };
            let Ok(path) = path.parse() else { return };
            let edit = if rng.next_u64().is_multiple_of(5) {
                Edit::Rm { rm: path }
            } else {
                Edit::Set { set: path, value: format!("v{}", rng.next_u64() % 1_000).into() }
            };
            world.ask(who, Command::Edit { edits: vec![edit] });
        }
        55..65 => {
            let sides = (0..count).map(|device| (rng.next_u64() % 2, device));
            let mut halves = vec![BTreeSet::new(), BTreeSet::new()];
            for (half, device) in sides {
                halves[usize::from(half == 1)].insert(device);
            }
            world.cut(halves);
        }
        65..75 => world.heal(),
        75..80 => world.crash(who),
        80..85 => world.nodes[who].crash_before(rng.next_u64() % 12),
        85..92 => world.start(who),
        92..94 => {
            let device = world.nodes[pick(rng, count)].device();
            world.ask(who, Command::Revoke { device, reason: "swarm".to_owned() });
        }
        _ => {
            let target = pick(rng, count);
            let role = [Role::Member, Role::Admin, Role::Owner][pick(rng, 3)];
            if target != who {
                world.grant(who, target, role).ok();
            }
        }
    }
    pause(world, rng);
}

fn pause(world: &mut World, rng: &mut ChaCha20Rng) {
    let pause = rng.next_u64() % 800;
    world.run_until(world.now() + pause);
}

/// The faults stop: everybody runs and reaches everybody, and the members must agree.
fn heal(world: &mut World) -> Result<(), Broken> {
    world.heal();
    for device in 0..world.nodes.len() {
        world.crash(device);
        world.start(device);
    }
    // What is new about members is answered first; that can take away members.
    world.run_until(world.now() + 30_000);
    let members = checks::members(world);
    missions_end(world, &members)?;
    // One holds the boards and the others do not: they claim the same of them.
    for (board, reader) in (0..BOARDS).zip(members.first().into_iter().cycle()) {
        let Ok(path) = format!("boards/b{board}/notes").parse() else { continue };
        world.ask(*reader, Command::Read { path });
    }
    agree(world, &members)?;
    all_is_known(world, &members)?;
    checks::missions_hold(world)?;
    checks::receipts_are_true(world)
}
