//! Introduction: what is shown, what is refused and why, and what is kept of it.

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{
    FRAME_BYTES_MAX, INTRODUCTION_EVENTS_MAX, INTRODUCTIONS_AT_ONCE_MAX, INTRODUCTIONS_EVERY_MS,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::introduce::{
    Answer, IntroduceCode as Code, Pace, encode, named, read,
};
use kernelos_protocol::time::Time;
use kernelos_protocol::workspace::Workspace;

use super::mesh::{Mesh, id};
use crate::kit::{NOON, Peer, recovery, secret};

const TAG: [u8; 32] = [9; 32];

/// A founder that granted device 2, what device 2 shows of it, and the wrap behind the grant.
fn granted() -> (Peer, Vec<Verified>, Verified) {
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Member));
    let shown = shown(&founder, 2, &events);
    (founder, shown, events.pop().unwrap())
}

/// What a device shows, of these events.
fn shown(peer: &Peer, number: u8, events: &[Verified]) -> Vec<Verified> {
    let places = peer.workspace.introduction(&id(number)).unwrap();
    let find = |id| events.iter().find(|event| event.id() == id).unwrap().clone();
    places.into_iter().map(|place| find(place.id)).collect()
}

fn frame(events: &[Verified]) -> Vec<u8> {
    encode(&TAG, events).unwrap()
}

#[test]
fn a_device_shows_the_past_of_its_grant_and_nothing_else() {
    // SPEC: INTRO-1, INTRO-2, INTRO-3
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(3, Role::Observer));
    events.extend(founder.grant(2, Role::Member));
    events.extend(founder.set("notes/a", "one"));
    events.extend(founder.grant(4, Role::Member));
    let shown = shown(&founder, 2, &events);
    let kinds: Vec<_> =
        shown.iter().map(|event| founder.workspace.kind(&event.id()).unwrap()).collect();
    assert_eq!(kinds, ["genesis", "epoch", "wrap", "grant", "wrap", "grant"]);
    assert!(shown.iter().all(|event| event.header().lane == Lane::Control));
    let frame = frame(&shown);
    assert_eq!(named(&frame), Ok(TAG));
    assert_eq!(read(&frame, &founder.workspace.id(), &id(2)), Ok(shown));
    assert_eq!(founder.workspace.introduction(&id(9)), None, "who was never granted a role");
    founder.revoke(2);
    let places = founder.workspace.introduction(&id(2)).unwrap();
    assert_eq!(places.len(), kinds.len(), "who was revoked shows what it was");
    founder.grant(2, Role::Observer);
    assert!(founder.workspace.introduction(&id(2)).is_some(), "who was granted one anew");
}

#[test]
fn of_several_grants_the_one_with_the_shortest_past_is_shown() {
    // SPEC: INTRO-2
    let (mut founder, shown, _) = granted();
    founder.grant(3, Role::Member);
    founder.grant(2, Role::Admin);
    let again = founder.workspace.introduction(&id(2)).unwrap();
    assert_eq!(again.len(), shown.len());
}

/// Device 7 founds a workspace of its own and grants device 2.
fn another_workspace() -> Vec<Verified> {
    let mut peer = Peer::new(7, WorkspaceId::UNBORN);
    let found = peer.write(|_, pen| Workspace::found(pen, recovery().public()));
    let (workspace, mut events) = found.unwrap();
    peer.workspace = workspace;
    events.extend(peer.grant(2, Role::Member));
    shown(&peer, 2, &events)
}

#[test]
fn what_is_not_the_past_of_the_own_grant_is_refused() {
    // SPEC: INTRO-3
    let (mut founder, shown, wrap) = granted();
    let workspace = founder.workspace.id();
    let content = founder.set("notes/a", "one");
    let with = |extra: &[Verified]| [extra, &shown[shown.len() - 1..]].concat();
    let head = &shown[..shown.len() - 1];
    let foreign = another_workspace();
    let swapped = {
        let mut events = shown.clone();
        events.swap(1, 2);
        events
    };
    let cases: &[(&str, Vec<Verified>, u8, Code)] = &[
        ("a foreign workspace", foreign, 2, Code::WrongWorkspace),
        ("a grant of another key", shown.clone(), 3, Code::OtherGrant),
        ("no grant at the end", head.to_vec(), 2, Code::OtherGrant),
        ("nothing", Vec::new(), 2, Code::OtherGrant),
        ("the grant alone", shown[shown.len() - 1..].to_vec(), 2, Code::NotThePast),
        ("a past with a gap", with(&head[1..]), 2, Code::NotThePast),
        ("events out of order", swapped, 2, Code::NotThePast),
        ("an event twice", with(&[head, &head[..1]].concat()), 2, Code::NotThePast),
        ("content", with(&[head, &content[..]].concat()), 2, Code::NotControl),
        ("an event after the grant", [&shown[..], &[wrap]].concat(), 2, Code::OtherGrant),
    ];
    for (what, events, number, code) in cases {
        assert_eq!(read(&frame(events), &workspace, &id(*number)), Err(*code), "{what}");
    }
    // Another member wrote before it had heard of the grant: valid, and not in the grant's past.
    let mut third = Peer::new(3, workspace);
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(3, Role::Admin));
    third.take(&events);
    let join = third.write(|workspace, pen| workspace.write_join(pen)).unwrap();
    events.extend(founder.grant(2, Role::Member));
    let mut beside = self::shown(&founder, 2, &events);
    beside.insert(beside.len() - 1, join);
    assert_eq!(read(&frame(&beside), &workspace, &id(2)), Err(Code::NotThePast));
}

#[test]
fn a_frame_that_is_cut_damaged_or_too_large_is_refused() {
    // SPEC: INTRO-1
    let (founder, shown, _) = granted();
    let (workspace, whole) = (founder.workspace.id(), frame(&shown));
    for len in 0..whole.len() {
        assert!(read(&whole[..len], &workspace, &id(2)).is_err(), "cut at {len}");
    }
    for at in (0..whole.len()).filter(|at| !(4..38).contains(at)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert!(read(&damaged, &workspace, &id(2)).is_err(), "byte {at}");
    }
    let trailing = [&whole[..], &[0]].concat();
    assert_eq!(read(&trailing, &workspace, &id(2)), Err(Code::Decode));
    let large = [&whole[..], &vec![0; FRAME_BYTES_MAX]].concat();
    assert_eq!(named(&large), Err(Code::Decode));
    let many = vec![shown[0].clone(); INTRODUCTION_EVENTS_MAX + 1];
    assert_eq!(encode(&TAG, &many), None);
    let mut newer = whole;
    newer[2] = 2;
    assert_eq!(named(&newer), Err(Code::Version));
}

#[test]
fn answers_are_read_as_they_are_written() {
    // SPEC: INTRO-1
    for answer in [Answer::Accepted, Answer::Revoked, Answer::Refused(Code::WithoutEffect)] {
        let bytes = answer.encode();
        assert_eq!(Answer::decode(&bytes), Ok(answer));
        assert!((0..bytes.len()).all(|len| Answer::decode(&bytes[..len]).is_err()));
        assert!(Answer::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    let newer = [0x82, 0x03, 0x63, b'n', b'e', b'w'];
    assert_eq!(Answer::decode(&newer), Ok(Answer::Refused(Code::Other)));
}

/// The disk of a device that holds these events.
fn disk(events: &[Verified]) -> MemoryStore {
    let mut disk = MemoryStore::default();
    let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    disk.commit(&records).unwrap();
    disk
}

/// Devices 1 and 3, which hold `known`, and device 2, which holds `own` and shows itself to 3.
fn introduced(known: &[Verified], own: &[Verified]) -> (Mesh, Answer) {
    let mut mesh = Mesh::of(&[]);
    let workspace = known[0].workspace();
    mesh.devices.clear();
    mesh.add(2, workspace, disk(own));
    mesh.add(3, workspace, disk(known));
    let Reply::Introduction { events, .. } = mesh.ask(2, Command::Introduction { to: id(3) })
    else {
        panic!("device 2 has nothing to show")
    };
    let events = read(&frame(&events), &workspace, &id(2)).unwrap();
    let device = id(2);
    let Reply::Introduced { answer } = mesh.ask(3, Command::Introduce { device, events }) else {
        panic!("device 3 answers")
    };
    (mesh, answer)
}

#[test]
fn a_device_gets_in_by_a_grant_that_nobody_there_heard_of() {
    // SPEC: INTRO-4
    let (mut founder, mut known) = Peer::founder();
    known.extend(founder.grant(3, Role::Member));
    let own = [&known[..], &founder.grant(2, Role::Member)].concat();
    let (mut mesh, answer) = introduced(&known, &own);
    assert_eq!(answer, Answer::Accepted);
    mesh.restart(3);
    mesh.connect(2, 3);
    mesh.set(2, "notes/a", "one");
    assert_eq!(mesh.get(3, "notes/a"), "\"one\"");
    mesh.assert_equal(&[2, 3]);
    let again = Command::Introduce { device: id(2), events: Vec::new() };
    let Reply::Introduced { answer } = mesh.ask(3, again) else { panic!() };
    assert_eq!(answer, Answer::Accepted, "who is a member is one whatever it shows");
}

#[test]
fn a_revoked_device_is_told_so_on_the_mesh() {
    // SPEC: INTRO-4, SYNC-6
    let (mut founder, mut known) = Peer::founder();
    known.extend(founder.grant(3, Role::Member));
    known.extend(founder.grant(2, Role::Member));
    let own = known.clone();
    known.extend(founder.revoke(2));
    let (mut mesh, answer) = introduced(&known, &own);
    assert_eq!(answer, Answer::Revoked);
    let link = mesh.connect(2, 3);
    assert_eq!(mesh.device(3).disconnected[&link], "revoked");
    let Reply::Status(status) = mesh.ask(2, Command::Status) else { panic!() };
    assert!(status.revoked);
}

#[test]
fn a_grant_by_who_was_revoked_brings_nobody_in_and_nothing_of_it_is_kept() {
    // SPEC: INTRO-4
    let (mut founder, mut known) = Peer::founder();
    known.extend(founder.grant(3, Role::Member));
    known.extend(founder.grant(4, Role::Admin));
    let mut thief = Peer::new(4, founder.workspace.id());
    thief.take(&known);
    let own = [&known[..], &thief.grant(2, Role::Member)].concat();
    known.extend(founder.revoke(4));
    let before = known.len();
    let (mut mesh, answer) = introduced(&known, &own);
    assert_eq!(answer, Answer::Refused(Code::WithoutEffect));
    assert_eq!(mesh.device(3).disk.len(), before);
    let link = mesh.connect(2, 3);
    assert_eq!(mesh.device(3).disconnected[&link], "not_member");
}

#[test]
fn a_grant_that_its_author_might_not_make_is_refused() {
    // SPEC: INTRO-4
    let (mut founder, mut known) = Peer::founder();
    known.extend(founder.grant(3, Role::Member));
    // The device grants itself: its own copy of the rules would not, so the event is made by hand.
    let control = founder.workspace.control();
    let key = DeviceKey::from_secret(&secret(2));
    let grant = kernelos_protocol::control::Grant {
        device: key.device(),
        sealing: key.sealing_statement(),
        role: Role::Owner,
        tier: 0,
        capabilities: Vec::new(),
        rule: String::new(),
    };
    let body = kernelos_protocol::control::ControlBody::Grant(grant).encode();
    let header = kernelos_protocol::event::Header {
        author: key.device(),
        incarnation: kernelos_protocol::id::Incarnation([2; 8]),
        seq: 0,
        prev: None,
        parents: control.heads(&control.all()),
        body: Some(kernelos_protocol::event::BodyRef::of(&body)),
        ..known[1].header().clone()
    };
    let unsigned = kernelos_protocol::event::Unsigned { header, body: Some(body) };
    let past: Vec<_> = known.iter().filter(|e| e.header().lane == Lane::Control).cloned().collect();
    let events = [past, vec![unsigned.sign(&key).unwrap()]].concat();
    let workspace = founder.workspace.id();
    let events = read(&frame(&events), &workspace, &id(2)).unwrap();
    let mut mesh = Mesh::of(&[]);
    mesh.devices.clear();
    mesh.add(3, workspace, disk(&known));
    let reply = mesh.ask(3, Command::Introduce { device: id(2), events });
    let answer = Answer::Refused(Code::InvalidEvent);
    assert_eq!(reply, Reply::Introduced { answer });
    assert_eq!(mesh.device(3).disk.len(), known.len());
}

#[test]
fn introductions_are_checked_at_a_bounded_pace() {
    // SPEC: INTRO-5
    let at = |monotonic_ms| Time { monotonic_ms, ..NOON };
    let mut pace = Pace::default();
    let start = 1_000_000;
    for _ in 0..INTRODUCTIONS_AT_ONCE_MAX {
        assert!(pace.take(at(start)));
    }
    assert!(!pace.take(at(start)));
    assert!(!pace.take(at(start + INTRODUCTIONS_EVERY_MS - 1)));
    assert!(pace.take(at(start + INTRODUCTIONS_EVERY_MS)));
    assert!(!pace.take(at(start + INTRODUCTIONS_EVERY_MS)));
    let later = start + 1_000 * INTRODUCTIONS_EVERY_MS;
    let taken = (0..100).filter(|_| pace.take(at(later))).count();
    assert_eq!(taken as u64, INTRODUCTIONS_AT_ONCE_MAX, "what was not used is not saved up");
}
