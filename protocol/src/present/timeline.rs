//! The timeline as a [`Doc`]: a line a row, its lanes and then its words. The inspector draws the
//! lanes and shows the same words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::command::{TimelineFlag, TimelinePage, TimelineRow};
use crate::id::{DeviceId, EventId};
use crate::present::when::CLOCK_WRONG;
use crate::present::{Block, Doc, Text, Tone, device_name, utc};

type Names = BTreeMap<DeviceId, String>;

/// A page: its lanes, and beside them what the rows say.
#[must_use]
pub fn timeline(page: &TimelinePage, names: &Names) -> Doc {
    Doc(page.rows.iter().flat_map(|row| timeline_line(row, names).0).collect())
}

/// One row of it.
#[must_use]
pub fn timeline_line(row: &TimelineRow, names: &Names) -> Doc {
    let Text { text, tone } = timeline_row(row, names);
    let more = if row.more > 0 { format!(" +{}", row.more) } else { String::new() };
    let text = format!("{}{more}  {text}", row.graph);
    Doc(vec![Block::Line(Text { text, tone })])
}

/// What a row says, without its lanes. `SPEC: TIME-4`
#[must_use]
pub fn timeline_row(row: &TimelineRow, names: &Names) -> Text {
    let event = &row.event;
    let id = match event.id {
        Some(id) => format!("{} ", id.short()),
        None => format!("{:9}", "-"),
    };
    let (words, tone) = marks(row);
    let words = if words.is_empty() { words } else { format!("  {words}") };
    let (who, what, when) = (who(row, names), what(row, names), utc(event.stamp));
    let text = format!("{id}{who}  {what}  {when}{}{words}{}", clock(row), why(row));
    Text { text, tone }
}

/// The same as two lines, for where there is little room: what it is, what is to be seen of it and
/// by whom, and below that when, which and why. `SPEC: TIME-4`
#[must_use]
pub fn timeline_lines(row: &TimelineRow, names: &Names) -> (Text, Text) {
    let (words, tone) = marks(row);
    let words = if words.is_empty() { words } else { format!(" {words}") };
    let first = format!("{}{words}  {}", what(row, names), who(row, names));
    let id = row.event.id.map_or_else(String::new, |id| format!("  {}", id.short()));
    let second = format!("{}{}{id}{}", utc(row.event.stamp), clock(row), why(row));
    (Text { text: first, tone }, Text::toned(Tone::Quiet, second))
}

fn who(row: &TimelineRow, names: &Names) -> String {
    let name = device_name(&row.event.author, names);
    if row.is(TimelineFlag::Own) { format!("{name} (this device)") } else { name }
}

fn what(row: &TimelineRow, names: &Names) -> String {
    let kind = match row.events {
        0 | 1 => row.event.kind.clone(),
        events => format!("{events} {}s", row.event.kind),
    };
    match &row.about {
        Some(about) => format!("{kind} of {}", device_name(about, names)),
        None => kind,
    }
}

/// What is to be seen of it, in words.
fn marks(row: &TimelineRow) -> (String, Tone) {
    let words: Vec<_> = row.flags.iter().filter_map(|flag| word(*flag)).collect();
    let tone = match row.events {
        _ if !words.is_empty() || row.event.id.is_none() => Tone::Attention,
        0 | 1 => Tone::Plain,
        _ => Tone::Quiet,
    };
    (words.join(", "), tone)
}

fn clock(row: &TimelineRow) -> &'static str {
    if row.event.clock_wrong { CLOCK_WRONG } else { "" }
}

fn why(row: &TimelineRow) -> String {
    let mut text = String::new();
    if let Some(reason) = &row.event.reason {
        write!(text, " ({reason})").ok();
    }
    if let Some(times) = row.event.times.filter(|times| *times > 1) {
        write!(text, " {times} times").ok();
    }
    if let Some(seconds) = row.quiet_s {
        write!(text, "  after {} quiet", span(seconds)).ok();
    }
    text
}

/// The same for who does not see the lanes: where the row stands, and what it follows.
#[must_use]
pub fn timeline_sentence(row: &TimelineRow, total: usize, names: &Names) -> String {
    let says = timeline_row(row, names).text;
    let place = match row.events {
        0 => format!("notice behind event {} of {total}", row.index),
        1 => format!("event {} of {total}", row.index.saturating_add(1)),
        _ => format!("events {} to {} of {total}", row.first() + 1, row.index.saturating_add(1)),
    };
    let of = |id: &EventId, author: &DeviceId| {
        format!("{} from {}", id.short(), device_name(author, names))
    };
    let before: Vec<_> = row.follows.iter().map(|before| of(&before.id, &before.author)).collect();
    match &before[..] {
        [] if row.events == 0 => format!("{place}: {says}"),
        [] => format!("{place}: {says}; follows nothing"),
        [one] => format!("{place}: {says}; follows {one}"),
        [some @ .., last] => format!("{place}: {says}; merges {} and {last}", some.join(", ")),
    }
}

/// The lanes of a text in ASCII, for terminals that have no others.
#[must_use]
pub fn ascii(graph: &str) -> String {
    let plain = |c| match c {
        '○' => '*',
        '◎' => '@',
        '◇' => '?',
        '×' => 'x',
        '·' => '-',
        '│' => '|',
        '─' => '-',
        '╮' | '╭' => '.',
        '╯' | '╰' => '\'',
        '┤' | '├' | '┬' | '┴' | '┼' => '+',
        c => c,
    };
    graph.chars().map(plain).collect()
}

fn word(flag: TimelineFlag) -> Option<&'static str> {
    match flag {
        TimelineFlag::Own => None,
        TimelineFlag::Failed => Some("failed"),
        TimelineFlag::Refused => Some("refused"),
        TimelineFlag::Void => Some("void"),
        TimelineFlag::Quarantined => Some("quarantined"),
        TimelineFlag::Conflict => Some("in conflict"),
    }
}

/// A length of time in its greatest unit.
fn span(seconds: u64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} h", seconds / 3_600),
        _ => format!("{} min", seconds / 60),
    }
}
