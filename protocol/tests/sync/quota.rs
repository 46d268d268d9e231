//! A member that makes keys and objects without measure: everything it signed counts, and goes into
//! the documents of others no faster than its quota. Who writes honestly notices nothing.

use automerge::transaction::{CommitOptions, Transactable as _, Transaction};
use automerge::{ActorId, Automerge, ObjId, ObjType, ROOT, ReadDoc as _};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::content::{DocumentChange, encode_changes};
use kernelos_protocol::document::{DocumentDone, DocumentTask, Edit};
use kernelos_protocol::event::Verified;
use kernelos_protocol::hash;
use kernelos_protocol::id::Incarnation;
use kernelos_protocol::limits::{
    CHANGE_OPS_MAX, JOIN_DELAY_MS, LOAD_SLICE_EVENTS, QUOTA_MAKES, QUOTA_MS,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::sync::{LinkId, Message};
use kernelos_protocol::workspace::Verdict;

use super::granting;
use super::mesh::{Mesh, id};
use crate::kit::Peer;

/// What a device may make in an hour in most of these tests, where everything else is as small.
const MAKES: usize = 1_000;

/// Operations of one change of a flood.
const OPS: usize = 40;

/// Devices 1 to 3 are members; device 1 has everything that was said so far.
fn mesh() -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    for number in 1..=3 {
        mesh.device(number).config.quota = MAKES as u64;
        mesh.restart(number);
    }
    mesh
}

/// The device with this number by itself: a program that keeps no quota.
fn lawless(mesh: &mut Mesh, number: u8) -> Peer {
    let history = read_all(&mut mesh.device(1).disk, LOAD_SLICE_EVENTS);
    let mut peer = Peer::new(number, history[0].workspace());
    peer.take(&history);
    peer.project();
    peer
}

/// What an operation of a flood is, by its number.
type Shape = fn(&mut Transaction<'_>, &ObjId, usize);

/// The map or list that a flood fills.
const MAP: ObjType = ObjType::Map;

/// A key of one map.
fn key(tx: &mut Transaction<'_>, map: &ObjId, number: usize) {
    tx.put(map, number.to_string(), ()).unwrap();
}

/// An object at a key of one map.
fn object(tx: &mut Transaction<'_>, map: &ObjId, number: usize) {
    tx.put_object(map, number.to_string(), MAP).unwrap();
}

/// An object in one list.
fn element(tx: &mut Transaction<'_>, list: &ObjId, _: usize) {
    // At the front: Automerge looks for a place from there.
    tx.insert_object(list, 0, MAP).unwrap();
}

/// So many operations of a shape, in events of a member that break no rule. They fill one map or
/// list, which is made first: a key and an object.
fn flood(peer: &mut Peer, of: (ObjType, Shape), operations: usize, ops: usize) -> Vec<Verified> {
    flood_into(peer, &mut Automerge::new(), of, operations, ops)
}

/// The same, on what stands in `doc`.
fn flood_into(
    peer: &mut Peer,
    doc: &mut Automerge,
    of: (ObjType, Shape),
    operations: usize,
    ops: usize,
) -> Vec<Verified> {
    let document = peer.document();
    let actor = hash::actor(&peer.key.device(), &peer.incarnation, &document, 1);
    doc.set_actor(ActorId::from(&actor[..]));
    let mut events = Vec::new();
    let mut done = 0;
    while done < operations {
        let mut tx = doc.transaction();
        let into = match tx.get(ROOT, "flood").unwrap() {
            Some((_, into)) => into,
            None => tx.put_object(ROOT, "flood", of.0).unwrap(),
        };
        let until = operations.min(done + ops - 1);
        (done..until).for_each(|number| (of.1)(&mut tx, &into, number));
        done = until;
        let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
        let change = doc.get_change_by_hash(&hash.unwrap()).unwrap().raw_bytes().to_vec();
        events.extend(peer.change(Some(document), change).unwrap());
    }
    events
}

/// Objects in one list, a little more than an hour's quota.
fn elements(peer: &mut Peer) -> Vec<Verified> {
    flood(peer, (ObjType::List, element), MAKES + OPS, OPS)
}

/// What the log of device 1 says of an event.
fn logged(mesh: &mut Mesh, event: &Verified) -> Option<String> {
    let Reply::Log(page) = mesh.ask(1, Command::Log { from: 0, limit: LOAD_SLICE_EVENTS }) else {
        panic!()
    };
    let row = page.rows.into_iter().find(|row| row.id == Some(event.id())).unwrap();
    assert_eq!(row.verdict, Some(Verdict::Admitted));
    row.reason
}

/// Lets time pass until a device waits for no quota; how many hours that took.
fn wait_for_quota(mesh: &mut Mesh, number: u8) -> u64 {
    let began = mesh.now.monotonic_ms;
    while !mesh.status(number).waiting.is_empty() {
        let (at, why) = mesh.device(number).replica.next_deadline().unwrap();
        let passes = at.saturating_sub(mesh.now.monotonic_ms);
        assert!(passes > 0 && passes <= QUOTA_MS, "{why} is due in {passes} ms");
        mesh.wait(passes);
    }
    (mesh.now.monotonic_ms - began).div_ceil(QUOTA_MS)
}

#[test]
fn a_flood_of_keys_and_objects_goes_in_slowly_and_others_go_on() {
    // SPEC: SYNC-9
    // An object at a new key is two.
    let shapes: [(&str, ObjType, Shape, usize); 3] = [
        ("keys", MAP, key, MAKES),
        ("objects", MAP, object, MAKES / 2),
        ("elements", ObjType::List, element, MAKES),
    ];
    for (name, kind, shape, operations) in shapes {
        let mut mesh = mesh();
        mesh.connect(1, 3);
        let mut hostile = lawless(&mut mesh, 2);
        let events = flood(&mut hostile, (kind, shape), operations, OPS);
        mesh.feed(1, 2, Message::events(events.clone()));
        mesh.settle();
        for number in [1, 3] {
            let status = mesh.status(number);
            let waiting = &status.waiting[..];
            let [row] = waiting else { panic!("{name}: {waiting:?}") };
            assert_eq!((row.reason.as_str(), row.device), ("quota", id(2)), "{name}");
            assert!(row.next_s > 0 && row.events > 0, "{name}: {row:?}");
            assert_eq!((status.state_hash, status.damage.len()), (None, 0), "{name}");
        }
        assert_eq!(logged(&mut mesh, &events[0]), None, "{name}: an hour's goes in at once");
        let reason = logged(&mut mesh, events.last().unwrap()).unwrap();
        assert!(reason.starts_with("quota: ") && reason.contains(&id(2).to_string()), "{reason}");
        // Who keeps its quota is not slowed, though its event follows all of the flood.
        for number in [1, 3] {
            mesh.set(number, &format!("tasks/{number}"), "at once");
            for other in [1, 3] {
                assert_eq!(mesh.get(other, &format!("tasks/{number}")), "\"at once\"", "{name}");
            }
        }
        for number in [1, 3] {
            assert!(wait_for_quota(&mut mesh, number) <= 1, "{name}");
        }
        mesh.assert_equal(&[1, 3]);
        assert_eq!(logged(&mut mesh, events.last().unwrap()), None, "{name}");
    }
}

#[test]
fn every_order_of_a_flood_ends_in_the_same_state_and_what_depends_on_it_waits_with_it() {
    // SPEC: SYNC-9
    let mut base = mesh();
    let mut hostile = lawless(&mut base, 2);
    let mut events = elements(&mut hostile);
    // Of a third device: built on all of the flood, and on nothing of it.
    let mut third = lawless(&mut base, 3);
    let free = third.set("tasks/free", "free");
    third.take(&events);
    let bound = third.set("tasks/bound", "bound");
    events.extend(free);
    events.extend(bound);
    let reversed: Vec<_> = events.iter().rev().cloned().collect();
    let mut mixed = [&events[events.len() / 2..], &events[..]].concat();
    mixed.rotate_right(3);
    let mut states = Vec::new();
    for order in [&events, &reversed, &mixed] {
        let mut mesh = mesh();
        mesh.feed(1, 2, Message::events(order.clone()));
        assert_eq!(mesh.get(1, "tasks/free"), "\"free\"");
        let path = "tasks/bound".parse().unwrap();
        let bound = mesh.ask(1, Command::Read { path });
        assert!(matches!(bound, Reply::Failed(_)), "{bound:?}");
        let reason = logged(&mut mesh, events.last().unwrap()).unwrap();
        assert!(reason.contains(&id(2).to_string()), "it is the flood's author that is named");
        assert_eq!(wait_for_quota(&mut mesh, 1), 1);
        assert_eq!(mesh.get(1, "tasks/bound"), "\"bound\"");
        states.push(mesh.state(1));
    }
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
}

#[test]
fn what_waits_for_a_quota_survives_a_restart_and_falls_with_its_author() {
    // SPEC: SYNC-9
    let mut mesh = mesh();
    let mut hostile = lawless(&mut mesh, 2);
    let events = elements(&mut hostile);
    mesh.feed(1, 2, Message::events(events.clone()));
    assert_eq!(mesh.status(1).waiting.len(), 1);
    let disk = mesh.device(1).disk.clone();
    // What the store has was admitted before: it is not charged again.
    mesh.restart(1);
    assert_eq!(mesh.status(1).waiting, []);
    mesh.set(1, "tasks/a", "after the restart");
    hostile.take(&read_all(&mut mesh.device(1).disk, LOAD_SLICE_EVENTS));
    assert_eq!(mesh.state(1), hostile.state().to_string());

    assert_eq!(read_all(&mut { disk }, 64).len() + 1, mesh.status(1).events);

    // Where it still waits when its author is revoked by who has not heard of it, it waits no more.
    let mut mesh = self::mesh();
    mesh.connect(1, 3);
    mesh.cut(LinkId(1));
    mesh.feed(3, 2, Message::events(events));
    assert_eq!(mesh.status(3).waiting.len(), 1);
    let reason = "it floods".to_owned();
    let revoked = mesh.ask(1, Command::Revoke { device: id(2), reason });
    assert!(matches!(revoked, Reply::Revoked { .. }), "{revoked:?}");
    mesh.connect(1, 3);
    mesh.wait(JOIN_DELAY_MS);
    assert_eq!(mesh.status(3).waiting, []);
    mesh.assert_equal(&[1, 3]);
}

#[test]
fn who_carries_again_what_everybody_builds_on_and_waits_with_it_stops_nobody() {
    // SPEC: SYNC-9
    let mut mesh = mesh();
    let made = mesh.ask(1, Command::CreateBoard { name: "garden".to_owned() });
    let Reply::BoardMade { document: garden, .. } = made else { panic!("{made:?}") };
    let (mut hostile, mut honest) = (lawless(&mut mesh, 2), lawless(&mut mesh, 3));
    let (root, mut doc) = (hostile.document(), Automerge::new());
    let events = flood_into(&mut hostile, &mut doc, (MAP, key), MAKES - OPS, OPS);
    let told = doc.get_changes(&[]).last().unwrap().raw_bytes().to_vec();
    hostile.workspace.open(garden);
    hostile.project();
    let actor = hash::actor(&hostile.key.device(), &hostile.incarnation, &garden, 1);
    let set = |number| {
        let set = format!("notes/{number}").parse().unwrap();
        Edit::Set { set, value: "x".into() }
    };
    let edits = (0..3 * OPS).map(set).collect();
    let task = DocumentTask::Transact { document: garden, actor, edits };
    let heavy = match hostile.documents.perform(task) {
        DocumentDone::Transacted(Ok(Some(change))) => change.chunk,
        other => panic!("{other:?}"),
    };
    let mut again = [(root, told), (garden, heavy)].map(|(document, change)| DocumentChange {
        document: Some(document),
        generation: 1,
        change,
    });
    again.sort_by_key(|change| change.document);
    let last = events.last().unwrap().id();
    let again = hostile.craft(&encode_changes(again.to_vec()), vec![last]);
    honest.take(&events);
    let bound = honest.set("tasks/bound", "bound");
    mesh.feed(1, 2, Message::events([events, vec![again]].concat()));
    assert_eq!(mesh.status(1).waiting.len(), 1);
    mesh.feed(1, 3, Message::events(bound));
    mesh.set(1, "tasks/own", "own");
    assert_eq!(mesh.get(1, "tasks"), r#"{"bound":"bound","own":"own"}"#);
    assert_eq!(mesh.status(1).waiting.len(), 1, "the other waits yet");
    assert!(wait_for_quota(&mut mesh, 1) <= 1);
}

#[test]
fn an_own_command_beyond_the_quota_is_refused_and_nothing_is_lost() {
    // SPEC: SYNC-9
    let mut mesh = mesh();
    // What an earlier life of its store left with others counts for this device too.
    let mut earlier = lawless(&mut mesh, 1);
    earlier.incarnation = Incarnation([9; 8]);
    let events = flood(&mut earlier, (ObjType::List, element), MAKES - 2 - 3, OPS);
    mesh.feed(1, 3, Message::events(events));
    let number = |path: &str, value: usize| {
        let set = path.parse().unwrap();
        Command::Edit { edits: vec![Edit::Set { set, value: value.into() }] }
    };
    let edited = |reply: Reply| assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
    edited(mesh.ask(1, number("notes/a", 1)));
    let map = |path: &str, keys: usize| {
        let map: serde_json::Map<_, _> = (0..keys).map(|key| (key.to_string(), 7.into())).collect();
        let set = path.parse().unwrap();
        Command::Edit { edits: vec![Edit::Set { set, value: map.into() }] }
    };
    edited(mesh.ask(1, map("notes/b", 0)));
    let before = mesh.status(1);
    let refused = |reply: Reply, seconds: u64| {
        let Reply::Failed(Failure { kind, message, hint }) = reply else { panic!("{reply:?}") };
        assert_eq!(kind, FailureKind::Quota);
        assert_eq!(serde_json::to_value(kind).unwrap(), "quota");
        assert!(message.starts_with("quota: "), "{message}");
        let hint = hint.unwrap();
        assert!(hint.contains(&format!(" in {seconds} s")), "{hint}");
    };
    let seconds = |makes: u64| (makes * QUOTA_MS).div_ceil(MAKES as u64 * 1_000);
    refused(mesh.ask(1, map("notes/c", 0)), seconds(2));
    refused(mesh.ask(1, map("notes/c", 200)), seconds(202));
    let agent = Command::SetAgent { name: "fixer".to_owned(), commands: vec!["true".to_owned()] };
    // A map, a list in it, and in that a text.
    refused(mesh.ask(1, agent), seconds(5));
    // A device whose name would not fit is not granted a role either.
    refused(mesh.ask(1, granting::grant(4, "phone")), seconds(4));
    assert_eq!(mesh.status(1), before, "nothing was written, and nothing waits");
    // What makes nothing new is no matter of quota.
    edited(mesh.ask(1, number("notes/a", 2)));
    let edits = vec![Edit::Rm { rm: "notes/b".parse().unwrap() }];
    edited(mesh.ask(1, Command::Edit { edits }));
    mesh.wait(4_000);
    edited(mesh.ask(1, number("notes/c", 3)));
    assert_eq!(mesh.get(1, "notes"), r#"{"a":2,"c":3}"#);
    let state = mesh.state(1);
    mesh.restart(1);
    assert_eq!(mesh.state(1), state);
}

#[test]
fn a_real_flood_leaves_everybody_usable() {
    // SPEC: SYNC-9, DOC-29
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let mut hostile = lawless(&mut mesh, 2);
    // An object at a new key is two.
    let (half, ops) = (QUOTA_MAKES as usize / 2, CHANGE_OPS_MAX as usize);
    let events = flood(&mut hostile, (MAP, object), half, ops);
    mesh.feed(1, 2, Message::events(events));
    let status = mesh.status(1);
    assert_eq!((status.state_hash, status.waiting[0].events), (None, 1), "the last is too much");
    mesh.set(1, "notes/a", "at once");
    assert_eq!(wait_for_quota(&mut mesh, 1), 1);
    mesh.state(1);
}

#[test]
fn thirty_thousand_keys_of_one_map_wait_for_the_hours_that_they_take() {
    // SPEC: SYNC-9
    let mut mesh = mesh();
    for number in [1, 3] {
        mesh.device(number).config.quota = 10_000;
        mesh.restart(number);
    }
    mesh.connect(1, 3);
    let mut hostile = lawless(&mut mesh, 2);
    let events = flood(&mut hostile, (MAP, key), 30_000, 5_000);
    mesh.feed(1, 2, Message::events(events.clone()));
    mesh.settle();
    assert_eq!(mesh.status(1).waiting.len(), 1);
    mesh.set(3, "tasks/3", "at once");
    assert_eq!(mesh.get(1, "tasks/3"), "\"at once\"");
    let hours = wait_for_quota(&mut mesh, 1);
    assert!((1..=3).contains(&hours), "{hours}");
    assert_eq!(wait_for_quota(&mut mesh, 3), 0);
    mesh.assert_equal(&[1, 3]);
    assert_eq!(logged(&mut mesh, events.last().unwrap()), None);
}
