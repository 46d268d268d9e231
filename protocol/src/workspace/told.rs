//! Which changes the documents were told of, and by which events: those that count.

use crate::authority::ContentNo;
use crate::effect::{ChangeNo, DocumentNo};
use crate::few::Few;

/// By change, the events that told it.
#[derive(Default)]
pub(super) struct Told {
    /// Ascending: one change may have as many carriers as there are events.
    families: Vec<Vec<Few<ContentNo>>>,
    /// How many changes were told of each document.
    documents: Vec<usize>,
}

impl Told {
    /// The events that told a change.
    pub(super) fn by(&self, change: ChangeNo) -> &[ContentNo] {
        let family = self.families.get(change.family().index());
        family.and_then(|family| family.get(change.number() as usize)).map_or(&[], |by| by)
    }

    /// Was it told?
    pub(super) fn has(&self, change: ChangeNo) -> bool {
        !self.by(change).is_empty()
    }

    /// Was anything told of this document?
    pub(super) fn has_any_of(&self, document: DocumentNo) -> bool {
        self.documents.get(document.index()).is_some_and(|told| *told > 0)
    }

    /// An event tells a change of this document.
    pub(super) fn tell(&mut self, document: DocumentNo, change: ChangeNo, by: ContentNo) {
        let family = entry(&mut self.families, change.family().index());
        let told = entry(family, change.number() as usize);
        if told.is_empty() {
            *entry(&mut self.documents, document.index()) += 1;
        }
        told.put(by);
    }

    /// An event that told a change leaves. Was it the last? None where the change was not told.
    pub(super) fn leave(
        &mut self,
        document: DocumentNo,
        change: ChangeNo,
        by: ContentNo,
    ) -> Option<bool> {
        let family = self.families.get_mut(change.family().index())?;
        let told = family.get_mut(change.number() as usize).filter(|told| !told.is_empty())?;
        let is_last = told.take(&by) && told.is_empty();
        if is_last && let Some(told) = self.documents.get_mut(document.index()) {
            *told -= 1;
        }
        Some(is_last)
    }
}

/// What stands at this place, after making room for it.
fn entry<T: Default>(of: &mut Vec<T>, at: usize) -> &mut T {
    if of.len() <= at {
        of.resize_with(at + 1, T::default);
    }
    &mut of[at]
}

#[cfg(test)]
mod tests {
    use super::Told;
    use crate::authority::ContentNo;
    use crate::effect::{ChangeNo, DocumentNo};

    #[test]
    fn a_change_was_told_as_long_as_one_event_that_told_it_stays() {
        let (document, other) = (DocumentNo::numbered(1), DocumentNo::numbered(0));
        let (change, event) = (ChangeNo::numbered, ContentNo::numbered);
        let mut told = Told::default();
        assert_eq!(told.leave(document, change(2, 5), event(7)), None);
        for by in [7, 3, 7] {
            told.tell(document, change(2, 5), event(by));
        }
        assert_eq!(told.by(change(2, 5)), [event(3), event(7)]);
        assert!(told.has_any_of(document) && !told.has_any_of(other));
        for absent in [change(2, 4), change(2, 6), change(1, 5), change(3, 5)] {
            assert!(!told.has(absent));
            assert_eq!(told.leave(document, absent, event(7)), None);
        }
        assert_eq!(told.leave(document, change(2, 5), event(7)), Some(false));
        // One that did not tell it takes nothing with it.
        assert_eq!(told.leave(document, change(2, 5), event(7)), Some(false));
        assert!(told.has(change(2, 5)));
        assert_eq!(told.leave(document, change(2, 5), event(3)), Some(true));
        assert!(!told.has(change(2, 5)) && !told.has_any_of(document));
        assert_eq!(told.leave(document, change(2, 5), event(3)), None);
    }
}
