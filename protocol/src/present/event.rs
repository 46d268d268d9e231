//! One event as a [`Doc`]: its row of the log, and what its body says.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::document::preview::{Preview, PreviewRow};
use crate::facts::{BodyState, EventView};
use crate::id::{DeviceId, EventId};
use crate::limits::PREVIEW_ROWS_MAX;
use crate::present::conflicts::or_nothing;
use crate::present::when::CLOCK_WRONG;
use crate::present::{Block, Doc, Text, Tone, device_name, utc};
use crate::workspace::Verdict;

type Names = BTreeMap<DeviceId, String>;
type Fields = Vec<(String, Text)>;

/// One event, whole.
#[must_use]
pub fn event(view: &EventView, names: &Names) -> Doc {
    let id = view.row.id.map_or_else(String::new, |id| id.to_string());
    let mut blocks =
        vec![Block::Heading(format!("event {id}")), Block::Fields(of_row(view, names))];
    if let Some(kind) = view.facts["kind"].as_str() {
        let mut facts = Fields::new();
        flatten(&mut facts, "", &view.facts, names);
        facts.retain(|(name, _)| name != "kind");
        blocks.push(Block::Heading(format!("what it says: {kind}")));
        blocks.push(Block::Fields(facts));
    }
    if let Some(wrote) = &view.wrote {
        blocks.push(Block::Heading("what it changed".to_owned()));
        blocks.extend(of_wrote(wrote));
    }
    Doc(blocks)
}

fn of_wrote(wrote: &Preview) -> Vec<Block> {
    let row = |row: &PreviewRow| {
        let [then, now] = [&row.then, &row.now].map(or_nothing);
        let then = if row.conflict { format!("{then}, in conflict") } else { then };
        Block::Fields(vec![
            (row.path.to_string(), Text::plain(then)),
            ("before".to_owned(), Text::toned(Tone::Quiet, now)),
        ])
    };
    let decided = |path| Block::Line(Text::plain(format!("it decided the conflict at {path}")));
    let mut blocks: Vec<_> = wrote.decided.iter().take(PREVIEW_ROWS_MAX).map(decided).collect();
    let more = wrote.decided.len().saturating_sub(PREVIEW_ROWS_MAX);
    if more > 0 {
        blocks.push(Block::Line(Text::plain(format!("and {more} conflicts more"))));
    }
    blocks.extend(wrote.rows.iter().map(row));
    if blocks.is_empty() {
        blocks.push(Block::Line(Text::plain("nothing that is shown")));
    }
    if wrote.more > 0 {
        let more = format!("and {} places more", wrote.more);
        blocks.push(Block::Line(Text::toned(Tone::Attention, more)));
    }
    blocks
}

fn of_row(view: &EventView, names: &Names) -> Fields {
    let row = &view.row;
    let why = row.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let verdict = match row.verdict {
        Some(Verdict::Admitted) | None => Text::plain(format!("admitted{why}")),
        Some(Verdict::Quarantined) => Text::toned(Tone::Attention, format!("quarantined{why}")),
        Some(Verdict::Void) => Text::toned(Tone::Attention, format!("void{why}")),
    };
    let when = utc(row.stamp);
    let when = if row.clock_wrong {
        Text::toned(Tone::Attention, format!("{when}{CLOCK_WRONG}"))
    } else {
        Text::plain(when)
    };
    let author = format!("{} {}", device_name(&row.author, names), row.author);
    let mut fields = vec![
        ("kind".to_owned(), Text::plain(&row.kind)),
        ("author".to_owned(), Text::plain(author)),
        ("when".to_owned(), when),
        ("verdict".to_owned(), verdict),
    ];
    if let (Some(seq), Some(life)) = (row.seq, row.incarnation) {
        let place = format!("{seq}, in the chain of store {life}");
        fields.push(("place".to_owned(), Text::plain(place)));
    }
    for (name, ids) in [("follows", &row.parents), ("had heard", &view.heard)] {
        if !ids.is_empty() {
            let ids: Vec<_> = ids.iter().map(EventId::to_string).collect();
            fields.push((name.to_owned(), Text::plain(ids.join(", "))));
        }
    }
    fields.push(("body".to_owned(), of_body(view)));
    fields
}

fn of_body(view: &EventView) -> Text {
    let bytes = view.body_bytes.unwrap_or_default();
    match &view.body {
        BodyState::None => Text::plain("none: it joins what it follows"),
        BodyState::Open => Text::plain(format!("{bytes} bytes")),
        BodyState::Purged => Text::plain(format!("{bytes} bytes, which were destroyed")),
        BodyState::Missing => {
            Text::toned(Tone::Attention, format!("{bytes} bytes, which are not on this device"))
        }
        BodyState::Sealed => {
            let text = format!("{bytes} bytes, sealed: this device has no key for it");
            Text::toned(Tone::Attention, text)
        }
        BodyState::Broken(code) => {
            Text::toned(Tone::Attention, format!("{bytes} bytes, which nobody can read: {code}"))
        }
    }
}

/// Values under the way to them, such as `output commit`; lists of values on one line.
fn flatten(fields: &mut Fields, name: &str, value: &Json, names: &Names) {
    let below = |key: &str| {
        let key = key.replace('_', " ");
        if name.is_empty() { key } else { format!("{name} {key}") }
    };
    match value {
        Json::Object(of) => {
            of.iter().for_each(|(key, value)| flatten(fields, &below(key), value, names));
        }
        Json::Array(of) if of.iter().any(|item| item.is_object() || item.is_array()) => {
            for (at, item) in of.iter().enumerate() {
                flatten(fields, &below(&(at + 1).to_string()), item, names);
            }
        }
        Json::Array(of) if of.is_empty() => fields.push((name.to_owned(), Text::plain("none"))),
        Json::Array(of) => {
            let items: Vec<_> = of.iter().map(|item| one(item, names)).collect();
            fields.push((name.to_owned(), Text::plain(items.join(", "))));
        }
        value => fields.push((name.to_owned(), Text::plain(one(value, names)))),
    }
}

fn one(value: &Json, names: &Names) -> String {
    match value {
        Json::Null => "none".to_owned(),
        Json::String(text) => match text.parse() {
            Ok(device) if names.contains_key(&device) => {
                format!("{} {text}", device_name(&device, names))
            }
            _ => text.clone(),
        },
        value => value.to_string(),
    }
}
