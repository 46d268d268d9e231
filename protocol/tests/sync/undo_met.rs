//! What others wrote at, below or above a place is not overwritten by who takes back what stands
//! there, though the place shows nothing of it; and what nobody wrote does not hold that up.

use kernelos_protocol::command::{
    BranchCommand, BranchReply, Command, ConflictRow, Reply, SideRow,
};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::SETTER_PASTS_MAX;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::{Mesh, id};

/// What one of two devices does next.
#[derive(Clone)]
enum Step {
    /// Writes.
    Edit(u8, Json),
    /// Takes its last event back.
    Undo(u8),
    /// They hear each other, from here on.
    Meet,
    /// They do not any more.
    Part,
}

use Step::{Edit, Meet, Part, Undo};

fn set(device: u8, path: &str, value: Json) -> Step {
    Edit(device, json!([{"set": path, "value": value}]))
}

fn rm(device: u8, path: &str) -> Step {
    Edit(device, json!([{"rm": path}]))
}

fn append(device: u8, path: &str, item: &str) -> Step {
    Edit(device, json!([{"append": path, "value": [item]}]))
}

/// Two devices after these steps, that hear each other, and the event of each step.
fn lived(steps: &[Step]) -> (Mesh, Vec<EventId>) {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let (mut events, mut link) = (Vec::new(), Some(mesh.connect(1, 2)));
    for step in steps {
        events.push(match step {
            Edit(device, edits) => mesh.edit(*device, edits.clone()),
            Undo(device) => mesh.undone(*device, None).event,
            Meet | Part => {
                link.take().into_iter().for_each(|link| mesh.cut(link));
                link = matches!(step, Meet).then(|| mesh.connect(1, 2));
                EventId([0; 32])
            }
        });
    }
    if link.is_none() {
        mesh.connect(1, 2);
    }
    (mesh, events)
}

/// The event of one step is not taken back, since another wrote there; no conflict ends by asking.
#[track_caller]
fn is_held_up(told: &str, mesh: &mut Mesh, mine: EventId, theirs: EventId) {
    let open = mesh.conflicts(1);
    let not = mesh.not_undone(1, Some(mine));
    assert_eq!((not.refused, not.by), (Some(mine), Some(theirs)), "{told}: {not:?}");
    assert!(not.force.is_some(), "{told}");
    assert_eq!([mesh.conflicts(1), mesh.conflicts(2)], [open.clone(), open], "{told}");
    let Reply::Undone(_) = mesh.undo(1, Some(mine), true) else { panic!("{told}") };
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn who_wrote_apart_from_an_inner_edit_and_its_undo_is_not_overwritten_by_the_undo_of_the_whole() {
    // SPEC: UNDO-3, CFL-4
    // Whichever of the two is shown: the other is in an open conflict below the place.
    let task = json!({"title": "pack", "state": "open"});
    let inner = |device: u8| {
        [
            (task.clone(), set(device, "notes/a/state", json!("done"))),
            (json!({"d": {"y": 1}}), rm(device, "notes/a/d")),
            (json!({"d": {"y": 1}}), set(device, "notes/a/d", json!({"z": 1}))),
            (json!({"l": ["milk"]}), append(device, "notes/a/l", "eggs")),
        ]
    };
    let apart = |device: u8| {
        [
            set(device, "notes/a/state", json!("done")),
            set(device, "notes/a/d/y", json!(2)),
            set(device, "notes/a/d/y", json!(2)),
            append(device, "notes/a/l", "bread"),
        ]
    };
    for by in [1, 2] {
        for (at, ((whole, inner), apart)) in inner(by).into_iter().zip(apart(3 - by)).enumerate() {
            let steps = [set(1, "notes/a", whole), Part, inner, Undo(by), apart];
            let (mut mesh, events) = lived(&steps);
            if by == 1 {
                is_held_up(&format!("{at}"), &mut mesh, events[0], events[4]);
            } else {
                // Of its own, and of another's: each is written since.
                let not = mesh.not_undone(1, Some(events[0]));
                assert!([Some(events[4]), Some(events[3])].contains(&not.by), "{at}: {not:?}");
            }
        }
    }
}

#[test]
fn what_was_removed_with_all_around_it_is_not_put_back_into_that_or_into_what_replaced_it() {
    // SPEC: UNDO-3
    let whole = || set(1, "notes/a", json!({"x": 1, "y": 2}));
    let mine = || rm(1, "notes/a/x");
    for (told, theirs) in [
        ("removed", rm(2, "notes/a")),
        ("a map", set(2, "notes/a", json!({"z": 9}))),
        ("a value", set(2, "notes/a", json!(7))),
        ("the same", set(2, "notes/a", json!({"y": 2}))),
    ] {
        for knows in [false, true] {
            let way = if knows { Meet } else { Part };
            let (mut mesh, events) = lived(&[whole(), way, mine(), theirs.clone()]);
            let [mine, theirs] = [events[2], events[3]];
            let open = mesh.conflicts(1);
            let not = mesh.not_undone(1, Some(mine));
            assert_eq!((not.refused, not.by), (Some(mine), Some(theirs)), "{told} {knows}");
            assert_eq!(mesh.conflicts(2), open, "{told} {knows}");
        }
    }
}

#[test]
fn who_wrote_where_something_was_removed_and_removed_that_again_is_not_overwritten() {
    // SPEC: UNDO-3
    let steps = [
        set(1, "notes/a", json!("old")),
        rm(1, "notes/a"),
        set(2, "notes/a", json!("new")),
        rm(2, "notes/a"),
    ];
    let (mut mesh, events) = lived(&steps);
    is_held_up("again", &mut mesh, events[1], events[3]);
}

#[test]
fn what_two_put_apart_under_a_new_key_of_an_item_of_a_list_is_not_overwritten_by_one() {
    // SPEC: UNDO-3
    for first in [1, 2] {
        let put = |device: u8| set(device, "notes/l/0/new", json!(device));
        let other = set(first, "notes/other", json!(1));
        let steps = [set(1, "notes/l", json!([{"z": 1}])), Part, other, put(1), put(2)];
        let (mut mesh, events) = lived(&steps);
        assert_eq!(mesh.conflicts(1).len(), 1, "{first}");
        is_held_up("a key", &mut mesh, events[3], events[4]);
    }
}

#[test]
fn who_wrote_into_the_side_of_a_conflict_that_is_not_shown_is_not_overwritten() {
    // SPEC: UNDO-3
    for first in [1, 2] {
        let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
        let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
        links.into_iter().for_each(|link| mesh.cut(link));
        mesh.edit(first, json!([{"set": "notes/other", "value": 1}]));
        for device in [1, 2] {
            mesh.edit(device, json!([{"set": "notes/l", "value": [device]}]));
        }
        // One hears of the other's list, and that one does not hear of this.
        for device in [2, 1] {
            let link = mesh.connect(device, 3);
            mesh.cut(link);
        }
        assert_eq!((mesh.conflicts(1).len(), mesh.conflicts(2).len()), (1, 0));
        let mine = mesh.edit(1, json!([{"append": "notes/l", "value": ["a"]}]));
        let theirs = mesh.edit(2, json!([{"append": "notes/l", "value": ["b"]}]));
        mesh.connect(1, 2);
        is_held_up("a side", &mut mesh, mine, theirs);
    }
}

#[test]
fn what_was_written_apart_from_a_merge_is_not_overwritten_where_that_is_taken_back() {
    // SPEC: UNDO-3, BRA-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([{"set": "notes/l", "value": [1, 2]}]));
    let name = "try".to_owned();
    let create = BranchCommand::Create {
        name: name.clone(),
        of: "".parse().unwrap(),
        at: None,
        purpose: String::new(),
    };
    let Reply::Branch(BranchReply::Made { .. }) = mesh.ask(1, Command::Branch(create)) else {
        panic!()
    };
    mesh.edit(1, json!([{"set": "branches/try/notes/l/0", "value": 5}]));
    mesh.cut(link);
    let theirs = mesh.edit(2, json!([{"rm": "notes/l/0"}]));
    let merged = mesh.ask(1, Command::Branch(BranchCommand::Merge { name }));
    let Reply::Branch(BranchReply::Merged { event, .. }) = merged else { panic!("{merged:?}") };
    mesh.connect(1, 2);
    assert_eq!(mesh.conflicts(1).len(), 1);
    is_held_up("a merge", &mut mesh, event, theirs);
}

#[test]
fn whom_an_undo_is_held_up_by_does_not_depend_on_who_was_heard_first() {
    // SPEC: UNDO-3, UNDO-4
    let held_up_by = |order: [u8; 2]| {
        let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
        let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
        let whole = mesh.edit(1, json!([{"set": "notes/a", "value": {"k": 0}}]));
        let mine = mesh.edit(1, json!([{"set": "notes/a/x", "value": 1}]));
        links.into_iter().for_each(|link| mesh.cut(link));
        let Reply::Undone(_) = mesh.undo(2, Some(whole), true) else { panic!() };
        mesh.edit(3, json!([{"rm": "notes/a/x"}]));
        for device in order {
            mesh.connect(1, device);
        }
        [Some(mine), None].map(|event| match mesh.undo(1, event, false) {
            Reply::Undone(undone) => (Some(undone.undoes), None),
            Reply::NotUndone(not) => (not.refused, Some(not.by)),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(held_up_by([2, 3]), held_up_by([3, 2]));
}

/// Two devices that wrote one place apart, and know it.
fn in_conflict(whole: Json, path: &str) -> Mesh {
    let steps = [set(1, "notes/a", whole), Part, set(1, path, json!(1)), set(2, path, json!(2))];
    let (mut mesh, _) = lived(&steps);
    assert_eq!(mesh.conflicts(1).len(), 1);
    mesh
}

#[test]
fn an_undo_that_would_end_a_conflict_for_good_is_refused_with_the_command_that_does_it() {
    // SPEC: UNDO-2
    // What it puts back as a whole shows one value of each place in it.
    let (map, list) = (json!({"x": 0, "l": []}), json!([{"x": 0}]));
    for (whole, path, edit) in [
        (map.clone(), "notes/a/x", json!([{"rm": "notes/a"}])),
        (map, "notes/a/x", json!([{"set": "notes/a", "value": 7}])),
        (list.clone(), "notes/a/0/x", json!([{"rm": "notes/a/0"}])),
        (list, "notes/a/0/x", json!([{"set": "notes/a/0", "value": 5}])),
    ] {
        let mut mesh = in_conflict(whole, path);
        let mine = mesh.edit(1, edit.clone());
        let open = mesh.conflicts(1);
        let not = mesh.not_undone(1, None);
        assert_eq!((not.refused, not.by), (Some(mine), None), "{edit}");
        assert!(not.reason.starts_with("a conflict at or below \"notes/a\""), "{}", not.reason);
        assert!(not.force.is_some_and(|force| force.ends_with(" --force")), "{edit}");
        assert_eq!([mesh.conflicts(1), mesh.conflicts(2)], [open.clone(), open], "{edit}");
        let Reply::Undone(_) = mesh.undo(1, None, true) else { panic!("{edit}") };
        mesh.assert_equal(&[1, 2]);
    }
    // Nothing of a conflict is in what it writes.
    for (whole, path, beside) in [
        (json!({"x": 0, "y": 1}), "notes/a/x", json!({"set": "notes/a/y", "value": 2})),
        (json!([{"x": 0}]), "notes/a/0/x", json!({"append": "notes/a", "value": [5]})),
    ] {
        let mut mesh = in_conflict(whole, path);
        let open = mesh.conflicts(2);
        let mine = mesh.edit(1, json!([beside]));
        assert_eq!(mesh.undone(1, None).undoes, mine);
        assert_eq!(mesh.conflicts(2), open);
    }
}

#[test]
fn a_choice_between_a_removal_and_an_edit_is_open_again_once_it_is_taken_back() {
    // SPEC: UNDO-2
    let (edited, removed) = (json!({"x": 2}), Json::Null);
    for (whole, gone, below) in [
        (json!({"x": 0}), "notes/a", "notes/a/x"),
        (json!([{"x": 0}, 1]), "notes/a/0", "notes/a/0/x"),
    ] {
        let steps = [set(1, "notes/a", whole), Part, rm(1, gone), set(2, below, json!(2))];
        for side in ["A", "B"] {
            let (mut mesh, _) = lived(&steps);
            let open = mesh.conflicts(1).remove(0);
            let mine = mesh.edit(1, json!([{"resolve": open.id, "keep": side}]));
            let undone = mesh.undone(1, None);
            assert_eq!((undone.undoes, undone.reopened), (mine, true), "{gone} {side}");
            let again = mesh.conflicts(2).remove(0);
            assert_eq!(again.path.to_string(), gone, "{gone} {side}");
            let values: Vec<_> = again.sides.iter().map(|row| row.value.clone()).collect();
            assert!(values.len() == 2 && [&edited, &removed].iter().all(|v| values.contains(v)));
            // Who wrote each is told, not who took the decision back.
            let wrote = |row: &SideRow| (row.value == edited, row.device);
            let mut wrote: Vec<_> = again.sides.iter().map(wrote).collect();
            wrote.sort();
            assert_eq!(wrote, [(false, Some(id(1))), (true, Some(id(2)))], "{gone} {side}");
            assert!(again.sides.iter().all(|row| row.put_back.is_some()), "{gone} {side}");
            assert_eq!(mesh.get(2, gone), edited.to_string(), "{gone} {side}");
            // And it is decided anew.
            mesh.edit(2, json!([{"resolve": again.id, "keep": side}]));
            assert!(mesh.conflicts(1).is_empty(), "{gone} {side}");
        }
    }
}

#[test]
fn what_others_wrote_beside_a_place_does_not_hold_its_undo_up() {
    // SPEC: UNDO-3
    let whole = || set(1, "notes/a", json!({"x": 1, "l": [1], "d": {"y": 1}}));
    let mine = || {
        [
            set(1, "notes/a/x", json!(2)),
            rm(1, "notes/a/x"),
            append(1, "notes/a/l", "one"),
            rm(1, "notes/a/d/y"),
            set(1, "notes/a/new", json!({"deep": {"er": 1}})),
        ]
    };
    let theirs = || {
        [
            set(2, "notes/a/beside", json!(1)),
            set(2, "notes/a/d/z", json!([1])),
            set(2, "notes/b", json!({"x": 1})),
            rm(2, "notes/c"),
        ]
    };
    for (at, knows) in (0..5).flat_map(|at| [(at, false), (at, true)]) {
        for theirs in theirs() {
            let other = set(1, "notes/c", json!(1));
            let mine = mine().into_iter().nth(at).unwrap();
            let way = if knows { Meet } else { Part };
            let (mut mesh, events) = lived(&[other, whole(), way, mine, theirs]);
            assert_eq!(mesh.undone(1, Some(events[3])).undoes, events[3], "{at} {knows}");
            let shown: Json = serde_json::from_str(&mesh.get(2, "notes/a")).unwrap();
            assert_eq!(
                (&shown["x"], &shown["l"], &shown["d"]["y"]),
                (&json!(1), &json!([1]), &json!(1))
            );
            assert_eq!(shown.get("new"), None);
            mesh.assert_equal(&[1, 2]);
        }
    }
}

#[test]
fn of_many_removals_that_were_put_back_every_listing_says_the_same() {
    // SPEC: CFL-17
    let all = 0..18;
    let path = |at: u32| format!("notes/{at:02}");
    let each = |edit: &dyn Fn(u32) -> Json| Json::Array(all.clone().map(edit).collect());
    let (mut mesh, _) = lived(&[
        Edit(1, each(&|at| json!({"set": path(at), "value": 0}))),
        Part,
        Edit(1, each(&|at| json!({"rm": path(at)}))),
        Edit(2, each(&|at| json!({"set": path(at), "value": 2}))),
    ]);
    for row in mesh.conflicts(1) {
        mesh.edit(1, json!([{"resolve": row.id, "keep": "A"}]));
        mesh.undone(1, None);
    }
    let told = |mesh: &mut Mesh, device: u8| -> Vec<Vec<_>> {
        let of = |row: &ConflictRow| row.sides.iter().map(|side| side.device).collect();
        mesh.conflicts(device).iter().map(of).collect()
    };
    let first = told(&mut mesh, 1);
    let both = |devices: &&Vec<_>| devices.contains(&Some(id(1))) && devices.contains(&Some(id(2)));
    assert_eq!((first.len(), first.iter().filter(both).count()), (18, SETTER_PASTS_MAX));
    for _ in 0..3 {
        assert_eq!([told(&mut mesh, 1), told(&mut mesh, 2)], [first.clone(), first.clone()]);
    }
}
