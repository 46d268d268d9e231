//! What real transactions write is accepted, whatever they do and however they are merged.

use super::common::history::history;
use super::common::{Rng, actor, check, commit, use_of};
use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjType, ROOT, ReadDoc};
use kernelos_protocol::document::validate::ChangeIndex;

#[test]
fn random_histories_are_accepted_one_after_the_other() {
    for seed in 0..40 {
        let (mut doc, changes) = history(seed, 120);
        let mut index = ChangeIndex::new();
        for change in &changes {
            let verdict = check(&index, change.raw_bytes());
            let checked = verdict.unwrap_or_else(|fault| {
                panic!("seed {seed}, {} of {}: {fault}", change.seq(), change.actor_id())
            });
            assert_eq!(checked.hash, change.hash());
            index.insert(checked);
        }
        let heads: Vec<_> = index.heads().copied().collect();
        assert_eq!(heads, doc.get_heads());
    }
}

/// SPEC: DOC-27
#[test]
fn the_verdict_does_not_depend_on_the_order_of_arrival() {
    for seed in 40..50 {
        let (_, mut waiting) = history(seed, 120);
        let mut rng = Rng::new(seed);
        let mut index = ChangeIndex::new();
        while !waiting.is_empty() {
            let at = rng.below(waiting.len());
            if waiting[at].deps().iter().all(|dep| index.contains(dep)) {
                let change = waiting.swap_remove(at);
                let checked = check(&index, change.raw_bytes()).unwrap();
                index.insert(checked);
            }
        }
    }
}

#[test]
fn what_is_accepted_is_of_use_to_automerge() {
    let (mut doc, changes) = history(60, 60);
    let doc = doc.document().clone();
    for change in changes {
        use_of(&doc, change).unwrap();
    }
}

/// SPEC: DOC-10
#[test]
fn ten_thousand_operations_are_accepted_and_one_more_is_not() {
    for (count, accepted) in [(9_999, true), (10_000, false)] {
        let mut doc = AutoCommit::new().with_actor(ActorId::from(actor(1)));
        let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
        doc.splice_text(&text, 0, 0, &"x".repeat(count)).unwrap();
        commit(&mut doc).unwrap();
        let change = doc.get_last_local_change().unwrap();
        let verdict = check(&ChangeIndex::new(), change.raw_bytes());
        assert_eq!(verdict.err().map(|fault| fault.code()), (!accepted).then_some("too_many_ops"));
    }
}

#[test]
fn a_long_text_with_marks_is_accepted() {
    let mut doc = AutoCommit::new().with_actor(ActorId::from(actor(1)));
    let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
    let mut index = ChangeIndex::new();
    for round in 0..20 {
        let end = doc.length(&text);
        doc.splice_text(&text, end, 0, &"word ".repeat(100)).unwrap();
        for mark in 0..20 {
            let mark = Mark::new("bold".into(), true, mark * 3 + round, mark * 20 + 100);
            doc.mark(&text, mark, ExpandMark::After).unwrap();
        }
        commit(&mut doc).unwrap();
        let change = doc.get_last_local_change().unwrap();
        let checked = check(&index, change.raw_bytes()).unwrap();
        index.insert(checked);
    }
}

/// SPEC: DOC-10
#[test]
fn a_change_without_operations_joins_heads() {
    use automerge::transaction::CommitOptions;
    let mut one = AutoCommit::new().with_actor(ActorId::from(actor(1)));
    one.put(ROOT, "a", 1).unwrap();
    commit(&mut one).unwrap();
    let mut two = one.fork().with_actor(ActorId::from(actor(2)));
    one.put(ROOT, "b", 1).unwrap();
    commit(&mut one).unwrap();
    two.put(ROOT, "b", 2).unwrap();
    commit(&mut two).unwrap();
    one.merge(&mut two).unwrap();
    one.empty_change(CommitOptions::default().with_time(0));
    one.put(ROOT, "c", 3).unwrap();
    commit(&mut one).unwrap();
    let mut index = ChangeIndex::new();
    for change in one.get_changes(&[]) {
        let checked = check(&index, change.raw_bytes()).unwrap();
        index.insert(checked);
    }
    assert_eq!(index.heads().count(), 1);
    let changes: Vec<_> = one.get_changes(&[]).iter().map(|c| c.raw_bytes().to_vec()).collect();
    let mut anew = automerge::Automerge::new();
    let parsed = changes.into_iter().map(|bytes| automerge::Change::from_bytes(bytes).unwrap());
    anew.apply_changes(parsed.collect::<Vec<_>>()).unwrap();
    assert_eq!(anew.get_heads(), one.get_heads());
}

/// SPEC: DOC-29
#[test]
fn what_a_change_makes_is_its_new_keys_and_its_objects() {
    let mut doc = AutoCommit::new().with_actor(ActorId::from(actor(1)));
    let mut index = ChangeIndex::new();
    let list = doc.put_object(ROOT, "list", ObjType::List).unwrap();
    let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
    doc.put(ROOT, "one", 1).unwrap();
    doc.put(ROOT, "two", 2).unwrap();
    let mut makes = |doc: &mut AutoCommit, edit: &dyn Fn(&mut AutoCommit)| {
        edit(doc);
        commit(doc);
        let last = doc.get_last_local_change().unwrap();
        let checked = check(&index, last.raw_bytes()).unwrap();
        let makes = checked.makes;
        index.insert(checked);
        makes
    };
    assert_eq!(makes(&mut doc, &|_| {}), 6, "four keys, two of them with objects");
    type Case<'a> = (&'a str, u32, &'a dyn Fn(&mut AutoCommit));
    let cases: [Case<'_>; 9] = [
        ("a new key", 1, &|doc| doc.put(ROOT, "new", 1).unwrap()),
        ("another value of a key", 0, &|doc| doc.put(ROOT, "new", 2).unwrap()),
        ("an object at a new key", 2, &|doc| {
            doc.put_object(ROOT, "map", ObjType::Map).unwrap();
        }),
        ("an object instead of a value", 1, &|doc| {
            doc.put_object(ROOT, "one", ObjType::Text).unwrap();
        }),
        ("a key that goes", 0, &|doc| doc.delete(ROOT, "two").unwrap()),
        ("a key that comes back", 1, &|doc| doc.put(ROOT, "two", 2).unwrap()),
        ("elements of a list", 0, &|doc| {
            (0..9).for_each(|at| doc.insert(&list, at, "value").unwrap());
        }),
        ("objects in a list", 2, &|doc| {
            (0..2).for_each(|at| drop(doc.insert_object(&list, at, ObjType::Map).unwrap()));
        }),
        ("letters of a text", 0, &|doc| doc.splice_text(&text, 0, 0, "letters").unwrap()),
    ];
    for (what, expected, edit) in cases {
        assert_eq!(makes(&mut doc, edit), expected, "{what}");
    }
}
