//! How far a mission is, as types: each stage is made from the one before it, so that none can be
//! left out.

use std::sync::Arc;

use super::record::{Mission, Output, Stage};
use crate::id::{DeviceId, EventId};

/// Its contract is not written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// What was asked.
    pub mission: Arc<Mission>,
    /// Where the repository is.
    pub home: DeviceId,
}

/// What is to be done, and how it will be verified, is fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What it grew from.
    pub started: Started,
}

/// There is a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Implemented {
    /// What it grew from.
    pub planned: Planned,
    /// The candidate.
    pub candidate: Output,
}

/// The candidate passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it grew from.
    pub implemented: Implemented,
    /// By whom.
    pub by: DeviceId,
    /// Had the verifier executed no step?
    pub independent: bool,
    /// What the commands printed: an artifact for each run.
    pub logs: Vec<EventId>,
}

/// What was recorded gives the same events again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// What it grew from.
    pub verified: Verified,
}

/// The branch has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    /// What it grew from.
    pub replayed: Replayed,
}

/// It ended without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// In which stage.
    pub stage: Stage,
    /// As far as it came.
    pub reached: Box<Progress>,
    /// The record that says so.
    pub by: EventId,
}

/// How far a mission is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// See [`Started`].
    Started(Started),
    /// See [`Planned`].
    Planned(Planned),
    /// See [`Implemented`].
    Implemented(Implemented),
    /// See [`Verified`].
    Verified(Verified),
    /// See [`Replayed`].
    Replayed(Replayed),
    /// See [`Promoted`].
    Promoted(Promoted),
    /// See [`Failed`].
    Failed(Failed),
}

impl Started {
    /// The contract is written.
    #[must_use]
    pub fn plan(self) -> Planned {
        Planned { started: self }
    }
}

impl Planned {
    /// The steps are done, and what they left was admitted.
    #[must_use]
    pub fn implement(self, candidate: Output) -> Implemented {
        Implemented { planned: self, candidate }
    }
}

impl Implemented {
    /// The tests say so.
    #[must_use]
    pub fn verify(self, by: DeviceId, independent: bool, logs: Vec<EventId>) -> Verified {
        Verified { implemented: self, by, independent, logs }
    }
}

impl Verified {
    /// The records were fed to the rules again.
    #[must_use]
    pub fn replay(self) -> Replayed {
        Replayed { verified: self }
    }
}

impl Replayed {
    /// The branch moved.
    #[must_use]
    pub fn promote(self) -> Promoted {
        Promoted { replayed: self }
    }
}

impl Progress {
    /// What was asked.
    #[must_use]
    pub fn started(&self) -> &Started {
        match self {
            Self::Started(started) => started,
            Self::Planned(planned) => &planned.started,
            Self::Implemented(implemented) => &implemented.planned.started,
            Self::Verified(verified) => &verified.implemented.planned.started,
            Self::Replayed(replayed) => &replayed.verified.implemented.planned.started,
            Self::Promoted(promoted) => &promoted.replayed.verified.implemented.planned.started,
            Self::Failed(failed) => failed.reached.started(),
        }
    }

    /// The candidate, once there is one.
    #[must_use]
    pub fn implemented(&self) -> Option<&Implemented> {
        match self {
            Self::Started(_) | Self::Planned(_) => None,
            Self::Implemented(implemented) => Some(implemented),
            Self::Verified(verified) => Some(&verified.implemented),
            Self::Replayed(replayed) => Some(&replayed.verified.implemented),
            Self::Promoted(promoted) => Some(&promoted.replayed.verified.implemented),
            Self::Failed(failed) => failed.reached.implemented(),
        }
    }

    /// Who verified it, once it is.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        match self {
            Self::Started(_) | Self::Planned(_) | Self::Implemented(_) => None,
            Self::Verified(verified) => Some(verified),
            Self::Replayed(replayed) => Some(&replayed.verified),
            Self::Promoted(promoted) => Some(&promoted.replayed.verified),
            Self::Failed(failed) => failed.reached.verified(),
        }
    }

    /// How many stages are behind it.
    #[must_use]
    pub fn stages_done(&self) -> u8 {
        match self {
            Self::Started(_) => 0,
            Self::Planned(_) => 1,
            Self::Implemented(_) => 2,
            Self::Verified(_) => 3,
            Self::Replayed(_) => 4,
            Self::Promoted(_) => 5,
            Self::Failed(failed) => failed.reached.stages_done(),
        }
    }

    /// Does nothing follow any more?
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.next_stage().is_none()
    }

    /// The stage that comes next; none at the end.
    #[must_use]
    pub fn next_stage(&self) -> Option<Stage> {
        match self {
            Self::Started(_) => Some(Stage::Plan),
            Self::Planned(_) => Some(Stage::Implement),
            Self::Implemented(_) => Some(Stage::Verify),
            Self::Verified(_) => Some(Stage::Replay),
            Self::Replayed(_) => Some(Stage::Promote),
            Self::Promoted(_) | Self::Failed(_) => None,
        }
    }
}
