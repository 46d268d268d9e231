//! A workspace in SQLite: WAL, `synchronous=FULL`, one transaction for each turn (SPEC: DUR-1).
//!
//! Signatures were checked before an event was kept, so reading back checks the row's hash
//! instead. A row that fails is reported and not given out.

use std::collections::BTreeMap;
use std::path::Path;

use kernelos_protocol::command::{Failure, FailureKind, Mode};
use kernelos_protocol::event::{Signed, Verified};
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::id::{ChainId, Incarnation, WorkspaceId};
use kernelos_protocol::store::{EventStore, LoadRequest, Place, Record, Slice, StoreError};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, ffi, params};

/// The version of the schema that this program writes.
const SCHEMA_VERSION: i64 = 1;
/// "kern", so that `file` and a person can tell what it is.
const APPLICATION_ID: i64 = 0x6b65_726e;
const SCHEMA: &str = include_str!("schema.sql");

/// What a store says about its workspace, made with it and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// Its name on this device.
    pub name: String,
    /// This device's name.
    pub device: String,
    /// Does this device speak with others?
    pub mode: Mode,
    /// The life of this store.
    pub incarnation: Incarnation,
}

/// An open store.
pub struct SqliteStore {
    connection: Connection,
    chains: BTreeMap<ChainId, i64>,
}

impl SqliteStore {
    /// A new store at `path`.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let store = Self::connect(path)?;
        store.connection.execute_batch(SCHEMA).map_err(store_error)?;
        store
            .connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(store_error)?;
        store
            .connection
            .pragma_update(None, "user_version", SCHEMA_VERSION)
            .map_err(store_error)?;
        Ok(store)
    }

    /// The store at `path`. A newer one than this program is refused.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self::connect(path)?;
        let pragma = |name| store.connection.pragma_query_value(None, name, |row| row.get(0));
        let application: i64 = pragma("application_id").map_err(store_error)?;
        let version: i64 = pragma("user_version").map_err(store_error)?;
        if application != APPLICATION_ID || version < 1 {
            return Err(StoreError::Failed(format!("{} is no KernelOS store", path.display())));
        }
        if version > SCHEMA_VERSION {
            return Err(StoreError::Failed(format!(
                "{} was written by a newer kern (schema {version}, this one knows \
                 {SCHEMA_VERSION}): upgrade kern, nothing was changed",
                path.display()
            )));
        }
        Ok(store)
    }

    fn connect(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path).map_err(store_error)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(store_error)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(store_error)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(store_error)?;
        Ok(Self { connection, chains: BTreeMap::new() })
    }

    /// Says once what the store is.
    pub fn write_meta(&mut self, meta: &Meta) -> Result<(), StoreError> {
        let mode = match meta.mode {
            Mode::Local => "local",
            Mode::Synced => "synced",
        };
        let values: [(&str, &[u8]); 5] = [
            ("workspace", &meta.workspace.0),
            ("name", meta.name.as_bytes()),
            ("device", meta.device.as_bytes()),
            ("mode", mode.as_bytes()),
            ("incarnation", &meta.incarnation.0),
        ];
        let transaction = self.connection.transaction().map_err(store_error)?;
        for (name, value) in values {
            transaction
                .execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", params![name, value])
                .map_err(store_error)?;
        }
        transaction.commit().map_err(store_error)
    }

    /// What the store is.
    pub fn meta(&self) -> Result<Meta, StoreError> {
        let value = |name: &str| -> Result<Vec<u8>, StoreError> {
            let query = "SELECT value FROM meta WHERE name = ?1";
            self.connection.query_row(query, [name], |row| row.get(0)).map_err(store_error)
        };
        let damaged = |name: &str| StoreError::Failed(format!("the store's {name} is damaged"));
        let text = |name: &str| String::from_utf8(value(name)?).map_err(|_| damaged(name));
        Ok(Meta {
            workspace: WorkspaceId(
                value("workspace")?.try_into().map_err(|_| damaged("workspace"))?,
            ),
            name: text("name")?,
            device: text("device")?,
            mode: match text("mode")?.as_str() {
                "local" => Mode::Local,
                "synced" => Mode::Synced,
                _ => return Err(damaged("mode")),
            },
            incarnation: Incarnation(
                value("incarnation")?.try_into().map_err(|_| damaged("incarnation"))?,
            ),
        })
    }

    fn load_from(&self, cursor: u64, limit: usize, slice: &mut Slice) -> rusqlite::Result<()> {
        let mut query = self.connection.prepare_cached(
            "SELECT arrival, envelope, row_check FROM event WHERE arrival > ?1
             ORDER BY arrival LIMIT ?2",
        )?;
        let mut rows = query.query(params![cursor as i64, limit as i64])?;
        let (mut last, mut count) = (cursor, 0);
        while let Some(row) = rows.next()? {
            last = row.get::<_, i64>(0)?.unsigned_abs();
            count += 1;
            match read_row(row.get_ref(1)?.as_blob()?, row.get_ref(2)?.as_blob()?) {
                Ok(event) => slice.events.push(event),
                Err(reason) => slice.damaged.push(format!("row {last}: {reason}")),
            }
        }
        let newest: i64 = self
            .connection
            .prepare_cached("SELECT coalesce(max(arrival), 0) FROM event")?
            .query_row([], |row| row.get(0))?;
        slice.next = (count > 0 && last < newest.unsigned_abs()).then_some(last);
        Ok(())
    }

    fn load_event(&self, place: &Place) -> rusqlite::Result<Result<Verified, String>> {
        let chain = &place.chain;
        let mut query = self.connection.prepare_cached(
            "SELECT envelope, row_check FROM event WHERE seq = ?4 AND chain =
             (SELECT number FROM chain WHERE author = ?1 AND incarnation = ?2 AND lane = ?3)",
        )?;
        let mut rows = query.query(params![
            chain.author.0,
            chain.incarnation.0,
            chain.lane as i64,
            place.seq as i64
        ])?;
        let mut reason = "it is not kept".to_owned();
        while let Some(row) = rows.next()? {
            match read_row(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?) {
                Ok(event) if event.id() == place.id => return Ok(Ok(event)),
                Ok(_) => {}
                Err(damage) => reason = damage,
            }
        }
        Ok(Err(format!("event {}: {reason}", place.id)))
    }

    fn counters(&self) -> rusqlite::Result<BTreeMap<String, u64>> {
        let mut query = self.connection.prepare_cached("SELECT name, value FROM counter")?;
        let rows = query.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
        rows.collect()
    }
}

impl EventStore for SqliteStore {
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction().map_err(store_error)?;
        let mut chains = self.chains.clone();
        for record in records {
            let kept = match record {
                Record::Event(event) => keep_event(&transaction, &mut chains, event),
                Record::Counter { name, value } => transaction
                    .prepare_cached("INSERT OR REPLACE INTO counter (name, value) VALUES (?1, ?2)")
                    .and_then(|mut insert| insert.execute(params![name, *value as i64]).map(drop)),
            };
            kept.map_err(store_error)?;
        }
        transaction.commit().map_err(store_error)?;
        // Only what was committed is remembered.
        self.chains = chains;
        Ok(())
    }

    fn load(&mut self, request: &LoadRequest) -> Result<Slice, StoreError> {
        let counters = self.counters().map_err(store_error)?;
        let mut slice = Slice { counters, ..Slice::default() };
        match request {
            LoadRequest::From { cursor, limit } => {
                self.load_from(*cursor, *limit, &mut slice).map_err(store_error)?;
            }
            LoadRequest::Events(places) => {
                for place in places {
                    match self.load_event(place).map_err(store_error)? {
                        Ok(event) => slice.events.push(event),
                        Err(reason) => slice.damaged.push(reason),
                    }
                }
            }
        }
        Ok(slice)
    }
}

fn keep_event(
    transaction: &Transaction<'_>,
    chains: &mut BTreeMap<ChainId, i64>,
    event: &Verified,
) -> rusqlite::Result<()> {
    let chain = chain_number(transaction, chains, &event.chain())?;
    let seq = event.header().seq as i64;
    let envelope = event.encode();
    let mut there = transaction
        .prepare_cached("SELECT envelope FROM event WHERE chain = ?1 AND seq = ?2 ORDER BY fork")?;
    let mut rows = there.query(params![chain, seq])?;
    let mut fork = 0;
    while let Some(row) = rows.next()? {
        if row.get_ref(0)?.as_blob()? == envelope {
            return Ok(());
        }
        fork += 1;
    }
    transaction
        .prepare_cached(
            "INSERT INTO event (chain, seq, fork, envelope, row_check) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![chain, seq, fork, envelope, &row_check(&envelope)[..]])
        .map(drop)
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

fn row_check(envelope: &[u8]) -> [u8; 16] {
    let full = hash::hash(context::STORED_ROW, &[envelope]);
    let mut check = [0; 16];
    check.copy_from_slice(&full[..16]);
    check
}

fn read_row(envelope: &[u8], check: &[u8]) -> Result<Verified, String> {
    if row_check(envelope) != check {
        return Err("the row is damaged".to_owned());
    }
    let signed = Signed::decode(envelope).map_err(|fault| fault.to_string())?;
    signed.trust_stored().map_err(|fault| fault.to_string())
}

fn store_error(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(cause, _) = &error else {
        return StoreError::Failed(error.to_string());
    };
    match (cause.code, cause.extended_code) {
        (ErrorCode::DiskFull, _) => StoreError::Full,
        (_, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => {
            StoreError::Unconfirmed(error.to_string())
        }
        _ => StoreError::Failed(error.to_string()),
    }
}

/// A store's failure, for people.
pub(crate) fn to_failure(error: &StoreError) -> Failure {
    Failure::new(FailureKind::Failed, error)
}

#[cfg(test)]
mod tests {
    use kernelos_protocol::key::RecoveryKey;
    use kernelos_protocol::replica::{Config, Output, Replica};
    use kernelos_protocol::store::contract;

    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("kern-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn events() -> Vec<Verified> {
        let config = Config {
            secret: [7; 32],
            incarnation: Incarnation([1; 8]),
            seed: [2; 32],
            workspace: WorkspaceId::UNBORN,
            workspace_name: "home".to_owned(),
            device_name: "laptop".to_owned(),
            mode: Mode::Local,
        };
        let recovery = RecoveryKey::from_bytes([3; 32]).public();
        let mut replica = Replica::found(config, recovery, crate::clock::now()).unwrap();
        let mut events = Vec::new();
        while let Some(output) = replica.poll_output() {
            if let Output::Persist(records) = output {
                events.extend(records.into_iter().filter_map(|record| match record {
                    Record::Event(event) => Some(event),
                    Record::Counter { .. } => None,
                }));
            }
        }
        events
    }

    #[test]
    fn sqlite_keeps_the_contract() {
        // SPEC: DUR-1
        let path = folder("contract").join("store.db");
        drop(SqliteStore::create(&path).unwrap());
        contract::check(&mut || Box::new(SqliteStore::open(&path).unwrap()), &events());
    }

    #[test]
    fn a_damaged_row_is_told_and_not_given_out() {
        let path = folder("damage").join("store.db");
        let mut store = SqliteStore::create(&path).unwrap();
        let events = events();
        let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
        store.commit(&records).unwrap();
        let envelope = events[3].encode();
        for at in [0, 40, envelope.len() / 2, envelope.len() - 1] {
            let mut damaged = envelope.clone();
            damaged[at] ^= 1;
            let update = "UPDATE event SET envelope = ?1 WHERE arrival = 4";
            store.connection.execute(update, [damaged]).unwrap();
            let slice = store.load(&LoadRequest::From { cursor: 0, limit: 10 }).unwrap();
            assert_eq!(slice.events, events[..3], "byte {at}");
            assert_eq!(slice.damaged.len(), 1, "byte {at}");
            let asked = LoadRequest::Events(vec![contract::place_of(&events[3])]);
            let slice = store.load(&asked).unwrap();
            assert!(slice.events.is_empty() && slice.damaged.len() == 1, "byte {at}");
        }
    }

    #[test]
    fn a_newer_store_is_refused_and_another_file_is_none() {
        let folder = folder("newer");
        let path = folder.join("store.db");
        let store = SqliteStore::create(&path).unwrap();
        store.connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        drop(store);
        let refused = SqliteStore::open(&path).err().map(|error| error.to_string());
        assert!(refused.unwrap().contains("newer"), "a newer store is refused");
        let other = folder.join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let refused = SqliteStore::open(&other).err().map(|error| error.to_string());
        assert!(refused.unwrap().contains("no KernelOS store"));
    }

    #[test]
    fn a_failed_fsync_stops_the_process_and_a_full_disk_does_not() {
        // SPEC: DUR-2, DUR-3
        let error = |code| store_error(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(error(ffi::SQLITE_IOERR_FSYNC).is_fatal());
        assert!(error(ffi::SQLITE_IOERR_DIR_FSYNC).is_fatal());
        assert!(!error(ffi::SQLITE_IOERR_WRITE).is_fatal());
        assert_eq!(error(ffi::SQLITE_FULL), StoreError::Full);
    }

    #[test]
    fn what_a_store_is_was_said_once() {
        let path = folder("meta").join("store.db");
        let meta = Meta {
            workspace: WorkspaceId([1; 32]),
            name: "home".to_owned(),
            device: "laptop".to_owned(),
            mode: Mode::Local,
            incarnation: Incarnation([2; 8]),
        };
        let mut store = SqliteStore::create(&path).unwrap();
        store.write_meta(&meta).unwrap();
        assert!(store.write_meta(&meta).is_err());
        drop(store);
        assert_eq!(SqliteStore::open(&path).unwrap().meta(), Ok(meta));
    }
}
