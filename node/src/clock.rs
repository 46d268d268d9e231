//! The two clocks of a node: one that goes forward through a closed lid, and the wall's.

use std::time::{SystemTime, UNIX_EPOCH};

use kernelos_protocol::time::Time;
use rustix::time::{ClockId, clock_gettime};

/// The clock that counts suspended time: a lease of a machine that slept is over when it wakes.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MONOTONIC: ClockId = ClockId::Boottime;
/// Elsewhere the monotonic clock counts suspended time, or nothing better is there.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MONOTONIC: ClockId = ClockId::Monotonic;

/// Reads both clocks.
#[must_use]
pub fn now() -> Time {
    let monotonic = clock_gettime(MONOTONIC);
    let whole_ms = u64::try_from(monotonic.tv_sec).unwrap_or(0).saturating_mul(1_000);
    let part_ms = u64::try_from(monotonic.tv_nsec).unwrap_or(0) / 1_000_000;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time {
        monotonic_ms: whole_ms.saturating_add(part_ms),
        wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward() {
        let first = now();
        let second = now();
        assert!(second.monotonic_ms >= first.monotonic_ms);
        assert!(first.wall_us > 0 && first.monotonic_ms > 0);
    }
}
