//! Boards: documents of their own, reached by paths, made by one event with their link, and held
//! only while somebody needs them.

use std::collections::BTreeSet;

use kernelos_protocol::command::BoardRow;
use kernelos_protocol::document::{DocPath, DocumentTask, ReadValue, route};
use kernelos_protocol::id::{DocumentId, EventId};
use kernelos_protocol::limits::{DOCUMENT_MAKES, DOCUMENTS_OPEN_MAX, LOAD_SLICE_EVENTS};

use super::*;

fn create(name: &str) -> Command {
    Command::CreateBoard { name: name.to_owned() }
}

fn made(reply: Reply) -> (DocumentId, EventId) {
    match reply {
        Reply::BoardMade { document, event } => (document, event),
        other => panic!("{other:?}"),
    }
}

fn boards(device: &mut Device, all: bool) -> Vec<BoardRow> {
    match device.ask(Command::Boards { all }) {
        Reply::Boards(page) => page.boards,
        other => panic!("{other:?}"),
    }
}

fn message(reply: &Reply) -> String {
    match reply {
        Reply::Failed(failure) => failure.message.clone(),
        other => panic!("{other:?}"),
    }
}

/// Edits as scripts write them.
fn batch(edits: serde_json::Value) -> Command {
    Command::Edit { edits: serde_json::from_value(edits).unwrap() }
}

/// The documents that an event changes.
fn changed(device: &mut Device, event: &EventId) -> Vec<(DocumentId, bool)> {
    let view = device.ask(Command::Event { begin: event.to_string() });
    let Reply::Event(view) = view else { panic!("{view:?}") };
    let facts = serde_json::to_value(&view.facts).unwrap();
    let changes = facts["changes"].as_array().unwrap_or_else(|| panic!("{facts}"));
    let change = |change: &serde_json::Value| {
        let document = change["document"].as_str().unwrap().parse().unwrap();
        (document, change["makes_document"] == true)
    };
    changes.iter().map(change).collect()
}

#[test]
fn a_board_is_made_and_linked_by_one_event() {
    // SPEC: PRJ-9, PRJ-1
    let mut device = Device::founded();
    let before = device.status();
    let (board, event) = made(device.ask(create("garden")));
    let root = device.replica.workspace().root_document().unwrap();
    assert_eq!(device.status().events, before.events + 1);
    assert_eq!(changed(&mut device, &event), [(board, true), (root, false)]);
    assert_eq!(device.get("boards/garden"), r#"{"board":{"name":"garden"},"notes":{},"tasks":{}}"#);
    assert_eq!(message(&device.ask(create("garden"))), "there is a board \"garden\" already");
    for name in ["", "a/b", "a\u{202e}b", "a\0b", &board.to_string()] {
        assert!(matches!(
            device.ask(create(name)),
            Reply::Failed(failure) if failure.kind == FailureKind::Usage
        ));
    }
    assert_eq!(device.status().events, before.events + 1, "and nothing of those is written");
    let rows = boards(&mut device, false);
    let names: Vec<_> = rows.iter().map(|row| (row.name.as_deref(), row.document)).collect();
    assert_eq!(names, [(Some("garden"), board)]);
    assert_eq!(rows[0].event, Some(event));
}

#[test]
fn paths_lead_into_a_board_also_by_its_id_and_after_a_restart() {
    // SPEC: PRJ-10
    let mut device = Device::founded();
    let (board, _) = made(device.ask(create("garden")));
    let edited = device.ask(set("boards/garden/notes/soil", "clay"));
    let Reply::Edited(edited) = edited else { panic!("{edited:?}") };
    assert_eq!(changed(&mut device, &edited.event.unwrap()), [(board, false)]);
    assert_eq!(device.get("notes"), "{}", "the root has none of it");
    let mut again = device.restarted();
    for path in ["boards/garden/notes/soil".to_owned(), format!("boards/{board}/notes/soil")] {
        let read = again.ask(Command::Read { path: path.parse().unwrap() });
        let Reply::Read(read) = read else { panic!("{read:?}") };
        assert_eq!((read.value.to_string(), read.event), ("\"clay\"".to_owned(), edited.event));
    }
    assert_eq!(again.status().state_hash, device.status().state_hash);
    for (path, said) in [
        ("boards/other/notes/x", "there is no board \"other\""),
        (&format!("boards/{}/notes/x", DocumentId([7; 32])), "there is no board"),
        ("boards/garden/board/name", "only what is below"),
        ("boards/garden", "only what is below"),
    ] {
        let refused = again.ask(set(path, 1));
        assert!(message(&refused).starts_with(said), "{path}: {refused:?}");
    }
    let absent = again.ask(Command::Read { path: "boards/garden/notes/y".parse().unwrap() });
    assert_eq!(message(&absent), "there is nothing at \"boards/garden/notes/y\"");
    assert!(matches!(again.ask(rm("boards/garden/notes/soil")), Reply::Edited(_)));
    assert_eq!(again.get("boards/garden/notes"), "{}");
}

#[test]
fn a_board_is_whole_before_anything_is_done_with_it() {
    // SPEC: PRJ-12, PRJ-8, UNDO-1
    let mut device = Device::founded();
    let (board, _) = made(device.ask(create("garden")));
    // More than the store gives at once.
    let count = LOAD_SLICE_EVENTS + 10;
    for number in 0..count {
        assert!(matches!(device.ask(set("boards/garden/notes/n", number)), Reply::Edited(_)));
    }
    let mut again = device.restarted();
    let saved = again.ask(Command::SaveDocument { document: Some(board), from: 0 });
    let Reply::DocumentPart(part) = saved else { panic!("{saved:?}") };
    assert_eq!(part.changes, count + 1);
    // That which made the board stands in the root too, which had one before.
    assert_eq!(part.events, 1 + part.changes);
    let mut again = device.restarted();
    assert_eq!(again.get("boards/garden/notes/n"), (count - 1).to_string());
    let mut again = device.restarted();
    let undone = again.ask(Command::Undo { begin: None, force: false });
    assert!(matches!(undone, Reply::Undone(_)), "{undone:?}");
    assert_eq!(again.get("boards/garden/notes/n"), (count - 2).to_string());
}

#[test]
fn a_command_that_touches_several_documents_is_one_event_or_nothing() {
    // SPEC: PRJ-10, EFF-4
    let mut device = Device::founded();
    let (one, _) = made(device.ask(create("one")));
    let (two, _) = made(device.ask(create("two")));
    let root = device.replica.workspace().root_document().unwrap();
    let edits = serde_json::json!([
        {"set": "notes/a", "value": 1},
        {"set": "boards/one/notes/a", "value": 2},
        {"set": "boards/two/tasks/a", "value": {"title": "x"}},
    ]);
    let done = device.ask(batch(edits));
    let Reply::Edited(edited) = done else { panic!("{done:?}") };
    let documents: BTreeSet<_> = changed(&mut device, &edited.event.unwrap()).into_iter().collect();
    assert_eq!(documents, BTreeSet::from([(root, false), (one, false), (two, false)]));
    let before = (device.status(), device.get("boards/one"), device.get("notes"));
    let edits = serde_json::json!([
        {"set": "notes/b", "value": 1},
        {"set": "boards/one/notes/b", "value": 2},
        {"rm": "boards/two/notes/absent"},
    ]);
    let refused = device.ask(batch(edits));
    assert_eq!(message(&refused), "there is nothing at \"boards/two/notes/absent\"");
    assert_eq!((device.status(), device.get("boards/one"), device.get("notes")), before);
    let mut again = device.restarted();
    assert_eq!(again.get("boards/two/tasks/a/title"), "\"x\"");
    assert!(matches!(again.ask(set("boards/one/notes/b", 3)), Reply::Edited(_)));
}

#[test]
fn an_event_changes_sixteen_documents_and_no_more() {
    // SPEC: CNT-3, PRJ-10
    let mut device = Device::founded();
    for n in 0..17 {
        made(device.ask(create(&format!("b{n}"))));
    }
    let all = |count: usize| {
        let edit = |n| serde_json::json!({"set": format!("boards/b{n}/notes/x"), "value": n});
        batch((0..count).map(edit).collect())
    };
    let refused = device.ask(all(17));
    assert!(message(&refused).starts_with("this changes 17 documents"), "{refused:?}");
    let done = device.ask(all(16));
    let Reply::Edited(edited) = done else { panic!("{done:?}") };
    assert_eq!(changed(&mut device, &edited.event.unwrap()).len(), 16);
    assert_eq!(device.get("boards/b15/notes/x"), "15");
}

#[test]
fn a_board_that_is_put_away_is_listed_no_longer_and_loses_nothing() {
    // SPEC: PRJ-9
    let mut device = Device::founded();
    made(device.ask(create("garden")));
    device.ask(set("boards/garden/notes/soil", "clay"));
    let archive = |archived| Command::ArchiveBoard { name: "garden".to_owned(), archived };
    assert!(matches!(device.ask(archive(true)), Reply::Edited(_)));
    assert_eq!(boards(&mut device, false).len(), 0);
    assert!(boards(&mut device, true)[0].archived);
    assert_eq!(device.get("boards/garden/notes/soil"), "\"clay\"");
    for edit in [set("boards/garden/notes/soil", "sand"), rm("boards/garden/notes/soil")] {
        let refused = device.ask(edit);
        assert_eq!(message(&refused), "board \"garden\" is put away");
        let Reply::Failed(failure) = refused else { panic!() };
        assert!(failure.hint.unwrap().contains("kern board archive garden --undo"));
    }
    assert_eq!(device.get("boards/garden/notes/soil"), "\"clay\"");
    assert!(matches!(device.ask(archive(false)), Reply::Edited(_)));
    assert!(matches!(device.ask(set("boards/garden/notes/soil", "sand")), Reply::Edited(_)));
    assert_eq!(boards(&mut device, false).len(), 1);
    let other = Command::ArchiveBoard { name: "other".to_owned(), archived: true };
    assert_eq!(message(&device.ask(other)), "there is no board \"other\"");
}

#[test]
fn a_board_that_nobody_reads_is_not_held() {
    // SPEC: PRJ-12
    let mut device = Device::founded();
    let count = DOCUMENTS_OPEN_MAX + 8;
    for n in 0..count {
        made(device.ask(create(&format!("b{n}"))));
        device.ask(set(&format!("boards/b{n}/notes/x"), n));
    }
    let status = device.status();
    assert_eq!(status.documents, count + 1);
    assert_eq!(status.loaded, DOCUMENTS_OPEN_MAX + 1, "those of use last, and the root");
    assert_eq!(device.get("boards/b0/notes/x"), "0", "one that was closed is opened again");
    let mut again = device.restarted();
    let claimed = again.status();
    assert_eq!((claimed.documents, claimed.loaded), (count + 1, 1));
    assert_eq!(claimed.state_hash, status.state_hash, "what is not held is known");
    let told: BTreeSet<_> = again
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Perform(DocumentTask::Apply { document, .. }) => Some(*document),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1, "the documents heard of the root alone");
    again.ask(set("boards/b3/notes/y", "late"));
    assert_eq!(again.status().loaded, 2);
    assert_eq!(again.get("boards/b3/notes"), r#"{"x":3,"y":"late"}"#);
    // What was written before a board was closed and after it was opened again goes on.
    for n in 0..count {
        again.ask(set(&format!("boards/b{n}/notes/z"), n));
    }
    again.ask(set("boards/b0/notes/z", "again"));
    assert_eq!(again.get("boards/b0/notes/z"), "\"again\"");
    let end = again.status();
    assert_eq!(end.loaded, DOCUMENTS_OPEN_MAX + 1);
    assert_eq!(again.restarted().status().state_hash, end.state_hash);
}

#[test]
fn what_is_struck_while_its_board_is_not_held_leaves_its_number_used() {
    // SPEC: PRJ-2, PRJ-12
    let mut device = Device::founded();
    made(device.ask(create("garden")));
    let Reply::Edited(edited) = device.ask(set("boards/garden/notes/a", 1)) else { panic!() };
    for n in 0..=DOCUMENTS_OPEN_MAX {
        made(device.ask(create(&format!("b{n}"))));
        device.ask(set(&format!("boards/b{n}/notes/x"), n));
    }
    let rows = boards(&mut device, false);
    let garden = rows.iter().find(|row| row.name.as_deref() == Some("garden")).unwrap();
    assert!(!garden.loaded, "it was closed for the others");
    let begin = edited.event.unwrap().to_string();
    let struck =
        device.ask(Command::Strike { begin: begin.clone(), reason: "a mistake".to_owned() });
    assert!(matches!(struck, Reply::Struck { events: 1, .. }), "{struck:?}");
    device.ask(set("boards/garden/notes/b", 2));
    assert_eq!(device.get("boards/garden/notes"), r#"{"b":2}"#);
    device.ask(Command::ReadmitEvent { begin, reason: "it was none".to_owned() });
    let state = device.status().state_hash;
    assert_eq!(device.get("boards/garden/notes"), r#"{"a":1,"b":2}"#, "neither took the other's");
    assert_eq!(device.restarted().status().state_hash, state);
}

#[test]
fn boards_that_wait_for_each_other_in_one_turn_are_made_one_after_the_other() {
    // SPEC: PRJ-1, PRJ-9
    let mut device = Device::founded();
    for n in 0..5 {
        device.command(n, create(&format!("b{n}")));
        device.command(100 + n, set("notes/a", n));
        device.command(200 + n, set(&format!("boards/b{n}/notes/a"), n));
    }
    assert!(device.run(Crash::Never));
    let documents: BTreeSet<_> =
        (0..5).map(|n| made(device.replies.remove(&n).unwrap()).0).collect();
    assert_eq!(documents.len(), 5);
    let mut again = device.restarted();
    assert_eq!(again.status().damage, Vec::<String>::new());
    for n in 0..5 {
        assert_eq!(again.get(&format!("boards/b{n}/notes/a")), n.to_string());
    }
}

#[test]
fn what_was_acknowledged_of_boards_survives_a_crash_before_any_output() {
    // SPEC: DUR-1, PRJ-9
    let commands = || {
        [create("one"), set("boards/one/notes/a", 1), create("two"), set("boards/one/notes/b", 2)]
    };
    for crash_at in 0.. {
        let mut device = Device::founded();
        for (request, command) in commands().into_iter().enumerate() {
            device.command(request as u64, command);
        }
        let finished = device.run(Crash::Before(crash_at));
        let mut again = device.restarted();
        assert_eq!(again.status().damage, Vec::<String>::new(), "crash at {crash_at}");
        for (request, reply) in &device.replies {
            let event = match reply {
                Reply::BoardMade { event, .. } => *event,
                Reply::Edited(edited) => edited.event.unwrap(),
                other => panic!("{request} at {crash_at}: {other:?}"),
            };
            assert!(again.replica.workspace().contains(&event), "crash at {crash_at}");
        }
        let state = again.status().state_hash;
        assert!(state.is_some(), "crash at {crash_at}");
        again.ask(create("three"));
        assert_eq!(again.get("boards/three/notes"), "{}");
        if finished {
            assert_eq!(again.get("boards/one/notes"), r#"{"a":1,"b":2}"#);
            return;
        }
    }
}

#[test]
fn a_board_costs_a_quota_of_its_own() {
    // SPEC: PRJ-13, SYNC-9
    let mut config = config(1, WorkspaceId::UNBORN);
    config.quota = 3 * DOCUMENT_MAKES;
    let replica = Replica::found(config.clone(), recovery().public(), NOON).unwrap();
    config.workspace = replica.workspace().id();
    let mut device = Device::around(config, replica, MemoryStore::default());
    assert!(device.run(Crash::Never));
    made(device.ask(create("one")));
    made(device.ask(create("two")));
    let refused = device.ask(create("three"));
    assert!(matches!(&refused, Reply::Failed(failure) if failure.kind == FailureKind::Quota));
    assert_eq!(boards(&mut device, true).len(), 2, "and the link is not there either");
    assert!(matches!(device.ask(set("boards/one/notes/x", 1)), Reply::Edited(_)));
    assert!(device.status().state_hash.is_some());
}

#[test]
fn the_making_of_a_board_is_passed_over_where_no_event_is_named() {
    // SPEC: UNDO-4
    let mut device = Device::founded();
    let Reply::Edited(edited) = device.ask(set("notes/a", 1)) else { panic!() };
    made(device.ask(create("garden")));
    let mut again = device.restarted();
    assert_eq!(again.status().loaded, 1, "the board is not held");
    for device in [&mut device, &mut again] {
        let undone = device.ask(Command::Undo { begin: None, force: false });
        let Reply::Undone(undone) = undone else { panic!("{undone:?}") };
        assert_eq!(Some(undone.undoes), edited.event);
    }
}

#[test]
fn who_names_a_board_by_its_id_gets_that_one_whatever_was_linked_so() {
    // SPEC: PRJ-10
    let [root, board, other] = [1, 2, 3].map(|n| DocumentId([n; 32]));
    let hostile = |_: &DocPath| {
        let value = serde_json::json!({ "document": other, "archived": false });
        Some(ReadValue { value, conflict: false, conflict_below: false, change: None })
    };
    let by_id = route(&root, &format!("boards/{board}/notes").parse().unwrap(), hostile).unwrap();
    assert_eq!(by_id.document, board);
    let by_name = route(&root, &"boards/garden/notes".parse().unwrap(), hostile).unwrap();
    assert_eq!(by_name.document, other);
}
