//! What ends a command, how it ended, and what was enforced: what the node and the processes of a
//! sandbox tell each other is made of this.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest standard input of a [`super::Job`], bytes: it is held in memory three times on its
/// way.
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
