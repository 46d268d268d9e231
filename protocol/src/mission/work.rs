//! What a mission asks of the node, and what the node saw: plain data. The node performs, it
//! decides nothing.

use serde::{Deserialize, Serialize};

use super::record::{ObjectId, Output, StepEnd};
use crate::change::ChangedFile;
use crate::id::EventId;
use crate::report;

/// Names an order, so that its result finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// A commit, and the artifact that holds it: all of it for a base, what the base has not for
/// others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The commit.
    pub commit: ObjectId,
    /// The artifact.
    pub artifact: EventId,
}

/// What the node is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Run a step of the agent in a work tree, in the sandbox.
    Step {
        /// Its number.
        number: u64,
        /// What the last step left; none for the first.
        input: Option<Source>,
        /// The command.
        command: String,
        /// What is to be reached.
        goal: String,
    },
    /// Say what a candidate changes.
    Changes {
        /// The candidate.
        candidate: Output,
        /// What its commit says.
        goal: String,
    },
    /// Run the verification's command on clean checkouts.
    Verify {
        /// The candidate.
        candidate: Output,
        /// The command.
        command: String,
        /// Which paths are tests.
        tests: Vec<String>,
        /// What the candidate's commit says.
        goal: String,
    },
    /// Read what the runs of a verification printed.
    Logs {
        /// The artifacts.
        logs: Vec<EventId>,
    },
    /// Move the branch, if it is where it was.
    Promote {
        /// The candidate.
        candidate: Output,
        /// The branch.
        branch: String,
        /// What the commit says.
        goal: String,
    },
}

/// An order of a mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its name.
    pub ticket: Ticket,
    /// Whose.
    pub mission: EventId,
    /// The base.
    pub base: Source,
    /// What is to be done.
    pub task: Task,
}

/// One run of the verification's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRun {
    /// Of what, as evidence names it.
    pub of: String,
    /// The artifact that holds [`CommandLog`].
    pub log: EventId,
    /// What it printed, and how it ended.
    pub printed: CommandLog,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// What a command printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLog {
    /// How it ended.
    pub ended: report::Outcome,
    /// What it printed, as far as it is kept.
    pub output: String,
}

impl CommandLog {
    /// What an artifact holds. What is no log says nothing: the verdict shows it.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let nothing = Self { ended: report::Outcome::Killed, output: String::new() };
        serde_json::from_slice(bytes).unwrap_or(nothing)
    }
}

/// What the node saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A step ended.
    Step(StepEnd),
    /// What a candidate changes.
    Changes(Vec<ChangedFile>),
    /// The verification ran; nothing was run where the change rules refuse the candidate.
    Verified {
        /// What the candidate changes, found anew.
        changes: Vec<ChangedFile>,
        /// The runs, in their order.
        runs: Vec<CommandRun>,
        /// What the sandbox enforced.
        sandbox: String,
    },
    /// What the runs printed, in their order.
    Logs(Vec<CommandLog>),
    /// Where the branch is now.
    Promoted(ObjectId),
    /// What it was to work on is not what the records say it is: nobody can go on with it.
    Unusable(String),
    /// This device cannot do it now: why.
    Failed(String),
}

impl Source {
    /// What a step left.
    #[must_use]
    pub fn of(output: &Output) -> Self {
        Self { commit: output.commit.clone(), artifact: output.artifact }
    }
}
