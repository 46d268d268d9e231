//! Edits of a document, and their translation into Automerge operations.
//!
//! A text that is set anew replaces the object: a splice into the old one would never conflict
//! with another's (SPEC: PRJ-5). Whole numbers are int64 or refused. An edit either works whole
//! or not at all.

use automerge::transaction::{Transactable, Transaction};
use automerge::{ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::document::read::scalar;
use crate::document::{BuiltOn, DocPath, PathFault};
use crate::id::{ChangeHash, ConflictId};
use crate::limits::{EVENT_CHANGES_MAX, VALUE_DEPTH_MAX};

mod fault;

/// One edit, as scripts write it: `{"set":PATH,"value":…}`, `{"append":PATH,"value":…}`,
/// `{"rm":PATH}`, or of a conflict `{"resolve":ID,"keep":"A"}`, `{"resolve":ID,"value":…}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Edit {
    /// Puts a value at a path; maps on the way are made.
    Set {
        /// Where.
        set: DocPath,
        /// What.
        value: Json,
    },
    /// Writes behind the end of the text or list at a path.
    Append {
        /// Where.
        append: DocPath,
        /// A text behind a text, an array's items behind a list.
        value: Json,
    },
    /// Removes what is at a path.
    Rm {
        /// Where.
        rm: DocPath,
    },
    /// Resolves a conflict by what one of its sides shows.
    Keep {
        /// Which conflict.
        resolve: ConflictId,
        /// The letter of the side.
        keep: String,
    },
    /// Resolves a conflict by a value.
    Decide {
        /// Which conflict.
        resolve: ConflictId,
        /// What.
        value: Json,
    },
}

/// Why an edit, or a read, cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum EditFault {
    /// Nothing is there.
    #[error("there is nothing at {0:?}")]
    Absent(String),
    /// Nothing is shown there, since a removal is the side of an open conflict that is shown.
    #[error("{0:?} was removed, and changed apart from that: the conflict is open")]
    RemovedApart(String),
    /// Something is there that has nothing below it.
    #[error("{0:?} is a value, not a map or list: nothing can stand below it")]
    NotAMap(String),
    /// A text is appended to a text, items to a list.
    #[error(
        "{0:?} is not of the kind that is appended: a text goes behind a text, items to a list"
    )]
    NotAppendable(String),
    /// A list is indexed by a number up to its length.
    #[error("{0:?} is a list of {1}: use a number from 0 to {1}")]
    Index(String, usize),
    /// A number that is no int64 and no finite float.
    #[error("{0} does not fit a whole number of 64 bits: write it as a string")]
    Number(String),
    /// More levels than a document holds.
    #[error("the value has more than {VALUE_DEPTH_MAX} levels")]
    TooDeep,
    /// A map's key is a name.
    #[error("a key in the value is empty: give it a name")]
    EmptyKey,
    /// It is resolved, or never was.
    #[error("there is no open conflict {0}")]
    NoConflict(ConflictId),
    /// Sides are lettered from A.
    #[error("conflict {conflict} has no side {side:?}: its sides are A to {last}")]
    NoSide {
        /// Which conflict.
        conflict: ConflictId,
        /// What was asked for.
        side: String,
        /// The letter of its last side.
        last: String,
    },
    /// It is no place at which a value could stand.
    #[error("conflict {0} is decided by keeping a side, not by a value")]
    BySide(ConflictId),
    /// A change that is to be taken back is not in the document.
    #[error("the document does not hold change {0}")]
    NotHeld(ChangeHash),
    /// A change that is to be taken back does not stand any more.
    #[error("{0}")]
    BuiltOn(BuiltOn),
    /// What was there cannot be written by edits.
    #[error("what {0:?} showed before cannot be written anew")]
    NotRestorable(String),
    /// A conflict would end there for good. `SPEC: UNDO-2`
    #[error("a conflict at or below {0:?} would be closed, and not be open again")]
    Closes(String),
    /// What the program keeps itself is not taken back.
    #[error("{0:?} is kept by the program, which does not take it back")]
    Kept(String),
    /// So many values were at one place: they are put there by as many changes.
    #[error("it resolved a conflict of {0} values")]
    Reopens(usize),
    /// A resolution is a change of its own.
    #[error("one batch either edits or resolves conflicts, not both")]
    Mixed,
    /// No link leads to one.
    #[error("there is no board {0:?}")]
    NoBoard(String),
    /// A link of that name is there.
    #[error("there is a board {0:?} already")]
    BoardExists(String),
    /// No link leads to one.
    #[error("there is no branch {0:?}")]
    NoBranch(String),
    /// The branch of this name was put away. `SPEC: BRA-4`
    #[error("branch {0:?} is put away")]
    PutAway(String),
    /// The board of this name was put away. `SPEC: PRJ-9`
    #[error("board {0:?} is put away")]
    BoardPutAway(String),
    /// A link of that name is there.
    #[error("there is a branch {0:?} already")]
    BranchExists(String),
    /// One event holds so many changes.
    #[error("this changes {0} documents, and one event changes {EVENT_CHANGES_MAX}")]
    TooManyDocuments(usize),
    /// Automerge refused or failed.
    #[error("the document could not be used: {0}")]
    Document(String),
}

impl Edit {
    /// Where it writes; the place of a conflict is known to the document alone.
    #[must_use]
    pub fn path(&self) -> Option<&DocPath> {
        match self {
            Self::Set { set, .. } => Some(set),
            Self::Append { append, .. } => Some(append),
            Self::Rm { rm } => Some(rm),
            Self::Keep { .. } | Self::Decide { .. } => None,
        }
    }

    /// What it writes over; none where that is in no way there already.
    pub(super) fn writes_over(&self) -> Option<&DocPath> {
        self.path().filter(|_| !matches!(self, Self::Append { .. }))
    }

    /// Which conflict it resolves, if it does.
    #[must_use]
    pub fn conflict(&self) -> Option<ConflictId> {
        match self {
            Self::Keep { resolve, .. } | Self::Decide { resolve, .. } => Some(*resolve),
            Self::Set { .. } | Self::Append { .. } | Self::Rm { .. } => None,
        }
    }

    /// The same edit below another path; a resolution has no place of its own.
    pub fn within(&self, above: &DocPath) -> Result<Self, PathFault> {
        self.path().map_or_else(|| Ok(self.clone()), |path| Ok(self.at(path.within(above)?)))
    }

    /// The same edit elsewhere; a resolution has no place of its own.
    pub(super) fn at(&self, path: DocPath) -> Self {
        match self {
            Self::Set { value, .. } => Self::Set { set: path, value: value.clone() },
            Self::Append { value, .. } => Self::Append { append: path, value: value.clone() },
            Self::Rm { .. } => Self::Rm { rm: path },
            Self::Keep { .. } | Self::Decide { .. } => self.clone(),
        }
    }
}

/// Does one edit within a transaction.
pub(super) fn apply(tx: &mut Transaction<'_>, edit: &Edit) -> Result<(), EditFault> {
    let path = edit.path().ok_or(EditFault::Mixed)?;
    let Some((last, above)) = path.segments().split_last() else {
        return Err(EditFault::NotAMap(String::new()));
    };
    let make = matches!(edit, Edit::Set { .. });
    let mut object = (ROOT, ObjType::Map);
    for (depth, segment) in above.iter().enumerate() {
        object = step(tx, &object, segment, path, depth, make)?;
    }
    match edit {
        Edit::Set { value, .. } => put(tx, &object, last, value, path),
        Edit::Append { value, .. } => append(tx, &object, last, value, path),
        Edit::Rm { .. } => remove(tx, &object, last, path),
        Edit::Keep { .. } | Edit::Decide { .. } => Err(EditFault::Mixed),
    }
}

/// An object, and what it is.
type Object = (ObjId, ObjType);

fn failed(error: impl ToString) -> EditFault {
    EditFault::Document(error.to_string())
}

/// The object below `object` at `segment`; a missing map is made where `make` says so.
fn step(
    tx: &mut Transaction<'_>,
    (object, kind): &Object,
    segment: &str,
    path: &DocPath,
    depth: usize,
    make: bool,
) -> Result<Object, EditFault> {
    let found = match kind {
        ObjType::List => {
            let index = list_index(tx, object, segment, || path.prefix(depth))?;
            tx.get(object, index).map_err(failed)?
        }
        ObjType::Map | ObjType::Table => tx.get(object, segment).map_err(failed)?,
        ObjType::Text => return Err(EditFault::NotAMap(path.prefix(depth))),
    };
    match found {
        Some((Value::Object(ObjType::Text) | Value::Scalar(_), _)) => {
            Err(EditFault::NotAMap(path.prefix(depth + 1)))
        }
        Some((Value::Object(kind), child)) => Ok((child, kind)),
        None if make && *kind != ObjType::List => {
            let made = tx.put_object(object, segment, ObjType::Map).map_err(failed)?;
            Ok((made, ObjType::Map))
        }
        None => Err(EditFault::Absent(path.prefix(depth + 1))),
    }
}

fn list_index(
    doc: &impl ReadDoc,
    list: &ObjId,
    segment: &str,
    name: impl FnOnce() -> String,
) -> Result<usize, EditFault> {
    let len = doc.length(list);
    let index = segment.parse::<usize>().ok().filter(|index| *index <= len);
    index.ok_or_else(|| EditFault::Index(name(), len))
}

fn put(
    tx: &mut Transaction<'_>,
    (object, kind): &Object,
    last: &str,
    value: &Json,
    path: &DocPath,
) -> Result<(), EditFault> {
    let name = || path.prefix(path.segments().len() - 1);
    match kind {
        ObjType::Text => Err(EditFault::NotAMap(name())),
        ObjType::Map | ObjType::Table => {
            write(tx, &Place::Key(object, last), value, path.segments().len())
        }
        ObjType::List => {
            let index = list_index(tx, object, last, name)?;
            let place = if index == tx.length(object) {
                Place::Insert(object, index)
            } else {
                Place::Index(object, index)
            };
            write(tx, &place, value, path.segments().len())
        }
    }
}

fn append(
    tx: &mut Transaction<'_>,
    (object, kind): &Object,
    last: &str,
    value: &Json,
    path: &DocPath,
) -> Result<(), EditFault> {
    let other = || EditFault::NotAppendable(path.to_string());
    let found = match kind {
        ObjType::Text => return Err(other()),
        ObjType::Map | ObjType::Table => tx.get(object, last).map_err(failed)?,
        ObjType::List => {
            let index = list_index(tx, object, last, || path.to_string())?;
            tx.get(object, index).map_err(failed)?
        }
    };
    let (found_kind, found) = found.ok_or_else(|| EditFault::Absent(path.to_string()))?;
    let end = tx.length(&found);
    match (found_kind, value) {
        (Value::Object(ObjType::Text), Json::String(text)) => {
            tx.splice_text(&found, end, 0, text).map_err(failed)
        }
        (Value::Object(ObjType::List), Json::Array(items)) => {
            for (index, item) in (end..).zip(items) {
                write(tx, &Place::Insert(&found, index), item, path.segments().len() + 1)?;
            }
            Ok(())
        }
        _ => Err(other()),
    }
}

fn remove(
    tx: &mut Transaction<'_>,
    (object, kind): &Object,
    last: &str,
    path: &DocPath,
) -> Result<(), EditFault> {
    let absent = || EditFault::Absent(path.to_string());
    match kind {
        ObjType::Text => Err(EditFault::NotAMap(path.prefix(path.segments().len() - 1))),
        ObjType::Map | ObjType::Table => {
            tx.get(object, last).map_err(failed)?.ok_or_else(absent)?;
            tx.delete(object, last).map_err(failed)
        }
        ObjType::List => {
            let index = last.parse::<usize>().ok().filter(|index| *index < tx.length(object));
            tx.delete(object, index.ok_or_else(absent)?).map_err(failed)
        }
    }
}

/// Where a value goes.
enum Place<'a> {
    Key(&'a ObjId, &'a str),
    Index(&'a ObjId, usize),
    Insert(&'a ObjId, usize),
}

impl Place<'_> {
    fn scalar(&self, tx: &mut Transaction<'_>, value: ScalarValue) -> Result<(), EditFault> {
        match *self {
            Self::Key(object, key) => tx.put(object, key, value),
            Self::Index(object, index) => tx.put(object, index, value),
            Self::Insert(object, index) => tx.insert(object, index, value),
        }
        .map_err(failed)
    }

    fn object(&self, tx: &mut Transaction<'_>, kind: ObjType) -> Result<ObjId, EditFault> {
        match *self {
            Self::Key(object, key) => tx.put_object(object, key, kind),
            Self::Index(object, index) => tx.put_object(object, index, kind),
            Self::Insert(object, index) => tx.insert_object(object, index, kind),
        }
        .map_err(failed)
    }
}

/// Writes a value; `depth` counts the levels above it, so the recursion is bounded.
fn write(
    tx: &mut Transaction<'_>,
    place: &Place<'_>,
    value: &Json,
    depth: usize,
) -> Result<(), EditFault> {
    if depth > VALUE_DEPTH_MAX {
        return Err(EditFault::TooDeep);
    }
    match value {
        Json::Null => place.scalar(tx, ScalarValue::Null),
        Json::Bool(value) => place.scalar(tx, ScalarValue::Boolean(*value)),
        Json::Number(number) => place.scalar(tx, scalar(number)?),
        Json::String(text) => {
            let object = place.object(tx, ObjType::Text)?;
            tx.splice_text(&object, 0, 0, text).map_err(failed)
        }
        Json::Array(items) => {
            let list = place.object(tx, ObjType::List)?;
            items.iter().enumerate().try_for_each(|(index, item)| {
                write(tx, &Place::Insert(&list, index), item, depth + 1)
            })
        }
        Json::Object(fields) => {
            let map = place.object(tx, ObjType::Map)?;
            for (key, item) in fields {
                if key.is_empty() {
                    return Err(EditFault::EmptyKey);
                }
                write(tx, &Place::Key(&map, key), item, depth + 1)?;
            }
            Ok(())
        }
    }
}
