//! KernelOS as a pure state machine.
//!
//! This crate never learns what a socket, a file, a thread, a clock or a random source is: time,
//! randomness and everything that happened come in, what is to be done comes out. It is the same
//! on a laptop, in the simulator and in a browser.
//!
//! Reading order: [`limits`], [`id`], [`event`] (what is signed), [`control`] and [`content`]
//! (what it says), [`authority`] (whether it counts), [`effect`] (what it does), [`epoch`] and
//! [`seal`] (who can read it), [`document`] (what it adds up to), [`workspace`] (all of that
//! together), [`replica`] (the one door), [`store`] (what must be remembered), [`sync`] (how
//! others come to hold it), [`artifact`] and [`artifacts`] (what is too large for an event),
//! [`pairing`] (how a device becomes a member).
//!
//! Invariant: whether an event counts is a function of the set of events, never of their order of
//! arrival. Invariant: nothing here reads a wall clock to decide. Requirements stand in SPEC.md
//! and are cited by their ids.

#![warn(missing_docs)]

pub mod api;
pub mod archive;
pub mod artifact;
pub mod artifacts;
pub mod authority;
pub mod beside;
pub mod cbor;
pub mod change;
mod code;
pub mod command;
pub mod content;
pub mod control;
pub mod document;
pub mod effect;
pub mod epoch;
pub mod event;
pub mod facts;
pub mod few;
pub mod hash;
pub mod id;
mod index;
pub mod key;
pub mod limits;
pub mod mission;
pub mod notice;
pub mod pairing;
pub mod present;
mod printable;
pub mod recovery;
pub mod replica;
pub mod report;
pub mod role;
pub mod seal;
pub mod store;
pub mod sync;
pub mod time;
pub mod timeline;
pub mod verify;
pub mod workspace;
