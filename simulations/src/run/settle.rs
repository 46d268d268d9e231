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
    missions::missions_end(world, &members)?;
    read_boards(world, &members);
    agree(world, &members)?;
    checks::branches_agree(world, &members)?;
    // Each holds every branch now, and claims the same as before.
    agree(world, &members)?;
    all_is_known(world, &members)?;
    checks::always(world)
}

/// One holds a board and the others do not: they claim the same of it. `SPEC: PRJ-12`
fn read_boards(world: &mut World, members: &[usize]) {
    for (board, reader) in (0..BOARDS).zip(members.iter().cycle()) {
        let Ok(path) = format!("boards/b{board}/notes").parse() else { continue };
        world.ask(*reader, Command::Read { path });
    }
}
