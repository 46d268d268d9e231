//! The fuzz targets: for every decoder a function from bytes to a failed assertion or nothing.
//!
//! `protocol/fuzz` hands them to libFuzzer; the corpus that it keeps below `protocol/fuzz/corpus`
//! is replayed here and, with every allocation counted, in `allocation.rs`. A target asserts more
//! than that nothing panics: what was read is written as the very same bytes, what is written is
//! read.

#![allow(dead_code, reason = "three programs share it, and each uses a part")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a corpus is files, and what each input begins with is made once"
)]

#[path = "fuzz/bytes.rs"]
mod bytes;
#[path = "fuzz/corpus.rs"]
pub(crate) mod corpus;
#[path = "fuzz/deeds.rs"]
mod deeds;
#[path = "fuzz/documents.rs"]
mod documents;
#[path = "fuzz/events.rs"]
mod events;
#[path = "fuzz/joining.rs"]
mod joining;
#[path = "fuzz/orders.rs"]
pub(crate) mod orders;
#[path = "fuzz/people.rs"]
mod people;
#[path = "fuzz/replica.rs"]
mod replica;
#[path = "fuzz/texts.rs"]
mod texts;

/// One decoder, or one property, that any bytes are given to.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    /// Most bytes that it may hold at any moment, beside what was held before.
    pub(crate) peak: usize,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

const fn target(name: &'static str, run: fn(&[u8]), peak: usize) -> Target {
    Target { name, run, peak }
}

/// All of them. `protocol/fuzz/Cargo.toml` names each as a program of its own.
pub(crate) const TARGETS: &[Target] = &[
    target("cbor", bytes::cbor, 64 * KIB),
    target("event", events::event, MIB),
    target("header", events::header, 64 * KIB),
    target("control", events::control, 256 * KIB),
    target("content", bytes::content, 2 * MIB),
    target("message", events::message, 2 * MIB),
    target("introduction", events::introduction, 4 * MIB),
    target("tail", events::tail, 4 * MIB),
    target("answer", bytes::answer, 64 * KIB),
    target("receipt", bytes::receipt, 64 * KIB),
    target("hint", bytes::hint, 64 * KIB),
    target("card", bytes::card, 64 * KIB),
    target("pairing", bytes::pairing, 64 * KIB),
    target("token", bytes::token, MIB),
    target("join_file", joining::join_file, MIB),
    target("standing", joining::standing, 4 * MIB),
    target("announcement", joining::announcement, 64 * KIB),
    target("glance", joining::glance, 16 * MIB),
    target("archive", events::archive, 4 * MIB),
    target("artifact", bytes::artifact, 2 * MIB),
    target("sealed", bytes::sealed, 4 * MIB),
    target("older", bytes::older, 2 * MIB),
    target("report", texts::report, 64 * MIB),
    target("log", texts::log, 64 * MIB),
    target("rulebook", texts::rulebook, 4 * MIB),
    target("command", texts::command, 16 * MIB),
    target("asked", texts::asked, 64 * MIB),
    target("reply", texts::reply, 16 * MIB),
    target("taken", texts::taken, 64 * MIB),
    target("path", texts::path, MIB),
    target("facts", texts::facts, 16 * MIB),
    target("edits", documents::edits, 32 * MIB),
    target("change", documents::change, 64 * MIB),
    target("honest", documents::honest, 64 * MIB),
    target("foreign", documents::foreign, 256 * MIB),
    target("orders", orders::orders, 64 * MIB),
    target("replica", replica::replica, 64 * MIB),
    target("beside", people::beside, 8 * MIB),
    target("recovery", people::recovery, MIB),
    target("moment", people::moment_typed, 64 * KIB),
];

/// The target of this name.
pub(crate) fn of(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}
