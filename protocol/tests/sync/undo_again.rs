//! One undo after the other: what a person takes back in the order in which it was done, what is
//! shown again then, and what is told where the last event leaves nothing to put back.

use kernelos_protocol::command::{BranchCommand, BranchReply, Command, Reply, SideRow};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::granting::grant;
use super::mesh::{Mesh, id};
use super::past::set;

#[test]
fn a_merge_is_taken_back_by_its_name() {
    // SPEC: UNDO-2, UNDO-4
    let mut mesh = Mesh::of(&[]);
    set(&mut mesh, 1, "notes/a", json!("before"));
    let create = BranchCommand::Create {
        name: "try".to_owned(),
        of: DocPath::default(),
        at: None,
        purpose: String::new(),
    };
    assert!(matches!(mesh.ask(1, Command::Branch(create)), Reply::Branch(_)));
    set(&mut mesh, 1, "branches/try/notes/a", json!("there"));
    set(&mut mesh, 1, "notes/a", json!("here"));
    let merged = mesh.ask(1, Command::Branch(BranchCommand::Merge { name: "try".to_owned() }));
    let Reply::Branch(BranchReply::Merged { event, .. }) = merged else { panic!("{merged:?}") };
    assert_eq!(mesh.conflicts(1).len(), 1);
    let undone = mesh.undone(1, None);
    assert_eq!(undone.undoes, event);
    assert_eq!(mesh.get(1, "notes/a"), "\"here\"");
    assert!(mesh.conflicts(1).is_empty());
    let words = format!("{:?}", present::undone(&undone, &[].into()));
    assert!(words.contains("takes back: a merge, which changed notes/a"), "{words}");
}

#[test]
fn a_decision_that_is_taken_back_shows_again_what_was_shown() {
    // SPEC: UNDO-2
    for (turn, sides) in (0..6).flat_map(|turn| [(turn, 2), (turn, 3)]) {
        let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
        let links: Vec<_> = (2..=sides).map(|number| mesh.connect(1, number)).collect();
        links.into_iter().for_each(|link| mesh.cut(link));
        for number in 1..=sides {
            set(
                &mut mesh,
                number,
                "notes/a",
                json!("long".repeat((number * 7 + turn) as usize % 5)),
            );
            set(&mut mesh, number, "notes/b", json!(format!("{turn}, {number}")));
            set(&mut mesh, number, "notes/c", json!([number, turn]));
        }
        for number in 2..=sides {
            mesh.connect(1, number);
        }
        let paths = ["notes/a", "notes/b", "notes/c"];
        let shown = paths.map(|path| mesh.get(1, path));
        let values: Vec<_> = mesh.conflicts(1).into_iter().flat_map(|row| row.sides).collect();
        for value in values.into_iter().map(|side| side.value) {
            let has = |side: &&SideRow| side.value == value;
            let all = mesh.conflicts(1);
            let row = all.iter().find(|row| row.sides.iter().any(|side| has(&side))).unwrap();
            let side = row.sides.iter().find(has).unwrap();
            let decision = mesh.edit(1, json!([{"resolve": row.id, "keep": side.side}]));
            mesh.undone(1, Some(decision));
            let again = paths.map(|path| mesh.get(1, path));
            assert_eq!(again, shown, "{turn}, {sides}: {value} was kept");
        }
        // And of all of them at once, each by another letter.
        let rows = mesh.conflicts(1).into_iter().zip(["A", "B", "A"]);
        let edits: Vec<_> =
            rows.map(|(row, keep)| json!({"resolve": row.id, "keep": keep})).collect();
        let decision = mesh.edit(1, json!(edits));
        mesh.undone(1, Some(decision));
        assert_eq!(paths.map(|path| mesh.get(1, path)), shown, "{turn}, {sides}: all at once");
    }
}

#[test]
fn where_the_last_event_left_nothing_to_put_back_that_is_told() {
    // SPEC: UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    set(&mut mesh, 1, "notes/x", json!(0));
    set(&mut mesh, 2, "notes/f", json!(0));
    mesh.cut(link);
    mesh.edit(1, json!([{"rm": "notes/f"}]));
    mesh.edit(2, json!([{"set": "notes/f", "value": 1}]));
    mesh.connect(1, 2);
    let kept = mesh.edit(1, json!([{"set": "notes/n", "value": 1}, {"rm": "notes/n"}]));
    let refused = mesh.not_undone(1, None);
    let told = format!("{} after it left nothing to put back", kept.short());
    assert!(refused.reason.ends_with(&told), "{}", refused.reason);
    assert_eq!(mesh.get(1, "notes/x"), "0", "no older one is taken back in its place");
}

#[test]
fn who_wrote_a_side_that_was_put_back_is_told_also_once_somebody_wrote_below_it() {
    // SPEC: CFL-8, CFL-17
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    set(&mut mesh, 1, "notes/m", json!(0));
    mesh.cut(link);
    for number in [1, 2] {
        set(&mut mesh, number, "notes/m", json!({"of": number}));
    }
    mesh.connect(1, 2);
    let told = |mesh: &mut Mesh| {
        let row = mesh.conflicts(2).remove(0);
        let of = |side: &SideRow| (side.side.clone(), side.value["of"].clone(), side.device);
        (row.base, row.why, row.sides.iter().map(of).collect::<Vec<_>>())
    };
    let before = told(&mut mesh);
    let row = mesh.conflicts(1).remove(0);
    mesh.edit(1, json!([{"resolve": row.id, "keep": "A"}]));
    mesh.undone(1, None);
    assert_eq!(told(&mut mesh), before);
    for round in 0..3 {
        set(&mut mesh, 2, "notes/m/below", json!(round));
        assert_eq!(told(&mut mesh), before, "{round}");
        let row = mesh.conflicts(1).remove(0);
        mesh.edit(1, json!([{"resolve": row.id, "keep": if round == 1 { "B" } else { "A" }}]));
        mesh.undone(1, None);
        assert_eq!(told(&mut mesh), before, "{round}");
    }
}

#[test]
fn who_marked_a_plan_final_is_told_also_where_an_undo_says_it_again() {
    // SPEC: CFL-12, CFL-17
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    set(&mut mesh, 1, "tasks/t", json!({"plans": {"p": {"text": 1}, "q": {"text": 2}}}));
    mesh.cut(link);
    for (number, plan) in [(1, "p"), (2, "q")] {
        set(&mut mesh, number, &format!("tasks/t/plans/{plan}/final"), json!(true));
    }
    mesh.connect(1, 2);
    let told = |mesh: &mut Mesh| {
        let row = mesh.conflicts(2).remove(0);
        let of = |side: &SideRow| (side.value.clone(), side.device, side.put_back.is_some());
        (row.base, row.sides.iter().map(of).collect::<Vec<_>>())
    };
    let (base, sides) = told(&mut mesh);
    let by: Vec<_> = sides.iter().map(|(_, by, _)| *by).collect();
    assert_eq!(by, [Some(id(1)), Some(id(2))]);
    for _ in 0..2 {
        let row = mesh.conflicts(1).remove(0);
        mesh.edit(1, json!([{"resolve": row.id, "keep": "A"}]));
        mesh.undone(1, None);
        let (again, sides) = told(&mut mesh);
        let by: Vec<_> = sides.iter().map(|(_, by, back)| (*by, *back)).collect();
        assert_eq!((&again, by), (&base, vec![(Some(id(1)), false), (Some(id(2)), true)]));
    }
}

#[test]
fn a_decision_of_a_name_that_devices_wrote_apart_is_taken_back() {
    // SPEC: UNDO-2, UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    for (number, name) in [(1, "phone"), (2, "mobile")] {
        let granted = mesh.ask(number, grant(3, name));
        assert!(matches!(granted, Reply::Granted { .. }), "{granted:?}");
    }
    mesh.connect(1, 2);
    let row = mesh.conflicts(1).remove(0);
    let decision = mesh.edit(1, json!([{"resolve": row.id, "keep": "A"}]));
    assert!(mesh.conflicts(2).is_empty());
    assert_eq!(mesh.undone(1, None).undoes, decision);
    let names: Vec<Json> =
        mesh.conflicts(2)[0].sides.iter().map(|side| side.value.clone()).collect();
    assert_eq!(names.len(), 2);
}

#[test]
fn of_a_device_that_was_revoked_twice_each_event_names_the_revocation_that_put_it_apart() {
    // SPEC: EFF-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let mut told = Vec::new();
    for turn in 0..2 {
        let link = mesh.connect(1, 2);
        // Between them it counts: a run of what is kept apart ends there.
        mesh.edit(2, serde_json::json!([{"set": "notes/between", "value": turn}]));
        mesh.cut(link);
        let revoke = Command::Revoke { device: id(2), reason: format!("turn {turn}") };
        let Reply::Revoked { event } = mesh.ask(1, revoke) else { panic!() };
        let late = mesh.edit(2, serde_json::json!([{"set": "notes/late", "value": turn}]));
        let link = mesh.connect(1, 2);
        mesh.cut(link);
        told.push((late, event));
        mesh.undone(1, Some(event));
    }
    mesh.connect(1, 2);
    let Reply::Quarantine(page) = mesh.ask(1, Command::Quarantine) else { panic!() };
    let rows: Vec<_> = page.branches.iter().map(|row| (row.tip, row.decision)).collect();
    for (late, event) in told {
        assert!(rows.contains(&(late, Some(event))), "{late} by {event}: {rows:?}");
    }
}
