//! Random histories. Honest devices know what they have, build on what they admit, and answer news
//! with a join; rogues build on any closed part of what they know, fork, backdate, cut anything.

use std::collections::BTreeMap;

use kernelos_protocol::role::Role;

use super::model::{Device, Event, History, Kind, Mask, bit, bits, has};

mod stores;

/// splitmix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in so many of a hundred.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn sample<T: Clone>(&mut self, from: &[T], n: usize) -> Vec<T> {
        let mut rest = from.to_vec();
        (0..n.min(rest.len())).map(|_| rest.swap_remove(self.below(rest.len()))).collect()
    }
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) h: History,
    pub(crate) devices: Vec<Device>,
    pub(crate) knows: Vec<Mask>,
    rogues: Vec<Device>,
    worlds: Worlds,
    /// Which life each device's store is in, and the stores that are not running now.
    lives: BTreeMap<Device, u8>,
    asleep: Vec<(Device, u8, Mask)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Worlds {
    /// As the original makes them.
    Plain,
    /// With roles below member, epochs and wraps, too.
    Wide,
    /// Everybody writes content on top of anything that it knows, much of it revoked.
    Messy,
    /// What was left out is brought back, and some hold the recovery key.
    Rescued,
    /// Stores are put back from copies, and cloned: each goes on as another life of its device.
    Restored,
    /// Epochs, with wraps and content under them.
    Keyed,
    /// As `Messy`, and often without having heard of the own grant.
    Strange,
}

impl World {
    pub(crate) fn new(seed: u64, count: u8, rogues: Option<usize>, worlds: Worlds) -> Self {
        let mut dice = Dice::new(seed);
        let devices: Vec<Device> = (0..count).collect();
        let rogues = rogues.unwrap_or_else(|| dice.pick(&[0, 1, 1, 2]));
        let rogues = dice.sample(&devices, rogues);
        let knows = vec![1; devices.len()];
        let (h, lives, asleep) = (History::default(), BTreeMap::new(), Vec::new());
        let mut w = Self { dice, h, devices, knows, rogues, worlds, lives, asleep };
        w.h.add(Event {
            by: 0,
            life: 0,
            kind: Kind::Genesis,
            target: 0,
            rank: Role::Owner,
            cut: 0,
            past: 0,
        });
        for device in 1..count {
            let mut roles = vec![Role::Owner, Role::Owner, Role::Admin, Role::Member];
            if matches!(worlds, Worlds::Wide | Worlds::Keyed) {
                roles.extend([Role::Runner, Role::Observer, Role::Store]);
            }
            let rank = w.dice.pick(&roles);
            w.put(0, w.knows[0], Kind::Grant, device, rank, 0);
        }
        if worlds == Worlds::Keyed {
            w.start_epoch(0);
        }
        for device in 0..count {
            w.knows[device as usize] |= w.knows[0];
            w.listen(device);
        }
        w
    }

    pub(crate) fn put(
        &mut self,
        by: Device,
        past: Mask,
        kind: Kind,
        target: Device,
        rank: Role,
        cut: Mask,
    ) -> usize {
        let past = if kind == Kind::Change { past } else { past & self.h.control };
        let life = self.lives.get(&by).copied().unwrap_or(0);
        let e = self.h.add(Event { by, life, kind, target, rank, cut, past });
        self.knows[by as usize] |= bit(e);
        e
    }

    pub(crate) fn cut(&self, target: Device, among: Mask) -> Mask {
        self.h.own(target, self.h.admitted(among))
    }

    /// A join for news that the device's own control events have not heard: a revocation, and a
    /// grant for those who may revoke.
    pub(crate) fn listen(&mut self, device: Device) {
        let known = self.knows[device as usize];
        let mine = self.h.rank(device, known);
        let h = &self.h;
        let voiced = bits(h.own(device, known & h.control)).fold(0, |v, e| v | h.with_past(e));
        let news = bits(known & h.control).any(|e| {
            let kind = h.events[e].kind;
            let told = matches!(kind, Kind::Revoke | Kind::RecoveryRevoke | Kind::Recover)
                || kind == Kind::Grant && mine >= Some(Role::Admin);
            told && !has(voiced, e)
        });
        if news && mine.is_some() {
            self.put(device, known, Kind::Join, 0, Role::Store, 0);
        }
    }

    fn other(&mut self, device: Device) -> Device {
        let others: Vec<Device> = self.devices.iter().copied().filter(|&d| d != device).collect();
        self.dice.pick(&others)
    }

    fn ranks(&self) -> Vec<Role> {
        let mut ranks = vec![Role::Member, Role::Admin, Role::Owner];
        if self.worlds == Worlds::Wide {
            ranks.extend([Role::Store, Role::Observer, Role::Runner]);
        }
        ranks
    }

    fn honest(&mut self, device: Device) {
        let past = self.knows[device as usize];
        let Some(mine) = self.h.rank(device, past) else {
            return;
        };
        let pick = self.dice.below(100);
        if pick < 60 {
            if mine < Role::Runner && !self.dice.chance(20) {
                return;
            }
            let h = &self.h;
            let closed = bits(h.admitted(past)).fold(past & h.control, |c, e| c | h.with_past(e));
            self.put(device, closed, Kind::Change, 0, Role::Store, 0);
        } else if self.worlds == Worlds::Wide && pick < 66 {
            let kind = self.dice.pick(&[Kind::Epoch, Kind::Wrap]);
            self.put(device, past, kind, 0, Role::Store, 0);
        } else if mine >= Role::Admin && pick < 85 {
            let target = self.other(device);
            let cut = self.cut(target, past);
            self.put(device, past, Kind::Revoke, target, Role::Store, cut);
        } else if mine >= Role::Admin {
            let ranks = if mine == Role::Admin { vec![Role::Member] } else { self.ranks() };
            let (target, rank) = (self.other(device), self.dice.pick(&ranks));
            self.put(device, past, Kind::Grant, target, rank, 0);
        }
    }

    /// Something that the recovery key signs, or a readmission of what an author wrote.
    fn rescue(&mut self, device: Device) {
        let known = self.knows[device as usize];
        let past = match self.dice.chance(60) {
            true => known,
            false => bits(known).rev().nth(1).map_or(known, |e| self.h.with_past(e)),
        };
        let target = self.other(device);
        let own = self.h.own(target, past);
        let some = bits(own).filter(|_| self.dice.chance(70)).map(bit).sum();
        match self.dice.below(10) {
            0 => self.put(device, past, Kind::Recover, device, Role::Owner, 0),
            1 => self.put(device, past, Kind::RecoveryRevoke, target, Role::Store, some),
            2..4 => self.put(device, past, Kind::Strike, target, Role::Store, some),
            4 => self.put(device, past, Kind::Upgrade, target, Role::Store, 0),
            _ => self.put(device, past, Kind::Readmit, target, Role::Store, some),
        };
    }

    pub(crate) fn rogue(&mut self, device: Device) {
        let mine = self.knows[device as usize];
        let known: Vec<usize> = bits(mine).collect();
        let n = self.dice.pick(&[1, 2, 3]);
        let mut from = self.dice.sample(&known, n);
        from.extend(self.h.grants_of(device, mine).first());
        let last = bits(self.h.own(device, mine)).next_back();
        if self.dice.chance(50) {
            from.extend(last);
        }
        let past = from.into_iter().fold(0, |past, e| past | self.h.with_past(e));
        let kind = match self.dice.below(100) {
            0..35 => Kind::Change,
            35..70 => Kind::Revoke,
            70..90 => Kind::Grant,
            _ if self.worlds == Worlds::Wide => {
                self.dice.pick(&[Kind::Join, Kind::Epoch, Kind::Wrap])
            }
            _ => Kind::Join,
        };
        let mut target = self.other(device);
        if self.worlds == Worlds::Wide && kind == Kind::Revoke && self.dice.chance(10) {
            target = device;
        }
        let cuts = kind == Kind::Revoke && self.dice.chance(70);
        let cut = if cuts { self.h.own(target, past) } else { 0 };
        let ranks = self.ranks();
        let rank = self.dice.pick(&ranks);
        self.put(device, past, kind, target, rank, cut);
    }

    /// Content on some content and some control events that the device knows.
    fn scatter(&mut self, device: Device) {
        let mine = self.knows[device as usize];
        let mut from = Vec::new();
        for lane in [mine & !self.h.control, mine & self.h.control] {
            let recent: Vec<usize> = bits(lane).rev().take(9).collect();
            let n = self.dice.pick(&[0, 1, 1, 2]);
            from.extend(self.dice.sample(&recent, n));
        }
        if self.worlds == Worlds::Messy {
            from.extend(self.h.grants_of(device, mine).first());
        }
        let past = from.into_iter().fold(0, |past, e| past | self.h.with_past(e));
        self.put(device, past, Kind::Change, 0, Role::Store, 0);
    }

    pub(crate) fn run(mut self, steps: usize) -> Self {
        for _ in 0..steps {
            let devices = self.devices.clone();
            let (device, dice) = (self.dice.pick(&devices), self.dice.below(100));
            let rogue = self.rogues.contains(&device);
            if dice < 30 {
                let from = self.dice.pick(&devices);
                self.knows[device as usize] |= self.knows[from as usize];
                if self.dice.chance(70) && !rogue {
                    self.listen(device);
                }
            } else if self.worlds == Worlds::Keyed && dice < 60 {
                self.key(device, rogue);
            } else if self.worlds == Worlds::Restored && dice < 45 {
                self.change_store(device);
            } else if self.worlds == Worlds::Rescued && dice < 50 {
                self.rescue(device);
            } else if dice < 70
                && matches!(
                    self.worlds,
                    Worlds::Messy | Worlds::Rescued | Worlds::Restored | Worlds::Strange
                )
            {
                self.scatter(device);
            } else if rogue && dice < 75 {
                self.rogue(device);
            } else {
                self.honest(device);
            }
        }
        self
    }
}

/// Honest devices, one revocation that all have heard, then the revoked device writes what it
/// likes. Gives the world, the thief, and what had been heard before the attack; none if there
/// was an older dispute or only one owner.
pub(crate) fn late_attack(seed: u64) -> Option<(World, Vec<Device>, Mask)> {
    let mut w = World::new(seed, 3 + (seed % 3) as u8, Some(0), Worlds::Plain);
    let steps = w.dice.pick(&[4, 8, 12]);
    w = w.run(steps);
    if w.h.events.iter().any(|e| e.kind == Kind::Revoke) {
        return None;
    }
    hear_all(&mut w);
    let everything = w.h.everything();
    let is_owner = |d: &Device| w.h.rank(*d, everything) == Some(Role::Owner);
    let owners: Vec<Device> = w.devices.iter().copied().filter(is_owner).collect();
    let &[thief, revoker] = w.dice.sample(&owners, 2).as_slice() else {
        return None;
    };
    let stale = bits(w.h.own(thief, everything)).next_back().map_or(0, |e| w.h.with_past(e));
    let mut before = if w.dice.chance(50) { stale } else { w.knows[thief as usize] };
    if w.dice.chance(30) {
        // The revoker lost a control event that only the thief has.
        let lost = w.put(revoker, everything, Kind::Join, 0, Role::Store, 0);
        before |= bit(lost);
    }
    let cut = w.cut(thief, everything);
    let r = w.put(revoker, everything, Kind::Revoke, thief, Role::Store, cut);
    let known = everything | bit(r);
    for d in w.devices.clone().into_iter().filter(|&d| d != thief) {
        w.knows[d as usize] = known;
        w.listen(d);
    }
    let heard = w.h.everything();
    w.knows[thief as usize] = if w.dice.chance(70) { heard } else { before };
    let puppets = attack(&mut w, thief);
    Some((w, puppets, heard))
}

/// Any history with forks and disputes; then somebody who holds the recovery key takes the
/// workspace back by what it knows of it, all hear of that, and one who was removed writes what it
/// likes. Gives the world, the rescuer, who was removed or granted by such, and what all had heard;
/// none if there was nobody to remove.
pub(crate) fn attack_after_rescue(seed: u64) -> Option<(World, Device, Vec<Device>, Mask)> {
    let mut w = World::new(seed, 3 + (seed % 3) as u8, None, Worlds::Plain);
    let steps = w.dice.pick(&[4, 10, 16]);
    w = w.run(steps);
    // On a new device, or on one that was a member once.
    let known = w.dice.pick(&w.knows.clone());
    let rescuer =
        if w.dice.chance(60) { w.devices.len() as Device } else { w.dice.pick(&w.devices.clone()) };
    if rescuer as usize == w.devices.len() {
        w.devices.push(rescuer);
        w.knows.push(0);
    }
    w.knows[rescuer as usize] |= known;
    let closed =
        |w: &World| bits(w.knows[rescuer as usize]).fold(0, |all, e| all | w.h.with_past(e));
    let once = |w: &World, d: Device| w.h.once(d, closed(w));
    let led: Vec<Device> = w.devices.iter().copied().filter(|&d| d != rescuer).collect();
    let led: Vec<Device> = led.into_iter().filter(|&d| once(&w, d) >= Some(Role::Admin)).collect();
    if led.is_empty() {
        return None;
    }
    for &device in &led {
        let (past, cut) = (closed(&w), w.cut(device, closed(&w)));
        w.put(rescuer, past, Kind::RecoveryRevoke, device, Role::Store, cut);
    }
    let past = closed(&w);
    w.put(rescuer, past, Kind::Recover, rescuer, Role::Owner, 0);
    let rescued = closed(&w);
    let thief = w.dice.pick(&led);
    for d in w.devices.clone().into_iter().filter(|&d| d != thief) {
        w.knows[d as usize] |= rescued;
        w.listen(d);
    }
    let heard = w.h.everything();
    if w.dice.chance(70) {
        w.knows[thief as usize] |= rescued;
    }
    let mut out = attack(&mut w, thief);
    out.extend(led);
    Some((w, rescuer, out, heard))
}

fn hear_all(w: &mut World) {
    let everything = w.h.everything();
    for d in w.devices.clone() {
        w.knows[d as usize] = everything;
        w.listen(d);
    }
}

/// Gives the thief and the keys that it grants and lets write.
fn attack(w: &mut World, thief: Device) -> Vec<Device> {
    let others: Vec<Device> = w.devices.iter().copied().filter(|&d| d != thief).collect();
    let first = w.devices.len() as u8;
    let more = w.dice.pick(&[0u8, 1, 2]);
    let puppets: Vec<Device> = std::iter::once(thief).chain(first..first + more).collect();
    w.devices.extend(&puppets[1..]);
    w.knows.resize(w.devices.len(), 0);
    for _ in 0..w.dice.pick(&[1, 2, 4, 6, 9]) {
        let known = w.knows[thief as usize];
        for &p in &puppets[1..] {
            w.knows[p as usize] = known;
        }
        let actor = w.dice.pick(&puppets);
        let tip = bits(w.h.own(thief, known & w.h.control)).next_back();
        match tip {
            // Granted from the newest point, it revokes at once.
            Some(tip) if actor != thief && w.dice.chance(50) => {
                let past = w.h.with_past(tip);
                let grant = w.put(thief, past, Kind::Grant, actor, Role::Owner, 0);
                let (past, target) = (w.h.with_past(grant), w.dice.pick(&others));
                w.put(actor, past, Kind::Revoke, target, Role::Store, 0);
            }
            _ => w.rogue(actor),
        }
        w.knows[thief as usize] |= w.knows[actor as usize];
    }
    puppets
}
