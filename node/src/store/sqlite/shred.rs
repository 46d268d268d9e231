//! What is purged is destroyed in the files of a store (SPEC: DUR-11): rows are overwritten by a
//! transaction that zeroes what it frees, the log is emptied, and the file is searched for what a
//! page moved before may have left behind; where something is found the file is written anew.
//!
//! Until all of that is done a row of `meta` says so. Emptying the log is tried with each commit;
//! a *sweep*, which searches the file and may write it anew, keeps a pace (SPEC: DUR-15).

mod pace;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use kernelos_protocol::id::ChunkHash;
use kernelos_protocol::store::Place;
use rusqlite::{OptionalExtension as _, Transaction};

use super::{SqliteStore, chunks, events};
use pace::Pace;
pub(crate) use pace::Stopper;

/// The row of `meta` that says that the files may hold what is purged.
const SHREDDING: &str = "shredding";

/// Bytes of a trace: as many as a salt has, so that no other place is taken for one.
const TRACE_BYTES: usize = 32;

/// Of a chunk every so manieth trace is searched for: two in each page that held it.
const CHUNK_STEP: usize = 64;

/// How long another process that writes is waited for: as long as the library does by itself.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that are read of the file at once.
const BLOCK_BYTES: usize = 1024 * 1024;

/// More are not searched for: the file is written anew.
const TRACES_MAX: usize = 65_536;

/// A piece of what was destroyed, by which a copy of it is found.
type Trace = [u8; TRACE_BYTES];

/// What is left to do in the files.
#[derive(Default)]
pub(super) struct Shredding {
    is_due: bool,
    /// The log holds nothing that was destroyed.
    is_log_clean: bool,
    /// What the file is searched for; none where that is not known, and the file is written anew.
    traces: Option<BTreeSet<Trace>>,
    /// The store's file. It is never closed before the connection: by that a process loses the
    /// locks that it holds on it (fcntl(2)).
    file: Option<File>,
    pace: Pace,
    stopper: Stopper,
}

/// Destroys the bodies of events and chunks; gives their traces, none where one is not known.
pub(super) fn destroy(
    transaction: &Transaction<'_>,
    places: &[Place],
    hashes: &[ChunkHash],
) -> rusqlite::Result<Option<BTreeSet<Trace>>> {
    let mark = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, x'')";
    transaction.prepare_cached(mark)?.execute([SHREDDING])?;
    let mut traces = Some(BTreeSet::new());
    let mut found = |bytes: &[u8], step: usize| match &mut traces {
        Some(some)
            if bytes.len() >= TRACE_BYTES
                && some.len() + bytes.len() / TRACE_BYTES / step < TRACES_MAX =>
        {
            some.extend(traces_of(bytes, step));
        }
        _ => traces = None,
    };
    for place in places {
        found(&events::shred(transaction, place)?.unwrap_or_default(), 1);
    }
    for hash in hashes {
        found(&chunks::bytes(transaction, hash)?, CHUNK_STEP);
    }
    chunks::drop_all(transaction, hashes)?;
    Ok(traces)
}

/// What bytes are told by: of every `step` pieces the first that is not all zeros, and their end.
/// Zeros are what the store writes over what it destroys: they are found in every file, and say
/// nothing of what stood there.
fn traces_of(bytes: &[u8], step: usize) -> impl Iterator<Item = Trace> {
    let is_told = |trace: &&Trace| trace.iter().any(|byte| *byte != 0);
    let pieces: &[Trace] = bytes.as_chunks().0;
    let firsts = pieces.chunks(step).filter_map(move |some| some.iter().find(is_told));
    firsts.chain(bytes.last_chunk().filter(is_told)).copied()
}

impl SqliteStore {
    /// The last transaction destroyed something.
    pub(super) fn must_shred(&mut self, traces: Option<BTreeSet<Trace>>) {
        let left = &mut self.shredding;
        left.traces = match (left.is_due, left.traces.take(), traces) {
            (false, _, traces) => traces,
            (true, Some(before), Some(mut traces)) if before.len() + traces.len() < TRACES_MAX => {
                traces.extend(before);
                Some(traces)
            }
            _ => None,
        };
        (left.is_due, left.is_log_clean) = (true, false);
    }

    /// At the start: a process before this one may have died between.
    pub(super) fn find_shredding(&mut self) -> rusqlite::Result<()> {
        let query = "SELECT 1 FROM meta WHERE name = ?1";
        let left = self.connection.query_row(query, [SHREDDING], |_| Ok(())).optional()?;
        if left.is_some() {
            self.must_shred(None);
        }
        Ok(())
    }

    /// What ends a sweep early, and lets no other begin.
    pub(crate) fn stopped_by(mut self, stopper: &Stopper) -> Self {
        self.shredding.stopper = stopper.clone();
        self
    }

    /// How many ms until [`Self::go_on_shredding`] goes on; none where nothing is left to do.
    pub(super) fn shreds_in(&self) -> Option<u64> {
        let left = self.shredding.pace.left(Instant::now());
        self.shredding.is_due.then(|| u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    /// Goes on without a commit, where its pace lets it.
    pub(super) fn go_on_shredding(&mut self) {
        if self.shreds_in() == Some(0) {
            self.shred();
            // Something reads the store: that is not asked all the time.
            if self.shreds_in() == Some(0) {
                self.shredding.pace.wait(Instant::now());
            }
        }
    }

    /// Does what is left to do in the files. What cannot be done now is tried again: the
    /// transaction is durable, and nothing gives out what it destroyed.
    pub(super) fn shred(&mut self) {
        if self.shredding.is_due && matches!(self.try_shred(), Ok(true)) {
            self.shredding.is_due = false;
            self.shredding.traces = None;
        }
    }

    /// Is all done?
    fn try_shred(&mut self) -> rusqlite::Result<bool> {
        if !self.shredding.is_log_clean && !self.empty_wal()? {
            return Ok(false);
        }
        self.shredding.is_log_clean = true;
        let began = Instant::now();
        if !self.shredding.pace.left(began).is_zero() || self.shredding.stopper.is_stopped() {
            return Ok(false);
        }
        let done = self.sweep();
        self.shredding.pace.ran(began, Instant::now(), done.is_ok());
        done
    }

    /// Searches the file, and writes it anew where that has to be. Is all done?
    fn sweep(&mut self) -> rusqlite::Result<bool> {
        let is_clean = match self.shredding.traces.take() {
            Some(traces) => {
                let is_clean = traces.is_empty() || self.is_clean(&traces);
                self.shredding.traces = Some(traces);
                is_clean
            }
            None => false,
        };
        if !is_clean {
            let connection = &self.connection;
            let vacuum = || connection.execute_batch("VACUUM");
            let handle = connection.get_interrupt_handle();
            self.shredding.stopper.interruptible(handle, vacuum)?;
            // Of what was destroyed there is nothing in what is written: the log alone is left.
            (self.shredding.traces, self.shredding.is_log_clean) = (Some(BTreeSet::new()), false);
            if !self.empty_wal()? {
                return Ok(false);
            }
            self.shredding.is_log_clean = true;
        }
        self.connection.execute("DELETE FROM meta WHERE name = ?1", [SHREDDING])?;
        Ok(true)
    }

    /// Empties the log into the file; not while something else reads the store, which is not waited
    /// for.
    fn empty_wal(&self) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
        let blocked = self.connection.query_row(truncate, [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(blocked? == 0)
    }

    /// Does the file hold none of these? Where it cannot be read that is not known.
    fn is_clean(&mut self, traces: &BTreeSet<Trace>) -> bool {
        let path = self.connection.path().map(std::path::PathBuf::from);
        if self.shredding.file.is_none() {
            self.shredding.file = path.and_then(|path| File::open(path).ok());
        }
        let (file, stopper) = (self.shredding.file.as_ref(), &self.shredding.stopper);
        file.is_some_and(|file| holds(file, traces, stopper).is_ok_and(|holds| !holds))
    }
}

/// Does a file hold one of these traces anywhere? Not known where it is stopped.
fn holds(file: &File, traces: &BTreeSet<Trace>, stopper: &Stopper) -> io::Result<bool> {
    // Most places are told by three bytes.
    let at = |bytes: &[u8]| bytes.iter().take(3).fold(0, |at, byte| at << 8 | usize::from(*byte));
    let mut may_be = vec![false; 1 << 24];
    traces.iter().for_each(|trace| may_be[at(trace)] = true);
    let mut block = vec![0; BLOCK_BYTES + TRACE_BYTES];
    let mut offset: u64 = 0;
    loop {
        if stopper.is_stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut len = 0;
        while len < block.len() {
            match file.read_at(&mut block[len..], offset + len as u64)? {
                0 => break,
                read => len += read,
            }
        }
        let found = block[..len].windows(TRACE_BYTES).any(|window| {
            may_be[at(window)] && window.first_chunk().is_some_and(|trace| traces.contains(trace))
        });
        if found || len < block.len() {
            return Ok(found);
        }
        offset += BLOCK_BYTES as u64;
    }
}

#[cfg(test)]
mod tests;
