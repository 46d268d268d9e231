//! Three equal doors where there is no workspace yet: create, join, restore.

use eframe::egui::Ui;
use kernelos_protocol::present::{Text, Tone};

use crate::form::{Fill, Form};
use crate::model::{Action, Model};
use crate::render;

/// A door: its name, what is behind it, what is filled in, and the command that opens it, too.
const DOORS: [(&str, &str, Fill, &str); 3] = [
    (
        "Create",
        "A new workspace, with this device as its first. It works without any network.",
        Fill::CreateWorkspace,
        "kern init home --device laptop --recovery-file /media/usb/home.recovery",
    ),
    (
        "Join",
        "A workspace of another device. There: kern invite. Nothing of it is here before a person \
         says yes on both.",
        Fill::Join,
        "kern join - --device laptop",
    ),
    (
        "Restore",
        "A workspace whose devices are lost, from the file of its events and the recovery key. The \
         commands do the same.",
        Fill::Restore,
        "kern import --events home.events --workspace home && kern rescue --recovery-file \
         home.recovery --device laptop",
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
    for (name, what, fill, command) in DOORS {
        ui.separator();
        ui.push_id(name, |ui| {
            render::heading(ui, name);
            render::text(ui, &Text::plain(what));
            render::text(ui, &Text::toned(Tone::Quiet, command));
            ui.horizontal_wrapped(|ui| {
                let why_not = why_not(&fill, model);
                let button = eframe::egui::Button::new(format!("{}…", fill.title()));
                let open = ui.add_enabled(why_not.is_none(), button);
                if open.clicked() {
                    actions.push(Action::Form(Some(Form::of(fill, model))));
                }
                if ui.button(format!("Copy the command: {name}")).clicked() {
                    ui.ctx().copy_text(command.to_owned());
                }
                if let Some(why) = why_not {
                    render::text(ui, &Text::toned(Tone::Attention, why));
                }
            });
        });
    }
    if !model.is_homeless() && ui.button("Back").clicked() {
        actions.push(Action::Doors(false));
    }
}

/// The way on where this device holds a workspace and is no member of it.
pub fn restore(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let status = model.said.status.as_ref();
    if status.is_none_or(|status| status.role.is_some()) {
        return;
    }
    ui.separator();
    let text = "this device is no member: who has the recovery key can make it the owner";
    render::text(ui, &Text::plain(text));
    let button = eframe::egui::Button::new(format!("{}…", Fill::Rescue.title()));
    let why_not = why_not(&Fill::Rescue, model);
    if ui.add_enabled(why_not.is_none(), button).clicked() {
        actions.push(Action::Form(Some(Form::of(Fill::Rescue, model))));
    }
    if let Some(why) = why_not {
        render::text(ui, &Text::toned(Tone::Attention, why));
    }
}

/// Why a door is closed now.
fn why_not(fill: &Fill, model: &Model) -> Option<&'static str> {
    match fill {
        _ if !model.standing().connected => Some("the node is not reached"),
        Fill::Rescue if model.past.is_some() => model.why_no_rescue(),
        _ => None,
    }
}
