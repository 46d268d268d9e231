//! A whole document as it reads, apart from Automerge: every place with its value, whether it is in
//! conflict, and which change wrote it. What reads a path here reads what [`super::read`] does.

use std::collections::BTreeMap;

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::document::conflict::Strictest;
use crate::document::read::{READ_DEPTH_MAX, ReadValue, scalar_to_json};
use crate::document::{DocPath, EditFault, POLICIES};
use crate::id::ChangeHash;

/// A document as it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dump {
    root: Shown,
    /// The changes that places name by number.
    changes: Vec<ChangeHash>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shown {
    Map(BTreeMap<String, Place>),
    List(Vec<Place>),
    Leaf(Json),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    shown: Shown,
    /// Are there several values, written apart?
    conflict: bool,
    change: Option<usize>,
}

impl Dump {
    /// All of a document.
    pub(super) fn of(doc: &Automerge) -> Result<Self, EditFault> {
        let mut dumping = Dumping { doc, numbers: BTreeMap::new(), changes: Vec::new() };
        let root = dumping
            .shown(&Value::Object(ObjType::Map), &ROOT, 0)
            .map_err(|error| EditFault::Document(error.to_string()))?;
        Ok(Self { root, changes: dumping.changes })
    }

    /// The same, where of a policy the strictest counts. `SPEC: POL-4`
    pub(super) fn with_policies(mut self, policies: BTreeMap<String, Strictest>) -> Self {
        for (name, Strictest { value, change }) in policies {
            let number = self.changes.iter().position(|known| *known == change);
            let number = number.unwrap_or_else(|| {
                self.changes.push(change);
                self.changes.len() - 1
            });
            let Shown::Map(root) = &mut self.root else { break };
            let Some(Place { shown: Shown::Map(map), .. }) = root.get_mut(POLICIES) else { break };
            match value {
                Some(value) => {
                    let (shown, change) = (Shown::of(value), Some(number));
                    map.insert(name, Place { shown, conflict: true, change });
                }
                None => drop(map.remove(&name)),
            }
        }
        self
    }

    /// What is at `path`, if anything is.
    #[must_use]
    pub fn read(&self, path: &DocPath) -> Option<ReadValue> {
        let (mut at, mut last) = (&self.root, None);
        for segment in path.segments() {
            let place = match at {
                Shown::Map(map) => map.get(segment)?,
                Shown::List(list) => list.get(segment.parse::<usize>().ok()?)?,
                Shown::Leaf(_) => return None,
            };
            (at, last) = (&place.shown, Some(place));
        }
        let change = last.and_then(|place| place.change);
        Some(ReadValue {
            value: at.to_json(),
            conflict: last.is_some_and(|place| place.conflict),
            conflict_below: false,
            change: change.and_then(|number| self.changes.get(number)).copied(),
        })
    }

    /// The changes that wrote something that it shows.
    #[must_use]
    pub fn changes(&self) -> &[ChangeHash] {
        &self.changes
    }
}

impl Shown {
    fn of(value: Json) -> Self {
        let place = |value| Place { shown: Self::of(value), conflict: false, change: None };
        match value {
            Json::Object(map) => {
                Self::Map(map.into_iter().map(|(key, value)| (key, place(value))).collect())
            }
            Json::Array(list) => Self::List(list.into_iter().map(place).collect()),
            leaf => Self::Leaf(leaf),
        }
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Map(map) => Json::Object(
                map.iter().map(|(key, at)| (key.clone(), at.shown.to_json())).collect(),
            ),
            Self::List(list) => Json::Array(list.iter().map(|at| at.shown.to_json()).collect()),
            Self::Leaf(json) => json.clone(),
        }
    }
}

struct Dumping<'a> {
    doc: &'a Automerge,
    numbers: BTreeMap<ChangeHash, usize>,
    changes: Vec<ChangeHash>,
}

impl Dumping<'_> {
    fn shown(
        &mut self,
        value: &Value<'_>,
        id: &ObjId,
        depth: usize,
    ) -> Result<Shown, automerge::AutomergeError> {
        if depth > READ_DEPTH_MAX {
            return Ok(Shown::Leaf(Json::Null));
        }
        Ok(match value {
            Value::Object(ObjType::Map | ObjType::Table) => {
                let mut map = BTreeMap::new();
                for key in self.doc.keys(id) {
                    let values = self.doc.get_all(id, key.as_str())?;
                    if let Some(place) = self.place(values, depth)? {
                        map.insert(key, place);
                    }
                }
                Shown::Map(map)
            }
            Value::Object(ObjType::List) => {
                let mut list = Vec::new();
                for index in 0..self.doc.length(id) {
                    let values = self.doc.get_all(id, index)?;
                    list.extend(self.place(values, depth)?);
                }
                Shown::List(list)
            }
            Value::Object(ObjType::Text) => {
                Shown::Leaf(self.doc.text(id).map_or(Json::Null, Json::String))
            }
            Value::Scalar(scalar) => Shown::Leaf(scalar_to_json(scalar)),
        })
    }

    /// The winner comes last; it is what `get` shows.
    fn place(
        &mut self,
        values: Vec<(Value<'_>, ObjId)>,
        depth: usize,
    ) -> Result<Option<Place>, automerge::AutomergeError> {
        let conflict = values.len() > 1;
        let Some((value, id)) = values.into_iter().next_back() else { return Ok(None) };
        let change = self.doc.hash_for_opid(&id).map(|hash| self.number(ChangeHash(hash.0)));
        let shown = self.shown(&value, &id, depth + 1)?;
        Ok(Some(Place { shown, conflict, change }))
    }

    fn number(&mut self, change: ChangeHash) -> usize {
        *self.numbers.entry(change).or_insert_with(|| {
            self.changes.push(change);
            self.changes.len() - 1
        })
    }
}
