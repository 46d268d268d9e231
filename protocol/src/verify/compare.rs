//! The rules, each a comparison of reports.

use std::collections::BTreeSet;

use super::{Proof, ProofKind, Refusal, Runs, VerdictCode};
use crate::report::{Format, Outcome, Report, TestState};

/// How many tests must run on the candidate. `SPEC: VFY-3`
pub(super) fn floor(runs: &Runs) -> usize {
    let contract = usize::try_from(runs.floor).unwrap_or(usize::MAX);
    contract.max(runs.base.ran()).max(1)
}

/// What speaks against the candidate, but for what nothing shows. By code.
pub(super) fn refusals(runs: &Runs) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    refusals.extend(truncated(runs));
    refusals.extend(unfinished(runs));
    refusals.extend(contradicts(runs));
    refusals.extend(format_changed(runs));
    refusals.extend(too_few(runs));
    refusals.extend(lost(runs));
    refusals.extend(new_failures(runs));
    refusals.extend(flaky(runs));
    refusals
}

/// The runs of the candidate's tree.
fn on_candidate(runs: &Runs) -> [&Report; 3] {
    let [first, second] = &runs.candidate;
    [&runs.base_tests_on_candidate, first, second]
}

/// `SPEC: VFY-2`
fn truncated(runs: &Runs) -> Option<Refusal> {
    let on_base = [Some(&runs.base), runs.candidate_tests_on_base.as_ref()];
    let mut all = on_base.into_iter().flatten().chain(on_candidate(runs));
    all.any(|report| report.truncated).then(|| Refusal::of(VerdictCode::Truncated, ""))
}

/// `SPEC: VFY-2`
fn unfinished(runs: &Runs) -> Option<Refusal> {
    let is_ended = matches!(runs.base.outcome, Outcome::Exited(_));
    (!is_ended).then(|| Refusal::of(VerdictCode::Unfinished, ""))
}

/// `SPEC: VFY-2`
fn contradicts(runs: &Runs) -> Option<Refusal> {
    let faults = on_candidate(runs).into_iter().flat_map(|report| &report.faults).min()?;
    Some(Refusal::of(VerdictCode::Contradicts, &faults.to_string()))
}

/// A run that failed before it said anything has no format. `SPEC: VFY-2`
fn format_changed(runs: &Runs) -> Option<Refusal> {
    let all = [&runs.base].into_iter().chain(on_candidate(runs));
    let mut formats: Vec<Format> =
        all.filter(|report| has_format(report)).map(|report| report.format).collect();
    formats.sort_unstable();
    formats.dedup();
    (formats.len() > 1).then(|| Refusal::of(VerdictCode::FormatChanged, ""))
}

fn has_format(report: &Report) -> bool {
    report.format != Format::Opaque || report.outcome.is_success()
}

/// `SPEC: VFY-3`
fn too_few(runs: &Runs) -> Option<Refusal> {
    let [first, second] = &runs.candidate;
    let (ran, floor) = (first.ran().min(second.ran()), floor(runs));
    if ran == 0 {
        return Some(Refusal::of(VerdictCode::NoTests, ""));
    }
    let detail = format!("{ran}, at least {floor}");
    (ran < floor).then(|| Refusal::of(VerdictCode::TooFewTests, &detail))
}

/// What passed on the base must pass, as the base has it and as the candidate has it.
/// `SPEC: VFY-4`
fn lost(runs: &Runs) -> Vec<Refusal> {
    let [first, second] = &runs.candidate;
    let as_base = [&runs.base_tests_on_candidate].into_iter();
    let base_codes =
        [VerdictCode::BaseTestFails, VerdictCode::BaseTestGone, VerdictCode::BaseTestSkipped];
    let codes = [VerdictCode::TestFails, VerdictCode::TestGone, VerdictCode::TestSkipped];
    let states = [Some(TestState::Failed), None, Some(TestState::Skipped)];
    let find = |reports: &[&Report], codes: [VerdictCode; 3]| {
        let of = |(code, state): (VerdictCode, Option<TestState>)| {
            let passed = runs.base.reported().filter(|(_, state)| *state == TestState::Passed);
            let names = passed.map(|(name, _)| name);
            let is = |name: &&str| reports.iter().any(|report| report.state(name) == state);
            Refusal::about(code, names.filter(is))
        };
        codes.into_iter().zip(states).filter_map(of).collect::<Vec<_>>()
    };
    let mut refusals = find(&as_base.collect::<Vec<_>>(), base_codes);
    refusals.extend(find(&[first, second], codes));
    refusals
}

/// `SPEC: VFY-5`
fn new_failures(runs: &Runs) -> Option<Refusal> {
    let failed = on_candidate(runs).into_iter().flat_map(Report::reported);
    let failed = failed.filter(|(_, state)| *state == TestState::Failed).map(|(name, _)| name);
    // What passed on the base is told as lost.
    let is_known = |name: &&str| {
        matches!(runs.base.reported_state(name), Some(TestState::Failed | TestState::Passed))
    };
    let names: BTreeSet<&str> = failed.filter(|name| !is_known(name)).collect();
    Refusal::about(VerdictCode::NewFailure, names)
}

/// `SPEC: VFY-6`
fn flaky(runs: &Runs) -> Option<Refusal> {
    let [first, second] = &runs.candidate;
    let names = first.tests.keys().chain(second.tests.keys()).map(String::as_str);
    let differs = |name: &&str| first.state(name) != second.state(name);
    let names: BTreeSet<&str> = names.filter(differs).collect();
    Refusal::about(VerdictCode::Flaky, names)
}

/// Tests that pass in both runs of the candidate; none if a run contradicts itself.
fn passing(runs: &Runs) -> impl Iterator<Item = &str> {
    let [first, second] = &runs.candidate;
    let passed = |state: Option<TestState>| state == Some(TestState::Passed);
    let is_sound = on_candidate(runs).iter().all(|report| report.faults.is_empty());
    let names = first.reported().filter(move |_| is_sound).map(|(name, _)| name);
    names.filter(move |name| passed(first.state(name)) && passed(second.state(name)))
}

fn has_failed(report: &Report, name: &str) -> bool {
    report.reported_state(name) == Some(TestState::Failed)
}

/// None without names.
fn proof<'a>(kind: ProofKind, mut names: impl Iterator<Item = &'a str>) -> Option<Proof> {
    let test = names.next()?.to_owned();
    Some(Proof { kind, test, more: names.count() })
}

/// A test of the base's that failed there and passes now as the base has it. `SPEC: VFY-7`
pub(super) fn existing_proof(runs: &Runs) -> Option<Proof> {
    let passes_as_base_has_it =
        |name: &&str| runs.base_tests_on_candidate.state(name) == Some(TestState::Passed);
    let names = || passing(runs).filter(passes_as_base_has_it);
    let failed = names().filter(|name| has_failed(&runs.base, name));
    let unbuilt = names().filter(|name| runs.base.is_unbuilt() && runs.base.state(name).is_none());
    proof(ProofKind::Existing, failed).or_else(|| proof(ProofKind::ExistingUnbuilt, unbuilt))
}

/// A test of the candidate's that fails on the base. `SPEC: VFY-7`
pub(super) fn new_proof(runs: &Runs, on_base: &Report) -> Option<Proof> {
    let is_new = |name: &str| runs.base.reported_state(name).is_none();
    // Of a test that the base has, the base's definition decides.
    let passes_as_base_has_it =
        |name: &str| runs.base_tests_on_candidate.state(name) == Some(TestState::Passed);
    let failed = passing(runs).filter(|name| has_failed(on_base, name));
    let failed = failed.filter(|name| is_new(name) || passes_as_base_has_it(name));
    let unbuilt = passing(runs).filter(|name| on_base.is_unbuilt() && is_new(name));
    proof(ProofKind::New, failed).or_else(|| proof(ProofKind::NewUnbuilt, unbuilt))
}
