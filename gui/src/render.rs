//! A [`Doc`] as widgets. Its words are the words of the command line; what a screen reader gets is
//! those words, in their order.
//!
//! What comes from others is made printable and cut before it is laid out, and rows of tables and
//! texts that are out of sight are not laid out at all.

use eframe::egui::{self, FontId, Label, RichText, Sense, TextStyle, Ui, UiBuilder, vec2};
use kernelos_protocol::present::{Block, Doc, Text, shown};

use crate::theme::{self, palette};

/// Bytes of one text that are laid out.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Characters that make a column wide; what is longer is cut on the screen alone.
const COLUMN_CHARS_MAX: usize = 40;
/// Characters that a cell has room for where it is wider than its column.
const FONT_POINTS: f32 = 14.0;

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

/// Rows under columns. Where `chosen` is given, a row is a button that chooses it.
pub fn table(
    ui: &mut Ui,
    columns: &[String],
    rows: &[Vec<Text>],
    mut chosen: Option<&mut Option<usize>>,
) {
    let widths = widths(ui, columns, rows);
    let height = if chosen.is_some() { theme::row(ui) } else { 22.0 };
    egui::ScrollArea::horizontal().show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let quiet = palette(ui).quiet;
        let names = columns.iter().map(|name| RichText::new(shown(name, TEXT_BYTES_MAX)));
        row(ui, height, &widths, names.map(|name| name.color(quiet)));
        for (index, cells) in rows.iter().enumerate() {
            let size = vec2(widths.iter().sum(), height);
            let place = egui::Rect::from_min_size(ui.cursor().min, size);
            if !ui.is_rect_visible(place) {
                ui.allocate_space(size);
                continue;
            }
            let texts: Vec<_> = cells.iter().map(|cell| toned(ui, cell)).collect();
            if let Some(chosen) = &mut chosen {
                choosable(ui, place, (cells, index), chosen);
            }
            row(ui, height, &widths, texts.into_iter());
        }
    });
}

/// Makes a row a button that is named by what stands in it.
fn choosable(
    ui: &Ui,
    place: egui::Rect,
    (cells, index): (&[Text], usize),
    chosen: &mut Option<usize>,
) {
    // Of a row that is wider than what is seen, the button is what is seen.
    let seen = ui.clip_rect().x_range().intersection(place.x_range());
    let place = egui::Rect::from_x_y_ranges(seen, place.y_range());
    let response = ui.interact(place, ui.scope_id().with(("row", index)), Sense::click());
    let is_chosen = *chosen == Some(index);
    let name = cells.iter().map(|cell| shown(&cell.text, 256)).filter(|cell| !cell.is_empty());
    let name = name.collect::<Vec<_>>().join(", ");
    let role = egui::accesskit::Role::ListBoxOption;
    response.widget_info(|| egui::WidgetInfo::selected(role, true, is_chosen, &name));
    if is_chosen || response.hovered() {
        ui.painter().rect_filled(place, 3.0, palette(ui).chosen);
    }
    if response.gained_focus() {
        response.scroll_to_me(None);
    }
    if response.clicked() {
        *chosen = Some(index);
    }
}

fn row(ui: &mut Ui, height: f32, widths: &[f32], cells: impl Iterator<Item = RichText>) {
    let gap = ui.spacing().item_spacing.x;
    let size = vec2(widths.iter().sum(), height);
    let (_, place) = ui.allocate_space(size);
    let mut left = place.left();
    for (cell, width) in cells.zip(widths) {
        let at =
            egui::Rect::from_min_size(egui::pos2(left, place.top()), vec2(width - gap, height));
        let layout = egui::Layout::left_to_right(egui::Align::Center);
        let mut child = ui.new_child(UiBuilder::new().max_rect(at).layout(layout));
        child.add(Label::new(cell).truncate().selectable(false));
        left += width;
    }
}

/// As wide as the longest text of each column, within bounds: by characters, so that nothing is
/// laid out only to be measured.
fn widths(ui: &Ui, columns: &[String], rows: &[Vec<Text>]) -> Vec<f32> {
    let font = FontId::proportional(FONT_POINTS);
    let advance = ui.fonts_mut(|fonts| fonts.glyph_width(&font, 'm'));
    let gap = ui.spacing().item_spacing.x;
    let length = |text: &str| text.chars().take(COLUMN_CHARS_MAX).count();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| length(&cell.text));
        let name = columns.get(column).map_or(0, |name| length(name));
        cells.max().unwrap_or(0).max(name).max(2)
    };
    let points = |chars: usize| f32::from(u16::try_from(chars).unwrap_or(u16::MAX)) * advance * 0.8;
    (0..columns.len()).map(|column| points(width(column)) + gap).collect()
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
