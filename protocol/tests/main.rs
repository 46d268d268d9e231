//! Facts about the protocol, as one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic, and its numbers are small"
)]

mod admission;
mod apart;
mod archive;
mod artifact;
mod authority;
mod bytes;
mod changes;
mod conflicts;
mod dump;
mod effects;
mod foreign;
mod fuzz;
mod hints;
mod hostile;
mod keyless;
mod kit;
mod members;
mod mission;
mod pairing;
mod purges;
mod receipts;
mod replay;
mod replica;
mod reports;
mod rescue;
mod rulebook;
mod sealing;
mod segments;
mod stores;
mod sync;
mod vectors;
mod verdicts;
