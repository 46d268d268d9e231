//! Changes of one number of an actor, signed one after the other in a chain that forks nowhere, in
//! one document or in many: what it takes to choose between them grows as they do.

use kernelos_protocol::document::board_change;
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::role::Role;

use super::branches::{actor, board};
use super::orders::{granted, in_every_order, joined};
use crate::kit::Peer;

/// A board's first change by device 2, for this document: the first of its actor there.
fn first(two: &Peer, document: &DocumentId, number: usize) -> Vec<u8> {
    board_change(actor(two, document, 1), &format!("board {number}")).unwrap()
}

/// What a turn looks at to choose, once so many changes of number 1 are here and others wrote on.
fn looks(changes: usize) -> u64 {
    let (mut founder, base) = granted(&[Role::Member; 2]);
    let mut two = joined(2, &base);
    let mut written: Vec<Verified> = Vec::new();
    for number in 0..changes {
        let change = first(&two, &two.document(), number);
        written.extend(two.change(Some(two.document()), change).unwrap());
        if number % 4 == 3 {
            founder.take(&written);
            written.clear();
            written.extend(founder.set("notes/a", &number.to_string()));
            two.take(&written);
            written.clear();
        }
    }
    founder.take(&written);
    turn(&mut founder)
}

/// The same, once there are so many documents with two changes of number 1 each.
fn looks_at_documents(documents: usize) -> u64 {
    let (mut founder, mut base) = granted(&[Role::Member]);
    let mut boards = Vec::new();
    for _ in 0..documents {
        let (document, made) = board(&mut founder);
        boards.push(document);
        base.extend(made);
    }
    let mut two = joined(2, &base);
    for document in boards {
        for number in 0..2 {
            let change = first(&two, &document, number);
            founder.take(&two.change(Some(document), change).unwrap());
        }
    }
    turn(&mut founder)
}

/// What an edit's turn looks at to choose.
fn turn(founder: &mut Peer) -> u64 {
    founder.project();
    let before = founder.workspace.fork_looks();
    founder.set("notes/b", "a turn");
    founder.project();
    founder.workspace.fork_looks() - before
}

#[test]
fn a_member_that_signs_one_number_again_and_again_slows_no_turn_by_its_square() {
    // SPEC: PRJ-4
    let told: Vec<_> = [60, 120, 240].map(looks).into();
    assert!(told[0] > 60, "it is chosen every turn: {told:?}");
    assert!(told.windows(2).all(|pair| 10 * pair[1] < 24 * pair[0]), "{told:?}");
    assert!(told[2] < 20 * 240, "{told:?}");
}

#[test]
fn a_member_that_forks_a_number_in_each_of_many_documents_slows_no_turn_by_their_square() {
    // SPEC: PRJ-4
    let told: Vec<_> = [30, 60, 120].map(looks_at_documents).into();
    assert!(told[0] > 2 * 30, "it is chosen every turn: {told:?}");
    assert!(told.windows(2).all(|pair| 10 * pair[1] < 24 * pair[0]), "{told:?}");
    assert!(told[2] < 30 * 120, "{told:?}");
}

#[test]
fn of_one_number_that_was_signed_in_one_chain_one_stays_in_every_order() {
    // SPEC: PRJ-4
    let (_, base) = granted(&[Role::Member; 3]);
    let (mut two, mut three, mut four) = (joined(2, &base), joined(3, &base), joined(4, &base));
    let mut all: Vec<Verified> = Vec::new();
    for number in 0..4 {
        let change = first(&two, &two.document(), number);
        let written = two.change(Some(two.document()), change).unwrap();
        if number == 0 {
            three.take(&written);
            all.extend(three.set("notes/three", "built on the first alone"));
        }
        all.extend(written);
    }
    // Who has all of them built on none.
    four.take(&all);
    all.extend(four.set("notes/four", "built on all"));
    let end = in_every_order(&base, &all);
    assert!(end.notes.contains("three") && end.notes.contains("four"), "{}", end.notes);
    let mut peer = joined(1, &[base, all].concat());
    assert_eq!(peer.get("board/name"), "\"board 0\"");
}
