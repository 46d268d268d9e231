//! What is left out of a document by what is chosen at its forked numbers (SPEC: PRJ-4).
//!
//! What is chosen again at a number stood there for nothing: it and all that depends on it were out
//! already, so what is chosen instead only brings changes back. So a number is chosen again once at
//! most, and a change comes back once: all of it takes as long as to look at each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::Fork;
use crate::effect::family::Links;

/// What is left out, while numbers are chosen again.
struct Choice<'a> {
    forks: &'a mut [Fork],
    /// The fork of each candidate.
    fork_of: BTreeMap<u32, usize>,
    out: BTreeSet<u32>,
    /// What depends on each that was left out at first.
    behind: BTreeMap<u32, Vec<u32>>,
    /// On how many that are left out each depends; none of those that depend on none.
    wants: BTreeMap<u32, usize>,
    /// The forks of which nothing is held, and something could be.
    open: BTreeSet<usize>,
    looks: u64,
}

/// What is left out once every fork of which something can be held holds it, and how much was
/// looked at to find it.
pub(super) fn left_out(links: &[Links], forks: &mut [Fork]) -> (BTreeSet<u32>, u64) {
    let mut choice = Choice::of(links, forks);
    while let Some(at) = choice.open.pop_first() {
        choice.choose_again(at);
    }
    (choice.out, choice.looks)
}

impl<'a> Choice<'a> {
    /// The best of each fork is held, whatever it depends on.
    fn of(links: &[Links], forks: &'a mut [Fork]) -> Self {
        let (mut fork_of, mut out) = (BTreeMap::new(), BTreeSet::new());
        let mut looks = 0;
        for (at, fork) in forks.iter_mut().enumerate() {
            fork.held = fork.best(|_| true);
            looks += fork.candidates.len() as u64;
            fork_of.extend(fork.candidates.iter().map(|one| (one.change, at)));
            let changes = fork.candidates.iter().map(|one| one.change);
            out.extend(changes.filter(|change| Some(*change) != fork.held));
        }
        let (mut behind, mut wants) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new());
        let open = BTreeSet::new();
        if out.is_empty() {
            return Self { forks, fork_of, out, behind, wants, open, looks };
        }
        // What a change depends on has a lower number.
        for (change, links) in (0..).zip(links) {
            looks += 1 + links.deps.len() as u64;
            for dep in links.deps.iter().filter(|dep| out.contains(dep)) {
                behind.entry(*dep).or_default().push(change);
                *wants.entry(change).or_default() += 1;
            }
            if wants.contains_key(&change) {
                out.insert(change);
            }
        }
        let mut choice = Self { forks, fork_of, out, behind, wants, open, looks };
        let open = (0..choice.forks.len()).filter(|at| choice.is_open(*at));
        choice.open = open.collect();
        choice
    }

    /// Is nothing held at a fork, where something could be?
    fn is_open(&self, at: usize) -> bool {
        let Some(fork) = self.forks.get(at) else { return false };
        fork.held.is_none_or(|held| self.out.contains(&held))
            && fork.candidates.iter().any(|one| !self.wants.contains_key(&one.change))
    }

    /// The best of a fork is held of those that depend on nothing that is left out.
    fn choose_again(&mut self, at: usize) {
        let Some(fork) = self.forks.get_mut(at) else { return };
        self.looks += fork.candidates.len() as u64;
        let Some(next) = fork.best(|change| !self.wants.contains_key(&change)) else { return };
        fork.held = Some(next);
        self.bring_back(next);
    }

    /// A change is left out no longer, nor is what was for want of it alone.
    fn bring_back(&mut self, change: u32) {
        let mut back = vec![change];
        while let Some(change) = back.pop() {
            self.out.remove(&change);
            for behind in self.behind.remove(&change).unwrap_or_default() {
                self.looks += 1;
                let Some(wants) = self.wants.get_mut(&behind) else { continue };
                *wants = wants.saturating_sub(1);
                if *wants > 0 {
                    continue;
                }
                self.wants.remove(&behind);
                let Some(&at) = self.fork_of.get(&behind) else {
                    back.push(behind);
                    continue;
                };
                let held = self.forks.get(at).and_then(|fork| fork.held);
                if held == Some(behind) {
                    self.open.remove(&at);
                    back.push(behind);
                } else if held.is_none_or(|held| self.out.contains(&held)) {
                    self.open.insert(at);
                }
            }
        }
    }
}
