//! Where a command that nobody vouches for is run: an agent's, or a repository's tests.
//!
//! Rules kept here: nothing runs unless writes are confined and the network is off, and that is
//! decided by the last process before the command, from what the kernel accepted. What was enforced
//! is recorded as a [`Level`]. Nothing that the command started outlives it. Output has a cap.
//! A platform without these means has no sandbox, and says so.

#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
mod frame;
#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod fuzz;
#[cfg(target_os = "linux")]
mod grants;
#[cfg(target_os = "linux")]
mod inside;
mod limits;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod syscalls;
#[cfg(target_os = "linux")]
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use limits::{Level, Limits, Means, Outcome, STDIN_MAX};

/// The hidden subcommand that the program must answer with [`inside()`], before it starts a thread.
pub const INSIDE: &str = "sandbox-inside";

/// What to run, and what it may touch.
#[derive(Debug, Clone)]
pub struct Job {
    /// Given to `sh -c`.
    pub command: String,
    /// Where it runs; it may write here, except to an existing `.git`.
    pub dir: PathBuf,
    /// May be written too; is `HOME` and `TMPDIR`. Not the same as `dir` and not inside it.
    pub scratch: PathBuf,
    /// What the command reads from its standard input, at most [`STDIN_MAX`] bytes.
    pub stdin: Vec<u8>,
    /// Its environment, beside `PATH`, `HOME`, `TMPDIR`, `LANG`, `TZ` and `SOURCE_DATE_EPOCH`.
    pub env: BTreeMap<String, String>,
    /// May be read, beside the system's toolchains and those that `PATH` names.
    pub readable: Vec<PathBuf>,
    /// Never to be read, whatever else is granted; `dir` and `scratch` may stand inside one.
    pub hidden: Vec<PathBuf>,
    /// Where it ends at the latest.
    pub limits: Limits,
}

/// What is known of a command that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub outcome: Outcome,
    /// Cut at [`Limits::output_bytes`] with `stderr`.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Was any of the two cut?
    pub truncated: bool,
    /// Processes that were alive when the command ended. All are dead.
    pub left_behind: u32,
    /// It changed `.git` where that could not be kept from writes; the old bytes are back.
    pub git_restored: bool,
    /// Milliseconds on the clock.
    pub ms: u64,
    /// What was enforced.
    pub level: Level,
}

/// Why a command was not run, or nothing is known of how it ended.
#[derive(Debug, thiserror::Error)]
pub enum SandboxFault {
    /// `sandbox_unavailable`: the platform cannot confine it. Nothing was run.
    #[error("this platform has no sandbox: {0}; run the command on another device")]
    Unavailable(String),
    /// `sandbox_bad_job`: the job asks for what cannot be kept. Nothing was run.
    #[error("the sandbox cannot run this: {0}")]
    BadJob(String),
    /// `sandbox_failed`: setting up failed, or the sandbox itself was ended. Nothing runs any more.
    #[error("the sandbox failed: {0}")]
    Failed(String),
}

impl SandboxFault {
    /// Stable, for scripts and records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "sandbox_unavailable",
            Self::BadJob(_) => "sandbox_bad_job",
            Self::Failed(_) => "sandbox_failed",
        }
    }
}

/// A sandbox that this device was seen to keep.
#[derive(Debug, Clone)]
pub struct Sandbox {
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nothing is started there"))]
    program: PathBuf,
    means: Means,
    level: Level,
}

impl Sandbox {
    /// This process's own program, also after its file was replaced.
    pub const SELF: &'static str = "/proc/self/exe";

    /// Tries from the strongest means downwards, in a new folder inside `scratch`, until one keeps
    /// a command from writing beside its folder. `program` answers [`INSIDE`].
    pub async fn probe(program: &Path, scratch: &Path) -> Result<Self, SandboxFault> {
        #[cfg(target_os = "linux")]
        return run::probe(program, scratch).await;
        #[cfg(not(target_os = "linux"))]
        return std::future::ready(Err(unsupported(program, scratch))).await;
    }

    /// What the probe saw enforced.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// The means that the probe found to work.
    #[must_use]
    pub const fn means(&self) -> Means {
        self.means
    }

    /// The same with other means, which may turn out not to be there or not to be enough.
    #[must_use]
    pub const fn with(mut self, means: Means) -> Self {
        self.means = means;
        self
    }

    /// Runs `job` until it ends or `stop` is ready. Dropping the future kills it.
    pub async fn run(
        &self,
        job: Job,
        stop: impl Future<Output = ()>,
    ) -> Result<Ended, SandboxFault> {
        #[cfg(target_os = "linux")]
        return run::run(&self.program, self.means, job, stop).await;
        #[cfg(not(target_os = "linux"))]
        {
            drop(stop);
            std::future::ready(Err(unsupported(&job.dir, &job.scratch))).await
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn unsupported(_: &Path, _: &Path) -> SandboxFault {
    SandboxFault::Unavailable("only Linux is supported".to_owned())
}

/// What the program does when its subcommand is [`INSIDE`]: one of the three processes between the
/// node and the command. Told what to do over its standard input.
#[must_use]
pub fn inside() -> ExitCode {
    #[cfg(target_os = "linux")]
    return inside::enter();
    #[cfg(not(target_os = "linux"))]
    return ExitCode::from(125);
}
