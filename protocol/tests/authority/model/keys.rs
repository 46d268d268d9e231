//! Epochs in the model: who may hold a key, who can open it, under which one to write.

use std::collections::BTreeSet;

use super::super::set::{Set, those};
use super::{Device, History, Kind, bits, has};
use kernelos_protocol::role::Role;

impl<M: Set> History<M> {
    fn of_kind(&self, kind: Kind, among: M) -> impl Iterator<Item = usize> {
        bits(among & self.control).filter(move |&e| self.events[e].kind == kind)
    }

    /// KEY-7: the maker of an epoch, and whom a holder wrapped it to.
    pub(crate) fn holders(&self, epoch: usize, among: M) -> BTreeSet<Device> {
        let wraps = self.of_kind(Kind::Wrap, among).filter(|&w| self.gives(w, epoch));
        let given = wraps.map(|w| self.events[w].target);
        given.chain([self.events[epoch].by]).collect()
    }

    /// Wrap w is of this epoch, and by its own past its author holds it.
    fn gives(&self, w: usize, epoch: usize) -> bool {
        let wrap = &self.events[w];
        has(wrap.cut, epoch)
            && has(wrap.past, epoch)
            && self.holders(epoch, wrap.past).contains(&wrap.by)
    }

    /// A wrap of a rank is garbage, as is one of a key that its author does not have.
    pub(crate) fn is_garbage(&self, w: usize) -> bool {
        let wrap = &self.events[w];
        wrap.rank != Role::Store || wrap.cut & self.knows_keys(wrap.by, wrap.past) == M::NONE
    }

    /// The epochs whose keys a device knows: those it made, too, and keeps in no store.
    pub(crate) fn knows_keys(&self, device: Device, among: M) -> M {
        let made = self.of_kind(Kind::Epoch, among).filter(|&e| self.events[e].by == device);
        self.lead_to(those::<M>(made) | self.wrapped_to(device, among))
    }

    /// The epochs that a device can open by what stands in events.
    pub(crate) fn opens(&self, device: Device, among: M) -> M {
        self.lead_to(self.wrapped_to(device, among))
    }

    fn wrapped_to(&self, device: Device, among: M) -> M {
        let epochs: Vec<usize> = self.of_kind(Kind::Epoch, among).collect();
        let wraps = self.of_kind(Kind::Wrap, among);
        let to = wraps.filter(|&w| self.events[w].target == device && !self.is_garbage(w));
        let wraps: Vec<usize> = to.collect();
        those(epochs.into_iter().filter(|&e| wraps.iter().any(|&w| self.gives(w, e))))
    }

    /// With an epoch come the keys that its maker knew.
    fn lead_to(&self, mut held: M) -> M {
        for e in bits(held).rev() {
            held |= self.knows_keys(self.events[e].by, self.events[e].past);
        }
        held
    }

    /// KEY-7: under which epochs a device may write; it takes the one with the lowest id.
    pub(crate) fn fit_epochs(&self, device: Device, among: M) -> Vec<usize> {
        let in_effect: Vec<usize> =
            self.of_kind(Kind::Epoch, among).filter(|&e| self.in_effect(e, among)).collect();
        let opens = self.opens(device, among);
        let superseded = |e: usize| in_effect.iter().any(|&x| has(self.events[x].past, e));
        let fit = |&e: &usize| has(opens, e) && !superseded(e) && self.is_clean(e, among);
        in_effect.iter().copied().filter(fit).collect()
    }

    fn is_clean(&self, epoch: usize, among: M) -> bool {
        let holders = self.holders(epoch, among);
        let reads = |&d: &Device| self.rank(d, among) >= Some(Role::Observer);
        let gone = |&r: &usize| holders.contains(&self.events[r].target) && !self.heard(epoch, r);
        holders.iter().all(reads) && !self.counting(among).iter().any(gone)
    }

    /// EFF-2: the epoch that seals a content event is in its past.
    pub(crate) fn epoch_heard(&self, e: usize) -> bool {
        let event = &self.events[e];
        self.of_kind(Kind::Epoch, event.past).any(|epoch| has(event.cut, epoch))
    }
}
