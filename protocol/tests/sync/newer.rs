//! What a newer program writes, among devices that do not know it: it is kept and passed on as it
//! is, and takes effect wherever it is known, whoever kept it meanwhile.

use kernelos_protocol::cbor::Writer;
use kernelos_protocol::command::{Command, LogRow, Reply};
use kernelos_protocol::event::Verified;
use kernelos_protocol::facts::BodyState;
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::LOAD_SLICE_EVENTS;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::{LinkId, Message};

use super::mesh::Mesh;
use crate::kit::Peer;

fn disk(mesh: &mut Mesh, number: u8) -> Vec<Verified> {
    read_all(&mut mesh.device(number).disk, 64)
}

fn row(mesh: &mut Mesh, number: u8, event: EventId) -> LogRow {
    let Reply::Log(page) = mesh.ask(number, Command::Log { from: 0, limit: LOAD_SLICE_EVENTS })
    else {
        panic!("a log")
    };
    page.rows.into_iter().find(|row| row.id == Some(event)).unwrap()
}

#[test]
fn a_kind_that_nobody_knows_goes_from_one_to_the_next_to_the_byte() {
    // SPEC: CNT-2, SYNC-5
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member), (4, Role::Store)]);
    mesh.connect(1, 3);
    mesh.connect(3, 4);
    mesh.set(1, "notes/a", "before");
    let events = disk(&mut mesh, 1);
    let mut newer = Peer::new(2, events[0].workspace());
    newer.take(&events);
    let mut inside = Writer::default();
    inside.array(2).uint(4_000_000).text("from a newer program");
    let unknown = newer.craft(&inside.finish(), vec![events.last().unwrap().id()]);
    mesh.feed(1, 2, Message::events([unknown.clone()]));
    mesh.settle();
    for number in [1, 3, 4] {
        assert!(disk(&mut mesh, number).contains(&unknown), "device {number} has it, whole");
        mesh.restart(number);
    }
    mesh.connect(1, 3);
    for number in [1, 3] {
        let row = row(&mut mesh, number, unknown.id());
        let reason = row.reason.unwrap();
        assert_eq!(
            (&*row.kind, &*reason),
            ("unknown-4000000", "its kind is unknown here: upgrade")
        );
        let begin = unknown.id().to_string();
        let Reply::Event(view) = mesh.ask(number, Command::Event { begin }) else { panic!() };
        assert_eq!(view.body, BodyState::Open);
        assert_eq!(mesh.get(number, "notes"), r#"{"a":"before"}"#, "it has no effect");
    }
    // What is written after it follows it, on all that do not know it.
    mesh.set(3, "notes/b", "after");
    mesh.assert_equal(&[1, 3]);
    assert_eq!(mesh.get(1, "notes/b"), "\"after\"");
}

#[test]
fn what_was_kept_by_who_could_not_tell_what_it_is_takes_effect_where_that_is_known() {
    // SPEC: CNT-2, EFF-1
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member), (4, Role::Store)]);
    let link = mesh.connect(1, 2);
    mesh.connect(2, 4);
    mesh.cut(link);
    // Two kinds, and what one of them does to the other: only who knows both shows nothing.
    mesh.set(2, "notes/a", "first");
    mesh.set(2, "notes/b", "taken back");
    mesh.undone(2, None);
    let shown = mesh.state(2);
    let kept = disk(&mut mesh, 4);
    assert!(kept.len() == disk(&mut mesh, 2).len(), "a store keeps what it cannot read");
    // It passes on what it could never tell.
    mesh.cut(LinkId(2));
    mesh.connect(4, 3);
    assert_eq!((mesh.get(3, "notes"), mesh.state(3)), (r#"{"a":"first"}"#.to_owned(), shown));
    // And a disk with those events and nothing else, as who knows no kind leaves it, is enough.
    let mut left = MemoryStore::default();
    let records: Vec<_> = kept.into_iter().map(Record::Event).collect();
    left.commit(&records).unwrap();
    left.commit(&[Record::Counter { name: "generation".to_owned(), value: 1 }]).unwrap();
    let before = mesh.state(3);
    mesh.device(3).disk = left;
    mesh.restart(3);
    assert_eq!(mesh.state(3), before);
    mesh.set(3, "notes/c", "goes on");
    assert_eq!(mesh.get(3, "notes"), r#"{"a":"first","c":"goes on"}"#);
}
