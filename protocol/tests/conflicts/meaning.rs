//! Rules about meaning: final plans, policies, and lists that go on.

use automerge::transaction::Transactable as _;
use automerge::{ROOT, ReadDoc as _};
use kernelos_protocol::document::conflict::{ConflictIndex, ConflictKind, Which};
use kernelos_protocol::document::{
    DocumentDone, DocumentTask, Documents, Edit, EditFault, is_stricter,
};
use serde_json::{Value as Json, json};

use super::world::{DOCUMENT, Device, World, told_all};

fn world(map: &str) -> World {
    let mut world = World::new();
    world.run(&format!("A set {map} {{}} | all"));
    world
}

/// Two devices mark a plan each.
fn two_plans() -> World {
    let mut world = world("tasks");
    world.run("A set tasks/T {\"plans\":{\"p\":{\"text\":1},\"q\":{\"text\":2}}} | all");
    world.run("A set tasks/T/plans/p/final true | B set tasks/T/plans/q/final true");
    world
}

fn read(device: &mut Device, path: &str) -> Json {
    device.read(path).unwrap()
}

#[test]
fn two_final_plans_of_one_task_are_a_conflict_that_a_side_decides() {
    // SPEC: CFL-12
    let mut world = two_plans();
    let list = world.everywhere();
    let [conflict] = &list.conflicts[..] else { panic!("{list:?}") };
    assert_eq!(conflict.kind, ConflictKind::PlansFinal);
    assert_eq!(conflict.path.to_string(), "tasks/T/plans");
    assert_eq!(conflict.base, json!({"p": false, "q": false}));
    let side = conflict.sides.iter().find(|side| side.value == "p").unwrap();
    assert_eq!(side.then, Some(json!({"p": true, "q": false})));
    assert!(conflict.why.starts_with("Neither change has the other"), "{}", conflict.why);
    let decide = Edit::Decide { resolve: conflict.id, value: json!(1) };
    let fault = world.device('A').edit(vec![decide]).unwrap_err();
    assert_eq!(fault, EditFault::BySide(conflict.id));
    let keep = Edit::Keep { resolve: conflict.id, keep: side.letter.clone() };
    world.device('C').edit(vec![keep]).unwrap();
    assert_eq!(told_all(&world.everywhere()), "");
    let plans = json!({"p": {"final": true, "text": 1}, "q": {"final": false, "text": 2}});
    assert_eq!(read(world.device('B'), "tasks/T/plans"), plans);
    world.run("B set tasks/T/plans/q/final true");
    let again = world.everywhere();
    assert!(again.conflicts[0].why.starts_with("One change has another in its past"), "{again:?}");
}

#[test]
fn of_two_final_plans_that_one_change_marked_it_is_said_that_one_wrote_them() {
    // SPEC: CFL-8, CFL-12
    let mut world = world("tasks");
    world.run("A set tasks/T {\"plans\":{\"p\":{\"final\":true},\"q\":{\"final\":true}}} | all");
    let list = world.everywhere();
    let [conflict] = &list.conflicts[..] else { panic!("{list:?}") };
    assert_eq!((conflict.sides.len(), &*conflict.why), (2, "One change wrote all of them."));
}

#[test]
fn values_of_any_shape_where_a_mark_should_be_are_no_final_plan() {
    // SPEC: CFL-12
    for shape in ["null", "1", "\"true\"", "[]", "[true]", "{\"final\":{}}", "{}", "false"] {
        for (plans, own) in [
            (format!("{{\"p\":{{\"final\":{shape}}},\"q\":{{\"final\":true}}}}"), "tasks/T/plans"),
            (shape.to_owned(), "tasks/T/plans"),
            (format!("{{\"p\":{shape},\"q\":{{\"final\":true}}}}"), "tasks/T/plans"),
            (shape.to_owned(), "tasks/T"),
        ] {
            let mut world = world("tasks");
            if own != "tasks/T" {
                world.run("A set tasks/T {} | all");
            }
            world.run(&format!("A set {own} {plans} | all"));
            assert_eq!(told_all(&world.everywhere()), "", "{plans} at {own}");
        }
    }
}

#[test]
fn a_plan_in_a_conflict_above_is_not_one_of_two() {
    // SPEC: CFL-7, CFL-12
    let mut world = two_plans();
    world.run("C set tasks/T 1");
    let told = told_all(&world.everywhere());
    assert!(
        told.starts_with("tasks/T values") || told.starts_with("tasks/T delete_edit"),
        "{told}"
    );
    assert_eq!(world.device('A').list().conflicts.len(), 1);
}

#[test]
fn of_two_policies_written_apart_the_stricter_counts_until_somebody_decides() {
    // SPEC: POL-4, POL-5
    for (one, two, strict) in [
        (json!("allow"), json!("deny"), json!("deny")),
        (json!("ask"), json!("allow"), json!("ask")),
        (json!(5), json!(50), json!(5)),
        (json!("allow"), json!({"odd": [1]}), json!({"odd": [1]})),
        (json!(100), json!("ask"), json!(100)),
    ] {
        // Whichever Automerge shows.
        for (a, b) in [('A', 'B'), ('B', 'A')] {
            let mut world = world("policies");
            world.run(&format!("{a} set policies/x {one} | {b} set policies/x {two}"));
            let list = world.everywhere();
            assert_eq!(list.conflicts[0].kind, ConflictKind::Policy);
            for name in ['A', 'B', 'C'] {
                assert_eq!(read(world.device(name), "policies/x"), strict, "{one} {two}");
                assert_eq!(read(world.device(name), "policies"), json!({"x": strict}));
                let dump = world.device(name).dump();
                assert_eq!(dump.read(&"policies/x".parse().unwrap()).unwrap().value, strict);
            }
            world.run("C decide \"allow\" | all");
            assert_eq!(read(world.device('A'), "policies/x"), "allow");
            assert_eq!(told_all(&world.everywhere()), "");
        }
    }
}

#[test]
fn a_policy_that_one_side_removed_allows_nothing() {
    // SPEC: POL-4
    let mut world = world("policies");
    world.run("A set policies/x \"ask\" | all | A rm policies/x | B set policies/x \"allow\"");
    world.everywhere();
    assert!(matches!(world.device('C').read("policies/x"), Err(EditFault::Absent(_))));
    assert_eq!(read(world.device('C'), "policies"), json!({}));
}

#[test]
fn of_any_two_policies_one_is_the_stricter_or_they_are_the_same() {
    // SPEC: POL-5
    let texts =
        ["null", "true", "0", "-1", "1", "1.5", "\"deny\"", "\"ask\"", "\"allow\"", "[]", "{}"];
    let mut values: Vec<Option<Json>> = vec![None];
    values.extend(texts.iter().map(|text| serde_json::from_str(text).unwrap()));
    for one in &values {
        for two in &values {
            let (one, two) = (one.as_ref(), two.as_ref());
            assert_eq!(
                is_stricter(one, two) || is_stricter(two, one),
                one != two,
                "{one:?} {two:?}"
            );
        }
    }
}

#[test]
fn ten_thousand_conflicts_are_listed_page_by_page_in_work_that_grows_with_the_page() {
    // SPEC: CFL-9, CFL-10
    const MANY: usize = 10_000;
    let mut world = World::new();
    for name in ['A', 'B'] {
        world.device(name).raw_keys(0..MANY / 2, i64::from(name == 'A'));
        world.device(name).raw_keys(MANY / 2..MANY, i64::from(name == 'A'));
    }
    world.all();
    let mirror = &world.device('C').mirror;
    let index = ConflictIndex::of(mirror);
    let learned = index.work();
    let first = index.list(mirror, &DOCUMENT, &Which::First).unwrap();
    assert_eq!((first.before, first.conflicts.len(), first.total()), (0, 1_000, MANY));
    let last = first.conflicts.last().unwrap();
    let next = Which::Behind(last.path.clone(), last.id);
    let second = index.list(mirror, &DOCUMENT, &next).unwrap();
    assert_eq!((second.before, second.conflicts.len(), second.total()), (1_000, 1_000, MANY));
    assert_eq!(second.conflicts[0].path.to_string(), "notes/01000");
    let steps = (index.work() - learned) / 2;
    assert!(steps < 5 * MANY as u64, "a page took {steps} steps");
}

#[test]
fn a_page_holds_no_more_bytes_than_its_bound() {
    // SPEC: CFL-9
    let mut world = World::new();
    for name in ['A', 'B'] {
        world.device(name).raw(|tx| {
            let (_, notes) = tx.get(ROOT, "notes").unwrap().unwrap();
            for key in 0..4 {
                tx.put(&notes, key.to_string(), name.to_string().repeat(300_000)).unwrap();
            }
        });
    }
    world.all();
    let list = world.device('C').list();
    // Two sides, and what is shown now.
    assert_eq!((list.conflicts.len(), list.more), (2, 2), "nine hundred kilobytes each");
    let last = list.conflicts.last().unwrap();
    let which = Which::Behind(last.path.clone(), last.id);
    let mirror = &world.device('C').mirror;
    let rest = ConflictIndex::of(mirror).list(mirror, &DOCUMENT, &which).unwrap();
    assert_eq!((rest.before, rest.conflicts.len(), rest.more), (2, 2, 0));
}

#[test]
fn a_document_that_is_not_here_has_no_policies() {
    // SPEC: POL-4
    let task = DocumentTask::Read { document: DOCUMENT, path: "policies/x".parse().unwrap() };
    let DocumentDone::Read(read) = Documents::default().perform(task) else { panic!() };
    assert!(matches!(read, Err(EditFault::Absent(_))));
}
