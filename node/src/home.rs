//! What a node has on the disk: one folder, one key, one lock, one folder for each workspace.
//!
//! ```text
//! $KERNELOS_HOME/
//!   device.key              mode 0600: who this device is, clear or sealed
//!   lock                    held by the process that owns this home
//!   kern.sock               the local API
//!   peers                   fixed addresses of others, one a line
//!   workspaces/<id>/store.db, and store.db.damaged-<n> of one that was salvaged
//! ```
//! Keys are readable by their owner alone. A folder whose name starts with `.new-` is a workspace
//! whose founding did not finish; the next owner removes it.

#[cfg(test)]
pub(crate) mod fuzz;
mod sealed;
mod secret;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use etcetera::BaseStrategy as _;
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::limits::BESIDE_BYTES_MAX;

use crate::store::SALVAGED;
pub use sealed::{DeviceSecret, Drawn, KEY_FILE_BYTES, PASSPHRASE_BYTES, Protection, SealedBy};
pub use secret::{Kept, is_locked};

/// The variable that overrides where everything lies.
pub const HOME_VARIABLE: &str = "KERNELOS_HOME";

/// Bytes of a socket's path that every Unix takes.
const SOCKET_PATH_MAX: usize = 100;

/// The prefix of a workspace folder that is not founded yet.
const UNFINISHED: &str = ".new-";

/// A node's folder.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

/// A node's folder, owned by this process until it is dropped.
pub struct OwnedHome {
    home: Home,
    /// The device's secret, once it is open.
    secret: OnceLock<DeviceSecret>,
    _lock: File,
}

impl std::fmt::Debug for OwnedHome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnedHome({})", self.home.0.display())
    }
}

impl Home {
    /// The folder named by `KERNELOS_HOME`, or `kernelos` in the platform's data folder.
    pub fn find() -> Result<Self, Failure> {
        if let Some(path) = std::env::var_os(HOME_VARIABLE).filter(|path| !path.is_empty()) {
            return Ok(Self(PathBuf::from(path)));
        }
        let base = etcetera::choose_base_strategy().map_err(|_| {
            Failure::new(FailureKind::Failed, "this user has no home folder")
                .with_hint(format!("say where to keep data: {HOME_VARIABLE}=/some/folder"))
        })?;
        Ok(Self(base.data_dir().join("kernelos")))
    }

    /// A home at `path`.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the local API answers.
    pub fn socket(&self) -> Result<PathBuf, Failure> {
        let path = self.0.join("kern.sock");
        if path.as_os_str().len() > SOCKET_PATH_MAX {
            let length = path.as_os_str().len();
            return Err(Failure::new(
                FailureKind::Failed,
                format!(
                    "the path of the local API is too long ({length} bytes): {}",
                    path.display()
                ),
            )
            .with_hint(format!("set {HOME_VARIABLE} to a folder with a shorter path")));
        }
        Ok(path)
    }

    /// Makes this process the owner of the home, which is made where it is missing.
    pub fn own(&self) -> Result<OwnedHome, Failure> {
        self.make_folder(&self.0)?;
        self.make_folder(&self.0.join("workspaces"))?;
        let path = self.0.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| self.unusable(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                lock.read_to_string(&mut owner).ok();
                let owner = owner.trim();
                let owner = if owner.is_empty() { "another process" } else { owner };
                return Err(Failure::new(
                    FailureKind::Failed,
                    format!("{} is in use by {owner}", self.0.display()),
                )
                .with_hint(format!(
                    "stop it, or use another folder: {HOME_VARIABLE}=/some/folder"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(self.unusable(&path, &error)),
        }
        lock.set_len(0).and_then(|()| write!(lock, "process {}", std::process::id())).ok();
        let owned = OwnedHome { home: self.clone(), secret: OnceLock::new(), _lock: lock };
        owned.remove_unfinished();
        Ok(owned)
    }

    fn make_folder(&self, path: &Path) -> Result<(), Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| self.unusable(path, &error))
    }

    fn unusable(&self, path: &Path, error: &io::Error) -> Failure {
        Failure::new(FailureKind::Failed, format!("{} cannot be used: {error}", path.display()))
            .with_hint(format!("make it writable, or use another: {HOME_VARIABLE}=/some/folder"))
    }
}

impl OwnedHome {
    /// The home.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Was this device told to open no transport?
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.home.0.join("offline").exists()
    }

    /// Remembers whether a transport may open, also after a restart.
    pub fn set_offline(&self, offline: bool) -> Result<(), Failure> {
        let path = self.home.0.join("offline");
        let done = if offline {
            File::create(&path).and_then(|file| file.sync_all())
        } else {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                done => done,
            }
        };
        done.map_err(|error| self.home.unusable(&path, &error))
    }

    /// The port that was used last, so that addresses that others know stay good.
    #[must_use]
    pub fn last_port(&self) -> Option<u16> {
        fs::read_to_string(self.home.0.join("port")).ok()?.trim().parse().ok()
    }

    /// Remembers the port. If it cannot be kept, the next start has another one, and says so.
    pub fn keep_port(&self, port: u16) {
        fs::write(self.home.0.join("port"), port.to_string()).ok();
    }

    /// The stores of all workspaces here, by folder name.
    pub fn stores(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.home.0.join("workspaces");
        let unusable = |error: io::Error| self.home.unusable(&folder, &error);
        let mut stores = Vec::new();
        for entry in fs::read_dir(&folder).map_err(unusable)? {
            let entry = entry.map_err(unusable)?;
            let finished = !entry.file_name().to_string_lossy().starts_with(UNFINISHED);
            let store = entry.path().join("store.db");
            // One that is being put in the place of a damaged one is there too.
            let is_there = store.is_file() || entry.path().join(SALVAGED).is_file();
            if finished && is_there {
                stores.push(store);
            }
        }
        stores.sort();
        Ok(stores)
    }

    /// Where the store of a workspace lies.
    #[must_use]
    pub fn store(&self, workspace: &WorkspaceId) -> PathBuf {
        self.home.0.join("workspaces").join(workspace.to_string()).join("store.db")
    }

    /// A folder for a workspace that is being founded.
    pub fn unfinished(&self) -> Result<PathBuf, Failure> {
        let name: [u8; 32] = random()?;
        let name = format!("{UNFINISHED}{}", kernelos_protocol::id::to_hex(&name[..8]));
        let path = self.home.0.join("workspaces").join(name);
        self.home.make_folder(&path)?;
        Ok(path)
    }

    /// The founding is durable: the folder gets its name, which is kept before anybody hears of it.
    pub fn finish(&self, unfinished: &Path, workspace: &WorkspaceId) -> Result<PathBuf, Failure> {
        let folder = self.home.0.join("workspaces");
        let named = folder.join(workspace.to_string());
        let unusable = |error: io::Error| self.home.unusable(&named, &error);
        fs::rename(unfinished, &named).map_err(unusable)?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(|error| made(&error))?;
        Ok(named.join("store.db"))
    }

    /// What a process that died was about to make, a clear secret among it.
    fn remove_unfinished(&self) {
        fs::remove_file(self.home.0.join(format!("{UNFINISHED}{}", secret::FILE))).ok();
        let Ok(entries) = fs::read_dir(self.home.0.join("workspaces")) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.as_os_str().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
                fs::remove_dir_all(entry.path()).ok();
            }
        }
    }
}

/// A workspace was made, and something went wrong behind it: its recovery key must be kept.
#[must_use]
pub fn made(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Busy, format!("the workspace was made, but: {error}"))
        .with_hint("keep its recovery key; `kern up`, then `kern workspace list` shows it")
}

/// Writes a new file that only its owner can read, durable when this returns; an existing one is
/// refused. It has its name only when it is whole, so a full disk leaves no stub behind.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link refuses a name that is taken, a rename would not.
    write_beside(path, bytes, |unfinished| fs::hard_link(unfinished, path))
}

/// The same in the place of an existing file, whose bytes are overwritten unless it has another
/// name. What a disk keeps of them elsewhere is out of reach.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = OpenOptions::new().write(true).open(path);
    write_beside(path, bytes, |unfinished| fs::rename(unfinished, path))?;
    let Ok(mut old) = old else { return Ok(()) };
    let metadata = old.metadata()?;
    if metadata.nlink() > 0 {
        return Ok(());
    }
    let zeros = vec![0; usize::try_from(metadata.len()).unwrap_or(0)];
    old.write_all(&zeros)?;
    old.sync_all()
}

/// A text that lies beside a store. One that is longer than any of ours is an error.
pub(crate) fn read_beside(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let most = BESIDE_BYTES_MAX as u64;
    fs::File::open(path)?.take(most.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() > BESIDE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than any of ours"));
    }
    Ok(text)
}

/// Writes bytes beside `path` under a name of their own, and gives them theirs by `name`.
fn write_beside(
    path: &Path,
    bytes: &[u8],
    name: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != OsStr::new(""));
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let file_name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut unfinished = OsStr::new(UNFINISHED).to_owned();
    unfinished.push(file_name);
    let unfinished = folder.join(unfinished);
    let write = || {
        fs::remove_file(&unfinished).ok();
        let mut file = create_unfinished(&unfinished)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        name(&unfinished)
    };
    let written = write();
    fs::remove_file(&unfinished).ok();
    written?;
    File::open(folder)?.sync_all()
}

/// What lies there was removed, and is never followed: in a folder of others it may be a link that
/// came since.
fn create_unfinished(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// 32 bytes from the system.
pub fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(FailureKind::Failed, format!("the system gives no random bytes: {error}"))
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_where_a_secret_is_written_is_not_followed() {
        // SPEC: REST-4
        let folder = tempfile::tempdir().unwrap();
        let [theirs, secret] = ["theirs", "secret"].map(|name| folder.path().join(name));
        let unfinished = folder.path().join(format!("{UNFINISHED}secret"));
        std::os::unix::fs::symlink(&theirs, &unfinished).unwrap();
        // It came after the name was cleared.
        let refused = create_unfinished(&unfinished).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        // It lay there before.
        write_private(&secret, b"mine").unwrap();
        assert_eq!(fs::read(&secret).unwrap(), b"mine");
        assert!(!theirs.exists(), "nothing is made where it leads");
    }
}
