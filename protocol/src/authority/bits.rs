//! A set of small numbers, cheap to copy and to change a little.
//!
//! The numbers are kept in chunks that sets share: a set that is made from another one by a few
//! insertions shares all other chunks with it. Chunks at the beginning that hold every number are
//! only counted, for most sets here are all numbers up to some point and few after it. Operations
//! pass over what both sides share or what both have in full.
//!
//! Nothing is kept twice in different form, so equal sets look equal: sets can be compared, ordered
//! and used as keys.

mod chunk;

use std::cmp::Ordering;

use chunk::Slot;

/// A set of numbers below 2^32.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct BitSet {
    /// So many chunks at the beginning hold every number.
    full: usize,
    /// Those after them. The first is not full, the last not empty.
    rest: Vec<Slot>,
}

impl BitSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: u32) -> bool {
        let (at, within) = chunk::place(number);
        match at.checked_sub(self.full) {
            None => true,
            Some(at) => self.rest.get(at).is_some_and(|slot| slot.contains(within)),
        }
    }

    /// Adds `number`; true if it was not there.
    pub fn insert(&mut self, number: u32) -> bool {
        if self.contains(number) {
            return false;
        }
        let (at, within) = chunk::place(number);
        let at = at - self.full;
        if self.rest.len() <= at {
            self.rest.resize(at + 1, Slot::default());
        }
        if let Some(slot) = self.rest.get_mut(at) {
            slot.set(within, true);
        }
        self.trim();
        true
    }

    /// Takes `number` out; true if it was there.
    pub fn remove(&mut self, number: u32) -> bool {
        if !self.contains(number) {
            return false;
        }
        let (at, within) = chunk::place(number);
        if at < self.full {
            let again = self.full - at;
            self.rest.splice(0..0, std::iter::repeat_n(Slot::full(), again));
            self.full = at;
        }
        if let Some(slot) = self.rest.get_mut(at - self.full) {
            slot.set(within, false);
        }
        self.trim();
        true
    }

    /// Restores the one form in which a set is kept.
    fn trim(&mut self) {
        while self.rest.last().is_some_and(Slot::is_empty) {
            self.rest.pop();
        }
        let full = self.rest.iter().take_while(|slot| slot.is_full()).count();
        if full > 0 {
            self.rest.drain(..full);
            self.full += full;
        }
    }

    /// The chunk at a place; none is empty.
    fn slot(&self, at: usize) -> Option<&Slot> {
        self.rest.get(at.checked_sub(self.full)?)
    }

    /// Adds everything of `other`.
    pub fn union_with(&mut self, other: &Self) {
        if other.full > self.full {
            let known = (other.full - self.full).min(self.rest.len());
            self.rest.drain(..known);
            self.full = other.full;
        }
        let skipped = self.full - other.full;
        let theirs = other.rest.get(skipped..).unwrap_or(&[]);
        if self.rest.len() < theirs.len() {
            self.rest.resize(theirs.len(), Slot::default());
        }
        for (mine, theirs) in self.rest.iter_mut().zip(theirs) {
            mine.union_with(theirs);
        }
        self.trim();
    }

    /// What is in both.
    pub fn intersection(&self, other: &Self) -> Self {
        let (less, more) = if self.full <= other.full { (self, other) } else { (other, self) };
        let both = |(at, mine): (usize, &Slot)| {
            let at = at + less.full;
            if at < more.full {
                return mine.clone();
            }
            more.slot(at).map_or_else(Slot::default, |theirs| mine.intersection(theirs))
        };
        let rest = less.rest.iter().enumerate().map(both).collect();
        let mut set = Self { full: less.full, rest };
        set.trim();
        set
    }

    /// What is in this set and not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        let mut set = Self::new();
        // Below, both have everything.
        let from = self.full.min(other.full);
        let until = self.full + self.rest.len();
        let whole = Slot::full();
        let left = |at: usize| {
            let mine = if at < self.full { &whole } else { self.slot(at)? };
            if at < other.full {
                return None;
            }
            Some(other.slot(at).map_or_else(|| mine.clone(), |theirs| mine.difference(theirs)))
        };
        if from < until {
            set.rest.resize(from, Slot::default());
            set.rest.extend((from..until).map(|at| left(at).unwrap_or_default()));
        }
        set.trim();
        set
    }

    /// Whether everything of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.full <= other.full + other.rest.len()
            && (other.full..self.full).all(|at| other.slot(at).is_some_and(Slot::is_full))
            && self.rest.iter().zip(self.full..).all(|(mine, at)| {
                at < other.full
                    || other.slot(at).map_or_else(|| mine.is_empty(), |o| mine.is_subset(o))
            })
    }

    /// Whether something is in both.
    pub fn meets(&self, other: &Self) -> bool {
        self.only(other, &Self::new()).next().is_some()
    }

    /// The numbers of this set that are in `of` and not in `beside`, ascending.
    pub fn only<'a>(&'a self, of: &'a Self, beside: &'a Self) -> impl Iterator<Item = u32> + 'a {
        let until = (self.full + self.rest.len()).min(of.full + of.rest.len());
        (beside.full..until).flat_map(move |at| {
            let skip = at >= self.full && self.slot(at).is_none_or(Slot::is_empty);
            let words = if skip { 0..0 } else { 0..chunk::WORDS };
            words.flat_map(move |word| {
                let bits = self.word(at, word) & of.word(at, word) & !beside.word(at, word);
                chunk::numbers(at, word, bits)
            })
        })
    }

    fn word(&self, at: usize, word: usize) -> u64 {
        if at < self.full { u64::MAX } else { self.slot(at).map_or(0, |slot| slot.word(word)) }
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.full == 0 && self.rest.is_empty()
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> usize {
        self.full * chunk::BITS + self.rest.iter().map(Slot::len).sum::<usize>()
    }

    /// How many numbers from 0 on are all in the set.
    pub fn prefix(&self) -> usize {
        self.full * chunk::BITS + self.rest.first().map_or(0, Slot::prefix)
    }

    /// The smallest number.
    pub fn first(&self) -> Option<u32> {
        self.iter().next()
    }

    /// The greatest number.
    pub fn last(&self) -> Option<u32> {
        let last = (self.full + self.rest.len()).checked_sub(1)?;
        (0..chunk::WORDS).rev().find_map(|word| {
            let bits = self.word(last, word);
            (bits != 0).then(|| chunk::number(last, word, 63 - bits.leading_zeros()))
        })
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.full + self.rest.len()).flat_map(move |at| {
            let empty = at >= self.full && self.slot(at).is_none_or(Slot::is_empty);
            let words = if empty { 0..0 } else { 0..chunk::WORDS };
            words.flat_map(move |word| chunk::numbers(at, word, self.word(at, word)))
        })
    }
}

impl Ord for BitSet {
    fn cmp(&self, other: &Self) -> Ordering {
        let sizes = (self.full, self.rest.len()).cmp(&(other.full, other.rest.len()));
        let chunks = || self.rest.iter().zip(&other.rest).map(|(a, b)| a.compare(b));
        sizes.then_with(|| chunks().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
    }
}

impl PartialOrd for BitSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromIterator<u32> for BitSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::new();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::BitSet;

    fn set(numbers: &[u32]) -> BitSet {
        numbers.iter().copied().collect()
    }

    #[test]
    fn equal_sets_are_equal_however_they_came_about() {
        assert_eq!(set(&[1, 2000]).intersection(&set(&[1, 3000])), set(&[1]));
        assert_eq!(set(&[2000]).intersection(&set(&[3000])), BitSet::new());
        assert_eq!(set(&[3, 1700, 3]).iter().collect::<Vec<_>>(), [3, 1700]);
        let all: BitSet = (0..2048).collect();
        let mut halves: BitSet = (0..3000).filter(|n| n % 2 == 0).collect();
        halves.union_with(&(0..3000).filter(|n| n % 2 == 1).collect());
        assert_eq!(halves.difference(&(2048..3000).collect()), all);
        assert_eq!((all.prefix(), all.last()), (2048, Some(2047)));
    }

    #[test]
    fn subset_looks_at_every_word() {
        assert!(set(&[1, 64]).is_subset(&set(&[1, 2, 64, 3000])));
        assert!(!set(&[1, 3000]).is_subset(&set(&[1, 2])));
        assert!(!set(&[1, 64]).is_subset(&set(&[1, 65])));
        assert!(BitSet::new().is_subset(&BitSet::new()));
    }

    #[test]
    fn insert_and_remove_say_whether_something_changed() {
        let mut s = BitSet::new();
        assert!(s.insert(64) && !s.insert(64) && s.contains(64) && !s.contains(0));
        s.union_with(&set(&[5000]));
        assert_eq!((s.len(), s.is_empty()), (2, false));
        assert!(s.remove(64) && !s.remove(64) && s.remove(5000) && s == BitSet::new());
    }

    /// Against sets of the library, over sets of every form: prefixes, gaps, single numbers.
    #[test]
    fn every_operation_says_what_plain_sets_say() {
        let forms: Vec<BTreeSet<u32>> = vec![
            BTreeSet::new(),
            (0..1024).collect(),
            (0..2500).collect(),
            (0..2500).filter(|n| *n != 700).collect(),
            (1024..2048).chain([4000]).collect(),
            (0..5000).filter(|n| n % 3 == 0).collect(),
            [0, 1023, 1024, 4095].into(),
            (0..4096).collect(),
        ];
        for a in &forms {
            let x: BitSet = a.iter().copied().collect();
            let prefix = (0..).take_while(|n| a.contains(n)).count();
            assert_eq!((x.len(), x.prefix(), x.last()), (a.len(), prefix, a.last().copied()));
            assert!(x.iter().eq(a.iter().copied()) && x.is_empty() == a.is_empty());
            for b in &forms {
                let y: BitSet = b.iter().copied().collect();
                let plain = |set: BTreeSet<u32>| set.into_iter().collect::<BitSet>();
                let mut both = x.clone();
                both.union_with(&y);
                assert_eq!(both, plain(a | b));
                assert_eq!(x.intersection(&y), plain(a & b));
                assert_eq!(x.difference(&y), plain(a - b));
                assert_eq!((x.is_subset(&y), x.meets(&y)), (a.is_subset(b), !a.is_disjoint(b)));
                assert_eq!((x == y, x.cmp(&y).is_eq()), (a == b, a == b));
                for c in &forms {
                    let z: BitSet = c.iter().copied().collect();
                    let only: BTreeSet<u32> = &(a & b) - c;
                    assert!(x.only(&y, &z).eq(only), "{a:?} {b:?} {c:?}");
                }
                for n in [0, 700, 1023, 2047, 3000] {
                    let mut less = x.clone();
                    assert_eq!(less.remove(n), a.contains(&n));
                    assert!(less.iter().eq(a.iter().copied().filter(|m| *m != n)));
                }
            }
        }
    }
}
