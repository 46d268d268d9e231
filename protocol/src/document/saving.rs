//! A document as a file that other programs read, given in parts: it is written once, and kept as
//! long as parts of it are asked for. `SPEC: PRJ-8`

use automerge::Automerge;
use serde::{Deserialize, Serialize};

use super::heads;
use crate::id::{ChangeHash, DocumentId};
use crate::limits::ARCHIVE_SLICE_BYTES;

/// A part of a whole document, with its history. `SPEC: PRJ-8`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPart {
    /// The bytes of this part.
    pub bytes: Vec<u8>,
    /// How many bytes the file has.
    pub size: usize,
    /// How many changes it holds.
    pub changes: usize,
    /// Its heads, sorted.
    pub heads: Vec<ChangeHash>,
}

/// The file of which parts are asked for.
#[derive(Default)]
pub(super) struct Saving(Option<Kept>);

struct Kept {
    document: DocumentId,
    heads: Vec<ChangeHash>,
    changes: usize,
    file: Vec<u8>,
}

impl Saving {
    /// The part from this byte on. A document that changed since is another file.
    pub(super) fn part(&mut self, document: DocumentId, doc: &Automerge, from: usize) -> SavedPart {
        let heads = heads(doc);
        let is_same = |kept: &Kept| kept.document == document && kept.heads == heads;
        let kept = self.0.take().filter(is_same).unwrap_or_else(|| Kept {
            document,
            changes: doc.get_changes(&[]).len(),
            file: doc.save(),
            heads,
        });
        let (from, size) = (from.min(kept.file.len()), kept.file.len());
        let to = from.saturating_add(ARCHIVE_SLICE_BYTES).min(size);
        let bytes = kept.file.get(from..to).unwrap_or_default().to_vec();
        let part = SavedPart { bytes, size, changes: kept.changes, heads: kept.heads.clone() };
        // Nobody asks for more after the last part.
        self.0 = (to < size).then_some(kept);
        part
    }

    /// Nothing of it is asked for any more.
    pub(super) fn forget(&mut self, document: &DocumentId) {
        self.0 = self.0.take().filter(|kept| kept.document != *document);
    }
}

#[cfg(test)]
mod tests;
