//! What ours is measured against, as little as can do the same: SQLite alone, and Automerge with a
//! signature and SQLite.

use std::path::Path;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, Automerge, AutomergeError, Change, ObjId, ObjType, ROOT};
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::key::DeviceKey;
use rusqlite::{Connection, OpenFlags, params};

use super::edits::{Edit, Edits, FIELDS, TASKS, name, text};

/// Events of one commit of what is received, and changes of the first application.
const FRAME: usize = 1_000;

/// A table of rows by their place, WAL and FULL.
pub(super) struct Database {
    connection: Connection,
    rows: i64,
}

impl Database {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(path).map_err(failed)?;
        for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
            connection.pragma_update(None, name, value).map_err(failed)?;
        }
        let table = "CREATE TABLE event (chain INTEGER NOT NULL, seq INTEGER NOT NULL,
            envelope BLOB NOT NULL, PRIMARY KEY (chain, seq)) WITHOUT ROWID";
        connection.execute_batch(table).map_err(failed)?;
        Ok(Self { connection, rows: 0 })
    }

    /// Keeps some rows in one transaction.
    pub(super) fn insert<'a>(
        &mut self,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), Failure> {
        let transaction = self.connection.transaction().map_err(failed)?;
        {
            let insert = "INSERT INTO event (chain, seq, envelope) VALUES (1, ?1, ?2)";
            let mut insert = transaction.prepare_cached(insert).map_err(failed)?;
            for row in rows {
                self.rows += 1;
                insert.execute(params![self.rows, row]).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }
}

/// Opens a database and asks it for its last row: what no program can start faster than.
pub(crate) fn open_bare(path: &Path) -> Result<(), Failure> {
    // Where there is none it makes none.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    let newest = "SELECT max(arrival) FROM event";
    connection.query_row(newest, [], |row| row.get::<_, i64>(0)).map_err(failed)?;
    Ok(())
}

/// The envelopes of a store, in the order in which they were kept.
pub(super) fn envelopes(store: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let connection = Connection::open(store).map_err(failed)?;
    let mut query =
        connection.prepare("SELECT envelope FROM event ORDER BY arrival").map_err(failed)?;
    let rows = query.query_map([], |row| row.get(0)).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

/// The document, a key and a table: an event core without anything around it.
pub(super) struct Core {
    document: Automerge,
    tasks: Vec<ObjId>,
    key: DeviceKey,
    database: Database,
}

impl Core {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let mut document = Automerge::new().with_actor(ActorId::from([1; 16]));
        let made = document.transact(|tx| -> Result<_, AutomergeError> {
            let all = tx.put_object(ROOT, "tasks", ObjType::Map)?;
            let mut tasks = Vec::with_capacity(TASKS);
            for (task, edit) in (0..TASKS).zip(Edits::new(0)) {
                let map = tx.put_object(&all, name(task), ObjType::Map)?;
                let [title, state, owner, days] = FIELDS;
                for field in [title, state, owner] {
                    tx.put(&map, field, text(edit.value))?;
                }
                tx.put(&map, days, i64::from(edit.value))?;
                tasks.push(map);
            }
            Ok(tasks)
        });
        let tasks = made.map_err(|failure| failed(failure.error))?.result;
        let key = DeviceKey::from_secret(&[1; 32]);
        Ok(Self { document, tasks, key, database: Database::create(path)? })
    }

    /// A change an edit, each signed; all of them kept in one transaction.
    pub(super) fn append(&mut self, edits: &[Edit]) -> Result<(), Failure> {
        let mut rows = Vec::with_capacity(edits.len());
        for edit in edits {
            let task = self.tasks.get(edit.task).unwrap_or(&ROOT);
            let done = self.document.transact(|tx| put(tx, task, *edit));
            done.map_err(|failure| failed(failure.error))?;
            let change = self.document.get_last_local_change();
            let mut row = change.map_or_else(Vec::new, |change| change.raw_bytes().to_vec());
            let id = hash::hash(context::STORED_ROW, &[&row]);
            row.extend(self.key.sign(b"bench", &id));
            rows.push(row);
        }
        self.database.insert(rows.iter().map(Vec::as_slice))
    }
}

fn put(
    tx: &mut automerge::transaction::Transaction<'_>,
    task: &ObjId,
    edit: Edit,
) -> Result<(), AutomergeError> {
    let field = FIELDS.get(edit.field).copied().unwrap_or_default();
    tx.put(task, field, i64::from(edit.value))
}

/// The changes of a saved document, in an order in which they can be applied.
pub(super) fn changes_of(saved: &[u8]) -> Result<Vec<Change>, Failure> {
    Ok(Automerge::load(saved).map_err(failed)?.get_changes(&[]))
}

/// Keeps every row, a commit a frame, and applies the changes whenever as many wait as are applied
/// already: the least that a receiver who keeps everything has to do.
pub(super) fn receive(path: &Path, rows: &[Vec<u8>], changes: Vec<Change>) -> Result<(), Failure> {
    let mut database = Database::create(path)?;
    let mut document = Automerge::new();
    let (mut changes, mut waiting, mut applied) = (changes.into_iter(), Vec::new(), 0);
    for frame in rows.chunks(FRAME) {
        database.insert(frame.iter().map(Vec::as_slice))?;
        waiting.extend(changes.by_ref().take(frame.len()));
        if waiting.len() >= applied.max(FRAME) {
            applied += waiting.len();
            document.apply_changes(std::mem::take(&mut waiting)).map_err(failed)?;
        }
    }
    waiting.extend(changes);
    document.apply_changes(waiting).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Failed, format!("what it is measured against failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none");
        assert!(open_bare(&none).is_err());
        assert!(!none.exists());
    }
}
