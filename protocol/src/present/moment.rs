//! Moments as people write them: `2026-11-25T21:30:05Z`, `2026-11-25`, `14:02`, `2 h ago`. All in
//! UTC, as moments are shown, unless an offset is given.

use crate::time::Stamp;

const SECOND: u64 = 1_000_000;
const DAY: u64 = 86_400 * SECOND;

/// The moment that a text names, as seen `now`; none where it names none.
#[must_use]
pub fn moment(text: &str, now: Stamp) -> Option<Stamp> {
    let text = text.trim();
    let text = text.strip_suffix("UTC").map_or(text, str::trim_end);
    ago(text, now).or_else(|| of_today(text, now)).or_else(|| date(text)).map(Stamp)
}

/// The end of the moment that a text names: moments are shown to the second, and of one that is
/// copied from there all of that second is meant. Nothing that is ahead of now is added.
#[must_use]
pub fn end_of_moment(text: &str, now: Stamp) -> Option<Stamp> {
    let Stamp(begin) = moment(text, now)?;
    let is_second = text.contains(':') && begin % SECOND == 0;
    let end = begin.saturating_add(SECOND - 1);
    Some(Stamp(if is_second { end.min(now.0.max(begin)) } else { begin }))
}

/// `90 min ago`, `2h`, `3 days`.
fn ago(text: &str, now: Stamp) -> Option<u64> {
    let text = text.strip_suffix("ago").map_or(text, str::trim_end);
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(digits)?;
    let seconds: u64 = match unit.trim() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        _ => return None,
    };
    let before = count.parse::<u64>().ok()?.saturating_mul(seconds).saturating_mul(SECOND);
    Some(now.0.saturating_sub(before))
}

/// `14:02` and `14:02:30`: the last time that it was so.
fn of_today(text: &str, now: Stamp) -> Option<u64> {
    let time = time(text)?;
    let today = (now.0 / DAY).checked_mul(DAY)?.checked_add(time)?;
    if today <= now.0 { Some(today) } else { today.checked_sub(DAY) }
}

/// RFC 3339, also with a space for its T, without seconds, or the day alone.
fn date(text: &str) -> Option<u64> {
    let (day, rest) = text.split_at_checked(10)?;
    let mut parts = day.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let midnight = days(year, month, day)?.checked_mul(DAY)?;
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return rest.is_empty().then_some(midnight);
    };
    let (rest, is_utc) = match rest.strip_suffix(['Z', 'z']) {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let split = if is_utc { None } else { rest.find(['+', '-']) };
    let Some((clock, offset)) = split.and_then(|at| rest.split_at_checked(at)) else {
        return midnight.checked_add(time(rest)?);
    };
    let local = midnight.checked_add(time(clock)?)?;
    match offset.strip_prefix('+') {
        Some(ahead) => local.checked_sub(time(ahead)?),
        None => local.checked_add(time(offset.strip_prefix('-')?)?),
    }
}

/// `14:02`, `14:02:30` and `14:02:30.5`, in microseconds.
fn time(text: &str) -> Option<u64> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = text.split(':').map(number);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let is_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let micros = is_digits.then(|| format!("{fraction:0<6}"))?.get(..6)?.parse::<u64>().ok()?;
    Some((hour * 3_600 + minute * 60 + second) * SECOND + micros)
}

fn number(text: &str) -> Option<u64> {
    let is_digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

/// Days since 1970, after Hinnant (2013) as in [`super::utc`].
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=last).contains(&day) {
        return None;
    }
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, of_era) = (year / 400, year % 400);
    let since_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * since_march + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * 146_097 + of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::utc;

    #[test]
    fn moments_are_read_as_they_are_written() {
        // 2026-11-25 21:30:05.
        let now = Stamp(1_795_642_205 * SECOND);
        let rows = [
            ("2026-11-25T21:30:05Z", "2026-11-25 21:30:05 UTC"),
            ("2026-11-25 21:30:05 UTC", "2026-11-25 21:30:05 UTC"),
            ("2026-11-25T23:30:05.25+02:00", "2026-11-25 21:30:05 UTC"),
            ("2026-11-25t16:00:05-05:30", "2026-11-25 21:30:05 UTC"),
            ("2024-02-29", "2024-02-29 00:00:00 UTC"),
            ("1970-01-01", "1970-01-01 00:00:00 UTC"),
            ("14:02", "2026-11-25 14:02:00 UTC"),
            ("22:00", "2026-11-24 22:00:00 UTC"),
            ("2 h ago", "2026-11-25 19:30:05 UTC"),
            ("90min ago", "2026-11-25 20:00:05 UTC"),
            ("1 week", "2026-11-18 21:30:05 UTC"),
            ("99999999 weeks ago", "1970-01-01 00:00:00 UTC"),
        ];
        for (text, shown) in rows {
            assert_eq!(moment(text, now).map(utc).as_deref(), Some(shown), "{text}");
        }
        let of_second = |micros| Stamp(now.0 - 60 * SECOND + micros);
        for (text, end) in [
            ("2026-11-25 21:29:05 UTC", of_second(SECOND - 1)),
            ("21:29:05.0", of_second(SECOND - 1)),
            ("21:29:05.25", of_second(SECOND / 4)),
            ("1 min ago", of_second(0)),
            // The second that is not over yet, and one that is to come.
            ("21:30:05", now),
            ("2026-11-25 21:30:06", Stamp(now.0 + SECOND)),
        ] {
            assert_eq!(end_of_moment(text, now), Some(end), "{text}");
        }
        for text in [
            "",
            "ago",
            "h",
            "yesterday",
            "25:00",
            "14:60",
            "14",
            "1:2:3:4",
            "2023-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-11-25T",
            "2026-11-25T21",
            "2026-11-25x",
            "1969-12-31",
            "2026-11-25T21:30:05+",
            "99999999999999999999 h ago",
            "14:02:03.",
            "ä:ö",
        ] {
            assert_eq!(moment(text, now), None, "{text}");
        }
    }
}
