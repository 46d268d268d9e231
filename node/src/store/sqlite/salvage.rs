//! A store whose file is damaged (SPEC: DUR-7): what can be read and proves itself goes into a new
//! file, the damaged one is kept aside, and the new one is a new life. A store whose log lost its
//! tail goes on as a new life too.
//!
//! ```text
//! .salvage.db        being filled; worth nothing
//! salvaged.db        whole and durable; from here on only names change
//! store.db           the store
//! store.db.damaged-1 what was damaged, its log beside it as `….damaged-1-wal`
//! ```
//! A process that dies between leaves one of these states, and the next start goes on from it.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use kernelos_protocol::artifact::Chunk;
use kernelos_protocol::command::Mode;
use kernelos_protocol::event::{Proving, Verified};
use kernelos_protocol::id::{DeviceId, Incarnation, WorkspaceId, to_hex};
use kernelos_protocol::notice::{NoticeKind, Notices};
use kernelos_protocol::pairing::messages::is_name;
use kernelos_protocol::store::{EventStore as _, LoadRequest, Record, StoreError};
use kernelos_protocol::sync::{Card, Receipt};
use kernelos_protocol::time::Stamp;

use super::pages::{Cell, Pages, Value};
use super::wal::{self, Wal};
use super::{DEVICE, Meta, SqliteStore, device_of, device_row, notices, store_error};

/// The file in which a store is made anew, before it is whole; and when it is.
const UNFINISHED: &str = ".salvage.db";
/// The same when it is whole.
pub(crate) const SALVAGED: &str = "salvaged.db";

/// Rows that are copied as one transaction.
const ROWS: usize = 500;

/// What became of a store, as its log and `status` have it.
const NEW_LIFE: &str = "new_life: store_damaged";
const LOG_TAIL_DROPPED: &str = "log_tail_dropped";
const STORE_SALVAGED: &str = "store_salvaged";
const ROWS_LEFT_OUT: &str = "rows_left_out";

impl SqliteStore {
    /// The store at `path`, for the device that owns it: another's is refused, a damaged one is
    /// salvaged. `SPEC: DUR-7, DUR-8`
    pub(crate) fn take(path: &Path, device: &DeviceId) -> Result<Self, StoreError> {
        let failed = |error: io::Error| unusable(path, &error);
        let finished = finish(path).map_err(failed)?;
        let dropped = Wal::read(path).map_err(failed)?.map_or(0, |wal| wal.dropped());
        let opened = Self::open(path).and_then(|mut store| {
            let meta = store.meta()?;
            // A tree that cannot be walked from its root is met before anybody is answered.
            store.load(&LoadRequest::From { cursor: 0, limit: 1 })?;
            Ok((store, meta))
        });
        match opened {
            Ok((mut store, meta)) => {
                store.belongs(path, &meta, device)?;
                store.told = finished;
                if dropped > 0 {
                    store.told = Some(LOG_TAIL_DROPPED.to_owned());
                    store.new_life(device, &[LOG_TAIL_DROPPED])?;
                    // Else what was dropped lies in the log still, and is met at the next start.
                    store.empty_log()?;
                }
                Ok(store)
            }
            Err(StoreError::Corrupt(_)) => Self::salvage(path, device),
            Err(error) => Err(error),
        }
    }

    /// Makes a new store of what the damaged one at `path` still holds. Nobody has it open.
    pub(crate) fn salvage(path: &Path, device: &DeviceId) -> Result<Self, StoreError> {
        let fresh = path.with_file_name(UNFINISHED);
        let failed = |error: io::Error| unusable(path, &error);
        remove(&fresh).map_err(failed)?;
        let filled = fill(path, &fresh, device);
        if filled.is_err() {
            remove(&fresh).ok();
        }
        filled?;
        fs::rename(&fresh, path.with_file_name(SALVAGED)).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        let told = finish(path).map_err(failed)?;
        Ok(Self { told, ..Self::open(path)? })
    }

    /// A store says whose it is since this device took it first.
    fn belongs(&self, path: &Path, meta: &Meta, device: &DeviceId) -> Result<(), StoreError> {
        let refused = |what: String| Err(StoreError::Failed(format!("{}: {what}", path.display())));
        if folder_workspace(path).is_some_and(|workspace| workspace != meta.workspace) {
            let of = meta.workspace;
            return refused(format!("this is the store of workspace {of}: put back the right one"));
        }
        match self.said_device().map_err(store_error)? {
            None => {
                let insert = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
                let row = rusqlite::params![DEVICE, device_row(device)];
                self.connection.execute(insert, row).map(drop).map_err(store_error)
            }
            Some(said) if said == *device => Ok(()),
            Some(said) => refused(format!(
                "this is the store of device {said}, and this home is device {device}: put back \
                 the store or the key that belongs here"
            )),
        }
    }

    fn empty_log(&self) -> Result<(), StoreError> {
        let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(truncate, [], |_| Ok(())).map_err(store_error)
    }

    /// From here on this store is a new life, and says why.
    fn new_life(&mut self, device: &DeviceId, why: &[&str]) -> Result<(), StoreError> {
        let mut known = Notices::default();
        let kept = notices::load(&self.connection).map_err(store_error)?;
        kept.into_iter().for_each(|notice| known.load(notice));
        let count = "SELECT count(*) FROM event";
        let events: i64 =
            self.connection.query_row(count, [], |row| row.get(0)).map_err(store_error)?;
        let at = (Stamp(crate::clock::now().wall_us), events.unsigned_abs());
        let mut records = vec![Record::Incarnation(new_incarnation()?)];
        for reason in why.iter().copied().chain([NEW_LIFE]) {
            let notice = known.note(NoticeKind::Life, *device, reason, at);
            records.extend(notice.map(Record::Notice));
        }
        self.commit(&records)
    }
}

fn new_incarnation() -> Result<Incarnation, StoreError> {
    let random = crate::home::random().map_err(|failure| StoreError::Failed(failure.message))?;
    let mut life = [0; 8];
    life.copy_from_slice(&random[..8]);
    Ok(Incarnation(life))
}

/// What could not be done with the files of a store.
pub(super) fn unusable(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Failed(format!("{}: {error}", path.display())),
    }
}

/// The workspace whose folder this is.
fn folder_workspace(path: &Path) -> Option<WorkspaceId> {
    path.parent()?.file_name()?.to_str()?.parse().ok()
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// Removes a file with what SQLite puts beside it.
fn remove(path: &Path) -> io::Result<()> {
    for path in [wal::path_of(path), shm_of(path), path.to_owned()] {
        gone(fs::remove_file(path))?;
    }
    Ok(())
}

fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn shm_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-shm");
    PathBuf::from(name)
}

/// The name under which the damaged file is kept.
fn aside(path: &Path) -> PathBuf {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        PathBuf::from(name)
    };
    (1..u32::MAX).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(0))
}

/// Puts a store that was salvaged in the place of the damaged one. The log goes first: with it the
/// new file would be the old one again. What there is to tell, where one was.
fn finish(path: &Path) -> io::Result<Option<String>> {
    let salvaged = path.with_file_name(SALVAGED);
    if !salvaged.exists() {
        return Ok(None);
    }
    let aside = aside(path);
    gone(fs::rename(wal::path_of(path), wal::path_of(&aside)))?;
    gone(fs::remove_file(shm_of(path)))?;
    gone(fs::rename(path, &aside))?;
    sync_folder(path)?;
    fs::rename(&salvaged, path)?;
    sync_folder(path)?;
    Ok(Some(told_of(&aside)))
}

/// Says under which name the damaged file is kept.
fn told_of(aside: &Path) -> String {
    let name = aside.file_name().unwrap_or_default();
    format!("{STORE_SALVAGED}: {}", name.to_string_lossy())
}

/// What was found that is not of the history.
#[derive(Default)]
struct Found {
    cards: Vec<Card>,
    receipts: Vec<Receipt>,
    name: Option<String>,
    device: Option<String>,
    mode: Option<Mode>,
    introducer: Option<super::Introducer>,
    of_device: Option<DeviceId>,
    workspace: Option<WorkspaceId>,
}

/// Fills a new store at `fresh` from the damaged one at `path`; durable when this returns.
fn fill(path: &Path, fresh: &Path, device: &DeviceId) -> Result<(), StoreError> {
    let failed = |error: io::Error| unusable(path, &error);
    let pages = Pages::open(path).map_err(failed)?;
    let mut cells = pages.cells().map_err(failed)?;
    let mut found = Found::default();
    for cell in cells.iter().filter(|cell| cell.row.is_none()) {
        if let Some(values) = pages.record(cell).map_err(failed)? {
            found.take(&values);
        }
    }
    // In the order in which they came: causes before effects.
    cells.retain(|cell| cell.row.is_some());
    cells.sort_unstable();
    if found.of_device.is_some_and(|of| of != *device) {
        return Err(StoreError::Failed(format!(
            "{} is damaged, and of another device: put back the one that belongs here",
            path.display()
        )));
    }
    let workspace = folder_workspace(path).or(found.workspace);
    let workspace = workspace.ok_or_else(|| {
        StoreError::Failed(format!("{}: nothing says of which workspace it is", path.display()))
    })?;
    let mut store = SqliteStore::create(fresh)?;
    let copied = copy(&pages, &cells, &workspace, &mut store)?;
    let receipts = found.receipts.iter().filter(|receipt| receipt.workspace() == workspace);
    let mut records: Vec<_> = receipts.cloned().map(Record::Receipt).collect();
    records.extend(found.cards.iter().cloned().map(Record::Card));
    store.commit(&records)?;
    store.write_meta(&found.meta(workspace, device, copied.has_genesis)?)?;
    let why = [told_of(&aside(path)), format!("{ROWS_LEFT_OUT}: {}", copied.left_out)];
    let count = if copied.left_out > 0 { 2 } else { 1 };
    let why: Vec<_> = why.iter().take(count).map(String::as_str).collect();
    store.new_life(device, &why)?;
    let meta = store.meta()?;
    store.belongs(path, &meta, device)?;
    store.close()
}

/// What went into a new store.
struct Copied {
    /// Does the history begin with its genesis?
    has_genesis: bool,
    /// Rows of events and chunks that prove nothing.
    left_out: u64,
}

/// Copies the rows that prove themselves.
fn copy(
    pages: &Pages,
    cells: &[Cell],
    workspace: &WorkspaceId,
    store: &mut SqliteStore,
) -> Result<Copied, StoreError> {
    let mut copied = Copied { has_genesis: false, left_out: 0 };
    let mut proving = Proving::of(*workspace);
    for cells in cells.chunks(ROWS) {
        let mut records = Vec::new();
        for cell in cells {
            let values =
                pages.record(cell).map_err(|error| StoreError::Failed(error.to_string()))?;
            match values.as_deref().and_then(row) {
                Some(Row::Event(envelope)) => {
                    let proven = proving.push(envelope);
                    let is_first = |event: &Verified| event.id() == workspace.genesis();
                    copied.has_genesis |= proven.iter().any(is_first);
                    records.extend(proven.into_iter().map(Record::Event));
                }
                Some(Row::Chunk(hash, bytes)) => match Chunk::new(bytes.to_vec()) {
                    Ok(chunk) if chunk.hash().0 == *hash => records.push(Record::Chunk(chunk)),
                    _ => copied.left_out += 1,
                },
                None => {}
            }
        }
        store.commit(&records)?;
    }
    copied.left_out += proving.left_out();
    Ok(copied)
}

/// What has the shape of a row of events or chunks.
enum Row<'a> {
    /// An envelope.
    Event(&'a [u8]),
    /// A hash and what it is said to name.
    Chunk(&'a [u8], &'a [u8]),
}

/// The check of an event's row is not asked: whoever wrote the row could write it too.
fn row(values: &[Value]) -> Option<Row<'_>> {
    match values {
        [Value::Null, Value::Int(_), Value::Int(_), Value::Int(_), Value::Blob(envelope), _] => {
            Some(Row::Event(envelope))
        }
        [Value::Blob(hash), Value::Blob(bytes)] => Some(Row::Chunk(hash, bytes)),
        _ => None,
    }
}

impl Found {
    fn take(&mut self, values: &[Value]) {
        match values {
            [Value::Text(name), Value::Blob(value)] => self.said(name, value),
            [Value::Blob(_), Value::Blob(card)] => self.cards.extend(Card::decode(card)),
            [Value::Blob(_), Value::Blob(_), Value::Blob(receipt)] => {
                self.receipts.extend(Receipt::decode(receipt));
            }
            _ => {}
        }
    }

    /// A row of `meta`. It has no check: what is no name, id or list is as good as gone.
    fn said(&mut self, name: &[u8], value: &[u8]) {
        let text = || String::from_utf8(value.to_vec()).ok().filter(|text| is_name(text));
        let id = || value.try_into().ok();
        match name {
            b"name" => self.name = text().or_else(|| self.name.take()),
            b"device" => self.device = text().or_else(|| self.device.take()),
            b"mode" => self.mode = super::mode_of(value).or_else(|| self.mode.take()),
            b"introducer" => {
                let introducer = super::introducer::read(value).flatten();
                self.introducer = introducer.or_else(|| self.introducer.take());
            }
            b"workspace" => self.workspace = id().map(WorkspaceId).or(self.workspace),
            _ if name == DEVICE.as_bytes() => {
                self.of_device = device_of(value).or(self.of_device);
            }
            _ => {}
        }
    }

    /// What the new store says of itself. Where the history is gone, whoever can be reached brings
    /// it, as it would to a newcomer.
    fn meta(
        self,
        workspace: WorkspaceId,
        own: &DeviceId,
        has_genesis: bool,
    ) -> Result<Meta, StoreError> {
        let others = self.cards.iter().filter(|card| card.device() != *own);
        let reached = others.map(|card| (card.device(), card.addresses().to_vec()));
        let mut reached = reached.filter(|(_, at): &(DeviceId, Vec<SocketAddr>)| !at.is_empty());
        let introducer = match self.introducer {
            None if !has_genesis => reached.next(),
            introducer => introducer,
        };
        Ok(Meta {
            workspace,
            name: self.name.unwrap_or_else(|| to_hex(&workspace.0[..4])),
            device: self.device.unwrap_or_else(|| to_hex(&own.0[..4])),
            mode: self.mode.unwrap_or(Mode::Synced),
            incarnation: new_incarnation()?,
            introducer,
        })
    }
}

#[cfg(test)]
mod tests;
