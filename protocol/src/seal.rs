//! Sealed bodies: what is inside, and how it is bound to its header.
//!
//! Inside is a flag byte and CBOR, deflated when that is smaller (SPEC: SEAL-1). Outside is
//! AES-256-GCM-SIV (RFC 8452): if a cloned disk seals two texts under one nonce, it reveals at
//! most that they are equal. The nonce is derived and never sent (SPEC: SEAL-2). A shreddable body
//! has a key of its own, made of a salt that stands beside it: without that not even the epoch's
//! key opens it (SPEC: SEAL-4).

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};

use crate::epoch::EpochKey;
use crate::event::{Class, Header, SALT_BYTES, Verified};
use crate::hash::{self, context};
use crate::limits::{BODY_BYTES_MAX, BODY_INFLATED_MAX, DEFLATE_BYTES_MIN};

/// The flag of a body as it is.
const RAW: u8 = 0;
/// The flag of a deflated body (RFC 1951).
const DEFLATED: u8 = 1;
/// The level at which the author deflates. Receivers never do, so it is not part of the format.
const DEFLATE_LEVEL: u8 = 6;
/// Bytes that the AEAD adds.
const TAG_BYTES: usize = 16;

/// Why a body whose key is held does not open: its event is void for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    /// Not sealed under this key for this header.
    #[error("the body does not open under its epoch's key")]
    Sealed,
    /// An unknown flag, a broken stream, or bytes behind it.
    #[error("the body's inside is broken")]
    Broken,
    /// More than a body may inflate to.
    #[error("the body inflates to more than {BODY_INFLATED_MAX} bytes")]
    TooLarge,
}

impl OpenFault {
    /// The reason code that logs and tests name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Sealed => "body_sealed",
            Self::Broken => "body_broken",
            Self::TooLarge => "body_too_large",
        }
    }
}

/// What cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the content is too large for one event ({0} bytes after packing, {BODY_BYTES_MAX} allowed)"
)]
pub struct TooLarge(pub usize);

/// The inside of a body, packed, and small enough for one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

/// Packs CBOR of kind and payload, deflated where that is smaller and may be. `SPEC: SEAL-1`
pub fn pack(inside: &[u8]) -> Result<Packed, TooLarge> {
    if inside.len() > BODY_INFLATED_MAX {
        return Err(TooLarge(inside.len()));
    }
    let deflated = (inside.len() >= DEFLATE_BYTES_MIN)
        .then(|| miniz_oxide::deflate::compress_to_vec(inside, DEFLATE_LEVEL));
    let (flag, packed) = match &deflated {
        Some(deflated) if deflated.len() < inside.len() => (DEFLATED, &deflated[..]),
        _ => (RAW, inside),
    };
    let mut body = Vec::with_capacity(1 + packed.len() + TAG_BYTES);
    body.push(flag);
    body.extend_from_slice(packed);
    if body.len() + TAG_BYTES > BODY_BYTES_MAX {
        return Err(TooLarge(body.len() + TAG_BYTES));
    }
    Ok(Packed(body))
}

/// Seals what was packed for an event with this header, whose body is the only field that may
/// still be missing. `SPEC: SEAL-2, SEAL-3`
#[must_use]
pub fn seal(key: &EpochKey, header: &Header, packed: Packed) -> Vec<u8> {
    let Packed(mut body) = packed;
    let cipher = Aes256GcmSiv::new(&key.body_key().into());
    // Fails only beyond 2^36 bytes, which packing excludes.
    cipher.encrypt_in_place(&nonce(header), &header.associated_data(), &mut body).ok();
    body
}

/// Seals what was packed as a shreddable body, under a salt that was never used before. Salt,
/// commitment to it, ciphertext: hash and length are of what follows the salt. `SPEC: SEAL-4`
pub fn seal_shreddable(
    key: &EpochKey,
    header: &Header,
    packed: Packed,
    salt: &[u8; 32],
) -> Result<Vec<u8>, TooLarge> {
    let Packed(mut body) = packed;
    let commitment = commitment(salt);
    let stored = commitment.len().saturating_add(body.len()).saturating_add(TAG_BYTES);
    if stored > BODY_BYTES_MAX {
        return Err(TooLarge(stored));
    }
    let cipher = Aes256GcmSiv::new(&key.salted_body_key(salt).into());
    // Fails only beyond 2^36 bytes, which packing excludes.
    cipher.encrypt_in_place(&nonce(header), &header.associated_data(), &mut body).ok();
    Ok([&salt[..], &commitment, &body].concat())
}

/// What a shreddable body begins with: else one ciphertext could open to two texts.
fn commitment(salt: &[u8]) -> [u8; 32] {
    hash::hash(context::SALT, &[salt])
}

/// The salt and the ciphertext of a shreddable body; none where it is too short for them.
fn salted(stored: &[u8]) -> Option<(&[u8; SALT_BYTES], &[u8; 32], &[u8])> {
    let (salt, rest) = stored.split_first_chunk()?;
    let (committed, sealed) = rest.split_first_chunk()?;
    Some((salt, committed, sealed))
}

/// Is the salt the one that this shreddable body commits to? A body that commits to nothing has no
/// other either, and opens for nobody. `SPEC: SEAL-4`
pub(crate) fn is_salt_of(stored: &[u8]) -> bool {
    salted(stored).is_none_or(|(salt, committed, _)| commitment(salt) == *committed)
}

/// Opens the body of an event with this header. `SPEC: SEAL-1, SEAL-2, SEAL-3, SEAL-4`
pub fn open(key: &EpochKey, header: &Header, body: &[u8]) -> Result<Vec<u8>, OpenFault> {
    open_bound(key, header, &header.associated_data(), body)
}

/// Opens the body of this event; none where it has none here.
pub(crate) fn open_event(key: &EpochKey, event: &Verified) -> Option<Result<Vec<u8>, OpenFault>> {
    let body = event.body()?;
    Some(open_bound(key, event.header(), &event.associated_data(), body))
}

/// The same, where what it is bound to is at hand.
fn open_bound(
    key: &EpochKey,
    header: &Header,
    bound: &[u8],
    body: &[u8],
) -> Result<Vec<u8>, OpenFault> {
    let (key, sealed) = if header.class == Class::Shreddable {
        let (salt, committed, sealed) = salted(body).ok_or(OpenFault::Sealed)?;
        if commitment(salt) != *committed {
            return Err(OpenFault::Sealed);
        }
        (key.salted_body_key(salt), sealed)
    } else {
        (key.body_key(), body)
    };
    let mut inside = sealed.to_vec();
    let cipher = Aes256GcmSiv::new(&key.into());
    cipher.decrypt_in_place(&nonce(header), bound, &mut inside).map_err(|_| OpenFault::Sealed)?;
    match inside.split_first() {
        Some((&RAW, _)) => {
            inside.drain(..1);
            Ok(inside)
        }
        Some((&DEFLATED, deflated)) => inflate(deflated),
        _ => Err(OpenFault::Broken),
    }
}

/// Inflates exactly all of `deflated`, to at most a body's limit.
fn inflate(deflated: &[u8]) -> Result<Vec<u8>, OpenFault> {
    use miniz_oxide::inflate::TINFLStatus;
    use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

    // One byte more than allowed, so that "exactly full" and "more" are told apart.
    let guess = deflated.len().saturating_mul(4).clamp(256, BODY_INFLATED_MAX + 1);
    let mut out = vec![0; guess];
    loop {
        let mut state = Box::<DecompressorOxide>::default();
        let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(&mut state, deflated, &mut out, 0, flags);
        match status {
            TINFLStatus::Done if written > BODY_INFLATED_MAX => return Err(OpenFault::TooLarge),
            TINFLStatus::Done if read == deflated.len() => {
                out.truncate(written);
                return Ok(out);
            }
            TINFLStatus::HasMoreOutput if out.len() > BODY_INFLATED_MAX => {
                return Err(OpenFault::TooLarge);
            }
            TINFLStatus::HasMoreOutput => {
                let larger = out.len().saturating_mul(4).min(BODY_INFLATED_MAX + 1);
                out.resize(larger, 0);
            }
            _ => return Err(OpenFault::Broken),
        }
    }
}

/// Seals what only this device reads again: the nonce, which must be random, stands before it.
#[must_use]
pub fn seal_local(key: &[u8; 32], of: &[u8; 32], nonce: [u8; 12], mut inside: Vec<u8>) -> Vec<u8> {
    let cipher = Aes256GcmSiv::new(key.into());
    // Fails only beyond 2^36 bytes.
    cipher.encrypt_in_place(&Nonce::from(nonce), of, &mut inside).ok();
    [&nonce[..], &inside].concat()
}

/// Opens what [`seal_local`] made; none where it did not make this.
#[must_use]
pub fn open_local(key: &[u8; 32], of: &[u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<12>()?;
    let mut inside = sealed.to_vec();
    let cipher = Aes256GcmSiv::new(key.into());
    cipher.decrypt_in_place(&Nonce::from(*nonce), of, &mut inside).ok()?;
    Some(inside)
}

/// The nonce of an event's body. `SPEC: SEAL-2`
fn nonce(header: &Header) -> Nonce {
    let prev = header.prev.map_or([0; 32], |id| id.0);
    let seq = header.seq.to_be_bytes();
    let parts: [&[u8]; 4] = [&header.author.0, &header.incarnation.0, &seq, &prev];
    let full = hash::hash(context::BODY_NONCE, &parts);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&full[..12]);
    Nonce::from(nonce)
}
