//! Own changes between the check that lets them be written and the event that carries them: that
//! event comes next, and what was found of a change is found once.
//!
//! What a check finds depends on the bytes, the actor and the closure of the dependencies alone
//! (DOC-28), and what an index holds is never taken out of it. So it holds for whoever carries the
//! same bytes, as long as the dependencies are in that author's view.

use crate::document::validate::Checked;
use crate::id::DocumentId;

/// Checked changes, by document: those of one event.
#[derive(Default)]
pub(crate) struct Foreseen(Vec<(DocumentId, Vec<u8>, Checked)>);

impl Foreseen {
    /// Keeps what was found of a change of these bytes.
    pub(crate) fn keep(&mut self, document: DocumentId, bytes: &[u8], checked: Checked) {
        self.0.push((document, bytes.to_vec(), checked));
    }

    /// What was found of these bytes, once, for an author who may use `actor` and has `in_view`,
    /// which is asked with the numbers of changes.
    pub(super) fn take(
        &mut self,
        document: &DocumentId,
        actor: &[u8; 16],
        bytes: &[u8],
        in_view: &dyn Fn(u32) -> bool,
    ) -> Option<Checked> {
        let at = self.0.iter().position(|(of, kept, checked)| {
            of == document
                && checked.actor == *actor
                && kept == bytes
                && checked.on.iter().copied().all(in_view)
        })?;
        Some(self.0.swap_remove(at).2)
    }
}

#[cfg(test)]
mod tests {
    use super::Foreseen;
    use crate::document::validate::{ChangeIndex, Checked};
    use crate::document::{DocumentDone, DocumentTask, Documents, Edit, founding_change};
    use crate::id::DocumentId;

    const ACTOR: [u8; 16] = [1; 16];
    const DOCUMENT: DocumentId = DocumentId([2; 32]);

    /// A change that depends on another, and what is found of it.
    fn second() -> (Vec<u8>, Checked) {
        let first = founding_change(ACTOR, "home", ("device", "laptop")).unwrap();
        let mut index = ChangeIndex::new();
        index.insert(index.check(&first, &ACTOR, &|_| true).unwrap());
        let mut documents = Documents::default();
        documents.perform(DocumentTask::Apply { document: DOCUMENT, changes: vec![first] });
        let edits = vec![Edit::Set { set: "notes/n".parse().unwrap(), value: 1.into() }];
        let task = DocumentTask::Transact { document: DOCUMENT, actor: ACTOR, edits };
        let DocumentDone::Transacted(Ok(Some(change))) = documents.perform(task) else {
            panic!("no change was made");
        };
        let checked = index.check(&change.chunk, &ACTOR, &|_| true).unwrap();
        (change.chunk, checked)
    }

    #[test]
    fn what_was_found_is_for_the_same_bytes_document_and_actor_once() {
        let (bytes, checked) = second();
        let mut foreseen = Foreseen::default();
        foreseen.keep(DOCUMENT, &bytes, checked);
        let other = [&bytes[..], &[0]].concat();
        for (document, actor, bytes) in [
            (DocumentId([3; 32]), ACTOR, &bytes),
            (DOCUMENT, [4; 16], &bytes),
            (DOCUMENT, ACTOR, &other),
        ] {
            assert!(foreseen.take(&document, &actor, bytes, &|_| true).is_none());
        }
        assert!(foreseen.take(&DOCUMENT, &ACTOR, &bytes, &|_| true).is_some());
        assert!(foreseen.take(&DOCUMENT, &ACTOR, &bytes, &|_| true).is_none());
    }

    #[test]
    fn what_was_found_is_not_for_who_has_not_seen_what_it_depends_on() {
        let (bytes, checked) = second();
        assert!(!checked.deps.is_empty());
        let mut foreseen = Foreseen::default();
        foreseen.keep(DOCUMENT, &bytes, checked);
        assert!(foreseen.take(&DOCUMENT, &ACTOR, &bytes, &|_| false).is_none());
    }
}
