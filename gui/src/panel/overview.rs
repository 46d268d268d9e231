//! Where this device stands: the words of `kern status`.

use eframe::egui::Ui;
use kernelos_protocol::present;

use crate::form::Fill;
use crate::model::{Action, Model, Topic};
use crate::panel::devices::ALONE;
use crate::panel::{absent, empty};
use crate::{doors, render};

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    match &model.said.status {
        Some(status) => {
            let secret = model.node.as_ref().and_then(|node| node.secret);
            render::doc(ui, &present::status(status, secret, &model.said.names));
            if status.peers.is_empty() && status.role.is_some() {
                empty(ui, model, actions, (ALONE, Some(Fill::Invite)));
            }
        }
        None => absent(ui, model, &Topic::Status),
    }
    doors::restore(ui, model, actions);
}
