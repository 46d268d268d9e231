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

impl<T: PartialEq> Few<T> {
    /// Takes out all that are equal to this one; true if there was any.
    pub fn remove(&mut self, gone: &T) -> bool {
        if !self.contains(gone) {
            return false;
        }
        *self = std::mem::take(self).into_iter().filter(|one| one != gone).collect();
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
    fn what_is_taken_out_is_gone_wherever_it_stood_and_nothing_else_is() {
        let full: Few<_> = [1, 2, 1, 3].into_iter().collect();
        for (gone, left) in [(1, &[2, 3][..]), (2, &[1, 1, 3]), (3, &[1, 2, 1])] {
            let mut few = full.clone();
            assert!(few.remove(&gone) && !few.remove(&gone));
            assert_eq!(*few, *left);
        }
        let mut few = Few::One(1);
        assert!(!few.remove(&2) && few.remove(&1));
        assert_eq!(few, Few::None);
    }
}
