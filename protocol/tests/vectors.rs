//! The test vectors of SPEC.md: every preimage and byte layout, made from fixed keys.
//!
//! SPEC.md holds them between two marks; what this program makes must be equal, line by line.

use std::fmt::Write as _;

use kernelos_protocol::artifact::{self, ArtifactKey, Chunk};
use kernelos_protocol::cbor::encode;
use kernelos_protocol::content::Purge;
use kernelos_protocol::control::{ControlBody, Readmit, Recover, Rescue, Strike, Upgrade};
use kernelos_protocol::epoch::{EpochKey, epoch_body, wrap_key};
use kernelos_protocol::event::{BodyRef, Class, Header, Run, Unsigned, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{ChangeHash, EventId, Lane, to_hex};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::CHUNK_PLAIN_BYTES;
use kernelos_protocol::role::Role;
use kernelos_protocol::seal::{pack, seal, seal_shreddable};
use kernelos_protocol::sync::hint::{Hint, topic};
use kernelos_protocol::sync::{Card, Claims, Message, Receipt};
use kernelos_protocol::time::Stamp;
use kernelos_protocol::workspace::document_leaf;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::kit::{Peer, recovery};

const BEGIN: &str = "<!-- vectors -->\n```text\n";
const END: &str = "```\n<!-- end of vectors -->";

fn lines() -> String {
    let mut out = String::new();
    keys(&mut out);
    let (mut founder, events) = Peer::founder();
    founding(&mut out, &mut founder, &events);
    sealed(&mut out, &founder);
    run(&mut out);
    artifact(&mut out);
    for (name, record) in crate::mission::records() {
        line(&mut out, &format!("record.{name}"), &encode(&record));
    }
    shreddable(&mut out, &founder);
    out
}

fn line(out: &mut String, name: &str, bytes: &[u8]) {
    writeln!(out, "{name} = {}", to_hex(bytes)).unwrap();
}

/// The device whose secret is the bytes from 0.
fn device() -> DeviceKey {
    DeviceKey::from_secret(&std::array::from_fn(|i| i as u8))
}

fn keys(out: &mut String) {
    let mut line = |name: &str, bytes: &[u8]| line(out, name, bytes);
    let secret: [u8; 32] = std::array::from_fn(|i| i as u8);
    let key = DeviceKey::from_secret(&secret);
    let statement = key.sealing_statement();
    line("device.secret", &secret);
    line("device.id", &key.device().0);
    line("device.sealing_key", &statement.key.0);
    line("device.sealing_signature", &statement.signature);
    line("recovery.key", &[0xec; 32]);
    line("recovery.signing", &recovery().public().signing.0);
    line("recovery.sealing", &recovery().public().sealing.0);
}

/// The founding of a workspace by the device of the tests' number 1.
fn founding(out: &mut String, founder: &mut Peer, events: &[Verified]) {
    let mut line = |name: &str, bytes: &[u8]| line(out, name, bytes);
    let key = device();
    for (name, event) in ["genesis", "epoch", "wrap", "change"].into_iter().zip(events) {
        line(&format!("{name}.header"), &encode(event.header()));
        line(&format!("{name}.id"), &event.id().0);
        line(&format!("{name}.event"), &event.encode());
    }
    line("events", &Message::events(events.to_vec()).encode());
    let grant = founder.grant(2, Role::Member);
    let revocation = founder.revoke(2);
    let join = founder.write(|workspace, pen| workspace.write_join(pen)).unwrap();
    for (name, event) in [("grant", &grant[0]), ("revoke", &revocation[0]), ("join", &join)] {
        line(&format!("{name}.event"), &event.encode());
    }
    line("second_epoch.event", &revocation[1].encode());
    line(
        "card",
        &encode(&Card::sign(
            &key,
            7,
            vec![
                std::net::SocketAddr::from(([192, 0, 2, 1], 4_711)),
                std::net::SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 4_711)),
            ],
        )),
    );
    let [head, epoch] = [3, 1].map(|at: usize| events[at].id());
    let claims = Claims::new(vec![events[2].id()], vec![head], vec![epoch], Vec::new(), true);
    let receipt = Receipt::sign(&key, events[1].workspace(), founder.incarnation, 7, claims);
    line("receipt", &encode(&receipt));
    let (workspace, frontier) = (events[1].workspace(), founder.workspace.frontier());
    let hint = Hint::sign(&key, workspace, founder.incarnation, 1 << 32, frontier);
    line("hint", &encode(&hint));
    line("hint.topic", &topic(&workspace));
    line("founded.document", &founder.document().0);
    line("founded.lanes_hash", &founder.workspace.lanes_hash());
    line("founded.state_hash", &founder.state().0);
    let (authors, tips) = (vec![key.device()], vec![events[3].id()]);
    let readmit = Readmit { authors, tips: tips.clone(), reason: "why".to_owned() };
    line("readmit.body", &ControlBody::Readmit(readmit).encode());
    let (authors, events) = (vec![key.device()], tips.clone());
    let strike = Strike { authors, events, reason: "why".to_owned() };
    line("strike.body", &ControlBody::Strike(strike).encode());
    line("upgrade.body", &ControlBody::Upgrade(Upgrade { format: 2 }).encode());
    let (target, reason) = (key.device(), "why".to_owned());
    let remove = Rescue::Remove { target, cut: tips, reason };
    let remove = Recover::sign(remove, grant[0].header(), &recovery());
    line("recover.remove.body", &ControlBody::Recover(remove).encode());
    let lead = founder.write(|workspace, pen| {
        workspace.write_rescue(pen, &recovery(), &std::collections::BTreeSet::new(), "why")
    });
    line("recover.lead.event", &lead.unwrap().events[0].encode());
}

/// Three events of one chain that one signature proves.
fn run(out: &mut String) {
    let runs = crate::segments::proven(&crate::segments::chain(1, 3));
    let events = runs.iter().flat_map(Run::events);
    for (name, event) in ["first", "second", "last"].into_iter().zip(events) {
        line(out, &format!("run.{name}.event"), &event.encode());
    }
    line(out, "run.workspace", &crate::segments::WORKSPACE.0);
    line(out, "run.events", &Message::Events(runs).encode());
}

fn sealed(out: &mut String, founder: &Peer) {
    let mut line = |name: &str, bytes: &[u8]| line(out, name, bytes);
    let key = device();
    let statement = key.sealing_statement();
    let epoch_key = EpochKey::from_bytes([0x77; 32]);
    let epoch = EventId([0x44; 32]);
    line("epoch_key.commitment", &epoch_key.commitment());
    line("epoch_key.body_key", &epoch_key.body_key());
    line(
        "epoch_key.older",
        &epoch_body(&epoch_key, &[(epoch, EpochKey::from_bytes([0x66; 32]))]).older,
    );
    let workspace = founder.workspace.id();
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let wrapped =
        wrap_key(&workspace, &epoch, &epoch_key, &key.device(), &statement.key, &mut rng).unwrap();
    line("wrapped.encapsulated", &wrapped.encapsulated);
    line("wrapped.sealed", &wrapped.sealed);

    let header = sealed_header(founder, Class::Sealed);
    for (name, inside) in [("raw", b"inside".to_vec()), ("deflated", vec![b'a'; 256])] {
        let body = seal(&epoch_key, &header, pack(&inside).unwrap());
        let header = Header { body: Some(BodyRef::of(&body)), ..header.clone() };
        line(&format!("sealed_{name}.inside"), &inside);
        line(&format!("sealed_{name}.associated_data"), &header.associated_data());
        line(&format!("sealed_{name}.body"), &body);
        let event = Unsigned { header, body: Some(body) }.sign(&key).unwrap();
        line(&format!("sealed_{name}.event"), &event.encode());
    }
    let document = hash::document_id(&key.device(), &founder.incarnation, 7);
    line("document.id", &document.0);
    line("document.actor", &hash::actor(&key.device(), &founder.incarnation, &document, 3));
    line("document.leaf", &document_leaf(&document, &[ChangeHash([0x11; 32])]));
}

fn sealed_header(founder: &Peer, class: Class) -> Header {
    let workspace = founder.workspace.id();
    Header {
        workspace,
        lane: Lane::Content,
        author: device().device(),
        incarnation: founder.incarnation,
        seq: 1,
        prev: Some(EventId([0x33; 32])),
        parents: vec![EventId([0x22; 32])],
        heard: vec![workspace.genesis()],
        stamp: Stamp(1_700_000_000_000_000),
        class,
        epoch: Some(EventId([0x44; 32])),
        body: None,
    }
}

/// A shreddable body: with its salt, and as its event stays when that and the body are gone.
fn shreddable(out: &mut String, founder: &Peer) {
    let mut line = |name: &str, bytes: &[u8]| line(out, name, bytes);
    let (key, salt) = (EpochKey::from_bytes([0x77; 32]), [0x5a; 32]);
    let header = sealed_header(founder, Class::Shreddable);
    let packed = pack(b"inside").unwrap();
    let stored = seal_shreddable(&key, &header, packed, &salt).unwrap();
    let header = Header { body: Some(BodyRef::of(&stored[32..])), ..header };
    line("shreddable.salt", &salt);
    line("shreddable.commitment", &stored[32..64]);
    line("shreddable.body_key", &key.salted_body_key(&salt));
    line("shreddable.associated_data", &header.associated_data());
    line("shreddable.body", &stored[32..]);
    let event = Unsigned { header, body: Some(stored) }.sign(&device()).unwrap();
    line("shreddable.event", &event.encode());
    line("shreddable.purged", &event.without_body().unwrap().encode());
    let purge = Purge::of(vec![event.id(), EventId([0x33; 32])]).unwrap();
    line("purge.inside", &encode(&purge));
}

/// An artifact of two chunks, of which only the end of the first is printed.
fn artifact(out: &mut String) {
    let mut line = |name: &str, bytes: &[u8]| line(out, name, bytes);
    let plain: Vec<u8> = (0..CHUNK_PLAIN_BYTES + 5).map(|i| i as u8).collect();
    let (manifest, chunks) = artifact::seal("step-1", ArtifactKey([0x55; 32]), &plain).unwrap();
    line("artifact.plain_hash", &artifact::plain_hash(&plain));
    line("artifact.first_chunk.tag", &chunks[0].bytes()[CHUNK_PLAIN_BYTES..]);
    line("artifact.first_chunk.hash", &chunks[0].hash().0);
    line("artifact.last_chunk", chunks[1].bytes());
    line("artifact.last_chunk.hash", &chunks[1].hash().0);
    line("artifact.inside", &encode(&manifest));
    let hashes = |list: &[&Chunk]| list.iter().map(|chunk| chunk.hash()).collect::<Vec<_>>();
    let chunks_message =
        Message::Chunks { chunks: vec![chunks[1].clone()], lacking: hashes(&[&chunks[0]]) };
    line("artifact.want_chunks", &Message::WantChunks(hashes(&[&chunks[1]])).encode());
    line("artifact.chunks", &chunks_message.encode());
    line("artifact.have_chunks", &Message::HaveChunks(hashes(&[&chunks[0]])).encode());
}

#[test]
fn the_vectors_of_the_spec_are_what_this_program_makes() {
    // SPEC: HASH-1, HASH-2, EVT-1, EVT-3, EVT-4, EVT-5, KEY-1, KEY-2, KEY-3, KEY-4, KEY-5, SEAL-1
    // SPEC: SEAL-2, SEAL-3, CTL-2, CTL-3, CTL-4, CTL-5, CTL-6, SYNC-7, RCPT-1, CNT-3, PRJ-1
    // SPEC: PRJ-2, STATE-1, STATE-2, CNT-4, ART-1, ART-2, SYNC-8, SYNC-11, EVT-12, SEAL-4, CNT-11
    let spec = include_str!("../../SPEC.md");
    let block = spec.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let written = block.map_or("", |(written, _)| written);
    let made = lines();
    assert_eq!(lines(), made, "vectors are made of fixed keys alone");
    if written.lines().count() == made.lines().count() {
        for (written, made) in written.lines().zip(made.lines()) {
            assert_eq!(written, made);
        }
    }
    assert!(written == made, "SPEC.md must hold this between its marks:\n{made}");
}
