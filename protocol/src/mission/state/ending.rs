//! How a stage ends, and how a mission does.

use super::{Seen, State, Who};
use crate::id::{DeviceId, EventId};
use crate::mission::record::{Evidence, Promotion, Stage};
use crate::mission::stage::{Failed, Progress};

impl State {
    /// A stage ended.
    pub(super) fn advance(&mut self, who: &Who, id: EventId, evidence: &Evidence, seen: Seen) {
        let before = self.progress.clone();
        let output = self.output().cloned();
        self.progress = match (before, evidence.passed, seen) {
            (Progress::Started(started), true, _) => Progress::Planned(started.plan()),
            (Progress::Planned(planned), true, _) => match output {
                Some(output) => Progress::Implemented(planned.implement(output)),
                None => Progress::Planned(planned),
            },
            (Progress::Implemented(implemented), true, Seen::Verify { runs, .. }) => {
                let logs = runs.iter().map(|run| run.log).collect();
                let independent = !self.executed(&who.device);
                Progress::Verified(implemented.verify(who.device, independent, logs))
            }
            (Progress::Verified(verified), true, _) => Progress::Replayed(verified.replay()),
            (before, ..) => {
                let reached = Box::new(before);
                Progress::Failed(Failed { stage: evidence.stage, reached, by: id })
            }
        };
        // The lease to verify covers the replay.
        if evidence.stage != Stage::Verify || !evidence.passed {
            self.lease = None;
        }
    }

    pub(super) fn promoted(&mut self, id: EventId, promotion: &Promotion) {
        let before = self.progress.clone();
        self.progress = match before {
            Progress::Replayed(replayed)
                if replayed.verified.implemented.candidate.commit == promotion.now =>
            {
                Progress::Promoted(replayed.promote())
            }
            before => {
                self.moved = Some(promotion.now.clone());
                let reached = Box::new(before);
                Progress::Failed(Failed { stage: Stage::Promote, reached, by: id })
            }
        };
    }

    /// Somebody ended it. `SPEC: MIS-10`
    pub(super) fn cancel(&mut self, by: DeviceId, id: EventId) {
        self.cancelled = Some(by);
        self.lease = None;
        let stage = self.progress.next_stage().unwrap_or(Stage::Promote);
        let reached = Box::new(self.progress.clone());
        self.progress = Progress::Failed(Failed { stage, reached, by: id });
    }
}
