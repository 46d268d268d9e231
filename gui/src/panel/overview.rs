//! Where this device stands: the words of `kern status`.

use eframe::egui::Ui;
use kernelos_protocol::present;

use crate::model::{Action, Model, Topic};
use crate::panel::absent;
use crate::{doors, render};

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    match &model.said.status {
        Some(status) => render::doc(ui, &present::status(status, &model.said.names)),
        None => absent(ui, model, &Topic::Status),
    }
    doors::restore(ui, model, actions);
}
