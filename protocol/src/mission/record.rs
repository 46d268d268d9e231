//! The records of a mission: what stands in its events, one encoding each (SPEC: CNT-5 to CNT-10).
//!
//! All but the first name the record that they follow (`on`), so the records of a mission are a
//! tree, and the way from its root to one of them is one run's journal.

mod encoding;

use serde::{Deserialize, Serialize};

use crate::cbor::{self, CborFault, Reader};
use crate::content::kind;
use crate::id::{EventId, from_hex, to_hex};
use crate::limits::{
    COMMAND_BYTES_MAX, CONTRACT_LETTERS_MAX, GLOB_BYTES_MAX, GOAL_BYTES_MAX, MISSION_STEPS_MAX,
    MISSION_TESTS_MAX, REF_BYTES_MAX,
};

/// A git object: 20 bytes of SHA-1 or 32 of SHA-256, as hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(String);

impl ObjectId {
    /// Its hex digits, 40 or 64 of them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bytes(&self) -> Vec<u8> {
        let short = from_hex::<20>(&self.0).map(|bytes| bytes.to_vec());
        short.or_else(|| from_hex::<32>(&self.0).map(|bytes| bytes.to_vec())).unwrap_or_default()
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        let bytes = from.bytes(32)?;
        if bytes.len() == 20 || bytes.len() == 32 {
            Ok(Self(to_hex(bytes)))
        } else {
            Err(CborFault::Malformed)
        }
    }
}

impl TryFrom<String> for ObjectId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if from_hex::<20>(&text).is_some() || from_hex::<32>(&text).is_some() {
            Ok(Self(text))
        } else {
            Err("a git object is named by 40 or 64 hex digits, lower case".to_owned())
        }
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.0
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! numbered {
    (
        $(#[$doc:meta])* $name:ident {
            $($(#[$each:meta])* $variant:ident = $number:literal, $text:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$each])* $variant = $number,)* }

        impl $name {
            /// All of them, in their order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
                let number = from.uint()?;
                let found = Self::ALL.iter().find(|one| **one as u64 == number);
                found.copied().ok_or(CborFault::Malformed)
            }
        }
    };
}

numbered! {
    /// The five stages of a mission, in their order.
    Stage {
        /// What is to be done, and how it will be verified, is fixed.
        Plan = 1, "plan";
        /// An agent makes a candidate.
        Implement = 2, "implement";
        /// Somebody who trusts no agent runs the tests.
        Verify = 3, "verify";
        /// The recorded results, fed to the rules again, give the same events.
        Replay = 4, "replay";
        /// The branch moves, at its home.
        Promote = 5, "promote";
    }
}

numbered! {
    /// What is decided about before it is done. `SPEC: POL-1`
    Act {
        /// Run a mission's agent, or its verification, on this device.
        RunAgent = 1, "run_agent";
        /// Start the next step.
        StartStep = 2, "start_step";
        /// Run the verification's command.
        Verify = 3, "verify";
        /// Move the branch.
        MoveRef = 4, "move_ref";
        /// Read a credential.
        ReadCredential = 5, "read_credential";
        /// End the mission.
        Cancel = 6, "cancel";
    }
}

/// What a mission is: fixed by its first event. `SPEC: CNT-5`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mission {
    /// What is to be reached, in words.
    pub goal: String,
    /// What the repository is called. Where it is, its home knows alone.
    pub repository: String,
    /// The branch that is to move.
    pub branch: String,
    /// Where the branch is.
    pub base: ObjectId,
    /// The artifact that holds the base.
    pub base_artifact: EventId,
    /// The agent's name.
    pub agent: String,
    /// The agent's commands, one a step.
    pub steps: Vec<String>,
    /// The command that verifies.
    pub verify: String,
    /// Which paths are tests: the base's are laid over the candidate.
    pub tests: Vec<String>,
    /// How many tests there must be at least.
    pub floor: u64,
}

impl Mission {
    /// What of it breaks a limit, in words; none where nothing does. Its texts become a contract
    /// in the document, an operation for each character.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let texts = [&self.goal, &self.verify].into_iter().chain(&self.steps).chain(&self.tests);
        let letters: usize = texts.map(|text| text.chars().count()).sum();
        if letters > CONTRACT_LETTERS_MAX {
            return Some(format!(
                "goal, commands and patterns have {letters} characters together, and \
                 {CONTRACT_LETTERS_MAX} are allowed"
            ));
        }
        let record = Record::Mission(Box::new(self.clone()));
        let is_read = cbor::decode::<Record>(&cbor::encode(&record)).is_ok();
        (!is_read).then(|| {
            format!(
                "a goal has 1 to {GOAL_BYTES_MAX} bytes, a command 1 to {COMMAND_BYTES_MAX}, a \
                 pattern 1 to {GLOB_BYTES_MAX}, a branch 1 to {REF_BYTES_MAX}; there are 1 to \
                 {MISSION_STEPS_MAX} steps, up to {MISSION_TESTS_MAX} patterns, and one test at \
                 least"
            )
        })
    }
}

/// An answer of the policy, which stands before what it allows. `SPEC: CNT-6`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The record that it follows.
    pub on: EventId,
    /// What was asked.
    pub act: Act,
    /// The answer.
    pub allowed: bool,
    /// The rule that gave it.
    pub rule: String,
}

/// A lease on a stage of a mission, taken. `SPEC: CNT-7`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The decision that allows it.
    pub on: EventId,
    /// `Implement` or `Verify`; the second covers `Replay` too.
    pub stage: Stage,
    /// One more than the greatest of its past: the fencing token.
    pub epoch: u64,
}

/// A step that ended. `SPEC: CNT-8`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The decision that allowed it to start.
    pub on: EventId,
    /// Its number, from 1.
    pub number: u64,
    /// The commit whose tree the agent found.
    pub input: ObjectId,
    /// How it ended.
    pub ended: StepEnd,
}

/// How a step ended: what the node saw, not what the agent said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEnd {
    /// `exited`, or why the node ended it.
    pub outcome: String,
    /// The exit code; none where it was ended.
    pub exit: Option<u64>,
    /// What it left; none where it did not end well.
    pub output: Option<Output>,
    /// The artifact that holds what it printed; none where it printed nothing.
    pub log: Option<EventId>,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Processes that it left behind.
    pub left_behind: u64,
    /// What the sandbox enforced, in words.
    pub sandbox: String,
}

/// A work tree as a commit on the base, and the artifact that holds what the base has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The commit.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// The artifact.
    pub artifact: EventId,
}

/// What a node saw of a stage: canonical JSON. `SPEC: CNT-9`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The record that it follows.
    pub on: EventId,
    /// Of which stage.
    pub stage: Stage,
    /// Did the stage succeed?
    pub passed: bool,
    /// What was seen.
    pub facts: String,
}

/// What became of the branch. `SPEC: CNT-10`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The decision that allowed it.
    pub on: EventId,
    /// Where the branch had to be.
    pub old: ObjectId,
    /// Where it is now: the candidate's commit, or where somebody else moved it.
    pub now: ObjectId,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The first of a mission.
    Mission(Box<Mission>),
    /// A decision.
    Decision(Decision),
    /// A claim.
    Claim(Claim),
    /// A step.
    Step(Box<Step>),
    /// Evidence.
    Evidence(Evidence),
    /// The end.
    Promotion(Promotion),
}

impl Record {
    /// Its content kind.
    #[must_use]
    pub fn kind(&self) -> u64 {
        match self {
            Self::Mission(_) => kind::MISSION,
            Self::Decision(_) => kind::DECISION,
            Self::Claim(_) => kind::LEASE,
            Self::Step(_) => kind::RUN,
            Self::Evidence(_) => kind::EVIDENCE,
            Self::Promotion(_) => kind::PROMOTE,
        }
    }

    /// The record that it follows.
    #[must_use]
    pub fn on(&self) -> Option<EventId> {
        match self {
            Self::Mission(_) => None,
            Self::Decision(decision) => Some(decision.on),
            Self::Claim(claim) => Some(claim.on),
            Self::Step(step) => Some(step.on),
            Self::Evidence(evidence) => Some(evidence.on),
            Self::Promotion(promotion) => Some(promotion.on),
        }
    }

    /// Is this the number of a record's kind?
    #[must_use]
    pub fn is_kind(number: u64) -> bool {
        [kind::MISSION, kind::DECISION, kind::LEASE, kind::RUN, kind::EVIDENCE, kind::PROMOTE]
            .contains(&number)
    }
}
