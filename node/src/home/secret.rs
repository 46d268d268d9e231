//! The one secret of a home: made, opened, sealed and unsealed. There is one file of it at every
//! moment, old or new, and each opens: a process that dies here changes nothing or everything.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::key::DeviceKey;
use zeroize::Zeroizing;

use super::sealed::{CLEAR_BYTES, Drawn, Fault, KeyFile, SEALED_BYTES, seal};
use super::{DeviceSecret, Home, OwnedHome, Protection, SealedBy, random};
use super::{replace_private, write_private};

/// The file's name.
pub(super) const FILE: &str = "device.key";

/// What a home's secret is known by without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// How it is kept.
    pub protection: Protection,
    /// Whose it is.
    pub device: DeviceId,
    /// What a keyring finds the key by, where one keeps it.
    pub entry: Option<[u8; 32]>,
}

impl Drawn {
    /// A new one. Fails where the system gives no random bytes.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { name: random()?, key: Zeroizing::new(random()?) })
    }
}

impl Home {
    /// Where the device's secret lies.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.path().join(FILE)
    }

    /// How the secret is kept; none where there is no secret yet.
    pub fn kept(&self) -> Result<Option<Kept>, Failure> {
        Ok(self.key_file()?.map(|file| match file {
            KeyFile::Clear(secret) => {
                let device = DeviceKey::from_secret(&secret).device();
                Kept { protection: Protection::Clear, device, entry: None }
            }
            KeyFile::Sealed(sealed) => {
                let entry = (sealed.protection == Protection::Keyring).then_some(sealed.salt);
                Kept { protection: sealed.protection, device: sealed.device, entry }
            }
        }))
    }

    fn key_file(&self) -> Result<Option<KeyFile>, Failure> {
        let path = self.key_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable(&path, &error)),
        };
        let metadata = fs::metadata(&path).map_err(|error| self.unusable(&path, &error))?;
        let mode = metadata.permissions().mode();
        if mode & 0o077 != 0 {
            let mode = mode & 0o777;
            let text = format!("{} can be read by others (mode {mode:o})", path.display());
            return Err(Failure::new(FailureKind::Failed, text)
                .with_hint(format!("chmod 600 {}", path.display())));
        }
        KeyFile::read(&bytes).map(Some).map_err(|fault| self.no_key(fault))
    }

    fn no_key(&self, fault: Fault) -> Failure {
        let path = self.key_path();
        let (text, hint) = match fault {
            Fault::Malformed => (
                format!("is not a device key of {CLEAR_BYTES} bytes, or {SEALED_BYTES} if sealed"),
                "restore it from a backup; without it this device is another one",
            ),
            Fault::Sealed => (
                "does not open: this is not what sealed it, or the file was changed".to_owned(),
                "give what `kern key protect` was given, or unlock that keyring; if the file was \
                 changed, restore it from a backup",
            ),
            fault => (format!("cannot be used: {fault}"), "nothing was changed"),
        };
        Failure::new(FailureKind::Failed, format!("{} {text}", path.display())).with_hint(hint)
    }
}

impl OwnedHome {
    /// Opens the secret, with what sealed it where that is so; a secret that is not there yet is
    /// made, and sealed by what is given. `SPEC: REST-3`
    pub fn unlock(&self, by: Option<&SealedBy>) -> Result<(), Failure> {
        let secret = match (self.home.key_file()?, by) {
            (None, by) => self.make_secret(by)?,
            (Some(KeyFile::Clear(secret)), None) => secret,
            (Some(KeyFile::Clear(_)), Some(_)) => {
                let text = "a key was given, and this device's secret is not sealed";
                return Err(Failure::new(FailureKind::Failed, text)
                    .with_hint("seal it first: kern key protect; or leave the key out"));
            }
            (Some(KeyFile::Sealed(sealed)), None) => return Err(locked(sealed.protection)),
            (Some(KeyFile::Sealed(sealed)), Some(by)) => {
                if sealed.protection != by.protection() {
                    return Err(locked(sealed.protection));
                }
                sealed.open(by).map_err(|fault| self.home.no_key(fault))?
            }
        };
        self.secret.set(secret).ok();
        Ok(())
    }

    /// This device's secret, made where there is none yet.
    pub fn device_secret(&self) -> Result<DeviceSecret, Failure> {
        if self.secret.get().is_none() {
            self.unlock(None)?;
        }
        let secret = self.secret.get().cloned();
        secret.ok_or_else(|| Failure::new(FailureKind::Failed, "the device's secret is not open"))
    }

    /// Seals the secret anew, or leaves it clear. The old file is gone when this returns.
    /// `SPEC: REST-4`
    pub fn reseal(&self, by: Option<&SealedBy>) -> Result<(), Failure> {
        let path = self.home.key_path();
        let secret = self.device_secret()?;
        let bytes = self.file_of(&secret, by)?;
        replace_private(&path, &bytes).map_err(|error| self.home.unusable(&path, &error))
    }

    fn file_of(
        &self,
        secret: &DeviceSecret,
        by: Option<&SealedBy>,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let sealed = by.map(|by| seal(secret, by)).transpose();
        let sealed = sealed.map_err(|fault| self.home.no_key(fault))?;
        Ok(Zeroizing::new(sealed.unwrap_or_else(|| secret.to_vec())))
    }

    fn make_secret(&self, by: Option<&SealedBy>) -> Result<DeviceSecret, Failure> {
        let path = self.home.key_path();
        if !self.stores()?.is_empty() {
            let text = format!("{} is gone, and there are workspaces of it", path.display());
            return Err(Failure::new(FailureKind::Failed, text)
                .with_hint("restore it from a backup; without it this device is another one"));
        }
        let secret = Zeroizing::new(random()?);
        let bytes = self.file_of(&secret, by)?;
        write_private(&path, &bytes).map_err(|error| self.home.unusable(&path, &error))?;
        Ok(secret)
    }
}

/// How every failure begins that says that a key is wanted, or another kind of key.
const SEALED: &str = "this device's secret is sealed under";

/// Does it fail for want of a key of the right kind?
#[must_use]
pub fn is_locked(failure: &Failure) -> bool {
    failure.message.starts_with(SEALED)
}

fn locked(protection: Protection) -> Failure {
    let (text, hint) = match protection {
        Protection::KeyFile => (
            "a key file",
            "name it: --key-file F, KERNELOS_KEY_FILE=F, or the credential kernelos-key of systemd",
        ),
        Protection::Keyring => (
            "a key in the keyring of a desktop session",
            "leave key file and passphrase out, and start it in that session",
        ),
        Protection::Clear | Protection::Passphrase => (
            "a passphrase",
            "give it: on a terminal when asked, or by --passphrase-file F (- is stdin)",
        ),
    };
    Failure::new(FailureKind::Failed, format!("{SEALED} {text}")).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_file(byte: u8) -> SealedBy {
        SealedBy::KeyFile(Zeroizing::new(vec![byte; 32]))
    }

    fn secret_of(home: &Home, by: Option<&SealedBy>) -> Result<DeviceSecret, Failure> {
        let owned = home.own()?;
        owned.unlock(by)?;
        owned.device_secret()
    }

    #[test]
    fn a_secret_is_sealed_and_unsealed_and_stays_the_same() {
        // SPEC: REST-3, REST-4
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().join("home"));
        assert_eq!(home.kept(), Ok(None));
        let secret = secret_of(&home, None).unwrap();
        let device = DeviceKey::from_secret(&secret).device();
        let is_kept = |protection| Ok(Some(Kept { protection, device, entry: None }));
        assert_eq!(home.kept(), is_kept(Protection::Clear));
        let told = secret_of(&home, Some(&key_file(1))).unwrap_err();
        assert!(told.message.contains("not sealed"), "{told:?}");

        home.own().unwrap().reseal(Some(&key_file(1))).unwrap();
        assert_eq!(home.kept(), is_kept(Protection::KeyFile));
        assert_eq!(secret_of(&home, Some(&key_file(1))), Ok(secret.clone()));
        let passphrase = SealedBy::Passphrase(Zeroizing::new(vec![1; 32]));
        for (by, words) in [
            (None, "sealed under a key file"),
            (Some(&passphrase), "sealed under a key file"),
            (Some(&key_file(2)), "does not open"),
        ] {
            let told = secret_of(&home, by).unwrap_err();
            assert!(told.message.contains(words), "{told:?}");
            assert!(told.hint.is_some());
        }
        let owned = home.own().unwrap();
        owned.unlock(Some(&key_file(1))).unwrap();
        owned.reseal(None).unwrap();
        drop(owned);
        assert_eq!(secret_of(&home, None), Ok(secret));
    }

    #[test]
    fn what_a_keyring_keeps_is_drawn_anew_each_time() {
        // SPEC: REST-5
        let (one, other) = (Drawn::new().unwrap(), Drawn::new().unwrap());
        assert!(one.name != other.name && one.key != other.key && one.name != *one.key);
    }

    #[test]
    fn a_new_secret_is_sealed_from_the_beginning() {
        // SPEC: REST-3
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let secret = secret_of(&home, Some(&key_file(1))).unwrap();
        assert_eq!(home.kept().unwrap().unwrap().protection, Protection::KeyFile);
        assert_eq!(secret_of(&home, Some(&key_file(1))), Ok(secret));
    }

    #[test]
    fn a_process_that_dies_while_it_seals_leaves_one_file_that_opens() {
        // SPEC: REST-4
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let secret = secret_of(&home, None).unwrap();
        let new = seal(&secret, &key_file(1)).unwrap();
        let unfinished = folder.path().join(".new-device.key");
        for written in 0..=new.len() {
            fs::write(&unfinished, &new[..written]).unwrap();
            assert_eq!(secret_of(&home, None).as_ref(), Ok(&secret), "{written} bytes");
            assert!(!unfinished.exists(), "{written} bytes stay");
        }
        // What a process left that was to write it clear must not stay either.
        home.own().unwrap().reseal(Some(&key_file(1))).unwrap();
        fs::write(&unfinished, &secret[..]).unwrap();
        assert_eq!(secret_of(&home, Some(&key_file(1))).as_ref(), Ok(&secret));
        assert!(!unfinished.exists());
    }

    #[test]
    fn the_old_file_is_overwritten_unless_it_has_another_name() {
        // SPEC: REST-4
        use std::io::Read as _;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().join("home"));
        let secret = secret_of(&home, None).unwrap();
        let mut old = fs::File::open(home.key_path()).unwrap();
        home.own().unwrap().reseal(Some(&key_file(1))).unwrap();
        let mut bytes = Vec::new();
        old.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [0; CLEAR_BYTES]);

        let copy = folder.path().join("backup");
        let owned = home.own().unwrap();
        owned.unlock(Some(&key_file(1))).unwrap();
        owned.reseal(None).unwrap();
        fs::hard_link(home.key_path(), &copy).unwrap();
        owned.reseal(Some(&key_file(1))).unwrap();
        assert_eq!(fs::read(copy).unwrap(), &secret[..], "a backup is its owner's");
    }
}
