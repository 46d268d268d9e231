//! A commit waits a moment for edits that are being made, so that they share it.

use std::time::{Duration, Instant};

use super::Loop;
use crate::portable::timeout;

/// A commit waits no longer for edits that are being made: making one takes a tenth of that.
const GATHER_MAX: Duration = Duration::from_millis(2);

impl Loop {
    /// Edits that are being made become durable with what was made before them. `SPEC: DUR-14`
    pub(super) async fn gather(&mut self) {
        let end = Instant::now() + GATHER_MAX;
        while self.replica.is_half_made() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let Some(Some(wake)) = timeout(left, self.waiting.recv()).await else { return };
            self.hand_in(wake);
        }
    }
}
