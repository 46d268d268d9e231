//! What heals a damaged store beside the mesh: an archive, and the tail of a revoked device.

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::event::{Runs, Verified};
use kernelos_protocol::id::{EventId, Lane};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::sync::introduce::Answer;

use super::lives::{put_back, rest};
use super::mesh::{Mesh, id};
use super::tail::introduce;

/// The content of a device, as it stands on the disk of another.
fn content_of(mesh: &mut Mesh, at: u8, of: u8) -> Vec<Verified> {
    let mut events = read_all(&mut mesh.device(at).disk, 512);
    events.retain(|event| event.header().author == id(of) && event.header().lane == Lane::Content);
    events
}

#[test]
fn what_an_archive_brings_frees_what_waited_for_it_on_the_disk() {
    // SPEC: DUR-6, ARC-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    for i in 0..4 {
        mesh.set(1, &format!("notes/{i}"), "theirs");
        mesh.set(2, &format!("notes/own{i}"), "mine");
    }
    rest(&mut mesh);
    mesh.cut(link);
    let (state, whole) = (mesh.state(2), mesh.device(2).disk.clone());
    for event in content_of(&mut mesh, 1, 1) {
        let mut disk = whole.clone();
        disk.damage_event(&event.id());
        put_back(&mut mesh, 2, disk);
        assert_ne!(mesh.status(2).damage, Vec::<String>::new());
        let reply = mesh.ask(2, Command::ImportEvents { runs: Runs::of([event]) });
        assert!(matches!(reply, Reply::EventsTaken { new: 1, .. }), "{reply:?}");
        assert_eq!(mesh.status(2).damage, Vec::<String>::new());
        // Its own events waited too: a new life began, of which the others hear.
        assert_eq!(mesh.get(2, "notes/own3"), "\"mine\"");
        mesh.restart(2);
        assert_eq!(mesh.status(2).damage, Vec::<String>::new(), "the row is whole");
    }
    put_back(&mut mesh, 2, whole);
    assert_eq!(mesh.state(2), state);
}

#[test]
fn what_a_tail_brings_frees_what_waited_for_it_on_the_disk() {
    // SPEC: DUR-6, INTRO-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "known");
    rest(&mut mesh);
    mesh.cut(link);
    mesh.ask(1, Command::Revoke { device: id(2), reason: "lost".to_owned() });
    mesh.set(2, "notes/b", "first");
    mesh.set(2, "notes/c", "second");
    let taken = |answer| matches!(answer, (Answer::Revoked, Some(Answer::Taken(2))));
    assert!(taken(introduce(&mut mesh, 2, 1)));
    let state = mesh.state(1);
    let first = content_of(&mut mesh, 1, 2)[1].id();
    let mut disk = mesh.device(1).disk.clone();
    disk.damage_event(&first);
    put_back(&mut mesh, 1, disk);
    assert_ne!(mesh.status(1).damage, Vec::<String>::new());
    // The device shows the same again after a start.
    mesh.restart(2);
    assert!(taken(introduce(&mut mesh, 2, 1)));
    assert_eq!(mesh.status(1).damage, Vec::<String>::new());
    assert_eq!(mesh.state(1), state);
}

#[test]
fn what_peers_brought_back_into_a_run_is_read_at_every_start_after_it() {
    // SPEC: DUR-6, DUR-7, EVT-12. What is brought stands behind what it goes before.
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    for i in 0..6 {
        mesh.set(1, &format!("notes/{i}"), "theirs");
    }
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/own", "mine");
    rest(&mut mesh);
    mesh.cut(link);
    let (state, whole) = (mesh.state(2), mesh.device(2).disk.clone());
    let run: Vec<_> = content_of(&mut mesh, 2, 1);
    let unsigned = run.iter().filter(|event| !event.is_signed()).count();
    assert!(unsigned > 3, "most of them are proven by another's signature: {unsigned}");
    let mut losses: Vec<Vec<EventId>> = run.iter().map(|event| vec![event.id()]).collect();
    losses.extend(run.windows(2).map(|two| two.iter().map(Verified::id).collect()));
    losses.push(run.iter().step_by(2).map(Verified::id).collect());
    losses.push(run.iter().skip(1).step_by(2).map(Verified::id).collect());
    for lost in losses {
        let mut disk = whole.clone();
        lost.iter().for_each(|id| disk.lose_event(id));
        put_back(&mut mesh, 2, disk);
        let link = mesh.connect(1, 2);
        rest(&mut mesh);
        assert_eq!(mesh.status(2).damage, Vec::<String>::new(), "{lost:?}");
        mesh.cut(link);
        // Nobody is there to be asked.
        mesh.restart(2);
        assert_eq!(mesh.status(2).damage, Vec::<String>::new(), "{lost:?}");
        assert_eq!(
            (mesh.get(2, "notes/5"), mesh.get(2, "notes/own")),
            ("\"theirs\"".to_owned(), "\"mine\"".to_owned())
        );
    }
    put_back(&mut mesh, 2, whole);
    assert_eq!(mesh.state(2), state);
}
