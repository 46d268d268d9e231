//! Reading a document: values as JSON, whether a place is in conflict, and which change wrote it.

use std::collections::BTreeSet;

use automerge::iter::{ListRangeItem, MapRangeItem};
use automerge::{
    Automerge, AutomergeError, ChangeHash as Hash, ObjId, ObjType, Prop, ROOT, ReadDoc,
    ScalarValue, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

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
    /// Is a conflict open below? Told of what is there now alone.
    pub conflict_below: bool,
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

    /// All values at a key or item of an object, the one that is shown last.
    pub(super) fn all(&self, object: &ObjId, prop: Prop) -> Result<Vec<Found<'a>>, AutomergeError> {
        match self.at {
            None => self.doc.get_all(object, prop),
            Some(heads) => self.doc.get_all_at(object, prop, heads),
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

    /// Are all values at `path` the same, each put by one of these?
    pub(super) fn is_agreed(&self, path: &DocPath, by: &BTreeSet<ChangeHash>) -> bool {
        let found = self.find(path).unwrap_or_default();
        let mut values = found.iter().map(|(value, id)| self.json(value, id, 0));
        let first = values.next();
        self.are_put_by(&found, by) && values.all(|value| Some(&value) == first.as_ref())
    }

    /// Are all values at `path` put by these?
    pub(super) fn is_put_by(&self, path: &DocPath, by: &BTreeSet<ChangeHash>) -> bool {
        self.are_put_by(&self.find(path).unwrap_or_default(), by)
    }

    fn are_put_by(&self, found: &[Found<'_>], by: &BTreeSet<ChangeHash>) -> bool {
        let put =
            |id| self.doc.hash_for_opid(id).is_some_and(|hash| by.contains(&ChangeHash(hash.0)));
        found.iter().all(|(_, id)| put(id))
    }

    /// Do the same values stand at `path` as then, whatever is in them?
    pub(super) fn has_same(&self, then: &Self, path: &DocPath) -> bool {
        let [one, two] = [self, then].map(|seen| seen.find(path).unwrap_or_default());
        let ids = |found: &[Found<'_>]| found.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>();
        ids(&one) == ids(&two)
    }

    /// What `path` shows, and whether several values do.
    pub(super) fn shows(&self, path: &DocPath) -> Option<(Json, bool)> {
        self.read(path).ok().map(|read| (read.value, read.conflict))
    }

    /// Do several values stand at `path` that are not the same? Maps and lists are the same as
    /// themselves alone. `SPEC: CFL-6`
    pub(super) fn is_disputed(&self, path: &DocPath) -> bool {
        self.are_disputed(&self.find(path).unwrap_or_default())
    }

    fn are_disputed(&self, found: &[Found<'_>]) -> bool {
        let is_object =
            |(value, _): &Found<'_>| matches!(value, Value::Object(ObjType::Map | ObjType::List));
        let mut values = found.iter().map(|(value, id)| self.json(value, id, 0));
        let first = values.next();
        found.len() > 1
            && (found.iter().any(is_object) || !values.all(|value| Some(&value) == first.as_ref()))
    }

    /// What is at `path`, for people: no conflict is where several wrote the same.
    pub(super) fn show(&self, path: &DocPath) -> Result<ReadValue, EditFault> {
        let read = self.read(path)?;
        Ok(ReadValue { conflict: read.conflict && self.is_disputed(path), ..read })
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
            conflict_below: false,
            change: change.map(|hash| ChangeHash(hash.0)),
        })
    }

    /// A value as JSON. Bytes become hex under a key of their own; what JSON cannot say is null.
    pub(super) fn json(&self, value: &Value<'_>, id: &ObjId, depth: usize) -> Json {
        if depth > READ_DEPTH_MAX {
            return Json::Null;
        }
        // All of an object at once: each look at a past finds out anew what that holds.
        let below = |value: Value<'_>, child: ObjId| self.json(&value, &child, depth + 1);
        match value {
            Value::Object(ObjType::Map | ObjType::Table) => {
                let items = match self.at {
                    None => self.doc.map_range(id, ..),
                    Some(heads) => self.doc.map_range_at(id, .., heads),
                };
                let item = |item: MapRangeItem<'_>| {
                    let child = item.id();
                    (item.key.into_owned(), below(item.value.into_value(), child))
                };
                Json::Object(items.map(item).collect())
            }
            Value::Object(ObjType::List) => {
                let items = match self.at {
                    None => self.doc.list_range(id, ..),
                    Some(heads) => self.doc.list_range_at(id, .., heads),
                };
                let item = |item: ListRangeItem<'_>| {
                    let child = item.id();
                    below(item.value.into_value(), child)
                };
                Json::Array(items.map(item).collect())
            }
            Value::Object(ObjType::Text) => self.text(id).map_or(Json::Null, Json::String),
            Value::Scalar(scalar) => scalar_to_json(scalar),
        }
    }

    /// Is there no conflict below what is at `path`?
    pub(super) fn is_settled(&self, path: &DocPath) -> bool {
        let found = self.find(path).unwrap_or_default();
        found.iter().all(|(value, id)| self.settled(value, id, 0))
    }

    fn settled(&self, value: &Value<'_>, id: &ObjId, depth: usize) -> bool {
        // Several who wrote the same are in no conflict.
        let is_disputed =
            |prop: Prop| self.all(id, prop).map_or(true, |found| self.are_disputed(&found));
        let below = |(conflict, prop): (bool, Prop), value: Value<'_>, child: ObjId| {
            !(conflict && is_disputed(prop)) && self.settled(&value, &child, depth + 1)
        };
        let is_map = match value {
            _ if depth > READ_DEPTH_MAX => return false,
            Value::Object(ObjType::Map | ObjType::Table) => true,
            Value::Object(ObjType::List) => false,
            Value::Object(ObjType::Text) | Value::Scalar(_) => return true,
        };
        match (is_map, self.at) {
            (true, None) => self.doc.map_range(id, ..),
            (true, Some(heads)) => self.doc.map_range_at(id, .., heads),
            (false, _) => {
                let mut items = match self.at {
                    None => self.doc.list_range(id, ..),
                    Some(heads) => self.doc.list_range_at(id, .., heads),
                };
                return items.all(|item| {
                    let (child, prop) = (item.id(), Prop::Seq(item.index));
                    below((item.conflict, prop), item.value.into_value(), child)
                });
            }
        }
        .all(|item| {
            let (child, prop) = (item.id(), Prop::Map(item.key.to_string()));
            below((item.conflict, prop), item.value.into_value(), child)
        })
    }

    /// Would what is at `path` be the same if it were written from its JSON?
    pub(super) fn is_plain(&self, path: &DocPath) -> bool {
        self.find(path).is_ok_and(|found| found.iter().all(|(value, id)| self.plain(value, id, 0)))
    }

    fn plain(&self, value: &Value<'_>, id: &ObjId, depth: usize) -> bool {
        let below = |value: Value<'_>, child: ObjId| self.plain(&value, &child, depth + 1);
        depth <= READ_DEPTH_MAX
            && match value {
                Value::Object(ObjType::Map) => {
                    let mut items = match self.at {
                        None => self.doc.map_range(id, ..),
                        Some(heads) => self.doc.map_range_at(id, .., heads),
                    };
                    items.all(|item| {
                        let child = item.id();
                        !item.key.is_empty() && below(item.value.into_value(), child)
                    })
                }
                Value::Object(ObjType::List) => {
                    let mut items = match self.at {
                        None => self.doc.list_range(id, ..),
                        Some(heads) => self.doc.list_range_at(id, .., heads),
                    };
                    items.all(|item| {
                        let child = item.id();
                        below(item.value.into_value(), child)
                    })
                }
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
    Seen::now(doc).show(path)
}

/// 2^63: from here on a float is a whole number that int64 does not hold.
const WHOLE_MAX: f64 = 9_223_372_036_854_775_808.0;

/// A number as a document holds it.
pub(super) fn scalar(number: &serde_json::Number) -> Result<ScalarValue, EditFault> {
    if let Some(whole) = number.as_i64() {
        return Ok(ScalarValue::Int(whole));
    }
    match number.as_f64() {
        // A whole number beyond 64 bits comes here as a float: it would lose its last digits.
        Some(float)
            if !number.is_u64()
                && float.is_finite()
                && (float.fract() != 0.0 || float.abs() < WHOLE_MAX) =>
        {
            Ok(ScalarValue::F64(float))
        }
        _ => Err(EditFault::Number(number.to_string())),
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

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable as _;
    use automerge::{ActorId, AutoCommit};
    use serde_json::{Map, json};

    use super::*;

    /// What a value shows, asked place by place.
    fn slowly(seen: &Seen<'_>, value: &Value<'_>, id: &ObjId) -> Json {
        match value {
            Value::Object(ObjType::Map | ObjType::Table) => {
                let item = |key: String| {
                    let (value, child) =
                        seen.all(id, Prop::Map(key.clone())).unwrap().pop().unwrap();
                    (key, slowly(seen, &value, &child))
                };
                let keys: Vec<String> = match seen.at {
                    None => seen.doc.keys(id).collect(),
                    Some(heads) => seen.doc.keys_at(id, heads).collect(),
                };
                Json::Object(keys.into_iter().map(item).collect::<Map<_, _>>())
            }
            Value::Object(ObjType::List) => {
                let items = (0..).map_while(|index| seen.all(id, Prop::Seq(index)).unwrap().pop());
                Json::Array(items.map(|(value, child)| slowly(seen, &value, &child)).collect())
            }
            Value::Object(ObjType::Text) => Json::String(seen.text(id).unwrap()),
            Value::Scalar(scalar) => scalar_to_json(scalar),
        }
    }

    #[test]
    fn an_object_that_is_read_at_once_shows_what_each_of_its_places_does_now_and_then() {
        let mut one = AutoCommit::new().with_actor(ActorId::from([1; 16]));
        let map = one.put_object(ROOT, "map", ObjType::Map).unwrap();
        let list = one.put_object(&map, "list", ObjType::List).unwrap();
        let text = one.put_object(&map, "text", ObjType::Text).unwrap();
        one.put(&map, "count", ScalarValue::counter(3)).unwrap();
        one.put(&map, "bytes", ScalarValue::Bytes(vec![1, 2])).unwrap();
        one.put(&map, "gone", 1).unwrap();
        for (at, item) in (0..4_i64).enumerate() {
            one.insert(&list, at, item).unwrap();
        }
        let inner = one.insert_object(&list, 4, ObjType::Map).unwrap();
        one.put(&inner, "", "no name").unwrap();
        one.splice_text(&text, 0, 0, "grüße").unwrap();
        one.commit();
        let mut moments = vec![one.get_heads()];
        let mut other = one.fork().with_actor(ActorId::from([2; 16]));
        for (doc, by) in [(&mut one, 1_i64), (&mut other, 2)] {
            doc.increment(&map, "count", by).unwrap();
            doc.put(&map, "both", by).unwrap();
            doc.put(&list, 1, by * 10).unwrap();
            doc.insert(&list, 0, by * 100).unwrap();
            doc.splice_text(&text, 1, 1, &by.to_string()).unwrap();
            doc.commit();
            moments.push(doc.get_heads());
        }
        one.delete(&map, "gone").unwrap();
        one.delete(&list, 3).unwrap();
        one.commit();
        one.merge(&mut other).unwrap();
        moments.push(one.get_heads());
        one.put_object(&map, "both", ObjType::Map).unwrap();
        one.commit();
        moments.push(one.get_heads());
        let doc = one.document();
        let mut shown = Vec::new();
        for seen in moments.iter().map(|at| Seen::at(doc, at)).chain([Seen::now(doc)]) {
            let root = Value::Object(ObjType::Map);
            shown.push(seen.json(&root, &ROOT, 0));
            assert_eq!(shown.last(), Some(&slowly(&seen, &root, &ROOT)));
        }
        assert_eq!(shown[4], shown[5]);
        assert_eq!(shown[0]["map"]["list"], json!([0, 1, 2, 3, {"": "no name"}]));
        assert_eq!([&shown[0], &shown[2], &shown[3]].map(|at| &at["map"]["count"]), [3, 5, 6]);
        assert_eq!((&shown[3]["map"]["gone"], &shown[4]["map"]["both"]), (&Json::Null, &json!({})));
    }
}
