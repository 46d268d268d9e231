//! What callers hear of conflicts, and the same choice for many of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::document::conflict::ConflictKind;
use crate::document::{DocPath, Edit};
use crate::id::{ConflictId, DeviceId, DocumentId, EventId};
use crate::limits::{CONFLICTS_DECIDED_MAX, EVENT_CHANGES_MAX};
use crate::role::Role;
use crate::time::Stamp;

/// Open conflicts, in the order of path and id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictPage {
    /// As many as are listed at once.
    pub conflicts: Vec<ConflictRow>,
    /// How many there are beyond those.
    pub more: usize,
    /// How many there are in all.
    #[serde(default)]
    pub total: usize,
    /// Where to go on; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ConflictPlace>,
}

/// A place in the order of conflicts. It stays one when the conflict there is resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConflictPlace {
    /// Where.
    pub path: DocPath,
    /// Which of several there.
    pub id: ConflictId,
}

/// Something on which devices disagree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictRow {
    /// Its name, the same on every device.
    pub id: ConflictId,
    /// In which document; of what stands in none it is the root, where it is decided.
    pub document: DocumentId,
    /// Where, as seen from the root.
    pub path: DocPath,
    /// How the sides disagree.
    pub kind: ConflictKind,
    /// What all sides knew there; null where nothing was.
    pub base: Json,
    /// What the place shows now; null where that is nothing, or where it is no place.
    #[serde(default)]
    pub now: Json,
    /// Who disagrees.
    pub sides: Vec<SideRow>,
    /// How many sides there are beyond those.
    #[serde(default)]
    pub more_sides: usize,
    /// Where others are open below what it shows, as seen from the root: a decision ends them, and
    /// no undo opens them again. `SPEC: CFL-7`
    #[serde(default)]
    pub below: Vec<DocPath>,
    /// How many more.
    #[serde(default)]
    pub below_more: usize,
    /// Why none of them gave way to another.
    pub why: String,
    /// The last events that all sides knew.
    #[serde(default)]
    pub common: Vec<EventId>,
    /// What a person may do, as commands.
    #[serde(default)]
    pub next: Vec<String>,
    /// Resolved ones are not listed.
    pub open: bool,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideRow {
    /// Its name within the conflict.
    pub side: String,
    /// The device that wrote it.
    pub device: Option<DeviceId>,
    /// That device's role now; none where it is no member any more.
    #[serde(default)]
    pub member: Option<Role>,
    /// What it shows there; null where that is nothing.
    pub value: Json,
    /// What stands there once this side is kept.
    #[serde(default)]
    pub then: Json,
    /// Does it leave nothing there?
    pub deleted: bool,
    /// The event that brought it.
    pub event: Option<EventId>,
    /// When, as its author says, in microseconds since 1970.
    pub time: Option<Stamp>,
    /// Its author's clock was wrong: the time says nothing. Shown, never decides.
    #[serde(default)]
    pub clock_wrong: bool,
    /// Keeping it is a readmission of its branch: a command of its own, an owner's or admin's.
    #[serde(default)]
    pub readmits: bool,
    /// The undo that put its value back, where one did: device, event and time are those of who
    /// wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_back: Option<EventId>,
}

/// Which side of each of many conflicts is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// The one of this letter.
    Side(String),
    /// The one that this device wrote.
    Device(DeviceId),
    /// The one that was written last, as the authors say: a person asks for it, nothing decides by
    /// it unasked. `SPEC: CFL-15`
    Newest,
}

/// What is to become of one of many conflicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Which.
    pub id: ConflictId,
    /// In which document it is decided.
    pub document: DocumentId,
    /// Where.
    pub path: DocPath,
    /// How the sides disagree.
    pub kind: ConflictKind,
    /// Where others are open below it, which end with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<DocPath>,
    /// The letter of the side that is kept, and what stands there then; or why it stays open.
    #[serde(flatten)]
    pub chosen: Chosen,
}

/// What is chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// A side is kept.
    Keep {
        /// Its letter.
        side: String,
        /// What stands there then.
        then: Json,
    },
    /// It stays open, for this reason.
    Open(String),
}

impl Choice {
    /// The edit that decides it so.
    #[must_use]
    pub fn edit(&self) -> Option<Edit> {
        match &self.chosen {
            Chosen::Keep { side, .. } => Some(Edit::Keep { resolve: self.id, keep: side.clone() }),
            Chosen::Open(_) => None,
        }
    }
}

/// What becomes of each of these conflicts, in their order. `SPEC: CFL-15`
#[must_use]
pub fn choose(rows: &[ConflictRow], take: &Take) -> Vec<Choice> {
    let choice = |row: &ConflictRow| {
        let chosen = match pick(row, take) {
            Ok(side) => Chosen::Keep { side: side.side.clone(), then: side.then.clone() },
            Err(reason) => Chosen::Open(reason.to_owned()),
        };
        Choice {
            id: row.id,
            document: row.document,
            path: row.path.clone(),
            kind: row.kind,
            below: row.below.clone(),
            chosen,
        }
    };
    rows.iter().map(choice).collect()
}

fn pick<'a>(row: &'a ConflictRow, take: &Take) -> Result<&'a SideRow, &'static str> {
    let side = match take {
        Take::Side(letter) => row.sides.iter().find(|side| side.side == *letter),
        Take::Device(device) => {
            let mut of = row.sides.iter().filter(|side| side.device == Some(*device));
            let first = of.next();
            if of.any(|other| first.is_some_and(|first| !is_same(first, other))) {
                return Err("several of its sides are that device's");
            }
            first
        }
        Take::Newest => return newest(row),
    };
    let side = side.ok_or("it has no such side")?;
    may_keep(side)
}

/// Does it not matter which of two is kept? So it is where several devices put one side back.
fn is_same(one: &SideRow, other: &SideRow) -> bool {
    let of = |side: &SideRow| (side.deleted, side.readmits);
    of(one) == of(other) && one.value == other.value && one.then == other.then
}

fn may_keep(side: &SideRow) -> Result<&SideRow, &'static str> {
    if side.readmits {
        return Err("a branch comes back by a command of its own: `kern readmit`");
    }
    Ok(side)
}

fn newest(row: &ConflictRow) -> Result<&SideRow, &'static str> {
    if row.more_sides > 0 || row.sides.iter().any(|side| side.clock_wrong || side.time.is_none()) {
        return Err("it is not known which was written last: a clock was wrong");
    }
    let last = row.sides.iter().max_by_key(|side| side.time);
    let last = last.ok_or("it has no such side")?;
    if row.sides.iter().filter(|side| side.time == last.time).count() > 1 {
        return Err("several were written at the same time");
    }
    may_keep(last)
}

/// The choices of each event that decides some of them: as few events as their bounds allow, each
/// all or none. What stands in no document is decided apart. `SPEC: CFL-15, CNT-3`
#[must_use]
pub fn batches(choices: &[Choice]) -> Vec<Vec<&Choice>> {
    let mut batches: Vec<Vec<&Choice>> = Vec::new();
    let mut documents = BTreeSet::new();
    let kept = choices.iter().filter(|choice| matches!(choice.chosen, Chosen::Keep { .. }));
    let (of_places, of_none): (Vec<_>, Vec<_>) = kept.partition(|choice| choice.kind.has_place());
    let mut goes_on = false;
    for choice in of_places {
        let fits = documents.contains(&choice.document) || documents.len() < EVENT_CHANGES_MAX;
        match batches
            .last_mut()
            .filter(|batch| goes_on && fits && batch.len() < CONFLICTS_DECIDED_MAX)
        {
            Some(batch) => batch.push(choice),
            None => {
                documents.clear();
                batches.push(vec![choice]);
            }
        }
        documents.insert(choice.document);
        goes_on = true;
    }
    batches.extend(of_none.chunks(CONFLICTS_DECIDED_MAX).map(<[_]>::to_vec));
    batches
}
