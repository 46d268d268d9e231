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
#[cfg(target_os = "linux")]
mod grants;
#[cfg(target_os = "linux")]
mod inside;
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
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// The longest standard input of a [`Job`], bytes: it is held in memory three times on its way.
pub const STDIN_MAX: usize = 16 << 20;

/// Where a command ends at the latest.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Limits {
    /// Time on the clock.
    pub wall: Duration,
    /// Processor time of one process, whole seconds.
    pub cpu: Duration,
    /// Both outputs together, bytes.
    pub output_bytes: u64,
    /// Anonymous and shared memory of all processes together, and data of each one, bytes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// One file, bytes.
    pub file_bytes: u64,
    /// By how much `dir` and `scratch` may grow together, bytes on disk; looked at twice a second.
    pub disk_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(10),
            cpu: Duration::from_mins(30),
            output_bytes: 4 << 20,
            memory_bytes: 4 << 30,
            processes: 1024,
            file_bytes: 1 << 30,
            disk_bytes: 4 << 30,
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal, which the sandbox did not send.
    Signalled(i32),
    /// At [`Limits::wall`].
    TimedOut,
    /// At [`Limits::output_bytes`].
    TooMuchOutput,
    /// At [`Limits::disk_bytes`].
    TooMuchDisk,
    /// At [`Limits::memory_bytes`], all processes together.
    TooMuchMemory,
    /// Over [`Limits::processes`].
    TooManyProcesses,
    /// Because the caller said so.
    Stopped,
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

/// What the kernel was made to enforce, found by doing it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// The version of Landlock's interface in force, 0 for none.
    pub landlock_abi: u8,
    /// The command has its own user namespace; as root it may have the others without one.
    pub user_namespace: bool,
    /// Its own tree of files, in which only what is granted exists, and `.git` is read-only.
    pub mount_namespace: bool,
    /// All its processes die with it, at the kernel's hand.
    pub pid_namespace: bool,
    /// A network of its own that leads nowhere.
    pub net_namespace: bool,
    /// In its own network it can reach itself.
    pub loopback: bool,
    /// Its own System V and POSIX queues and memory.
    pub ipc_namespace: bool,
    /// It cannot see that other processes exist.
    pub own_proc: bool,
    /// System calls that only attacks need are refused.
    pub syscall_filter: bool,
    /// It cannot signal a process that it did not start.
    pub signals_confined: bool,
    /// It can change no file and no folder outside `dir` and `scratch`.
    pub writes_confined: bool,
    /// Nor their modes, owners and times, which Landlock does not keep.
    pub metadata_confined: bool,
    /// No packet leaves it.
    pub network_off: bool,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.landlock_abi {
            0 => f.write_str("no landlock")?,
            abi => write!(f, "landlock abi {abi}")?,
        }
        let namespaces: Vec<&str> = [
            (self.user_namespace, "user"),
            (self.mount_namespace, "mount"),
            (self.pid_namespace, "pid"),
            (self.net_namespace, "net"),
            (self.ipc_namespace, "ipc"),
        ]
        .iter()
        .filter_map(|(has, name)| has.then_some(*name))
        .collect();
        if namespaces.is_empty() {
            f.write_str(", no namespaces")?;
        } else {
            write!(f, ", namespaces {}", namespaces.join("+"))?;
        }
        let rest = [
            (self.own_proc, "own /proc", "shared /proc"),
            (self.syscall_filter, "system calls filtered", "system calls not filtered"),
            (self.signals_confined, "signals confined", "signals not confined"),
            (self.writes_confined, "writes confined", "writes not confined"),
            (self.metadata_confined, "modes confined", "modes not confined"),
            (self.network_off, "network off", "network on"),
        ];
        rest.iter().try_for_each(|(has, yes, no)| write!(f, ", {}", if *has { yes } else { no }))
    }
}

/// Which means are used. Fewer than all only where the kernel refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Means {
    /// Mount, pid, net, ipc and uts namespaces.
    pub namespaces: bool,
    /// Inside a user namespace; without one only root makes namespaces.
    pub user_namespace: bool,
    /// A new /proc; some containers refuse it, and the old one is shown read-only.
    pub own_proc: bool,
    pub landlock: bool,
    pub syscall_filter: bool,
}

impl Means {
    /// Everything.
    pub const ALL: Self = Self {
        namespaces: true,
        user_namespace: true,
        own_proc: true,
        landlock: true,
        syscall_filter: true,
    };
    /// Landlock and the filter of system calls, which need no permission.
    pub const NO_NAMESPACES: Self =
        Self { namespaces: false, user_namespace: false, own_proc: false, ..Self::ALL };
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
