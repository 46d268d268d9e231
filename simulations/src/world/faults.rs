//! What befalls devices beside crashes: sleep, clocks that are set, disks that are put back or
//! copied to another machine.

use std::collections::BTreeSet;

use kernelos_protocol::replica::Input;

use crate::world::{CONNECT_MS, Happening, NOTICE_MS, World};

impl World {
    /// A device is suspended: nothing happens on it, its monotonic clock goes on, and who was
    /// connected notices some time later.
    pub fn sleep(&mut self, device: usize, time: u64) {
        if !self.nodes[device].is_up() || self.asleep.contains_key(&device) {
            return;
        }
        self.faults += 1;
        self.note(device, "sleeps");
        let until = self.now.saturating_add(time);
        self.asleep.insert(device, until);
        self.arrange(until, Happening::GoOn(device));
        for link in self.network.links_of(device) {
            self.break_link(link);
        }
    }

    /// It goes on, with whatever was due meanwhile.
    pub(super) fn go_on(&mut self, device: usize) {
        if self.asleep.get(&device).is_none_or(|until| *until > self.now) {
            return;
        }
        self.asleep.remove(&device);
        self.note(device, "goes on");
        self.input(device, Input::Tick);
        self.arrange_connections(device, CONNECT_MS);
    }

    /// What happens now; what is of a device that sleeps happens when it goes on.
    pub(super) fn unless_asleep(&mut self, what: Happening) -> Option<Happening> {
        let device = match &what {
            Happening::Notice { device, .. }
            | Happening::Wake(device)
            | Happening::Work { device, .. } => *device,
            _ => return Some(what),
        };
        let Some(until) = self.asleep.get(&device).copied() else { return Some(what) };
        self.arrange(until.saturating_add(1), what);
        None
    }

    /// A device's wall clock is set.
    pub fn set_clock(&mut self, device: usize, by_ms: i64) {
        self.faults += 1;
        self.note(device, &format!("sets its clock by {by_ms} ms"));
        self.nodes[device].clock.set(by_ms.saturating_mul(1_000));
    }

    /// A device's clocks gain so much from now on, in parts in a million, or lose it.
    pub fn drift(&mut self, device: usize, ppm: i64) {
        self.faults += 1;
        self.note(device, &format!("gains {ppm} ppm"));
        self.nodes[device].clock.drift(self.now, ppm);
        // What it waits for is due at another time.
        self.arrange_wake(device);
    }

    /// Clocks that are far too slow are mended: who waits by one does so ten times as long as the
    /// others look. Those that are too fast stay what they are.
    pub fn mend_clocks(&mut self) {
        for device in 0..self.nodes.len() {
            if self.nodes[device].clock.is_slow() {
                self.drift(device, 0);
            }
        }
    }

    /// What `from` sends does not reach `device` any more, until all is healed. What goes the other
    /// way does, until the ends of their connections notice that nobody answers.
    pub fn deafen(&mut self, device: usize, from: usize) {
        if device == from {
            return;
        }
        self.faults += 1;
        self.note(device, &format!("does not hear {from}"));
        for link in self.network.deafen(device, from) {
            let at = self.now + 1 + self.dice(NOTICE_MS);
            self.arrange(at, Happening::Break(link));
        }
    }

    /// A device dies, and has the copy of its disk instead of the disk, if there is one.
    pub fn put_back(&mut self, device: usize) {
        let Some(copy) = self.nodes[device].copy().cloned() else { return };
        self.crash(device);
        self.note(device, "is put back");
        self.nodes[device].exchange_disk(copy);
        self.share_past(device);
    }

    /// A device dies, and pages of its disk go bad: what is salvaged lacks a third of the events
    /// that another has too. What nobody else has would be lost by that to all. `SPEC: DUR-7`
    pub fn lose_rows(&mut self, device: usize) {
        self.crash(device);
        self.faults += 1;
        self.lost_rows = true;
        self.note(device, "loses rows");
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != device);
        let held: BTreeSet<_> =
            others.flat_map(|(_, node)| node.disk.ids().iter().copied()).collect();
        let mut disk = self.nodes[device].disk.clone();
        let both: Vec<_> = disk.ids().intersection(&held).copied().collect();
        for id in both {
            if self.dice(3) == 0 {
                disk.lose_event(&id);
            }
        }
        self.nodes[device].exchange_disk(disk);
        self.share_past(device);
    }

    /// A clone has the disk of the device that it is a clone of, and starts beside it. Once: of a
    /// clone that is thrown away a life is left whose last receipt stands for ever (RCPT-5).
    pub fn clone_home(&mut self, device: usize) {
        let of = self.original(device);
        if of == device || !self.nodes[device].disk.is_empty() {
            return;
        }
        self.faults += 1;
        self.note(device, "is cloned");
        let disk = self.nodes[of].disk.clone();
        self.nodes[device].config.incarnation = self.nodes[of].config.incarnation;
        self.nodes[device].exchange_disk(disk);
        self.share_past(device);
        self.start(device);
    }

    /// What a life of one home claims need not be true of a clone of it.
    fn share_past(&mut self, device: usize) {
        let id = self.nodes[device].device();
        let same = |node: &&mut crate::node::Node| node.device() == id;
        let past: BTreeSet<_> = self
            .nodes
            .iter_mut()
            .filter(same)
            .flat_map(|node| node.past.iter().copied().collect::<Vec<_>>())
            .collect();
        for node in self.nodes.iter_mut().filter(same) {
            node.past.extend(past.iter().copied());
        }
    }
}
