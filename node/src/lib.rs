//! The KernelOS node: what touches the world for [`kernelos_protocol`].
//!
//! Code map: [`home`] is what lies on the disk, [`store`] keeps a workspace in SQLite,
//! [`transport`] carries links to other devices, [`mesh`] says whom to dial, `gossip` passes
//! hints on where that is switched on, `peers` keeps fixed addresses, [`pairing`] lets devices in,
//! [`engine`] is the loop around one `Replica`,
//! [`artifacts`] keeps large results in it, [`missions`] does what it orders with [`git`] and the
//! [`sandbox`], [`node`] is all of them together, [`api`] the door for local programs, [`cli`] the
//! command `kern`, [`mod@bench`] measures them. Nothing is decided here that the protocol could
//! decide.
//!
//! Invariant: nothing is performed or answered before the turn's commit. Invariant: one process
//! owns a home.

pub mod api;
pub mod artifacts;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod engine;
pub mod entering;
pub mod foreign;
pub mod founding;
#[cfg(test)]
mod fuzz;
pub mod git;
mod gossip;
pub mod home;
pub mod introduce;
pub mod mesh;
pub mod missions;
pub mod node;
pub mod pairing;
mod peers;
pub mod portable;
pub mod qr;
pub mod sandbox;
pub mod store;
pub mod transport;
