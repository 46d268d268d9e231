//! Three equal doors where there is no workspace yet: create, join, restore.

use eframe::egui::Ui;
use kernelos_protocol::present::{Text, Tone};

use crate::model::{Action, Model};
use crate::render;

/// A door: its name, what is behind it, and the command that opens it.
const DOORS: [(&str, &str, &str); 3] = [
    (
        "Create",
        "A new workspace, with this device as its first. It works without any network.",
        "kern init home --device laptop",
    ),
    (
        "Join",
        "A workspace of another device. There: kern invite. Nothing of it is here before a person \
         says yes on both.",
        "kern join - --device laptop",
    ),
    (
        "Restore",
        "A workspace from a file that `kern export --events` made.",
        "kern import --events home.events --workspace home",
    ),
];

/// Draws them.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let text = if model.is_homeless() {
        "There is no workspace on this device yet"
    } else {
        "Another workspace on this device"
    };
    render::heading(ui, text);
    for (name, what, command) in DOORS {
        ui.separator();
        ui.push_id(name, |ui| {
            render::heading(ui, name);
            render::text(ui, &Text::plain(what));
            render::text(ui, &Text::toned(Tone::Quiet, command));
            if ui.button(format!("Copy the command: {name}")).clicked() {
                ui.ctx().copy_text(command.to_owned());
            }
        });
    }
    if !model.is_homeless() && ui.button("Back").clicked() {
        actions.push(Action::Doors(false));
    }
}
