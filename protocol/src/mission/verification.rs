//! From what commands printed to evidence: the change rules, the reports, the verdict. One way,
//! for the verifier and for who replays it.

use super::evidence::{Admission, RefusalFacts, RunFacts};
use super::work::{CommandLog, CommandRun};
use crate::change::{ChangeRefusal, ChangedFile, admit_change};
use crate::report::Report;
use crate::verify::{Runs, Verdict, verify};

/// The runs of a verification, in their order; the last only where it is needed.
pub const RUNS: [&str; 5] =
    ["base", "base tests on candidate", "candidate", "candidate again", "candidate tests on base"];

/// What the change rules say. `SPEC: EVD-2`
#[must_use]
pub fn admission(changes: &[ChangedFile]) -> Admission {
    let files = changes.len() as u64;
    match admit_change(changes) {
        Ok(admitted) => Admission { files, bytes: admitted.bytes(), refusals: Vec::new() },
        Err(refusals) => {
            let facts = |refusal: ChangeRefusal| RefusalFacts {
                code: refusal.code.code().to_owned(),
                path: refusal.path,
                text: refusal.text,
            };
            Admission { files, bytes: 0, refusals: refusals.into_iter().map(facts).collect() }
        }
    }
}

/// What the runs mean; none where nothing was run. `SPEC: EVD-3`
#[must_use]
pub fn weigh<'a>(
    runs: impl IntoIterator<Item = (&'a str, &'a CommandLog)>,
    floor: u64,
) -> Option<Verdict> {
    let report = |log: &CommandLog| Report::read(log.output.as_bytes(), log.ended);
    let reports: Vec<_> = runs.into_iter().map(|(of, log)| (of, report(log))).collect();
    let mut reports = reports.into_iter();
    let mut take = |name: &str| {
        let (of, report) = reports.next()?;
        (of == name).then_some(report)
    };
    let runs = Runs {
        base: take(RUNS[0])?,
        base_tests_on_candidate: take(RUNS[1])?,
        candidate: [take(RUNS[2])?, take(RUNS[3])?],
        candidate_tests_on_base: take(RUNS[4]),
        floor: u32::try_from(floor).unwrap_or(u32::MAX),
    };
    Some(verify(&runs))
}

/// The same of what a node ran just now.
#[must_use]
pub fn weigh_runs(runs: &[CommandRun], floor: u64) -> Option<Verdict> {
    weigh(runs.iter().map(|run| (run.of.as_str(), &run.printed)), floor)
}

/// The same of what evidence names and the artifacts hold.
#[must_use]
pub fn weigh_logs(runs: &[RunFacts], logs: &[CommandLog], floor: u64) -> Option<Verdict> {
    weigh(runs.iter().map(|run| run.of.as_str()).zip(logs), floor)
}

impl CommandRun {
    /// What evidence says of it.
    #[must_use]
    pub fn facts(self) -> RunFacts {
        RunFacts { of: self.of, log: self.log, ms: self.ms }
    }
}

/// Is the last run needed: do only new tests show that the candidate does something?
#[must_use]
pub fn needs_last_run(runs: &[CommandRun]) -> bool {
    let runs: Vec<_> = runs.iter().map(|run| (run.of.as_str(), &run.printed)).collect();
    weigh(runs, 1).is_some_and(|verdict| verdict.needs_candidate_tests_on_base)
}
