//! An undo ends no conflict that people did not decide, whoever decided or wrote over it, and
//! brings back each that its event decided, or says that it cannot. `SPEC: UNDO-2`

use kernelos_protocol::command::{BranchCommand, Command, ConflictRow, Reply};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::id::EventId;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;

/// What both devices knew, what each did apart, and what device 1 does once it knows both.
struct Story {
    shared: Json,
    mine: Json,
    theirs: Json,
    then: Json,
}

fn set(path: &str, value: Json) -> Json {
    json!([{"set": path, "value": value}])
}

fn rm(path: &str) -> Json {
    json!([{"rm": path}])
}

fn append(path: &str, item: Json) -> Json {
    json!([{"append": path, "value": [item]}])
}

/// Two devices that know what both did.
fn met(shared: &Json, mine: &Json, theirs: &Json) -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, shared.clone());
    mesh.cut(link);
    mesh.edit(1, mine.clone());
    mesh.edit(2, theirs.clone());
    mesh.connect(1, 2);
    mesh
}

/// The event is not taken back but by force, and nothing changes by asking.
#[track_caller]
fn is_refused(told: &str, mesh: &mut Mesh, event: EventId) {
    let open = mesh.conflicts(1);
    let shown = [mesh.get(1, "notes"), mesh.get(2, "notes")];
    let not = mesh.not_undone(1, None);
    assert_eq!((not.refused, not.by), (Some(event), None), "{told}: {not:?}");
    assert!(not.reason.starts_with("a conflict at or below "), "{told}: {}", not.reason);
    assert!(not.force.is_some_and(|force| force.ends_with(" --force")), "{told}");
    assert_eq!([mesh.conflicts(1), mesh.conflicts(2)], [open.clone(), open], "{told}");
    assert_eq!([mesh.get(1, "notes"), mesh.get(2, "notes")], shown, "{told}");
    let Reply::Undone(_) = mesh.undo(1, None, true) else { panic!("{told}") };
    mesh.assert_equal(&[1, 2]);
}

/// What the sides of the conflicts of a device show, and which removed.
fn sides(mesh: &mut Mesh, device: u8) -> Vec<Vec<(bool, String)>> {
    let of = |row: ConflictRow| {
        let sides = row.sides.iter().map(|side| (side.deleted, side.value.to_string()));
        let mut sides: Vec<_> = sides.collect();
        sides.sort();
        sides
    };
    mesh.conflicts(device).into_iter().map(of).collect()
}

/// The event is taken back by several, and what it decided is open again with all of its sides.
#[track_caller]
fn is_open_again(told: &str, mesh: &mut Mesh, event: EventId, were: &[Vec<(bool, String)>]) {
    assert!(mesh.conflicts(1).is_empty(), "{told}");
    let undone = mesh.undone(1, None);
    assert_eq!((undone.undoes, undone.reopened), (event, true), "{told}");
    assert_eq!([sides(mesh, 1), sides(mesh, 2)], [were, were], "{told}");
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn who_wrote_where_a_conflict_of_a_removal_is_open_does_not_end_it_by_taking_that_back() {
    // SPEC: UNDO-2
    let map = || set("notes/a", json!({"d": {"x": 0}}));
    let stories = [
        // In a map that is put back as a whole.
        Story {
            shared: map(),
            mine: rm("notes/a/d"),
            theirs: set("notes/a/d/x", json!(2)),
            then: rm("notes/a"),
        },
        Story {
            shared: map(),
            mine: rm("notes/a/d"),
            theirs: set("notes/a/d/x", json!(2)),
            then: set("notes/a", json!(7)),
        },
    ];
    for (at, Story { shared, mine, theirs, then }) in stories.into_iter().enumerate() {
        let mut mesh = met(&shared, &mine, &theirs);
        assert_eq!(mesh.conflicts(1).len(), 1, "{at}");
        let event = mesh.edit(1, then);
        is_refused(&at.to_string(), &mut mesh, event);
    }
    // Of a list what was written is put back alone, also where the list was replaced.
    let replaced = (set("notes/a", json!(["oat milk"])), append("notes/a", json!("bread")));
    let removed = (rm("notes/a/0"), set("notes/a/0/x", json!(2)));
    for (shared, (mine, theirs)) in [(json!(["oats"]), replaced), (json!([{"x": 0}]), removed)] {
        let mut mesh = met(&set("notes/a", shared), &mine, &theirs);
        let (open, shown) = (mesh.conflicts(2), mesh.get(2, "notes/a"));
        let event = mesh.edit(1, append("notes/a", json!(5)));
        assert_eq!(mesh.undone(1, None).undoes, event);
        assert_eq!((mesh.conflicts(2), mesh.get(2, "notes/a")), (open, shown));
    }
}

#[test]
fn who_decided_a_conflict_of_a_removal_without_naming_it_opens_it_again_by_taking_that_back() {
    // SPEC: UNDO-2
    let text = "a text that is long enough to be one";
    let stories = [
        Story {
            shared: set("notes/a", json!({"x": 0})),
            mine: set("notes/a", json!({"y": 0})),
            theirs: set("notes/a/x", json!(2)),
            then: set("notes/a", json!(text)),
        },
        Story {
            shared: set("notes/a", json!(text)),
            mine: rm("notes/a"),
            theirs: set("notes/a", json!("another")),
            then: set("notes/a", json!("neither")),
        },
        Story {
            shared: set("policies/push", json!("ask")),
            mine: rm("policies/push"),
            theirs: set("policies/push", json!("allow")),
            then: set("policies/push", json!("ask")),
        },
    ];
    for (at, Story { shared, mine, theirs, then }) in stories.into_iter().enumerate() {
        let mut mesh = met(&shared, &mine, &theirs);
        let open = sides(&mut mesh, 1);
        assert_eq!(open.len(), 1, "{at}");
        let event = mesh.edit(1, then);
        is_open_again(&at.to_string(), &mut mesh, event, &open);
    }
}

#[test]
fn a_removal_that_was_kept_against_another_value_is_a_side_again() {
    // SPEC: UNDO-2
    let mut mesh =
        met(&set("notes/a", json!("old")), &rm("notes/a"), &set("notes/a", json!("new")));
    let open = mesh.conflicts(1).remove(0);
    let were = sides(&mut mesh, 1);
    let side = open.sides.iter().find(|side| side.deleted).unwrap().side.clone();
    let event = mesh.edit(1, json!([{"resolve": open.id, "keep": side}]));
    assert!(!mesh.get(1, "notes").contains("\"a\""));
    is_open_again("removal", &mut mesh, event, &were);
    assert_eq!(mesh.get(2, "notes/a"), "\"new\"");
}

#[test]
fn who_decided_two_conflicts_at_once_opens_both_again_also_that_of_a_removal() {
    // SPEC: UNDO-2
    let whole = |x: &str| json!([{"set": "notes/a", "value": x}, {"rm": "notes/b/d"}]);
    let shared = json!([
        {"set": "notes/a", "value": 0}, {"set": "notes/b", "value": {"d": {"x": 0}}}
    ]);
    let theirs = json!([{"set": "notes/a", "value": 2}, {"set": "notes/b/d/x", "value": 2}]);
    let mut mesh = met(&shared, &whole("1"), &theirs);
    let open = mesh.conflicts(1);
    assert_eq!(open.len(), 2);
    let were = sides(&mut mesh, 1);
    let keep = |at: usize| json!({"resolve": open[at].id, "keep": "A"});
    let event = mesh.edit(1, json!([keep(0), keep(1)]));
    assert!(mesh.conflicts(1).is_empty());
    is_open_again("two", &mut mesh, event, &were);
}

#[test]
fn of_three_sides_all_come_back_also_where_the_third_removed() {
    // SPEC: UNDO-2
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    mesh.edit(1, set("notes/a", json!(0)));
    links.into_iter().for_each(|link| mesh.cut(link));
    mesh.edit(1, set("notes/a", json!(1)));
    mesh.edit(2, set("notes/a", json!(2)));
    mesh.edit(3, rm("notes/a"));
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    let open = mesh.conflicts(1).remove(0);
    assert_eq!(open.sides.len(), 3);
    let (were, shown) = (sides(&mut mesh, 1), mesh.get(1, "notes/a"));
    for keep in ["A", "B", "C"] {
        let id = mesh.conflicts(1).remove(0).id;
        let event = mesh.edit(1, json!([{"resolve": id, "keep": keep}]));
        is_open_again(keep, &mut mesh, event, &were);
        assert_eq!(mesh.get(3, "notes/a"), shown, "{keep}");
    }
}

#[test]
fn what_was_decided_in_a_list_is_open_again_with_what_was_written_beside_it() {
    // SPEC: UNDO-2
    let decided = json!({"set": "notes/l/1", "value": "one"});
    let cases = [
        json!([decided, {"set": "notes/l/2", "value": 8}]),
        json!([{"rm": "notes/l/0"}, {"set": "notes/l/0", "value": 7}]),
        json!([{"rm": "notes/l/1"}, {"append": "notes/l", "value": ["w"]}]),
        json!([{"rm": "notes/l/2"}, {"rm": "notes/l/1"}, {"rm": "notes/l/0"}]),
    ];
    let removed = (rm("notes/l/1"), set("notes/l/1", json!("two")));
    let values = (set("notes/l/1", json!("one")), set("notes/l/1", json!("two")));
    for (ours, theirs) in [values, removed] {
        for edits in &cases {
            let shared = set("notes/l", json!(["x", {"k": 1}, "y", "z"]));
            let mut mesh = met(&shared, &ours, &theirs);
            let (were, shown) = (sides(&mut mesh, 1), mesh.get(1, "notes/l"));
            // Written over, which decides it, and beside it.
            let event = mesh.edit(1, edits.clone());
            is_open_again(&format!("{ours} {edits}"), &mut mesh, event, &were);
            assert_eq!(mesh.get(2, "notes/l"), shown, "{ours} {edits}");
        }
    }
}

fn branch(mesh: &mut Mesh, command: BranchCommand) {
    let reply = mesh.ask(1, Command::Branch(command));
    assert!(matches!(reply, Reply::Branch(_)), "{reply:?}");
}

fn begin_branch(mesh: &mut Mesh) {
    let (name, of, at) = ("try".to_owned(), DocPath::default(), None);
    branch(mesh, BranchCommand::Create { name, of, at, purpose: String::new() });
}

fn merge_branch(mesh: &mut Mesh) {
    branch(mesh, BranchCommand::Merge { name: "try".to_owned() });
}

/// Two devices, and a conflict between a removal and an edit of what was removed.
fn removed_and_edited() -> Mesh {
    let mut mesh =
        met(&set("notes/a", json!([{"x": 0}, 1])), &rm("notes/a/0"), &set("notes/a/0/x", json!(2)));
    assert_eq!(mesh.conflicts(1).len(), 1);
    mesh
}

#[test]
fn a_merge_of_a_branch_is_taken_back_beside_a_conflict_that_is_open_in_the_list_that_it_wrote() {
    // SPEC: UNDO-2, BRA-4
    let mut mesh = removed_and_edited();
    let before = (mesh.get(1, "notes/a"), sides(&mut mesh, 1));
    begin_branch(&mut mesh);
    mesh.edit(1, append("branches/try/notes/a", json!(5)));
    merge_branch(&mut mesh);
    assert_eq!(mesh.conflicts(1).len(), 1);
    mesh.undone(1, None);
    for device in [1, 2] {
        assert_eq!((mesh.get(device, "notes/a"), sides(&mut mesh, device)), before, "{device}");
    }
}

#[test]
fn a_merge_that_brought_a_decision_which_shows_nothing_is_not_taken_back_unheard() {
    // SPEC: UNDO-2, BRA-4
    let mut mesh =
        met(&set("notes/a", json!({"x": 0})), &rm("notes/a"), &set("notes/a/x", json!(2)));
    assert_eq!(mesh.conflicts(1).len(), 1);
    begin_branch(&mut mesh);
    // The removal stands, and knows both sides.
    mesh.edit(1, set("branches/try/notes/a", json!(7)));
    mesh.edit(1, rm("branches/try/notes/a"));
    mesh.edit(1, set("branches/try/notes/b", json!(1)));
    merge_branch(&mut mesh);
    assert!(mesh.conflicts(1).is_empty());
    let not = mesh.not_undone(1, None);
    assert!(not.reason.starts_with("a conflict at or below \"notes/a\""), "{not:?}");
}

#[test]
fn a_conflict_that_a_merge_brought_ends_with_it() {
    // SPEC: UNDO-2, BRA-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    mesh.edit(1, set("notes/a", json!(0)));
    begin_branch(&mut mesh);
    mesh.edit(1, set("branches/try/notes/a", json!(1)));
    mesh.edit(1, set("notes/a", json!(2)));
    merge_branch(&mut mesh);
    assert_eq!(mesh.conflicts(1).len(), 1);
    mesh.undone(1, None);
    assert!(mesh.conflicts(1).is_empty());
    assert_eq!(mesh.get(2, "notes/a"), "2");
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn what_came_in_by_a_merge_that_is_taken_back_holds_up_no_older_undo() {
    // SPEC: UNDO-3, BRA-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    mesh.edit(1, set("notes/a", json!(0)));
    begin_branch(&mut mesh);
    mesh.edit(1, set("branches/try/notes/a", json!(1)));
    let older = mesh.edit(1, set("notes/a", json!(2)));
    merge_branch(&mut mesh);
    assert_eq!(mesh.conflicts(1).len(), 1);
    let merge = mesh.undone(1, None);
    assert_eq!(mesh.undone(1, None).undoes, older);
    assert_eq!((mesh.get(2, "notes/a"), mesh.conflicts(2)), ("0".to_owned(), vec![]));
    // Merged again it counts again.
    let newer = mesh.edit(1, set("notes/a", json!(3)));
    let Reply::Undone(_) = mesh.undo(1, Some(merge.event), true) else { panic!() };
    let not = mesh.not_undone(1, Some(newer));
    assert_eq!(not.refused, Some(newer), "{not:?}");
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn what_is_hidden_where_the_way_was_removed_and_put_back_is_not_overwritten() {
    // SPEC: UNDO-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, set("notes/q", json!({"other": 1})));
    let mine = mesh.edit(1, set("notes/q/list", json!({"eggs": 1})));
    let removed = mesh.edit(2, rm("notes/q"));
    assert_eq!(mesh.undone(2, None).undoes, removed);
    mesh.cut(link);
    let own = mesh.edit(1, set("notes/q/list/eggs", json!(3)));
    assert_eq!(mesh.undone(1, None).undoes, own);
    let theirs = mesh.edit(2, set("notes/q/list/eggs", json!(12)));
    mesh.connect(1, 2);
    let open = mesh.conflicts(1);
    let not = mesh.not_undone(1, Some(mine));
    assert_eq!((not.refused, not.by), (Some(mine), Some(theirs)), "{not:?}");
    assert_eq!([mesh.conflicts(1), mesh.conflicts(2)], [open.clone(), open]);
}

#[test]
fn what_two_took_back_apart_stands_as_if_one_had() {
    // SPEC: UNDO-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let first = mesh.edit(1, set("notes/a", json!(1)));
    let second = mesh.edit(1, set("notes/a", json!(2)));
    mesh.cut(link);
    for device in [1, 2] {
        assert_eq!(mesh.undone(device, Some(second)).undoes, second);
    }
    mesh.connect(1, 2);
    assert!(mesh.conflicts(1).is_empty());
    assert_eq!(mesh.undone(1, None).undoes, first);
    mesh.assert_equal(&[1, 2]);
    assert!(!mesh.get(2, "notes").contains("\"a\""));
}
