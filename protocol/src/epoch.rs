//! Epochs: the keys that bodies are sealed under, and how they reach who may read.
//!
//! An epoch is named by the id of its control event, never by a number. Its event holds a
//! commitment to the key, so nobody can give two devices different keys, and carries the older
//! keys sealed under its own, so a newcomer needs one wrap (SPEC: KEY-3 to KEY-6).

mod ring;

pub use ring::{KeyRing, WriteEpoch};

use std::fmt;

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_chacha::ChaCha20Rng;

use crate::cbor::{CborFault, Reader, Writer};
use crate::control::{Epoch, WRAPPED_KEY_BYTES, Wrap, WrappedKey};
use crate::hash::{self, context};
use crate::id::{DeviceId, EventId, WorkspaceId};
use crate::key::{SealingKey, SealingSecret};
use crate::limits::EPOCH_OLDER_MAX;

/// The key of an epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochKey {
    bytes: [u8; 32],
    /// Made of it, once: every body needs it.
    body_key: [u8; 32],
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochKey(..)")
    }
}

impl EpochKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let body_key = hash::hash(context::EPOCH_BODY_KEY, &[&bytes]);
        Self { bytes, body_key }
    }

    /// What an epoch's event says of its key. `SPEC: KEY-3`
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        hash::hash(context::EPOCH_COMMITMENT, &[&self.bytes])
    }

    /// The subkey that seals bodies. `SPEC: SEAL-2`
    #[must_use]
    pub fn body_key(&self) -> [u8; 32] {
        self.body_key
    }

    /// The key that seals one shreddable body, made of this one and the body's salt. `SPEC: SEAL-4`
    #[must_use]
    pub fn salted_body_key(&self, salt: &[u8; 32]) -> [u8; 32] {
        hash::hash(context::SALTED_BODY_KEY, &[&self.bytes, salt])
    }

    /// Seals the older keys under this one. Its subkey seals nothing else, so the nonce is zero.
    /// `SPEC: KEY-4`
    #[must_use]
    pub fn seal_older(&self, older: &[(EventId, Self)]) -> Vec<u8> {
        if older.is_empty() {
            return Vec::new();
        }
        let mut writer = Writer::default();
        writer.array(older.len());
        for (epoch, key) in older {
            writer.array(2).bytes(&epoch.0).bytes(&key.bytes);
        }
        let mut sealed = writer.finish();
        let cipher = Aes256GcmSiv::new(&self.older_key().into());
        // Fails only beyond 2^36 bytes.
        cipher.encrypt_in_place(&Nonce::default(), b"", &mut sealed).ok();
        sealed
    }

    /// Opens the older keys that an epoch with this key carries; garbage is none.
    #[must_use]
    pub fn open_older(&self, sealed: &[u8]) -> Vec<(EventId, Self)> {
        let mut inside = sealed.to_vec();
        let cipher = Aes256GcmSiv::new(&self.older_key().into());
        if cipher.decrypt_in_place(&Nonce::default(), b"", &mut inside).is_err() {
            return Vec::new();
        }
        read_older(&inside).unwrap_or_default()
    }

    fn older_key(&self) -> [u8; 32] {
        hash::hash(context::EPOCH_OLDER_KEY, &[&self.bytes])
    }
}

fn read_older(inside: &[u8]) -> Result<Vec<(EventId, EpochKey)>, CborFault> {
    let mut reader = Reader::new(inside);
    let len = reader.array(EPOCH_OLDER_MAX)?;
    let mut older = Vec::with_capacity(len);
    for _ in 0..len {
        reader.array_of(2)?;
        older.push((EventId(reader.fixed()?), EpochKey::from_bytes(reader.fixed()?)));
    }
    reader.end()?;
    Ok(older)
}

/// The body of an epoch with this key that carries `older`.
#[must_use]
pub fn epoch_body(key: &EpochKey, older: &[(EventId, EpochKey)]) -> Epoch {
    Epoch { commitment: key.commitment(), older: key.seal_older(older) }
}

/// What an epoch's key is sealed for: workspace, epoch, recipient. `SPEC: KEY-5`
fn wrap_info(workspace: &WorkspaceId, epoch: &EventId, recipient: &DeviceId) -> Vec<u8> {
    [b"kernelos/1/wrap\0".as_slice(), &workspace.0, &epoch.0, &recipient.0].concat()
}

/// Seals an epoch's key to one recipient by HPKE (RFC 9180: base mode, X25519, HKDF-SHA256,
/// AES-256-GCM). None where the key is of low order. `SPEC: KEY-5`
pub fn wrap_key(
    workspace: &WorkspaceId,
    epoch: &EventId,
    key: &EpochKey,
    recipient: &DeviceId,
    to: &SealingKey,
    rng: &mut ChaCha20Rng,
) -> Option<WrappedKey> {
    if to.is_low_order() {
        return None;
    }
    let (encapsulated, sealed) =
        hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &to.for_hpke()?,
            &wrap_info(workspace, epoch, recipient),
            &key.bytes,
            b"",
            rng,
        )
        .ok()?;
    let sealed: [u8; WRAPPED_KEY_BYTES] = sealed.try_into().ok()?;
    Some(WrappedKey { recipient: *recipient, encapsulated: encapsulated.to_bytes().into(), sealed })
}

/// Opens the key that a wrap holds for `recipient`, if it does and the key is the one that the
/// epoch committed to. `SPEC: KEY-3, KEY-5`
#[must_use]
pub fn unwrap_key(
    workspace: &WorkspaceId,
    wrap: &Wrap,
    epoch: &Epoch,
    recipient: &DeviceId,
    secret: &SealingSecret,
) -> Option<EpochKey> {
    let wrapped = wrap.keys.iter().find(|key| key.recipient == *recipient)?;
    let encapsulated =
        <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&wrapped.encapsulated).ok()?;
    let key = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret.0,
        &encapsulated,
        &wrap_info(workspace, &wrap.epoch, recipient),
        &wrapped.sealed,
        b"",
    )
    .ok()?;
    let key = EpochKey::from_bytes(key.try_into().ok()?);
    (key.commitment() == epoch.commitment).then_some(key)
}
