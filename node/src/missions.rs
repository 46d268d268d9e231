//! Missions, as far as they touch the world: a person's repository, and what the core orders.
//!
//! `missions/start.rs` makes a mission of a repository, `missions/worker.rs` runs orders on threads
//! of their own, `missions/orders.rs` is what an order does, `missions/folder.rs` where and
//! `missions/timeout.rs` for how long. Nothing is decided here: what was seen goes back to the
//! core, which makes evidence of it.

mod folder;
mod orders;
mod start;
#[cfg(test)]
mod tests;
mod timeout;
mod verify;
mod worker;

pub use folder::Folder;
pub use start::{Starting, start};
pub use timeout::StepTimeout;
pub(crate) use worker::UnderWay;
pub use worker::Worker;
