//! The folder of a run: made below a place on the disk that is measured, gone with the run.

use std::cell::Cell;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::id::to_hex;

use crate::home::random;

/// A folder that only its owner can read, and numbered names in it.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    last: Cell<u32>,
}

impl Scratch {
    /// Makes it below `base`.
    pub(super) fn below(base: &Path) -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| {
            Failure::new(FailureKind::Failed, format!("{} cannot be used: {error}", base.display()))
                .with_hint("measure another disk: kern bench --dir FOLDER")
        };
        DirBuilder::new().recursive(true).mode(0o700).create(base).map_err(unusable)?;
        let base = fs::canonicalize(base).map_err(unusable)?;
        let path = base.join(format!("bench-{}", to_hex(&random()?[..4])));
        DirBuilder::new().mode(0o700).create(&path).map_err(unusable)?;
        Ok(Self { path, last: Cell::new(0) })
    }

    /// A path in it that nothing has yet.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.last.set(self.last.get() + 1);
        self.path.join(format!("{name}-{}", self.last.get()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now can be removed by hand, and says what it was.
        fs::remove_dir_all(&self.path).ok();
    }
}
