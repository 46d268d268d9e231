//! Founding a workspace: everything durable in a folder of its own before the folder has a name,
//! so that a process that dies here leaves no half of one.

use std::path::Path;

pub use kernelos_protocol::api::{Founded, Founding};
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::id::{Incarnation, WorkspaceId};
use kernelos_protocol::key::{RecoveryPublic, SealingKey};
use kernelos_protocol::limits::{NAME_BYTES_MAX, QUOTA_MAKES};
use kernelos_protocol::pairing::messages::is_name;
use kernelos_protocol::replica::{Config, Output, Replica};
use kernelos_protocol::store::EventStore as _;

use crate::clock;
use crate::home::{OwnedHome, random};
use crate::store::{Meta, SqliteStore, to_failure};

/// Is this a name that people can tell from others?
pub fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Usage, format!("{name:?} cannot be the name of a {what}"))
        .with_hint(format!("use 1 to {NAME_BYTES_MAX} bytes without / and control characters")))
}

/// Founds a workspace in `home`; gives where its store lies.
pub fn found(
    home: &OwnedHome,
    founding: &Founding,
) -> Result<(Founded, std::path::PathBuf), Failure> {
    check_name("workspace", &founding.name)?;
    check_name("device", &founding.device)?;
    for path in home.stores()? {
        let meta = SqliteStore::open(&path).and_then(|store| store.meta());
        if meta.map_err(|error| to_failure(&error))?.name == founding.name {
            return Err(Failure::new(
                FailureKind::Failed,
                format!("this device has a workspace named {:?} already", founding.name),
            )
            .with_hint("`kern workspace list` shows all; choose another name"));
        }
    }
    let unfinished = home.unfinished()?;
    let founded = found_in(home, founding, &unfinished);
    if founded.is_err() {
        std::fs::remove_dir_all(&unfinished).ok();
    }
    let founded = founded?;
    let store = home.finish(&unfinished, &founded.workspace_id)?;
    Ok((founded, store))
}

fn found_in(home: &OwnedHome, founding: &Founding, folder: &Path) -> Result<Founded, Failure> {
    let secret = home.device_secret()?;
    let mut incarnation = [0; 8];
    incarnation.copy_from_slice(&random()?[..8]);
    let config = Config {
        secret: *secret,
        incarnation: Incarnation(incarnation),
        seed: random()?,
        workspace: WorkspaceId::UNBORN,
        workspace_name: founding.name.clone(),
        device_name: founding.device.clone(),
        mode: founding.mode,
        runs: false,
        quota: QUOTA_MAKES,
    };
    let recovery = RecoveryPublic {
        signing: founding.recovery_signing,
        sealing: SealingKey(founding.recovery_sealing.0),
    };
    let mut replica = Replica::found(config, recovery, clock::now())
        .map_err(|fault| Failure::new(FailureKind::Failed, fault))?;
    let workspace = replica.workspace().id();
    let mut store =
        SqliteStore::create(&folder.join("store.db")).map_err(|error| to_failure(&error))?;
    let meta = Meta {
        workspace,
        name: founding.name.clone(),
        device: founding.device.clone(),
        mode: founding.mode,
        incarnation: Incarnation(incarnation),
        introducer: None,
    };
    store.write_meta(&meta).map_err(|error| to_failure(&error))?;
    // The founding is one turn; what it asks of the documents, the engine will ask again.
    while let Some(output) = replica.poll_output() {
        if let Output::Persist(records) = output {
            store.commit(&records).map_err(|error| to_failure(&error))?;
        }
    }
    Ok(Founded {
        workspace: founding.name.clone(),
        workspace_id: workspace,
        device: founding.device.clone(),
        event: workspace.genesis(),
    })
}
