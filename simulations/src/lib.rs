//! KernelOS in a deterministic world: the same `Replica` as in a node, driven from one seed.
//!
//! Code map: [`script`] reads partition scripts, [`world`] runs them (time, wires, disks, crashes),
//! [`worker`] works for missions, [`checks`] says what must hold, [`swarm`] runs many seeds of
//! generated scripts, [`trace`] writes what happened. Two runs of one seed give the same trace,
//! byte for byte.

pub mod checks;
pub mod network;
pub mod node;
pub mod run;
pub mod script;
pub mod swarm;
pub mod trace;
pub mod worker;
pub mod world;
