//! The one inbox over devices: what stands in no document, decisions, many at once.

use kernelos_protocol::command::{
    Chosen, Command, ConflictPage, ConflictRow, FailureKind, Reply, Take, batches, choose,
};
use kernelos_protocol::document::Edit;
use kernelos_protocol::document::conflict::ConflictKind;
use kernelos_protocol::id::EventId;
use kernelos_protocol::role::Role;
use serde_json::json;

use super::mesh::{Mesh, id};

fn page(mesh: &mut Mesh, number: u8) -> ConflictPage {
    match mesh.ask(number, Command::Conflicts) {
        Reply::Conflicts(page) => page,
        other => panic!("{other:?}"),
    }
}

fn edit(mesh: &mut Mesh, number: u8, edits: Vec<Edit>) -> EventId {
    match mesh.ask(number, Command::Edit { edits }) {
        Reply::Edited(edited) => edited.event.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn set(path: &str, value: serde_json::Value) -> Edit {
    Edit::Set { set: path.parse().unwrap(), value }
}

/// Two members that wrote these apart, and met again.
fn apart(paths: &[&str], boards: &[&str]) -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    for board in boards {
        let made = mesh.ask(1, Command::CreateBoard { name: (*board).to_owned() });
        assert!(matches!(made, Reply::BoardMade { .. }), "{made:?}");
    }
    mesh.cut(link);
    for number in [1, 2] {
        for path in paths {
            edit(&mut mesh, number, vec![set(path, json!(number))]);
        }
    }
    mesh.connect(1, 2);
    mesh
}

fn keep(row: &ConflictRow, side: &str) -> Edit {
    Edit::Keep { resolve: row.id, keep: side.to_owned() }
}

#[test]
fn a_row_says_who_when_what_they_last_knew_and_what_a_choice_comes_to() {
    // SPEC: CFL-17
    let mut mesh = apart(&["notes/a"], &[]);
    let page = page(&mut mesh, 1);
    assert_eq!((page.total, page.more, &page.next), (1, 0, &None));
    let row = &page.conflicts[0];
    assert!(row.why.contains("The last event that all of them knew is "), "{}", row.why);
    assert_eq!(row.common.len(), 1);
    assert!(row.why.contains(&row.common[0].short()));
    for side in &row.sides {
        assert_eq!(side.then, side.value);
        assert!(!side.clock_wrong);
        let role = if side.device == Some(id(1)) { Role::Owner } else { Role::Admin };
        assert_eq!(side.member, Some(role));
    }
    assert!(row.next.iter().all(|next| next.contains(&row.id.to_string())));
}

#[test]
fn the_same_choice_for_many_is_one_event_over_all_documents_and_one_undo_takes_it_back() {
    // SPEC: CFL-15, UNDO-2
    let paths = ["notes/a", "notes/b", "boards/garden/notes/c", "boards/garden/tasks/d"];
    let mut mesh = apart(&paths, &["garden"]);
    let open = page(&mut mesh, 1);
    assert_eq!(open.conflicts.len(), 4);
    let choices = choose(&open.conflicts, &Take::Device(id(2)));
    let batches = batches(&choices);
    assert_eq!(batches.len(), 1);
    let edits: Vec<Edit> = batches[0].iter().filter_map(|choice| choice.edit()).collect();
    let event = edit(&mut mesh, 1, edits);
    for number in [1, 2] {
        assert_eq!(page(&mut mesh, number).total, 0);
        for path in paths {
            assert_eq!(mesh.get(number, path), "2");
        }
    }
    mesh.undone(1, Some(event));
    for number in [1, 2] {
        let again = page(&mut mesh, number);
        let shown = |page: &ConflictPage| {
            let rows = page.conflicts.iter();
            rows.map(|row| (row.path.to_string(), row.sides.len())).collect::<Vec<_>>()
        };
        assert_eq!(shown(&again), shown(&open));
    }
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn conflicts_of_several_documents_are_listed_in_one_order_behind_any_place() {
    // SPEC: CFL-9
    let paths = ["boards/b/notes/x", "boards/a/notes/z", "boards/a/tasks/y", "notes/m", "tasks/q"];
    let mut mesh = apart(&paths, &["a", "b"]);
    let all = page(&mut mesh, 1).conflicts;
    let mut sorted: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
    sorted.sort();
    let listed: Vec<_> = all.iter().map(|row| row.path.to_string()).collect();
    assert_eq!(listed, sorted);
    for (at, row) in all.iter().enumerate() {
        let place =
            kernelos_protocol::command::ConflictPlace { path: row.path.clone(), id: row.id };
        let Reply::Conflicts(rest) = mesh.ask(2, Command::ConflictsBehind(place)) else { panic!() };
        assert_eq!(rest.conflicts, all[at + 1..], "behind {}", row.path);
        assert_eq!((rest.total, rest.more), (all.len(), 0));
    }
}

#[test]
fn two_devices_that_decide_differently_apart_are_a_conflict_of_their_decisions() {
    // SPEC: CFL-11, CFL-16
    let mut mesh = apart(&["notes/a"], &[]);
    let row = page(&mut mesh, 1).conflicts.remove(0);
    let link = *mesh.links.keys().next_back().unwrap();
    mesh.cut(link);
    let decide = |value: &str| vec![Edit::Decide { resolve: row.id, value: value.into() }];
    let ours = edit(&mut mesh, 1, decide("ours"));
    let theirs = edit(&mut mesh, 2, decide("theirs"));
    assert_eq!((page(&mut mesh, 1).total, page(&mut mesh, 2).total), (0, 0));
    mesh.connect(1, 2);
    let open = page(&mut mesh, 1);
    assert_eq!(open, page(&mut mesh, 2));
    let events: Vec<_> = open.conflicts[0].sides.iter().filter_map(|side| side.event).collect();
    assert!(events.contains(&ours) && events.contains(&theirs), "nothing is lost");
    edit(&mut mesh, 2, vec![keep(&open.conflicts[0], "A")]);
    assert_eq!(page(&mut mesh, 1).total, 0);
    mesh.assert_equal(&[1, 2]);
}

/// Device 2 was revoked while it wrote apart, and what it wrote came by device 3.
fn kept_apart() -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Admin)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    let struck = edit(&mut mesh, 2, vec![set("notes/a", json!(1))]);
    let command = Command::Strike { begin: struck.to_string(), reason: String::new() };
    assert!(matches!(mesh.ask(1, command), Reply::Struck { .. }));
    mesh
}

#[test]
fn a_branch_that_is_kept_apart_is_open_in_the_inbox_until_somebody_decides() {
    // SPEC: CFL-14, CFL-16
    let mut mesh = kept_apart();
    let open = page(&mut mesh, 3);
    let [row] = &open.conflicts[..] else { panic!("{open:?}") };
    assert_eq!((row.kind, row.sides.len()), (ConflictKind::Quarantine, 2));
    assert_eq!(row.sides[1].device, Some(id(2)));
    assert!(row.next[0].starts_with("kern quarantine show"));
    // Nothing of its author's is before it, and it builds on what was there.
    assert!(row.why.contains("The last event that all of them knew is "), "{}", row.why);
    assert_eq!(mesh.status(1).conflicts, 1, "never green");
    let event = edit(&mut mesh, 3, vec![keep(row, "A")]);
    for number in [1, 3] {
        assert_eq!((page(&mut mesh, number).total, mesh.status(number).conflicts), (0, 0));
    }
    mesh.undone(3, Some(event));
    assert_eq!(page(&mut mesh, 1).conflicts[0].id, row.id);
    // A decision of another shape is none.
    let Reply::Failed(failure) = mesh.ask(3, Command::Edit { edits: vec![keep(row, "Q")] }) else {
        panic!()
    };
    assert!(failure.message.contains("has no side"), "{failure}");
    let many = Command::Edit { edits: vec![keep(row, "B"), keep(row, "A")] };
    let Reply::Failed(failure) = mesh.ask(3, many) else { panic!() };
    assert_eq!(failure.kind, FailureKind::Usage);
    let back = mesh.ask(3, Command::Edit { edits: vec![keep(row, "B")] });
    assert!(matches!(back, Reply::Readmitted { .. }), "{back:?}");
    assert_eq!(mesh.get(1, "notes/a"), "1");
    assert_eq!(page(&mut mesh, 1).total, 0);
}

#[test]
fn what_cannot_be_chosen_stays_open_and_says_why() {
    // SPEC: CFL-15
    let mut mesh = kept_apart();
    let rows = page(&mut mesh, 1).conflicts;
    let chosen = |take: Take| choose(&rows, &take).remove(0).chosen;
    let reason = |take| match chosen(take) {
        Chosen::Open(reason) => reason,
        Chosen::Keep { side, .. } => panic!("{side}"),
    };
    assert!(reason(Take::Side("C".to_owned())).contains("no such side"));
    assert!(reason(Take::Device(id(2))).contains("kern readmit"));
    assert!(matches!(chosen(Take::Side("A".to_owned())), Chosen::Keep { .. }));
}

#[test]
fn a_clock_of_1970_is_said_to_be_wrong_and_decides_nothing() {
    // SPEC: CFL-15, CFL-17
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    edit(&mut mesh, 1, vec![set("notes/a", json!(1))]);
    let right = mesh.now;
    mesh.restart_at(2, 0);
    edit(&mut mesh, 2, vec![set("notes/a", json!(2))]);
    mesh.now = right;
    mesh.connect(1, 2);
    let rows = page(&mut mesh, 1).conflicts;
    let wrong: Vec<_> = rows[0].sides.iter().filter(|side| side.clock_wrong).collect();
    assert_eq!(wrong.iter().map(|side| side.device).collect::<Vec<_>>(), [Some(id(2))]);
    let chosen = choose(&rows, &Take::Newest).remove(0).chosen;
    assert!(matches!(chosen, Chosen::Open(reason) if reason.contains("clock was wrong")));
    let doc = kernelos_protocol::present::conflicts(&page(&mut mesh, 1), &Default::default());
    let text = kernelos_protocol::present::to_text(&doc);
    assert!(text.contains("its clock was wrong") && !text.contains("1970"), "{text}");
}

#[test]
fn policies_written_apart_on_two_devices_count_as_the_stricter_on_both() {
    // SPEC: POL-4
    let mut mesh = Mesh::of(&[(2, Role::Admin), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.connect(1, 3);
    edit(&mut mesh, 1, vec![set("policies/spend", json!(10))]);
    mesh.cut(link);
    edit(&mut mesh, 1, vec![set("policies/spend", json!(100))]);
    edit(&mut mesh, 2, vec![set("policies/spend", json!(20))]);
    mesh.connect(1, 2);
    for number in [1, 2, 3] {
        assert_eq!(mesh.get(number, "policies/spend"), "20");
    }
    let row = page(&mut mesh, 2).conflicts.remove(0);
    assert_eq!((row.kind, &row.base), (ConflictKind::Policy, &json!(10)));
    edit(&mut mesh, 1, vec![Edit::Decide { resolve: row.id, value: json!(100) }]);
    for number in [1, 2, 3] {
        assert_eq!(mesh.get(number, "policies/spend"), "100");
    }
    let edits = vec![set("policies/spend", json!(1))];
    let Reply::Failed(failure) = mesh.ask(3, Command::Edit { edits }) else { panic!() };
    assert_eq!(failure.kind, FailureKind::Denied);
}

#[test]
fn a_name_that_reorders_or_is_long_does_not_steer_what_is_shown_of_a_conflict() {
    // SPEC: CFL-17
    let mut mesh = apart(&["notes/a"], &[]);
    let page = page(&mut mesh, 1);
    let names = [(id(1), format!("lap\u{202e}top\n\u{1b}[2J{}", "x".repeat(1 << 20)))];
    let text = kernelos_protocol::present::to_text(&kernelos_protocol::present::conflicts(
        &page,
        &names.into_iter().collect(),
    ));
    assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'), "{text}");
    assert!(text.len() < 4_000, "{} bytes", text.len());
}

#[test]
fn of_a_branch_that_is_kept_apart_a_clock_that_was_wrong_is_said_too() {
    // SPEC: CFL-17
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let right = mesh.now;
    mesh.restart_at(2, 0);
    let struck = edit(&mut mesh, 2, vec![set("notes/a", json!(1))]);
    mesh.now = right;
    mesh.connect(1, 2);
    let command = Command::Strike { begin: struck.to_string(), reason: String::new() };
    assert!(matches!(mesh.ask(1, command), Reply::Struck { .. }));
    let row = page(&mut mesh, 1).conflicts.remove(0);
    let wrong: Vec<_> = row.sides.iter().map(|side| (side.event, side.clock_wrong)).collect();
    assert_eq!(wrong[1], (Some(struck), true));
    assert!(wrong[0].0.is_some() && !wrong[0].1, "{wrong:?}");
}
