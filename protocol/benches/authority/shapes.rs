//! Histories of control events: those that people make, and those of who wants to cost others time.

use kernelos_protocol::authority::ControlFact;
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::role::Role::{self, Admin, Member, Owner};

/// A control event.
pub(crate) struct Step {
    pub(crate) id: EventId,
    pub(crate) by: DeviceId,
    pub(crate) fact: ControlFact,
    pub(crate) before: Vec<EventId>,
}

/// A history of about so many events.
pub(crate) type Shape = fn(u32) -> Vec<Step>;

/// The shapes, by name.
pub(crate) const SHAPES: [(&str, Shape); 11] = [
    ("joins in one chain", joins),
    ("grants of as many devices", grants),
    ("one device, in and out", alternating),
    ("an admin, in and out", admins),
    ("two admins at a time", pairs),
    ("500 members answer", voices),
    ("disputes of 20 owners", disputes),
    ("two keys fight", fight),
    ("two keys fight, heard", heard_fight),
    ("a fight half heard by 200", half_heard),
    ("an antichain", antichain),
];

fn device(n: u32) -> DeviceId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    DeviceId(id)
}

fn grant(n: u32, role: Role) -> ControlFact {
    ControlFact::Grant { device: device(n), role }
}

fn revoke(n: u32) -> ControlFact {
    ControlFact::Revoke { target: device(n), cut: Vec::new(), recovery: false }
}

struct Script(Vec<Step>);

impl Script {
    /// Device 0 founds, and grants this role to the others below `devices`. Gives the last event.
    fn with(devices: u32, role: Role) -> (Self, EventId) {
        let mut script = Self(Vec::new());
        let mut tip = script.say(0, ControlFact::Genesis, &[]);
        for n in 1..devices {
            tip = script.say(0, grant(n, role), &[tip]);
        }
        (script, tip)
    }

    fn say(&mut self, by: u32, fact: ControlFact, before: &[EventId]) -> EventId {
        let mut id = [0; 32];
        // Not in order of insertion, as hashes are not.
        let n = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        id[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
        let (id, by, before) = (EventId(id), device(by), before.to_vec());
        self.0.push(Step { id, by, fact, before });
        id
    }

    fn is_shorter(&self, events: u32) -> bool {
        self.0.len() < events as usize
    }
}

fn joins(events: u32) -> Vec<Step> {
    let (mut script, mut tip) = Script::with(2, Member);
    while script.is_shorter(events) {
        tip = script.say(1, ControlFact::Join, &[tip]);
    }
    script.0
}

fn grants(events: u32) -> Vec<Step> {
    Script::with(events, Member).0.0
}

fn alternating(events: u32) -> Vec<Step> {
    let (mut script, mut tip) = Script::with(2, Admin);
    while script.is_shorter(events) {
        tip = script.say(1, grant(2, Member), &[tip]);
        tip = script.say(1, revoke(2), &[tip]);
    }
    script.0
}

/// An admin lets somebody in each time before it is removed.
fn admins(events: u32) -> Vec<Step> {
    let (mut script, mut tip) = Script::with(1, Owner);
    for n in 2.. {
        if !script.is_shorter(events) {
            break;
        }
        tip = script.say(0, grant(1, Admin), &[tip]);
        tip = script.say(1, grant(n, Member), &[tip]);
        tip = script.say(0, revoke(1), &[tip]);
    }
    script.0
}

/// Two of ten admins at a time let somebody in or remove him, without knowing of each other.
fn pairs(events: u32) -> Vec<Step> {
    let (mut script, tip) = Script::with(11, Admin);
    let mut tips = vec![tip];
    for n in 0.. {
        if !script.is_shorter(events) {
            break;
        }
        let (one, two) = (1 + n % 10, 1 + (n + 3) % 10);
        let who = 11 + n / 2;
        let fact = if n % 2 == 0 { grant(who, Member) } else { revoke(who) };
        tips = vec![script.say(one, fact.clone(), &tips), script.say(two, fact, &tips)];
    }
    script.0
}

/// A founder removes one member after the other, and all that are left say that they heard it.
fn voices(events: u32) -> Vec<Step> {
    let (mut script, tip) = Script::with(500.min(events / 4), Member);
    let members = 500.min(events / 4);
    let mut tips = vec![tip];
    for gone in 1..members {
        if !script.is_shorter(events) {
            break;
        }
        let removed = script.say(0, revoke(gone), &tips);
        tips = (gone + 1..members).map(|n| script.say(n, ControlFact::Join, &[removed])).collect();
        tips.push(removed);
    }
    script.0
}

/// Two of twenty owners remove each other at once; the others hear the one or the other first, then
/// both, and a third lets both in again.
fn disputes(events: u32) -> Vec<Step> {
    let (mut script, mut tip) = Script::with(20, Owner);
    for n in 0.. {
        if !script.is_shorter(events) {
            break;
        }
        let (a, b, third) = (n % 20, (n + 7) % 20, (n + 3) % 20);
        let (by_a, by_b) = (script.say(a, revoke(b), &[tip]), script.say(b, revoke(a), &[tip]));
        let mut tips = vec![by_a, by_b];
        for witness in (0..20).filter(|d| ![a, b].contains(d)) {
            let first = if (witness + n) % 3 == 0 { by_a } else { by_b };
            tips.push(script.say(witness, ControlFact::Join, &[first]));
        }
        tip = script.say(third, grant(a, Owner), &tips);
        tip = script.say(third, grant(b, Owner), &[tip]);
    }
    script.0
}

/// Two keys of a thief remove each other again and again, each time from before.
fn fight(events: u32) -> Vec<Step> {
    let (mut script, base) = Script::with(12, Owner);
    for n in 0.. {
        if !script.is_shorter(events) {
            break;
        }
        script.say(1 + n % 2, revoke(2 - n % 2), &[base]);
    }
    script.0
}

/// The same, and each time a member says that it heard it.
fn heard_fight(events: u32) -> Vec<Step> {
    let (mut script, base) = Script::with(6, Owner);
    let mut heard = base;
    for n in 0.. {
        if !script.is_shorter(events) {
            break;
        }
        let removed = script.say(1 + n % 2, revoke(2 - n % 2), &[base]);
        heard = script.say(3 + n % 3, ControlFact::Join, &[heard, removed]);
    }
    script.0
}

/// The same; 200 members heard the first half of it.
fn half_heard(events: u32) -> Vec<Step> {
    let members = 200.min(events / 8);
    let (mut script, base) = Script::with(members, Owner);
    let removals = (events - 2 * members) / 2;
    let mut tips = Vec::new();
    for n in 0..removals {
        tips.push(script.say(1 + n % 2, revoke(2 - n % 2), &[base]));
    }
    for member in 3..members {
        script.say(member, ControlFact::Join, &tips);
    }
    for n in 0..removals {
        script.say(1 + n % 2, revoke(2 - n % 2), &[base]);
    }
    script.0
}

/// Everybody says something that nobody hears.
fn antichain(events: u32) -> Vec<Step> {
    let (mut script, base) = Script::with(events / 2, Member);
    for n in 1.. {
        if !script.is_shorter(events) {
            break;
        }
        script.say(n % (events / 2), ControlFact::Join, &[base]);
    }
    script.0
}
