//! A long history comes: it is durable frame by frame, and the documents are told in few batches,
//! late by a moment at most. `SPEC: DUR-10`

use kernelos_protocol::command::{Command, Reply, RequestId};
use kernelos_protocol::document::Edit;
use kernelos_protocol::limits::{FRAME_EVENTS_MAX, TELL_CHANGES_MIN, TELL_FEW_MAX, TELL_MS};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{LinkId, Message};

use super::mesh::{Mesh, id};

/// Events of the history: more than are told at once, and several frames.
const EVENTS: usize = 2_000;

/// Device 1 has a history, and a connection with device 2, which has nothing.
fn met() -> Mesh {
    met_after(Mesh::of(&[(2, Role::Member)]), EVENTS)
}

/// Device 1 has a history beside what both have, and a new connection with device 2.
fn met_after(mut mesh: Mesh, events: usize) -> Mesh {
    for number in 0..events as u64 {
        let now = mesh.now;
        let set = Edit::Set { set: "notes/n".parse().unwrap(), value: number.into() };
        let command = Command::Edit { edits: vec![set] };
        mesh.device(1).replica.handle(now, Input::Command(RequestId(number + 100), command));
        if number % 100 == 99 {
            mesh.settle();
        }
    }
    mesh.settle();
    let link = LinkId(mesh.links.len() as u64 + 1);
    let (now, workspace) = (mesh.now, [0; 32]);
    mesh.links.insert(link, (1, 2));
    for (own, other, dialed) in [(1, 2, true), (2, 1, false)] {
        let up = Input::PeerUp { link, device: id(other), dialed, workspace };
        mesh.device(own).replica.handle(now, up);
    }
    mesh
}

/// Delivers frames until device 2 was sent so many of events.
fn deliver(mesh: &mut Mesh, frames: usize) {
    let (mut seen, now) = (0, mesh.now);
    while seen < frames {
        mesh.devices.values_mut().for_each(|device| device.run(now));
        let (from, (link, frame)) = mesh
            .devices
            .iter_mut()
            .find_map(|(number, device)| Some((*number, device.wire.pop_front()?)))
            .unwrap();
        let said = mesh.device(2).read(&frame);
        seen += usize::from(from == 1 && matches!(said, Ok(Message::Events(_))));
        mesh.deliver(from, link, &frame);
    }
    mesh.device(2).run(now);
}

#[test]
fn the_documents_are_told_a_long_history_in_few_batches() {
    // SPEC: DUR-10
    let events = TELL_CHANGES_MIN + EVENTS;
    let mut mesh = met_after(Mesh::of(&[(2, Role::Member)]), events);
    mesh.settle();
    let told = mesh.device(2).told.clone();
    assert!(told.iter().sum::<usize>() >= events, "{told:?}");
    // The first frame, what is enough, and the rest.
    assert!(told.len() <= 4, "{told:?}");
    assert!(told.iter().any(|batch| *batch >= TELL_CHANGES_MIN), "{told:?}");
    assert_eq!(mesh.get(2, "notes/n"), (events - 1).to_string());
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn the_first_that_comes_is_shown_and_the_rest_half_a_second_later_whatever_is_to_come() {
    // SPEC: DUR-10
    let mut mesh = met();
    deliver(&mut mesh, 1);
    let first = mesh.device(2).told.clone();
    assert!(!first.is_empty());
    deliver(&mut mesh, 2);
    let kept = mesh.device(2).replica.workspace().len();
    assert!(kept > 2 * FRAME_EVENTS_MAX, "it is kept at once: {kept}");
    assert_eq!(mesh.device(2).told, first);
    let due = mesh.now.monotonic_ms + TELL_MS;
    while let Some((at, _)) = mesh.device(2).replica.next_deadline().filter(|(at, _)| *at <= due) {
        assert_eq!(mesh.device(2).told, first, "not before");
        mesh.now.monotonic_ms = at;
        let now = mesh.now;
        mesh.device(2).replica.handle(now, Input::Tick);
        mesh.device(2).run(now);
    }
    let later: usize = mesh.device(2).told[first.len()..].iter().sum();
    assert!(later >= 2 * FRAME_EVENTS_MAX, "{later}");
}

#[test]
fn who_writes_meanwhile_builds_on_all_that_came_and_who_reads_waits_for_nothing() {
    // SPEC: DUR-10
    let mut mesh = met();
    deliver(&mut mesh, 3);
    let (now, first) = (mesh.now, mesh.device(2).told.clone());
    let path = || "notes/n".parse().unwrap();
    let read = Command::Read { path: path() };
    mesh.device(2).replica.handle(now, Input::Command(RequestId(8), read));
    mesh.device(2).run(now);
    assert!(matches!(mesh.device(2).replies[&8], Reply::Read(_)));
    assert_eq!(mesh.device(2).told, first, "and lets nothing come sooner");
    let edits = vec![Edit::Set { set: path(), value: "mine".into() }];
    mesh.device(2).replica.handle(now, Input::Command(RequestId(9), Command::Edit { edits }));
    mesh.device(2).run(now);
    assert!(matches!(mesh.device(2).replies[&9], Reply::Edited(_)));
    let later: usize = mesh.device(2).told[first.len()..].iter().sum();
    assert!(later >= 2 * FRAME_EVENTS_MAX, "{later}");
    mesh.settle();
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_board_that_is_opened_during_a_catch_up_is_whole_at_once() {
    // SPEC: DUR-10, PRJ-12
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let name = "garden".to_owned();
    let made = mesh.ask(1, Command::CreateBoard { name });
    assert!(matches!(made, Reply::BoardMade { .. }), "{made:?}");
    let path = "boards/garden/notes/n";
    (0..2 * TELL_FEW_MAX).for_each(|number| mesh.set(1, path, &number.to_string()));
    assert!(mesh.get(2, path).contains("127"));
    // What was opened is closed by a start.
    mesh.restart(2);
    let mut mesh = met_after(mesh, 800);
    deliver(&mut mesh, 1);
    let now = mesh.now;
    let read = Command::Read { path: path.parse().unwrap() };
    mesh.device(2).replica.handle(now, Input::Command(RequestId(8), read));
    mesh.device(2).run(now);
    match mesh.device(2).replies.remove(&8) {
        Some(Reply::Read(read)) => assert_eq!(read.value, "127"),
        other => panic!("{other:?}"),
    }
}
