//! What stands in a row of events: one as its envelope, or several of a chain, under a check of the
//! row (SPEC: DUR-19, DUR-20). A row of several is written once; where one of its events has to be
//! written again, each gets a row of its own.

use std::collections::BTreeMap;

use kernelos_protocol::event::{Proving, Verified};
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::FRAME_EVENTS_MAX;
use kernelos_protocol::store::packed;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// Where a row stands, and how many events it says to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) arrival: i64,
    pub(super) chain: i64,
    pub(super) seq: i64,
    pub(super) count: i64,
}

impl Span {
    /// Of a row that begins with arrival, chain, seq and count. More than a row can hold no row
    /// says that is not damaged.
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let count = row.get::<_, i64>(3)?.clamp(1, FRAME_EVENTS_MAX as i64);
        Ok(Self { arrival: row.get(0)?, chain: row.get(1)?, seq: row.get(2)?, count })
    }

    /// Which of its events stands at this place of its chain; none where none does.
    pub(super) fn at(&self, seq: i64) -> Option<usize> {
        let at = seq.checked_sub(self.seq).filter(|at| *at < self.count)?;
        usize::try_from(at).ok()
    }

    /// Where the event at this place came, as if it stood alone.
    pub(super) fn arrival_at(&self, at: usize) -> i64 {
        self.arrival.saturating_add(i64::try_from(at).unwrap_or(i64::MAX))
    }

    /// The same of a row that was read, which holds these.
    pub(super) fn holding(self, events: &[Verified]) -> Self {
        Self { count: i64::try_from(events.len()).unwrap_or(i64::MAX), ..self }
    }

    /// Of a damaged row, whose count may be anything: it reaches to the next one.
    pub(super) fn to_next(self, connection: &Connection) -> rusqlite::Result<Self> {
        let next = connection
            .prepare_cached(
                "SELECT arrival FROM event WHERE arrival > ?1 ORDER BY arrival LIMIT 1",
            )?
            .query_row([self.arrival], |row| row.get::<_, i64>(0))
            .optional()?;
        let count = next.map_or(self.count, |next| next.saturating_sub(self.arrival));
        Ok(Self { count: count.clamp(1, FRAME_EVENTS_MAX as i64), ..self })
    }
}

/// The events of a row whose check holds: its bytes are those that were written, and say how many
/// they are. The count that stands beside them has no check; by it is only tried what is likelier.
/// `SPEC: DUR-19`
pub(super) fn read(count: i64, row: &[u8], check: &[u8]) -> Result<Vec<Verified>, String> {
    if row_check(row) != check {
        return Err(DAMAGED.to_owned());
    }
    if count == 1 {
        one(row).or_else(|fault| several(row).map_err(|_| fault))
    } else {
        several(row).or_else(|fault| one(row).map_err(|_| fault))
    }
}

fn one(row: &[u8]) -> Result<Vec<Verified>, String> {
    Verified::of_row(row).map(|event| vec![event]).map_err(|fault| fault.to_string())
}

fn several(row: &[u8]) -> Result<Vec<Verified>, String> {
    #[cfg(test)]
    UNPACKED.set(UNPACKED.get() + 1);
    packed::unpack(row).map_err(|fault| fault.to_string())
}

#[cfg(test)]
thread_local! {
    /// How many rows of several were read.
    pub(super) static UNPACKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

const DAMAGED: &str = "the row is damaged";

pub(super) fn row_check(row: &[u8]) -> [u8; 16] {
    let full = hash::hash(context::STORED_ROW, &[row]);
    let mut check = [0; 16];
    check.copy_from_slice(&full[..16]);
    check
}

/// A row with what was read of it.
pub(super) type Found = (Span, Result<Vec<Verified>, String>);

/// How far a row of arrival, chain, seq, count, envelope and check reaches: by what it
/// holds, where its check holds, else by the next one. `SPEC: DUR-20`
pub(super) fn reach(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Span> {
    let span = Span::of(row)?;
    match read(span.count, row.get_ref(4)?.as_blob()?, row.get_ref(5)?.as_blob()?) {
        Ok(events) => Ok(span.holding(&events)),
        Err(_) => span.to_next(connection),
    }
}

/// Which events the rows of several hold that a commit has looked into, by their number: a fork of
/// each of their events, which costs its author little, must not have them read once for each.
#[derive(Default)]
pub(super) struct Seen(BTreeMap<i64, Vec<EventId>>);

/// So many such rows are known: at most eight MiB of names.
const SEEN_MAX: usize = 1_024;

impl Seen {
    /// How many events a row holds, where it is known and this event is none of them.
    fn without(&self, span: &Span, event: &EventId) -> Option<i64> {
        let ids = self.0.get(&span.arrival).filter(|ids| !ids.contains(event))?;
        i64::try_from(ids.len()).ok()
    }

    fn note(&mut self, span: &Span, events: &[Verified]) {
        if events.len() > 1 {
            if self.0.len() >= SEEN_MAX {
                self.0.clear();
            }
            self.0.insert(span.arrival, events.iter().map(Verified::id).collect());
        }
    }

    /// A row is written anew.
    pub(super) fn forget(&mut self, span: &Span) {
        self.0.remove(&span.arrival);
    }
}

/// The rows that hold an event at this place, the one of no fork first. One that is known to hold
/// this event nowhere is not read, and given as one of none.
pub(super) fn at_place(
    connection: &Connection,
    (chain, seq): (i64, i64),
    event: &EventId,
    seen: &mut Seen,
) -> rusqlite::Result<Vec<Found>> {
    let mut there = connection.prepare_cached(
        "SELECT arrival, chain, seq, count, envelope, row_check FROM event WHERE chain = ?1
         AND seq BETWEEN ?2 AND ?3 AND (seq = ?3 OR fork = 0) ORDER BY fork",
    )?;
    let begin = begin(connection, chain, seq)?;
    let mut rows = there.query(params![chain, begin, seq])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let span = Span::of(row)?;
        if let Some(count) = seen.without(&span, event) {
            let span = Span { count, ..span };
            found.extend(span.at(seq).map(|_| (span, Ok(Vec::new()))));
            continue;
        }
        let read = read(span.count, row.get_ref(4)?.as_blob()?, row.get_ref(5)?.as_blob()?);
        let span = match &read {
            Ok(events) => span.holding(events),
            Err(_) => span.to_next(connection)?,
        };
        if let Ok(events) = &read {
            seen.note(&span, events);
        }
        if span.at(seq).is_some() {
            found.push((span, read));
        }
    }
    Ok(found)
}

/// Where the last row begins that begins at this place or before it: only that may hold several,
/// and reach to it.
pub(super) fn begin(connection: &Connection, chain: i64, seq: i64) -> rusqlite::Result<i64> {
    let before = "SELECT seq FROM event WHERE chain = ?1 AND fork = 0 AND seq <= ?2
        ORDER BY seq DESC LIMIT 1";
    let found = connection
        .prepare_cached(before)?
        .query_row(params![chain, seq], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(seq))
}

/// Gives each event of a row a row of its own, where it stood in the order.
pub(super) fn break_up(
    transaction: &Transaction<'_>,
    span: &Span,
    events: &[Verified],
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO event (arrival, chain, seq, fork, envelope, row_check)
        VALUES (?1, ?2, ?3, 0, ?4, ?5)";
    rewrite(transaction, span, insert, events.iter().map(Some))
}

/// The same of a damaged row, of which this event comes again: what proves itself stands again, and
/// for each other event a damaged row of its own. `SPEC: DUR-20`
pub(super) fn salvage(
    transaction: &Transaction<'_>,
    span: &Span,
    event: &Verified,
) -> rusqlite::Result<()> {
    let row = "SELECT envelope FROM event WHERE arrival = ?1";
    let row = transaction
        .prepare_cached(row)?
        .query_row([span.arrival], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    let proven = Proving::of(event.workspace()).push_row(&row.unwrap_or_default());
    let mut there: BTreeMap<usize, Verified> = BTreeMap::new();
    for proven in proven.into_iter().filter(|proven| proven.chain() == event.chain()) {
        if let Some(at) = span.at(proven.header().seq as i64) {
            there.insert(at, proven);
        }
    }
    // It may say to stand where another does.
    let insert = "INSERT OR IGNORE INTO event (arrival, chain, seq, fork, envelope, row_check)
        VALUES (?1, ?2, ?3, 0, ?4, ?5)";
    let count = usize::try_from(span.count).unwrap_or(0);
    rewrite(transaction, span, insert, (0..count).map(|at| there.get(&at)))
}

/// Puts rows of one event each in the place of one of several, damaged ones where none is given.
fn rewrite<'e>(
    transaction: &Transaction<'_>,
    span: &Span,
    insert: &str,
    events: impl Iterator<Item = Option<&'e Verified>>,
) -> rusqlite::Result<()> {
    let delete = "DELETE FROM event WHERE arrival = ?1";
    transaction.prepare_cached(delete)?.execute([span.arrival])?;
    let mut insert = transaction.prepare_cached(insert)?;
    for (at, event) in (0..).zip(events) {
        let envelope = event.map(Verified::encode).unwrap_or_default();
        let check = event.map(|_| row_check(&envelope));
        let check = check.as_ref().map_or(&[][..], |check| &check[..]);
        let seq = span.seq.saturating_add(at);
        let row = params![span.arrival.saturating_add(at), span.chain, seq, envelope, check];
        insert.execute(row)?;
    }
    Ok(())
}

pub(super) fn overwrite(
    transaction: &Transaction<'_>,
    arrival: i64,
    envelope: &[u8],
) -> rusqlite::Result<()> {
    let update = "UPDATE event SET envelope = ?2, row_check = ?3 WHERE arrival = ?1";
    let row = params![arrival, envelope, &row_check(envelope)[..]];
    transaction.prepare_cached(update)?.execute(row).map(drop)
}
