//! One valid input of every kind: what the tables and the mutations begin with.

use kernelos_protocol::artifact::Chunk;
use kernelos_protocol::cbor::encode;
use kernelos_protocol::content::{DocumentChange, Purge, encode_changes};
use kernelos_protocol::control::{ControlBody, Revoke};
use kernelos_protocol::event::{BodyRef, Header, Verified};
use kernelos_protocol::id::{ChunkHash, EventId, Lane, Signature};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::mission::record::{
    Act, Claim, Decision, Evidence, Promotion, Record, Stage, Step,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{Card, Claims, Message, Receipt, Renewal, Tip};

use crate::kit::{Peer, secret};
use crate::mission::{ended, mission, object};

pub(super) fn key(number: u8) -> DeviceKey {
    DeviceKey::from_secret(&secret(number))
}

/// Events of every control kind and some of content, after each other.
pub(super) fn events() -> Vec<Verified> {
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Member));
    events.extend(founder.set("notes/a", "text"));
    for record in records() {
        events
            .extend(founder.write(|workspace, pen| workspace.write_record(pen, &record)).unwrap());
    }
    let last = events.last().unwrap().id();
    events.extend(founder.write(|workspace, pen| {
        let strike = workspace.write_strike(pen, &last, "why").unwrap();
        [strike, workspace.write_readmit_event(pen, &last, "why").unwrap()].concat()
    }));
    events.extend(founder.revoke(2));
    events.push(founder.write(|workspace, pen| workspace.write_join(pen)).unwrap());
    events
}

/// A control event of the founder behind these events with this body.
pub(super) fn control_event(after: &[Verified], body: &[u8]) -> Header {
    let last = after.iter().rev().find(|event| event.header().lane == Lane::Control).unwrap();
    Header {
        seq: last.header().seq + 1,
        prev: Some(last.id()),
        parents: Vec::new(),
        body: Some(BodyRef::of(body)),
        ..last.header().clone()
    }
}

pub(super) fn revoke(reason: &str) -> ControlBody {
    let cut = vec![EventId([1; 32]), EventId([2; 32])];
    ControlBody::Revoke(Revoke { target: key(2).device(), cut, reason: reason.to_owned() })
}

/// A record of every kind.
pub(super) fn records() -> Vec<Record> {
    let on = EventId([7; 32]);
    let output = kernelos_protocol::mission::record::Output {
        commit: object(2),
        tree: object(3),
        artifact: EventId([4; 32]),
    };
    vec![
        Record::Mission(Box::new(mission())),
        Record::Decision(Decision { on, act: Act::Verify, allowed: true, rule: "any".to_owned() }),
        Record::Claim(Claim { on, stage: Stage::Implement, epoch: 300 }),
        Record::Step(Box::new(Step {
            on,
            number: 1,
            input: object(1),
            ended: ended(Some(0), Some(output)),
        })),
        Record::Evidence(Evidence {
            on,
            stage: Stage::Plan,
            passed: false,
            facts: r#"{"contract":"a","rulebook":1}"#.to_owned(),
        }),
        Record::Promotion(Promotion { on, old: object(1), now: object(2) }),
    ]
}

/// The inside of a body of every content kind.
pub(super) fn insides() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = records().iter().map(encode).collect();
    let change = |document: Option<u8>| DocumentChange {
        document: document.map(|byte| kernelos_protocol::id::DocumentId([byte; 32])),
        generation: 70_000,
        change: vec![9; 300],
    };
    all.push(encode_changes(vec![change(None), change(Some(1)), change(Some(2))]));
    let (_, manifest, _) = crate::artifact::sealed(200_000, 1);
    all.push(encode(&manifest));
    let names = vec![EventId([7; 32]), EventId([8; 32])];
    all.extend(Purge::of(names).map(|purge| encode(&purge)));
    all
}

pub(super) fn card() -> Card {
    let addresses = ["192.0.2.7:4711", "[2001:db8::1]:80"].map(|text| text.parse().unwrap());
    Card::sign(&key(2), 300, addresses.to_vec())
}

pub(super) fn receipt(events: &[Verified]) -> Receipt {
    let ids: Vec<_> = events.iter().map(Verified::id).collect();
    let claims = Claims::new(ids[..2].to_vec(), ids[2..4].to_vec(), vec![ids[1]], Vec::new(), true);
    let event = &events[0];
    Receipt::sign(&key(1), event.workspace(), event.header().incarnation, 5, claims)
}

/// A message of every kind.
pub(super) fn messages() -> Vec<Message> {
    let events = events();
    let chain = events[3].chain();
    let tip = Tip { chain, seq: 300, id: events[3].id() };
    let hashes = vec![ChunkHash([1; 32]), ChunkHash([2; 32])];
    let chunk = |byte| Chunk::new(vec![byte; 40]).unwrap();
    vec![
        Message::Hello { workspace: [1; 32], incarnation: chain.incarnation, lanes_hash: [2; 32] },
        Message::Have(vec![tip; 3]),
        Message::Offer(vec![tip; 3]),
        Message::Want(vec![(events[0].id(), 1), (events[1].id(), 300)]),
        Message::events(events.clone()),
        Message::Ack(7),
        Message::Cards(vec![card()]),
        Message::Beat(events[4].id()),
        Message::Receipts(vec![receipt(&events)]),
        Message::Renewal(Renewal {
            counter: 300,
            sets: [None, Some(vec![events[3].id()]), None, Some(Vec::new())],
            flags: 1,
            signature: Signature([7; 64]),
        }),
        Message::WantChunks(hashes.clone()),
        Message::Chunks { chunks: vec![chunk(1), chunk(2)], lacking: hashes.clone() },
        Message::HaveChunks(hashes),
    ]
}
