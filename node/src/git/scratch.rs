//! A folder for the files of one operation, which go away with it.
//!
//! Its name holds our process id: what another process left, which a crash ended, is swept away.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::fault::GitFault;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The folder.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A fresh folder in `parent`; its name starts with `prefix`.
    pub(super) fn new(parent: &Path, prefix: &str) -> Result<Self, GitFault> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{prefix}{}-{count}", std::process::id()));
        // Left by a process that had our number.
        fs::remove_dir_all(&path).ok();
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| GitFault::io(&path, &error))?;
        Ok(Self(path))
    }

    /// Removes what other processes left in `parent`.
    pub(super) fn sweep(parent: &Path, prefix: &str) {
        let ours = format!("{prefix}{}-", std::process::id());
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(prefix) && !name.starts_with(&ours) {
                fs::remove_dir_all(entry.path()).ok();
            }
        }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// The path of the file `name` in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes the file `name`.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, GitFault> {
        let path = self.path(name);
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(bytes))
            .map_err(|error| GitFault::io(&path, &error))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
