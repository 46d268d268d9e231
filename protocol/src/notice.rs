//! Notices: what this device saw others do that is no event, kept for people to read.
//!
//! A peer that broke a rule and was disconnected, an attempt to pair. They stand between the
//! events in the log, are this device's own word, and go nowhere (`SPEC: DUR-4`). Each kind has a
//! ring of its own, and the same of one device is one notice with a count, so that nobody pushes
//! others out by repeating itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;
use crate::limits::NOTICES_MAX;
use crate::time::Stamp;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A peer that broke a rule and was disconnected.
    Peer,
    /// An attempt to pair.
    Pairing,
    /// A member that did not let this device in, or what one said to its tail.
    Introduction,
    /// What became of this device's own store. `SPEC: DUR-5`
    Life,
}

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its place in a store: a newer one in the same place takes it.
    pub slot: u64,
    /// Its place in the order of all notices of this device.
    pub number: u64,
    /// Which device it is about.
    pub device: DeviceId,
    /// What it did: a code, or two.
    pub reason: String,
    /// When last, by this device's clock.
    pub stamp: Stamp,
    /// How many events were here then.
    pub after: u64,
    /// How often.
    pub times: u64,
}

/// All notices of a workspace.
#[derive(Debug, Default)]
pub struct Notices(BTreeMap<u64, Notice>);

impl NoticeKind {
    /// The slots of this kind.
    fn slots(self) -> std::ops::Range<u64> {
        let size = NOTICES_MAX as u64;
        let first = self as u64 * size;
        first..first + size
    }
}

impl Notices {
    /// A notice that the store gave back.
    pub fn load(&mut self, notice: Notice) {
        self.0.insert(notice.slot, notice);
    }

    /// Notes what a device did when `after` events were here. What is to be kept of it; none for
    /// most of many repetitions: they must not wear out a disk.
    pub fn note(
        &mut self,
        kind: NoticeKind,
        device: DeviceId,
        reason: &str,
        (stamp, after): (Stamp, u64),
    ) -> Option<Notice> {
        let number = self.0.values().map(|notice| notice.number).max();
        let number = number.map_or(0, |number| number.saturating_add(1));
        let reason = reason.to_owned();
        let of_kind = || self.0.range(kind.slots()).map(|(_, notice)| notice);
        let same = of_kind().find(|known| known.device == device && known.reason == reason);
        let times = same.map_or(0, |same| same.times).saturating_add(1);
        let slot = match same {
            Some(same) => same.slot,
            None => kind
                .slots()
                .find(|slot| !self.0.contains_key(slot))
                .or_else(|| Some(of_kind().min_by_key(|notice| notice.number)?.slot))?,
        };
        let notice = Notice { slot, number, device, reason, stamp, after, times };
        self.0.insert(slot, notice.clone());
        times.is_power_of_two().then_some(notice)
    }

    /// All of a kind, by time.
    #[must_use]
    pub fn of(&self, kind: NoticeKind) -> Vec<&Notice> {
        sorted(self.0.range(kind.slots()).map(|(_, notice)| notice))
    }

    /// Those that stand in the log from the event at place `from` on, and before the one at `to`
    /// where there is one. By time.
    #[must_use]
    pub fn between(&self, from: usize, to: Option<usize>) -> Vec<&Notice> {
        let is_there = |notice: &&Notice| {
            let after = usize::try_from(notice.after).unwrap_or(usize::MAX);
            after >= from && to.is_none_or(|to| after < to)
        };
        sorted(self.0.values().filter(is_there))
    }
}

fn sorted<'a>(notices: impl Iterator<Item = &'a Notice>) -> Vec<&'a Notice> {
    let mut notices: Vec<_> = notices.collect();
    notices.sort_by_key(|notice| notice.number);
    notices
}
