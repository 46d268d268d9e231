//! What was read of an archive and not handed to a node yet: as much as one request of its API may
//! hold, and never more, however long the runs of the file are in all. `SPEC: ARC-3`

use crate::event::Run;
use crate::limits::{ARCHIVE_SLICE_BYTES, LOAD_SLICE_EVENTS};

/// Runs on their way from a file to a node.
#[derive(Debug, Default)]
pub struct Slice {
    runs: Vec<Run>,
    events: usize,
    bytes: usize,
}

impl Slice {
    /// Puts a run behind those that wait. Where it does not fit beside them, they are given: to be
    /// handed over before it. None is given otherwise.
    #[must_use]
    pub fn add(&mut self, run: Run) -> Vec<Run> {
        let events = run.events().len();
        let bytes: usize = run.events().iter().map(|event| event.encode().len()).sum();
        let is_full = self.bytes.saturating_add(bytes) > ARCHIVE_SLICE_BYTES
            || self.events.saturating_add(events) > LOAD_SLICE_EVENTS;
        let before = if is_full { self.take() } else { Vec::new() };
        self.runs.push(run);
        self.events = self.events.saturating_add(events);
        self.bytes = self.bytes.saturating_add(bytes);
        before
    }

    /// All that wait.
    #[must_use]
    pub fn take(&mut self) -> Vec<Run> {
        std::mem::take(self).runs
    }
}
