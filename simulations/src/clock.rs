//! The clocks of a device: the monotonic one gains or loses against the world's time, a little as
//! quartz does or, where it is broken, tenfold, and never goes back; the wall clock runs with it
//! and can be set.

use kernelos_protocol::time::Time;

/// Microseconds since 1970 at which every world begins.
const BEGIN_WALL_US: u64 = 1_700_000_000_000_000;
/// Parts in a million.
const MILLION: u64 = 1_000_000;
/// What a clock that works gains or loses at most, in parts in a million.
pub const DRIFT_MAX_PPM: i64 = 50_000;
/// What a broken one loses, and what it gains, at most: a tenth of the world's speed, and tenfold.
pub const BROKEN_PPM: (i64, i64) = (-900_000, 9_000_000);

/// A device's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// How far the wall clock is from the world's, in microseconds.
    ahead_us: i64,
    /// What the monotonic one gains, in parts in a million.
    drift_ppm: i64,
    /// When that began, by the world's time, and what it showed then; in milliseconds.
    since: (u64, u64),
}

impl Clock {
    /// What it shows at this time of the world.
    #[must_use]
    pub fn time(&self, now: u64) -> Time {
        let monotonic_ms = self.monotonic(now);
        let wall_us = BEGIN_WALL_US.saturating_add(monotonic_ms.saturating_mul(1_000));
        Time { monotonic_ms, wall_us: wall_us.saturating_add_signed(self.ahead_us) }
    }

    fn monotonic(&self, now: u64) -> u64 {
        let passed = now.saturating_sub(self.since.0);
        self.since.1.saturating_add(passed.saturating_mul(self.rate()) / MILLION)
    }

    fn rate(&self) -> u64 {
        MILLION.saturating_add_signed(self.drift_ppm)
    }

    /// The first time of the world at which the monotonic one shows this.
    #[must_use]
    pub fn when(&self, monotonic_ms: u64) -> u64 {
        let left = monotonic_ms.saturating_sub(self.since.1).saturating_mul(MILLION);
        self.since.0.saturating_add(left.div_ceil(self.rate()))
    }

    /// Does it lose more than one that works?
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.drift_ppm < -DRIFT_MAX_PPM
    }

    /// The wall clock is set.
    pub fn set(&mut self, by_us: i64) {
        self.ahead_us = self.ahead_us.saturating_add(by_us);
    }

    /// From now on the monotonic one gains so much, or loses it.
    pub fn drift(&mut self, now: u64, ppm: i64) {
        self.since = (now, self.monotonic(now));
        self.drift_ppm = ppm.clamp(BROKEN_PPM.0, BROKEN_PPM.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_never_goes_back_and_wakes_when_it_shows_the_time() {
        let mut clock = Clock::default();
        let mut last = 0;
        let drifts = [50_000, -50_000, 0, 333, BROKEN_PPM.0, BROKEN_PPM.1];
        for now in 0..2_000 {
            if now % 100 == 0 {
                clock.drift(now, drifts[usize::try_from(now / 100 % 6).unwrap()]);
            }
            let shown = clock.time(now).monotonic_ms;
            assert!(shown >= last && shown <= last + 10, "{now}: {last}, {shown}");
            last = shown;
            let due = shown + 700;
            let when = clock.when(due);
            assert!(clock.time(when).monotonic_ms >= due, "{now}");
            assert!(clock.time(when - 1).monotonic_ms < due, "{now}");
        }
    }

    #[test]
    fn a_broken_clock_runs_at_a_tenth_or_tenfold_and_no_further() {
        for (asked, shows) in [(i64::MAX, 10_000), (i64::MIN, 100), (0, 1_000)] {
            let mut clock = Clock::default();
            clock.drift(0, asked);
            assert_eq!(clock.time(1_000).monotonic_ms, shows);
            assert_eq!(clock.is_slow(), shows < 1_000);
        }
    }

    #[test]
    fn the_wall_clock_runs_with_it_and_is_set() {
        let mut clock = Clock::default();
        clock.drift(0, 50_000);
        clock.set(-7);
        let expected = Time { monotonic_ms: 1_050, wall_us: BEGIN_WALL_US + 1_050_000 - 7 };
        assert_eq!(clock.time(1_000), expected);
    }
}
