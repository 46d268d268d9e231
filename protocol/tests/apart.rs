//! What is kept apart and disputed is found by what it is, not by a walk over all content.

use std::sync::Arc;

use kernelos_protocol::event::{BodyRef, Header, Verified};
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Stamp;

use crate::kit::Peer;

/// So many events of this peer behind one of its chain, which count and say nothing.
fn contents(peer: &Peer, last: &Verified, count: u64) -> Vec<Verified> {
    let mut last = last.clone();
    let next = |_| {
        let before = last.header();
        let header = Header {
            seq: before.seq + 1,
            prev: Some(last.id()),
            parents: Vec::new(),
            stamp: Stamp(before.stamp.0 + 1),
            body: Some(BodyRef::of(&[7; 40])),
            ..before.clone()
        };
        last = peer.sign(header, vec![7; 40]);
        last.clone()
    };
    (0..count).map(next).collect()
}

#[test]
fn what_is_apart_and_disputed_is_found_without_a_look_at_ten_thousand_that_count() {
    // SPEC: CFL-18
    let (mut founder, mut base) = Peer::founder();
    let first = base.last().unwrap().clone();
    base.extend(founder.grant(2, Role::Member));
    let mut phone = Peer::new(2, founder.workspace.id());
    phone.take(&base);
    founder.revoke(2);
    let late: Vec<_> = (0..3).flat_map(|n| phone.set(&format!("notes/{n}"), "late")).collect();
    let mut all = contents(&founder, &first, 10_000);
    let last = all.pop().unwrap();
    founder.take(&all);
    founder.take(&late);
    founder.workspace.settle();
    let workspace = &founder.workspace;
    let before = workspace.apart_looks();
    let page = workspace.quarantine();
    assert_eq!(page.branches.iter().map(|row| row.events).collect::<Vec<_>>(), [3]);
    assert_eq!(workspace.apart_looks() - before, 3);
    let found = workspace.disputes();
    assert_eq!((found.open.len(), workspace.apart_looks() - before), (1, 6));
    assert!(Arc::ptr_eq(&found, &workspace.disputes()), "nothing came since");
    founder.take(&[last]);
    founder.workspace.settle();
    assert_eq!(*founder.workspace.disputes(), *found);
    assert_eq!(founder.workspace.apart_looks() - before, 9);
    let comes = phone.set("notes/3", "later yet");
    founder.take(&comes);
    founder.workspace.settle();
    assert_ne!(*founder.workspace.disputes(), *found);
}
