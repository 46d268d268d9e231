//! Where a node keeps its workspaces.

mod sqlite;

pub(crate) use sqlite::{SALVAGED, to_failure};
pub use sqlite::{Introducer, Meta, SqliteStore};
