//! Boards on several devices: made apart under one name, edited, in conflict, decided.

use kernelos_protocol::command::{BoardRow, Command, Reply, RequestId};
use kernelos_protocol::document::Edit;
use kernelos_protocol::hash::document_id;
use kernelos_protocol::id::{ConflictId, DocumentId};
use kernelos_protocol::limits::{DOCUMENT_MAKES, DOCUMENTS_OPEN_MAX, SURVEY_OPENED_MAX};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;

use super::contracts::{artifact, mission};
use super::mesh::Mesh;

fn create(mesh: &mut Mesh, device: u8, name: &str) -> DocumentId {
    match mesh.ask(device, Command::CreateBoard { name: name.to_owned() }) {
        Reply::BoardMade { document, .. } => document,
        other => panic!("{other:?}"),
    }
}

fn boards(mesh: &mut Mesh, device: u8) -> Vec<BoardRow> {
    match mesh.ask(device, Command::Boards { all: true }) {
        Reply::Boards(page) => page.boards,
        other => panic!("{other:?}"),
    }
}

fn keep(conflict: ConflictId, side: &str) -> Edit {
    Edit::Keep { resolve: conflict, keep: side.to_owned() }
}

fn resolve(mesh: &mut Mesh, device: u8, edits: Vec<Edit>) {
    let done = mesh.ask(device, Command::Edit { edits });
    assert!(matches!(&done, Reply::Edited(edited) if edited.event.is_some()), "{done:?}");
}

#[test]
fn boards_of_one_name_made_apart_are_a_conflict_and_both_are_reached() {
    // SPEC: PRJ-9, PRJ-11, CFL-7
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let (one, two) = (create(&mut mesh, 1, "garden"), create(&mut mesh, 2, "garden"));
    assert_ne!(one, two);
    mesh.set(1, "boards/garden/notes/soil", "clay");
    mesh.set(2, "boards/garden/notes/soil", "sand");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    for device in [1, 2] {
        let found = mesh.conflicts(device);
        let paths: Vec<_> = found.iter().map(|row| row.path.to_string()).collect();
        assert_eq!(paths, ["boards/garden"], "the link alone: the boards are two documents");
        let rows = boards(&mut mesh, device);
        assert!(rows.iter().all(|row| row.conflict && row.name.as_deref() == Some("garden")));
        assert_eq!(rows.iter().filter(|row| row.is_shown).count(), 1);
        assert_eq!(mesh.get(device, &format!("boards/{one}/notes/soil")), "\"clay\"");
        assert_eq!(mesh.get(device, &format!("boards/{two}/notes/soil")), "\"sand\"");
        // Both go on being written.
        mesh.set(device, &format!("boards/{one}/notes/by{device}"), "late");
    }
    mesh.assert_equal(&[1, 2]);
    let found = mesh.conflicts(1);
    resolve(&mut mesh, 1, vec![keep(found[0].id, "A")]);
    let kept = found[0].sides[0].value["document"].as_str().unwrap().to_owned();
    let rows = boards(&mut mesh, 2);
    let named: Vec<_> = rows.iter().map(|row| (row.name.is_some(), row.document)).collect();
    let kept = kept.parse::<DocumentId>().unwrap();
    let other = if kept == one { two } else { one };
    assert_eq!(named, [(true, kept), (false, other)], "the other is listed by its id");
    assert!(mesh.get(2, &format!("boards/{other}/notes/soil")).contains('a'));
    assert!(mesh.conflicts(2).is_empty());
}

#[test]
fn conflicts_in_all_documents_are_listed_and_decided_in_one_place() {
    // SPEC: PRJ-11, CFL-9, CFL-11
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let (plan, garden) = (create(&mut mesh, 1, "plan"), create(&mut mesh, 1, "garden"));
    create(&mut mesh, 1, "quiet");
    mesh.cut(link);
    for device in [1, 2] {
        mesh.set(device, "notes/a", &format!("{device}"));
        mesh.set(device, "boards/plan/notes/a", &format!("{device}"));
        mesh.set(device, "boards/garden/tasks/a", &format!("{device}"));
    }
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    // After a start nothing but the root is held, and all is found.
    mesh.restart(2);
    mesh.connect(1, 2);
    for device in [1, 2] {
        let found = mesh.conflicts(device);
        let rows: Vec<_> = found.iter().map(|row| (row.path.to_string(), row.document)).collect();
        let root = mesh.device(1).replica.workspace().root_document().unwrap();
        let expected = [("boards/garden/tasks/a", garden), ("boards/plan/notes/a", plan)];
        let expected = expected.into_iter().chain([("notes/a", root)]);
        let expected: Vec<_> = expected.map(|(path, id)| (path.to_owned(), id)).collect();
        assert_eq!(rows, expected);
        assert!(found.iter().all(|row| row.sides.iter().all(|side| side.event.is_some())));
        assert_eq!(mesh.status(device).conflicts, 3);
    }
    let found = mesh.conflicts(2);
    // All or none: a side that is not there leaves every document as it was.
    let wrong = vec![keep(found[0].id, "A"), keep(found[1].id, "Z")];
    assert!(matches!(mesh.ask(2, Command::Edit { edits: wrong }), Reply::Failed(_)));
    assert_eq!(mesh.status(2).conflicts, 3);
    let before = mesh.device(2).replica.workspace().len();
    let all = found.iter().map(|row| keep(row.id, "B")).collect();
    resolve(&mut mesh, 2, all);
    assert_eq!(mesh.device(2).replica.workspace().len(), before + 1, "one event decides them");
    for device in [1, 2] {
        assert_eq!(mesh.status(device).conflicts, 0);
        let decided = found[1].sides[1].value.to_string();
        assert_eq!(mesh.get(device, "boards/plan/notes/a"), decided);
    }
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_board_of_a_revoked_device_leaves_nothing_behind() {
    // SPEC: PRJ-12, STATE-3
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    links.into_iter().for_each(|link| mesh.cut(link));
    let link = mesh.connect(2, 3);
    // 3 sees and opens the board of 2, which 1 revokes without having seen it.
    create(&mut mesh, 2, "garden");
    mesh.set(2, "boards/garden/notes/a", "x");
    assert_eq!(mesh.get(3, "boards/garden/notes/a"), "\"x\"");
    let two = super::mesh::id(2);
    let revoked = mesh.ask(1, Command::Revoke { device: two, reason: "lost".to_owned() });
    assert!(matches!(revoked, Reply::Revoked { .. }), "{revoked:?}");
    mesh.cut(link);
    mesh.connect(1, 3);
    mesh.assert_equal(&[1, 3]);
    for device in [1, 3] {
        assert_eq!(mesh.get(device, "boards"), "{}");
        assert_eq!(boards(&mut mesh, device).len(), 0);
    }
    create(&mut mesh, 3, "garden");
    mesh.set(3, "boards/garden/notes/a", "y");
    mesh.assert_equal(&[1, 3]);
    assert_eq!(mesh.get(1, "boards/garden/notes/a"), "\"y\"");
}

#[test]
fn conflicts_in_many_boards_are_counted_without_all_of_them_being_held() {
    // SPEC: PRJ-11, PRJ-12
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let count = DOCUMENTS_OPEN_MAX + 4;
    for n in 0..count {
        create(&mut mesh, 1, &format!("b{n}"));
    }
    mesh.cut(link);
    for device in [1, 2] {
        for n in 0..count {
            mesh.set(device, &format!("boards/b{n}/notes/a"), &format!("{device}"));
        }
    }
    mesh.connect(1, 2);
    mesh.restart(2);
    mesh.connect(1, 2);
    for _ in 0..2 {
        assert_eq!(mesh.status(2).conflicts, count);
        let status = mesh.status(2);
        assert!(status.loaded <= DOCUMENTS_OPEN_MAX + 1, "{}", status.loaded);
    }
    let found = mesh.conflicts(2);
    assert_eq!(found.len(), count);
    resolve(&mut mesh, 2, vec![keep(found[0].id, "A"), keep(found[count - 1].id, "B")]);
    assert_eq!(mesh.status(1).conflicts, count - 2);
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_flood_of_boards_waits_for_the_quota_of_who_makes_them() {
    // SPEC: PRJ-13, SYNC-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.device(1).config.quota = 10 * DOCUMENT_MAKES;
    mesh.restart(1);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    for n in 0..30 {
        create(&mut mesh, 2, &format!("b{n}"));
    }
    mesh.connect(1, 2);
    let status = mesh.status(1);
    assert!((2..11).contains(&status.documents), "{} documents", status.documents);
    let waiting: usize = status.waiting.iter().map(|row| row.events).sum();
    assert_eq!(status.documents - 1 + waiting, 30, "nothing is lost");
    assert_eq!(boards(&mut mesh, 1).len(), status.documents - 1, "no link is there without one");
    // An honest board is not kept waiting by them.
    create(&mut mesh, 1, "own");
    assert_eq!(mesh.get(1, "boards/own/notes"), "{}");
    for _ in 0..300 {
        mesh.wait(60_000);
    }
    assert_eq!(mesh.status(1).documents, 32);
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_board_whose_place_in_the_chain_is_taken_meanwhile_is_made_anew() {
    // SPEC: PRJ-1, PRJ-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let base = artifact(&mut mesh, 1);
    let now = mesh.now;
    let ask = |mesh: &mut Mesh, request: u64, command: Command| {
        let input = Input::Command(RequestId(request), command);
        mesh.device(1).replica.handle(now, input);
    };
    let set = Edit::Set { set: "notes/a".parse().unwrap(), value: 1.into() };
    // In one turn: the record of the mission is written before the documents answered.
    ask(&mut mesh, 50, Command::CreateBoard { name: "garden".to_owned() });
    ask(&mut mesh, 51, Command::StartMission(Box::new(mission(base))));
    ask(&mut mesh, 52, Command::Edit { edits: vec![set] });
    mesh.wait(0);
    let replies = &mut mesh.device(1).replies;
    let (board, started) = (replies.remove(&50), replies.remove(&51));
    let Some(Reply::BoardMade { document, event }) = board else { panic!("{board:?}") };
    assert!(matches!(started, Some(Reply::Started { .. })), "{started:?}");
    let workspace = mesh.device(1).replica.workspace();
    let header = workspace.header(&event).unwrap();
    let made = document_id(&header.author, &header.incarnation, header.seq);
    assert_eq!(made, document, "it is named by the place that its event came to have");
    for device in [1, 2] {
        assert_eq!(mesh.get(device, "boards/garden/notes"), "{}");
        assert_eq!(mesh.get(device, "notes/a"), "1");
    }
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_status_opens_so_many_documents_and_the_next_goes_on_with_the_rest() {
    // SPEC: PRJ-12
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let boards = SURVEY_OPENED_MAX + 3;
    for number in 0..boards {
        create(&mut mesh, 1, &format!("b{number}"));
    }
    mesh.cut(link);
    for device in [1, 2] {
        for number in 0..boards {
            mesh.set(device, &format!("boards/b{number}/notes/a"), &device.to_string());
        }
    }
    mesh.connect(1, 2);
    mesh.restart(1);
    let first = mesh.status(1);
    assert_eq!((first.conflicts, first.uncounted), (SURVEY_OPENED_MAX, 3));
    let next = mesh.status(1);
    assert_eq!((next.conflicts, next.uncounted), (boards, 0));
}

#[test]
fn a_status_looks_at_the_changes_of_those_boards_alone_that_changed() {
    // SPEC: PRJ-12
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    for name in ["a", "b", "c"] {
        mesh.ask(1, Command::CreateBoard { name: name.to_owned() });
    }
    mesh.cut(link);
    for number in [1, 2] {
        for name in ["a", "b", "c"] {
            mesh.set(number, &format!("boards/{name}/notes/x"), &number.to_string());
        }
    }
    mesh.connect(1, 2);
    assert_eq!(mesh.status(1).conflicts, 3);
    let looks = |mesh: &mut Mesh| mesh.device(1).replica.workspace().line_looks();
    let before = looks(&mut mesh);
    for _ in 0..3 {
        assert_eq!(mesh.status(1).conflicts, 3);
    }
    mesh.set(1, "notes/root", "another document");
    assert_eq!((mesh.status(1).conflicts, looks(&mut mesh) - before), (3, 0));
    mesh.set(1, "boards/b/notes/x", "resolved");
    assert_eq!((mesh.status(1).conflicts, looks(&mut mesh) - before), (2, 1));
}
