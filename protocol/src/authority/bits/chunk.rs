//! A part of a set: so many neighbouring numbers, shared by the sets that hold the same of them.

use std::cmp::Ordering;
use std::sync::Arc;

/// Words of a chunk: one is copied for each event, and a set that shares nothing has one pointer
/// for so many.
pub(super) const WORDS: usize = 16;

/// Numbers of a chunk.
pub(super) const BITS: usize = 64 * WORDS;

/// The words of a chunk.
type Chunk = [u64; WORDS];

/// A chunk, or none for an empty one.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Slot(Option<Arc<Chunk>>);

/// A number's chunk, and its place in that.
pub(super) fn place(number: u32) -> (usize, usize) {
    let number = number as usize;
    (number / BITS, number % BITS)
}

/// The number of a bit.
pub(super) fn number(at: usize, word: usize, bit: u32) -> u32 {
    u32::try_from(at * BITS + word * 64).unwrap_or(u32::MAX).saturating_add(bit)
}

/// The numbers of the bits of a word.
pub(super) fn numbers(at: usize, word: usize, mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = bits.trailing_zeros();
        if bit == 64 {
            return None;
        }
        bits &= bits - 1;
        Some(number(at, word, bit))
    })
}

impl Slot {
    /// A chunk with every number.
    pub(super) fn full() -> Self {
        Self(Some(Arc::new([u64::MAX; WORDS])))
    }

    fn of(words: Chunk) -> Self {
        Self((words != [0; WORDS]).then(|| Arc::new(words)))
    }

    pub(super) fn word(&self, word: usize) -> u64 {
        self.0.as_ref().and_then(|words| words.get(word)).copied().unwrap_or(0)
    }

    pub(super) fn contains(&self, within: usize) -> bool {
        self.word(within / 64) >> (within % 64) & 1 == 1
    }

    pub(super) fn set(&mut self, within: usize, is_in: bool) {
        let words = Arc::make_mut(self.0.get_or_insert_default());
        if let Some(word) = words.get_mut(within / 64) {
            let bit = 1 << (within % 64);
            *word = if is_in { *word | bit } else { *word & !bit };
        }
        if *words.as_slice() == [0; WORDS] {
            self.0 = None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.as_ref().is_some_and(|words| words.iter().all(|&word| word == u64::MAX))
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().flat_map(|words| words.iter()).map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn prefix(&self) -> usize {
        let mut sum = 0;
        for word in 0..WORDS {
            let ones = self.word(word).trailing_ones() as usize;
            sum += ones;
            if ones < 64 {
                break;
            }
        }
        sum
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => {
                Arc::ptr_eq(mine, theirs)
                    || mine.iter().zip(theirs.iter()).all(|(a, b)| a & !b == 0)
            }
        }
    }

    /// Takes the other's chunk where that holds everything, so that both share it.
    pub(super) fn union_with(&mut self, other: &Self) {
        if other.is_subset(self) {
            return;
        }
        if self.is_subset(other) {
            self.0.clone_from(&other.0);
            return;
        }
        *self = self.combined(other, |a, b| a | b);
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        if self.is_subset(other) {
            return self.clone();
        }
        if other.is_subset(self) {
            return other.clone();
        }
        self.combined(other, |a, b| a & b)
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_subset(other) {
            return Self::default();
        }
        self.combined(other, |a, b| a & !b)
    }

    fn combined(&self, other: &Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self::of(std::array::from_fn(|word| each(self.word(word), other.word(word))))
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Some(mine), Some(theirs)) if Arc::ptr_eq(mine, theirs) => Ordering::Equal,
            (mine, theirs) => mine.cmp(theirs),
        }
    }
}
