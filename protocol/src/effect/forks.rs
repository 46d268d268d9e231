//! Which of several changes with one number of an actor a document holds (SPEC: PRJ-4).
//!
//! A function of the events that count: their order of arrival is in nothing here. An actor's
//! changes depend on each other, so what is chosen at one number may leave nothing at the next;
//! that is chosen again, among those that depend on nothing that is left out.
//!
//! A member may sign as many changes of one number as it likes, and all is found anew whenever an
//! event comes: what that takes grows no faster than what was signed, times a logarithm and the
//! number of others' lines, in however many documents. `forks/support.rs` finds who built on which,
//! `forks/choice.rs` what is left out; `forks/plain.rs` is the rule word by word, which both are
//! held against.

mod choice;
mod plain;
mod support;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::family::History;
use crate::authority::{ContentLane, ContentNo};
use crate::id::{ChangeHash, DeviceId, EventId};
pub(super) use support::Lines;

/// The changes that count at one number of an actor.
#[derive(Clone)]
struct Fork {
    candidates: Vec<Candidate>,
    /// The number of the one that stays.
    held: Option<u32>,
}

#[derive(Clone)]
struct Candidate {
    change: u32,
    hash: ChangeHash,
    /// The events that count and carry it.
    carriers: Vec<ContentNo>,
    lowest: EventId,
    author: DeviceId,
    /// Who built on it and on none of the others.
    support: BTreeSet<DeviceId>,
}

impl Fork {
    /// The best of those that pass: the most members built on it, then the lowest event id. One
    /// event may carry several, so then the lowest hash.
    fn best(&self, passes: impl Fn(u32) -> bool) -> Option<u32> {
        let passing = self.candidates.iter().filter(|one| passes(one.change));
        let best = passing.max_by_key(|one| (one.support.len(), Reverse((one.lowest, one.hash))));
        best.map(|one| one.change)
    }
}

impl History {
    /// What is left out of the document, and how much was looked at to find it. `counts` says which
    /// events have effect.
    pub(super) fn left_out(
        &self,
        content: &ContentLane,
        lines: &Lines,
        counts: &dyn Fn(ContentNo) -> bool,
    ) -> (BTreeSet<u32>, u64) {
        let mut forks = self.forks(content, counts);
        let mut looks = support::weigh(content, lines, &mut forks);
        let chosen = choice::left_out(&self.links, &mut forks);
        looks += chosen.1;
        debug_assert!(
            !plain::is_small(content, &forks) || {
                let mut forks = self.forks(content, counts);
                plain::weigh(content, &mut forks);
                plain::left_out(&self.links, &mut forks) == chosen.0
            },
            "what is left out is what the rule says"
        );
        (chosen.0, looks)
    }

    /// The forked numbers at which several changes count, by number, then by actor.
    fn forks(&self, content: &ContentLane, counts: &dyn Fn(ContentNo) -> bool) -> Vec<Fork> {
        let candidate = |change: &u32| {
            let carriers = self.links.get(*change as usize)?.carriers.iter().copied();
            let carriers: Vec<_> = carriers.filter(|no| counts(*no)).collect();
            let lowest = carriers.iter().map(|no| content.id(*no)).min()?;
            let author = content.author(*carriers.first()?);
            let (hash, support) = (self.index.hash(*change), BTreeSet::new());
            Some(Candidate { change: *change, hash, carriers, lowest, author, support })
        };
        let fork = |there: &Vec<u32>| Fork {
            candidates: there.iter().filter_map(candidate).collect(),
            held: None,
        };
        self.forked.values().map(fork).filter(|fork| fork.candidates.len() > 1).collect()
    }
}
