//! What is told of a place that one removed while another changed it: where it is read, where it is
//! written below, and of the event that decides it. `SPEC: CFL-6`

use kernelos_protocol::command::{Command, FailureKind, Reply};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::document::preview::Preview;
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::ENDED_NAMED_MAX;
use kernelos_protocol::present::{event, to_text};
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;

fn path(text: &str) -> DocPath {
    text.parse().unwrap()
}

/// A map that device 1 took away while device 2 changed what is in it: nothing is shown there.
fn removed_apart() -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    let made = mesh.ask(1, Command::CreateBoard { name: "g".to_owned() });
    assert!(matches!(made, Reply::BoardMade { .. }), "{made:?}");
    let shared = |at: &str| json!({"set": format!("{at}notes/m"), "value": {"x": 1, "l": [1]}});
    mesh.edit(1, json!([shared(""), shared("boards/g/")]));
    mesh.cut(link);
    mesh.edit(1, json!([{"rm": "notes/m"}, {"rm": "boards/g/notes/m"}]));
    let changed = |at: &str| json!({"set": format!("{at}notes/m/x"), "value": 2});
    mesh.edit(2, json!([changed(""), changed("boards/g/")]));
    mesh.connect(1, 2);
    // Nobody reads later since the conflicts of what came are still looked for: they are here.
    for device in [1, 2] {
        assert_eq!(mesh.conflicts(device).len(), 2);
    }
    mesh
}

fn read(mesh: &mut Mesh, at: u8, text: &str) -> Result<Json, String> {
    match mesh.ask(at, Command::Read { path: path(text) }) {
        Reply::Read(read) => Ok(read.value),
        Reply::Failed(failure) => {
            assert_eq!(failure.kind, FailureKind::Failed);
            Err(format!("{}; {}", failure.message, failure.hint.unwrap_or_default()))
        }
        other => panic!("{other:?}"),
    }
}

fn wrote(mesh: &mut Mesh, at: u8, which: EventId) -> (Preview, String) {
    let Reply::Event(view) = mesh.ask(at, Command::Event { begin: which.to_string() }) else {
        panic!()
    };
    let text = to_text(&event(&view, &std::collections::BTreeMap::new()));
    (view.wrote.unwrap(), text)
}

#[test]
fn who_reads_what_a_removal_hides_is_told_of_the_conflict() {
    let mut mesh = removed_apart();
    for (device, above) in [(1, ""), (2, ""), (1, "boards/g/"), (2, "boards/g/")] {
        for below in ["", "/x", "/l/0", "/never"] {
            let told = read(&mut mesh, device, &format!("{above}notes/m{below}")).unwrap_err();
            let place = format!("{:?} was removed, and changed apart", format!("{above}notes/m"));
            assert!(told.starts_with(&place) && told.contains("kern conflicts"), "{told}");
        }
        // Beside it nothing is said of it.
        let told = read(&mut mesh, device, &format!("{above}notes/n")).unwrap_err();
        assert!(told.starts_with("there is nothing at"), "{told}");
    }
    // Once it is decided, there is nothing.
    for open in mesh.conflicts(1) {
        let removal = open.sides.iter().find(|side| side.deleted).unwrap();
        mesh.edit(1, json!([{"resolve": open.id, "keep": removal.side}]));
    }
    for place in ["notes/m", "boards/g/notes/m/x"] {
        let told = read(&mut mesh, 2, place).unwrap_err();
        assert!(told.starts_with("there is nothing at"), "{told}");
    }
}

#[test]
fn who_writes_below_what_a_removal_hides_is_told_what_is_decided() {
    let mut mesh = removed_apart();
    for above in ["", "boards/g/"] {
        let edit = json!([{"set": format!("{above}notes/m/y"), "value": 3}]);
        let command = Command::Edit { edits: serde_json::from_value(edit).unwrap() };
        let Reply::Edited(edited) = mesh.ask(2, command) else { panic!() };
        assert_eq!(edited.decided, [path(&format!("{above}notes/m"))]);
        mesh.conflicts(2);
        assert_eq!(read(&mut mesh, 1, &format!("{above}notes/m")), Ok(json!({"y": 3})));
    }
    assert!(mesh.conflicts(1).is_empty());
}

#[test]
fn an_event_tells_which_conflicts_it_decided() {
    let mut mesh = removed_apart();
    let open = mesh.conflicts(1);
    assert_eq!(open.len(), 2);
    for row in open {
        // What shows afterwards as before is a decision, too.
        let removal = row.sides.iter().find(|side| side.deleted).unwrap();
        let decision = mesh.edit(1, json!([{"resolve": row.id, "keep": removal.side}]));
        for device in [1, 2] {
            let (told, text) = wrote(&mut mesh, device, decision);
            assert_eq!(told.decided.iter().collect::<Vec<_>>(), [&row.path]);
            let words = format!("it decided the conflict at {}", row.path);
            assert!(text.contains(&words) && !text.contains("nothing that is shown"), "{text}");
        }
    }
    // Of what decides nothing, nothing is said: an edit, also at a place that was in conflict once.
    let edit = mesh.edit(1, json!([{"set": "notes/m", "value": 4}]));
    let (told, text) = wrote(&mut mesh, 2, edit);
    assert!(told.decided.is_empty() && !text.contains("decided"), "{text}");
}

#[test]
fn an_edit_beside_or_below_a_conflict_leaves_it_open_and_says_nothing_of_it() {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([{"set": "notes/m", "value": {"x": 1}}]));
    mesh.cut(link);
    mesh.edit(1, json!([{"set": "notes/m", "value": {"x": 2}}]));
    mesh.edit(2, json!([{"set": "notes/m", "value": {"x": 3}}]));
    mesh.connect(1, 2);
    for (edit, decided) in [
        (json!({"set": "notes/o", "value": 1}), 0),
        (json!({"set": "notes/m/x", "value": 4}), 0),
        // With the place a conflict goes, too.
        (json!({"rm": "notes/m"}), 1),
    ] {
        let event = mesh.edit(2, json!([edit]));
        let (told, _) = wrote(&mut mesh, 1, event);
        assert_eq!((told.decided.len(), mesh.conflicts(1).len()), (decided, 1 - decided), "{edit}");
    }
}

#[test]
fn what_stands_above_an_open_conflict_says_so_and_what_stands_beside_it_does_not() {
    // SPEC: CFL-9
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([{"set": "notes/m", "value": {"l": [["x"], "y"], "k": 0, "j": {}}}]));
    mesh.cut(link);
    mesh.edit(1, json!([{"set": "notes/m/l/0/0", "value": 1}, {"rm": "notes/m/k"}]));
    mesh.edit(2, json!([{"set": "notes/m/l/0/0", "value": 2}, {"set": "notes/m/k", "value": 3}]));
    mesh.connect(1, 2);
    assert_eq!(mesh.conflicts(1).len(), 2);
    let mut below = |path: &str| match mesh.ask(1, Command::Read { path: path.parse().unwrap() }) {
        Reply::Read(read) => (read.conflict, read.conflict_below),
        other => panic!("{other:?}"),
    };
    for path in ["", "notes", "notes/m", "notes/m/l", "notes/m/l/0"] {
        assert_eq!(below(path), (false, true), "{path}");
    }
    for (path, is_one) in
        [("notes/m/l/0/0", true), ("notes/m/k", true), ("notes/m/l/1", false), ("notes/m/j", false)]
    {
        assert_eq!(below(path), (is_one, false), "{path}");
    }
}

#[test]
fn who_writes_over_what_holds_a_conflict_is_told_that_it_ends_and_that_no_undo_opens_it_again() {
    // SPEC: UNDO-2
    let cases = [
        (json!({"k": {"a": 0}}), "k/a", json!({"rm": "notes/m/k"}), "k/a"),
        (json!({"k": {"a": 0}}), "k/a", json!({"set": "notes/m/k", "value": "whole"}), "k/a"),
        (json!({"k": [0, 1]}), "k/0", json!({"rm": "notes/m/k"}), "k/0"),
        (json!({"k": [{"a": 0}]}), "k/0/a", json!({"set": "notes/m/k/0", "value": 7}), "k/0/a"),
        (json!({"k": {"a": 0}, "j": 1}), "k/a", json!({"set": "notes/m/j", "value": 7}), ""),
        (json!({"k": {"a": 0}}), "k/a", json!({"set": "notes/m/k/a", "value": 7}), ""),
    ];
    for (shared, at, edit, ended) in cases {
        let mut mesh = Mesh::of(&[(2, Role::Admin)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([{"set": "notes/m", "value": shared}]));
        mesh.cut(link);
        for number in [1, 2] {
            let set = json!([{"set": format!("notes/m/{at}"), "value": number}]);
            mesh.edit(number, set);
        }
        mesh.connect(1, 2);
        assert_eq!(mesh.conflicts(1).len(), 1, "{edit}");
        let edits = vec![serde_json::from_value(edit.clone()).unwrap()];
        let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
        let ends: Vec<_> = edited.ended.iter().map(ToString::to_string).collect();
        let expected: Vec<_> =
            (!ended.is_empty()).then(|| format!("notes/m/{ended}")).into_iter().collect();
        assert_eq!(ends, expected, "{edit}");
        if ended.is_empty() {
            continue;
        }
        assert!(mesh.conflicts(1).is_empty(), "{edit}");
        let not = mesh.not_undone(1, None);
        assert!(not.reason.contains("would be closed"), "{edit} {not:?}");
        assert!(matches!(mesh.undo(1, edited.event, true), Reply::Undone(_)), "{edit}");
    }
}

#[test]
fn what_a_batch_ends_and_decides_in_a_list_is_told_by_the_items_and_not_by_their_numbers() {
    // SPEC: UNDO-2
    let cases = [
        (json!([{"rm": "notes/l/0"}, {"set": "notes/l/0", "value": 5}]), "", "notes/l/1/k"),
        (json!([{"rm": "notes/l/0"}, {"set": "notes/l/1", "value": 5}]), "", ""),
        (json!([{"rm": "notes/l/0"}, {"set": "notes/l/0/k", "value": 5}]), "notes/l/1/k", ""),
        (json!([{"rm": "notes/l/0"}, {"set": "notes/l/1/k", "value": 5}]), "", ""),
        (json!([{"rm": "notes/l/2"}, {"rm": "notes/l/1"}]), "", "notes/l/1/k"),
    ];
    for (edits, decided, ended) in cases {
        let mut mesh = Mesh::of(&[(2, Role::Admin)]);
        let link = mesh.connect(1, 2);
        let items = json!([{"k": 1}, {"k": 2}, {"k": 3}]);
        mesh.edit(1, json!([{"set": "notes/l", "value": items}]));
        mesh.cut(link);
        for number in [1, 2] {
            mesh.edit(number, json!([{"set": "notes/l/1/k", "value": number * 10}]));
        }
        mesh.connect(1, 2);
        assert_eq!(mesh.conflicts(1).len(), 1, "{edits}");
        let command = Command::Edit { edits: serde_json::from_value(edits.clone()).unwrap() };
        let Reply::Edited(edited) = mesh.ask(1, command) else { panic!() };
        let told = [&edited.decided, &edited.ended].map(|paths| {
            let words: Vec<_> = paths.iter().map(ToString::to_string).collect();
            words.join(" ")
        });
        assert_eq!(told, [decided, ended].map(str::to_owned), "{edits}");
        let is_open = decided.is_empty() && ended.is_empty();
        assert_eq!(mesh.conflicts(1).is_empty(), !is_open, "{edits}");
        // What is said of the undo is so.
        let undone = mesh.undo(1, edited.event, false);
        assert_eq!(matches!(undone, Reply::Undone(_)), ended.is_empty(), "{edits} {undone:?}");
    }
}

#[test]
fn of_many_conflicts_that_end_the_first_are_named_and_the_others_counted() {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([{"set": "notes/m", "value": {}}]));
    mesh.cut(link);
    for number in [1, 2] {
        let set = |key| json!({"set": format!("notes/m/{key}"), "value": number});
        mesh.edit(number, (0..ENDED_NAMED_MAX + 3).map(set).collect());
    }
    mesh.connect(1, 2);
    mesh.conflicts(1);
    let edits = vec![serde_json::from_value(json!({"rm": "notes/m"})).unwrap()];
    let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
    assert_eq!((edited.ended.len(), edited.ended_more), (ENDED_NAMED_MAX, 3));
}

#[test]
fn a_decision_above_another_conflict_says_what_ends_before_and_behind_it() {
    // SPEC: CFL-7, UNDO-2
    let cases = [
        (json!(["milk", "bread"]), json!(["eggs", "bread"]), "0"),
        (json!({"k": "milk"}), json!({"k": "eggs"}), "k"),
    ];
    for (one, two, at) in cases {
        for value in [None, Some(json!("by a value"))] {
            let mut mesh = Mesh::of(&[(2, Role::Admin)]);
            let link = mesh.connect(1, 2);
            mesh.cut(link);
            mesh.edit(1, json!([{"set": "notes/shop", "value": one}]));
            mesh.edit(2, json!([{"set": "notes/shop", "value": two}]));
            let link = mesh.connect(1, 2);
            mesh.cut(link);
            for number in [1, 2] {
                let at = format!("notes/shop/{at}");
                mesh.edit(number, json!([{"set": at, "value": number}]));
            }
            mesh.connect(1, 2);
            let open = mesh.conflicts(1);
            let words = |paths: &[DocPath]| {
                paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            let below = format!("notes/shop/{at}");
            assert_eq!((open.len(), words(&open[0].below)), (1, below.clone()));
            let edit = match value {
                None => json!({"resolve": open[0].id, "keep": "A"}),
                Some(value) => json!({"resolve": open[0].id, "value": value}),
            };
            let edits = vec![serde_json::from_value(edit).unwrap()];
            let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
            assert_eq!((words(&edited.ended), mesh.conflicts(1).len()), (below, 0));
            // What is said of the undo is so.
            mesh.not_undone(1, None);
            assert!(matches!(mesh.undo(1, edited.event, true), Reply::Undone(_)));
        }
    }
}

#[test]
fn what_an_item_shows_already_is_not_written_again_where_another_of_its_list_is_in_conflict() {
    // SPEC: PRJ-5
    let list = || json!(["y", {"t": "z"}, 5, {"t": ["v"]}]);
    let both = |text: &str| json!([{"set": "notes/l/3/t", "value": text}]);
    for theirs in [both("two"), json!([{"rm": "notes/l/3"}])] {
        let mut mesh = Mesh::of(&[(2, Role::Admin)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([{"set": "notes/l", "value": list()}]));
        mesh.cut(link);
        mesh.edit(1, both("one"));
        mesh.edit(2, theirs.clone());
        mesh.connect(1, 2);
        assert_eq!(mesh.conflicts(1).len(), 1);
        let mut event = |at: &str, value: Json| {
            let edit = json!({"set": format!("notes/l{at}"), "value": value});
            let edits = vec![serde_json::from_value(edit).unwrap()];
            let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
            edited.event
        };
        for (at, value) in [("/0", json!("y")), ("/1", json!({"t": "z"})), ("/1/t", json!("z"))] {
            assert_eq!(event(at, value), None, "{at} {theirs}");
        }
        assert!(event("/0", json!("x")).is_some(), "{theirs}");
        // Who writes where it is open decides.
        let shown = mesh.get(1, "notes/l");
        let whole: Json = serde_json::from_str(&shown).unwrap();
        mesh.edit(1, json!([{"set": "notes/l", "value": whole}]));
        assert_eq!(mesh.conflicts(1), vec![], "{theirs}");
    }
}
