//! What is asked of several documents at once: edits and reads as seen from the root.

use std::collections::{BTreeMap, BTreeSet};

use automerge::Automerge;
use serde::{Deserialize, Serialize};

use super::board::{Link, Links, route};
use super::conflict::{Conflicts, PutBack, Settled};
use super::preview::{self, Preview};
use super::read::Seen;
use super::{
    DocPath, Document, DocumentDone, Documents, Dump, Edit, EditFault, LocalChange, local, policy,
    read, transact, without,
};
use crate::hash;
use crate::id::{ConflictId, DeviceId, DocumentId, Incarnation};
use crate::limits::{ENDED_NAMED_MAX, EVENT_CHANGES_MAX};

/// Who writes: of this is the actor of each document. `SPEC: PRJ-2`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// The device.
    pub device: DeviceId,
    /// The life of its store.
    pub incarnation: Incarnation,
    /// Which of its actors.
    pub generation: u64,
}

impl Hand {
    /// The actor of a document.
    #[must_use]
    pub fn actor(&self, document: &DocumentId) -> [u8; 16] {
        hash::actor(&self.device, &self.incarnation, document, self.generation)
    }
}

/// The edits of one document, and how it is named in the root.
#[derive(Default)]
pub(super) struct Part {
    pub(super) above: DocPath,
    pub(super) edits: Vec<Edit>,
    /// The changes that put several values back, where conflicts are decided.
    pub(super) put_back: PutBack,
    /// Is what stands already not written again?
    pub(super) once: bool,
}

impl Documents {
    /// Makes the changes that edits come to, as seen from the root: of all documents, or of none.
    pub(super) fn write(
        &mut self,
        root: DocumentId,
        hand: &Hand,
        edits: &[Edit],
        found: &BTreeMap<ConflictId, DocumentId>,
        mut put_back: BTreeMap<DocumentId, PutBack>,
    ) -> DocumentDone {
        let mut parts: BTreeMap<DocumentId, Part> = BTreeMap::new();
        let mut links = None;
        for edit in edits {
            let (document, above, edit) = match self.place(root, edit, found, &mut links) {
                Ok(place) => place,
                Err(fault) => return DocumentDone::Written(Err(fault)),
            };
            let part = parts.entry(document).or_default();
            (part.above, part.once) = (above, true);
            part.edits.push(edit);
        }
        for (document, part) in &mut parts {
            part.put_back = put_back.remove(document).unwrap_or_default();
        }
        if parts.len() > EVENT_CHANGES_MAX {
            return DocumentDone::Written(Err(EditFault::TooManyDocuments(parts.len())));
        }
        let closed: BTreeSet<_> = parts.keys().filter(|id| !self.is_open(id)).copied().collect();
        if !closed.is_empty() {
            return DocumentDone::Closed(closed);
        }
        DocumentDone::Written(self.write_parts(hand, &parts))
    }

    fn is_open(&self, document: &DocumentId) -> bool {
        self.documents.contains_key(document)
    }

    fn read_root(&self, root: &DocumentId, path: &DocPath) -> Option<read::ReadValue> {
        let doc = &self.documents.get(root)?.automerge;
        read::read(doc, path).ok()
    }

    /// Where an edit goes, and what it is there. `links` are read once, if at all: for what is
    /// named by its id.
    fn place(
        &self,
        root: DocumentId,
        edit: &Edit,
        found: &BTreeMap<ConflictId, DocumentId>,
        links: &mut Option<Links>,
    ) -> Result<(DocumentId, DocPath, Edit), EditFault> {
        let in_root = || (root, DocPath::default(), edit.clone());
        let Some(path) = edit.path() else {
            let document = edit.conflict().and_then(|id| found.get(&id)).copied();
            return Ok((document.unwrap_or(root), DocPath::default(), edit.clone()));
        };
        match route(&root, path, |path| self.read_root(&root, path)) {
            Some(routed) => {
                let away = match routed.link {
                    Some(_) => routed.put_away(),
                    None => self.links(&root, links)?.put_away(&routed.document),
                };
                match away {
                    Some(fault) => Err(fault),
                    None => Ok((routed.document, routed.above, edit.at(routed.path))),
                }
            }
            None if path.is_linked() => {
                // What stands there is no link: to write below it would make one of another form.
                Err(EditFault::not_linked(path))
            }
            None => Ok(in_root()),
        }
    }

    fn links<'l>(
        &self,
        root: &DocumentId,
        links: &'l mut Option<Links>,
    ) -> Result<&'l Links, EditFault> {
        if links.is_none() {
            let held = self.documents.get(root);
            *links = held.map(|held| held.copied(Links::of)).transpose()?;
        }
        Ok(links.get_or_insert_default())
    }

    pub(super) fn write_parts(
        &mut self,
        hand: &Hand,
        parts: &BTreeMap<DocumentId, Part>,
    ) -> Result<Vec<(DocumentId, LocalChange)>, EditFault> {
        if parts.len() > 1 {
            // Documents know nothing of each other, so what can be done once can be done again.
            for (id, part) in parts {
                let Some(held) = self.documents.get_mut(id) else { continue };
                let tried = held.rehearse(id, hand.actor(id), part);
                tried.map_err(|fault| fault.under(&part.above))?;
            }
        }
        let mut done: Vec<(DocumentId, LocalChange)> = Vec::new();
        for (id, part) in parts {
            self.saving.forget(id);
            let Some(held) = self.documents.get_mut(id) else { continue };
            match held.write(id, hand.actor(id), part) {
                Ok(change) => done.extend(change.map(|change| (*id, change))),
                Err(fault) => {
                    self.take_back(done);
                    return Err(fault.under(&part.above));
                }
            }
        }
        Ok(done)
    }

    /// Nobody saw these changes yet.
    fn take_back(&mut self, done: Vec<(DocumentId, LocalChange)>) {
        for (id, change) in done {
            let Some(held) = self.documents.get_mut(&id) else { continue };
            let dropped = BTreeSet::from([change.hash]);
            held.guarded(|doc, conflicts| {
                *doc = without(doc, &dropped)?;
                *conflicts = super::Conflicts::of(doc);
                Ok(())
            });
        }
    }

    /// What is at a path as seen from the root, and in which document. `SPEC: PRJ-10`
    pub(super) fn look(&mut self, root: DocumentId, path: &DocPath) -> DocumentDone {
        let Some(routed) = route(&root, path, |path| self.read_root(&root, path)) else {
            let held = self.documents.entry(root).or_default();
            let read = held.try_with(|doc, conflicts| {
                let read = policy::read(doc, conflicts, path);
                with_removals(doc, conflicts, path, read)
            });
            return DocumentDone::Looked(root, read.map_err(|fault| fault.of_link(path)));
        };
        let document = routed.document;
        let Some(held) = self.documents.get_mut(&document) else {
            return DocumentDone::Closed(BTreeSet::from([document]));
        };
        let found = held.try_with(|doc, conflicts| {
            let read = read::read(doc, &routed.path);
            with_removals(doc, conflicts, &routed.path, read)
        });
        let found = found.map_err(|fault| fault.under(&routed.above));
        match (found, routed.link) {
            // Of the whole it is the link that was written somewhere, perhaps twice.
            (Ok(whole), Some(link)) if routed.path.segments().is_empty() => {
                let conflict_below = whole.conflict_below;
                let whole = read::ReadValue { value: whole.value, conflict_below, ..link };
                DocumentDone::Looked(root, Ok(whole))
            }
            (found, _) => DocumentDone::Looked(document, found),
        }
    }

    /// What changes would set, of documents that are open or of new ones.
    pub(super) fn preview(
        &self,
        changes: Vec<(DocumentId, Vec<u8>)>,
    ) -> Result<Preview, EditFault> {
        let (new, mut shown) = (Document::default(), Preview::default());
        for (document, changes) in preview::by_document(changes) {
            let held = self.documents.get(&document).unwrap_or(&new);
            held.copied(|doc| preview::of(document, doc, changes, &mut shown))?;
        }
        Ok(shown)
    }

    /// What these show.
    pub(super) fn dump(
        &mut self,
        documents: &[DocumentId],
    ) -> Result<BTreeMap<DocumentId, Dump>, EditFault> {
        let mut dumps = BTreeMap::new();
        for id in documents {
            if let Some(held) = self.documents.get_mut(id) {
                let dump = held.try_with(|doc, conflicts| {
                    Ok(Dump::of(doc)?.with_policies(conflicts.index().policies(doc)?))
                });
                dumps.insert(*id, dump?);
            }
        }
        Ok(dumps)
    }
}

/// What is read, in conflict also where a removal is one of the sides, which no value tells of;
/// where it is the one that is shown, that is told of what is not found; and whether one is open
/// below. It is not waited for where
/// the index has changes to take in yet: nobody reads later by it.
fn with_removals(
    doc: &Automerge,
    conflicts: &mut Conflicts,
    path: &DocPath,
    read: Result<read::ReadValue, EditFault>,
) -> Result<read::ReadValue, EditFault> {
    if conflicts.is_late() {
        return read;
    }
    let mut open = |at: &DocPath| !conflicts.index().open_at(doc, &BTreeSet::from([at])).is_empty();
    match read {
        Ok(read) => {
            let conflict = read.conflict || open(path);
            let paths = BTreeSet::from([path.clone()]);
            let conflict_below = !conflicts.index().open_below(doc, &paths, 1).is_empty();
            Ok(read::ReadValue { conflict, conflict_below, ..read })
        }
        Err(EditFault::Absent(at)) => {
            let is_removed = at.parse().is_ok_and(|at| open(&at));
            Err(if is_removed { EditFault::RemovedApart(at) } else { EditFault::Absent(at) })
        }
        Err(fault) => Err(fault),
    }
}

/// Does what it sets stand there already?
fn stands_already(doc: &Automerge, edit: &Edit) -> bool {
    matches!(edit, Edit::Set { set, value } if super::standing::stands(doc, set, value))
}

impl LocalChange {
    /// The same, which ended conflicts that were open at these places of a document at `above`.
    fn with_ended(mut self, ended: &BTreeSet<DocPath>, above: &DocPath) -> Self {
        self.ended = ended.iter().take(ENDED_NAMED_MAX).map(|path| path.under(above)).collect();
        self.ended_more = ended.len().saturating_sub(ENDED_NAMED_MAX);
        self
    }
}

impl Document {
    /// Makes a change of edits, which all resolve or none; none where nothing was to change.
    pub(super) fn write(
        &mut self,
        document: &DocumentId,
        actor: [u8; 16],
        part: &Part,
    ) -> Result<Option<LocalChange>, EditFault> {
        let Part { edits, put_back, above, .. } = part;
        self.try_with(|doc, conflicts| {
            if edits.iter().any(|edit| edit.path().is_none()) {
                let all = BTreeSet::from([DocPath::default()]);
                let open = conflicts.index().open_near(doc, &all);
                let change = conflicts.index().resolve(doc, document, actor, edits, put_back)?;
                let settled = conflicts.index().settled(doc, open);
                let change = local(doc, &change);
                return Ok(Some(change.with_ended(&settled.ended, above)));
            }
            let seen = Seen::now(doc);
            let mut written: BTreeSet<_> =
                edits.iter().filter_map(Edit::writes_over).cloned().collect();
            // What is written where nothing is shown is written with what is made above it.
            let made = |path: &DocPath| match seen.find(path) {
                Err(EditFault::Absent(at)) => at.parse().ok(),
                _ => None,
            };
            written.extend(written.iter().filter_map(made).collect::<Vec<_>>());
            let open = (!conflicts.is_late()).then(|| conflicts.index().open_near(doc, &written));
            // Who waits for no late index sees at least several values.
            let is_disputed = |path: &&DocPath| open.is_none() && seen.is_disputed(path);
            let disputed: BTreeSet<_> = written.iter().filter(is_disputed).cloned().collect();
            // What is written decides: it is skipped only where nobody disagrees, there or below.
            let may_skip = part.once && edits.iter().any(|edit| stands_already(doc, edit));
            let contested =
                may_skip.then(|| conflicts.index().contested_places(doc, edits.len() > 1));
            let is_once = |path: &DocPath| {
                let path = path.segments();
                let is_near = |at: &DocPath| {
                    at.segments().starts_with(path) || path.starts_with(at.segments())
                };
                contested.as_ref().is_some_and(|places| !places.iter().any(is_near))
            };
            let change = transact(doc, conflicts, actor, edits, is_once)?;
            let settled = match open {
                Some(open) if !open.is_empty() => conflicts.index().settled(doc, open),
                _ => Settled { decided: disputed, ended: BTreeSet::new() },
            };
            let decided = settled.decided.iter().map(|path| path.under(above)).collect();
            let change = change.map(|change| change.with_ended(&settled.ended, above));
            Ok(change.map(|change| LocalChange { decided, ..change }))
        })
    }

    /// Could it be made?
    fn rehearse(
        &mut self,
        document: &DocumentId,
        actor: [u8; 16],
        part: &Part,
    ) -> Result<(), EditFault> {
        let Part { edits, put_back, .. } = part;
        self.try_with(|doc, conflicts| {
            if edits.iter().any(|edit| edit.path().is_none()) {
                return conflicts.index().rehearse(doc, document, actor, edits, put_back);
            }
            let mut tx = doc.transaction();
            let tried = edits.iter().try_for_each(|edit| super::edit::apply(&mut tx, edit));
            tx.rollback();
            tried
        })
    }

    /// Makes the change of a link.
    pub(super) fn link(
        &mut self,
        actor: [u8; 16],
        link: &Link,
    ) -> Result<Option<LocalChange>, EditFault> {
        self.try_with(|doc, conflicts| {
            let edit = link.edit(|path| read::read(doc, path).ok())?;
            transact(doc, conflicts, actor, &[edit], |_| false)
        })
    }
}
