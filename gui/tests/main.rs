//! The inspector before a real workspace: devices in memory whose words are those of a node.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy's exception for tests covers #[test] functions, not their helpers"
)]

mod back;
mod bound;
mod forms;
mod full;
mod golden;
mod hostile;
mod inbox;
mod keyboard;
#[path = "../../protocol/tests/kit.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unfulfilled_lint_expectations,
    clippy::cast_possible_truncation,
    reason = "protocol's tests use the rest of it, under protocol's lints"
)]
mod kit;
#[path = "../../protocol/tests/sync/mesh.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unfulfilled_lint_expectations,
    clippy::cast_possible_truncation,
    reason = "protocol's tests use the rest of it, under protocol's lints"
)]
mod mesh;
mod odd;
/// What a pretended worker of missions is made of.
mod mission {
    pub(crate) use crate::runs::{ended, good_logs, mission};
}
mod palette;
mod past;
mod pictures;
mod restore;
#[path = "../../protocol/tests/mission/runs.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unfulfilled_lint_expectations,
    clippy::cast_possible_truncation,
    reason = "protocol's tests use the rest of it, under protocol's lints"
)]
mod runs;
mod sight;
mod slips;
mod stage;
mod states;
mod touch;
mod trees;
mod two;
mod walk;
mod words;
#[path = "../../protocol/tests/sync/worker.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unfulfilled_lint_expectations,
    clippy::cast_possible_truncation,
    reason = "protocol's tests use the rest of it, under protocol's lints"
)]
mod worker;
