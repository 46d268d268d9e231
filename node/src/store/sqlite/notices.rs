//! Notices in SQLite: a row a slot.

use kernelos_protocol::id::DeviceId;
use kernelos_protocol::notice::Notice;
use kernelos_protocol::time::Stamp;
use rusqlite::{Connection, Transaction, params};

pub(super) fn keep(transaction: &Transaction<'_>, notice: &Notice) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO notice (slot, number, device, reason, stamp, after, times)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let Notice { slot, number, device, reason, stamp, after, times } = notice;
    let (slot, number, stamp) = (*slot as i64, *number as i64, stamp.0 as i64);
    let (after, times) = (*after as i64, *times as i64);
    let row = params![slot, number, device.0, reason, stamp, after, times];
    transaction.prepare_cached(insert)?.execute(row).map(drop)
}

/// The notices, by slot.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<Notice>> {
    let mut query = connection.prepare_cached(
        "SELECT slot, number, device, reason, stamp, after, times FROM notice ORDER BY slot",
    )?;
    let rows = query.query_map([], |row| {
        let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
        Ok(Notice {
            slot: number(0)?,
            number: number(1)?,
            device: DeviceId(row.get(2)?),
            reason: row.get(3)?,
            stamp: Stamp(number(4)?),
            after: number(5)?,
            times: number(6)?,
        })
    })?;
    rows.collect()
}
