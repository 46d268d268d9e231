//! What a store does for one workspace: keep a turn as one transaction, and give events back.
//!
//! A turn is durable whole or not at all (SPEC: DUR-1). Events come back in the order in which
//! they were kept, so causes come before effects and nothing has to be sorted.

pub mod contract;
mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use memory::MemoryStore;

use crate::artifact::Chunk;
use crate::event::{Header, Verified};
use crate::id::{ChainId, ChunkHash, EventId, Incarnation};
use crate::notice::Notice;
use crate::sync::{Card, Receipt};

/// Something that must be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An event; keeping it twice is keeping it once. One without its signature is kept with what
    /// proves it, or not at all. `SPEC: EVT-12`
    Event(#[serde(with = "crate::event::stored")] Verified),
    /// A number under a name, instead of the one before.
    Counter {
        /// The name.
        name: String,
        /// The number.
        value: u64,
    },
    /// The life of the store, instead of the one before. `SPEC: DUR-5`
    Incarnation(Incarnation),
    /// The name of this device, instead of the one before.
    DeviceName(String),
    /// An address card, instead of the one of its device before.
    Card(Card),
    /// A receipt, instead of the one of its device and life before.
    Receipt(Receipt),
    /// A notice, instead of the one in its slot before.
    Notice(Notice),
    /// What the device shows at its next start, sealed, instead of the one before.
    /// `SPEC: DUR-9`
    Glance(Vec<u8>),
    /// A chunk of an artifact, instead of what stood under its hash before. `SPEC: ART-7`
    Chunk(Chunk),
    /// Chunks that nothing names: their bytes go.
    DropChunks(Vec<ChunkHash>),
    /// What is purged: it is given out no more, and no file of the store holds any byte of it once
    /// [`EventStore::owes`] nothing. `SPEC: DUR-11, DUR-15`
    Shred {
        /// The events whose salt and stored body go; the rest of them stays.
        events: Vec<Place>,
        /// The chunks that go.
        chunks: Vec<ChunkHash>,
    },
}

/// Where an event stands: a store finds it by its place and knows it by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The chain.
    pub chain: ChainId,
    /// The place in the chain.
    pub seq: u64,
    /// Which of the events there.
    pub id: EventId,
}

/// An event that is asked for by who holds its header. It spares the store reading that again, and
/// is no more than a hint: what is written down of a request leaves it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sought {
    /// Where it stands.
    pub place: Place,
    /// Its header.
    #[serde(skip)]
    pub header: Option<Arc<Header>>,
}

/// What is asked of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadRequest {
    /// The counters, and the first events behind a cursor (0: the beginning).
    From {
        /// Where the last slice ended.
        cursor: u64,
        /// How many events at most.
        limit: usize,
    },
    /// These events, in this order.
    Events(Vec<Place>),
    /// The same of events whose headers are at hand.
    Sought(Vec<Sought>),
    /// These chunks, those of them that are kept whole, in this order.
    Chunks(Vec<ChunkHash>),
    /// Which chunks are kept, by hash, without their bytes. Fewer than `limit` are the last.
    ChunkList {
        /// The last hash of the list before.
        after: Option<ChunkHash>,
        /// How many at most.
        limit: usize,
    },
}

/// What a store gives back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Slice {
    /// Events, in the order in which they were kept or asked for.
    #[serde(with = "crate::event::stored::all")]
    pub events: Vec<Verified>,
    /// The life of the store, where it was told one; with the first slice only.
    pub incarnation: Option<Incarnation>,
    /// All counters.
    pub counters: BTreeMap<String, u64>,
    /// All address cards; with the first slice only.
    pub cards: Vec<Card>,
    /// All receipts; with the first slice only.
    pub receipts: Vec<Receipt>,
    /// All notices, by slot; with the first slice only.
    pub notices: Vec<Notice>,
    /// The last glance; with the first slice only.
    pub glance: Option<Vec<u8>>,
    /// How many events are kept; with the first slice only.
    pub kept: u64,
    /// Where to go on; none at the end.
    pub next: Option<u64>,
    /// Chunks that were asked for and are whole. One that is missing here is fetched anew.
    pub chunks: Vec<Chunk>,
    /// The chunks that are kept, with the length of their sealed bytes.
    pub chunk_list: Vec<(ChunkHash, usize)>,
    /// Rows that are damaged or gone. Their events are not in the slice.
    pub damaged: Vec<Damage>,
}

/// An event that a store cannot give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The chain and the place in it, where that can be told.
    pub at: Option<(ChainId, u64)>,
    /// Which event, where it was asked for.
    pub event: Option<EventId>,
    /// What is wrong, for people.
    pub what: String,
}

/// Why a store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full or the quota is used up; nothing of the turn was kept.
    #[error("there is no room on the disk: free some, nothing that was acknowledged is lost")]
    Full,
    /// The disk did not confirm a write: what it holds is not known. The process stops.
    #[error("the disk did not confirm a write ({0}): check it, then start again")]
    Unconfirmed(String),
    /// What is kept is not what was written; nothing of the turn was kept. `SPEC: DUR-7`
    #[error("the store is damaged ({0})")]
    Corrupt(String),
    /// It is of a newer program; nothing was changed.
    #[error("{0}")]
    Newer(String),
    /// Anything else; nothing of the turn was kept.
    #[error("{0}")]
    Failed(String),
}

impl StoreError {
    /// Must the process stop? What the disk holds is not known any more. `SPEC: DUR-3`
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Unconfirmed(_))
    }
}

/// Keeps the events of one workspace.
pub trait EventStore {
    /// Keeps all of `records`, or none.
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError>;
    /// Gives back what was kept.
    fn load(&mut self, request: &LoadRequest) -> Result<Slice, StoreError>;
    /// In how many ms [`Self::settle`] is due; none where nothing is left to do in its files.
    fn owes(&self) -> Option<u64> {
        None
    }
    /// Goes on with what it owes.
    fn settle(&mut self) {}
}
