//! Reading a document: values as JSON, whether a place is in conflict, and which change wrote it.

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::document::{DocPath, EditFault};
use crate::id::{ChangeHash, to_hex};

/// Levels that reading descends: those that the validator admits, and the root.
pub(super) const READ_DEPTH_MAX: usize = crate::limits::CHANGE_DEPTH_MAX as usize + 1;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadValue {
    /// The value that Automerge shows.
    pub value: Json,
    /// Are there several values, written apart?
    pub conflict: bool,
    /// The change that wrote it; none for the root.
    pub change: Option<ChangeHash>,
}

/// Reads what is at `path`.
pub(super) fn read(doc: &Automerge, path: &DocPath) -> Result<ReadValue, EditFault> {
    let failed = |error: automerge::AutomergeError| EditFault::Document(error.to_string());
    let mut at = (Value::Object(ObjType::Map), ROOT);
    let mut several = 1;
    for (depth, segment) in path.segments().iter().enumerate() {
        let absent = || EditFault::Absent(path.prefix(depth + 1));
        let values = match at.0 {
            Value::Object(ObjType::Map | ObjType::Table) => doc.get_all(&at.1, segment.as_str()),
            Value::Object(ObjType::List) => {
                let index = segment.parse::<usize>().map_err(|_| absent())?;
                doc.get_all(&at.1, index)
            }
            Value::Object(ObjType::Text) | Value::Scalar(_) => return Err(absent()),
        }
        .map_err(failed)?;
        several = values.len();
        // The winner comes last; it is what `get` shows.
        at = values.into_iter().last().ok_or_else(absent)?;
    }
    let change = if path.segments().is_empty() { None } else { doc.hash_for_opid(&at.1) };
    Ok(ReadValue {
        value: to_json(doc, &at.0, &at.1, 0),
        conflict: several > 1,
        change: change.map(|hash| ChangeHash(hash.0)),
    })
}

/// A value as JSON. Bytes become hex under a key of their own; what JSON cannot say becomes null.
pub(super) fn to_json(doc: &Automerge, value: &Value<'_>, id: &ObjId, depth: usize) -> Json {
    if depth > READ_DEPTH_MAX {
        return Json::Null;
    }
    match value {
        Value::Object(ObjType::Map | ObjType::Table) => {
            let mut map = Map::new();
            for key in doc.keys(id) {
                if let Ok(Some((value, child))) = doc.get(id, key.as_str()) {
                    map.insert(key, to_json(doc, &value, &child, depth + 1));
                }
            }
            Json::Object(map)
        }
        Value::Object(ObjType::List) => {
            let items = (0..doc.length(id)).filter_map(|index| doc.get(id, index).ok().flatten());
            Json::Array(
                items.map(|(value, child)| to_json(doc, &value, &child, depth + 1)).collect(),
            )
        }
        Value::Object(ObjType::Text) => doc.text(id).map_or(Json::Null, Json::String),
        Value::Scalar(scalar) => scalar_to_json(scalar),
    }
}

pub(super) fn scalar_to_json(scalar: &ScalarValue) -> Json {
    match scalar {
        ScalarValue::Bytes(bytes) => serde_json::json!({ "bytes": to_hex(bytes) }),
        ScalarValue::Str(text) => Json::String(text.to_string()),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Json::from(*number),
        ScalarValue::Uint(number) => Json::from(*number),
        ScalarValue::F64(number) => Json::from(*number),
        ScalarValue::Counter(counter) => Json::from(i64::from(counter)),
        ScalarValue::Boolean(value) => Json::Bool(*value),
        ScalarValue::Unknown { .. } | ScalarValue::Null => Json::Null,
    }
}
