//! What devices see, and what records say that was seen.

use crate::id::EventId;
use crate::mission::evidence::{
    Admission, ImplementFacts, PlanFacts, ReplayFacts, RunFacts, VerifyFacts, from_json,
};
use crate::mission::record::{Act, ObjectId, Record, Stage, StepEnd};
use crate::verify::Verdict;

/// What a device saw: what it did not compute from the records before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The contract was written.
    Plan(PlanFacts),
    /// Somebody wants to do something.
    Decide(Act),
    /// The lease is to be taken.
    Claim,
    /// A step ended.
    Step(StepEnd),
    /// What the change rules say of the candidate; none where there is no candidate.
    Implement(Option<Admission>),
    /// The verification's commands ran.
    Verify {
        /// What the change rules say.
        admission: Admission,
        /// What was run.
        runs: Vec<RunFacts>,
        /// What it means; none where nothing was run.
        verdict: Option<Verdict>,
        /// What the sandbox enforced.
        sandbox: String,
    },
    /// The first record that came out differently, if one did.
    Replay(Option<EventId>),
    /// Where the branch is after the attempt to move it.
    Promote(ObjectId),
}

/// What its author saw, by what the record says.
#[must_use]
pub fn seen(record: &Record) -> Option<Seen> {
    Some(match record {
        Record::Mission(_) => return None,
        Record::Decision(decision) => Seen::Decide(decision.act),
        Record::Claim(_) => Seen::Claim,
        Record::Step(step) => Seen::Step(step.ended.clone()),
        Record::Promotion(promotion) => Seen::Promote(promotion.now.clone()),
        Record::Evidence(evidence) => match evidence.stage {
            Stage::Plan => Seen::Plan(from_json(&evidence.facts)?),
            Stage::Implement => {
                Seen::Implement(from_json::<ImplementFacts>(&evidence.facts)?.admission)
            }
            Stage::Verify => {
                let facts: VerifyFacts = from_json(&evidence.facts)?;
                let VerifyFacts { admission, runs, verdict, sandbox, .. } = facts;
                Seen::Verify { admission, runs, verdict, sandbox }
            }
            Stage::Replay => {
                Seen::Replay(from_json::<ReplayFacts>(&evidence.facts)?.first_difference)
            }
            Stage::Promote => return None,
        },
    })
}
