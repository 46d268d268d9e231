//! What surfaces show of missions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::journal::{Entry, Journal};
use super::record::{ObjectId, Record, Stage};
use super::stage::Progress;
use super::state::{State, describe};
use crate::authority::ContentLane;
use crate::id::{DeviceId, EventId};

/// A mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissionView {
    /// Its name.
    pub id: EventId,
    /// What is to be reached.
    pub goal: String,
    /// How far it is.
    pub state: String,
    /// Why it failed or does not go on, in words.
    pub why: Option<String>,
    /// Who holds its lease, or held it last.
    pub held_by: Option<DeviceId>,
    /// Who holds a lease on the same stage, too, and none of them knew of the other: both may work.
    /// `SPEC: CFL-13`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_held_by: Vec<DeviceId>,
    /// Who went on with the steps of another device.
    pub resumed_by: Option<DeviceId>,
    /// The five stages.
    pub stages: Vec<StageRow>,
    /// The steps.
    pub steps: Vec<StepRow>,
    /// What devices made; several where they worked apart.
    pub candidates: Vec<CandidateRow>,
    /// What the repository is called.
    pub repo: String,
    /// Where it is.
    pub home: DeviceId,
    /// The branch that is to move.
    pub branch: String,
    /// From where.
    pub base: ObjectId,
    /// The agent.
    pub agent: String,
    /// The command that verifies.
    pub verify: String,
    /// Did somebody verify who executed no step?
    pub independent: Option<bool>,
    /// Where the branch moved to.
    pub promoted_commit: Option<ObjectId>,
    /// Who ended it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<DeviceId>,
    /// Artifacts that it names and that a purge destroyed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purged: Vec<EventId>,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRow {
    /// Its name.
    pub name: String,
    /// Who worked on it.
    pub devices: Vec<DeviceId>,
    /// `waiting`, `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// The event that says so.
    pub evidence: Option<EventId>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// Its number, from 1.
    pub n: u64,
    /// Its command.
    pub name: String,
    /// Who ran it, or runs it.
    pub device: Option<DeviceId>,
    /// How often it was started.
    pub executions: usize,
    /// The commit that it found.
    pub input: Option<ObjectId>,
    /// The commit that it left.
    pub result: Option<ObjectId>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Processes that it left behind; all are dead.
    pub left_behind: Option<u64>,
    /// The record of it.
    pub event: Option<EventId>,
}

/// What one run of a mission made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateRow {
    /// The commit.
    pub commit: ObjectId,
    /// Who made it.
    pub devices: Vec<DeviceId>,
    /// Is it the one that the mission goes on with?
    pub selected: bool,
}

/// One mission.
#[must_use]
pub fn show(
    journal: &Journal,
    content: &ContentLane,
    id: &EventId,
    trouble: Option<&str>,
) -> Option<MissionView> {
    let head = journal.head(content, id)?;
    let state = &*head.state;
    let contract = state.contract();
    let promoted_commit = match &state.progress {
        Progress::Promoted(_) => state.progress.implemented().map(|of| of.candidate.commit.clone()),
        _ => None,
    };
    Some(MissionView {
        id: *id,
        goal: contract.goal.clone(),
        state: word(state).to_owned(),
        why: why(journal, state).or_else(|| trouble.map(str::to_owned)),
        held_by: state.leases.last().map(|lease| lease.holder),
        also_held_by: Vec::new(),
        resumed_by: resumed_by(state),
        stages: Stage::ALL.iter().map(|stage| stage_row(state, head, *stage)).collect(),
        steps: steps(state),
        candidates: candidates(journal, content, id, state),
        repo: contract.repository.clone(),
        home: state.home(),
        branch: contract.branch.clone(),
        base: contract.base.clone(),
        agent: contract.agent.clone(),
        verify: contract.verify.clone(),
        independent: state.progress.verified().map(|verified| verified.independent),
        promoted_commit,
        cancelled_by: state.cancelled,
        purged: Vec::new(),
    })
}

/// The artifacts that a mission names on the way to where it goes on: its base, what its steps
/// left and printed, and what its verification printed. Sorted, each once.
#[must_use]
pub fn artifacts(journal: &Journal, content: &ContentLane, id: &EventId) -> BTreeSet<EventId> {
    let Some(head) = journal.head(content, id) else { return BTreeSet::new() };
    let state = &*head.state;
    let mut all = BTreeSet::from([state.contract().base_artifact]);
    for step in &state.steps {
        all.extend(step.ended.output.as_ref().map(|output| output.artifact));
        all.extend(step.ended.log);
    }
    all.extend(state.progress.verified().into_iter().flat_map(|verified| &verified.logs));
    all
}

fn word(state: &State) -> &'static str {
    match &state.progress {
        Progress::Started(_) => "planning",
        Progress::Planned(_) if state.leases.is_empty() => "planned",
        Progress::Planned(_) => "implementing",
        Progress::Implemented(_) => "verifying",
        Progress::Verified(_) => "replaying",
        Progress::Replayed(_) => "promoting",
        Progress::Promoted(_) => "promoted",
        Progress::Failed(_) if state.cancelled.is_some() => "cancelled",
        Progress::Failed(_) => "failed",
    }
}

/// Why a mission failed, by its evidence.
fn why(journal: &Journal, state: &State) -> Option<String> {
    let Progress::Failed(failed) = &state.progress else { return None };
    if let Some(moved) = &state.moved {
        return Some(format!("the branch had moved to {moved}; start the mission anew on it"));
    }
    let Record::Evidence(evidence) = &journal.entry(&failed.by)?.record else { return None };
    let facts: serde_json::Value = serde_json::from_str(&evidence.facts).ok()?;
    let refusal = &facts["admission"]["refusals"][0];
    let reason = &facts["verdict"]["reasons"][0];
    let text = [&facts["reason"], &reason["text"], &refusal["text"]];
    let text = text.into_iter().find_map(serde_json::Value::as_str)?;
    let tests = reason["tests"].as_array().into_iter().flatten();
    let about = tests.chain([&refusal["path"]]).filter_map(serde_json::Value::as_str);
    let about: Vec<_> = about.filter(|name| !name.is_empty()).collect();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    Some(format!("{text}{about}"))
}

/// Who took the lease to implement after somebody else had it.
fn resumed_by(state: &State) -> Option<DeviceId> {
    let mut holders = state.leases.iter().filter(|lease| lease.stage == Stage::Implement);
    let first = holders.next()?.holder;
    holders.map(|lease| lease.holder).rfind(|holder| *holder != first)
}

fn stage_row(state: &State, head: &Entry, stage: Stage) -> StageRow {
    let evidence = state.evidence.iter().find(|(of, ..)| *of == stage);
    let failed = match &state.progress {
        Progress::Failed(failed) => Some(failed.stage),
        _ => None,
    };
    // The last record of a mission that came so far says where the branch is.
    let promoted = stage == Stage::Promote && matches!(head.record, Record::Promotion(_));
    let word = if failed == Some(stage) {
        if state.cancelled.is_some() { "cancelled" } else { "failed" }
    } else if evidence.is_some() || promoted {
        "done"
    } else if state.progress.next_stage() == Some(stage) {
        "running"
    } else {
        "waiting"
    };
    let mut devices: Vec<DeviceId> = match stage {
        Stage::Implement => state.starts.iter().map(|(_, device)| *device).collect(),
        _ => evidence.iter().map(|(.., device)| *device).collect(),
    };
    if promoted {
        devices.push(head.who.device);
    }
    StageRow {
        name: stage.name().to_owned(),
        devices: distinct(devices),
        state: word.to_owned(),
        evidence: evidence.map(|(_, id, _)| *id).or_else(|| promoted.then_some(state.last)),
    }
}

/// Each once, in the order of the first time.
fn distinct(devices: Vec<DeviceId>) -> Vec<DeviceId> {
    let mut seen = BTreeSet::new();
    devices.into_iter().filter(|device| seen.insert(*device)).collect()
}

fn steps(state: &State) -> Vec<StepRow> {
    let row = |(at, command): (usize, &String)| {
        let n = at as u64 + 1;
        let starts: Vec<_> = state.starts.iter().filter(|(step, _)| *step == n).collect();
        let done = state.steps.get(at);
        StepRow {
            n,
            name: command.clone(),
            device: done.map(|done| done.device).or_else(|| starts.last().map(|(_, by)| *by)),
            executions: starts.len(),
            input: done.map(|done| done.input.clone()),
            result: done.and_then(|done| Some(done.ended.output.as_ref()?.commit.clone())),
            outcome: done.map(|done| describe(&done.ended)),
            left_behind: done.map(|done| done.ended.left_behind),
            event: done.map(|done| done.record),
        }
    };
    state.contract().steps.iter().enumerate().map(row).collect()
}

fn candidates(
    journal: &Journal,
    content: &ContentLane,
    mission: &EventId,
    head: &State,
) -> Vec<CandidateRow> {
    let ends = journal.ends(content, mission).into_iter();
    let row = |entry: &Entry| {
        let candidate = &entry.state.progress.implemented()?.candidate;
        let devices = entry.state.steps.iter().map(|step| step.device).collect();
        Some(CandidateRow {
            commit: candidate.commit.clone(),
            devices: distinct(devices),
            selected: entry.state.last == head.last,
        })
    };
    ends.filter_map(row).collect()
}
