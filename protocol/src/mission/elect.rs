//! Who is to take a lease: a ranking that every device computes alike, so that nobody has to ask
//! (rendezvous hashing, Thaler and Ravishankar 1996). It is a hint: the lease decides
//! (SPEC: LSE-2).

use super::record::Stage;
use crate::hash::{self, context};
use crate::id::{DeviceId, EventId};

/// Ranks devices for an attempt at a stage of a mission, the first to try first.
#[must_use]
pub fn rank(
    mission: &EventId,
    stage: Stage,
    attempt: u64,
    devices: impl IntoIterator<Item = DeviceId>,
) -> Vec<DeviceId> {
    let weight = |device: &DeviceId| {
        let attempt = attempt.to_be_bytes();
        let parts: [&[u8]; 4] = [&mission.0, &[stage as u8], &attempt, &device.0];
        hash::hash(context::LEASE_RANK, &parts)
    };
    let mut devices: Vec<_> = devices.into_iter().collect();
    devices.sort_by_key(weight);
    devices.dedup();
    devices
}
