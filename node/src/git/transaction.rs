//! A branch held still while its work trees follow, then moved: `git update-ref --stdin`.
//!
//! Git holds the lock of the ref. Its stdin is our lifeline: when we die, git gives the lock back
//! and the branch stays where it was (git-update-ref(1), "prepare").

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::fault::GitFault;
use super::oid::Oid;
use super::process::Place;

/// How long git may take for one answer: longer than it waits for a lock.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long git may take to give a lock back.
const END_TIME: Duration = Duration::from_secs(5);
/// Between two looks at a process that ends.
const PAUSE: Duration = Duration::from_millis(2);

/// A branch whose lock is held.
#[derive(Debug)]
pub(super) struct Transaction {
    git: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Transaction {
    /// Locks `branch` where it is at `old`, to be moved to `new`. `None`: git refuses, because the
    /// branch is elsewhere or another holds its lock.
    pub(super) fn prepare(
        place: &Place,
        branch: &str,
        old: &Oid,
        new: &Oid,
    ) -> Result<Option<Self>, GitFault> {
        let fault = |error| GitFault::io(&place.folder, &error);
        let mut command = place.command("git");
        command.args(["update-ref", "-m", "kernelos: promote", "--stdin"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.process_group(0);
        let mut git = command.spawn().map_err(fault)?;
        let stdin = git.stdin.take();
        let (sender, answers) = channel();
        if let Some(stdout) = git.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let mut this = Self { git, stdin, answers };
        let update = format!("update refs/heads/{branch} {new} {old}\n");
        this.say(&format!("start\n{update}prepare\n"));
        let prepared = this.hears("start: ok") && this.hears("prepare: ok");
        Ok(prepared.then_some(this))
    }

    /// Moves the branch; whether it did. The lock is given back either way.
    pub(super) fn commit(mut self) -> bool {
        self.say("commit\n");
        self.hears("commit: ok")
    }

    fn say(&mut self, words: &str) {
        if let Some(stdin) = &mut self.stdin {
            // A git that has ended is heard by its silence.
            stdin.write_all(words.as_bytes()).and_then(|()| stdin.flush()).ok();
        }
    }

    fn hears(&self, words: &str) -> bool {
        self.answers.recv_timeout(ANSWER_TIME).is_ok_and(|line| line == words)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + END_TIME;
        while let Ok(None) = self.git.try_wait() {
            if Instant::now() >= deadline {
                self.git.kill().ok();
                self.git.wait().ok();
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}
