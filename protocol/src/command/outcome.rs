//! What a decision about one conflict comes to, before it is made: what the place shows now, what
//! stands there then, and whose is lost by it. Every surface tells it by this.

use serde::Serialize;
use serde_json::Value as Json;

use super::{ConflictRow, SideRow};
use crate::document::DocPath;
use crate::document::conflict::ConflictKind;
use crate::id::ConflictId;

/// What decides a conflict.
#[derive(Debug, Clone, PartialEq)]
pub enum Deciding {
    /// The side of this letter is kept.
    Keep(String),
    /// This value is put there.
    Value(Json),
}

/// What it comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Of which conflict.
    pub id: ConflictId,
    /// Where.
    pub path: DocPath,
    /// How the sides disagree.
    pub kind: ConflictKind,
    /// The letter of the side that is kept; none where a value is put.
    pub keep: Option<String>,
    /// What the place shows now; null where that is nothing.
    pub now: Json,
    /// What stands there then; null where that is nothing.
    pub then: Json,
    /// The sides of which nothing stands there then. Their changes stay in the history, and an undo
    /// of the decision opens the conflict again.
    pub lost: Vec<SideRow>,
    /// How many sides there are beyond those that are listed.
    pub more_sides: usize,
    /// Where others are open below it, which end with it: no undo opens those again.
    pub below: Vec<DocPath>,
    /// How many more.
    pub below_more: usize,
}

/// What one decision comes to; none where the conflict has no such side, or is decided by keeping a
/// side alone. `SPEC: CFL-11, CFL-12, CFL-16`
#[must_use]
pub fn outcome(row: &ConflictRow, deciding: &Deciding) -> Option<Outcome> {
    let (keep, then, deleted) = match deciding {
        Deciding::Keep(letter) => {
            let side = row.sides.iter().find(|side| side.side == *letter)?;
            (Some(letter.clone()), side.then.clone(), side.deleted)
        }
        Deciding::Value(_) if !row.kind.has_place() => return None,
        Deciding::Value(_) if row.kind == ConflictKind::PlansFinal => return None,
        Deciding::Value(value) => (None, value.clone(), false),
    };
    let stands = |side: &&SideRow| side.then == then && side.deleted == deleted;
    let lost = row.sides.iter().filter(|side| !stands(side)).cloned().collect();
    Some(Outcome {
        id: row.id,
        path: row.path.clone(),
        kind: row.kind,
        keep,
        now: row.now.clone(),
        then,
        lost,
        more_sides: row.more_sides,
        below: row.below.clone(),
        below_more: row.below_more,
    })
}

/// What each side comes to that may be kept, by letter.
#[must_use]
pub fn outcomes(row: &ConflictRow) -> Vec<Outcome> {
    let of = |side: &SideRow| outcome(row, &Deciding::Keep(side.side.clone()));
    row.sides.iter().filter_map(of).collect()
}
