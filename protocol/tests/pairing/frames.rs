//! Bytes of every kind in every state: each ends what it must, and nothing else.

use kernelos_protocol::cbor::Writer;
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::PAIRING_MESSAGE_BYTES_MAX;
use kernelos_protocol::pairing::messages::{Message, Welcome};
use kernelos_protocol::pairing::{IssuerInput, NewcomerInput, PairingCode};
use kernelos_protocol::role::Role;

use super::kit::{GRANT, Room, Stage, WORKSPACE, hello, key, proof, ready};

fn offer() -> Message {
    Message::Offer { workspace: WORKSPACE }
}

fn issuer_proof() -> Message {
    let name = || "é".repeat(32);
    let welcome = Welcome { workspace_name: name(), inviter: name(), role: Role::Owner };
    Message::IssuerProof { proof: [0xff; 32], welcome }
}

fn all() -> Vec<Message> {
    let granted = Message::Granted { grant: EventId([0xff; 32]) };
    let refused = Message::Refused("x".repeat(32));
    let admitted = Message::Admitted { grant: EventId([0xff; 32]), left: u32::MAX };
    vec![hello(1), offer(), proof(1, 1), issuer_proof(), ready(1), granted, refused, admitted]
}

fn verdict(bytes: &[u8]) -> &'static str {
    Message::decode(bytes).map_or_else(PairingCode::code, |_| "message")
}

/// Bytes that are no message, with their codes.
fn garbage() -> Vec<(Vec<u8>, &'static str)> {
    let mut out: Vec<(Vec<u8>, &'static str)> = vec![
        (vec![], "malformed"),
        (vec![0], "malformed"),
        (vec![0xff; 40], "malformed"),
        (vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "malformed"),
        (vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "malformed"),
        (vec![0x81; 200], "malformed"),
        (vec![0; PAIRING_MESSAGE_BYTES_MAX + 1], "too_large"),
        (vec![0x81; 1 << 20], "too_large"),
    ];
    for message in all() {
        let bytes = message.encode();
        out.extend((0..bytes.len()).map(|at| (bytes[..at].to_vec(), "malformed")));
        out.push(([bytes.as_slice(), &[0]].concat(), "malformed"));
        // The kind in two bytes instead of one.
        let kind = bytes[1];
        out.push(([&bytes[..1], &[0x18, kind], &bytes[2..]].concat(), "malformed"));
    }
    for (kind, items) in [(0_u64, 2_usize), (1, 1), (2, 3), (3, 2), (5, 1), (6, 3), (7, 2)] {
        let mut writer = Writer::default();
        writer.array(items).uint(kind);
        (1..items).for_each(|_| {
            writer.uint(1);
        });
        out.push((writer.finish(), "malformed"));
    }
    let mut newer = Writer::default();
    newer.array(4).uint(0).uint(2).text("whatever").null();
    out.push((newer.finish(), "version"));
    let mut long = Writer::default();
    long.array(2).uint(6).text(&"x".repeat(33));
    out.push((long.finish(), "malformed"));
    let mut role = Writer::default();
    role.array(5).uint(3).bytes(&[0; 32]).text("a").text("b").uint(7);
    out.push((role.finish(), "malformed"));
    out
}

#[test]
fn a_message_is_read_as_it_was_written_and_fits_its_bound() {
    // SPEC: PAIR-6
    for message in all() {
        let bytes = message.encode();
        assert!(bytes.len() <= PAIRING_MESSAGE_BYTES_MAX, "{}", bytes.len());
        assert_eq!(Message::decode(&bytes), Ok(message));
    }
    for (bytes, code) in garbage() {
        assert_eq!(verdict(&bytes), code, "{bytes:02x?}");
    }
}

#[test]
fn an_issuer_in_any_state_ends_the_link_that_sends_garbage() {
    // SPEC: PAIR-6, PAIR-9, PAIR-12
    for stage in Stage::ALL {
        let (room, token) = Room::open();
        let mut brought = room.clone();
        let at = brought.bring(1, &token, stage);
        for (bytes, code) in garbage() {
            let mut room = brought.clone();
            let link = room.guests[at].link;
            room.tell(IssuerInput::Received { link, bytes });
            let closed = super::kit::closed(&room.outputs, link.0);
            assert_eq!(closed, Some(code), "{stage:?}");
            // Nobody listens there any more.
            let again = IssuerInput::Received { link, bytes: hello(1).encode() };
            assert_eq!(room.tell(again), []);
            assert_eq!(room.tell(IssuerInput::Lost { link }), []);
            let ends: Vec<_> = room.ends().into_iter().map(Result::unwrap_err).collect();
            match stage {
                Stage::Connected | Stage::Offered | Stage::Granting => assert!(ends.is_empty()),
                Stage::Proven | Stage::Asking => assert_eq!(ends[0].code(), code),
            }
            let grants = usize::from(stage == Stage::Granting);
            assert_eq!(room.grants().len(), grants);
        }
    }
}

#[test]
fn an_issuer_takes_each_message_at_its_time_alone() {
    // SPEC: PAIR-9
    let expected = |stage, kind| match (stage, kind) {
        (Stage::Connected, 0) | (Stage::Offered, 2) | (Stage::Proven, 4) => None,
        (_, 6) => Some("declined"),
        _ => Some("out_of_order"),
    };
    for stage in Stage::ALL {
        for (kind, message) in all().into_iter().enumerate() {
            let (mut room, token) = Room::open();
            let at = room.bring(1, &token, stage);
            room.say(room.guests[at].link.0, &message);
            let closed = super::kit::closed(&room.outputs, 1);
            assert_eq!(closed, expected(stage, kind), "{stage:?} {kind}");
            room.granted();
            let device = key(1).device();
            let members = if stage == Stage::Granting { vec![device] } else { vec![] };
            let ends: Vec<_> = room.ends().into_iter().filter_map(Result::ok).collect();
            assert_eq!(ends, members);
        }
    }
}

/// A guest that waits for this message.
fn waiting(kind: usize) -> (Room, usize) {
    let (mut room, token) = Room::open();
    let stage = match kind {
        1 => Stage::Connected,
        3 => Stage::Offered,
        _ => Stage::Asking,
    };
    let at = room.bring(1, &token, stage);
    if kind == 3 {
        room.down(at);
    }
    room.guests[at].down.clear();
    (room, at)
}

#[test]
fn a_newcomer_in_any_state_ends_with_whatever_it_does_not_wait_for() {
    // SPEC: PAIR-6, PAIR-9
    for awaited in [1, 3, 5] {
        let (brought, at) = waiting(awaited);
        for (bytes, code) in garbage() {
            let mut room = brought.clone();
            room.tell_guest(at, NewcomerInput::Received { bytes });
            let end = room.guests[at].end().unwrap().unwrap_err();
            assert_eq!(end.code(), code, "while waiting for {awaited}");
        }
        for (kind, message) in all().into_iter().enumerate() {
            let mut room = brought.clone();
            room.tell_guest(at, NewcomerInput::Received { bytes: message.encode() });
            let code =
                room.guests[at].end().map(|end| end.map_or_else(PairingCode::code, |_| "done"));
            let expected = match (awaited, kind) {
                (1, 1) => None,
                (3, 3) => Some("bad_proof"),
                (5, 5) => Some("done"),
                (_, 6) => Some("other"),
                _ => Some("out_of_order"),
            };
            assert_eq!(code, expected, "{awaited} {kind}");
        }
    }
}

#[test]
fn a_newcomer_hears_a_refusal_at_any_time_and_then_nothing_more() {
    // SPEC: PAIR-9, PAIR-17
    for awaited in [1, 3, 5] {
        for code in PairingCode::ALL {
            let (mut room, at) = waiting(awaited);
            let bytes = Message::refused(*code).encode();
            room.tell_guest(at, NewcomerInput::Received { bytes });
            assert_eq!(room.guests[at].end(), Some(Err(*code)));
            let granted = Message::Granted { grant: GRANT }.encode();
            let before = room.guests[at].outputs.clone();
            room.tell_guest(at, NewcomerInput::Received { bytes: granted });
            room.tell_guest(at, NewcomerInput::Consent(true));
            room.tell_guest(at, NewcomerInput::Lost);
            room.tell_guest(at, NewcomerInput::Cancel);
            room.pass(1 << 40);
            room.tell_guest(at, NewcomerInput::Tick);
            assert_eq!(room.guests[at].outputs, before);
        }
    }
}

#[test]
fn a_newcomer_does_not_wait_for_ever() {
    // SPEC: PAIR-16
    let (mut room, token) = Room::open();
    let at = room.guest(1, &token);
    let (deadline, _) = room.guests[at].machine.next_deadline().unwrap();
    room.now.monotonic_ms = deadline;
    room.tell_guest(at, NewcomerInput::Tick);
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::Timeout)));
    for (awaited, code) in
        [(1, PairingCode::Timeout), (3, PairingCode::Timeout), (5, PairingCode::Unconfirmed)]
    {
        let (mut room, at) = waiting(awaited);
        let (deadline, _) = room.guests[at].machine.next_deadline().unwrap();
        room.now.monotonic_ms = deadline - 1;
        room.tell_guest(at, NewcomerInput::Tick);
        assert_eq!(room.guests[at].end(), None);
        room.now.monotonic_ms = deadline;
        room.tell_guest(at, NewcomerInput::Tick);
        assert_eq!(room.guests[at].end(), Some(Err(code)));
        assert_eq!(room.guests[at].machine.next_deadline(), None);
    }
}
