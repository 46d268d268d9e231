//! The history of what stands in a list: of the element, wherever it stood to whom. `SPEC: PAST-3`

use std::slice::from_ref;

use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;
use super::past::{history, set};

/// Two devices that know a list, what each did to it apart, and that they met.
fn apart(shared: &Json, mine: &[Json], theirs: &[Json]) -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    set(&mut mesh, 1, "notes/l", shared.clone());
    mesh.cut(link);
    mesh.edit(1, json!(mine));
    mesh.edit(2, json!(theirs));
    mesh.connect(1, 2);
    mesh
}

fn append(value: &str) -> Json {
    json!({"append": "notes/l", "value": [value]})
}

fn put(at: usize, value: &str) -> Json {
    json!({"set": format!("notes/l/{at}"), "value": value})
}

fn rm(at: usize) -> Json {
    json!({"rm": format!("notes/l/{at}")})
}

/// The rows of a place, on both devices alike: the value, whether it stands, as a part, and lost.
fn told(mesh: &mut Mesh, path: &str) -> Vec<(Json, bool, bool, bool)> {
    let mut rows = |number| {
        let (rows, _) = history(mesh, number, path, 100);
        let row = |row: kernelos_protocol::command::HistoryRow| {
            (row.value, row.current, row.part, row.lost_to.is_some())
        };
        rows.into_iter().map(row).collect::<Vec<_>>()
    };
    let (here, there) = (rows(1), rows(2));
    assert_eq!(here, there, "{path}");
    here
}

/// Each that stands is what is shown at its place, and nothing that is shown lost.
fn assert_true(mesh: &mut Mesh, len: usize) {
    let list: Vec<Json> = serde_json::from_str(&mesh.get(1, "notes/l")).unwrap();
    assert_eq!(list.len(), len, "{list:?}");
    for (at, shown) in list.iter().enumerate() {
        let rows = told(mesh, &format!("notes/l/{at}"));
        let stand: Vec<_> = rows.iter().filter(|row| row.1).map(|row| &row.0).collect();
        assert_eq!(stand, [shown], "{at} of {list:?}: {rows:?}");
        assert!(rows.iter().all(|row| !(row.0 == *shown && row.3)), "{at}: {rows:?}");
    }
    let whole = told(mesh, "notes/l");
    assert!(whole.iter().any(|row| row.1), "{whole:?}");
    let shown = json!(list);
    assert!(whole.iter().all(|row| !row.1 || row.2 == (row.0 != shown)), "{whole:?}");
}

#[test]
fn what_two_appended_apart_both_stands() {
    let mut mesh = apart(&json!(["p", "q"]), &[append("za")], &[append("zb")]);
    assert_true(&mut mesh, 4);
    for at in [2, 3] {
        let rows = told(&mut mesh, &format!("notes/l/{at}"));
        assert_eq!(rows.len(), 1, "{rows:?}");
    }
}

#[test]
fn what_stands_at_another_number_by_now_lost_nothing() {
    let mut mesh = apart(&json!(["p", "q", "r"]), &[rm(0)], &[put(2, "R")]);
    assert_true(&mut mesh, 2);
    let rows = told(&mut mesh, "notes/l/1");
    assert_eq!(rows, [(json!("r"), false, false, false), (json!("R"), true, false, false)]);
    let rows = told(&mut mesh, "notes/l/2");
    assert!(rows.iter().all(|row| !row.3), "{rows:?}");
    // What was written below it, too.
    let map = json!(["p", {"k": 0}]);
    let below = json!({"set": "notes/l/1/k", "value": 5});
    let mut mesh = apart(&map, &[rm(0)], &[below]);
    let rows = told(&mut mesh, "notes/l/0/k");
    assert_eq!(rows, [(json!(0), false, false, false), (json!(5), true, false, false)]);
}

#[test]
fn a_conflict_of_an_element_its_decision_and_its_undo_are_told_of_that_element() {
    for (mine, theirs) in [(put(1, "one"), put(1, "two")), (rm(1), put(1, "two"))] {
        for keep in ["A", "B"] {
            let mut mesh = apart(&json!(["p", "q", "r"]), from_ref(&mine), from_ref(&theirs));
            let open = mesh.conflicts(1);
            let before = mesh.get(1, "notes/l");
            let len = before.matches(',').count() + 1;
            assert_true(&mut mesh, len);
            mesh.edit(1, json!([{"resolve": open[0].id, "keep": keep}]));
            let kept = mesh.get(1, "notes/l");
            assert_true(&mut mesh, kept.matches(',').count() + 1);
            mesh.undone(1, None);
            assert_eq!(mesh.get(1, "notes/l"), before);
            assert_true(&mut mesh, len);
        }
    }
}

#[test]
fn an_element_that_is_gone_is_told_of_where_it_stood_last() {
    let mut mesh = apart(&json!(["p", "q"]), &[append("za")], &[put(0, "P")]);
    mesh.edit(1, json!([rm(2)]));
    let rows = told(&mut mesh, "notes/l/2");
    assert_eq!(rows, [(json!("za"), false, false, false), (Json::Null, true, false, false)]);
}

#[test]
fn where_both_wrote_two_things_an_undo_of_the_decision_leaves_one_that_stands() {
    let lists = (json!(["p", "q"]), [put(0, "one"), append("za")], [put(0, "two"), append("zb")]);
    let key = |key: &str, value: u8| json!({"set": format!("notes/l/{key}"), "value": value});
    let maps = (json!({"k": 0}), [key("k", 1), key("i", 7)], [key("k", 2), key("j", 5)]);
    for (shared, mine, theirs) in [lists, maps] {
        for keep in ["A", "B"] {
            let mut mesh = apart(&shared, &mine, &theirs);
            let open = mesh.conflicts(1);
            mesh.edit(1, json!([{"resolve": open[0].id, "keep": keep}]));
            mesh.undone(1, None);
            let shown: Json = serde_json::from_str(&mesh.get(1, "notes/l")).unwrap();
            let rows = told(&mut mesh, "notes/l");
            let stand: Vec<_> = rows.iter().filter(|row| row.1).map(|row| &row.0).collect();
            assert_eq!(stand, [&shown], "{keep} {rows:?}");
        }
    }
}

#[test]
fn what_was_written_in_another_element_is_none_of_a_place_where_nothing_stands() {
    let write = json!({"set": "notes/l/0/k", "value": 9});
    let mut mesh = apart(&json!([{"k": 1}, {"k": 2}]), &[rm(0)], &[write]);
    let rows = told(&mut mesh, "notes/l/1/k");
    let values: Vec<_> = rows.iter().map(|row| &row.0).collect();
    assert_eq!(values, [&json!(2), &Json::Null], "{rows:?}");
}
