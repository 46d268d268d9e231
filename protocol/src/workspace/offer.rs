//! What peers are told of a workspace: its tips, what a revoked device is owed, and what is news.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Workspace;
use crate::authority::ControlFact;
use crate::id::{ChainId, DeviceId, EventId, Incarnation, Lane};
use crate::role::Role;
use crate::store::{Place, Sought};
use crate::sync::Tip;

/// An event on the way back through its chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) lane: Lane,
    /// Its place in the order in which events went in.
    pub(crate) position: usize,
    pub(crate) prev: Option<EventId>,
    /// It is proven by what stands behind it in that order.
    pub(crate) is_inside: bool,
}

impl Workspace {
    /// The lane of an event, and its place in the order in which events went in.
    #[must_use]
    pub fn position(&self, id: &EventId) -> Option<(Lane, usize)> {
        let position = self.place_of(id)?;
        Some((self.known.get(position)?.header.lane, position))
    }

    /// The same of an event and of the one before it in its chain, and whether those behind it in
    /// the order prove it.
    #[must_use]
    pub(crate) fn step(&self, id: &EventId) -> Option<Step> {
        self.step_at(self.place_of(id)?)
    }

    fn step_at(&self, position: usize) -> Option<Step> {
        let known = self.known.get(position)?;
        let (lane, prev) = (known.header.lane, known.header.prev);
        Some(Step { lane, position, prev, is_inside: known.is_inside })
    }

    /// The same of the event before this one in its chain, which nearly always went in before it.
    #[must_use]
    pub(crate) fn step_before(&self, step: &Step) -> Option<Step> {
        let prev = step.prev?;
        let near = step.position.checked_sub(1)?;
        if self.order.ids().get(near) == Some(&prev) {
            self.step_at(near)
        } else {
            self.step(&prev)
        }
    }

    /// The event that went in at this place of the order.
    #[must_use]
    pub fn event_at(&self, position: usize) -> Option<EventId> {
        self.order.ids().get(position).copied()
    }

    /// Does an event of another chain name this one?
    #[must_use]
    pub fn is_named(&self, id: &EventId) -> bool {
        self.known(id).is_some_and(|known| known.is_named)
    }

    /// Does an event of its own chain follow this one?
    #[must_use]
    pub fn is_continued(&self, id: &EventId) -> bool {
        self.place_of(id).is_some_and(|at| !self.chains.is_tip(at))
    }

    /// Where the store keeps the event that went in at this place of the order.
    #[must_use]
    pub fn place_at(&self, position: usize) -> Option<Place> {
        self.placed(position).map(|(place, _)| place)
    }

    /// The same, and whether those behind it in the order prove it.
    pub(crate) fn placed(&self, position: usize) -> Option<(Place, bool)> {
        let id = *self.order.ids().get(position)?;
        let known = self.known.get(position)?;
        let place = Place { chain: known.header.chain(), seq: known.header.seq, id };
        Some((place, known.is_inside))
    }

    /// The same, for who is to be sent it.
    pub(crate) fn sought(&self, position: usize) -> Option<(Sought, bool)> {
        let (place, is_inside) = self.placed(position)?;
        let header = Some(Arc::clone(&self.known.get(position)?.header));
        Some((Sought { place, header }, is_inside))
    }

    /// The ends of all chains that peers are told of: of the control lane all, of content what is
    /// admitted; several of a chain that forked. `SPEC: SYNC-3`
    #[must_use]
    pub fn tips(&self) -> Vec<Tip> {
        let is_control = |at: &usize| {
            self.known.get(*at).is_some_and(|known| known.header.lane == Lane::Control)
        };
        let control = self.chains.tips().filter(is_control);
        let control = control.filter_map(|at| self.event_at(at));
        let content = self.sealing.keys().flat_map(|device| self.content.admitted_tips_of(device));
        let ids: BTreeSet<_> = control.chain(content).collect();
        let tip = |id: EventId| {
            let header = self.header(&id)?;
            Some(Tip { chain: header.chain(), seq: header.seq, id })
        };
        ids.into_iter().filter_map(tip).collect()
    }

    /// How many places of a chain are filled here: the seq that comes next.
    #[must_use]
    pub fn height(&self, chain: &ChainId) -> u64 {
        self.chains.height(chain)
    }

    /// The control events that a device needs to judge its own revocations, by place; none while
    /// it is a member or never was one.
    #[must_use]
    pub fn farewell(&self, device: &DeviceId) -> Option<BTreeSet<usize>> {
        let all = self.control.all();
        if self.control.role(device, &all).is_some() {
            return None;
        }
        let mut places = BTreeSet::new();
        for no in self.control.revocations_of(device, &all) {
            let past = self.control.past(no).iter().chain([no]);
            let ids = past.map(|no| self.control.id(no));
            places.extend(ids.filter_map(|id| Some(self.position(&id)?.1)));
        }
        (!places.is_empty()).then_some(places)
    }

    /// Did this life of a device's store write nothing yet? `SPEC: DUR-5`
    #[must_use]
    pub fn is_unwritten(&self, device: &DeviceId, incarnation: &Incarnation) -> bool {
        self.own_tip(device, incarnation, Lane::Control).is_none()
            && self.own_tip(device, incarnation, Lane::Content).is_none()
    }

    /// Did another life of a device's store write?
    #[must_use]
    pub fn has_other_life(&self, device: &DeviceId, incarnation: &Incarnation) -> bool {
        self.chains.lives(device).any(|life| life != incarnation)
    }

    /// Is there news about members that this device's own control events have not heard? Of a
    /// revocation every member says that it heard it, of a grant those who may revoke.
    /// `SPEC: AUTH-9`
    #[must_use]
    pub fn has_news_for(&self, device: &DeviceId, incarnation: &Incarnation) -> bool {
        let all = self.control.all();
        let Some(role) = self.control.role(device, &all) else { return false };
        let own = self.own_tip(device, incarnation, Lane::Control);
        let own = own.and_then(|id| self.control.number(&id));
        all.iter().any(|no| {
            let news = match self.control.fact(no) {
                ControlFact::Revoke { .. } | ControlFact::Recover => true,
                ControlFact::Grant { .. } => role >= Role::Admin,
                _ => false,
            };
            news && !own.is_some_and(|own| self.control.heard(own, no))
        })
    }
}
