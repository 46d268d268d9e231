//! What is said of branches: how far behind, that one is put away, and that there is none.

use std::collections::BTreeSet;

use kernelos_protocol::command::{
    BranchCommand, BranchKind, BranchReply, BranchState, Command, PastCommand, Reply,
};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::limits::BEHIND_COUNTED_MAX;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use serde_json::json;

use super::mesh::{Mesh, id};

fn create(mesh: &mut Mesh, device: u8, name: &str) -> DocumentId {
    let (name, of) = (name.to_owned(), "".parse().unwrap());
    let create = BranchCommand::Create { name, of, at: None, purpose: String::new() };
    match mesh.ask(device, Command::Branch(create)) {
        Reply::Branch(BranchReply::Made { document, .. }) => document,
        other => panic!("{other:?}"),
    }
}

fn list(mesh: &mut Mesh, device: u8) -> Vec<BranchState> {
    match mesh.ask(device, Command::Branch(BranchCommand::List { all: true })) {
        Reply::Branch(BranchReply::List(page)) => page.branches,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_farther_behind_than_is_counted_is_said_to_be_at_least_so_far() {
    // SPEC: BRA-5, BRA-8
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    create(&mut mesh, 1, "try");
    mesh.connect(1, 2);
    let link = mesh.links.keys().copied().last().unwrap();
    mesh.cut(link);
    // The change that links the branch is walked over, and is none that it is behind.
    for at in 1..BEHIND_COUNTED_MAX {
        mesh.set(1, "notes/a", &at.to_string());
    }
    let row = list(&mut mesh, 1).remove(0);
    assert_eq!((row.behind, row.behind_at_least), (BEHIND_COUNTED_MAX - 1, false));
    for last in ["last", "and one more"] {
        mesh.set(1, "notes/a", last);
        let row = list(&mut mesh, 1).remove(0);
        assert_eq!((row.behind, row.behind_at_least), (BEHIND_COUNTED_MAX, true));
    }
    mesh.set(2, "notes/b", "apart");
    mesh.connect(1, 2);
    let Reply::Branch(BranchReply::List(page)) =
        mesh.ask(2, Command::Branch(BranchCommand::List { all: true }))
    else {
        panic!()
    };
    let diverged = page.branches.iter().find(|row| row.kind == BranchKind::Divergent).unwrap();
    let mut sides: Vec<_> = diverged.sides.iter().map(|of| (of.changes, of.at_least)).collect();
    sides.sort_unstable();
    assert_eq!(sides, [(1, false), (BEHIND_COUNTED_MAX, true)]);
    let shown = format!("{:?}", present::branches(&page, &Default::default()));
    assert!(shown.contains(&format!("at least {BEHIND_COUNTED_MAX} and 1 events")), "{shown}");
    assert_eq!(shown.matches("at least ").count(), 2, "of the branch, too: {shown}");
}

#[test]
fn what_is_put_away_is_read_and_not_written_to_until_it_is_brought_back() {
    // SPEC: BRA-4
    let mut mesh = Mesh::of(&[]);
    let id = create(&mut mesh, 1, "try");
    mesh.set(1, "branches/try/notes/a", "before");
    let archive = |mesh: &mut Mesh, archived| {
        let archive = BranchCommand::Archive { name: "try".to_owned(), archived };
        assert!(matches!(mesh.ask(1, Command::Branch(archive)), Reply::Edited(_)));
    };
    archive(&mut mesh, true);
    let path: DocPath = "branches/try/notes/a".parse().unwrap();
    let set = Edit::Set { set: path.clone(), value: json!("after") };
    let rm = Edit::Rm { rm: path };
    let root = Edit::Set { set: "notes/b".parse().unwrap(), value: json!(1) };
    for edits in [vec![set.clone()], vec![rm], vec![root, set]] {
        let Reply::Failed(failure) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
        assert_eq!(failure.message, "branch \"try\" is put away");
        assert!(failure.hint.unwrap().contains("kern branch archive \"try\" --undo"));
    }
    assert_eq!(mesh.get(1, "branches/try/notes/a"), "\"before\"");
    assert_eq!(mesh.get(1, "notes"), "{}", "all or nothing");
    // By its id it is meant, whatever a name says.
    mesh.set(1, &format!("branches/{id}/notes/a"), "by id");
    archive(&mut mesh, false);
    mesh.set(1, "branches/try/notes/a", "after");
    assert_eq!(mesh.get(1, "branches/try/notes/a"), "\"after\"");
}

#[test]
fn who_reads_below_a_name_that_leads_nowhere_hears_what_who_writes_there_does() {
    // SPEC: PRJ-10
    let mut mesh = Mesh::of(&[]);
    create(&mut mesh, 1, "try");
    let said = |reply: Reply| match reply {
        Reply::Failed(failure) => (failure.message, failure.hint),
        other => panic!("{other:?}"),
    };
    for (above, says, lists) in [
        ("branches/nope", "there is no branch \"nope\"", "kern branch list --all"),
        ("boards/nope", "there is no board \"nope\"", "kern board list"),
    ] {
        let path: DocPath = format!("{above}/notes/a").parse().unwrap();
        let set = Edit::Set { set: path.clone(), value: json!(1) };
        let wrote = said(mesh.ask(1, Command::Edit { edits: vec![set] }));
        assert_eq!(wrote.0, says);
        assert!(wrote.1.as_ref().unwrap().contains(lists), "{wrote:?}");
        for path in [path, above.parse().unwrap()] {
            let history = PastCommand::History { path: path.clone(), limit: 9 };
            assert_eq!(said(mesh.ask(1, Command::Read { path: path.clone() })), wrote, "{path}");
            assert_eq!(said(mesh.ask(1, Command::Past(history))), wrote, "{path}");
        }
    }
    let deep = Command::Read { path: "branches/try/notes/none".parse().unwrap() };
    assert_eq!(said(mesh.ask(1, deep)).0, "there is nothing at \"branches/try/notes/none\"");
}

#[test]
fn sides_that_an_undo_on_a_branch_put_back_are_those_of_who_wrote_them_also_where_it_is_merged() {
    // SPEC: CFL-17, UNDO-2, BRA-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.connect(1, 3);
    create(&mut mesh, 1, "try");
    mesh.cut(link);
    mesh.set(1, "branches/try/notes/a", "ours");
    mesh.set(2, "branches/try/notes/a", "theirs");
    mesh.connect(1, 2);
    let resolve = mesh.conflicts(3)[0].id;
    let decide = Edit::Decide { resolve, value: json!("both") };
    assert!(matches!(mesh.ask(3, Command::Edit { edits: vec![decide] }), Reply::Edited(_)));
    let undo = Command::Undo { begin: None, force: false };
    assert!(matches!(mesh.ask(3, undo), Reply::Undone(_)));
    let merge = Command::Branch(BranchCommand::Merge { name: "try".to_owned() });
    assert!(matches!(mesh.ask(3, merge), Reply::Branch(BranchReply::Merged { .. })));
    for number in [1, 2, 3] {
        let rows = mesh.conflicts(number);
        let paths: Vec<_> = rows.iter().map(|row| row.path.to_string()).collect();
        assert_eq!(paths, ["branches/try/notes/a", "notes/a"]);
        for row in rows {
            let sides = row.sides.iter();
            let wrote: BTreeSet<_> =
                sides.map(|side| (side.value.to_string(), side.device)).collect();
            let by = |value: &str, number| (json!(value).to_string(), Some(id(number)));
            assert_eq!(wrote, BTreeSet::from([by("ours", 1), by("theirs", 2)]), "{}", row.path);
            assert!(row.sides.iter().all(|side| side.put_back.is_some()), "{}", row.path);
        }
    }
    mesh.assert_equal(&[1, 2, 3]);
}
