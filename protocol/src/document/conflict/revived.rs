//! Lists by their elements, as an undo looks at them: which stand there still, and how one that is
//! gone is put again where it was. So two who take the same removal back apart bring one item back,
//! and what was decided at it before is found there. `SPEC: UNDO-2`

use std::collections::BTreeMap;

use automerge::legacy::{ElementId, Key, ObjectId, OpId};
use automerge::{Automerge, ChangeHash as Hash, ObjId, ObjType, Value};

use super::ConflictIndex;
use super::decided::{Decided, is_json};
use super::tree::View;
use crate::document::DocPath;
use crate::document::restore::Aligned;
use crate::id::ConflictId;

/// A list as it was at some heads, at a path, and as it is, at another.
type Moments<'p> = (&'p [Hash], [&'p DocPath; 2]);

impl ConflictIndex {
    /// Which items of a list are the same elements, in the order of both; no items of a map. None
    /// where it is another object by now.
    pub(in crate::document) fn aligned(
        &self,
        doc: &Automerge,
        (before, [then, now]): Moments<'_>,
    ) -> Option<Aligned> {
        let (was, is) = (View { doc, heads: Some(before) }, View { doc, heads: None });
        let ((kind, list), same) = (object_at(was, then)?, object_at(is, now)?);
        if (kind, &list) != (same.0, &same.1) {
            return None;
        }
        if kind != ObjType::List {
            return Some(Aligned::new());
        }
        let elements = |view: View<'_>| -> Option<Vec<_>> {
            view.elements(&list).iter().map(|value| self.element(value)).collect()
        };
        let (was, is) = (elements(was)?, elements(is)?);
        let stand: BTreeMap<_, _> = is.iter().enumerate().map(|(at, of)| (of, at)).collect();
        let (mut aligned, mut next) = (Aligned::new(), 0);
        for (one, element) in was.iter().enumerate() {
            let two = stand.get(element).copied();
            if let Some(two) = two {
                // A list has one order, whoever looks at it.
                aligned.extend((next..two).map(|new| (None, Some(new))));
                next = two + 1;
            }
            aligned.push((Some(one), two));
        }
        aligned.extend((next..is.len()).map(|new| (None, Some(new))));
        Some(aligned)
    }

    /// The item that stood at `then`, as a side that is put again alone at its element.
    pub(in crate::document) fn revived(
        &self,
        doc: &Automerge,
        (before, then): (&[Hash], &DocPath),
    ) -> Option<Decided> {
        let was = View { doc, heads: Some(before) };
        let (_, list) = object_at(was, &then.first(then.segments().len().checked_sub(1)?))?;
        let index: usize = then.segments().last()?.parse().ok()?;
        let stood = was.all(&list, index);
        let (value, id) = stood.last()?;
        let tree = was.tree(value, id, 0);
        let ObjId::Id(number, actor, _) = &list else { return None };
        let (element, by) = self.element(id)?;
        let op = |(_, id): &(Value<'_>, ObjId)| match id {
            ObjId::Id(number, actor, _) => Some(OpId(*number, actor.clone())),
            ObjId::Root => None,
        };
        let mut past: Vec<_> = stood.iter().filter_map(op).collect();
        past.sort();
        is_json(&tree).then(|| Decided {
            // It was no conflict.
            id: ConflictId([0; 16]),
            path: then.clone(),
            place: then.clone(),
            was: Some(then.clone()),
            beside: false,
            sides: vec![Some(tree)],
            by: Vec::new(),
            object: ObjectId::Id(OpId(*number, actor.clone())),
            key: Key::Seq(ElementId::Id(OpId(element, by))),
            is_there: false,
            past,
        })
    }
}

/// The map or list at a path.
fn object_at(view: View<'_>, path: &DocPath) -> Option<(ObjType, ObjId)> {
    match view.at(path.segments()).pop()? {
        (Value::Object(kind @ (ObjType::List | ObjType::Map)), object) => Some((kind, object)),
        _ => None,
    }
}
