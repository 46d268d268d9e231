//! What a policy was, as a history and a time of the past tell it: while changes disagree on one
//! the strictest counts, then as now. And what loses nothing, since it changed nothing.

use kernelos_protocol::command::At;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;
use super::past::{history, read, rows, set};

#[test]
fn the_strictest_of_a_policy_counts_in_the_past_and_in_its_history_too() {
    // SPEC: POL-4, PAST-1, PAST-3
    for (one, two, strictest) in [
        (json!(10), json!(3), json!(3)),
        (json!(3), json!(10), json!(3)),
        (json!("allow"), json!("deny"), json!("deny")),
        (json!("deny"), json!("allow"), json!("deny")),
    ] {
        let mut mesh = Mesh::of(&[(2, Role::Admin)]);
        let link = mesh.connect(1, 2);
        let before = set(&mut mesh, 1, "policies/disk", json!("ask"));
        mesh.cut(link);
        let written = [
            set(&mut mesh, 1, "policies/disk", one.clone()),
            set(&mut mesh, 2, "policies/disk", two.clone()),
        ];
        mesh.connect(1, 2);
        // Another event that knows both, and touches neither.
        let last = set(&mut mesh, 1, "notes/a", json!(1));
        let [won, lost] = if strictest == one { written } else { [written[1], written[0]] };
        for number in [1, 2] {
            assert_eq!(mesh.get(number, "policies/disk"), strictest.to_string());
            let at = |event: kernelos_protocol::id::EventId| At::Event(event.to_string());
            let mut then =
                |path: &str, at: At| read(&mut mesh, number, path, at).unwrap().read.value;
            assert_eq!(then("policies/disk", at(last)), strictest, "{one} {two}");
            assert_eq!(then("policies", at(last)), json!({ "disk": strictest }));
            assert_eq!(then("", at(last))["policies"]["disk"], strictest);
            assert_eq!(then("policies/disk", at(before)), json!("ask"));
            assert_eq!(then("policies/disk", at(written[0])), one, "as one side alone saw it");
            for row in history(&mut mesh, number, "policies/disk", 100).0 {
                assert_eq!(row.current, row.event == Some(won), "{one} {two} {row:?}");
                assert_eq!(row.lost_to, (row.event == Some(lost)).then_some(won), "{row:?}");
            }
        }
        // Who decides for the laxer one has decided.
        let row = mesh.conflicts(1).remove(0);
        let laxer = row.sides.iter().find(|side| side.value != strictest).unwrap();
        mesh.edit(1, json!([{"resolve": row.id, "keep": laxer.side}]));
        let stands: Vec<_> = rows(&mut mesh, 2, "policies/disk");
        let stands: Vec<_> = stands.into_iter().filter(|row| row.1).map(|row| row.0).collect();
        assert_eq!(stands, std::slice::from_ref(&laxer.value));
    }
}

#[test]
fn who_put_something_in_and_took_it_out_again_lost_nothing() {
    // SPEC: PAST-3
    for undoes in [false, true] {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([{"set": "tasks/i", "value": {"k": 1}}]));
        mesh.cut(link);
        let put = set(&mut mesh, 1, "tasks/i/z", json!(1));
        if undoes {
            mesh.undone(1, Some(put));
        } else {
            mesh.edit(1, json!([{"rm": "tasks/i/z"}]));
        }
        set(&mut mesh, 2, "tasks/i/m", json!(2));
        mesh.connect(1, 2);
        assert!(mesh.conflicts(1).is_empty());
        for (value, _, lost) in rows(&mut mesh, 1, "tasks/i") {
            assert_eq!(lost, None, "{undoes}: {value}");
        }
        assert_eq!(mesh.get(1, "tasks/i"), r#"{"k":1,"m":2}"#);
    }
}

/// What a place shows is a fact of now and of the last event alike.
#[test]
fn what_is_read_of_the_last_event_is_what_is_read_now() {
    // SPEC: PAST-1
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    for (number, value) in [(1, 1), (2, 2)] {
        set(&mut mesh, number, "policies/a", json!(value));
        set(&mut mesh, number, "notes/a", json!(value));
    }
    mesh.connect(1, 2);
    let last = set(&mut mesh, 1, "notes/b", json!(0)).to_string();
    for path in ["", "policies", "policies/a", "notes", "notes/a"] {
        let then = read(&mut mesh, 1, path, At::Event(last.clone())).unwrap().read.value;
        let now: Json = serde_json::from_str(&mesh.get(1, path)).unwrap();
        assert_eq!(then, now, "{path}");
    }
}
