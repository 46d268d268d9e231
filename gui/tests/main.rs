//! The inspector before a real workspace: devices in memory whose words are those of a node.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy's exception for tests covers #[test] functions, not their helpers"
)]

mod golden;
mod hostile;
#[path = "../../protocol/tests/kit.rs"]
#[allow(dead_code, unreachable_pub, reason = "protocol's tests use the rest of it")]
mod kit;
#[path = "../../protocol/tests/sync/mesh.rs"]
#[allow(dead_code, unreachable_pub, reason = "protocol's tests use the rest of it")]
mod mesh;
mod pictures;
mod sight;
mod stage;
mod states;
mod trees;
mod walk;
