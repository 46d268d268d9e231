//! Edits that are being made are awaited for a moment, so that they share a commit and nobody has
//! to be woken for them.
//!
//! It looks for them without going to sleep: timers and being woken cost more than what is saved.
//! So it waits for no longer than making an edit takes, and gives the core to whoever makes it.

use std::thread;
use std::time::{Duration, Instant};

use super::Loop;
use crate::portable::yield_now;

/// No answer waits longer for what others asked for: a few times what a commit takes.
const GATHER_MAX: Duration = Duration::from_millis(1);
/// No answer came for so long: what is being made is large, or waits behind something else.
const GAP_MAX: Duration = Duration::from_micros(150);

impl Loop {
    /// Edits that are being made become durable together. Says whether anything was handed in.
    /// `SPEC: DUR-14`
    pub(super) async fn gather(&mut self) -> bool {
        let begun = Instant::now();
        let mut heard = None;
        while self.replica.is_making_edits() && begun.elapsed() < GATHER_MAX {
            if let Ok(wake) = self.waiting.try_recv() {
                self.hand_in(wake);
                heard = Some(Instant::now());
            } else if heard.unwrap_or(begun).elapsed() < GAP_MAX {
                thread::yield_now();
            } else {
                break;
            }
        }
        if heard.is_some() {
            // Whoever else works on this thread.
            yield_now().await;
        }
        heard.is_some()
    }
}
