//! A value of a document, or of what it was in some past, to be shown or put again.
//!
//! Between conflicting values below it a tree holds the one that Automerge shows. JSON cannot say
//! what every value is (a counter, bytes); the tree can, so a side that is kept stays what it is.

use std::collections::BTreeMap;

use automerge::iter::{ListRangeItem, MapRangeItem};
use automerge::{Automerge, ChangeHash, ObjId, ObjType, ReadDoc, ScalarValue, Value};
use serde_json::Value as Json;

use crate::document::EditFault;

use crate::document::read::{READ_DEPTH_MAX, scalar, scalar_to_json};
use crate::limits::VALUE_DEPTH_MAX;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Scalar(ScalarValue),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

/// A document, now or as some changes knew it.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) doc: &'a Automerge,
    pub(super) heads: Option<&'a [ChangeHash]>,
}

impl<'a> View<'a> {
    /// The tree of a value; what is deeper than any document may be is null.
    pub(super) fn tree(self, value: &Value<'_>, id: &ObjId, depth: usize) -> Tree {
        let nothing = Tree::Scalar(ScalarValue::Null);
        if depth > READ_DEPTH_MAX {
            return nothing;
        }
        match value {
            Value::Scalar(scalar) => Tree::Scalar(scalar.as_ref().clone()),
            Value::Object(ObjType::Text) => {
                let text = match self.heads {
                    Some(heads) => self.doc.text_at(id, heads),
                    None => self.doc.text(id),
                };
                text.map_or(nothing, Tree::Text)
            }
            Value::Object(ObjType::List) => {
                // All at once: each look at a past finds out anew what the list holds.
                let items = match self.heads {
                    Some(heads) => self.doc.list_range_at(id, .., heads),
                    None => self.doc.list_range(id, ..),
                };
                let item = |item: ListRangeItem<'_>| {
                    let child = item.id();
                    self.tree(&item.value.into_value(), &child, depth + 1)
                };
                Tree::List(items.map(item).collect())
            }
            Value::Object(ObjType::Map | ObjType::Table) => {
                let items = match self.heads {
                    Some(heads) => self.doc.map_range_at(id, .., heads),
                    None => self.doc.map_range(id, ..),
                };
                let item = |item: MapRangeItem<'_>| {
                    let child = item.id();
                    let tree = self.tree(&item.value.into_value(), &child, depth + 1);
                    (item.key.into_owned(), tree)
                };
                Tree::Map(items.map(item).collect())
            }
        }
    }

    /// All values at the end of a way through what is shown, that which is shown last.
    pub(super) fn at(self, way: &[String]) -> Vec<(Value<'a>, ObjId)> {
        let mut all = vec![(Value::Object(ObjType::Map), automerge::ROOT)];
        for segment in way {
            let Some((Value::Object(kind), object)) = all.pop() else { return Vec::new() };
            all = match kind {
                ObjType::Map | ObjType::Table => self.all(&object, segment.as_str()),
                ObjType::List => {
                    segment.parse::<usize>().map_or_else(|_| Vec::new(), |at| self.all(&object, at))
                }
                ObjType::Text => Vec::new(),
            };
        }
        all
    }

    /// What is shown at a place.
    pub(super) fn get(
        self,
        object: &ObjId,
        prop: impl Into<automerge::Prop>,
    ) -> Option<(Value<'a>, ObjId)> {
        self.all(object, prop).pop()
    }

    /// All values at a place; the last is the one that is shown.
    pub(super) fn all(
        self,
        object: &ObjId,
        prop: impl Into<automerge::Prop>,
    ) -> Vec<(Value<'a>, ObjId)> {
        let found = match self.heads {
            Some(heads) => self.doc.get_all_at(object, prop, heads),
            None => self.doc.get_all(object, prop),
        };
        found.unwrap_or_default()
    }

    /// The ids of what a list shows.
    pub(super) fn elements(self, list: &ObjId) -> Vec<ObjId> {
        match self.heads {
            Some(heads) => self.doc.list_range_at(list, .., heads).map(|item| item.id()).collect(),
            None => self.doc.list_range(list, ..).map(|item| item.id()).collect(),
        }
    }
}

impl Tree {
    /// The tree of a JSON value that stands `depth` levels below the root.
    pub(super) fn from_json(json: &Json, depth: usize) -> Result<Self, EditFault> {
        if depth > VALUE_DEPTH_MAX {
            return Err(EditFault::TooDeep);
        }
        Ok(match json {
            Json::Null => Self::Scalar(ScalarValue::Null),
            Json::Bool(value) => Self::Scalar(ScalarValue::Boolean(*value)),
            Json::Number(number) => Self::Scalar(scalar(number)?),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::from_json(item, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            Json::Object(fields) => {
                let mut map = BTreeMap::new();
                for (key, item) in fields {
                    if key.is_empty() {
                        return Err(EditFault::EmptyKey);
                    }
                    map.insert(key.clone(), Self::from_json(item, depth + 1)?);
                }
                Self::Map(map)
            }
        })
    }

    /// What is shown of it, as reading the document shows it.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Scalar(scalar) => scalar_to_json(scalar),
            Self::Text(text) => Json::String(text.clone()),
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(fields) => Json::Object(
                fields.iter().map(|(key, item)| (key.clone(), item.to_json())).collect(),
            ),
        }
    }
}
