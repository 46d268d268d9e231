//! The rule of forked numbers as it stands in SPEC.md (PRJ-4), with no thought of what it costs:
//! what finds the same faster is held against it, in tests and where debug builds find little.

use std::collections::BTreeSet;

use super::Fork;
use crate::authority::ContentLane;
use crate::effect::family::Links;

/// Pairs of an event and a change that it may have in its past, beyond which nobody waits for this.
const SMALL: usize = 1 << 12;

/// Is it so little that nobody notices if it is found twice?
pub(super) fn is_small(content: &ContentLane, forks: &[Fork]) -> bool {
    let carriers = forks.iter().flat_map(|fork| &fork.candidates).map(|one| one.carriers.len());
    carriers.sum::<usize>().saturating_mul(content.len()) <= SMALL
}

/// Finds who built on each: of every event whether it did on just one.
pub(super) fn weigh(content: &ContentLane, forks: &mut [Fork]) {
    for e in content.all().filter(|e| content.is_admitted(*e)) {
        let author = content.author(e);
        for fork in &mut *forks {
            let mut built: Vec<_> = fork
                .candidates
                .iter_mut()
                .filter(|one| one.carriers.iter().any(|carrier| content.in_past(e, *carrier)))
                .collect();
            if let [one] = &mut built[..]
                && one.author != author
            {
                one.support.insert(author);
            }
        }
    }
}

/// What is left out: of the first number of which nothing is held the best is held that depends on
/// nothing left out, until there is none.
pub(super) fn left_out(links: &[Links], forks: &mut [Fork]) -> BTreeSet<u32> {
    for fork in &mut *forks {
        fork.held = fork.best(|_| true);
    }
    loop {
        let out = out_of(links, forks);
        let depends_on_none = |change: u32| {
            let links = links.get(change as usize);
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

/// All of a fork but the one that is held, and what depends on them.
fn out_of(links: &[Links], forks: &[Fork]) -> BTreeSet<u32> {
    let all = forks.iter().flat_map(|fork| {
        let changes = fork.candidates.iter().map(|one| one.change);
        changes.filter(|change| Some(*change) != fork.held)
    });
    let mut out: BTreeSet<_> = all.collect();
    for (change, links) in (0..).zip(links) {
        if links.deps.iter().any(|dep| out.contains(dep)) {
            out.insert(change);
        }
    }
    out
}
