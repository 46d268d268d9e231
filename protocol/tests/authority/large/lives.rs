//! Long histories of both lanes: stores that are put back from copies and cloned, each life a chain
//! of its own; revocations that cut what they leave, readmissions, epochs with their wraps.

use kernelos_protocol::authority::{ContentLane, ControlLane};
use kernelos_protocol::role::Role;

use super::super::adapter::{
    Shape, compare_asked, device_id, event_id, fact, ids, mask_of, number_of,
};
use super::super::model::{Device, Event, History, Kind, bits, has};
use super::super::set::{Set, those};
use super::Long;

const DEVICES: Device = 12;

/// One store of a device: which life it is in, and what it knows.
#[derive(Clone, Copy)]
struct Store<M> {
    life: u8,
    knows: M,
}

struct Lives<'l, M> {
    long: &'l mut Long<M>,
    control: M,
    /// By device: what runs, and what does not.
    running: Vec<Store<M>>,
    asleep: Vec<(Device, Store<M>)>,
    lives: Vec<u8>,
    epoch: usize,
}

impl<M: Set> Lives<'_, M> {
    /// The running store of a device writes.
    fn write(&mut self, by: Device, kind: Kind, target: Device, rank: Role, cut: M) -> usize {
        let store = self.running[by as usize];
        let is_content = kind == Kind::Change;
        let past = if is_content { store.knows } else { store.knows & self.control };
        self.long.events.push(Event { by, life: store.life, kind, target, rank, cut, past });
        let e = self.long.events.len() - 1;
        if !is_content {
            self.control |= M::bit(e);
        }
        self.running[by as usize].knows |= M::bit(e);
        e
    }

    fn content_of(&self, device: Device, among: M) -> M {
        let content = bits(among.less(self.control));
        those(content.filter(|&e| self.long.events[e].by == device))
    }

    /// Content of a device that another knows: all, or up to one of its events.
    fn some_of(&mut self, target: Device, known: M) -> M {
        let all = self.content_of(target, known);
        let numbers = all.numbers();
        if numbers.is_empty() || self.long.dice.chance(50) {
            return all;
        }
        let up_to = numbers[self.long.dice.below(numbers.len())];
        self.content_of(target, self.long.with_past(up_to))
    }

    /// The store goes on from a copy as a new life, beside it or in its place; or another that was
    /// asleep goes on.
    fn change_store(&mut self, device: Device) {
        let at = device as usize;
        let other = self.asleep.iter().position(|(of, _)| *of == device);
        let now = self.running[at];
        if let Some(other) = other.filter(|_| self.long.dice.chance(60)) {
            (self.asleep[other].1, self.running[at]) = (now, self.asleep[other].1);
            return;
        }
        if self.lives[at] == u8::MAX {
            return;
        }
        if other.is_none() && self.long.dice.chance(50) {
            self.asleep.push((device, now));
        }
        self.lives[at] += 1;
        let known = now.knows.numbers();
        let point = known[self.long.dice.below(known.len())];
        // A copy is of a store that had been let in: it was granted by the founder.
        let joined = self.long.with_past(at);
        let knows = self.long.with_past(point) | joined;
        self.running[at] = Store { life: self.lives[at], knows };
    }

    fn turn(&mut self) {
        let by = self.long.dice.below(DEVICES as usize) as Device;
        let from = self.long.dice.below(DEVICES as usize);
        let heard = self.running[from].knows;
        self.running[by as usize].knows |= heard;
        let knows = self.running[by as usize].knows;
        let target = self.long.dice.below(DEVICES as usize) as Device;
        let under = M::bit(self.epoch);
        match self.long.dice.below(100) {
            0..35 => _ = self.write(by, Kind::Change, 0, Role::Store, under),
            35..60 => _ = self.write(by, Kind::Join, 0, Role::Store, M::NONE),
            60..64 => self.epoch = self.write(by, Kind::Epoch, by, Role::Store, M::NONE),
            64..72 => _ = self.write(by, Kind::Wrap, target, Role::Store, under),
            72..80 => self.change_store(by),
            80..85 => {
                let low = 6 + target % 6;
                let cut = self.some_of(low, knows);
                self.write(by, Kind::Revoke, low, Role::Store, cut);
            }
            85 => {
                let cut = self.some_of(target, knows);
                self.write(by, Kind::Revoke, target, Role::Store, cut);
            }
            86..90 => {
                let cut = self.some_of(target, knows);
                self.write(by, Kind::Readmit, target, Role::Store, cut);
            }
            _ => {
                let rank = if target < 4 { Role::Owner } else { Role::Member };
                self.write(by, Kind::Grant, target, rank, M::NONE);
            }
        }
    }
}

impl<M: Set> Long<M> {
    /// Restored and cloned stores of devices that let in, remove with cuts and readmit.
    fn lives(&mut self) {
        let role = |d| if d < 6 { Role::Owner } else { Role::Member };
        let knows = self.found(DEVICES, role);
        let running = vec![Store { life: 0, knows }; DEVICES as usize];
        let (asleep, lives) = (Vec::new(), vec![0; DEVICES as usize]);
        let mut lives = Lives { long: self, control: knows, running, asleep, lives, epoch: 0 };
        lives.epoch = lives.write(0, Kind::Epoch, 0, Role::Store, M::NONE);
        while lives.long.goes_on() {
            lives.turn();
        }
    }
}

/// Both lanes, told event by event, beside the model.
struct Beside<M> {
    h: History<M>,
    refused: M,
    control: ControlLane,
    content: ContentLane,
}

impl<M: Set> Beside<M> {
    fn add(&mut self, event: &Event<M>) {
        let e = self.h.add_cleaned(event, &mut self.refused);
        let (h, event) = (&self.h, &self.h.events[e]);
        let (id, by) = (event_id(e), device_id(event.by));
        if has(h.control, e) {
            let fact = fact(h, Shape::Chained, event);
            let added = self.control.add(id, by, fact, &ids(h.heads(event.past)));
            assert_eq!(added.is_err(), has(self.refused, e), "{e}: {event:?}");
            self.content.control_changed(&self.control);
            return;
        }
        let prev = h.prev(e);
        let named = h.heads(event.past.less(h.control));
        let parents = ids(named.less(prev.map_or(M::NONE, M::bit)));
        let heard = ids(h.heads(event.past & h.control));
        let prev = prev.map(event_id);
        let added = self.content.add(&self.control, id, by, prev, &parents, &heard);
        assert!(added.is_ok(), "{e}: {added:?}");
        // Whatever it rests on was asked before: the model does not recurse for it.
        h.view(e);
    }

    /// Gives how much content there is, and how much of it is admitted.
    fn compare(&self) -> (usize, usize) {
        let known = self.h.everything().less(self.refused);
        compare_asked(&self.h, &self.control, known);
        let admitted = self.h.admitted(known);
        let written = known.less(self.h.control);
        for e in bits(written) {
            let no = self.content.number(&event_id(e)).expect("it is here");
            assert_eq!(number_of(&self.content.id(no)), e);
            assert_eq!(self.content.is_admitted(no), has(admitted, e), "{e} is admitted");
            let role = self.h.firm(e, known);
            assert_eq!(self.content.role(&self.control, no), role, "role of {e}");
        }
        let heads: M = mask_of(&self.content.admitted_heads());
        assert_eq!(heads, self.h.heads(admitted), "heads");
        (written.len(), admitted.len())
    }
}

pub(super) fn run<M: Set>(seed: u64, long: &mut Long<M>) {
    long.lives();
    let (h, control, content) = (History::default(), ControlLane::new(), ContentLane::new());
    let mut beside = Beside { h, refused: M::NONE, control, content };
    let every = long.events.len().div_ceil(16);
    let mut seen = (0, 0);
    for (n, event) in long.events.iter().enumerate() {
        beside.add(event);
        if n % 64 == 63 {
            beside.h.forget();
        }
        if n % every == every - 1 || n + 1 == long.events.len() {
            seen = beside.compare();
        }
    }
    let lives = long.events.iter().map(|event| event.life).max();
    let cuts = long.events.iter().filter(|e| e.kind == Kind::Revoke && e.cut != M::NONE).count();
    let (written, admitted) = seen;
    let some = lives > Some(1) && cuts > 0 && admitted > 0 && admitted < written;
    assert!(some, "{seed}: {lives:?}, {cuts} cuts, {admitted} of {written} admitted");
}
