//! Quarantine that is offered apart, fetched when it is needed, and bounded; strikes and upgrades
//! on devices that meet.

use kernelos_protocol::command::{Apart, BranchPreview, Command, Failure, Reply};
use kernelos_protocol::control::{ControlBody, Upgrade};
use kernelos_protocol::document::{DocumentTask, Edit};
use kernelos_protocol::event::{BodyRef, Header, Run, Runs, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{EventId, Incarnation, WorkspaceId};
use kernelos_protocol::limits::{
    BODY_BYTES_MAX, HEADER_BYTES_MAX, LOAD_SLICE_EVENTS, OFFERS_MAX, QUARANTINE_AUTHOR_BYTES_MAX,
    STALL_MS,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, MemoryStore, Record};
use kernelos_protocol::sync::{Message, SyncFault};
use kernelos_protocol::workspace::Verdict;

use super::mesh::{Mesh, id};
use crate::kit::Peer;
use crate::rescue::craft;

/// The disk of a device that holds these events.
fn disk(events: &[Verified]) -> MemoryStore {
    let mut disk = MemoryStore::default();
    let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    disk.commit(&records).unwrap();
    disk
}

/// Devices with what each holds.
pub(super) fn devices(of: &[(u8, &[Verified])]) -> Mesh {
    let mut mesh = Mesh::of(&[]);
    mesh.devices.clear();
    for (number, events) in of {
        mesh.add(*number, of[0].1[0].workspace(), disk(events));
    }
    mesh
}

/// A founder, what it granted to devices 2 to 4, and device 2, which wrote as often as said after
/// it was revoked and before it heard.
pub(super) fn revoked(late: usize) -> (Peer, Vec<Verified>, Vec<Verified>) {
    let (mut founder, mut base) = Peer::founder();
    for number in 2..=4 {
        base.extend(founder.grant(number, Role::Member));
    }
    let mut phone = Peer::new(2, founder.workspace.id());
    phone.take(&base);
    let late = (0..late).flat_map(|i| phone.set(&format!("notes/{i}"), "late")).collect();
    base.extend(founder.revoke(2));
    (founder, base, late)
}

/// What was known before the revocation.
fn before(base: &[Verified]) -> &[Verified] {
    let revokes = |event: &Verified| matches!(event.control(), Some(ControlBody::Revoke(_)));
    &base[..base.iter().position(revokes).unwrap()]
}

fn holds(mesh: &mut Mesh, number: u8, event: &Verified) -> bool {
    mesh.device(number).replica.workspace().contains(&event.id())
}

fn branches(mesh: &mut Mesh, number: u8) -> Vec<(EventId, usize, Apart)> {
    match mesh.ask(number, Command::Quarantine) {
        Reply::Quarantine(page) => {
            page.branches.iter().map(|row| (row.tip, row.events, row.why)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn decide(mesh: &mut Mesh, number: u8, command: Command) -> usize {
    match mesh.ask(number, command) {
        Reply::Struck { events, .. } | Reply::Readmitted { events, .. } => events,
        other => panic!("{other:?}"),
    }
}

fn strike(event: &EventId) -> Command {
    Command::Strike { begin: event.to_string(), reason: "gone wrong".to_owned() }
}

fn readmit(event: &EventId) -> Command {
    Command::ReadmitEvent { begin: event.to_string(), reason: String::new() }
}

fn preview(mesh: &mut Mesh, number: u8, tip: &EventId) -> BranchPreview {
    match mesh.ask(number, Command::Preview { begin: tip.to_string() }) {
        Reply::Preview(preview) => preview,
        other => panic!("{other:?}"),
    }
}

fn failure(mesh: &mut Mesh, number: u8, command: Command) -> Failure {
    match mesh.ask(number, command) {
        Reply::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn quarantine_is_offered_and_taken_when_all_that_is_admitted_is_here() {
    // SPEC: SYNC-12
    let (_, base, late) = revoked(3);
    let mut mesh = devices(&[(3, &[&base[..], &late].concat()), (4, &base)]);
    mesh.withheld = Some((4, |message| matches!(message, Message::Want(_))));
    mesh.connect(3, 4);
    let wanted: Vec<_> = mesh.device(4).wire.iter().map(|(_, frame)| frame.clone()).collect();
    let (tip, workspace) = (late[2].id(), base[0].workspace());
    let wanted: Vec<_> =
        wanted.iter().map(|frame| Message::decode(frame, &workspace).unwrap()).collect();
    assert_eq!(wanted, [Message::Want(vec![(tip, 3)])], "one branch is asked for, whole");
    mesh.withheld = None;
    mesh.settle();
    assert!(late.iter().all(|event| holds(&mut mesh, 4, event)));
    assert_eq!(branches(&mut mesh, 4), [(tip, 3, Apart::Revoked)]);
    mesh.assert_equal(&[3, 4]);
    // Both say that they heard of the revocation, and what they hold.
    mesh.wait(STALL_MS);
    mesh.wait(STALL_MS);
    let frames = mesh.frames;
    mesh.wait(STALL_MS);
    assert_eq!(mesh.frames, frames, "nothing more is said of it");
}

#[test]
fn while_something_admitted_is_waited_for_no_quarantine_is_asked_for() {
    // SPEC: SYNC-12
    let (mut founder, base, late) = revoked(1);
    let more = founder.set("notes/more", "admitted");
    let mut mesh = devices(&[(1, &[&base[..], &more, &late].concat()), (4, &base)]);
    mesh.withheld = Some((1, |message| matches!(message, Message::Events(_))));
    mesh.connect(1, 4);
    assert!(!holds(&mut mesh, 4, &late[0]));
    let workspace = base[0].workspace();
    let asks = |frame: &[u8], id: EventId| match Message::decode(frame, &workspace).unwrap() {
        Message::Events(runs) => runs.iter().flat_map(Run::events).any(|event| event.id() == id),
        _ => false,
    };
    let wire = &mesh.device(1).wire;
    assert!(wire.iter().any(|(_, frame)| asks(frame, more[0].id())));
    assert!(!wire.iter().any(|(_, frame)| asks(frame, late[0].id())));
    mesh.withheld = None;
    mesh.settle();
    assert!(holds(&mut mesh, 4, &more[0]) && holds(&mut mesh, 4, &late[0]));
}

#[test]
fn what_a_readmission_names_is_fetched_at_once_from_who_has_it() {
    // SPEC: SYNC-12, AUTH-13, AUTH-21
    let (mut founder, base, late) = revoked(100);
    founder.take(&late);
    let tip = late[99].id();
    let back =
        founder.write(|workspace, pen| workspace.write_readmit_event(pen, &tip, "found")).unwrap();
    // The readmission came another way; who has the branch does not know of it, and says nothing.
    let held = [&base[..], &late].concat();
    let mut mesh = devices(&[(3, &held), (4, &[&base[..], &back].concat())]);
    let told = |message: &Message| matches!(message, Message::Offer(_) | Message::Have(_));
    mesh.withheld = Some((3, told));
    assert!(mesh.status(4).state_hash.is_none(), "nothing is claimed until it is here");
    mesh.connect(3, 4);
    mesh.wait(STALL_MS);
    assert!(late.iter().all(|event| holds(&mut mesh, 4, event)));
    assert_eq!(branches(&mut mesh, 4), []);
    assert_eq!(mesh.get(4, "notes/99"), "\"late\"");
    mesh.assert_equal(&[3, 4]);
}

/// As much junk as fills the room of device 2 and four more, each of the size of the greatest
/// body: one chain, or each a chain of its own.
fn junk(base: &[Verified], chained: bool) -> Vec<Verified> {
    let mut phone = Peer::new(2, base[0].workspace());
    phone.take(before(base));
    let sample = phone.set("notes/sample", "x").pop().unwrap();
    let body = vec![7; BODY_BYTES_MAX];
    let count = QUARANTINE_AUTHOR_BYTES_MAX / (BODY_BYTES_MAX + HEADER_BYTES_MAX) as u64 + 4;
    let mut events: Vec<Verified> = Vec::new();
    for number in 0..count {
        // Under a key that there is not, so that nobody tries to open it.
        let epoch = Some(EventId([9; 32]));
        let header = Header { body: Some(BodyRef::of(&body)), epoch, ..sample.header().clone() };
        let header = match events.last().filter(|_| chained) {
            Some(last) => Header {
                incarnation: last.header().incarnation,
                seq: last.header().seq + 1,
                prev: Some(last.id()),
                parents: Vec::new(),
                ..header
            },
            None => Header { incarnation: Incarnation([number as u8 + 100; 8]), ..header },
        };
        events.push(phone.sign(header, body.clone()));
    }
    events
}

#[test]
fn junk_of_a_revoked_device_fills_its_room_and_no_more() {
    // SPEC: SYNC-12
    for chained in [true, false] {
        let (mut founder, base, _) = revoked(0);
        let junk = junk(&base, chained);
        let mut mesh = devices(&[(4, &base)]);
        let length = mesh.device(4).disk.len();
        mesh.feed(4, 3, Message::Events(Runs::of(junk.clone())));
        let kept = mesh.device(4).disk.len() - length;
        assert_eq!(kept, junk.len() - 4, "chained: {chained}");
        // Another author has room of its own, and what counts needs none.
        let good = founder.set("notes/good", "x");
        mesh.feed(4, 3, Message::Events(Runs::of(good.clone())));
        assert!(holds(&mut mesh, 4, &good[0]));
        // A start changes nothing in that.
        mesh.restart(4);
        mesh.feed(4, 3, Message::Events(Runs::of([junk[junk.len() - 1].clone()])));
        assert!(!holds(&mut mesh, 4, &junk[junk.len() - 1]));
    }
}

#[test]
fn what_something_that_counts_needs_goes_in_beyond_the_room() {
    // SPEC: SYNC-12, AUTH-16
    let (_, base, _) = revoked(0);
    let junk = junk(&base, true);
    let wanted = &junk[junk.len() - 1];
    // A member that had not heard of the revocation built on the last.
    let mut member = Peer::new(3, base[0].workspace());
    member.take(before(&base));
    let mut parents = vec![wanted.id(), base[3].id()];
    parents.sort_unstable();
    let built = member.craft(b"whatever", parents);
    let mut mesh =
        devices(&[(4, &base), (3, &[before(&base), &junk, std::slice::from_ref(&built)].concat())]);
    mesh.feed(4, 3, Message::Events(Runs::of(junk.clone())));
    assert!(!holds(&mut mesh, 4, wanted));
    mesh.connect(3, 4);
    for _ in 0..10 {
        mesh.wait(STALL_MS);
    }
    assert!(holds(&mut mesh, 4, wanted) && holds(&mut mesh, 4, &built));
    let workspace = mesh.device(4).replica.workspace();
    assert_eq!(workspace.verdict(&wanted.id()).unwrap().0, Verdict::Void, "admitted by it");
}

#[test]
fn an_offer_has_one_form_and_bounded_room() {
    // SPEC: SYNC-1, SYNC-12
    let (_, base, late) = revoked(1);
    let mut mesh = devices(&[(3, &[&base[..], &late].concat())]);
    let tips = mesh.device(3).replica.workspace().apart_tips();
    let offer = Message::Offer(tips.clone());
    assert_eq!(Message::decode(&offer.encode(), &WorkspaceId::UNBORN), Ok(offer));
    let many = |count: usize| {
        let tip = |n: usize| {
            let mut tip = tips[0];
            tip.id.0[..2].copy_from_slice(&(n as u16).to_be_bytes());
            tip
        };
        Message::Offer((0..count).map(tip).collect())
    };
    assert!(Message::decode(&many(OFFERS_MAX).encode(), &WorkspaceId::UNBORN).is_ok());
    let control = mesh.device(3).replica.workspace().tips();
    let control = control.into_iter().filter(|tip| tip.chain.lane as u8 == 0).collect();
    for wrong in [many(0), many(OFFERS_MAX + 1), Message::Offer(control)] {
        assert_eq!(Message::decode(&wrong.encode(), &WorkspaceId::UNBORN), Err(SyncFault::Decode));
    }
    // Who offers what it has not costs a frame each, one at a time.
    for _ in 0..3 {
        mesh.feed(3, 4, many(OFFERS_MAX));
    }
    mesh.wait(STALL_MS);
    assert!(mesh.status(3).current);
}

#[test]
fn a_document_that_automerge_fails_on_goes_on_without_the_event() {
    // SPEC: PRJ-3, EFF-8, STATE-3
    let mut mesh = Mesh::of(&[(2, Role::Admin), (3, Role::Member)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    mesh.set(1, "notes/before", "x");
    mesh.cut(links[0]);
    // On device 2 Automerge holds another change of device 3's next actor and number, by a fault.
    let document = mesh.device(2).replica.workspace().root_document().unwrap();
    let actor = hash::actor(&id(3), &mesh.device(3).config.incarnation, &document, 1);
    let edit = Edit::Set { set: "notes/fault".parse().unwrap(), value: "y".into() };
    let task = DocumentTask::Transact { document, actor, edits: vec![edit] };
    mesh.device(2).documents.perform(task);
    mesh.set(3, "notes/bad", "z");
    mesh.set(1, "notes/after", "w");
    mesh.set(1, "tasks/other", "v");
    mesh.connect(1, 2);
    let status = mesh.status(2);
    let bad = read_all(&mut mesh.device(2).disk.clone(), 512);
    let bad = bad.iter().find(|e| e.header().author == id(3) && e.header().epoch.is_some());
    let bad = bad.unwrap().id();
    let told = format!("fails at event {}: `kern strike {}`", bad.short(), bad.short());
    assert!(status.damage.iter().any(|words| words.contains(&told)), "{:?}", status.damage);
    assert_eq!(status.state_hash, None);

    assert_eq!(decide(&mut mesh, 2, strike(&bad)), 3, "it, and what was built on it");
    mesh.assert_equal(&[1, 2, 3]);
    assert_eq!(mesh.get(2, "notes"), r#"{"before":"x"}"#);
    mesh.set(2, "notes/on", "1");
    mesh.set(1, "notes/and", "2");
    mesh.assert_equal(&[1, 2, 3]);
    for number in 1..=3 {
        mesh.restart(number);
        assert_eq!(mesh.get(number, "notes"), r#"{"and":"2","before":"x","on":"1"}"#);
    }
}

#[test]
fn what_is_struck_is_listed_shown_and_comes_back() {
    // SPEC: EFF-8, EFF-9
    let mut mesh = Mesh::of(&[(2, Role::Admin), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.set(1, "notes/a", "first");
    mesh.set(3, "notes/a", "gone wrong");
    mesh.set(3, "notes/b", "on it");
    mesh.set(2, "notes/c", "on both");
    let state = mesh.state(1);
    let events = read_all(&mut mesh.device(1).disk.clone(), 512);
    let content = |author: u8| {
        let of = |e: &&Verified| e.header().author == id(author) && e.header().epoch.is_some();
        events.iter().filter(of).map(Verified::id).collect::<Vec<_>>()
    };
    let (&[bad, on_it], &[on_both]) = (&content(3)[..], &content(2)[..]) else { panic!() };
    assert_eq!(decide(&mut mesh, 2, strike(&bad)), 3);
    assert_eq!(mesh.get(3, "notes"), r#"{"a":"first"}"#);
    let mut listed = branches(&mut mesh, 3);
    listed.sort();
    let mut expected =
        [(bad, 1, Apart::Struck), (on_it, 1, Apart::Dependent), (on_both, 1, Apart::Dependent)];
    expected.sort();
    assert_eq!(listed, expected);
    let Reply::Quarantine(page) = mesh.ask(1, Command::Quarantine) else { panic!() };
    let row = page.branches.iter().find(|row| row.tip == bad).unwrap();
    assert_eq!((row.author, row.by, row.since.is_some()), (id(3), Some(id(2)), true));
    let Reply::Log(log) = mesh.ask(3, Command::Log { from: 0, limit: LOAD_SLICE_EVENTS }) else {
        panic!()
    };
    let reason = |id: EventId| {
        let row = log.rows.iter().find(|row| row.id == Some(id)).unwrap();
        assert_eq!(row.verdict, Some(Verdict::Void));
        row.reason.clone().unwrap()
    };
    let decision = row.decision.unwrap().short();
    assert_eq!(reason(bad), format!("struck: event {decision} goes on from before it"));
    assert_eq!(reason(on_it), "struck_dependency: it builds on what was struck");

    let shown = preview(&mut mesh, 1, &on_both);
    assert_eq!((shown.events, shown.shown, shown.unread, shown.more), (3, 3, 0, 0));
    let places: Vec<_> =
        shown.changes.iter().map(|row| format!("{} {} {}", row.path, row.now, row.then)).collect();
    let expected =
        [r#"notes/a "first" "gone wrong""#, r#"notes/b null "on it""#, r#"notes/c null "on both""#];
    assert_eq!(places, expected);
    assert_eq!(mesh.get(1, "notes"), r#"{"a":"first"}"#, "it was shown on a copy");
    let said = failure(&mut mesh, 1, Command::Preview { begin: content(1)[0].to_string() });
    assert!(said.message.contains("not kept apart"), "{said:?}");
    let said = failure(&mut mesh, 1, strike(&bad));
    assert!(said.message.contains("struck already"), "{said:?}");

    assert_eq!(decide(&mut mesh, 1, readmit(&bad)), 3);
    assert_eq!(branches(&mut mesh, 3), []);
    assert_eq!(mesh.get(3, "notes"), r#"{"a":"gone wrong","b":"on it","c":"on both"}"#);
    assert_ne!(mesh.state(1), state, "the decisions are part of it");
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn a_struck_artifact_has_no_effect_until_it_comes_back() {
    // SPEC: EFF-6, EFF-8
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let sent = mesh.connect(1, 2);
    mesh.cut(sent);
    let (_, manifest, _) = crate::artifact::sealed(100, 1);
    let inside = kernelos_protocol::cbor::encode(&manifest);
    let mut peer = Peer::new(2, mesh.device(1).config.workspace);
    peer.take(&read_all(&mut mesh.device(1).disk.clone(), 512));
    let heads = peer.workspace.content().admitted_heads();
    let artifact = peer.craft(&inside, heads);
    mesh.feed(1, 2, Message::Events(Runs::of([artifact.clone()])));
    assert_eq!(mesh.device(1).replica.workspace().artifacts().count(), 1);
    assert_eq!(decide(&mut mesh, 1, strike(&artifact.id())), 1);
    assert_eq!(mesh.device(1).replica.workspace().artifacts().count(), 0);
    assert_eq!(decide(&mut mesh, 1, readmit(&artifact.id())), 1);
    assert_eq!(mesh.device(1).replica.workspace().artifacts().count(), 1);
}

#[test]
fn a_newer_format_stops_writing_and_nothing_else() {
    // SPEC: CTL-1, CTL-11
    let (mut founder, mut base) = Peer::founder();
    base.extend(founder.grant(2, Role::Admin));
    base.extend(founder.grant(3, Role::Member));
    base.extend(founder.set("notes/a", "before"));
    let upgrade = |by: u8| craft(&founder, by, |_| ControlBody::Upgrade(Upgrade { format: 2 }));
    let mut mesh = devices(&[(2, &base), (3, &base)]);
    // Who is no owner upgrades nothing.
    mesh.feed(3, 2, Message::Events(Runs::of([upgrade(2)])));
    assert!(!holds(&mut mesh, 3, &upgrade(2)));
    mesh.set(3, "notes/b", "still");
    mesh.feed(3, 2, Message::Events(Runs::of([upgrade(1)])));
    let edit = Edit::Set { set: "notes/c".parse().unwrap(), value: "x".into() };
    for command in [
        Command::Edit { edits: vec![edit] },
        Command::Revoke { device: id(3), reason: String::new() },
        strike(&base[3].id()),
    ] {
        let said = failure(&mut mesh, 3, command);
        assert!(said.message.starts_with("newer_format: "), "{said:?}");
        assert!(said.hint.unwrap().contains("upgrade kern"));
    }
    // It reads, checks and passes on; and writes nothing by itself either.
    let length = mesh.status(3).events;
    assert_eq!((mesh.status(3).newer_format, mesh.status(2).newer_format), (Some(2), None));
    assert_eq!(mesh.get(3, "notes"), r#"{"a":"before","b":"still"}"#);
    mesh.connect(3, 2);
    mesh.wait(60_000);
    assert!(holds(&mut mesh, 2, &upgrade(1)));
    assert_eq!(mesh.get(2, "notes"), r#"{"a":"before","b":"still"}"#);
    assert_eq!((mesh.status(3).events, mesh.status(2).events), (length, length));
    mesh.assert_equal(&[2, 3]);
    mesh.restart(3);
    assert_eq!(mesh.status(3).events, length);

    // A kind that no format here has is refused, whoever sent it, and stops nobody.
    let mut mesh = devices(&[(2, &base), (3, &base)]);
    let link = mesh.connect(2, 3);
    let now = mesh.now;
    let fault = kernelos_protocol::replica::Input::Fault(link, "newer_format".to_owned());
    mesh.device(3).replica.handle(now, fault);
    mesh.settle();
    assert_eq!(mesh.device(3).disconnected[&link], "newer_format");
    mesh.set(3, "notes/d", "it goes on");
}
