//! The targets of what the simulator reads as programs for libFuzzer.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a target uses a part of each file")]

mod harness;
#[path = "../../simulations/src"]
mod simulations {
    pub(crate) mod fuzz;
    pub(crate) mod script;
}

/// As their files name them.
use simulations::{fuzz, script};
