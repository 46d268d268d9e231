//! Bodies and keys: what opens, what does not, and what an attacker's bodies cost.

use kernelos_protocol::cbor::decode;
use kernelos_protocol::control::{ControlBody, Wrap};
use kernelos_protocol::epoch::{EpochKey, epoch_body, unwrap_key, wrap_key};
use kernelos_protocol::event::{Class, Header};
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::{DeviceKey, SealingKey};
use kernelos_protocol::limits::{BODY_INFLATED_MAX, DEFLATE_BYTES_MIN};
use kernelos_protocol::seal::{OpenFault, open, pack, seal};
use kernelos_protocol::time::Stamp;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::kit::{recovery, secret};

fn header(seq: u64) -> Header {
    Header {
        workspace: WorkspaceId([1; 32]),
        lane: Lane::Content,
        author: DeviceId([2; 32]),
        incarnation: Incarnation([3; 8]),
        seq,
        prev: (seq > 0).then_some(EventId([4; 32])),
        parents: Vec::new(),
        heard: vec![EventId([5; 32])],
        stamp: Stamp(6),
        class: Class::Sealed,
        epoch: Some(EventId([7; 32])),
        body: None,
    }
}

fn key(byte: u8) -> EpochKey {
    EpochKey::from_bytes([byte; 32])
}

#[test]
fn a_body_opens_under_its_key_and_header_alone() {
    // SPEC: SEAL-1, SEAL-2, SEAL-3
    for inside in [Vec::new(), b"short".to_vec(), vec![7; 50_000]] {
        let body = seal(&key(1), &header(0), pack(&inside).unwrap());
        assert_eq!(open(&key(1), &header(0), &body), Ok(inside));
        assert_eq!(open(&key(2), &header(0), &body), Err(OpenFault::Sealed));
        assert_eq!(open(&key(1), &header(1), &body), Err(OpenFault::Sealed));
        let mut other = header(0);
        other.stamp = Stamp(7);
        assert_eq!(open(&key(1), &other, &body), Err(OpenFault::Sealed));
    }
}

#[test]
fn what_repeats_is_stored_small_and_noise_is_not_made_larger() {
    // SPEC: SEAL-1
    let repeats = seal(&key(1), &header(0), pack(&vec![7; 100_000]).unwrap());
    assert!(repeats.len() < 1_000);
    let noise: Vec<u8> = (0..1_000_u32).flat_map(blake).collect();
    assert_eq!(seal(&key(1), &header(0), pack(&noise).unwrap()).len(), noise.len() + 17);
}

fn blake(i: u32) -> [u8; 32] {
    kernelos_protocol::hash::hash_under("kernelos test noise", &[&i.to_be_bytes()])
}

#[test]
fn an_author_deflates_from_256_bytes_on_where_that_is_smaller() {
    // SPEC: SEAL-1
    let sealed = |inside: &[u8]| seal(&key(1), &header(0), pack(inside).unwrap()).len();
    assert_eq!(sealed(&[b'a'; DEFLATE_BYTES_MIN - 1]), DEFLATE_BYTES_MIN + 16);
    assert!(sealed(&[b'a'; DEFLATE_BYTES_MIN]) < 64);
    let noise: Vec<u8> = (0..32).flat_map(blake).collect();
    assert_eq!(sealed(&noise), noise.len() + 17);
    assert_eq!(DEFLATE_BYTES_MIN, 256);
}

#[test]
fn a_body_that_inflates_beyond_its_limit_is_refused() {
    let most = seal(&key(1), &header(0), pack(&vec![0; BODY_INFLATED_MAX]).unwrap());
    assert_eq!(open(&key(1), &header(0), &most).map(|inside| inside.len()), Ok(BODY_INFLATED_MAX));
    assert!(pack(&vec![0; BODY_INFLATED_MAX + 1]).is_err());
    // What an honest device does not write, a hostile one with the key does.
    assert_eq!(open_crafted(&bomb(BODY_INFLATED_MAX + 1)), Err(OpenFault::TooLarge));
    assert_eq!(open_crafted(&bomb(512 * BODY_INFLATED_MAX / 4)), Err(OpenFault::TooLarge));
}

#[test]
fn a_broken_inside_is_refused() {
    assert_eq!(open_crafted(&[]), Err(OpenFault::Broken));
    assert_eq!(open_crafted(&[2, 1, 2, 3]), Err(OpenFault::Broken));
    assert_eq!(open_crafted(&[1, 0xff, 0xff]), Err(OpenFault::Broken));
    let mut trailing = bomb(10);
    trailing.push(0);
    assert_eq!(open_crafted(&trailing), Err(OpenFault::Broken));
    let mut cut = bomb(10_000);
    cut.pop();
    assert_eq!(open_crafted(&cut), Err(OpenFault::Broken));
}

/// The inside of a body that inflates to `len` zero bytes.
fn bomb(len: usize) -> Vec<u8> {
    let mut inside = vec![1];
    inside.extend(miniz_oxide::deflate::compress_to_vec(&vec![0; len], 9));
    inside
}

/// Seals an inside as it is, as only a hostile device would.
fn open_crafted(inside: &[u8]) -> Result<Vec<u8>, OpenFault> {
    use aes_gcm_siv::aead::{AeadInOut as _, KeyInit as _};
    let header = header(0);
    let nonce = kernelos_protocol::hash::hash(
        kernelos_protocol::hash::context::BODY_NONCE,
        &[&header.author.0, &header.incarnation.0, &0_u64.to_be_bytes(), &[0; 32]],
    );
    let nonce: [u8; 12] = nonce[..12].try_into().unwrap();
    let mut body = inside.to_vec();
    aes_gcm_siv::Aes256GcmSiv::new(&key(1).body_key().into())
        .encrypt_in_place(&nonce.into(), &header.associated_data(), &mut body)
        .unwrap();
    open(&key(1), &header, &body)
}

#[test]
fn a_wrap_opens_for_its_recipient_workspace_and_epoch_alone() {
    // SPEC: KEY-3, KEY-5
    let device = DeviceKey::from_secret(&secret(1));
    let other = DeviceKey::from_secret(&secret(2));
    let (workspace, epoch) = (WorkspaceId([1; 32]), EventId([2; 32]));
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let to = device.sealing_statement().key;
    let wrapped = wrap_key(&workspace, &epoch, &key(1), &device.device(), &to, &mut rng).unwrap();
    let wrap = Wrap { epoch, keys: vec![wrapped] };
    let body = epoch_body(&key(1), &[]);
    let opened = |workspace, wrap: &Wrap, body, by: &DeviceKey| {
        unwrap_key(&workspace, wrap, body, &device.device(), by.sealing_secret())
    };
    assert_eq!(opened(workspace, &wrap, &body, &device), Some(key(1)));
    assert_eq!(opened(WorkspaceId([3; 32]), &wrap, &body, &device), None);
    assert_eq!(opened(workspace, &wrap, &body, &other), None);
    let moved = Wrap { epoch: EventId([4; 32]), ..wrap.clone() };
    assert_eq!(opened(workspace, &moved, &body, &device), None);
    let other_key = epoch_body(&key(2), &[]);
    assert_eq!(opened(workspace, &wrap, &other_key, &device), None, "not what was committed to");
}

#[test]
fn an_epoch_carries_older_keys_for_who_holds_its_own() {
    // SPEC: KEY-4
    let older = vec![(EventId([1; 32]), key(1)), (EventId([2; 32]), key(2))];
    let epoch = epoch_body(&key(3), &older);
    assert_eq!(key(3).open_older(&epoch.older), older);
    assert!(key(4).open_older(&epoch.older).is_empty());
    let body = ControlBody::Epoch(epoch);
    assert_eq!(decode::<ControlBody>(&body.encode()).unwrap(), body);
}

#[test]
fn nothing_is_sealed_to_a_key_of_low_order() {
    // SPEC: KEY-2
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let mut points = vec![[0; 32], [0; 32]];
    points[1][0] = 1;
    for first in [0xec, 0xed, 0xee] {
        let mut point = [0xff; 32];
        point[0] = first;
        points.push(point);
        point[31] = 0x7f;
        points.push(point);
    }
    for point in points {
        let to = SealingKey(point);
        assert!(to.is_low_order(), "{point:?}");
        let (workspace, epoch) = (WorkspaceId([1; 32]), EventId([2; 32]));
        let wrapped = wrap_key(&workspace, &epoch, &key(1), &DeviceId([1; 32]), &to, &mut rng);
        assert_eq!(wrapped, None);
    }
    assert!(!recovery().public().sealing.is_low_order());
}
