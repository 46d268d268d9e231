//! The message of events: what it leaves out is rebuilt, and nothing but its one encoding is read.

mod hostile;
mod runs;

use kernelos_protocol::event::{BodyRef, Class, Header, Run, Runs, Unsigned, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::sync::Message;
use kernelos_protocol::time::Stamp;

use crate::kit::{Peer, secret};

pub(super) const WORKSPACE: WorkspaceId = WorkspaceId([0xaa; 32]);

/// The header of the first event of a chain of this device.
pub(super) fn header(number: u8) -> Header {
    Header {
        workspace: WORKSPACE,
        lane: Lane::Content,
        author: DeviceKey::from_secret(&secret(number)).device(),
        incarnation: Incarnation([number; 8]),
        seq: 0,
        prev: None,
        parents: Vec::new(),
        heard: vec![EventId([0x11; 32]), EventId([0x12; 32])],
        stamp: Stamp(1_700_000_000_000_000),
        class: Class::Sealed,
        epoch: Some(EventId([0x11; 32])),
        body: None,
    }
}

pub(super) fn sign(number: u8, header: Header, body: Option<Vec<u8>>) -> Verified {
    let salt = header.class.salt_bytes();
    let named = body.as_ref().map(|body| BodyRef::of(&body[salt..]));
    let header = Header { body: named, ..header };
    Unsigned { header, body }.sign(&DeviceKey::from_secret(&secret(number))).unwrap()
}

/// A body of class 2: salt, commitment to it, and what is sealed.
fn salted_body() -> Vec<u8> {
    let salt = [5; 32];
    let commitment = hash::hash(hash::context::SALT, &[&salt]);
    [&salt[..], &commitment, &[6; 20]].concat()
}

/// The header behind an event.
pub(super) fn after(event: &Verified) -> Header {
    let header = event.header();
    let stamp = Stamp(header.stamp.0 + 1_000);
    Header { seq: header.seq + 1, prev: Some(event.id()), stamp, ..header.clone() }
}

/// Events of one chain of a device, each with its signature.
pub(super) fn chain(number: u8, count: usize) -> Vec<Verified> {
    let mut events = vec![sign(number, header(number), Some(vec![0; 40]))];
    while events.len() < count {
        let event = &events[events.len() - 1];
        events.push(sign(number, after(event), Some(vec![events.len() as u8; 40])));
    }
    events
}

/// The same with as few signatures as may be.
pub(super) fn proven(events: &[Verified]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for run in Runs::of(events.to_vec()) {
        match runs.pop().map(|before| before.join(run.clone())) {
            None => runs.push(run),
            Some(Ok(joined)) => runs.push(joined),
            Some(Err((before, run))) => runs.extend([before, run]),
        }
    }
    runs
}

pub(super) fn read(frame: &[u8]) -> Result<Message, &'static str> {
    Message::decode(frame, &WORKSPACE).map_err(|fault| fault.code())
}

/// Messages of all that an event can be.
fn messages() -> Vec<Message> {
    let (first, second) = (chain(1, 66), chain(2, 3));
    let fork = sign(1, after(&first[9]), Some(vec![7; 30]));
    let bare = first[4].without_body().unwrap();
    let joins = {
        let plain = Header { class: Class::Plain, epoch: None, ..after(&first[65]) };
        let mut parents = vec![fork.id(), second[1].id(), EventId([0x13; 32])];
        parents.sort();
        sign(1, Header { parents, ..plain }, None)
    };
    let epoch = Some(EventId([0x15; 32]));
    let salted = Header { class: Class::Shreddable, epoch, ..after(&joins) };
    let salted = sign(1, salted, Some(salted_body()));
    let back = Header { stamp: Stamp(3), class: Class::Sealed, ..after(&salted) };
    let back = sign(1, back, Some(vec![6; 1]));
    let all = [&first[..], &[joins, salted, back], std::slice::from_ref(&fork), &second].concat();
    let mut reversed = all.clone();
    reversed.reverse();
    vec![
        Message::Events(Vec::new()),
        Message::events(all.clone()),
        Message::Events(proven(&all)),
        Message::events(reversed),
        Message::events([&first[..4], &[bare]].concat()),
        Message::events([fork.clone(), fork]),
    ]
}

#[test]
fn what_is_left_out_is_found_out() {
    // SPEC: SYNC-11, EVT-4
    for message in messages() {
        let frame = message.encode();
        assert_eq!(read(&frame), Ok(message.clone()));
        let (Ok(Message::Events(read)), Message::Events(sent)) = (read(&frame), &message) else {
            panic!("events are read as events")
        };
        let envelopes = |runs: &[Run]| {
            let events = runs.iter().flat_map(Run::events).map(Verified::encode);
            events.collect::<Vec<_>>()
        };
        assert_eq!(envelopes(&read), envelopes(sent), "to the byte, signatures too");
    }
    let (peer, events) = Peer::founder();
    let frame = Message::events(events.clone()).encode();
    let read = Message::decode(&frame, &peer.workspace.id());
    assert_eq!(read, Ok(Message::events(events)), "a genesis names no workspace yet");
}

#[test]
fn one_signature_proves_the_events_of_a_block() {
    // SPEC: EVT-12, SYNC-11
    let events = chain(1, 130);
    let sizes: Vec<_> = proven(&events).iter().map(|run| run.events().len()).collect();
    assert_eq!(sizes, [64, 64, 2]);
    let frame = |runs: Vec<Run>| Message::Events(runs).encode().len();
    let (all, few) = (frame(Runs::of(events.clone())), frame(proven(&events)));
    assert_eq!(all - few, (130 - 3) * (64 + 2 - 1), "a signature left out is one byte");
    assert!(few / 130 <= 40 + 14, "{few} bytes beside bodies of 40");
}

#[test]
fn every_frame_that_was_put_wrong_by_a_bit_is_refused_or_read_as_it_is() {
    // SPEC: SYNC-11, EVT-2, SEAL-4
    let salted = Header { class: Class::Shreddable, ..header(2) };
    let salted = sign(2, salted, Some(salted_body()));
    let bare = Message::events([salted.without_body().unwrap()]);
    let samples = [Message::Events(proven(&chain(1, 3))), Message::events([salted])];
    for message in samples {
        let frame = message.encode();
        let mut read_again = 0;
        for at in 0..frame.len() {
            assert!(read(&frame[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut other = frame.clone();
                other[at] ^= 1 << bit;
                if let Ok(message) = read(&other) {
                    // A salt stands under no hash; a wrong one is as good as none.
                    assert_eq!(message, bare, "bit {bit} of byte {at}");
                    read_again += 1;
                }
            }
        }
        let salts = if message == Message::Events(proven(&chain(1, 3))) { 0 } else { 32 * 8 };
        assert_eq!(read_again, salts);
        assert_eq!(read(&[&frame[..], &[0]].concat()), Err("frame_decode"));
    }
}
