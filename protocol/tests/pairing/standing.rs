//! Join files: what they say, what stands at their issuer, and who comes in by one.

use std::collections::VecDeque;

use kernelos_protocol::id::{DeviceId, EventId, WorkspaceId};
use kernelos_protocol::limits::{STANDING_LIFETIME_MAX_S, STANDING_MAX, STANDING_USES_MAX};
use kernelos_protocol::pairing::messages::Message;
use kernelos_protocol::pairing::standing::{JoinFile, Standing, rule_of};
use kernelos_protocol::pairing::{
    IssuerInput, IssuerOutput, LinkId, Newcomer, NewcomerInput, PairingCode, Secret, Terms,
    TokenFault,
};
use kernelos_protocol::role::Role;

use super::kit::{
    GRANT, Guest, Room, WORKSPACE, applicant, closed, hello, key, proof, ready, secret, terms,
};

const DAY_S: u64 = 24 * 3_600;
const NOON_S: u64 = 1_700_000_000;

fn file() -> JoinFile {
    JoinFile {
        endpoint: key(0).device(),
        secret: secret(1),
        workspace: WORKSPACE,
        role: Role::Store,
        uses: 3,
        expires_s: NOON_S + DAY_S,
        addresses: terms(1).addresses,
    }
}

fn standing_terms() -> Terms {
    let names_taken = Vec::new();
    Terms { role: Role::Store, lifetime_ms: Some(DAY_S * 1_000), names_taken, ..terms(1) }
}

/// A room in which an invitation stands.
fn room() -> Room {
    let mut room = Room::new();
    assert_eq!(room.tell(IssuerInput::Stand(Box::new(standing_terms()))), []);
    room
}

#[test]
fn so_many_stand_to_each_workspace_and_one_more_is_refused() {
    // SPEC: PAIR-22
    let mut room = Room::new();
    let mut stand = |workspace: u8, number: u8| {
        let secret = Secret(std::array::from_fn(|at| if at == 0 { workspace } else { number }));
        let workspace = WorkspaceId([workspace; 32]);
        let terms = Terms { secret, workspace, ..standing_terms() };
        room.tell(IssuerInput::Stand(Box::new(terms)))
    };
    for workspace in 1..=3 {
        for number in 0..STANDING_MAX as u8 {
            assert_eq!(stand(workspace, number), [], "{workspace}: {number}");
        }
        let refused = stand(workspace, STANDING_MAX as u8);
        let is_busy = |output: &IssuerOutput| {
            matches!(output, IssuerOutput::NotOpened { code: PairingCode::Busy, .. })
        };
        assert!(refused.iter().any(is_busy), "{refused:?}");
    }
}

/// One that comes by a file; it is not connected yet.
fn comes(room: &mut Room, number: u8, file: JoinFile) -> usize {
    let (machine, _) = Newcomer::start_by_file(room.now, file, applicant(number)).unwrap();
    let link = LinkId(room.guests.len() as u64 + 1);
    let (up, down) = (VecDeque::new(), VecDeque::new());
    let device = key(number).device();
    let (asked, shown, outputs) = (false, None, Vec::new());
    room.guests.push(Guest { device, link, machine, up, down, asked, shown, outputs });
    room.guests.len() - 1
}

/// The same, as far as it comes without a grant.
fn comes_in(room: &mut Room, number: u8, file: JoinFile) -> usize {
    let at = comes(room, number, file);
    room.connect(at);
    room.settle();
    if room.guests[at].asked {
        room.tell_guest(at, NewcomerInput::Consent(true));
        room.settle();
    }
    at
}

fn admissions(room: &Room) -> Vec<(LinkId, DeviceId, Role)> {
    let admit = |output: &IssuerOutput| match output {
        IssuerOutput::Admit { link, device, role, .. } => Some((*link, *device, *role)),
        _ => None,
    };
    room.outputs.iter().filter_map(admit).collect()
}

fn admit(room: &mut Room, at: usize, left: u32) {
    let link = room.guests[at].link;
    room.tell(IssuerInput::Admitted { link, grant: GRANT, left });
    room.settle();
}

fn refuse(room: &mut Room, at: usize, code: PairingCode) {
    let link = room.guests[at].link;
    room.tell(IssuerInput::NotAdmitted { link, code });
    room.settle();
}

#[test]
fn a_file_has_one_text_and_every_other_is_told_why_not() {
    // SPEC: PAIR-20
    let text = file().to_text();
    assert_eq!(JoinFile::from_text(&text), Ok(file()));
    let line = text.lines().last().unwrap();
    assert_eq!(JoinFile::from_text(line), Ok(file()), "what people should know is not needed");
    let changed = |from: &str, to: &str| line.replacen(from, to, 1);
    for (text, fault) in [
        (String::new(), TokenFault::Foreign),
        ("# nothing\n".to_owned(), TokenFault::Foreign),
        ("KOS1:ABC".to_owned(), TokenFault::Foreign),
        (changed("KOSJ1", "KOSJ2"), TokenFault::Version),
        (changed("EAWTM", "EAWTN"), TokenFault::Checksum),
        (changed("KOSJ1:", "KOSJ1:AA"), TokenFault::Malformed),
        (format!("{line}!"), TokenFault::Malformed),
        ("KOSJ1:".to_owned(), TokenFault::Malformed),
        ("#".repeat(5_000), TokenFault::Foreign),
    ] {
        assert_eq!(JoinFile::from_text(&text), Err(fault), "{text}");
    }
    for at in 6..line.len() {
        let other = if &line[at..=at] == "A" { "B" } else { "A" };
        let text = format!("{}{other}{}", &line[..at], &line[at + 1..]);
        assert!(JoinFile::from_text(&text).is_err(), "character {at}");
    }
}

#[test]
fn a_file_is_for_a_role_that_grants_nothing_for_few_and_for_a_time() {
    // SPEC: PAIR-20, PAIR-21
    for role in [Role::Admin, Role::Owner] {
        let text = JoinFile { role, ..file() }.to_text();
        assert_eq!(JoinFile::from_text(&text), Err(TokenFault::Malformed));
        assert_eq!(Standing::new([1; 16], WORKSPACE, (role, 1), NOON_S, DAY_S), None);
        let stand = IssuerInput::Stand(Box::new(Terms { role, ..standing_terms() }));
        let told = Room::new().tell(stand);
        assert!(matches!(told[..], [IssuerOutput::NotOpened { .. }]), "{told:?}");
    }
    for (uses, lifetime_s) in
        [(0, DAY_S), (STANDING_USES_MAX + 1, DAY_S), (1, 0), (1, STANDING_LIFETIME_MAX_S + 1)]
    {
        let made = Standing::new([1; 16], WORKSPACE, (Role::Member, uses), NOON_S, lifetime_s);
        assert_eq!(made, None, "{uses} uses, {lifetime_s} s");
    }
}

#[test]
fn other_terms_have_another_secret() {
    // SPEC: PAIR-22
    let standing = Standing::new([1; 16], WORKSPACE, (Role::Store, 3), NOON_S, DAY_S).unwrap();
    let secret = standing.secret(&[7; 32]);
    assert_eq!(secret, standing.clone().secret(&[7; 32]));
    assert_ne!(secret, standing.secret(&[8; 32]), "another device");
    for (what, other) in [
        ("nonce", Standing { nonce: [2; 16], ..standing.clone() }),
        ("workspace", Standing { workspace: WorkspaceId([9; 32]), ..standing.clone() }),
        ("role", Standing { role: Role::Member, ..standing.clone() }),
        ("uses", Standing { uses: 4, ..standing.clone() }),
        ("expiry", Standing { expires_s: standing.expires_s + 1, ..standing.clone() }),
    ] {
        assert_ne!(other.secret(&[7; 32]), secret, "{what}");
    }
    let written = serde_json::to_string(&standing).unwrap();
    assert_eq!(serde_json::from_str::<Standing>(&written).unwrap(), standing);
}

#[test]
fn a_clock_can_only_shorten_the_life_of_a_standing_invitation() {
    // SPEC: PAIR-23
    let made = Standing::new([1; 16], WORKSPACE, (Role::Store, 1), NOON_S, DAY_S).unwrap();
    assert_eq!(made.left_ms(), DAY_S * 1_000);
    for (what, told, left_s) in [
        ("an hour", &[(NOON_S + 3_600, 3_600)][..], DAY_S - 3_600),
        ("set back while it runs", &[(NOON_S - DAY_S, 3_600)], DAY_S - 3_600),
        ("set back while it is off", &[(NOON_S + 7_200, 7_200), (0, 0)], DAY_S - 7_200),
        ("set forward", &[(NOON_S + DAY_S - 60, 1)], 60),
        ("set forward and back", &[(NOON_S + DAY_S - 60, 1), (NOON_S, 1)], 59),
        ("its time", &[(NOON_S + DAY_S, DAY_S)], 0),
        ("far ahead, and put right", &[(u64::MAX, 1), (NOON_S, 1)], 0),
    ] {
        let mut standing = made.clone();
        for (now_s, passed_s) in told {
            standing.saw(*now_s, *passed_s);
        }
        assert_eq!(standing.left_ms(), left_s * 1_000, "{what}");
        assert_eq!(standing.over, (left_s == 0).then_some(PairingCode::Expired), "{what}");
    }
}

#[test]
fn a_machine_comes_in_by_a_file_without_digits_as_soon_as_its_grant_is_durable() {
    // SPEC: PAIR-9, PAIR-21, PAIR-24, PAIR-25
    let mut room = room();
    let at = comes_in(&mut room, 1, file());
    let (link, device) = (room.guests[at].link, key(1).device());
    assert_eq!(room.guests[at].shown, None);
    assert_eq!(admissions(&room), [(link, device, Role::Store)]);
    assert_eq!((room.guests[at].end(), room.audits()), (None, vec![]));
    admit(&mut room, at, 2);
    assert_eq!(room.guests[at].end(), Some(Ok(GRANT)));
    let told = format!("{:?}", room.guests[at].outputs);
    assert!(told.contains("left: Some(2)"), "{told}");
    assert_eq!(room.audits(), [(device, Ok(GRANT))]);
    assert_eq!(room.ends(), [], "it stands for others");

    let second = comes_in(&mut room, 2, file());
    refuse(&mut room, second, PairingCode::NameUsed);
    assert_eq!(room.guests[second].end(), Some(Err(PairingCode::NameUsed)));
    let third = comes_in(&mut room, 2, file());
    admit(&mut room, third, 1);
    assert_eq!(room.guests[third].end(), Some(Ok(GRANT)));
    assert!(!room.issuer.is_busy());
}

#[test]
fn several_come_at_once_and_each_hears_its_own_end() {
    // SPEC: PAIR-21, PAIR-24
    let mut room = room();
    let [first, second] = [1, 2].map(|number| comes_in(&mut room, number, file()));
    assert_eq!(admissions(&room).len(), 2);
    refuse(&mut room, second, PairingCode::Used);
    admit(&mut room, first, 0);
    assert_eq!(room.guests[first].end(), Some(Ok(GRANT)));
    assert_eq!(room.guests[second].end(), Some(Err(PairingCode::Used)));
}

#[test]
fn who_brings_another_file_does_not_come_in() {
    // SPEC: PAIR-14, PAIR-21
    let other = JoinFile { secret: secret(2), ..file() };
    let foreign = JoinFile { workspace: WorkspaceId([9; 32]), ..file() };
    for (what, file, code) in [
        ("of an invitation that never was", other, PairingCode::Unknown),
        ("to another workspace", foreign, PairingCode::ForeignWorkspace),
    ] {
        let mut room = room();
        let at = comes_in(&mut room, 1, file);
        assert_eq!(room.guests[at].end(), Some(Err(code)), "{what}");
        assert_eq!(admissions(&room), [], "{what}");
    }
    let mut room = room();
    let at = comes(&mut room, 1, JoinFile { endpoint: key(5).device(), ..file() });
    room.connect(at);
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::WrongEndpoint)), "of another issuer");
    let own = Newcomer::start_by_file(room.now, file(), applicant(0)).err();
    assert_eq!(own, Some(PairingCode::OwnToken));
}

#[test]
fn bad_proofs_end_their_links_and_not_the_invitation() {
    // SPEC: PAIR-21
    let mut room = room();
    for link in 1..=8 {
        room.dial(link, 1);
        room.say(link, &hello(1));
        // The right bytes of another link.
        assert_eq!(closed(&room.say(link, &proof(link + 1, 1)), link), Some("bad_proof"));
    }
    let at = comes_in(&mut room, 2, file());
    admit(&mut room, at, 2);
    assert_eq!(room.guests[at].end(), Some(Ok(GRANT)));
}

#[test]
fn each_step_of_a_machine_takes_one_message_and_ten_seconds_at_most() {
    // SPEC: PAIR-9, PAIR-16, PAIR-18
    let mut room = room();
    room.dial(1, 1);
    room.say(1, &hello(1));
    room.say(1, &proof(1, 1));
    room.pass(10_000);
    assert_eq!(closed(&room.tell(IssuerInput::Tick), 1), Some("timeout"));
    room.dial(2, 1);
    room.say(2, &hello(1));
    room.say(2, &proof(2, 1));
    assert_eq!(closed(&room.say(2, &hello(1)), 2), Some("out_of_order"));
    room.dial(3, 1);
    room.say(3, &hello(1));
    room.say(3, &proof(3, 1));
    assert_eq!(closed(&room.say(3, &ready(2)), 3), Some("bad_key"));
    // Once the grant is being written, what it says does not end it, and it is recorded.
    room.dial(4, 1);
    room.say(4, &hello(1));
    room.say(4, &proof(4, 1));
    room.say(4, &ready(1));
    assert_eq!(closed(&room.say(4, &ready(1)), 4), Some("out_of_order"));
    room.tell(IssuerInput::Lost { link: LinkId(4) });
    room.pass(20_000);
    let grant = EventId([3; 32]);
    let told = room.tell(IssuerInput::Admitted { link: LinkId(4), grant, left: 0 });
    assert!(matches!(told[..], [IssuerOutput::Audit { result: Ok(_), .. }]), "{told:?}");
    let again = room.tell(IssuerInput::Admitted { link: LinkId(4), grant, left: 0 });
    assert_eq!(again, [], "it ends once");
    assert_eq!(room.audits().len(), 4);
}

#[test]
fn who_comes_late_hears_whether_it_expired_or_was_revoked_also_after_a_restart() {
    // SPEC: PAIR-12, PAIR-23
    let mut room = room();
    room.pass(DAY_S * 1_000 - 5_000);
    let waits = comes(&mut room, 1, file());
    room.connect(waits);
    room.up(waits);
    room.pass(5_000);
    room.tell(IssuerInput::Tick);
    room.settle();
    assert_eq!(room.guests[waits].end(), Some(Err(PairingCode::Expired)));
    assert_eq!(room.ends(), [Err(PairingCode::Expired)]);
    let late = comes_in(&mut room, 2, file());
    assert_eq!(room.guests[late].end(), Some(Err(PairingCode::Expired)));

    let mut room = self::room();
    let entering = comes_in(&mut room, 1, file());
    let invitation = secret(1).invitation();
    room.tell(IssuerInput::Cancel { invitation });
    let late = comes_in(&mut room, 2, file());
    assert_eq!(room.guests[late].end(), Some(Err(PairingCode::Cancelled)));
    admit(&mut room, entering, 1);
    assert_eq!(room.guests[entering].end(), Some(Ok(GRANT)), "its grant was being written");

    let mut room = Room::new();
    room.issuer.remember(invitation, PairingCode::Cancelled);
    let late = comes_in(&mut room, 2, file());
    assert_eq!(room.guests[late].end(), Some(Err(PairingCode::Cancelled)));
    let again = room.tell(IssuerInput::Stand(Box::new(standing_terms())));
    assert!(matches!(again[..], [IssuerOutput::NotOpened { .. }]), "over is over");
}

#[test]
fn a_code_is_not_answered_as_a_file_nor_a_file_as_a_code() {
    // SPEC: PAIR-9, PAIR-25
    let (mut room, token) = Room::open();
    let at = room.bring(1, &token, super::kit::Stage::Asking);
    let bytes = Message::Admitted { grant: GRANT, left: 1 }.encode();
    room.tell_guest(at, NewcomerInput::Received { bytes });
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::OutOfOrder)));
    let mut room = self::room();
    let at = comes_in(&mut room, 1, file());
    let bytes = Message::Granted { grant: GRANT }.encode();
    room.tell_guest(at, NewcomerInput::Received { bytes });
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::OutOfOrder)));
}

#[test]
fn the_rule_of_a_grant_names_the_invitation() {
    // SPEC: PAIR-24
    assert_eq!(rule_of(&secret(1).invitation()), "join file 04d8f6acea2f69b7".to_owned());
}
