//! Which chunks go: what no manifest names any more, a bounded part of it in each turn.
//! `SPEC: ART-8`

use std::collections::BTreeSet;

use super::Artifacts;
use crate::id::ChunkHash;
use crate::limits::CHUNKS_DROPPED_MAX;

impl Artifacts {
    /// What is here and no artifact in effect names may go. What this process keeps for a manifest
    /// that is still to be written may not.
    pub(super) fn look_for_orphans(&mut self) {
        self.fresh.retain(|hash| !self.named.contains_key(hash));
        let may_go =
            |hash: &&ChunkHash| !self.named.contains_key(hash) && !self.fresh.contains(hash);
        self.orphans = self.here.keys().filter(may_go).copied().collect();
    }

    /// Is there something that may be named by nothing?
    #[must_use]
    pub fn has_orphans(&self) -> bool {
        !self.orphans.is_empty()
    }

    /// What of it goes in this turn, where these are all that any manifest names; nothing, and
    /// nothing is due, where that is not known.
    pub fn drop_orphans(&mut self, named: Option<&BTreeSet<ChunkHash>>) -> Vec<ChunkHash> {
        let Some(named) = named else {
            self.is_dropping = false;
            return Vec::new();
        };
        self.orphans.retain(|hash| !named.contains(hash));
        let going: Vec<_> = self.orphans.iter().take(CHUNKS_DROPPED_MAX).copied().collect();
        for hash in &going {
            self.orphans.remove(hash);
            let len = self.here.remove(hash).unwrap_or(0);
            self.here_bytes = self.here_bytes.saturating_sub(len);
        }
        self.is_dropping = !self.orphans.is_empty();
        going
    }
}
