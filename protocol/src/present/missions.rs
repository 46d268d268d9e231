//! Missions as [`Doc`]s: what is to be reached, how far it is, who did what.

use std::collections::BTreeMap;

use crate::id::{DeviceId, EventId};
use crate::mission::record::Stage;
use crate::mission::show::{MissionView, StageRow, StepRow};

use crate::present::{Block, Doc, Text, Tone, device_name};

type Names = BTreeMap<DeviceId, String>;

/// A mission was started.
#[must_use]
pub fn started(id: &EventId) -> Doc {
    let next = format!("`kern mission show {}` shows how far it is", id.short());
    Doc(vec![
        Block::Line(Text::plain(format!("mission {id}"))),
        Block::Line(Text::toned(Tone::Quiet, next)),
    ])
}

/// A mission was ended.
#[must_use]
pub fn cancelled(id: &EventId) -> Doc {
    let text = format!("mission {} is cancelled: whoever works on it stops", id.short());
    Doc(vec![Block::Line(Text::plain(text))])
}

/// All missions.
#[must_use]
pub fn missions(rows: &[MissionView], names: &Names) -> Doc {
    if rows.is_empty() {
        let text = "no missions: `kern mission start` begins one";
        return Doc(vec![Block::Line(Text::toned(Tone::Quiet, text))]);
    }
    let columns = ["mission", "state", "at", "held by", "goal"].map(str::to_owned).to_vec();
    let rows = rows.iter().map(|row| {
        let held = row.held_by.map_or_else(String::new, |device| device_name(&device, names));
        let id = Text::plain(row.id.short());
        let at = Text::plain(at(row));
        vec![id, state(&row.state), at, Text::plain(held), Text::plain(&row.goal)]
    });
    Doc(vec![Block::Table { columns, rows: rows.collect() }])
}

/// Which of its stages it is at, and of the one that has steps at which: the first not done.
fn at(view: &MissionView) -> String {
    let of = view.stages.len();
    let Some(at) = view.stages.iter().position(|stage| stage.state != "done") else {
        return format!("all {of} stages done");
    };
    let name = view.stages.get(at).map_or("", |stage| stage.name.as_str());
    let done = view.steps.iter().take_while(|step| step.result.is_some()).count();
    let step = match view.steps.len() {
        steps if name == Stage::Implement.name() && done < steps => {
            format!(", step {} of {steps}", done + 1)
        }
        _ => String::new(),
    };
    format!("{name}, stage {} of {of}{step}", at + 1)
}

/// One mission: first what everybody asks, how far it is and by whom; behind that what it is made
/// of.
#[must_use]
pub fn mission(view: &MissionView, names: &Names) -> Doc {
    let mut first = vec![
        ("state".to_owned(), state(&view.state)),
        ("goal".to_owned(), Text::plain(&view.goal)),
        ("at".to_owned(), Text::plain(at(view))),
    ];
    if let Some(why) = &view.why {
        first.push(("why".to_owned(), Text::toned(Tone::Attention, why)));
    }
    Doc(vec![
        Block::Heading(format!("mission {}", view.id.short())),
        Block::Fields(first),
        stages(&view.stages, names),
        steps(&view.steps, names),
        Block::Fields(rest(view, names)),
    ])
}

/// What it is of, who held it, and what came of it.
fn rest(view: &MissionView, names: &Names) -> Vec<(String, Text)> {
    let mut fields = vec![
        ("id".to_owned(), Text::plain(view.id)),
        ("repository".to_owned(), Text::plain(format!("{}, branch {}", view.repo, view.branch))),
        ("home".to_owned(), Text::plain(device_name(&view.home, names))),
        ("base".to_owned(), Text::plain(&view.base)),
        ("agent".to_owned(), Text::plain(&view.agent)),
        ("verify".to_owned(), Text::plain(&view.verify)),
    ];
    let devices = [
        ("held by", view.held_by),
        ("resumed by", view.resumed_by),
        ("cancelled by", view.cancelled_by),
    ];
    for (name, device) in devices {
        if let Some(device) = device {
            fields.push((name.to_owned(), Text::plain(device_name(&device, names))));
        }
    }
    if !view.also_held_by.is_empty() {
        let text = format!(
            "{}: neither knew of the other, and both may work; kern conflicts",
            listed(&view.also_held_by, names)
        );
        fields.push(("held, too, by".to_owned(), Text::toned(Tone::Attention, text)));
    }
    if let Some(independent) = view.independent {
        let text = if independent {
            Text::toned(Tone::Good, "by a device that executed no step")
        } else {
            Text::toned(Tone::Attention, "by a device that executed steps itself")
        };
        fields.push(("verified".to_owned(), text));
    }
    if let Some(commit) = &view.promoted_commit {
        fields.push(("promoted".to_owned(), Text::toned(Tone::Good, commit)));
    }
    if !view.purged.is_empty() {
        let ids: Vec<_> = view.purged.iter().map(EventId::short).collect();
        let text = format!("{}: `kern log --event ID` says by whom", ids.join(", "));
        fields.push(("purged".to_owned(), Text::toned(Tone::Attention, text)));
    }
    for candidate in view.candidates.iter().filter(|candidate| !candidate.selected) {
        let by = listed(&candidate.devices, names);
        let text = format!("{} by {by}: made apart, not selected", candidate.commit);
        fields.push(("also made".to_owned(), Text::toned(Tone::Attention, text)));
    }
    fields
}

fn state(word: &str) -> Text {
    let tone = match word {
        "promoted" => Tone::Good,
        "failed" | "cancelled" => Tone::Attention,
        _ => Tone::Plain,
    };
    Text::toned(tone, word)
}

fn listed(devices: &[DeviceId], names: &Names) -> String {
    let names: Vec<_> = devices.iter().map(|device| device_name(device, names)).collect();
    names.join(", ")
}

fn stages(rows: &[StageRow], names: &Names) -> Block {
    let columns = ["stage", "state", "devices", "evidence"].map(str::to_owned).to_vec();
    let rows = rows.iter().map(|row| {
        let tone = match row.state.as_str() {
            "done" => Tone::Good,
            "failed" | "cancelled" => Tone::Attention,
            _ => Tone::Quiet,
        };
        let evidence = row.evidence.map_or_else(String::new, |id| id.short());
        let cells = [row.name.clone(), row.state.clone(), listed(&row.devices, names), evidence];
        cells.map(|cell| Text::toned(tone, cell)).to_vec()
    });
    Block::Table { columns, rows: rows.collect() }
}

/// The first line of a command, as far as it fits beside other things.
#[must_use]
pub fn headline(command: &str) -> String {
    const MOST: usize = 60;
    let line = command.trim().lines().next().unwrap_or_default();
    let short: String = line.chars().take(MOST).collect();
    if short.len() < command.trim().len() { format!("{short}…") } else { short }
}

fn steps(rows: &[StepRow], names: &Names) -> Block {
    let columns = ["step", "device", "runs", "result", "evidence", "command"];
    let columns = columns.map(str::to_owned).to_vec();
    let rows = rows.iter().map(|row| {
        let device = row.device.map_or_else(String::new, |device| device_name(&device, names));
        let left = match row.left_behind {
            Some(left @ 1..) => format!(", {left} processes left behind and ended"),
            _ => String::new(),
        };
        let result = match (&row.result, &row.outcome) {
            (Some(commit), _) => {
                let commit: String = commit.as_str().chars().take(12).collect();
                let tone = if left.is_empty() { Tone::Plain } else { Tone::Attention };
                Text::toned(tone, format!("{commit}{left}"))
            }
            (None, Some(outcome)) => Text::toned(Tone::Attention, format!("{outcome}{left}")),
            (None, None) => Text::plain(""),
        };
        let runs = Text::plain(row.executions);
        let command = Text::plain(headline(&row.name));
        let evidence = Text::plain(row.event.map_or_else(String::new, |id| id.short()));
        vec![Text::plain(row.n), Text::plain(device), runs, result, evidence, command]
    });
    Block::Table { columns, rows: rows.collect() }
}
