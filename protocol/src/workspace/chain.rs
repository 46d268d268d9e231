//! Chains: the tip of each, and where one forked.
//!
//! Two different events of one chain and seq are a fork. Both are kept: what they write, the
//! device could have written anyway; the pair is the proof (SPEC: EVT-10).

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Header;
use crate::id::{ChainId, DeviceId, EventId, Incarnation, Lane};

/// Two events of one chain and seq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    /// Which chain.
    pub chain: ChainId,
    /// Which place in it.
    pub seq: u64,
    /// What stands there, sorted.
    pub events: Vec<EventId>,
}

#[derive(Debug, Default)]
pub(super) struct Chains {
    places: BTreeMap<ChainId, BTreeMap<u64, Vec<EventId>>>,
    forked: BTreeMap<ChainId, u64>,
    /// The events that none follows in their chain.
    tips: BTreeSet<EventId>,
}

impl Chains {
    pub(super) fn add(&mut self, id: EventId, header: &Header) {
        if let Some(prev) = &header.prev {
            self.tips.remove(prev);
        }
        self.tips.insert(id);
        let place = self.places.entry(header.chain()).or_default().entry(header.seq).or_default();
        if let Err(at) = place.binary_search(&id) {
            place.insert(at, id);
        }
        if place.len() > 1 {
            let first = self.forked.entry(header.chain()).or_insert(header.seq);
            *first = header.seq.min(*first);
        }
    }

    /// The last event of a chain; of a forked one the lowest id at its greatest seq.
    pub(super) fn tip(
        &self,
        author: &DeviceId,
        incarnation: &Incarnation,
        lane: Lane,
    ) -> Option<EventId> {
        let chain = ChainId { author: *author, incarnation: *incarnation, lane };
        self.places.get(&chain)?.last_key_value()?.1.first().copied()
    }

    /// The first events of a device's chains of one lane, with the life of its store that each
    /// chain is of; several of one that forked there.
    pub(super) fn beginnings(
        &self,
        device: &DeviceId,
        lane: Lane,
    ) -> impl Iterator<Item = (&Incarnation, &EventId)> {
        let first = |life| ChainId { author: *device, incarnation: Incarnation(life), lane };
        let chains = self.places.range(first([0; 8])..=first([0xff; 8]));
        chains.filter(move |(chain, _)| chain.lane == lane).flat_map(|(chain, places)| {
            let there = places.get(&0).map_or(&[][..], Vec::as_slice);
            there.iter().map(|id| (&chain.incarnation, id))
        })
    }

    /// The lives of a device's store that wrote something.
    pub(super) fn lives(&self, device: &DeviceId) -> impl Iterator<Item = &Incarnation> {
        let first = |life, lane| ChainId { author: *device, incarnation: Incarnation(life), lane };
        let all = first([0; 8], Lane::Control)..=first([0xff; 8], Lane::Content);
        self.places.range(all).map(|(chain, _)| &chain.incarnation)
    }

    /// The ends of all chains; several of one that forked.
    pub(super) fn tips(&self) -> impl Iterator<Item = &EventId> {
        self.tips.iter()
    }

    /// Does none follow this event in its chain?
    pub(super) fn is_tip(&self, id: &EventId) -> bool {
        self.tips.contains(id)
    }

    /// The seq that comes next in a chain.
    pub(super) fn height(&self, chain: &ChainId) -> u64 {
        let last = self.places.get(chain).and_then(|places| places.last_key_value());
        last.map_or(0, |(seq, _)| seq.saturating_add(1))
    }

    /// The first fork of each forked chain.
    pub(super) fn forks(&self) -> Vec<ForkProof> {
        let proof = |(chain, seq): (&ChainId, &u64)| {
            let events = self.places.get(chain)?.get(seq)?.clone();
            Some(ForkProof { chain: *chain, seq: *seq, events })
        };
        self.forked.iter().filter_map(proof).collect()
    }
}
