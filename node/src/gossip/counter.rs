//! The counter of this device's hints, rising over restarts. `SPEC: HINT-2`
//!
//! ```text
//! workspaces/<id>/hints    how often a node has begun to say hints: one number
//! ```
//! A hint is said with the number of the begin above, and its own number in it below, so nothing is
//! written while hints are said. Where the disk takes nothing, none are: they could not be told
//! from old ones. A file that is lost makes others take them for old ones, until it counts
//! as far again, or the store begins another life.

use std::path::{Path, PathBuf};

use kernelos_protocol::beside::{hints_read, hints_text};

use crate::home::{read_beside, replace_private};

/// Hints of one begin: at four in a second, enough for thirty years.
const BITS: u32 = 32;

/// What the next hint is numbered.
#[derive(Debug)]
pub(super) struct Counter {
    at: PathBuf,
    /// None before the first.
    next: Option<u64>,
}

impl Counter {
    /// The one beside this store.
    pub(super) fn beside(store: &Path) -> Self {
        Self { at: store.with_file_name("hints"), next: None }
    }

    /// The next number; none where the disk takes nothing.
    pub(super) fn next(&mut self) -> Option<u64> {
        let next = match self.next {
            Some(next) => next,
            None => self.begin()?,
        };
        self.next = next.checked_add(1);
        Some(next)
    }

    fn begin(&self) -> Option<u64> {
        let begun = match read_beside(&self.at) {
            Ok(text) => hints_read(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(_) => return None,
        };
        let begin = begun.checked_add(1).filter(|begin| *begin < 1 << BITS)?;
        replace_private(&self.at, hints_text(begin).as_bytes()).ok()?;
        Some(begin << BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_numbered_upwards_over_restarts_and_not_at_all_where_that_cannot_be_kept() {
        // SPEC: HINT-2
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        let mut last = 0;
        for _ in 0..3 {
            let mut counter = Counter::beside(&store);
            for _ in 0..3 {
                let next = counter.next().unwrap();
                assert!(next > last, "{next} after {last}");
                last = next;
            }
        }
        let nowhere = folder.path().join("missing/store.db");
        assert_eq!(Counter::beside(&nowhere).next(), None);
        for number in [u64::MAX.to_string(), "none".to_owned()] {
            std::fs::write(folder.path().join("hints"), &number).unwrap();
            assert_eq!(Counter::beside(&store).next(), None, "numbers never wrap: {number}");
        }
    }
}
