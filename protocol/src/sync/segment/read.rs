//! Reading the message of events, strictly: there is one frame for a list of runs, and no byte of
//! it is free (SPEC: SYNC-11, EVT-2).
//!
//! What a frame could have said otherwise is noted while it is read and refused behind it, so that
//! an event that breaks a rule is told as that: heads that are not the shortest; entries of the
//! table that are doubled, not used, or not in the order of their first use; events named by the
//! table, or by the first of two; segments that are cut, or empty; what is as in the event before
//! and said again. That is exactly what writing it again and comparing would find.

use super::{Before, rewrite};
use crate::cbor::{CborFault, Reader};
use crate::event::{BodyRef, Class, EventFault, Header, Part, Run, Signed};
use crate::id::{DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use crate::limits::{BODY_BYTES_MAX, FRAME_BYTES_MAX, FRAME_EVENTS_MAX, PARENTS_MAX};
use crate::sync::message::SyncFault;
use crate::time::Stamp;

/// Reads the message behind its number, rebuilds every event of `workspace` in it, and checks the
/// signatures that are there. `frame` is all of it.
pub(in crate::sync) fn read(
    from: &mut Reader<'_>,
    frame: &[u8],
    workspace: &WorkspaceId,
) -> Result<Vec<Run>, SyncFault> {
    let (mut runs, mut run) = (Vec::new(), Vec::new());
    // No byte of it is free: before any signature is looked at.
    for event in strictly(from, frame, workspace)? {
        let is_last = event.signature().is_some();
        run.push(event);
        if is_last {
            runs.push(Run::verify(std::mem::take(&mut run))?);
        }
    }
    if run.is_empty() { Ok(runs) } else { Err(EventFault::Unsigned.into()) }
}

/// What stands before the table.
#[cfg(test)]
pub(super) fn begin(frame: &[u8]) -> Result<Reader<'_>, SyncFault> {
    let mut from = Reader::new(frame);
    from.array_of(3)?;
    if from.uint()? == super::NUMBER { Ok(from) } else { Err(SyncFault::Decode) }
}

fn strictly(
    from: &mut Reader<'_>,
    frame: &[u8],
    workspace: &WorkspaceId,
) -> Result<Vec<Signed>, SyncFault> {
    let (events, is_only) = rebuild(from, workspace)?;
    debug_assert_eq!(is_only, rewrite(&events) == frame, "one frame for these events");
    if is_only { Ok(events) } else { Err(SyncFault::Decode) }
}

/// Rebuilds the events. Is it their one frame?
pub(super) fn rebuild(
    from: &mut Reader<'_>,
    workspace: &WorkspaceId,
) -> Result<(Vec<Signed>, bool), SyncFault> {
    let (others, rest) = from.bytes(FRAME_BYTES_MAX)?.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(SyncFault::Decode);
    }
    let mut table = Table::of(others);
    for _ in 0..from.array(FRAME_EVENTS_MAX)? {
        read_segment(from, workspace, &mut table)?;
    }
    from.end()?;
    let is_only = from.is_shortest() && table.is_only && table.used == others.len();
    Ok((table.events, is_only))
}

/// Names as a frame gives them.
struct Table<'a> {
    others: &'a [[u8; 32]],
    /// The entries in the order of their bytes, and which of them are events of the frame so far.
    sorted: Vec<(usize, bool)>,
    /// How many entries were named: the first ones, if it is as it must be.
    used: usize,
    events: Vec<Signed>,
    /// Is there no other way to say what was said so far?
    is_only: bool,
}

impl<'a> Table<'a> {
    fn of(others: &'a [[u8; 32]]) -> Self {
        let mut sorted: Vec<_> = (0..others.len()).map(|place| (place, false)).collect();
        sorted.sort_unstable_by_key(|(place, _)| others.get(*place));
        let is_same = |pair: &[(usize, bool)]| others.get(pair[0].0) == others.get(pair[1].0);
        let is_only = !sorted.windows(2).any(is_same);
        Self { others, sorted, used: 0, events: Vec::new(), is_only }
    }

    /// Where an entry of these bytes stands in `sorted`, if there is one.
    fn find(&self, name: &[u8; 32]) -> Option<usize> {
        self.sorted.binary_search_by_key(&Some(name), |(place, _)| self.others.get(*place)).ok()
    }

    /// What must hold, or there is another way to say it.
    fn must(&mut self, holds: bool) {
        self.is_only &= holds;
    }

    fn name(&mut self, number: u64) -> Result<[u8; 32], CborFault> {
        let place = usize::try_from(number / 2).map_err(|_| CborFault::Malformed)?;
        if number.is_multiple_of(2) {
            let name = *self.others.get(place).ok_or(CborFault::Malformed)?;
            self.must(place <= self.used);
            self.used = self.used.max(place.saturating_add(1));
            return Ok(name);
        }
        let back = self.events.iter().rev();
        let id = back.clone().nth(place).ok_or(CborFault::Malformed)?.id();
        // The last of it, if there are two.
        let is_last = back.take(place).all(|event| event.id() != id);
        self.must(is_last);
        Ok(id.0)
    }

    /// A name that is no event's, and be it one's bytes.
    fn other(&mut self, from: &mut Reader<'_>) -> Result<[u8; 32], CborFault> {
        let number = from.uint()?;
        self.must(number.is_multiple_of(2));
        self.name(number)
    }

    fn event(&mut self, from: &mut Reader<'_>) -> Result<EventId, CborFault> {
        let number = from.uint()?;
        let name = self.name(number)?;
        if number.is_multiple_of(2) {
            let found = self.find(&name).and_then(|at| self.sorted.get(at));
            let is_other = found.is_some_and(|(_, is_event)| !is_event);
            self.must(is_other);
        }
        Ok(EventId(name))
    }

    fn list(&mut self, from: &mut Reader<'_>) -> Result<Vec<EventId>, CborFault> {
        // A little above the limit, so that "too many parents" is told apart from "no message".
        let count = from.array(PARENTS_MAX * 2)?;
        (0..count).map(|_| self.event(from)).collect()
    }

    fn push(&mut self, event: Signed) {
        if let Some(at) = self.find(&event.id().0)
            && let Some((_, is_event)) = self.sorted.get_mut(at)
        {
            *is_event = true;
        }
        self.events.push(event);
    }
}

/// What a segment says of all its events.
struct Segment {
    workspace: WorkspaceId,
    lane: Lane,
    author: DeviceId,
    incarnation: Incarnation,
}

fn read_segment(
    from: &mut Reader<'_>,
    workspace: &WorkspaceId,
    table: &mut Table<'_>,
) -> Result<(), SyncFault> {
    from.array_of(6)?;
    let lane = match from.uint()? {
        0 => Lane::Control,
        1 => Lane::Content,
        _ => return Err(SyncFault::Decode),
    };
    let author = DeviceId(table.other(from)?);
    let incarnation = Incarnation(from.fixed()?);
    let segment = Segment { workspace: *workspace, lane, author, incarnation };
    let mut seq = from.uint()?;
    let mut prev = if from.is_null()? { None } else { Some(table.event(from)?) };
    let count = from.array(FRAME_EVENTS_MAX)?;
    table.must(count > 0);
    for index in 0..count {
        if table.events.len() >= FRAME_EVENTS_MAX {
            return Err(SyncFault::Decode);
        }
        let event = read_event(from, &segment, (seq, prev), index == 0, table)?;
        prev = Some(event.id());
        seq = seq.wrapping_add(1);
        table.push(event);
    }
    Ok(())
}

fn read_event(
    from: &mut Reader<'_>,
    segment: &Segment,
    (seq, prev): (u64, Option<EventId>),
    is_first: bool,
    table: &mut Table<'_>,
) -> Result<Signed, SyncFault> {
    from.array_of(6)?;
    let last = if is_first { None } else { table.events.last().map(Signed::header) };
    let Before { heard, seal, stamp } = Before::of(last);
    let (heard, stamp) = (heard.to_vec(), Stamp(stamp.wrapping_add(from.uint()?)));
    let parents = table.list(from)?;
    let heard = if from.is_null()? {
        heard
    } else {
        let said = table.list(from)?;
        table.must(said != heard);
        said
    };
    let (class, epoch) = read_seal(from, table, seal)?;
    let is_genesis = segment.lane == Lane::Control && prev.is_none() && parents.is_empty();
    let header = Header {
        workspace: if is_genesis { WorkspaceId::UNBORN } else { segment.workspace },
        lane: segment.lane,
        author: segment.author,
        incarnation: segment.incarnation,
        seq,
        prev,
        parents,
        heard,
        stamp,
        class,
        epoch,
        body: None,
    };
    // A segment is as long as it can be, and no longer.
    let last = table.events.last();
    let goes_on = last.is_some_and(|last| header.follows(&last.id(), last.header()));
    table.must(goes_on != is_first);
    let body = read_body(from, class)?;
    let signature = if from.is_null()? { None } else { Some(from.fixed()?) };
    Ok(Signed::rebuild(header, signature, body)?)
}

/// Class and epoch: as before, plain, or both.
fn read_seal(
    from: &mut Reader<'_>,
    table: &mut Table<'_>,
    before: (Class, Option<EventId>),
) -> Result<(Class, Option<EventId>), CborFault> {
    if from.is_null()? {
        return Ok(before);
    }
    let said = if from.is_array()? {
        from.array_of(2)?;
        let class = match from.uint()? {
            1 => Class::Sealed,
            2 => Class::Shreddable,
            _ => return Err(CborFault::Malformed),
        };
        (class, Some(table.event(from)?))
    } else if from.uint()? == 0 {
        (Class::Plain, None)
    } else {
        return Err(CborFault::Malformed);
    };
    table.must(said != before);
    Ok(said)
}

fn read_body<'a>(from: &mut Reader<'a>, class: Class) -> Result<Part<'a>, CborFault> {
    if from.is_null()? {
        return Ok(Part::None);
    }
    if from.is_array()? {
        from.array_of(2)?;
        return Ok(Part::Absent(BodyRef { hash: from.fixed()?, len: from.uint()? }));
    }
    Ok(Part::Here(from.bytes(class.salt_bytes() + BODY_BYTES_MAX)?))
}
