//! The targets of the protocol's tests as programs for libFuzzer.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a target uses a part of what the tests share")]

#[path = "../tests/changes/common.rs"]
mod common;
#[path = "../tests/fuzz.rs"]
mod fuzz;
mod harness;
#[path = "../tests/kit.rs"]
mod kit;

/// As the tests name it.
mod changes {
    pub(crate) use super::common;
}
