//! Which chunks of artifacts are here, which are missing, and which of them go.
//!
//! A pure machine of the Replica. It is told of the artifacts that have effect, in the order in
//! which they came; what they name and is not here is fetched (`fetch.rs`), and what peers ask for
//! is served (`serve.rs`). Nothing here decides about events: whoever never has a chunk judges
//! every event like everybody else (SPEC: ART-4).

mod collect;
mod fetch;
mod serve;

use std::collections::{BTreeMap, BTreeSet};

use crate::artifact::{Chunk, Manifest};
use crate::id::{ChunkHash, EventId};
use crate::limits::ARTIFACTS_TOTAL_MAX;
use crate::sync::{LinkId, Message};
use fetch::Asking;
use serve::Serving;

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a message.
    Send(LinkId, Message),
    /// Load these chunks from the store and give them to [`Artifacts::on_loaded`].
    Load(LinkId, Vec<ChunkHash>),
}

/// The chunks of a workspace on this device.
#[derive(Default)]
pub struct Artifacts {
    /// What is here, durable before anything that is said in this turn, with its sealed length.
    here: BTreeMap<ChunkHash, usize>,
    here_bytes: usize,
    /// What is here and may be named by nothing.
    orphans: BTreeSet<ChunkHash>,
    /// What this process keeps for a manifest that is not written yet.
    fresh: BTreeSet<ChunkHash>,
    /// More goes in the next turn.
    is_dropping: bool,
    /// The artifacts that have effect and fit into the total, with their chunks.
    artifacts: BTreeMap<EventId, Vec<(ChunkHash, usize)>>,
    /// Their chunks, each with the lengths that manifests give it: one of them is right.
    named: BTreeMap<ChunkHash, BTreeSet<usize>>,
    named_bytes: usize,
    /// What is to be fetched: the oldest artifact first.
    wanted: Vec<ChunkHash>,
    /// Chunks that came and had a length that no manifest gives them. They are fetched again once
    /// one does.
    unfit: BTreeMap<ChunkHash, usize>,
    asking: BTreeMap<LinkId, Asking>,
    serving: BTreeMap<LinkId, Serving>,
    /// Whom is waited for.
    asked: BTreeMap<ChunkHash, LinkId>,
    /// Something may be asked of somebody that could not be before.
    look: bool,
    changed: bool,
}

impl Artifacts {
    /// At start: these chunks are kept.
    pub fn listed(&mut self, list: Vec<(ChunkHash, usize)>) {
        for (hash, len) in list {
            self.keep(hash, len);
            self.offer(&hash);
            self.orphans.insert(hash);
        }
    }

    /// The artifacts that have effect now, in the order in which they came; `fetches` where this
    /// device's role is one that works with them. `SPEC: ART-4, ART-5`
    pub fn learn<'a>(
        &mut self,
        manifests: impl Iterator<Item = (EventId, &'a Manifest)>,
        fetches: bool,
    ) {
        self.artifacts.clear();
        self.named.clear();
        self.wanted.clear();
        self.named_bytes = 0;
        for (id, manifest) in manifests {
            let cost = self.cost(manifest);
            if self.named_bytes.saturating_add(cost) > ARTIFACTS_TOTAL_MAX {
                continue;
            }
            self.named_bytes += cost;
            for (hash, len) in manifest.chunks() {
                let is_new = !self.named.contains_key(&hash);
                self.named.entry(hash).or_default().insert(len);
                if is_new && fetches {
                    self.wanted.push(hash);
                }
            }
            self.artifacts.insert(id, manifest.chunks().collect());
        }
        self.look_for_orphans();
        self.look = true;
        self.changed = true;
    }

    /// Sealed bytes that a manifest adds to what is named.
    fn cost(&self, manifest: &Manifest) -> usize {
        let new = manifest.chunks().filter(|(hash, _)| !self.named.contains_key(hash));
        new.map(|(_, len)| len).sum()
    }

    /// Would an artifact with this manifest still fit into the total? `SPEC: ART-5`
    #[must_use]
    pub fn has_room_for(&self, manifest: &Manifest) -> bool {
        self.named_bytes.saturating_add(self.cost(manifest)) <= ARTIFACTS_TOTAL_MAX
    }

    /// Would so many sealed bytes still fit on this device? `SPEC: ART-5`
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.here_bytes.max(self.named_bytes).saturating_add(bytes) <= ARTIFACTS_TOTAL_MAX
    }

    /// An own chunk, which is durable with this turn.
    pub fn kept(&mut self, chunk: &Chunk) {
        self.orphans.remove(&chunk.hash());
        self.fresh.insert(chunk.hash());
        self.arrived(chunk.hash(), chunk.bytes().len());
    }

    fn arrived(&mut self, hash: ChunkHash, len: usize) {
        self.keep(hash, len);
        self.asked.remove(&hash);
        self.changed = true;
        self.offer(&hash);
    }

    fn keep(&mut self, hash: ChunkHash, len: usize) {
        let before = self.here.insert(hash, len).unwrap_or(0);
        self.here_bytes = self.here_bytes.saturating_sub(before).saturating_add(len);
    }

    /// The store does not give this chunk any more: it is fetched anew. `SPEC: ART-7`
    pub fn lost(&mut self, hash: &ChunkHash) {
        if let Some(len) = self.here.remove(hash) {
            self.here_bytes = self.here_bytes.saturating_sub(len);
            self.look = true;
            self.changed = true;
        }
    }

    /// Is this chunk here, with this length?
    #[must_use]
    pub fn has(&self, hash: &ChunkHash, len: usize) -> bool {
        self.here.get(hash) == Some(&len)
    }

    /// Is this artifact in effect and every chunk of it here? From the turn on in which the last
    /// one came: what is said about it then is said after the commit.
    #[must_use]
    pub fn is_complete(&self, artifact: &EventId) -> bool {
        let chunks = self.artifacts.get(artifact);
        chunks.is_some_and(|chunks| chunks.iter().all(|(hash, len)| self.has(hash, *len)))
    }

    /// The artifacts that are complete here, by id.
    pub fn complete(&self) -> impl Iterator<Item = EventId> {
        self.artifacts.keys().copied().filter(|id| self.is_complete(id))
    }

    /// These are to be destroyed. Gives those that are here. `SPEC: DUR-11`
    pub fn forget(&mut self, chunks: &BTreeSet<ChunkHash>) -> Vec<ChunkHash> {
        let mut gone = Vec::new();
        for hash in chunks {
            if let Some(len) = self.here.remove(hash) {
                self.here_bytes = self.here_bytes.saturating_sub(len);
                self.orphans.remove(hash);
                self.changed = true;
                gone.push(*hash);
            }
        }
        gone
    }

    /// May other artifacts be complete than at the last call?
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}
