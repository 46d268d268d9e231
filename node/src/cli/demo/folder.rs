//! The temporary folder of a demo: the homes of its devices, and the logs of their nodes.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::id::to_hex;

use crate::home::{Home, random};

/// A folder that only its owner can read.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one with a name that nobody can have taken before.
    pub(super) fn new() -> Result<Self, Failure> {
        let base = std::env::temp_dir();
        let unusable = |error: io::Error| {
            let text = format!("the temporary folder {} cannot be used: {error}", base.display());
            Failure::new(FailureKind::Failed, text)
                .with_hint("say where the demo may write: TMPDIR=/some/folder kern demo")
        };
        let base = fs::canonicalize(&base).map_err(unusable)?;
        let folder = base.join(format!("kern-demo-{}", to_hex(&random()?[..4])));
        // The longest name of a device that the demo has.
        Home::at(&folder.join("laptop")).socket().map_err(|failure| {
            failure.with_hint("use a folder with a shorter path: TMPDIR=/tmp kern demo")
        })?;
        DirBuilder::new().mode(0o700).create(&folder).map_err(unusable)?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the node of `device` writes what it has to say.
    pub(super) fn log(&self, device: &str) -> PathBuf {
        self.0.join(format!("{device}.log"))
    }

    /// The last lines of that.
    pub(super) fn log_tail(&self, device: &str) -> Vec<String> {
        const LINES: usize = 5;
        let log = fs::read(self.log(device)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].iter().map(ToString::to_string).collect()
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        fs::remove_dir_all(&self.0).map_err(|error| {
            let text = format!("{} could not be removed: {error}", self.0.display());
            Failure::new(FailureKind::Failed, text).with_hint("remove it yourself")
        })
    }
}
