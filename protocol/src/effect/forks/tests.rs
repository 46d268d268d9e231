//! Who built on which, and what is left out: what is found fast is what the rule says, and costs no
//! more than there is (SPEC: PRJ-4).

#![allow(clippy::cast_possible_truncation, reason = "all numbers are small")]

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::*;
use crate::authority::{ControlFact, ControlLane};
use crate::effect::family::{DocumentNo, Links};
use crate::few::Few;
use crate::role::Role;

fn id(lane: u8, number: usize) -> EventId {
    let mut id = [lane; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    EventId(id)
}

fn device(number: usize) -> DeviceId {
    DeviceId([number as u8; 32])
}

/// Devices that write, and what they wrote.
struct World {
    control: ControlLane,
    content: ContentLane,
    heard: EventId,
    /// Who wrote each, by number.
    authors: Vec<usize>,
}

impl World {
    fn of(devices: usize) -> Self {
        let mut control = ControlLane::new();
        control.add(id(0, 0), device(0), ControlFact::Genesis, &[]).unwrap();
        for other in 1..devices {
            let fact = ControlFact::Grant { device: device(other), role: Role::Member };
            control.add(id(0, other), device(0), fact, &[id(0, other - 1)]).unwrap();
        }
        let mut content = ContentLane::new();
        content.control_changed(&control);
        Self { control, content, heard: id(0, devices - 1), authors: Vec::new() }
    }

    fn write(&mut self, by: usize, prev: Option<usize>, parents: &[usize]) -> ContentNo {
        let event = id(1, self.authors.len());
        self.authors.push(by);
        let prev = prev.map(|number| id(1, number));
        let parents: Vec<_> = parents.iter().map(|number| id(1, *number)).collect();
        let (author, heard) = (device(by), [self.heard]);
        let added = self.content.add(&self.control, event, author, prev, &parents, &heard);
        added.unwrap().no
    }

    fn of_author(&self, by: usize) -> Vec<usize> {
        (0..self.authors.len()).filter(|number| self.authors[*number] == by).collect()
    }

    fn candidate(&self, change: u32, carriers: &[usize]) -> Candidate {
        let lowest = carriers.iter().map(|number| id(1, *number)).min().unwrap();
        let carriers: Vec<_> = carriers.iter().map(|n| ContentNo::numbered(*n as u32)).collect();
        let (author, hash) = (self.content.author(carriers[0]), ChangeHash([change as u8; 32]));
        Candidate { change, hash, carriers, lowest, author, support: BTreeSet::new() }
    }
}

fn depending_on(deps: impl IntoIterator<Item = u32>) -> Links {
    let (document, carriers) = (DocumentNo::numbered(0), Few::new());
    Links { document, carriers, deps: deps.into_iter().collect(), makes: 0, begins: false }
}

struct Dice(ChaCha20Rng);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        (self.0.next_u64() % below.max(1) as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.roll(all.len())).copied()
    }
}

/// Five devices that write beside and after each other, go on twice from one place and begin anew;
/// of some seeds one of them is revoked, and only some of what it wrote is admitted.
fn world(dice: &mut Dice, seed: u64) -> World {
    let mut world = World::of(5);
    for number in 0..40 {
        let by = dice.roll(5);
        let own = world.of_author(by);
        let prev = match dice.roll(8) {
            0 => None,
            1 | 2 => dice.one_of(&own),
            _ => own.last().copied(),
        };
        let mut parents: Vec<_> = (0..dice.roll(3)).map(|_| dice.roll(number)).collect();
        parents.retain(|parent| number > 0 && world.authors[*parent] != by);
        parents.sort_unstable();
        parents.dedup();
        world.write(by, prev, &parents);
    }
    if seed.is_multiple_of(3) {
        let cut: Vec<_> = dice.one_of(&world.of_author(2)).map(|n| id(1, n)).into_iter().collect();
        let fact = ControlFact::Revoke { target: device(2), cut, recovery: false };
        world.control.add(id(0, 9), device(0), fact, &[world.heard]).unwrap();
        world.content.control_changed(&world.control);
    }
    world
}

/// Changes that depend on each other, some of them at forked numbers: mostly by one author.
fn forks(dice: &mut Dice, world: &World) -> (Vec<Links>, Vec<Fork>) {
    let links = (0..36_u32).map(|change| {
        let deps = (0..dice.roll(3)).map(|_| dice.roll(change as usize) as u32);
        depending_on(deps.filter(|dep| *dep < change).collect::<BTreeSet<_>>())
    });
    let links: Vec<_> = links.collect();
    let mut changes: Vec<_> = (0..36).collect();
    for at in (1..changes.len()).rev() {
        changes.swap(at, dice.roll(at + 1));
    }
    let mut forks = Vec::new();
    while changes.len() > 12 {
        let own = world.of_author(dice.roll(5));
        let all: Vec<_> = (0..world.authors.len()).collect();
        let from = if own.is_empty() || dice.roll(9) == 0 { &all } else { &own };
        let count = 2 + dice.roll(3);
        let candidates = changes.split_off(changes.len() - count).into_iter().map(|change| {
            let carriers: BTreeSet<_> =
                (0..=dice.roll(3)).filter_map(|_| dice.one_of(from)).collect();
            world.candidate(change, &Vec::from_iter(carriers))
        });
        forks.push(Fork { candidates: candidates.collect(), held: None });
    }
    (links, forks)
}

fn support(forks: &[Fork]) -> Vec<&BTreeSet<DeviceId>> {
    forks.iter().flat_map(|fork| &fork.candidates).map(|one| &one.support).collect()
}

#[test]
fn what_is_found_fast_is_what_the_rule_says() {
    // SPEC: PRJ-4
    let (mut supported, mut again, mut back) = (0, 0, 0);
    for seed in 0..600 {
        let mut dice = Dice(ChaCha20Rng::seed_from_u64(seed));
        let world = world(&mut dice, seed);
        let (links, mut fast) = forks(&mut dice, &world);
        let mut plain = fast.clone();
        support::weigh(&world.content, &Lines::new(), &mut fast);
        plain::weigh(&world.content, &mut plain);
        assert_eq!(support(&fast), support(&plain), "seed {seed}");
        supported += support(&fast).iter().filter(|by| !by.is_empty()).count();
        let (out, _) = choice::left_out(&links, &mut fast);
        assert_eq!(out, plain::left_out(&links, &mut plain), "seed {seed}");
        let held = |forks: &[Fork]| forks.iter().map(|fork| fork.held).collect::<Vec<_>>();
        assert_eq!(held(&fast), held(&plain), "seed {seed}");
        again += fast.iter().filter(|fork| fork.held != fork.best(|_| true)).count();
        let empty = |fork: &&Fork| fork.held.is_none_or(|held| out.contains(&held));
        back += fast.iter().filter(empty).count();
    }
    let enough = supported > 600 && again > 300 && back > 300;
    assert!(enough, "{supported} supported, {again} chosen again, {back} with nothing");
}

/// A member signs so many changes, so many of each number; two others write as much, each after the
/// newest of it. What is looked at to find who built on which.
fn looks(events: usize, of_one_number: usize) -> u64 {
    let mut world = World::of(3);
    let mut tips = [None; 3];
    for number in 0..events {
        let by = if number % 2 == 0 { 1 } else { 2 * (number / 2 % 2) };
        let parents: Vec<_> = tips[1].filter(|_| by != 1).into_iter().collect();
        world.write(by, tips[by], &parents);
        tips[by] = Some(number);
    }
    let written = world.of_author(1);
    let mut change = 0..;
    let forks = written.chunks(of_one_number).map(|carriers| {
        let candidate = |carrier| world.candidate(change.next().unwrap(), &[carrier]);
        Fork { candidates: carriers.iter().copied().map(candidate).collect(), held: None }
    });
    let mut forks: Vec<_> = forks.collect();
    let looks = support::weigh(&world.content, &Lines::new(), &mut forks);
    let supported = support(&forks).into_iter().filter(|by| !by.is_empty()).count();
    assert!(supported >= forks.len() - 1, "others built on the first of each number");
    looks
}

#[test]
fn twice_as_many_changes_of_a_number_or_forked_numbers_are_twice_the_work() {
    // SPEC: PRJ-4
    for of_one_number in [2, usize::MAX] {
        let told: Vec<_> = [2_500, 5_000, 10_000].map(|n| looks(n, of_one_number.min(n))).into();
        for pair in told.windows(2) {
            assert!(10 * pair[1] < 24 * pair[0], "{told:?} for twice as many each time");
        }
        assert!(told[2] < 60 * 10_000, "{told:?}");
    }
}

#[test]
fn a_member_that_forks_every_number_has_each_chosen_again_once() {
    // SPEC: PRJ-4
    let looks = |numbers: usize| {
        let mut world = World::of(2);
        for number in 0..2 * numbers {
            world.write(1, number.checked_sub(1), &[]);
        }
        // What is best by its event is of one line at even numbers, of the other at odd ones.
        let links: Vec<_> =
            (0..2 * numbers as u32).map(|change| depending_on(change.checked_sub(2))).collect();
        let forks = (0..numbers).map(|at| {
            let (one, other) = (2 * at, 2 * at + 1);
            let carriers = if at % 2 == 0 { [one, other] } else { [other, one] };
            let changes = [one as u32, other as u32].into_iter().zip(carriers);
            let candidates = changes.map(|(change, by)| world.candidate(change, &[by]));
            Fork { candidates: candidates.collect(), held: None }
        });
        let mut forks: Vec<_> = forks.collect();
        let (out, looks) = choice::left_out(&links, &mut forks);
        assert_eq!(out.len(), numbers, "one of each number stays");
        assert!(out.iter().all(|change| change % 2 == 1), "and all of one line");
        looks
    };
    let told: Vec<_> = [1_250, 2_500, 5_000].map(looks).into();
    assert!(told.windows(2).all(|pair| 10 * pair[1] < 21 * pair[0]), "{told:?}");
    assert!(told[2] < 20 * 5_000, "{told:?}");
}
