//! Valid inputs put wrong in thousands of ways, the same at every run: nothing panics, and whatever
//! is still read is written as the very same bytes.

use kernelos_protocol::cbor::encode;
use kernelos_protocol::command::{Command, TimelineAt, TimelineQuery};
use kernelos_protocol::content::{Content, encode_branch, encode_changes, encode_undo};
use kernelos_protocol::control::ControlBody;
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::event::Signed;
use kernelos_protocol::hash;
use kernelos_protocol::id::{DeviceId, EventId, WorkspaceId};
use kernelos_protocol::pairing::messages::{Message as PairingMessage, Ready, Welcome};
use kernelos_protocol::pairing::token::workspace_prefix;
use kernelos_protocol::pairing::{Intent, Secret, Token};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::introduce::{self, Answer, IntroduceCode};
use kernelos_protocol::sync::{Card, Message, Receipt};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::samples::{card, events, insides, key, messages, receipt, revoke};
use crate::mission::mission;

/// How many inputs each test puts wrong.
const MUTATIONS: usize = 20_000;

/// First bytes of CBOR items with their greatest and smallest lengths, and what begins none.
const HEADS: [&[u8]; 12] = [
    &[0x00],
    &[0x17],
    &[0x18, 0x01],
    &[0x19, 0x00, 0x01],
    &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0],
    &[0x5f],
    &[0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0],
    &[0x9f],
    &[0xf6],
    &[0xff],
];

struct Mutator(ChaCha20Rng);

impl Mutator {
    fn new(seed: u8) -> Self {
        Self(ChaCha20Rng::from_seed([seed; 32]))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    /// One of the samples, put wrong in one to three places.
    fn next(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = samples[self.below(samples.len())].clone();
        for _ in 0..=self.below(3) {
            let other = &samples[self.below(samples.len())];
            self.change(&mut bytes, other);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        // Heads of items are near the beginning more often than not.
        let near = self.below(bytes.len() + 1).min(64);
        let at = if self.below(2) == 0 { near } else { self.below(bytes.len() + 1) };
        let len = self.below(40).min(bytes.len() - at);
        match self.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 => bytes.truncate(at),
            2 => {
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            3 => {
                let head = HEADS[self.below(HEADS.len())];
                bytes.splice(at..(at + head.len()).min(bytes.len()), head.iter().copied());
            }
            4 => {
                let head = HEADS[self.below(HEADS.len())];
                bytes.splice(at..at, head.iter().copied());
            }
            5 => {
                bytes.drain(at..at + len);
            }
            _ => {
                let twice = bytes[at..at + len].to_vec();
                bytes.splice(at..at, twice);
            }
        }
    }
}

/// Reads bytes, and writes what it read.
type Again<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

/// Puts the samples wrong; gives how many were read all the same.
fn attack(seed: u8, times: usize, samples: &[Vec<u8>], again: Again<'_>) -> usize {
    for sample in samples {
        assert_eq!(again(sample).as_ref(), Some(sample), "a sample is read as it was written");
    }
    let mut mutator = Mutator::new(seed);
    let mut read = 0;
    for number in 0..times {
        let bytes = mutator.next(samples);
        if let Some(written) = again(&bytes) {
            assert_eq!(written, bytes, "seed {seed}, input {number}");
            read += 1;
        }
    }
    read
}

#[test]
fn frames_put_wrong_are_refused_or_in_their_one_encoding() {
    // SPEC: SYNC-1, EVT-2
    let samples: Vec<_> = messages().iter().map(Message::encode).collect();
    let workspace = events()[0].workspace();
    let again =
        |bytes: &[u8]| Message::decode(bytes, &workspace).ok().map(|message| message.encode());
    let read = attack(1, MUTATIONS, &samples, &again);
    assert!(read > 100, "some are still messages: {read}");
}

#[test]
fn events_put_wrong_are_refused() {
    // SPEC: EVT-2, EVT-5
    let samples: Vec<_> = events().iter().map(|event| event.encode()).collect();
    let decoded = |bytes: &[u8]| Signed::decode(bytes).ok().map(|event| event.encode());
    attack(2, MUTATIONS, &samples, &decoded);
    let verified = |bytes: &[u8]| {
        let event = Signed::decode(bytes).and_then(Signed::verify).ok()?;
        Some(event.encode())
    };
    attack(3, MUTATIONS, &samples, &verified);
}

#[test]
fn bodies_put_wrong_are_refused_or_in_their_one_encoding() {
    // SPEC: EVT-2, CNT-1, CNT-5, CNT-6, CNT-7, CNT-8, CNT-9, CNT-10, CNT-13, CTL-1
    let again = |bytes: &[u8]| match Content::decode(bytes).ok()? {
        Content::Change(changes) => Some(encode_changes(changes)),
        Content::Undo(event, changes) => Some(encode_undo(event, changes)),
        Content::Branch(origin, changes) => Some(encode_branch(origin, changes)),
        Content::Record(record) => Some(encode(&record)),
        Content::Artifact(manifest) => Some(encode(&*manifest)),
        Content::Purge(purge) => Some(encode(&purge)),
        // Of a kind that is not known nothing is read.
        Content::Unknown(_) => None,
    };
    assert!(attack(4, MUTATIONS, &insides(), &again) > 100);
    let all = events();
    let header = all[1].header();
    let bodies = all.iter().filter(|event| event.header() != all[0].header());
    let bodies = bodies.filter_map(|event| Some(event.control()?.encode()));
    let samples: Vec<_> = bodies.chain([revoke("lost").encode()]).collect();
    let again = |bytes: &[u8]| ControlBody::decode(header, bytes).ok().map(|body| body.encode());
    assert!(attack(5, MUTATIONS, &samples, &again) > 100);
}

#[test]
fn what_is_signed_beside_events_is_refused_when_put_wrong() {
    // SPEC: SYNC-7, RCPT-1
    let read = |bytes: &[u8]| Card::decode(bytes).ok().map(|card| encode(&card));
    attack(6, MUTATIONS, &[encode(&card())], &read);
    let read = |bytes: &[u8]| Receipt::decode(bytes).ok().map(|receipt| encode(&receipt));
    attack(7, MUTATIONS, &[encode(&receipt(&events()))], &read);
}

#[test]
fn introductions_put_wrong_are_refused() {
    // SPEC: INTRO-1, INTRO-3, INTRO-6
    let all = events();
    let grant = all.iter().position(|event| matches!(event.control(), Some(ControlBody::Grant(_))));
    let past: Vec<_> = all[..=grant.unwrap()]
        .iter()
        .filter(|event| event.header().lane == kernelos_protocol::id::Lane::Control)
        .cloned()
        .collect();
    let (workspace, device) = (all[0].workspace(), key(2).device());
    let frame = introduce::encode(&[1; 32], &past).unwrap();
    let again = |bytes: &[u8]| {
        let events = introduce::read(bytes, &workspace, &device).ok()?;
        introduce::encode(&introduce::named(bytes).ok()?, &events)
    };
    attack(8, MUTATIONS / 4, &[frame], &again);
    let written: Vec<_> = all
        .iter()
        .filter(|event| event.header().lane == kernelos_protocol::id::Lane::Content)
        .cloned()
        .collect();
    let author = written[0].header().author;
    let of_one = |event: &&kernelos_protocol::event::Verified| event.header().author == author;
    let tail: Vec<_> = written.iter().filter(of_one).cloned().collect();
    let again = |bytes: &[u8]| {
        let events = introduce::read_tail(bytes, &workspace, &author).ok()?;
        Some(introduce::encode_tail(&events).0)
    };
    attack(17, MUTATIONS / 4, &[introduce::encode_tail(&tail).0], &again);
    let answers =
        [IntroduceCode::Busy, IntroduceCode::Decode].map(|code| Answer::Refused(code).encode());
    let known = [Answer::Accepted, Answer::Revoked, Answer::Taken(300)];
    let answers = [known.map(|answer| answer.encode()).to_vec(), answers.to_vec()];
    let again = |bytes: &[u8]| match Answer::decode(bytes).ok()? {
        // A code of a newer program is read, and written as one that says so.
        Answer::Refused(IntroduceCode::Other) => Some(bytes.to_vec()),
        answer => Some(answer.encode()),
    };
    attack(9, MUTATIONS, &answers.concat(), &again);
}

#[test]
fn what_pairing_reads_is_refused_or_in_its_one_encoding_when_put_wrong() {
    // SPEC: PAIR-1, PAIR-2, PAIR-6
    let welcome = Welcome {
        workspace_name: "home".to_owned(),
        inviter: "laptop".to_owned(),
        role: Role::Member,
    };
    let sealing = key(2).sealing_statement();
    let messages = [
        PairingMessage::Hello { version: 1, invitation: Secret([1; 16]).invitation() },
        PairingMessage::Offer { workspace: kernelos_protocol::id::WorkspaceId([2; 32]) },
        PairingMessage::NewcomerProof([3; 32]),
        PairingMessage::IssuerProof { proof: [4; 32], welcome },
        PairingMessage::Ready(Ready { sealing, device_name: "phone".to_owned() }),
        PairingMessage::Granted { grant: EventId([5; 32]) },
        PairingMessage::Refused("bad_proof".to_owned()),
    ];
    let samples: Vec<_> = messages.iter().map(PairingMessage::encode).collect();
    let again = |bytes: &[u8]| PairingMessage::decode(bytes).ok().map(|message| message.encode());
    assert!(attack(10, MUTATIONS, &samples, &again) > 100);

    let token = |addresses: &[&str]| Token {
        intent: Intent::Invite,
        endpoint: key(1).device(),
        secret: Secret([7; 16]),
        workspace_prefix: workspace_prefix(&kernelos_protocol::id::WorkspaceId([2; 32])),
        expires: 1_700_000_300,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let tokens = [token(&[]), token(&["192.0.2.7:1", "[2001:db8::1]:2"])];
    let texts: Vec<_> = tokens.iter().map(|token| token.to_text().into_bytes()).collect();
    let again = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        let token = Token::from_text(text).ok()?;
        // People may write it in several ways; what they mean is one.
        assert_eq!(Token::from_text(&token.to_text()), Ok(token));
        Some(bytes.to_vec())
    };
    attack(11, MUTATIONS, &texts, &again);
    // With a checksum that fits, as somebody makes it who means harm.
    let inside = |token: &Token| {
        let bytes = token.to_bytes();
        bytes[..bytes.len() - 4].to_vec()
    };
    let sealed = |inside: &[u8]| {
        let sum = hash::hash(hash::context::PAIRING_CHECKSUM, &[inside]);
        [inside, &sum[..4]].concat()
    };
    let again = |bytes: &[u8]| {
        let token = Token::from_bytes(&sealed(bytes)).ok()?;
        assert_eq!(token.to_bytes(), sealed(bytes));
        Some(bytes.to_vec())
    };
    assert!(attack(12, MUTATIONS, &tokens.each_ref().map(inside), &again) > 100);
}

#[test]
fn requests_put_wrong_are_refused_or_mean_what_is_written_of_them() {
    let device = key(2).device();
    let path: DocPath = "notes/a/0".parse().unwrap();
    let value = serde_json::json!({"a": [1, -2, 3.5, "\u{202e}", null, {"b": true}]});
    let edits = vec![
        Edit::Set { set: path.clone(), value },
        Edit::Keep { resolve: kernelos_protocol::id::ConflictId([1; 16]), keep: "A".to_owned() },
    ];
    let statement = key(2).sealing_statement();
    let commands = [
        Command::Status,
        Command::Read { path },
        Command::Edit { edits },
        Command::Log { from: 3, limit: 70 },
        Command::Timeline(TimelineQuery {
            at: TimelineAt::Around(9),
            limit: 70,
            folded: true,
            lanes: vec![None, Some(3)],
        }),
        Command::Grant {
            device,
            sealing_key: statement.key,
            sealing_signature: kernelos_protocol::id::Signature(statement.signature),
            role: Role::Runner,
            name: "phone".to_owned(),
            rule: "a rule".to_owned(),
            uses: None,
        },
        Command::SetAgent { name: "fixer".to_owned(), commands: vec!["./one".to_owned()] },
        Command::StartMission(Box::new(mission())),
        Command::Mission { id: EventId([8; 32]) },
        Command::Revoke { device, reason: "lost".to_owned() },
    ];
    let samples: Vec<_> =
        commands.iter().map(|command| serde_json::to_vec(command).unwrap()).collect();
    let again = |bytes: &[u8]| {
        let command: Command = serde_json::from_slice(bytes).ok()?;
        let written = serde_json::to_vec(&command).unwrap();
        assert_eq!(serde_json::from_slice::<Command>(&written).unwrap(), command);
        Some(bytes.to_vec())
    };
    attack(13, MUTATIONS, &samples, &again);
    let names: Vec<_> = ["notes/a/0", "tasks/x"].map(|text| text.as_bytes().to_vec()).to_vec();
    let again = |bytes: &[u8]| {
        let path: DocPath = std::str::from_utf8(bytes).ok()?.parse().ok()?;
        Some(path.to_string().into_bytes())
    };
    attack(14, MUTATIONS, &names, &again);
    let again = |bytes: &[u8]| {
        let id: DeviceId = std::str::from_utf8(bytes).ok()?.parse().ok()?;
        Some(id.to_string().into_bytes())
    };
    attack(15, MUTATIONS, &[device.to_string().into_bytes()], &again);
}

#[test]
fn noise_of_any_length_is_nothing() {
    // SPEC: SYNC-1, EVT-3
    let mut rng = ChaCha20Rng::from_seed([16; 32]);
    for number in 0..2_000_u64 {
        let len = (rng.next_u64() % (1 << (number % 17))) as usize;
        let mut noise = vec![0; len];
        rng.fill_bytes(&mut noise);
        assert!(
            Message::decode(&noise, &WorkspaceId::UNBORN).is_err() || noise.len() < 5,
            "{noise:02x?}"
        );
        assert!(Signed::decode(&noise).is_err());
        assert!(!matches!(Content::decode(&noise), Ok(Content::Change(_) | Content::Record(_))));
        assert!(Card::decode(&noise).is_err() && Receipt::decode(&noise).is_err());
        assert!(Token::from_bytes(&noise).is_err());
        assert!(introduce::named(&noise).is_err());
        let (workspace, device) = (WorkspaceId([1; 32]), key(2).device());
        assert!(introduce::read_tail(&noise, &workspace, &device).is_err());
    }
}
