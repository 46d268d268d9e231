//! When the documents are told what counts: with the turn that brings it, but for a long history
//! that is on its way.
//!
//! A batch of changes costs Automerge a time of its own, which grows with the document, beside what
//! its changes cost. So while much more comes, what is here waits until it is a third of what is
//! left to tell and an eighth of all: a history is few batches, however long it is, and the last of
//! them, which is told when nothing else is left to do, is a small one.
//!
//! And what comes while they work on one batch is the next: a peer's events, however small and
//! many, are as many batches as the documents find time for, and an edit of this device goes before
//! the next of them. Who asks for what is true of all documents is answered by what was here then:
//! what comes meanwhile waits until that is answered, so that no flood keeps it waiting.
//! `SPEC: DUR-10`

use crate::command::Command;
use crate::limits::{
    TELL_ALL_SHARE, TELL_AWAITED_MIN, TELL_BATCH_OPERATIONS, TELL_BATCH_SHARE, TELL_BUSY_TIMES,
    TELL_CHANGES_MIN, TELL_FEW_MAX, TELL_LEFT_SHARE, TELL_MS,
};
use crate::replica::Replica;
use crate::replica::documents::Pending;

/// What waits to be told.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// Since when, by the monotonic clock.
    since: Option<u64>,
    /// It waits for nothing but the documents.
    is_due: bool,
    /// All that counted was told when the command came that waits for their answers.
    is_told_for: bool,
}

impl Telling {
    /// When it has waited for too long.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.since.map(|since| since.saturating_add(TELL_MS))
    }
}

/// A share of none is no share.
const _: () = assert!(TELL_LEFT_SHARE > 0 && TELL_ALL_SHARE > 0);

/// As many changes are one batch where the documents hold so many, so many are left to tell, here
/// or on their way, and the documents are at work or not.
fn enough(held: usize, left: usize, is_idle: bool) -> usize {
    let share = (left / TELL_LEFT_SHARE).max(held.saturating_add(left) / TELL_ALL_SHARE);
    let times = if is_idle { 1 } else { TELL_BUSY_TIMES };
    share.saturating_mul(times).max(TELL_CHANGES_MIN)
}

impl Replica {
    /// Tells the documents what counts, or lets it wait.
    pub(super) fn tell(&mut self) {
        let front = self.commands.front();
        if front.is_some_and(|(_, command)| waits_for_answers(command)) {
            return self.tell_for_command();
        }
        self.telling.is_told_for = false;
        if self.may_tell_later() {
            self.telling.since.get_or_insert(self.now.monotonic_ms);
        } else if self.is_telling() && self.workspace.may_gather() {
            // Their answer begins the turn that tells it.
            self.telling = Telling { is_due: true, ..Telling::default() };
        } else {
            self.tell_batch();
        }
    }

    /// A command waits until the documents answered what they are told: all there is now, and
    /// nothing that comes later before it had its turn.
    fn tell_for_command(&mut self) {
        if self.telling.is_told_for && self.workspace.may_gather() {
            self.telling.is_due = true;
            return;
        }
        self.tell_now();
        self.telling.is_told_for = self.workspace.is_told();
    }

    /// A command has its turn: what was told for it was not told for the next. What it shows of all
    /// documents is all that is here.
    pub(super) fn tell_for_turn_of(&mut self, command: &Command) {
        self.telling.is_told_for = false;
        if self.telling.is_due && is_about_all(command) {
            self.tell_now();
        }
    }

    /// Once the commands had their turn: what waited for them is told, where the documents are to
    /// answer nothing that would begin another.
    pub(super) fn tell_rest(&mut self) {
        if self.telling.is_due && !self.is_telling() {
            self.tell();
        }
    }

    /// Did the documents answer what they were told for the first command that waits?
    pub(super) fn is_answered(&self) -> bool {
        let is_all = self.telling.is_told_for || self.workspace.is_told();
        is_all && !self.is_telling()
    }

    /// Tells the documents all that counts.
    pub(super) fn tell_now(&mut self) {
        self.telling = Telling::default();
        self.project(usize::MAX);
    }

    /// Tells the documents what counts, and no more of it than an edit may wait for; their answer
    /// begins the turn that tells what is left.
    pub(super) fn tell_batch(&mut self) {
        let held = self.workspace.changes_held();
        if held == 0 || self.workspace.is_rebuilding() {
            return self.tell_now();
        }
        self.telling = Telling::default();
        self.project(TELL_BATCH_OPERATIONS.max(held / TELL_BATCH_SHARE));
    }

    /// Were the documents told what they did not answer yet?
    pub(super) fn is_telling(&self) -> bool {
        self.pending.contains(&Pending::Projection)
    }

    fn may_tell_later(&self) -> bool {
        let is_due = self.telling.is_due
            || self.telling.next_deadline().is_some_and(|at| at <= self.now.monotonic_ms);
        // Who has nothing yet is shown the first that comes, and edits are live meanwhile.
        let is_idle = !self.is_telling();
        let is_few = self.workspace.untold().is_some_and(|(waiting, held)| {
            if waiting <= TELL_FEW_MAX || held == 0 {
                return false;
            }
            let awaited = self.sync.awaited(&self.workspace);
            let left = usize::try_from(awaited).unwrap_or(usize::MAX).saturating_add(waiting);
            awaited >= TELL_AWAITED_MIN && waiting < enough(held, left, is_idle)
        });
        // Who reads sees what was here a moment ago; what else is asked for is about all of it.
        let is_read =
            |command: &Command| matches!(command, Command::Read { .. } | Command::Glance { .. });
        // A document that is opened is whole before anything is done with it.
        !is_due
            && !self.workspace.is_rebuilding()
            && is_few
            && self.commands.iter().all(|(_, command)| is_read(command))
    }
}

/// Does it wait until the documents answered?
fn waits_for_answers(command: &Command) -> bool {
    matches!(command, Command::Status | Command::Rest | Command::Undo { .. })
}

/// Does it show what is in the documents, more of it than stands at a path?
fn is_about_all(command: &Command) -> bool {
    matches!(
        command,
        Command::Timeline(_)
            | Command::Conflicts
            | Command::ConflictsBehind(_)
            | Command::Past(_)
            | Command::Branch(_)
            | Command::Boards { .. }
            | Command::SaveDocument { .. }
            | Command::Preview { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::enough;
    use crate::limits::FRAME_EVENTS_MAX;

    /// Batches until all is told, and what is left for the last of them, where a history of so many
    /// comes to documents that hold so many.
    fn batches(held: usize, events: usize, is_idle: bool) -> (usize, usize) {
        let (mut told, mut waiting, mut batches) = (0, 0, 1);
        while told + waiting < events {
            waiting += FRAME_EVENTS_MAX.min(events - told - waiting);
            if waiting >= enough(held + told, events - told, is_idle) {
                (told, waiting, batches) = (told + waiting, 0, batches + 1);
            }
        }
        (batches, waiting)
    }

    #[test]
    fn a_long_history_is_few_batches_and_the_last_is_a_small_one() {
        // SPEC: DUR-10
        for events in [20_000, 100_000, 1_000_000] {
            for (is_idle, most, part) in [(true, 8, 8), (false, 5, 4)] {
                let (batches, last) = batches(FRAME_EVENTS_MAX, events, is_idle);
                assert!(last <= events / part + FRAME_EVENTS_MAX, "{events}: {last} are left");
                assert!(batches <= most, "{events}: {batches} batches");
            }
        }
    }

    #[test]
    fn what_comes_to_a_long_history_is_no_more_batches_than_its_share_of_that() {
        // SPEC: DUR-10
        let (few, _) = batches(1_000_000, 20_000, true);
        assert_eq!(few, 1, "a batch costs what the document costs");
        // Where more and more is said to come, as it does to a peer in the middle.
        let (mut held, mut batches) = (100_000, 0);
        while held < 200_000 {
            held += enough(held, FRAME_EVENTS_MAX, true);
            batches += 1;
        }
        assert!(batches <= 6, "{batches} batches to twice as much");
    }

    #[test]
    fn no_claim_of_what_is_to_come_is_too_large_to_reckon_with() {
        assert!(enough(usize::MAX, usize::MAX, true) > 0);
        assert!(enough(1, usize::MAX, false) > 0);
    }
}
