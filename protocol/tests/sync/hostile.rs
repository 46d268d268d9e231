//! Peers that misbehave on a connection: each is cut off with a reason that the log shows, and what
//! it sent changes nothing for anybody else.

use kernelos_protocol::cbor::Writer;
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::event::{BodyRef, Class, Header, Run, Runs, Unsigned, Verified};
use kernelos_protocol::id::{ChainId, DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{
    BODY_BYTES_MAX, FRAME_EVENTS_MAX, HELD_BYTES_MAX, HELD_EVENTS_MAX, LOAD_SLICE_EVENTS, STALL_MS,
    TIPS_MAX,
};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::sync::{Held, LinkId, Message, Tip};

use super::mesh::{Mesh, id};
use crate::kit::{Peer, secret};

/// The codes that the log of device `at` names for device `of`.
fn noted(mesh: &mut Mesh, at: u8, of: u8) -> Vec<String> {
    let log = Command::Log { from: 0, limit: LOAD_SLICE_EVENTS };
    let Reply::Log(page) = mesh.ask(at, log) else { panic!() };
    let notices = page.rows.into_iter().filter(|row| row.id.is_none() && row.author == id(of));
    notices.filter_map(|row| row.reason).collect()
}

/// The last event on the disk of a device.
fn last(mesh: &mut Mesh, number: u8) -> Verified {
    read_all(&mut mesh.device(number).disk, 64).pop().unwrap()
}

/// Events of device 2 that follow what nobody has: their place in the chain is never reached.
pub(super) fn orphans(after: &Header, count: u64) -> Vec<Verified> {
    let key = DeviceKey::from_secret(&secret(2));
    let orphan = |number: u64| {
        let name = |salt: u8| {
            let mut id = [salt; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            EventId(id)
        };
        let header = Header {
            author: key.device(),
            incarnation: Incarnation([2; 8]),
            seq: number + 1,
            prev: Some(name(0xee)),
            parents: Vec::new(),
            ..after.clone()
        };
        let header = Header { class: Class::Plain, epoch: None, body: None, ..header };
        Unsigned { header, body: None }.sign(&key).unwrap()
    };
    (0..count).map(orphan).collect()
}

/// What device 2 sends, and the code with which device 1 ends the connection.
fn misdeeds(mesh: &mut Mesh) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let event = last(mesh, 1);
    let mut forged = Message::events([event.clone()]).encode();
    // The last byte of the body: the head and the bytes of the signature stand behind it.
    let at = forged.len() - 67;
    forged[at] ^= 1;
    let no_event = {
        let mut to = Writer::default();
        to.array(3).uint(3).bytes(&[]).array(1).array(0);
        to.finish()
    };
    let key = DeviceKey::from_secret(&secret(2));
    let with = |workspace, seq, prev, author: &DeviceKey| {
        let header = Header { workspace, seq, prev, parents: Vec::new(), ..event.header().clone() };
        let header = Header { author: author.device(), ..header };
        let body = event.body().map(<[u8]>::to_vec);
        let event = Unsigned { header, body }.sign(author).unwrap();
        Message::events(vec![event]).encode()
    };
    let here = event.workspace();
    let stranger = DeviceKey::from_secret(&secret(9));
    let join = |author: &DeviceKey| {
        let control = mesh.devices[&1].replica.workspace().control();
        let header = Header {
            workspace: here,
            lane: Lane::Control,
            author: author.device(),
            seq: 0,
            prev: None,
            parents: control.heads(&control.all()),
            heard: Vec::new(),
            class: Class::Plain,
            epoch: None,
            body: None,
            ..event.header().clone()
        };
        Unsigned { header, body: None }.sign(author).unwrap()
    };
    vec![
        ("no message", vec![0xff; 40], "frame_decode"),
        ("two encodings of one number", vec![0x82, 0x18, 4, 7], "frame_decode"),
        ("a second hello", hello([0; 32]).encode(), "hello"),
        ("a body that is not the one signed", forged, "bad_signature"),
        ("no event", no_event, "frame_decode"),
        // It is rebuilt as one of this workspace, which nobody signed.
        (
            "an event of another workspace",
            with(WorkspaceId([9; 32]), 0, None, &key),
            "bad_signature",
        ),
        ("an event that skips a place", with(here, 7, Some(event.id()), &key), "prev"),
        ("a join of a stranger", Message::events(vec![join(&stranger)]).encode(), "not_member"),
        ("content of a stranger", with(here, 0, None, &stranger), "not_member"),
    ]
}

fn hello(workspace: [u8; 32]) -> Message {
    Message::Hello { workspace, incarnation: Incarnation([2; 8]), lanes_hash: [0; 32] }
}

#[test]
fn who_breaks_a_rule_is_cut_off_with_the_reason_and_changes_nothing() {
    // SPEC: SYNC-1, SYNC-2, EVT-2, EVT-9, AUTH-4, AUTH-20, DUR-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    mesh.set(1, "notes/a", "honest");
    let before = mesh.state(1);
    for (what, frame, code) in misdeeds(&mut mesh) {
        let link = mesh.connect(2, 1);
        mesh.device(2).wire.push_back((link, frame));
        mesh.settle();
        assert_eq!(mesh.device(1).disconnected[&link], code, "{what}");
        assert!(noted(&mut mesh, 1, 2).iter().any(|reason| reason == code), "{what}");
        assert_eq!(mesh.state(1), before, "{what}");
        mesh.assert_equal(&[1, 3]);
    }
    mesh.set(3, "notes/b", "goes on");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn one_bad_event_takes_the_whole_frame_with_it() {
    // SPEC: SYNC-1, EVT-6
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    mesh.set(2, "notes/a", "good");
    let good = last(&mut mesh, 2);
    mesh.set(2, "notes/b", "good too");
    let mut frame = Message::events([good, last(&mut mesh, 2)]).encode();
    // A byte of the last signature.
    *frame.last_mut().unwrap() ^= 1;
    let events = mesh.status(1).events;
    let link = LinkId(1_000);
    mesh.links.insert(link, (1, 2));
    let (now, workspace) = (mesh.now, [0; 32]);
    let up = Input::PeerUp { link, device: id(2), dialed: true, workspace };
    mesh.device(1).replica.handle(now, up);
    for frame in [hello(workspace).encode(), frame] {
        mesh.deliver(2, link, &frame);
    }
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "bad_signature");
    assert_eq!(mesh.status(1).events, events);
}

#[test]
fn a_hello_that_names_another_workspace_is_refused_whoever_dialed() {
    // SPEC: SYNC-2
    for dialed in [true, false] {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let (now, link) = (mesh.now, LinkId(1_000));
        let device = mesh.device(1);
        let up = Input::PeerUp { link, device: id(2), dialed, workspace: [1; 32] };
        device.replica.handle(now, up);
        device.replica.handle(now, Input::Message(link, hello([2; 32])));
        device.run(now);
        assert_eq!(device.disconnected[&link], "wrong_workspace");
        assert_eq!(noted(&mut mesh, 1, 2), ["wrong_workspace"]);
    }
}

#[test]
fn a_body_that_comes_after_its_event_is_kept_read_and_passed_on() {
    // SPEC: EVT-3, SYNC-4, EFF-1
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member), (4, Role::Store)]);
    let links = [(1, 2), (1, 3), (1, 4)].map(|(a, b)| mesh.connect(a, b));
    links.into_iter().for_each(|link| mesh.cut(link));
    mesh.connect(2, 3);
    mesh.connect(3, 4);
    mesh.set(1, "notes/a", "one");
    let first = last(&mut mesh, 1);
    mesh.set(1, "notes/b", "builds on it");
    let second = last(&mut mesh, 1);
    // Somebody relays the first without its body: it goes round like that, and the second waits.
    let bare = first.without_body().unwrap();
    mesh.feed(2, 4, Message::events(vec![bare, second]));
    mesh.settle();
    for number in [2, 3] {
        assert_eq!(mesh.get(number, "notes"), "{}");
        assert_eq!(mesh.status(number).state_hash, None, "nothing is claimed");
    }
    // One that was not there has it, and all get it.
    mesh.connect(1, 2);
    for number in [2, 3] {
        assert_eq!(mesh.get(number, "notes"), r#"{"a":"one","b":"builds on it"}"#);
        let kept = read_all(&mut mesh.device(number).disk, 64);
        assert!(kept.contains(&first), "with its body");
    }
    let kept = read_all(&mut mesh.device(4).disk, 64);
    assert!(kept.contains(&first), "a store keeps what it cannot read");
    mesh.assert_equal(&[1, 2, 3]);
    mesh.restart(3);
    mesh.assert_equal(&[1, 2, 3]);
    // Again changes nothing, and without its body takes none away.
    for again in [first.clone(), first.without_body().unwrap()] {
        mesh.feed(2, 4, Message::events(vec![again]));
        let kept = read_all(&mut mesh.device(2).disk, 64);
        assert_eq!(kept.iter().filter(|event| **event == first).count(), 1);
    }
    let frames = mesh.frames;
    mesh.wait(60_000);
    mesh.wait(60_000);
    let quiet = mesh.frames;
    mesh.wait(60_000);
    assert_eq!(mesh.frames, quiet, "nobody goes on asking, {frames}");
}

#[test]
fn what_names_a_strangers_event_waits_and_nobody_goes_on_asking() {
    // SPEC: AUTH-20, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    mesh.set(1, "notes/a", "honest");
    let event = last(&mut mesh, 1);
    let content = |number: u8, parents: Vec<EventId>| {
        let key = DeviceKey::from_secret(&secret(number));
        let header = Header {
            author: key.device(),
            incarnation: Incarnation([0x77; 8]),
            seq: 0,
            prev: None,
            parents,
            ..event.header().clone()
        };
        Unsigned { header, body: event.body().map(<[u8]>::to_vec) }.sign(&key).unwrap()
    };
    let strange = content(9, vec![event.id()]);
    let relay = content(2, vec![strange.id()]);
    let (before, events) = (mesh.state(1), mesh.status(1).events);
    // A member names it and does not bring it.
    let link = mesh.connect(1, 2);
    let chain = ChainId { incarnation: Incarnation([0x77; 8]), ..event.chain() };
    let tip = Tip { chain: ChainId { author: id(2), ..chain }, seq: 0, id: relay.id() };
    for said in [Message::Have(vec![tip]), Message::events(vec![relay.clone()])] {
        mesh.device(2).wire.push_back((link, said.encode()));
        mesh.settle();
    }
    for _ in 0..5 {
        mesh.wait(60_000);
    }
    let quiet = mesh.frames;
    mesh.wait(60_000);
    assert_eq!(mesh.frames, quiet, "nobody goes on asking");
    assert!(!mesh.device(1).disconnected.contains_key(&link), "what is missing may come");
    // Now it does, by a frame that holds both.
    mesh.device(2).wire.push_back((link, Message::events(vec![strange.clone(), relay]).encode()));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "not_member");
    assert_eq!(noted(&mut mesh, 1, 2), ["not_member"]);
    assert_eq!((mesh.state(1), mesh.status(1).events), (before, events));
    for number in [1, 3] {
        let kept = read_all(&mut mesh.device(number).disk, 64);
        assert!(kept.iter().all(|event| event.header().incarnation != chain.incarnation));
    }
    mesh.restart(1);
    mesh.connect(1, 3);
    mesh.set(3, "notes/b", "goes on");
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn a_flood_of_events_that_follow_nothing_is_bounded_and_hinders_nobody() {
    // SPEC: SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    mesh.set(1, "notes/a", "honest");
    let header = last(&mut mesh, 1).header().clone();
    let flood = orphans(&header, 20_000);
    let (events, state) = (mesh.status(1).events, mesh.state(1));
    let link = mesh.connect(1, 2);
    let now = mesh.now;
    for frame in flood.chunks(FRAME_EVENTS_MAX) {
        let device = mesh.device(1);
        device.replica.handle(now, Input::Message(link, Message::events(frame.to_vec())));
        device.run(now);
    }
    mesh.settle();
    assert_eq!((mesh.status(1).events, mesh.state(1)), (events, state));
    mesh.set(3, "notes/b", "goes on");
    mesh.assert_equal(&[1, 3]);

    // A million, as they are offered again and again: what has no room is dropped at once.
    let mut held = Held::default();
    let runs: Vec<_> = Runs::of(flood).into_iter().collect();
    for (number, run) in (0..50).flat_map(|_| &runs).enumerate() {
        held.hold(LinkId(1), run.clone(), EventId([number as u8; 32]));
        if number == 10_000 {
            held.hold(LinkId(2), run.clone(), EventId([1; 32]));
            assert_eq!(held.size().0, HELD_EVENTS_MAX + 1, "another peer has its own room");
        }
    }
    assert_eq!(held.size().0, HELD_EVENTS_MAX + 1);
    held.forget(LinkId(1));
    assert_eq!(held.size().0, 1);
    held.forget(LinkId(2));
    assert_eq!(held.size(), (0, 0));
}

#[test]
fn large_events_that_wait_take_no_more_than_their_room() {
    // SPEC: SYNC-4
    let (_, events) = Peer::founder();
    let mut header = events[3].header().clone();
    let key = DeviceKey::from_secret(&secret(1));
    let body = vec![7; BODY_BYTES_MAX];
    header.body = Some(BodyRef::of(&body));
    let mut held = Held::default();
    for _ in 0..200 {
        header.stamp.0 += 1;
        let event = Unsigned { header: header.clone(), body: Some(body.clone()) };
        let event = event.sign(&key).unwrap();
        held.hold(LinkId(1), Run::of(event).unwrap(), EventId([9; 32]));
    }
    let (events, bytes) = held.size();
    assert!(bytes <= HELD_BYTES_MAX && bytes > HELD_BYTES_MAX / 2, "{events} events, {bytes}");
    // What they waited for comes: the room is free again.
    assert_eq!(held.release(&EventId([9; 32])).len(), events);
    assert_eq!(held.size(), (0, 0));
}

#[test]
fn lies_about_what_a_peer_has_are_bounded_and_forgotten() {
    // SPEC: SYNC-3, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    let link = mesh.connect(1, 2);
    let now = mesh.now;
    let device = id(2);
    for round in 0..20_u8 {
        let tip = |number: usize| {
            let mut bytes = [round; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            let author = if number.is_multiple_of(2) { device } else { DeviceId(bytes) };
            let incarnation = Incarnation([round; 8]);
            let chain = ChainId { author, incarnation, lane: Lane::Content };
            Tip { chain, seq: u64::MAX, id: EventId(bytes) }
        };
        let lie = Message::Have((0..TIPS_MAX).map(tip).collect());
        assert_eq!(Message::decode(&lie.encode(), &WorkspaceId::UNBORN), Ok(lie.clone()));
        mesh.device(1).replica.handle(now, Input::Message(link, lie));
        mesh.device(1).run(now);
    }
    mesh.settle();
    mesh.set(3, "notes/a", "goes on");
    assert_eq!(mesh.get(1, "notes/a"), "\"goes on\"");
    mesh.wait(STALL_MS);
    mesh.assert_equal(&[1, 3]);
}
