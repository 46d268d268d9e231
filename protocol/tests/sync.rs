//! Devices that meet: the Replicas of several, with a wire between them that can be cut.

mod absent;
mod artifacts;
mod boards;
mod branch_words;
mod branches;
mod branches_nested;
mod busy;
mod claims;
mod clones;
mod conduct;
mod contracts;
mod facts;
mod glance;
mod granting;
mod guards;
mod healing;
mod hostile;
mod inbox;
mod introduce;
mod letters;
mod lives;
mod lost;
mod mesh;
mod missions;
mod newer;
mod nonmember;
mod notices;
mod offers;
mod outcomes;
mod own;
mod past;
mod past_again;
mod past_lists;
mod past_policy;
mod purges;
mod quota;
mod receipts;
mod removed_apart;
mod rows;
mod segments;
mod silent;
mod tail;
mod telling;
mod timeline;
mod undo;
mod undo_again;
mod undo_apart;
mod undo_closing;
mod undo_last;
mod undo_lists;
mod undo_merges;
mod undo_met;
mod undo_nested;
mod undo_sides;
mod worker;

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::Lane;
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{FRAME_BYTES_MAX, JOIN_DELAY_MS, STALL_MS};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::MemoryStore;
use kernelos_protocol::sync::{LinkId, Message, SyncFault};

use crate::kit::{Peer, secret};
use mesh::{Mesh, id};

#[test]
fn a_newcomer_gets_the_whole_history() {
    // SPEC: SYNC-2, SYNC-3, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    for i in 0..30 {
        mesh.set(1, &format!("notes/{i}"), "before");
    }
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(mesh.get(2, "notes/7"), "\"before\"");
}

#[test]
fn edits_arrive_live_and_made_apart_merge() {
    // SPEC: SYNC-5
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "one");
    assert_eq!(mesh.get(2, "notes/a"), "\"one\"");
    mesh.set(2, "notes/b", "two");
    assert_eq!(mesh.get(1, "notes/b"), "\"two\"");
    mesh.cut(link);
    mesh.set(1, "notes/c", "apart");
    mesh.set(2, "notes/d", "apart");
    mesh.connect(2, 1);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(mesh.get(1, "notes/d"), "\"apart\"");
}

#[test]
fn two_that_hold_the_same_say_hello_and_nothing_more() {
    // SPEC: SYNC-2
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "one");
    mesh.wait(JOIN_DELAY_MS);
    mesh.cut(link);
    let before = mesh.frames;
    mesh.connect(1, 2);
    assert_eq!(mesh.frames, before + 4, "a hello and what each knows of receipts, both ways");
    let before = mesh.frames;
    mesh.wait(60_000);
    assert_eq!(mesh.frames, before, "an idle mesh is quiet");
}

#[test]
fn what_comes_from_others_is_passed_on() {
    // SPEC: SYNC-5
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(2, 3);
    mesh.set(1, "notes/a", "one");
    assert_eq!(mesh.get(3, "notes/a"), "\"one\"");
    mesh.set(3, "notes/b", "three");
    assert_eq!(mesh.get(1, "notes/b"), "\"three\"");
    // A ring: everybody hears once, and it ends.
    mesh.connect(3, 1);
    mesh.set(2, "notes/c", "two");
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn a_restart_in_the_middle_loses_nothing() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    mesh.set(2, "notes/a", "one");
    mesh.restart(2);
    mesh.set(1, "notes/b", "while it was away");
    mesh.set(2, "notes/c", "before it was back");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    assert_eq!(
        mesh.get(2, "notes"),
        r#"{"a":"one","b":"while it was away","c":"before it was back"}"#
    );
}

#[test]
fn a_connection_that_is_cut_at_any_frame_is_made_up_for() {
    // SPEC: SYNC-4
    for cut_after in 0..40 {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        for i in 0..5 {
            mesh.set(1, &format!("notes/{i}"), "x");
        }
        let link = LinkId(1);
        mesh.links.insert(link, (1, 2));
        let tag = [0; 32];
        let now = mesh.now;
        for (own, other, dialed) in [(1, 2, true), (2, 1, false)] {
            let up = Input::PeerUp { link, device: id(other), dialed, workspace: tag };
            mesh.device(own).replica.handle(now, up);
        }
        for _ in 0..cut_after {
            mesh.devices.values_mut().for_each(|device| device.run(now));
            let next = mesh.devices.iter_mut().find_map(|(number, device)| {
                device.wire.pop_front().map(|(link, frame)| (*number, link, frame))
            });
            let Some((from, link, frame)) = next else { break };
            mesh.deliver(from, link, &frame);
        }
        mesh.cut(link);
        mesh.connect(1, 2);
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn a_stranger_is_refused() {
    // SPEC: SYNC-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let workspace = mesh.device(1).config.workspace;
    mesh.add(9, workspace, MemoryStore::default());
    let link = mesh.connect(9, 1);
    assert_eq!(mesh.device(1).disconnected[&link], "not_member");
    assert!(mesh.device(9).disk.is_empty(), "it learned nothing");
}

#[test]
fn a_revoked_device_is_told_so_and_cut_off() {
    // SPEC: SYNC-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "good");
    let reply = mesh.ask(1, Command::Revoke { device: id(2), reason: "lost".to_owned() });
    assert!(matches!(reply, Reply::Revoked { .. }), "{reply:?}");
    assert_eq!(mesh.device(1).disconnected[&link], "revoked");
    let Reply::Status(status) = mesh.ask(2, Command::Status) else { panic!() };
    assert!(status.revoked);
    let edit = Edit::Set { set: "notes/b".parse().unwrap(), value: 1.into() };
    let refused = mesh.ask(2, Command::Edit { edits: vec![edit] });
    assert!(matches!(refused, Reply::Failed(_)), "{refused:?}");
    mesh.set(1, "notes/c", "after");
    let again = mesh.connect(2, 1);
    assert_eq!(mesh.device(1).disconnected[&again], "revoked");
    assert_eq!(mesh.get(2, "notes"), r#"{"a":"good"}"#);
}

#[test]
fn what_a_revoked_device_wrote_unheard_stays_out_though_others_relay_it() {
    // SPEC: AUTH-17, SYNC-6
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let first = mesh.connect(1, 2);
    let second = mesh.connect(2, 3);
    mesh.set(2, "notes/a", "good");
    mesh.cut(first);
    mesh.ask(1, Command::Revoke { device: id(2), reason: String::new() });
    mesh.set(2, "notes/b", "evil");
    mesh.cut(second);
    assert_eq!(mesh.get(3, "notes/b"), "\"evil\"");
    mesh.connect(3, 1);
    assert_eq!(mesh.get(3, "notes"), r#"{"a":"good"}"#);
    mesh.wait(JOIN_DELAY_MS);
    mesh.assert_equal(&[1, 3]);
    mesh.set(3, "notes/c", "goes on");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn news_about_members_is_answered_by_one_join() {
    // SPEC: AUTH-9
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.wait(JOIN_DELAY_MS);
    let joins = |mesh: &mut Mesh| {
        let workspace = mesh.device(1).replica.workspace();
        let all: Vec<_> = workspace.order(0).copied().collect();
        let is_join = |id: &&kernelos_protocol::id::EventId| {
            workspace.kind(id).as_deref() == Some("join")
                && workspace.header(id).is_some_and(|header| header.lane == Lane::Control)
        };
        all.iter().filter(is_join).count()
    };
    let before = joins(&mut mesh);
    mesh.ask(1, Command::Revoke { device: id(3), reason: String::new() });
    mesh.wait(JOIN_DELAY_MS);
    assert_eq!(joins(&mut mesh), before + 1, "device 2 heard it; device 1 said it");
    mesh.wait(60_000);
    assert_eq!(joins(&mut mesh), before + 1);
}

#[test]
fn of_two_connections_with_one_device_one_stays() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let second = mesh.connect(2, 1);
    let third = mesh.connect(1, 2);
    let gone = [1, 2].map(|number| mesh.device(number).disconnected.len());
    assert_eq!(gone, [2, 2], "both agree: {second:?} {third:?}");
    mesh.set(1, "notes/a", "one");
    assert_eq!(mesh.get(2, "notes/a"), "\"one\"");
}

#[test]
fn one_member_at_two_hundred_addresses_is_one_link_and_takes_nobodys() {
    // SPEC: LINK-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    for _ in 0..200 {
        mesh.connect(2, 1);
    }
    assert_eq!(mesh.device(2).disconnected.len(), 199, "of its own, each makes room for another");
    assert!(mesh.device(3).disconnected.is_empty());
    mesh.set(3, "notes/a", "one");
    assert_eq!(mesh.get(2, "notes/a"), "\"one\"");
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn a_peer_that_has_more_than_it_gives_is_not_waited_for() {
    // SPEC: SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.set(3, "notes/a", "one");
    // Device 2 says that it has an event that nobody ever made.
    let chain = kernelos_protocol::id::ChainId {
        author: id(3),
        incarnation: kernelos_protocol::id::Incarnation([3; 8]),
        lane: Lane::Content,
    };
    let tip = kernelos_protocol::sync::Tip {
        chain,
        seq: 500,
        id: kernelos_protocol::id::EventId([9; 32]),
    };
    let now = mesh.now;
    let lie = Message::Have(vec![tip]);
    mesh.device(1).replica.handle(now, Input::Message(LinkId(1), lie));
    mesh.settle();
    mesh.wait(STALL_MS);
    let deadline = mesh.device(1).replica.next_deadline();
    assert!(!matches!(deadline, Some((_, "stalled peer"))), "it was given up: {deadline:?}");
    mesh.set(3, "notes/b", "two");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn a_frame_that_is_no_message_ends_the_connection() {
    // SPEC: SYNC-1
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.device(2).wire.push_back((link, vec![0xff; 40]));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "frame_decode");
}

#[test]
fn a_second_hello_or_none_ends_the_connection() {
    // SPEC: SYNC-2
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let hello = Message::Hello {
        workspace: [0; 32],
        incarnation: kernelos_protocol::id::Incarnation([2; 8]),
        lanes_hash: [0; 32],
    };
    mesh.device(2).wire.push_back((link, hello.encode()));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "hello");
}

#[test]
fn messages_are_read_as_they_are_written_and_nothing_else_is() {
    // SPEC: SYNC-1
    let (peer, events) = Peer::founder();
    let read = |frame: &[u8]| Message::decode(frame, &peer.workspace.id());
    let chain = events[3].chain();
    let tip = kernelos_protocol::sync::Tip { chain, seq: 3, id: events[3].id() };
    let messages = [
        Message::Hello { workspace: [1; 32], incarnation: chain.incarnation, lanes_hash: [2; 32] },
        Message::Have(vec![tip]),
        Message::Want(vec![(events[0].id(), 9)]),
        Message::events(events),
        Message::Ack(7),
    ];
    for message in messages {
        let frame = message.encode();
        assert_eq!(read(&frame), Ok(message));
        for len in 0..frame.len() {
            assert!(read(&frame[..len]).is_err(), "cut at {len}");
        }
        let mut trailing = frame.clone();
        trailing.push(0);
        assert_eq!(read(&trailing), Err(SyncFault::Decode));
    }
    assert_eq!(read(&vec![0; FRAME_BYTES_MAX + 1]), Err(SyncFault::Decode));
}

#[test]
fn devices_that_a_third_one_paired_learn_where_they_are() {
    // SPEC: SYNC-7
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    let now = mesh.now;
    let address = "192.0.2.7:4711".parse().unwrap();
    mesh.device(2).replica.handle(now, Input::Addresses(vec![address]));
    mesh.settle();
    mesh.connect(1, 3);
    assert_eq!(mesh.device(3).reachable[&id(2)], [address]);
    // It moves, and is heard of again; what it said before does not come back.
    let moved = "192.0.2.8:4711".parse().unwrap();
    mesh.device(2).replica.handle(now, Input::Addresses(vec![moved]));
    mesh.settle();
    assert_eq!(mesh.device(3).reachable[&id(2)], [moved]);
    mesh.restart(3);
    assert_eq!(mesh.device(3).reachable[&id(2)], [moved], "its disk has it");
    let frames = mesh.frames;
    mesh.device(2).replica.handle(now, Input::Addresses(vec![moved]));
    mesh.settle();
    assert_eq!(mesh.frames, frames, "the same again is no news");
}

#[test]
fn a_card_of_another_device_cannot_be_made() {
    // SPEC: SYNC-7
    use kernelos_protocol::cbor::encode;
    use kernelos_protocol::sync::Card;
    let card = Card::sign(&DeviceKey::from_secret(&secret(2)), 1, Vec::new());
    let bytes = encode(&card);
    assert_eq!(Card::decode(&bytes), Ok(card));
    for at in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[at] ^= 1;
        assert!(Card::decode(&forged).is_err(), "byte {at}");
    }
}

#[test]
fn a_conflict_is_seen_alike_on_every_device_and_decided_on_one() {
    // SPEC: CFL-1, CFL-11
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "before");
    mesh.cut(link);
    mesh.set(1, "notes/a", "ours");
    mesh.set(2, "notes/a", "theirs");
    mesh.connect(1, 2);
    let page = |mesh: &mut Mesh, number| match mesh.ask(number, Command::Conflicts) {
        Reply::Conflicts(page) => page,
        other => panic!("{other:?}"),
    };
    let here = page(&mut mesh, 1);
    assert_eq!(here, page(&mut mesh, 2));
    let conflict = &here.conflicts[0];
    assert_eq!((conflict.path.to_string().as_str(), &conflict.base), ("notes/a", &"before".into()));
    let mut devices: Vec<_> = conflict.sides.iter().map(|side| side.device.unwrap()).collect();
    devices.sort();
    let mut expected = [id(1), id(2)];
    expected.sort();
    assert_eq!(devices, expected);
    assert!(conflict.sides.iter().all(|side| side.event.is_some() && side.time.is_some()));
    let Reply::Status(status) = mesh.ask(1, Command::Status) else { panic!() };
    assert_eq!(status.conflicts, 1);
    let theirs = conflict.sides.iter().find(|side| side.value == "theirs").unwrap();
    let edits = vec![Edit::Keep { resolve: conflict.id, keep: theirs.side.clone() }];
    assert!(matches!(mesh.ask(1, Command::Edit { edits }), Reply::Edited(_)));
    assert_eq!(mesh.get(2, "notes/a"), "\"theirs\"");
    assert!(page(&mut mesh, 2).conflicts.is_empty());
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_newcomer_says_where_it_is_before_it_has_read_of_its_grant() {
    // SPEC: SYNC-7
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let now = mesh.now;
    let address = "192.0.2.7:4711".parse().unwrap();
    mesh.device(2).replica.handle(now, Input::Addresses(vec![address]));
    mesh.settle();
    mesh.connect(1, 2);
    assert_eq!(mesh.device(1).reachable[&id(2)], [address]);
}
