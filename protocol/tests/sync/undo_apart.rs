//! Taking back where others wrote apart: below what is put back, and the sides of a conflict that
//! is open again.

use std::collections::BTreeMap;

use kernelos_protocol::command::{ConflictPage, ConflictRow, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;

/// Where a removal or a replacement takes objects away, and what is written below them apart.
fn below() -> [Json; 5] {
    [
        json!([{"set": "notes/a/deep/y", "value": 2}]),
        json!([{"append": "notes/a/text", "value": " and sun"}]),
        json!([{"set": "notes/a/list/0/z", "value": 2}]),
        json!([{"append": "notes/a/list", "value": [3, {"four": 4}]}]),
        json!([
            {"set": "notes/a/deep/new/way", "value": {}},
            {"set": "notes/a/deep/new/way/down", "value": 2},
        ]),
    ]
}

fn shared() -> Json {
    json!({"x": 1, "deep": {"y": 1}, "text": "rain", "list": [{"z": 1}, 2]})
}

/// Two devices that have what is shared, and no link any more.
fn parted() -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([{"set": "notes/a", "value": shared()}]));
    mesh.cut(link);
    mesh
}

#[test]
fn what_was_written_below_a_removal_holds_its_undo_up_also_where_it_was_taken_back() {
    // SPEC: UNDO-3
    // That nothing of it is left is nothing that can be seen there.
    let set = |value: Json| json!([{"set": "notes/a", "value": value}]);
    let gone = [json!([{"rm": "notes/a"}]), set(json!(7)), set(json!({"other": 1}))];
    for (gone, below) in gone.iter().flat_map(|gone| below().map(|below| (gone, below))) {
        let mut mesh = parted();
        let mine = mesh.edit(1, gone.clone());
        let each = below.as_array().unwrap().iter();
        let theirs: Vec<_> = each.map(|one| mesh.edit(2, json!([one]))).collect();
        let undone = theirs.iter().rev().map(|event| {
            let undone = mesh.undone(2, None);
            assert_eq!(undone.undoes, *event);
            undone.event
        });
        let last = undone.last();
        mesh.connect(1, 2);
        let not = mesh.not_undone(1, None);
        assert_eq!((not.refused, not.by), (Some(mine), last), "{gone} {below}");
        let Reply::Undone(_) = mesh.undo(1, None, true) else { panic!("{gone} {below}") };
        for number in [1, 2] {
            assert_eq!(mesh.get(number, "notes/a"), shared().to_string(), "{gone} {below}");
        }
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn what_was_taken_back_in_part_or_made_once_more_holds_the_undo_up_still() {
    // SPEC: UNDO-3
    for below in below() {
        let mut mesh = parted();
        let mine = mesh.edit(1, json!([{"rm": "notes/a"}]));
        let each = below.as_array().unwrap().iter();
        let last = each.map(|one| mesh.edit(2, json!([one]))).last().unwrap();
        mesh.edit(2, json!([{"set": "notes/a/stays", "value": true}]));
        mesh.undone(2, Some(last));
        mesh.connect(1, 2);
        let not = mesh.not_undone(1, Some(mine));
        assert!(not.by.is_some() && not.refused == Some(mine), "{below}");
        assert_eq!(mesh.conflicts(2).len(), 1, "{below}");

        let mut mesh = parted();
        let mine = mesh.edit(1, json!([{"rm": "notes/a"}]));
        mesh.edit(2, below.clone());
        mesh.undone(2, None);
        let again = mesh.edit(2, below.clone());
        mesh.connect(1, 2);
        assert_eq!(mesh.not_undone(1, Some(mine)).by, Some(again), "{below}");
    }
}

#[test]
fn what_another_wrote_below_a_removal_is_not_lost_where_a_third_put_the_same_there_again() {
    // SPEC: UNDO-3, CFL-4
    // What shows there now is what was removed, and the edit is in what a third replaced.
    for (theirs, path, value) in hidden() {
        let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
        let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
        mesh.edit(1, json!([{"set": "notes/a", "value": shared()}]));
        links.into_iter().for_each(|link| mesh.cut(link));
        let mine = mesh.edit(1, json!([{"rm": "notes/a"}]));
        let hides = mesh.edit(2, json!([{"set": path, "value": value}]));
        let theirs = mesh.edit(3, theirs);
        mesh.connect(1, 2);
        mesh.connect(1, 3);
        let open = mesh.conflicts(1);
        let shows = |row: &ConflictRow| row.sides.iter().any(|side| side.event == Some(theirs));
        assert!(open.len() == 1 && shows(&open[0]), "{open:?}");
        let not = mesh.not_undone(1, None);
        // Of two that do not know each other each is a last one.
        let by = not.by.unwrap();
        assert!(not.refused == Some(mine) && [hides, theirs].contains(&by), "{path}: {not:?}");
        for number in [1, 2, 3] {
            assert_eq!(mesh.conflicts(number)[0].id, open[0].id, "{path}");
        }
        let Reply::Undone(_) = mesh.undo(1, None, true) else { panic!() };
        assert_eq!(mesh.get(3, "notes/a"), shared().to_string());
    }
}

/// What is written below the removal, where a second device put what was removed once more.
fn hidden() -> [(Json, &'static str, Json); 3] {
    [
        (json!([{"append": "notes/a/text", "value": " and sun"}]), "notes/a/text", json!("rain")),
        (json!([{"set": "notes/a/deep/y", "value": 2}]), "notes/a/deep", json!({"y": 1})),
        (json!([{"append": "notes/a/list", "value": [3]}]), "notes/a/list", json!([{"z": 1}, 2])),
    ]
}

/// One removes, apart from two who meet in an open conflict below: their edits, and the removal.
fn met_below(theirs: &Json, hides: Json) -> (Mesh, EventId, EventId) {
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    mesh.edit(1, json!([{"set": "notes/a", "value": shared()}]));
    links.into_iter().for_each(|link| mesh.cut(link));
    let mine = mesh.edit(1, json!([{"rm": "notes/a"}]));
    mesh.edit(2, hides);
    let theirs = mesh.edit(3, theirs.clone());
    mesh.connect(2, 3);
    assert_eq!(mesh.conflicts(2).len(), 1);
    (mesh, mine, theirs)
}

#[test]
fn an_edit_that_is_the_lost_side_of_a_conflict_is_not_taken_back_by_who_met_it_there() {
    // SPEC: UNDO-3
    let scalar = (json!([{"rm": "notes/a/deep/y"}]), "notes/a/deep/y", json!(5));
    let removal = (json!([{"rm": "notes/a/text"}]), "notes/a/text", json!("rain"));
    for (theirs, path, value) in hidden().into_iter().chain([removal, scalar]) {
        let (mut mesh, mine, theirs) = met_below(&theirs, json!([{"set": path, "value": value}]));
        mesh.edit(2, json!([{"set": "notes/a/x", "value": 2}]));
        mesh.undone(2, None);
        mesh.connect(1, 2);
        let not = mesh.not_undone(1, None);
        assert!(not.refused == Some(mine) && not.by.is_some(), "{path}: {not:?} {theirs}");
        for number in [1, 2, 3] {
            assert_eq!(mesh.conflicts(number).len(), 1, "{path}");
        }
    }
}

#[test]
fn an_edit_within_what_was_made_below_a_removal_is_not_lost_where_another_removed_that() {
    // SPEC: UNDO-3
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    mesh.edit(1, json!([{"set": "notes/a", "value": shared()}]));
    links.into_iter().for_each(|link| mesh.cut(link));
    let mine = mesh.edit(1, json!([{"rm": "notes/a"}]));
    let link = mesh.connect(2, 3);
    mesh.edit(3, json!([{"set": "notes/a/deep/new", "value": {}}]));
    mesh.cut(link);
    mesh.edit(2, json!([{"rm": "notes/a/deep/new"}]));
    let theirs = mesh.edit(3, json!([{"set": "notes/a/deep/new/down", "value": 2}]));
    mesh.connect(2, 3);
    mesh.edit(2, json!([{"set": "notes/a/x", "value": 2}]));
    mesh.undone(2, None);
    mesh.connect(1, 2);
    let not = mesh.not_undone(1, None);
    assert!(not.refused == Some(mine) && not.by.is_some(), "{not:?} {theirs}");
}

#[test]
fn an_edit_to_what_was_removed_and_put_back_is_not_lost_where_all_of_it_is_taken_back() {
    // SPEC: UNDO-3, CFL-4
    // What an undo put back is another object than the one that the edit is in.
    for (first, mut again) in [(None, 1), (Some(json!("before")), 2), (None, 3)] {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        if let Some(first) = first {
            mesh.edit(1, json!([{"set": "notes/a", "value": first}]));
        }
        let mine = mesh.edit(1, json!([{"set": "notes/a", "value": {"x": 1}}]));
        mesh.cut(link);
        while again > 0 {
            mesh.edit(1, json!([{"rm": "notes/a"}]));
            mesh.undone(1, None);
            again -= 1;
        }
        let theirs = mesh.edit(2, json!([{"set": "notes/a/x", "value": 2}]));
        mesh.connect(1, 2);
        let open = mesh.conflicts(1);
        assert_eq!(open.len(), 1);
        let not = mesh.not_undone(1, Some(mine));
        assert_eq!((not.refused, not.by), (Some(mine), Some(theirs)));
        assert_eq!(mesh.conflicts(2), open);
    }
}

#[test]
fn an_edit_to_what_was_removed_is_not_lost_where_what_was_put_there_instead_is_taken_back() {
    // SPEC: UNDO-3, CFL-4
    let mut mesh = parted();
    mesh.edit(1, json!([{"rm": "notes/a"}]));
    let mine = mesh.edit(1, json!([{"set": "notes/a", "value": {"other": 1}}]));
    let theirs = mesh.edit(2, json!([{"set": "notes/a/x", "value": 2}]));
    mesh.connect(1, 2);
    assert_eq!(mesh.conflicts(1).len(), 1);
    let not = mesh.not_undone(1, None);
    assert_eq!((not.refused, not.by), (Some(mine), Some(theirs)));
    assert_eq!(mesh.conflicts(2).len(), 1);
}

#[test]
fn an_edit_to_an_item_that_was_removed_from_a_list_is_not_lost_wherever_it_stood() {
    // SPEC: UNDO-3
    for (items, at) in [(1, 0), (2, 0), (2, 1), (3, 1)] {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([{"set": "notes/l", "value": vec![json!({"z": 1}); items]}]));
        mesh.cut(link);
        let mine = mesh.edit(1, json!([{"rm": format!("notes/l/{at}")}]));
        let theirs = mesh.edit(2, json!([{"set": format!("notes/l/{at}/z"), "value": 2}]));
        mesh.connect(1, 2);
        let open = mesh.conflicts(1);
        assert_eq!(open.len(), 1, "{at} of {items}");
        let not = mesh.not_undone(1, None);
        assert_eq!((not.refused, not.by), (Some(mine), Some(theirs)), "{at} of {items}");
        assert_eq!(mesh.conflicts(2), open, "{at} of {items}");
        let Reply::Undone(_) = mesh.undo(1, None, true) else { panic!("{at} of {items}") };
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn what_two_replaced_or_removed_apart_in_a_list_is_not_overwritten_by_one_of_them() {
    // SPEC: UNDO-3
    let set = |path: &str, value: Json| json!([{"set": path, "value": value}]);
    let rm = |path: &str| json!([{"rm": path}]);
    let apart = [
        (set("notes/a/list/1", json!(5)), rm("notes/a/list/1")),
        (set("notes/a/list/0/z", json!(5)), rm("notes/a/list/0/z")),
        (rm("notes/a/list/1"), rm("notes/a/list/1")),
    ];
    for (mine, theirs) in apart {
        let mut mesh = parted();
        let event = mesh.edit(1, mine.clone());
        let other = mesh.edit(2, theirs.clone());
        mesh.connect(1, 2);
        let open = mesh.conflicts(1);
        let not = mesh.not_undone(1, None);
        assert_eq!((not.refused, not.by), (Some(event), Some(other)), "{mine} {theirs}");
        assert_eq!(mesh.conflicts(2), open, "{mine} {theirs}");
        let Reply::Undone(_) = mesh.undo(1, None, true) else { panic!("{mine} {theirs}") };
        assert_eq!(mesh.get(2, "notes/a"), shared().to_string(), "{mine} {theirs}");
    }
}

#[test]
fn what_was_written_apart_from_a_change_counts_also_where_an_undo_put_that_back_since() {
    // SPEC: UNDO-3
    for mine in [json!([{"set": "notes/a", "value": {"other": 1}}]), json!([{"rm": "notes/a"}])] {
        let mut mesh = parted();
        let first = mesh.edit(1, mine.clone());
        let theirs = mesh.edit(2, json!([{"set": "notes/a/x", "value": 2}]));
        mesh.connect(1, 2);
        let last = mesh.edit(1, json!([{"set": "notes/a", "value": 7}]));
        // It decided the conflict, which is open again.
        let undone = mesh.undone(1, None);
        assert_eq!((undone.undoes, undone.reopened), (last, true), "{mine}");
        let not = mesh.not_undone(1, None);
        assert_eq!(not.refused, Some(first), "{mine}");
        let by = not.by.unwrap();
        assert!(by == theirs || by == undone.event || undone.also.contains(&by), "{mine}: {by}");
        assert_eq!(mesh.conflicts(2).len(), 1, "{mine}");
    }
}

#[test]
fn a_removal_apart_from_who_wrote_there_is_not_overwritten_by_who_takes_that_back() {
    // SPEC: UNDO-3
    let removed = || json!([{"rm": "notes/a/x"}]);
    let mine =
        [json!([{"set": "notes/a/x", "value": 2}]), json!([{"set": "notes/a/x", "value": {}}])];
    for mine in mine.into_iter().chain([removed()]) {
        let mut mesh = parted();
        let event = mesh.edit(1, mine.clone());
        let theirs = mesh.edit(2, removed());
        mesh.connect(1, 2);
        let open = mesh.conflicts(1);
        let not = mesh.not_undone(1, None);
        assert_eq!((not.refused, not.by), (Some(event), Some(theirs)), "{mine}");
        assert_eq!(mesh.conflicts(2), open, "{mine}");
        let Reply::Undone(_) = mesh.undo(1, None, true) else { panic!("{mine}") };
        assert_eq!(mesh.get(2, "notes/a"), shared().to_string(), "{mine}");
    }
}

/// What is told of why, without the letters: each side by what it shows.
fn told(row: &ConflictRow) -> (Vec<String>, String) {
    let (lead, rest) = row.why.split_once(": ").unwrap();
    let (knew, last) = rest.split_once(". ").unwrap();
    let named = |text: &str| {
        row.sides.iter().fold(text.to_owned(), |text, side| {
            let (letter, value) = (&side.side, side.value.to_string());
            let text = text.replace(&format!("{letter} was made"), &format!("{value} was made"));
            text.replace(&format!("{letter}'s line"), &format!("{value}'s line"))
        })
    };
    let mut each: Vec<_> = knew.split("; ").map(named).collect();
    each.sort();
    each.insert(0, lead.to_owned());
    (each, last.to_owned())
}

/// Two that wrote one place apart after a third, who decided: all hear all but `cut`.
fn decided() -> (Mesh, ConflictRow) {
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.edit(1, json!([{"set": "notes/a", "value": "before"}]));
    mesh.cut(link);
    mesh.edit(1, json!([{"set": "notes/a", "value": "ours"}]));
    mesh.edit(2, json!([{"set": "notes/a", "value": {"the": "others"}}]));
    mesh.connect(1, 2);
    let open = mesh.conflicts(3).remove(0);
    assert_eq!(open.base, "before");
    mesh.edit(3, json!([{"resolve": open.id, "value": "both"}]));
    (mesh, open)
}

#[test]
fn a_conflict_that_an_undo_opened_again_is_told_of_those_who_wrote_its_sides() {
    // SPEC: CFL-8, CFL-17, UNDO-2
    let (mut mesh, open) = decided();
    for turn in 1..=2 {
        mesh.undone(3, None);
        for number in [1, 2, 3] {
            let again = mesh.conflicts(number).remove(0);
            assert!(again.sides.iter().all(|side| side.put_back.is_some()));
            assert_eq!((&again.base, &again.common), (&open.base, &open.common), "turn {turn}");
            assert_eq!(told(&again), told(&open), "turn {turn}");
            let page = ConflictPage { conflicts: vec![again], more: 0, total: 1, next: None };
            let text = present::to_text(&present::conflicts(&page, &BTreeMap::new()));
            assert!(text.contains("before  \"before\"\n"), "{text}");
            assert!(text.contains("Neither change has the other in its past: "), "{text}");
        }
        // Decided once more, and taken back once more.
        let resolve = mesh.conflicts(3)[0].id;
        mesh.edit(3, json!([{"resolve": resolve, "value": turn}]));
    }
}

#[test]
fn beside_what_an_undo_put_back_a_side_that_knew_who_wrote_it_is_told_to_have_known() {
    // SPEC: CFL-8, CFL-17
    let (mut mesh, open) = decided();
    let up = mesh.links.iter().filter(|(_, ends)| **ends != (0, 0));
    let links: Vec<_> = up.map(|(link, _)| *link).collect();
    links.into_iter().for_each(|link| mesh.cut(link));
    mesh.edit(2, json!([{"set": "notes/a", "value": "third"}]));
    let Reply::Undone(_) = mesh.undo(3, None, false) else { panic!() };
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    for number in [1, 2, 3] {
        let row = mesh.conflicts(number).remove(0);
        assert_eq!((row.sides.len(), &row.base), (3, &open.base));
        let (why, _) = told(&row);
        assert_eq!(
            why[0],
            "One change has another in its past, and an undo that it did not know put that back"
        );
        let third = why.iter().find(|side| side.starts_with("\"third\"")).unwrap();
        assert!(third.contains("changes of \"ours\"'s line"), "{third}");
        assert!(!third.contains("no change of"), "{third}");
    }
}

#[test]
fn what_two_wrote_alike_apart_is_no_conflict_that_an_undo_would_end() {
    // SPEC: CFL-6, UNDO-2
    let set = |at: &str, value: Json| json!([{"set": format!("notes/m{at}"), "value": value}]);
    let rm = |at: &str| json!([{"rm": format!("notes/m{at}")}]);
    let (plain, list) = (json!({"k": 1}), json!({"k": [1, 2]}));
    let cases = [
        (&plain, set("/k", json!("x")), rm("")),
        (&plain, set("/k", json!("x")), set("", json!(3))),
        (&plain, set("/k", json!("x")), set("/k", json!("y"))),
        (&plain, set("/k", json!(2)), rm("/k")),
        (&plain, set("/j", json!(2)), rm("")),
        (&plain, rm("/k"), rm("")),
        (&list, set("/k/0", json!("x")), rm("/k")),
        (&list, set("/k/0", json!("x")), rm("")),
        (&list, set("/k/0", json!("x")), set("/k", json!([9]))),
        (&list, set("/k/0", json!("x")), set("/k/0", json!(7))),
        (&list, set("/k/0", json!("x")), rm("/k/0")),
        (&list, rm("/k/0"), rm("/k")),
    ];
    for (shared, both, then) in cases {
        let told = format!("{shared} {both} {then}");
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, set("", shared.clone()));
        mesh.cut(link);
        mesh.edit(1, both.clone());
        mesh.edit(2, both);
        mesh.connect(1, 2);
        let before = mesh.get(1, "notes/m");
        assert_eq!(mesh.conflicts(1), vec![], "{told}");
        let event = mesh.edit(1, then);
        let undone = mesh.undone(1, None);
        assert_eq!((undone.undoes, undone.reopened), (event, false), "{told}");
        assert_eq!([mesh.get(1, "notes/m"), mesh.get(2, "notes/m")], [&*before; 2], "{told}");
        // And that as well.
        mesh.undone(2, Some(undone.event));
        mesh.assert_equal(&[1, 2]);
    }
}
