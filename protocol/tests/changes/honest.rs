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
        let mut rng = Rng(seed);
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
