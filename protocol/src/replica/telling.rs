//! When the documents are told what counts: with the turn that brings it, but for a long history
//! that is on its way.
//!
//! A batch of changes costs Automerge a time that grows with the document. So while much more
//! comes, what is here waits until it is half as much as the documents hold, or a quarter where
//! they have nothing to do: then all batches together cost little more than the last, however long
//! the history is, and the documents take most of it while the rest is on its way.
//! `SPEC: DUR-10`

use crate::command::Command;
use crate::limits::{
    TELL_AWAITED_MIN, TELL_CHANGES_MIN, TELL_FEW_MAX, TELL_IDLE_SHARE, TELL_MS, TELL_SHARE,
};
use crate::replica::Replica;
use crate::replica::documents::Pending;

/// Since when something waits to be told, by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Telling(Option<u64>);

impl Telling {
    /// When it has waited for too long.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.0.map(|since| since.saturating_add(TELL_MS))
    }
}

/// A share of none is no share, and who is idle takes no more at once.
const _: () = assert!(TELL_SHARE > 0 && TELL_IDLE_SHARE >= TELL_SHARE);

/// As many changes are one batch where the documents hold so many, and are at work or not.
fn enough(held: usize, is_idle: bool) -> usize {
    let share = if is_idle { TELL_IDLE_SHARE } else { TELL_SHARE };
    (held / share).max(TELL_CHANGES_MIN)
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
        let is_idle = !self.pending.contains(&Pending::Projection);
        let is_few = self.workspace.untold().is_some_and(|(waiting, held)| {
            waiting > TELL_FEW_MAX && held > 0 && waiting < enough(held, is_idle)
        });
        // Who reads sees what was here a moment ago; what else is asked for is about all of it.
        let is_read =
            |command: &Command| matches!(command, Command::Read { .. } | Command::Glance { .. });
        // A document that is opened is whole before anything is done with it.
        !is_due
            && !self.workspace.is_rebuilding()
            && is_few
            && self.commands.iter().all(|(_, command)| is_read(command))
            && self.sync.awaited(&self.workspace) >= TELL_AWAITED_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::enough;
    use crate::limits::FRAME_EVENTS_MAX;

    #[test]
    fn a_long_history_is_few_batches_and_the_last_is_a_third_at_most() {
        // SPEC: DUR-10
        for (events, is_idle, part, most) in [
            (20_000, false, 3, 14),
            (100_000, false, 3, 14),
            (20_000, true, 5, 21),
            (100_000, true, 5, 21),
        ] {
            let (mut held, mut waiting, mut batches) = (FRAME_EVENTS_MAX, 0, 1);
            while held + waiting < events {
                waiting += FRAME_EVENTS_MAX;
                if waiting >= enough(held, is_idle) {
                    (held, waiting, batches) = (held + waiting, 0, batches + 1);
                }
            }
            assert!(waiting <= events / part + FRAME_EVENTS_MAX, "{events}: {waiting} are left");
            assert!(batches <= most, "{events}: {batches} batches");
        }
    }
}
