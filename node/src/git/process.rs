//! One git process: a cleaned environment, a time limit, bounded output, an end no later than ours.
//!
//! A shell stands between us and git. Its stdin is our lifeline: when we say so there, or die, the
//! shell's watchdog ends the process group, first gently, so that git removes its lock files. The
//! shell also bounds memory and processor time, which what `git` reads could otherwise exhaust.
//! Git's own stdin is a file: half an input can never pass for a whole one.
//!
//! Configuration goes by `GIT_CONFIG_COUNT`, which has the standing of `git -c` (git-config(1))
//! and takes every name: what a repository's own configuration says of hooks, filters, monitors
//! and transports is overruled, what the system's or the person's says is not read.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::fault::{GitFault, printable};

#[cfg(test)]
mod tests;

/// Bytes that git may say: the tree of a large repository, as `ls-tree` writes it.
const OUTPUT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of stderr that are kept; the rest is dropped.
const WORDS_BYTES_MAX: usize = 16 * 1024;
/// A git that reads or writes 64 MiB on a slow phone ends within this.
const TIME_MAX: Duration = Duration::from_secs(120);
/// From the gentle end of a process group to the certain one, and as much again for the system.
const END_TIME: Duration = Duration::from_secs(3);

/// Runs git under a watchdog. `$1` says what our death means, `$2` is the file on git's stdin. A
/// bound that the system does not know is left out: the time limit holds without it. KiB of memory:
/// a pack of 64 MiB needs far less, a bomb far more. Seconds of the processor: five times the time
/// limit.
const SCRIPT: &str = r#"
ulimit -c 0 2>/dev/null
ulimit -t 600 2>/dev/null
ulimit -v 4194304 2>/dev/null
orphan=$1 input=$2
shift 2
exec 3<&0
(
    read -r _ <&3 || test "$orphan" = dies || exit 0
    trap '' TERM
    kill -TERM 0
    sleep 1
    kill -KILL 0
) </dev/null >/dev/null 2>&1 &
watchdog=$!
git "$@" <"$input" 3<&- &
wait $!
status=$?
kill $watchdog 2>/dev/null
wait $watchdog 2>/dev/null
exit $status
"#;

/// Nothing that a repository names runs, nothing leaves the device, and nothing depends on whose
/// device it is.
const CONFIG: &[(&str, &str)] = &[
    ("advice.detachedHead", "false"),
    ("checkout.workers", "1"),
    ("commit.gpgSign", "false"),
    ("core.alternateRefsCommand", "false"),
    ("core.askPass", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.autocrlf", "false"),
    ("core.bigFileThreshold", "32m"),
    ("core.commitGraph", "false"),
    ("core.deltaBaseCacheLimit", "64m"),
    ("core.editor", "false"),
    ("core.excludesFile", "/dev/null"),
    ("core.filesRefLockTimeout", "5000"),
    ("core.fsmonitor", "false"),
    ("core.fsync", "all"),
    ("core.gitProxy", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.packedGitLimit", "512m"),
    ("core.packedGitWindowSize", "32m"),
    ("core.packedRefsTimeout", "5000"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.quotePath", "false"),
    ("core.safecrlf", "false"),
    ("core.sshCommand", "false"),
    ("credential.helper", ""),
    ("diff.external", ""),
    ("diff.ignoreSubmodules", "all"),
    ("gc.auto", "0"),
    ("gpg.program", "false"),
    ("index.threads", "1"),
    ("maintenance.auto", "false"),
    ("pack.packSizeLimit", "0"),
    ("pack.threads", "1"),
    ("pack.windowMemory", "64m"),
    ("protocol.allow", "never"),
    ("safe.bareRepository", "all"),
    ("safe.directory", "*"),
    ("submodule.recurse", "false"),
];

/// The environment. A home that does not exist, for paths that start with `~`.
const VARIABLES: &[(&str, &str)] = &[
    ("GIT_ALLOC_LIMIT", "512m"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_AUTHOR_EMAIL", IDENTITY_EMAIL),
    ("GIT_AUTHOR_NAME", IDENTITY_NAME),
    ("GIT_COMMITTER_EMAIL", IDENTITY_EMAIL),
    ("GIT_COMMITTER_NAME", IDENTITY_NAME),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_GRAFT_FILE", "/dev/null"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C"),
];

/// Who commits.
pub(super) const IDENTITY_NAME: &str = "KernelOS";
/// Who commits, as an address that nobody has.
pub(super) const IDENTITY_EMAIL: &str = "kern@localhost";

/// Where git runs, and what it is told there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) variables: Vec<(String, OsString)>,
    pub(super) config: Vec<(String, String)>,
}

/// One call of git.
#[derive(Debug, Clone)]
pub(super) struct Git {
    place: Place,
    args: Vec<OsString>,
    input: PathBuf,
    output_max: usize,
    time: Duration,
    finishes: bool,
}

/// What git said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: i32,
    pub(super) output: Vec<u8>,
    pub(super) words: String,
    /// What it says of a disk that gives it no room, or fails.
    pub(super) no_room: Option<String>,
}

enum Heard {
    Output(Vec<u8>),
    Words(Vec<u8>),
    TooMuch,
}

impl Place {
    pub(super) fn folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), variables: Vec::new(), config: Vec::new() }
    }

    pub(super) fn with(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((variable.to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(super) fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Git {
        Git {
            place: self.clone(),
            args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect(),
            input: PathBuf::from("/dev/null"),
            output_max: OUTPUT_BYTES_MAX,
            time: TIME_MAX,
            finishes: false,
        }
    }

    /// `program` in the environment that git gets here.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(&self.folder);
        let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
        command.env("PATH", path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
        command.envs(VARIABLES.iter().copied());
        let ours = CONFIG.iter().map(|(name, value)| (*name, *value));
        let all = ours.chain(self.config.iter().map(|(name, value)| (&**name, &**value)));
        let mut count = 0;
        for (name, value) in all {
            command.env(format!("GIT_CONFIG_KEY_{count}"), name);
            command.env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Git {
    /// With the file at `path` on its stdin.
    pub(super) fn input(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.input);
        self
    }

    pub(super) fn output_max(mut self, bytes: usize) -> Self {
        self.output_max = bytes;
        self
    }

    /// It goes on when we die: half of what it writes would be worse than all of it.
    pub(super) fn finishes(mut self) -> Self {
        self.finishes = true;
        self
    }

    fn name(&self) -> String {
        self.args.first().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn spawn(&self) -> Result<Child, GitFault> {
        let mut command = self.place.command("/bin/sh");
        let orphan = if self.finishes { "finishes" } else { "dies" };
        command.arg("-c").arg(SCRIPT).arg("git").arg(orphan).arg(&self.input).args(&self.args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        command.spawn().map_err(|error| GitFault::io(&self.place.folder, &error))
    }

    /// Runs it to its end; an exit status other than 0 is for the caller to judge.
    pub(super) fn said(&self) -> Result<Said, GitFault> {
        let mut child = self.spawn()?;
        let mut lifeline = child.stdin.take();
        let (sender, heard) = channel();
        if let Some(stdout) = child.stdout.take() {
            listen(stdout, self.output_max, false, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            listen(stderr, WORDS_BYTES_MAX, true, sender);
        }
        let mut deadline = Instant::now() + self.time;
        let (mut output, mut words, mut fault) = (Vec::new(), Vec::new(), None);
        loop {
            match heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Heard::Output(bytes)) => output = bytes,
                Ok(Heard::Words(bytes)) => words = bytes,
                Ok(Heard::TooMuch) => {
                    let what = format!("what git {} writes, in bytes", self.name());
                    fault = Some(GitFault::TooLarge { what, max: self.output_max as u64 });
                    stop(&mut lifeline);
                    deadline = Instant::now() + END_TIME;
                }
                // Both ends are closed: the shell, which holds them too, has ended.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if lifeline.is_some() => {
                    fault = Some(GitFault::TimedOut { command: self.name() });
                    stop(&mut lifeline);
                    deadline = Instant::now() + END_TIME;
                }
                Err(RecvTimeoutError::Timeout) => {
                    child.kill().ok();
                    break;
                }
            }
        }
        let status = child.wait().map_err(|error| GitFault::io(&self.place.folder, &error))?;
        drop(lifeline);
        match (fault, status.code()) {
            (Some(fault), _) => Err(fault),
            (None, Some(127)) => Err(GitFault::NotInstalled),
            (None, code) => Ok(Said {
                status: code.unwrap_or(-1),
                output,
                words: printable(words.trim_ascii()),
                no_room: no_room(&words),
            }),
        }
    }

    /// What it writes, where it succeeds.
    pub(super) fn run(&self) -> Result<Vec<u8>, GitFault> {
        let said = self.said()?;
        if said.status == 0 {
            return Ok(said.output);
        }
        Err(self.failed(&said))
    }

    /// What it writes, where it succeeds, as one line.
    pub(super) fn line(&self) -> Result<String, GitFault> {
        let output = self.run()?;
        Ok(String::from_utf8_lossy(output.trim_ascii_end()).into_owned())
    }

    /// Whether it succeeds; status 1 is "no".
    pub(super) fn holds(&self) -> Result<bool, GitFault> {
        let said = self.said()?;
        match said.status {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(self.failed(&said)),
        }
    }

    pub(super) fn failed(&self, said: &Said) -> GitFault {
        if said.words.contains(".lock': File exists") {
            return GitFault::Locked { why: said.words.clone() };
        }
        if let Some(why) = &said.no_room {
            return GitFault::NoRoom { why: why.clone() };
        }
        let why = if said.words.is_empty() {
            format!("status {}", said.status)
        } else {
            said.words.clone()
        };
        GitFault::Failed { command: self.name(), why }
    }
}

/// The line in which git says that the disk is at fault: it has the system's words in it, of the C
/// locale (errno(3)), or its own for a write that wrote nothing. What makes git say so without
/// reason is tried again, which is not worse than to be refused.
fn no_room(words: &[u8]) -> Option<String> {
    const WORDS: [&str; 6] = [
        "No space left on device",
        "Out of diskspace",
        "Disk quota exceeded",
        "Input/output error",
        "Read-only file system",
        "Too many open files",
    ];
    let said = String::from_utf8_lossy(words);
    let line = said.lines().find(|line| WORDS.iter().any(|word| line.contains(word)))?;
    Some(printable(line.as_bytes()))
}

/// Ends the process group.
fn stop(lifeline: &mut Option<ChildStdin>) {
    if let Some(mut lifeline) = lifeline.take() {
        lifeline.write_all(b"stop\n").ok();
    }
}

/// Reads `pipe` to its end on a thread of its own. Past `max` bytes it stops, or, where the rest is
/// `dropped`, reads on and keeps nothing.
fn listen(mut pipe: impl Read + Send + 'static, max: usize, dropped: bool, to: Sender<Heard>) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            let room = max.saturating_sub(bytes.len());
            let read = chunk.get(..length).unwrap_or_default();
            bytes.extend_from_slice(read.get(..room.min(length)).unwrap_or_default());
            if length > room && !dropped {
                to.send(Heard::TooMuch).ok();
                return;
            }
        }
        to.send(if dropped { Heard::Words(bytes) } else { Heard::Output(bytes) }).ok();
    });
}
