//! The targets of what the node reads by itself as programs for libFuzzer.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a target uses a part of each file")]

#[path = "../../node/tests/allocation/decoders.rs"]
mod decoders;
#[path = "../../node/src/fuzz.rs"]
mod fuzz;
mod harness;

/// As the targets name them.
use decoders::{git, home, peers, sandbox, store};
