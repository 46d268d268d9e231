//! From panel to panel.

use eframe::egui::{self, Button, Ui};
use kernelos_protocol::present::shown;

use crate::model::{Action, Model};
use crate::panel::Panel;

/// Draws the ways to the panels.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    workspaces(ui, model, actions);
    let reads = model.said.status.as_ref().is_none_or(|status| status.reads());
    for panel in Panel::ALL {
        let open = model.open_conflicts();
        let title = match panel {
            Panel::Conflicts if open > 0 && reads => format!("{} ({open})", panel.title()),
            _ => panel.title().to_owned(),
        };
        // Of no workspace there is nothing to look at.
        let is_there = !model.is_homeless();
        let is_now = is_there && model.panel == panel && !model.doors;
        let way = ui.add_enabled(is_there, Button::selectable(is_now, title));
        if !is_there {
            let why = "there is no workspace yet";
            ui.ctx().accesskit_node_builder(way.id, |node| node.set_description(why));
        }
        if way.clicked() {
            actions.push(Action::Go(panel));
        }
    }
}

/// Which workspace is looked at, where there are several.
fn workspaces(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(node) = &model.node else { return };
    if node.workspaces.len() < 2 {
        return;
    }
    let now = node.workspaces.iter().find(|row| Some(row.workspace_id) == model.workspace);
    let now = now.map_or_else(String::new, |row| shown(&row.workspace, 64));
    let chooser = egui::ComboBox::from_id_salt("workspace").selected_text(now).show_ui(ui, |ui| {
        for row in &node.workspaces {
            let is_now = Some(row.workspace_id) == model.workspace;
            if ui.selectable_label(is_now, shown(&row.workspace, 64)).clicked() {
                actions.push(Action::Workspace(row.workspace_id));
            }
        }
    });
    chooser.response.accessible_name("workspace");
}
