//! The one encoding of each record.

use super::{
    Act, Claim, Decision, Evidence, Mission, ObjectId, Output, Promotion, Record, Stage, Step,
    StepEnd,
};
use crate::cbor::{Canonical, CborFault, Reader, Writer};
use crate::content::kind;
use crate::id::EventId;
use crate::limits::{
    COMMAND_BYTES_MAX, EVIDENCE_BYTES_MAX, GLOB_BYTES_MAX, GOAL_BYTES_MAX, MISSION_STEPS_MAX,
    MISSION_TESTS_MAX, NAME_BYTES_MAX, REF_BYTES_MAX,
};

fn id(from: &mut Reader<'_>) -> Result<EventId, CborFault> {
    Ok(EventId(from.fixed()?))
}

fn id_or_null(from: &mut Reader<'_>) -> Result<Option<EventId>, CborFault> {
    if from.is_null()? { Ok(None) } else { id(from).map(Some) }
}

fn filled(from: &mut Reader<'_>, max: usize) -> Result<String, CborFault> {
    let text = from.text(max)?;
    if text.is_empty() { Err(CborFault::Malformed) } else { Ok(text.to_owned()) }
}

fn texts(from: &mut Reader<'_>, most: usize, max: usize) -> Result<Vec<String>, CborFault> {
    let len = from.array(most)?;
    (0..len).map(|_| filled(from, max)).collect()
}

impl Mission {
    fn write(&self, to: &mut Writer) {
        to.array(10).text(&self.goal).text(&self.repository).text(&self.branch);
        to.bytes(&self.base.bytes()).bytes(&self.base_artifact.0).text(&self.agent);
        to.array(self.steps.len());
        for step in &self.steps {
            to.text(step);
        }
        to.text(&self.verify).array(self.tests.len());
        for glob in &self.tests {
            to.text(glob);
        }
        to.uint(self.floor);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(10)?;
        let mission = Self {
            goal: filled(from, GOAL_BYTES_MAX)?,
            repository: filled(from, REF_BYTES_MAX)?,
            branch: filled(from, REF_BYTES_MAX)?,
            base: ObjectId::read(from)?,
            base_artifact: id(from)?,
            agent: filled(from, NAME_BYTES_MAX)?,
            steps: texts(from, MISSION_STEPS_MAX, COMMAND_BYTES_MAX)?,
            verify: filled(from, COMMAND_BYTES_MAX)?,
            tests: texts(from, MISSION_TESTS_MAX, GLOB_BYTES_MAX)?,
            floor: from.uint()?,
        };
        if mission.steps.is_empty() || mission.floor == 0 {
            return Err(CborFault::Malformed);
        }
        Ok(mission)
    }
}

impl Step {
    fn write(&self, to: &mut Writer) {
        let end = &self.ended;
        to.array(10).bytes(&self.on.0).uint(self.number).bytes(&self.input.bytes());
        to.text(&end.outcome);
        match end.exit {
            Some(code) => to.uint(code),
            None => to.null(),
        };
        match &end.output {
            Some(output) => {
                to.array(3).bytes(&output.commit.bytes()).bytes(&output.tree.bytes());
                to.bytes(&output.artifact.0)
            }
            None => to.null(),
        };
        to.bytes_or_null(end.log.as_ref().map(|log| log.0.as_slice()));
        to.uint(end.ms).uint(end.left_behind).text(&end.sandbox);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(10)?;
        Ok(Self {
            on: id(from)?,
            number: from.uint()?,
            input: ObjectId::read(from)?,
            ended: StepEnd {
                outcome: filled(from, NAME_BYTES_MAX)?,
                exit: if from.is_null()? { None } else { Some(from.uint()?) },
                output: if from.is_null()? { None } else { Some(Output::read(from)?) },
                log: id_or_null(from)?,
                ms: from.uint()?,
                left_behind: from.uint()?,
                sandbox: from.text(REF_BYTES_MAX)?.to_owned(),
            },
        })
    }
}

impl Output {
    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(3)?;
        let (commit, tree) = (ObjectId::read(from)?, ObjectId::read(from)?);
        Ok(Self { commit, tree, artifact: id(from)? })
    }
}

impl Canonical for Record {
    fn write(&self, to: &mut Writer) {
        to.array(2).uint(self.kind());
        match self {
            Self::Mission(mission) => mission.write(to),
            Self::Decision(decision) => {
                to.array(4).bytes(&decision.on.0).uint(decision.act as u64);
                to.uint(u64::from(decision.allowed)).text(&decision.rule);
            }
            Self::Claim(claim) => {
                to.array(3).bytes(&claim.on.0).uint(claim.stage as u64).uint(claim.epoch);
            }
            Self::Step(step) => step.write(to),
            Self::Evidence(evidence) => {
                to.array(4).bytes(&evidence.on.0).uint(evidence.stage as u64);
                to.uint(u64::from(evidence.passed)).text(&evidence.facts);
            }
            Self::Promotion(promotion) => {
                to.array(3).bytes(&promotion.on.0).bytes(&promotion.old.bytes());
                to.bytes(&promotion.now.bytes());
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(2)?;
        let yes = |from: &mut Reader<'_>| match from.uint()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CborFault::Malformed),
        };
        Ok(match from.uint()? {
            kind::MISSION => Self::Mission(Box::new(Mission::read(from)?)),
            kind::DECISION => {
                from.array_of(4)?;
                let (on, act) = (id(from)?, Act::read(from)?);
                Self::Decision(Decision {
                    on,
                    act,
                    allowed: yes(from)?,
                    rule: filled(from, NAME_BYTES_MAX)?,
                })
            }
            kind::LEASE => {
                from.array_of(3)?;
                let (on, stage) = (id(from)?, Stage::read(from)?);
                Self::Claim(Claim { on, stage, epoch: from.uint()? })
            }
            kind::RUN => Self::Step(Box::new(Step::read(from)?)),
            kind::EVIDENCE => {
                from.array_of(4)?;
                let (on, stage) = (id(from)?, Stage::read(from)?);
                let passed = yes(from)?;
                let facts = from.text(EVIDENCE_BYTES_MAX)?.to_owned();
                Self::Evidence(Evidence { on, stage, passed, facts })
            }
            kind::PROMOTE => {
                from.array_of(3)?;
                let on = id(from)?;
                let (old, now) = (ObjectId::read(from)?, ObjectId::read(from)?);
                Self::Promotion(Promotion { on, old, now })
            }
            _ => return Err(CborFault::Malformed),
        })
    }
}
