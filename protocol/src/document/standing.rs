//! Does what an edit would set stand there already? Then nothing is written, as Automerge itself
//! writes no number twice: an event that changes nothing would hold up the undo of what it repeats,
//! and end what others change apart in the map or list that it replaces by its like. `SPEC: PRJ-5`

use automerge::{ObjId, ObjType, Prop, ROOT, ReadDoc, Value};
use serde_json::Value as Json;

use super::DocPath;
use super::read::scalar;
use crate::limits::VALUE_DEPTH_MAX;

/// Is `value` all that stands at `path`, without a conflict there or below?
pub(super) fn stands(doc: &impl ReadDoc, path: &DocPath, value: &Json) -> bool {
    let mut object = (ROOT, ObjType::Map);
    let Some((last, above)) = path.segments().split_last() else { return false };
    for segment in above {
        let found = prop(object.1, segment).and_then(|prop| doc.get(&object.0, prop).ok()?);
        match found {
            Some((Value::Object(kind), child)) => object = (child, kind),
            _ => return false,
        }
    }
    prop(object.1, last).is_some_and(|prop| is_equal(doc, &object.0, prop, value, 0))
}

fn prop(kind: ObjType, segment: &str) -> Option<Prop> {
    match kind {
        ObjType::Map | ObjType::Table => Some(Prop::Map(segment.to_owned())),
        ObjType::List => segment.parse().ok().map(Prop::Seq),
        ObjType::Text => None,
    }
}

fn is_equal(doc: &impl ReadDoc, object: &ObjId, prop: Prop, value: &Json, depth: usize) -> bool {
    let found = doc.get_all(object, prop).unwrap_or_default();
    let [(found, id)] = &found[..] else { return false };
    if depth > VALUE_DEPTH_MAX {
        return false;
    }
    match (found, value) {
        (Value::Scalar(found), Json::Null) => found.is_null(),
        (Value::Scalar(found), Json::Bool(value)) => found.as_bool() == Some(*value),
        (Value::Scalar(found), Json::Number(value)) => {
            scalar(value).is_ok_and(|value| **found == value)
        }
        (Value::Object(ObjType::Text), Json::String(value)) => {
            doc.text(id).is_ok_and(|found| found == *value)
        }
        (Value::Object(ObjType::List), Json::Array(items)) => {
            let mut items = items.iter().enumerate();
            doc.length(id) == items.len()
                && items.all(|(at, item)| is_equal(doc, id, Prop::Seq(at), item, depth + 1))
        }
        (Value::Object(ObjType::Map), Json::Object(fields)) => {
            doc.length(id) == fields.len()
                && fields
                    .iter()
                    .all(|(key, item)| is_equal(doc, id, Prop::Map(key.clone()), item, depth + 1))
        }
        _ => false,
    }
}
