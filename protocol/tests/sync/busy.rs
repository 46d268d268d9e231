//! Events of peers come faster than the documents take them in: what comes while these are at work
//! is one batch, of a bounded size, and nobody's command waits for more than that. `SPEC: DUR-10`

use kernelos_protocol::command::{Command, Reply, RequestId};
use kernelos_protocol::document::{DocumentTask, Edit};
use kernelos_protocol::limits::TELL_BATCH_OPERATIONS;
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;

use super::mesh::Mesh;

/// Letters of a text, each of which is an operation.
const LONG: usize = 8_000;

/// Devices 1 and 2 are connected, and the documents of 2 are at work from now on.
fn busy() -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    mesh.set(1, "notes/n", "before");
    assert_eq!(mesh.get(2, "notes/n"), "\"before\"");
    let device = mesh.device(2);
    device.told.clear();
    device.busy = Some(Default::default());
    mesh
}

/// Asks device 2, which answers when its documents do.
fn ask(mesh: &mut Mesh, request: u64, command: Command) {
    let now = mesh.now;
    mesh.device(2).replica.handle(now, Input::Command(RequestId(request), command));
    mesh.settle();
}

/// The documents of device 2 answer what waits first.
fn answer(mesh: &mut Mesh) {
    let now = mesh.now;
    mesh.device(2).answer(now);
    mesh.settle();
}

/// They answer all, and whatever is asked of them then.
fn answer_all(mesh: &mut Mesh) {
    while mesh.device(2).busy.as_ref().is_some_and(|tasks| !tasks.is_empty()) {
        answer(mesh);
    }
    mesh.device(2).busy = None;
    mesh.assert_equal(&[1, 2]);
}

fn set(path: &str, value: &str) -> Command {
    let edit = Edit::Set { set: path.parse().unwrap(), value: value.into() };
    Command::Edit { edits: vec![edit] }
}

#[test]
fn what_comes_while_the_documents_are_at_work_is_one_batch_and_an_edit_goes_before_it() {
    // SPEC: DUR-10
    let mut mesh = busy();
    (0..50).for_each(|number| mesh.set(1, "notes/n", &number.to_string()));
    assert_eq!(mesh.device(2).told, [1]);
    ask(&mut mesh, 8, set("notes/mine", "now"));
    (50..100).for_each(|number| mesh.set(1, "notes/n", &number.to_string()));
    assert!(mesh.device(2).replies.is_empty());
    answer(&mut mesh);
    answer(&mut mesh);
    let reply = mesh.device(2).replies.remove(&8);
    assert!(matches!(reply, Some(Reply::Edited(_))), "{reply:?}");
    let waits = mesh.device(2).busy.as_ref().and_then(|tasks| tasks.front()).cloned();
    match waits {
        Some(DocumentTask::Apply { changes, .. }) => assert!(changes.len() >= 99),
        other => panic!("{other:?}"),
    }
    answer_all(&mut mesh);
    assert_eq!(mesh.get(2, "notes/n"), "\"99\"");
    assert_eq!(mesh.get(1, "notes/mine"), "\"now\"");
    assert!(mesh.device(2).told.len() <= 3, "{:?}", mesh.device(2).told);
}

#[test]
fn no_batch_is_larger_than_an_edit_may_wait_for() {
    // SPEC: DUR-10
    let mut mesh = busy();
    let most = TELL_BATCH_OPERATIONS.div_ceil(LONG);
    let events = 2 * most as u64;
    (0..events).for_each(|number| mesh.set(1, "notes/n", &format!("{number:0LONG$}")));
    answer_all(&mut mesh);
    let told = mesh.device(2).told.clone();
    assert_eq!(told.iter().sum::<usize>() as u64, events);
    assert!(told.iter().all(|batch| *batch <= most), "{told:?}");
    assert!(told.len() <= 4, "{told:?}");
}

#[test]
fn who_asks_for_all_is_answered_by_what_was_here_then_however_much_comes() {
    // SPEC: DUR-10
    let undo = Command::Undo { begin: None, force: false };
    for (command, claims) in [(Command::Status, false), (undo, false), (Command::Rest, false)] {
        let mut mesh = busy();
        ask(&mut mesh, 9, set("notes/mine", "now"));
        answer(&mut mesh);
        (0..3).for_each(|number| mesh.set(1, "notes/n", &number.to_string()));
        ask(&mut mesh, 8, command.clone());
        for number in 3..10 {
            mesh.set(1, "notes/n", &number.to_string());
            if mesh.device(2).replies.contains_key(&8) {
                break;
            }
            answer(&mut mesh);
        }
        let reply = mesh.device(2).replies.remove(&8);
        match reply {
            Some(Reply::Status(status)) => assert_eq!(status.state_hash.is_some(), claims),
            Some(Reply::Undone(_) | Reply::Noted) => {}
            other => panic!("{command:?}: {other:?}"),
        }
        answer_all(&mut mesh);
    }
}

#[test]
fn those_who_ask_one_after_the_other_hold_nothing_up_and_each_is_told_of_what_was_here_before_it() {
    // SPEC: DUR-10
    let mut mesh = busy();
    let shown = |mesh: &mut Mesh| {
        let now = mesh.now;
        let read = Command::Read { path: "notes/n".parse().unwrap() };
        mesh.device(2).replica.handle(now, Input::Command(RequestId(99), read));
        while !mesh.device(2).replies.contains_key(&99) {
            answer(mesh);
        }
        match mesh.device(2).replies.remove(&99) {
            Some(Reply::Read(read)) => read.value,
            other => panic!("{other:?}"),
        }
    };
    for number in 0..20 {
        mesh.set(1, "notes/n", &number.to_string());
        // Always one more waits behind the one that is answered.
        ask(&mut mesh, 100 + number, Command::Status);
        ask(&mut mesh, 200 + number, Command::Status);
        while !mesh.device(2).replies.contains_key(&(100 + number)) {
            answer(&mut mesh);
        }
    }
    let value = shown(&mut mesh);
    assert_eq!(value, "19", "the documents were told while others asked");
    answer_all(&mut mesh);
    for request in (100..120).chain(200..220) {
        assert!(mesh.device(2).replies.contains_key(&request), "{request}");
    }
}

#[test]
fn an_undo_that_is_refused_at_once_leaves_nothing_untold() {
    // SPEC: DUR-10
    let mut mesh = busy();
    mesh.set(1, "notes/n", "first");
    ask(&mut mesh, 8, Command::Undo { begin: Some("0000".to_owned()), force: false });
    mesh.set(1, "notes/n", "second");
    answer_all(&mut mesh);
    assert!(mesh.device(2).replies.contains_key(&8));
    assert_eq!(mesh.get(2, "notes/n"), "\"second\"");
}
