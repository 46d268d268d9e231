//! What befalls stores, and the keys that they hold.

use kernelos_protocol::role::Role;

use super::super::model::{Device, Kind, Mask, bit, bits};
use super::World;

/// Where a history gets no more epochs, so that the rest fits.
const EPOCHS_UNTIL: usize = 90;

impl World {
    /// All that any store knows, one set for each.
    pub(crate) fn stores(&self) -> Vec<Mask> {
        let asleep = self.asleep.iter().map(|(_, _, knows)| *knows);
        self.knows.iter().copied().chain(asleep).collect()
    }

    /// The device goes on from a copy of its store as a new life, or the other of two clones goes
    /// on; what a copy lacks it may hear again.
    pub(super) fn change_store(&mut self, device: Device) {
        let knows = self.knows[device as usize];
        let life = self.lives.get(&device).copied().unwrap_or(0);
        let clones = self.asleep.iter().filter(|(of, ..)| *of == device).count();
        if clones > 0 && self.dice.chance(50) {
            let at = self.asleep.iter().position(|(of, ..)| *of == device).expect("counted");
            let (_, other, known) = self.asleep.remove(at);
            self.asleep.push((device, life, knows));
            self.lives.insert(device, other);
            self.knows[device as usize] = known;
            return;
        }
        let lives = self.h.events.iter().filter(|e| e.by == device).map(|e| e.life).max();
        let next = lives.unwrap_or(0).max(life) + 1;
        if clones < 2 && self.dice.chance(40) {
            self.asleep.push((device, life, knows));
        }
        let before: Vec<usize> = bits(knows).collect();
        let copy = self.h.with_past(self.dice.pick(&before)) | bit(0);
        let grants = self.h.grants_of(device, knows);
        // A copy is of a store that had been let in.
        let joined = grants.first().map_or(0, |&g| self.h.with_past(g));
        self.knows[device as usize] = if self.dice.chance(70) { copy | joined } else { knows };
        self.lives.insert(device, next);
    }

    /// An epoch, and a wrap of it to all that may read.
    pub(super) fn start_epoch(&mut self, device: Device) {
        let past = self.knows[device as usize];
        let epoch = self.put(device, past, Kind::Epoch, device, Role::Store, 0);
        for to in self.devices.clone() {
            let known = self.knows[device as usize];
            if self.h.rank(to, known) >= Some(Role::Observer) {
                self.put(device, known, Kind::Wrap, to, Role::Store, bit(epoch));
            }
        }
    }

    /// Something about keys: an epoch, a wrap, content under an epoch. Rogues wrap garbage, keys
    /// that they do not have, and what they say they have not heard.
    pub(super) fn key(&mut self, device: Device, rogue: bool) {
        let known = self.knows[device as usize];
        let epochs: Vec<usize> =
            bits(known).filter(|&e| self.h.events[e].kind == Kind::Epoch).collect();
        let Some(&last) = epochs.last() else { return };
        let epoch = if self.dice.chance(60) { last } else { self.dice.pick(&epochs) };
        let target = self.dice.pick(&self.devices.clone());
        let past = match rogue && self.dice.chance(50) {
            true => {
                let from: Vec<usize> = bits(known).collect();
                let of = self.dice.pick(&from);
                let grant = self.h.grants_of(device, known).first().copied().unwrap_or(0);
                self.h.with_past(of) | self.h.with_past(grant)
            }
            false => known,
        };
        match self.dice.below(10) {
            0..2 if self.h.events.len() < EPOCHS_UNTIL && !rogue => self.start_epoch(device),
            0..2 => {
                self.put(device, past, Kind::Epoch, device, Role::Store, 0);
            }
            2..5 => {
                let garbage = rogue && self.dice.chance(30);
                let rank = if garbage { Role::Owner } else { Role::Store };
                self.put(device, past, Kind::Wrap, target, rank, bit(epoch));
            }
            _ => {
                let fit = self.h.fit_epochs(device, known);
                let under = fit.first().copied().filter(|_| !rogue).unwrap_or(epoch);
                self.put(device, past, Kind::Change, 0, Role::Store, bit(under));
            }
        }
    }
}
