//! A table as widgets: columns where there is room for them, else each row as names and values one
//! after the other, so that nothing runs out of sight (WCAG 2.2, 1.4.10).

use eframe::egui::{self, Label, Rect, RichText, Sense, Ui, UiBuilder, pos2, vec2};
use kernelos_protocol::present::{Text, shown};

use super::{TEXT_BYTES_MAX, toned};
use crate::theme::{self, palette};

/// Characters that a column has room for, where there is no more.
const COLUMN_CHARS_MAX: usize = 40;
/// And where there is.
const COLUMN_CHARS_FREE: usize = 160;
/// Points left of the words of a row, and above and below them.
const ROW_LEFT: f32 = 4.0;
const ROW_PAD: f32 = 2.0;

/// Rows under columns. Where `chosen` is given, a row is a button that chooses it.
pub fn table(
    ui: &mut Ui,
    columns: &[String],
    rows: &[Vec<Text>],
    mut chosen: Option<&mut Option<usize>>,
) {
    let Some(widths) = widths(ui, columns, rows) else {
        return stacked(ui, columns, rows, chosen);
    };
    let height = if chosen.is_some() { theme::row(ui) } else { 22.0 };
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let quiet = palette(ui).quiet;
        let names = columns.iter().map(|name| RichText::new(shown(name, TEXT_BYTES_MAX)));
        row(ui, height, &widths, names.map(|name| name.color(quiet)));
        for (index, cells) in rows.iter().enumerate() {
            let size = vec2(widths.iter().sum(), height);
            let place = Rect::from_min_size(ui.cursor().min, size);
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

/// Each row as names and values. Where a row was higher than what is seen of it,
/// its height is kept, and it is not laid out again while it is out of sight.
fn stacked(
    ui: &mut Ui,
    columns: &[String],
    rows: &[Vec<Text>],
    mut chosen: Option<&mut Option<usize>>,
) {
    let width = ui.available_width();
    let key = ui.scope_id().with("stacked");
    let known: Stacked = ui.data(|data| data.get_temp(key)).unwrap_or_default();
    let known = if known.is_of(width, rows) { known.heights } else { Vec::new() };
    let mut heights = Vec::with_capacity(rows.len());
    for (index, cells) in rows.iter().enumerate() {
        let at = ui.cursor().min;
        let place = |height: f32| Rect::from_min_size(at, vec2(width, height));
        let height = known.get(index).copied();
        if let Some(height) = height.filter(|height| !ui.is_rect_visible(place(*height))) {
            ui.allocate_space(vec2(width, height));
            heights.push(height);
            continue;
        }
        // What chooses it lies behind its words, which are laid out first.
        let behind = ui.painter().add(egui::Shape::Noop);
        let line = ui.text_style_height(&egui::TextStyle::Body);
        let least = if chosen.is_some() { theme::row(ui) } else { line };
        let (left, pad) = (ROW_LEFT, ((least - line) / 2.0).max(ROW_PAD));
        let drawn = ui.push_id(index, |ui| {
            ui.set_min_width(width);
            ui.add_space(pad);
            ui.horizontal_top(|ui| {
                ui.add_space(left);
                ui.vertical(|ui| words(ui, columns, cells));
            });
            ui.add_space(pad);
        });
        let drawn = drawn.response.rect;
        heights.push(drawn.height());
        if let Some(chosen) = &mut chosen
            && let Some(fill) = choose(ui, drawn, (cells, index), chosen)
        {
            ui.painter().set(behind, egui::epaint::RectShape::filled(drawn, 3.0, fill));
        }
    }
    let known = Stacked { width, rows: digest(rows), heights };
    ui.data_mut(|data| data.insert_temp(key, known));
}

/// The names and what stands under them, as one text.
fn words(ui: &mut Ui, columns: &[String], cells: &[Text]) {
    ui.spacing_mut().interact_size.y = ui.text_style_height(&egui::TextStyle::Body);
    ui.horizontal_wrapped(|ui| {
        let quiet = palette(ui).quiet;
        for (name, cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.text.is_empty()) {
            if !name.is_empty() {
                let name = RichText::new(shown(name, TEXT_BYTES_MAX)).color(quiet);
                ui.add(Label::new(name).selectable(false));
            }
            let text = toned(ui, cell);
            ui.add(Label::new(text).selectable(false));
        }
    });
}

/// How high rows were, of one width and these texts.
#[derive(Debug, Clone, Default)]
struct Stacked {
    width: f32,
    rows: u64,
    heights: Vec<f32>,
}

impl Stacked {
    fn is_of(&self, width: f32, rows: &[Vec<Text>]) -> bool {
        (self.width - width).abs() < 0.5 && self.rows == digest(rows)
    }
}

fn digest(rows: &[Vec<Text>]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    rows.iter().flatten().for_each(|cell| cell.text.hash(&mut hasher));
    hasher.finish()
}

/// Makes a row a button that is named by what stands in it.
fn choosable(ui: &Ui, place: Rect, (cells, index): (&[Text], usize), chosen: &mut Option<usize>) {
    if let Some(fill) = choose(ui, place, (cells, index), chosen) {
        ui.painter().rect_filled(place, 3.0, fill);
    }
}

/// The same; gives what lies behind its words.
fn choose(
    ui: &Ui,
    place: Rect,
    (cells, index): (&[Text], usize),
    chosen: &mut Option<usize>,
) -> Option<egui::Color32> {
    let response = ui.interact(place, ui.scope_id().with(("row", index)), Sense::click());
    let is_chosen = *chosen == Some(index);
    let name = cells.iter().map(|cell| shown(&cell.text, 256)).filter(|cell| !cell.is_empty());
    let name = name.collect::<Vec<_>>().join(", ");
    let role = egui::accesskit::Role::ListBoxOption;
    response.widget_info(|| egui::WidgetInfo::selected(role, true, is_chosen, &name));
    if response.gained_focus() {
        response.scroll_to_me(None);
    }
    if response.clicked() {
        *chosen = Some(index);
    }
    if is_chosen {
        theme::mark_chosen(ui, place.expand2(vec2(ROW_LEFT, 0.0)));
    }
    match (is_chosen, response.hovered()) {
        (true, _) => Some(palette(ui).chosen),
        (false, true) => Some(palette(ui).under),
        (false, false) => None,
    }
}

fn row(ui: &mut Ui, height: f32, widths: &[f32], cells: impl Iterator<Item = RichText>) {
    let gap = ui.spacing().item_spacing.x;
    let size = vec2(widths.iter().sum(), height);
    let (_, place) = ui.allocate_space(size);
    let mut left = place.left();
    for (cell, width) in cells.zip(widths) {
        let at = Rect::from_min_size(pos2(left, place.top()), vec2(width - gap, height));
        let layout = egui::Layout::left_to_right(egui::Align::Center);
        let mut child = ui.new_child(UiBuilder::new().max_rect(at).layout(layout));
        child.add(Label::new(cell).truncate().selectable(false));
        left += width;
    }
}

/// As wide as the longest text of each column, within bounds: by the letters' own widths, so that
/// nothing is laid out only to be measured. What is free goes to what is cut. None where there is
/// no room.
fn widths(ui: &Ui, columns: &[String], rows: &[Vec<Text>]) -> Option<Vec<f32>> {
    let font = egui::TextStyle::Body.resolve(ui.style());
    let gap = ui.spacing().item_spacing.x;
    let (wanted, most) = ui.fonts_mut(|fonts| {
        let mut points = |text: &str| -> f32 {
            let letters = text.chars().take(COLUMN_CHARS_FREE);
            letters.map(|letter| fonts.glyph_width(&font, letter)).sum()
        };
        let mut wanted: Vec<f32> = columns.iter().map(|name| points(name)).collect();
        for (cell, widest) in rows.iter().flat_map(|row| row.iter().zip(0..columns.len())) {
            let width = points(&cell.text);
            if let Some(widest) = wanted.get_mut(widest) {
                *widest = widest.max(width);
            }
        }
        let letter = fonts.glyph_width(&font, 'n');
        // What is laid out is rounded up to whole pixels.
        let wanted: Vec<f32> = wanted.into_iter().map(|width| width.ceil() + 1.0 + gap).collect();
        (wanted, points_of(COLUMN_CHARS_MAX, letter) + gap)
    });
    let least: Vec<_> = wanted.iter().map(|width| width.min(most)).collect();
    let free = ui.available_width() - least.iter().sum::<f32>();
    let cut: f32 = wanted.iter().zip(&least).map(|(wanted, least)| wanted - least).sum();
    let share = if cut > 0.0 { (free / cut).min(1.0) } else { 0.0 };
    let wider = |(wanted, least): (&f32, &f32)| least + (wanted - least) * share;
    (free >= 0.0).then(|| wanted.iter().zip(&least).map(wider).collect())
}

fn points_of(chars: usize, letter: f32) -> f32 {
    f32::from(u16::try_from(chars).unwrap_or(u16::MAX)) * letter
}
