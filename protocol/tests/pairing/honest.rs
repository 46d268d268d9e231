//! What happens when everybody is honest.

use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::pairing::messages::Message;
use kernelos_protocol::pairing::{
    Issuer, IssuerInput, IssuerOutput, Newcomer, NewcomerInput, NewcomerOutput, PairingCode,
};
use kernelos_protocol::role::Role;

use super::kit::{
    GRANT, NOON, Room, Stage, WORKSPACE, applicant, exporter, invitation, key, terms,
};

#[test]
fn an_invitation_says_who_waits_by_it_until_the_digits_are_typed() {
    let (mut room, token) = Room::open();
    let asks = |room: &Room| -> Vec<_> {
        let rows = room.issuer.pending(room.now, WORKSPACE);
        assert!(room.issuer.pending(room.now, WorkspaceId([7; 32])).is_empty(), "another's");
        rows.into_iter().map(|row| row.asks).collect()
    };
    assert_eq!(asks(&room), [None]);
    let until = room.issuer.pending(room.now, WORKSPACE)[0].expires;
    assert!(until > room.now.wall_us / 1_000_000);
    let at = room.guest(1, &token);
    room.connect(at);
    room.settle();
    assert_eq!(asks(&room), [None], "who has not said that it wants to come in");
    room.tell_guest(at, NewcomerInput::Consent(true));
    room.settle();
    assert_eq!(asks(&room), [Some((key(1).device(), "phone 1".to_owned()))]);
    room.type_code(at);
    assert_eq!(asks(&room), [None], "nobody is asked again");
}

#[test]
fn a_newcomer_becomes_a_member_by_code_consent_and_two_digits() {
    // SPEC: PAIR-9, PAIR-13, PAIR-14, PAIR-15
    let (mut room, token) = Room::open();
    let at = room.guest(1, &token);
    room.connect(at);
    room.settle();
    assert!(room.guests[at].asked && room.guests[at].shown.is_none());
    room.tell_guest(at, NewcomerInput::Consent(true));
    room.settle();
    let device = key(1).device();
    assert!(matches!(
        room.outputs.last(),
        Some(IssuerOutput::AskCode { device_name, .. }) if device_name == "phone 1"
    ));
    let asked = room.type_code(at);
    assert_eq!(
        asked,
        [IssuerOutput::Grant {
            invitation: invitation(),
            workspace: WORKSPACE,
            device,
            sealing: key(1).sealing_statement(),
            role: Role::Member,
            device_name: "phone 1".to_owned(),
        }]
    );
    assert!(room.guests[at].down.is_empty(), "nothing is told before the grant is durable");
    room.granted();
    room.settle();
    assert_eq!(room.guests[at].end(), Some(Ok(GRANT)));
    assert_eq!(room.ends(), [Ok(device)]);
    assert_eq!(room.audits(), [(device, Ok(GRANT))]);
    assert_eq!(room.issuer.open().count(), 0);
    assert_eq!(room.issuer.next_deadline(), None);
}

#[test]
fn the_person_is_asked_with_all_that_it_joins() {
    // SPEC: PAIR-9, PAIR-14
    let (mut room, token) = Room::open();
    let at = room.guest(1, &token);
    room.connect(at);
    room.settle();
    let asked = NewcomerOutput::AskConsent {
        workspace: WORKSPACE,
        workspace_name: "home".to_owned(),
        issuer: key(0).device(),
        inviter: "laptop".to_owned(),
        role: Role::Member,
    };
    assert!(room.guests[at].outputs.contains(&asked));
}

#[test]
fn nobody_shows_more_than_it_must_before_the_other_has_proved_the_secret() {
    // SPEC: PAIR-9
    let (mut room, token) = Room::open();
    let at = room.guest(1, &token);
    room.connect(at);
    let mut said = Vec::new();
    while room.guests[at].shown.is_none() {
        if room.guests[at].asked {
            room.tell_guest(at, NewcomerInput::Consent(true));
        }
        for (side, queue) in [("newcomer", &room.guests[at].up), ("issuer", &room.guests[at].down)]
        {
            for wire in queue {
                said.push((side, wire.clone()));
            }
        }
        let _ = room.up(at) || room.down(at);
    }
    let said: Vec<_> = said
        .iter()
        .map(|(side, wire)| match wire {
            super::kit::Wire::Bytes(bytes) => (*side, Message::decode(bytes).unwrap()),
            super::kit::Wire::Gone => panic!("nobody leaves"),
        })
        .collect();
    let order: Vec<_> = said
        .iter()
        .map(|(side, message)| match message {
            Message::Hello { .. } => (*side, "hello"),
            Message::Offer { .. } => (*side, "offer"),
            Message::NewcomerProof(_) => (*side, "proof"),
            Message::IssuerProof { .. } => (*side, "proof and names"),
            Message::Ready(_) => (*side, "keys and name"),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("newcomer", "hello"),
        ("issuer", "offer"),
        ("newcomer", "proof"),
        ("issuer", "proof and names"),
        ("newcomer", "keys and name"),
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_newcomer_that_went_while_its_grant_was_written_is_a_member() {
    // SPEC: PAIR-13, PAIR-15
    let (mut room, token) = Room::open();
    let at = room.bring(1, &token, Stage::Granting);
    room.tell(IssuerInput::Lost { link: room.guests[at].link });
    room.tell_guest(at, NewcomerInput::Lost);
    assert_eq!(room.audits(), []);
    room.granted();
    assert_eq!(room.ends(), [Ok(key(1).device())]);
    assert_eq!(room.audits(), [(key(1).device(), Ok(GRANT))]);
    assert_eq!(room.guests[at].end(), Some(Err(PairingCode::Unconfirmed)));
}

#[test]
fn several_invitations_do_not_touch_each_other() {
    // SPEC: PAIR-10
    let (mut room, token) = Room::open();
    let other = room.invite(terms(2)).unwrap();
    let first = room.bring(1, &token, Stage::Asking);
    let second = room.bring(2, &other, Stage::Asking);
    let wrong = room.guests[second].shown.unwrap();
    let wrong = super::kit::other_than(wrong);
    room.tell(IssuerInput::Code { invitation: other.secret.invitation(), code: wrong });
    room.type_code(first);
    room.granted();
    room.settle();
    assert_eq!(room.guests[first].end(), Some(Ok(GRANT)));
    assert_eq!(room.guests[second].end(), Some(Err(PairingCode::WrongCode)));
}

#[test]
fn what_a_pairing_lived_through_can_be_played_again() {
    // SPEC: PAIR-9
    let inputs = [
        IssuerInput::Open(Box::new(terms(1))),
        IssuerInput::Connected {
            link: super::kit::LINK,
            device: key(1).device(),
            exporter: exporter(1),
        },
        IssuerInput::Received { link: super::kit::LINK, bytes: super::kit::hello(1).encode() },
        IssuerInput::Received { link: super::kit::LINK, bytes: super::kit::proof(1, 1).encode() },
        IssuerInput::Received { link: super::kit::LINK, bytes: super::kit::ready(1).encode() },
        IssuerInput::Code {
            invitation: invitation(),
            code: super::kit::channel(1, 1).check_code(&super::kit::secret(1)),
        },
        IssuerInput::Granted { invitation: invitation(), grant: GRANT },
    ];
    let play = |inputs: &[IssuerInput]| {
        let mut issuer = Issuer::new(key(0).device());
        inputs.iter().flat_map(|input| issuer.handle(NOON, input.clone())).collect::<Vec<_>>()
    };
    let recorded = serde_json::to_string(&inputs).unwrap();
    let again: Vec<IssuerInput> = serde_json::from_str(&recorded).unwrap();
    assert_eq!(again, inputs);
    let outputs = play(&inputs);
    assert!(matches!(outputs.last(), Some(IssuerOutput::Ended { result: Ok(_), .. })));
    assert_eq!(play(&again), outputs);
    let written = serde_json::to_string(&outputs).unwrap();
    assert_eq!(serde_json::from_str::<Vec<IssuerOutput>>(&written).unwrap(), outputs);
}

#[test]
fn the_newcomers_data_are_plain_too() {
    // SPEC: PAIR-9
    let (mut room, token) = Room::open();
    let at = room.bring(1, &token, Stage::Granting);
    room.granted();
    room.settle();
    let outputs = &room.guests[at].outputs;
    let written = serde_json::to_string(outputs).unwrap();
    assert_eq!(&serde_json::from_str::<Vec<NewcomerOutput>>(&written).unwrap(), outputs);
    let (_, dial) = Newcomer::start(NOON, token.clone(), applicant(2)).unwrap();
    let addresses = token.addresses;
    assert_eq!(dial, [NewcomerOutput::Dial { endpoint: key(0).device(), addresses }]);
}
