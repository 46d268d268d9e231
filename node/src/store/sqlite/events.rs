//! Events in SQLite: verbatim, each with a check of its row. A row that fails is told and not given
//! out, and the event that comes again takes its place.

use std::collections::BTreeMap;

use kernelos_protocol::event::Verified;
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::id::{ChainId, DeviceId, Incarnation, Lane};
use kernelos_protocol::store::{Damage, Place, Slice, Sought};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, Transaction, params};

/// The first events behind a cursor.
pub(super) fn load_from(
    connection: &Connection,
    cursor: u64,
    limit: usize,
    slice: &mut Slice,
) -> rusqlite::Result<()> {
    let mut query = connection.prepare_cached(
        "SELECT arrival, envelope, row_check FROM event
         WHERE arrival > ?1 ORDER BY arrival LIMIT ?2",
    )?;
    let mut rows = query.query(params![cursor as i64, limit as i64])?;
    let (mut last, mut count) = (cursor, 0);
    while let Some(row) = rows.next()? {
        last = row.get::<_, i64>(0)?.unsigned_abs();
        count += 1;
        match read_row(row.get_ref(1)?.as_blob()?, row.get_ref(2)?.as_blob()?) {
            Ok(event) => slice.events.push(event),
            Err(reason) => {
                let what = format!("row {last}: {reason}");
                slice.damaged.push(Damage { at: place(connection, last)?, event: None, what });
            }
        }
    }
    slice.next = (count > 0 && last < newest(connection)?).then_some(last);
    Ok(())
}

/// The number of the last event: as many are kept, since none is ever deleted.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<u64> {
    let newest: i64 = connection
        .prepare_cached("SELECT coalesce(max(arrival), 0) FROM event")?
        .query_row([], |row| row.get(0))?;
    Ok(newest.unsigned_abs())
}

/// Where a damaged row says that it stands.
fn place(connection: &Connection, arrival: u64) -> rusqlite::Result<Option<(ChainId, u64)>> {
    let mut query = connection.prepare_cached(
        "SELECT author, incarnation, lane, seq FROM event JOIN chain ON chain.number = event.chain
         WHERE arrival = ?1",
    )?;
    let said = query.query_row([arrival as i64], |row| Ok(place_of(row))).optional()?;
    Ok(said.flatten())
}

fn place_of(row: &Row<'_>) -> Option<(ChainId, u64)> {
    let lane = match row.get::<_, i64>(2).ok()? {
        0 => Lane::Control,
        1 => Lane::Content,
        _ => return None,
    };
    let (author, incarnation) = (DeviceId(row.get(0).ok()?), Incarnation(row.get(1).ok()?));
    let seq = u64::try_from(row.get::<_, i64>(3).ok()?).ok()?;
    Some((ChainId { author, incarnation, lane }, seq))
}

/// Events by their places, in that order.
pub(super) fn load_events(
    connection: &Connection,
    places: &[Place],
    slice: &mut Slice,
) -> rusqlite::Result<()> {
    let sought = places.iter().map(|place| Sought { place: *place, header: None });
    load_sought(connection, &sought.collect::<Vec<_>>(), slice)
}

/// The same of events whose headers may be at hand. What stands side by side in a chain is one
/// query.
pub(super) fn load_sought(
    connection: &Connection,
    sought: &[Sought],
    slice: &mut Slice,
) -> rusqlite::Result<()> {
    let follows = |one: &Sought, next: &Sought| {
        let (one, next) = (&one.place, &next.place);
        one.chain == next.chain && one.seq.checked_add(1) == Some(next.seq)
    };
    for run in sought.chunk_by(follows) {
        let mut found = load_run(connection, run)?.into_iter();
        for Sought { place, .. } in run {
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

/// What is found at each place of a run, which has no gap.
fn load_run(
    connection: &Connection,
    run: &[Sought],
) -> rusqlite::Result<Vec<Result<Verified, String>>> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(Vec::new()) };
    let (first, last) = (&first.place, &last.place);
    let mut query = connection.prepare_cached(
        "SELECT seq, envelope, row_check FROM event WHERE seq BETWEEN ?4 AND ?5 AND chain =
         (SELECT number FROM chain WHERE author = ?1 AND incarnation = ?2 AND lane = ?3)",
    )?;
    let chain = &first.chain;
    let (from, to) = (first.seq as i64, last.seq as i64);
    let mut rows =
        query.query(params![chain.author.0, chain.incarnation.0, chain.lane as i64, from, to])?;
    let mut found: Vec<_> = run.iter().map(|_| Err(NOT_KEPT.to_owned())).collect();
    while let Some(row) = rows.next()? {
        let at = usize::try_from(row.get::<_, i64>(0)?.saturating_sub(from)).unwrap_or(usize::MAX);
        let (Some(sought), Some(there)) = (run.get(at), found.get_mut(at)) else { continue };
        if there.is_ok() {
            continue;
        }
        match read_sought(row.get_ref(1)?.as_blob()?, row.get_ref(2)?.as_blob()?, sought) {
            Ok(event) if event.id() == sought.place.id => *there = Ok(event),
            Ok(_) => {}
            Err(damage) => *there = Err(damage),
        }
    }
    Ok(found)
}

/// How events of one transaction are kept: what keeps each is prepared once.
pub(super) struct Keeper<'t> {
    transaction: &'t Transaction<'t>,
    insert: CachedStatement<'t>,
}

impl<'t> Keeper<'t> {
    pub(super) fn of(transaction: &'t Transaction<'t>) -> rusqlite::Result<Self> {
        let insert = "INSERT INTO event (chain, seq, fork, envelope, row_check)
            VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (chain, seq, fork) DO NOTHING";
        Ok(Self { transaction, insert: transaction.prepare_cached(insert)? })
    }

    /// Keeps an event once. What is kept never loses its body; a damaged row at its place is healed
    /// by it, so that it stands again where it stood in the order.
    pub(super) fn keep(
        &mut self,
        chains: &mut BTreeMap<ChainId, i64>,
        event: &Verified,
    ) -> rusqlite::Result<()> {
        let chain = chain_number(self.transaction, chains, &event.chain())?;
        let seq = event.header().seq as i64;
        let envelope = event.encode();
        // Nearly every event is the first at its place, and then nothing has to be looked up.
        if self.insert((chain, seq, 0), &envelope)? {
            return Ok(());
        }
        let Some(fork) = merge(self.transaction, (chain, seq), event, &envelope)? else {
            return Ok(());
        };
        if self.insert((chain, seq, fork), &envelope)? {
            return Ok(());
        }
        // Only in a damaged file: what was not kept must not be acknowledged.
        Err(rusqlite::Error::StatementChangedRows(0))
    }

    /// Keeps an event at a place, unless something is there already; was it kept?
    fn insert(
        &mut self,
        (chain, seq, fork): (i64, i64, i64),
        envelope: &[u8],
    ) -> rusqlite::Result<bool> {
        let row = params![chain, seq, fork, envelope, &row_check(envelope)[..]];
        Ok(self.insert.execute(row)? == 1)
    }
}

/// Keeps an event among those at its place, where it is one of them or one of them is damaged; else
/// gives which one of a fork it is.
fn merge(
    transaction: &Transaction<'_>,
    (chain, seq): (i64, i64),
    event: &Verified,
    envelope: &[u8],
) -> rusqlite::Result<Option<i64>> {
    let mut there = transaction.prepare_cached(
        "SELECT arrival, envelope, row_check FROM event WHERE chain = ?1 AND seq = ?2
         ORDER BY fork",
    )?;
    let mut rows = there.query(params![chain, seq])?;
    let (mut fork, mut damaged) = (0, None);
    while let Some(row) = rows.next()? {
        let arrival: i64 = row.get(0)?;
        match read_row(row.get_ref(1)?.as_blob()?, row.get_ref(2)?.as_blob()?) {
            Ok(kept) if kept.id() == event.id() => {
                if let Some(more) = kept.merge(event) {
                    overwrite(transaction, arrival, &more.encode())?;
                }
                return Ok(None);
            }
            Ok(_) => {}
            Err(_) => damaged = damaged.or(Some(arrival)),
        }
        fork += 1;
    }
    match damaged {
        Some(arrival) => overwrite(transaction, arrival, envelope).map(|()| None),
        None => Ok(Some(fork)),
    }
}

fn overwrite(transaction: &Transaction<'_>, arrival: i64, envelope: &[u8]) -> rusqlite::Result<()> {
    let update = "UPDATE event SET envelope = ?2, row_check = ?3 WHERE arrival = ?1";
    let row = params![arrival, envelope, &row_check(envelope)[..]];
    transaction.prepare_cached(update)?.execute(row).map(drop)
}

/// Destroys the body of an event, salt and all; gives what it was, where that could be read. A
/// damaged row at its place may be its own: it goes whole, and is told and asked for as before.
pub(super) fn shred(
    transaction: &Transaction<'_>,
    place: &Place,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let chain = chain_number(transaction, &mut BTreeMap::new(), &place.chain)?;
    let query = "SELECT arrival, envelope, row_check FROM event WHERE chain = ?1 AND seq = ?2";
    let mut there = transaction.prepare_cached(query)?;
    let rows = there.query_map(params![chain, place.seq as i64], |row| {
        let (envelope, check): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
        Ok((row.get::<_, i64>(0)?, read_row(&envelope, &check)))
    })?;
    let mut body = None;
    for (arrival, kept) in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        match kept {
            Ok(kept) if kept.id() == place.id => {
                body = kept.body().map(<[u8]>::to_vec);
                if let Some(bare) = kept.without_body() {
                    overwrite(transaction, arrival, &bare.encode())?;
                }
            }
            Ok(_) => {}
            Err(_) => {
                let empty = "UPDATE event SET envelope = x'', row_check = x'' WHERE arrival = ?1";
                transaction.prepare_cached(empty)?.execute([arrival])?;
            }
        }
    }
    Ok(body)
}

fn chain_number(
    transaction: &Transaction<'_>,
    chains: &mut BTreeMap<ChainId, i64>,
    chain: &ChainId,
) -> rusqlite::Result<i64> {
    if let Some(number) = chains.get(chain) {
        return Ok(*number);
    }
    let key = params![chain.author.0, chain.incarnation.0, chain.lane as i64];
    let found = transaction
        .prepare_cached(
            "SELECT number FROM chain WHERE author = ?1 AND incarnation = ?2 AND lane = ?3",
        )?
        .query_row(key, |row| row.get(0))
        .optional()?;
    let number = match found {
        Some(number) => number,
        None => {
            transaction
                .prepare_cached(
                    "INSERT INTO chain (author, incarnation, lane) VALUES (?1, ?2, ?3)",
                )?
                .execute(key)?;
            transaction.last_insert_rowid()
        }
    };
    chains.insert(*chain, number);
    Ok(number)
}

pub(super) fn row_check(envelope: &[u8]) -> [u8; 16] {
    let full = hash::hash(context::STORED_ROW, &[envelope]);
    let mut check = [0; 16];
    check.copy_from_slice(&full[..16]);
    check
}

/// The event of a row whose check holds. `SPEC: DUR-19`
pub(super) fn read_row(envelope: &[u8], check: &[u8]) -> Result<Verified, String> {
    check_row(envelope, check)?;
    Verified::of_row(envelope).map_err(|fault| fault.to_string())
}

/// The same of a row that is most likely the event that is sought.
fn read_sought(envelope: &[u8], check: &[u8], sought: &Sought) -> Result<Verified, String> {
    check_row(envelope, check)?;
    let known = sought
        .header
        .as_ref()
        .and_then(|header| Verified::of_known_row(envelope, sought.place.id, header));
    known.map_or_else(|| Verified::of_row(envelope).map_err(|fault| fault.to_string()), Ok)
}

fn check_row(envelope: &[u8], check: &[u8]) -> Result<(), String> {
    if row_check(envelope) == check { Ok(()) } else { Err("the row is damaged".to_owned()) }
}
