//! The processes between the node and the command, each the same program, each told its role.
//!
//! `Outside` makes the namespaces and starts `First`, the first process inside them, which starts
//! `Command`, which becomes the command. Each dies with the one before it: `First` sees the node's
//! socket close, and has the signal of its parent's death; with it dies its pid namespace. Without
//! one, `First` and `Outside` each kill what is left when the other one is gone.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use nix::sched::CloneFlags;
use rustix::process::Signal;
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::plan::{Doing as _, Halt, Plan, Report, Role};
use super::process::{self, Reaper};
use super::{INSIDE, Means, Sandbox, confine, frame, root, watch};

/// The exit code of a process of the sandbox that could not do its part.
const NOT_DONE: u8 = 125;

pub(super) fn enter() -> ExitCode {
    let Ok(socket) = close_inherited().and_then(|()| frame::of_stdin()) else {
        return ExitCode::from(NOT_DONE);
    };
    let done = match frame::read(&socket) {
        Ok(Role::Outside(means)) => outside(means),
        Ok(Role::First(plan)) => first(&socket, *plan),
        Ok(Role::Command(plan)) => command(&socket, &plan).map(|never| match never {}),
        Err(error) => Err(Halt::Failed(format!("the plan cannot be read: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(halt) => {
            // If nobody listens any more, nobody waits for the reason.
            frame::send(&socket, &halt.report()).ok();
            ExitCode::from(NOT_DONE)
        }
    }
}

/// Closes what the node was started with, or opened without saying that children have no part in
/// it: an open file is a right that no rule takes back.
fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The folder that was just listed is among them and closed already.
        nix::unistd::close(fd).ok();
    }
    Ok(())
}

fn outside(means: Means) -> Result<(), Halt> {
    rustix::process::setsid().doing("a session of its own")?;
    // When memory runs out, the command goes before the node does.
    fs::write("/proc/self/oom_score_adj", "1000").ok();
    let reaper = if means.namespaces {
        make_namespaces(means.user_namespace)?;
        None
    } else {
        process::adopt_orphans().doing("adopt orphans")?;
        Some(Reaper::enter()?)
    };
    let mut first = Command::new(Sandbox::SELF);
    let first = first.arg(INSIDE).env_clear().stdin(Stdio::inherit()).spawn();
    let mut first = first.doing("start inside the namespaces")?;
    first.wait().doing("wait for the first process")?;
    // The first process ends what is left; this is for when it was killed itself.
    if reaper.is_some_and(|reaper| !reaper.kill_all()) {
        return Err(Halt::Failed("a process could not be killed".to_owned()));
    }
    Ok(())
}

fn make_namespaces(user: bool) -> Result<(), Halt> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    flags.set(CloneFlags::CLONE_NEWUSER, user);
    nix::sched::unshare(flags).doing("make namespaces")?;
    if user {
        fs::write("/proc/self/setgroups", "deny").doing("give up changing groups")?;
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).doing("map the user")?;
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).doing("map the group")?;
    }
    // A user other than root would lose these with the next exec, and the first process mounts.
    let kept = CapabilitySet::SYS_ADMIN
        | CapabilitySet::NET_ADMIN
        | CapabilitySet::SETPCAP
        // To measure folders that the command has closed to everyone.
        | CapabilitySet::DAC_READ_SEARCH;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: kept };
    rustix::thread::set_capabilities(None, sets).doing("keep capabilities")?;
    kept.iter()
        .try_for_each(|one| rustix::thread::configure_capability_in_ambient_set(one, true))
        .doing("hand on capabilities")
}

fn first(socket: &UnixStream, mut plan: Plan) -> Result<(), Halt> {
    if plan.means.namespaces {
        die_with_parent()?;
    }
    let input = frame::read_bytes(socket).doing("read the input")?;
    let reaper = if plan.means.namespaces {
        root::build(&plan)?;
        plan.level.user_namespace = plan.means.user_namespace;
        plan.level.mount_namespace = true;
        plan.level.pid_namespace = std::process::id() == 1;
        plan.level.net_namespace = true;
        plan.level.ipc_namespace = true;
        plan.level.own_proc = plan.means.own_proc;
        plan.level.loopback = confine::raise_loopback().is_ok();
        None
    } else {
        process::adopt_orphans().doing("adopt orphans")?;
        Some(Reaper::enter()?)
    };
    let disk = watch::Disk::watch(vec![plan.dir.clone(), plan.scratch.clone()]);
    let (ours, theirs) = UnixStream::pair().doing("a socket")?;
    let mut command = Command::new(Sandbox::SELF);
    let child =
        command.arg(INSIDE).env_clear().stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    let child = child.spawn().doing("start the command's process")?.id();
    // It holds the other end too until it is dropped, and its closing is what is waited for.
    drop(command);
    // From here on no process of the same user reads or traces this one.
    confine::be_opaque().doing("be opaque")?;
    let limits = plan.limits;
    if reaper.is_some() {
        // There the kernel counts all processes of the user, here and elsewhere.
        plan.limits.processes += process::tasks_of_this_user().doing("count processes")?;
    }
    frame::send(&ours, &Role::Command(Box::new(plan))).doing("tell the plan")?;
    frame::send_bytes(&ours, &input).doing("tell the input")?;
    drop(input);
    let started = frame::read::<Report>(&ours).doing("hear from the command's process")?;
    let level = match started {
        Report::Confined(level) => level,
        Report::Unavailable(what) => return Err(Halt::Unavailable(what)),
        Report::Failed(what) => return Err(Halt::Failed(what)),
        Report::Ended { .. } => return Err(Halt::Failed("the command's process lies".to_owned())),
    };
    // Its end of the socket closes when it becomes the command; if it cannot, it says why.
    match frame::read::<Report>(&ours) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Ok(Report::Failed(what)) => return Err(Halt::Failed(what)),
        _ => return Err(Halt::Failed("the command's process broke off".to_owned())),
    }
    frame::send(socket, &Report::Confined(level)).doing("tell that it started")?;
    watch::until_ended(socket, child, &limits, &disk, level, reaper.as_ref())
}

fn die_with_parent() -> Result<(), Halt> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("die with the parent")
}

fn command(socket: &UnixStream, plan: &Plan) -> Result<Infallible, Halt> {
    die_with_parent()?;
    rustix::process::setsid().doing("a session of its own")?;
    // Whoever watches it comes first, also when it fills the processor.
    rustix::process::nice(5).ok();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let input = confine::sealed(&frame::read_bytes(socket).doing("read the input")?);
    let input = input.doing("keep the input")?;
    std::env::set_current_dir(&plan.dir).doing("enter the folder")?;
    let level = confine::give_up(plan)?;
    frame::send(socket, &Report::Confined(level)).doing("tell that it is confined")?;
    let error = Command::new("/bin/sh")
        .arg("-c")
        .arg(&plan.command)
        .env_clear()
        .envs(&plan.env)
        .stdin(Stdio::from(input))
        .exec();
    Err(Halt::Failed(format!("start /bin/sh: {error}")))
}
