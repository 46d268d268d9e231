//! The node's side: starts the sandbox, takes what it prints, and sees that it is over.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::plan::{Plan, Report, Role};
use super::{
    Ended, INSIDE, Job, Level, Limits, Means, Outcome, Sandbox, SandboxFault, frame, grants,
};

/// How long setting up or ending may take on a busy device, beside the command's own time.
const SETTLE: Duration = Duration::from_secs(20);
/// The longest `.git` file that is put back: a line with a path.
const GIT_FILE_MAX: u64 = 64 << 10;
/// How much is read at once.
const CHUNK: usize = 16 << 10;

/// From the strongest to the weakest.
const LADDER: &[Means] = &[
    Means::ALL,
    Means { own_proc: false, ..Means::ALL },
    Means { user_namespace: false, ..Means::ALL },
    Means { landlock: false, ..Means::ALL },
    Means { syscall_filter: false, ..Means::ALL },
    Means::NO_NAMESPACES,
];

pub(super) async fn probe(program: &Path, scratch: &Path) -> Result<Sandbox, SandboxFault> {
    let mut refused = Vec::new();
    for means in LADDER {
        match attempt(program, scratch, *means).await {
            Ok(level) => return Ok(Sandbox { program: program.to_owned(), means: *means, level }),
            Err(fault) => refused.push(fault.to_string()),
        }
    }
    refused.dedup();
    Err(SandboxFault::Unavailable(refused.join("; ")))
}

/// Runs a command that tries to write beside its folder, and looks whether it could.
async fn attempt(program: &Path, scratch: &Path, means: Means) -> Result<Level, SandboxFault> {
    let folder = scratch.join(format!("probe-{}", std::process::id()));
    let job = Job {
        command: ": > inside && : > ../beside".to_owned(),
        dir: folder.join("dir"),
        scratch: folder.join("scratch"),
        stdin: Vec::new(),
        env: [].into(),
        readable: Vec::new(),
        hidden: Vec::new(),
        limits: Limits { wall: SETTLE, ..Limits::default() },
    };
    let made = fs::create_dir_all(&job.dir).and_then(|()| fs::create_dir_all(&job.scratch));
    made.map_err(|error| failed(format!("make {}: {error}", folder.display())))?;
    let (inside, beside) = (job.dir.join("inside"), folder.join("beside"));
    let ended = run(program, means, job, std::future::pending()).await;
    let (inside, beside) = (inside.exists(), beside.exists());
    // A rest of it does no harm and is overwritten by the next probe.
    fs::remove_dir_all(&folder).ok();
    let ended = ended?;
    match (inside, beside, ended.outcome) {
        (true, false, Outcome::Exited(code)) if code != 0 => Ok(ended.level),
        (_, true, _) => Err(failed("a command could write beside its folder".to_owned())),
        (_, _, outcome) => {
            let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
            Err(failed(format!("a trial ended with {outcome:?}: {said}")))
        }
    }
}

pub(super) async fn run(
    program: &Path,
    means: Means,
    job: Job,
    stop: impl Future<Output = ()>,
) -> Result<Ended, SandboxFault> {
    let plan = grants::plan(&job, means)?;
    let git = GitFile::remember(&plan)?;
    let limits = plan.limits;
    let (mut child, mut socket) = start(program)?;
    let budget =
        Arc::new(Budget { left: AtomicU64::new(limits.output_bytes), spent: Notify::new() });
    let stdout = child.stdout.take().map(|pipe| tokio::spawn(pump(pipe, Arc::clone(&budget))));
    let stderr = child.stderr.take().map(|pipe| tokio::spawn(pump(pipe, Arc::clone(&budget))));

    let whole = SETTLE + limits.wall;
    let talk = converse(&mut socket, plan, job.stdin, &budget, stop);
    let talk = timeout(whole, talk).await;
    // Whoever is still there has no more to say: the closing of the socket ends it.
    drop(socket);
    let gone = timeout(SETTLE, child.wait()).await;
    if gone.is_err() {
        child.start_kill().ok();
    }
    let (stdout, stderr) = (collect(stdout).await, collect(stderr).await);
    let git_restored = git.put_back()?;
    let said = talk.map_err(|_| failed("it did not answer in time and was ended".to_owned()))??;
    let (outcome, left_behind, ms, level) = said;
    match gone {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(failed(format!("wait for its end: {error}"))),
        Err(_) => return Err(failed("it did not end in time and was killed".to_owned())),
    }
    let truncated = budget.left.load(Ordering::Relaxed) == 0 && (stdout.1 || stderr.1);
    Ok(Ended {
        outcome,
        stdout: stdout.0,
        stderr: stderr.0,
        truncated,
        left_behind,
        git_restored,
        ms,
        level,
    })
}

fn start(program: &Path) -> Result<(Child, UnixStream), SandboxFault> {
    let told = |error: io::Error| failed(format!("start {}: {error}", program.display()));
    let (ours, theirs) = UnixStream::pair().map_err(told)?;
    let theirs = theirs.into_std().map_err(told)?;
    theirs.set_nonblocking(false).map_err(told)?;
    let child = Command::new(program)
        .arg(INSIDE)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    Ok((child.map_err(told)?, ours))
}

type Said = (Outcome, u32, u64, Level);

/// Tells what to do, and hears what came of it.
async fn converse(
    socket: &mut UnixStream,
    plan: Plan,
    stdin: Vec<u8>,
    budget: &Budget,
    stop: impl Future<Output = ()>,
) -> Result<Said, SandboxFault> {
    let (mut from, mut to) = socket.split();
    let first = {
        let mut told = pin!(tell(&mut to, plan, stdin));
        let mut heard = pin!(read(&mut from));
        // What it says first counts, also where it says so before it has read everything.
        tokio::select! {
            biased;
            first = &mut heard => first?,
            told = &mut told => match told {
                Ok(()) => heard.await?,
                Err(error) => heard.await.map_err(|_| failed(format!("tell it: {error}")))?,
            },
        }
    };
    let level = match first {
        Report::Confined(level) => level,
        other => return Err(refusal(other)),
    };
    let mut heard = pin!(read(&mut from));
    let ended_by = tokio::select! {
        biased;
        last = &mut heard => return said(last?, level, None),
        () = budget.spent.notified() => Outcome::TooMuchOutput,
        () = stop => Outcome::Stopped,
    };
    // One byte, whichever: it ends the command. If it has ended meanwhile, that is heard below.
    to.write_all(&[0]).await.ok();
    said(heard.await?, level, Some(ended_by))
}

fn said(report: Report, level: Level, ended_by: Option<Outcome>) -> Result<Said, SandboxFault> {
    let Report::Ended { outcome, left_behind, ms } = report else { return Err(refusal(report)) };
    let outcome = match (outcome, ended_by) {
        (Outcome::Stopped, Some(why)) | (_, Some(why @ Outcome::TooMuchOutput)) => why,
        (outcome, _) => outcome,
    };
    Ok((outcome, left_behind, ms, level))
}

fn refusal(report: Report) -> SandboxFault {
    match report {
        Report::Unavailable(what) => SandboxFault::Unavailable(what),
        Report::Failed(what) => failed(what),
        Report::Confined(_) | Report::Ended { .. } => failed("it answers out of turn".to_owned()),
    }
}

async fn tell(to: &mut (impl AsyncWriteExt + Unpin), plan: Plan, stdin: Vec<u8>) -> io::Result<()> {
    send(to, &Role::Outside(plan.means)).await?;
    send(to, &Role::First(Box::new(plan))).await?;
    send_bytes(to, &stdin).await
}

async fn send(to: &mut (impl AsyncWriteExt + Unpin), value: &impl Serialize) -> io::Result<()> {
    send_bytes(to, &serde_json::to_vec(value)?).await
}

async fn send_bytes(to: &mut (impl AsyncWriteExt + Unpin), body: &[u8]) -> io::Result<()> {
    to.write_all(&frame::head(body)?).await?;
    to.write_all(body).await
}

async fn read(from: &mut (impl AsyncReadExt + Unpin)) -> Result<Report, SandboxFault> {
    let report = async {
        let mut head = [0; 4];
        from.read_exact(&mut head).await?;
        let mut body = vec![0; frame::length(head, frame::REPORT_MAX)?];
        from.read_exact(&mut body).await?;
        io::Result::Ok(serde_json::from_slice(&body)?)
    };
    report.await.map_err(|error| failed(format!("it was ended before it answered: {error}")))
}

/// How much may still be printed.
struct Budget {
    left: AtomicU64,
    spent: Notify,
}

/// Reads to the end, so that nobody waits to print; keeps what the budget allows. True: not all.
async fn pump(mut from: impl AsyncRead + Unpin, budget: Arc<Budget>) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    let mut cut = false;
    let mut chunk = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        let wanted = u64::try_from(read).unwrap_or(u64::MAX);
        let before = budget.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(wanted))
        });
        let room = usize::try_from(before.unwrap_or(0)).unwrap_or(usize::MAX);
        kept.extend(chunk.iter().take(read.min(room)));
        if room < read {
            cut = true;
            budget.spent.notify_one();
        }
    }
    (kept, cut)
}

async fn collect(task: Option<tokio::task::JoinHandle<(Vec<u8>, bool)>>) -> (Vec<u8>, bool) {
    let Some(mut task) = task else { return <_>::default() };
    // All that could print is dead by now.
    match timeout(SETTLE, &mut task).await {
        Ok(Ok(read)) => read,
        _ => {
            task.abort();
            (Vec::new(), true)
        }
    }
}

/// A `.git` file where nothing keeps it from writes.
struct GitFile(Option<(PathBuf, Vec<u8>)>);

impl GitFile {
    fn remember(plan: &Plan) -> Result<Self, SandboxFault> {
        if !plan.git || plan.means.namespaces {
            return Ok(Self(None));
        }
        let path = plan.dir.join(".git");
        let told = |error| failed(format!("read .git: {error}"));
        if fs::metadata(&path).map_err(told)?.len() > GIT_FILE_MAX {
            return Err(SandboxFault::BadJob("the work folder's .git file is too long".to_owned()));
        }
        let bytes = fs::read(&path).map_err(told)?;
        Ok(Self(Some((path, bytes))))
    }

    fn put_back(self) -> Result<bool, SandboxFault> {
        let Some((path, bytes)) = self.0 else { return Ok(false) };
        let meta = fs::symlink_metadata(&path);
        let whole = meta.as_ref().is_ok_and(|meta| meta.is_file() && meta.len() <= GIT_FILE_MAX);
        if whole && fs::read(&path).is_ok_and(|now| now == bytes) {
            return Ok(false);
        }
        let removed = match meta {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(_) => Ok(()),
        };
        let done = removed.and_then(|()| fs::write(&path, bytes));
        done.map(|()| true).map_err(|error| failed(format!("put .git back: {error}")))
    }
}

fn failed(what: String) -> SandboxFault {
    SandboxFault::Failed(what)
}
