//! The window as a whole: the panes, what lies over them, and what a person asked by them.

use eframe::egui::{self, CentralPanel, Panel as Side, Ui};

use super::App;
use crate::model::{Action, Link, Model};
use crate::{doors, keys, nav, over, pairing, pane, panel, render, strip, theme};

/// Below this width the ways to the panels stand above, not beside.
const NARROW: f32 = 720.0;

impl App {
    /// Draws everything, and does what a person asked by it.
    pub fn draw(&mut self, ui: &mut Ui) {
        let mut actions = Vec::new();
        theme::fit(ui.ctx());
        let model = &self.model;
        theme::set_old(ui.ctx(), matches!(model.link, Link::Down(_)));
        keys::pressed(ui.ctx(), model, &mut actions);
        Side::bottom("strip").show(ui, |ui| {
            pane::mark(ui, 2, "What is saved and where");
            strip::show(ui, model, &mut actions);
        });
        let ways = |ui: &mut Ui, actions: &mut Vec<Action>| {
            pane::mark(ui, 0, "Panels");
            nav::show(ui, model, actions);
        };
        if ui.available_width() < NARROW {
            Side::top("top").show(ui, |ui| ui.horizontal_wrapped(|ui| ways(ui, &mut actions)));
        } else {
            let layout = egui::Layout::top_down_justified(egui::Align::Min);
            Side::left("left").resizable(false).default_size(168.0).show(ui, |ui| {
                ui.with_layout(layout, |ui| ways(ui, &mut actions));
            });
        }
        CentralPanel::default().show(ui, |ui| {
            pane::mark(ui, 1, model.panel.title());
            over::past(ui, model, &mut actions);
            pairing::show(ui, model, &mut actions);
            over::told(ui, model, &mut actions);
            if model.panel == panel::Panel::Timeline && !model.is_homeless() && !model.doors {
                // It lays out what is in sight alone, and scrolls by itself.
                return central(ui, model, &mut actions);
            }
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                central(ui, model, &mut actions);
                theme::reveal_focus(ui);
                keys::scroll(ui, model);
            });
        });
        over::show(ui, model, &mut actions);
        theme::focus_ring(ui);
        for action in actions {
            if matches!(action, Action::NextPane) {
                ui.memory_mut(|memory| memory.request_focus(pane::id(self.model.pane)));
            }
            self.apply(action);
        }
    }
}

fn central(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    if model.is_homeless() || model.doors {
        return doors::show(ui, model, actions);
    }
    render::heading(ui, model.panel.title());
    panel::show(ui, model, actions);
}
