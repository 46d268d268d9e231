//! How often the file of a store is searched, or written anew, for what was purged (SPEC: DUR-15):
//! an author of purges decides neither how often, nor how much of the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::InterruptHandle;

/// From the end of one sweep to the next.
const SWEEP_GAP: Duration = Duration::from_mins(1);

/// From one try to empty the log to the next, where nothing is committed meanwhile.
const LOG_GAP: Duration = Duration::from_secs(1);

/// A sweep takes at most one part in so many of the time.
const SWEEP_SHARE: u32 = 20;

/// Sweeps that failed double the gap so often: it is an hour then.
const DOUBLED_MAX: u32 = 6;

/// When a sweep may begin.
#[derive(Default)]
pub(super) struct Pace {
    next: Option<Instant>,
    /// How many failed since the last that did not.
    failed: u32,
}

impl Pace {
    /// How long until the next may begin.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// One began and ended then.
    pub(super) fn ran(&mut self, began: Instant, ended: Instant, is_done: bool) {
        self.failed = if is_done { 0 } else { DOUBLED_MAX.min(self.failed + 1) };
        let took = ended.saturating_duration_since(began);
        let gap = (SWEEP_GAP * (1 << self.failed)).max(took.saturating_mul(SWEEP_SHARE));
        self.next = ended.checked_add(gap);
    }

    /// The log could not be emptied, and that is asked again a little later.
    pub(super) fn wait(&mut self, now: Instant) {
        self.next = now.checked_add(LOG_GAP);
    }

    /// As if all of its gap were over.
    #[cfg(test)]
    pub(super) fn pass(&mut self) {
        self.next = None;
    }
}

/// Ends a sweep that is under way, and lets none begin.
#[derive(Clone, Default)]
pub(crate) struct Stopper(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    is_stopped: bool,
    /// Of the connection that writes its file anew.
    sweep: Option<InterruptHandle>,
}

impl Stopper {
    /// No sweep goes on from now on: the next start goes on with it.
    pub(crate) fn stop(&self) {
        self.with(|running| {
            running.is_stopped = true;
            running.sweep.iter().for_each(InterruptHandle::interrupt);
        });
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.with(|running| running.is_stopped)
    }

    /// A statement that [`Self::stop`] interrupts; no other one of its connection is.
    pub(super) fn interruptible<T>(
        &self,
        handle: InterruptHandle,
        run: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.with(|running| running.sweep = Some(handle));
        let done = if self.is_stopped() { Err(interrupted()) } else { run() };
        self.with(|running| running.sweep = None);
        done
    }

    fn with<T>(&self, with: impl FnOnce(&mut Running) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn interrupted() -> rusqlite::Error {
    let cause = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT);
    rusqlite::Error::SqliteFailure(cause, None)
}
