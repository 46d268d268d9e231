//! Making a workspace here that others founded: by joining it, or from an archive. Everything is
//! durable in a folder without a name first, so that a process that dies leaves no half of one.

use std::path::PathBuf;

use kernelos_protocol::api::Entering;
use kernelos_protocol::command::{Failure, FailureKind, Mode};
use kernelos_protocol::id::{Incarnation, WorkspaceId};
use kernelos_protocol::store::{EventStore as _, Record};

use crate::founding::check_name;
use crate::home::{OwnedHome, random};
use crate::store::{Introducer, Meta, SqliteStore, to_failure};

/// Whose genesis it is, if it is one, and both names may be.
pub(crate) fn workspace_of(entering: &Entering) -> Result<WorkspaceId, Failure> {
    check_name("workspace", &entering.name)?;
    check_name("device", &entering.device)?;
    let workspace = entering.genesis.workspace();
    if entering.genesis.id() == workspace.genesis() {
        return Ok(workspace);
    }
    Err(Failure::new(FailureKind::Usage, "this event is no genesis")
        .with_hint("a file of events begins with the genesis of its workspace"))
}

/// Makes the store of a workspace of which an archive is here; gives where it lies.
/// `SPEC: ARC-4`
pub(crate) fn make_from(home: &OwnedHome, entering: &Entering) -> Result<PathBuf, Failure> {
    let (workspace, device) = (workspace_of(entering)?, entering.device.clone());
    let first = [Record::Event(entering.genesis.clone())];
    make(home, workspace, &entering.name, device, None, &first)
}

/// Makes the store of a workspace with what is known of it; gives where it lies.
pub(crate) fn make(
    home: &OwnedHome,
    workspace: WorkspaceId,
    name: &str,
    device: String,
    introducer: Option<Introducer>,
    known: &[Record],
) -> Result<PathBuf, Failure> {
    let mut incarnation = [0; 8];
    incarnation.copy_from_slice(&random()?[..8]);
    let meta = Meta {
        workspace,
        name: free_name(home, name)?,
        device,
        mode: Mode::Synced,
        incarnation: Incarnation(incarnation),
        introducer,
    };
    let unfinished = home.unfinished()?;
    let made = SqliteStore::create(&unfinished.join("store.db")).and_then(|mut store| {
        store.write_meta(&meta)?;
        store.commit(known)
    });
    if let Err(error) = made {
        std::fs::remove_dir_all(&unfinished).ok();
        return Err(to_failure(&error));
    }
    home.finish(&unfinished, &workspace)
}

/// The workspace's name, or with a number where this device has another one of that name.
fn free_name(home: &OwnedHome, name: &str) -> Result<String, Failure> {
    let mut taken = Vec::new();
    for path in home.stores()? {
        let meta = SqliteStore::open(&path).and_then(|store| store.meta());
        taken.push(meta.map_err(|error| to_failure(&error))?.name);
    }
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    let free = names.find(|name| !taken.contains(name));
    free.ok_or_else(|| Failure::new(FailureKind::Failed, "every name is taken"))
}
