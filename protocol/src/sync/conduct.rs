//! Who broke a rule, and for how long it is not met again: longer each time, up to minutes, and
//! forgotten when nothing of it breaks one for a while. `SPEC: LINK-9`
//!
//! Only what nobody honest sends counts here, never what a network does: a device behind a faulty
//! version waits, and is let in again. Times are of the monotonic clock; a start forgets all.

use std::collections::BTreeMap;

use crate::id::DeviceId;
use crate::limits::{CONDUCT_DEVICES_MAX, CONDUCT_FORGOTTEN_MS, CONDUCT_WAIT_MS};
use crate::time::Time;

/// Why a connection ends with a device that broke a rule a moment ago: the code.
pub const KEPT_OUT: &str = "kept_out";

/// Is this what an honest device with a newer program is cut off for? It knows a kind, a header or
/// messages that are not known here, and is to blame for nothing.
#[must_use]
pub fn is_newer(code: &str) -> bool {
    matches!(code, "newer_format" | "version" | "sync_version")
}

/// What is remembered of devices that broke rules; bounded.
#[derive(Debug, Default)]
pub struct Conduct(BTreeMap<DeviceId, Strikes>);

#[derive(Debug, Clone, Copy)]
struct Strikes {
    count: u32,
    /// It is met again from then on, in milliseconds of the monotonic clock.
    until_ms: u64,
}

impl Strikes {
    fn is_forgotten(&self, now: Time) -> bool {
        now.monotonic_ms >= self.until_ms.saturating_add(CONDUCT_FORGOTTEN_MS)
    }
}

impl Conduct {
    /// A device broke a rule: it waits, twice as long as the last time.
    pub fn broke_rule(&mut self, now: Time, device: DeviceId) {
        self.0.retain(|_, strikes| !strikes.is_forgotten(now));
        let count = self.0.get(&device).map_or(1, |strikes| strikes.count.saturating_add(1));
        let (first, most) = CONDUCT_WAIT_MS;
        let wait = 1_u64.checked_shl(count - 1).and_then(|times| first.checked_mul(times));
        let until_ms = now.monotonic_ms.saturating_add(wait.map_or(most, |wait| wait.min(most)));
        if self.0.len() >= CONDUCT_DEVICES_MAX && !self.0.contains_key(&device) {
            // Whose wait ends first is nearest to being forgotten.
            let first = self.0.iter().min_by_key(|(_, strikes)| strikes.until_ms);
            if let Some(first) = first.map(|(first, _)| *first) {
                self.0.remove(&first);
            }
        }
        self.0.insert(device, Strikes { count, until_ms });
    }

    /// How often it broke a rule, as far as that is remembered.
    #[must_use]
    pub fn strikes(&self, now: Time, device: &DeviceId) -> u32 {
        let strikes = self.0.get(device).filter(|strikes| !strikes.is_forgotten(now));
        strikes.map_or(0, |strikes| strikes.count)
    }

    /// Milliseconds for which it is not met; 0 where it may come.
    #[must_use]
    pub fn kept_out_ms(&self, now: Time, device: &DeviceId) -> u64 {
        self.0.get(device).map_or(0, |strikes| strikes.until_ms.saturating_sub(now.monotonic_ms))
    }

    /// Who is not met now, and until when by the monotonic clock, in milliseconds.
    pub fn kept_out(&self, now: Time) -> impl Iterator<Item = (DeviceId, u64)> + '_ {
        let is_out = move |strikes: &Strikes| strikes.until_ms > now.monotonic_ms;
        let out = self.0.iter().filter(move |(_, strikes)| is_out(strikes));
        out.map(|(device, strikes)| (*device, strikes.until_ms))
    }
}
