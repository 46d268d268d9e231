//! What becomes of a mission whose artifacts are not what its records say: a record that says so,
//! since nobody could go on with it.

use crate::mission::evidence::{Admission, RefusalFacts};
use crate::mission::record::StepEnd;
use crate::mission::stage::Progress;
use crate::mission::state::{Seen, State};

/// What is seen where an artifact is not what its record says; none where no record can say so.
pub(super) fn unusable(state: &State, why: &str) -> Option<Seen> {
    let refusal = RefusalFacts {
        code: "unusable".to_owned(),
        path: String::new(),
        text: why.chars().take(256).collect(),
    };
    let admission = Admission { files: 0, bytes: 0, refusals: vec![refusal] };
    match (&state.progress, state.next_step()) {
        (Progress::Planned(_), Some(_)) => Some(Seen::Step(StepEnd {
            outcome: "not started: what it works on cannot be used".to_owned(),
            exit: None,
            output: None,
            log: None,
            ms: 0,
            left_behind: 0,
            sandbox: String::new(),
        })),
        (Progress::Planned(_), None) => Some(Seen::Implement(Some(admission))),
        (Progress::Implemented(_), _) => Some(Seen::Verify {
            admission,
            runs: Vec::new(),
            verdict: None,
            sandbox: String::new(),
        }),
        _ => None,
    }
}
