//! From ids of 32 bytes to small numbers: what maps of everything that is here are made of.
//!
//! Open addressing: a place holds a number and 32 bits of a keyed hash, so the ids themselves stand
//! once, in the list that the numbers are places of, and a look-up compares one of them. Whoever
//! writes events chooses their ids, as far as their work goes; where an id stands depends on keys
//! that nobody else knows. So nothing here can be iterated over, and nothing that is told, kept or
//! shown depends on the keys.

use std::fmt;

use crate::hash;
use crate::id::{ChangeHash, EventId};

/// What [`Keys`] are made of and for.
const CONTEXT: &str = "kernelos keys of an index in memory";

/// Words of an id.
const WORDS: usize = 8;

/// Places of the smallest table that holds anything.
const PLACES_MIN: usize = 16;

/// Secret factors of the hash: multilinear, so that any two ids meet with a chance of 2^-32,
/// whatever they have in common (Lemire and Kaser, Strongly Universal String Hashing is Fast).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    plus: u64,
    times: [u64; WORDS],
}

impl Keys {
    /// Those of a seed, which is secret and fresh at each start.
    pub(crate) fn of(seed: &[u8; 32]) -> Self {
        let word = |number: usize| {
            let bytes = hash::hash_under(CONTEXT, &[seed, &(number as u64).to_be_bytes()]);
            bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
        };
        Self { plus: word(WORDS), times: std::array::from_fn(word) }
    }

    fn hash(&self, id: &[u8; 32]) -> u32 {
        let (words, _) = id.as_chunks::<4>();
        let products = words.iter().zip(&self.times).map(|(word, times)| {
            let word = u64::from(u32::from_le_bytes(*word));
            word.wrapping_mul(*times)
        });
        let sum = products.fold(self.plus, u64::wrapping_add);
        u32::try_from(sum >> 32).unwrap_or(0)
    }
}

/// Keys that everybody knows: for what holds nobody else's ids.
impl Default for Keys {
    fn default() -> Self {
        Self::of(&[0; 32])
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// Part of the hash of an id, and its number.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    number: u32,
}

/// Of a place that holds nothing. No event gets so high a number.
const NONE: u32 = u32::MAX;

const EMPTY: Place = Place { hash: 0, number: NONE };

/// Numbers by id, 11 to 21 bytes for each, the ids elsewhere. What went in stays.
#[derive(Clone, Default, Debug)]
struct Index {
    keys: Keys,
    /// A power of two, or none.
    places: Vec<Place>,
    len: usize,
}

impl Index {
    fn new(keys: Keys) -> Self {
        Self { keys, places: Vec::new(), len: 0 }
    }

    /// The number of an id with this hash of which `is_it`.
    fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.walk(hash, |place| place.hash == hash && is_it(place.number))
    }

    /// Puts in the number of an id with this hash that is not here.
    fn insert(&mut self, hash: u32, number: u32) {
        // Three quarters full at most, so that what is not here is soon known not to be.
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        put(&mut self.places, Place { hash, number });
        self.len += 1;
    }

    /// Goes along the places where an id of this hash may stand, up to one that `is_it` or to the
    /// first that is empty; there is one. Gives the number there.
    fn walk(&self, hash: u32, mut is_it: impl FnMut(&Place) -> bool) -> Option<u32> {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = first(hash, self.places.len())?;
        for _ in 0..self.places.len() {
            let place = self.places.get(at).filter(|place| place.number != NONE)?;
            if is_it(place) {
                return Some(place.number);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn grow(&mut self) {
        let places = (self.places.len() * 2).max(PLACES_MIN);
        let before = std::mem::replace(&mut self.places, vec![EMPTY; places]);
        for place in before.into_iter().filter(|place| place.number != NONE) {
            put(&mut self.places, place);
        }
    }
}

/// An id of 32 bytes.
pub(crate) trait Id: Copy + Eq {
    /// Its bytes.
    fn bytes(&self) -> &[u8; 32];
}

impl Id for EventId {
    fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Id for ChangeHash {
    fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Ids in the order in which they came, numbered from 0 without a gap.
#[derive(Clone, Debug)]
pub(crate) struct Numbers<T> {
    ids: Vec<T>,
    index: Index,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { ids: Vec::new(), index: Index::default() }
    }
}

impl<T: Id> Numbers<T> {
    /// None yet, under these keys.
    pub(crate) fn new(keys: Keys) -> Self {
        Self { ids: Vec::new(), index: Index::new(keys) }
    }

    /// The same under other keys.
    pub(crate) fn rekey(&mut self, keys: Keys) {
        let ids = std::mem::take(&mut self.ids);
        *self = Self::new(keys);
        for id in ids {
            self.push(id);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Is there none?
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The number of an id, if it is here.
    pub(crate) fn get(&self, id: &T) -> Option<u32> {
        // Asked for most is what came last.
        if self.ids.last() == Some(id) {
            return u32::try_from(self.ids.len()).ok()?.checked_sub(1);
        }
        let is_it = |number: u32| self.ids.get(number as usize) == Some(id);
        self.index.find(self.index.keys.hash(id.bytes()), is_it)
    }

    /// Is it here?
    pub(crate) fn contains(&self, id: &T) -> bool {
        self.get(id).is_some()
    }

    /// Gives an id that is not here the next number. The list takes it whatever its number is; by
    /// its id is found what has one below 2^32 - 1, and no device holds as much.
    pub(crate) fn push(&mut self, id: T) {
        if let Some(number) = u32::try_from(self.ids.len()).ok().filter(|n| *n != NONE) {
            self.index.insert(self.index.keys.hash(id.bytes()), number);
        }
        self.ids.push(id);
    }

    /// All of them, by number.
    pub(crate) fn ids(&self) -> &[T] {
        &self.ids
    }
}

/// The first place of a hash among so many, which are a power of two: by its highest bits.
fn first(hash: u32, places: usize) -> Option<usize> {
    let bits = places.checked_ilog2()?;
    usize::try_from((u64::from(hash) << bits) >> 32).ok()
}

/// Puts it into the first empty place from where it belongs. There is one.
fn put(places: &mut [Place], place: Place) {
    let mask = places.len().wrapping_sub(1);
    let mut at = first(place.hash, places.len()).unwrap_or(0);
    for _ in 0..places.len() {
        if let Some(there) = places.get_mut(at).filter(|there| there.number == NONE) {
            *there = place;
            return;
        }
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::{Keys, Numbers};
    use crate::id::EventId;

    fn filled(keys: Keys, ids: &[EventId]) -> Numbers<EventId> {
        let mut numbers = Numbers::new(keys);
        for id in ids {
            assert_eq!(numbers.get(id), None);
            numbers.push(*id);
        }
        numbers
    }

    /// Ids that differ in these four bytes alone.
    fn alike(at: usize, count: u32) -> Vec<EventId> {
        let id = |n: u32| {
            let mut id = [0x5a; 32];
            id[at..at + 4].copy_from_slice(&n.to_le_bytes());
            EventId(id)
        };
        (0..count).map(id).collect()
    }

    #[test]
    fn what_came_is_found_by_its_number_and_nothing_else_is() {
        for count in [0, 1, 11, 12, 13, 5_000] {
            let ids = alike(8, count * 2);
            let (here, absent) = ids.split_at(count as usize);
            let mut numbers = filled(Keys::of(&[3; 32]), here);
            for _ in 0..2 {
                assert_eq!((numbers.ids(), numbers.is_empty()), (here, count == 0));
                for (number, id) in (0..).zip(here) {
                    assert_eq!(numbers.get(id), Some(number));
                }
                assert!(!absent.iter().any(|id| numbers.contains(id)));
                numbers.rekey(Keys::of(&[4; 32]));
            }
        }
    }

    #[test]
    fn two_ids_with_one_hash_are_two() {
        // All factors are 0, so all hashes are one.
        let ids = alike(0, 40);
        let numbers = filled(Keys { plus: u64::MAX, times: [0; 8] }, &ids[..39]);
        for (number, id) in (0..39).zip(&ids) {
            assert_eq!(numbers.get(id), Some(number));
        }
        assert_eq!(numbers.get(&ids[39]), None);
    }

    #[test]
    fn ids_that_have_all_but_a_few_bits_in_common_are_found_in_a_few_steps() {
        for seed in 0..4 {
            for at in [0, 7, 28] {
                let ids = alike(at, 10_000);
                let index = filled(Keys::of(&[seed; 32]), &ids).index;
                let steps = |id: &EventId| {
                    let mut steps = 0_usize;
                    let none = index.walk(index.keys.hash(&id.0), |_| {
                        steps += 1;
                        false
                    });
                    none.map_or(steps, |_| 0)
                };
                let all: usize = ids.iter().map(steps).sum();
                let most = ids.iter().map(steps).max().unwrap();
                assert!(all < 10 * ids.len() && most < 500, "seed {seed} at {at}: {all}, {most}");
            }
        }
    }

    #[test]
    fn the_keys_decide_where_an_id_stands_and_are_not_shown() {
        let (one, other) = (Keys::of(&[1; 32]), Keys::of(&[2; 32]));
        assert_ne!(one.hash(&[9; 32]), other.hash(&[9; 32]));
        assert_eq!(format!("{one:?}"), "Keys");
    }
}
