//! Taking back edits of a list, or of what holds one, that is a side of an open conflict.

use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;

/// Lists, or what holds one, that two devices put at one place apart; and a place in both.
fn sides_with_lists() -> [(Json, Json, &'static str); 4] {
    [
        (json!(["q", 1]), json!(["w", 2]), "/0"),
        (json!(["q", ["r"]]), json!(["w", ["s"]]), "/1/0"),
        (json!([{"k": 1}]), json!([{"k": 2}]), "/0/k"),
        (json!({"k": [1]}), json!({"k": [2]}), "/k/0"),
    ]
}

/// The two, and what device 1 shows.
fn lists_apart(one: &Json, two: &Json) -> (Mesh, String) {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    mesh.edit(1, json!([{"set": "notes/p", "value": one}]));
    mesh.edit(2, json!([{"set": "notes/p", "value": two}]));
    mesh.connect(1, 2);
    let shown = mesh.get(1, "notes/p");
    (mesh, shown)
}

fn are_open_again(told: &str, mesh: &mut Mesh, shown: &str) {
    for device in [1, 2] {
        let sides: Vec<_> = mesh.conflicts(device).iter().map(|row| row.sides.len()).collect();
        assert_eq!((sides, &*mesh.get(device, "notes/p")), (vec![2], shown), "{told} {device}");
    }
}

#[test]
fn an_edit_of_a_side_that_is_a_list_is_taken_back_behind_a_decision_that_was() {
    // SPEC: UNDO-3
    for (one, two, at) in sides_with_lists() {
        for keep in ["A", "B"] {
            let told = format!("{one} {two} {keep}");
            let (mut mesh, shown) = lists_apart(&one, &two);
            let edit = mesh.edit(1, json!([{"set": format!("notes/p{at}"), "value": "x"}]));
            let id = mesh.conflicts(1)[0].id;
            let decision = mesh.edit(1, json!([{"resolve": id, "keep": keep}]));
            assert_eq!(mesh.undone(1, None).undoes, decision, "{told}");
            assert_eq!(mesh.undone(1, None).undoes, edit, "{told}");
            are_open_again(&told, &mut mesh, &shown);
        }
    }
}

#[test]
fn an_edit_of_a_side_that_is_a_list_is_taken_back_as_an_edit_also_beside_what_two_wrote_in_it() {
    // SPEC: UNDO-2
    for (one, two, at) in sides_with_lists() {
        let (mut mesh, shown) = lists_apart(&one, &two);
        let edits = [
            json!([{"set": format!("notes/p{at}"), "value": "x"}]),
            json!([{"rm": format!("notes/p{at}")}]),
        ];
        for edit in edits {
            let told = format!("{one} {edit}");
            let event = mesh.edit(2, edit);
            let undone = mesh.undone(1, Some(event));
            assert!(!undone.reopened, "{told}");
            are_open_again(&told, &mut mesh, &shown);
            // And that as well, and back.
            let undone = mesh.undone(2, Some(undone.event));
            mesh.undone(1, Some(undone.event));
            are_open_again(&told, &mut mesh, &shown);
        }
    }
    let (one, two) = (json!(["q", "r"]), json!(["w", "s"]));
    let (mut mesh, _) = lists_apart(&one, &two);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    for number in [1, 2] {
        mesh.edit(number, json!([{"set": "notes/p/1", "value": number}]));
    }
    mesh.connect(1, 2);
    let shown = mesh.get(1, "notes/p");
    mesh.edit(1, json!([{"set": "notes/p/0", "value": "x"}]));
    mesh.undone(1, None);
    are_open_again("beside", &mut mesh, &shown);
    assert_eq!(mesh.conflicts(1)[0].below.len(), 1);
}
