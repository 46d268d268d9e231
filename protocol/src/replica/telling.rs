//! When the documents are told what counts: with the turn that brings it, but for a long history
//! that is on its way.
//!
//! A batch of changes costs Automerge a time that grows with the document. So while much more
//! comes, what is here waits until it is as much as the documents hold: then all batches together
//! cost little more than the last, however long the history is. `SPEC: DUR-10`

use crate::command::Command;
use crate::limits::{TELL_AWAITED_MIN, TELL_CHANGES_MIN, TELL_FEW_MAX, TELL_MS};
use crate::replica::Replica;

/// Since when something waits to be told, by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Telling(Option<u64>);

impl Telling {
    /// When it has waited for too long.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.0.map(|since| since.saturating_add(TELL_MS))
    }
}

impl Replica {
    /// Tells the documents what counts, or lets it wait.
    pub(super) fn tell(&mut self) {
        if self.may_tell_later() {
            self.telling.0.get_or_insert(self.now.monotonic_ms);
        } else {
            self.tell_now();
        }
    }

    /// Tells the documents what counts.
    pub(super) fn tell_now(&mut self) {
        self.telling.0 = None;
        self.project();
    }

    fn may_tell_later(&self) -> bool {
        let is_due = self.telling.next_deadline().is_some_and(|at| at <= self.now.monotonic_ms);
        // Who has nothing yet is shown the first that comes, and edits are live meanwhile.
        let is_few = self.workspace.untold().is_some_and(|(waiting, held)| {
            waiting > TELL_FEW_MAX && held > 0 && waiting < held.max(TELL_CHANGES_MIN)
        });
        // Who reads sees what was here a moment ago; what else is asked for is about all of it.
        let is_read = |command: &Command| matches!(command, Command::Read { .. });
        // A document that is opened is whole before anything is done with it.
        !is_due
            && !self.workspace.is_rebuilding()
            && is_few
            && self.commands.iter().all(|(_, command)| is_read(command))
            && self.sync.awaited(&self.workspace) >= TELL_AWAITED_MIN
    }
}
