//! Long histories against the model: honest ones, disputes, forks, and a thief that goes on from
//! old points of its chain while the recovery key takes the workspace back.
//!
//! In `large/lives.rs` with content, and stores that are restored and cloned.
//! Each is told event by event; what is refused, the roles that authors had, and now and then all
//! that is asked of a set, is what the model says. `KERNELOS_WORLDS` raises how many of each there
//! are, `KERNELOS_EVENTS` how long they are, to 10,240.

use kernelos_protocol::authority::ControlLane;
use kernelos_protocol::role::Role;

use super::adapter::{Shape, compare_asked, device_id, event_id, fact, ids};
use super::model::{Device, Event, History, Kind, bits, has};
use super::random::worlds;
use super::set::{Set, Wide, union};
use super::world::Dice;
use crate::kit::setting;

mod lives;

/// How often two branches of a thief revoke: more are disputes by the square, for the model too.
const FIGHTS_MAX: usize = 120;

struct Long<M> {
    dice: Dice,
    events: Vec<Event<M>>,
    events_max: usize,
    fights: usize,
}

impl<M: Set> Long<M> {
    fn with_past(&self, e: usize) -> M {
        self.events[e].past | M::bit(e)
    }

    /// Says something after these sets; gives what its author knows then.
    fn say(&mut self, by: Device, kind: Kind, target: Device, rank: Role, past: M) -> M {
        self.events.push(Event { by, life: 0, kind, target, rank, cut: M::NONE, past });
        self.with_past(self.events.len() - 1)
    }

    fn join(&mut self, by: Device, past: M) -> M {
        self.say(by, Kind::Join, 0, Role::Store, past)
    }

    fn revoke(&mut self, by: Device, target: Device, past: M) -> M {
        self.say(by, Kind::Revoke, target, Role::Store, past)
    }

    /// Device 0 founds and grants the others a role each.
    fn found(&mut self, devices: Device, role: impl Fn(Device) -> Role) -> M {
        let mut past = self.say(0, Kind::Genesis, 0, Role::Owner, M::NONE);
        for d in 1..devices {
            past = self.say(0, Kind::Grant, d, role(d), past);
        }
        past
    }

    /// How many events there is room for; a round of a shape has at most 40.
    fn goes_on(&self) -> bool {
        self.events.len() + 40 < self.events_max
    }

    /// Leaders let in and remove, all answer, nobody lies.
    fn honest(&mut self) {
        let devices = 24;
        let role = |d| match d {
            1..4 => Role::Owner,
            4..10 => Role::Admin,
            _ => Role::Member,
        };
        let mut knows = vec![self.found(devices, role); devices as usize];
        while self.goes_on() {
            let d = self.dice.below(devices as usize);
            let from = self.dice.below(devices as usize);
            knows[d] = knows[d] | knows[from];
            let target = self.dice.below(devices as usize) as Device;
            let low = [Role::Store, Role::Observer, Role::Runner, Role::Member];
            let rank = self.dice.pick(&low);
            let by = d as Device;
            knows[d] = match self.dice.below(100) {
                0..45 => self.join(by, knows[d]),
                45..65 => self.say(by, Kind::Grant, target, rank, knows[d]),
                65..75 if target >= 10 => self.revoke(by, target, knows[d]),
                75..77 => self.revoke(by, target, knows[d]),
                77..82 => self.say(by, Kind::Grant, target, Role::Admin, knows[d]),
                82..92 => self.say(by, Kind::Epoch, by, Role::Store, knows[d]),
                _ => self.say(by, Kind::Wrap, target, Role::Store, knows[d]),
            };
        }
    }

    /// Two of twenty owners remove each other; the others hear one of both first, or both, and one
    /// of them lets the two in again.
    fn disputes(&mut self) {
        let mut tip = self.found(20, |_| Role::Owner);
        while self.goes_on() {
            let devices: Vec<Device> = (0..20).collect();
            let few = self.dice.sample(&devices, 3);
            let (a, b, third) = (few[0], few[1], few[2]);
            let sides = [self.revoke(a, b, tip), self.revoke(b, a, tip)];
            let mut heard = sides[0] | sides[1];
            let firmly = self.dice.below(100);
            for witness in (0..20).filter(|d| ![a, b].contains(d)) {
                let first = sides[usize::from(self.dice.chance(firmly))];
                let heard_both = self.dice.chance(10);
                let past = if heard_both { sides[0] | sides[1] } else { first };
                heard |= self.join(witness, past);
            }
            tip = self.say(third, Kind::Grant, a, Role::Owner, heard);
            tip = self.say(third, Kind::Grant, b, Role::Owner, tip);
        }
    }

    /// What a device knew when it wrote something, with what everybody knows.
    fn older(&mut self, of: Device, floor: M) -> M {
        let own: Vec<usize> = (0..self.events.len()).filter(|&e| self.events[e].by == of).collect();
        if own.is_empty() {
            return floor;
        }
        let point = self.dice.pick(&own);
        floor | self.with_past(point)
    }

    /// Two owners fork, and remove each other and others from old points; the rest hears some.
    fn forks(&mut self) {
        let base = self.found(12, |_| Role::Owner);
        let mut knows = [base; 12];
        while self.goes_on() {
            let by = 1 + self.dice.below(2) as Device;
            let past = self.older(by, base);
            let target = match self.dice.chance(70) {
                true => 3 - by,
                false => self.dice.below(12) as Device,
            };
            let said = match self.dice.below(10) {
                0..3 if self.fights < FIGHTS_MAX => {
                    self.fights += 1;
                    self.revoke(by, target, past)
                }
                0..6 => self.say(by, Kind::Grant, target, Role::Owner, past),
                _ => self.join(by, past),
            };
            for _ in 0..6 {
                let d = self.dice.below(12);
                let from = self.dice.below(12);
                knows[d] |= knows[from];
                if self.dice.chance(40) {
                    knows[d] |= said;
                }
                knows[d] = self.join(d as Device, knows[d]);
            }
        }
    }

    /// The workspace is taken back again and again; one who led goes on from old points all along.
    fn rescues(&mut self) {
        let mut floor = self.found(12, |d| if d < 6 { Role::Owner } else { Role::Member });
        let (mut leaders, mut rescuer): (Vec<Device>, Device) = ((0..6).collect(), 12);
        let rounds = (self.events_max / 700).clamp(2, 12);
        let mut thief = 1;
        for round in 1..=rounds {
            let mut heard = floor;
            for &leader in &leaders {
                heard |= self.say(rescuer, Kind::RecoveryRevoke, leader, Role::Store, heard);
                self.steal(thief, floor);
            }
            heard |= self.say(rescuer, Kind::Recover, rescuer, Role::Owner, heard);
            let second = rescuer + 1;
            heard = self.say(rescuer, Kind::Grant, second, Role::Owner, heard);
            let until = self.events_max * round / rounds;
            while self.goes_on() && self.events.len() + 60 < until {
                let stolen = self.steal(thief, floor);
                // Who stayed hears of both, the one or the other first.
                let member = 6 + self.dice.below(6) as Device;
                let more = if self.dice.chance(50) { stolen } else { M::NONE };
                heard = self.join(member, heard | more);
                if self.dice.chance(20) {
                    let role = self.dice.pick(&[Role::Member, Role::Runner]);
                    let who = 6 + self.dice.below(6) as Device;
                    heard = self.say(rescuer, Kind::Grant, who, role, heard);
                }
            }
            (floor, leaders) = (heard, vec![rescuer, second]);
            thief = if self.dice.chance(50) { thief } else { rescuer };
            rescuer += 2;
        }
    }

    /// From an old point of its chain, or the newest: a key for a puppet, which removes somebody,
    /// or a removal of its own.
    fn steal(&mut self, thief: Device, floor: M) -> M {
        let past = match self.dice.chance(70) {
            true => self.older(thief, M::bit(0)),
            false => floor,
        };
        let target = self.dice.below(14) as Device;
        let puppet = 100 + self.dice.below(6) as Device;
        match self.dice.below(4) {
            0 if self.fights < FIGHTS_MAX => {
                self.fights += 1;
                self.revoke(thief, target, past)
            }
            1 if self.fights < FIGHTS_MAX => {
                self.fights += 1;
                let granted = self.say(thief, Kind::Grant, puppet, Role::Owner, past);
                self.revoke(puppet, target, granted)
            }
            2 => self.say(thief, Kind::Grant, puppet, Role::Owner, past),
            _ => self.join(thief, past),
        }
    }
}

/// What differed would panic; gives how many were refused, and how many revocations do not count.
fn compare<M: Set>(events: &[Event<M>], dice: &mut Dice) -> (usize, usize) {
    let (mut h, mut lane, mut refused) = (History::<M>::default(), ControlLane::new(), M::NONE);
    let every = events.len().div_ceil(16);
    for (n, event) in events.iter().enumerate() {
        let e = h.add_cleaned(event, &mut refused);
        let event = &h.events[e];
        let (by, before) = (device_id(event.by), ids(h.heads(event.past)));
        let past = lane.set_of(&before).expect("its past is here");
        assert_eq!(lane.role(&by, &past), h.rank(event.by, event.past), "who wrote {e}");
        let added = lane.add(event_id(e), by, fact(&h, Shape::Flat, event), &before);
        assert_eq!(added.is_err(), has(refused, e), "{e}: {event:?}");
        if n % 64 == 63 {
            h.forget();
        }
        if n % every == every - 1 || n + 1 == events.len() {
            let everything = h.everything().less(refused);
            compare_asked(&h, &lane, everything);
            let some = dice.sample(&bits(everything).collect::<Vec<usize>>(), 2);
            compare_asked(&h, &lane, union(some.into_iter().map(|e| h.with_past(e))));
            h.forget();
        }
    }
    let known = h.everything().less(refused);
    let revocations = bits(known).filter(|&e| h.is_revocation(e)).count();
    (refused.len(), revocations - h.counting(known).len())
}

fn run<M: Set>(name: &str, shape: fn(&mut Long<M>), events_max: usize) {
    let mut undecided = 0;
    for seed in 0..worlds(2) {
        let mut long = Long { dice: Dice::new(seed), events: vec![], events_max, fights: 0 };
        if name == "lives" {
            lives::run(seed, &mut long);
            continue;
        }
        shape(&mut long);
        let (refused, lost) = compare(&long.events, &mut long.dice);
        let all = long.events.len();
        assert!(all + 100 > events_max && refused * 10 < all * 9, "{refused} refused of {all}");
        undecided += u64::from(lost == 0);
    }
    assert!(
        ["honest", "lives"].contains(&name) || undecided < worlds(2),
        "{name}: nothing was disputed"
    );
}

/// The model recurses as deep as grants rest on grants.
fn in_a_deep_stack(name: &'static str) {
    let events = setting("KERNELOS_EVENTS", 250);
    let work = move || match events {
        ..=256 => run(name, shape_of::<Wide<4>>(name), events),
        _ => run(name, shape_of::<Wide<160>>(name), events.min(Wide::<160>::ROOM)),
    };
    let thread = std::thread::Builder::new().stack_size(1 << 30).spawn(work);
    thread.expect("a thread").join().expect("nothing differs");
}

fn shape_of<M: Set>(name: &str) -> fn(&mut Long<M>) {
    match name {
        "honest" => Long::honest,
        "disputes" => Long::disputes,
        "forks" => Long::forks,
        _ => Long::rescues,
    }
}

// SPEC: AUTH-24
#[test]
fn long_honest_histories_are_judged_as_the_model_does() {
    in_a_deep_stack("honest");
}

#[test]
fn long_histories_of_disputes_are_judged_as_the_model_does() {
    in_a_deep_stack("disputes");
}

#[test]
fn long_histories_of_forks_are_judged_as_the_model_does() {
    in_a_deep_stack("forks");
}

#[test]
fn long_histories_of_a_thief_during_rescues_are_judged_as_the_model_does() {
    in_a_deep_stack("rescues");
}

#[test]
fn long_histories_of_restored_and_cloned_stores_are_judged_as_the_model_does() {
    in_a_deep_stack("lives");
}
