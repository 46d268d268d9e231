//! The run lengths of a column, added up without expanding a run. (DOC-10, DOC-11.)

use super::fault::ChangeFault;
use super::leb::Reader;
use crate::limits::{CHANGE_PREDS_MAX, OP_NUMBER_MAX};

/// One run of a column: how often, and of what; a null has no value.
pub(crate) type Each<'f> =
    &'f mut dyn FnMut(u64, Option<&mut Reader<'_>>) -> Result<(), ChangeFault>;

/// Walks the runs of a run-length encoded column and returns how many rows they stand for.
///
/// A positive count repeats the value that follows; a negative one is as many values each
/// written; zero is a run of nulls, whose length follows.
pub(crate) fn runs(data: &[u8], nulls: bool, each: Each<'_>) -> Result<u32, ChangeFault> {
    let mut reader = Reader::new(data);
    let mut rows = 0u32;
    while !reader.is_empty() {
        let count = reader.signed()?;
        let length = if count == 0 { reader.unsigned()? } else { count.unsigned_abs() };
        rows = add_rows(rows, length)?;
        if count > 0 {
            each(length, Some(&mut reader))?;
        } else if count < 0 {
            for _ in 0..length {
                each(1, Some(&mut reader))?;
            }
        } else if nulls && length > 0 {
            each(length, None)?;
        } else {
            return Err(ChangeFault::NotCanonical);
        }
    }
    Ok(rows)
}

fn add_rows(rows: u32, more: u64) -> Result<u32, ChangeFault> {
    u32::try_from(more)
        .ok()
        .and_then(|more| rows.checked_add(more))
        .filter(|rows| *rows <= CHANGE_PREDS_MAX)
        .ok_or(ChangeFault::TooManyOps)
}

pub(crate) fn number_column(data: &[u8]) -> Result<u32, ChangeFault> {
    runs(data, true, &mut |_, value| match value {
        Some(value) => value.bounded(OP_NUMBER_MAX, ChangeFault::OpNumber).map(|_| ()),
        None => Ok(()),
    })
}

/// Numbers written as the difference to the one before. Inside a run they rise or fall evenly,
/// so the last of the run decides.
pub(crate) fn delta_column(data: &[u8], nulls: bool) -> Result<u32, ChangeFault> {
    let mut number = 0i64;
    let range = 0..=i64::from(OP_NUMBER_MAX);
    runs(data, nulls, &mut |count, value| {
        let Some(value) = value else { return Ok(()) };
        let step = value.signed()?;
        number = i64::try_from(count)
            .ok()
            .and_then(|count| step.checked_mul(count))
            .and_then(|sum| number.checked_add(sum))
            .filter(|number| range.contains(number))
            .ok_or(ChangeFault::OpNumber)?;
        Ok(())
    })
}

/// Lengths of runs of false and true by turns, beginning with false.
pub(crate) fn boolean_column(data: &[u8]) -> Result<u32, ChangeFault> {
    let mut reader = Reader::new(data);
    let mut rows = 0;
    let mut first = true;
    while !reader.is_empty() {
        let length = reader.unsigned()?;
        if length == 0 && !first {
            return Err(ChangeFault::NotCanonical);
        }
        first = false;
        rows = add_rows(rows, length)?;
    }
    Ok(rows)
}
