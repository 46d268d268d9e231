//! Resolutions: ordinary changes that know all sides.

use automerge::ReadDoc;
use kernelos_protocol::document::conflict::Which;
use kernelos_protocol::document::{DocumentDone, DocumentTask, Documents, Edit, EditFault};
use kernelos_protocol::id::ConflictId;
use serde_json::Value as Json;

use super::world::{DOCUMENT, World, told_all};

/// Asserts what stands at `notes` after a resolution, and that no conflict is left anywhere.
#[track_caller]
fn check(history: &str, resolution: &str, notes: &str) {
    let mut world = World::of(history);
    assert_eq!(world.everywhere().conflicts.len(), 1, "{history}");
    world.run(resolution);
    assert_eq!(told_all(&world.everywhere()), "", "{history} | {resolution}");
    for device in world.0.values() {
        let whole = serde_json::to_value(automerge::AutoSerde::from(&device.mirror)).unwrap();
        let expected: Json = serde_json::from_str(notes).unwrap();
        assert_eq!(whole["notes"], expected, "{history} | {resolution}");
    }
}

const APART: &str = r#"A set notes/x "a" | B set notes/x "b""#;
const LOST: &str = r#"A set notes/x {"a":[1,"two"]} | all | A rm notes/x | B set notes/x/b 1"#;

#[test]
fn keeping_a_side_puts_its_value() {
    // SPEC: CFL-11
    check(APART, r#"C keep "a""#, r#"{"x":"a"}"#);
    check(APART, r#"C keep "b""#, r#"{"x":"b"}"#);
    check(r#"A set notes/x 1 | B set notes/x {"a":2}"#, r#"A keep {"a":2}"#, r#"{"x":{"a":2}}"#);
}

#[test]
fn deciding_puts_any_value() {
    // SPEC: CFL-11
    check(APART, r#"C decide {"both":["a","b",null,1.5]}"#, r#"{"x":{"both":["a","b",null,1.5]}}"#);
    check(LOST, "C decide 3", r#"{"x":3}"#);
}

#[test]
fn keeping_a_deletion_deletes_again() {
    // SPEC: CFL-11
    check("A set notes/x 1 | all | A rm notes/x | B set notes/x 2", "C keep gone", "{}");
    check(LOST, "C keep gone", "{}");
}

#[test]
fn keeping_an_edit_below_a_removed_object_restores_it() {
    // SPEC: CFL-11
    check(LOST, r#"C keep {"a":[1,"two"],"b":1}"#, r#"{"x":{"a":[1,"two"],"b":1}}"#);
}

#[test]
fn an_element_is_restored_where_it_stood_or_stays_removed() {
    // SPEC: CFL-11
    let list = r#"A set notes/l [0,{"a":1},2] | all"#;
    let lost = format!("{list} | A rm notes/l/1 | B set notes/l/1/a 5");
    check(&lost, r#"C keep {"a":5}"#, r#"{"l":[0,{"a":5},2]}"#);
    check(&lost, "C keep gone", r#"{"l":[0,2]}"#);
    check(&format!("{list} | A set notes/l/0 7 | B set notes/l/0 8"), "C keep 8", {
        r#"{"l":[8,{"a":1},2]}"#
    });
    let only = r#"A set notes/l [{}] | all | A rm notes/l/0 | B set notes/l/0/a 5"#;
    check(only, r#"A keep {"a":5}"#, r#"{"l":[{"a":5}]}"#);
}

#[test]
fn a_counter_that_is_kept_still_counts() {
    // SPEC: CFL-11
    let lost = "A count notes/x 10 | all | A rm notes/x | B add notes/x 2";
    check(lost, "C keep 12 | C add notes/x 1 | A hears C | A add notes/x 1", r#"{"x":14}"#);
}

#[test]
fn different_resolutions_made_apart_are_a_conflict_again_and_equal_ones_are_none() {
    // SPEC: CFL-2
    let list = World::of(&format!(r#"{APART} | all | A keep "a" | B keep "b""#)).everywhere();
    assert!(list.conflicts[0].path.to_string() == "notes/x" && list.conflicts.len() == 1);
    let first = World::of(APART).everywhere();
    assert_ne!(first.conflicts[0].id, list.conflicts[0].id);
    let same = World::of(&format!(r#"{APART} | all | A keep "a" | B keep "a""#)).everywhere();
    assert_eq!(told_all(&same), "");
}

#[test]
fn a_resolved_place_can_be_conflicted_again() {
    // SPEC: CFL-2
    let again = format!(r#"{APART} | all | A keep "a" | all | A set notes/x 1 | B set notes/x 2"#);
    assert_eq!(told_all(&World::of(&again).everywhere()), r#"notes/x values "a": 1 or 2"#);
}

#[test]
fn an_edit_made_apart_from_a_resolution_is_a_conflict_with_it() {
    // SPEC: CFL-4
    let apart = r#"A set notes/x 2 | B set notes/x {"a":1} | all | A keep 2 | C set notes/x/a 3"#;
    let list = World::of(apart).everywhere();
    // What all sides knew was the conflict, of which Automerge shows the side of B.
    assert_eq!(told_all(&list), r#"notes/x delete_edit {"a":1}: 2 or {"a":3}"#);
}

#[test]
fn a_resolution_fails_clearly_if_the_conflict_is_gone_or_has_no_such_side() {
    // SPEC: CFL-11
    let mut world = World::of(APART);
    let conflict = world.everywhere().conflicts.remove(0);
    let device = world.device('A');
    let keep = |letter: &str| Edit::Keep { resolve: conflict.id, keep: letter.to_owned() };
    let fault = device.edit(vec![keep("C")]).unwrap_err();
    let sides = "has no side \"C\": its sides are A to B";
    assert!(fault.to_string().ends_with(sides), "{fault}");
    let twice = device.edit(vec![keep("A"), keep("B")]);
    assert_eq!(twice, Err(EditFault::NoConflict(conflict.id)));
    let set = Edit::Set { set: "notes/y".parse().unwrap(), value: 1.into() };
    assert_eq!(device.edit(vec![set.clone(), keep("A")]), Err(EditFault::Mixed));
    assert_eq!(device.edit(vec![keep("A"), set]), Err(EditFault::Mixed));
    assert_eq!(device.list().conflicts.len(), 1, "a resolution that fails changes nothing");
    device.edit(vec![keep("A")]).unwrap();
    assert_eq!(device.edit(vec![keep("A")]), Err(EditFault::NoConflict(conflict.id)));
    let deep = (0..20).fold(Json::Null, |below, _| Json::Array(vec![below]));
    let unknown = Edit::Decide { resolve: ConflictId([0; 16]), value: deep };
    assert!(device.edit(vec![unknown]).is_err());
}

#[test]
fn several_conflicts_are_resolved_by_one_change() {
    // SPEC: CFL-11
    let apart = "A set notes/x 1 | B set notes/x 2 | A set notes/y 3 | B set notes/y 4";
    let mut world = World::of(apart);
    let list = world.everywhere();
    let keep = |id| Edit::Keep { resolve: id, keep: "B".to_owned() };
    let device = world.device('C');
    let made = device.edit(list.conflicts.iter().map(|conflict| keep(conflict.id)).collect());
    assert!(made.unwrap().is_some());
    assert_eq!(told_all(&world.everywhere()), "");
}

#[test]
fn who_resolved_goes_on_editing() {
    // SPEC: CFL-11
    let mut world = World::of(&format!(r#"{APART} | all | A keep "a" | A set notes/y 1"#));
    assert_eq!(told_all(&world.everywhere()), "");
    assert_eq!(world.device('B').mirror.keys(automerge::ROOT).count(), 1);
}

#[test]
fn a_change_that_falls_out_takes_its_side_with_it() {
    // SPEC: CFL-10
    let mut world = World::of(APART);
    let conflict = world.everywhere().conflicts.remove(0);
    let device = world.device('A');
    device.drop(&[automerge::ChangeHash(conflict.sides[0].change.0)]);
    assert_eq!(told_all(&device.list()), "");
}

#[test]
fn a_resolution_is_read_as_it_is_written() {
    let id = ConflictId([3; 16]);
    for (text, edit) in [
        (
            format!(r#"{{"resolve":"{id}","keep":"A"}}"#),
            Edit::Keep { resolve: id, keep: "A".to_owned() },
        ),
        (
            format!(r#"{{"resolve":"{id}","value":null}}"#),
            Edit::Decide { resolve: id, value: Json::Null },
        ),
    ] {
        assert_eq!(serde_json::from_str::<Edit>(&text).unwrap(), edit);
        assert_eq!(serde_json::to_string(&edit).unwrap(), text);
    }
}

#[test]
fn a_document_without_changes_has_no_conflicts() {
    let done = Documents::default().perform(DocumentTask::Conflicts {
        document: DOCUMENT,
        which: Which::First,
        put_back: Default::default(),
    });
    assert_eq!(done, DocumentDone::Conflicts(Ok(Default::default())));
}
