//! A [`Doc`] as widgets. Its words are the words of the command line; what a screen reader gets is
//! those words, in their order.
//!
//! What comes from others is made printable and cut before it is laid out, and rows of tables and
//! texts that are out of sight are not laid out at all.

use eframe::egui::{self, Label, RichText, TextStyle, Ui, vec2};
use kernelos_protocol::present::{Block, Doc, Text, shown};

use crate::theme::palette;

mod table;

pub use table::table;

/// Bytes of one text that are laid out.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Draws a document.
pub fn doc(ui: &mut Ui, doc: &Doc) {
    for (index, block) in doc.0.iter().enumerate() {
        ui.push_id(index, |ui| match block {
            Block::Heading(heading) => self::heading(ui, heading),
            Block::Line(line) => text(ui, line),
            Block::Fields(fields) => self::fields(ui, fields),
            Block::Table { columns, rows } => table(ui, columns, rows, None),
            Block::Verbatim(verbatim) => self::verbatim(ui, verbatim),
        });
    }
}

/// A title.
pub fn heading(ui: &mut Ui, text: &str) {
    let text = shown(text, TEXT_BYTES_MAX);
    let response = ui.add(Label::new(RichText::new(&text).size(17.0).strong()).wrap());
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_role(egui::accesskit::Role::Heading);
        node.clear_value();
        node.set_label(text);
    });
}

/// A text in its tone.
pub fn text(ui: &mut Ui, text: &Text) {
    ui.add(Label::new(toned(ui, text)).wrap());
}

fn toned(ui: &Ui, text: &Text) -> RichText {
    RichText::new(shown(&text.text, TEXT_BYTES_MAX)).color(palette(ui).tone(text.tone))
}

fn fields(ui: &mut Ui, fields: &[(String, Text)]) {
    for (index, (name, value)) in fields.iter().enumerate() {
        ui.push_id(index, |ui| {
            ui.horizontal_wrapped(|ui| {
                let name = RichText::new(shown(name, TEXT_BYTES_MAX)).color(palette(ui).quiet);
                ui.add(Label::new(name));
                ui.add(Label::new(toned(ui, value)).wrap());
            });
        });
    }
}

/// Lines as they are; of those, only what is in sight.
fn verbatim(ui: &mut Ui, text: &str) {
    let height = ui.text_style_height(&TextStyle::Monospace);
    let lines: Vec<_> = text.split('\n').collect();
    ui.spacing_mut().item_spacing.y = 0.0;
    egui::ScrollArea::horizontal().show(ui, |ui| {
        for (index, line) in lines.iter().enumerate() {
            let size = vec2(ui.available_width(), height);
            let place = egui::Rect::from_min_size(ui.cursor().min, size);
            if ui.is_rect_visible(place) {
                let line = RichText::new(shown(line, TEXT_BYTES_MAX)).monospace();
                ui.push_id(index, |ui| ui.add(Label::new(line).extend()));
            } else {
                ui.allocate_space(size);
            }
        }
    });
}
