//! What is kept apart as a [`Doc`]: the branches, and what one of them would set.

use std::collections::BTreeMap;

use crate::command::{Apart, BranchPreview, QuarantinePage};
use crate::id::DeviceId;
use crate::present::conflicts::or_nothing;
use crate::present::views::because;
use crate::present::{Block, Doc, Text, Tone, device_name, utc};

/// The branches, and how they come back.
#[must_use]
pub fn quarantine(page: &QuarantinePage, names: &BTreeMap<DeviceId, String>) -> Doc {
    if page.branches.is_empty() {
        let text = "nothing is kept apart";
        return Doc(vec![Block::Line(Text::toned(Tone::Good, text))]);
    }
    let rows = page.branches.iter().map(|row| {
        let by = row.by.map_or_else(String::new, |by| device_name(&by, names));
        vec![
            Text::plain(row.tip.short()),
            Text::plain(device_name(&row.author, names)),
            Text::plain(row.events),
            Text::toned(Tone::Attention, row.why.name()),
            Text::plain(row.since.map_or_else(String::new, utc)),
            Text::plain(by),
        ]
    });
    let columns = ["tip", "author", "events", "why", "since", "by"].map(str::to_owned).to_vec();
    let mut blocks = vec![Block::Table { columns, rows: rows.collect() }];
    if page.more > 0 {
        let more = format!("and {} more", page.more);
        blocks.push(Block::Line(Text::toned(Tone::Attention, more)));
    }
    let decided = page.branches.iter().filter(|row| !row.reason.is_empty());
    blocks.extend(decided.map(|row| {
        let text = format!("{}: {}{}", row.tip.short(), row.why.name(), because(&row.reason));
        Block::Line(Text::plain(text))
    }));
    let quiet = |text: &str| Block::Line(Text::toned(Tone::Quiet, text));
    blocks.push(quiet("kern quarantine show TIP: what such a branch would set"));
    let has = |why: &[Apart]| page.branches.iter().any(|row| why.contains(&row.why));
    if has(&[Apart::Revoked, Apart::Struck]) {
        blocks.push(quiet("kern readmit --event TIP: brings it back, on every device"));
    }
    if has(&[Apart::Dependent]) {
        blocks.push(quiet("what is dependent comes back with what it builds on"));
    }
    Doc(blocks)
}

/// What a branch would set.
#[must_use]
pub fn preview(preview: &BranchPreview) -> Doc {
    let mut blocks = vec![Block::Heading(format!(
        "event {}: what it and what it builds on would set, {} events",
        preview.tip.short(),
        preview.events
    ))];
    let attention = |text: String| Block::Line(Text::toned(Tone::Attention, text));
    for row in &preview.changes {
        blocks.push(Block::Fields(vec![
            (row.path.to_string(), Text::plain(or_nothing(&row.then))),
            ("now".to_owned(), Text::toned(Tone::Quiet, or_nothing(&row.now))),
        ]));
        if row.conflict {
            let text = format!("{}: several values, written apart", row.path);
            blocks.push(attention(text));
        }
    }
    if preview.changes.is_empty() {
        blocks.push(Block::Line(Text::plain("nothing in the documents")));
    }
    if preview.more > 0 {
        blocks.push(attention(format!("and {} places more", preview.more)));
    }
    if preview.shown < preview.events {
        let text = format!("only the first {} events are shown", preview.shown);
        blocks.push(attention(text));
    }
    if preview.unread > 0 {
        let text = format!("{} of them cannot be read here", preview.unread);
        blocks.push(attention(text));
    }
    let back = match preview.left_out {
        true => "its number is taken, so it does not come back: what it set can be set anew".into(),
        false => format!("kern readmit --event {}: brings it back", preview.tip.short()),
    };
    blocks.push(Block::Line(Text::toned(Tone::Quiet, back)));
    Doc(blocks)
}
