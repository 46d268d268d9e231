//! What opening costs in a window: `kern-gui --bench-window` opens one before a real node, says
//! [`Shown`] once a frame with the timeline was handed to the display, and ends.

use eframe::egui::{Ui, ViewportCommand};

use super::{Shown, tell};
use crate::app::App;
use crate::model::Action;
use crate::panel::Panel;

/// An inspector that is opened to be measured.
pub struct Opening {
    app: App,
    /// Of how many events the frame before was that showed the timeline.
    drawn: Option<usize>,
}

impl Opening {
    /// Of an inspector, which goes to its timeline.
    #[must_use]
    pub fn of(mut app: App) -> Self {
        app.apply(Action::Go(Panel::Timeline));
        Self { app, drawn: None }
    }
}

impl eframe::App for Opening {
    fn logic(&mut self, context: &eframe::egui::Context, _: &mut eframe::Frame) {
        // That frame is on the display by now.
        if let Some(events) = self.drawn {
            tell(&Shown { events }).ok();
            context.send_viewport_cmd(ViewportCommand::Close);
        }
        self.app.hear();
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        self.app.draw(ui);
        let events = self.app.model.said.timeline.total;
        if events > 0 {
            self.drawn = Some(events);
            ui.ctx().request_repaint();
        }
    }
}
