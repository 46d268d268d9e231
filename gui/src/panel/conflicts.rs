//! The conflict inbox: what was, who wrote what, why neither gave way, and deciding.

use eframe::egui::{self, Ui};
use kernelos_protocol::command::{Command, ConflictPage, ConflictRow};
use kernelos_protocol::document::Edit;
use kernelos_protocol::present::{self, Text, Tone, shown};

use crate::model::{Action, Chosen, Model, Topic};
use crate::panel::absent;
use crate::{render, theme};

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(page) = &model.said.conflicts else {
        return absent(ui, model, &Topic::Conflicts);
    };
    let Some((row, before, after)) = looked_at(model) else {
        return render::doc(ui, &present::conflicts(page, &model.said.names));
    };
    let at = page.conflicts.iter().position(|other| other.id == row.id).unwrap_or(0);
    let of = page.conflicts.len() + page.more;
    let place = format!("{} of {of}, needs a decision", at + 1);
    render::text(ui, &Text::toned(Tone::Attention, place));
    ui.horizontal_wrapped(|ui| {
        for (name, to) in [("Previous", before), ("Next", after)] {
            if ui.add_enabled(to.is_some(), egui::Button::new(name)).clicked() {
                actions.push(choose(model, to));
            }
        }
    });
    let alone = ConflictPage { conflicts: vec![row.clone()], more: 0, total: 1, next: None };
    render::doc(ui, &present::conflicts(&alone, &model.said.names));
    sides(ui, row, model, actions);
}

/// The conflict that is looked at, the one before it, and the one behind.
pub(crate) type LookedAt<'a> = (&'a ConflictRow, Option<&'a ConflictRow>, Option<&'a ConflictRow>);

/// The chosen conflict, or the first.
pub(crate) fn looked_at(model: &Model) -> Option<LookedAt<'_>> {
    let rows = &model.said.conflicts.as_ref()?.conflicts;
    let at = rows.iter().position(|row| Some(row.id) == model.chosen.conflict).unwrap_or(0);
    let before = at.checked_sub(1).and_then(|before| rows.get(before));
    Some((rows.get(at)?, before, rows.get(at + 1)))
}

/// Looks at another.
pub(crate) fn choose(model: &Model, row: Option<&ConflictRow>) -> Action {
    Action::Choose(Chosen { conflict: row.map(|row| row.id), ..model.chosen.clone() })
}

/// Keeps what this side says.
pub(crate) fn keep(row: &ConflictRow, side: &str) -> Command {
    Command::Edit { edits: vec![Edit::Keep { resolve: row.id, keep: side.to_owned() }] }
}

/// A button a side, which says what will stand there; and why it does nothing now.
fn sides(ui: &mut Ui, row: &ConflictRow, model: &Model, actions: &mut Vec<Action>) {
    let why_not = model.standing().why_no_write();
    for (index, side) in row.sides.iter().enumerate() {
        let value = if side.deleted { "nothing".to_owned() } else { side.value.to_string() };
        let who = side.device.map(|device| present::device_name(&device, &model.said.names));
        let who = who.unwrap_or_default();
        let path = row.path.to_string();
        let (path, value) = (shown(&path, 96), shown(&value, 96));
        let key = if index < 9 { format!("{} ", index + 1) } else { String::new() };
        let text = format!("{key}Keep {}: {path} = {value}, by {}", side.side, shown(&who, 64));
        let button = egui::Button::new(text).wrap();
        let size = [ui.available_width().min(640.0), theme::TOUCH];
        let is_clicked = ui.add_enabled_ui(why_not.is_none(), |ui| ui.add_sized(size, button));
        if is_clicked.inner.clicked() {
            actions.push(Action::Do(keep(row, &side.side)));
        }
    }
    if let Some(why) = why_not {
        render::text(ui, &Text::toned(Tone::Attention, why));
    }
}
