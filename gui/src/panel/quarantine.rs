//! What is kept apart and why, what it would set, and bringing it back.

use eframe::egui::Ui;
use kernelos_protocol::command::Command;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};

use crate::form::Fill;
use crate::model::{Action, Chosen, Model, Topic};
use crate::panel::{absent, below, can_lead, empty};
use crate::render;

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(page) = &model.said.quarantine else {
        return absent(ui, model, &Topic::Quarantine);
    };
    let Doc(blocks) = present::quarantine(page, &model.said.names);
    let mut chosen = page.branches.iter().position(|row| Some(row.tip) == model.chosen.tip);
    let before = chosen;
    for block in &blocks {
        match block {
            Block::Table { columns, rows } => render::table(ui, columns, rows, Some(&mut chosen)),
            other => render::doc(ui, &Doc(vec![other.clone()])),
        }
    }
    if page.branches.is_empty() {
        let what = "What a strike takes comes here, and what a device wrote that was revoked; from \
                    here it comes back. kern strike takes an event, too";
        return empty(ui, model, actions, (what, Some(Fill::Strike)));
    }
    let row = chosen.and_then(|index| page.branches.get(index));
    if chosen != before {
        let tip = row.map(|row| row.tip);
        actions.push(Action::Choose(Chosen { tip, ..model.chosen.clone() }));
    }
    let Some(row) = row else { return };
    below(ui, chosen != before);
    match &model.said.preview {
        Some(preview) if preview.tip == row.tip => render::doc(ui, &present::preview(preview)),
        _ => absent(ui, model, &Topic::Preview(row.tip)),
    }
    let tip = row.tip.short();
    if let (None, Some(why)) = (model.why_no_write(), model.why_no_lead()) {
        render::text(ui, &Text::toned(Tone::Quiet, format!("bringing back: {why}")));
    }
    if can_lead(ui, model, &format!("Bring {tip} back…")) {
        actions.push(back(&tip, &row.tip.to_string(), "", model));
    }
}

/// What is asked before an event is brought back that is called so.
pub(crate) fn back(named: &str, begin: &str, reason: &str, model: &Model) -> Action {
    let text = format!("Event {named} and what it builds on count again, on every device");
    let (begin, reason) = (begin.to_owned(), reason.to_owned());
    let command = Command::ReadmitEvent { begin, reason };
    model.ask(format!("Bring {named} back"), text, Doc::default(), command)
}
