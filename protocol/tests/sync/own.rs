//! Own changes stand in their documents from when they are made: what else comes in that turn, or
//! while they are made, ends as if they had been told like those of others.

use kernelos_protocol::command::{Command, Reply, RequestId};
use kernelos_protocol::document::{DocumentDone, DocumentTask, Edit};
use kernelos_protocol::id::Incarnation;
use kernelos_protocol::replica::{Input, Output};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::EventStore as _;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::sync::{LinkId, Message};

use super::mesh::{Mesh, id};

fn edit(path: &str, value: &str) -> Command {
    let set = Edit::Set { set: path.parse().unwrap(), value: value.into() };
    Command::Edit { edits: vec![set] }
}

/// Device 2 made an edit; its documents' answer is not handed in yet.
fn made(mesh: &mut Mesh, path: &str) -> DocumentDone {
    let now = mesh.now;
    let device = mesh.device(2);
    device.replica.handle(now, Input::Command(RequestId(8), edit(path, "own")));
    let mut done = None;
    while let Some(output) = device.replica.poll_output() {
        match output {
            Output::Perform(task @ DocumentTask::Transact { .. }) => {
                done = Some(device.documents.perform(task));
            }
            other => panic!("{other:?}"),
        }
    }
    done.unwrap()
}

/// What device 1 wrote since, as device 2 is sent it.
fn written(mesh: &mut Mesh, since: usize) -> Message {
    let all = read_all(&mut mesh.device(1).disk.clone(), 512);
    Message::events(all.into_iter().skip(since))
}

fn hello() -> Message {
    let incarnation = Incarnation([1; 8]);
    Message::Hello { workspace: [0; 32], incarnation, lanes_hash: [0; 32] }
}

fn kept(mesh: &mut Mesh) -> usize {
    mesh.device(1).replica.workspace().len()
}

#[test]
fn an_own_change_that_falls_in_the_turn_that_wrote_it_stands_nowhere() {
    // SPEC: AUTH-17
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "before");
    mesh.cut(link);
    let before = kept(&mut mesh);
    mesh.ask(1, Command::Revoke { device: id(2), reason: String::new() });
    let revoked = written(&mut mesh, before);
    let done = made(&mut mesh, "notes/b");
    let now = mesh.now;
    let link = LinkId(900);
    let up = Input::PeerUp { link, device: id(1), dialed: false, workspace: [0; 32] };
    for input in [
        up,
        Input::Message(link, hello()),
        Input::Done(done),
        Input::Message(link, revoked),
        Input::PeerDown(link),
    ] {
        mesh.device(2).replica.handle(now, input);
    }
    mesh.device(2).run(now);
    mesh.device(2).wire.clear();
    assert!(matches!(mesh.device(2).replies.remove(&8), Some(Reply::Edited(_))));
    assert_eq!(mesh.get(2, "notes"), r#"{"a":"before"}"#);
    let state = mesh.status(2).state_hash;
    mesh.restart(2);
    assert_eq!((mesh.status(2).state_hash, state.is_some()), (state, true));
}

#[test]
fn an_own_change_stands_beside_what_the_documents_are_told_behind_it() {
    // SPEC: SYNC-5
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "before");
    mesh.cut(link);
    let before = kept(&mut mesh);
    mesh.set(1, "notes/a", "theirs");
    mesh.set(1, "notes/c", "theirs");
    let theirs = written(&mut mesh, before);
    let done = made(&mut mesh, "notes/a");
    let now = mesh.now;
    let link = LinkId(900);
    let up = Input::PeerUp { link, device: id(1), dialed: false, workspace: [0; 32] };
    for input in [up, Input::Message(link, hello()), Input::Message(link, theirs)] {
        mesh.device(2).replica.handle(now, input);
    }
    // The documents are told of theirs before the own one is an event.
    let device = mesh.device(2);
    let mut answers = vec![done];
    while let Some(output) = device.replica.poll_output() {
        match output {
            Output::Persist(records) => device.disk.commit(&records).unwrap(),
            Output::Perform(task) => answers.push(device.documents.perform(task)),
            _ => {}
        }
    }
    assert!(answers.len() > 1, "they were told");
    for input in answers.into_iter().map(Input::Done).chain([Input::PeerDown(link)]) {
        device.replica.handle(now, input);
    }
    device.run(now);
    device.wire.clear();
    assert!(matches!(mesh.device(2).replies.remove(&8), Some(Reply::Edited(_))));
    assert_eq!(mesh.get(2, "notes/c"), "\"theirs\"");
    assert_eq!(mesh.status(2).conflicts, 1);
    let state = mesh.state(2);
    mesh.restart(2);
    assert_eq!(mesh.state(2), state);
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
}
