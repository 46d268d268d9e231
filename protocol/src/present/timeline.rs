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
    let mut text = String::new();
    match event.id {
        Some(id) => write!(text, "{} ", id.short()).ok(),
        None => write!(text, "{:9}", "-").ok(),
    };
    text.push_str(&device_name(&event.author, names));
    if row.is(TimelineFlag::Own) {
        text.push_str(" (this device)");
    }
    match row.events {
        0 | 1 => write!(text, "  {}", event.kind).ok(),
        events => write!(text, "  {events} {}s", event.kind).ok(),
    };
    if let Some(about) = &row.about {
        write!(text, " of {}", device_name(about, names)).ok();
    }
    write!(text, "  {}", utc(event.stamp)).ok();
    if event.clock_wrong {
        text.push_str(CLOCK_WRONG);
    }
    let words: Vec<_> = row.flags.iter().filter_map(|flag| word(*flag)).collect();
    if !words.is_empty() {
        write!(text, "  {}", words.join(", ")).ok();
    }
    if let Some(reason) = &event.reason {
        write!(text, " ({reason})").ok();
    }
    if let Some(times) = event.times.filter(|times| *times > 1) {
        write!(text, " {times} times").ok();
    }
    if let Some(seconds) = row.quiet_s {
        write!(text, "  after {} quiet", span(seconds)).ok();
    }
    let tone = match row.events {
        _ if !words.is_empty() || event.id.is_none() => Tone::Attention,
        0 | 1 => Tone::Plain,
        _ => Tone::Quiet,
    };
    Text { text, tone }
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
