//! A device that is not ours any more: what it remembers and keeps doing.

use std::collections::{BTreeSet, VecDeque};

use crate::script::Who;

/// Frames that it remembers, to send them again.
const FRAMES: usize = 32;
/// How the frame of a hello begins: an array of five, the first of them 0 (SYNC-1).
const HELLO: &[u8] = &[0x85, 0];

/// What a device that lies is up to.
#[derive(Debug, Clone, Default)]
pub struct Rogue {
    /// To whom it sends no events.
    pub withholds: BTreeSet<Who>,
    /// Since when it wants whatever it gets again, in virtual milliseconds.
    pub wants_from: Option<u64>,
    sent: VecDeque<Vec<u8>>,
}

impl Rogue {
    /// It sent this. Not a hello: a second one ends a connection, and hides what comes behind it.
    pub fn remember(&mut self, frame: &[u8]) {
        if frame.starts_with(HELLO) {
            return;
        }
        if self.sent.len() == FRAMES {
            self.sent.pop_front();
        }
        self.sent.push_back(frame.to_vec());
    }

    /// What it sent, the oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.sent.iter().cloned().collect()
    }
}
