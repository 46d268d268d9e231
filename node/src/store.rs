//! Where a node keeps its workspaces.

pub(crate) mod sqlite;

pub(crate) use sqlite::shred::Stopper;
pub use sqlite::{Introducer, Meta, SqliteStore};
pub(crate) use sqlite::{SALVAGED, SCHEMA_VERSION, to_failure};
