//! A device that makes one document or branch by two events of one place in its chain: what the
//! document holds follows from the events alone, whichever of them came first.

use kernelos_protocol::content::{DocumentChange, encode_branch, encode_changes};
use kernelos_protocol::document::board_change;
use kernelos_protocol::event::{Header, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{DocumentId, EventId};
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Stamp;

use super::branches::{actor, begins, edit, merging, orders, shown, write};
use super::orders::{granted, joined};
use super::recarried::carrier;
use crate::kit::Peer;

/// An event of these changes behind `prev`, which opens its author's chain.
fn second(peer: &Peer, changes: &[DocumentChange], prev: EventId, stamp: u64) -> Verified {
    let event = peer.craft(&encode_changes(changes.to_vec()), vec![prev]);
    let header = Header {
        seq: 1,
        prev: Some(prev),
        parents: Vec::new(),
        stamp: Stamp(stamp),
        ..event.header().clone()
    };
    peer.resign(&event, header)
}

/// What a device that took these in this order shows of a document.
fn shown_after(base: &[Verified], order: &[Verified], document: DocumentId) -> String {
    let mut peer = joined(1, base);
    for event in order {
        peer.take(std::slice::from_ref(event));
        peer.project();
    }
    for event in order {
        assert_eq!(peer.verdict(&event.id()), "admitted");
    }
    shown(&mut peer, document)
}

#[test]
fn of_two_changes_that_one_event_carries_at_one_number_the_lowest_stays_in_every_order() {
    // SPEC: PRJ-4
    let (_, base) = granted(&[Role::Member]);
    let mut two = joined(2, &base);
    let document = hash::document_id(&two.key.device(), &two.incarnation, 0);
    let change = board_change(actor(&two, &document, 1), "garden").unwrap();
    let made = DocumentChange { document: None, generation: 1, change };
    let first = two.craft(&encode_changes(vec![made]), vec![base[3].id()]);
    two.take(std::slice::from_ref(&first));
    let [one, other] = ["one", "other"].map(|value| {
        let mut twin = joined(2, &[base.clone(), vec![first.clone()]].concat());
        edit(&mut twin, document, 7, ("notes/a", value))
    });
    // The first of them says that it makes the document, so they count as of two documents.
    let made = DocumentChange { document: None, ..one };
    let twin = two.craft(&encode_changes(vec![made, other.clone()]), vec![first.id()]);
    let again = (1..).map(|stamp| second(&two, std::slice::from_ref(&other), first.id(), stamp));
    let again = again.into_iter().find(|again| twin.id() < again.id()).unwrap();
    let found: Vec<_> = orders(&[first, twin, again])
        .iter()
        .map(|order| shown_after(&base, order, document))
        .collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], found[1]);
}

#[test]
fn a_branch_that_was_made_twice_has_the_same_heads_in_every_order() {
    // SPEC: BRA-2
    let (founder, base) = granted(&[Role::Member; 2]);
    let root = founder.document();
    let mut two = joined(2, &base);
    let branch = hash::branch_id(&two.key.device(), &two.incarnation, 0, &root);
    let make = |peer: &Peer, change: &DocumentChange, before| {
        peer.craft(&encode_branch(root, vec![change.clone()]), vec![before])
    };
    let change = begins(&mut two, root, branch, 1);
    let first = make(&two, &change, base[3].id());
    // The origin knows how the branch began, and it begins once more after that.
    let mut three = joined(3, &[base.clone(), vec![first.clone()]].concat());
    let merge = merging(&mut three, root, branch, 1);
    let merged = write(&mut three, merge);
    two.take(&[vec![first.clone()], merged.clone()].concat());
    let change = begins(&mut two, root, branch, 2);
    let twin = make(&two, &change, merged[0].id());
    // Who did not see that carries its change as one of many.
    let change = DocumentChange { document: Some(branch), ..change };
    let again = carrier(&two, &[change], &[merged[0].id()], 1);
    let all = [vec![first], merged, vec![twin, again]].concat();
    for order in orders(&all) {
        for is_open in [true, false] {
            let mut peer = joined(1, &base);
            for event in &order {
                peer.take(std::slice::from_ref(event));
                if is_open {
                    peer.project();
                }
            }
            assert_eq!(shown(&mut peer, branch), "{}");
            assert_eq!(peer.workspace.line(&branch).heads.len(), 1);
        }
    }
}

#[test]
fn a_branch_that_was_made_twice_left_its_origin_where_the_lowest_event_says() {
    // SPEC: BRA-3
    let (founder, base) = granted(&[Role::Member; 2]);
    let root = founder.document();
    let (mut two, mut three) = (joined(2, &base), joined(3, &base));
    let branch = hash::branch_id(&two.key.device(), &two.incarnation, 0, &root);
    let make = |two: &mut Peer, before: EventId| {
        let change = begins(two, root, branch, 1);
        let heads = two.workspace.line(&root).heads;
        (two.craft(&encode_branch(root, vec![change]), vec![before]), heads)
    };
    let first = make(&mut two, base[3].id());
    let set = three.set("notes/a", "x");
    two.take(&set);
    let twin = make(&mut two, set[0].id());
    let (lowest, all) = (
        if first.0.id() < twin.0.id() { &first.1 } else { &twin.1 },
        [vec![first.0.clone()], set, vec![twin.0.clone()]].concat(),
    );
    for order in orders(&all) {
        let mut peer = joined(1, &base);
        for event in &order {
            peer.take(std::slice::from_ref(event));
            peer.project();
        }
        assert_eq!(peer.workspace.fork_heads(&branch), *lowest);
    }
}
