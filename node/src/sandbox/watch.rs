//! What the first process inside does while the command runs: see how it ends, or end it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitStatus};

use super::plan::{Doing as _, Halt, Report};
use super::process::{self, Reaper};
use super::{Level, Limits, Outcome, frame};

/// How often processes and memory are counted where /proc shows only the command's, nanoseconds.
const TICK: i64 = 20_000_000;
/// The same where /proc shows the whole system's.
const TICK_SHARED: i64 = 100_000_000;
/// The pause between two looks at the disk.
const DISK_PAUSE: Duration = Duration::from_millis(500);
/// What a file costs at least, bytes on disk: its entry and its inode.
const FILE_COST: u64 = 1024;

/// Waits for the end of `child`, for a limit, or for a sign from the node. Whatever still runs then
/// is counted and killed: here, or in a pid namespace by the kernel as soon as this process ends.
pub(super) fn until_ended(
    socket: &UnixStream,
    child: u32,
    limits: &Limits,
    disk: &Disk,
    level: Level,
    reaper: Option<&Reaper>,
) -> Result<(), Halt> {
    let start = Instant::now();
    let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Halt::Failed("a child without a number".to_owned()))?;
    // An old kernel has none: then the end is seen at the next tick.
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok();
    let tick = if level.own_proc { TICK } else { TICK_SHARED };
    let tick = Timespec { tv_sec: 0, tv_nsec: tick };
    let parent = rustix::process::getppid();
    let outcome = loop {
        let mut fds = vec![PollFd::new(socket, PollFlags::IN)];
        fds.extend(pidfd.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        poll(&mut fds, Some(&tick)).doing("wait for the command")?;
        let told = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        if let Some(status) = process::reap(Some(child)) {
            break outcome(status);
        }
        // The node wants it stopped, or is no more; or the process outside is no more.
        if told || rustix::process::getppid() != parent {
            break Outcome::Stopped;
        }
        if let Some(outcome) = over(limits, start, disk)? {
            break outcome;
        }
    };
    let elapsed = start.elapsed();
    let left = process::descendants().doing("count what was left behind")?;
    let left = left.iter().filter(|one| !one.ended).count();
    // Where it was ended from outside, the command itself is one of them.
    let of_itself = matches!(outcome, Outcome::Exited(_) | Outcome::Signalled(_));
    let left = left.saturating_sub(usize::from(!of_itself));
    if reaper.is_some_and(|reaper| !reaper.kill_all()) {
        return Err(Halt::Failed("a process could not be killed".to_owned()));
    }
    let report = Report::Ended {
        outcome,
        left_behind: u32::try_from(left).unwrap_or(u32::MAX),
        ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    };
    // If the node is no more, nobody asks.
    frame::send(socket, &report).ok();
    Ok(())
}

fn outcome(status: WaitStatus) -> Outcome {
    let signal = || Outcome::Signalled(status.terminating_signal().unwrap_or(0));
    status.exit_status().map_or_else(signal, Outcome::Exited)
}

fn over(limits: &Limits, start: Instant, disk: &Disk) -> Result<Option<Outcome>, Halt> {
    if start.elapsed() >= limits.wall {
        return Ok(Some(Outcome::TimedOut));
    }
    if disk.grown() > limits.disk_bytes {
        return Ok(Some(Outcome::TooMuchDisk));
    }
    let seen = process::descendants().doing("count processes")?;
    if seen.iter().map(|one| one.tasks).sum::<u64>() > limits.processes {
        return Ok(Some(Outcome::TooManyProcesses));
    }
    let memory = seen.iter().fold(0_u64, |sum, one| sum.saturating_add(one.memory));
    Ok((memory > limits.memory_bytes).then_some(Outcome::TooMuchMemory))
}

/// What stands on the disk, looked at again and again by a thread.
#[derive(Debug)]
pub(super) struct Disk {
    before: u64,
    now: Arc<AtomicU64>,
}

impl Disk {
    /// Measures once, and from then on beside the caller.
    pub(super) fn watch(folders: Vec<PathBuf>) -> Self {
        let before = usage(&folders);
        let now = Arc::new(AtomicU64::new(before));
        let seen = Arc::clone(&now);
        thread::spawn(move || {
            loop {
                thread::sleep(DISK_PAUSE);
                seen.store(usage(&folders), Ordering::Relaxed);
            }
        });
        Self { before, now }
    }

    fn grown(&self) -> u64 {
        match self.now.load(Ordering::Relaxed) {
            // What cannot be measured is too much, also if it was there before.
            u64::MAX => u64::MAX,
            now => now.saturating_sub(self.before),
        }
    }
}

/// Bytes on disk below `folders`. No link is followed.
fn usage(folders: &[PathBuf]) -> u64 {
    let mut sum = 0_u64;
    let mut open = folders.to_vec();
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            // Folders nested so deep that their name has no room hide what is in them.
            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => return u64::MAX,
            // Gone meanwhile, or closed to everyone.
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            sum = sum.saturating_add(meta.blocks().saturating_mul(512).max(FILE_COST));
            if meta.is_dir() {
                open.push(entry.path());
            }
        }
    }
    sum
}
