//! Each side of a conflict has one letter, however often its decision is taken back, and wherever
//! it is listed: who decides again keeps what was read under that letter. `SPEC: CFL-8`
//!
//! Which of the changes comes first by its hash differs with what was written: each is tried with
//! several.

use kernelos_protocol::command::{BranchCommand, BranchReply, Command, ConflictRow, Reply};
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;

const TURNS: usize = 12;

/// What each letter says.
fn letters(row: &ConflictRow) -> Vec<(String, Json)> {
    row.sides.iter().map(|side| (side.side.clone(), side.value.clone())).collect()
}

fn keep(row: &ConflictRow, keep: &str) -> Json {
    json!([{"resolve": row.id, "keep": keep}])
}

/// The first is linked with the second and the third.
fn meet(mesh: &mut Mesh) {
    for number in [2, 3] {
        mesh.connect(1, number);
    }
}

/// Cuts all that is linked.
fn part(mesh: &mut Mesh) {
    let open = mesh.links.iter().filter(|(_, ends)| **ends != (0, 0));
    let links: Vec<_> = open.map(|(link, _)| *link).collect();
    links.into_iter().for_each(|link| mesh.cut(link));
}

#[test]
fn each_side_has_its_letter_again_after_its_decision_was_taken_back() {
    // SPEC: CFL-8, CFL-12
    for turn in 0..TURNS {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        mesh.edit(1, json!([{"set": "tasks/T", "value": {"plans": {"p": {}, "q": {}}}}]));
        let link = mesh.connect(1, 2);
        mesh.cut(link);
        for (number, plan) in [(1, "p"), (2, "q")] {
            let r#final = format!("tasks/T/plans/{plan}/final");
            let value = format!("{number} in turn {turn}");
            mesh.edit(
                number,
                json!([{"set": "notes/a", "value": value}, {"set": r#final, "value": true}]),
            );
        }
        mesh.connect(1, 2);
        let before = mesh.conflicts(2);
        assert_eq!(before.len(), 2, "{before:?}");
        let read = |mesh: &mut Mesh| (mesh.get(1, "notes"), mesh.get(1, "tasks/T/plans"));
        for kept in ["A", "B"] {
            for at in 0..2 {
                let row = mesh.conflicts(2).remove(at);
                mesh.edit(2, keep(&row, kept));
                let shows = read(&mut mesh);
                mesh.undone(2, None);
                let again = mesh.conflicts(1);
                let rows = again.iter().zip(&before);
                rows.for_each(|(now, then)| assert_eq!(letters(now), letters(then), "{turn}"));
                // Who decides again as before keeps the same, also from another device.
                mesh.edit(1, keep(&again[at], kept));
                assert_eq!(read(&mut mesh), shows, "{turn}");
                mesh.undone(1, None);
            }
        }
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn what_two_took_back_apart_is_under_the_letters_it_had_and_behind_them_once_more() {
    // SPEC: CFL-8, CFL-17
    for turn in 0..TURNS {
        let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
        meet(&mut mesh);
        part(&mut mesh);
        for number in [1, 2] {
            mesh.edit(number, json!([{"set": "notes/a", "value": format!("{number}, {turn}")}]));
        }
        meet(&mut mesh);
        let before = mesh.conflicts(1).remove(0);
        let decided = mesh.edit(1, keep(&before, "A"));
        part(&mut mesh);
        for number in [2, 3] {
            mesh.undone(number, Some(decided));
        }
        meet(&mut mesh);
        let again = mesh.conflicts(1).remove(0);
        let (first, second) = (letters(&before), letters(&again));
        let values = |of: &[(String, Json)]| -> Vec<Json> {
            of.iter().map(|(_, value)| value.clone()).collect()
        };
        assert_eq!(first[..], second[..2], "{turn}");
        assert_eq!(values(&first), values(&second[2..]), "{turn}");
        mesh.edit(3, keep(&again, "B"));
        assert_eq!(mesh.get(1, "notes/a"), first[1].1.to_string());
    }
}

#[test]
fn a_conflict_that_a_merge_would_bring_has_the_letters_that_it_has_then() {
    // SPEC: BRA-7, CFL-8
    for turn in 0..TURNS {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        mesh.connect(1, 2);
        mesh.edit(1, json!([{"set": "notes/b", "value": 0}]));
        let (name, of) = ("try".to_owned(), "".parse().unwrap());
        let create = BranchCommand::Create { name, of, at: None, purpose: String::new() };
        let made = mesh.ask(1, Command::Branch(create));
        let Reply::Branch(BranchReply::Made { document, .. }) = made else { panic!("{made:?}") };
        part(&mut mesh);
        let path = format!("branches/{document}/notes/a");
        for number in [1, 2] {
            mesh.edit(number, json!([{"set": path, "value": format!("{number}, {turn}")}]));
        }
        mesh.connect(1, 2);
        let on_branch = mesh.conflicts(1).remove(0);
        mesh.edit(1, keep(&on_branch, "A"));
        mesh.undone(1, None);
        let preview = BranchCommand::Preview { name: "try".to_owned() };
        let told = mesh.ask(1, Command::Branch(preview));
        let Reply::Branch(BranchReply::Changes(told)) = told else { panic!("{told:?}") };
        let [told] = &told.conflicts[..] else { panic!("{told:?}") };
        assert_eq!(letters(told), letters(&on_branch), "{turn}");
        let merge = BranchCommand::Merge { name: "try".to_owned() };
        assert!(matches!(mesh.ask(1, Command::Branch(merge)), Reply::Branch(_)));
        let of_root: Vec<_> =
            mesh.conflicts(2).into_iter().filter(|row| row.id == told.id).collect();
        assert_eq!(of_root.iter().map(letters).collect::<Vec<_>>(), [letters(told)], "{turn}");
    }
}
