//! The conflicts of a page as a list: which is looked at, and which are selected for the same
//! choice. Only the rows in sight are laid out.

use eframe::egui::{self, Ui};
use kernelos_protocol::command::ConflictPage;
use kernelos_protocol::present::shown;

use crate::model::{Action, Chosen, Model};
use crate::theme;

/// Points of the list at most.
const HEIGHT: f32 = 160.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, model: &Model, page: &ConflictPage, actions: &mut Vec<Action>) {
    let rows = &page.conflicts;
    ways(ui, model, page, actions);
    let looked_at = super::looked_at(model).map_or(0, |(at, _)| at);
    let height = ui.spacing().interact_size.y;
    let row_points = height + ui.spacing().item_spacing.y;
    // Rows that there is room for, the last of them in part.
    let fits = if height >= theme::FINGER { 4 } else { 5 };
    let mut area = egui::ScrollArea::vertical()
        .id_salt("conflicts")
        .max_height(HEIGHT)
        .min_scrolled_height(HEIGHT);
    // What the keys lead to is in sight; the wheel leads where it likes.
    let seen = egui::Id::unique("conflict in sight");
    if ui.data(|data| data.get_temp(seen)) != Some((looked_at, rows.len())) {
        ui.data_mut(|data| data.insert_temp(seen, (looked_at, rows.len())));
        let above = looked_at.saturating_sub(1).min(rows.len().saturating_sub(fits));
        let above = u16::try_from(above).unwrap_or(u16::MAX);
        area = area.vertical_scroll_offset(f32::from(above) * row_points);
    }
    area.show_rows(ui, height, rows.len(), |ui, range| {
        for at in range {
            let Some(row) = rows.get(at) else { continue };
            ui.push_id(row.id.to_string(), |ui| {
                ui.horizontal(|ui| {
                    ui.set_min_height(height);
                    let path = shown(&row.path.to_string(), 64);
                    let mut is_selected = model.selected.contains_key(&row.id);
                    let select = ui.checkbox(&mut is_selected, "");
                    if select.accessible_name(format!("select {path}")).changed() {
                        actions.push(Action::Select(vec![row.clone()], is_selected));
                    }
                    let text = format!("{path}  {}", row.kind.words());
                    let label = egui::Button::selectable(at == looked_at, text).truncate();
                    if ui.add(label).clicked() {
                        let conflict = Some(row.id);
                        let chosen = Chosen { conflict, from_end: false, ..model.chosen.clone() };
                        actions.push(Action::Choose(chosen));
                    }
                });
            });
        }
    });
}

/// How many are selected, and all or none at once.
fn ways(ui: &mut Ui, model: &Model, page: &ConflictPage, actions: &mut Vec<Action>) {
    let selected = model.selected.len();
    ui.horizontal_wrapped(|ui| {
        ui.label(format!("{selected} selected"));
        let here = page.conflicts.len();
        if ui.button(format!("Select these {here}")).clicked() {
            actions.push(Action::Select(page.conflicts.clone(), true));
        }
        let none = ui.add_enabled(selected > 0, egui::Button::new("Select none"));
        if selected == 0 {
            let why = "none is selected";
            ui.ctx().accesskit_node_builder(none.id, |node| node.set_description(why));
        }
        if none.clicked() {
            let all = model.selected.values().cloned().collect();
            actions.push(Action::Select(all, false));
        }
    });
}
