//! What was typed, read: names, paths and ids; and what is asked before what cannot be taken back.

use std::path::PathBuf;

use kernelos_protocol::command::{BranchKind, BranchState, Command, Take};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::limits::{MISSION_STEPS_MAX, NAME_BYTES_MAX, PURGE_EVENTS_MAX};
use kernelos_protocol::pairing::messages::is_name;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone, device_name, shown};
use kernelos_protocol::role::Role;

use crate::client::{Order, Rescuing, Restoring};
use crate::model::{Action, Model, Question};
use crate::panel::{branches, quarantine};

pub(super) fn filled(text: &str, what: &str) -> Result<String, String> {
    if text.is_empty() { Err(format!("{what}: nothing is filled in")) } else { Ok(text.to_owned()) }
}

pub(super) fn name(text: &str) -> Result<String, String> {
    let wrong = || {
        format!("{text:?} is no name: 1 to {NAME_BYTES_MAX} bytes without / and control characters")
    };
    is_name(text).then(|| text.to_owned()).ok_or_else(wrong)
}

pub(super) fn path(text: &str) -> Result<DocPath, String> {
    let path: DocPath = text.parse().map_err(|fault| format!("{fault}"))?;
    if path.segments().is_empty() { Err("path: nothing is filled in".to_owned()) } else { Ok(path) }
}

pub(super) fn value(text: &str) -> Result<serde_json::Value, String> {
    let value = serde_json::from_str(text);
    value.map_err(|fault| format!("this is no JSON, a text has quotes: {fault}"))
}

pub(super) fn set(at: &str, value: &str) -> Result<Edit, String> {
    let value = self::value(value)?;
    Ok(Edit::Set { set: path(at)?, value })
}

/// The window knows no folder that a person would mean by a name alone.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("write the path from / on".to_owned()) }
}

fn mission(begin: &str, model: &Model) -> Result<EventId, String> {
    if let Ok(id) = begin.parse() {
        return Ok(id);
    }
    let all = model.said.missions.as_deref().unwrap_or_default();
    let is_meant = |id: &EventId| begin.len() >= 4 && id.to_string().starts_with(begin);
    let mut named = all.iter().map(|view| view.id).filter(is_meant);
    match (named.next(), named.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err("several missions begin so: write more of the id".to_owned()),
        _ => Err("no mission begins so: the panel Missions has their ids".to_owned()),
    }
}

/// Ending a mission cannot be taken back.
pub(super) fn cancel(begin: &str, model: &Model) -> Result<Action, String> {
    let id = mission(begin, model)?;
    let all = model.said.missions.as_deref().unwrap_or_default();
    let goal = all.iter().find(|view| view.id == id).map(|view| shown(&view.goal, 128));
    let goal = goal.map(|goal| format!(" ({goal:?})")).unwrap_or_default();
    let text = format!("Mission {}{goal} ends for good, on every device", id.short());
    let verb = format!("Cancel mission {}", id.short());
    Ok(model.ask(verb, text, Doc::default(), Command::CancelMission { id }))
}

/// What a merge brings is said before.
pub(super) fn merge(typed: &str, model: &Model) -> Result<Action, String> {
    let page = model.said.branches.as_ref();
    let page = page.ok_or_else(|| "the branches are not known yet: try again".to_owned())?;
    let is_meant = |row: &&BranchState| {
        row.kind == BranchKind::Made
            && (row.name.as_deref() == Some(typed)
                || row.document.is_some_and(|id| id.to_string() == typed))
    };
    let mut named = page.branches.iter().filter(is_meant);
    match (named.next(), named.next()) {
        (Some(row), None) if row.ahead == 0 => Err(present::nothing_to_merge(row)),
        (Some(row), None) => Ok(branches::merging(row, model)),
        (Some(_), Some(_)) => Err("several have this name: choose one in Branches".to_owned()),
        _ => Err("no branch has this name".to_owned()),
    }
}

/// A rescue cannot be taken back: what it removes, and where, is said before.
pub(super) fn rescue((file, device): (&str, &str), model: &Model) -> Result<Action, String> {
    let id = model.workspace.ok_or_else(|| "there is no workspace yet".to_owned())?;
    let rescuing = Rescuing { recovery_file: absolute(file)?, device: name(device)? };
    let rows = model.node.iter().flat_map(|node| &node.workspaces);
    let named = rows.filter(|row| row.workspace_id == id).map(|row| row.workspace.clone()).next();
    let called = shown(&named.unwrap_or_else(|| id.short()), 64);
    let text = format!(
        "In the workspace {called}, this device becomes the owner, and every owner and admin \
         besides is removed for good; members and what was written stay. kern rescue --keep \
         keeps some of them"
    );
    let (doc, verb) = (Doc::default(), format!("Rescue {called}"));
    Ok(Action::Ask(Question { text, doc, verb, order: Order::Rescue(id, rescuing) }))
}

/// What a restore does is said before, as of a rescue.
pub(super) fn restore([events, key, called, device]: [&str; 4]) -> Result<Action, String> {
    let rescuing = Rescuing { recovery_file: absolute(key)?, device: name(device)? };
    let events = absolute(events)?;
    let restoring = Restoring { name: name(called)?, events, rescuing };
    let called = shown(called, 64);
    let text = format!(
        "Every event of {} comes to this device, as the workspace {called}; if it is here, it \
         keeps its name. Then this device becomes its owner, and every owner and admin besides is \
         removed for good; members and what was written stay. Unless this device is a member of \
         it: then nobody is removed, and Rescue this workspace makes it the owner",
        shown(&restoring.events.display().to_string(), 256)
    );
    let (doc, verb) = (Doc::default(), format!("Restore {called}"));
    Ok(Action::Ask(Question { text, doc, verb, order: Order::Restore(restoring) }))
}

/// Taking a device out is confirmed: it is named by what was found, not by what was typed.
pub(super) fn revoke(typed: &str, reason: &str, model: &Model) -> Result<Action, String> {
    let device = device(typed, model)?;
    Ok(revoking(model, device, reason, &device_name(&device, &model.said.names)))
}

pub(crate) fn device(typed: &str, model: &Model) -> Result<DeviceId, String> {
    let names = &model.said.names;
    let mut named = names.iter().filter(|(_, name)| *name == typed).map(|(id, _)| *id);
    match (named.next(), named.next(), typed.parse()) {
        (Some(id), None, _) | (None, _, Ok(id)) => Ok(id),
        (Some(_), Some(_), _) => Err("several have this name: write the id".to_owned()),
        _ => Err("no device has this name".to_owned()),
    }
}

/// Which side of each conflict, as `kern conflicts resolve --take` reads it.
pub(super) fn take(typed: &str, model: &Model) -> Result<Take, String> {
    match typed {
        "newest" => Ok(Take::Newest),
        letter if letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Ok(Take::Side(letter.to_ascii_uppercase()))
        }
        name => device(name, model).map(Take::Device),
    }
}

/// What is asked before a device is taken out.
#[must_use]
fn revoking(model: &Model, device: DeviceId, reason: &str, name: &str) -> Action {
    let name = shown(name, 128);
    let text = format!(
        "{name} is removed on every device, and cannot read what is written from now on. \
         What it wrote stays"
    );
    let command = Command::Revoke { device, reason: reason.to_owned() };
    let line = |tone, text: String| Block::Line(Text::toned(tone, text));
    let why =
        (!reason.is_empty()).then(|| line(Tone::Plain, format!("why: {}", shown(reason, 256))));
    let back = "an undo of it lets the device in again: kern undo EVENT";
    let doc = why.into_iter().chain([line(Tone::Quiet, back.to_owned())]).collect();
    model.ask(format!("Revoke {name}"), text, Doc(doc), command)
}

/// How an event's id begins.
fn begin(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && (4..=64).contains(&text.len()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("{text:?} is no event: 4 to 64 hex digits, as the timeline shows them"))
    }
}

/// Taking an event's effect is said before: others may build on it.
pub(super) fn strike(typed: &str, reason: &str, model: &Model) -> Result<Action, String> {
    let begin = begin(typed)?;
    let text = format!(
        "What event {begin} did is taken back on every device, and so is what builds on it. \
         Nothing is deleted: the panel Quarantine brings it back"
    );
    let command = Command::Strike { begin: begin.clone(), reason: reason.to_owned() };
    Ok(model.ask(format!("Strike {begin}"), text, Doc::default(), command))
}

pub(super) fn readmit(typed: &str, reason: &str, model: &Model) -> Result<Action, String> {
    let begin = begin(typed)?;
    Ok(quarantine::back(&begin, &begin, reason, model))
}

pub(super) fn readmit_device(typed: &str, reason: &str, model: &Model) -> Result<Action, String> {
    let device = device(typed, model)?;
    let name = shown(&device_name(&device, &model.said.names), 128);
    let text = format!(
        "Everything of {name} that a revocation left out counts again, on every device. It is no \
         member by that"
    );
    let command = Command::Readmit { device, reason: reason.to_owned() };
    Ok(model.ask(format!("Bring back what {name} wrote"), text, Doc::default(), command))
}

/// Which commands an agent runs is shown before: those of one that has the name are replaced.
pub(super) fn agent(called: &str, typed: &str, model: &Model) -> Result<Action, String> {
    let steps = typed.lines().map(str::trim).filter(|step| !step.is_empty());
    let commands: Vec<_> = steps.map(str::to_owned).collect();
    if !(1..=MISSION_STEPS_MAX).contains(&commands.len()) {
        return Err(format!("name 1 to {MISSION_STEPS_MAX} commands, a line for each step"));
    }
    let name = name(called)?;
    let called = shown(&name, 64);
    let step = |(at, command): (usize, &String)| {
        Block::Line(Text::plain(format!("{}. {}", at + 1, shown(command, 256))))
    };
    let doc = Doc(commands.iter().enumerate().map(step).collect());
    let text = format!(
        "Agent {called} runs these, one after the other. If there is an agent of this name, they \
         replace what it runs, and that is not taken back by undo: kern agent list shows it"
    );
    Ok(model.ask(format!("Set {called}"), text, doc, Command::SetAgent { name, commands }))
}

/// A purge cannot be taken back.
pub(super) fn purge(typed: &str, model: &Model) -> Result<Action, String> {
    let begins: Vec<_> = typed.split_whitespace().map(begin).collect::<Result<_, _>>()?;
    let many = begins.len();
    if !(1..=PURGE_EVENTS_MAX).contains(&many) {
        return Err(format!("name 1 to {PURGE_EVENTS_MAX} artifacts, by their events"));
    }
    let named = begins.join(", ");
    let text = format!(
        "What these artifacts hold is destroyed on this device at once, and on every other when it \
         hears of it{}: {named}",
        kept(model)
    );
    let verb = format!("Purge {many} for good");
    Ok(model.ask(verb, text, Doc::default(), Command::Purge { begin: begins }))
}

/// Who keeps a sealed copy of what is purged, as far as it is known. `SPEC: SEAL-5`
fn kept(model: &Model) -> String {
    let Some(devices) = &model.said.devices else {
        return ", but a device of role store keeps its sealed copy".to_owned();
    };
    let stores = devices.iter().filter(|row| row.role == Some(Role::Store));
    let named = stores.map(|row| shown(&device_name(&row.id, &model.said.names), 64));
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return String::new();
    }
    format!(", but as a store keeps its sealed copy, not on {}", named.join(", "))
}
