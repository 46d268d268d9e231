//! What changes that do not count would set, were they to count: found on a copy of the documents,
//! which is dropped again. Bounded in rows and bytes.

use std::collections::{BTreeMap, BTreeSet};

use automerge::patches::{Patch, PatchAction};
use automerge::{Automerge, Change, ChangeHash as Hash, Prop, ReadDoc};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::document::read::Seen;
use crate::document::{DocPath, Documents, EditFault, Reversal};
use crate::id::{ChangeHash, DocumentId};
use crate::limits::{PREVIEW_BYTES_MAX, PREVIEW_ROWS_MAX};

/// One place that would show something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewRow {
    /// In which document.
    pub document: DocumentId,
    /// Where.
    pub path: DocPath,
    /// What is there now; null where nothing is.
    pub now: Json,
    /// What would be there; null where nothing would.
    pub then: Json,
    /// Would there be several values, written apart?
    pub conflict: bool,
}

/// What changes would set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preview {
    /// The places, by document and path.
    pub rows: Vec<PreviewRow>,
    /// How many places there are beyond those that fit.
    pub more: usize,
    /// Of changes that were made, where they decided a conflict.
    #[serde(default)]
    pub decided: BTreeSet<DocPath>,
}

/// The rows of one document.
pub(super) fn of(
    id: DocumentId,
    now: &Automerge,
    changes: Vec<Vec<u8>>,
    into: &mut Preview,
) -> Result<(), EditFault> {
    let failed = |error: &dyn std::fmt::Display| EditFault::Document(error.to_string());
    let changes: Result<Vec<_>, _> = changes.into_iter().map(Change::from_bytes).collect();
    let changes = changes.map_err(|error| failed(&error))?;
    let mut then = now.clone();
    let mut from = now.get_heads();
    if then.apply_changes(changes.iter().cloned()).is_err() {
        // What is left out of the document, since others have its numbers there, is shown beside
        // what it was made on.
        let own: BTreeSet<_> = changes.iter().map(Change::hash).collect();
        let on = changes.iter().flat_map(|change| change.deps().iter().copied());
        from = on.filter(|dep| !own.contains(dep)).collect::<BTreeSet<_>>().into_iter().collect();
        then = now.fork_at(&from).map_err(|error| failed(&error))?;
        then.apply_changes(changes).map_err(|error| failed(&error))?;
    }
    let paths = places(&then, &from, &then.get_heads());
    rows(id, &paths, (&Seen::now(now), &Seen::now(&then)), into);
    Ok(())
}

impl Documents {
    /// What changes changed, as seen from the root: what each place shows by its change alone, and
    /// what it showed at what that knew. Of documents that are not held nothing is told.
    pub(super) fn wrote(
        &mut self,
        root: &DocumentId,
        changes: &BTreeMap<DocumentId, Reversal>,
    ) -> Result<Preview, EditFault> {
        let mut shown = Preview::default();
        for (id, of) in changes {
            let above = self.above(root, id);
            let Some(held) = self.documents.get_mut(id) else { continue };
            let from = shown.rows.len();
            let decided = held.try_with(|doc, conflicts| {
                let hash = Hash(of.change.0);
                let change = doc.get_change_by_hash(&hash);
                let change = change.ok_or(EditFault::NotHeld(of.change))?;
                let is_before = |dep: &&Hash| !of.joined.contains(&ChangeHash(dep.0));
                let before: Vec<_> = change.deps().iter().filter(is_before).copied().collect();
                let after = [hash];
                let paths = places(doc, &before, &after);
                let seen = (&Seen::at(doc, &before), &Seen::at(doc, &after));
                rows(*id, &paths, seen, &mut shown);
                // What others wrote comes in by a merge, and decides nothing here.
                if !of.joined.is_empty() {
                    return Ok(BTreeSet::new());
                }
                conflicts.index().closed(doc, &change, &before)
            })?;
            shown.decided.extend(decided.iter().map(|path| path.under(&above)));
            for row in shown.rows.iter_mut().skip(from) {
                row.path = row.path.under(&above);
            }
        }
        Ok(shown)
    }
}

/// The rows of these places of one document, as it is seen now and as it would be.
pub(super) fn rows(
    id: DocumentId,
    paths: &BTreeSet<DocPath>,
    (now, then): (&Seen<'_>, &Seen<'_>),
    into: &mut Preview,
) {
    let mut bytes: usize = into.rows.iter().map(size).sum();
    for path in paths {
        let shown = |seen: &Seen<'_>| {
            seen.read(path).map_or((Json::Null, false), |read| (read.value, read.conflict))
        };
        let ((now, was), (then, conflict)) = (shown(now), shown(then));
        if now == then && was == conflict {
            continue;
        }
        let row = PreviewRow { document: id, path: path.clone(), now, then, conflict };
        let more = bytes.saturating_add(size(&row));
        if into.rows.len() < PREVIEW_ROWS_MAX && more <= PREVIEW_BYTES_MAX {
            bytes = more;
            into.rows.push(row);
        } else {
            into.more += 1;
        }
    }
}

fn size(row: &PreviewRow) -> usize {
    let path: usize = row.path.segments().iter().map(String::len).sum();
    path + row.now.to_string().len() + row.then.to_string().len()
}

/// The places at which `doc` shows something else at one heads than at others; none is in another.
pub(super) fn places(doc: &Automerge, from: &[Hash], to: &[Hash]) -> BTreeSet<DocPath> {
    let places: BTreeSet<DocPath> = doc.diff(from, to).iter().map(place).collect();
    places.iter().filter(|path| !has_above(&places, path)).cloned().collect()
}

/// Where a patch changes something; of what is within a list or text, that.
fn place(patch: &Patch) -> DocPath {
    let own = match &patch.action {
        PatchAction::PutMap { key, .. } | PatchAction::DeleteMap { key } => Some(key.clone()),
        PatchAction::Increment { prop: Prop::Map(key), .. }
        | PatchAction::Conflict { prop: Prop::Map(key) } => Some(key.clone()),
        _ => None,
    };
    let above = patch.path.iter().map(|(_, prop)| match prop {
        Prop::Map(key) => Some(key.clone()),
        Prop::Seq(_) => None,
    });
    let segments: Vec<String> = above.chain([own]).map_while(|segment| segment).collect();
    DocPath::nearest(&segments)
}

/// Is a place that this one is in among them?
fn has_above(places: &BTreeSet<DocPath>, path: &DocPath) -> bool {
    let segments = path.segments();
    (0..segments.len()).any(|len| places.contains(&DocPath::nearest(&segments[..len])))
}

/// The changes of each document, in their order.
pub(super) fn by_document(
    changes: Vec<(DocumentId, Vec<u8>)>,
) -> BTreeMap<DocumentId, Vec<Vec<u8>>> {
    let mut sorted: BTreeMap<DocumentId, Vec<Vec<u8>>> = BTreeMap::new();
    for (document, change) in changes {
        sorted.entry(document).or_default().push(change);
    }
    sorted
}
