//! What the node tells the processes of a sandbox, and what they answer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Level, Limits, Means, Outcome};

/// The first frame that a process of the sandbox reads says which one it is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Role {
    /// Makes the namespaces, stays outside of them, and waits for the first process inside.
    Outside(Means),
    /// The first process inside: builds the tree of files, starts the command, watches it, ends it.
    /// The frame after this one is the command's standard input.
    First(Box<Plan>),
    /// Gives up every right and becomes the command. The frame after this one is its input.
    Command(Box<Plan>),
}

/// What is to be run, checked: all paths are absolute, exist and contain no link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) means: Means,
    pub(super) command: String,
    pub(super) dir: PathBuf,
    pub(super) scratch: PathBuf,
    /// `dir/.git` exists and is not a link.
    pub(super) git: bool,
    /// Granted for reading.
    pub(super) read: Vec<PathBuf>,
    /// Links outside of what is granted that lead into it: where, and what they hold.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    /// Inside of what is granted, and not to be seen.
    pub(super) masked: Vec<PathBuf>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) limits: Limits,
    /// What the first process has done, for the command's process to judge.
    pub(super) level: Level,
}

/// What a process of the sandbox answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The command starts now, confined like this.
    Confined(Level),
    /// It has ended, and so has all that it started.
    Ended { outcome: Outcome, left_behind: u32, ms: u64 },
    /// It was not started: this is missing here.
    Unavailable(String),
    /// It was not started: this failed.
    Failed(String),
}

/// Why a process of the sandbox does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    Unavailable(String),
    Failed(String),
}

impl Halt {
    pub(super) fn report(self) -> Report {
        match self {
            Self::Unavailable(what) => Report::Unavailable(what),
            Self::Failed(what) => Report::Failed(what),
        }
    }
}

/// Says what was being done when an error came.
pub(super) trait Doing<T> {
    fn doing(self, what: &str) -> Result<T, Halt>;
}

impl<T, E: std::fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Halt> {
        self.map_err(|error| Halt::Failed(format!("{what}: {error}")))
    }
}
