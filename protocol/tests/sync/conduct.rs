//! Who breaks a rule is met again later each time, and who does not is not.

use kernelos_protocol::command::Command;
use kernelos_protocol::control::ControlBody;
use kernelos_protocol::event::EventFault;
use kernelos_protocol::id::{DeviceId, Incarnation};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{
    CONDUCT_DEVICES_MAX, CONDUCT_FORGOTTEN_MS, CONDUCT_WAIT_MS, RECEIPT_INTERVAL_MS,
};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::{EventStore as _, LoadRequest};
use kernelos_protocol::sync::{Conduct, LinkId, Message, Receipt, SyncFault};
use kernelos_protocol::time::Time;

use super::mesh::{Mesh, id};
use crate::kit::{Peer, secret};

fn at(monotonic_ms: u64) -> Time {
    Time { monotonic_ms, wall_us: 0 }
}

fn device(number: usize) -> DeviceId {
    let mut id = [3; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    DeviceId(id)
}

#[test]
fn who_breaks_rules_waits_twice_as_long_each_time_up_to_minutes_and_is_forgiven() {
    // SPEC: LINK-9
    let (mut conduct, rogue) = (Conduct::default(), device(1));
    let (first, most) = CONDUCT_WAIT_MS;
    let mut now = 1_000;
    for count in 1..=80_u32 {
        assert_eq!(conduct.kept_out_ms(at(now), &rogue), 0, "its wait is over");
        conduct.broke_rule(at(now), rogue);
        let wait = first.saturating_mul(1_u64.checked_shl(count - 1).unwrap_or(u64::MAX)).min(most);
        assert_eq!(conduct.kept_out_ms(at(now), &rogue), wait, "strike {count}");
        assert_eq!(conduct.kept_out(at(now)).collect::<Vec<_>>(), [(rogue, now + wait)]);
        assert_eq!(conduct.strikes(at(now), &rogue), count);
        assert_eq!(conduct.kept_out_ms(at(now), &device(2)), 0, "others are met");
        now += wait;
    }
    now += CONDUCT_FORGOTTEN_MS;
    assert_eq!(conduct.strikes(at(now - 1), &rogue), 80);
    assert_eq!(conduct.strikes(at(now), &rogue), 0);
    conduct.broke_rule(at(now), rogue);
    assert_eq!(conduct.kept_out_ms(at(now), &rogue), first, "as if for the first time");
}

#[test]
fn of_more_devices_than_are_remembered_whose_wait_ends_first_is_forgotten() {
    // SPEC: LINK-9
    let mut conduct = Conduct::default();
    for number in 0..=CONDUCT_DEVICES_MAX {
        conduct.broke_rule(at(number as u64), device(number));
    }
    let now = at(CONDUCT_DEVICES_MAX as u64);
    assert_eq!(conduct.kept_out(now).count(), CONDUCT_DEVICES_MAX);
    assert_eq!(conduct.strikes(now, &device(0)), 0);
    assert_eq!(conduct.strikes(now, &device(CONDUCT_DEVICES_MAX)), 1);
}

#[test]
fn a_rule_that_was_broken_is_counted_where_peers_are_shown_and_what_a_network_does_is_not() {
    // SPEC: LINK-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    for _ in 0..3 {
        let link = mesh.connect(1, 2);
        mesh.cut(link);
    }
    let told = |mesh: &mut Mesh| {
        let status = mesh.status(1);
        status.peers.iter().map(|peer| (peer.strikes, peer.kept_out_s)).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut mesh), [(0, None)]);
    let now = mesh.now;
    let link = LinkId(900);
    let up = Input::PeerUp { link, device: id(2), dialed: false, workspace: [0; 32] };
    let hello = || Message::Hello {
        workspace: [0; 32],
        incarnation: Incarnation([2; 8]),
        lanes_hash: [0; 32],
    };
    mesh.device(1).replica.handle(now, up);
    for _ in 0..2 {
        // Nobody honest says hello twice.
        mesh.device(1).replica.handle(now, Input::Message(link, hello()));
    }
    mesh.device(1).run(now);
    assert_eq!(mesh.device(1).disconnected.get(&link).map(String::as_str), Some("hello"));
    assert_eq!(told(&mut mesh), [(1, Some(CONDUCT_WAIT_MS.0.div_ceil(1_000)))]);
    assert!(mesh.device(1).replica.conduct().kept_out_ms(now, &id(2)) > 0);
    mesh.wait(CONDUCT_WAIT_MS.0);
    assert_eq!(told(&mut mesh), [(1, None)], "it is let in again, and known");
    mesh.device(1).disconnected.clear();
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    mesh.wait(CONDUCT_FORGOTTEN_MS);
    assert_eq!(told(&mut mesh), [(0, None)]);
}

#[test]
fn who_has_a_newer_program_is_cut_off_and_told_of_and_broke_no_rule() {
    // SPEC: LINK-9, CTL-11
    let header = Peer::founder().1[1].header().clone();
    let unknown = ControlBody::decode(&header, &[0x82, 10, 0]).unwrap_err();
    let faults = [
        SyncFault::Event(EventFault::Control(unknown)),
        SyncFault::Event(EventFault::Version(9)),
        SyncFault::Version(9),
    ];
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    for fault in faults {
        let code = fault.code();
        mesh.device(1).disconnected.clear();
        let (link, now) = (mesh.connect(1, 2), mesh.now);
        mesh.device(1).replica.handle(now, Input::Fault(link, code.to_owned()));
        mesh.settle();
        assert_eq!(mesh.device(1).disconnected[&link], code);
        assert_eq!(mesh.device(1).replica.conduct().strikes(now, &id(2)), 0, "{code}");
        let notices = mesh.status(1).notices;
        assert!(notices.contains(&(id(2), code.to_owned())), "{code}: {notices:?}");
    }
    let (link, now) = (mesh.connect(1, 2), mesh.now);
    mesh.device(1).replica.handle(now, Input::Fault(link, SyncFault::Decode.code().to_owned()));
    mesh.settle();
    assert_eq!(mesh.device(1).replica.conduct().strikes(now, &id(2)), 1, "that is no message");
}

#[test]
fn who_was_revoked_a_moment_ago_and_has_not_heard_of_it_broke_no_rule_by_what_it_says() {
    // SPEC: LINK-9, SYNC-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    (0..3).for_each(|_| mesh.wait(RECEIPT_INTERVAL_MS));
    let kept = mesh.device(1).disk.load(&LoadRequest::From { cursor: 0, limit: 1 }).unwrap();
    let own = kept.receipts.into_iter().find(|receipt| receipt.device() == id(2)).unwrap();
    let (key, claims) = (DeviceKey::from_secret(&secret(2)), own.claims().clone());
    let counter = own.counter() + 1;
    let next = Receipt::sign(&key, own.workspace(), own.incarnation(), counter, claims);
    // It dials before it hears of it, and says what it says to every member.
    mesh.cut(link);
    mesh.ask(1, Command::Revoke { device: id(2), reason: String::new() });
    let (link, now, workspace) = (LinkId(900), mesh.now, [0; 32]);
    let device = mesh.device(1);
    let up = Input::PeerUp { link, device: id(2), dialed: false, workspace };
    device.replica.handle(now, up);
    let (incarnation, lanes_hash) = (own.incarnation(), [9; 32]);
    for message in [
        Message::Hello { workspace, incarnation, lanes_hash },
        Message::Receipts(vec![own.clone()]),
        Message::Renewal(next.renewal(&own)),
    ] {
        device.replica.handle(now, Input::Message(link, message));
        device.run(now);
        assert_eq!(device.disconnected.get(&link), None);
    }
    // What it has says what it is to be sent; then it is cut off.
    for message in [Message::Have(Vec::new()), Message::Ack(1)] {
        device.replica.handle(now, Input::Message(link, message));
        device.run(now);
    }
    assert_eq!(device.disconnected.get(&link).map(String::as_str), Some("revoked"));
    assert_eq!(device.replica.conduct().strikes(now, &id(2)), 0);
}
