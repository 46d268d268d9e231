//! What becomes of what goes in. Runs go in whole, so that in the order of events one without its
//! signature is followed by the rest of its run: what is here can be proven to others from here
//! (SPEC: EVT-12).

use std::collections::BTreeSet;

use super::{Known, Workspace};
use crate::authority::Refusal;
use crate::control::ControlBody;
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
        let here: Vec<_> = run.events().iter().map(|event| self.contains(&event.id())).collect();
        if here.len() > 1 {
            self.check_run(run.events(), &here)?;
        }
        let mut inserted = Vec::with_capacity(here.len());
        for (event, is_here) in run.events().iter().zip(here) {
            // Only the first new one can fail, and then nothing has gone in: all that the others
            // name is here, and who might write it might write what follows it.
            inserted.push(match is_here {
                true if self.fill(event) => Inserted::Filled,
                true => Inserted::Known,
                false => {
                    self.insert_new(event, own)?;
                    Inserted::New
                }
            });
        }
        Ok(inserted)
    }

    /// Inserts an event after all that it names. Returns whether it is new: the event, or the body
    /// of one that came without it. What others send goes in by [`Self::insert_run`].
    /// `SPEC: EVT-3, EVT-9`
    pub fn insert(&mut self, event: &Verified, own: &DeviceKey) -> Result<bool, InsertFault> {
        if self.contains(&event.id()) {
            return Ok(self.fill(event));
        }
        self.insert_new(event, own).map(|()| true)
    }

    fn insert_new(&mut self, event: &Verified, own: &DeviceKey) -> Result<(), InsertFault> {
        if event.workspace() != self.id {
            return Err(InsertFault::Refused(InsertRefusal::WrongWorkspace));
        }
        let header = event.header();
        let mut follows = true;
        for id in header.before() {
            let known = &self.known(id).ok_or(InsertFault::Missing(*id))?.header;
            if known.lane != header.lane {
                return Err(InsertFault::Refused(InsertRefusal::Prev));
            }
            follows &= header.prev != Some(*id)
                || (known.chain() == header.chain()
                    && known.seq.checked_add(1) == Some(header.seq));
        }
        if !follows {
            return Err(InsertFault::Refused(InsertRefusal::Prev));
        }
        match header.lane {
            Lane::Control => self.insert_control(event, own),
            Lane::Content => self.insert_content(event),
        }
    }

    /// Remembers an event that goes in: where it stands, and all of it but its body.
    pub(super) fn remember(&mut self, event: &Verified) {
        let header = event.shared_header();
        let control = match header.lane {
            Lane::Control => Some(event.control().map_or("join", ControlBody::name)),
            Lane::Content => None,
        };
        for parent in &header.parents {
            let named = self.place_of(parent).and_then(|at| self.known.get_mut(at));
            if let Some(named) = named {
                named.is_named = true;
            }
        }
        let prev = header.prev.and_then(|prev| self.place_of(&prev));
        self.order.push(event.id());
        self.chains.add(prev, &header, self.order.ids());
        let is_inside = !event.is_signed();
        self.known.push(Known { header, control, is_inside, is_named: false });
    }

    /// Is all here that the events of a run name, but for each other? They are of the content lane
    /// and one chain, each behind the one before.
    fn check_run(&self, events: &[Verified], here: &[bool]) -> Result<(), InsertFault> {
        // An event that names nothing but the one before it, and heard the same, names nothing new.
        let mut before: Option<&Verified> = None;
        let mut inside: Option<BTreeSet<EventId>> = None;
        for (event, _) in events.iter().zip(here).filter(|(_, is_here)| !**is_here) {
            let header = event.header();
            let behind = before.replace(event).filter(|it| header.prev == Some(it.id()));
            let prev = header.prev.iter().filter(|_| behind.is_none());
            for id in prev.chain(&header.parents) {
                match self.header(id) {
                    Some(known) if known.lane == Lane::Content => {}
                    Some(_) => return Err(InsertFault::Refused(InsertRefusal::Prev)),
                    // No event names one that was made after it.
                    None if inside
                        .get_or_insert_with(|| events.iter().map(Verified::id).collect())
                        .contains(id) => {}
                    None => return Err(InsertFault::Missing(*id)),
                }
            }
            if behind.is_some_and(|it| it.header().heard == header.heard) {
                continue;
            }
            if let Some(missing) = header.heard.iter().find(|id| self.control.number(id).is_none())
            {
                return Err(InsertFault::Missing(*missing));
            }
        }
        Ok(())
    }

    /// Does the event at this place of the order need those behind it to be proven?
    #[must_use]
    pub fn is_inside(&self, position: usize) -> bool {
        self.known.get(position).is_some_and(|known| known.is_inside)
    }

    /// The places from this one to the one whose event carries the signature.
    pub fn run_from(&self, position: usize) -> impl Iterator<Item = usize> {
        let after = |at: &usize| self.is_inside(*at).then(|| at.saturating_add(1));
        std::iter::successors(Some(position), after).take_while(|at| *at < self.order.len())
    }

    /// Do events of this id stand for those before them in their run, whose signatures are left
    /// out? Only what is admitted does: nobody's junk covers what is good. `SPEC: EVT-12`
    #[must_use]
    pub fn stands_for_others(&self, id: &EventId) -> bool {
        self.content.number(id).is_some_and(|no| self.content.is_admitted(no))
    }
}
