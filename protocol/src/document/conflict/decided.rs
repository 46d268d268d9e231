//! What a change decided that several values put at one place do not open again: a conflict of a
//! removal, or of what stands in a list.
//!
//! What was open where the change was made is found in a copy of that past, as everybody finds it
//! there. That costs as much as the document, so it is looked for only where a conflict was once.
//! `SPEC: UNDO-2`

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, Change, ChangeHash as Hash, ScalarValue};
use serde_json::Value as Json;

use super::ConflictIndex;
use super::places::At;
use super::scan::{Open, Scan, What};
use super::tree::Tree;
use crate::document::{DocPath, EditFault};
use crate::id::{ChangeHash, ConflictId, DocumentId};
use crate::limits::CONFLICT_SIDES_MAX;

/// The conflicts that a change decided at one place that can be written.
#[derive(Debug, Default)]
pub(in crate::document) struct Decided {
    /// Which, as this device finds them.
    pub(in crate::document) ids: BTreeSet<ConflictId>,
    /// What each side left there, that which was shown last; none where it left nothing. Of what
    /// is in a list, the whole list with that side's part.
    pub(in crate::document) sides: Vec<Option<Json>>,
    /// The change of each side; of several conflicts in one list, of one of them.
    pub(in crate::document) by: Vec<ChangeHash>,
}

/// What a change decided, by the place.
pub(in crate::document) type DecidedAt = BTreeMap<DocPath, Decided>;

/// What one conflict is in the list that it stands in.
struct Inside {
    /// The way from the list to it.
    way: Vec<String>,
    /// Does something stand there?
    is_there: bool,
    /// What each side leaves there.
    sides: Vec<Option<Json>>,
    /// The change of each side.
    by: Vec<ChangeHash>,
}

impl ConflictIndex {
    /// Those of `doc`, by the place. `before` is what the change knew.
    pub(in crate::document) fn decided(
        &self,
        doc: &Automerge,
        change: &Change,
        before: &[Hash],
    ) -> Result<DecidedAt, EditFault> {
        let operations = change.decode().operations;
        let own: BTreeSet<_> = operations.iter().filter_map(|op| self.spot(op)).collect();
        if !self.whole()?.places.met().any(|spot| own.contains(spot)) {
            return Ok(BTreeMap::new());
        }
        let (past, index) = Self::at(doc, before)?;
        let own: BTreeSet<_> = operations.iter().filter_map(|op| index.spot(op)).collect();
        let mut scan = Scan::new(index.whole()?, &past);
        // Ids are compared with each other alone.
        let mut open = scan.contests(&DocumentId([0; 32]));
        open.retain(|open| own.contains(&open.spot));
        let mut decided = DecidedAt::new();
        let mut lists: BTreeMap<DocPath, (BTreeSet<ConflictId>, Vec<Inside>)> = BTreeMap::new();
        for open in &open {
            let is_put = |what: &What| matches!(what, What::Value(_));
            let list = outermost_list(open);
            if list.is_none() && open.sides.iter().all(|side| is_put(&side.what)) {
                continue;
            }
            let (sides, by) = sides(&mut scan, open)?;
            let Some(at) = list else {
                let ids = BTreeSet::from([open.id]);
                decided.insert(open.path.clone(), Decided { ids, sides, by });
                continue;
            };
            let way = open.segments.get(at..).unwrap_or_default().to_vec();
            let is_there = scan.prop(&open.spot, None).is_some();
            let path = DocPath::nearest(open.segments.get(..at).unwrap_or_default());
            let (ids, inside) = lists.entry(path).or_default();
            ids.insert(open.id);
            inside.push(Inside { way, is_there, sides, by });
        }
        for (path, (ids, inside)) in lists {
            let sides = of_list(&past, &path, &inside)?;
            let by = inside.into_iter().map(|one| one.by).max_by_key(Vec::len).unwrap_or_default();
            decided.insert(path, Decided { ids, sides, by });
        }
        Ok(decided)
    }
}

/// At which segment the outermost list begins that a conflict stands in.
fn outermost_list(open: &Open) -> Option<usize> {
    let way = std::iter::once(&open.spot).chain(&open.above);
    let is_element = |at: &At| matches!(at, At::Element(_));
    let inmost_first = way.enumerate().filter(|(_, spot)| is_element(&spot.at));
    let behind = inmost_first.map(|(behind, _)| behind).max()?;
    open.segments.len().checked_sub(behind.checked_add(1)?)
}

/// What each side leaves at the place, that which is shown last, and its change.
fn sides(
    scan: &mut Scan<'_>,
    open: &Open,
) -> Result<(Vec<Option<Json>>, Vec<ChangeHash>), EditFault> {
    let not_restorable = || EditFault::NotRestorable(open.path.to_string());
    if open.sides.len() > CONFLICT_SIDES_MAX {
        return Err(not_restorable());
    }
    let shown = scan.shown(&open.spot, None);
    let mut sides: Vec<_> = open.sides.clone();
    sides.sort_by_key(|side| match side.what {
        What::Nothing => (0, None),
        What::Removed(_) => (1, None),
        What::Value(op) => (2, shown.iter().position(|found| *found == op)),
    });
    let lineage = &scan.index.lineage;
    let by = sides.iter().map(|side| ChangeHash(lineage.hash(side.change).0)).collect();
    let value = |side| match scan.tree(&open.spot, side) {
        None => Ok(None),
        Some(tree) if is_plain(&tree) => Ok(Some(tree.to_json())),
        Some(_) => Err(not_restorable()),
    };
    Ok((sides.into_iter().map(value).collect::<Result<_, _>>()?, by))
}

/// Does JSON say what it is?
fn is_plain(tree: &Tree) -> bool {
    match tree {
        Tree::Text(_) | Tree::Scalar(ScalarValue::Null | ScalarValue::Boolean(_)) => true,
        Tree::Scalar(ScalarValue::Int(_)) => true,
        Tree::Scalar(scalar) => matches!(scalar, ScalarValue::F64(number) if number.is_finite()),
        Tree::List(items) => items.iter().all(is_plain),
        Tree::Map(fields) => fields.iter().all(|(key, item)| !key.is_empty() && is_plain(item)),
    }
}

/// A list once for each side of the conflicts in it: what else is in it is as it was shown.
fn of_list(
    past: &Automerge,
    path: &DocPath,
    inside: &[Inside],
) -> Result<Vec<Option<Json>>, EditFault> {
    let seen = crate::document::read::Seen::now(past);
    if !seen.is_plain(path) {
        return Err(EditFault::NotRestorable(path.to_string()));
    }
    let shown = seen.read(path)?.value;
    let count = inside.iter().map(|one| one.sides.len()).max().unwrap_or_default();
    let list = |at: usize| {
        let mut list = shown.clone();
        // From the end, since what comes in or goes moves what is behind it.
        let mut of: Vec<_> = inside.iter().collect();
        let index = |segment: &String| segment.parse::<usize>().ok();
        of.sort_by_key(|one| Reverse(one.way.iter().map(index).collect::<Vec<_>>()));
        for one in of {
            // That which is shown is the last, of all of them.
            let from = count.saturating_sub(one.sides.len());
            let side = at.checked_sub(from).and_then(|at| one.sides.get(at));
            if let Some(side) = side {
                place(&mut list, one, side.clone());
            }
        }
        Some(list)
    };
    Ok((0..count).map(list).collect())
}

/// What is at a segment of this.
fn step<'a>(at: &'a mut Json, segment: &String) -> Option<&'a mut Json> {
    match at {
        Json::Array(items) => items.get_mut(segment.parse::<usize>().ok()?),
        Json::Object(fields) => fields.get_mut(segment),
        _ => None,
    }
}

/// Puts what a side left where its conflict stands, or takes it away.
fn place(list: &mut Json, one: &Inside, side: Option<Json>) {
    let Some((last, way)) = one.way.split_last() else { return };
    match (way.iter().try_fold(list, step), side) {
        (Some(Json::Object(fields)), Some(value)) => drop(fields.insert(last.clone(), value)),
        (Some(Json::Object(fields)), None) => drop(fields.remove(last)),
        (Some(Json::Array(items)), side) => {
            let Ok(index) = last.parse::<usize>() else { return };
            match (items.get_mut(index).filter(|_| one.is_there), side) {
                (Some(item), Some(value)) => *item = value,
                (Some(_), None) => drop(items.remove(index)),
                (None, Some(value)) => items.insert(index.min(items.len()), value),
                (None, None) => {}
            }
        }
        _ => {}
    }
}
