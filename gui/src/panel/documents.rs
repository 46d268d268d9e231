//! The boards, and what stands at a path of the documents.

use eframe::egui::{self, TextEdit, Ui};
use kernelos_protocol::command::PastRead;
use kernelos_protocol::document::DocPath;
use kernelos_protocol::id::EventId;
use kernelos_protocol::present;

use crate::form::Fill;
use crate::model::{Action, Chosen, Model, Topic};
use crate::panel::{absent, empty};
use crate::render;

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    if let Some(past) = &model.past {
        path(ui, model, actions);
        return as_of(ui, model, past.event);
    }
    match &model.said.boards {
        Some(page) => {
            render::doc(ui, &present::boards(page));
            if page.boards.is_empty() {
                let what = "A board is a document of its own, for what goes together. kern board \
                            create makes one, too";
                empty(ui, model, actions, (what, Some(Fill::CreateBoard)));
            }
        }
        None => absent(ui, model, &Topic::Boards),
    }
    ui.separator();
    path(ui, model, actions);
    let topic = Topic::Document(named(model));
    match &model.said.read {
        _ if model.said.failed.contains_key(&topic) => absent(ui, model, &topic),
        Some(read) if Some(&read.path) == model.chosen.path.as_ref() => {
            if let Some(behind) = present::behind(read) {
                render::doc(ui, &behind);
            }
            // The boards above have a table, too.
            ui.push_id("read", |ui| render::doc(ui, &present::read(read)));
            // A null that was written is something.
            if read.value.as_object().is_some_and(serde_json::Map::is_empty) {
                let what = "Nothing stands in it yet. kern doc set puts a value somewhere, too";
                empty(ui, model, actions, (what, Some(Fill::SetValue)));
            }
        }
        _ => absent(ui, model, &topic),
    }
}

fn named(model: &Model) -> String {
    model.chosen.path.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// What stood there after an event.
fn as_of(ui: &mut Ui, model: &Model, event: EventId) {
    let topic = Topic::Past(named(model), event);
    let is_it = |past: &&PastRead| {
        past.after == Some(event) && Some(&past.read.path) == model.chosen.path.as_ref()
    };
    let said = model.said.past.as_ref().filter(is_it);
    match said {
        Some(past) if !model.said.failed.contains_key(&topic) => {
            render::doc(ui, &present::past_read(past));
        }
        _ => absent(ui, model, &topic),
    }
}

/// Where in the documents one looks.
fn path(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let id = ui.scope_id().with("path");
    let now = model.chosen.path.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut typed = ui.data(|data| data.get_temp(id)).unwrap_or_else(|| now.clone());
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("path");
        let width = ui.available_width().min(320.0);
        let edit = ui.add(TextEdit::singleline(&mut typed).desired_width(width));
        let edit = edit.labelled_by(label.id);
        let entered = edit.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if entered {
            // The next path is typed here, and does not run commands.
            edit.request_focus();
        }
        let read = ui.button("Read").clicked();
        if entered || read {
            actions.push(match typed.parse::<DocPath>() {
                Ok(path) => Action::Choose(Chosen { path: Some(path), ..model.chosen.clone() }),
                Err(fault) => Action::Told(format!("this is no path: {fault}")),
            });
        }
    });
    ui.data_mut(|data| data.insert_temp(id, typed));
}
