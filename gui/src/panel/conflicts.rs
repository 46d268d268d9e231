//! The conflict inbox: what was, who wrote what, why neither gave way, and deciding.

use eframe::egui::{self, Ui};
use kernelos_protocol::command::{Command, ConflictPage, ConflictRow};
use kernelos_protocol::document::Edit;
use kernelos_protocol::present::{self, Text, Tone, shown};

use crate::model::{Action, Chosen, Model, Topic};
use crate::panel::absent;
use crate::render;

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(page) = &model.said.conflicts else {
        return absent(ui, model, &Topic::Conflicts);
    };
    let Some(index) = chosen(page, model) else {
        return render::doc(ui, &present::conflicts(page, &model.said.names));
    };
    let Some(row) = page.conflicts.get(index) else { return };
    let of = page.conflicts.len() + page.more;
    let place = format!("{} of {of}, needs a decision", index + 1);
    render::text(ui, &Text::toned(Tone::Attention, place));
    ui.horizontal_wrapped(|ui| {
        for (name, to) in [("Previous", before(page, index)), ("Next", after(page, index))] {
            if ui.add_enabled(to.is_some(), egui::Button::new(name)).clicked() {
                actions.push(choose(model, to));
            }
        }
    });
    let alone = ConflictPage { conflicts: vec![row.clone()], more: 0 };
    render::doc(ui, &present::conflicts(&alone, &model.said.names));
    sides(ui, row, model, actions);
}

/// Which one is looked at: the chosen one, or the first.
pub(crate) fn chosen(page: &ConflictPage, model: &Model) -> Option<usize> {
    let at = page.conflicts.iter().position(|row| Some(row.id) == model.chosen.conflict);
    at.or(if page.conflicts.is_empty() { None } else { Some(0) })
}

/// The one before.
pub(crate) fn before(page: &ConflictPage, index: usize) -> Option<&ConflictRow> {
    page.conflicts.get(index.checked_sub(1)?)
}

/// The one behind.
pub(crate) fn after(page: &ConflictPage, index: usize) -> Option<&ConflictRow> {
    page.conflicts.get(index + 1)
}

/// Looks at another.
pub(crate) fn choose(model: &Model, row: Option<&ConflictRow>) -> Action {
    Action::Choose(Chosen { conflict: row.map(|row| row.id), ..model.chosen.clone() })
}

/// Keeps what this side says.
pub(crate) fn keep(row: &ConflictRow, side: &str) -> Command {
    Command::Edit { edits: vec![Edit::Keep { resolve: row.id, keep: side.to_owned() }] }
}

fn sides(ui: &mut Ui, row: &ConflictRow, model: &Model, actions: &mut Vec<Action>) {
    for (index, side) in row.sides.iter().enumerate() {
        let value = if side.deleted { "nothing".to_owned() } else { side.value.to_string() };
        let who = side.device.map(|device| present::device_name(&device, &model.said.names));
        let who = who.unwrap_or_default();
        let path = row.path.to_string();
        let (path, value) = (shown(&path, 96), shown(&value, 96));
        let key = if index < 9 { format!("{} ", index + 1) } else { String::new() };
        let text = format!("{key}Keep {}: {path} = {value}, by {}", side.side, shown(&who, 64));
        let button = egui::Button::new(text).wrap();
        if ui.add_sized([ui.available_width().min(640.0), 0.0], button).clicked() {
            actions.push(Action::Do(keep(row, &side.side)));
        }
    }
}
