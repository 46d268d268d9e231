//! Who built on which of several changes with one number (SPEC: PRJ-4).
//!
//! Along a line, which is a branch of an author's chain, the past only grows. So each change comes
//! into it at one place, which is found by bisection, and what stands behind the first of them and
//! before the next built on that one alone. Of what one line carries only the first two matter:
//! where a later one is in the past, both are.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::Fork;
use crate::authority::{ContentLane, ContentNo};
use crate::id::DeviceId;

/// The lines of all authors. To find them takes a look at all content, so it is done once for all
/// documents, where the first fork asks for them.
pub(in crate::effect) type Lines = OnceCell<BTreeMap<DeviceId, Vec<Vec<ContentNo>>>>;

/// Finds who built on each, and how many events were looked at for that.
pub(super) fn weigh(content: &ContentLane, lines: &Lines, forks: &mut [Fork]) -> u64 {
    if forks.is_empty() {
        return 0;
    }
    let mut looks = if lines.get().is_none() { content.len() as u64 } else { 0 };
    let lines = lines.get_or_init(|| content.admitted_lines());
    for fork in forks {
        let firsts = firsts(content, fork);
        looks += fork.candidates.iter().map(|one| one.carriers.len() as u64).sum::<u64>();
        let authors: BTreeSet<DeviceId> = fork.candidates.iter().map(|one| one.author).collect();
        for (author, lines) in lines {
            // Whoever wrote all of them gives none of them weight.
            if authors.len() == 1 && authors.contains(author) {
                continue;
            }
            for line in lines {
                let alone = alone(content, line, &firsts, &mut looks);
                let one = alone.and_then(|at| fork.candidates.get_mut(at));
                if let Some(one) = one.filter(|one| one.author != *author) {
                    one.support.insert(*author);
                }
            }
        }
    }
    looks
}

/// Of each line that carries some of a fork's changes the first two of them that differ, each as
/// the first event there that carries it and its place among the candidates.
fn firsts(content: &ContentLane, fork: &Fork) -> Vec<(ContentNo, usize)> {
    let carried = fork.candidates.iter().enumerate().flat_map(|(at, one)| {
        one.carriers.iter().map(move |carrier| (content.line_of(*carrier), *carrier, at))
    });
    let mut carried: Vec<_> = carried.collect();
    // In a line the numbers of events rise.
    carried.sort_unstable();
    let mut firsts = Vec::new();
    for line in carried.chunk_by(|one, other| one.0 == other.0) {
        let first = line.first();
        let second = line.iter().find(|other| first.is_some_and(|first| first.2 != other.2));
        firsts.extend(first.into_iter().chain(second).map(|(_, carrier, at)| (*carrier, *at)));
    }
    firsts
}

/// The candidate that some event of the line built on without the others: no line has two.
fn alone(
    content: &ContentLane,
    line: &[ContentNo],
    firsts: &[(ContentNo, usize)],
    looks: &mut u64,
) -> Option<usize> {
    let (mut first, mut next) = ((line.len(), None), line.len());
    for &(carrier, candidate) in firsts {
        let at = comes_in(content, line, carrier, looks);
        if first.1 == Some(candidate) {
            first.0 = first.0.min(at);
        } else if at < first.0 {
            next = first.0;
            first = (at, Some(candidate));
        } else {
            next = next.min(at);
        }
    }
    first.1.filter(|_| first.0 < next)
}

/// The place in the line from which on this event is in the past; its end, where it is in none.
fn comes_in(
    content: &ContentLane,
    line: &[ContentNo],
    carrier: ContentNo,
    looks: &mut u64,
) -> usize {
    let mut has = |no: &ContentNo| {
        *looks += 1;
        content.in_past(*no, carrier)
    };
    // Most lines of many never hear of it.
    match line.last() {
        Some(last) if has(last) => line.partition_point(|no| !has(no)),
        _ => line.len(),
    }
}
