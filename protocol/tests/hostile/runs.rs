//! Runs of which some is here, and what their events name besides each other: a run goes in whole,
//! or nothing of it does.

use kernelos_protocol::event::{Header, Verified};
use kernelos_protocol::id::EventId;
use kernelos_protocol::role::Role;
use kernelos_protocol::workspace::{InsertFault, Inserted};

use super::orders::{granted, joined};
use crate::kit::Peer;
use crate::segments::proven;

/// An event of nothing known behind this one, which names these besides.
fn behind(peer: &Peer, prev: &Verified, mut parents: Vec<EventId>) -> Verified {
    parents.sort_unstable();
    let (seq, before) = (prev.header().seq + 1, prev.id());
    let header = Header { seq, prev: Some(before), parents, ..prev.header().clone() };
    peer.resign(prev, header)
}

#[test]
fn a_run_of_which_some_is_here_goes_in_where_all_is_that_it_names_and_is_not_in_it() {
    // SPEC: EVT-9, EVT-12
    let (_, base) = granted(&[Role::Member; 2]);
    let last = base[3].id();
    let (two, mut three) = (joined(2, &base), joined(3, &base));
    let other = three.set("notes/a", "x").remove(0);
    let first = two.craft(b"no CBOR", vec![last]);
    let second = behind(&two, &first, Vec::new());
    // It names one of the run that is no neighbour, and one of another chain.
    let third = behind(&two, &second, vec![first.id(), other.id()]);
    let fourth = behind(&two, &third, vec![second.id()]);
    let run = proven(&[first, second, third, fourth]).remove(0);
    let events = run.events();
    assert_eq!(events.len(), 4);
    for here in 0..=4 {
        let mut peer = joined(1, &base);
        // What is here alone of a run is here with its signature or without.
        let early = here.min(2);
        peer.take(&events[..early]);
        let length = peer.workspace.content().len();
        let missing = Err(InsertFault::Missing(other.id()));
        assert_eq!(peer.workspace.insert_run(&run, &peer.key), missing);
        assert_eq!(peer.workspace.content().len(), length, "nothing of it went in");
        peer.take(std::slice::from_ref(&other));
        peer.take(&events[early..here]);
        let inserted = peer.workspace.insert_run(&run, &peer.key).unwrap();
        let found = (0..4).map(|at| if at < here { Inserted::Known } else { Inserted::New });
        assert_eq!(inserted, found.collect::<Vec<_>>());
        for event in events {
            assert!(peer.workspace.contains(&event.id()));
        }
    }
}
