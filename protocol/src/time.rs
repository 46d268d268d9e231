//! Time as the core sees it: handed in, never read.
//!
//! Two readings travel together and are never mixed. The monotonic one counts suspended time and
//! is the only one that deadlines use; the wall clock orders what people see and decides nothing.

use serde::{Deserialize, Serialize};

use crate::limits::STAMP_AHEAD_MAX_US;

/// The moment of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// Milliseconds of a clock that only goes forward and counts suspended time.
    pub monotonic_ms: u64,
    /// Microseconds since 1970 by the device's wall clock. Shown, never decides.
    pub wall_us: u64,
}

/// A hybrid logical clock in microseconds since 1970 (SPEC: EVT-8). Shown, never decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Stamp(pub u64);

/// The clock that makes stamps.
#[derive(Debug, Clone, Default)]
pub struct StampClock {
    last: Stamp,
}

impl StampClock {
    /// Takes note of a stamp that was seen, unless it is too far ahead to be honest.
    pub fn saw(&mut self, now: Time, stamp: Stamp) {
        if !is_ahead(now, stamp) {
            self.last = self.last.max(stamp);
        }
    }

    /// The next stamp: own clock, own last + 1, or the greatest honest one seen.
    pub fn next(&mut self, now: Time) -> Stamp {
        self.last = Stamp(now.wall_us.max(self.last.0.saturating_add(1)));
        self.last
    }
}

/// Is `stamp` further ahead of this device's clock than an honest one?
#[must_use]
pub fn is_ahead(now: Time, stamp: Stamp) -> bool {
    stamp.0 > now.wall_us.saturating_add(STAMP_AHEAD_MAX_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time { monotonic_ms: 0, wall_us: 1_000_000_000_000_000 };

    #[test]
    fn a_stamp_from_the_far_future_does_not_move_our_clock() {
        // SPEC: EVT-8
        let mut clock = StampClock::default();
        clock.saw(NOON, Stamp(u64::MAX));
        clock.saw(NOON, Stamp(NOON.wall_us + STAMP_AHEAD_MAX_US + 1));
        assert_eq!(clock.next(NOON), Stamp(NOON.wall_us));
        clock.saw(NOON, Stamp(NOON.wall_us + STAMP_AHEAD_MAX_US));
        assert_eq!(clock.next(NOON), Stamp(NOON.wall_us + STAMP_AHEAD_MAX_US + 1));
    }

    #[test]
    fn stamps_grow_when_the_wall_clock_jumps_back() {
        let mut clock = StampClock::default();
        let first = clock.next(NOON);
        let back = Time { wall_us: NOON.wall_us - 3_600_000_000, ..NOON };
        assert!(clock.next(back) > first);
    }
}
