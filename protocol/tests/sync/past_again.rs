//! What stands, as a history of a place tells it, where a value was written once more or put back;
//! and what is told of a time that is yet to come.

use std::collections::BTreeSet;

use kernelos_protocol::command::At;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Stamp;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;
use super::past::{history, read, rows, set};

#[test]
fn what_was_written_once_more_apart_from_another_value_is_in_the_history() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    for (writer, path) in [(1, "notes/a"), (2, "notes/b")] {
        let link = mesh.connect(1, 2);
        let first = set(&mut mesh, 1, path, json!("x"));
        let same = set(&mut mesh, 1, path, json!("x"));
        mesh.cut(link);
        let again = set(&mut mesh, writer, path, json!("x"));
        let other = set(&mut mesh, 3 - writer, path, json!("y"));
        let link = mesh.connect(1, 2);
        let shown: Json = serde_json::from_str(&mesh.get(1, path)).unwrap();
        let (won, lost) = if shown == "x" { (again, other) } else { (other, again) };
        for number in [1, 2] {
            let (rows, _) = history(&mut mesh, number, path, 100);
            let listed: BTreeSet<_> = rows.iter().filter_map(|row| row.event).collect();
            assert_eq!(listed, BTreeSet::from([first, again, other]), "{path} not {same}");
            for row in rows {
                assert_eq!(row.current, row.event == Some(won), "{path} {row:?}");
                assert_eq!(row.lost_to, (row.event == Some(lost)).then_some(won), "{path}");
            }
        }
        mesh.cut(link);
    }
}

#[test]
fn what_one_device_wrote_once_more_stands_as_it_was_written_first() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[]);
    for value in [json!("x"), json!([1, 2]), json!({"y": 1})] {
        set(&mut mesh, 1, "notes/a", value.clone());
        set(&mut mesh, 1, "notes/a", value.clone());
        let rows = rows(&mut mesh, 1, "notes/a");
        let (last, before) = rows.split_last().unwrap();
        assert_eq!(last, &(value, true, None), "{rows:?}");
        assert!(before.iter().all(|(_, current, _)| !current), "{rows:?}");
    }
    set(&mut mesh, 1, "notes/m", json!({"x": 1}));
    set(&mut mesh, 1, "notes/m", json!({"x": 1, "y": 2}));
    assert_eq!(rows(&mut mesh, 1, "notes/m/x"), [(json!(1), true, None)]);
}

#[test]
fn parts_of_a_map_that_somebody_wrote_once_more_knowing_them_are_not_lost_to_that() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    set(&mut mesh, 1, "notes/m", json!({}));
    mesh.cut(link);
    set(&mut mesh, 1, "notes/m/x", json!("a"));
    set(&mut mesh, 2, "notes/m/y", json!("b"));
    mesh.connect(1, 2);
    // It joins both, and shows nothing else than they do; so does what is made anew after it.
    set(&mut mesh, 1, "notes/m/x", json!("a"));
    set(&mut mesh, 1, "notes/m", json!({"x": "a", "y": "b"}));
    for number in [1, 2] {
        let rows = rows(&mut mesh, number, "notes/m");
        let (first, parts) = rows.split_first().unwrap();
        assert_eq!((&first.0, first.1), (&json!({}), false), "{rows:?}");
        assert!(!parts.is_empty(), "{rows:?}");
        assert!(parts.iter().all(|(_, current, lost)| *current && lost.is_none()), "{rows:?}");
    }
}

#[test]
fn a_map_that_was_made_anew_above_a_value_takes_its_place_in_the_history() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let sides = [(1, "notes/m/x"), (2, "notes/m/y")]
        .map(|(number, path)| (path, set(&mut mesh, number, path, json!(number))));
    mesh.connect(1, 2);
    let shown = mesh.get(1, "notes/m");
    for ((path, event), (_, other)) in [(sides[0], sides[1]), (sides[1], sides[0])] {
        let rows = rows(&mut mesh, 1, path);
        let value = json!(if event == sides[0].1 { 1 } else { 2 });
        if shown.contains(&path[8..]) {
            assert_eq!(rows, [(value, true, None)], "{shown}");
        } else {
            assert_eq!(rows.len(), 2, "{shown} {rows:?}");
            assert!(rows.contains(&(value, false, Some(other))), "{shown} {rows:?}");
            assert!(rows.contains(&(Json::Null, true, None)), "{shown} {rows:?}");
        }
    }
}

#[test]
fn the_side_that_a_decision_kept_did_not_lose_and_what_its_undo_puts_back_stands() {
    // SPEC: PAST-3, CFL-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    for (kept, path) in [(1, "notes/a"), (2, "notes/b")] {
        let link = mesh.connect(1, 2);
        set(&mut mesh, 1, path, json!(0));
        mesh.cut(link);
        let sides = [1, 2].map(|number| (number, set(&mut mesh, number, path, json!(number))));
        let link = mesh.connect(1, 2);
        let id = mesh.conflicts(1)[0].id;
        let decision = mesh.edit(1, json!([{"resolve": id, "value": kept}]));
        let (rows, _) = history(&mut mesh, 2, path, 100);
        let of = |event| rows.iter().find(|row| row.event == Some(event)).unwrap();
        let own = sides.iter().find(|side| side.0 == kept).unwrap().1;
        for (_, side) in sides {
            assert!(!of(side).current);
            assert_eq!(of(side).lost_to, (side != own).then_some(own), "{path} {rows:?}");
        }
        assert!(of(decision).current, "{path} {rows:?}");
        mesh.undone(1, Some(decision));
        let now: Json = serde_json::from_str(&mesh.get(2, path)).unwrap();
        let (rows, _) = history(&mut mesh, 2, path, 100);
        let current: Vec<_> = rows.iter().filter(|row| row.current).map(|row| &row.value).collect();
        assert_eq!(current, [&now], "{path} {rows:?}");
        assert_eq!(rows.len(), 6, "both sides are put back: {rows:?}");
        let id = mesh.conflicts(1)[0].id;
        mesh.edit(1, json!([{"resolve": id, "value": 3}]));
        mesh.cut(link);
    }
}

#[test]
fn a_time_that_is_ahead_is_told_so_and_shows_what_is_there_now() {
    // SPEC: PAST-2
    let mut mesh = Mesh::of(&[]);
    mesh.set(1, "notes/a", "rain");
    mesh.wait(60_000);
    for (until, words) in [
        (Stamp(mesh.now.wall_us), "so it was at "),
        (Stamp(mesh.now.wall_us + 86_400_000_000), " is ahead of now: so it is now, by "),
    ] {
        let read = read(&mut mesh, 1, "notes/a", At::Time(until)).unwrap();
        assert_eq!((&read.read.value, read.ahead), (&json!("rain"), words.starts_with(' ')));
        let said = present::to_text(&present::past_read(&read));
        assert!(said.contains(words), "{said}");
        assert_eq!(said.contains("so it was"), !read.ahead, "{said}");
    }
}

#[test]
fn a_decision_that_was_taken_back_decides_nothing_of_who_lost() {
    // SPEC: PAST-3. Which of the undo's changes comes first differs with what was written.
    for (turn, keeps_shown) in (0..8).flat_map(|turn| [(turn, true), (turn, false)]) {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([{"set": "notes/f", "value": {}}]));
        mesh.cut(link);
        for number in [1, 2] {
            mesh.edit(number, json!([{"set": "notes/f/x", "value": format!("{number}, {turn}")}]));
        }
        mesh.connect(1, 2);
        let lost = |mesh: &mut Mesh, path: &str| -> Vec<_> {
            rows(mesh, 1, path).into_iter().map(|(value, _, lost)| (value, lost)).take(3).collect()
        };
        let before = ["notes/f", "notes/f/x"].map(|path| lost(&mut mesh, path));
        let shown = mesh.get(1, "notes/f/x");
        let row = mesh.conflicts(1).remove(0);
        let shown: Json = serde_json::from_str(&shown).unwrap();
        let side = row.sides.iter().find(|side| (side.value == shown) == keeps_shown).unwrap();
        mesh.edit(1, json!([{"resolve": row.id, "keep": side.side}]));
        let decided = lost(&mut mesh, "notes/f/x");
        mesh.undone(1, None);
        for (path, before) in ["notes/f", "notes/f/x"].into_iter().zip(&before) {
            let after = lost(&mut mesh, path);
            assert!(after.starts_with(before), "{turn}, {path}: {before:?}, {after:?}");
        }
        // Who decides again has decided, whatever was taken back before.
        let row = mesh.conflicts(1).remove(0);
        let side = row.sides.iter().find(|side| (side.value == shown) == keeps_shown).unwrap();
        mesh.edit(1, json!([{"resolve": row.id, "keep": side.side}]));
        let again = lost(&mut mesh, "notes/f/x");
        let (wrote, kept) = (&again[..2], &decided[..2]);
        assert_eq!(wrote, kept, "{turn}, {keeps_shown}");
    }
}

#[test]
fn a_decision_between_an_edit_and_a_removal_decides_nothing_once_it_is_taken_back() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([{"set": "notes/f", "value": {"x": 0}}]));
    mesh.cut(link);
    mesh.edit(1, json!([{"set": "notes/f/x", "value": 1}]));
    mesh.edit(2, json!([{"rm": "notes/f"}]));
    mesh.connect(1, 2);
    let lost = |mesh: &mut Mesh| -> Vec<_> {
        let rows = rows(mesh, 1, "notes/f").into_iter();
        rows.map(|(value, _, lost)| (value, lost)).take(3).collect()
    };
    let before = lost(&mut mesh);
    let row = mesh.conflicts(1).remove(0);
    let edited = row.sides.iter().find(|side| !side.deleted).unwrap();
    let decision = mesh.edit(1, json!([{"resolve": row.id, "keep": edited.side}]));
    let decided = lost(&mut mesh);
    assert_ne!(decided, before);
    assert!(mesh.undone(1, Some(decision)).reopened);
    assert_eq!(lost(&mut mesh), before);
    // Who decides again decides as before.
    let row = mesh.conflicts(1).remove(0);
    let edited = row.sides.iter().find(|side| !side.deleted).unwrap();
    mesh.edit(1, json!([{"resolve": row.id, "keep": edited.side}]));
    assert_eq!(lost(&mut mesh), decided);
}

#[test]
fn a_decision_of_an_item_stands_though_somebody_appended_to_its_list_apart() {
    // SPEC: PAST-3
    for turn in 0..8 {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([{"set": "notes/l", "value": [0]}]));
        mesh.cut(link);
        for number in [1, 2] {
            mesh.edit(number, json!([{"set": "notes/l/0", "value": format!("{number}, {turn}")}]));
        }
        let link = mesh.connect(1, 2);
        mesh.cut(link);
        let row = mesh.conflicts(1).remove(0);
        let shown: Json = serde_json::from_str(&mesh.get(1, "notes/l/0")).unwrap();
        let other = row.sides.iter().find(|side| side.value != shown).unwrap();
        mesh.edit(1, json!([{"resolve": row.id, "keep": other.side}]));
        mesh.edit(2, json!([{"append": "notes/l", "value": ["more"]}]));
        mesh.connect(1, 2);
        let mut lost = |value: &Json| {
            let row = rows(&mut mesh, 1, "notes/l/0").into_iter().find(|row| row.0 == *value);
            row.map(|row| row.2.is_some())
        };
        assert_eq!((lost(&shown), lost(&other.value)), (Some(true), Some(false)), "{turn}");
    }
}
