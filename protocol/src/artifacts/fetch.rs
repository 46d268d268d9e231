//! Fetching: each missing chunk is asked of one peer at a time, a few of each peer.
//!
//! A peer answers what it was asked for, with the chunk or by saying that it lacks it; the latter
//! is asked again when it says that it has it now. One that is silent for a while is not waited
//! for: others are asked, and what it sends later is welcome still.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Artifacts};
use crate::artifact::Chunk;
use crate::id::ChunkHash;
use crate::limits::{CHUNKS_ASKED_MAX, STALL_MS};
use crate::sync::{LinkId, Message};
use crate::time::Time;

/// What is asked over one connection.
#[derive(Default)]
pub(super) struct Asking {
    /// Asked for and not answered.
    open: BTreeSet<ChunkHash>,
    /// What the peer said to lack.
    lacks: BTreeSet<ChunkHash>,
    /// When something was asked or came last, by the monotonic clock.
    progress: u64,
    /// It sent nothing for a while: others are asked.
    stalled: bool,
}

impl Asking {
    fn has_room(&self) -> bool {
        !self.stalled && self.open.len() < CHUNKS_ASKED_MAX
    }

    fn may_have(&self, hash: &ChunkHash) -> bool {
        self.has_room() && !self.open.contains(hash) && !self.lacks.contains(hash)
    }
}

impl Artifacts {
    /// A peer said hello. Nothing changes where that is known.
    pub fn link_up(&mut self, link: LinkId) {
        self.asking.entry(link).or_default();
        self.serving.entry(link).or_default();
        self.look = true;
    }

    /// A connection is gone, or its peer is being cut off: others are asked.
    pub fn link_down(&mut self, link: LinkId) {
        self.serving.remove(&link);
        if self.asking.remove(&link).is_some() {
            self.asked.retain(|_, of| *of != link);
            self.look = true;
        }
    }

    /// A peer answers. Gives the chunks that are to be kept; or the code of the rule that the peer
    /// broke. `SPEC: ART-6`
    pub fn on_chunks(
        &mut self,
        now: Time,
        link: LinkId,
        chunks: Vec<Chunk>,
        lacking: &[ChunkHash],
    ) -> Result<Vec<Chunk>, &'static str> {
        let Some(asking) = self.asking.get_mut(&link) else { return Ok(Vec::new()) };
        asking.progress = now.monotonic_ms;
        asking.stalled = false;
        self.look = true;
        let answered = chunks.iter().map(Chunk::hash).chain(lacking.iter().copied());
        for hash in answered {
            if !asking.open.remove(&hash) {
                return Err("unasked_chunk");
            }
            if self.asked.get(&hash) == Some(&link) {
                self.asked.remove(&hash);
            }
        }
        asking.lacks.extend(lacking);
        let mut kept = Vec::new();
        for chunk in chunks {
            let (hash, len) = (chunk.hash(), chunk.bytes().len());
            match self.named.get(&hash).map(|lengths| lengths.contains(&len)) {
                Some(true) if !self.has(&hash, len) => {
                    self.arrived(hash, len);
                    kept.push(chunk);
                }
                // Its manifest lies about it, which its sender need not know.
                Some(false) => drop(self.unfit.insert(hash, len)),
                // It came from another peer, or what named it has no effect any more.
                Some(true) | None => {}
            }
        }
        Ok(kept)
    }

    /// A peer has chunks now that it said to lack.
    pub fn on_offer(&mut self, link: LinkId, hashes: &[ChunkHash]) {
        if let Some(asking) = self.asking.get_mut(&link) {
            for hash in hashes {
                self.look |= asking.lacks.remove(hash);
            }
        }
    }

    /// What there is to say at the end of a turn.
    pub fn speak(&mut self, now: Time) -> Vec<Action> {
        self.release_stalled(now);
        let mut actions = self.offers();
        actions.extend(self.next_loads());
        if std::mem::take(&mut self.look) {
            actions.extend(self.ask(now));
        }
        actions
    }

    /// Asks for what is missing, the oldest artifact first, of the peer that has least to do.
    fn ask(&mut self, now: Time) -> Vec<Action> {
        let mut wants: BTreeMap<LinkId, Vec<ChunkHash>> = BTreeMap::new();
        for hash in &self.wanted {
            let is_unfit = self.unfit.contains_key(hash) && !self.fits(hash, self.unfit.get(hash));
            if is_unfit || self.asked.contains_key(hash) || self.fits(hash, self.here.get(hash)) {
                continue;
            }
            if !self.asking.values().any(Asking::has_room) {
                break;
            }
            let able = self.asking.iter_mut().filter(|(_, asking)| asking.may_have(hash));
            let Some((link, asking)) = able.min_by_key(|(_, asking)| asking.open.len()) else {
                continue;
            };
            asking.open.insert(*hash);
            asking.progress = now.monotonic_ms;
            self.asked.insert(*hash, *link);
            wants.entry(*link).or_default().push(*hash);
        }
        let ask = |(link, mut hashes): (LinkId, Vec<ChunkHash>)| {
            hashes.sort_unstable();
            Action::Send(link, Message::WantChunks(hashes))
        };
        wants.into_iter().map(ask).collect()
    }

    /// Is this a length that a manifest gives the chunk?
    fn fits(&self, hash: &ChunkHash, len: Option<&usize>) -> bool {
        len.zip(self.named.get(hash)).is_some_and(|(len, lengths)| lengths.contains(len))
    }

    fn release_stalled(&mut self, now: Time) {
        for (link, asking) in &mut self.asking {
            let is_due = now.monotonic_ms >= asking.progress.saturating_add(STALL_MS);
            if is_due && !asking.stalled && !asking.open.is_empty() {
                asking.stalled = true;
                self.asked.retain(|_, of| of != link);
                self.look = true;
            }
        }
    }

    /// When the next silent peer is to be given up, or more is to go.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.is_dropping {
            return Some(0);
        }
        let waiting = self.asking.values().filter(|a| !a.stalled && !a.open.is_empty());
        waiting.map(|asking| asking.progress.saturating_add(STALL_MS)).min()
    }
}
