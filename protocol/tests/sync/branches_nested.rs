//! Branches of branches: what came into a branch by a merge of one of its own goes on with it into
//! its origin, is told there, and is taken back with it. `SPEC: BRA-4, BRA-5, BRA-9, BRA-10`

use kernelos_protocol::command::{BranchCommand, BranchReply, BranchState, Command, Reply};
use kernelos_protocol::role::Role;
use serde_json::json;

use super::mesh::Mesh;

fn branch(mesh: &mut Mesh, command: BranchCommand) -> BranchReply {
    match mesh.ask(1, Command::Branch(command)) {
        Reply::Branch(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn create(mesh: &mut Mesh, name: &str, of: &str) {
    let (name, of) = (name.to_owned(), of.parse().unwrap());
    branch(mesh, BranchCommand::Create { name, of, at: None, purpose: String::new() });
}

/// Merges one, and says how many changes came.
fn merge(mesh: &mut Mesh, name: &str) -> usize {
    match branch(mesh, BranchCommand::Merge { name: name.to_owned() }) {
        BranchReply::Merged { changes, .. } => changes,
        other => panic!("{other:?}"),
    }
}

fn row(mesh: &mut Mesh, name: &str) -> BranchState {
    let BranchReply::List(page) = branch(mesh, BranchCommand::List { all: true }) else { panic!() };
    page.branches.into_iter().find(|row| row.name.as_deref() == Some(name)).unwrap()
}

fn undo(mesh: &mut Mesh) {
    assert!(matches!(mesh.undo(1, None, false), Reply::Undone(_)));
}

/// A branch `mid` of the root, and `leaf` of that, of which the second device writes one place.
fn leaf() -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    mesh.connect(1, 2);
    mesh.set(1, "notes/a", "before");
    create(&mut mesh, "mid", "");
    create(&mut mesh, "leaf", "branches/mid");
    mesh.set(2, "branches/leaf/notes/a", "leaf");
    mesh
}

#[test]
fn what_came_of_a_branch_of_a_branch_goes_on_into_the_origin() {
    let mut mesh = leaf();
    assert_eq!(row(&mut mesh, "mid").ahead, 0);
    assert_eq!(merge(&mut mesh, "leaf"), 1);
    assert_eq!(mesh.get(1, "branches/mid/notes/a"), r#""leaf""#);
    let mid = row(&mut mesh, "mid");
    assert_eq!((mid.ahead, mid.devices.len()), (1, 1));
    assert_eq!(row(&mut mesh, "leaf").ahead, 0);
    let preview = branch(&mut mesh, BranchCommand::Preview { name: "mid".to_owned() });
    let BranchReply::Changes(preview) = preview else { panic!("{preview:?}") };
    assert_eq!(preview.changes.len(), 1);
    assert_eq!(merge(&mut mesh, "mid"), 1);
    let shown = [1, 2].map(|device| mesh.get(device, "notes/a"));
    assert_eq!(shown, [r#""leaf""#; 2]);
    // What the branch then writes itself comes alone.
    mesh.set(1, "branches/mid/notes/b", "own");
    assert_eq!(row(&mut mesh, "mid").ahead, 1);
    assert_eq!(merge(&mut mesh, "mid"), 1);
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn it_is_taken_back_with_the_merge_and_comes_again_with_it() {
    let mut mesh = leaf();
    merge(&mut mesh, "leaf");
    merge(&mut mesh, "mid");
    undo(&mut mesh);
    assert_eq!(mesh.get(2, "notes/a"), r#""before""#);
    assert_eq!(mesh.get(2, "branches/mid/notes/a"), r#""leaf""#);
    let mid = row(&mut mesh, "mid");
    assert_eq!((mid.ahead, mid.taken_back.len()), (0, 1));
    let undone = mid.taken_back[0].undo;
    assert!(matches!(mesh.undo(1, Some(undone), false), Reply::Undone(_)));
    assert_eq!(mesh.get(2, "notes/a"), r#""leaf""#);
}

#[test]
fn what_came_of_it_by_a_merge_that_was_taken_back_holds_no_undo_up() {
    let mut mesh = leaf();
    mesh.set(1, "branches/mid/notes/b", "own");
    let own = mesh.edit(1, json!([{"set": "notes/a", "value": "root"}]));
    merge(&mut mesh, "leaf");
    merge(&mut mesh, "mid");
    undo(&mut mesh);
    assert_eq!(mesh.get(1, "notes/a"), r#""root""#);
    let undone = mesh.undo(1, Some(own), false);
    assert!(matches!(undone, Reply::Undone(_)), "{undone:?}");
    assert_eq!(mesh.get(1, "notes/a"), r#""before""#);
}

#[test]
fn a_conflict_between_two_branches_of_a_branch_is_told_of_it() {
    let mut mesh = leaf();
    create(&mut mesh, "twig", "branches/mid");
    mesh.set(1, "branches/twig/notes/a", "twig");
    merge(&mut mesh, "leaf");
    merge(&mut mesh, "twig");
    let open = mesh.conflicts(1);
    let paths: Vec<_> = open.iter().map(|row| row.path.to_string()).collect();
    assert_eq!(paths, ["branches/mid/notes/a"]);
    // Decided there, it is no conflict of the root's.
    let keep = json!([{"resolve": open[0].id, "keep": "B"}]);
    let keep: Vec<_> = serde_json::from_value(keep).unwrap();
    assert!(matches!(mesh.ask(1, Command::Edit { edits: keep }), Reply::Edited(_)));
    merge(&mut mesh, "mid");
    assert!(mesh.conflicts(1).is_empty());
    mesh.assert_equal(&[1, 2]);
    let shown = [1, 2].map(|device| mesh.get(device, "notes/a"));
    assert_eq!(shown[0], shown[1]);
}
