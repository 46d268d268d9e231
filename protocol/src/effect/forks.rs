//! Which of several changes with one number of an actor a document holds (SPEC: PRJ-4).
//!
//! A function of the events that count: their order of arrival is in nothing here. An actor's
//! changes depend on each other, so what is chosen at one number may leave nothing at the next;
//! that is chosen again, among those that depend on nothing that is left out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::History;
use crate::authority::{ContentLane, ContentNo};
use crate::id::{ChangeHash, DeviceId, DocumentId, EventId};

/// The changes that count at one number of an actor.
struct Fork {
    candidates: Vec<Candidate>,
    /// The hash of the one that stays.
    held: Option<ChangeHash>,
}

struct Candidate {
    hash: ChangeHash,
    /// The events that count and carry it.
    carriers: Vec<ContentNo>,
    lowest: EventId,
    author: DeviceId,
    /// Who built on it and on none of the others.
    support: BTreeSet<DeviceId>,
}

impl Fork {
    /// The best of those that pass: the most members built on it, then the lowest event id.
    fn best(&self, passes: impl Fn(&ChangeHash) -> bool) -> Option<ChangeHash> {
        let passing = self.candidates.iter().filter(|one| passes(&one.hash));
        let best = passing.max_by_key(|one| (one.support.len(), Reverse(one.lowest)));
        best.map(|one| one.hash)
    }
}

impl History {
    /// What is left out of the document. `counts` says which events have effect.
    pub(super) fn left_out(
        &self,
        content: &ContentLane,
        counts: &dyn Fn(ContentNo) -> bool,
    ) -> BTreeSet<ChangeHash> {
        let mut forks = self.forks(content, counts);
        weigh(content, &mut forks);
        for fork in &mut forks {
            fork.held = fork.best(|_| true);
        }
        loop {
            let out = self.out_of(&forks);
            let depends_on_none = |hash: &ChangeHash| {
                let deps = self.changes.get(hash).map_or(&[][..], |links| &links.deps);
                !deps.iter().any(|dep| out.contains(dep))
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
        let places: BTreeSet<_> = self.forked.iter().map(|(actor, seq)| (*seq, *actor)).collect();
        let candidate = |hash: &ChangeHash| {
            let carriers = self.changes.get(hash)?.carriers.iter().copied();
            let carriers: Vec<_> = carriers.filter(|no| counts(*no)).collect();
            let lowest = carriers.iter().map(|no| content.id(*no)).min()?;
            let author = content.author(*carriers.first()?);
            Some(Candidate { hash: *hash, carriers, lowest, author, support: BTreeSet::new() })
        };
        let fork = |(seq, actor)| {
            let there = self.places.get(&(actor, seq)).map_or(&[][..], Vec::as_slice);
            Fork { candidates: there.iter().filter_map(candidate).collect(), held: None }
        };
        places.into_iter().map(fork).filter(|fork| fork.candidates.len() > 1).collect()
    }

    /// All of a fork but the one that is held, and what depends on them.
    fn out_of(&self, forks: &[Fork]) -> BTreeSet<ChangeHash> {
        let all = forks.iter().flat_map(|fork| {
            let hashes = fork.candidates.iter().map(|one| one.hash);
            hashes.filter(|hash| Some(*hash) != fork.held)
        });
        let mut out: BTreeSet<_> = all.collect();
        for hash in &self.order {
            let deps = self.changes.get(hash).map_or(&[][..], |links| &links.deps);
            if !out.is_empty() && deps.iter().any(|dep| out.contains(dep)) {
                out.insert(*hash);
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

/// What is left out of each document that has forked numbers.
pub(super) fn left_out(
    documents: &BTreeMap<DocumentId, History>,
    content: &ContentLane,
    counts: &dyn Fn(ContentNo) -> bool,
) -> BTreeMap<DocumentId, BTreeSet<ChangeHash>> {
    let mut by_document: BTreeMap<DocumentId, BTreeSet<ChangeHash>> = BTreeMap::new();
    for (family, history) in documents.iter().filter(|(_, history)| !history.forked.is_empty()) {
        for hash in history.left_out(content, counts) {
            let document = history.changes.get(&hash).map_or(*family, |links| links.document);
            by_document.entry(document).or_default().insert(hash);
        }
    }
    by_document
}
