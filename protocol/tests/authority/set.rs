//! Sets of events as bits: `u128` for the many small histories, `Wide` for the few long ones.

use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// A set of events, by number.
pub(crate) trait Set:
    Copy + Ord + std::fmt::Debug + BitAnd<Output = Self> + BitOr<Output = Self> + BitOrAssign
{
    /// The set of nothing.
    const NONE: Self;
    /// How many events there can be.
    const ROOM: usize;

    fn bit(e: usize) -> Self;
    fn has(self, e: usize) -> bool;
    fn numbers(self) -> Vec<usize>;
    /// What is in this set and not in the other.
    fn less(self, other: Self) -> Self;
    fn len(self) -> usize;
}

impl Set for u128 {
    const NONE: Self = 0;
    const ROOM: usize = 128;

    fn bit(e: usize) -> Self {
        1 << e
    }

    fn has(self, e: usize) -> bool {
        self >> e & 1 == 1
    }

    fn numbers(mut self) -> Vec<usize> {
        let mut numbers = Vec::new();
        while self != 0 {
            numbers.push(self.trailing_zeros() as usize);
            self &= self - 1;
        }
        numbers
    }

    fn less(self, other: Self) -> Self {
        self & !other
    }

    fn len(self) -> usize {
        self.count_ones() as usize
    }
}

/// 64 times `N` events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Wide<const N: usize>([u64; N]);

impl<const N: usize> Wide<N> {
    fn with(mut self, other: &Self, how: impl Fn(u64, u64) -> u64) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = how(*mine, *theirs);
        }
        self
    }
}

impl<const N: usize> Set for Wide<N> {
    const NONE: Self = Self([0; N]);
    const ROOM: usize = 64 * N;

    fn bit(e: usize) -> Self {
        let mut set = Self::NONE;
        set.0[e / 64] = 1 << (e % 64);
        set
    }

    fn has(self, e: usize) -> bool {
        self.0[e / 64] >> (e % 64) & 1 == 1
    }

    fn numbers(self) -> Vec<usize> {
        let mut numbers = Vec::new();
        for (at, &word) in self.0.iter().enumerate() {
            let mut word = word;
            while word != 0 {
                numbers.push(64 * at + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
        numbers
    }

    fn less(self, other: Self) -> Self {
        self.with(&other, |a, b| a & b.not())
    }

    fn len(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

impl<const N: usize> BitAnd for Wide<N> {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.with(&other, |a, b| a & b)
    }
}

impl<const N: usize> BitOr for Wide<N> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(&other, |a, b| a | b)
    }
}

impl<const N: usize> BitOrAssign for Wide<N> {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// What is in any of these.
pub(crate) fn union<M: Set>(sets: impl Iterator<Item = M>) -> M {
    sets.fold(M::NONE, |all, one| all | one)
}

/// These events.
pub(crate) fn those<M: Set>(events: impl Iterator<Item = usize>) -> M {
    union(events.map(M::bit))
}
