//! Reading a document: values as JSON, whether a place is in conflict, and which change wrote it.

use automerge::{
    Automerge, AutomergeError, ChangeHash as Hash, ObjId, ObjType, Prop, ROOT, ReadDoc,
    ScalarValue, Value,
};
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

/// A document as it is, or as it was at some heads.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    doc: &'a Automerge,
    at: Option<&'a [Hash]>,
}

/// A value, and the object that it is or the operation that put it.
type Found<'a> = (Value<'a>, ObjId);

impl<'a> Seen<'a> {
    pub(super) fn now(doc: &'a Automerge) -> Self {
        Self { doc, at: None }
    }

    pub(super) fn at(doc: &'a Automerge, heads: &'a [Hash]) -> Self {
        Self { doc, at: Some(heads) }
    }

    /// The heads at which it is seen; those of now are none.
    pub(super) fn heads(&self) -> &'a [Hash] {
        self.at.unwrap_or_default()
    }

    fn all(&self, object: &ObjId, prop: Prop) -> Result<Vec<Found<'a>>, AutomergeError> {
        match self.at {
            None => self.doc.get_all(object, prop),
            Some(heads) => self.doc.get_all_at(object, prop, heads),
        }
    }

    fn one(&self, object: &ObjId, prop: Prop) -> Option<Found<'a>> {
        match self.at {
            None => self.doc.get(object, prop),
            Some(heads) => self.doc.get_at(object, prop, heads),
        }
        .ok()
        .flatten()
    }

    fn keys(&self, object: &ObjId) -> Vec<String> {
        match self.at {
            None => self.doc.keys(object).collect(),
            Some(heads) => self.doc.keys_at(object, heads).collect(),
        }
    }

    fn len(&self, object: &ObjId) -> usize {
        match self.at {
            None => self.doc.length(object),
            Some(heads) => self.doc.length_at(object, heads),
        }
    }

    fn text(&self, object: &ObjId) -> Option<String> {
        match self.at {
            None => self.doc.text(object),
            Some(heads) => self.doc.text_at(object, heads),
        }
        .ok()
    }

    /// All values at `path`, the one that is shown last.
    pub(super) fn find(&self, path: &DocPath) -> Result<Vec<Found<'a>>, EditFault> {
        let failed = |error: AutomergeError| EditFault::Document(error.to_string());
        let mut found = vec![(Value::Object(ObjType::Map), ROOT)];
        for (depth, segment) in path.segments().iter().enumerate() {
            let absent = || EditFault::Absent(path.prefix(depth + 1));
            // The winner comes last; it is what `get` shows.
            let (value, id) = found.pop().ok_or_else(absent)?;
            let prop = match value {
                Value::Object(ObjType::Map | ObjType::Table) => Prop::Map(segment.clone()),
                Value::Object(ObjType::List) => {
                    Prop::Seq(segment.parse::<usize>().map_err(|_| absent())?)
                }
                Value::Object(ObjType::Text) | Value::Scalar(_) => return Err(absent()),
            };
            found = self.all(&id, prop).map_err(failed)?;
            if found.is_empty() {
                return Err(absent());
            }
        }
        Ok(found)
    }

    /// All values at `path` as JSON, the one that is shown last.
    pub(super) fn values(&self, path: &DocPath) -> Result<Vec<Json>, EditFault> {
        let found = self.find(path)?;
        Ok(found.iter().map(|(value, id)| self.json(value, id, 0)).collect())
    }

    /// What is at `path`.
    pub(super) fn read(&self, path: &DocPath) -> Result<ReadValue, EditFault> {
        let found = self.find(path)?;
        let several = found.len() > 1;
        let (value, id) = found.last().ok_or_else(|| EditFault::Absent(path.to_string()))?;
        let is_root = path.segments().is_empty();
        let change = if is_root { None } else { self.doc.hash_for_opid(id) };
        Ok(ReadValue {
            value: self.json(value, id, 0),
            conflict: several,
            change: change.map(|hash| ChangeHash(hash.0)),
        })
    }

    /// A value as JSON. Bytes become hex under a key of their own; what JSON cannot say is null.
    pub(super) fn json(&self, value: &Value<'_>, id: &ObjId, depth: usize) -> Json {
        if depth > READ_DEPTH_MAX {
            return Json::Null;
        }
        match value {
            Value::Object(ObjType::Map | ObjType::Table) => {
                let mut map = Map::new();
                for key in self.keys(id) {
                    if let Some((value, child)) = self.one(id, Prop::Map(key.clone())) {
                        map.insert(key, self.json(&value, &child, depth + 1));
                    }
                }
                Json::Object(map)
            }
            Value::Object(ObjType::List) => {
                let items = (0..self.len(id)).filter_map(|index| self.one(id, Prop::Seq(index)));
                Json::Array(
                    items.map(|(value, child)| self.json(&value, &child, depth + 1)).collect(),
                )
            }
            Value::Object(ObjType::Text) => self.text(id).map_or(Json::Null, Json::String),
            Value::Scalar(scalar) => scalar_to_json(scalar),
        }
    }

    /// Would what is at `path` be the same if it were written from its JSON?
    pub(super) fn is_plain(&self, path: &DocPath) -> bool {
        self.find(path).is_ok_and(|found| found.iter().all(|(value, id)| self.plain(value, id, 0)))
    }

    fn plain(&self, value: &Value<'_>, id: &ObjId, depth: usize) -> bool {
        let below = |prop| {
            self.one(id, prop).is_some_and(|(value, child)| self.plain(&value, &child, depth + 1))
        };
        depth <= READ_DEPTH_MAX
            && match value {
                Value::Object(ObjType::Map) => {
                    self.keys(id).into_iter().all(|key| !key.is_empty() && below(Prop::Map(key)))
                }
                Value::Object(ObjType::List) => (0..self.len(id)).all(|i| below(Prop::Seq(i))),
                Value::Object(ObjType::Text) => true,
                Value::Object(ObjType::Table) => false,
                Value::Scalar(scalar) => {
                    matches!(
                        scalar.as_ref(),
                        ScalarValue::Null | ScalarValue::Boolean(_) | ScalarValue::Int(_)
                    ) || matches!(scalar.as_ref(), ScalarValue::F64(number) if number.is_finite())
                }
            }
    }
}

/// Reads what is at `path` now.
pub(super) fn read(doc: &Automerge, path: &DocPath) -> Result<ReadValue, EditFault> {
    Seen::now(doc).read(path)
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
