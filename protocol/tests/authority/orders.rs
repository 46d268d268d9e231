//! Whatever the order of delivery, the same events come to the same.

use kernelos_protocol::authority::Refusal;

use super::adapter::{Lanes, Shape};
use super::model::{History, Mask, bit, bits};
use super::world::{Dice, World, Worlds};

/// Calls `each` with every order in which no event comes before its past, at most `cap` of them.
fn every_order(h: &History, among: Mask, cap: usize, each: &mut impl FnMut(&[usize])) -> usize {
    fn go(
        h: &History,
        among: Mask,
        cap: usize,
        done: &mut (Vec<usize>, Mask, usize),
        each: &mut impl FnMut(&[usize]),
    ) {
        if done.1 == among {
            each(&done.0);
            done.2 += 1;
        }
        for e in bits(among & !done.1).rev() {
            if h.events[e].past & !done.1 == 0 && done.2 < cap {
                done.0.push(e);
                done.1 |= bit(e);
                go(h, among, cap, done, each);
                done.0.pop();
                done.1 &= !bit(e);
            }
        }
    }
    let mut done = (Vec::new(), 0, 0);
    go(h, among, cap, &mut done, each);
    done.2
}

fn random_order(h: &History, among: Mask, dice: &mut Dice) -> Vec<usize> {
    let (mut order, mut done) = (Vec::new(), 0);
    while done != among {
        let ready: Vec<usize> =
            bits(among & !done).filter(|&e| h.events[e].past & !done == 0).collect();
        let e = dice.pick(&ready);
        order.push(e);
        done |= bit(e);
    }
    order
}

fn check(h: &History, shape: Shape, expected: &Lanes, order: &[usize]) {
    let lanes = Lanes::of(h, shape, order.iter().copied());
    assert_eq!(lanes.members(), expected.members(), "members, {order:?}");
    assert_eq!(lanes.counting(), expected.counting(), "counting, {order:?}");
    assert_eq!(lanes.admitted(), expected.admitted(), "admitted, {order:?}");
    assert_eq!(lanes.firm(), expected.firm(), "firm, {order:?}");
    assert_eq!(lanes.heads(), expected.heads(), "heads, {order:?}");
}

fn worlds(seed: u64) -> Worlds {
    [Worlds::Plain, Worlds::Wide, Worlds::Messy, Worlds::Strange][(seed % 4) as usize]
}

fn cases(seed: u64, w: &World) -> [(History, Mask, Shape); 2] {
    let (h, refused) = w.h.cleaned();
    let strangers = h.strangers();
    let h = h.without(strangers);
    let among = h.everything() & !refused & !strangers;
    let chained = h.chained();
    assert_eq!(h.everything(), chained.everything(), "seed {seed}");
    [(h, among, Shape::Flat), (chained, among, Shape::Chained)]
}

#[test]
fn every_order_of_a_small_history_comes_to_the_same() {
    let mut tried = 0;
    for seed in 0..60 {
        let w = World::new(seed, 3, Some(1 + (seed % 2) as usize), worlds(seed)).run(9);
        for (h, among, shape) in cases(seed, &w) {
            let expected = Lanes::of(&h, shape, bits(among));
            tried += every_order(&h, among, 150, &mut |order| check(&h, shape, &expected, order));
        }
    }
    assert!(tried > 1000, "{tried} orders are enough to say something");
}

#[test]
fn random_orders_of_larger_histories_come_to_the_same() {
    for seed in 0..150 {
        let w = World::new(seed, 5, Some(2), worlds(seed)).run(34);
        let mut dice = Dice::new(seed);
        for (h, among, shape) in cases(seed, &w) {
            let expected = Lanes::of(&h, shape, bits(among));
            for _ in 0..12 {
                let order = random_order(&h, among, &mut dice);
                check(&h, shape, &expected, &order);
            }
        }
    }
}

/// What became of every event that was delivered: taken, refused, or waiting for ever.
type Verdicts = (Mask, Mask, Mask);

/// Delivers in this order, whatever it is; what comes too early waits, and is tried again.
fn deliver_all(h: &History, shape: Shape, order: &[usize]) -> (Lanes, Verdicts) {
    let mut lanes = Lanes::default();
    let (mut taken, mut refused, mut waiting) = (0, 0, 0);
    for &e in order {
        waiting |= bit(e);
        let mut moved = true;
        while std::mem::take(&mut moved) {
            for e in bits(waiting) {
                match lanes.offer(h, shape, e) {
                    Ok(()) => taken |= bit(e),
                    Err(Refusal::Missing(_)) => continue,
                    Err(refusal) => {
                        assert_eq!(refusal, Refusal::NotMember);
                        refused |= bit(e);
                    }
                }
                waiting &= !bit(e);
                moved = true;
            }
        }
    }
    (lanes, (taken, refused, waiting))
}

/// Content by strangers is refused, and what names it waits, in every order alike; what is taken is
/// admitted as by the model, to which refused events were known.
// SPEC: AUTH-3, AUTH-20
#[test]
fn content_by_strangers_goes_in_in_no_order() {
    let (mut refusals, mut waits) = (0, 0);
    for seed in 0..200 {
        let w = World::new(seed, 3, Some(1), Worlds::Strange).run(16);
        let (h, invalid) = w.h.cleaned();
        let among = h.everything() & !invalid;
        let strangers = h.strangers();
        let apart = bits(among & !strangers).filter(|&e| h.events[e].past & strangers != 0);
        let apart: Mask = apart.map(bit).sum();
        let mut dice = Dice::new(seed);
        for (h, shape) in [(&h, Shape::Flat), (&h.chained(), Shape::Chained)] {
            let mut order: Vec<usize> = bits(among).collect();
            let (first, verdicts) = deliver_all(h, shape, &order);
            let (taken, refused, waiting) = verdicts;
            assert_eq!(taken, among & !strangers & !apart);
            assert_eq!((refused & !strangers, waiting & !strangers), (0, apart));
            let known = among & !apart;
            assert_eq!(first.admitted(), h.admitted(known), "as if they were there");
            refusals += refused.count_ones();
            waits += waiting.count_ones();
            for _ in 0..10 {
                for at in (1..order.len()).rev() {
                    order.swap(at, dice.below(at + 1));
                }
                let (lanes, again) = deliver_all(h, shape, &order);
                assert_eq!(again, verdicts, "seed {seed}, {order:?}");
                assert_eq!(lanes.admitted(), first.admitted(), "{order:?}");
                assert_eq!(lanes.heads(), first.heads(), "{order:?}");
            }
        }
    }
    assert!(refusals > 200 && waits > 50, "{refusals} and {waits} are enough to say something");
}
