//! Missions: what is to be reached, its stages and steps, who did what, and the evidence.

use eframe::egui::Ui;
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::show::MissionView;
use kernelos_protocol::present::{self, Block, Doc};

use crate::form::{Fill, Form};
use crate::model::{Action, Chosen, Model, Topic};
use crate::panel::{absent, below, empty, offer};
use crate::render;

/// The states of a mission that has ended.
const ENDED: [&str; 3] = ["promoted", "failed", "cancelled"];

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(missions) = &model.said.missions else {
        return absent(ui, model, &Topic::Missions);
    };
    if missions.is_empty() {
        render::doc(ui, &present::missions(missions, &model.said.names));
        let what = "A mission is a goal that an agent works on until it is verified; what was not \
                    verified moves no branch. kern mission start begins one, too";
        return empty(ui, model, actions, (what, Some(Fill::StartMission)));
    }
    let Doc(blocks) = present::missions(missions, &model.said.names);
    let is_chosen = |view: &_| Some(id(view)) == model.chosen.mission;
    let goes_on = |view: &MissionView| !ENDED.contains(&view.state.as_str());
    // Who chose none sees the first that goes on, else the first.
    let first = || Some(missions.iter().position(goes_on).unwrap_or(0));
    let mut chosen = missions.iter().position(is_chosen).or_else(first);
    let before = chosen;
    for block in &blocks {
        match block {
            Block::Table { columns, rows } => render::table(ui, columns, rows, Some(&mut chosen)),
            other => render::doc(ui, &Doc(vec![other.clone()])),
        }
    }
    let view = chosen.and_then(|index| missions.get(index));
    if chosen != before {
        let mission = view.map(id);
        actions.push(Action::Choose(Chosen { mission, ..model.chosen.clone() }));
    }
    ui.horizontal_wrapped(|ui| {
        offer(ui, model, Form::of(Fill::StartMission, model), actions);
        if let Some(view) = view.filter(|view| goes_on(view)) {
            let typed = vec![view.id.to_string()];
            offer(ui, model, Form { typed, ..Form::of(Fill::CancelMission, model) }, actions);
        }
    });
    if let Some(view) = view {
        below(ui, chosen != before);
        render::doc(ui, &present::mission(view, &model.said.names));
    }
}

fn id(view: &MissionView) -> EventId {
    view.id
}
