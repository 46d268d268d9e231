//! Events in SQLite: what a turn brings of one chain in a row where it is much, else each in one. A
//! row that fails its check is told and not given out, and the events that come again take its
//! place.

mod reading;

use std::collections::BTreeMap;

use kernelos_protocol::event::Verified;
use kernelos_protocol::id::ChainId;
use kernelos_protocol::store::{Place, Record, packed};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, Transaction, params};

use super::rows::{self, Seen, Span};
pub(super) use reading::{load_events, load_from};

/// The number of the last event: as many are kept, since none is ever deleted.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<u64> {
    let last = "SELECT arrival, chain, seq, count, envelope, row_check FROM event
        ORDER BY arrival DESC LIMIT 1";
    let reach = |row: &Row<'_>| rows::reach(connection, row);
    let last = connection.prepare_cached(last)?.query_row([], reach).optional()?;
    let newest = last.map_or(0, |last| last.arrival.saturating_add(last.count - 1));
    Ok(newest.unsigned_abs())
}

/// What is known of an open store, so that no commit reads its last rows again.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    chains: BTreeMap<ChainId, Chain>,
    /// The number of the last event.
    pub(super) newest: Option<i64>,
}

/// A chain in the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    number: i64,
    /// From this place on nothing of it is kept.
    end: i64,
}

/// How events of one transaction are kept: what keeps each is prepared once.
pub(super) struct Keeper<'t> {
    transaction: &'t Transaction<'t>,
    insert: CachedStatement<'t>,
    newest: i64,
    seen: Seen,
}

impl<'t> Keeper<'t> {
    pub(super) fn of(transaction: &'t Transaction<'t>, known: &Known) -> rusqlite::Result<Self> {
        let insert = "INSERT INTO event (arrival, chain, seq, fork, count, envelope, row_check)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (chain, seq, fork) DO NOTHING";
        let newest = match known.newest {
            Some(newest) => newest,
            None => i64::try_from(newest(transaction)?).unwrap_or(i64::MAX),
        };
        let insert = transaction.prepare_cached(insert)?;
        Ok(Self { transaction, insert, newest, seen: Seen::default() })
    }

    /// The number of the last event, when all are kept.
    pub(super) fn done(self) -> i64 {
        self.newest
    }

    /// Keeps the event that these records begin with, or those of its chain that go into one row
    /// with it; gives how many that were. `SPEC: DUR-20`
    pub(super) fn keep_first(
        &mut self,
        known: &mut Known,
        records: &[Record],
    ) -> rusqlite::Result<usize> {
        let events = records.iter().map_while(|record| match record {
            Record::Event(event) => Some(event),
            _ => None,
        });
        let fitting = packed::fitting(events.clone());
        let run: Vec<_> = events.take(fitting.max(1)).collect();
        let Some(first) = run.first() else { return Ok(0) };
        let chain = chain_of(self.transaction, &mut known.chains, &first.chain())?;
        let seq = first.header().seq as i64;
        let is_kept = fitting > 0
            && seq >= chain.end
            && self.insert((chain.number, seq, 0), fitting, &packed::pack(&run))?;
        if is_kept {
            chain.end = seq.saturating_add(i64::try_from(fitting).unwrap_or(i64::MAX));
        } else {
            run.iter().try_for_each(|event| self.keep(chain, event))?;
        }
        Ok(run.len())
    }

    /// Keeps an event once. What is kept never loses its body; a damaged row at its place is healed
    /// by it, so that it stands again where it stood in the order.
    fn keep(&mut self, chain: &mut Chain, event: &Verified) -> rusqlite::Result<()> {
        let seq = event.header().seq as i64;
        let envelope = event.encode();
        // Nearly every event is the first at its place, and then nothing has to be looked up.
        let is_kept = seq >= chain.end && self.insert((chain.number, seq, 0), 1, &envelope)?;
        if !is_kept
            && let Some(fork) = self.merge((chain.number, seq), event, &envelope)?
            && !self.insert((chain.number, seq, fork), 1, &envelope)?
        {
            // Only in a damaged file: what was not kept must not be acknowledged.
            return Err(rusqlite::Error::StatementChangedRows(0));
        }
        chain.end = chain.end.max(seq.saturating_add(1));
        Ok(())
    }

    /// Keeps a row of so many events at a place, unless one begins there already; was it kept?
    fn insert(
        &mut self,
        (chain, seq, fork): (i64, i64, i64),
        count: usize,
        row: &[u8],
    ) -> rusqlite::Result<bool> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let (arrival, check) = (self.newest.saturating_add(1), rows::row_check(row));
        let row = params![arrival, chain, seq, fork, count, row, &check[..]];
        let is_kept = self.insert.execute(row)? == 1;
        if is_kept {
            self.newest = self.newest.saturating_add(count);
        }
        Ok(is_kept)
    }

    /// Keeps an event among those at its place, where it is one of them or one of them is damaged;
    /// else gives which one of a fork it is.
    fn merge(
        &mut self,
        place: (i64, i64),
        event: &Verified,
        envelope: &[u8],
    ) -> rusqlite::Result<Option<i64>> {
        let mut stands = self.stand(place, event)?;
        if let Stands::Damaged(span, _) = &stands
            && span.count > 1
        {
            // What its row can prove yet is not to be lost by its coming.
            rows::salvage(self.transaction, span, event)?;
            stands = self.stand(place, event)?;
        }
        match stands {
            Stands::Kept => Ok(None),
            Stands::Beside(fork) => Ok(Some(fork)),
            Stands::Damaged(span, at) => {
                rows::overwrite(self.transaction, span.arrival_at(at), envelope).map(|()| None)
            }
        }
    }

    /// How an event stands to those at its place; what it adds to itself is kept.
    fn stand(&mut self, (chain, seq): (i64, i64), event: &Verified) -> rusqlite::Result<Stands> {
        let (transaction, id) = (self.transaction, event.id());
        let (mut fork, mut damaged) = (0, None);
        for (span, found) in rows::at_place(transaction, (chain, seq), &id, &mut self.seen)? {
            let at = span.at(seq).unwrap_or(0);
            match &found {
                Ok(events) => {
                    if let Some(kept) = events.get(at).filter(|kept| kept.id() == id) {
                        if let Some(more) = kept.merge(event) {
                            self.seen.forget(&span);
                            alone(transaction, &span, events)?;
                            rows::overwrite(transaction, span.arrival_at(at), &more.encode())?;
                        }
                        return Ok(Stands::Kept);
                    }
                }
                Err(_) => damaged = damaged.or(Some(Stands::Damaged(span, at))),
            }
            fork += 1;
        }
        Ok(damaged.unwrap_or(Stands::Beside(fork)))
    }
}

/// How an event stands to those at its place.
enum Stands {
    /// It is one of them.
    Kept,
    /// It is none of them, of so many.
    Beside(i64),
    /// It may be this one of this row, which is damaged.
    Damaged(Span, usize),
}

/// Gives the events of a row rows of their own, where it holds several.
fn alone(transaction: &Transaction<'_>, span: &Span, events: &[Verified]) -> rusqlite::Result<()> {
    if span.count == 1 { Ok(()) } else { rows::break_up(transaction, span, events) }
}

/// Destroys the body of an event, salt and all; gives what it was, where that could be read. A
/// damaged row at its place may be its own: it goes whole, and is told and asked for as before.
pub(super) fn shred(
    transaction: &Transaction<'_>,
    place: &Place,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let chain = chain_of(transaction, &mut BTreeMap::new(), &place.chain)?.number;
    let seq = place.seq as i64;
    let mut body = None;
    let there = rows::at_place(transaction, (chain, seq), &place.id, &mut Seen::default())?;
    for (span, found) in there {
        let at = span.at(seq).unwrap_or(0);
        match &found {
            Ok(events) => {
                let kept = events.get(at).filter(|kept| kept.id() == place.id);
                if let Some((kept, bare)) = kept.and_then(|kept| Some((kept, kept.without_body()?)))
                {
                    body = kept.body().map(<[u8]>::to_vec);
                    alone(transaction, &span, events)?;
                    rows::overwrite(transaction, span.arrival_at(at), &bare.encode())?;
                }
            }
            Err(_) => {
                // What may be shredded stands alone: a row of several, told by its workspace, held
                // none of it, and what it can prove still is not to be lost.
                let empty = "UPDATE event SET envelope = x'', row_check = x'' WHERE arrival = ?1
                    AND NOT EXISTS (SELECT 1 FROM meta
                        WHERE name = 'workspace' AND value = substr(envelope, 1, 32))";
                transaction.prepare_cached(empty)?.execute([span.arrival])?;
            }
        }
    }
    Ok(body)
}

/// The number of a chain; none where nothing of it is kept.
fn number_of(connection: &Connection, chain: &ChainId) -> rusqlite::Result<Option<i64>> {
    let number = "SELECT number FROM chain WHERE author = ?1 AND incarnation = ?2 AND lane = ?3";
    let key = params![chain.author.0, chain.incarnation.0, chain.lane as i64];
    connection.prepare_cached(number)?.query_row(key, |row| row.get(0)).optional()
}

fn chain_of<'c>(
    transaction: &Transaction<'_>,
    chains: &'c mut BTreeMap<ChainId, Chain>,
    chain: &ChainId,
) -> rusqlite::Result<&'c mut Chain> {
    use std::collections::btree_map::Entry;
    match chains.entry(*chain) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(new) => {
            let known = match number_of(transaction, chain)? {
                Some(number) => Chain { number, end: end_of(transaction, number)? },
                None => {
                    let insert =
                        "INSERT INTO chain (author, incarnation, lane) VALUES (?1, ?2, ?3)";
                    let key = params![chain.author.0, chain.incarnation.0, chain.lane as i64];
                    transaction.prepare_cached(insert)?.execute(key)?;
                    Chain { number: transaction.last_insert_rowid(), end: 0 }
                }
            };
            Ok(new.insert(known))
        }
    }
}

/// From where on nothing of a chain is kept.
fn end_of(connection: &Connection, chain: i64) -> rusqlite::Result<i64> {
    let last = "SELECT arrival, chain, seq, count, envelope, row_check FROM event
        WHERE chain = ?1 AND fork = 0 ORDER BY seq DESC LIMIT 1";
    let reach = |row: &Row<'_>| rows::reach(connection, row);
    let last = connection.prepare_cached(last)?.query_row([chain], reach).optional()?;
    Ok(last.map_or(0, |last| last.seq.saturating_add(last.count)))
}

#[cfg(test)]
pub(in crate::store) mod tests;
