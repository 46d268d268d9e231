//! Peers that are not there any more, whatever the transport believes.

use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::{QUIET_MS, SILENT_MS, STALL_MS};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{Action, LinkId, Sync, Tip};
use kernelos_protocol::time::Time;

use super::mesh::{Mesh, id};
use crate::kit::{NOON, Peer};

fn later(milliseconds: u64) -> Time {
    Time { monotonic_ms: NOON.monotonic_ms + milliseconds, ..NOON }
}

/// Which of two connections with one device is ended, where the older was dialed by `first`, the
/// newer by `then`, so much later.
fn ended(first: u8, then: u8, after: u64) -> LinkId {
    let (own, other) = (id(1), id(2));
    let mut sync = Sync::default();
    sync.peer_up(NOON, LinkId(1), other, own, first == 1, [0; 32]);
    let actions = sync.peer_up(later(after), LinkId(2), other, own, then == 1, [0; 32]);
    match actions[..] {
        [Action::Disconnect(link, "duplicate")] => link,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn of_two_connections_both_sides_keep_the_same_and_a_quiet_one_gives_way() {
    // SPEC: SYNC-10
    let (low, high) = if id(1) < id(2) { (1, 2) } else { (2, 1) };
    let (old, new) = (LinkId(1), LinkId(2));
    let at_once = QUIET_MS - 1;
    for (first, then, after, gone) in [
        (low, low, 0, old),
        (low, high, 0, new),
        (high, low, 0, old),
        (high, high, 0, old),
        (low, high, at_once, new),
        (low, high, QUIET_MS, old),
        (high, low, QUIET_MS, old),
    ] {
        assert_eq!(ended(first, then, after), gone, "{first} then {then} after {after} ms");
    }
}

#[test]
fn a_peer_that_acknowledges_nothing_and_says_nothing_is_cut_off_and_nothing_is_lost() {
    // SPEC: SYNC-10
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.wait(10 * SILENT_MS);
    assert!(!mesh.device(1).disconnected.contains_key(&link), "who owes nothing may be silent");
    mesh.withheld = Some((2, |_| true));
    mesh.set(1, "notes/a", "unheard");
    mesh.wait(SILENT_MS - 1);
    assert!(!mesh.device(1).disconnected.contains_key(&link), "not yet");
    mesh.wait(1);
    assert_eq!(mesh.device(1).disconnected[&link], "silent");
    mesh.withheld = None;
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(mesh.get(2, "notes/a"), "\"unheard\"");
}

#[test]
fn a_slow_peer_that_goes_on_acknowledging_is_not_cut_off() {
    // SPEC: SYNC-10
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    for i in 0..4 {
        mesh.withheld = Some((2, |_| true));
        mesh.set(1, &format!("notes/{i}"), "slow");
        mesh.wait(SILENT_MS - 1);
        mesh.withheld = None;
        mesh.settle();
    }
    assert!(!mesh.device(1).disconnected.contains_key(&link));
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn what_is_here_already_and_what_never_comes_is_not_waited_for() {
    // SPEC: SYNC-4
    let (peer, _) = Peer::founder();
    let (link, workspace) = (LinkId(1), &peer.workspace);
    let mut sync = Sync::default();
    sync.peer_up(NOON, link, id(2), id(1), true, [0; 32]);
    sync.on_hello(link, [0; 32], workspace);
    let tips = workspace.tips();
    sync.on_have(link, tips.clone());
    sync.take_stock(NOON, workspace);
    assert!(sync.is_current(), "it is all here");

    let never = Tip { id: EventId([7; 32]), seq: tips[0].seq + 1, ..tips[0] };
    sync.on_have(link, vec![never]);
    sync.take_stock(NOON, workspace);
    assert!(!sync.is_current(), "a peer has more");
    sync.speak(NOON, workspace, &[]);
    let later = Time { monotonic_ms: NOON.monotonic_ms + STALL_MS, ..NOON };
    assert_eq!(sync.next_deadline(), Some(later.monotonic_ms));
    sync.take_stock(later, workspace);
    assert!(sync.is_current(), "who sends nothing is not waited for");
}
