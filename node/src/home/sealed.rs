//! The device's secret as its file holds it: clear, or sealed under a key that is not on this disk.
//!
//! A clear file is the secret's 32 bytes and nothing else, and a sealed one is longer, so neither
//! is ever taken for the other. Everything before the sealed bytes is authenticated with them.

use std::fmt;

use aes_gcm_siv::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
pub use kernelos_protocol::api::Protection;
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::key::DeviceKey;
use zeroize::Zeroizing;

use super::random;

/// The secret from which everything of a device follows; overwritten when it is dropped.
pub type DeviceSecret = Zeroizing<[u8; 32]>;

/// Bytes of a clear file.
pub(super) const CLEAR_BYTES: usize = 32;
/// Bytes of a sealed file.
pub(super) const SEALED_BYTES: usize = HEADER_BYTES + 32 + 16;
/// What a sealed file begins with; the last byte is its version.
const MAGIC: [u8; 8] = *b"KERNKEY\x01";
/// What a secret can be sealed under; more are a newer program's.
const KINDS: std::ops::RangeInclusive<u8> = 1..=3;
const HEADER_BYTES: usize = 8 + 1 + 12 + 32 + 32 + 12;

/// What RFC 9106 section 4 recommends where memory is short: 64 MiB, three passes, four lanes.
const COST: [u32; 3] = [64 * 1024, 3, 4];
/// No file makes a device that opens it work harder than this: 1 GiB, 16 passes, 16 lanes.
const COST_MAX: [u32; 3] = [1024 * 1024, 16, 16];

/// Bytes of a key file: less is guessed, and nobody means more.
pub const KEY_FILE_BYTES: std::ops::RangeInclusive<usize> = 32..=4096;
/// Bytes of a passphrase.
pub const PASSPHRASE_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// What seals a device's secret and opens it again. It is not printed.
pub enum SealedBy {
    /// The bytes of a key file.
    KeyFile(Zeroizing<Vec<u8>>),
    /// A passphrase.
    Passphrase(Zeroizing<Vec<u8>>),
    /// A key that a keyring keeps.
    Keyring(Drawn),
}

/// A key drawn for one file alone, to be kept by a keyring under its name: the file's salt.
pub struct Drawn {
    /// What the keyring finds it by.
    pub name: [u8; 32],
    /// The key.
    pub key: DeviceSecret,
}

impl fmt::Debug for SealedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(..)", self.protection())
    }
}

impl SealedBy {
    /// How a secret is kept that this seals.
    #[must_use]
    pub fn protection(&self) -> Protection {
        match self {
            Self::KeyFile(_) => Protection::KeyFile,
            Self::Passphrase(_) => Protection::Passphrase,
            Self::Keyring(_) => Protection::Keyring,
        }
    }

    /// The salt of a new file.
    fn salt(&self) -> Result<[u8; 32], Fault> {
        match self {
            Self::Keyring(drawn) => Ok(drawn.name),
            Self::KeyFile(_) | Self::Passphrase(_) => random().map_err(|_| Fault::Random),
        }
    }

    /// The key of a file with this salt. `SPEC: REST-2`
    fn key(&self, cost: [u32; 3], salt: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let bytes = match self {
            Self::KeyFile(bytes) => {
                return Ok(Zeroizing::new(hash::hash(context::KEY_FILE, &[salt, bytes])));
            }
            Self::Keyring(drawn) => {
                return Ok(Zeroizing::new(hash::hash(context::KEY_FILE, &[salt, &drawn.key[..]])));
            }
            Self::Passphrase(bytes) => bytes,
        };
        let [memory, passes, lanes] = cost;
        let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| Fault::Malformed)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(bytes, salt, &mut *key)
            .map_err(|_| Fault::Malformed)?;
        Ok(key)
    }
}

/// Why a file gives no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Not a file that this program wrote.
    #[error("it is not a device key")]
    Malformed,
    /// Of a newer program.
    #[error("it was written by a newer kern: upgrade kern, nothing was changed")]
    Newer,
    /// Another key, or other bytes.
    #[error("it does not open")]
    Sealed,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// A file of a device's secret, taken apart.
pub(super) enum KeyFile {
    Clear(DeviceSecret),
    Sealed(Box<Sealed>),
}

/// A sealed one. `SPEC: REST-1`
pub(super) struct Sealed {
    pub(super) protection: Protection,
    pub(super) device: DeviceId,
    cost: [u32; 3],
    pub(super) salt: [u8; 32],
    nonce: [u8; 12],
    bytes: [u8; SEALED_BYTES],
}

impl KeyFile {
    /// Reads a file's bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        if let Ok(secret) = <[u8; CLEAR_BYTES]>::try_from(bytes) {
            return Ok(Self::Clear(Zeroizing::new(secret)));
        }
        let version = MAGIC.len() - 1;
        if bytes.starts_with(&MAGIC[..version]) && bytes.get(version) != MAGIC.last() {
            return Err(Fault::Newer);
        }
        let bytes: [u8; SEALED_BYTES] = bytes.try_into().map_err(|_| Fault::Malformed)?;
        if bytes.starts_with(&MAGIC) && !KINDS.contains(&bytes[MAGIC.len()]) {
            return Err(Fault::Newer);
        }
        Sealed::read(bytes).map(|sealed| Self::Sealed(Box::new(sealed))).ok_or(Fault::Malformed)
    }
}

impl Sealed {
    fn read(bytes: [u8; SEALED_BYTES]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (kind, rest) = rest.split_first()?;
        let (cost, rest) = rest.split_first_chunk::<12>()?;
        let (device, rest) = rest.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (nonce, _) = rest.split_first_chunk()?;
        let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| cost[at * 4 + i]));
        let cost: [u32; 3] = std::array::from_fn(number);
        let protection = match kind {
            1 => Protection::KeyFile,
            2 => Protection::Passphrase,
            3 => Protection::Keyring,
            _ => return None,
        };
        let bounded = cost.iter().zip(COST_MAX).all(|(cost, max)| *cost <= max);
        let device = DeviceId(*device);
        bounded.then_some(Self { protection, device, cost, salt: *salt, nonce: *nonce, bytes })
    }

    /// The secret, if this is what sealed it. `SPEC: REST-1, REST-2`
    pub(super) fn open(&self, by: &SealedBy) -> Result<DeviceSecret, Fault> {
        let key = by.key(self.cost, &self.salt)?;
        let (header, sealed) = self.bytes.split_at(HEADER_BYTES);
        let mut secret = Zeroizing::new(sealed.to_vec());
        Aes256GcmSiv::new(&(*key).into())
            .decrypt_in_place(&Nonce::from(self.nonce), header, &mut *secret)
            .map_err(|_| Fault::Sealed)?;
        let secret: [u8; 32] = secret.as_slice().try_into().map_err(|_| Fault::Malformed)?;
        let secret = Zeroizing::new(secret);
        let is_of = DeviceKey::from_secret(&secret).device() == self.device;
        if is_of { Ok(secret) } else { Err(Fault::Malformed) }
    }
}

/// The file of `secret`, sealed. `SPEC: REST-1, REST-2`
pub(super) fn seal(secret: &DeviceSecret, by: &SealedBy) -> Result<Vec<u8>, Fault> {
    let salt = by.salt()?;
    let drawn: [u8; 32] = random().map_err(|_| Fault::Random)?;
    let nonce: [u8; 12] = std::array::from_fn(|at| drawn[at]);
    let (kind, cost) = match by {
        SealedBy::KeyFile(_) => (1, [0; 3]),
        SealedBy::Passphrase(_) => (2, COST),
        SealedBy::Keyring(_) => (3, [0; 3]),
    };
    let key = by.key(cost, &salt)?;
    let mut file = MAGIC.to_vec();
    file.push(kind);
    file.extend(cost.iter().flat_map(|number| number.to_be_bytes()));
    file.extend(DeviceKey::from_secret(secret).device().0);
    file.extend(salt);
    file.extend(nonce);
    let mut sealed = Zeroizing::new(Vec::with_capacity(48));
    sealed.extend_from_slice(&secret[..]);
    Aes256GcmSiv::new(&(*key).into())
        .encrypt_in_place(&Nonce::from(nonce), &file, &mut *sealed)
        .map_err(|_| Fault::Malformed)?;
    file.extend_from_slice(&sealed);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> DeviceSecret {
        Zeroizing::new([0x5a; 32])
    }

    fn key_file(byte: u8) -> SealedBy {
        SealedBy::KeyFile(Zeroizing::new(vec![byte; 32]))
    }

    fn passphrase(text: &str) -> SealedBy {
        SealedBy::Passphrase(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn opened(file: &[u8], by: &SealedBy) -> Result<DeviceSecret, Fault> {
        match KeyFile::read(file)? {
            KeyFile::Clear(_) => panic!("it is sealed"),
            KeyFile::Sealed(sealed) => sealed.open(by),
        }
    }

    #[test]
    fn what_sealed_a_secret_opens_it_and_nothing_else_does() {
        // SPEC: REST-1, REST-2
        let file = seal(&secret(), &key_file(7)).unwrap();
        assert_eq!(file.len(), SEALED_BYTES);
        assert_eq!(opened(&file, &key_file(7)), Ok(secret()));
        assert_eq!(opened(&file, &key_file(8)), Err(Fault::Sealed));
        assert_ne!(file, seal(&secret(), &key_file(7)).unwrap(), "salt and nonce are new");
        let file = seal(&secret(), &passphrase("correct horse")).unwrap();
        assert_eq!(opened(&file, &passphrase("correct horse")), Ok(secret()));
        assert_eq!(opened(&file, &passphrase("correct horsf")), Err(Fault::Sealed));
        assert_eq!(opened(&file, &key_file(7)), Err(Fault::Sealed));
    }

    #[test]
    fn a_file_under_a_keyrings_key_names_it_by_its_salt() {
        // SPEC: REST-2, REST-5
        let drawn = |byte| Drawn { name: [1; 32], key: Zeroizing::new([byte; 32]) };
        let file = seal(&secret(), &SealedBy::Keyring(drawn(7))).unwrap();
        let Ok(KeyFile::Sealed(sealed)) = KeyFile::read(&file) else { panic!("it is sealed") };
        assert_eq!((sealed.protection, sealed.salt), (Protection::Keyring, [1; 32]));
        assert_eq!(opened(&file, &SealedBy::Keyring(drawn(7))), Ok(secret()));
        assert_eq!(opened(&file, &SealedBy::Keyring(drawn(8))), Err(Fault::Sealed));
        // The kind is authenticated: the same key as a key file opens nothing.
        let mut other = file;
        other[8] = 1;
        assert_eq!(opened(&other, &key_file(7)), Err(Fault::Sealed));
    }

    #[test]
    fn no_bit_of_a_sealed_file_can_be_changed() {
        // SPEC: REST-1
        let file = seal(&secret(), &key_file(7)).unwrap();
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let told = opened(&changed, &key_file(7));
            assert!(told.is_err(), "bit {bit} means nothing");
        }
        for len in (0..file.len()).filter(|len| *len != CLEAR_BYTES) {
            assert!(KeyFile::read(&file[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_file_that_costs_too_much_is_refused_before_it_costs_anything() {
        // SPEC: REST-2
        let file = seal(&secret(), &passphrase("correct horse")).unwrap();
        for at in [9, 13, 17] {
            let mut costly = file.clone();
            costly[at] = 0xff;
            assert!(matches!(KeyFile::read(&costly), Err(Fault::Malformed)), "byte {at}");
        }
    }

    #[test]
    fn a_file_of_a_newer_program_is_told_as_that() {
        // SPEC: REST-1
        assert!(matches!(KeyFile::read(b"KERNKEY\x02and more"), Err(Fault::Newer)));
        assert!(matches!(KeyFile::read(b"short"), Err(Fault::Malformed)));
        let mut file = seal(&secret(), &key_file(7)).unwrap();
        file[8] = 4;
        assert!(matches!(KeyFile::read(&file), Err(Fault::Newer)));
    }

    #[test]
    fn a_passphrase_costs_what_rfc_9106_recommends() {
        // SPEC: REST-2
        let file = seal(&secret(), &passphrase("correct horse")).unwrap();
        assert_eq!(file[8..21], [2, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4]);
        let salt: [u8; 32] = file[53..85].try_into().unwrap();
        let made = passphrase("correct horse").key(COST, &salt).unwrap();
        let params = Params::new(65_536, 3, 4, Some(32)).unwrap();
        let mut again = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(b"correct horse", &salt, &mut again)
            .unwrap();
        assert_eq!(*made, again);
    }
}
