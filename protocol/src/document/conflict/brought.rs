//! Conflicts that a merge brought, which end where it is taken back.
//!
//! Where a place shows something else by a merge, what it showed before is written there, and the
//! conflict ends with that. Where it shows the same, since a removal or what stands in a list was
//! the other side, or since the merge added a side to a conflict that was open, nothing that is
//! shown tells of it: it is found in copies of the two pasts, and put to what it was by operations
//! as a resolution writes them. `SPEC: UNDO-2, BRA-9`

use std::collections::BTreeSet;

use automerge::{Automerge, Change, ChangeHash as Hash};

use super::ConflictIndex;
use super::decided::{Decided, found_now, is_json, is_plain, sides};
use super::resolve::predecessors;
use super::scan::{Open, Scan};
use super::tree::Tree;
use crate::document::{DocPath, EditFault};
use crate::id::{ChangeHash, ConflictId, DocumentId};

/// What a merge brought, and is still open.
#[derive(Debug, Default)]
pub(in crate::document) struct Brought {
    /// Those of which nothing that is shown tells, each with what was there before: one side, or
    /// those of the conflict that was open there already.
    pub(in crate::document) hidden: Vec<Decided>,
    /// All, as they are called now: they may end with it.
    pub(in crate::document) gone: BTreeSet<ConflictId>,
    /// Where those stand, of what is in a list the outermost list: also where an undo opened one
    /// again nobody but its sides left what is shown there.
    pub(in crate::document) left: BTreeSet<DocPath>,
}

impl ConflictIndex {
    /// Those that a merge brought, of `doc`. `before` is what it knew but for what came in by it,
    /// `written` are the places to which edits bring it back, `undos` the changes whose sides are
    /// those of others, put back.
    pub(in crate::document) fn brought(
        &self,
        doc: &Automerge,
        merge: &Change,
        before: &[Hash],
        (written, undos): (&BTreeSet<DocPath>, &BTreeSet<ChangeHash>),
    ) -> Result<Brought, EditFault> {
        let mut brought = Brought::default();
        if self.whole()?.places.met().next().is_none() {
            return Ok(brought);
        }
        let ((past, index), (made, index_made)) =
            (Self::at(doc, before)?, Self::at(doc, &[merge.hash()])?);
        let mut then = Scan::new(index.whole()?, &past);
        let mut after = Scan::new(index_made.whole()?, &made);
        let mut now = Scan::new(self, doc);
        // Ids are compared with each other alone.
        let document = DocumentId([0; 32]);
        let had = then.contests(&document);
        let ids: BTreeSet<_> = had.iter().map(|open| open.id).collect();
        let mut open = after.contests(&document);
        open.retain(|open| !ids.contains(&open.id));
        let spots: BTreeSet<_> = open.iter().map(|open| open.spot.clone()).collect();
        open.retain(|open| !open.above.iter().any(|above| spots.contains(above)));
        for open in &open {
            let Some((spot, here)) = self.still_open(&document, &after, &mut now, open) else {
                continue;
            };
            let Some(one) = self.at_spot(&mut now, &spot, &here) else { continue };
            if is_put_back(&now, &here, (&after, open), undos) {
                brought.gone.insert(here.id);
                brought.left.insert(one.place.clone());
            }
            let is_here = |path: &DocPath| {
                let (path, own) = (path.segments(), one.place.segments());
                path.starts_with(own) || own.starts_with(path)
            };
            let was = had.iter().find(|had| {
                found_now(&then, &mut after, had).is_some_and(|spot| spot == open.spot)
            });
            // Several values are put there again as values, and what they were not is not.
            let by_itself = one.place == one.path && was.is_some_and(|was| !is_plain(was));
            let near: Vec<_> = written.iter().filter(|path| is_here(path)).collect();
            // In a list of which more is written it is put again as one of its items.
            let is_item = one.place != one.path && near.iter().all(|path| **path == one.place);
            let beside = is_item && !near.is_empty();
            if !by_itself && !is_item && !near.is_empty() {
                continue;
            }
            let before = found_now(&after, &mut then, open);
            let stood = before.and_then(|spot| then.stands(&spot));
            let (id, all) = match was {
                Some(was) => (was.id, sides(&mut then, was)),
                None => (open.id, alone(&after, &mut then, open).map(|tree| (vec![tree], vec![]))),
            };
            // What no edit could write is left as it is.
            let Some((sides, by)) = all else { continue };
            let past = predecessors(&mut now, &here);
            brought.hidden.push(Decided { id, sides, by, past, was: stood, beside, ..one });
        }
        Ok(brought)
    }

    /// The conflict that is open now where this one was.
    fn still_open(
        &self,
        document: &DocumentId,
        after: &Scan<'_>,
        now: &mut Scan<'_>,
        open: &Open,
    ) -> Option<(super::places::Spot, Open)> {
        let spot = found_now(after, now, open)?;
        let (_, contest) = self.places.contested().find(|(of, _)| **of == spot)?;
        let here = now.one(document, &spot, contest)?;
        Some((spot, here))
    }
}

/// Is nobody a side of it but who was one, and those who put the same back?
fn is_put_back(
    now: &Scan<'_>,
    here: &Open,
    (after, open): (&Scan<'_>, &Open),
    undos: &BTreeSet<ChangeHash>,
) -> bool {
    let of = |scan: &Scan<'_>, change| ChangeHash(scan.index.lineage.hash(change).0);
    let were: BTreeSet<_> = open.sides.iter().map(|side| of(after, side.change)).collect();
    here.sides
        .iter()
        .map(|side| of(now, side.change))
        .all(|by| were.contains(&by) || undos.contains(&by))
}

/// What the place showed before the merge; none within where that was nothing.
fn alone(after: &Scan<'_>, then: &mut Scan<'_>, open: &Open) -> Option<Option<Tree>> {
    let spot = found_now(after, then, open)?;
    let Some(prop) = then.prop(&spot, None) else { return Some(None) };
    let shown = then.now().get(&then.id_of(spot.object), prop);
    let tree = shown.map(|(value, id)| then.now().tree(&value, &id, 0));
    tree.as_ref().is_none_or(is_json).then_some(tree)
}
