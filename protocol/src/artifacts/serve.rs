//! Serving: a peer is sent the chunks that it asked for, a frame at a time, from the store.

use std::collections::{BTreeSet, VecDeque};

use super::{Action, Artifacts};
use crate::artifact::Chunk;
use crate::id::ChunkHash;
use crate::limits::{CHUNK_WANTS_MAX, CHUNKS_OWED_MAX, FRAME_BYTES_MAX};
use crate::sync::{LinkId, Message};

/// Bytes of a frame that its chunks may take: the rest is heads, and hashes of what is lacking.
const FRAME_ROOM: usize = FRAME_BYTES_MAX - 64 * CHUNK_WANTS_MAX;

/// What is served over one connection.
#[derive(Default)]
pub(super) struct Serving {
    queue: VecDeque<ChunkHash>,
    /// How many are being loaded.
    loading: usize,
    /// What it was told is lacking here.
    owed: BTreeSet<ChunkHash>,
    /// What of that came since.
    offers: BTreeSet<ChunkHash>,
}

impl Artifacts {
    /// A peer asks. What is here goes out as it is loaded; what is not, it hears at once. The code
    /// of the rule that the peer broke, if it did. `SPEC: ART-6`
    pub fn on_want(
        &mut self,
        link: LinkId,
        hashes: Vec<ChunkHash>,
    ) -> Result<Option<Action>, &'static str> {
        let Some(serving) = self.serving.get_mut(&link) else { return Ok(None) };
        if serving.queue.len() + serving.loading + hashes.len() > CHUNK_WANTS_MAX {
            return Err("chunk_wants");
        }
        let (here, lacking): (Vec<_>, Vec<_>) =
            hashes.into_iter().partition(|hash| self.here.contains_key(hash));
        serving.queue.extend(here);
        if lacking.is_empty() {
            return Ok(None);
        }
        serving.owe(&lacking);
        Ok(Some(Action::Send(link, Message::Chunks { chunks: Vec::new(), lacking })))
    }

    /// The store gave what it has of these chunks, asked for a peer. What was destroyed since is
    /// sent to nobody. `SPEC: SYNC-16`
    pub fn on_loaded(
        &mut self,
        link: LinkId,
        asked: &[ChunkHash],
        mut chunks: Vec<Chunk>,
    ) -> Option<Action> {
        chunks.retain(|chunk| self.here.contains_key(&chunk.hash()));
        let given: BTreeSet<_> = chunks.iter().map(Chunk::hash).collect();
        let mut lacking: Vec<_> =
            asked.iter().filter(|hash| !given.contains(*hash)).copied().collect();
        lacking.sort_unstable();
        lacking.iter().for_each(|hash| self.lost(hash));
        let serving = self.serving.get_mut(&link)?;
        serving.loading = 0;
        serving.owe(&lacking);
        Some(Action::Send(link, Message::Chunks { chunks, lacking }))
    }

    /// A chunk came that peers were told is lacking.
    pub(super) fn offer(&mut self, hash: &ChunkHash) {
        for serving in self.serving.values_mut() {
            if serving.owed.remove(hash) {
                serving.offers.insert(*hash);
            }
        }
    }

    pub(super) fn offers(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (link, serving) in &mut self.serving {
            let offers: Vec<_> = std::mem::take(&mut serving.offers).into_iter().collect();
            let some = offers.chunks(CHUNK_WANTS_MAX);
            actions
                .extend(some.map(|some| Action::Send(*link, Message::HaveChunks(some.to_vec()))));
        }
        actions
    }

    /// What is to be loaded next: for each peer as many chunks as fit one frame.
    pub(super) fn next_loads(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (link, serving) in &mut self.serving {
            if serving.loading > 0 {
                continue;
            }
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while let Some(hash) = serving.queue.front() {
                // What was lost since takes no room, and is told to be lacking.
                bytes += self.here.get(hash).copied().unwrap_or(0);
                if !batch.is_empty() && bytes > FRAME_ROOM {
                    break;
                }
                batch.extend(serving.queue.pop_front());
            }
            if !batch.is_empty() {
                serving.loading = batch.len();
                actions.push(Action::Load(*link, batch));
            }
        }
        actions
    }
}

impl Serving {
    fn owe(&mut self, hashes: &[ChunkHash]) {
        let room = CHUNKS_OWED_MAX.saturating_sub(self.owed.len());
        self.owed.extend(hashes.iter().take(room));
    }
}
