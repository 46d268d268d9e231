//! What evidence says: small canonical JSON (keys sorted, integers only), one shape a stage
//! (SPEC: EVD-1 to EVD-5).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::record::{ObjectId, Output};
use crate::id::EventId;
use crate::verify::Verdict;

/// The contract stands in the workspace's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFacts {
    /// The event that wrote the five documents.
    pub contract: EventId,
    /// The version of the rules of change.
    pub rulebook: u32,
}

/// Why a file, or a whole change, is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalFacts {
    /// The reason code.
    pub code: String,
    /// The file, in showable form; empty if it is the whole change.
    pub path: String,
    /// For people.
    pub text: String,
}

/// What the change rules said of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// How many files it changes.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Why it is not admitted; empty where it is.
    pub refusals: Vec<RefusalFacts>,
}

/// What the steps left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImplementFacts {
    /// The candidate; none where a step did not end well.
    pub candidate: Option<Output>,
    /// What the change rules said of it.
    pub admission: Option<Admission>,
    /// The records of the steps.
    pub steps: Vec<EventId>,
    /// Why it failed, in words; none where it did not.
    pub reason: Option<String>,
}

/// One run of the verification's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFacts {
    /// Of what: `base`, `base tests on candidate`, `candidate`, `candidate again`, `candidate
    /// tests on base`.
    pub of: String,
    /// What it printed and how it ended, as an artifact.
    pub log: EventId,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// What the verifier saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyFacts {
    /// What was verified.
    pub commit: ObjectId,
    /// Had the verifier executed no step?
    pub independent: bool,
    /// What the change rules said, asked again.
    pub admission: Admission,
    /// What was run.
    pub runs: Vec<RunFacts>,
    /// What that means; none where the candidate was not admitted.
    pub verdict: Option<Verdict>,
    /// What the sandbox enforced.
    pub sandbox: String,
}

/// What feeding the records to the rules again gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayFacts {
    /// `R1`: recorded results, no command runs.
    pub mode: String,
    /// How many records were replayed.
    pub records: u64,
    /// The hash over their ids.
    pub root: String,
    /// The first record that came out differently.
    pub first_difference: Option<EventId>,
}

/// The one text of facts.
pub fn to_json<T: Serialize>(facts: &T) -> String {
    // A map of serde_json keeps its keys sorted, and these types have nothing that fails.
    serde_json::to_value(facts).map(|value| value.to_string()).unwrap_or_default()
}

/// Reads facts; none where they are not the one text of facts of this shape.
pub fn from_json<T: Serialize + DeserializeOwned>(text: &str) -> Option<T> {
    let facts = serde_json::from_str(text).ok()?;
    (to_json(&facts) == text).then_some(facts)
}
