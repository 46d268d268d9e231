//! What an order does: git, the sandbox, artifacts. Git blocks this thread, which is the order's
//! own.

use std::collections::BTreeMap;

use kernelos_protocol::change::{ChangedFile, Entry};
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::record::{Output, StepEnd};
use kernelos_protocol::mission::work::{CommandLog, Order, Outcome, Source, Task};
use tokio::sync::watch;

use super::folder::{Desk, object, oid};
use super::timeout::StepTimeout;
use super::worker::Worker;
use crate::artifacts;
use crate::engine::Asker;
use crate::git::{self, GitFault, MissionRepo, Oid, Promoted};
use crate::sandbox::{Ended, Job, Limits, Outcome as Exit};

/// Bytes of a command's output that are kept as its log.
const LOG_BYTES_MAX: u64 = 1 << 20;

/// What one order has at hand.
pub(super) struct Desktop {
    pub(super) worker: Worker,
    pub(super) asker: Asker,
    pub(super) stopped: watch::Receiver<bool>,
}

/// A command that ended.
pub(super) struct Ran {
    pub(super) ended: Ended,
    /// What it printed: standard output, then standard error.
    pub(super) printed: Vec<u8>,
}

impl Desktop {
    /// Does what was ordered. What cannot be done here is said, and another device may do it.
    pub(super) async fn perform(&self, order: &Order) -> Outcome {
        let done = match &order.task {
            Task::Step { number, input, command, goal } => {
                self.step(order, *number, input.as_ref(), command, goal).await
            }
            Task::Changes { candidate } => self.list_changes(order, candidate).await,
            Task::Verify { candidate, command, tests } => {
                self.verify(order, candidate, command, tests).await
            }
            Task::Logs { logs } => self.logs(logs).await,
            Task::Promote { candidate, branch } => self.promote(order, candidate, branch).await,
        };
        done.unwrap_or_else(Outcome::Failed)
    }

    /// The mission's repository, with its base and what else is needed of it.
    pub(super) async fn repository(
        &self,
        order: &Order,
        also: Option<&Source>,
    ) -> Result<MissionRepo, String> {
        let repository = self.worker.folder.repository(&order.mission, &order.base.commit)?;
        let base = oid(&order.base.commit)?;
        if !repository.has(&base) {
            let pack = self.get(order.base.artifact).await?;
            repository.import_base(&base, &pack).map_err(|fault| fault.to_string())?;
        }
        if let Some(source) = also {
            let commit = oid(&source.commit)?;
            if !repository.has(&commit) {
                let pack = self.get(source.artifact).await?;
                repository.import(&commit, &pack).map_err(|fault| fault.to_string())?;
            }
        }
        Ok(repository)
    }

    async fn get(&self, artifact: EventId) -> Result<Vec<u8>, String> {
        artifacts::get(&self.asker, artifact).await.map_err(|failure| failure.to_string())
    }

    pub(super) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<EventId, String> {
        let put = artifacts::put(&self.asker, name, bytes).await;
        put.map_err(|failure| failure.to_string())
    }

    /// Runs a command in the sandbox.
    pub(super) async fn run(
        &self,
        desk: &Desk,
        command: &str,
        goal: Option<&str>,
    ) -> Result<Ran, String> {
        let sandbox = self.worker.sandbox.as_ref().as_ref().map_err(Clone::clone)?;
        let mut env = BTreeMap::new();
        if let Some(goal) = goal {
            let file = desk.scratch.join("goal");
            std::fs::write(&file, goal).map_err(|error| format!("{}: {error}", file.display()))?;
            env.insert("KERNELOS_GOAL_FILE".to_owned(), file.display().to_string());
            env.insert("KERNELOS_SCRATCH".to_owned(), desk.scratch.display().to_string());
        }
        let job = Job {
            command: command.to_owned(),
            dir: desk.tree.clone(),
            scratch: desk.scratch.clone(),
            stdin: goal.unwrap_or_default().as_bytes().to_vec(),
            env,
            readable: Vec::new(),
            hidden: vec![self.worker.hidden.clone()],
            limits: Limits {
                wall: self.worker.step_timeout.duration(),
                output_bytes: LOG_BYTES_MAX,
                ..Limits::default()
            },
        };
        let mut stopped = self.stopped.clone();
        let stop = async move {
            // The sender is gone where the node stops.
            stopped.wait_for(|stop| *stop).await.ok();
        };
        let ended = sandbox.run(job, stop).await.map_err(|fault| fault.to_string())?;
        if ended.outcome == Exit::Stopped {
            return Err("it was stopped".to_owned());
        }
        let mut printed = ended.stdout.clone();
        printed.extend_from_slice(&ended.stderr);
        Ok(Ran { ended, printed })
    }

    async fn step(
        &self,
        order: &Order,
        number: u64,
        input: Option<&Source>,
        command: &str,
        goal: &str,
    ) -> Result<Outcome, String> {
        let repository = self.repository(order, input).await?;
        let from = oid(&input.unwrap_or(&order.base).commit)?;
        let desk = self.worker.folder.desk(&order.mission, "step")?;
        repository.worktree(&desk.tree, &from).map_err(|fault| fault.to_string())?;
        let ran = self.run(&desk, command, Some(goal)).await?;
        let (mut outcome, exit) = ended(&ran.ended.outcome, self.worker.step_timeout);
        let mut output = None;
        if exit == Some(0) {
            match keep(&repository, &desk, &from, order, goal)? {
                Ok(Kept { commit, tree, pack }) => {
                    let artifact = self.put(&format!("step-{number}"), pack).await?;
                    let (commit, tree) = (object(&commit)?, object(&tree)?);
                    output = Some(Output { commit, tree, artifact });
                }
                Err(fault) => outcome = format!("its work tree cannot be kept: {fault}"),
            }
        }
        repository.remove_worktree(&desk.tree).ok();
        let log = match ran.printed.is_empty() {
            true => None,
            false => Some(self.put(&format!("step-{number}-log"), ran.printed).await?),
        };
        outcome.truncate(outcome.floor_char_boundary(64));
        Ok(Outcome::Step(StepEnd {
            outcome,
            exit,
            output,
            log,
            ms: ran.ended.ms,
            left_behind: u64::from(ran.ended.left_behind),
            sandbox: ran.ended.level.to_string(),
        }))
    }

    async fn list_changes(&self, order: &Order, candidate: &Source) -> Result<Outcome, String> {
        let repository = self.repository(order, Some(candidate)).await?;
        changes(&repository, order, candidate).map(Outcome::Changes)
    }

    async fn logs(&self, logs: &[EventId]) -> Result<Outcome, String> {
        let mut read = Vec::with_capacity(logs.len());
        for log in logs {
            let bytes = self.get(*log).await?;
            let log: CommandLog = serde_json::from_slice(&bytes)
                .map_err(|error| format!("what a run printed cannot be read: {error}"))?;
            read.push(log);
        }
        Ok(Outcome::Logs(read))
    }

    async fn promote(
        &self,
        order: &Order,
        candidate: &Source,
        branch: &str,
    ) -> Result<Outcome, String> {
        let root = self.worker.folder.origin_of(&order.base.artifact)?;
        let (old, new) = (oid(&order.base.commit)?, oid(&candidate.commit)?);
        let pack = self.get(candidate.artifact).await?;
        let promoted = git::promote(&root, branch, &old, &new, &pack);
        let now = match promoted.map_err(|fault| fault.to_string())? {
            Promoted::Moved { now } => object(&now)?,
            _ => {
                self.worker.folder.forget(&order.mission);
                candidate.commit.clone()
            }
        };
        Ok(Outcome::Promoted(now))
    }
}

/// How a command ended, in words, and its exit code.
fn ended(exit: &Exit, timeout: StepTimeout) -> (String, Option<u64>) {
    match exit {
        Exit::Exited(code) => ("exited".to_owned(), u64::try_from(*code).ok()),
        Exit::Signalled(signal) => (format!("ended by signal {signal}"), None),
        Exit::TimedOut => (format!("ended: it took longer than {timeout}"), None),
        Exit::TooMuchOutput => ("ended: it printed too much".to_owned(), None),
        Exit::TooMuchDisk => ("ended: it wrote too much".to_owned(), None),
        Exit::TooMuchMemory => ("ended: it took too much memory".to_owned(), None),
        Exit::TooManyProcesses => ("ended: it started too many processes".to_owned(), None),
        Exit::Stopped => ("stopped".to_owned(), None),
    }
}

/// What an agent left.
struct Kept {
    commit: Oid,
    tree: Oid,
    /// What the base has not.
    pack: Vec<u8>,
}

/// Keeps what an agent left as a commit on the base: the same on every device. A fault inside is
/// the agent's doing and ends the step: tried again, it would come again. One outside is the
/// device's.
fn keep(
    repository: &MissionRepo,
    desk: &Desk,
    from: &Oid,
    order: &Order,
    goal: &str,
) -> Result<Result<Kept, GitFault>, String> {
    let base = oid(&order.base.commit)?;
    let kept = || {
        let tree = repository.snapshot(&desk.tree, from)?;
        let message = format!("{}\n\nMission: {}\n", goal.trim(), order.mission);
        let commit = repository.commit(&tree, &base, &message)?;
        let pack = repository.pack(&base, &commit)?;
        Ok(Kept { commit, tree, pack })
    };
    match kept() {
        Err(fault @ (GitFault::Io { .. } | GitFault::NotInstalled | GitFault::TooOld { .. })) => {
            Err(fault.to_string())
        }
        kept => Ok(kept),
    }
}

/// What a candidate changes.
pub(super) fn changes(
    repository: &MissionRepo,
    order: &Order,
    candidate: &Source,
) -> Result<Vec<ChangedFile>, String> {
    let tree = |source: &Source| {
        let tree = repository.tree_of(&oid(&source.commit)?);
        tree.map_err(|fault| fault.to_string())
    };
    let changed = repository.changes(&tree(&order.base)?, &tree(candidate)?);
    let changed = changed.map_err(|fault| fault.to_string())?;
    let entry = |entry: git::Entry| Entry {
        mode: entry.mode,
        size: entry.size,
        link_target: entry.link_target,
    };
    let file = |file: git::ChangedFile| ChangedFile {
        path: file.path,
        old: file.old.map(entry),
        new: file.new.map(entry),
    };
    Ok(changed.into_iter().map(file).collect())
}
