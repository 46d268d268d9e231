//! How the parts of control bodies look that several kinds share.

use crate::cbor::{CborFault, Reader, Writer};
use crate::control::ControlFault;
use crate::id::{DeviceId, EventId, SealingKey};
use crate::key::SealingStatement;
use crate::limits::{CUTS_MAX, READMITTED_AUTHORS_MAX};

/// A list that is a set: sorted, nothing twice.
pub(super) fn sorted<T: Ord>(items: &[T]) -> Result<(), ControlFault> {
    if items.windows(2).all(|pair| pair[0] < pair[1]) {
        Ok(())
    } else {
        Err(ControlFault::Unsorted)
    }
}

pub(super) fn write_statement(to: &mut Writer, statement: &SealingStatement) {
    to.bytes(&statement.key.0).bytes(&statement.signature);
}

pub(super) fn read_statement(from: &mut Reader<'_>) -> Result<SealingStatement, CborFault> {
    Ok(SealingStatement { key: SealingKey(from.fixed()?), signature: from.fixed()? })
}

/// Content events by id: a cut, or what comes back.
pub(super) fn write_cut(to: &mut Writer, cut: &[EventId]) {
    to.array(cut.len());
    for id in cut {
        to.bytes(&id.0);
    }
}

pub(super) fn read_cut(from: &mut Reader<'_>) -> Result<Vec<EventId>, CborFault> {
    let cuts = from.array(CUTS_MAX)?;
    (0..cuts).map(|_| Ok(EventId(from.fixed()?))).collect()
}

/// Whose content a readmission or a strike is about.
pub(super) fn write_authors(to: &mut Writer, authors: &[DeviceId]) {
    to.array(authors.len());
    for author in authors {
        to.bytes(&author.0);
    }
}

pub(super) fn read_authors(from: &mut Reader<'_>) -> Result<Vec<DeviceId>, CborFault> {
    let authors = from.array(READMITTED_AUTHORS_MAX)?;
    (0..authors).map(|_| Ok(DeviceId(from.fixed()?))).collect()
}
