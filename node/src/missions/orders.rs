//! What an order does: git, the sandbox, artifacts. Git blocks this thread, which is the order's
//! own.

use std::collections::BTreeMap;

use kernelos_protocol::change::{ChangedFile, Entry, admit_change};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::REPORT_BYTES_MAX;
use kernelos_protocol::mission::record::{ObjectId, Output, StepEnd};
use kernelos_protocol::mission::work::{CommandLog, Order, Outcome, Source, Task};
use tokio::sync::watch;

use super::folder::{Desk, object, oid};
use super::timeout::StepTimeout;
use super::worker::Worker;
use crate::artifacts::{self, Unread};
use crate::engine::Asker;
use crate::git::{self, GitFault, MissionRepo, Oid, Promoted};
use crate::sandbox::{Ended, Job, Limits, Outcome as Exit};

/// Bytes that a step may print: a log that a person reads.
const LOG_BYTES_MAX: u64 = 1 << 20;

/// Bytes of a verification's log: what a report reads, as JSON, where each byte may take six.
const LOG_ARTIFACT_BYTES_MAX: usize = 6 * REPORT_BYTES_MAX + 1_024;

/// Why an order came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// This device cannot do it now.
    Here(String),
    /// What it was to work on is not what the records say: nobody can.
    Unusable(String),
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Here(why)
    }
}

impl From<GitFault> for Fault {
    fn from(fault: GitFault) -> Self {
        Self::Here(fault.to_string())
    }
}

impl From<Unread> for Fault {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Here(failure) => Self::Here(failure.to_string()),
            Unread::Wrong(failure) => Self::Unusable(failure.to_string()),
        }
    }
}

/// A pack came whole, as its author sealed it, and so did the ids beside it; what is wrong with
/// them is wrong everywhere.
fn of_pack(fault: GitFault) -> Fault {
    match fault {
        GitFault::BadPack { .. }
        | GitFault::Incomplete { .. }
        | GitFault::BadTree { .. }
        | GitFault::OtherFormat
        | GitFault::TooLarge { .. } => Fault::Unusable(fault.to_string()),
        other => other.into(),
    }
}

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
            Task::Changes { candidate, goal } => self.list_changes(order, candidate, goal).await,
            Task::Verify { candidate, command, tests, goal } => {
                self.verify(order, candidate, goal, (command, tests)).await
            }
            Task::Logs { logs } => self.logs(logs).await,
            Task::Promote { candidate, branch, goal } => {
                self.promote(order, candidate, branch, goal).await
            }
        };
        match done {
            Ok(outcome) => outcome,
            Err(Fault::Here(why)) => Outcome::Failed(why),
            Err(Fault::Unusable(why)) => Outcome::Unusable(why),
        }
    }

    /// The mission's repository, with its base and what else is needed of it.
    pub(super) async fn repository(
        &self,
        order: &Order,
        also: Option<&Source>,
    ) -> Result<MissionRepo, Fault> {
        let repository = self.worker.folder.repository(&order.mission, &order.base.commit)?;
        let base = oid(&order.base.commit)?;
        if !repository.has(&base) {
            let pack = self.get(order.base.artifact).await?;
            repository.import_base(&base, &pack).map_err(of_pack)?;
        }
        if let Some(source) = also {
            let commit = oid(&source.commit)?;
            if !repository.has(&commit) {
                let pack = self.get(source.artifact).await?;
                repository.import(&commit, &pack).map_err(of_pack)?;
            }
        }
        Ok(repository)
    }

    async fn get(&self, artifact: EventId) -> Result<Vec<u8>, Fault> {
        Ok(artifacts::get(&self.asker, artifact).await?)
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
        let output_bytes = match goal {
            Some(_) => LOG_BYTES_MAX,
            // One more than a report reads, so that a longer one is known to be cut.
            None => REPORT_BYTES_MAX as u64 + 1,
        };
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
                output_bytes,
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
    ) -> Result<Outcome, Fault> {
        let repository = self.repository(order, input).await?;
        let from = oid(&input.unwrap_or(&order.base).commit)?;
        let desk = self.worker.folder.desk(&order.mission, order.ticket)?;
        repository.worktree(&desk.tree, &from)?;
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

    async fn list_changes(
        &self,
        order: &Order,
        candidate: &Output,
        goal: &str,
    ) -> Result<Outcome, Fault> {
        let repository = self.candidate(order, candidate, goal).await?;
        changes(&repository, order, candidate).map(Outcome::Changes)
    }

    /// The mission's repository with a candidate in it, whose commit is exactly what it must be:
    /// so nothing stands between the base and it, and nobody else's name is on it.
    pub(super) async fn candidate(
        &self,
        order: &Order,
        candidate: &Output,
        goal: &str,
    ) -> Result<MissionRepo, Fault> {
        let repository = self.repository(order, Some(&Source::of(candidate))).await?;
        let (base, commit) = (oid(&order.base.commit)?, oid(&candidate.commit)?);
        let tree = repository.tree_of(&commit)?;
        if tree.as_str() != candidate.tree.as_str()
            || repository.commit(&tree, &base, &message(order, goal))? != commit
        {
            let why = "the candidate's commit is not its tree on the base with the goal";
            return Err(Fault::Unusable(why.to_owned()));
        }
        Ok(repository)
    }

    /// What the runs of a verification printed.
    async fn logs(&self, logs: &[EventId]) -> Result<Outcome, Fault> {
        let mut read = Vec::with_capacity(logs.len());
        for log in logs {
            let bytes = artifacts::get_at_most(&self.asker, *log, LOG_ARTIFACT_BYTES_MAX).await;
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(Unread::Wrong(_)) => Vec::new(),
                Err(unread) => return Err(unread.into()),
            };
            read.push(CommandLog::read(&bytes));
        }
        Ok(Outcome::Logs(read))
    }

    async fn promote(
        &self,
        order: &Order,
        candidate: &Output,
        branch: &str,
        goal: &str,
    ) -> Result<Outcome, Fault> {
        let repository = self.candidate(order, candidate, goal).await?;
        if let Err(refusals) = admit_change(&changes(&repository, order, candidate)?) {
            let first = refusals.first().map_or_else(String::new, |refusal| refusal.text.clone());
            return Err(Fault::Here(format!("the change rules refuse the candidate: {first}")));
        }
        let root = self.worker.folder.origin_of(&order.base.artifact)?;
        let (old, new) = (oid(&order.base.commit)?, oid(&candidate.commit)?);
        // Of what was checked here, whatever the artifact holds.
        let pack = repository.pack(&old, &new)?;
        let now = match git::promote(&root, branch, &old, &new, &pack)? {
            Promoted::Moved { now } => object(&now)?,
            Promoted::Done { .. } | Promoted::Already => candidate.commit.clone(),
        };
        self.worker.folder.forget(&order.mission);
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

/// What a candidate's commit says.
fn message(order: &Order, goal: &str) -> String {
    format!("{}\n\nMission: {}\n", goal.trim(), order.mission)
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
        let commit = repository.commit(&tree, &base, &message(order, goal))?;
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
    candidate: &Output,
) -> Result<Vec<ChangedFile>, Fault> {
    let tree = |commit: &ObjectId| Ok::<_, Fault>(repository.tree_of(&oid(commit)?)?);
    let changed = repository.changes(&tree(&order.base.commit)?, &tree(&candidate.commit)?)?;
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
