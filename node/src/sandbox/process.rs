//! The processes that a command started, as /proc tells of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use landlock::{
    AccessFs, CompatLevel, Compatible as _, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::io::Errno;
use rustix::process::WaitOptions;

use super::plan::{Doing as _, Halt};

/// How long killed processes may take to go before one counts as beyond reach.
const PATIENCE: Duration = Duration::from_secs(10);

/// One process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) pid: i32,
    parent: i32,
    uid: u32,
    /// Its threads.
    pub(super) tasks: u64,
    /// What only it or shared memory holds, bytes, also where that was swapped out.
    pub(super) memory: u64,
    /// It has ended, and its parent has not asked how.
    pub(super) ended: bool,
}

/// Makes this process the parent of whatever loses its own among its descendants.
pub(super) fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// How many processes and threads this user has, in all.
pub(super) fn tasks_of_this_user() -> io::Result<u64> {
    let uid = rustix::process::getuid().as_raw();
    Ok(all()?.iter().filter(|one| one.uid == uid).map(|one| one.tasks).sum())
}

/// The processes below this one, living and ended, by the numbers of the /proc that is mounted.
pub(super) fn descendants() -> io::Result<Vec<Seen>> {
    let this = fs::read_link("/proc/self")?;
    let this = this.to_str().and_then(|name| name.parse().ok());
    let mut open = vec![this.ok_or_else(|| io::Error::other("/proc/self is no number"))?];
    let mut children: BTreeMap<i32, Vec<Seen>> = BTreeMap::new();
    for one in all()? {
        children.entry(one.parent).or_default().push(one);
    }
    let mut found = Vec::new();
    while let Some(parent) = open.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        open.extend(below.iter().map(|one| one.pid));
        found.extend(below);
    }
    Ok(found)
}

fn all() -> io::Result<Vec<Seen>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // It may have ended since it was listed.
        if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
            all.push(parse(pid, &status));
        }
    }
    Ok(all)
}

/// Reads proc_pid_status(5). A process cannot write a line of its own: the name is escaped.
fn parse(pid: i32, status: &str) -> Seen {
    let mut seen = Seen { pid, ..Seen::default() };
    for (key, value) in status.lines().filter_map(|line| line.split_once(':')) {
        let first = value.split_whitespace().next().unwrap_or_default();
        let number = || first.parse::<u64>().unwrap_or(0);
        match key {
            "State" => seen.ended = matches!(first, "Z" | "X"),
            "PPid" => seen.parent = first.parse().unwrap_or(0),
            "Uid" => seen.uid = first.parse().unwrap_or(0),
            "Threads" => seen.tasks = number(),
            "RssAnon" | "RssShmem" | "VmSwap" => {
                seen.memory = seen.memory.saturating_add(number().saturating_mul(1024));
            }
            _ => {}
        }
    }
    seen
}

/// Asks how children ended until none is left to ask; gives what became of `wanted`.
pub(super) fn reap(wanted: Option<u32>) -> Option<rustix::process::WaitStatus> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if wanted.is_some_and(|wanted| i64::from(wanted) == i64::from(pid.as_raw_pid())) {
            ended = Some(status);
        }
    }
    ended
}

/// The right to kill all that comes after this process, at once, and nothing else.
///
/// Without a pid namespace a loop that looks for processes to kill loses against one that forks.
/// But in a Landlock domain with the signal scope, `kill(-1)` reaches the domain only, and no fork
/// escapes it: the kernel goes through all processes under the lock that a fork needs.
#[derive(Debug)]
pub(super) struct Reaper(());

impl Reaper {
    /// Enters a domain below this process's own, for the scope alone. Before a thread is started,
    /// for it would stay outside. It counts only if it is seen to hold: the parent, which could be
    /// signalled before, no longer can be.
    pub(super) fn enter() -> Result<Self, Halt> {
        let parent = rustix::process::getppid();
        let parent = parent.ok_or_else(|| Halt::Failed("no parent is seen".to_owned()))?;
        rustix::process::test_kill_process(parent).doing("signal the parent")?;
        let enter = || -> Result<RestrictionStatus, RulesetError> {
            let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
            // Every domain forbids links and moves between folders but where it allows them.
            let refer = AccessFs::Refer;
            let ruleset = ruleset.handle_access(refer)?.scope(Scope::Signal)?.create()?;
            ruleset.add_rules(path_beneath_rules(["/"], refer))?.restrict_self()
        };
        let missing = "neither a pid namespace nor Landlock (abi 6 or later)";
        let status = enter().map_err(|_| Halt::Unavailable(missing.to_owned()))?;
        let after = rustix::process::test_kill_process(parent);
        match (status.ruleset, after) {
            (RulesetStatus::FullyEnforced, Err(Errno::PERM)) => Ok(Self(())),
            _ => Err(Halt::Unavailable(missing.to_owned())),
        }
    }

    /// Kills all descendants and waits until they are gone. False: one is beyond reach.
    pub(super) fn kill_all(&self) -> bool {
        adopt_orphans().ok();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            // Nothing is left to kill when this says so; then only the waiting is left to do.
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), nix::sys::signal::SIGKILL).ok();
            match rustix::process::wait(WaitOptions::empty()) {
                Err(Errno::CHILD) => return true,
                _ => {
                    reap(None);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_status_gives_parent_threads_and_memory() {
        let text = "Name:\tPPid:\\n7\nState:\tZ (zombie)\nPPid:\t12\nUid:\t5\t6\t7\t8\n\
                    Threads:\t3\nRssAnon:\t  10 kB\nRssFile:\t 99 kB\nRssShmem:\t 2 kB\n";
        let seen = parse(40, text);
        let got = (seen.pid, seen.parent, seen.uid, seen.tasks, seen.memory, seen.ended);
        assert_eq!(got, (40, 12, 5, 3, 12 * 1024, true));
    }
}
