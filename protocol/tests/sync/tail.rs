//! The tail of a revoked device: what is shown, what goes in, what is refused and why.

use kernelos_protocol::command::{Command, RecoverySecret, Reply};
use kernelos_protocol::event::{BodyRef, Header, Verified};
use kernelos_protocol::id::{Incarnation, Lane, WorkspaceId};
use kernelos_protocol::limits::{
    BODY_BYTES_MAX, FRAME_BYTES_MAX, LOAD_SLICE_EVENTS, TAIL_CONTROL_MAX, TAIL_EVENTS_MAX,
    TAIL_KEPT_BYTES_MAX,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::introduce::{Answer, IntroduceCode as Code, encode_tail, read_tail};
use kernelos_protocol::time::Stamp;
use kernelos_protocol::workspace::{Verdict, Workspace};

use super::mesh::{Mesh, id};
use crate::kit::{Peer, recovery};

/// What device `number` shows to `to`: the past of its grant, and its tail.
fn shown(mesh: &mut Mesh, number: u8, to: u8) -> (Vec<Verified>, Vec<Verified>) {
    match mesh.ask(number, Command::Introduction { to: id(to) }) {
        Reply::Introduction { events, tail, .. } => (events, tail),
        other => panic!("{other:?}"),
    }
}

fn answer(mesh: &mut Mesh, number: u8, command: Command) -> Answer {
    match mesh.ask(number, command) {
        Reply::Introduced { answer } => answer,
        other => panic!("{other:?}"),
    }
}

/// Device `from` shows itself to `to`, and its tail where it is told that it was revoked; what was
/// said of each.
pub(super) fn introduce(mesh: &mut Mesh, from: u8, to: u8) -> (Answer, Option<Answer>) {
    let (events, tail) = shown(mesh, from, to);
    let workspace = mesh.device(to).config.workspace;
    let first = answer(mesh, to, Command::Introduce { device: id(from), events });
    if first != Answer::Revoked || tail.is_empty() {
        return (first, None);
    }
    let (frame, sent) = encode_tail(&tail);
    assert!(frame.len() <= FRAME_BYTES_MAX);
    let events = read_tail(&frame, &workspace, &id(from)).unwrap();
    let second = answer(mesh, to, Command::TakeTail { device: id(from), events });
    mesh.ask(from, Command::TailAnswered { device: id(to), answer: second, sent });
    (first, Some(second))
}

/// What device `at` says of events of device `of` that are content, and its notices about it.
fn log(mesh: &mut Mesh, at: u8, of: u8) -> (Vec<Verdict>, Vec<String>) {
    let command = Command::Log { from: 0, limit: LOAD_SLICE_EVENTS };
    let Reply::Log(page) = mesh.ask(at, command) else { panic!() };
    let rows = || page.rows.iter().filter(|row| row.author == id(of));
    let verdicts = rows().filter(|row| row.lane == Some(Lane::Content));
    let notices = rows().filter(|row| row.id.is_none()).filter_map(|row| row.reason.clone());
    (verdicts.filter_map(|row| row.verdict).collect(), notices.collect())
}

#[test]
fn what_a_revoked_device_wrote_and_nobody_holds_is_taken_and_kept_apart() {
    // SPEC: INTRO-6, AUTH-17
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    let link = mesh.connect(1, 2);
    mesh.set(2, "notes/a", "known");
    mesh.wait(1_000);
    mesh.cut(link);
    assert_eq!(shown(&mut mesh, 2, 1).1, [], "a receipt says that all is held");
    mesh.set(2, "notes/b", "before");
    mesh.ask(1, Command::Revoke { device: id(2), reason: "lost".to_owned() });
    mesh.set(2, "notes/c", "having heard nothing");
    let tail = shown(&mut mesh, 2, 1).1;
    assert_eq!(tail.len(), 2);
    let state = mesh.state(1);

    assert_eq!(introduce(&mut mesh, 2, 1), (Answer::Revoked, Some(Answer::Taken(2))));
    assert_eq!(shown(&mut mesh, 2, 1).1, [], "it is shown once");
    let expected = [Verdict::Admitted, Verdict::Quarantined, Verdict::Quarantined];
    assert_eq!(log(&mut mesh, 1, 2), (expected.to_vec(), Vec::new()));
    assert_eq!(log(&mut mesh, 2, 1).1, ["tail_taken: 2 of 2"]);
    assert_eq!(mesh.state(1), state);
    mesh.restart(1);
    assert_eq!(log(&mut mesh, 1, 2).0, expected);
    // As before, it is told on the mesh, and nothing is taken there.
    let link = mesh.connect(2, 1);
    assert_eq!(mesh.device(1).disconnected[&link], "revoked");
    assert!(mesh.status(2).revoked);
    // A device that knows shows the same again after a start; nothing changes by it.
    mesh.restart(2);
    assert_eq!(shown(&mut mesh, 2, 1).1, tail);
    let kept = mesh.device(1).disk.len();
    assert_eq!(introduce(&mut mesh, 2, 1), (Answer::Revoked, Some(Answer::Taken(2))));
    assert_eq!((mesh.device(1).disk.len(), mesh.state(1)), (kept, state));
    mesh.connect(1, 3);
    mesh.assert_equal(&[1, 3]);
    let at_third = read_all(&mut mesh.device(3).disk, 64);
    assert!(at_third.contains(&tail[0]), "what is kept apart is offered apart");
}

#[test]
fn what_one_member_says_it_took_is_shown_to_the_others_all_the_same() {
    // SPEC: INTRO-7
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Admin), (4, Role::Member)]);
    let links: Vec<_> = [1, 3, 4].map(|other| mesh.connect(2, other)).to_vec();
    for link in links {
        mesh.cut(link);
    }
    mesh.set(2, "notes/a", "before");
    mesh.ask(3, Command::Revoke { device: id(2), reason: "lost".to_owned() });
    let tail = shown(&mut mesh, 2, 3).1;
    assert_eq!(tail.len(), 1);
    let taken = |device| Command::TailAnswered { device, answer: Answer::Taken(1), sent: 1 };
    mesh.ask(2, taken(id(3)));
    assert_eq!(shown(&mut mesh, 2, 3).1, [], "it is not shown twice to who took it");
    for other in [1, 4] {
        assert_eq!(shown(&mut mesh, 2, other).1, tail, "one may have kept nothing");
    }
    mesh.set(2, "notes/b", "later");
    assert_eq!(shown(&mut mesh, 2, 3).1.len(), 1, "what comes later is shown to it");
}

#[test]
fn what_the_receipt_of_one_member_covers_is_shown_to_the_others_and_of_two_to_none() {
    // SPEC: INTRO-7, RCPT-5
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Admin), (4, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let link = mesh.connect(2, 3);
    mesh.set(2, "notes/a", "of which device 3 alone says that it has it");
    mesh.wait(1_000);
    mesh.cut(link);
    let last = shown(&mut mesh, 2, 1).1.pop();
    assert!(last.is_some(), "what one says is not enough");
    assert!(!shown(&mut mesh, 2, 3).1.contains(&last.clone().unwrap()), "it said so itself");
    let link = mesh.connect(2, 4);
    mesh.wait(1_000);
    mesh.cut(link);
    assert!(!shown(&mut mesh, 2, 1).1.contains(&last.unwrap()), "two say so");
}

/// The disk of a device that holds these events.
fn disk(events: &[Verified]) -> MemoryStore {
    let mut disk = MemoryStore::default();
    let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    disk.commit(&records).unwrap();
    disk
}

/// Devices 2, which was revoked and holds `own`, and 3, a member that holds `known`.
fn apart(own: &[Verified], known: &[Verified]) -> Mesh {
    let mut mesh = Mesh::of(&[]);
    mesh.devices.clear();
    mesh.add(2, known[0].workspace(), disk(own));
    mesh.add(3, known[0].workspace(), disk(known));
    mesh
}

/// A founder that granted devices 2 and 3, what both know, and device 2.
fn granted() -> (Peer, Vec<Verified>, Peer) {
    let (mut founder, mut base) = Peer::founder();
    base.extend(founder.grant(2, Role::Member));
    base.extend(founder.grant(3, Role::Member));
    let mut phone = Peer::new(2, founder.workspace.id());
    phone.take(&base);
    (founder, base, phone)
}

#[test]
fn what_the_cut_names_is_admitted_by_whoever_gets_it_so() {
    // SPEC: INTRO-6, AUTH-12, AUTH-13
    let (mut founder, base, mut phone) = granted();
    let seen = phone.set("notes/a", "the founder has it");
    founder.take(&seen);
    let revocation = founder.revoke(2);
    let late = phone.set("notes/b", "nobody has it");
    let own = [&base[..], &seen, &late].concat();
    let mut mesh = apart(&own, &[&base[..], &revocation].concat());
    assert_eq!(introduce(&mut mesh, 2, 3), (Answer::Revoked, Some(Answer::Taken(2))));
    assert_eq!(log(&mut mesh, 3, 2).0, [Verdict::Admitted, Verdict::Quarantined]);
    assert_eq!(mesh.get(3, "notes"), r#"{"a":"the founder has it"}"#);
}

#[test]
fn what_builds_on_what_is_not_here_is_not_taken_and_waits_nowhere() {
    // SPEC: INTRO-6
    let (mut founder, base, mut phone) = granted();
    let first = phone.set("notes/a", "alone");
    let revocation = founder.revoke(2);
    let mut other = Peer::new(3, founder.workspace.id());
    other.take(&base);
    let elsewhere = other.set("notes/b", "nobody brought it");
    phone.take(&elsewhere);
    let second = phone.set("notes/c", "on both");
    let own = [&base[..], &first, &elsewhere, &second].concat();
    let mut mesh = apart(&own, &[&base[..], &revocation].concat());
    assert_eq!(introduce(&mut mesh, 2, 3), (Answer::Revoked, Some(Answer::Taken(1))));
    assert_eq!(log(&mut mesh, 2, 3).1, ["tail_taken: 1 of 2"]);
    assert_eq!(shown(&mut mesh, 2, 3).1.len(), 2, "it is shown to the next");
}

/// Content of this peer that opens a chain, with a body of so many bytes.
fn content(peer: &Peer, sample: &Verified, number: u8, len: usize) -> Verified {
    let body = vec![number; len];
    let control = peer.workspace.control();
    let header = Header {
        author: peer.key.device(),
        incarnation: Incarnation([number; 8]),
        seq: 0,
        prev: None,
        parents: Vec::new(),
        heard: control.heads(&control.all()),
        stamp: Stamp(1),
        body: Some(BodyRef::of(&body)),
        ..sample.header().clone()
    };
    peer.sign(header, body)
}

/// What is said to a tail of device 2, as bytes, by device 3.
fn said(mesh: &mut Mesh, device: u8, frame: &[u8]) -> Answer {
    let workspace = mesh.device(3).config.workspace;
    match read_tail(frame, &workspace, &id(device)) {
        Ok(events) => answer(mesh, 3, Command::TakeTail { device: id(device), events }),
        Err(code) => Answer::Refused(code),
    }
}

#[test]
fn a_tail_that_breaks_a_rule_is_refused_with_a_code_and_nothing_is_kept() {
    // SPEC: INTRO-6
    let (mut founder, base, phone) = granted();
    let sample = base.iter().find(|event| event.header().lane == Lane::Content).unwrap();
    let good = content(&phone, sample, 40, 100);
    let mut strange = Peer::new(9, founder.workspace.id());
    strange.take(&base);
    let strange = content(&strange, sample, 41, 100);
    let foreign = content(&founder, sample, 42, 100);
    let elsewhere = {
        let mut peer = Peer::new(2, WorkspaceId::UNBORN);
        let found = peer.write(|_, pen| Workspace::found(pen, recovery().public()));
        found.unwrap().1.pop().unwrap()
    };
    let mut thief = Peer::new(4, founder.workspace.id());
    let more = founder.grant(4, Role::Owner);
    thief.take(&[&base[..], &more].concat());
    let grant = thief.grant(5, Role::Member).into_iter().next().unwrap();
    let revoke = thief.revoke(3).into_iter().next().unwrap();
    let revocations = [founder.revoke(2), founder.revoke(4)].concat();
    let known = [&base[..], &more, &revocations].concat();
    let mut mesh = apart(&base, &known);
    let frame = |events: &[&Verified]| {
        encode_tail(&events.iter().map(|event| (*event).clone()).collect::<Vec<_>>()).0
    };
    let whole = frame(&[&good]);
    let mut damaged = whole.clone();
    let at = damaged.len() - 150;
    damaged[at] ^= 1;
    let bare = good.without_body().unwrap();
    let rows: Vec<(&str, u8, Vec<u8>, Code)> = vec![
        ("no bytes", 2, Vec::new(), Code::Decode),
        ("garbage", 2, vec![0xff; 40], Code::Decode),
        ("an introduction", 2, vec![0x82, 0, 0x80], Code::Decode),
        ("a byte behind it", 2, [&whole[..], &[0]].concat(), Code::Decode),
        ("a list in two bytes", 2, [&[0x82, 4, 0x98, 1], &whole[3..]].concat(), Code::Decode),
        ("too large", 2, vec![0; FRAME_BYTES_MAX + 1], Code::Decode),
        ("a list of 2^63 items", 2, vec![0x82, 4, 0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0], Code::Decode),
        ("no event", 2, vec![0x82, 4, 0x81, 0x41, 7], Code::InvalidEvent),
        ("a forged event", 2, damaged, Code::InvalidEvent),
        ("no events", 2, frame(&[]), Code::NotTheTail),
        ("an event twice", 2, frame(&[&good, &good]), Code::NotTheTail),
        ("an event without its body", 2, frame(&[&bare]), Code::NotTheTail),
        ("another author", 2, frame(&[&good, &foreign]), Code::ForeignAuthor),
        ("another workspace", 2, frame(&[&elsewhere]), Code::WrongWorkspace),
        ("a grant", 4, frame(&[&grant]), Code::NotTheTail),
        ("a revocation", 4, frame(&[&revoke]), Code::NotTheTail),
        ("a key that never was a member", 9, frame(&[&strange]), Code::NotRevoked),
        ("a key that is one", 1, frame(&[&foreign]), Code::NotRevoked),
    ];
    let kept = mesh.device(3).disk.len();
    for (what, device, frame, code) in rows {
        assert_eq!(said(&mut mesh, device, &frame), Answer::Refused(code), "{what}");
        assert_eq!(mesh.device(3).disk.len(), kept, "{what}");
    }
    for len in 0..whole.len() {
        assert!(read_tail(&whole[..len], &known[0].workspace(), &id(2)).is_err(), "cut at {len}");
    }
    // Of a revoked key, and its grant is not in the event's past.
    let early = Header { heard: vec![known[0].id()], ..good.header().clone() };
    let early = phone.sign(early, good.body().unwrap().to_vec());
    let refused = Answer::Refused(Code::InvalidEvent);
    assert_eq!(said(&mut mesh, 2, &frame(&[&early])), refused);
    assert_eq!(mesh.device(3).disk.len(), kept);
    assert_eq!(said(&mut mesh, 2, &whole), Answer::Taken(1));
}

#[test]
fn no_more_than_one_mebibyte_is_kept_of_a_device() {
    // SPEC: INTRO-6
    let (mut founder, base, phone) = granted();
    let sample = base.iter().find(|event| event.header().lane == Lane::Content).unwrap();
    let mut mesh = apart(&base, &[&base[..], &founder.revoke(2)].concat());
    let frame = |number: u8, len| encode_tail(&[content(&phone, sample, number, len)]).0;
    let room = TAIL_KEPT_BYTES_MAX / BODY_BYTES_MAX;
    for number in 0..10 {
        let expected = if usize::from(number) < room {
            Answer::Taken(1)
        } else {
            Answer::Refused(Code::TailFull)
        };
        assert_eq!(said(&mut mesh, 2, &frame(number, BODY_BYTES_MAX)), expected, "{number}");
    }
    assert_eq!(said(&mut mesh, 2, &frame(0, BODY_BYTES_MAX)), Answer::Taken(1), "again is free");
    assert_eq!(said(&mut mesh, 2, &frame(50, 100)), Answer::Taken(1), "what fits is taken");
}

#[test]
fn no_more_than_some_joins_are_kept_of_a_device_however_often_it_comes() {
    // SPEC: INTRO-6
    let (mut founder, base, mut phone) = granted();
    let mut mesh = apart(&base, &[&base[..], &founder.revoke(2)].concat());
    let mut join = || phone.write(|workspace, pen| workspace.write_join(pen)).unwrap();
    let joins: Vec<_> = (0..2 * TAIL_CONTROL_MAX).map(|_| join()).collect();
    let (first, rest) = joins.split_at(TAIL_CONTROL_MAX + 1);
    let most = TAIL_CONTROL_MAX as u64;
    assert_eq!(said(&mut mesh, 2, &encode_tail(first).0), Answer::Taken(most));
    mesh.restart(3);
    let full = Answer::Refused(Code::TailFull);
    assert_eq!(said(&mut mesh, 2, &encode_tail(&first[TAIL_CONTROL_MAX..]).0), full);
    assert_eq!(said(&mut mesh, 2, &encode_tail(rest).0), full);
}

#[test]
fn who_was_revoked_gets_in_by_what_the_recovery_key_decides() {
    // SPEC: INTRO-2, CTL-9
    let mut mesh = Mesh::of(&[(2, Role::Owner), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.connect(2, 3);
    mesh.cut(link);
    mesh.ask(2, Command::Revoke { device: id(1), reason: "stolen".to_owned() });
    mesh.set(1, "notes/mine", "not sent");
    let rescue = |reason: &str| Command::Rescue {
        recovery: RecoverySecret([0xec; 32]),
        name: "device 1".to_owned(),
        keep: Vec::new(),
        reason: reason.to_owned(),
    };
    assert!(matches!(mesh.ask(1, rescue("mine")), Reply::Rescued { .. }));
    let (events, tail) = shown(&mut mesh, 1, 3);
    assert!(tail.iter().all(|event| event.id() != events.last().unwrap().id()));
    assert_eq!(introduce(&mut mesh, 1, 3), (Answer::Accepted, None));
    mesh.connect(1, 3);
    mesh.assert_equal(&[1, 3]);
    assert_eq!(mesh.get(3, "notes/mine"), "\"not sent\"");
    assert_eq!(mesh.status(3).role, Some(Role::Member));
    mesh.connect(1, 2);
    assert!(mesh.status(2).revoked, "the thief is told");
}

#[test]
fn what_an_admin_decided_is_no_part_of_its_tail() {
    // SPEC: INTRO-6, CTL-8
    let mut mesh = Mesh::of(&[(2, Role::Admin), (3, Role::Member)]);
    for (a, b) in [(1, 2), (2, 3)] {
        let link = mesh.connect(a, b);
        mesh.cut(link);
    }
    mesh.ask(2, Command::Revoke { device: id(3), reason: "lost".to_owned() });
    mesh.set(3, "notes/late", "unsent");
    assert_eq!(introduce(&mut mesh, 3, 2), (Answer::Revoked, Some(Answer::Taken(1))));
    let readmit = Command::Readmit { device: id(3), reason: "found".to_owned() };
    assert!(matches!(mesh.ask(2, readmit), Reply::Readmitted { .. }));
    mesh.set(2, "notes/mine", "unsent too");
    mesh.ask(1, Command::Revoke { device: id(2), reason: "lost".to_owned() });
    let kinds: Vec<_> = {
        let tail = shown(&mut mesh, 2, 1).1;
        let workspace = mesh.device(2).replica.workspace();
        tail.iter().filter_map(|event| workspace.kind(&event.id())).collect()
    };
    assert_eq!(kinds.last().map(String::as_str), Some("change"), "{kinds:?}");
    let (first, second) = introduce(&mut mesh, 2, 1);
    assert_eq!(first, Answer::Revoked);
    assert!(matches!(second, Some(Answer::Taken(_))), "{second:?}");
}

#[test]
fn of_a_long_tail_as_much_is_sent_as_fits_one_frame() {
    // SPEC: INTRO-6
    let (_, base, phone) = granted();
    let sample = base.iter().find(|event| event.header().lane == Lane::Content).unwrap();
    let large = content(&phone, sample, 1, 100_000);
    let (frame, sent) = encode_tail(&vec![large; 3]);
    assert_eq!(sent, 2);
    assert!(frame.len() <= FRAME_BYTES_MAX);
    let small = content(&phone, sample, 1, 1);
    let (frame, sent) = encode_tail(&vec![small; TAIL_EVENTS_MAX + 1]);
    assert!(sent <= TAIL_EVENTS_MAX && frame.len() <= FRAME_BYTES_MAX);
}

#[test]
fn what_is_said_of_a_tail_is_read_as_it_is_written() {
    // SPEC: INTRO-6
    for count in [0, 23, 24, 1_024] {
        let bytes = Answer::Taken(count).encode();
        assert_eq!(Answer::decode(&bytes), Ok(Answer::Taken(count)));
        assert!((0..bytes.len()).all(|len| Answer::decode(&bytes[..len]).is_err()));
        assert!(Answer::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    assert!(Answer::decode(&[0x82, 5, 0x18, 7]).is_err(), "another encoding");
    for code in [Code::NotRevoked, Code::ForeignAuthor, Code::NotTheTail, Code::TailFull] {
        let answer = Answer::Refused(code);
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
}
