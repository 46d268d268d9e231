//! What a Replica waits for by the clock.

use crate::replica::Replica;

impl Replica {
    /// When [`Input::Tick`](crate::replica::Input::Tick) is due next, and for what.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(u64, &'static str)> {
        let join = self.join_at.map(|at| (at, "join"));
        let stall = self.sync.next_deadline().map(|at| (at, "stalled peer"));
        let mission = self.driver.next_deadline().map(|at| (at, "mission"));
        let receipts = self.receipts.next_deadline().map(|at| (at, "receipts"));
        let silent = self.artifacts.next_deadline().map(|at| (at, "silent peer"));
        let quota = self.quota_deadline().map(|at| (at, "quota"));
        let glance = self.glances.next_deadline().map(|at| (at, "glance"));
        let telling = self.telling.next_deadline().map(|at| (at, "documents"));
        let absent = self.absent.next_deadline(self.now.monotonic_ms).map(|at| (at, "cut"));
        let all = [join, stall, mission, receipts, silent, quota, glance, telling, absent];
        all.into_iter().flatten().min()
    }
}
