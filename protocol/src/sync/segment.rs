//! The message of events: segments, without what their receiver finds out itself (SPEC: SYNC-11).
//!
//! A segment is consecutive events of one chain. Of a header travels what does not follow from the
//! workspace, the segment and the event before; ids stand once, in the frame's table, and those of
//! events of the frame not at all. The receiver rebuilds each header and hashes it, so a wrong
//! guess of its bytes is no event that anybody signed. What was read is written again and
//! compared: there is one frame for a list of runs.

use std::collections::BTreeMap;

use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{BodyRef, Class, EventFault, Header, Part, Run, Signed, Verified};
use crate::id::{DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use crate::limits::{BODY_BYTES_MAX, FRAME_BYTES_MAX, FRAME_EVENTS_MAX, PARENTS_MAX};
use crate::sync::message::SyncFault;
use crate::time::Stamp;

/// The number of the message.
pub(super) const NUMBER: u64 = 3;

/// What of the event before, in its segment, the next one may leave out.
#[derive(Clone, PartialEq, Eq)]
struct Before {
    heard: Vec<EventId>,
    class: Class,
    epoch: Option<EventId>,
    stamp: u64,
}

impl Before {
    /// Before the first event of a segment.
    fn none() -> Self {
        Self { heard: Vec::new(), class: Class::Plain, epoch: None, stamp: 0 }
    }

    fn of(header: &Header) -> Self {
        let (class, epoch, stamp) = (header.class, header.epoch, header.stamp.0);
        Self { heard: header.heard.clone(), class, epoch, stamp }
    }
}

/// Names of 32 bytes: those of events by how far back they stand in the frame, others by their
/// place in a table.
#[derive(Default)]
struct Names {
    table: Vec<u8>,
    places: BTreeMap<[u8; 32], u64>,
    events: BTreeMap<EventId, u64>,
    /// Events so far.
    count: u64,
}

impl Names {
    fn event(&mut self, id: &EventId) -> u64 {
        match self.events.get(id) {
            Some(at) => 2 * (self.count - at - 1) + 1,
            None => self.other(&id.0),
        }
    }

    fn other(&mut self, name: &[u8; 32]) -> u64 {
        let next = self.places.len() as u64;
        let place = *self.places.entry(*name).or_insert_with(|| {
            self.table.extend_from_slice(name);
            next
        });
        2 * place
    }

    fn list(&mut self, ids: &[EventId], to: &mut Writer) {
        to.array(ids.len());
        for id in ids {
            let name = self.event(id);
            to.uint(name);
        }
    }
}

/// Cuts events into segments.
fn segments<'a>(events: &[&'a Signed]) -> Vec<Vec<&'a Signed>> {
    let mut segments: Vec<Vec<&Signed>> = Vec::new();
    for event in events {
        match segments.last_mut() {
            Some(segment)
                if segment
                    .last()
                    .is_some_and(|last| event.header().follows(&last.id(), last.header())) =>
            {
                segment.push(event);
            }
            _ => segments.push(vec![event]),
        }
    }
    segments
}

/// Writes the message: number, table, segments.
pub(super) fn write(runs: &[Run], to: &mut Writer) {
    let events = runs.iter().flat_map(Run::events).map(Verified::signed);
    write_events(&events.collect::<Vec<_>>(), to);
}

fn write_events(events: &[&Signed], to: &mut Writer) {
    let mut names = Names::default();
    let mut body = Writer::default();
    let segments = segments(events);
    body.array(segments.len());
    for segment in segments {
        write_segment(&segment, &mut names, &mut body);
    }
    to.array(3).uint(NUMBER).bytes(&names.table).raw(&body.finish());
}

fn write_segment(segment: &[&Signed], names: &mut Names, to: &mut Writer) {
    let Some(first) = segment.first().map(|event| event.header()) else { return };
    to.array(6).uint(first.lane as u64).uint(names.other(&first.author.0));
    to.bytes(&first.incarnation.0).uint(first.seq);
    match &first.prev {
        Some(prev) => to.uint(names.event(prev)),
        None => to.null(),
    };
    to.array(segment.len());
    let mut before = Before::none();
    for event in segment {
        write_event(event, &before, names, to);
        before = Before::of(event.header());
        names.events.insert(event.id(), names.count);
        names.count += 1;
    }
}

fn write_event(event: &Signed, before: &Before, names: &mut Names, to: &mut Writer) {
    let header = event.header();
    to.array(6).uint(header.stamp.0.wrapping_sub(before.stamp));
    names.list(&header.parents, to);
    if header.heard == before.heard {
        to.null();
    } else {
        names.list(&header.heard, to);
    }
    match &header.epoch {
        epoch if *epoch == before.epoch && header.class == before.class => to.null(),
        None => to.uint(header.class as u64),
        Some(epoch) => {
            let epoch = names.event(epoch);
            to.array(2).uint(header.class as u64).uint(epoch)
        }
    };
    match (event.body(), &header.body) {
        (Some(body), _) => to.bytes(body),
        (None, Some(named)) => to.array(2).bytes(&named.hash).uint(named.len),
        (None, None) => to.null(),
    };
    to.bytes_or_null(event.signature().map(<[u8; 64]>::as_slice));
}

/// Names as a frame gives them.
struct Table<'a> {
    others: &'a [[u8; 32]],
    events: Vec<EventId>,
}

impl Table<'_> {
    fn name(&self, number: u64) -> Result<[u8; 32], CborFault> {
        let place = usize::try_from(number / 2).map_err(|_| CborFault::Malformed)?;
        let name = if number.is_multiple_of(2) {
            self.others.get(place).copied()
        } else {
            self.events.iter().rev().nth(place).map(|id| id.0)
        };
        name.ok_or(CborFault::Malformed)
    }

    fn event(&self, from: &mut Reader<'_>) -> Result<EventId, CborFault> {
        Ok(EventId(self.name(from.uint()?)?))
    }

    fn list(&self, from: &mut Reader<'_>) -> Result<Vec<EventId>, CborFault> {
        // A little above the limit, so that "too many parents" is told apart from "no message".
        let count = from.array(PARENTS_MAX * 2)?;
        (0..count).map(|_| self.event(from)).collect()
    }
}

/// Reads the message behind its number, rebuilds every event of `workspace` in it, and checks the
/// signatures that are there. `frame` is all of it.
pub(super) fn read(
    from: &mut Reader<'_>,
    frame: &[u8],
    workspace: &WorkspaceId,
) -> Result<Vec<Run>, SyncFault> {
    let (others, rest) = from.bytes(FRAME_BYTES_MAX)?.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(SyncFault::Decode);
    }
    let mut table = Table { others, events: Vec::new() };
    let mut events = Vec::new();
    for _ in 0..from.array(FRAME_EVENTS_MAX)? {
        read_segment(from, workspace, &mut table, &mut events)?;
    }
    from.end()?;
    // One frame for these events: no byte of it is free. Before any signature is looked at.
    let mut again = Writer::default();
    write_events(&events.iter().collect::<Vec<_>>(), &mut again);
    if again.finish() != frame {
        return Err(SyncFault::Decode);
    }
    let (mut runs, mut run) = (Vec::new(), Vec::new());
    for event in events {
        let is_last = event.signature().is_some();
        run.push(event);
        if is_last {
            runs.push(Run::verify(std::mem::take(&mut run))?);
        }
    }
    if run.is_empty() { Ok(runs) } else { Err(EventFault::Unsigned.into()) }
}

fn read_segment(
    from: &mut Reader<'_>,
    workspace: &WorkspaceId,
    table: &mut Table<'_>,
    events: &mut Vec<Signed>,
) -> Result<(), SyncFault> {
    from.array_of(6)?;
    let lane = match from.uint()? {
        0 => Lane::Control,
        1 => Lane::Content,
        _ => return Err(SyncFault::Decode),
    };
    let author = DeviceId(table.name(from.uint()?)?);
    let incarnation = Incarnation(from.fixed()?);
    let mut seq = from.uint()?;
    let mut prev = if from.is_null()? { None } else { Some(table.event(from)?) };
    let mut before = Before::none();
    for _ in 0..from.array(FRAME_EVENTS_MAX)? {
        if events.len() >= FRAME_EVENTS_MAX {
            return Err(SyncFault::Decode);
        }
        from.array_of(6)?;
        let stamp = Stamp(before.stamp.wrapping_add(from.uint()?));
        let parents = table.list(from)?;
        let heard = if from.is_null()? { before.heard } else { table.list(from)? };
        let (class, epoch) = read_seal(from, table, (before.class, before.epoch))?;
        let is_first = lane == Lane::Control && prev.is_none() && parents.is_empty();
        let workspace = if is_first { WorkspaceId::UNBORN } else { *workspace };
        let header = Header {
            workspace,
            lane,
            author,
            incarnation,
            seq,
            prev,
            parents,
            heard,
            stamp,
            class,
            epoch,
            body: None,
        };
        before = Before::of(&header);
        let body = read_body(from, class)?;
        let signature = if from.is_null()? { None } else { Some(from.fixed()?) };
        let event = Signed::rebuild(header, signature, body)?;
        prev = Some(event.id());
        seq = seq.wrapping_add(1);
        table.events.push(event.id());
        events.push(event);
    }
    Ok(())
}

/// Class and epoch: as before, plain, or both.
fn read_seal(
    from: &mut Reader<'_>,
    table: &Table<'_>,
    before: (Class, Option<EventId>),
) -> Result<(Class, Option<EventId>), CborFault> {
    if from.is_null()? {
        return Ok(before);
    }
    if !from.is_array()? {
        return if from.uint()? == 0 {
            Ok((Class::Plain, None))
        } else {
            Err(CborFault::Malformed)
        };
    }
    from.array_of(2)?;
    let class = match from.uint()? {
        1 => Class::Sealed,
        2 => Class::Shreddable,
        _ => return Err(CborFault::Malformed),
    };
    Ok((class, Some(table.event(from)?)))
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
