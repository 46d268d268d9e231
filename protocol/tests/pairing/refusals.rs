//! Every way in which a pairing ends without a grant, with its code.

use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::key::{SealingKey, SealingStatement};
use kernelos_protocol::limits::{
    PAIRING_INVITATIONS_MAX, PAIRING_LIFETIME_MS, PAIRING_LINKS_MAX, PAIRING_NAMES_MAX,
    PAIRING_OVER_MAX, PAIRING_STEP_MS,
};
use kernelos_protocol::pairing::messages::{Message, Ready, is_name};
use kernelos_protocol::pairing::{
    Applicant, CheckCode, Intent, Issuer, IssuerInput, IssuerOutput, LinkId, Newcomer,
    NewcomerInput, PairingCode, Terms, Token,
};

use super::kit::{
    GRANT, NOON, Room, Stage, applicant, closed, exporter, hello, invitation, key, other_than,
    proof, ready, secret, terms,
};

/// What ends a pairing, done to a guest that has come as far as was asked.
type Deed = fn(&mut Room, usize);

fn lost(room: &mut Room, at: usize) {
    let link = room.guests[at].link;
    room.tell(IssuerInput::Lost { link });
    room.tell_guest(at, NewcomerInput::Lost);
}

fn no_consent(room: &mut Room, at: usize) {
    room.down(at);
    room.tell_guest(at, NewcomerInput::Consent(false));
}

fn given_up(room: &mut Room, at: usize) {
    room.tell_guest(at, NewcomerInput::Cancel);
}

fn wrong_code(room: &mut Room, at: usize) {
    let code = other_than(room.guests[at].shown.unwrap());
    room.tell(IssuerInput::Code { invitation: invitation(), code });
}

fn cancelled(room: &mut Room, _: usize) {
    room.tell(IssuerInput::Cancel { invitation: invitation() });
}

fn late(room: &mut Room, _: usize) {
    room.pass(PAIRING_LIFETIME_MS);
    room.tell(IssuerInput::Tick);
}

fn slow(room: &mut Room, _: usize) {
    room.pass(PAIRING_STEP_MS);
    room.tell(IssuerInput::Tick);
}

fn not_written(room: &mut Room, _: usize) {
    let code = PairingCode::NotGranted;
    room.tell(IssuerInput::NotGranted { invitation: invitation(), code });
}

fn name_taken_since(room: &mut Room, _: usize) {
    let code = PairingCode::NameUsed;
    room.tell(IssuerInput::NotGranted { invitation: invitation(), code });
}

fn restarted(room: &mut Room, at: usize) {
    room.issuer = Issuer::new(key(0).device());
    room.connect(at);
}

fn readied(room: &mut Room, at: usize, change: fn(&mut Ready)) {
    let Applicant { sealing, device_name, .. } = applicant(1);
    let mut wish = Ready { sealing, device_name };
    change(&mut wish);
    let bytes = Message::Ready(wish).encode();
    let link = room.guests[at].link;
    room.tell(IssuerInput::Received { link, bytes });
}

fn foreign_key(room: &mut Room, at: usize) {
    readied(room, at, |wish| wish.sealing = key(2).sealing_statement());
}

fn weak_key(room: &mut Room, at: usize) {
    readied(room, at, |wish| {
        wish.sealing = SealingStatement { key: SealingKey([0; 32]), ..wish.sealing };
    });
}

fn used_name(room: &mut Room, at: usize) {
    readied(room, at, |wish| wish.device_name = "server".to_owned());
}

fn no_name(room: &mut Room, at: usize) {
    readied(room, at, |wish| wish.device_name = "a\u{202e}b".to_owned());
}

#[test]
fn what_goes_wrong_ends_with_its_code_on_both_sides_and_without_a_grant() {
    // SPEC: PAIR-10, PAIR-12, PAIR-16, PAIR-17, PAIR-18
    use PairingCode as P;
    use Stage::{Asking, Connected, Granting, Offered, Proven};
    // The stage, what happens, how the invitation ends (none: it stays), what the newcomer hears.
    let table: [(Stage, Deed, Option<P>, P); 24] = [
        (Offered, lost, None, P::LinkLost),
        (Proven, lost, Some(P::LinkLost), P::LinkLost),
        (Asking, lost, Some(P::LinkLost), P::Unconfirmed),
        (Proven, no_consent, Some(P::Declined), P::Declined),
        (Connected, given_up, None, P::Declined),
        (Offered, given_up, None, P::Declined),
        (Proven, given_up, Some(P::Declined), P::Declined),
        (Asking, given_up, Some(P::Declined), P::Unconfirmed),
        (Asking, wrong_code, Some(P::WrongCode), P::WrongCode),
        (Offered, cancelled, Some(P::Cancelled), P::Cancelled),
        (Proven, cancelled, Some(P::Cancelled), P::Cancelled),
        (Asking, cancelled, Some(P::Cancelled), P::Cancelled),
        (Connected, late, Some(P::Expired), P::Timeout),
        (Offered, late, Some(P::Expired), P::Timeout),
        (Asking, late, Some(P::Expired), P::Unconfirmed),
        (Connected, slow, None, P::Timeout),
        (Offered, slow, None, P::Timeout),
        (Granting, not_written, Some(P::NotGranted), P::NotGranted),
        (Granting, name_taken_since, Some(P::NameUsed), P::NameUsed),
        (Connected, restarted, None, P::Unknown),
        (Proven, foreign_key, Some(P::BadKey), P::BadKey),
        (Proven, weak_key, Some(P::BadKey), P::BadKey),
        (Proven, used_name, Some(P::NameUsed), P::NameUsed),
        (Proven, no_name, Some(P::BadName), P::BadName),
    ];
    for (row, (stage, deed, end, heard)) in table.into_iter().enumerate() {
        let (mut room, token) = Room::open();
        let at = room.bring(1, &token, stage);
        deed(&mut room, at);
        room.settle();
        let ends: Vec<_> = end.into_iter().map(Err).collect();
        assert_eq!(room.ends(), ends, "row {row}");
        assert_eq!(room.guests[at].end(), Some(Err(heard)), "row {row}");
        assert_eq!(room.audits().len(), 1, "row {row}");
        assert!(room.audits().iter().all(|(_, result)| result.is_err()), "row {row}");
        assert!(room.granted().iter().all(|o| matches!(o, IssuerOutput::NotWaiting { .. })));
        let grants = usize::from(stage == Granting);
        assert_eq!(room.grants().len(), grants, "row {row}");
    }
}

#[test]
fn a_person_may_take_five_minutes_and_no_longer() {
    // SPEC: PAIR-4, PAIR-10, PAIR-16
    for (late, grants) in [(0, 0), (1, 1)] {
        let (mut room, token) = Room::open();
        let at = room.bring(1, &token, Stage::Asking);
        room.pass(PAIRING_LIFETIME_MS - late);
        // The wall clock may say what it likes.
        room.now.wall_us = late * u64::MAX;
        room.type_code(at);
        assert_eq!(room.grants().len(), grants);
    }
    let longer = Terms { lifetime_ms: Some(u64::MAX), ..terms(1) };
    let shorter = Terms { lifetime_ms: Some(1_000), ..terms(2) };
    let mut room = Room::new();
    room.invite(longer).unwrap();
    let deadline = room.issuer.next_deadline().unwrap();
    assert_eq!(deadline, (NOON.monotonic_ms + PAIRING_LIFETIME_MS, "pairing invitation"));
    room.invite(shorter).unwrap();
    assert_eq!(room.issuer.next_deadline().unwrap().0, NOON.monotonic_ms + 1_000);
    room.dial(1, 1);
    room.pass(1_000);
    room.tell(IssuerInput::Tick);
    assert_eq!(room.ends(), [Err(PairingCode::Expired)]);
    let proof_by = (NOON.monotonic_ms + PAIRING_STEP_MS, "pairing proof");
    assert_eq!(room.issuer.next_deadline(), Some(proof_by));
}

#[test]
fn only_machines_are_hurried() {
    // SPEC: PAIR-16
    let (mut room, token) = Room::open();
    let at = room.bring(1, &token, Stage::Proven);
    room.down(at);
    room.pass(PAIRING_LIFETIME_MS - 1);
    room.tell(IssuerInput::Tick);
    room.tell_guest(at, NewcomerInput::Consent(true));
    room.settle();
    room.type_code(at);
    assert_eq!(room.grants(), [key(1).device()]);
}

#[test]
fn a_clock_that_jumps_back_gives_no_more_time() {
    // SPEC: PAIR-4, PAIR-10
    let mut room = Room::new();
    room.pass(PAIRING_LIFETIME_MS);
    room.tell(IssuerInput::Tick);
    // By the clock that jumped back the invitation would have begun in the past and be over.
    room.now = NOON;
    let token = room.invite(terms(1)).unwrap();
    let by = NOON.monotonic_ms + 2 * PAIRING_LIFETIME_MS;
    assert_eq!(room.issuer.next_deadline().unwrap().0, by);
    let at = room.bring(1, &token, Stage::Asking);
    room.now.monotonic_ms = by;
    room.type_code(at);
    assert_eq!(room.ends(), [Err(PairingCode::Expired)]);
}

#[test]
fn a_grant_that_is_being_written_is_not_taken_back() {
    // SPEC: PAIR-13
    for deed in [
        late as Deed,
        cancelled,
        lost,
        |room, at| {
            let code = other_than(room.guests[at].shown.unwrap());
            room.tell(IssuerInput::Code { invitation: invitation(), code });
        },
        |room, _| {
            room.say(1, &hello(1));
        },
    ] {
        let (mut room, token) = Room::open();
        let at = room.bring(1, &token, Stage::Granting);
        deed(&mut room, at);
        assert_eq!(room.ends(), []);
        room.granted();
        assert_eq!(room.ends(), [Ok(key(1).device())]);
        assert_eq!(room.audits(), [(key(1).device(), Ok(GRANT))]);
    }
}

#[test]
fn who_comes_late_hears_why() {
    // SPEC: PAIR-12, PAIR-15
    let used: Deed = |room, at| {
        room.type_code(at);
        room.granted();
    };
    for (deed, code) in [
        (used, "invitation_used"),
        (wrong_code, "invitation_burned"),
        (lost, "invitation_burned"),
        (cancelled, "cancelled"),
        (late, "invitation_expired"),
        (restarted, "invitation_unknown"),
    ] {
        let (mut room, token) = Room::open();
        let at = room.bring(1, &token, Stage::Asking);
        deed(&mut room, at);
        room.dial(9, 2);
        let outputs = room.say(9, &hello(1));
        assert_eq!(closed(&outputs, 9), Some(code));
        let audit = &outputs[0];
        let named = (code != "invitation_unknown").then(invitation);
        assert!(
            matches!(audit, IssuerOutput::Audit { invitation, device, result: Err(fault) }
                if *invitation == named && *device == key(2).device() && fault.code() == code),
            "{audit:?}"
        );
    }
}

fn start(change: impl FnOnce(&mut Token, &mut Applicant)) -> &'static str {
    let (_, mut token) = Room::open();
    let mut applicant = applicant(1);
    change(&mut token, &mut applicant);
    Newcomer::start(NOON, token, applicant).map_or_else(PairingCode::code, |_| "started")
}

#[test]
fn a_newcomer_does_not_begin_what_cannot_be() {
    // SPEC: PAIR-14, PAIR-18
    assert_eq!(start(|_, _| {}), "started");
    assert_eq!(start(|token, who| token.endpoint = who.device), "own_token");
    assert_eq!(start(|token, _| token.intent = Intent::AskIn), "wrong_intent");
    assert_eq!(start(|_, who| who.device_name.clear()), "bad_name");
    // Its wall clock may be wrong: the issuer says what is over.
    assert_eq!(start(|token, _| token.expires = 0), "started");
}

#[test]
fn a_newcomer_proves_nothing_to_another_device_or_workspace() {
    // SPEC: PAIR-14
    let (mut room, token) = Room::open();
    let at = room.guest(1, &token);
    let (peer, exporter) = (key(3).device(), exporter(1));
    room.tell_guest(at, NewcomerInput::Connected { peer, exporter });
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::WrongEndpoint)));
    assert_eq!(room.guests[at].up, [super::kit::Wire::Gone]);

    let mut other = terms(1);
    other.workspace = WorkspaceId([9; 32]);
    let mut room = Room::new();
    room.invite(other).unwrap();
    let at = room.guest(1, &token);
    room.connect(at);
    room.settle();
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::ForeignWorkspace)));
    assert_eq!(room.audits(), [(key(1).device(), Err(PairingCode::Declined))]);
}

#[test]
fn who_may_not_come_is_told_when_it_dials() {
    // SPEC: PAIR-14
    let (mut room, _) = Room::open();
    assert_eq!(closed(&room.dial(1, 0), 1), Some("own_token"));
    let device = DeviceId([0; 32]);
    let weak = IssuerInput::Connected { link: LinkId(2), device, exporter: exporter(2) };
    assert_eq!(closed(&room.tell(weak), 2), Some("bad_key"));
}

#[test]
fn invitations_links_and_memories_are_bounded() {
    // SPEC: PAIR-10, PAIR-16
    let mut room = Room::new();
    for number in 0..PAIRING_INVITATIONS_MAX {
        room.invite(terms(number as u8)).unwrap();
    }
    assert_eq!(room.invite(terms(99)), Err(PairingCode::Busy));
    assert_eq!(room.invite(terms(1)), Err(PairingCode::Used));
    room.tell(IssuerInput::Cancel { invitation: invitation() });
    assert_eq!(room.invite(terms(1)), Err(PairingCode::Used), "a secret is not used again");
    room.invite(terms(99)).unwrap();

    // Silent links make room, the oldest first; who has named an invitation stays.
    let mut room = Room::open().0;
    room.dial(1, 1);
    room.say(1, &hello(1));
    for link in 2..=PAIRING_LINKS_MAX as u64 {
        assert_eq!(room.dial(link, 2), []);
    }
    let outputs = room.dial(100, 3);
    assert_eq!(closed(&outputs, 2), Some("busy"));
    room.say(100, &hello(1));
    for link in 3..=PAIRING_LINKS_MAX as u64 {
        room.say(link, &hello(1));
    }
    assert_eq!(closed(&room.dial(101, 3), 101), Some("busy"));
    assert!(room.say(1, &proof(1, 1)).iter().any(|o| matches!(o, IssuerOutput::Send { .. })));

    let many = (0..=PAIRING_NAMES_MAX).map(|n| n.to_string()).collect();
    assert_eq!(room.invite(Terms { names_taken: many, ..terms(3) }), Err(PairingCode::Busy));
    let long = "x".repeat(65);
    assert_eq!(room.invite(Terms { inviter: long, ..terms(3) }), Err(PairingCode::BadName));

    // So are those that are over: the first of many is forgotten.
    let mut room = Room::open().0;
    for number in 1..=PAIRING_OVER_MAX as u8 + 1 {
        if number > 1 {
            room.invite(terms(number)).unwrap();
        }
        room.tell(IssuerInput::Cancel { invitation: secret(number).invitation() });
    }
    room.dial(1, 1);
    assert_eq!(closed(&room.say(1, &hello(1)), 1), Some("invitation_unknown"));
    room.dial(2, 1);
    assert_eq!(closed(&room.say(2, &hello(2)), 2), Some("cancelled"));
}

#[test]
fn digits_that_nothing_waits_for_burn_nothing() {
    // SPEC: PAIR-8, PAIR-12
    let code: CheckCode = "00".parse().unwrap();
    for stage in [Stage::Connected, Stage::Offered, Stage::Proven, Stage::Granting] {
        let (mut room, token) = Room::open();
        room.bring(1, &token, stage);
        for id in [invitation(), secret(7).invitation()] {
            let outputs = room.tell(IssuerInput::Code { invitation: id, code });
            assert_eq!(outputs, [IssuerOutput::NotWaiting { invitation: id }]);
        }
        assert_eq!(room.ends(), []);
    }
    for text in ["", "7", "123", "a1", "+1", "-1", "１２", "1 "] {
        assert!(text.parse::<CheckCode>().is_err(), "{text} is no guess");
    }
    assert_eq!(" 07 ".parse::<CheckCode>().unwrap().to_string(), "07");
}

#[test]
fn a_name_is_one_that_people_can_tell_from_others() {
    // SPEC: PAIR-18
    for name in ["phone", "Anna's phone", "телефон", &"x".repeat(64)] {
        assert!(is_name(name), "{name}");
    }
    for name in ["", " phone", "a/b", "a\nb", "a\u{1b}[2J", "a\u{202e}b", &"x".repeat(65)] {
        assert!(!is_name(name), "{name:?}");
    }
}

#[test]
fn a_second_ready_does_not_change_what_the_person_was_asked() {
    // SPEC: PAIR-9
    let (mut room, token) = Room::open();
    room.bring(1, &token, Stage::Asking);
    assert_eq!(closed(&room.say(1, &ready(1)), 1), Some("out_of_order"));
    assert_eq!(room.ends(), [Err(PairingCode::OutOfOrder)]);
}
