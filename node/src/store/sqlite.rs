//! A workspace in SQLite: WAL, `synchronous=FULL`, one transaction for each turn (SPEC: DUR-1).
//!
//! Signatures were checked before an event was kept, so reading back checks the row's hash
//! instead. A row that fails is reported and not given out.

mod chunks;
mod events;
#[cfg(test)]
pub(crate) mod fuzz;
mod introducer;
mod notices;
mod pages;
mod salvage;
pub(super) mod shred;
mod wal;

use std::collections::BTreeMap;
use std::path::Path;

use kernelos_protocol::cbor::encode;
use kernelos_protocol::command::{Failure, FailureKind, Mode};
use kernelos_protocol::id::{ChainId, DeviceId, Incarnation, WorkspaceId};
use kernelos_protocol::store::{EventStore, LoadRequest, Record, Slice, StoreError};
use kernelos_protocol::sync::{Card, Receipt};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, ffi, params};

pub use introducer::Introducer;
pub(crate) use salvage::SALVAGED;
use shred::Shredding;

/// The version of the schema that this program writes.
pub(crate) const SCHEMA_VERSION: i64 = 2;
/// "kern", so that `file` and a person can tell what it is.
const APPLICATION_ID: i64 = 0x6b65_726e;
const SCHEMA: &str = include_str!("schema.sql");
/// What each version adds to the one before, from version 2 on.
const UPGRADES: [&str; 1] = [include_str!("schema_2.sql")];

/// The row of `meta` that says whose store it is.
const DEVICE: &str = "device_id";

/// What a store says about its workspace, made with it; the life and the device's name may
/// change later.
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
    /// Who let this device in, and where it was then; none where this device founded it.
    pub introducer: Option<Introducer>,
}

/// An open store.
pub struct SqliteStore {
    connection: Connection,
    chains: BTreeMap<ChainId, i64>,
    shredding: Shredding,
    /// What became of it as it was opened, where that is to be told. `SPEC: DUR-7`
    pub(crate) told: Option<String>,
}

impl SqliteStore {
    /// A new store at `path`.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let mut store = Self::connect(path)?.ready()?;
        store.connection.execute_batch(SCHEMA).map_err(store_error)?;
        store
            .connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(store_error)?;
        store.connection.pragma_update(None, "user_version", 1).map_err(store_error)?;
        store.upgrade(1)?;
        Ok(store)
    }

    /// The store at `path`. A newer one than this program is refused.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        match Self::connect(path)?.known(path) {
            Err(error) if !matches!(error, StoreError::Corrupt(_)) => {
                Self::alone(path).map_err(|_| error)
            }
            opened => opened,
        }
    }

    /// The same where a disk takes nothing and so has no room for what SQLite shares beside a
    /// store: it keeps that to itself, and what the disk holds can be read. `SPEC: DUR-13`
    fn alone(path: &Path) -> Result<Self, StoreError> {
        let store = Self::connect(path)?;
        let exclusive = store.connection.pragma_update(None, "locking_mode", "EXCLUSIVE");
        exclusive.map_err(store_error)?;
        store.known(path)
    }

    /// Takes what was opened, if it is a store that this program knows.
    fn known(self, path: &Path) -> Result<Self, StoreError> {
        let store = self;
        let pragma = |name| store.connection.pragma_query_value(None, name, |row| row.get(0));
        let application: i64 = pragma("application_id").map_err(store_error)?;
        let version: i64 = pragma("user_version").map_err(store_error)?;
        if application != APPLICATION_ID || version < 1 {
            let pages: i64 = pragma("page_count").map_err(store_error)?;
            // It has what a store has, or nothing at all: a store has its first page since it was
            // founded.
            return Err(if pages == 0 || store.value("workspace").is_ok() {
                StoreError::Corrupt(format!("{} is empty or has another header", path.display()))
            } else {
                StoreError::Failed(format!("{} is no KernelOS store", path.display()))
            });
        }
        if version > SCHEMA_VERSION {
            return Err(StoreError::Newer(format!(
                "{} is of a newer kern (schema {version}, this one knows {SCHEMA_VERSION})",
                path.display()
            )));
        }
        let mut store = store.ready()?;
        store.upgrade(version)?;
        store.find_shredding().map_err(store_error)?;
        Ok(store)
    }

    /// Adds what the versions behind `from` have, one transaction each.
    fn upgrade(&mut self, from: i64) -> Result<(), StoreError> {
        for (version, sql) in (2..=SCHEMA_VERSION).zip(UPGRADES) {
            if version > from {
                let transaction = self.connection.transaction().map_err(store_error)?;
                transaction.execute_batch(sql).map_err(store_error)?;
                transaction.pragma_update(None, "user_version", version).map_err(store_error)?;
                transaction.commit().map_err(store_error)?;
            }
        }
        Ok(())
    }

    fn connect(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path).map_err(store_error)?;
        let shredding = Shredding::default();
        Ok(Self { connection, chains: BTreeMap::new(), shredding, told: None })
    }

    /// Only a file that is a store of ours is written to, and be it its journal mode. The log is
    /// made by that, and its name must be as durable as what will stand in it: SQLite syncs the
    /// folder too, and takes no notice where that fails. `SPEC: DUR-12`
    fn ready(self) -> Result<Self, StoreError> {
        for (name, value) in [
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            // The number of a chain is only written with what it was found or made as.
            ("foreign_keys", "OFF"),
            ("secure_delete", "ON"),
        ] {
            self.connection.pragma_update(None, name, value).map_err(store_error)?;
        }
        if let Some(path) = self.connection.path().map(Path::new) {
            salvage::sync_folder(path).map_err(|error| salvage::unusable(path, &error))?;
        }
        Ok(self)
    }

    /// Says once what the store is.
    pub fn write_meta(&mut self, meta: &Meta) -> Result<(), StoreError> {
        let mode = match meta.mode {
            Mode::Local => "local",
            Mode::Synced => "synced",
        };
        let introducer = introducer::written(meta.introducer.as_ref())?;
        let values: [(&str, &[u8]); 6] = [
            ("workspace", &meta.workspace.0),
            ("name", meta.name.as_bytes()),
            ("device", meta.device.as_bytes()),
            ("mode", mode.as_bytes()),
            ("incarnation", &meta.incarnation.0),
            ("introducer", &introducer),
        ];
        let transaction = self.connection.transaction().map_err(store_error)?;
        for (name, value) in values {
            transaction
                .execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", params![name, value])
                .map_err(store_error)?;
        }
        transaction.commit().map_err(store_error)
    }

    /// Says anew under which name and by whom this device was let in.
    pub(crate) fn let_in(
        &mut self,
        device: &str,
        introducer: &Introducer,
    ) -> Result<(), StoreError> {
        let introducer = introducer::written(Some(introducer))?;
        let transaction = self.connection.transaction().map_err(store_error)?;
        for (name, value) in [("device", device.as_bytes()), ("introducer", &introducer)] {
            let update = "UPDATE meta SET value = ?2 WHERE name = ?1";
            transaction.execute(update, params![name, value]).map_err(store_error)?;
        }
        transaction.commit().map_err(store_error)
    }

    /// What the store is.
    pub fn meta(&self) -> Result<Meta, StoreError> {
        let value = |name: &str| self.value(name);
        let damaged = |name: &str| StoreError::Corrupt(format!("the store's {name} is damaged"));
        let text = |name: &str| String::from_utf8(value(name)?).map_err(|_| damaged(name));
        Ok(Meta {
            workspace: WorkspaceId(
                value("workspace")?.try_into().map_err(|_| damaged("workspace"))?,
            ),
            name: text("name")?,
            device: text("device")?,
            mode: mode_of(&value("mode")?).ok_or_else(|| damaged("mode"))?,
            incarnation: Incarnation(
                value("incarnation")?.try_into().map_err(|_| damaged("incarnation"))?,
            ),
            introducer: introducer::read(&value("introducer")?)
                .ok_or_else(|| damaged("introducer"))?,
        })
    }

    fn value(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let query = "SELECT value FROM meta WHERE name = ?1";
        self.connection.query_row(query, [name], |row| row.get(0)).map_err(store_error)
    }

    /// Whose store it is, where it was told and that can be read.
    fn said_device(&self) -> rusqlite::Result<Option<DeviceId>> {
        let said = self
            .connection
            .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
            .query_row([DEVICE], |row| row.get::<_, Vec<u8>>(0))
            .optional()?;
        Ok(said.and_then(|said| device_of(&said)))
    }

    /// Closes it with all that it holds in its one file.
    fn close(self) -> Result<(), StoreError> {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let blocked: i64 =
            self.connection.query_row(checkpoint, [], |row| row.get(0)).map_err(store_error)?;
        if blocked != 0 {
            return Err(StoreError::Failed("the store is in use".to_owned()));
        }
        self.connection.close().map_err(|(_, error)| store_error(error))
    }

    /// The life of the store.
    fn incarnation(&self) -> rusqlite::Result<Option<Incarnation>> {
        self.connection
            .prepare_cached("SELECT value FROM meta WHERE name = 'incarnation'")?
            .query_row([], |row| Ok(Incarnation(row.get(0)?)))
            .optional()
    }

    /// The last glance.
    fn glance(&self) -> rusqlite::Result<Option<Vec<u8>>> {
        self.connection
            .prepare_cached("SELECT value FROM meta WHERE name = 'glance'")?
            .query_row([], |row| row.get(0))
            .optional()
    }

    /// The cards; one that is damaged is as good as none, its device will tell it again.
    fn cards(&self) -> rusqlite::Result<Vec<Card>> {
        let mut query = self.connection.prepare_cached("SELECT card FROM card ORDER BY device")?;
        let rows = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        let cards: Vec<_> = rows.collect::<Result<_, _>>()?;
        Ok(cards.iter().filter_map(|bytes| Card::decode(bytes).ok()).collect())
    }

    /// The receipts; one that is damaged is as good as none, a peer that has it will tell it again.
    fn receipts(&self) -> rusqlite::Result<Vec<Receipt>> {
        let mut query = self
            .connection
            .prepare_cached("SELECT receipt FROM receipt ORDER BY device, incarnation")?;
        let rows = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        let receipts: Vec<_> = rows.collect::<Result<_, _>>()?;
        Ok(receipts.iter().filter_map(|bytes| Receipt::decode(bytes).ok()).collect())
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
        let mut destroyed = None;
        let mut keeper = events::Keeper::of(&transaction).map_err(store_error)?;
        for record in records {
            let kept = match record {
                Record::Event(event) => keeper.keep(&mut chains, event),
                Record::Counter { name, value } => transaction
                    .prepare_cached("INSERT OR REPLACE INTO counter (name, value) VALUES (?1, ?2)")
                    .and_then(|mut insert| insert.execute(params![name, *value as i64]).map(drop)),
                Record::Incarnation(life) => say_meta(&transaction, "incarnation", &life.0),
                Record::DeviceName(name) => say_meta(&transaction, "device", name.as_bytes()),
                Record::Glance(glance) => say_meta(&transaction, "glance", glance),
                Record::Card(card) => transaction
                    .prepare_cached("INSERT OR REPLACE INTO card (device, card) VALUES (?1, ?2)")
                    .and_then(|mut insert| {
                        insert.execute(params![card.device().0, encode(card)]).map(drop)
                    }),
                Record::Receipt(receipt) => keep_receipt(&transaction, receipt),
                Record::Notice(notice) => notices::keep(&transaction, notice),
                Record::Chunk(chunk) => chunks::keep(&transaction, chunk),
                Record::DropChunks(hashes) => chunks::drop_all(&transaction, hashes),
                Record::Shred { events, chunks } => shred::destroy(&transaction, events, chunks)
                    .map(|traces| destroyed = Some(traces)),
            };
            kept.map_err(store_error)?;
        }
        drop(keeper);
        transaction.commit().map_err(store_error)?;
        // Only what was committed is remembered.
        self.chains = chains;
        if let Some(traces) = destroyed {
            self.must_shred(traces);
        }
        self.shred();
        Ok(())
    }

    fn load(&mut self, request: &LoadRequest) -> Result<Slice, StoreError> {
        let counters = self.counters().map_err(store_error)?;
        let mut slice = Slice { counters, ..Slice::default() };
        match request {
            LoadRequest::From { cursor, limit } => {
                if *cursor == 0 {
                    slice.incarnation = self.incarnation().map_err(store_error)?;
                    slice.glance = self.glance().map_err(store_error)?;
                    slice.kept = events::newest(&self.connection).map_err(store_error)?;
                    slice.cards = self.cards().map_err(store_error)?;
                    slice.receipts = self.receipts().map_err(store_error)?;
                    slice.notices = notices::load(&self.connection).map_err(store_error)?;
                }
                events::load_from(&self.connection, *cursor, *limit, &mut slice)
                    .map_err(store_error)?;
            }
            LoadRequest::Events(places) => {
                events::load_events(&self.connection, places, &mut slice).map_err(store_error)?;
            }
            LoadRequest::Sought(sought) => {
                events::load_sought(&self.connection, sought, &mut slice).map_err(store_error)?;
            }
            LoadRequest::Chunks(hashes) => {
                for hash in hashes {
                    slice.chunks.extend(self.chunk(hash).map_err(store_error)?);
                }
            }
            LoadRequest::ChunkList { after, limit } => {
                slice.chunk_list = self.chunk_list(after.as_ref(), *limit).map_err(store_error)?;
            }
        }
        Ok(slice)
    }

    fn owes(&self) -> Option<u64> {
        self.shreds_in()
    }

    fn settle(&mut self) {
        self.go_on_shredding();
    }
}

fn keep_receipt(transaction: &Transaction<'_>, receipt: &Receipt) -> rusqlite::Result<()> {
    let insert =
        "INSERT OR REPLACE INTO receipt (device, incarnation, receipt) VALUES (?1, ?2, ?3)";
    let life = (receipt.device().0, receipt.incarnation().0);
    transaction.prepare_cached(insert)?.execute(params![life.0, life.1, encode(receipt)]).map(drop)
}

/// The device, behind it the check of its row: a damaged one must not be taken for another's.
fn device_row(device: &DeviceId) -> Vec<u8> {
    [&device.0[..], &events::row_check(&device.0)].concat()
}

fn device_of(row: &[u8]) -> Option<DeviceId> {
    let device = DeviceId(*row.first_chunk()?);
    (device_row(&device) == row).then_some(device)
}

fn mode_of(value: &[u8]) -> Option<Mode> {
    match value {
        b"local" => Some(Mode::Local),
        b"synced" => Some(Mode::Synced),
        _ => None,
    }
}

fn say_meta(connection: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    connection.prepare_cached(insert)?.execute(params![name, value]).map(drop)
}

fn store_error(error: rusqlite::Error) -> StoreError {
    use rusqlite::Error;
    let what = error.to_string();
    let (code, extended) = match &error {
        Error::SqliteFailure(cause, _) => (cause.code, cause.extended_code),
        // What stands there is not what was written.
        Error::QueryReturnedNoRows
        | Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => return StoreError::Corrupt(what),
        _ => return StoreError::Failed(what),
    };
    match (code, extended) {
        (ErrorCode::DiskFull, _) => StoreError::Full,
        (_, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => StoreError::Unconfirmed(what),
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => StoreError::Corrupt(what),
        // The words of this program are right: it is the schema that is not there.
        (ErrorCode::Unknown, ffi::SQLITE_ERROR) => StoreError::Corrupt(what),
        _ => StoreError::Failed(what),
    }
}

/// A store's failure, for people.
pub(crate) fn to_failure(error: &StoreError) -> Failure {
    Failure::new(FailureKind::Failed, error).with_hint(match error {
        StoreError::Full => "free some room on the disk, then try again",
        StoreError::Corrupt(_) => "start the node again: it salvages what can be read",
        StoreError::Newer(_) => "nothing was changed; upgrade kern, then try again",
        StoreError::Unconfirmed(_) | StoreError::Failed(_) => {
            "nothing was changed; check the disk and who may write to it, then try again"
        }
    })
}

#[cfg(test)]
mod tests;
