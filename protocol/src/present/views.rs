//! From replies to [`Doc`]s. Nothing is computed here: what is not in the reply is not shown.

use crate::command::{DeviceRow, LogRow, Mode, ReadReply, Status};
use crate::id::Lane;
use crate::present::{Block, Doc, Text, Tone};
use crate::workspace::Verdict;

/// Where a device stands.
#[must_use]
pub fn status(status: &Status) -> Doc {
    let mode = match status.mode {
        Mode::Local => "local (no transport opens)",
        Mode::Synced => "synced",
    };
    let role = match status.role {
        Some(role) => Text::plain(role.name()),
        None => Text::toned(Tone::Attention, "none: this device was revoked"),
    };
    let hash = match &status.state_hash {
        Some(hash) => Text::plain(hash),
        None => Text::toned(Tone::Attention, "not claimed"),
    };
    let mut blocks = vec![Block::Fields(vec![
        ("workspace".to_owned(), Text::plain(&status.workspace)),
        ("id".to_owned(), Text::plain(status.workspace_id)),
        ("device".to_owned(), Text::plain(&status.device)),
        ("device id".to_owned(), Text::plain(status.device_id)),
        ("role".to_owned(), role),
        ("mode".to_owned(), Text::plain(mode)),
        ("events".to_owned(), Text::plain(status.events)),
        ("state hash".to_owned(), hash),
    ])];
    for damage in &status.damage {
        blocks.push(Block::Line(Text::toned(Tone::Attention, format!("damaged: {damage}"))));
    }
    Doc(blocks)
}

/// What is at a path.
#[must_use]
pub fn read(read: &ReadReply) -> Doc {
    let value = serde_json::to_string_pretty(&read.value).unwrap_or_default();
    let mut blocks = vec![Block::Verbatim(value)];
    if read.conflict {
        let note = "several values were written here apart: this is the one shown";
        blocks.push(Block::Line(Text::toned(Tone::Attention, note)));
    }
    Doc(blocks)
}

/// One event, on one line.
#[must_use]
pub fn log_row(row: &LogRow) -> Doc {
    let verdict = match row.verdict {
        Verdict::Admitted => "",
        Verdict::Quarantined => " quarantined",
        Verdict::Void => " void",
    };
    let lane = match row.lane {
        Lane::Control => "control",
        Lane::Content => "content",
    };
    let reason = row.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let ahead = if row.stamp_ahead { " (its clock is far ahead)" } else { "" };
    let text = format!(
        "{} {} {lane} {:>4} {}{verdict}{reason}{ahead}",
        row.id.short(),
        row.author.short(),
        row.seq,
        row.kind
    );
    Doc(vec![Block::Line(Text::plain(text))])
}

/// Who is a member.
#[must_use]
pub fn devices(rows: &[DeviceRow]) -> Doc {
    let cells = rows.iter().map(|row| {
        let role = match row.role {
            Some(role) => Text::plain(role.name()),
            None => Text::toned(Tone::Attention, "revoked"),
        };
        let own = if row.own { "this device" } else { "" };
        vec![Text::plain(row.id), role, Text::toned(Tone::Quiet, own)]
    });
    let columns = ["device", "role", ""].map(str::to_owned).to_vec();
    Doc(vec![Block::Table { columns, rows: cells.collect() }])
}
