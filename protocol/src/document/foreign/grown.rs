//! What a file would grow to, counted before Automerge sees a byte of it.
//!
//! A few bytes stand for any number of operations, and deflated ones for a thousand times as many:
//! Automerge makes them all. This walks the same columns and adds their runs up without expanding
//! one. What it cannot walk is no file as Automerge writes it. `SPEC: PRJ-8, PRJ-14`

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

use super::ForeignFault;
use crate::document::validate::{ChangeFault, Reader};
use crate::limits::{FOREIGN_CHANGE_OPS, Room};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED: u8 = 2;

/// The bit of a column that says that it is deflated, and the bits that say what is in it.
const DEFLATED: u64 = 0x08;
const KIND: u64 = 0x07;
const GROUP: u64 = 0;
const DELTA: u64 = 3;
const BOOLEAN: u64 = 4;
const STRING: u64 = 5;
const RAW: u64 = 7;

impl From<ChangeFault> for ForeignFault {
    fn from(fault: ChangeFault) -> Self {
        Self::Unreadable(fault.to_string())
    }
}

/// Counts what the chunks of a file stand for. The room that they leave is not given back.
pub(super) fn weigh(bytes: &[u8], room: Room) -> Result<(), ForeignFault> {
    // Automerge takes it for a document without changes: a copy that failed is no such one.
    if bytes.is_empty() {
        return Err(ForeignFault::Unreadable("it is empty".to_owned()));
    }
    let mut scale = Scale { room };
    let mut file = Reader::new(bytes);
    while !file.is_empty() {
        if file.array::<4>()? != MAGIC {
            return Err(ChangeFault::BadMagic.into());
        }
        file.array::<4>()?;
        let kind = file.byte()?;
        let contents = sized(&mut file)?;
        match kind {
            DOCUMENT => scale.document(Reader::new(contents))?,
            CHANGE => scale.change(Reader::new(contents))?,
            COMPRESSED => {
                let contents = scale.inflate(contents)?;
                scale.change(Reader::new(&contents))?;
            }
            _ => return Err(ForeignFault::Unreadable(format!("a chunk of kind {kind}"))),
        }
    }
    Ok(())
}

/// Bytes with their length before them.
fn sized<'a>(from: &mut Reader<'a>) -> Result<&'a [u8], ForeignFault> {
    let length = from.unsigned()?;
    take(from, length)
}

fn take<'a>(from: &mut Reader<'a>, length: u64) -> Result<&'a [u8], ForeignFault> {
    let length = usize::try_from(length).map_err(|_| ChangeFault::Truncated)?;
    Ok(from.take(length)?)
}

struct Scale {
    room: Room,
}

impl Scale {
    fn document(&mut self, mut from: Reader<'_>) -> Result<(), ForeignFault> {
        let actors = from.unsigned()?;
        for _ in 0..actors {
            sized(&mut from)?;
        }
        let heads = from.unsigned()?;
        take(&mut from, heads.saturating_mul(32))?;
        let changes = heads_of(&mut from)?;
        let ops = heads_of(&mut from)?;
        let changes = self.columns(&changes, &mut from)?;
        self.ops(changes.saturating_mul(FOREIGN_CHANGE_OPS))?;
        self.columns(&ops, &mut from)?;
        Ok(())
    }

    fn change(&mut self, mut from: Reader<'_>) -> Result<(), ForeignFault> {
        let deps = from.unsigned()?;
        take(&mut from, deps.saturating_mul(32))?;
        sized(&mut from)?;
        // The number of the change, that of its first operation, and its time.
        from.unsigned()?;
        from.unsigned()?;
        from.signed()?;
        sized(&mut from)?;
        let actors = from.unsigned()?;
        for _ in 0..actors {
            sized(&mut from)?;
        }
        let ops = heads_of(&mut from)?;
        self.ops(FOREIGN_CHANGE_OPS)?;
        self.columns(&ops, &mut from)?;
        Ok(())
    }

    /// Walks the data of columns, and returns how many rows the longest has.
    fn columns(
        &mut self,
        heads: &[(u64, u64)],
        from: &mut Reader<'_>,
    ) -> Result<u64, ForeignFault> {
        let mut most = 0;
        for (column, length) in heads {
            let data = take(from, *length)?;
            let rows = if column & DEFLATED == 0 {
                self.column(column & KIND, data)?
            } else {
                let data = self.inflate(data)?;
                self.column(column & KIND, &data)?
            };
            most = rows.max(most);
        }
        self.ops(most)?;
        Ok(most)
    }

    /// How many rows a column has. What its rows say that others have counts for as many.
    fn column(&mut self, kind: u64, data: &[u8]) -> Result<u64, ForeignFault> {
        let mut from = Reader::new(data);
        let mut rows = 0_u64;
        while kind != RAW && !from.is_empty() {
            if kind == BOOLEAN {
                rows = rows.saturating_add(from.unsigned()?);
                continue;
            }
            let count = from.signed()?;
            let length = if count == 0 { from.unsigned()? } else { count.unsigned_abs() };
            rows = rows.saturating_add(length);
            if rows > self.room.ops {
                return Err(ForeignFault::TooLarge);
            }
            // A run, so many values, or nulls.
            let values = if count < 0 { length } else { u64::from(count > 0) };
            let each = if count > 0 { length } else { 1 };
            for _ in 0..values {
                match kind {
                    DELTA => _ = from.signed()?,
                    STRING => self.text(sized(&mut from)?, each)?,
                    GROUP => self.ops(from.unsigned()?.saturating_mul(each))?,
                    _ => _ = from.unsigned()?,
                }
            }
        }
        Ok(rows)
    }

    fn ops(&mut self, more: u64) -> Result<(), ForeignFault> {
        self.room.ops = self.room.ops.checked_sub(more).ok_or(ForeignFault::TooLarge)?;
        Ok(())
    }

    /// A text stands there so often: Automerge copies it for each.
    fn text(&mut self, text: &[u8], each: u64) -> Result<(), ForeignFault> {
        let more = usize::try_from(each.saturating_sub(1)).unwrap_or(usize::MAX);
        let more = text.len().saturating_mul(more);
        let left = self.room.inflated.checked_sub(more);
        self.room.inflated = left.ok_or(ForeignFault::TooLarge)?;
        Ok(())
    }

    fn inflate(&mut self, data: &[u8]) -> Result<Vec<u8>, ForeignFault> {
        let inflated = decompress_to_vec_with_limit(data, self.room.inflated);
        let inflated = inflated.map_err(|error| match error.status {
            TINFLStatus::HasMoreOutput => ForeignFault::TooLarge,
            _ => ForeignFault::Unreadable("a deflated part does not inflate".to_owned()),
        })?;
        self.room.inflated = self.room.inflated.saturating_sub(inflated.len());
        Ok(inflated)
    }
}

/// Which columns there are, and how long the data of each is.
fn heads_of(from: &mut Reader<'_>) -> Result<Vec<(u64, u64)>, ForeignFault> {
    let count = from.unsigned()?;
    let mut heads = Vec::new();
    for _ in 0..count {
        heads.push((from.unsigned()?, from.unsigned()?));
    }
    Ok(heads)
}
