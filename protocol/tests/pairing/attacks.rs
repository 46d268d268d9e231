//! Those who want in, or to listen, and know something: all but the secret, or the secret too.

use std::collections::BTreeMap;

use kernelos_protocol::pairing::messages::{Message, Welcome};
use kernelos_protocol::pairing::proof::{Channel, Side};
use kernelos_protocol::pairing::{CheckCode, IssuerInput, LinkId, NewcomerInput, PairingCode};
use kernelos_protocol::role::Role;

use super::kit::{
    GRANT, Room, Stage, WORKSPACE, channel, closed, exporter, hello, invitation, key, other_than,
    proof, secret,
};

fn welcome() -> Welcome {
    Welcome { workspace_name: "home".to_owned(), inviter: "laptop".to_owned(), role: Role::Member }
}

#[test]
fn a_man_in_the_middle_with_two_channels_proves_nothing() {
    // SPEC: PAIR-5, PAIR-7
    // Even if it could answer with the issuer's key, its two channels export different bytes.
    let (mut room, token) = Room::open();
    let at = room.guest(1, &token);
    let peer = key(0).device();
    room.tell_guest(at, NewcomerInput::Connected { peer, exporter: exporter(50) });
    let link = room.guests[at].link;
    let device = room.guests[at].device;
    room.tell(IssuerInput::Connected { link, device, exporter: exporter(51) });
    room.settle();
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::BadProof)));
    assert_eq!(room.audits(), [(device, Err(PairingCode::BadProof))]);
    assert_eq!(room.ends(), [], "one bad proof burns nothing");
}

#[test]
fn a_man_in_the_middle_with_a_key_of_its_own_proves_nothing() {
    // SPEC: PAIR-7
    let (mut room, token) = Room::open();
    let at = room.guest(1, &token);
    let peer = key(0).device();
    room.tell_guest(at, NewcomerInput::Connected { peer, exporter: exporter(1) });
    let link = room.guests[at].link;
    // Towards the issuer it has its own key, though the same bytes are exported.
    let device = key(5).device();
    room.tell(IssuerInput::Connected { link, device, exporter: exporter(1) });
    room.settle();
    assert_eq!(room.audits(), [(device, Err(PairingCode::BadProof))]);
    assert_eq!(room.grants(), []);
}

#[test]
fn a_proof_from_another_channel_is_none() {
    // SPEC: PAIR-7
    let (mut room, _) = Room::open();
    room.dial(1, 1);
    room.say(1, &hello(1));
    room.dial(2, 1);
    room.say(2, &hello(1));
    // The same device, the same secret, the bytes of the other link.
    assert_eq!(closed(&room.say(2, &proof(1, 1)), 2), Some("bad_proof"));
    // Another device on the very link.
    let (link, device) = (LinkId(3), key(2).device());
    room.tell(IssuerInput::Connected { link, device, exporter: exporter(1) });
    room.say(3, &hello(1));
    assert_eq!(closed(&room.say(3, &proof(1, 1)), 3), Some("bad_proof"));
}

#[test]
fn a_proof_sent_back_is_none() {
    // SPEC: PAIR-7
    let (mut room, token) = Room::open();
    let at = room.bring(1, &token, Stage::Offered);
    room.down(at);
    let Some(super::kit::Wire::Bytes(bytes)) = room.guests[at].up.pop_front() else {
        panic!("a proof is under way");
    };
    let Ok(Message::NewcomerProof(proof)) = Message::decode(&bytes) else {
        panic!("a proof is under way");
    };
    let answer = Message::IssuerProof { proof, welcome: welcome() };
    room.tell_guest(at, NewcomerInput::Received { bytes: answer.encode() });
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::BadProof)));
    assert!(!room.guests[at].asked && room.guests[at].shown.is_none());
    // Nor does the issuer's serve a newcomer.
    let issuers = channel(2, 2).prove(Side::Issuer, &secret(1), &WORKSPACE);
    room.dial(2, 2);
    room.say(2, &hello(1));
    assert_eq!(closed(&room.say(2, &Message::NewcomerProof(issuers)), 2), Some("bad_proof"));
}

#[test]
fn a_proof_is_bound_to_all_that_it_names() {
    // SPEC: PAIR-7
    let base = channel(1, 1);
    let proof = base.prove(Side::Newcomer, &secret(1), &WORKSPACE);
    let proven = |channel: &Channel, side, number, workspace| {
        channel.is_proven(side, &secret(number), &workspace, &proof)
    };
    assert!(proven(&base, Side::Newcomer, 1, WORKSPACE));
    assert!(!proven(&base, Side::Issuer, 1, WORKSPACE));
    assert!(!proven(&base, Side::Newcomer, 2, WORKSPACE));
    assert!(!proven(&base, Side::Newcomer, 1, kernelos_protocol::id::WorkspaceId([0; 32])));
    let turned = Channel { newcomer: base.issuer, issuer: base.newcomer, ..base };
    for other in [
        turned,
        Channel { newcomer: key(2).device(), ..base },
        Channel { issuer: key(2).device(), ..base },
        Channel { exporter: [0; 32], ..base },
    ] {
        assert!(!proven(&other, Side::Newcomer, 1, WORKSPACE));
    }
    for bit in 0..256 {
        let mut bad = proof;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!base.is_proven(Side::Newcomer, &secret(1), &WORKSPACE, &bad));
    }
}

#[test]
fn three_bad_proofs_burn_and_two_do_not() {
    // SPEC: PAIR-12
    let (mut room, token) = Room::open();
    let bad = Message::NewcomerProof([0; 32]);
    for link in 1..=2 {
        room.dial(link, 4);
        room.say(link, &hello(1));
        assert_eq!(closed(&room.say(link, &bad), link), Some("bad_proof"));
        assert_eq!(room.ends(), []);
    }
    // A link has one proof: the next is another link.
    assert_eq!(room.say(2, &bad), []);
    room.dial(9, 4);
    room.say(9, &hello(1));
    room.dial(10, 4);
    room.say(10, &hello(1));
    assert_eq!(closed(&room.say(9, &bad), 9), Some("bad_proof"));
    assert_eq!(room.ends(), [Err(PairingCode::BadProofs)]);
    assert_eq!(closed(&room.outputs, 10), Some("too_many_bad_proofs"));
    let at = room.guest(1, &token);
    // The kit numbers links by guests: this one is the first.
    room.connect(at);
    room.settle();
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::BadProofs)));
}

#[test]
fn three_bad_proofs_end_a_session_that_has_begun_but_no_grant() {
    // SPEC: PAIR-12, PAIR-13
    for (stage, ends) in
        [(Stage::Asking, vec![Err(PairingCode::BadProofs)]), (Stage::Granting, vec![])]
    {
        let (mut room, token) = Room::open();
        let at = room.bring(1, &token, stage);
        for link in 10..13 {
            room.dial(link, 4);
            room.say(link, &hello(1));
            room.say(link, &Message::NewcomerProof([1; 32]));
        }
        assert_eq!(room.ends(), ends);
        room.settle();
        let end = ends.first().map(|_| Err(PairingCode::BadProofs));
        assert_eq!(room.guests[at].end(), end);
    }
}

#[test]
fn who_has_seen_no_code_burns_none() {
    // SPEC: PAIR-12, PAIR-15
    let (mut room, token) = Room::open();
    for link in 100..200 {
        room.dial(link, 4);
        assert_eq!(closed(&room.say(link, &hello(9)), link), Some("invitation_unknown"));
    }
    assert!(room.audits().iter().all(|(_, result)| *result == Err(PairingCode::Unknown)));
    room.bring(1, &token, Stage::Granting);
    room.granted();
    assert_eq!(room.ends(), [Ok(key(1).device())]);
}

#[test]
fn a_second_who_proves_the_secret_ends_both() {
    // SPEC: PAIR-11
    for stage in [Stage::Proven, Stage::Asking] {
        let (mut room, token) = Room::open();
        let first = room.bring(1, &token, stage);
        let second = room.bring(2, &token, Stage::Proven);
        assert_eq!(room.ends(), [Err(PairingCode::CodeSeen)]);
        room.settle();
        for at in [first, second] {
            assert_eq!(room.guests[at].end(), Some(Err(PairingCode::CodeSeen)));
        }
        let seen = Err(PairingCode::CodeSeen);
        assert_eq!(room.audits(), [(key(1).device(), seen), (key(2).device(), seen)]);
        assert_eq!(room.grants(), []);
    }
}

#[test]
fn who_took_a_picture_and_came_first_still_needs_the_digits() {
    // SPEC: PAIR-8, PAIR-11
    let (mut room, token) = Room::open();
    let thief = room.bring(2, &token, Stage::Asking);
    // The person has no digits to type, for its own device shows none; a guess is one of a
    // hundred, and there is one.
    let code = other_than(room.guests[thief].shown.unwrap());
    room.tell(IssuerInput::Code { invitation: invitation(), code });
    assert_eq!(room.ends(), [Err(PairingCode::WrongCode)]);
    let honest = room.guest(1, &token);
    room.connect(honest);
    room.settle();
    assert_eq!(room.guests[honest].end(), Some(Err(PairingCode::Burned)));
    assert_eq!(room.grants(), []);
}

#[test]
fn who_proves_the_secret_after_the_digits_is_told_of_and_changes_nothing() {
    // SPEC: PAIR-11, PAIR-13
    let (mut room, token) = Room::open();
    let first = room.bring(1, &token, Stage::Granting);
    let second = room.bring(2, &token, Stage::Proven);
    room.granted();
    room.settle();
    assert_eq!(room.guests[first].end(), Some(Ok(GRANT)));
    assert_eq!(room.guests[second].end(), Some(Err(PairingCode::CodeSeen)));
    let (one, two) = (key(1).device(), key(2).device());
    assert_eq!(room.audits(), [(two, Err(PairingCode::CodeSeen)), (one, Ok(GRANT))]);
}

#[test]
fn the_digits_are_of_this_channel_alone_and_spread_evenly() {
    // SPEC: PAIR-8
    let mut seen: BTreeMap<CheckCode, u32> = BTreeMap::new();
    let (base, secrets) = (channel(1, 1), [secret(1), secret(2)]);
    for number in 0..20_000_u32 {
        let mut exporter = [0; 32];
        exporter[..4].copy_from_slice(&number.to_be_bytes());
        let code = Channel { exporter, ..base }.check_code(&secrets[0]);
        *seen.entry(code).or_default() += 1;
    }
    assert_eq!(seen.len(), 100);
    // 200 each; 270 is five standard deviations away.
    assert!(seen.values().all(|count| (130..270).contains(count)), "{seen:?}");
    // Each input counts: over a hundred channels no two of these keep giving the same digits.
    let turned = |of: Channel| Channel { newcomer: of.issuer, issuer: of.newcomer, ..of };
    let same = |other: &dyn Fn(Channel) -> CheckCode| {
        let channels = (0..100).map(|n| Channel { exporter: [n; 32], ..base });
        channels.filter(|of| of.check_code(&secrets[0]) == other(*of)).count()
    };
    assert!(same(&|of| turned(of).check_code(&secrets[0])) < 10);
    assert!(same(&|of| of.check_code(&secrets[1])) < 10);
    assert!(same(&|of| Channel { newcomer: of.issuer, ..of }.check_code(&secrets[0])) < 10);
    assert!(same(&|of| Channel { issuer: of.newcomer, ..of }.check_code(&secrets[0])) < 10);
    assert!(same(&|of| Channel { exporter: [200; 32], ..of }.check_code(&secrets[0])) < 10);
}

#[test]
fn of_ten_thousand_guesses_three_are_looked_at() {
    // SPEC: PAIR-12, PAIR-16
    let (mut room, token) = Room::open();
    let mut told = BTreeMap::new();
    for number in 0..10_000_u64 {
        let link = 1_000 + number;
        room.dial(link, 4);
        let outputs = room.say(link, &hello(1));
        let mut code = closed(&outputs, link);
        if code.is_none() {
            let mut guess = [7; 32];
            guess[..8].copy_from_slice(&number.to_be_bytes());
            code = closed(&room.say(link, &Message::NewcomerProof(guess)), link);
        }
        *told.entry(code.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(told, BTreeMap::from([("bad_proof", 3), ("too_many_bad_proofs", 9_997)]));
    assert_eq!(room.ends(), [Err(PairingCode::BadProofs)]);
    // Not even the right secret opens it again.
    let at = room.guest(1, &token);
    room.connect(at);
    room.settle();
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::BadProofs)));
    assert_eq!(room.grants(), []);
}

#[test]
fn a_hundred_wrong_digits_are_one() {
    // SPEC: PAIR-8, PAIR-12
    let (mut room, token) = Room::open();
    let at = room.bring(1, &token, Stage::Asking);
    let right = room.guests[at].shown.unwrap();
    for number in 0..100 {
        let code: CheckCode = format!("{number:02}").parse().unwrap();
        if code != right {
            room.tell(IssuerInput::Code { invitation: invitation(), code });
        }
    }
    // The right ones come too late.
    room.tell(IssuerInput::Code { invitation: invitation(), code: right });
    assert_eq!(room.ends(), [Err(PairingCode::WrongCode)]);
    assert_eq!(room.grants(), []);
}
