//! The columns of a change, walked without expanding a run.
//!
//! It keeps DOC-9 to DOC-11: only the columns a change has, ascending, none compressed; every
//! column as long as there are operations; numbers, actors and lengths in range. What passes
//! cannot make Automerge's own decoder panic or allocate more than the input times a constant.

use super::fault::ChangeFault;
use super::leb::Reader;
use super::runs::{boolean_column, delta_column, number_column, runs};
use crate::limits::{CHANGE_KEY_BYTES_MAX, CHANGE_OPS_MAX, CHANGE_PREDS_MAX};

/// What the columns add up to.
pub(crate) struct Tally {
    pub(crate) ops: u32,
}

pub(crate) const OBJECT_ACTOR: u64 = 0x01;
pub(crate) const OBJECT_NUMBER: u64 = 0x02;
const KEY_ACTOR: u64 = 0x11;
const KEY_NUMBER: u64 = 0x13;
pub(crate) const KEY_STRING: u64 = 0x15;
pub(crate) const INSERT: u64 = 0x34;
pub(crate) const ACTION: u64 = 0x42;
pub(crate) const VALUE_KIND: u64 = 0x56;
pub(crate) const VALUE: u64 = 0x57;
pub(crate) const PREDS: u64 = 0x70;
pub(crate) const PRED_ACTOR: u64 = 0x71;
pub(crate) const PRED_NUMBER: u64 = 0x73;
const EXPAND: u64 = 0x94;
const MARK_NAME: u64 = 0xa5;

/// All columns of a change, ascending.
const COLUMNS: [u64; 14] = [
    OBJECT_ACTOR,
    OBJECT_NUMBER,
    KEY_ACTOR,
    KEY_NUMBER,
    KEY_STRING,
    INSERT,
    ACTION,
    VALUE_KIND,
    VALUE,
    PREDS,
    PRED_ACTOR,
    PRED_NUMBER,
    EXPAND,
    MARK_NAME,
];
const COMPRESSED_BIT: u64 = 0x08;
/// The greatest action: 7 is a mark. 6, a table, is refused: Automerge 0.12 panics on applying an
/// operation to one.
const ACTION_MAX: u64 = 7;
const ACTION_TABLE: u64 = 6;

/// Walks the column heads and their data; `actors` is how many actors there are to name.
pub(crate) fn walk(contents: &mut Reader<'_>, actors: u32) -> Result<Tally, ChangeFault> {
    let heads = heads(contents)?;
    let mut walk = Walk { actors: u64::from(actors), ..Walk::default() };
    for (column, length) in heads.into_iter().flatten() {
        let length = usize::try_from(length).map_err(|_| ChangeFault::Truncated)?;
        walk.column(column, contents.take(length)?)?;
    }
    walk.finish()
}

type Heads = [Option<(u64, u64)>; COLUMNS.len()];

/// Which columns there are and how long their data is. SPEC: DOC-9
fn heads(contents: &mut Reader<'_>) -> Result<Heads, ChangeFault> {
    let count = contents.unsigned()?;
    let mut heads = Heads::default();
    let mut before = None;
    for index in 0..count {
        let column = contents.unsigned()?;
        if column & COMPRESSED_BIT != 0 {
            return Err(ChangeFault::CompressedColumn);
        }
        if before.is_some_and(|before| before >= column) {
            return Err(ChangeFault::ColumnsUnsorted);
        }
        before = Some(column);
        if !COLUMNS.contains(&column) {
            return Err(ChangeFault::UnknownColumn);
        }
        let length = contents.unsigned()?;
        // An empty column is left out.
        if length == 0 {
            return Err(ChangeFault::NotCanonical);
        }
        // Known and strictly ascending, so there cannot be more than there are places.
        let index = usize::try_from(index).map_err(|_| ChangeFault::UnknownColumn)?;
        *heads.get_mut(index).ok_or(ChangeFault::UnknownColumn)? = Some((column, length));
    }
    Ok(heads)
}

/// Sums that the columns share.
#[derive(Default)]
struct Walk {
    actors: u64,
    /// How many rows each column holds; a column that is left out holds none.
    rows: [u32; COLUMNS.len()],
    value_bytes: u64,
    value_bytes_named: u64,
    key_bytes: u64,
    preds: u64,
}

impl Walk {
    fn column(&mut self, column: u64, data: &[u8]) -> Result<(), ChangeFault> {
        let rows = match column {
            OBJECT_ACTOR | KEY_ACTOR | PRED_ACTOR => self.actor_column(column, data)?,
            OBJECT_NUMBER => number_column(data)?,
            KEY_NUMBER | PRED_NUMBER => delta_column(data, column != PRED_NUMBER)?,
            KEY_STRING | MARK_NAME => self.string_column(data)?,
            INSERT | EXPAND => boolean_column(data)?,
            ACTION => action_column(data)?,
            VALUE_KIND => self.value_kind_column(data)?,
            PREDS => self.pred_count_column(data)?,
            _ => {
                self.value_bytes = data.len() as u64;
                0
            }
        };
        if let Some(at) = COLUMNS.iter().position(|known| *known == column) {
            self.rows[at] = rows;
        }
        Ok(())
    }

    fn rows(&self, column: u64) -> u32 {
        COLUMNS.iter().position(|known| *known == column).map_or(0, |at| self.rows[at])
    }

    /// SPEC: DOC-10
    fn finish(self) -> Result<Tally, ChangeFault> {
        let ops = self.rows(ACTION);
        if ops > CHANGE_OPS_MAX || self.preds > u64::from(CHANGE_PREDS_MAX) {
            return Err(ChangeFault::TooManyOps);
        }
        let always = [INSERT, VALUE_KIND, PREDS];
        // Left out when all rows are null or false.
        let sometimes =
            [OBJECT_ACTOR, OBJECT_NUMBER, KEY_ACTOR, KEY_NUMBER, KEY_STRING, EXPAND, MARK_NAME];
        let whole = always.iter().all(|column| self.rows(*column) == ops)
            && sometimes
                .iter()
                .all(|column| matches!(self.rows(*column), 0) || self.rows(*column) == ops)
            && [PRED_ACTOR, PRED_NUMBER]
                .iter()
                .all(|column| u64::from(self.rows(*column)) == self.preds)
            && self.value_bytes == self.value_bytes_named;
        if whole { Ok(Tally { ops }) } else { Err(ChangeFault::NotCanonical) }
    }

    fn actor_column(&self, column: u64, data: &[u8]) -> Result<u32, ChangeFault> {
        let actors = self.actors;
        let nulls = column != PRED_ACTOR;
        runs(data, nulls, &mut |_, value| {
            let Some(value) = value else { return Ok(()) };
            if value.unsigned()? < actors { Ok(()) } else { Err(ChangeFault::UnknownActor) }
        })
    }

    fn string_column(&mut self, data: &[u8]) -> Result<u32, ChangeFault> {
        let bytes = &mut self.key_bytes;
        runs(data, true, &mut |count, value| {
            let Some(value) = value else { return Ok(()) };
            let length = value.unsigned()?;
            let length_here = usize::try_from(length).map_err(|_| ChangeFault::Truncated)?;
            let text = value.take(length_here)?;
            // Automerge copies the string for every operation of the run.
            *bytes = bytes.saturating_add(length.saturating_mul(count));
            if *bytes > CHANGE_KEY_BYTES_MAX {
                return Err(ChangeFault::TooManyKeyBytes);
            }
            match std::str::from_utf8(text) {
                Ok(_) => Ok(()),
                Err(_) => Err(ChangeFault::NotCanonical),
            }
        })
    }

    fn value_kind_column(&mut self, data: &[u8]) -> Result<u32, ChangeFault> {
        let bytes = &mut self.value_bytes_named;
        runs(data, false, &mut |count, value| {
            let Some(value) = value else { return Ok(()) };
            let kind = value.unsigned()?;
            let length = kind >> 4;
            let known = match kind & 0x0f {
                0..=2 => length == 0,
                3 | 4 | 8 | 9 => (1..=10).contains(&length),
                5 => length == 8,
                6 | 7 => true,
                _ => false,
            };
            *bytes = bytes.saturating_add(length.saturating_mul(count));
            if known { Ok(()) } else { Err(ChangeFault::UnknownValue) }
        })
    }

    fn pred_count_column(&mut self, data: &[u8]) -> Result<u32, ChangeFault> {
        let preds = &mut self.preds;
        runs(data, false, &mut |count, value| {
            let Some(value) = value else { return Ok(()) };
            *preds = preds.saturating_add(value.unsigned()?.saturating_mul(count));
            Ok(())
        })
    }
}

fn action_column(data: &[u8]) -> Result<u32, ChangeFault> {
    runs(data, false, &mut |_, value| {
        let Some(value) = value else { return Ok(()) };
        let action = value.unsigned()?;
        let known = action <= ACTION_MAX && action != ACTION_TABLE;
        if known { Ok(()) } else { Err(ChangeFault::UnknownAction) }
    })
}
