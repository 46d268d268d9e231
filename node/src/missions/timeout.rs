//! For how long one command of a mission may run: a step, or one run of a verification.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One second to one day, in whole seconds. Written `90s`, `5m` or `2h`, by the greatest unit that
/// leaves no rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimeout(u64);

/// The units, the greatest first, and their seconds.
const UNITS: [(&str, u64); 3] = [("h", 3600), ("m", 60), ("s", 1)];

/// The longest: a day. What runs longer is no step.
const MAX: u64 = 24 * 3600;

impl StepTimeout {
    /// The time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl Default for StepTimeout {
    fn default() -> Self {
        Self(600)
    }
}

impl fmt::Display for StepTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, seconds)| self.0.is_multiple_of(*seconds));
        let (unit, seconds) = whole.unwrap_or(&("s", 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

impl FromStr for StepTimeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = UNITS.iter().find_map(|(unit, seconds)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(*seconds).filter(|all| (1..=MAX).contains(all))
        });
        read.map(Self).ok_or_else(|| {
            "give seconds, minutes or hours, such as 90s, 5m, 2h; at most 24h".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_and_written_alike() {
        for (text, seconds, written) in [
            ("1s", 1, "1s"),
            ("90s", 90, "90s"),
            ("60s", 60, "1m"),
            ("5m", 300, "5m"),
            ("24h", 86_400, "24h"),
        ] {
            let timeout: StepTimeout = text.parse().unwrap();
            assert_eq!(timeout.duration(), Duration::from_secs(seconds), "{text}");
            assert_eq!(timeout.to_string(), written, "{text}");
        }
        for text in ["", "s", "5", "0s", "-1s", "1d", "25h", "1.5h", "18446744073709551615h"] {
            assert!(text.parse::<StepTimeout>().is_err(), "{text:?}");
        }
    }
}
