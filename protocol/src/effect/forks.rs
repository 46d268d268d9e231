//! Which of several changes with one number of an actor a document holds (SPEC: PRJ-4).
//!
//! A function of the events that count: their order of arrival is in nothing here. An actor's
//! changes depend on each other, so what is chosen at one number may leave nothing at the next;
//! that is chosen again, among those that depend on nothing that is left out.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::family::History;
use crate::authority::{ContentLane, ContentNo};
use crate::id::{ChangeHash, DeviceId, EventId};

/// The changes that count at one number of an actor.
struct Fork {
    candidates: Vec<Candidate>,
    /// The number of the one that stays.
    held: Option<u32>,
}

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
    /// What is left out of the document. `counts` says which events have effect.
    pub(super) fn left_out(
        &self,
        content: &ContentLane,
        counts: &dyn Fn(ContentNo) -> bool,
    ) -> BTreeSet<u32> {
        let mut forks = self.forks(content, counts);
        weigh(content, &mut forks);
        for fork in &mut forks {
            fork.held = fork.best(|_| true);
        }
        loop {
            let out = self.out_of(&forks);
            let depends_on_none = |change: u32| {
                let links = self.links.get(change as usize);
                !links.is_some_and(|links| links.deps.iter().any(|dep| out.contains(dep)))
            };
            let is_empty = |fork: &&mut Fork| fork.held.is_none_or(|held| out.contains(&held));
            let again = forks.iter_mut().filter(is_empty).find_map(|fork| {
                let next = fork.best(depends_on_none)?;
                Some((fork, next))
            });
            let Some((fork, next)) = again else { return out };
            fork.held = Some(next);
        }
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

    /// All of a fork but the one that is held, and what depends on them.
    fn out_of(&self, forks: &[Fork]) -> BTreeSet<u32> {
        let all = forks.iter().flat_map(|fork| {
            let changes = fork.candidates.iter().map(|one| one.change);
            changes.filter(|change| Some(*change) != fork.held)
        });
        let mut out: BTreeSet<_> = all.collect();
        if out.is_empty() {
            return out;
        }
        for (change, links) in (0..).zip(&self.links) {
            if links.deps.iter().any(|dep| out.contains(dep)) {
                out.insert(change);
            }
        }
        out
    }
}

/// Finds who built on each: one pass over the content.
fn weigh(content: &ContentLane, forks: &mut [Fork]) {
    if forks.is_empty() {
        return;
    }
    for e in content.all().filter(|e| content.is_admitted(*e)) {
        let author = content.author(e);
        for fork in &mut *forks {
            let builds = |one: &&mut Candidate| {
                one.carriers.iter().any(|carrier| content.in_past(e, *carrier))
            };
            let mut built: Vec<_> = fork.candidates.iter_mut().filter(builds).collect();
            if let [one] = &mut built[..]
                && one.author != author
            {
                one.support.insert(author);
            }
        }
    }
}
