//! Changes that do not follow from their past, and the codes they are refused with.

use std::collections::{BTreeMap, BTreeSet};

use super::common::history::history;
use super::common::*;
use automerge::legacy::{ObjectId, Op, OpId, OpType};
use automerge::{Change, ChangeHash};
use kernelos_protocol::document::validate::{ChangeFault, ChangeIndex, frame};

const ROOT_OBJECT: ObjectId = ObjectId::Root;

/// SPEC: DOC-7
#[test]
fn a_start_that_does_not_follow_is_refused() {
    let world = World::new();
    let starts =
        [0, 1, LAST, LAST + 2, 1_000_000_000, 1 << 31, u64::from(u32::MAX), 1 << 32, u64::MAX];
    for start in starts {
        let bytes = world.parts(|p| p.start_op = unsigned(start));
        assert_eq!(world.code(&bytes), "start_op", "start {start}");
    }
}

/// SPEC: DOC-13, DOC-14, DOC-16
#[test]
fn a_change_that_does_not_fit_its_past_is_refused() {
    let world = World::new();
    let good = world.honest();
    let view = |index: &ChangeIndex, hash: &automerge::ChangeHash| index.contains(hash);
    let foreign = world.index.check(&good, &actor(2), &|hash| view(&world.index, hash));
    assert_eq!(foreign.err(), Some(ChangeFault::ActorMismatch));
    let unseen = world.index.check(&good, &actor(1), &|_| false);
    assert_eq!(unseen.err(), Some(ChangeFault::NotInView));
    let void = ChangeIndex::new().check(&good, &actor(1), &|_| true);
    assert_eq!(void.err(), Some(ChangeFault::UnknownDependency));
    world.is("a number used before", world.put_wrong(|c| c.seq = 1), "duplicate_seq");
    world.is("a number left out", world.put_wrong(|c| c.seq = 3), "seq_gap");
    world.is(
        "an own change that is not among the dependencies",
        world.put_wrong(|c| {
            c.deps.clear();
            c.start_op = 1.try_into().unwrap();
        }),
        "seq_gap",
    );
    world.is(
        "another actor's first change",
        world.put_wrong(|c| {
            c.actor_id = by(0, 2).1;
            c.seq = 1;
        }),
        "accepted",
    );
    world.is(
        "another actor's second change",
        world.put_wrong(|c| c.actor_id = by(0, 2).1),
        "seq_gap",
    );
}

/// SPEC: DOC-15
#[test]
fn a_change_on_both_sides_of_a_fork_is_refused() {
    let mut world = World::new();
    let side = |name| world.change(vec![op(ROOT_OBJECT, key(name), put(1), &[])]);
    let (one, two) = (side("one"), side("two"));
    let hashes = [&one, &two].map(|bytes| frame(bytes).unwrap().hash);
    // Both are honest by their own past, in either order of arrival.
    for bytes in [&one, &two] {
        let checked = world.check(bytes).unwrap();
        world.index.insert(checked);
    }
    let after = |deps: &[automerge::ChangeHash], who: u8, seq: u64| {
        let mut change = world.expanded(who, vec![op(ROOT_OBJECT, key("after"), put(3), &[])]);
        change.deps = deps.to_vec();
        change.deps.sort();
        change.seq = seq;
        change.start_op = (LAST + 2).try_into().unwrap();
        raw(change)
    };
    world.is("behind one side", after(&hashes[..1], 1, 3), "accepted");
    world.is("behind the other side", after(&hashes[1..], 1, 3), "accepted");
    world.is("behind both", after(&hashes, 1, 3), "forked_past");
    world.is("behind both, by another", after(&hashes, 2, 1), "forked_past");
    world.is("the number that the other side used", after(&hashes[..1], 1, 2), "duplicate_seq");
    // Each side sees its own operation under the number that both used.
    for (side, name, expected) in [
        (0, "one", "accepted"),
        (0, "two", "unknown_predecessor"),
        (1, "one", "unknown_predecessor"),
        (1, "two", "accepted"),
    ] {
        let replaces = op(ROOT_OBJECT, key(name), put(9), &[id(LAST + 1)]);
        let mut sees = world.expanded(2, vec![replaces]);
        sees.deps = hashes[side..=side].to_vec();
        sees.start_op = (LAST + 2).try_into().unwrap();
        world.is(name, raw(sees), expected);
    }
}

#[test]
fn every_code_is_one_of_a_kind_and_says_something() {
    let codes: std::collections::BTreeSet<_> = ChangeFault::ALL.iter().map(|f| f.code()).collect();
    assert_eq!(codes.len(), ChangeFault::ALL.len());
    for fault in ChangeFault::ALL {
        assert!(fault.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        assert!(fault.to_string().len() > 10);
    }
}

/// The closure by its definition: the changes themselves and all they depend on.
fn closure(changes: &BTreeMap<ChangeHash, Change>, of: &[ChangeHash]) -> BTreeSet<ChangeHash> {
    let mut found = BTreeSet::new();
    let mut waiting = of.to_vec();
    while let Some(hash) = waiting.pop() {
        if found.insert(hash) {
            waiting.extend(changes[&hash].deps());
        }
    }
    found
}

/// The objects that a history makes, each with the change that does.
fn objects(changes: &[Change]) -> Vec<(OpId, ChangeHash)> {
    let makes = |op: &Op| matches!(op.action, OpType::Make(_));
    let of = |change: &Change| {
        let (start, actor, hash) =
            (change.start_op().get(), change.actor_id().clone(), change.hash());
        let operations = change.decode().operations.into_iter().zip(start..);
        let made: Vec<_> = operations.filter(|(op, _)| makes(op)).collect();
        made.into_iter().map(move |(_, number)| (OpId(number, actor.clone()), hash))
    };
    changes.iter().flat_map(of).collect()
}

/// SPEC: DOC-18
#[test]
fn what_may_be_named_is_what_the_closure_holds() {
    for seed in 200..204 {
        let (_, changes) = history(seed, 60);
        let mut index = ChangeIndex::new();
        for change in &changes {
            let checked = check(&index, change.raw_bytes()).unwrap();
            index.insert(checked);
        }
        let objects = objects(&changes);
        let by_hash: BTreeMap<_, _> = changes.iter().map(|c| (c.hash(), c.clone())).collect();
        let mut rng = Rng::new(seed);
        let world = World::new();
        for _ in 0..1_000 {
            let mut deps = vec![changes[rng.below(changes.len())].hash()];
            deps.push(changes[rng.below(changes.len())].hash());
            deps.sort();
            deps.dedup();
            let past = closure(&by_hash, &deps);
            let last = past.iter().map(|hash| by_hash[hash].max_op()).max().unwrap();
            let (object, made_by) = objects[rng.below(objects.len())].clone();
            let operation = op(ObjectId::Id(object), key("new"), put(1), &[]);
            let mut change = world.expanded(9, vec![operation]);
            (change.deps, change.start_op) = (deps, (last + 1).try_into().unwrap());
            let code = check(&index, &raw(change)).err().map_or("accepted", ChangeFault::code);
            assert_eq!(code != "unknown_object", past.contains(&made_by), "seed {seed}: {code}");
        }
    }
}
