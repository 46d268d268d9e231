//! What cannot be read here, counted by whether others may build on it: a body of class 2 may be
//! absent for good, and then nothing is looked at for it (SPEC: STATE-4, DUR-17).

use std::cell::Cell;

use super::{Effect, Effects, Past};
use crate::authority::ContentNo;

/// How many events are unread.
#[derive(Default)]
pub(super) struct Unread {
    /// Of which state may be derived.
    needed: usize,
    /// Of class 2.
    shreddable: usize,
    /// How many events were looked at for what they might wait for.
    work: Cell<u64>,
}

impl Unread {
    /// One came.
    pub(super) fn come(&mut self) {
        self.needed += 1;
    }

    /// One that came is of class 2.
    pub(super) fn may_go(&mut self) {
        self.needed -= 1;
        self.shreddable += 1;
    }
}

impl Effects {
    /// Is any event unread that others may build on?
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.unread.needed > 0
    }

    /// Is any event of class 2 unread, of those that are `here`?
    pub(crate) fn has_unread_shreddable(&self, here: impl Fn(&ContentNo) -> bool) -> bool {
        let is_unread = |no: &ContentNo| *self.of(*no) == Effect::Unread && here(no);
        self.unread.shreddable > 0 && self.shreddable.iter().any(is_unread)
    }

    /// How many events were judged.
    #[must_use]
    pub fn judged(&self) -> usize {
        self.effects.len() - self.unread.needed - self.unread.shreddable
    }

    /// Can this event not be read here, and may others build on what it says? `SPEC: STATE-4`
    #[must_use]
    pub fn may_be_built_on(&self, no: ContentNo) -> bool {
        *self.of(no) == Effect::Unread && !self.is_shreddable(no)
    }

    /// How many events were looked at to find out what others wait for.
    #[must_use]
    pub fn waiting_work(&self) -> u64 {
        self.unread.work.get()
    }

    /// What cannot be read of an event's past, and may decide what it does.
    pub(super) fn unread_before(
        &self,
        past: Past<'_>,
        no: ContentNo,
    ) -> impl Iterator<Item = ContentNo> {
        // The event itself counts as unread until it is judged.
        let itself = usize::from(self.may_be_built_on(no));
        let has_others = self.unread.needed > itself;
        let all = has_others.then(|| past.content.all()).into_iter().flatten();
        let all = all.inspect(|_| self.unread.work.set(self.unread.work.get().saturating_add(1)));
        all.filter(move |x| *x != no && self.may_be_built_on(*x) && past.content.in_past(no, *x))
    }

    pub(super) fn replace(&mut self, no: ContentNo, by: Effect) {
        let is_shreddable = self.is_shreddable(no);
        let Some(effect) = self.effects.get_mut(no.index()) else { return };
        let count =
            if is_shreddable { &mut self.unread.shreddable } else { &mut self.unread.needed };
        *count -= usize::from(*effect == Effect::Unread);
        *count += usize::from(by == Effect::Unread);
        *effect = by;
    }
}
