//! What becomes of what goes in. Runs go in whole, so that in the order of events one without its
//! signature is followed by the rest of its run: what is here can be proven to others from here
//! (SPEC: EVT-12).

use std::collections::BTreeSet;

use super::Workspace;
use crate::authority::Refusal;
use crate::event::{Run, Verified};
use crate::id::{EventId, Lane};
use crate::key::DeviceKey;

/// Why an event did not go in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertFault {
    /// Something that it names is not here yet.
    Missing(EventId),
    /// It breaks a rule, and its sender with it.
    Refused(InsertRefusal),
}

impl From<Refusal> for InsertFault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(id) => Self::Missing(id),
            refusal => Self::Refused(InsertRefusal::Authority(refusal)),
        }
    }
}

/// The rules that an event can break towards others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InsertRefusal {
    /// An event of another workspace.
    #[error("the event belongs to another workspace")]
    WrongWorkspace,
    /// Its prev is not the event before it in its chain, or a parent is of the other lane.
    #[error("the event does not follow the one that it names as its predecessor")]
    Prev,
    /// The recovery key did not sign what it is said to have signed.
    #[error("the recovery key did not sign this")]
    Recovery,
    /// An event that its author might not make.
    #[error("{0}")]
    Authority(Refusal),
}

impl InsertRefusal {
    /// The reason code that logs and tests name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongWorkspace => "wrong_workspace",
            Self::Prev => "prev",
            Self::Recovery => "recovery_signature",
            Self::Authority(Refusal::NotMember) => "not_member",
            Self::Authority(_) => "authority",
        }
    }
}

/// What became of an event that went in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It was here.
    Known,
    /// It was here without the body that came now.
    Filled,
    /// It is new.
    New,
}

impl Workspace {
    /// Inserts a run after all that its events name, or nothing of it. Says of each of its events
    /// what became of it. `SPEC: EVT-9, EVT-12`
    pub fn insert_run(&mut self, run: &Run, own: &DeviceKey) -> Result<Vec<Inserted>, InsertFault> {
        if run.events().len() > 1 {
            self.check_run(run.events())?;
        }
        let mut inserted = Vec::with_capacity(run.events().len());
        for event in run.events() {
            let was_here = self.contains(&event.id());
            // Only the first new one can fail, and then nothing has gone in: all that the others
            // name is here, and who might write it might write what follows it.
            inserted.push(match (self.insert(event, own)?, was_here) {
                (false, _) => Inserted::Known,
                (true, true) => Inserted::Filled,
                (true, false) => Inserted::New,
            });
        }
        Ok(inserted)
    }

    /// Is all here that the events of a run name, but for each other? They are of the content lane
    /// and one chain, each behind the one before.
    fn check_run(&self, events: &[Verified]) -> Result<(), InsertFault> {
        let mut inside = BTreeSet::new();
        for event in events.iter().filter(|event| !self.contains(&event.id())) {
            let header = event.header();
            for id in header.before().filter(|id| !inside.contains(*id)) {
                match self.header(id) {
                    None => return Err(InsertFault::Missing(*id)),
                    Some(known) if known.lane == Lane::Content => {}
                    Some(_) => return Err(InsertFault::Refused(InsertRefusal::Prev)),
                }
            }
            if let Some(missing) = header.heard.iter().find(|id| self.control.number(id).is_none())
            {
                return Err(InsertFault::Missing(*missing));
            }
            inside.insert(event.id());
        }
        Ok(())
    }

    /// Does the event at this place of the order need those behind it to be proven?
    #[must_use]
    pub fn is_inside(&self, position: usize) -> bool {
        let id = self.order.get(position);
        id.and_then(|id| self.events.get(id)).is_some_and(|known| known.is_inside)
    }

    /// The places from this one to the one whose event carries the signature.
    pub fn run_from(&self, position: usize) -> impl Iterator<Item = usize> {
        let after = |at: &usize| self.is_inside(*at).then(|| at.saturating_add(1));
        std::iter::successors(Some(position), after).take_while(|at| *at < self.order.len())
    }

    /// May the signature of `end` be left out where the run that ends with `next` proves it? Not if
    /// another chain names it, and only what is admitted stands for others: nobody's junk covers
    /// what is good. `SPEC: EVT-12`
    #[must_use]
    pub fn may_leave_out(&self, end: &EventId, next: &EventId) -> bool {
        let is_admitted =
            |id| self.content.number(id).is_some_and(|no| self.content.is_admitted(no));
        let is_named = self.events.get(end).is_none_or(|known| known.is_named);
        !is_named && is_admitted(end) && is_admitted(next)
    }
}
