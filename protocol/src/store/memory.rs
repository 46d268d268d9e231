//! The store of the simulator and of the tests: what was committed, in a list.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::artifact::Chunk;
use crate::event::Verified;
use crate::id::{ChunkHash, DeviceId, EventId, Incarnation};
use crate::notice::Notice;
use crate::store::{Damage, EventStore, LoadRequest, Place, Record, Slice, StoreError};
use crate::sync::{Card, Receipt};

/// Keeps a workspace in memory. A clone is a copy of the disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    events: Vec<Verified>,
    known: BTreeSet<EventId>,
    counters: BTreeMap<String, u64>,
    cards: BTreeMap<DeviceId, Card>,
    receipts: BTreeMap<(DeviceId, Incarnation), Receipt>,
    notices: BTreeMap<u64, Notice>,
    chunks: BTreeMap<ChunkHash, Chunk>,
    damaged: BTreeSet<ChunkHash>,
    /// Events whose rows are damaged.
    rotten: BTreeSet<EventId>,
    incarnation: Option<Incarnation>,
    device_name: Option<String>,
    glance: Option<Vec<u8>>,
    /// Commits that still succeed before the disk is full; without end where none.
    room: Option<u32>,
}

impl MemoryStore {
    /// From here on only `commits` commits succeed.
    pub fn full_after(&mut self, commits: u32) {
        self.room = Some(commits);
    }

    /// The disk has room again.
    pub fn make_room(&mut self) {
        self.room = None;
    }

    /// A page of the disk goes bad: this event cannot be read until it is kept again.
    pub fn damage_event(&mut self, id: &EventId) {
        self.rotten.insert(*id);
    }

    /// The row of an event goes, as where a file is salvaged: kept again it is the last.
    pub fn lose_event(&mut self, id: &EventId) {
        self.known.remove(id);
        self.events.retain(|event| event.id() != *id);
    }

    /// The life that it was told last.
    #[must_use]
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }

    /// The name of its device that it was told last.
    #[must_use]
    pub fn device_name(&self) -> Option<&str> {
        self.device_name.as_deref()
    }

    /// What it was told to show at a start.
    #[must_use]
    pub fn glance(&self) -> Option<&[u8]> {
        self.glance.as_deref()
    }

    fn read(&self, event: &Verified) -> Result<Verified, Damage> {
        if self.rotten.contains(&event.id()) {
            let at = Some((event.chain(), event.header().seq));
            let what = format!("event {} is damaged", event.id());
            return Err(Damage { at, event: Some(event.id()), what });
        }
        Ok(event.clone())
    }

    fn load_events<'a>(&self, places: impl IntoIterator<Item = &'a Place>, slice: &mut Slice) {
        for place in places {
            let found = self.events.iter().find(|event| event.id() == place.id);
            match found.map(|event| self.read(event)) {
                Some(Ok(event)) => slice.events.push(event),
                Some(Err(damage)) => slice.damaged.push(damage),
                None => slice.damaged.push(Damage {
                    at: Some((place.chain, place.seq)),
                    event: Some(place.id),
                    what: format!("event {} is not kept", place.id),
                }),
            }
        }
    }

    /// A page of the disk goes bad: this chunk cannot be read any more.
    pub fn damage_chunk(&mut self, hash: &ChunkHash) {
        self.damaged.insert(*hash);
    }

    /// How many chunks are kept.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The events that are kept.
    #[must_use]
    pub fn ids(&self) -> &BTreeSet<EventId> {
        &self.known
    }

    /// How many events are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Is nothing kept?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl EventStore for MemoryStore {
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(1).ok_or(StoreError::Full)?;
        }
        for record in records {
            match record {
                Record::Event(event) => {
                    let was_rotten = self.rotten.remove(&event.id());
                    if self.known.insert(event.id()) {
                        self.events.push(event.clone());
                    } else if let Some(kept) = self.events.iter_mut().find(|e| e.id() == event.id())
                    {
                        // It came without its body before, or was damaged.
                        let more = if was_rotten { Some(event.clone()) } else { kept.merge(event) };
                        *kept = more.unwrap_or_else(|| kept.clone());
                    }
                }
                Record::Counter { name, value } => {
                    self.counters.insert(name.clone(), *value);
                }
                Record::Incarnation(life) => self.incarnation = Some(*life),
                Record::DeviceName(name) => self.device_name = Some(name.clone()),
                Record::Card(card) => {
                    self.cards.insert(card.device(), card.clone());
                }
                Record::Receipt(receipt) => {
                    let life = (receipt.device(), receipt.incarnation());
                    self.receipts.insert(life, receipt.clone());
                }
                Record::Notice(notice) => {
                    self.notices.insert(notice.slot, notice.clone());
                }
                Record::Glance(glance) => self.glance = Some(glance.clone()),
                Record::Chunk(chunk) => {
                    self.damaged.remove(&chunk.hash());
                    self.chunks.insert(chunk.hash(), chunk.clone());
                }
                Record::Shred { events, chunks } => {
                    self.chunks.retain(|hash, _| !chunks.contains(hash));
                    let named =
                        |event: &&mut Verified| events.iter().any(|place| place.id == event.id());
                    for event in self.events.iter_mut().filter(named) {
                        *event = event.without_body().unwrap_or_else(|| event.clone());
                    }
                }
                Record::DropChunks(hashes) => {
                    self.chunks.retain(|hash, _| !hashes.contains(hash));
                }
            }
        }
        Ok(())
    }

    fn load(&mut self, request: &LoadRequest) -> Result<Slice, StoreError> {
        let mut slice = Slice { counters: self.counters.clone(), ..Slice::default() };
        match request {
            LoadRequest::From { cursor, limit } => {
                if *cursor == 0 {
                    slice.incarnation = self.incarnation;
                    slice.glance.clone_from(&self.glance);
                    slice.kept = self.events.len() as u64;
                    slice.cards = self.cards.values().cloned().collect();
                    slice.receipts = self.receipts.values().cloned().collect();
                    slice.notices = self.notices.values().cloned().collect();
                }
                let from = usize::try_from(*cursor).unwrap_or(usize::MAX).min(self.events.len());
                let to = from.saturating_add(*limit).min(self.events.len());
                for event in &self.events[from..to] {
                    match self.read(event) {
                        Ok(event) => slice.events.push(event),
                        Err(damage) => slice.damaged.push(damage),
                    }
                }
                slice.next = (to < self.events.len()).then_some(to as u64);
            }
            LoadRequest::Events(places) => self.load_events(places, &mut slice),
            LoadRequest::Sought(sought) => {
                self.load_events(sought.iter().map(|sought| &sought.place), &mut slice);
            }
            LoadRequest::Chunks(hashes) => {
                let whole = hashes.iter().filter(|hash| !self.damaged.contains(hash));
                slice.chunks = whole.filter_map(|hash| self.chunks.get(hash).cloned()).collect();
            }
            LoadRequest::ChunkList { after, limit } => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let behind = self.chunks.range((from, Bound::Unbounded)).take(*limit);
                let list = behind.map(|(hash, chunk)| (*hash, chunk.bytes().len()));
                slice.chunk_list = list.collect();
            }
        }
        Ok(slice)
    }
}
