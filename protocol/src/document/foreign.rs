//! Documents of other programs: what stands in an Automerge file, as values.
//!
//! Automerge may panic, overflow its stack or take any memory on hostile bytes, so [`read`] is for
//! a process that has nothing else to lose, and Automerge sees no file that would grow beyond its
//! room. What it gives is plain values; [`plan()`] makes edits of them, so nothing of the file
//! itself ever comes into a document of ours. `SPEC: PRJ-8, PRJ-14`

mod grown;
mod plan;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Automerge, ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

pub use plan::{PlanFault, Taken, plan};

use super::read;
use crate::id::to_hex;
use crate::limits::{FOREIGN_ROOM, FOREIGN_VALUES_MAX, Room, VALUE_DEPTH_MAX};

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Foreign {
    /// What Automerge shows.
    pub value: Json,
    /// What stands beside it at the same places, written apart.
    pub conflicts: Vec<ForeignConflict>,
    /// Kinds of value that a document of ours is not given, and how many of each there were.
    pub converted: BTreeMap<String, u64>,
    /// How many changes the file holds.
    pub changes: usize,
}

/// A value that another one at its place hides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignConflict {
    /// The keys and indexes of its place.
    pub path: Vec<String>,
    /// What it is.
    pub value: Json,
}

/// Why a file is not taken. Every variant has a stable code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ForeignFault {
    /// Automerge does not read it.
    #[error("this is no file of Automerge: {0}")]
    Unreadable(String),
    /// Automerge failed on it.
    #[error("Automerge fails on this file")]
    Broken,
    /// More levels than a document holds.
    #[error("it has more than {VALUE_DEPTH_MAX} levels")]
    TooDeep,
    /// More values than are taken in.
    #[error("it holds more than {FOREIGN_VALUES_MAX} values")]
    TooMany,
    /// It stands for more operations, inflated bytes or text than there is room for.
    #[error("it is small, but grows to more than there is room for")]
    TooLarge,
    /// A key without a name.
    #[error("a key in it is empty")]
    EmptyKey,
}

impl ForeignFault {
    /// The reason code that people and scripts see.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "automerge_unreadable",
            Self::Broken => "automerge_broken",
            Self::TooDeep => "automerge_too_deep",
            Self::TooMany => "automerge_too_many",
            Self::TooLarge => "automerge_too_large",
            Self::EmptyKey => "automerge_empty_key",
        }
    }
}

/// Reads a file, in a process that has nothing else to lose.
pub fn read(bytes: &[u8]) -> Result<Foreign, ForeignFault> {
    read_within(bytes, FOREIGN_ROOM)
}

/// Reads a file that may grow to no more than `room`. `SPEC: PRJ-14`
pub fn read_within(bytes: &[u8], room: Room) -> Result<Foreign, ForeignFault> {
    grown::weigh(bytes, room)?;
    let read = || {
        let unreadable = |error: automerge::AutomergeError| {
            ForeignFault::Unreadable(error.to_string().chars().take(200).collect())
        };
        let doc = Automerge::load(bytes).map_err(unreadable)?;
        let (left, text) = (FOREIGN_VALUES_MAX, room.text);
        let mut reader = Reader { doc: &doc, left, text, found: Foreign::default() };
        let root = (Value::Object(ObjType::Map), ROOT);
        let value = reader.value(root, &mut Vec::new())?;
        let changes = doc.get_changes(&[]).len();
        Ok(Foreign { value, changes, ..reader.found })
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(ForeignFault::Broken))
}

struct Reader<'a> {
    doc: &'a Automerge,
    /// Values that may still come.
    left: usize,
    /// Bytes of text that may still come.
    text: usize,
    found: Foreign,
}

impl<'a> Reader<'a> {
    fn value(
        &mut self,
        (value, id): (Value<'a>, ObjId),
        path: &mut Vec<String>,
    ) -> Result<Json, ForeignFault> {
        self.left = self.left.checked_sub(1).ok_or(ForeignFault::TooMany)?;
        if path.len() > VALUE_DEPTH_MAX {
            return Err(ForeignFault::TooDeep);
        }
        match value {
            Value::Object(ObjType::Map | ObjType::Table) => {
                let mut map = Map::new();
                for key in self.doc.keys(&id) {
                    if key.is_empty() {
                        return Err(ForeignFault::EmptyKey);
                    }
                    self.text(key.len())?;
                    if let Some(value) = self.place(&id, Prop::Map(key.clone()), &key, path)? {
                        map.insert(key, value);
                    }
                }
                Ok(Json::Object(map))
            }
            Value::Object(ObjType::List) => {
                let mut items = Vec::new();
                for index in 0..self.doc.length(&id) {
                    let name = index.to_string();
                    items.extend(self.place(&id, Prop::Seq(index), &name, path)?);
                }
                Ok(Json::Array(items))
            }
            Value::Object(ObjType::Text) => {
                if self.doc.marks(&id).is_ok_and(|marks| !marks.is_empty()) {
                    self.converted("formatted_text");
                }
                let Ok(text) = self.doc.text(&id) else { return Ok(Json::Null) };
                self.text(text.len())?;
                Ok(Json::String(text))
            }
            Value::Scalar(scalar) => {
                self.text(match &*scalar {
                    ScalarValue::Str(text) => text.len(),
                    ScalarValue::Bytes(bytes) => bytes.len().saturating_mul(2),
                    _ => 0,
                })?;
                Ok(self.scalar(&scalar))
            }
        }
    }

    fn text(&mut self, bytes: usize) -> Result<(), ForeignFault> {
        self.text = self.text.checked_sub(bytes).ok_or(ForeignFault::TooLarge)?;
        Ok(())
    }

    /// What is shown at a place; what it hides goes to the conflicts.
    fn place(
        &mut self,
        object: &ObjId,
        prop: Prop,
        name: &str,
        path: &mut Vec<String>,
    ) -> Result<Option<Json>, ForeignFault> {
        let Ok(mut values) = self.doc.get_all(object, prop) else {
            return Err(ForeignFault::Broken);
        };
        // The winner comes last; it is what `get` shows.
        let Some(shown) = values.pop() else { return Ok(None) };
        path.push(name.to_owned());
        for hidden in values {
            self.text(path.iter().map(String::len).sum())?;
            let value = self.value(hidden, path)?;
            self.found.conflicts.push(ForeignConflict { path: path.clone(), value });
        }
        let shown = self.value(shown, path)?;
        path.pop();
        Ok(Some(shown))
    }

    fn converted(&mut self, what: &str) {
        *self.found.converted.entry(what.to_owned()).or_default() += 1;
    }

    fn scalar(&mut self, scalar: &ScalarValue) -> Json {
        match scalar {
            ScalarValue::Bytes(bytes) => {
                self.converted("bytes");
                serde_json::json!({ "bytes": to_hex(bytes) })
            }
            ScalarValue::Str(text) => Json::String(text.to_string()),
            ScalarValue::Int(number) => Json::from(*number),
            ScalarValue::Timestamp(number) => {
                self.converted("date");
                Json::from(*number)
            }
            ScalarValue::Uint(number) => self.number(Json::from(*number), number),
            ScalarValue::F64(number) => self.number(Json::from(*number), number),
            ScalarValue::Counter(counter) => {
                self.converted("counter");
                Json::from(i64::from(counter))
            }
            ScalarValue::Boolean(value) => Json::Bool(*value),
            ScalarValue::Null => Json::Null,
            ScalarValue::Unknown { .. } => {
                self.converted("unknown");
                Json::Null
            }
        }
    }

    /// A number that an edit cannot write is a text.
    fn number(&mut self, json: Json, number: &impl ToString) -> Json {
        let fits = json.as_number().is_some_and(|number| read::scalar(number).is_ok());
        if fits {
            return json;
        }
        self.converted("number");
        Json::String(number.to_string())
    }
}
