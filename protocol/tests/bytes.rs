//! Bytes that are no event, and events that break a rule: each is refused with its code, whoever
//! sends it and however often.

use kernelos_protocol::cbor::{Reader, Writer, encode};
use kernelos_protocol::control::{ControlBody, Grant, Revoke};
use kernelos_protocol::event::{
    BodyRef, Class, HEADER_VERSION, Header, Signed, Unsigned, Verified,
};
use kernelos_protocol::hash;
use kernelos_protocol::id::{DeviceId, EventId, Lane, WorkspaceId};
use kernelos_protocol::key::{DeviceKey, SealingStatement};
use kernelos_protocol::limits::{BODY_BYTES_MAX, PARENTS_MAX};
use kernelos_protocol::role::Role;
use kernelos_protocol::workspace::{InsertFault, InsertRefusal};

use crate::kit::{Peer, secret};

/// What becomes of bytes: "verified", or the code of the fault.
fn verdict(bytes: &[u8]) -> &'static str {
    match Signed::decode(bytes).and_then(Signed::verify) {
        Ok(_) => "verified",
        Err(fault) => fault.code(),
    }
}

/// A workspace's events: genesis, epoch, wrap, change.
fn honest() -> Vec<Verified> {
    Peer::founder().1
}

fn key() -> DeviceKey {
    DeviceKey::from_secret(&secret(1))
}

/// An envelope of these parts, as a hostile device would write it.
fn envelope(header: &[u8], signature: Option<&[u8]>, body: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(3).bytes(header).bytes_or_null(signature).bytes_or_null(body);
    writer.finish()
}

/// The envelope of a header that is signed as it is.
fn signed(header: &[u8], body: Option<&[u8]>) -> Vec<u8> {
    let id = kernelos_protocol::event::id_of(header);
    envelope(header, Some(&key().sign(hash::SIGN_EVENT, &id.0)), body)
}

/// What becomes of the honest change with its header altered, signed by its author.
fn altered(alter: impl FnOnce(&mut Header)) -> &'static str {
    let event = &honest()[3];
    let mut header = event.header().clone();
    alter(&mut header);
    verdict(&signed(&encode(&header), event.body()))
}

#[test]
fn an_honest_event_is_verified_and_written_as_it_was_read() {
    // SPEC: EVT-3, EVT-4
    for event in honest() {
        let bytes = event.encode();
        assert_eq!(verdict(&bytes), "verified");
        assert_eq!(Verified::try_from(bytes.clone()).unwrap().encode(), bytes);
    }
}

#[test]
fn an_event_cut_at_any_byte_is_none() {
    let bytes = honest()[3].encode();
    for len in 0..bytes.len() {
        assert_ne!(verdict(&bytes[..len]), "verified", "cut at {len}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    // SPEC: EVT-5
    for event in honest() {
        let bytes = event.encode();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert_ne!(verdict(&flipped), "verified", "byte {at}");
        }
    }
}

#[test]
fn random_bytes_and_huge_lengths_are_no_event() {
    assert_eq!(verdict(&[]), "decode");
    assert_eq!(verdict(&[0x83, 0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0]), "decode");
    assert_eq!(verdict(&[0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0]), "decode");
    let mut noise = Vec::new();
    for i in 0..2_000_u32 {
        noise.extend(hash::hash_under("kernelos test noise", &[&i.to_be_bytes()]));
        assert_ne!(verdict(&noise[noise.len().saturating_sub(700)..]), "verified");
    }
}

#[test]
fn another_encoding_of_the_same_value_is_no_event() {
    // SPEC: EVT-2
    let event = &honest()[3];
    let header = encode(event.header());
    let mut trailing = event.encode();
    trailing.push(0);
    assert_eq!(verdict(&trailing), "non_canonical");
    // The version as two bytes instead of one.
    let mut overlong = vec![header[0], 0x18, 1];
    overlong.extend(&header[2..]);
    assert_eq!(verdict(&signed(&overlong, event.body())), "non_canonical");
    // An array of indefinite length.
    let mut indefinite = vec![0x9f];
    indefinite.extend(&header[1..]);
    indefinite.push(0xff);
    assert_eq!(verdict(&signed(&indefinite, event.body())), "non_canonical");
    let mut behind = header.clone();
    behind.push(0);
    assert_eq!(verdict(&signed(&behind, event.body())), "non_canonical");
}

#[test]
fn a_newer_header_is_told_apart_from_a_broken_one() {
    // SPEC: EVT-1
    let mut writer = Writer::default();
    writer.array(2).uint(HEADER_VERSION + 1).text("what comes later");
    assert_eq!(verdict(&signed(&writer.finish(), None)), "version");
}

#[test]
fn parents_are_at_most_32_sorted_once_each_and_never_prev() {
    // SPEC: EVT-7
    let ids = |count: usize| (0..count).map(|i| EventId([i as u8; 32])).collect::<Vec<_>>();
    assert_eq!(altered(|header| header.parents = ids(PARENTS_MAX)), "verified");
    assert_eq!(altered(|header| header.parents = ids(PARENTS_MAX + 1)), "parents");
    assert_eq!(altered(|header| header.heard = ids(PARENTS_MAX + 1)), "parents");
    assert_eq!(altered(|header| header.parents = [ids(2)[1], ids(2)[0]].to_vec()), "parents");
    assert_eq!(altered(|header| header.parents = [ids(1)[0], ids(1)[0]].to_vec()), "parents");
    let prev = |header: &mut Header| {
        header.seq = 1;
        header.prev = Some(ids(1)[0]);
        header.parents = ids(1);
    };
    assert_eq!(altered(prev), "parents");
    assert_eq!(altered(|header| header.parents = Vec::new()), "verified");
}

#[test]
fn fields_that_do_not_fit_together_are_refused() {
    // SPEC: EVT-7
    assert_eq!(altered(|header| header.seq = 5), "field");
    assert_eq!(altered(|header| header.prev = Some(EventId([9; 32]))), "field");
    assert_eq!(altered(|header| header.heard = Vec::new()), "field");
    assert_eq!(altered(|header| header.epoch = None), "field");
    assert_eq!(altered(|header| header.class = Class::Plain), "field");
    assert_eq!(altered(|header| header.class = Class::Shreddable), "body_mismatch");
    assert_eq!(altered(|header| header.workspace = WorkspaceId::UNBORN), "field");
    let body = BodyRef { hash: [0; 32], len: BODY_BYTES_MAX as u64 + 1 };
    assert_eq!(altered(|header| header.body = Some(body)), "too_large");
    assert_eq!(altered(|header| header.body = Some(BodyRef { len: 1, ..body })), "body_mismatch");
}

#[test]
fn a_body_larger_than_its_limit_is_no_event() {
    let event = &honest()[3];
    let body = vec![0; BODY_BYTES_MAX + 1];
    let bytes = envelope(&encode(event.header()), Some(&[0; 64]), Some(&body));
    assert_eq!(verdict(&bytes), "too_large");
    let bytes =
        envelope(&encode(event.header()), Some(&[0; 64]), Some(&vec![0; BODY_BYTES_MAX + 33]));
    assert_eq!(verdict(&bytes), "decode");
}

#[test]
fn a_content_body_may_be_absent_and_a_control_body_may_not() {
    // SPEC: EVT-3
    let events = honest();
    let without = |event: &Verified| signed(&encode(event.header()), None);
    assert_eq!(verdict(&without(&events[3])), "verified");
    assert_eq!(verdict(&without(&events[1])), "body_mismatch");
}

#[test]
fn a_signature_counts_for_its_key_and_its_purpose_alone() {
    // SPEC: EVT-5, EVT-6, HASH-2
    let event = &honest()[3];
    let header = encode(event.header());
    let id = event.id();
    let with = |signature: &[u8]| verdict(&envelope(&header, Some(signature), event.body()));
    assert_eq!(verdict(&envelope(&header, None, event.body())), "unsigned");
    assert_eq!(
        with(&DeviceKey::from_secret(&secret(2)).sign(hash::SIGN_EVENT, &id.0)),
        "bad_signature"
    );
    assert_eq!(with(&key().sign(hash::SIGN_SEALING_KEY, &id.0)), "bad_signature");
    assert_eq!(with(&key().sign(b"", &id.0)), "bad_signature");
    let good = key().sign(hash::SIGN_EVENT, &id.0);
    assert_eq!(with(&good), "verified");
    assert_eq!(with(&plus_order(good)), "bad_signature");
}

/// The same signature with the group's order added to S: another encoding of the same scalar.
fn plus_order(mut signature: [u8; 64]) -> [u8; 64] {
    // L = 2^252 + 27742317777372353535851937790883648493, little endian (RFC 8032 section 5.1).
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    signature
}

#[test]
fn a_key_of_small_order_signs_nothing_and_is_granted_nothing() {
    // SPEC: EVT-6, KEY-1
    for point in small_order() {
        let mut header = honest()[3].header().clone();
        header.author = DeviceId(point);
        // For a key of small order this signature passes the check without `strict`.
        let mut signature = [0; 64];
        signature[0] = 1;
        let bytes = envelope(&encode(&header), Some(&signature), honest()[3].body());
        assert_eq!(verdict(&bytes), "bad_signature");
        let grant = grant(DeviceId(point), key().sealing_statement());
        assert_eq!(control(&grant), "weak_key");
    }
}

/// Encodings of the points of order 1, 2, 4 and 8 (RFC 8032; the canonical ones and some others).
fn small_order() -> Vec<[u8; 32]> {
    let mut identity = [0; 32];
    identity[0] = 1;
    let order_four = [0; 32];
    let mut order_four_signed = [0; 32];
    order_four_signed[31] = 0x80;
    let mut order_two = [0xff; 32];
    order_two[0] = 0xec;
    order_two[31] = 0x7f;
    let order_eight = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ];
    let order_eight_other = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ];
    let with_sign = |mut point: [u8; 32]| {
        point[31] |= 0x80;
        point
    };
    vec![
        identity,
        order_two,
        order_four,
        order_four_signed,
        order_eight,
        order_eight_other,
        with_sign(order_eight),
        with_sign(order_eight_other),
    ]
}

fn grant(device: DeviceId, sealing: SealingStatement) -> ControlBody {
    ControlBody::Grant(Grant {
        device,
        sealing,
        role: Role::Member,
        tier: 0,
        capabilities: Vec::new(),
        rule: String::new(),
    })
}

/// What becomes of a control event with this body behind the genesis.
fn control(body: &ControlBody) -> &'static str {
    control_bytes(&body.encode())
}

fn control_bytes(body: &[u8]) -> &'static str {
    let header = Header { body: Some(BodyRef::of(body)), ..honest()[1].header().clone() };
    verdict(&signed(&encode(&header), Some(body)))
}

#[test]
fn control_bodies_that_break_their_shape_are_refused() {
    // SPEC: CTL-1, CTL-2, CTL-3, CTL-4, CTL-6, KEY-2
    let other = DeviceKey::from_secret(&secret(2));
    let good = grant(other.device(), other.sealing_statement());
    assert_eq!(control(&good), "verified");
    let foreign = grant(other.device(), key().sealing_statement());
    assert_eq!(control(&foreign), "sealing_key");
    let cut = vec![EventId([2; 32]), EventId([1; 32])];
    let revoke = Revoke { target: other.device(), cut, reason: String::new() };
    assert_eq!(control(&ControlBody::Revoke(revoke)), "unsorted");
    let genesis = honest()[0].control().unwrap().clone();
    assert_eq!(control(&genesis), "genesis");
    let mut newer = Writer::default();
    newer.array(2).uint(10).text("upgrade");
    assert_eq!(control_bytes(&newer.finish()), "newer_format");
    let wrap = kernelos_protocol::control::Wrap { epoch: EventId([1; 32]), keys: Vec::new() };
    assert_eq!(control(&ControlBody::Wrap(wrap)), "no_recipient");
    let mut trailing = good.encode();
    trailing.push(0);
    assert_eq!(control_bytes(&trailing), "non_canonical");
    assert!(Reader::new(&good.encode()).array(8).is_ok());
}

#[test]
fn an_event_of_another_workspace_is_refused_and_changes_nothing() {
    // SPEC: EVT-9
    let (mut founder, _) = Peer::founder();
    let before = founder.state();
    let mut header = honest()[1].header().clone();
    header.workspace = WorkspaceId([9; 32]);
    let body = honest()[1].body().map(<[u8]>::to_vec);
    let event = Unsigned { header, body }.sign(&key()).unwrap();
    let fault = founder.workspace.insert(&event, &founder.key);
    assert_eq!(fault, Err(InsertFault::Refused(InsertRefusal::WrongWorkspace)));
    assert_eq!(founder.state(), before);
}

#[test]
fn an_event_whose_prev_is_not_before_it_is_refused() {
    // SPEC: EVT-9
    let (mut founder, events) = Peer::founder();
    let change = events[3].header().clone();
    let refused = Err(InsertFault::Refused(InsertRefusal::Prev));
    let mut insert = |alter: &dyn Fn(&mut Header)| {
        let mut header = change.clone();
        header.prev = Some(events[3].id());
        header.seq = 1;
        alter(&mut header);
        let body = events[3].body().map(<[u8]>::to_vec);
        let event = Unsigned { header, body }.sign(&key()).unwrap();
        founder.workspace.insert(&event, &founder.key)
    };
    assert_eq!(insert(&|header| header.seq = 2), refused);
    assert_eq!(insert(&|header| header.incarnation.0[0] ^= 1), refused);
    assert_eq!(insert(&|header| header.parents = vec![events[1].id()]), refused);
    let unknown = EventId([8; 32]);
    let missing = Err(InsertFault::Missing(unknown));
    assert_eq!(insert(&|header| header.parents = vec![unknown]), missing);
    assert_eq!(insert(&|_| {}), Ok(true));
}

#[test]
fn two_events_at_one_place_are_both_kept_and_prove_a_fork() {
    // SPEC: EVT-10
    let (mut founder, events) = Peer::founder();
    let mut twin = events[3].header().clone();
    twin.stamp.0 += 1;
    let twin = Unsigned { header: twin, body: events[3].body().map(<[u8]>::to_vec) };
    let twin = twin.sign(&key()).unwrap();
    assert!(founder.workspace.forks().is_empty());
    founder.take(std::slice::from_ref(&twin));
    let forks = founder.workspace.forks();
    assert_eq!(forks.len(), 1);
    assert_eq!((forks[0].chain.lane, forks[0].seq), (Lane::Content, 0));
    assert!(forks[0].events.contains(&twin.id()) && forks[0].events.contains(&events[3].id()));
}

#[test]
fn an_event_that_comes_ten_thousand_times_is_here_once() {
    // SPEC: EVT-9
    let (mut founder, events) = Peer::founder();
    let before = founder.state();
    for _ in 0..10_000 {
        assert_eq!(founder.workspace.insert(&events[3], &founder.key), Ok(false));
    }
    assert_eq!(founder.workspace.len(), events.len());
    assert_eq!(founder.state(), before);
}
