//! Conflicts as a [`Doc`]: what was, who wrote what and when, why neither gave way, what each
//! choice comes to, and what can be done.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::command::{Choice, Chosen, ConflictPage, ConflictRow, Outcome, SideRow};
use crate::document::DocPath;
use crate::document::conflict::ConflictKind;
use crate::id::DeviceId;
use crate::limits::NAME_BYTES_MAX;
use crate::present::{Block, Doc, Text, Tone, device_name, utc};
use crate::printable;

/// Bytes of a value that are shown in a list; the whole of it is in `--json` and `kern doc get`.
const VALUE_SHOWN_MAX: usize = 400;

/// Conflicts below another that are named.
const BELOW_NAMED: usize = 3;

/// Where devices disagree.
#[must_use]
pub fn conflicts(page: &ConflictPage, names: &BTreeMap<DeviceId, String>) -> Doc {
    let mut blocks: Vec<Block> = Vec::new();
    for row in &page.conflicts {
        blocks.extend(conflict(row, names).0);
    }
    if page.more > 0 {
        let more = format!("and {} more, of {} in all", page.more, page.total);
        blocks.push(Block::Line(Text::toned(Tone::Attention, more)));
    }
    if blocks.is_empty() {
        blocks.push(Block::Line(Text::toned(Tone::Good, "no conflicts")));
    }
    Doc(blocks)
}

/// One of them.
#[must_use]
pub fn conflict(row: &ConflictRow, names: &BTreeMap<DeviceId, String>) -> Doc {
    let title = format!("{}  {}  {}", row.path, row.kind.words(), row.id);
    let mut fields = Vec::new();
    // What stands at no place was not there before.
    if row.kind.has_place() {
        fields.push(("before".to_owned(), Text::plain(or_nothing(&row.base))));
    }
    for side in &row.sides {
        fields.push((side.side.clone(), Text::plain(side_text(row.kind, side, names))));
        if side.then != side.value {
            let then = format!("then {}", told(row.kind, &side.then, names));
            fields.push((String::new(), Text::toned(Tone::Quiet, then)));
        }
    }
    if row.more_sides > 0 {
        let more = format!("and {} more", row.more_sides);
        fields.push((String::new(), Text::toned(Tone::Attention, more)));
    }
    let next = row.next.iter().map(|next| Block::Line(Text::toned(Tone::Quiet, next)));
    let mut blocks = vec![
        Block::Heading(title),
        Block::Fields(fields),
        Block::Line(Text::toned(Tone::Quiet, &row.why)),
    ];
    blocks.extend(ends(&row.below, row.below_more));
    Doc(blocks.into_iter().chain(next).collect())
}

/// What else ends with a decision of it. `SPEC: CFL-7`
fn ends(below: &[DocPath], more: usize) -> Option<Block> {
    let named = below.iter().take(BELOW_NAMED);
    let mut named: Vec<_> =
        named.map(|path| printable::shown(&path.to_string(), NAME_BYTES_MAX)).collect();
    let more = more.saturating_add(below.len().saturating_sub(BELOW_NAMED));
    if more > 0 {
        named.push(format!("{more} more"));
    }
    let text = match below.len() {
        0 => return None,
        1 => {
            format!("a conflict below it ends with it, and no undo opens that again: {}", named[0])
        }
        _ => {
            let named = named.join(", ");
            format!("conflicts below it end with it, and no undo opens those again: {named}")
        }
    };
    Some(Block::Line(Text::toned(Tone::Attention, text)))
}

fn side_text(kind: ConflictKind, side: &SideRow, names: &BTreeMap<DeviceId, String>) -> String {
    let who = side.device.map_or_else(String::new, |device| {
        let name = printable::shown(&device_name(&device, names), NAME_BYTES_MAX);
        let role = side.member.map_or("no member now", crate::role::Role::name);
        format!("  by {name} ({role})")
    });
    let what = if side.deleted { "removed".to_owned() } else { told(kind, &side.value, names) };
    let when = match side.time {
        Some(_) if side.clock_wrong => ", its clock was wrong".to_owned(),
        Some(time) => format!(", {}", utc(time)),
        None => String::new(),
    };
    let back =
        side.put_back.map_or_else(String::new, |undo| format!(", put back by {}", undo.short()));
    format!("{what}{who}{when}{back}")
}

fn value(value: &Json) -> String {
    printable::shown(&value.to_string(), VALUE_SHOWN_MAX)
}

/// Where null says that nothing is there.
pub(super) fn or_nothing(of: &Json) -> String {
    if of.is_null() { "nothing".to_owned() } else { value(of) }
}

/// What a side says or becomes: at a place a value, elsewhere in words.
fn told(kind: ConflictKind, of: &Json, names: &BTreeMap<DeviceId, String>) -> String {
    if kind.has_place() {
        return value(of);
    }
    let holder = of.get("holder").and_then(Json::as_str).and_then(|id| id.parse().ok());
    let holder = holder.map(|id| printable::shown(&device_name(&id, names), NAME_BYTES_MAX));
    match (of, of.get("events"), of.get("stage"), holder) {
        (Json::String(words), ..) => printable::shown(words, VALUE_SHOWN_MAX),
        (_, Some(events), ..) => format!("its branch, {events} events"),
        (.., Some(stage), _) => {
            let stage = stage.as_str().map_or_else(|| stage.to_string(), str::to_owned);
            format!("holds {}", printable::shown(&stage, VALUE_SHOWN_MAX))
        }
        (.., Some(holder)) => format!("{holder} holds it"),
        _ => value(of),
    }
}

/// What keeping a side makes of the place, or of what stands at none.
#[must_use]
pub fn kept(row: &ConflictRow, side: &SideRow, names: &BTreeMap<DeviceId, String>) -> String {
    let then = match side.deleted {
        true => "nothing".to_owned(),
        false if row.kind.has_place() => value(&side.then),
        false => {
            let who = side.device.filter(|_| side.readmits);
            let name = who.map(|who| printable::shown(&device_name(&who, names), NAME_BYTES_MAX));
            let then = told(row.kind, &side.then, names);
            return match name {
                Some(name) => format!("what {name} wrote {then}"),
                None => then,
            };
        }
    };
    format!("{} = {then}", printable::shown(&row.path.to_string(), NAME_BYTES_MAX))
}

/// What each of these decisions about one conflict comes to: from what the place shows now to what
/// it shows then, and whose is lost by it.
#[must_use]
pub fn outcomes(outcomes: &[Outcome], names: &BTreeMap<DeviceId, String>) -> Doc {
    let mut fields = Vec::new();
    for outcome in outcomes {
        let name = match &outcome.keep {
            Some(letter) => format!("keep {letter}"),
            None => "by a value".to_owned(),
        };
        fields.push((name, Text::plain(becomes(outcome, names))));
        // What stands at no place is lost by no decision about it.
        let gives_way = match outcome.kind {
            ConflictKind::Values | ConflictKind::DeleteEdit | ConflictKind::Policy => "lost",
            ConflictKind::PlansFinal | ConflictKind::Holders => "gives way",
            ConflictKind::Quarantine | ConflictKind::Divergent => continue,
        };
        for side in &outcome.lost {
            let text = format!("{gives_way}: {}", side_text(outcome.kind, side, names));
            fields.push((String::new(), Text::toned(Tone::Attention, text)));
        }
        if outcome.more_sides > 0 {
            let text =
                format!("{gives_way}: what {} more say, unless it is that", outcome.more_sides);
            fields.push((String::new(), Text::toned(Tone::Attention, text)));
        }
    }
    let below = outcomes.first().and_then(|first| ends(&first.below, first.below_more));
    Doc([Block::Fields(fields)].into_iter().chain(below).collect())
}

fn becomes(outcome: &Outcome, names: &BTreeMap<DeviceId, String>) -> String {
    match (outcome.kind.has_place(), outcome.now == outcome.then) {
        (false, _) => format!("then {}", told(outcome.kind, &outcome.then, names)),
        (true, true) => format!("{} stays", or_nothing(&outcome.then)),
        (true, false) => {
            format!("{} becomes {}", or_nothing(&outcome.now), or_nothing(&outcome.then))
        }
    }
}

/// What becomes of each of many.
#[must_use]
pub fn choices(choices: &[Choice]) -> Doc {
    if choices.is_empty() {
        return Doc(vec![Block::Line(Text::toned(Tone::Good, "no such conflict is open"))]);
    }
    let rows = choices.iter().map(|choice| {
        let (side, then) = match &choice.chosen {
            Chosen::Keep { side, then } => (Text::plain(side), Text::plain(or_nothing(then))),
            Chosen::Open(reason) => {
                (Text::toned(Tone::Attention, "open"), Text::toned(Tone::Attention, reason))
            }
        };
        let path = printable::shown(&choice.path.to_string(), VALUE_SHOWN_MAX);
        vec![Text::plain(path), Text::plain(choice.kind.words()), side, then]
    });
    let columns = ["path", "kind", "keep", "then"].map(str::to_owned).to_vec();
    let table = Block::Table { columns, rows: rows.collect() };
    let kept = choices.iter().filter(|choice| matches!(choice.chosen, Chosen::Keep { .. }));
    let below: Vec<_> = kept.flat_map(|choice| choice.below.iter().cloned()).collect();
    Doc([table].into_iter().chain(ends(&below, 0)).collect())
}
