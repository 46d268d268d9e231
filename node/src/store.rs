//! Where a node keeps its workspaces.

pub(crate) mod sqlite;

pub(crate) use sqlite::shred::Stopper;
pub use sqlite::{Introducer, Meta, SqliteStore};
pub(crate) use sqlite::{SALVAGED, to_failure};
