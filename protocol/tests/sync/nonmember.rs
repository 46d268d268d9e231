//! What a device says that holds every event and no key: of an archive, or as a blind store.

use std::collections::BTreeMap;

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::event::Runs;
use kernelos_protocol::limits::LOAD_SLICE_EVENTS;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::MemoryStore;
use kernelos_protocol::store::contract::read_all;

use super::mesh::{Mesh, id};

/// Why device `at` neither reads the document nor gives it as a file.
fn why(mesh: &mut Mesh, at: u8) -> [Failure; 2] {
    let read = Command::Read { path: "notes".parse().unwrap() };
    let save = Command::SaveDocument { document: None, from: 0 };
    [read, save].map(|command| match mesh.ask(at, command) {
        Reply::Failed(failure) => failure,
        other => panic!("{other:?}"),
    })
}

fn shown(mesh: &mut Mesh, at: u8) -> String {
    present::to_text(&present::status(&mesh.status(at), None, &BTreeMap::new()))
}

#[test]
fn a_device_that_an_archive_brought_everything_to_waits_for_nothing_and_says_what_opens_it() {
    // SPEC: ARC-4
    let mut mesh = Mesh::of(&[]);
    mesh.set(1, "notes/a", "sealed");
    let events = read_all(&mut mesh.device(1).disk, LOAD_SLICE_EVENTS);
    let workspace = mesh.device(1).config.workspace;
    mesh.add(9, workspace, MemoryStore::default());
    for failure in why(&mut mesh, 9) {
        assert!(failure.hint.unwrap().contains("wait"), "nothing is here yet");
    }
    let runs = Runs::of(events);
    assert!(matches!(mesh.ask(9, Command::ImportEvents { runs }), Reply::EventsTaken { .. }));
    for failure in why(&mut mesh, 9) {
        assert_eq!(failure.kind, FailureKind::Denied);
        assert!(failure.message.contains("no member"), "{}", failure.message);
        assert!(failure.hint.unwrap().contains("kern rescue"));
    }
    let text = shown(&mut mesh, 9);
    assert!(text.contains("kern rescue") && !text.contains("revoked"), "{text}");
}

#[test]
fn a_device_that_was_revoked_is_said_to_be_and_one_that_was_not_is_not() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    assert!(!shown(&mut mesh, 2).contains("none: "));
    mesh.ask(1, Command::Revoke { device: id(2), reason: String::new() });
    assert!(mesh.status(2).revoked);
    assert!(shown(&mut mesh, 2).contains("none: this device was revoked"));
}

#[test]
fn a_blind_store_says_that_it_reads_nothing_and_not_that_it_will() {
    let mut mesh = Mesh::of(&[(2, Role::Store)]);
    mesh.connect(1, 2);
    mesh.set(1, "notes/a", "sealed");
    for failure in why(&mut mesh, 2) {
        assert_eq!(failure.kind, FailureKind::Denied);
        assert!(failure.message.contains("reads nothing"), "{}", failure.message);
    }
    let Reply::Log(page) = mesh.ask(2, Command::Log { from: 0, limit: 100 }) else { panic!() };
    let reasons: Vec<_> = page.rows.iter().filter_map(|row| row.reason.clone()).collect();
    assert!(!reasons.is_empty());
    assert!(reasons.iter().all(|reason| !reason.contains("yet")), "{reasons:?}");
}

#[test]
fn who_readmits_a_device_of_which_nothing_is_left_out_writes_nothing() {
    // SPEC: CTL-8
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    mesh.set(2, "notes/a", "counts");
    let before = mesh.status(1).events;
    let readmit = Command::Readmit { device: id(2), reason: String::new() };
    let Reply::Failed(failure) = mesh.ask(1, readmit) else { panic!("nothing comes back") };
    assert!(failure.hint.is_some() && failure.kind == FailureKind::Failed, "{failure:?}");
    assert_eq!(mesh.status(1).events, before);
}
