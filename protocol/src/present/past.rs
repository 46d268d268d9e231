//! The past, as people read it.

use std::collections::BTreeMap;

use super::changed::changed;
use super::when::CLOCK_WRONG;
use super::{Block, Doc, Text, Tone, device_name, log_row, read, utc};
use crate::command::{FoundRow, HistoryRow, PastRead};
use crate::id::{DeviceId, EventId};

/// What was at a path, and when.
#[must_use]
pub fn past_read(past: &PastRead) -> Doc {
    let when = match (&past.after, past.until) {
        (Some(event), _) => format!("after event {}", event.short()),
        (None, until) => format!("at {}", until.map_or_else(String::new, utc)),
    };
    let Doc(mut blocks) = read(&past.read);
    let so = match past.until.filter(|_| past.ahead) {
        Some(until) => format!("{} is ahead of now: so it is now", utc(until)),
        None => format!("so it was {when}"),
    };
    if past.without {
        let text = "that event has no effect: nothing of it is in this";
        blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
    }
    let text = format!("{so}, by {} events: nothing is changed by looking", past.events);
    blocks.push(Block::Line(Text::toned(Tone::Quiet, text)));
    Doc(blocks)
}

/// A value that stood somewhere: of a map what changed since the row above it, where it was made on
/// what that shows. `SPEC: PAST-3`
#[must_use]
pub fn history_row(
    row: &HistoryRow,
    above: Option<&HistoryRow>,
    names: &BTreeMap<DeviceId, String>,
) -> Doc {
    let before = above.filter(|above| row.follows && !above.removed).map(|above| &above.value);
    let value = if row.removed { "removed".to_owned() } else { changed(before, &row.value) };
    let who = row.device.map_or_else(String::new, |device| device_name(&device, names));
    let when = row.time.map_or_else(String::new, utc);
    let when = if row.clock_wrong { when + CLOCK_WRONG } else { when };
    let event = row.event.as_ref().map_or_else(String::new, EventId::short);
    let (tone, standing) = match (&row.lost_to, row.current) {
        (Some(event), _) => (Tone::Attention, format!("  lost to {}", event.short())),
        (None, true) if row.part => (Tone::Good, "  stands now, with what others wrote".to_owned()),
        (None, true) => (Tone::Good, "  stands now".to_owned()),
        (None, false) => (Tone::Plain, String::new()),
    };
    let text = format!("{event}  {when}  {who}  {value}{standing}");
    Doc(vec![Block::Line(Text::toned(tone, text))])
}

/// An event that was found.
#[must_use]
pub fn found(row: &FoundRow, names: &BTreeMap<DeviceId, String>) -> Doc {
    let Doc(mut blocks) = log_row(&row.row, names);
    // A device that was named is found by its id.
    let named = |found: &String| found.parse().ok().and_then(|id: DeviceId| names.get(&id));
    let said = row.found.as_ref().map(|found| {
        let said = match named(found) {
            Some(name) => format!("by {name}"),
            None => found.clone(),
        };
        Text::toned(Tone::Quiet, format!("    {said}"))
    });
    blocks.extend(said.map(Block::Line));
    Doc(blocks)
}
