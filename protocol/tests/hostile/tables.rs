//! Bytes that are nothing, each with its code: of frames, of events, of the bodies in them.

use kernelos_protocol::cbor::{Writer, encode};
use kernelos_protocol::content::Content;
use kernelos_protocol::control::{ControlBody, Grant};
use kernelos_protocol::event::{BodyRef, Header, Signed, Unsigned, Verified, id_of};
use kernelos_protocol::hash;
use kernelos_protocol::id::{EventId, Incarnation, WorkspaceId};
use kernelos_protocol::limits::{
    BODY_BYTES_MAX, CARDS_MAX, CHUNK_WANTS_MAX, CONTROL_TEXT_MAX, CUTS_MAX, FRAME_BYTES_MAX,
    RECEIPTS_MAX, TIPS_MAX, WANTS_MAX,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{Card, Message, Receipt, workspace_tag};
use kernelos_protocol::workspace::{InsertFault, Workspace};

use super::samples::{card, control_event, events, insides, key, messages, receipt, revoke};
use crate::kit::{Peer, recovery};

fn frame(bytes: &[u8]) -> &'static str {
    let read = Message::decode(bytes, &events()[0].workspace());
    read.map_or_else(|fault| fault.code(), |_| "message")
}

fn event(bytes: &[u8]) -> &'static str {
    let event = Signed::decode(bytes).and_then(Signed::verify);
    event.map_or_else(|fault| fault.code(), |_| "event")
}

/// Bytes that begin as `write` says and go on with `rest`.
fn begun(write: impl FnOnce(&mut Writer) -> &mut Writer, rest: &[u8]) -> Vec<u8> {
    let mut to = Writer::default();
    write(&mut to);
    [&to.finish(), rest].concat()
}

/// The other encodings of an array that begins with a number below 24.
fn other_encodings(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (head, number, rest) = (bytes[0], bytes[1], &bytes[2..]);
    assert!((0x81..0x90).contains(&head) && number < 24);
    let items = head & 0x1f;
    vec![
        ("its length in two bytes", [&[0x98, items, number], rest].concat()),
        ("its length in nine bytes", [&[0x9b, 0, 0, 0, 0, 0, 0, 0, items, number], rest].concat()),
        ("its number in two bytes", [&[head, 0x18, number], rest].concat()),
        ("its number in five bytes", [&[head, 0x1a, 0, 0, 0, number], rest].concat()),
        ("of no definite length", [&[0x9f, number], rest, &[0xff]].concat()),
        ("a byte behind it", [bytes, &[0]].concat()),
        ("twice", bytes.repeat(2)),
        ("with a tag", [&[0xc1], bytes].concat()),
    ]
}

/// The same with the last byte string of `len` bytes, its length below 256, in three bytes.
fn longer_string(bytes: &[u8], len: u8) -> Vec<u8> {
    let at = bytes.windows(2).rposition(|pair| pair == [0x58, len]).unwrap();
    [&bytes[..at], &[0x59, 0, len], &bytes[at + 2..]].concat()
}

#[test]
fn a_frame_has_one_encoding() {
    // SPEC: SYNC-1, EVT-2
    for message in messages() {
        let bytes = message.encode();
        assert_eq!(frame(&bytes), "message");
        for (what, other) in other_encodings(&bytes) {
            assert_eq!(frame(&other), "frame_decode", "{what}: {message:?}");
        }
    }
    // Inside of it as well: lists, strings, integers.
    let of = |index: usize| messages()[index].encode();
    for (index, len) in [(0, 32), (1, 32), (2, 32), (5, 0), (6, 32), (7, 0), (8, 32), (10, 32)] {
        let bytes = of(index);
        if len > 0 {
            assert_eq!(frame(&longer_string(&bytes, len)), "frame_decode", "{index}");
        }
        let list = [&bytes[..2], &[0x98, bytes[2] & 0x1f], &bytes[3..]].concat();
        let is_list = (0x80..0xa0).contains(&bytes[2]);
        assert!(!is_list || frame(&list) == "frame_decode", "{index}");
    }
    assert_eq!(frame(&[0x82, 4, 0x1b, 0, 0, 0, 0, 0, 0, 0, 7]), "frame_decode");
    assert_eq!(frame(&[0x82, 4, 7]), "message");
}

#[test]
fn a_frame_that_is_no_message_has_a_code() {
    // SPEC: SYNC-1
    let huge_list = [0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0];
    let huge_string = [0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0];
    let list = |number: u64, rest: &[u8]| begun(|to| to.array(2).uint(number), rest);
    let full = |number: u64, count: usize, item: &[u8]| {
        let head = begun(|to| to.array(2).uint(number).array(count), &[]);
        [head, item.repeat(count)].concat()
    };
    let tip =
        begun(|to| to.array(5).uint(1).bytes(&[1; 32]).bytes(&[1; 8]).uint(0).bytes(&[2; 32]), &[]);
    let want = begun(|to| to.array(2).bytes(&[1; 32]).uint(1), &[]);
    let renewal = |items: usize, heads: usize, rest: &[&[u8]]| {
        let heads =
            begun(|to| to.array(heads), &[&[0x58, 32][..], &[1; 32]].concat().repeat(heads));
        let signature = [&[0x58, 64][..], &[1; 64]].concat();
        let rest = [&[&heads[..]], rest, &[&signature[..]]].concat().concat();
        begun(|to| to.array(items).uint(14).uint(7), &rest)
    };
    let mut rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no bytes", vec![], "frame_decode"),
        ("an array of 2^63 items", huge_list.to_vec(), "frame_decode"),
        ("a map", vec![0xa1, 4, 7], "frame_decode"),
        ("a number alone", vec![7], "frame_decode"),
        ("a negative number", vec![0x82, 0x23, 7], "frame_decode"),
        ("a float", vec![0x82, 4, 0xf9, 0, 0], "frame_decode"),
        (
            "text where bytes stand",
            list(8, &[&[0x78, 32][..], &[b'a'; 32]].concat()),
            "frame_decode",
        ),
        ("one frame too large", vec![0; FRAME_BYTES_MAX + 1], "frame_decode"),
        ("arrays in arrays", vec![0x81; 10_000], "frame_decode"),
        ("a hello of a newer program", vec![0x85, 0, 4, 0, 0, 0], "sync_version"),
        ("a hello of the version before", vec![0x85, 0, 2, 0, 0, 0], "sync_version"),
        ("a hello with four items", vec![0x84, 0, 3, 0, 0], "sync_version"),
        ("a lane that is none", full(1, 1, &[&[0x85, 2], &tip[2..]].concat()), "frame_decode"),
        ("more tips", full(1, TIPS_MAX + 1, &tip), "frame_decode"),
        ("as many tips", full(1, TIPS_MAX, &tip), "message"),
        ("more wants", full(2, WANTS_MAX + 1, &want), "frame_decode"),
        ("as many wants", full(2, WANTS_MAX, &want), "message"),
        ("a table of 2^63 bytes", begun(|to| to.array(3).uint(3), &huge_string), "frame_decode"),
        ("2^63 segments", begun(|to| to.array(3).uint(3).bytes(&[]), &huge_list), "frame_decode"),
        ("envelopes, as before", full(3, 1, &[0x40]), "frame_decode"),
        ("more cards", full(5, CARDS_MAX + 1, &[0x40]), "frame_decode"),
        ("more receipts", full(9, RECEIPTS_MAX + 1, &[0x40]), "frame_decode"),
        ("a claim of 31 bytes", list(8, &[&[0x58, 31][..], &[1; 31]].concat()), "frame_decode"),
        ("more hashes", full(10, CHUNK_WANTS_MAX + 1, &[0x40]), "frame_decode"),
        ("a renewal without flags", renewal(7, 0, &[&[0xf6; 3]]), "frame_decode"),
        ("a renewal with an item more", renewal(9, 0, &[&[0xf6; 3], &[0, 0]]), "frame_decode"),
        ("a renewal of 2^63 heads", renewal(8, 0, &[&huge_list]), "frame_decode"),
        (
            "a renewal of heads that are not sorted",
            renewal(8, 2, &[&[0xf6; 3], &[0]]),
            "frame_decode",
        ),
        ("a renewal of a head", renewal(8, 1, &[&[0xf6; 3], &[0]]), "message"),
        ("no hashes", full(10, 0, &[]), "frame_decode"),
    ];
    for number in [1, 2, 3, 5, 9, 10, 11, 12] {
        rows.push(("a list of 2^63 items", list(number, &huge_list), "frame_decode"));
    }
    for number in [6, 7, 13, 24, u64::MAX] {
        rows.push(("a number that no message has", list(number, &[0x80]), "frame_decode"));
    }
    for (what, bytes, code) in rows {
        assert_eq!(frame(&bytes), code, "{what}");
    }
}

/// An envelope with this header, signed by device 1 as it is.
fn signed(header: &[u8], body: Option<&[u8]>) -> Vec<u8> {
    let signature = key(1).sign(hash::SIGN_EVENT, &id_of(header).0);
    let mut to = Writer::default();
    to.array(3).bytes(header).bytes(&signature).bytes_or_null(body);
    to.finish()
}

#[test]
fn an_event_in_another_encoding_or_with_more_in_it_is_refused() {
    // SPEC: EVT-1, EVT-2, EVT-3
    for sample in events() {
        let header = encode(sample.header());
        for (what, other) in other_encodings(&header) {
            let code = event(&signed(&other, sample.body()));
            let expected = if what == "with a tag" { "decode" } else { "non_canonical" };
            assert_eq!(code, expected, "{what}");
        }
        // One field more, as a newer program might mark one that must be understood.
        let more = [&[0x8f], &header[1..], &[0xf6]].concat();
        assert_eq!(event(&signed(&more, sample.body())), "decode");
        let fewer = [&[0x8d], &header[1..header.len() - 1]].concat();
        assert_ne!(event(&signed(&fewer, sample.body())), "event");
        // The envelope around it.
        let envelope = sample.encode();
        let overlong = [&[0x98, 3], &envelope[1..]].concat();
        assert_eq!(event(&overlong), "non_canonical");
        let four = [&[0x84], &envelope[1..], &[0xf6]].concat();
        assert_eq!(event(&four), "decode");
    }
}

#[test]
fn an_event_that_is_too_large_is_refused_by_its_header_alone() {
    // SPEC: EVT-7
    let sample = &events()[3];
    let len = BODY_BYTES_MAX as u64 + 1;
    for len in [len, 1 << 40, u64::MAX] {
        let body = Some(BodyRef { hash: [1; 32], len });
        let header = Header { body, ..sample.header().clone() };
        assert_eq!(event(&signed(&encode(&header), None)), "too_large");
    }
    let ids = |count: u16| {
        let id = |number: u16| {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&number.to_be_bytes());
            EventId(id)
        };
        (0..count).map(id).collect::<Vec<_>>()
    };
    for (count, code) in
        [(32, "event"), (33, "parents"), (64, "parents"), (65, "decode"), (1_000, "decode")]
    {
        let header = Header { parents: ids(count), ..sample.header().clone() };
        assert_eq!(event(&signed(&encode(&header), sample.body())), code, "{count} parents");
    }
}

/// What becomes of a control event with this body.
fn control(body: &[u8]) -> &'static str {
    let header = control_event(&events(), body);
    event(&signed(&encode(&header), Some(body)))
}

/// A revocation with so many cuts and a reason of these bytes, 24 to 255 of them.
fn revoke_with(count: usize, reason: &[u8]) -> Vec<u8> {
    let mut to = Writer::default();
    to.array(4).uint(2).bytes(&key(2).device().0).array(count);
    for number in 0..count {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        to.bytes(&id);
    }
    let head = [0x78, u8::try_from(reason.len()).unwrap()];
    [&to.finish(), &head[..], reason].concat()
}

fn grant(capabilities: Vec<String>) -> Vec<u8> {
    ControlBody::Grant(Grant {
        device: key(3).device(),
        sealing: key(3).sealing_statement(),
        role: Role::Member,
        tier: u64::MAX,
        capabilities,
        rule: "r".repeat(CONTROL_TEXT_MAX),
    })
    .encode()
}

#[test]
fn a_control_body_that_breaks_its_form_has_a_code() {
    // SPEC: CTL-1, CTL-3, CTL-4
    let names = |count: usize| (0..count).map(|n| format!("{n:03}")).collect::<Vec<_>>();
    let with_role = |role: u8| {
        let mut body = grant(Vec::new());
        let at = body.windows(2).rposition(|pair| pair == [0x1b, 0xff]).unwrap();
        body[at - 1] = role;
        body
    };
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a reason that is no UTF-8", revoke_with(0, &[0xff; 40]), "control_decode"),
        (
            "an overlong slash",
            revoke_with(0, &[&[b'a'; 30][..], &[0xc0, 0xaf]].concat()),
            "control_decode",
        ),
        (
            "half of a character",
            revoke_with(0, &[&[b'a'; 30][..], &[0xe2, 0x82]].concat()),
            "control_decode",
        ),
        (
            "a surrogate",
            revoke_with(0, &[&[b'a'; 30][..], &[0xed, 0xa0, 0x80]].concat()),
            "control_decode",
        ),
        ("NUL and what hides", revoke("a\0\u{202e}b\u{1b}[2J").encode(), "event"),
        ("as long a reason", revoke(&"x".repeat(CONTROL_TEXT_MAX)).encode(), "event"),
        ("a longer reason", revoke(&"x".repeat(CONTROL_TEXT_MAX + 1)).encode(), "control_decode"),
        ("a reason of 190,000 bytes", revoke(&"x".repeat(190_000)).encode(), "control_decode"),
        ("as many cuts", revoke_with(CUTS_MAX, &[b'a'; 30]), "event"),
        ("more cuts", revoke_with(CUTS_MAX + 1, &[b'a'; 30]), "control_decode"),
        ("a grant", grant(names(64)), "event"),
        ("more capabilities", grant(names(65)), "control_decode"),
        ("capabilities unsorted", grant(vec!["b".to_owned(), "a".to_owned()]), "unsorted"),
        ("a capability twice", grant(vec!["a".to_owned(), "a".to_owned()]), "unsorted"),
        ("a role that is none", with_role(0), "control_decode"),
        ("a role above the highest", with_role(7), "control_decode"),
        ("the highest role", with_role(6), "event"),
        ("a kind that is reserved", vec![0x82, 6, 0], "newer_format"),
        ("a kind that nobody knows", vec![0x82, 0x18, 200, 0], "newer_format"),
        ("no items", vec![0x80], "control_decode"),
        ("a genesis later", events()[0].control().unwrap().encode(), "genesis"),
    ];
    for (what, body, code) in rows {
        assert_eq!(control(&body), code, "{what}");
    }
    for body in [revoke("lost").encode(), grant(names(3))] {
        for (what, other) in other_encodings(&body) {
            let expected = if what == "with a tag" { "control_decode" } else { "non_canonical" };
            assert_eq!(control(&other), expected, "{what}");
        }
    }
}

#[test]
fn what_stands_in_a_sealed_body_has_one_encoding() {
    // SPEC: CNT-1, CNT-3, CNT-5, CNT-8, CNT-10, EVT-2
    for inside in insides() {
        assert!(Content::decode(&inside).is_ok());
        for (what, other) in other_encodings(&inside) {
            assert!(Content::decode(&other).is_err(), "{what}");
        }
        for len in 0..inside.len() {
            assert!(Content::decode(&inside[..len]).is_err(), "cut at {len}");
        }
    }
    for number in [1, 3, 4, 5, 6, 10, 11, 12_u8] {
        let huge = [0x82, number, 0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert!(Content::decode(&huge).is_err(), "{number}");
    }
    assert_eq!(Content::decode(&[0x82, 0x18, 99, 0xf6]), Ok(Content::Unknown(99)));
}

#[test]
fn a_signature_made_for_something_else_signs_no_event() {
    // SPEC: EVT-5, HASH-2
    let sample = &events()[3];
    let header = encode(sample.header());
    let id = sample.id().0;
    let with = |signature: [u8; 64]| {
        let mut to = Writer::default();
        to.array(3).bytes(&header).bytes(&signature).bytes_or_null(sample.body());
        event(&to.finish())
    };
    for (purpose, code) in [
        (hash::SIGN_EVENT, "event"),
        (hash::SIGN_SEALING_KEY, "bad_signature"),
        (hash::SIGN_CARD, "bad_signature"),
        (hash::SIGN_RECEIPT, "bad_signature"),
        (b"", "bad_signature"),
    ] {
        assert_eq!(with(key(1).sign(purpose, &id)), code);
    }
    // Nor does an event's signature, or a card's, serve what is signed beside events.
    for bytes in [encode(&card()), encode(&receipt(&events()))] {
        let lifted = [&bytes[..bytes.len() - 64], &key(2).sign(hash::SIGN_EVENT, &id)].concat();
        assert!(Card::decode(&lifted).is_err() && Receipt::decode(&lifted).is_err());
    }
}

#[test]
fn one_key_in_two_workspaces_has_other_names_in_each() {
    // SPEC: HASH-1, PRJ-1, PRJ-2, SYNC-2
    let mut one = Peer::new(1, WorkspaceId::UNBORN);
    let mut events = Vec::new();
    for _ in 0..2 {
        let public = recovery().public();
        let (workspace, made) = one.write(|_, pen| Workspace::found(pen, public)).unwrap();
        events.push((workspace.id(), made));
    }
    let ((first, made), (second, others)) = (&events[0], &events[1]);
    assert_ne!(first, second, "the nonce of a genesis is never the same");
    assert!(made.iter().all(|event| others.iter().all(|other| event.id() != other.id())));
    assert_ne!(workspace_tag(&[1; 32], first), workspace_tag(&[1; 32], second));
    assert_ne!(workspace_tag(&[1; 32], first), workspace_tag(&[2; 32], first), "nor on two links");
    let device = key(1).device();
    let lives = [Incarnation([1; 8]), Incarnation([2; 8])];
    let documents = lives.map(|life| hash::document_id(&device, &life, 0));
    assert_ne!(documents[0], documents[1], "a store's life is drawn anew in each");
    let actor = |at: usize| hash::actor(&device, &lives[at], &documents[at], 1);
    assert_ne!(actor(0), actor(1));
    // What is of one is refused by the other, whoever brings it.
    let mut here = Workspace::new(*first);
    for event in made {
        assert_eq!(here.insert(event, &one.key), Ok(true));
    }
    for event in others {
        let fault = here.insert(event, &one.key);
        let refused = matches!(&fault, Err(InsertFault::Refused(refusal))
            if refusal.code() == "wrong_workspace");
        assert!(refused, "{fault:?}");
    }
}

#[test]
fn no_key_of_small_order_is_granted_or_signs_a_receipt_or_a_card() {
    // SPEC: EVT-6, KEY-1
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut trivial = [0; 64];
    trivial[0] = 1;
    for point in [identity, [0; 32]] {
        for bytes in [encode(&card()), encode(&receipt(&events()))] {
            let owner = if Card::decode(&bytes).is_ok() { key(2) } else { key(1) };
            let at = bytes.windows(32).position(|part| part == owner.device().0).unwrap();
            let mut forged = bytes.clone();
            forged[at..at + 32].copy_from_slice(&point);
            let end = forged.len();
            forged[end - 64..].copy_from_slice(&trivial);
            assert!(Card::decode(&forged).is_err() && Receipt::decode(&forged).is_err());
        }
    }
}

#[test]
fn an_event_cut_at_any_byte_is_never_taken_in_part() {
    // SPEC: EVT-3, SYNC-1
    let all = events();
    let few: Vec<Verified> = all[..4].to_vec();
    let bytes = Message::events(few).encode();
    for len in 0..bytes.len() {
        assert!(Message::decode(&bytes[..len], &all[0].workspace()).is_err(), "cut at {len}");
    }
    let unsigned = Unsigned { header: all[3].header().clone(), body: Some(vec![1; 3]) };
    assert!(unsigned.sign(&key(1)).is_err(), "nor is a body of another event");
}
