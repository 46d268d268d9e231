//! What is bytes and needs no event: each is refused, or is the one encoding of what was read.

use aes_gcm_siv::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use kernelos_protocol::artifact::{self, ArtifactKey, Chunk, Manifest};
use kernelos_protocol::cbor::{Reader, Writer, decode, encode};
use kernelos_protocol::content::{Content, encode_branch, encode_changes, encode_undo};
use kernelos_protocol::epoch::EpochKey;
use kernelos_protocol::event::{Class, Header};
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::limits::{
    ARTIFACT_BYTES_MAX, BODY_INFLATED_MAX, CHUNK_BYTES_MAX, EPOCH_OLDER_MAX,
};
use kernelos_protocol::pairing::Token;
use kernelos_protocol::pairing::messages::Message as PairingMessage;
use kernelos_protocol::seal::{open, pack, seal, seal_shreddable};
use kernelos_protocol::sync::hint::Hint;
use kernelos_protocol::sync::hints::{Heard, Hints};
use kernelos_protocol::sync::introduce::{Answer, IntroduceCode};
use kernelos_protocol::sync::{Card, Receipt};
use kernelos_protocol::time::{Stamp, Time};

/// A length, and what is before and behind it in the rest.
fn split(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<2>()?;
    Some(rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len())))
}

/// Items in the order that the first bytes say: whatever they are, a reader ends, and what it gave
/// it had.
pub(super) fn cbor(input: &[u8]) {
    let Some((calls, data)) = split(input) else { return };
    let (mut reader, mut writer) = (Reader::new(data), Writer::default());
    for call in calls {
        let max = usize::from(call >> 3) * 9;
        let fits = match call & 7 {
            0 => reader.array(max).map(|len| assert!(len <= max)),
            1 => reader.array_of(max % 9),
            2 => reader.uint().map(|value| _ = writer.uint(value)),
            3 => reader.bytes(max).map(|bytes| assert!(bytes.len() <= max.min(data.len()))),
            4 => reader.text(max).map(|text| assert!(text.len() <= max.min(data.len()))),
            5 => reader.fixed::<32>().map(|bytes| _ = writer.bytes(&bytes)),
            6 => reader.is_null().map(drop),
            _ => reader.skip(),
        };
        if fits.is_err() {
            return;
        }
    }
    assert!(writer.finish().len() <= 9 * calls.len() + data.len() + 1);
}

pub(super) fn content(input: &[u8]) {
    let again = match Content::decode(input) {
        Ok(Content::Change(changes)) => encode_changes(changes),
        Ok(Content::Undo(event, changes)) => encode_undo(event, changes),
        Ok(Content::Branch(origin, changes)) => encode_branch(origin, changes),
        Ok(Content::Record(record)) => encode(&record),
        Ok(Content::Artifact(manifest)) => encode(&*manifest),
        Ok(Content::Purge(purge)) => encode(&purge),
        Ok(Content::Unknown(_)) | Err(_) => return,
    };
    assert_eq!(again, input);
}

pub(super) fn answer(input: &[u8]) {
    match Answer::decode(input) {
        // A code of a newer program is read, and written as one that says so.
        Ok(Answer::Refused(IntroduceCode::Other)) | Err(_) => {}
        Ok(answer) => assert_eq!(answer.encode(), input),
    }
}

pub(super) fn receipt(input: &[u8]) {
    if let Ok(receipt) = Receipt::decode(input) {
        assert_eq!(encode(&receipt), input);
    }
}

/// What a neighbour delivers, read and judged: it never becomes anything but that hint, once.
pub(super) fn hint(input: &[u8]) {
    let Ok(hint) = Hint::read_unproven(input) else { return };
    assert_eq!(encode(&hint), input);
    let (device, own) = (hint.device(), DeviceId([0; 32]));
    let mut hints = Hints::new(hint.workspace(), own);
    let now = Time { monotonic_ms: 0, wall_us: 0 };
    let members = [device, own].into_iter().collect();
    let is_good = hint.is_signed() && device != own;
    let is_heard = |heard| matches!(heard, Heard::Presence(heard) if *heard == hint);
    assert_eq!(is_heard(hints.hear(now, &members, &own, input)), is_good);
    assert!(!is_heard(hints.hear(now, &members, &own, input)), "it is said again");
}

pub(super) fn card(input: &[u8]) {
    if let Ok(card) = Card::decode(input) {
        assert_eq!(encode(&card), input);
    }
}

pub(super) fn pairing(input: &[u8]) {
    if let Ok(message) = PairingMessage::decode(input) {
        assert_eq!(message.encode(), input);
    }
}

/// As people hand it over, and as its bytes with a checksum that fits.
pub(super) fn token(input: &[u8]) {
    if let Some(Ok(token)) = std::str::from_utf8(input).ok().map(Token::from_text) {
        assert_eq!(Token::from_text(&token.to_text()), Ok(token));
    }
    let sum = hash::hash(context::PAIRING_CHECKSUM, &[input]);
    let whole = [input, &sum[..4]].concat();
    if let Ok(token) = Token::from_bytes(&whole) {
        assert_eq!(token.to_bytes(), whole);
        assert_eq!(Token::from_text(&token.to_text()), Ok(token));
    }
}

/// A manifest, and the one chunk that somebody hands over for it.
pub(super) fn artifact(input: &[u8]) {
    let Some((manifest, chunk)) = split(input) else { return };
    let chunk = Chunk::new(chunk.to_vec());
    if let (Ok(manifest), Ok(chunk)) = (decode::<Manifest>(manifest), &chunk) {
        assert!(manifest.size() <= ARTIFACT_BYTES_MAX);
        let sealed: usize = manifest.chunks().map(|(_, len)| len).sum();
        assert_eq!(sealed, manifest.size() + 16 * manifest.chunks().len());
        if let Ok(plain) = artifact::open(&manifest, std::slice::from_ref(chunk)) {
            assert_eq!(artifact::plain_hash(&plain), manifest.plain());
        }
    }
    if let Ok(chunk) = chunk {
        assert!(chunk.bytes().len() <= CHUNK_BYTES_MAX);
    }
    let (made, chunks) = artifact::seal("a", ArtifactKey([3; 32]), input).unwrap();
    assert_eq!(artifact::open(&made, &chunks).as_deref(), Ok(input));
}

fn header() -> Header {
    Header {
        workspace: WorkspaceId([1; 32]),
        lane: Lane::Content,
        author: DeviceId([2; 32]),
        incarnation: Incarnation([3; 8]),
        seq: 0,
        prev: None,
        parents: Vec::new(),
        heard: vec![EventId([5; 32])],
        stamp: Stamp(6),
        class: Class::Sealed,
        epoch: Some(EventId([7; 32])),
        body: None,
    }
}

/// An inside that a hostile member sealed as it is; and the same bytes packed as ours are.
pub(super) fn sealed(input: &[u8]) {
    let (key, header) = (EpochKey::from_bytes([1; 32]), header());
    let parts: [&[u8]; 4] = [&header.author.0, &header.incarnation.0, &[0; 8], &[0; 32]];
    let nonce: [u8; 12] = hash::hash(context::BODY_NONCE, &parts)[..12].try_into().unwrap();
    let mut body = input.to_vec();
    let cipher = Aes256GcmSiv::new(&key.body_key().into());
    let associated = header.associated_data();
    cipher.encrypt_in_place(&Nonce::from(nonce), &associated, &mut body).unwrap();
    match (input.split_first(), open(&key, &header, &body)) {
        (Some((0, raw)), opened) => assert_eq!(opened.as_deref(), Ok(raw)),
        (Some((1, _)), Ok(inside)) => assert!(inside.len() <= BODY_INFLATED_MAX),
        (_, opened) => assert!(opened.is_err()),
    }
    if let Ok(packed) = pack(input) {
        assert_eq!(open(&key, &header, &seal(&key, &header, packed)).as_deref(), Ok(input));
    }
    let shreddable = Header { class: Class::Shreddable, ..header };
    assert!(open(&key, &shreddable, input).is_err(), "nobody sealed it");
    if let Some(Ok(stored)) =
        pack(input).ok().map(|packed| seal_shreddable(&key, &shreddable, packed, &[8; 32]))
    {
        assert_eq!(open(&key, &shreddable, &stored).as_deref(), Ok(input));
    }
}

/// The older keys that an epoch carries, sealed as they are by who holds its key.
pub(super) fn older(input: &[u8]) {
    let key = EpochKey::from_bytes([4; 32]);
    assert!(key.open_older(input).is_empty(), "nobody sealed it");
    let under = hash::hash(context::EPOCH_OLDER_KEY, &[&[4; 32]]);
    let mut sealed = input.to_vec();
    let cipher = Aes256GcmSiv::new(&under.into());
    cipher.encrypt_in_place(&Nonce::default(), b"", &mut sealed).unwrap();
    let keys = key.open_older(&sealed);
    assert!(keys.len() <= EPOCH_OLDER_MAX);
    if !keys.is_empty() {
        assert!(key.open_older(&key.seal_older(&keys)) == keys);
    }
}
