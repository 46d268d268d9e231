//! Files of a device's secret, by any bytes: as they are, and sealed as they say.

use aes_gcm_siv::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::key::DeviceKey;
use zeroize::Zeroizing;

use super::sealed::{KeyFile, Protection, SealedBy};

const HEADER: usize = 97;
const FILE: usize = HEADER + 32 + 16;

fn key_of(byte: u8) -> SealedBy {
    SealedBy::KeyFile(Zeroizing::new(vec![byte; 32]))
}

pub(crate) fn key_file(input: &[u8]) {
    match KeyFile::read(input) {
        Ok(KeyFile::Clear(secret)) => assert_eq!(&secret[..], input),
        Ok(KeyFile::Sealed(sealed)) => {
            assert_eq!(input.len(), FILE);
            assert!(sealed.open(&key_of(7)).is_err(), "nobody sealed it");
            opens_cheaply(input);
        }
        Err(_) => assert_ne!(input.len(), 32),
    }
    seals(input);
}

/// The cost of a passphrase is the file's word: what it says is bounded, and no number of it fails.
fn opens_cheaply(input: &[u8]) {
    let number = |at: usize| u32::from_be_bytes(input[at..at + 4].try_into().unwrap());
    let Ok(KeyFile::Sealed(sealed)) = KeyFile::read(input) else { return };
    assert!(number(9) <= 1 << 20 && number(13) <= 16 && number(17) <= 16);
    if number(9) <= 64 && number(13) <= 2 && sealed.protection == Protection::Passphrase {
        let by = SealedBy::Passphrase(Zeroizing::new(b"correct horse".to_vec()));
        assert!(sealed.open(&by).is_err(), "nobody sealed it");
    }
}

/// The same bytes as header and secret, sealed under the right key.
fn seals(input: &[u8]) {
    let Some((begin, secret)) = input.split_at_checked(HEADER - 21) else { return };
    let mut file = [&b"KERNKEY\x01\x01"[..], &[0; 12], begin].concat();
    let salt: [u8; 32] = file[53..85].try_into().unwrap();
    let nonce: [u8; 12] = file[85..HEADER].try_into().unwrap();
    let mut inside = secret.to_vec();
    let key = hash::hash(context::KEY_FILE, &[&salt, &[7; 32]]);
    let cipher = Aes256GcmSiv::new(&key.into());
    cipher.encrypt_in_place(&Nonce::from(nonce), &file, &mut inside).unwrap();
    file.extend(inside);
    let opened = match KeyFile::read(&file) {
        Ok(KeyFile::Sealed(sealed)) => sealed.open(&key_of(7)).ok(),
        Ok(KeyFile::Clear(_)) => panic!("it is longer than a clear one"),
        Err(_) => None,
    };
    let is_of = <[u8; 32]>::try_from(secret)
        .is_ok_and(|secret| DeviceKey::from_secret(&secret).device().0[..] == file[21..53]);
    assert_eq!(opened.is_some(), is_of, "a secret opens for the device that the file names");
}
