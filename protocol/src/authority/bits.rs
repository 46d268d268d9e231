//! A set of small numbers.
//!
//! Trailing zero words are never kept, so equal sets have equal words: sets can be compared,
//! ordered and used as keys.

/// A set of numbers below 2^32, as a vector of 64-bit words.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.words.get(word).is_some_and(|w| w & bit != 0)
    }

    /// Adds `number`; true if it was not there.
    pub fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = place(number);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        match self.words.get_mut(word) {
            Some(w) if *w & bit == 0 => {
                *w |= bit;
                true
            }
            _ => false,
        }
    }

    /// Adds everything of `other`.
    pub fn union_with(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// What is in both.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut words: Vec<u64> = self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect();
        while words.last() == Some(&0) {
            words.pop();
        }
        Self { words }
    }

    /// Whether everything of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        // Trimmed, so a longer set has something that a shorter one has not.
        self.words.len() <= other.words.len()
            && self.words.iter().zip(&other.words).all(|(a, b)| a & !b == 0)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0u32..).flat_map(|(&word, at)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                if bit == 64 {
                    return None;
                }
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
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

fn place(number: u32) -> (usize, u64) {
    ((number / 64) as usize, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::BitSet;

    fn set(numbers: &[u32]) -> BitSet {
        numbers.iter().copied().collect()
    }

    #[test]
    fn equal_sets_are_equal_however_they_came_about() {
        assert_eq!(set(&[1, 200]).intersection(&set(&[1, 300])), set(&[1]));
        assert_eq!(set(&[200]).intersection(&set(&[300])), BitSet::new());
        assert_eq!(set(&[3, 70, 3]).iter().collect::<Vec<_>>(), [3, 70]);
    }

    #[test]
    fn subset_looks_at_every_word() {
        assert!(set(&[1, 64]).is_subset(&set(&[1, 2, 64, 300])));
        assert!(!set(&[1, 300]).is_subset(&set(&[1, 2])));
        assert!(!set(&[1, 64]).is_subset(&set(&[1, 65])));
        assert!(BitSet::new().is_subset(&BitSet::new()));
    }

    #[test]
    fn insert_says_whether_it_was_new() {
        let mut s = BitSet::new();
        assert!(s.insert(64) && !s.insert(64) && s.contains(64) && !s.contains(0));
        s.union_with(&set(&[500]));
        assert_eq!((s.len(), s.is_empty()), (2, false));
    }
}
