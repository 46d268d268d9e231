//! Looks into the past of documents: what stood at a path at some heads, and every value that ever
//! did. Nothing is changed by them. `SPEC: PAST-1, PAST-3`

mod history;
mod said;
mod way;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::board::route;
use super::read::{ReadValue, Seen};
use super::{DocPath, DocumentDone, Documents, EditFault, policy, read};
use crate::id::{ChangeHash, DocumentId};

pub use history::{History, Stood};
pub use said::said;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PastTask {
    /// What was at a path.
    Read {
        /// Where.
        path: DocPath,
        /// The heads of documents then; no others can be read.
        heads: BTreeMap<DocumentId, Vec<ChangeHash>>,
    },
    /// Every value that stood at a path.
    History {
        /// Where.
        path: DocPath,
        /// How many at most: the newest.
        limit: usize,
        /// The changes of what was taken back, and of what took it back: they decide nothing.
        undone: BTreeSet<ChangeHash>,
    },
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PastDone {
    /// What was there, and in which document.
    Read(DocumentId, ReadValue),
    /// The values, and in which document.
    History(DocumentId, History),
}

/// The heads of a document as Automerge names them.
fn hashes(heads: &[ChangeHash]) -> Vec<automerge::ChangeHash> {
    heads.iter().map(|hash| automerge::ChangeHash(hash.0)).collect()
}

impl Documents {
    /// Looks at the past as seen from the root: at links as they were then, where a moment of it is
    /// named.
    pub(super) fn look_back(&mut self, root: DocumentId, task: PastTask) -> DocumentDone {
        let (path, heads) = match &task {
            PastTask::Read { path, heads } => (path, Some(heads)),
            PastTask::History { path, .. } => (path, None),
        };
        let of_root = heads.map(|heads| hashes(heads.get(&root).map_or(&[][..], Vec::as_slice)));
        let held = self.documents.entry(root).or_default();
        let routed = held.try_with(|doc, _| {
            let seen = of_root.as_ref().map_or_else(|| Seen::now(doc), |at| Seen::at(doc, at));
            Ok(route(&root, path, |path| seen.read(path).ok()))
        });
        let (document, path, above) = match routed {
            Ok(Some(routed)) => (routed.document, routed.path, Some(routed.above)),
            Ok(None) => (root, path.clone(), None),
            Err(fault) => return DocumentDone::Past(Err(fault)),
        };
        let Some(held) = self.documents.get_mut(&document) else {
            return DocumentDone::Closed(BTreeSet::from([document]));
        };
        let done = match &task {
            PastTask::Read { heads, .. } => {
                let Some(heads) = heads.get(&document) else {
                    return DocumentDone::Closed(BTreeSet::from([document]));
                };
                let read = held.copied(|doc| at((doc, document == root), heads, &path));
                read.map(|read| PastDone::Read(document, read))
            }
            PastTask::History { limit, undone, .. } => {
                let history = held.try_with(|doc, conflicts| {
                    history::of(doc, (conflicts, undone), (&path, document == root), *limit)
                });
                history.map(|history| PastDone::History(document, history))
            }
        };
        DocumentDone::Past(done.map_err(|fault| match &above {
            Some(above) => fault.under(above),
            None if heads.is_none() => fault.of_link(&path),
            None => fault,
        }))
    }
}

/// What is at a path of a document as it was at some heads.
fn at(
    (doc, is_root): (&automerge::Automerge, bool),
    heads: &[ChangeHash],
    path: &DocPath,
) -> Result<read::ReadValue, EditFault> {
    if heads.is_empty() {
        return Err(EditFault::Absent(path.to_string()));
    }
    if is_root {
        return policy::read_at(doc, &hashes(heads), path);
    }
    Seen::at(doc, &hashes(heads)).show(path)
}
