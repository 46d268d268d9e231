//! The message of events: segments, without what their receiver finds out itself (SPEC: SYNC-11).
//!
//! A segment is consecutive events of one chain. Of a header travels what does not follow from the
//! workspace, the segment and the event before; ids stand once, in the frame's table, and those of
//! events of the frame not at all. The receiver rebuilds each header and hashes it, so a wrong
//! guess of its bytes is no event that anybody signed. There is one frame for a list of runs; it
//! is read strictly.

mod read;

use std::collections::BTreeMap;

use crate::cbor::Writer;
use crate::event::{Class, Header, Run, Signed, Verified};
use crate::id::EventId;

pub(super) use read::read;

/// The number of the message.
pub(super) const NUMBER: u64 = 3;

/// What of the event before, in its segment, the next one may leave out.
struct Before<'a> {
    heard: &'a [EventId],
    seal: (Class, Option<EventId>),
    stamp: u64,
}

impl<'a> Before<'a> {
    /// Of the event before; none before the first event of a segment.
    fn of(header: Option<&'a Header>) -> Self {
        match header {
            None => Self { heard: &[], seal: (Class::Plain, None), stamp: 0 },
            Some(header) => Self {
                heard: &header.heard,
                seal: (header.class, header.epoch),
                stamp: header.stamp.0,
            },
        }
    }
}

/// Names of 32 bytes: those of events by how far back they stand in the frame, others by their
/// place in a table.
#[derive(Default)]
struct Names {
    table: Vec<u8>,
    places: BTreeMap<[u8; 32], u64>,
    /// The events so far: what is named stands near, most often.
    events: Vec<EventId>,
}

impl Names {
    fn event(&mut self, id: &EventId) -> u64 {
        match self.events.iter().rev().position(|event| event == id) {
            Some(back) => 2 * back as u64 + 1,
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

/// The frame of these events.
fn rewrite(events: &[Signed]) -> Vec<u8> {
    let mut again = Writer::default();
    write_events(&events.iter().collect::<Vec<_>>(), &mut again);
    again.finish()
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
    let mut before = None;
    for event in segment {
        write_event(event, &Before::of(before), names, to);
        before = Some(event.header());
        names.events.push(event.id());
    }
}

fn write_event(event: &Signed, before: &Before<'_>, names: &mut Names, to: &mut Writer) {
    let header = event.header();
    to.array(6).uint(header.stamp.0.wrapping_sub(before.stamp));
    names.list(&header.parents, to);
    if header.heard == before.heard {
        to.null();
    } else {
        names.list(&header.heard, to);
    }
    match &header.epoch {
        epoch if (header.class, *epoch) == before.seal => to.null(),
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

#[cfg(test)]
mod tests;
