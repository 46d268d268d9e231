//! Conflicts below a conflict that is opened again, and in what was removed and put back: none is
//! lost unheard, and who wrote each side is known. `SPEC: UNDO-2, CFL-8, CFL-17`

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::{Mesh, id};

fn set(path: &str, value: Json) -> Json {
    json!({"set": path, "value": value})
}

/// Two devices that did this and that apart, one after the other.
fn apart(shared: Json, rounds: &[(Json, Json)]) -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let mut link = mesh.connect(1, 2);
    mesh.edit(1, json!([shared]));
    for (mine, theirs) in rounds {
        mesh.cut(link);
        mesh.edit(1, json!([mine]));
        mesh.edit(2, json!([theirs]));
        link = mesh.connect(1, 2);
    }
    mesh
}

fn is_in_conflict(mesh: &mut Mesh, path: &str) -> bool {
    match mesh.ask(2, Command::Read { path: path.parse().unwrap() }) {
        Reply::Read(read) => read.conflict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_conflict_below_one_that_would_be_opened_again_is_not_ended_unheard() {
    let element = apart(
        set("notes/q", json!([0, "z"])),
        &[
            (set("notes/q/0", json!({"y": 1})), set("notes/q/0", json!({"y": 1, "w": 5}))),
            (set("notes/q/0/y", json!(6)), set("notes/q/0/y", json!(7))),
        ],
    );
    let removed = apart(
        set("notes/q", json!({"m": 0})),
        &[
            (set("notes/q/m", json!({"y": 1})), json!({"rm": "notes/q/m"})),
            (set("notes/q/m/y", json!(6)), set("notes/q/m/y", json!(7))),
        ],
    );
    for (inner, mut mesh) in [("notes/q/0/y", element), ("notes/q/m/y", removed)] {
        let open = mesh.conflicts(1);
        assert_eq!((open.len(), is_in_conflict(&mut mesh, inner)), (1, true), "{inner}");
        let event = mesh.edit(1, json!([{"resolve": open[0].id, "keep": "A"}]));
        let not = mesh.not_undone(1, Some(event));
        assert!(not.reason.contains("would be closed"), "{inner}: {not:?}");
        // Insisted upon, the outer is open again.
        let Reply::Undone(undone) = mesh.undo(1, Some(event), true) else { panic!("{inner}") };
        assert!(undone.reopened, "{inner}");
        assert_eq!(mesh.conflicts(2).len(), 1, "{inner}");
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn who_wrote_each_side_is_known_also_in_a_map_that_was_removed_and_put_back() {
    let mut mesh = apart(
        set("notes/m", json!({"k": 0, "l": [0]})),
        &[(set("notes/m/k", json!(1)), set("notes/m/k", json!(2)))],
    );
    let told = |mesh: &mut Mesh| {
        let row = mesh.conflicts(2).remove(0);
        let side = |side: &kernelos_protocol::command::SideRow| {
            (side.side.clone(), side.value.clone(), side.device)
        };
        (row.base, row.sides.iter().map(side).collect::<Vec<_>>())
    };
    let were = told(&mut mesh);
    assert!(were.1.iter().any(|(.., by)| *by == Some(id(2))), "{were:?}");
    let open = mesh.conflicts(1);
    mesh.edit(1, json!([{"resolve": open[0].id, "keep": "A"}]));
    for _ in 0..2 {
        let removal = mesh.edit(1, json!([{"rm": "notes/m"}]));
        assert_eq!(mesh.undone(1, None).undoes, removal);
    }
    mesh.undone(1, None);
    assert_eq!(told(&mut mesh), were);
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn what_stands_already_is_not_written_again_and_holds_up_no_undo() {
    // SPEC: PRJ-5
    let mut mesh = apart(set("notes/n", json!(0)), &[]);
    let batch = json!([
        set("notes/t", json!("text")),
        set("notes/m", json!({"a": [1, "x", {"b": null}], "c": true, "f": 0.5, "e": {}})),
    ]);
    let first = mesh.edit(1, batch.clone());
    let again = |mesh: &mut Mesh, edits: &Json| {
        let command = Command::Edit { edits: serde_json::from_value(edits.clone()).unwrap() };
        match mesh.ask(1, command) {
            Reply::Edited(edited) => edited.event,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(again(&mut mesh, &batch), None);
    // Each differs by little: kind, length, order, a key more.
    for value in [
        json!({"a": [1, "x", {"b": null}], "c": true, "f": 0.5, "e": []}),
        json!({"a": [1, "x", {"b": null}], "c": 1, "f": 0.5, "e": {}}),
        json!({"a": [1, "x", {"b": 0}], "c": true, "f": 0.5, "e": {}}),
        json!({"a": ["x", 1, {"b": null}], "c": true, "f": 0.5, "e": {}}),
        json!({"a": [1, "x", {"b": null}, 2], "c": true, "f": 0.5, "e": {}}),
        json!({"a": [1, "x", {"b": null}], "c": true, "f": 0.5}),
        json!({"a": [1, "x", {"b": null}], "c": true, "f": 0.5, "e": {}, "g": 1}),
    ] {
        let event = again(&mut mesh, &json!([set("notes/m", value.clone())]));
        assert!(event.is_some(), "{value}");
        assert_eq!(mesh.undone(1, None).undoes, event.unwrap());
    }
    // In one batch each edit is looked at where the ones before it left off.
    let back = json!([
        set("notes/n", json!(1)),
        set("notes/t", json!("other")),
        set("notes/t", json!("text"))
    ]);
    assert!(again(&mut mesh, &back).is_some());
    assert_eq!((mesh.get(2, "notes/t"), mesh.get(2, "notes/n")), ("\"text\"".into(), "1".into()));
    mesh.undone(1, None);
    assert_eq!(mesh.undone(1, None).undoes, first);
    assert_eq!(mesh.get(2, "notes"), "{\"n\":0}");
}

#[test]
fn what_stands_among_others_is_written_and_decides() {
    // SPEC: PRJ-5
    let both = (set("notes/v", json!("one")), set("notes/v", json!("two")));
    let mut values = apart(set("notes/v", json!("old")), &[both]);
    let gone = (set("notes/v", json!("one")), json!({"rm": "notes/v"}));
    let mut removed = apart(set("notes/v", json!("old")), &[gone]);
    // A conflict below, of which one value tells nothing.
    let below = (set("notes/v/k", json!(3)), json!({"rm": "notes/v/k"}));
    let mut map = apart(set("notes/v", json!({"k": 1, "j": 2})), &[below]);
    let item = (set("notes/v/0", json!("B")), json!({"rm": "notes/v/0"}));
    let mut list = apart(set("notes/v", json!(["a", "b"])), &[item]);
    for (at, mesh) in [&mut values, &mut removed, &mut map, &mut list].into_iter().enumerate() {
        assert_eq!(mesh.conflicts(1).len(), 1);
        let shown: Json = serde_json::from_str(&mesh.get(1, "notes/v")).unwrap();
        let edits = serde_json::from_value(json!([set("notes/v", shown)])).unwrap();
        let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
        assert!(edited.event.is_some(), "{at}");
        assert!(mesh.conflicts(2).is_empty(), "{at}");
    }
}
