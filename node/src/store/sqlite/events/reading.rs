//! Reading events: by the order in which they came, and by their places.

use std::collections::BTreeMap;

use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{ChainId, DeviceId, Incarnation, Lane};
use kernelos_protocol::store::{Damage, Place, Slice};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::number_of;
use crate::store::sqlite::rows::{self, Span};

/// The first events behind a cursor, which is the number of the last one before.
pub(in super::super) fn load_from(
    connection: &Connection,
    cursor: u64,
    limit: usize,
    slice: &mut Slice,
) -> rusqlite::Result<()> {
    let mut query = connection.prepare_cached(
        "SELECT arrival, chain, seq, count, envelope, row_check FROM event WHERE arrival >=
         coalesce((SELECT max(arrival) FROM event WHERE arrival <= ?1), 0) ORDER BY arrival",
    )?;
    let mut rows = query.query([cursor.saturating_add(1) as i64])?;
    let (mut last, mut room) = (cursor, limit);
    while let Some(row) = rows.next()? {
        let span = Span::of(row)?;
        let first = span.arrival.unsigned_abs();
        let end = first.saturating_add(span.count.unsigned_abs());
        // Where a row need not be cut it is read once: the slice ends before it.
        let new = end.saturating_sub(first.max(cursor.saturating_add(1)));
        if room < limit && new > room as u64 {
            slice.next = Some(last);
            return Ok(());
        }
        match rows::read(span.count, row.get_ref(4)?.as_blob()?, row.get_ref(5)?.as_blob()?) {
            Ok(events) => {
                let new = (first..).zip(events).skip_while(|(number, _)| *number <= cursor);
                for (number, event) in new {
                    if room == 0 {
                        slice.next = Some(last);
                        return Ok(());
                    }
                    slice.events.push(event);
                    (last, room) = (number, room - 1);
                }
            }
            Err(reason) => {
                let told = damage(connection, &span, &reason)?;
                last = last.max(first.saturating_add(told.len() as u64).saturating_sub(1));
                let new = (first..).zip(told).skip_while(|(number, _)| *number <= cursor);
                let before = slice.damaged.len();
                slice.damaged.extend(new.map(|(_, damage)| damage));
                room = room.saturating_sub(slice.damaged.len() - before);
            }
        }
    }
    Ok(())
}

/// What is damaged with a row: each event that it held, by the place where it says to stand.
fn damage(connection: &Connection, span: &Span, reason: &str) -> rusqlite::Result<Vec<Damage>> {
    let span = span.to_next(connection)?;
    let chain = chain(connection, span.chain)?;
    let told = (0..span.count).map(|at| {
        let seq = span.seq.checked_add(at).and_then(|seq| u64::try_from(seq).ok());
        let place = chain.and_then(|chain| Some((chain, seq?)));
        let what = format!("row {}: {reason}", span.arrival.saturating_add(at));
        Damage { at: place, event: None, what }
    });
    Ok(told.collect())
}

fn chain(connection: &Connection, number: i64) -> rusqlite::Result<Option<ChainId>> {
    let query = "SELECT author, incarnation, lane FROM chain WHERE number = ?1";
    let mut query = connection.prepare_cached(query)?;
    let said = query.query_row([number], |row| Ok(chain_of(row))).optional()?;
    Ok(said.flatten())
}

fn chain_of(row: &Row<'_>) -> Option<ChainId> {
    let lane = match row.get::<_, i64>(2).ok()? {
        0 => Lane::Control,
        1 => Lane::Content,
        _ => return None,
    };
    let (author, incarnation) = (DeviceId(row.get(0).ok()?), Incarnation(row.get(1).ok()?));
    Some(ChainId { author, incarnation, lane })
}

/// Events by their places, in that order. What stands side by side in a chain is one query.
pub(in super::super) fn load_events(
    connection: &Connection,
    places: &[Place],
    slice: &mut Slice,
) -> rusqlite::Result<()> {
    let follows = |one: &Place, next: &Place| {
        one.chain == next.chain && one.seq.checked_add(1) == Some(next.seq)
    };
    let mut several = Several::default();
    for run in places.chunk_by(follows) {
        let mut found = load_run(connection, run, &mut several)?.into_iter();
        for place in run {
            match found.next().unwrap_or_else(|| Err(NOT_KEPT.to_owned())) {
                Ok(event) => slice.events.push(event),
                Err(reason) => {
                    let at = Some((place.chain, place.seq));
                    let what = format!("event {}: {reason}", place.id);
                    slice.damaged.push(Damage { at, event: Some(place.id), what });
                }
            }
        }
    }
    Ok(())
}

const NOT_KEPT: &str = "it is not kept";

/// Rows of several events that were read for one request, by their number: where it asks for some
/// here and some there, none is read for each of them.
#[derive(Default)]
struct Several(BTreeMap<i64, Vec<Verified>>);

/// So many such rows are held: as many chains as are often written side by side.
const SEVERAL_MAX: usize = 8;

impl Several {
    fn read(
        &mut self,
        span: &Span,
        row: &Row<'_>,
    ) -> rusqlite::Result<Result<Vec<Verified>, String>> {
        if let Some(events) = self.0.get(&span.arrival) {
            return Ok(Ok(events.clone()));
        }
        let read = rows::read(span.count, row.get_ref(4)?.as_blob()?, row.get_ref(5)?.as_blob()?);
        if let Ok(events) = &read
            && events.len() > 1
        {
            if self.0.len() >= SEVERAL_MAX {
                self.0.clear();
            }
            self.0.insert(span.arrival, events.clone());
        }
        Ok(read)
    }
}

/// What is found at each place of a run, which has no gap.
fn load_run(
    connection: &Connection,
    run: &[Place],
    several: &mut Several,
) -> rusqlite::Result<Vec<Result<Verified, String>>> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(Vec::new()) };
    let mut found: Vec<_> = run.iter().map(|_| Err(NOT_KEPT.to_owned())).collect();
    let Some(chain) = number_of(connection, &first.chain)? else { return Ok(found) };
    let (from, to) = (first.seq as i64, last.seq as i64);
    let begin = rows::begin(connection, chain, from)?;
    let mut query = connection.prepare_cached(
        "SELECT arrival, chain, seq, count, envelope, row_check FROM event
         WHERE chain = ?1 AND seq BETWEEN ?2 AND ?3 AND (seq >= ?4 OR fork = 0)",
    )?;
    let mut rows = query.query(params![chain, begin, to, from])?;
    while let Some(row) = rows.next()? {
        let span = Span::of(row)?;
        // What is asked of it and not found yet: which of its events, which of the run's places.
        let asked = |span: &Span, found: &[Result<Verified, String>]| {
            let spots = (0..span.count).filter_map(|at| {
                let nth = span.seq.checked_add(at)?.checked_sub(from)?;
                Some((usize::try_from(at).ok()?, usize::try_from(nth).ok()?))
            });
            let is_open = |nth: usize| found.get(nth).is_some_and(Result::is_err);
            spots.filter(|(_, nth)| is_open(*nth)).collect::<Vec<_>>()
        };
        // How far one reaches that begins before the run only its bytes tell.
        if span.seq >= from && asked(&span, &found).is_empty() {
            continue;
        }
        let read = several.read(&span, row)?;
        let span = match &read {
            Ok(events) => span.holding(events),
            Err(_) => span.to_next(connection)?,
        };
        for (at, nth) in asked(&span, &found) {
            let (Some(place), Some(there)) = (run.get(nth), found.get_mut(nth)) else { continue };
            match &read {
                Ok(events) => {
                    if let Some(event) = events.get(at).filter(|event| event.id() == place.id) {
                        *there = Ok(event.clone());
                    }
                }
                Err(damage) => *there = Err(damage.clone()),
            }
        }
    }
    Ok(found)
}
