//! What the heads of a receipt stand for: which of the events here are among them or before them.

use std::collections::BTreeSet;

use super::Workspace;
use crate::authority::{ControlSet, Reach};
use crate::id::{DeviceId, EventId, Incarnation, Lane};
use crate::limits::IMPLIED_MAX;

/// The events here that are among some heads or before them.
#[derive(Debug, Clone)]
pub struct Cover {
    control: ControlSet,
    content: Reach,
}

/// A life of a device's store.
type Life = (DeviceId, Incarnation);

/// Is what these lives know enough, where each knows or not? Of those that go on beside each other
/// one is.
fn are_enough(
    lives: &[(Life, &Cover)],
    is_beside: bool,
    knows: impl Fn(&(Life, &Cover)) -> bool,
) -> bool {
    if is_beside { lives.is_empty() || lives.iter().any(knows) } else { lives.iter().all(knows) }
}

impl Workspace {
    /// What these heads of both lanes stand for; none where one of them is not here, since what is
    /// before it is not known then.
    #[must_use]
    pub fn cover(&self, control: &[EventId], content: &[EventId]) -> Option<Cover> {
        let control = self.control.set_of(control).ok()?;
        let tips: Option<Vec<_>> = content.iter().map(|id| self.content.number(id)).collect();
        Some(Cover { control, content: self.content.reach(tips?.into_iter()) })
    }

    /// Is an event within a cover?
    #[must_use]
    pub fn is_covered(&self, cover: &Cover, id: &EventId) -> bool {
        match (self.control.number(id), self.content.number(id)) {
            (Some(no), _) => cover.control.contains(no),
            (_, Some(no)) => self.content.is_reached(&cover.content, no),
            _ => false,
        }
    }

    /// Did this life of a device write the event?
    #[must_use]
    pub fn is_by(&self, life: (DeviceId, Incarnation), id: &EventId) -> bool {
        self.header(id).is_some_and(|header| (header.author, header.incarnation) == life)
    }

    /// Is an event held by lives, by the cover of each or since it wrote it? Of those that go on
    /// beside each other one is enough. `SPEC: RCPT-5, RCPT-6`
    #[must_use]
    pub fn is_known(
        &self,
        lives: &[((DeviceId, Incarnation), &Cover)],
        is_beside: bool,
        id: &EventId,
    ) -> bool {
        let knows =
            |(life, cover): &(Life, &Cover)| self.is_covered(cover, id) || self.is_by(*life, id);
        are_enough(lives, is_beside, knows)
    }

    /// How many of the admitted events are held by these lives: of no life, all of them. One pass
    /// over the events. `SPEC: RCPT-5`
    #[must_use]
    pub fn count_covered(
        &self,
        lives: &[((DeviceId, Incarnation), &Cover)],
        is_beside: bool,
    ) -> usize {
        // By number: to look an event up by its id takes longer than all else here.
        let is_by = |life: &Life, id: EventId| self.is_by(*life, &id);
        let control = self.control.all();
        let control = control.iter().filter(|no| {
            are_enough(lives, is_beside, |(life, cover)| {
                cover.control.contains(*no) || is_by(life, self.control.id(*no))
            })
        });
        let content = self.content.all().filter(|no| {
            self.content.is_admitted(*no)
                && are_enough(lives, is_beside, |(life, cover)| {
                    self.content.is_reached(&cover.content, *no)
                        || is_by(life, self.content.id(*no))
                })
        });
        control.count() + content.count()
    }

    /// Do these heads stand for nothing but what is within a cover and what this life wrote? It is
    /// known already that `from` do. `SPEC: RCPT-4`
    #[must_use]
    pub fn is_own_beside(
        &self,
        life: (DeviceId, Incarnation),
        cover: &Cover,
        from: &BTreeSet<EventId>,
        heads: &BTreeSet<EventId>,
    ) -> bool {
        let mut seen = BTreeSet::new();
        let mut next: Vec<_> = heads.iter().copied().collect();
        while let Some(id) = next.pop() {
            if from.contains(&id) || self.is_covered(cover, &id) || !seen.insert(id) {
                continue;
            }
            let Some(header) = self.header(&id) else { return false };
            if !self.is_by(life, &id) || seen.len() > IMPLIED_MAX {
                return false;
            }
            next.extend(header.before());
        }
        true
    }

    /// The epochs whose keys are held here, oldest first as they came.
    #[must_use]
    pub fn held_epochs(&self) -> Vec<EventId> {
        let all = self.control.all();
        let ids = all.iter().map(|no| self.control.id(no));
        ids.filter(|id| self.ring.key(id).is_some()).collect()
    }

    /// Is something admitted here whose body should be here and is not? Those of class 2 may be
    /// gone for good, and nothing waits for them. `SPEC: RCPT-7`
    #[must_use]
    pub fn lacks_bodies(&self) -> bool {
        let bare = self.bare.iter().filter(|no| !self.effects.is_shreddable(**no));
        bare.chain(self.lost.bodies()).any(|no| self.content.is_admitted(*no))
    }

    /// How many admitted events are here without a body that may be gone for good.
    /// `SPEC: DUR-17`
    #[must_use]
    pub fn absent(&self) -> usize {
        let is_absent =
            |no: &&_| self.effects.is_shreddable(**no) && self.content.is_admitted(**no);
        self.bare.iter().filter(is_absent).count()
    }

    /// The first control events of the later lives of this life's store. The newer life is the one
    /// whose first control event has that of the other in its past. A later life begins by a
    /// control event, so one that wrote and has none is the first. `SPEC: RCPT-5`
    #[must_use]
    pub fn outlived_by(&self, (device, incarnation): &(DeviceId, Incarnation)) -> Vec<EventId> {
        let number = |id: &EventId| self.control.number(id);
        let firsts: Vec<_> = self
            .chains
            .beginnings(device, Lane::Control, self.order.ids())
            .filter_map(|(life, id)| Some((life, *id, number(id)?)))
            .collect();
        let (own, others): (Vec<_>, Vec<_>) =
            firsts.into_iter().partition(|(life, ..)| *life == incarnation);
        let wrote = self.chains.lives(device).any(|life| life == incarnation);
        let outlives = |other| match own.is_empty() {
            true => wrote,
            false => own.iter().any(|(_, _, first)| self.control.heard(other, *first)),
        };
        let later = others.into_iter().filter(|(_, _, other)| outlives(*other));
        later.map(|(_, id, _)| id).collect()
    }

    /// The control events that begin a life of a device: several where it forked.
    #[must_use]
    pub fn begins(&self, (device, incarnation): &(DeviceId, Incarnation)) -> Vec<EventId> {
        let firsts = self.chains.beginnings(device, Lane::Control, self.order.ids());
        firsts.filter(|(life, _)| *life == incarnation).map(|(_, id)| *id).collect()
    }
}
