//! A list that nearly always holds one thing, or none: it takes no allocation until it holds two.
//!
//! It is read as a slice. Equal lists look equal, however they came about: two or more alone stand
//! in a vector.

use std::ops::Deref;
use std::{option, vec};

/// A list in the order in which it was filled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Few<T> {
    /// Nothing.
    #[default]
    None,
    /// One.
    One(T),
    /// Two or more.
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self::None
    }

    /// Puts one behind all others.
    pub fn push(&mut self, next: T) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(next),
            Self::One(first) => Self::Many(vec![first, next]),
            Self::Many(mut all) => {
                all.push(next);
                Self::Many(all)
            }
        };
    }
}

impl<T: Ord> Few<T> {
    /// Puts one into a list that is ascending, where it is not there yet.
    pub fn put(&mut self, next: T) {
        // Nearly always it comes last.
        if self.last().is_none_or(|last| *last < next) {
            self.push(next);
        } else if let Err(at) = self.binary_search(&next) {
            let mut all = match std::mem::take(self) {
                Self::Many(all) => all,
                few => few.into_iter().collect(),
            };
            all.insert(at, next);
            *self = all.into();
        }
    }

    /// Takes one out of a list that is ascending; true if it was there.
    pub fn take(&mut self, gone: &T) -> bool {
        let Ok(at) = self.binary_search(gone) else { return false };
        *self = match std::mem::take(self) {
            Self::Many(mut all) => {
                all.remove(at);
                all.into()
            }
            Self::None | Self::One(_) => Self::None,
        };
        true
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(all) => all,
        }
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut all: Vec<T>) -> Self {
        if all.len() > 1 { Self::Many(all) } else { all.pop().map_or(Self::None, Self::One) }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(of: I) -> Self {
        let mut of = of.into_iter();
        let Some(first) = of.next() else { return Self::None };
        let Some(second) = of.next() else { return Self::One(first) };
        let mut all = vec![first, second];
        all.extend(of);
        Self::Many(all)
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<option::IntoIter<T>, vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Self::None => (None, Vec::new()),
            Self::One(one) => (Some(one), Vec::new()),
            Self::Many(all) => (None, all),
        };
        one.into_iter().chain(many)
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;
    use std::collections::BTreeSet;

    use super::Few;

    #[test]
    fn a_list_says_what_a_vector_says() {
        for count in 0..4_u32 {
            let numbers: Vec<_> = (0..count).collect();
            let collected: Few<_> = numbers.iter().copied().collect();
            let mut pushed = Few::new();
            numbers.iter().for_each(|number| pushed.push(*number));
            for few in [&collected, &pushed, &numbers.clone().into()] {
                assert_eq!(**few, numbers[..]);
                assert_eq!(*few, collected);
                assert_eq!(matches!(few, Few::Many(_)), count > 1);
                assert!(few.into_iter().eq(&numbers));
                assert!(few.clone().into_iter().eq(numbers.iter().copied()));
            }
        }
    }

    #[test]
    fn an_ascending_list_says_what_a_set_says() {
        for order in [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 2], [3, 3, 3, 3]] {
            let (mut few, mut set) = (Few::new(), BTreeSet::new());
            for next in order {
                few.put(next);
                set.insert(next);
                assert!(few.iter().eq(&set));
                assert_eq!(matches!(few, Few::Many(_)), set.len() > 1);
            }
            for gone in [2, 5, 2, 1, 4, 3] {
                assert_eq!(few.take(&gone), set.remove(&gone));
                assert!(few.iter().eq(&set));
                assert_eq!(matches!(few, Few::Many(_)), set.len() > 1);
            }
            assert_eq!(few, Few::None);
        }
    }

    thread_local! {
        static LOOKS: Cell<u32> = const { Cell::new(0) };
    }

    /// A number that counts how often it is compared.
    #[derive(Debug, PartialEq, Eq)]
    struct Counted(u32);

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            LOOKS.set(LOOKS.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    #[test]
    fn an_ascending_list_of_many_is_searched_by_halves() {
        let mut few = Few::new();
        (0..1_024).for_each(|next| few.put(Counted(next)));
        assert!(LOOKS.get() <= 1_024, "what comes last is put last");
        for gone in (0..1_024).rev() {
            assert!(few.take(&Counted(gone)));
        }
        assert!(LOOKS.get() <= 12 * 1_024, "{} looks", LOOKS.get());
    }
}
