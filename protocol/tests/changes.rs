//! Which Automerge changes count: honest ones, hostile ones, and mutations of both.

#![allow(clippy::disallowed_types, reason = "Automerge's own macros make a HashMap")]

pub(crate) mod common;
mod frame;
mod honest;
mod past;
mod random;
mod validate;
