//! The inspector before a real workspace: devices in memory whose words are those of a node.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy's exception for tests covers #[test] functions, not their helpers"
)]

mod bound;
mod forms;
mod golden;
mod hostile;
mod inbox;
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
mod past;
mod pictures;
mod sight;
mod stage;
mod states;
mod trees;
mod two;
mod walk;
mod words;
