//! Receipts in a mesh: who is known to hold what, and that it becomes quiet.

use kernelos_protocol::artifact::{ArtifactKey, seal};
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::{JOIN_DELAY_MS, RECEIPT_INTERVAL_MS};
use kernelos_protocol::replica::{Input, Output};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::{EventStore as _, LoadRequest, Record};
use kernelos_protocol::sync::{Message, Receipt};

use super::mesh::{Mesh, id};
use crate::kit::{Peer, secret};

/// How many of how many events of device `at` the device `of` is known to hold.
fn known(mesh: &mut Mesh, at: u8, of: u8) -> (usize, usize) {
    let status = mesh.status(at);
    let peer = status.peers.iter().find(|peer| peer.device == id(of)).unwrap();
    (peer.acked, peer.of)
}

/// Lets deadlines pass until none is left.
fn rest(mesh: &mut Mesh) {
    for _ in 0..20 {
        mesh.wait(JOIN_DELAY_MS);
        let mut devices = mesh.devices.values();
        if devices.all(|device| device.replica.next_deadline().is_none()) {
            return;
        }
    }
    panic!("the mesh does not come to rest");
}

fn kept(mesh: &mut Mesh, at: u8) -> Vec<Receipt> {
    let request = LoadRequest::From { cursor: 0, limit: 1 };
    mesh.device(at).disk.load(&request).unwrap().receipts
}

fn counter(mesh: &mut Mesh, at: u8) -> u64 {
    let own = kept(mesh, at).into_iter().find(|receipt| receipt.device() == id(at));
    own.unwrap().counter()
}

#[test]
fn every_device_knows_that_the_others_hold_everything_and_then_the_mesh_is_quiet() {
    // SPEC: RCPT-4, RCPT-5
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Store), (4, Role::Member)]);
    // A line: what the ends know of each other was passed on.
    for (a, b) in [(1, 2), (2, 3), (3, 4)] {
        mesh.connect(a, b);
    }
    for i in 0..10 {
        mesh.set(1, &format!("notes/{i}"), "x");
        mesh.set(4, &format!("notes/{i}"), "y");
    }
    rest(&mut mesh);
    for at in 1..=4 {
        for of in (1..=4).filter(|of| *of != at) {
            let events = mesh.status(at).events;
            assert_eq!(known(&mut mesh, at, of), (events, events), "{of} at {at}");
        }
    }
    let frames = mesh.frames;
    for _ in 0..100 {
        mesh.wait(1_000);
    }
    assert_eq!(mesh.frames, frames, "nobody says anything where nothing changes");
    mesh.set(2, "notes/a", "one");
    assert!(mesh.frames > frames);
    rest(&mut mesh);
    let all: Vec<EventId> = mesh.device(1).replica.workspace().order(0).copied().collect();
    let replica = &mesh.device(1).replica;
    for event in &all {
        assert!(replica.receipts().covers(replica.workspace(), &id(4), event));
    }
    assert!(!replica.receipts().covers(replica.workspace(), &id(4), &EventId([9; 32])));
    assert!(!replica.receipts().covers(replica.workspace(), &id(9), &all[0]), "a stranger");
}

#[test]
fn what_another_lacks_is_counted_exactly_and_known_after_a_restart() {
    // SPEC: RCPT-5
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    assert_eq!(known(&mut mesh, 1, 2).0, 0, "it said nothing yet");
    assert_eq!(mesh.status(1).peers[0].last_seen_s, None);
    let link = mesh.connect(1, 2);
    rest(&mut mesh);
    let (acked, of) = known(&mut mesh, 1, 2);
    assert_eq!(acked, of);
    mesh.cut(link);
    for i in 0..3 {
        mesh.set(1, &format!("notes/{i}"), "apart");
    }
    mesh.set(2, "notes/a", "apart");
    assert_eq!(known(&mut mesh, 1, 2), (of, of + 3));
    mesh.wait(5_000);
    assert!(mesh.status(1).peers[0].last_seen_s >= Some(5));
    mesh.restart(1);
    assert_eq!(known(&mut mesh, 1, 2), (of, of + 3), "its disk has it");
    assert_eq!(mesh.status(1).peers[0].last_seen_s, None);
    mesh.connect(1, 2);
    rest(&mut mesh);
    assert_eq!(known(&mut mesh, 1, 2), (of + 4, of + 4));
    assert_eq!(known(&mut mesh, 2, 1), (of + 4, of + 4));
}

#[test]
fn a_peer_is_seen_by_whatever_it_says() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    rest(&mut mesh);
    for message in [
        Message::Beat(EventId([9; 32])),
        Message::Have(Vec::new()),
        Message::Ack(0),
        Message::Cards(Vec::new()),
        Message::Receipts(Vec::new()),
        Message::HaveChunks(Vec::new()),
    ] {
        mesh.wait(5_000);
        assert!(mesh.status(1).peers[0].last_seen_s >= Some(5), "before {message:?}");
        let (now, text) = (mesh.now, format!("{message:?}"));
        mesh.device(1).replica.handle(now, Input::Message(link, message));
        mesh.settle();
        assert_eq!(mesh.status(1).peers[0].last_seen_s, Some(0), "{text}");
    }
    // An introduction comes on a connection of its own.
    mesh.wait(5_000);
    mesh.ask(1, Command::Introduce { device: id(2), events: Vec::new() });
    assert_eq!(mesh.status(1).peers[0].last_seen_s, Some(0));
}

#[test]
fn a_burst_is_one_receipt_and_the_rest_of_it_another_a_moment_later() {
    // SPEC: RCPT-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    rest(&mut mesh);
    let before = counter(&mut mesh, 2);
    for i in 0..20 {
        mesh.set(1, &format!("notes/{i}"), "x");
    }
    assert_eq!(counter(&mut mesh, 2), before + 1);
    let (at, what) = mesh.device(2).replica.next_deadline().unwrap();
    assert_eq!((at - mesh.now.monotonic_ms, what), (RECEIPT_INTERVAL_MS, "receipts"));
    mesh.wait(RECEIPT_INTERVAL_MS);
    assert_eq!(counter(&mut mesh, 2), before + 2);
    rest(&mut mesh);
    assert_eq!(counter(&mut mesh, 2), before + 2);
}

#[test]
fn what_a_device_wrote_itself_is_known_to_be_there_without_a_receipt() {
    // SPEC: RCPT-4, RCPT-5
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 2);
    let link = mesh.connect(2, 3);
    rest(&mut mesh);
    let before = counter(&mut mesh, 1);
    let all_known = |mesh: &mut Mesh| {
        for at in [2, 3] {
            let events = mesh.status(at).events;
            assert_eq!(known(mesh, at, 1), (events, events), "at {at}");
            let replica = &mesh.device(at).replica;
            let workspace = replica.workspace();
            let mut all = workspace.order(0);
            assert!(all.all(|event| replica.receipts().covers(workspace, &id(1), event)));
        }
    };
    for i in 0..5 {
        mesh.set(1, &format!("notes/{i}"), "own");
        mesh.wait(RECEIPT_INTERVAL_MS);
        all_known(&mut mesh);
    }
    rest(&mut mesh);
    mesh.restart(1);
    mesh.connect(1, 2);
    rest(&mut mesh);
    assert_eq!(counter(&mut mesh, 1), before, "it says nothing that its events do not say");
    // What another wrote, or what was built on that, its own events do not say.
    mesh.set(2, "notes/a", "another's");
    mesh.set(1, "notes/b", "on top of it");
    rest(&mut mesh);
    assert!(counter(&mut mesh, 1) > before);
    all_known(&mut mesh);
    mesh.cut(link);
    mesh.set(1, "notes/c", "not heard at 3");
    mesh.set(3, "notes/d", "not heard at 1");
    let (acked, of) = known(&mut mesh, 3, 1);
    assert_eq!(acked + 1, of, "what a third wrote is not known to be there");
}

#[test]
fn a_renewal_that_does_not_follow_ends_the_connection() {
    // SPEC: SYNC-14
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    rest(&mut mesh);
    let own = kept(&mut mesh, 2).into_iter().find(|receipt| receipt.device() == id(2)).unwrap();
    let key = kernelos_protocol::key::DeviceKey::from_secret(&secret(2));
    let claims = kernelos_protocol::sync::Claims::new(
        own.claims().control().to_vec(),
        own.claims().content().to_vec(),
        own.claims().epochs().to_vec(),
        Vec::new(),
        true,
    );
    let next =
        |counter| Receipt::sign(&key, own.workspace(), own.incarnation(), counter, claims.clone());
    let (after, last) = (next(own.counter() + 1), next(own.counter() + 2));
    let say = |mesh: &mut Mesh, renewal| {
        let now = mesh.now;
        mesh.device(1).replica.handle(now, Input::Message(link, Message::Renewal(renewal)));
        mesh.settle();
        mesh.device(1).disconnected.get(&link).cloned()
    };
    assert_eq!(say(&mut mesh, after.renewal(&own)), None);
    assert!(kept(&mut mesh, 1).contains(&after), "it is kept whole");
    assert_eq!(say(&mut mesh, last.renewal(&after)), None, "each follows the one before");
    let mut forged = next(own.counter() + 3).renewal(&last);
    forged.counter += 1;
    assert_eq!(say(&mut mesh, forged).as_deref(), Some("renewal"));
    assert!(kept(&mut mesh, 1).contains(&last));

    // On another connection the peer has said nothing yet that could be renewed.
    mesh.withheld = Some((2, |said| matches!(said, Message::Receipts(_))));
    let link = mesh.connect(1, 2);
    let now = mesh.now;
    let renewal = next(own.counter() + 4).renewal(&last);
    mesh.device(1).replica.handle(now, Input::Message(link, Message::Renewal(renewal)));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "renewal");
}

#[test]
fn a_receipt_is_not_sent_where_the_commit_of_what_it_claims_failed() {
    // SPEC: RCPT-2
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    rest(&mut mesh);
    for dies_at in 0.. {
        let before = mesh.device(1).disk.len();
        mesh.withheld = Some((2, |said| matches!(said, Message::Events(_))));
        mesh.set(2, "notes/a", &format!("another's {dies_at}"));
        mesh.withheld = None;
        let now = mesh.now;
        let (link, frame) = mesh.device(2).wire.pop_front().unwrap();
        let said = mesh.device(1).read(&frame).unwrap();
        mesh.device(1).replica.handle(now, Input::Message(link, said));
        let mut claimed = false;
        let mut performed = 0;
        let mut finished = true;
        let mut outputs = std::collections::VecDeque::new();
        loop {
            while let Some(output) = mesh.device(1).replica.poll_output() {
                outputs.push_back(output);
            }
            let Some(output) = outputs.pop_front() else { break };
            if performed == dies_at {
                finished = false;
                break;
            }
            performed += 1;
            let device = mesh.device(1);
            match output {
                Output::Persist(records) => device.disk.commit(&records).unwrap(),
                Output::Load(request) => {
                    let slice = device.disk.load(&request).unwrap();
                    device.replica.handle(now, Input::Loaded(slice));
                }
                Output::Perform(task) => {
                    let done = device.documents.perform(task);
                    device.replica.handle(now, Input::Done(done));
                }
                Output::Send(link, frame) => {
                    device.claims_what_is_kept(&frame);
                    claimed |= Message::kind_of(&frame) == "receipts";
                    device.wire.push_back((link, frame));
                }
                Output::Reply(..)
                | Output::Disconnect(..)
                | Output::Reachable(..)
                | Output::Work(_)
                | Output::Cancel(_) => {}
            }
        }
        mesh.settle();
        // What others were told, it holds also after it died.
        mesh.restart(1);
        let workspace = mesh.device(1).replica.workspace().len();
        assert_eq!(workspace, mesh.device(1).disk.len());
        mesh.connect(1, 2);
        rest(&mut mesh);
        let events = mesh.status(2).events;
        assert_eq!(known(&mut mesh, 2, 1), (events, events), "it died at {dies_at}");
        if finished {
            assert!(mesh.device(1).disk.len() > before && claimed && dies_at > 2);
            break;
        }
    }
}

#[test]
fn a_device_whose_disk_was_put_back_takes_back_what_it_claimed() {
    // SPEC: RCPT-3
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    rest(&mut mesh);
    let copy = mesh.device(2).disk.clone();
    for i in 0..5 {
        mesh.set(1, &format!("notes/{i}"), "x");
        mesh.wait(RECEIPT_INTERVAL_MS);
    }
    rest(&mut mesh);
    let claimed = counter(&mut mesh, 2);
    mesh.cut(link);
    mesh.device(2).disk = copy;
    mesh.restart(2);
    assert!(counter(&mut mesh, 2) < claimed);
    mesh.connect(1, 2);
    rest(&mut mesh);
    assert!(counter(&mut mesh, 2) >= claimed);
    let events = mesh.status(1).events;
    assert_eq!(known(&mut mesh, 1, 2), (events, events));
}

#[test]
fn an_event_without_its_body_is_not_claimed() {
    // SPEC: RCPT-2, SYNC-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    rest(&mut mesh);
    let (acked, of) = known(&mut mesh, 1, 2);
    assert_eq!(acked, of);
    mesh.cut(link);
    mesh.set(1, "notes/a", "with a body");
    let mut events = kernelos_protocol::store::contract::read_all(&mut mesh.device(1).disk, 64);
    let bare = events.pop().unwrap().without_body().unwrap();
    let claimed = kept(&mut mesh, 2);
    mesh.feed(2, 1, Message::events(vec![bare]));
    rest(&mut mesh);
    assert_eq!(mesh.status(2).events, of + 1);
    assert_eq!(kept(&mut mesh, 2), claimed);
    // Who has the body gives it, and then it is claimed.
    mesh.connect(2, 1);
    rest(&mut mesh);
    assert_eq!(known(&mut mesh, 1, 2), (of + 1, of + 1));
}

#[test]
fn a_receipt_of_another_workspace_ends_the_connection_and_a_strangers_waits_for_its_grant() {
    // SPEC: RCPT-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    rest(&mut mesh);
    let own = kept(&mut mesh, 2).into_iter().find(|receipt| receipt.device() == id(2)).unwrap();
    let key = |number| kernelos_protocol::key::DeviceKey::from_secret(&secret(number));
    let life = kernelos_protocol::id::Incarnation([3; 8]);
    let claims = own.claims().clone();
    let stranger = Receipt::sign(&key(3), own.workspace(), life, 9, claims.clone());
    let old = Receipt::sign(&key(2), own.workspace(), own.incarnation(), 0, claims.clone());
    let before = kept(&mut mesh, 1);
    let now = mesh.now;
    let said = Message::Receipts(vec![stranger.clone(), old]);
    mesh.device(1).replica.handle(now, Input::Message(link, said));
    mesh.settle();
    assert_eq!(kept(&mut mesh, 1), before, "an older one and a stranger's are not kept");
    let statement = key(3).sealing_statement();
    mesh.ask(
        1,
        Command::Grant {
            device: id(3),
            sealing_key: statement.key,
            sealing_signature: kernelos_protocol::id::Signature(statement.signature),
            role: Role::Member,
            name: "three".to_owned(),
            rule: String::new(),
            uses: None,
        },
    );
    assert!(kept(&mut mesh, 1).contains(&stranger), "its grant came");

    let workspace = kernelos_protocol::id::WorkspaceId([9; 32]);
    let foreign = Receipt::sign(&key(2), workspace, own.incarnation(), 99, claims);
    let said = Message::Receipts(vec![foreign]);
    mesh.device(1).replica.handle(now, Input::Message(link, said));
    mesh.settle();
    assert_eq!(mesh.device(1).disconnected[&link], "wrong_workspace");
}

#[test]
fn a_device_that_lets_agents_run_is_known_for_it() {
    // SPEC: RCPT-1
    let mut mesh = Mesh::of(&[(2, Role::Runner)]);
    let link = mesh.connect(1, 2);
    rest(&mut mesh);
    let (manifest, chunks) = seal("base", ArtifactKey([7; 32]), b"a pack").unwrap();
    assert_eq!(mesh.ask(1, Command::KeepChunks { chunks }), Reply::Kept);
    let written = mesh.ask(1, Command::WriteArtifact { manifest });
    let Reply::ArtifactWritten { event: artifact } = written else { panic!("{written:?}") };
    let runs = |mesh: &mut Mesh| {
        let replica = &mesh.device(1).replica;
        let workspace = replica.workspace();
        let receipts = replica.receipts();
        (receipts.runs(workspace, &id(2)), receipts.holds_artifact(workspace, &id(2), &artifact))
    };
    assert_eq!(runs(&mut mesh), (false, false));
    rest(&mut mesh);
    assert_eq!(runs(&mut mesh), (false, true));
    mesh.cut(link);
    mesh.device(2).config.runs = true;
    mesh.restart(2);
    mesh.connect(1, 2);
    rest(&mut mesh);
    assert_eq!(runs(&mut mesh), (true, true));
}

#[test]
fn records_of_receipts_are_read_as_they_are_written() {
    let (peer, events) = Peer::founder();
    let claims = kernelos_protocol::sync::Claims::new(
        vec![events[2].id()],
        vec![events[3].id()],
        vec![events[1].id()],
        Vec::new(),
        true,
    );
    let receipt = Receipt::sign(&peer.key, peer.workspace.id(), peer.incarnation, 4, claims);
    let record = Record::Receipt(receipt);
    let written = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&written).unwrap(), record);
}
