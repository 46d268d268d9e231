//! Where missions work: a folder each below the node's home, with a bare repository of its own.
//!
//! Everything in it can be made again from artifacts, but for one thing: where the person's
//! repository is. That is known on its home alone, and kept before the mission exists.

use std::fs;
use std::path::{Path, PathBuf};

use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::record::ObjectId;
use kernelos_protocol::mission::work::Ticket;

use crate::git::{MissionRepo, ObjectFormat, Oid, remove_folder};
use crate::home::write_private;

/// The folder of all missions of a device.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Below a node's home.
    #[must_use]
    pub fn below(home: &Path) -> Self {
        Self(home.join("missions"))
    }

    fn of(&self, mission: &EventId) -> PathBuf {
        self.0.join(mission.to_string())
    }

    /// Remembers where the repository is that a base came from.
    pub(super) fn keep_origin(&self, base: &EventId, root: &Path) -> std::io::Result<()> {
        fs::create_dir_all(&self.0)?;
        write_private(&self.origin(base), root.as_os_str().as_encoded_bytes())
    }

    fn origin(&self, base: &EventId) -> PathBuf {
        self.0.join(format!("{base}.origin"))
    }

    /// Where the repository is that a base came from.
    pub(super) fn origin_of(&self, base: &EventId) -> Result<PathBuf, String> {
        use std::os::unix::ffi::OsStringExt as _;
        let kept = fs::read(self.origin(base));
        let kept =
            kept.map_err(|error| format!("where the repository is is not known: {error}"))?;
        Ok(PathBuf::from(std::ffi::OsString::from_vec(kept)))
    }

    /// The mission's own repository; made where there is none.
    pub(super) fn repository(
        &self,
        mission: &EventId,
        base: &ObjectId,
    ) -> Result<MissionRepo, String> {
        let at = self.of(mission).join("repository");
        let format =
            if base.as_str().len() == 40 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 };
        fs::create_dir_all(self.of(mission))
            .map_err(|error| format!("{}: {error}", at.display()))?;
        let opened = MissionRepo::open(&at).or_else(|_| MissionRepo::create(&at, format));
        opened.map_err(|fault| fault.to_string())
    }

    /// New folders for one command of an order: its work tree, and one to write in.
    pub(super) fn desk(&self, mission: &EventId, ticket: Ticket) -> Result<Desk, String> {
        // An order that was cancelled may still be at its own.
        let root = self.of(mission).join(format!("desk-{}", ticket.0));
        let desk = Desk { tree: root.join("tree"), scratch: root.join("scratch"), root };
        let made = desk.clear().and_then(|()| fs::create_dir_all(&desk.scratch));
        made.map_err(|error| format!("{}: {error}", desk.root.display()))?;
        Ok(desk)
    }

    /// The mission ended: what can be made again is not kept.
    pub(super) fn forget(&self, mission: &EventId) {
        remove_folder(&self.of(mission)).ok();
    }

    /// At start: nothing is under way, and what can be made again is not kept.
    pub fn sweep(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_folder(&entry.path()).ok();
            }
        }
    }
}

/// The folders of one command. They are gone when this is dropped.
pub(super) struct Desk {
    root: PathBuf,
    /// The work tree; made by git.
    pub(super) tree: PathBuf,
    /// Where the command may write beside it.
    pub(super) scratch: PathBuf,
}

impl Desk {
    fn clear(&self) -> std::io::Result<()> {
        // An agent may have taken away its own permission to enter what it made.
        match remove_folder(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next command of the mission.
        self.clear().ok();
    }
}

/// The driver's name of an object.
pub(super) fn oid(id: &ObjectId) -> Result<Oid, String> {
    Oid::parse(id.as_str()).map_err(|fault| fault.to_string())
}

/// The core's name of an object.
pub(super) fn object(oid: &Oid) -> Result<ObjectId, String> {
    ObjectId::try_from(oid.as_str().to_owned())
}
