//! The panes of the window, between which F6 leads.

use eframe::egui::{self, Ui};

/// How many panes there are.
pub(crate) const COUNT: usize = 3;

pub(crate) fn id(pane: usize) -> egui::Id {
    egui::Id::unique(("pane", pane))
}

/// Where the focus lands that goes to this pane: before all that is in it.
pub(crate) fn mark(ui: &Ui, number: usize, name: &str) {
    let place =
        egui::Rect::from_min_size(ui.max_rect().min, egui::vec2(ui.max_rect().width(), 2.0));
    // F6 leads here, and Tab to what is in it.
    let sense = match ui.memory(|memory| memory.has_focus(id(number))) {
        true => egui::Sense::focusable_noninteractive(),
        false => egui::Sense::empty(),
    };
    let response = ui.interact(place, id(number), sense);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Group, true, name));
}
