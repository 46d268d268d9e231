//! The end of a swarm's script: faults stop, and liveness must follow.

use kernelos_protocol::command::Command;

use crate::checks::{self, Broken};
use crate::run::{agree, all_is_known, missions};
use crate::swarm::BOARDS;
use crate::world::World;

/// Virtual milliseconds in which what is new about members is answered.
const NEWS_MS: u64 = 30_000;

/// Everybody runs and reaches everybody, and the honest members must agree, know it of each other
/// and end what they began.
pub(super) fn settle(world: &mut World) -> Result<(), Broken> {
    world.heal();
    world.mend_clocks();
    for device in 0..world.nodes.len() {
        world.crash(device);
        world.start(device);
    }
    // What is new about members is answered first; that can take away members.
    world.run_until(world.now() + NEWS_MS);
    let mut members = checks::members(world);
    let first = members.first().map(|first| world.nodes[*first].device());
    if members.len() > 1
        && members.iter().all(|member| Some(world.nodes[*member].device()) == first)
    {
        // Clones never meet but through another member: what one heard may never reach the other.
        members.clear();
    }
    if checks::is_beyond_help(world, &members) {
        return checks::always(world);
    }
    missions::missions_end(world, &members)?;
    read_boards(world, &members);
    agree(world, &members)?;
    checks::branches_agree(world, &members)?;
    // Each holds every branch now, and claims the same as before.
    agree(world, &members)?;
    all_is_known(world, &members)?;
    reads_alone(world, &members)?;
    checks::always(world)
}

/// Whatever is on a disk is read at a start at which nobody else is there. `SPEC: DUR-6`
fn reads_alone(world: &mut World, members: &[usize]) -> Result<(), Broken> {
    world.cut((0..world.nodes.len()).map(|device| [device].into()).collect());
    for &member in members {
        let before = world.nodes[member].lanes_hash();
        world.crash(member);
        world.start(member);
        if world.nodes[member].lanes_hash() != before {
            let damage = checks::damage(world, member);
            let detail = format!("{}: {damage:?}", world.nodes[member].name);
            return Err(Broken { invariant: "what is kept is read at every start", detail });
        }
    }
    world.heal();
    Ok(())
}

/// One holds a board and the others do not: they claim the same of it. `SPEC: PRJ-12`
fn read_boards(world: &mut World, members: &[usize]) {
    for (board, reader) in (0..BOARDS).zip(members.iter().cycle()) {
        let Ok(path) = format!("boards/b{board}/notes").parse() else { continue };
        world.ask(*reader, Command::Read { path });
    }
}
