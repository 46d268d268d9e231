//! Operations that name what is not there or do what they may not, and their codes.

use super::common::*;
use automerge::legacy::{MarkData, ObjectId, OpType};
use automerge::{ObjType, ScalarValue};

const ROOT_OBJECT: ObjectId = ObjectId::Root;

/// SPEC: DOC-17
#[test]
fn nesting_is_bounded() {
    let mut world = World::new();
    let nested = |world: &World, depth: u64| {
        let made = (0..depth).map(|level| {
            let object = if level == 0 { ROOT_OBJECT } else { in_object(LAST + level) };
            op(object, key("deeper"), OpType::Make(ObjType::Map), &[])
        });
        world.change(made.collect())
    };
    assert_eq!(world.code(&nested(&world, 32)), "accepted");
    assert_eq!(world.code(&nested(&world, 33)), "too_deep");
    assert_eq!(world.code(&nested(&world, 300)), "too_deep");
    // In a second change, too.
    let checked = world.check(&nested(&world, 32)).unwrap();
    let deps = vec![checked.hash];
    world.index.insert(checked);
    let below = |action| {
        let operation = op(in_object(LAST + 32), key("deeper"), action, &[]);
        let mut change = world.expanded(1, vec![operation]);
        (change.deps, change.seq) = (deps.clone(), 3);
        change.start_op = (LAST + 33).try_into().unwrap();
        raw(change)
    };
    assert_eq!(world.code(&below(put(1))), "accepted");
    assert_eq!(world.code(&below(OpType::Make(ObjType::List))), "too_deep");
}

/// SPEC: DOC-26
#[test]
fn marks_begin_before_they_end_and_at_once() {
    let world = World::new();
    let begin = |value: ScalarValue| {
        OpType::MarkBegin(MarkData { name: "bold".into(), value, expand: false })
    };
    let (open, close) = (begin(true.into()), OpType::MarkEnd(false));
    let pair = |from, to| {
        let (open, close) = (open.clone(), close.clone());
        world.change(vec![insert(in_object(TEXT), from, open), insert(in_object(TEXT), to, close)])
    };
    world.is("from the first to the last", pair(head(), at(LETTER_C)), "accepted");
    world.is("of no width", pair(at(LETTER_A), at(LAST + 1)), "accepted");
    world.is("the end before the begin", pair(at(LETTER_B), at(LETTER_A)), "mark_order");
    world.is("the end at the head", pair(at(LETTER_B), head()), "mark_order");
    world.is("both behind one letter", pair(at(LETTER_B), at(LETTER_B)), "mark_order");
}

/// SPEC: DOC-26, DOC-19
#[test]
fn the_ends_of_a_mark_follow_each_other_in_a_text() {
    let world = World::new();
    let begin = |value: ScalarValue| {
        OpType::MarkBegin(MarkData { name: "bold".into(), value, expand: false })
    };
    let (open, close) = (begin(true.into()), OpType::MarkEnd(false));
    let change = |operation| world.change(vec![operation]);
    world.is("a begin alone", change(insert(in_object(TEXT), head(), open.clone())), "mark_pair");
    world.is("an end alone", change(insert(in_object(TEXT), head(), close.clone())), "mark_pair");
    world.is(
        "something between",
        world.change(vec![
            insert(in_object(TEXT), head(), open.clone()),
            insert(in_object(TEXT), head(), put("x")),
            insert(in_object(TEXT), at(LETTER_C), close.clone()),
        ]),
        "mark_pair",
    );
    world.is(
        "a mark in a list",
        change(insert(in_object(LIST), head(), open.clone())),
        "wrong_place",
    );
    world.is(
        "a mark in a map",
        change(op(ROOT_OBJECT, key("m"), open.clone(), &[])),
        "wrong_place",
    );
    world.is(
        "a mark that updates",
        change(op(in_object(TEXT), at(LETTER_A), open, &[id(LETTER_A)])),
        "wrong_place",
    );
    world.is(
        "a counter as a mark's value",
        change(insert(in_object(TEXT), head(), begin(ScalarValue::counter(1)))),
        "unknown_value",
    );
}

/// SPEC: DOC-18
#[test]
fn an_object_has_to_exist() {
    let world = World::new();
    let change = |operation| world.change(vec![operation]);
    let own = LAST + 1;
    world.is(
        "an object to come",
        change(op(in_object(99), key("a"), put(1), &[])),
        "unknown_object",
    );
    world.is(
        "an object of the operation itself",
        change(op(in_object(own), key("a"), put(1), &[])),
        "unknown_object",
    );
    world.is(
        "an object of an actor without changes",
        change(op(ObjectId::Id(by(MAP, 7)), key("a"), put(1), &[])),
        "unknown_object",
    );
    world.is(
        "a value as an object",
        change(op(in_object(STRING), key("a"), put(1), &[])),
        "unknown_object",
    );
}

/// SPEC: DOC-20
#[test]
fn an_element_has_to_exist_in_its_object() {
    let world = World::new();
    let change = |operation| world.change(vec![operation]);
    let own = LAST + 1;
    world.is(
        "an element to come",
        change(insert(in_object(LIST), at(99), put(1))),
        "unknown_element",
    );
    world.is(
        "an element of another object",
        change(insert(in_object(LIST), at(LETTER_A), put(1))),
        "unknown_element",
    );
    world.is(
        "a map's value as an element",
        change(insert(in_object(LIST), at(STRING), put(1))),
        "unknown_element",
    );
    world.is(
        "an update of the head",
        change(op(in_object(LIST), head(), put(1), &[id(FIRST)])),
        "unknown_element",
    );
    world.is(
        "an element that an update wrote",
        world.change(vec![
            op(in_object(LIST), at(FIRST), put(1), &[id(FIRST)]),
            insert(in_object(LIST), at(own), put(2)),
        ]),
        "unknown_element",
    );
}

/// SPEC: DOC-21
#[test]
fn a_predecessor_has_to_exist() {
    let world = World::new();
    let change = |operation| world.change(vec![operation]);
    let own = LAST + 1;
    world.is(
        "a predecessor to come",
        change(op(ROOT_OBJECT, key("string"), put(1), &[id(99)])),
        "unknown_predecessor",
    );
    world.is(
        "itself as predecessor",
        change(op(ROOT_OBJECT, key("string"), put(1), &[id(own)])),
        "unknown_predecessor",
    );
    world.is(
        "a predecessor of number zero",
        change(op(ROOT_OBJECT, key("string"), put(1), &[id(0)])),
        "unknown_predecessor",
    );
}

/// SPEC: DOC-21
#[test]
fn a_predecessor_has_to_be_a_value_at_the_place() {
    let world = World::new();
    let change = |operation| world.change(vec![operation]);
    let own = LAST + 1;
    world.is(
        "a predecessor at another key",
        change(op(ROOT_OBJECT, key("string"), put(1), &[id(COUNTER)])),
        "unknown_predecessor",
    );
    world.is(
        "a predecessor in another object",
        change(op(in_object(MAP), key("string"), put(1), &[id(STRING)])),
        "unknown_predecessor",
    );
    world.is(
        "a predecessor at another element",
        change(op(in_object(LIST), at(FIRST), put(1), &[id(SECOND)])),
        "unknown_predecessor",
    );
    world.is(
        "a deletion as predecessor",
        world.change(vec![
            op(ROOT_OBJECT, key("string"), OpType::Delete, &[id(STRING)]),
            op(ROOT_OBJECT, key("string"), put(1), &[id(own)]),
        ]),
        "unknown_predecessor",
    );
    world.is(
        "an increment as predecessor",
        world.change(vec![
            op(ROOT_OBJECT, key("counter"), OpType::Increment(1), &[id(COUNTER)]),
            op(ROOT_OBJECT, key("counter"), OpType::Delete, &[id(own)]),
        ]),
        "unknown_predecessor",
    );
}

/// SPEC: DOC-21, DOC-22
#[test]
fn predecessors_have_to_be_all_that_are_known_to_be_needed() {
    let world = World::new();
    let change = |operation| world.change(vec![operation]);
    let own = LAST + 1;
    world.is(
        "a predecessor twice",
        change(op(ROOT_OBJECT, key("string"), put(1), &[id(STRING), id(STRING)])),
        "duplicate_predecessor",
    );
    world.is(
        "a second value beside one's own",
        world.change(vec![
            op(ROOT_OBJECT, key("new"), put(1), &[]),
            op(ROOT_OBJECT, key("new"), put(2), &[]),
        ]),
        "own_predecessor",
    );
    world.is(
        "a second value beside the one inserted",
        world.change(vec![
            insert(in_object(LIST), head(), put(1)),
            op(in_object(LIST), at(own), put(2), &[id(own)]),
            op(in_object(LIST), at(own), put(3), &[id(own)]),
        ]),
        "own_predecessor",
    );
    world.is(
        "a value after one's own was deleted",
        world.change(vec![
            op(ROOT_OBJECT, key("new"), put(1), &[]),
            op(ROOT_OBJECT, key("new"), OpType::Delete, &[id(own)]),
            op(ROOT_OBJECT, key("new"), put(2), &[]),
        ]),
        "accepted",
    );
    world.is(
        "a deletion of nothing",
        change(op(ROOT_OBJECT, key("string"), OpType::Delete, &[])),
        "missing_predecessor",
    );
    world.is(
        "an increment of nothing",
        change(op(ROOT_OBJECT, key("x"), OpType::Increment(1), &[])),
        "missing_predecessor",
    );
    world.is(
        "an update of no value",
        change(op(in_object(LIST), at(FIRST), put(1), &[])),
        "missing_predecessor",
    );
    world.is(
        "an insertion with a predecessor",
        {
            let mut insertion = insert(in_object(LIST), at(FIRST), put(1));
            insertion.pred = vec![id(FIRST)].into();
            change(insertion)
        },
        "unknown_predecessor",
    );
}

/// SPEC: DOC-19
#[test]
fn an_operation_has_to_fit_the_kind_of_its_object() {
    let world = World::new();
    let change = |operation| world.change(vec![operation]);
    world.is("a key in a list", change(op(in_object(LIST), key("a"), put(1), &[])), "wrong_place");
    world.is(
        "a key in a text",
        change(op(in_object(TEXT), key("a"), put("a"), &[])),
        "wrong_place",
    );
    world.is("an element in a map", change(insert(in_object(MAP), head(), put(1))), "wrong_place");
    world.is(
        "an insertion at a key",
        change(insert(in_object(MAP), key("a"), put(1))),
        "wrong_place",
    );
    world.is(
        "an inserted deletion",
        change(insert(in_object(LIST), head(), OpType::Delete)),
        "wrong_place",
    );
    world.is(
        "an inserted increment",
        change(insert(in_object(LIST), head(), OpType::Increment(1))),
        "wrong_place",
    );
    world.is("an empty key", change(op(ROOT_OBJECT, key(""), put(1), &[])), "empty_key");
    world.is(
        "a made table",
        change(op(ROOT_OBJECT, key("t"), OpType::Make(ObjType::Table), &[])),
        "unknown_action",
    );
}

/// SPEC: DOC-4, DOC-23, DOC-24
#[test]
fn counters_and_numbers_are_bounded() {
    let world = World::new();
    let change = |operation| world.change(vec![operation]);
    let increment = |step| op(ROOT_OBJECT, key("counter"), OpType::Increment(step), &[id(COUNTER)]);
    world.is(
        "an increment of a string",
        change(op(ROOT_OBJECT, key("string"), OpType::Increment(1), &[id(STRING)])),
        "not_a_counter",
    );
    world.is("a step of the greatest width", change(increment(1 << 32)), "accepted");
    world.is("a step beyond it", change(increment((1 << 32) + 1)), "counter_range");
    world.is("the least step", change(increment(i64::MIN)), "counter_range");
    world.is(
        "a counter that starts too far",
        change(op(ROOT_OBJECT, key("c"), put(ScalarValue::counter((1 << 53) + 1)), &[])),
        "counter_range",
    );
    world.is("no number", change(op(ROOT_OBJECT, key("f"), put(f64::NAN), &[])), "not_a_number");
    world.is("an infinity", change(op(ROOT_OBJECT, key("f"), put(f64::INFINITY), &[])), "accepted");
}

/// SPEC: DOC-25
#[test]
fn a_text_holds_strings() {
    let world = World::new();
    let change = |operation| world.change(vec![operation]);
    world.is(
        "an empty string in a text",
        change(insert(in_object(TEXT), head(), put(""))),
        "text_element",
    );
    world.is("a number in a text", change(insert(in_object(TEXT), head(), put(1))), "text_element");
    world.is(
        "a map in a text",
        change(insert(in_object(TEXT), head(), OpType::Make(ObjType::Map))),
        "text_element",
    );
    world.is(
        "an update of a text's element",
        change(op(in_object(TEXT), at(LETTER_A), put("x"), &[id(LETTER_A)])),
        "text_element",
    );
    world.is(
        "an increment written without a sign",
        world.parts(|p| {
            // The last value is 2, as a signed number of one byte.
            let kinds = p.column(0x56);
            let last = kinds.len() - 1;
            kinds[last] = 0x13;
        }),
        "not_canonical",
    );
}
