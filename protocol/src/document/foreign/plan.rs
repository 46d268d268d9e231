//! From values to edits: as many batches as the limits of one event ask for.

use serde_json::Value as Json;

use super::{Foreign, ForeignConflict};
use crate::document::{DocPath, Edit, PathFault};
use crate::limits::{BATCH_EDITS_MAX, FOREIGN_EVENT_BYTES, FOREIGN_EVENT_OPS, VALUE_DEPTH_MAX};

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Batches, in their order; each is one event.
    pub batches: Vec<Vec<Edit>>,
    /// Where the values stand that others hide, if there are any.
    pub conflicts_at: Option<DocPath>,
}

/// Why values cannot be written there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// A place that no path names.
    #[error("{path}: {fault}")]
    Path {
        /// What it is below.
        path: DocPath,
        /// What is wrong with its name.
        fault: PathFault,
    },
    /// More levels than a document holds.
    #[error("below {0} it would have more than {VALUE_DEPTH_MAX} levels")]
    TooDeep(DocPath),
}

/// Plans to write what stands in a file at `path`, and its conflicts beside it. `SPEC: PRJ-8`
pub fn plan(foreign: Foreign, path: &DocPath) -> Result<Taken, PlanFault> {
    let mut plan = Plan::default();
    plan.whole(path, foreign.value)?;
    let mut conflicts_at = None;
    if !foreign.conflicts.is_empty() {
        let beside = path.beside("-conflicts");
        let beside = beside.map_err(|fault| PlanFault::Path { path: path.clone(), fault })?;
        plan.whole(&beside, foreign.conflicts.into_iter().map(row).collect())?;
        conflicts_at = Some(beside);
    }
    let batches = plan.finish();
    Ok(Taken { batches, conflicts_at })
}

/// A conflict as a value. A list of segments, since not each of them can stand in a path.
fn row(conflict: ForeignConflict) -> Json {
    serde_json::json!({ "path": conflict.path, "value": conflict.value })
}

fn child(path: &DocPath, name: &str) -> Result<DocPath, PlanFault> {
    path.child(name).map_err(|fault| PlanFault::Path { path: path.clone(), fault })
}

/// The value of this kind that holds nothing.
fn empty(value: &Json) -> Json {
    match value {
        Json::Object(_) => Json::Object(serde_json::Map::new()),
        Json::Array(_) => Json::Array(Vec::new()),
        Json::String(_) => Json::String(String::new()),
        value => value.clone(),
    }
}

#[derive(Default)]
struct Plan {
    batches: Vec<Vec<Edit>>,
    batch: Vec<Edit>,
    size: Size,
}

/// What a value costs.
#[derive(Default, Clone, Copy)]
struct Size {
    /// Automerge operations.
    ops: usize,
    /// Bytes of keys and texts.
    bytes: usize,
    /// Levels below it.
    levels: usize,
}

impl Size {
    fn of(value: &Json) -> Self {
        let inside = |values: &mut dyn Iterator<Item = (usize, &Json)>| {
            let mut size = Self { ops: 1, bytes: 8, levels: 0 };
            for (key, value) in values {
                let part = Self::of(value);
                size.ops = size.ops.saturating_add(part.ops);
                size.bytes = size.bytes.saturating_add(part.bytes).saturating_add(key);
                size.levels = size.levels.max(part.levels.saturating_add(1));
            }
            size
        };
        match value {
            Json::Object(map) => inside(&mut map.iter().map(|(key, value)| (key.len(), value))),
            Json::Array(items) => inside(&mut items.iter().map(|value| (0, value))),
            Json::String(text) => {
                Self { ops: text.chars().count().saturating_add(1), bytes: text.len(), levels: 0 }
            }
            _ => Self { ops: 1, bytes: 8, levels: 0 },
        }
    }

    fn plus(self, other: Self) -> Self {
        let (ops, bytes) =
            (self.ops.saturating_add(other.ops), self.bytes.saturating_add(other.bytes));
        Self { ops, bytes, levels: 0 }
    }

    fn fits(self) -> bool {
        self.ops <= FOREIGN_EVENT_OPS && self.bytes <= FOREIGN_EVENT_BYTES
    }
}

impl Plan {
    fn whole(&mut self, path: &DocPath, value: Json) -> Result<(), PlanFault> {
        let levels = Size::of(&value).levels.saturating_add(path.segments().len());
        if levels > VALUE_DEPTH_MAX {
            return Err(PlanFault::TooDeep(path.clone()));
        }
        self.set(path, value)
    }

    /// Sets a value whole, or piece by piece where one event does not hold it.
    fn set(&mut self, path: &DocPath, value: Json) -> Result<(), PlanFault> {
        let size = Size::of(&value);
        if size.fits() {
            self.push(Edit::Set { set: path.clone(), value }, size);
            return Ok(());
        }
        let empty = empty(&value);
        let size = Size::of(&empty);
        self.push(Edit::Set { set: path.clone(), value: empty }, size);
        self.fill(path, value)
    }

    /// Writes what stands in a value that is empty still. Its levels were counted, so the
    /// recursion is bounded.
    fn fill(&mut self, path: &DocPath, value: Json) -> Result<(), PlanFault> {
        match value {
            Json::Object(map) => {
                for (key, value) in map {
                    self.set(&child(path, &key)?, value)?;
                }
            }
            Json::Array(items) => self.items(path, items)?,
            Json::String(text) => self.text(path, &text),
            _ => {}
        }
        Ok(())
    }

    fn items(&mut self, path: &DocPath, items: Vec<Json>) -> Result<(), PlanFault> {
        let (mut some, mut sum) = (Vec::new(), Size::default());
        for (index, item) in items.into_iter().enumerate() {
            let size = Size::of(&item);
            if !sum.plus(size).fits() {
                self.append(path, std::mem::take(&mut some), std::mem::take(&mut sum));
            }
            if size.fits() {
                sum = sum.plus(size);
                some.push(item);
            } else {
                let empty = empty(&item);
                let size = Size::of(&empty);
                self.append(path, vec![empty], size);
                self.fill(&child(path, &index.to_string())?, item)?;
            }
        }
        self.append(path, some, sum);
        Ok(())
    }

    fn append(&mut self, path: &DocPath, items: Vec<Json>, size: Size) {
        if !items.is_empty() {
            self.push(Edit::Append { append: path.clone(), value: Json::Array(items) }, size);
        }
    }

    fn text(&mut self, path: &DocPath, text: &str) {
        let letters: Vec<char> = text.chars().collect();
        // A letter has four bytes at most.
        for piece in letters.chunks(FOREIGN_EVENT_OPS.min(FOREIGN_EVENT_BYTES / 4)) {
            let text: String = piece.iter().collect();
            let size = Size { ops: piece.len(), bytes: text.len(), levels: 0 };
            self.push(Edit::Append { append: path.clone(), value: Json::String(text) }, size);
        }
    }

    fn push(&mut self, edit: Edit, size: Size) {
        let named = edit.path().map_or(0, |path| path.to_string().len());
        let size = Size { bytes: size.bytes.saturating_add(named), ..size };
        let full = !self.size.plus(size).fits() || self.batch.len() >= BATCH_EDITS_MAX;
        if full && !self.batch.is_empty() {
            self.batches.push(std::mem::take(&mut self.batch));
            self.size = Size::default();
        }
        self.size = self.size.plus(size);
        self.batch.push(edit);
    }

    fn finish(mut self) -> Vec<Vec<Edit>> {
        if !self.batch.is_empty() {
            self.batches.push(self.batch);
        }
        self.batches
    }
}
