//! What is made of events: raw bytes, and signed events in an order that the bytes choose, since
//! no fuzzer finds a signature.

use std::sync::{Arc, OnceLock};

use kernelos_protocol::archive;
use kernelos_protocol::cbor::{Writer, encode};
use kernelos_protocol::control::ControlBody;
use kernelos_protocol::event::{BodyRef, Header, Runs, Signed, Verified, id_of};
use kernelos_protocol::hash;
use kernelos_protocol::id::Lane;
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::FRAME_BYTES_MAX;
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::Message;
use kernelos_protocol::sync::introduce;

use crate::kit::{Peer, secret};

/// What several devices wrote, of both lanes.
fn pool() -> &'static [Verified] {
    static POOL: OnceLock<Vec<Verified>> = OnceLock::new();
    POOL.get_or_init(|| {
        let (mut founder, mut events) = Peer::founder();
        events.extend(founder.grant(2, Role::Member));
        events.extend(founder.set("notes/a", "text"));
        let mut second = Peer::new(2, events[0].workspace());
        second.take(&events);
        events.extend(second.set("notes/b", "other"));
        events.extend(founder.revoke(2));
        events.push(founder.write(|workspace, pen| workspace.write_join(pen)).unwrap());
        events
    })
}

fn key() -> DeviceKey {
    DeviceKey::from_secret(&secret(1))
}

/// The events that these bytes choose, one each.
fn chosen(bytes: &[u8]) -> Vec<Verified> {
    let events = pool();
    bytes.iter().take(300).map(|byte| events[usize::from(*byte) % events.len()].clone()).collect()
}

fn again(bytes: &[u8]) -> Option<Verified> {
    // As a row of the own store, which is asked for less, whatever it is.
    let row = Verified::of_row(bytes);
    let event = Signed::decode(bytes).and_then(Signed::verify).ok()?;
    assert_eq!(event.encode(), bytes);
    assert_eq!(event.id(), id_of(&encode(event.header())));
    assert_eq!(row.as_ref(), Ok(&event), "what is an event is one as a row, too");
    let header = Arc::new(event.header().clone());
    let known = Verified::of_known_row(bytes, event.id(), &header);
    assert_eq!(known.as_ref(), Some(&event));
    Some(event)
}

/// An envelope as it is; and a header with a body, signed as they are.
pub(super) fn event(input: &[u8]) {
    again(input);
    let Some((length, rest)) = input.split_first_chunk::<2>() else { return };
    let (header, body) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let signature = key().sign(hash::SIGN_EVENT, &id_of(header).0);
    let mut envelope = Writer::default();
    envelope.array(3).bytes(header).bytes(&signature);
    envelope.bytes_or_null((!body.is_empty()).then_some(body));
    again(&envelope.finish());
    // A body that is the one named, so that what stands in it is looked at.
    let Ok(header) = Header::decode(header) else { return };
    let header = Header { author: key().device(), body: Some(BodyRef::of(body)), ..header };
    let bytes = encode(&header);
    let signature = key().sign(hash::SIGN_EVENT, &id_of(&bytes).0);
    let mut envelope = Writer::default();
    envelope.array(3).bytes(&bytes).bytes(&signature).bytes(body);
    if let Some(event) = again(&envelope.finish()) {
        assert_eq!(event.control().is_some(), header.lane == Lane::Control);
    }
}

pub(super) fn header(input: &[u8]) {
    if let Ok(header) = Header::decode(input) {
        assert_eq!(encode(&header), input);
        assert!(header.check().is_ok());
    }
}

/// As the body of a genesis, of a later event, and of one that its author could not sign.
pub(super) fn control(input: &[u8]) {
    for event in &pool()[..2] {
        if let Ok(body) = ControlBody::decode(event.header(), input) {
            assert_eq!(body.encode(), input);
        }
    }
}

/// A frame as it is; and one with events that the bytes choose.
pub(super) fn message(input: &[u8]) {
    let workspace = pool()[0].workspace();
    let read = |frame: &[u8]| {
        if let Ok(message) = Message::decode(frame, &workspace) {
            assert_eq!(message.encode(), frame);
        }
    };
    read(input);
    let frame = Message::Events(Runs::of(chosen(input))).encode();
    read(&frame);
    let decoded = Message::decode(&frame, &workspace);
    assert!(frame.len() <= FRAME_BYTES_MAX || decoded.is_err());
}

/// A frame as it is; and one of events that the bytes choose: it is read only if it is a past.
pub(super) fn introduction(input: &[u8]) {
    let events = pool();
    let (workspace, device) = (events[0].workspace(), DeviceKey::from_secret(&secret(2)).device());
    let read = |frame: &[u8]| {
        let Ok(events) = introduce::read(frame, &workspace, &device) else { return };
        let tag = introduce::named(frame).unwrap();
        assert_eq!(introduce::encode(&tag, &events).as_deref(), Some(frame));
        let mut peer = Peer::new(3, workspace);
        peer.take(&events);
    };
    read(input);
    if let Some(frame) = introduce::encode(&[7; 32], &chosen(input)) {
        read(&frame);
    }
}

/// The same of the tail that a revoked device shows.
pub(super) fn tail(input: &[u8]) {
    let events = pool();
    let (workspace, device) = (events[0].workspace(), DeviceKey::from_secret(&secret(2)).device());
    let read = |frame: &[u8]| {
        let Ok(events) = introduce::read_tail(frame, &workspace, &device) else { return };
        assert!(events.iter().all(|event| event.header().author == device));
        assert_eq!(introduce::encode_tail(&events), (frame.to_vec(), events.len()));
    };
    read(input);
    read(&introduce::encode_tail(&chosen(input)).0);
}

/// A file as it is, and one of events that the bytes choose; in pieces it is the same.
pub(super) fn archive(input: &[u8]) {
    in_pieces(input);
    let events = chosen(input);
    let count = events.len() as u64;
    let header = archive::Header { workspace: pool()[0].workspace(), count };
    let (mut writer, mut bytes) = archive::Writer::begin(header);
    bytes.extend(events.iter().flat_map(|event| writer.event(event).unwrap()));
    bytes.extend(writer.finish());
    if let Some(read) = in_pieces(&bytes) {
        assert_eq!(read, events);
    }
}

/// The events of a file that is whole.
fn in_pieces(bytes: &[u8]) -> Option<Vec<Verified>> {
    let read = |piece: usize| {
        let (mut reader, mut events) = (archive::Reader::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            while let Some(item) = reader.next_item().map_err(|fault| fault.code())? {
                if let archive::Item::Run(run) = item {
                    events.extend(run.into_events());
                }
            }
        }
        reader.finish().map(|()| events).map_err(|fault| fault.code())
    };
    let whole = read(bytes.len().max(1));
    if bytes.len() < 10_000 {
        assert_eq!(read(97), whole);
    }
    whole.ok()
}
