//! Conflicts: what is one and what is none, the same on every device, gone when resolved.

#![allow(clippy::disallowed_types, reason = "Automerge's own macros make a HashMap")]

mod definition;
mod listing;
mod meaning;
mod random;
mod resolving;
mod setters;
mod stories;
mod world;
