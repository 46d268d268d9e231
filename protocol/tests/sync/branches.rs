//! Branches on several devices: made and written apart, merged, divergent, of one name.

use kernelos_protocol::command::{BranchCommand, BranchKind, BranchReply, BranchState};
use kernelos_protocol::command::{Command, ConflictRow, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::role::Role;

use super::mesh::Mesh;

fn branch(mesh: &mut Mesh, device: u8, command: BranchCommand) -> BranchReply {
    match mesh.ask(device, Command::Branch(command)) {
        Reply::Branch(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn create(mesh: &mut Mesh, device: u8, name: &str) -> DocumentId {
    let (name, of) = (name.to_owned(), "".parse().unwrap());
    let create = BranchCommand::Create { name, of, at: None, purpose: String::new() };
    match branch(mesh, device, create) {
        BranchReply::Made { document, .. } => document,
        other => panic!("{other:?}"),
    }
}

fn merge(mesh: &mut Mesh, device: u8, name: &str) {
    let merged = branch(mesh, device, BranchCommand::Merge { name: name.to_owned() });
    assert!(matches!(merged, BranchReply::Merged { .. }), "{merged:?}");
}

fn list(mesh: &mut Mesh, device: u8) -> Vec<BranchState> {
    match branch(mesh, device, BranchCommand::List { all: true }) {
        BranchReply::List(page) => page.branches,
        other => panic!("{other:?}"),
    }
}

fn set(mesh: &mut Mesh, device: u8, path: &str, value: &str) {
    let edits = vec![Edit::Set { set: path.parse().unwrap(), value: value.into() }];
    let done = mesh.ask(device, Command::Edit { edits });
    assert!(matches!(done, Reply::Edited(_)), "{path}: {done:?}");
}

fn conflicts(mesh: &mut Mesh, device: u8) -> Vec<ConflictRow> {
    match mesh.ask(device, Command::Conflicts) {
        Reply::Conflicts(page) => page.conflicts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_branch_that_two_devices_wrote_and_merged_apart_is_one_on_both() {
    // SPEC: BRA-2, BRA-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    set(&mut mesh, 1, "notes/a", "before");
    create(&mut mesh, 1, "try");
    mesh.cut(link);
    set(&mut mesh, 1, "branches/try/notes/a", "one");
    set(&mut mesh, 2, "branches/try/notes/a", "two");
    set(&mut mesh, 2, "notes/b", "root");
    merge(&mut mesh, 1, "try");
    merge(&mut mesh, 2, "try");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    let found = [1, 2].map(|device| conflicts(&mut mesh, device));
    assert_eq!(found[0], found[1]);
    let paths: Vec<_> = found[0].iter().map(|row| row.path.to_string()).collect();
    assert_eq!(paths, ["branches/try/notes/a", "notes/a"]);
    let devices: Vec<_> = list(&mut mesh, 2).iter().map(|row| row.devices.len()).collect();
    assert_eq!(devices[0], 2);
    // Decided on the branch, and brought over: the origin's is decided by that too.
    let keep = Edit::Keep { resolve: found[0][0].id, keep: "A".to_owned() };
    assert!(matches!(mesh.ask(2, Command::Edit { edits: vec![keep] }), Reply::Edited(_)));
    merge(&mut mesh, 2, "try");
    mesh.settle();
    mesh.assert_equal(&[1, 2]);
    for device in [1, 2] {
        assert_eq!(conflicts(&mut mesh, device), []);
        assert_eq!(mesh.get(device, "notes/a"), mesh.get(device, "branches/try/notes/a"));
    }
}

#[test]
fn what_devices_went_on_with_apart_is_told_with_what_can_be_done() {
    // SPEC: BRA-8
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    for number in 0..3 {
        set(&mut mesh, 1, &format!("notes/one{number}"), "x");
    }
    set(&mut mesh, 2, "notes/two", "y");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    for device in [1, 2] {
        let rows = list(&mut mesh, device);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.kind, row.of.as_str()), (BranchKind::Divergent, ""));
        let mut counts: Vec<_> = row.sides.iter().map(|side| side.changes).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 3]);
        assert_eq!(row.next.len(), 3);
    }
    // A side is kept as a branch, by the command that was told.
    let at = list(&mut mesh, 1)[0].sides.iter().find(|side| side.changes == 1).unwrap().event;
    let (name, of) = ("theirs".to_owned(), "".parse().unwrap());
    let create =
        BranchCommand::Create { name, of, at: Some(at.to_string()), purpose: String::new() };
    assert!(matches!(branch(&mut mesh, 1, create), BranchReply::Made { .. }));
    assert_eq!(mesh.get(1, "branches/theirs/notes"), r#"{"two":"y"}"#);
    mesh.settle();
    // The link was written by who knew all: nothing is divergent any more.
    let kinds: Vec<_> = list(&mut mesh, 2).iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [BranchKind::Made]);
}

#[test]
fn branches_of_one_name_made_apart_are_a_conflict_and_both_are_reached() {
    // SPEC: BRA-3, PRJ-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let ids = [create(&mut mesh, 1, "try"), create(&mut mesh, 2, "try")];
    set(&mut mesh, 1, "branches/try/notes/a", "one");
    set(&mut mesh, 2, "branches/try/notes/a", "two");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    for device in [1, 2] {
        let found = conflicts(&mut mesh, device);
        assert_eq!(
            found.iter().map(|row| row.path.to_string()).collect::<Vec<_>>(),
            ["branches/try"]
        );
        for (id, value) in ids.iter().zip(["\"one\"", "\"two\""]) {
            assert_eq!(mesh.get(device, &format!("branches/{id}/notes/a")), value);
        }
        let rows = list(&mut mesh, device);
        let made = rows.iter().filter(|row| row.kind == BranchKind::Made);
        assert!(made.clone().all(|row| row.conflict));
        assert_eq!(made.filter(|row| row.is_shown).count(), 1);
    }
    for id in ids {
        merge(&mut mesh, 2, &id.to_string());
    }
    mesh.settle();
    mesh.assert_equal(&[1, 2]);
    assert_eq!(conflicts(&mut mesh, 1).len(), 2, "of the name, and of what both wrote");
}

#[test]
fn a_conflict_of_the_origin_is_not_told_of_a_branch_that_two_wrote_apart() {
    // SPEC: BRA-10
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let mut link = mesh.connect(1, 2);
    set(&mut mesh, 1, "notes/a", "before");
    mesh.cut(link);
    set(&mut mesh, 1, "notes/a", "one");
    set(&mut mesh, 2, "notes/a", "two");
    link = mesh.connect(1, 2);
    create(&mut mesh, 1, "try");
    mesh.cut(link);
    // Nobody knew all of the branch, so it is looked through.
    set(&mut mesh, 1, "branches/try/notes/b", "one");
    set(&mut mesh, 2, "branches/try/notes/c", "two");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    let paths = |mesh: &mut Mesh, device| {
        let rows = conflicts(mesh, device);
        rows.iter().map(|row| row.path.to_string()).collect::<Vec<_>>()
    };
    for device in [1, 2] {
        assert_eq!(paths(&mut mesh, device), ["notes/a"]);
        assert_eq!(mesh.status(device).conflicts, 1);
    }
    // Where the branch writes there itself, it has a conflict of its own.
    set(&mut mesh, 1, "branches/try/notes/d", "knows all");
    mesh.restart(2);
    assert_eq!(paths(&mut mesh, 2), ["notes/a"], "as after a start");
}
