//! Rows of a store that hold a run: consecutive events of one chain as the message of events has
//! them, behind their workspace and the id of the last, which names them all (SPEC: DUR-20,
//! SYNC-11).
//!
//! Of an envelope most can be made again from what stands beside it. What may be shredded stands
//! alone: a row of it is overwritten whole.

use crate::cbor::Writer;
use crate::event::{Class, Header, Signed, Verified};
use crate::id::{EventId, Lane, WorkspaceId};
use crate::limits::{FRAME_EVENTS_MAX, PACKED_BYTES_MAX, PACKED_EVENTS_MIN};
use crate::sync::{SyncFault, segment};

/// Most bytes of an event in a row beside its body, what it names and its signature: stamp, heads.
const EVENT_HEADS: usize = 32;

/// Most bytes of a row beside its events and what they name.
const ROW_HEADS: usize = 160;

/// Most bytes of a name, there and in the table.
const NAME_BYTES: usize = 32 + 3;

/// How many of these events, from the first on, go into one row: none, where those that may are too
/// few. The last of them carries its signature, so that a row proves itself. Where more would
/// follow, a row ends with a block, so that what one signature may prove is not cut.
/// `SPEC: DUR-20`
pub fn fitting<'a>(events: impl IntoIterator<Item = &'a Verified>) -> usize {
    let (mut fitting, mut blocks, mut bytes) = (0, 0, ROW_HEADS);
    let (mut before, mut goes_on): (Option<&Verified>, _) = (None, None);
    let mut events = events.into_iter().fuse();
    for (count, event) in (1..=FRAME_EVENTS_MAX).zip(events.by_ref()) {
        let follows =
            before.is_none_or(|before| event.header().follows(&before.id(), before.header()));
        if !follows || !may_be_packed(event) {
            goes_on = Some(false);
            break;
        }
        bytes = bytes.saturating_add(most_bytes(event, before.map(Verified::header)));
        if bytes > PACKED_BYTES_MAX {
            goes_on = Some(true);
            break;
        }
        if event.is_signed() {
            fitting = count;
            if !event.header().may_be_inside() {
                blocks = count;
            }
        }
        before = Some(event);
    }
    let goes_on = goes_on.unwrap_or_else(|| events.next().is_some());
    if goes_on && blocks >= PACKED_EVENTS_MIN {
        fitting = blocks;
    }
    if fitting < PACKED_EVENTS_MIN { 0 } else { fitting }
}

fn may_be_packed(event: &Verified) -> bool {
    let header = event.header();
    header.lane == Lane::Content
        && header.class != Class::Shreddable
        && header.body.is_some() == event.body().is_some()
}

fn most_bytes(event: &Verified, before: Option<&Header>) -> usize {
    let header = event.header();
    let heard = match before {
        Some(before) if before.heard == header.heard => 0,
        _ => header.heard.len(),
    };
    let names = header.parents.len().saturating_add(heard).saturating_add(1);
    let signature = if event.is_signed() { 64 + 2 } else { 1 };
    let body = event.body().map_or(0, <[u8]>::len);
    EVENT_HEADS + signature + body + names.saturating_mul(NAME_BYTES)
}

/// The row of these events, which [`fitting`] gave.
#[must_use]
pub fn pack(events: &[&Verified]) -> Vec<u8> {
    let workspace = events.first().map_or(WorkspaceId::UNBORN, |event| event.workspace());
    let last = events.last().map_or(EventId([0; 32]), |event| event.id());
    let signed: Vec<_> = events.iter().map(|event| event.signed()).collect();
    let mut message = Writer::default();
    segment::write_events(&signed, &mut message);
    [&workspace.0[..], &last.0, &message.finish()].concat()
}

/// The events of a row of our own store whose check was compared. `SPEC: DUR-19, DUR-20`
pub fn unpack(row: &[u8]) -> Result<Vec<Verified>, SyncFault> {
    let (workspace, last, message) = parts(row)?;
    let events = segment::kept(message, &workspace)?;
    let is_it = events.last().is_some_and(|event| event.id() == last);
    if is_it { Ok(events) } else { Err(SyncFault::Decode) }
}

/// The events of a row of a file that nobody vouches for, each still to be proven; none where it is
/// no row of this workspace.
pub(crate) fn unproven(row: &[u8], workspace: &WorkspaceId) -> Option<Vec<Signed>> {
    let (_, _, message) = parts(row).ok().filter(|(of, ..)| of == workspace)?;
    segment::signed(message, workspace).ok()
}

/// Has a row this form? One of an envelope begins otherwise, whatever it holds.
#[must_use]
pub fn is_packed(row: &[u8], workspace: &WorkspaceId) -> bool {
    row.starts_with(&workspace.0)
}

/// A row's workspace, the last of its events, and the message of them.
fn parts(row: &[u8]) -> Result<(WorkspaceId, EventId, &[u8]), SyncFault> {
    let (workspace, rest) = row.split_first_chunk().ok_or(SyncFault::Decode)?;
    let (last, message) = rest.split_first_chunk().ok_or(SyncFault::Decode)?;
    Ok((WorkspaceId(*workspace), EventId(*last), message))
}
