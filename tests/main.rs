//! Tests over real processes, and over the sources themselves. One binary: one link.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "clippy's exception for tests covers #[test] functions, not their helpers"
)]

mod apart;
mod badlinks;
mod bench;
mod boards;
mod branches;
mod carry;
mod cli;
mod clock;
mod cloned;
mod codes;
mod crash;
mod deciding;
mod demo;
mod disks;
mod doctor;
mod exhausting;
mod faults;
mod gossip;
mod habits;
mod holders;
mod inspector;
mod inspector_long;
mod interop;
mod join_file;
mod kern;
mod keyring;
mod keys;
mod lan;
mod long;
mod lying;
mod meeting;
mod missions;
mod nearby;
mod network;
mod odd;
mod purge;
mod quic;
mod readme;
mod relay;
mod repository;
mod rescue;
mod salvage;
mod screen_reader;
mod starting;
mod starved;
mod store;
mod strike;
mod tidy;
mod timeline;
mod undo;
mod unprivileged;
