//! Devices that are on their way in: the invitations that are open, who waits by one, and those
//! that stand in a file.

use eframe::egui::Ui;
use kernelos_protocol::api::{PairAsked, PendingRow, StandingRow};
use kernelos_protocol::present::{self, Text, Tone, shown};

use crate::client::Order;
use crate::form::{Fill, Form};
use crate::model::{Action, Model, Topic};
use crate::panel::{absent, can, can_lead};
use crate::render;

/// Those that are open by a token.
pub(super) fn pending(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    if can_lead(ui, model, "Invite a device…") {
        actions.push(Action::Form(Some(Form::of(Fill::Invite, model))));
    }
    match &model.said.pending {
        Some(rows) => {
            for row in rows {
                ui.push_id(&row.invitation, |ui| one(ui, row, model, actions));
            }
        }
        None => absent(ui, model, &Topic::Pending),
    }
}

/// Those that stand in a file.
pub(super) fn standing(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    match &model.said.standing {
        Some(rows) if rows.is_empty() => {
            let text = "no invitation stands in a file: kern invite --join-file makes one";
            render::text(ui, &Text::toned(Tone::Quiet, text));
        }
        Some(rows) => {
            render::doc(ui, &present::standing(rows));
            for row in rows {
                withdraw(ui, row, model, actions);
            }
        }
        None => absent(ui, model, &Topic::Standing),
    }
}

/// An invitation that is open, and its way on: the token until somebody came, then the digits.
fn one(ui: &mut Ui, row: &PendingRow, model: &Model, actions: &mut Vec<Action>) {
    render::doc(ui, &present::pending(row));
    let id = row.invitation.get(..8).unwrap_or(&row.invitation);
    let token = model.pairing.tokens.get(&row.invitation).filter(|_| row.asks.is_none());
    if let Some(token) = token {
        let text = "on the new device: kern join, or the door Join, with this token";
        render::text(ui, &Text::toned(Tone::Quiet, text));
        render::text(ui, &Text::plain(token));
    }
    ui.horizontal_wrapped(|ui| {
        if let Some(token) = token
            && ui.button(format!("Copy the token of {id}")).clicked()
        {
            ui.ctx().copy_text(token.clone());
        }
        let who = row.asks.as_ref().map(|(_, name)| shown(name, 64));
        if who.is_some_and(|who| can(ui, model, &format!("Let {who:?} in…"))) {
            let fill = Fill::Code(row.invitation.clone());
            actions.push(Action::Form(Some(Form::of(fill, model))));
        }
        // Closing writes nothing: it is always possible.
        let verb = if row.asks.is_some() { "Refuse" } else { "Close" };
        if ui.button(format!("{verb} {id}")).clicked() {
            let asked = PairAsked::Code { invitation: row.invitation.clone(), code: None };
            actions.push(Action::Order(Order::Pair(asked)));
        }
    });
}

fn withdraw(ui: &mut Ui, row: &StandingRow, model: &Model, actions: &mut Vec<Action>) {
    if row.over.is_some() || row.left == 0 {
        return;
    }
    let id = row.invitation.get(..8).unwrap_or(&row.invitation);
    if can(ui, model, &format!("End invitation {id}")) {
        let workspace = model.workspace.map(|id| id.to_string());
        let asked = PairAsked::Withdraw { workspace, invitation: row.invitation.clone() };
        actions.push(Action::Order(Order::Pair(asked)));
    }
}
