//! A device that makes one document or branch by two events of one place in its chain: what the
//! document holds follows from the events alone, whichever of them came first.

use kernelos_protocol::content::{DocumentChange, encode_changes};
use kernelos_protocol::document::board_change;
use kernelos_protocol::event::{Header, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{DocumentId, EventId};
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Stamp;

use super::branches::{actor, edit, orders, shown};
use super::orders::{granted, joined};
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
