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

/// One chain. Events are named by their places in the order in which they went in.
#[derive(Debug, Default)]
struct Chain {
    /// What came first at each seq: an event goes in after the one before it.
    first: Vec<u32>,
    /// What stands at each seq with several events, sorted.
    forks: BTreeMap<u64, Vec<EventId>>,
}

impl Chain {
    /// What stands at a place, sorted.
    fn at<'a>(&'a self, seq: u64, order: &'a [EventId]) -> &'a [EventId] {
        if let Some(events) = self.forks.get(&seq) {
            return events;
        }
        let at = usize::try_from(seq).ok().and_then(|seq| self.first.get(seq));
        at.map_or(&[], |at| order.get(*at as usize).map_or(&[], std::slice::from_ref))
    }

    /// The seq that comes next.
    fn height(&self) -> u64 {
        self.first.len() as u64
    }
}

/// All chains. `order` is everywhere what is here, in the order in which it went in.
#[derive(Debug, Default)]
pub(super) struct Chains {
    chains: BTreeMap<ChainId, Chain>,
    /// The events that none follows in their chain.
    tips: BTreeSet<u32>,
}

impl Chains {
    /// Takes the event that went in last, with the place of its prev.
    pub(super) fn add(&mut self, prev: Option<usize>, header: &Header, order: &[EventId]) {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let Some((id, before)) = order.split_last() else { return };
        if let Some(prev) = prev {
            self.tips.remove(&number(prev));
        }
        let at = number(before.len());
        self.tips.insert(at);
        let chain = self.chains.entry(header.chain()).or_default();
        if header.seq == chain.height() {
            chain.first.push(at);
            return;
        }
        let first = usize::try_from(header.seq).ok().and_then(|seq| chain.first.get(seq));
        let first = first.and_then(|at| order.get(*at as usize)).copied();
        let there = chain.forks.entry(header.seq);
        let there = there.or_insert_with(|| first.into_iter().collect());
        if let Err(at) = there.binary_search(id) {
            there.insert(at, *id);
        }
    }

    /// The last event of a chain; of a forked one the lowest id at its greatest seq.
    pub(super) fn tip(&self, chain: &ChainId, order: &[EventId]) -> Option<EventId> {
        let chain = self.chains.get(chain)?;
        chain.at(chain.height().checked_sub(1)?, order).first().copied()
    }

    /// The first events of a device's chains of one lane, with the life of its store that each
    /// chain is of; several of one that forked there.
    pub(super) fn beginnings<'a>(
        &'a self,
        device: &DeviceId,
        lane: Lane,
        order: &'a [EventId],
    ) -> impl Iterator<Item = (&'a Incarnation, &'a EventId)> {
        let first = |life| ChainId { author: *device, incarnation: Incarnation(life), lane };
        let chains = self.chains.range(first([0; 8])..=first([0xff; 8]));
        chains.filter(move |(id, _)| id.lane == lane).flat_map(move |(id, chain)| {
            chain.at(0, order).iter().map(|event| (&id.incarnation, event))
        })
    }

    /// The lives of a device's store that wrote something.
    pub(super) fn lives(&self, device: &DeviceId) -> impl Iterator<Item = &Incarnation> {
        let first = |life, lane| ChainId { author: *device, incarnation: Incarnation(life), lane };
        let all = first([0; 8], Lane::Control)..=first([0xff; 8], Lane::Content);
        self.chains.range(all).map(|(chain, _)| &chain.incarnation)
    }

    /// The ends of all chains, as places; several of one that forked.
    pub(super) fn tips(&self) -> impl Iterator<Item = usize> {
        self.tips.iter().map(|at| *at as usize)
    }

    /// Does none follow the event of this place in its chain?
    pub(super) fn is_tip(&self, at: usize) -> bool {
        u32::try_from(at).is_ok_and(|at| self.tips.contains(&at))
    }

    /// The seq that comes next in a chain.
    pub(super) fn height(&self, chain: &ChainId) -> u64 {
        self.chains.get(chain).map_or(0, Chain::height)
    }

    /// The first fork of each forked chain.
    pub(super) fn forks(&self) -> Vec<ForkProof> {
        let proof = |(id, chain): (&ChainId, &Chain)| {
            let (seq, events) = chain.forks.first_key_value()?;
            Some(ForkProof { chain: *id, seq: *seq, events: events.clone() })
        };
        self.chains.iter().filter_map(proof).collect()
    }
}
