//! Whether a candidate is verified: a function of what up to five runs of tests said.
//!
//! Nothing that the candidate's author says is an input, and no run is judged alone. The base's
//! tests laid over the candidate tell whether what worked still works, by tests that the author
//! could not touch; the candidate's tests laid over the base tell whether they prove anything.
//! Reading order: [`Runs`], [`verify`], `compare`, `code`.
//!
//! Invariant: a verdict is a function of the reports and the floor, and equal on every device.
//! Residual risks stand in SPEC.md under the requirements.

mod code;
mod compare;

use serde::{Deserialize, Serialize};

use crate::limits::VERDICT_TESTS_NAMED_MAX;
use crate::report::{Format, Report, TestState};

pub use code::VerdictCode;

/// The runs of one candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// The base tree, its own tests.
    pub base: Report,
    /// The candidate's tree with the base's test files laid over it.
    pub base_tests_on_candidate: Report,
    /// The candidate's tree, its own tests, twice.
    pub candidate: [Report; 2],
    /// The base tree with the candidate's test files laid over it; run where
    /// [`needs_candidate_tests_on_base`] asks for it.
    pub candidate_tests_on_base: Option<Report>,
    /// The number of tests that the verification contract expects, at least; 0 counts as 1.
    pub floor: u32,
}

/// One reason against a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs and tests.
    pub code: VerdictCode,
    /// For people.
    pub text: String,
    /// The first tests that it is about, by name.
    pub tests: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl Refusal {
    fn of(code: VerdictCode, detail: &str) -> Self {
        let text = if detail.is_empty() { code.to_string() } else { format!("{code}: {detail}") };
        Self { code, text, tests: Vec::new(), more: 0 }
    }

    /// None without names.
    fn about<'a>(code: VerdictCode, names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut refusal = Self::of(code, "");
        for name in names {
            if refusal.tests.len() < VERDICT_TESTS_NAMED_MAX {
                refusal.tests.push(name.to_owned());
            } else {
                refusal.more += 1;
            }
        }
        (!refusal.tests.is_empty()).then_some(refusal)
    }
}

/// What one run said, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// What it was read from; opaque means that the exit alone was.
    pub format: Format,
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that were skipped.
    pub skipped: usize,
    /// Whether output or tests were left out.
    pub truncated: bool,
    /// Whether the report contradicts itself.
    pub faulty: bool,
}

impl Counts {
    fn of(report: &Report) -> Self {
        Self {
            format: report.format,
            passed: report.count(TestState::Passed),
            failed: report.count(TestState::Failed),
            skipped: report.count(TestState::Skipped),
            truncated: report.truncated,
            faulty: !report.faults.is_empty(),
        }
    }
}

/// How it is shown that the candidate does something that the base does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    /// The base's own test failed there and passes now.
    Existing,
    /// The base's command did not get as far as its tests, and its own test passes now.
    ExistingUnbuilt,
    /// The candidate's test fails on the base.
    New,
    /// With the candidate's tests the base's command did not get as far as tests, as where they
    /// call what is not there: weaker, for any test that is new then counts.
    NewUnbuilt,
}

/// A test that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How.
    pub kind: ProofKind,
    /// The first such test, by name.
    pub test: String,
    /// How many more there are of that kind.
    pub more: usize,
}

/// The verdict on a candidate; it goes into evidence as it is. `SPEC: VFY-1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether nothing speaks against it and something for it.
    pub passed: bool,
    /// What speaks against it, by code.
    pub reasons: Vec<Refusal>,
    /// What speaks for it, the strongest kind that there is.
    pub proof: Option<Proof>,
    /// The least number of tests that had to run.
    pub floor: usize,
    /// The run of [`Runs::base`].
    pub base: Counts,
    /// The run of [`Runs::base_tests_on_candidate`].
    pub base_tests_on_candidate: Counts,
    /// The runs of [`Runs::candidate`].
    pub candidate: [Counts; 2],
    /// The run of [`Runs::candidate_tests_on_base`], where there was one.
    pub candidate_tests_on_base: Option<Counts>,
    /// Whether that run is missing and would decide.
    pub needs_candidate_tests_on_base: bool,
}

/// Whether the candidate's tests must be run on the base: nothing speaks against the candidate so
/// far, and no test of the base shows what it does. What that run said is not looked at.
/// `SPEC: VFY-7`
#[must_use]
pub fn needs_candidate_tests_on_base(runs: &Runs) -> bool {
    compare::refusals(runs).is_empty() && compare::existing_proof(runs).is_none()
}

/// Judges a candidate. `SPEC: VFY-1`
#[must_use]
pub fn verify(runs: &Runs) -> Verdict {
    let mut reasons = compare::refusals(runs);
    let mut proof = compare::existing_proof(runs);
    let mut needs = false;
    match &runs.candidate_tests_on_base {
        _ if proof.is_some() => {}
        Some(report) => {
            proof = compare::new_proof(runs, report);
            if proof.is_none() {
                reasons.push(Refusal::of(VerdictCode::ProvesNothing, ""));
            }
        }
        None if reasons.is_empty() => {
            needs = true;
            reasons.push(Refusal::of(VerdictCode::Unproven, ""));
        }
        None => {}
    }
    Verdict {
        passed: reasons.is_empty() && proof.is_some(),
        reasons,
        proof,
        floor: compare::floor(runs),
        base: Counts::of(&runs.base),
        base_tests_on_candidate: Counts::of(&runs.base_tests_on_candidate),
        candidate: [Counts::of(&runs.candidate[0]), Counts::of(&runs.candidate[1])],
        candidate_tests_on_base: runs.candidate_tests_on_base.as_ref().map(Counts::of),
        needs_candidate_tests_on_base: needs,
    }
}
