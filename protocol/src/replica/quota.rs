//! How many keys and objects a device may make in an hour (SPEC: SYNC-9).
//!
//! A bucket for each device, on the monotonic clock. It slows what goes into the documents of this
//! device, and what this device writes; no verdict and no state depends on it.

use std::collections::BTreeMap;

use crate::command::{Failure, FailureKind, WaitingRow};
use crate::id::DeviceId;
use crate::limits::{QUOTA_MS, QUOTA_TICK_MS};
use crate::replica::Replica;
use crate::time::Time;
use crate::workspace::AuthorFault;

/// What is left to every device; to those that are not here, all.
///
/// A bucket is counted in parts: one key or object is as many parts as an hour has milliseconds,
/// so that every millisecond brings as many parts as an hour brings keys and objects.
pub(super) struct Quota {
    /// Keys and objects an hour.
    makes: u64,
    buckets: BTreeMap<DeviceId, Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    parts: u64,
    at_ms: u64,
}

impl Quota {
    pub(super) fn new(makes: u64) -> Self {
        Self { makes: makes.max(1), buckets: BTreeMap::new() }
    }

    fn full(&self) -> u64 {
        self.makes.saturating_mul(QUOTA_MS)
    }

    /// The parts that are needed for so many keys and objects: what makes more than an hour's
    /// needs a full bucket.
    fn parts_for(&self, makes: u64) -> u64 {
        makes.saturating_mul(QUOTA_MS).min(self.full())
    }

    fn parts_of(&self, now: Time, device: &DeviceId) -> u64 {
        let Some(bucket) = self.buckets.get(device) else { return self.full() };
        let passed = now.monotonic_ms.saturating_sub(bucket.at_ms);
        passed.saturating_mul(self.makes).saturating_add(bucket.parts).min(self.full())
    }

    /// Takes so many keys and objects, or nothing where fewer are left.
    pub(super) fn take(&mut self, now: Time, device: &DeviceId, makes: u64) -> bool {
        let parts = self.parts_of(now, device).checked_sub(self.parts_for(makes));
        let Some(parts) = parts else { return false };
        self.buckets.insert(*device, Bucket { parts, at_ms: now.monotonic_ms });
        true
    }

    /// How many keys and objects a device may make now.
    pub(super) fn left(&self, now: Time, device: &DeviceId) -> u64 {
        self.parts_of(now, device) / QUOTA_MS
    }

    /// When a device may make so many, by the monotonic clock; 0 where it always might.
    fn due(&self, device: &DeviceId, makes: u64) -> u64 {
        let Some(bucket) = self.buckets.get(device) else { return 0 };
        let lacks = self.parts_for(makes).saturating_sub(bucket.parts);
        bucket.at_ms.saturating_add(lacks.div_ceil(self.makes))
    }
}

impl Replica {
    /// When something that waits for a quota may go in.
    pub(super) fn quota_deadline(&self) -> Option<u64> {
        let wanted = self.workspace.quota_wanted();
        let due = wanted.map(|(device, makes)| self.quota.due(device, makes)).min()?;
        Some(due.div_ceil(QUOTA_TICK_MS).saturating_mul(QUOTA_TICK_MS))
    }

    /// What `kern status` says of what waits.
    pub(super) fn waiting_rows(&self) -> Vec<WaitingRow> {
        let row = |waiting: crate::workspace::Waiting| WaitingRow {
            reason: "quota".to_owned(),
            device: waiting.device,
            events: waiting.events,
            next_s: self.seconds_until(&waiting.device, waiting.makes),
        };
        self.workspace.waiting_for_quota().map(row).collect()
    }

    /// May this device make so many keys and objects now?
    pub(super) fn check_quota(&self, makes: u64) -> Result<(), Failure> {
        let left = self.quota.left(self.now, &self.key.device());
        if makes <= left { Ok(()) } else { Err(self.quota_failure(makes)) }
    }

    pub(super) fn quota_failure(&self, makes: u64) -> Failure {
        let seconds = self.seconds_until(&self.key.device(), makes);
        Failure::new(FailureKind::Quota, AuthorFault::Quota(makes))
            .with_hint(format!("nothing was written; it goes on in {seconds} s"))
    }

    fn seconds_until(&self, device: &DeviceId, makes: u64) -> u64 {
        let due = self.quota.due(device, makes);
        due.saturating_sub(self.now.monotonic_ms).div_ceil(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_an_hours_at_once_and_refills_evenly() {
        // SPEC: SYNC-9
        let device = DeviceId([1; 32]);
        let mut quota = Quota::new(1_000);
        // At this second so much is asked for: is it given, what is left, and in which second
        // there would be so much again.
        let asked = [
            (0, 1, true, 999, 0),
            (0, 999, true, 0, 3_597),
            (0, 1, false, 0, 4),
            (3, 1, false, 0, 4),
            (4, 1, true, 0, 8),
            (1_804, 501, false, 500, 1_808),
            (1_804, 0, true, 500, 1_804),
            (99_999, 1_000, true, 0, 103_599),
            (99_999, u64::MAX, false, 0, 103_599),
            (103_599, u64::MAX, true, 0, 107_199),
        ];
        for (second, makes, given, left, due) in asked {
            let now = Time { monotonic_ms: second * 1_000, wall_us: 0 };
            assert_eq!(quota.take(now, &device, makes), given, "{makes} at {second}");
            assert_eq!(quota.left(now, &device), left, "{makes} at {second}");
            let again = quota.due(&device, makes).div_ceil(1_000);
            assert_eq!(again, due, "{makes} at {second}");
        }
        assert_eq!(quota.left(Time { monotonic_ms: 0, wall_us: 0 }, &DeviceId([2; 32])), 1_000);
    }
}
