//! A mission as far as one record of it: a function of the records on the way to it, nothing else.
//!
//! [`State::derive`] makes the next record from what was seen (`Seen`); [`State::apply`] takes a
//! record only if the same seen things give the same record. So what a device may write, what
//! others let count, and what replay does are one function (SPEC: MIS-1).

mod ending;
mod seen;

use std::sync::Arc;

use super::evidence::{Admission, ImplementFacts, PlanFacts, ReplayFacts, VerifyFacts, to_json};
use super::policy::{Facts, decide};
use super::record::{
    Act, Claim, Decision, Evidence, Mission, ObjectId, Output, Promotion, Record, Stage, Step,
    StepEnd,
};
use super::stage::{Progress, Started};
use super::verification::RUNS;
use crate::effect::VoidReason;
use crate::hash::{self, context};
use crate::id::{DeviceId, EventId, to_hex};
use crate::limits::{EVIDENCE_BYTES_MAX, MISSION_RECORDS_MAX};
use crate::role::Role;
pub use seen::{Seen, seen};

/// Who writes a record, and what is in its past beside the mission's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The device.
    pub device: DeviceId,
    /// Its role, by the control events that it has heard.
    pub role: Option<Role>,
    /// The greatest epoch of the mission's claims that it has seen.
    pub epoch: u64,
}

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The claim.
    pub claim: EventId,
    /// Who holds it.
    pub holder: DeviceId,
    /// On which stage.
    pub stage: Stage,
    /// The fencing token.
    pub epoch: u64,
}

/// A step that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDone {
    /// Its record.
    pub record: EventId,
    /// Who ran it.
    pub device: DeviceId,
    /// On what.
    pub input: ObjectId,
    /// How it ended.
    pub ended: StepEnd,
}

/// A mission as far as one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The mission's first record.
    pub mission: EventId,
    /// The record that this is the state after.
    pub last: EventId,
    /// How many records lead here, this one included.
    pub records: u64,
    /// The hash over their ids.
    pub root: [u8; 32],
    /// How far it is.
    pub progress: Progress,
    /// The lease, if one was taken on the stage that is next.
    pub lease: Option<Lease>,
    /// What the last record allows, and to whom.
    pub allowed: Option<(DeviceId, Act)>,
    /// Each start of a step: which, and by whom.
    pub starts: Vec<(u64, DeviceId)>,
    /// Each lease that was taken, in order.
    pub leases: Vec<Lease>,
    /// How many were taken since the last step or evidence.
    pub fruitless: u32,
    /// The steps that ended.
    pub steps: Vec<StepDone>,
    /// Evidence, and whose.
    pub evidence: Vec<(Stage, EventId, DeviceId)>,
    /// Where the branch was found instead, if it had moved.
    pub moved: Option<ObjectId>,
    /// Who ended it, if somebody did.
    pub cancelled: Option<DeviceId>,
}

fn void(code: &'static str, text: &str) -> VoidReason {
    VoidReason { code, text: text.to_owned() }
}

fn order() -> VoidReason {
    void("order", "a mission's records come in order, and this one does not follow that one")
}

impl State {
    /// The state after a mission's first record. `SPEC: MIS-2`
    pub fn begin(who: &Who, id: EventId, mission: Mission) -> Result<Self, VoidReason> {
        if who.role < Some(Role::Member) {
            return Err(void("role", "its author may not start missions"));
        }
        Ok(Self {
            mission: id,
            last: id,
            records: 1,
            root: next_root(&[0; 32], &id),
            progress: Progress::Started(Started { mission: Arc::new(mission), home: who.device }),
            lease: None,
            allowed: None,
            starts: Vec::new(),
            leases: Vec::new(),
            fruitless: 0,
            steps: Vec::new(),
            evidence: Vec::new(),
            moved: None,
            cancelled: None,
        })
    }

    /// What was asked.
    #[must_use]
    pub fn contract(&self) -> &Mission {
        &self.progress.started().mission
    }

    /// Where the repository is.
    #[must_use]
    pub fn home(&self) -> DeviceId {
        self.progress.started().home
    }

    /// Is a device that runs agents needed for what is next?
    #[must_use]
    pub fn waits_for_a_runner(&self) -> bool {
        use Progress::{Implemented, Planned, Verified};
        matches!(self.progress, Planned(_) | Implemented(_) | Verified(_))
    }

    /// Did this device start a step?
    #[must_use]
    pub fn executed(&self, device: &DeviceId) -> bool {
        self.starts.iter().any(|(_, by)| by == device)
    }

    /// The number of the step that is next; none when all ended, or one ended badly.
    #[must_use]
    pub fn next_step(&self) -> Option<u64> {
        let is_well = self.steps.last().is_none_or(|step| step.ended.output.is_some());
        (is_well && self.steps.len() < self.contract().steps.len())
            .then_some(self.steps.len() as u64 + 1)
    }

    /// What the last step left, if it ended well.
    #[must_use]
    pub fn output(&self) -> Option<&Output> {
        self.steps.last()?.ended.output.as_ref()
    }

    /// The commit on which the next step works.
    #[must_use]
    pub fn input(&self) -> &ObjectId {
        self.output().map_or_else(|| &self.contract().base, |output| &output.commit)
    }

    fn holds(&self, device: &DeviceId, stage: Stage) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.holder == *device && lease.stage == stage)
    }

    fn needs(&self, who: &Who, act: Act) -> Result<(), VoidReason> {
        if self.allowed == Some((who.device, act)) {
            Ok(())
        } else {
            Err(void("no_decision", "no decision right before it allowed it"))
        }
    }

    /// The record that follows from what was seen. `SPEC: MIS-1`
    pub fn derive(&self, who: &Who, seen: &Seen) -> Result<Record, VoidReason> {
        if who.role < Some(Role::Runner) {
            return Err(void("role", "its author may not take part in missions"));
        }
        if self.records >= MISSION_RECORDS_MAX {
            return Err(too_long());
        }
        let on = self.last;
        match seen {
            Seen::Plan(facts) => self.derive_plan(who, facts),
            Seen::Decide(act) => self.derive_decision(who, *act),
            // SPEC: LSE-1
            Seen::Claim => {
                self.needs(who, Act::RunAgent)?;
                let stage = self.lease_stage().ok_or_else(order)?;
                Ok(Record::Claim(Claim { on, stage, epoch: who.epoch.saturating_add(1) }))
            }
            Seen::Step(ended) => {
                self.needs(who, Act::StartStep)?;
                let number = self.next_step().ok_or_else(order)?;
                let ended = ended.clone();
                Ok(Record::Step(Box::new(Step { on, number, input: self.input().clone(), ended })))
            }
            Seen::Implement(admission) => self.derive_candidate(who, admission.as_ref()),
            Seen::Verify { admission, runs, verdict, sandbox } => {
                self.needs(who, Act::Verify)?;
                let Progress::Implemented(implemented) = &self.progress else {
                    return Err(order());
                };
                let names: Vec<_> = runs.iter().map(|run| run.of.as_str()).collect();
                let is_whole =
                    verdict.is_none() && names.is_empty() || names == RUNS[..4] || names == RUNS;
                if !is_whole {
                    return Err(void("runs", "a verification has four runs or five"));
                }
                let passed = admission.refusals.is_empty()
                    && verdict.as_ref().is_some_and(|verdict| verdict.passed);
                let facts = VerifyFacts {
                    commit: implemented.candidate.commit.clone(),
                    independent: !self.executed(&who.device),
                    admission: admission.clone(),
                    runs: runs.clone(),
                    verdict: verdict.clone(),
                    sandbox: sandbox.clone(),
                };
                self.evidence(Stage::Verify, passed, &to_json(&facts))
            }
            // SPEC: EVD-4
            Seen::Replay(first_difference) => {
                let Progress::Verified(_) = &self.progress else { return Err(order()) };
                if !self.holds(&who.device, Stage::Verify) {
                    return Err(not_holder());
                }
                let facts = ReplayFacts {
                    mode: "R1".to_owned(),
                    records: self.records,
                    root: to_hex(&self.root),
                    first_difference: *first_difference,
                };
                self.evidence(Stage::Replay, first_difference.is_none(), &to_json(&facts))
            }
            Seen::Promote(now) => {
                self.needs(who, Act::MoveRef)?;
                let old = self.contract().base.clone();
                Ok(Record::Promotion(Promotion { on, old, now: now.clone() }))
            }
        }
    }

    /// The stage that a lease can be taken on now.
    #[must_use]
    pub fn lease_stage(&self) -> Option<Stage> {
        match &self.progress {
            Progress::Planned(_) => Some(Stage::Implement),
            Progress::Implemented(_) | Progress::Verified(_) => Some(Stage::Verify),
            _ => None,
        }
    }

    fn derive_plan(&self, who: &Who, facts: &PlanFacts) -> Result<Record, VoidReason> {
        let Progress::Started(started) = &self.progress else { return Err(order()) };
        if started.home != who.device {
            return Err(void("not_home", "the home of the repository writes the contract"));
        }
        self.evidence(Stage::Plan, true, &to_json(facts))
    }

    fn derive_decision(&self, who: &Who, act: Act) -> Result<Record, VoidReason> {
        let is_due = match act {
            Act::RunAgent => self.lease_stage().is_some(),
            Act::StartStep => {
                matches!(self.progress, Progress::Planned(_)) && self.next_step().is_some()
            }
            Act::Verify => matches!(self.progress, Progress::Implemented(_)),
            Act::MoveRef => matches!(self.progress, Progress::Replayed(_)),
            Act::ReadCredential => {
                self.lease_stage().is_some_and(|stage| self.holds(&who.device, stage))
            }
            Act::Cancel => !self.progress.is_over(),
        };
        if !is_due {
            return Err(order());
        }
        // What a decision allows must still find room; nothing follows one to cancel.
        if act != Act::Cancel && self.records.saturating_add(1) >= MISSION_RECORDS_MAX {
            return Err(too_long());
        }
        let holder = self.lease.as_ref().filter(|lease| lease.holder == who.device);
        let facts = Facts {
            role: who.role,
            is_home: self.home() == who.device,
            holds: holder.map(|lease| lease.stage),
            is_replayed: matches!(self.progress, Progress::Replayed(_)),
        };
        let (allowed, rule) = decide(act, &facts);
        // A refusal would be a record in the way of those who work.
        if act == Act::Cancel && !allowed {
            return Err(void("not_home", "its home, an owner or an admin ends a mission"));
        }
        Ok(Record::Decision(Decision { on: self.last, act, allowed, rule: rule.to_owned() }))
    }

    /// `SPEC: EVD-2`
    fn derive_candidate(
        &self,
        who: &Who,
        admission: Option<&Admission>,
    ) -> Result<Record, VoidReason> {
        let Progress::Planned(_) = &self.progress else { return Err(order()) };
        if !self.holds(&who.device, Stage::Implement) {
            return Err(not_holder());
        }
        let candidate = match (self.next_step(), self.output()) {
            (None, output) => output.cloned(),
            (Some(_), _) => return Err(order()),
        };
        if candidate.is_some() != admission.is_some() {
            return Err(order());
        }
        let reason = match (self.steps.last(), admission) {
            (Some(step), None) => Some(format!(
                "step {} did not end well: {}",
                self.steps.len(),
                describe(&step.ended)
            )),
            (_, Some(admission)) => admission
                .refusals
                .first()
                .map(|refusal| format!("the change rules refuse it: {}", refusal.text)),
            (None, None) => return Err(order()),
        };
        let facts = ImplementFacts {
            candidate,
            admission: admission.cloned(),
            steps: self.steps.iter().map(|step| step.record).collect(),
            reason: reason.clone(),
        };
        self.evidence(Stage::Implement, reason.is_none(), &to_json(&facts))
    }

    fn evidence(&self, stage: Stage, passed: bool, facts: &str) -> Result<Record, VoidReason> {
        if facts.len() > EVIDENCE_BYTES_MAX {
            return Err(void("evidence_size", "evidence is small"));
        }
        let facts = facts.to_owned();
        Ok(Record::Evidence(Evidence { on: self.last, stage, passed, facts }))
    }

    /// The state after a record that follows this one; none has effect that the same seen things
    /// do not give. `SPEC: MIS-1, MIS-3`
    pub fn apply(&self, who: &Who, id: EventId, record: &Record) -> Result<Self, VoidReason> {
        let seen = seen(record).ok_or_else(|| void("facts", "its facts cannot be read"))?;
        if self.derive(who, &seen)? != *record {
            return Err(void("not_derived", "what was seen does not give this record"));
        }
        let mut next = self.clone();
        next.last = id;
        next.records += 1;
        next.root = next_root(&self.root, &id);
        next.allowed = None;
        match (record, seen) {
            (Record::Decision(decision), _) if decision.act == Act::Cancel => {
                next.cancel(who.device, id);
            }
            (Record::Decision(decision), _) if decision.allowed => {
                next.allowed = Some((who.device, decision.act));
                if let (Act::StartStep, Some(number)) = (decision.act, self.next_step()) {
                    next.starts.push((number, who.device));
                }
            }
            (Record::Claim(claim), _) => {
                let (stage, epoch) = (claim.stage, claim.epoch);
                let lease = Lease { claim: id, holder: who.device, stage, epoch };
                next.leases.push(lease.clone());
                next.fruitless = self.fruitless.saturating_add(1);
                next.lease = Some(lease);
            }
            (Record::Step(step), _) => {
                next.fruitless = 0;
                next.steps.push(StepDone {
                    record: id,
                    device: who.device,
                    input: step.input.clone(),
                    ended: step.ended.clone(),
                });
            }
            (Record::Evidence(evidence), seen) => {
                next.fruitless = 0;
                next.evidence.push((evidence.stage, id, who.device));
                next.advance(who, id, evidence, seen);
            }
            (Record::Promotion(promotion), _) => next.promoted(id, promotion),
            _ => {}
        }
        Ok(next)
    }
}

/// How a step ended, in words.
#[must_use]
pub fn describe(ended: &StepEnd) -> String {
    match ended.exit {
        Some(code) => format!("{} with {code}", ended.outcome),
        None => ended.outcome.clone(),
    }
}

fn too_long() -> VoidReason {
    void("too_long", "the mission has as many records as one may have")
}

fn not_holder() -> VoidReason {
    void("not_holder", "its author does not hold the lease on this stage")
}

fn next_root(root: &[u8; 32], id: &EventId) -> [u8; 32] {
    hash::hash(context::MISSION_ROOT, &[root, &id.0])
}
