//! KernelOS in a deterministic world: the same `Replica` as in a node, driven from one seed.
//!
//! Code map: [`script`] reads partition scripts, [`world`] runs them (time, wires, disks, crashes),
//! [`worker`] works for missions, [`rogue`] is a device that lies, [`checks`] says what must
//! hold, [`swarm`] makes a script of each seed, [`minimise`] makes one that fails small, [`trace`]
//! writes what happened. Two runs of one seed give the same trace,
//! byte for byte.

pub mod checks;
pub mod clock;
#[cfg(test)]
mod fuzz;
pub mod minimise;
pub mod network;
pub mod node;
pub mod rogue;
pub mod run;
pub mod script;
pub mod swarm;
pub mod trace;
pub mod worker;
pub mod world;
