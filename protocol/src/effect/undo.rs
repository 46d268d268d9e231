//! Events that take others back: changes, and the event that they are about.

use super::{Chunks, Effect, Effects, Past, VoidReason, void};
use crate::authority::ContentNo;
use crate::content::DocumentChange;
use crate::event::Verified;
use crate::id::EventId;

impl Effects {
    /// The event that this one takes back, where it does and has effect. `SPEC: CNT-12`
    #[must_use]
    pub fn undoes(&self, no: ContentNo) -> Option<ContentNo> {
        self.undoes.get(&no).copied()
    }

    /// The events that take others back, with those, in the order in which they came.
    pub fn undos(
        &self,
    ) -> impl DoubleEndedIterator<Item = (ContentNo, ContentNo)> + ExactSizeIterator {
        self.undoes.iter().map(|(undo, undone)| (*undo, *undone))
    }

    /// `SPEC: CNT-12`
    pub(super) fn weigh_undo(
        &mut self,
        past: Past<'_>,
        no: ContentNo,
        event: &Verified,
        (undoes, changes): (EventId, Vec<DocumentChange>),
    ) -> Result<(Effect, Chunks), VoidReason> {
        let undone =
            past.content.number(&undoes).filter(|undone| past.content.in_view(no, *undone));
        let undone = undone
            .ok_or_else(|| void("not_in_view", &"it takes back an event that it has not seen"))?;
        let done = self.weigh_changes(past, no, event, changes, None)?;
        if matches!(done.0, Effect::Change(_)) {
            self.undoes.insert(no, undone);
        }
        Ok(done)
    }
}
