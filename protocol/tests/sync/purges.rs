//! Purged bodies between devices: they are nowhere left, nobody sends or asks for them, and nothing
//! waits for them.

use kernelos_protocol::command::{Command, FailureKind, Reply};
use kernelos_protocol::event::{Run, Signed, Verified};
use kernelos_protocol::facts::BodyState;
use kernelos_protocol::id::EventId;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::MemoryStore;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::sync::Message;

use super::mesh::Mesh;
use crate::artifact::sealed;

fn put(mesh: &mut Mesh, number: u8, key: u8) -> EventId {
    let (_, manifest, chunks) = sealed(300, key);
    assert_eq!(mesh.ask(number, Command::KeepChunks { chunks }), Reply::Kept);
    match mesh.ask(number, Command::WriteArtifact { manifest }) {
        Reply::ArtifactWritten { event } => event,
        other => panic!("{other:?}"),
    }
}

fn purge(mesh: &mut Mesh, number: u8, artifact: EventId) -> EventId {
    match mesh.ask(number, Command::Purge { begin: vec![artifact.short()] }) {
        Reply::Purged { event, purged } => {
            assert_eq!(purged, [artifact]);
            event
        }
        other => panic!("{other:?}"),
    }
}

/// The event as a device keeps it.
fn kept(mesh: &mut Mesh, number: u8, event: EventId) -> Verified {
    let events = read_all(&mut mesh.device(number).disk.clone(), 512);
    events.into_iter().find(|kept| kept.id() == event).unwrap()
}

fn is_kept(mesh: &mut Mesh, number: u8, event: EventId) -> bool {
    kept(mesh, number, event).body().is_some()
}

fn is_purged(mesh: &mut Mesh, number: u8, event: EventId) {
    assert!(!is_kept(mesh, number, event), "device {number} keeps its body");
    assert_eq!(mesh.device(number).disk.chunks(), 0, "device {number} keeps chunks");
    match mesh.ask(number, Command::Event { begin: event.to_string() }) {
        Reply::Event(view) => {
            assert_eq!((view.row.kind.as_str(), view.body), ("purged", BodyState::Purged));
            assert!(view.row.reason.unwrap().starts_with("purged by "));
        }
        other => panic!("{other:?}"),
    }
    match mesh.ask(number, Command::ReadArtifact { artifact: event, part: 0 }) {
        Reply::ArtifactWrong(failure) => {
            assert_eq!(failure.kind, FailureKind::Failed);
            assert!(failure.message.contains("is purged"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_purge_destroys_on_every_device_and_a_newcomer_converges() {
    // SPEC: EFF-12, DUR-11, SYNC-16, RCPT-2
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Runner), (4, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    let artifact = put(&mut mesh, 2, 1);
    mesh.set(2, "notes/a", "behind it");
    for number in [1, 2, 3] {
        assert!(is_kept(&mut mesh, number, artifact) && mesh.device(number).disk.chunks() == 1);
    }
    purge(&mut mesh, 2, artifact);
    mesh.wait(2_000);
    for number in [1, 2, 3] {
        is_purged(&mut mesh, number, artifact);
    }
    mesh.connect(3, 4);
    mesh.wait(2_000);
    is_purged(&mut mesh, 4, artifact);
    mesh.assert_equal(&[1, 2, 3, 4]);
    for number in [1, 2, 3, 4] {
        mesh.restart(number);
        is_purged(&mut mesh, number, artifact);
    }
    for other in [2, 3, 4] {
        mesh.connect(1, other);
    }
    mesh.wait(2_000);
    mesh.wait(2_000);
    mesh.assert_equal(&[1, 2, 3, 4]);
    for peer in mesh.status(1).peers {
        assert_eq!(peer.acked, peer.of, "a receipt is not held up by it");
    }
    let again = mesh.ask(1, Command::Purge { begin: vec![artifact.to_string()] });
    assert!(matches!(again, Reply::Failed(failure) if failure.message.contains("already")));
}

#[test]
fn who_sends_a_purged_body_again_is_not_heard_and_who_sends_a_header_is_fine() {
    // SPEC: SYNC-16
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    let artifact = put(&mut mesh, 2, 1);
    let whole = kept(&mut mesh, 1, artifact);
    purge(&mut mesh, 1, artifact);
    for event in [whole.clone(), whole.without_body().unwrap()] {
        let message = Message::Events(vec![Run::of(event).unwrap()]);
        mesh.feed(1, 2, message);
        mesh.settle();
        is_purged(&mut mesh, 1, artifact);
        assert_eq!(mesh.status(1).notices, [], "no rule is broken by it");
    }
    let ends = mesh.device(1).disconnected.values();
    assert!(ends.into_iter().all(|reason| reason == "duplicate"), "the one of before gave way");
    mesh.connect(1, 3);
    is_purged(&mut mesh, 3, artifact);
    mesh.connect(1, 2);
    mesh.wait(2_000);
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn a_relay_that_changes_a_salt_costs_the_body_until_another_brings_it() {
    // SPEC: SEAL-4, SYNC-4, RCPT-7
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 3);
    mesh.cut(link);
    let artifact = put(&mut mesh, 1, 1);
    let whole = kept(&mut mesh, 1, artifact);
    let mut envelope = whole.encode();
    let salt = &whole.body().unwrap()[..32];
    let at = envelope.windows(32).position(|window| window == salt).unwrap();
    envelope[at + 9] ^= 1;
    let altered = Signed::decode(&envelope).unwrap().verify().unwrap();
    mesh.feed(3, 2, Message::Events(vec![Run::of(altered).unwrap()]));
    assert!(!is_kept(&mut mesh, 3, artifact));
    assert_eq!(mesh.status(3).absent, 1, "it says so, and nothing waits for it");
    mesh.assert_equal(&[1, 3]);
    mesh.connect(1, 3);
    mesh.wait(2_000);
    assert!(is_kept(&mut mesh, 3, artifact));
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn a_purge_that_falls_when_all_obeyed_holds_nothing_up_and_who_has_the_body_gives_it_back() {
    // SPEC: DUR-17, STATE-4, RCPT-7, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Admin), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    let artifact = put(&mut mesh, 1, 1);
    mesh.set(1, "notes/a", "before");
    let copy = mesh.device(3).disk.clone();
    let by = purge(&mut mesh, 2, artifact);
    let strike = Command::Strike { begin: by.to_string(), reason: "by mistake".to_owned() };
    assert!(matches!(mesh.ask(1, strike), Reply::Struck { .. }));
    mesh.set(2, "notes/b", "behind it");
    let everybody = |mesh: &mut Mesh, absent: usize| {
        mesh.wait(2_000);
        mesh.wait(2_000);
        mesh.assert_equal(&[1, 2, 3]);
        for number in [1, 2, 3] {
            let status = mesh.status(number);
            assert_eq!((status.absent, is_kept(mesh, number, artifact)), (absent, absent == 0));
        }
        for peer in mesh.status(1).peers {
            assert_eq!(peer.acked, peer.of, "a receipt is not held up by it");
        }
    };
    everybody(&mut mesh, 1);
    match mesh.ask(2, Command::ReadArtifact { artifact, part: 0 }) {
        Reply::Failed(why) => {
            assert!(why.message.contains("its body is gone since event "), "{why}")
        }
        other => panic!("{other:?}"),
    }
    // A device that was put back from before the purge hears of both at once.
    links.into_iter().for_each(|link| mesh.cut(link));
    mesh.device(3).disk = copy;
    for number in [1, 2, 3] {
        mesh.restart(number);
    }
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    everybody(&mut mesh, 0);
    assert!([1, 2, 3].into_iter().all(|number| mesh.device(number).disk.chunks() == 1));
}

#[test]
fn a_store_that_comes_after_a_purge_says_what_it_holds() {
    // SPEC: RCPT-7, SEAL-5
    let mut mesh = Mesh::of(&[(2, Role::Store)]);
    let artifact = put(&mut mesh, 1, 1);
    purge(&mut mesh, 1, artifact);
    mesh.connect(1, 2);
    mesh.wait(2_000);
    mesh.wait(2_000);
    assert_eq!(mesh.status(2).absent, 1, "it cannot read the purge");
    let peers = mesh.status(1).peers;
    let known: Vec<_> = peers.iter().map(|peer| (peer.acked, peer.of)).collect();
    assert!(matches!(known[..], [(acked, of)] if acked == of && of > 0), "{known:?}");
}

#[test]
fn who_asked_for_a_body_that_was_purged_meanwhile_asks_again() {
    // SPEC: SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Owner), (3, Role::Member)]);
    let link = mesh.connect(1, 3);
    mesh.cut(link);
    let artifact = put(&mut mesh, 1, 1);
    let whole = kept(&mut mesh, 1, artifact);
    let bare = Message::Events(vec![Run::of(whole.without_body().unwrap()).unwrap()]);
    mesh.feed(3, 1, bare.clone());
    mesh.feed(2, 1, bare);
    mesh.connect(2, 3);
    let by = purge(&mut mesh, 2, artifact);
    // What comes of it while it is purged is dropped.
    mesh.feed(3, 1, Message::Events(vec![Run::of(whole).unwrap()]));
    mesh.settle();
    is_purged(&mut mesh, 3, artifact);
    mesh.withheld = Some((3, |said| matches!(said, Message::Want(_))));
    let strike = Command::Strike { begin: by.to_string(), reason: "by mistake".to_owned() };
    assert!(matches!(mesh.ask(2, strike), Reply::Struck { .. }));
    let asks = |mesh: &mut Mesh| {
        let device = mesh.device(3);
        let said: Vec<_> = device.wire.iter().filter_map(|(_, f)| device.read(f).ok()).collect();
        let names = |said: &Message| match said {
            Message::Want(ids) => ids.iter().any(|(id, _)| *id == artifact),
            _ => false,
        };
        said.iter().filter(|said| names(said)).count()
    };
    assert_eq!(asks(&mut mesh), 1);
    mesh.wait(1_000);
    assert_eq!(asks(&mut mesh), 1, "once");
}

#[test]
fn who_is_asked_for_an_event_that_is_not_here_yet_sends_it_when_it_comes() {
    // SPEC: SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    links.into_iter().for_each(|link| mesh.cut(link));
    mesh.connect(2, 3);
    mesh.set(1, "notes/a", "late");
    let whole = read_all(&mut mesh.device(1).disk.clone(), 512).pop().unwrap();
    mesh.withheld = Some((3, |said| !matches!(said, Message::Want(_) | Message::Ack(_))));
    mesh.feed(3, 1, Message::Events(vec![Run::of(whole.without_body().unwrap()).unwrap()]));
    mesh.settle();
    mesh.feed(2, 1, Message::Events(vec![Run::of(whole).unwrap()]));
    mesh.withheld = None;
    mesh.settle();
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn a_store_that_was_put_back_from_before_a_purge_hears_of_it_and_destroys() {
    // SPEC: DUR-5, DUR-11
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let artifact = put(&mut mesh, 1, 1);
    mesh.set(2, "notes/a", "before");
    let copy = mesh.device(2).disk.clone();
    purge(&mut mesh, 1, artifact);
    is_purged(&mut mesh, 2, artifact);
    mesh.cut(link);
    mesh.device(2).disk = copy;
    mesh.restart(2);
    assert!(is_kept(&mut mesh, 2, artifact) && mesh.device(2).disk.chunks() == 1);
    mesh.connect(1, 2);
    mesh.wait(2_000);
    is_purged(&mut mesh, 2, artifact);
    is_purged(&mut mesh, 1, artifact);
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_device_that_died_with_a_purge_half_heard_destroys_when_it_is_back() {
    // SPEC: DUR-1, DUR-11
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let artifact = put(&mut mesh, 1, 1);
    mesh.cut(link);
    let event = purge(&mut mesh, 1, artifact);
    // Its disk got the purge, and not what follows from it, as one of an older program would.
    let record = kernelos_protocol::store::Record::Event(kept(&mut mesh, 1, event));
    kernelos_protocol::store::EventStore::commit(&mut mesh.device(2).disk, &[record]).unwrap();
    mesh.restart(2);
    is_purged(&mut mesh, 2, artifact);
}

#[test]
fn a_run_whose_inner_body_is_purged_still_proves_and_travels_as_a_file() {
    // SPEC: EVT-12, ARC-2, SYNC-16
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.set(1, "notes/a", "one");
    let artifact = put(&mut mesh, 1, 1);
    for number in 0..4 {
        mesh.set(1, "notes/b", &format!("{number}"));
    }
    purge(&mut mesh, 1, artifact);
    mesh.set(1, "notes/c", "behind");
    mesh.connect(1, 2);
    let inner = kept(&mut mesh, 2, artifact);
    assert!(!inner.is_signed() && inner.body().is_none(), "it came within a run");
    is_purged(&mut mesh, 2, artifact);
    mesh.assert_equal(&[1, 2]);

    let Reply::EventsPage { runs, count, .. } = mesh.ask(2, Command::ExportEvents { from: 0 })
    else {
        panic!("no page");
    };
    assert_eq!(runs.iter().map(|run| run.events().len()).sum::<usize>(), count);
    let workspace = mesh.device(2).config.workspace;
    mesh.add(3, workspace, MemoryStore::default());
    let taken = mesh.ask(3, Command::ImportEvents { runs });
    assert!(matches!(taken, Reply::EventsTaken { not_taken: None, .. }), "{taken:?}");
    assert!(!is_kept(&mut mesh, 3, artifact));
}

#[test]
fn a_purged_event_whose_row_goes_bad_is_healed_without_its_body() {
    // SPEC: DUR-6, SYNC-16
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let artifact = put(&mut mesh, 1, 1);
    purge(&mut mesh, 1, artifact);
    mesh.device(2).disk.damage_event(&artifact);
    // Whoever looks at it meets the damage.
    mesh.ask(2, Command::Event { begin: artifact.to_string() });
    mesh.wait(3_000);
    mesh.wait(3_000);
    is_purged(&mut mesh, 2, artifact);
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn who_may_not_purge_is_told() {
    // SPEC: EFF-11
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let artifact = put(&mut mesh, 1, 1);
    let refused = mesh.ask(2, Command::Purge { begin: vec![artifact.to_string()] });
    assert!(matches!(refused, Reply::Failed(failure) if failure.kind == FailureKind::Denied));
    mesh.set(1, "notes/a", "x");
    let change = mesh.device(1).replica.workspace().order(0).last().copied().unwrap();
    let refused = mesh.ask(1, Command::Purge { begin: vec![change.to_string()] });
    assert!(matches!(refused, Reply::Failed(failure) if failure.message.contains("cannot be")));
    assert!(is_kept(&mut mesh, 1, artifact));
}
