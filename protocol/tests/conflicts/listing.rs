//! Ids, reasons, bounds and cost of the list.

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ReadDoc};
use kernelos_protocol::document::conflict::{ConflictIndex, Which};
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::limits::{CONFLICT_SIDES_MAX, CONFLICTS_LISTED_MAX};

use super::world::{DOCUMENT, Device, World, told_all};

#[test]
fn an_id_names_document_place_kind_and_sides() {
    // SPEC: CFL-1
    let mut world = World::of("A set notes/x 1 | B set notes/x 2");
    let first = world.everywhere().conflicts.remove(0);
    world.run("A set notes/y 1 | C set notes/z 2");
    assert_eq!(world.everywhere().conflicts[0].id, first.id, "what is elsewhere is nothing to it");
    let mirror = &world.device('A').mirror;
    let other =
        ConflictIndex::of(mirror).list(mirror, &DocumentId([8; 32]), &Which::First).unwrap();
    assert_ne!(other.conflicts[0].id, first.id);
    world.run("A set notes/x 3");
    assert_eq!(told_all(&world.everywhere()), "", "it knew both");
}

#[test]
fn sides_are_lettered_in_the_order_of_their_changes() {
    // SPEC: CFL-8
    let list = World::of("A set notes/x 1 | B set notes/x 2 | C set notes/x 3").everywhere();
    let sides = &list.conflicts[0].sides;
    assert!(sides.is_sorted_by_key(|side| side.change));
    let letters: Vec<_> = sides.iter().map(|side| side.letter.as_str()).collect();
    assert_eq!(letters, ["A", "B", "C"]);
}

#[test]
fn a_side_says_what_its_change_knew_of_the_others() {
    // SPEC: CFL-8
    let history = "B set notes/b 1 | B set notes/c 1 | A hears B | A set notes/x 1 \
                   | B set notes/x 2 | C set notes/c 1";
    let mut world = World::of(history);
    let list = world.everywhere();
    let conflict = &list.conflicts[0];
    let of = |value: i64| conflict.sides.iter().find(|side| side.value == value).unwrap();
    let (one, two) = (of(1), of(2));
    assert_eq!((one.knew[0].changes, &one.knew[0].of), (2, &two.letter));
    assert_eq!((two.knew[0].changes, &two.knew[0].of), (1, &one.letter), "the first, of notes");
    let last = one.knew[0].last.unwrap();
    let change = world.device('B').mirror.get_change_by_hash(&automerge::ChangeHash(last.0));
    assert_eq!(change.map(|change| change.seq()), Some(2));
    let why = &conflict.why;
    assert!(why.starts_with("Neither change has the other in its past: A was made knowing "));
    let knew = format!("{} was made knowing 2 changes of {}'s line", one.letter, two.letter);
    assert!(why.contains(&knew), "{why}");
}

#[test]
fn who_knew_nothing_of_the_other_says_so() {
    // SPEC: CFL-8
    let list = World::of("B set notes/x 1 | C set notes/x 2").everywhere();
    let why = &list.conflicts[0].why;
    let expected = "Neither change has the other in its past: A was made knowing no change of B's \
                    line; B was made knowing no change of A's line.";
    assert_eq!(why, expected);
    let list = World::of("A set notes/x 0 | B set notes/x 1 | C set notes/x 2").everywhere();
    assert!(list.conflicts[0].why.starts_with("None of the 3 changes has another in its past: A"));
}

#[test]
fn no_more_are_listed_than_the_bound_and_the_rest_is_counted() {
    // SPEC: CFL-9
    let mut world = World::new();
    for name in ['A', 'B'] {
        world.device(name).raw(|tx| {
            let (_, notes) = tx.get(ROOT, "notes").unwrap().unwrap();
            for key in 0..CONFLICTS_LISTED_MAX + 5 {
                tx.put(&notes, format!("{key:05}"), i64::from(name == 'A')).unwrap();
            }
        });
    }
    world.all();
    let list = world.device('C').list();
    assert_eq!((list.conflicts.len(), list.more), (CONFLICTS_LISTED_MAX, 5));
    assert_eq!(list.conflicts[0].path.to_string(), "notes/00000");
}

#[test]
fn no_more_sides_are_shown_than_there_are_letters() {
    // SPEC: CFL-9
    let mut world = World::new();
    let notes = world.device('A').mirror.get_changes(&[]);
    for actor in 0..30 {
        let mut device = Device::new(100 + actor);
        device.apply(&notes);
        device.raw(|tx| {
            let (_, notes) = tx.get(ROOT, "notes").unwrap().unwrap();
            tx.put(&notes, "x", i64::from(actor)).unwrap();
        });
        let made = device.mirror.get_changes(&[notes[0].hash()]);
        world.device('A').apply(&made);
    }
    let conflict = world.device('A').list().conflicts.remove(0);
    assert_eq!((conflict.sides.len(), conflict.more_sides), (CONFLICT_SIDES_MAX, 4));
    assert_eq!(conflict.sides.last().unwrap().letter, "Z");
    assert!(conflict.why.ends_with("; and so on."));
}

#[test]
fn a_place_that_no_path_can_name_is_shown_by_the_nearest_that_one_can() {
    // SPEC: CFL-9
    let mut world = World::new();
    for name in ['A', 'B'] {
        world.device(name).raw(|tx| {
            let (_, notes) = tx.get(ROOT, "notes").unwrap().unwrap();
            tx.put(&notes, "bell\u{7}", i64::from(name == 'A')).unwrap();
        });
    }
    assert_eq!(told_all(&world.everywhere()), "notes values null: 0 or 1");
    world.run("A keep 1");
    assert_eq!(told_all(&world.everywhere()), "");
}

#[test]
fn the_work_goes_with_the_conflicts_and_not_with_the_document() {
    // SPEC: CFL-10
    let mut world = World::new();
    world.device('A').raw(|tx| {
        let (_, notes) = tx.get(ROOT, "notes").unwrap().unwrap();
        let many = tx.put_object(&notes, "many", ObjType::Map).unwrap();
        for key in 0..10_000 {
            tx.put(&many, format!("key {key}"), key).unwrap();
        }
    });
    world.all();
    for (name, value) in [('A', 1), ('B', 2)] {
        for key in ["key 7", "key 77", "key 777"] {
            let set = format!("notes/many/{key}").parse().unwrap();
            let edit = kernelos_protocol::document::Edit::Set { set, value: value.into() };
            world.device(name).edit(vec![edit]).unwrap();
        }
    }
    world.all();
    let mirror = &world.device('C').mirror;
    let mut index = ConflictIndex::of(mirror);
    let before = index.work();
    assert_eq!(index.list(mirror, &DOCUMENT, &Which::First).unwrap().conflicts.len(), 3);
    let listing = index.work() - before;
    assert!(listing < 100, "listing took {listing} steps");
    let mut doc = mirror.clone().with_actor(automerge::ActorId::from([5; 16]));
    let mut tx = doc.transaction();
    tx.put(ROOT, "one", 1).unwrap();
    tx.commit();
    let before = index.work();
    index.learn(&doc.get_last_local_change().unwrap());
    assert!(index.work() - before < 5);
}
