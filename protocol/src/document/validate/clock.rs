//! What a change knows: for every actor the last change of it in the change's past.
//!
//! A document lives through thousands of actors (one per process start), and every change has a
//! clock of its own, so clocks are persistent trees of eight: a new one copies one path and
//! shares the rest. Keys are dense numbers, so a tree is never deeper than eleven.

use std::sync::Arc;

const BITS: u32 = 3;
const FAN: usize = 1 << BITS;

#[derive(Debug)]
enum Knot {
    /// Last changes plus one; zero is none.
    Leaf([u32; FAN]),
    Branch([Option<Arc<Self>>; FAN]),
}

/// An immutable map from actor to change, both as the numbers the index gave them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    root: Option<Arc<Knot>>,
    /// How many branches are above a leaf.
    height: u32,
}

/// Chooses between two last changes of one actor.
type Choose<'f, E> = &'f mut dyn FnMut(u32, u32) -> Result<u32, E>;

impl Clock {
    /// The last change known of the actor.
    pub(crate) fn get(&self, actor: u32) -> Option<u32> {
        if !fits(actor, self.height) {
            return None;
        }
        let mut knot = self.root.as_deref()?;
        let mut height = self.height;
        loop {
            match knot {
                Knot::Leaf(tips) => return tips[slot(actor, 0)].checked_sub(1),
                Knot::Branch(below) => knot = below[slot(actor, height)].as_deref()?,
            }
            height = height.saturating_sub(1);
        }
    }

    /// The clock that knows `change` of `actor`.
    pub(crate) fn with(&self, actor: u32, change: u32) -> Self {
        let mut clock = self.clone();
        while !fits(actor, clock.height) {
            clock = clock.raised();
        }
        let root = put(clock.root.as_deref(), clock.height, actor, change.saturating_add(1));
        Self { root: Some(root), height: clock.height }
    }

    /// The clock that knows what either knows; where both know an actor, `choose` says.
    pub(crate) fn merged<E>(&self, other: &Self, choose: Choose<'_, E>) -> Result<Self, E> {
        let (mut one, mut two) = (self.clone(), other.clone());
        while one.height < two.height {
            one = one.raised();
        }
        while two.height < one.height {
            two = two.raised();
        }
        Ok(Self { root: merge(one.root, two.root, choose)?, height: one.height })
    }

    fn raised(&self) -> Self {
        let root = self.root.clone().map(|root| {
            let mut below = [const { None }; FAN];
            below[0] = Some(root);
            Arc::new(Knot::Branch(below))
        });
        Self { root, height: self.height + 1 }
    }
}

fn fits(actor: u32, height: u32) -> bool {
    actor.checked_shr(BITS * (height + 1)).unwrap_or(0) == 0
}

fn slot(actor: u32, height: u32) -> usize {
    (actor >> (BITS * height)) as usize % FAN
}

/// Recursion over the height of the tree, at most eleven.
fn put(knot: Option<&Knot>, height: u32, actor: u32, tip: u32) -> Arc<Knot> {
    if height == 0 {
        let mut tips = match knot {
            Some(Knot::Leaf(tips)) => *tips,
            _ => [0; FAN],
        };
        tips[slot(actor, 0)] = tip;
        return Arc::new(Knot::Leaf(tips));
    }
    let mut below = match knot {
        Some(Knot::Branch(below)) => below.clone(),
        _ => [const { None }; FAN],
    };
    let at = slot(actor, height);
    below[at] = Some(put(below[at].as_deref(), height - 1, actor, tip));
    Arc::new(Knot::Branch(below))
}

/// Recursion over the height of the tree. What both share is taken as it is.
fn merge<E>(
    one: Option<Arc<Knot>>,
    two: Option<Arc<Knot>>,
    choose: Choose<'_, E>,
) -> Result<Option<Arc<Knot>>, E> {
    let (one, two) = match (one, two) {
        (Some(one), Some(two)) if !Arc::ptr_eq(&one, &two) => (one, two),
        (one, two) => return Ok(one.or(two)),
    };
    let knot = match (&*one, &*two) {
        (Knot::Leaf(ones), Knot::Leaf(twos)) => {
            let mut tips = [0; FAN];
            for (tip, pair) in tips.iter_mut().zip(ones.iter().zip(twos)) {
                *tip = match pair {
                    (0, other) | (other, 0) => *other,
                    (a, b) if a == b => *a,
                    (a, b) => choose(a - 1, b - 1)?.saturating_add(1),
                };
            }
            // Where one side knows all of it, its knot is kept, so that it stays shared.
            if tips == *ones {
                return Ok(Some(one));
            }
            if tips == *twos {
                return Ok(Some(two));
            }
            Knot::Leaf(tips)
        }
        (Knot::Branch(ones), Knot::Branch(twos)) => {
            let mut below = [const { None }; FAN];
            let (mut like_one, mut like_two) = (true, true);
            for (at, knot) in below.iter_mut().enumerate() {
                *knot = merge(ones[at].clone(), twos[at].clone(), choose)?;
                like_one &= same(knot, &ones[at]);
                like_two &= same(knot, &twos[at]);
            }
            if like_one {
                return Ok(Some(one));
            }
            if like_two {
                return Ok(Some(two));
            }
            Knot::Branch(below)
        }
        // Trees of one height have leaves at one depth only.
        _ => return Ok(Some(one)),
    };
    Ok(Some(Arc::new(knot)))
}

fn same(one: &Option<Arc<Knot>>, two: &Option<Arc<Knot>>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => Arc::ptr_eq(one, two),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_the_map_it_stands_for() {
        let mut clock = Clock::default();
        let mut model = BTreeMap::new();
        for step in 0..5_000u32 {
            let actor = step.wrapping_mul(2_654_435_761) % 3_000;
            clock = clock.with(actor, step);
            model.insert(actor, step);
        }
        for actor in 0..4_000 {
            assert_eq!(clock.get(actor), model.get(&actor).copied());
        }
        assert_eq!(clock.get(u32::MAX), None);
        assert_eq!(clock.with(u32::MAX, 7).get(u32::MAX), Some(7));
    }

    #[test]
    fn a_merge_knows_what_either_knows() {
        let base = Clock::default().with(1, 10).with(70, 11);
        let (one, two) = (base.with(2, 20), base.with(900, 30).with(1, 31));
        let merged = one.merged::<()>(&two, &mut |a, b| Ok(a.max(b)));
        let merged = merged.expect("the choice never fails");
        let found = [1, 2, 70, 900, 3].map(|actor| merged.get(actor));
        assert_eq!(found, [Some(31), Some(20), Some(11), Some(30), None]);
    }
}
