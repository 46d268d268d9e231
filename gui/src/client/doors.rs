//! What the doors do beside asking the node: the recovery key is made and read here, since its
//! secret half goes to no node but for a rescue.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kernelos_protocol::api::Founding;
use kernelos_protocol::command::{Command, Failure, FailureKind, RecoverySecret};
use kernelos_protocol::id::EventId;
use kernelos_protocol::key::RecoveryKey;
use kernelos_protocol::limits::RECOVERY_FILE_BYTES_MAX;
use kernelos_protocol::recovery;

use super::{Creating, Rescuing};

/// Makes a recovery key, writes it to the file that was named, and gives what the node founds the
/// workspace with.
pub(super) fn founding(creating: &Creating) -> Result<Founding, Failure> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| {
        Failure::new(FailureKind::Failed, format!("the system gives no random bytes: {error}"))
    })?;
    let public = RecoveryKey::from_bytes(secret).public();
    write(&creating.recovery_file, &recovery::file_text(&creating.name, &secret)?)?;
    Ok(Founding {
        name: creating.name.clone(),
        device: creating.device.clone(),
        mode: creating.mode,
        recovery_signing: public.signing,
        recovery_sealing: EventId(public.sealing.0),
    })
}

/// The key of a workspace that was not made must not lie around as if it were; where it may have
/// been made, the key stays.
pub(super) fn forget(creating: &Creating, failure: &Failure) {
    if failure.kind != FailureKind::Busy {
        std::fs::remove_file(&creating.recovery_file).ok();
    }
}

/// What the node rescues with.
pub(super) fn rescue(rescuing: &Rescuing) -> Result<Command, Failure> {
    let path = &rescuing.recovery_file;
    let failed = |error: std::io::Error| {
        Failure::new(FailureKind::Failed, format!("{}: {error}", path.display()))
            .with_hint("name the file that was written as the workspace was created")
    };
    let mut text = String::new();
    let file = open(path).map_err(failed)?;
    file.take(RECOVERY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(Command::Rescue {
        recovery: RecoverySecret(recovery::key_of(&text)?),
        name: rescuing.device.clone(),
        keep: Vec::new(),
        reason: "rescued by the recovery key".to_owned(),
    })
}

/// Opens a file. A pipe would hold up the window for as long as nobody writes into it.
pub(super) fn open(path: &Path) -> std::io::Result<File> {
    let is_file = std::fs::metadata(path)?.is_file();
    if is_file { File::open(path) } else { Err(std::io::Error::other("it is no file")) }
}

/// Writes a file that its owner alone may read, and that was not there.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(FailureKind::Failed, format!("{}: {error}", path.display()))
            .with_hint("name a file that does not exist yet, in a folder that can be written")
    };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        std::fs::remove_file(path).ok();
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use kernelos_protocol::command::Mode;

    use super::*;

    fn creating(name: &str) -> Creating {
        let file = format!("kern-gui-{}-{name}.recovery", std::process::id());
        Creating {
            name: "home".to_owned(),
            device: "laptop".to_owned(),
            mode: Mode::Synced,
            recovery_file: std::env::temp_dir().join(file),
        }
    }

    #[test]
    fn the_key_of_a_new_workspace_rescues_it() {
        let creating = creating("rescues");
        let founding = founding(&creating).unwrap();
        let mode = std::fs::metadata(&creating.recovery_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let path = creating.recovery_file.clone();
        let rescuing = Rescuing { device: "box".to_owned(), recovery_file: path };
        let Command::Rescue { recovery, name, .. } = rescue(&rescuing).unwrap() else { panic!() };
        assert_eq!(name, "box");
        let public = RecoveryKey::from_bytes(recovery.0).public();
        assert_eq!(public.signing, founding.recovery_signing);
        assert_eq!(super::founding(&creating).unwrap_err().kind, FailureKind::Failed, "it is kept");
        assert!(rescue(&rescuing).is_ok(), "nor was it written over");
        // Whether it was made is not known: the key stays. It was not: it goes.
        forget(&creating, &Failure::new(FailureKind::Busy, ""));
        assert!(creating.recovery_file.exists());
        forget(&creating, &Failure::new(FailureKind::Failed, ""));
        assert!(!creating.recovery_file.exists());
    }
}
