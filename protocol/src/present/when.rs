//! When, as people read it: a stamp is what its author's clock said, and is shown as that.

use crate::time::Stamp;

/// What is said behind a time that says nothing. `SPEC: CFL-17`
pub(super) const CLOCK_WRONG: &str = " (its clock was wrong)";

/// A stamp in UTC, to the second: `2026-11-25 21:30:05 UTC`. Days to dates after Hinnant,
/// "chrono-compatible low-level date algorithms" (2013).
#[must_use]
pub fn utc(stamp: Stamp) -> String {
    let seconds = stamp.0 / 1_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Eras of 400 years that begin on the first of March of the year 0.
    let since_march = days + 719_468;
    let (era, day) = (since_march / 146_097, since_march % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02} UTC", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_dates() {
        let rows = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_700_000_000, "2023-11-14 22:13:20 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ];
        for (seconds, date) in rows {
            assert_eq!(utc(Stamp(seconds * 1_000_000 + 7)), date);
        }
        assert!(utc(Stamp(u64::MAX)).ends_with(" UTC"), "no year is too far");
    }
}
