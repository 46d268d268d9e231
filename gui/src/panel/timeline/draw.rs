//! How rows of the timeline look: lanes, and beside them words that never leave the window. Where
//! there is little room they are two lines, what matters most first.

use std::sync::Arc;

use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    self, Align2, Color32, FontId, Galley, Painter, Pos2, Rect, Sense, Stroke, Ui, pos2, vec2,
};
use kernelos_protocol::command::TimelineRow;
use kernelos_protocol::present::{self, shown};

use super::known::{RowKey, Slot};
use crate::model::{Link, Model};
use crate::theme;

/// Points between two lanes, and where there is little room.
const LANE: [f32; 2] = [14.0, 8.0];
/// Below this width rows are two lines.
const NARROW: f32 = 600.0;
/// Points of two lines.
const TWO_LINES: f32 = 40.0;
/// Points between words and what is beside them.
const GAP: f32 = 4.0;
/// Bytes of a row's words that are laid out.
const WORDS_MAX: usize = 512;

/// Points of a row of this width.
pub(super) fn height(ui: &Ui, width: f32) -> f32 {
    if width < NARROW { TWO_LINES.max(theme::row(ui)) } else { theme::row(ui) }
}

pub(super) fn row_id(key: RowKey) -> egui::Id {
    egui::Id::unique(("timeline row", key))
}

pub(super) fn points(rows: usize) -> f32 {
    f32::from(u16::try_from(rows).unwrap_or(u16::MAX))
}

/// What stands in one line: a button that is named by its sentence, since its lanes are not seen
/// by everybody.
pub(super) fn slot(ui: &Ui, at: Rect, slot: &Slot<'_>, model: &Model) -> egui::Response {
    let total = model.said.timeline.total;
    let response = ui.interact(at, row_id(slot.key()), Sense::click());
    let cursor = model.chosen.place.cursor.map(|key| model.said.timeline.at(key).key());
    let is_chosen = cursor == Some(slot.key());
    let sentence = match slot {
        Slot::Row(_, row) => present::timeline_sentence(row, total, &model.said.names),
        Slot::Gap { .. } => loading(slot, model).to_owned(),
    };
    let sentence = shown(&sentence, WORDS_MAX);
    let role = egui::accesskit::Role::ListBoxOption;
    response.widget_info(|| egui::WidgetInfo::selected(role, true, is_chosen, &sentence));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_position_in_set(total.saturating_sub(slot.span().1));
        node.set_size_of_set(total);
    });
    let colours = theme::palette(ui);
    if is_chosen || response.hovered() {
        let fill = if is_chosen { colours.chosen } else { colours.under };
        ui.painter().rect_filled(at, 3.0, fill);
    }
    if is_chosen {
        theme::mark_chosen(ui, at);
    }
    match slot {
        Slot::Row(_, row) => self::row(ui, at, row, model),
        Slot::Gap { .. } => {
            let text = line(ui, &sentence, at.width() - 2.0 * GAP, colours.quiet);
            put(ui, pos2(at.left() + GAP, at.center().y), text);
        }
    }
    response
}

/// What is said of events that are not here yet.
fn loading(slot: &Slot<'_>, model: &Model) -> &'static str {
    match (&model.link, slot.is_entered_from_above()) {
        (Link::Up | Link::Connecting, true) => "older events: loading…",
        (Link::Up | Link::Connecting, false) => "newer events: loading…",
        (Link::Down(_), true) => "older events: not loaded, the node does not answer",
        (Link::Down(_), false) => "newer events: not loaded, the node does not answer",
    }
}

fn row(ui: &Ui, at: Rect, row: &TimelineRow, model: &Model) {
    let names = &model.said.names;
    let colours = theme::palette(ui);
    let is_narrow = at.width() < NARROW;
    let lane = LANE[usize::from(is_narrow)];
    let words = present::timeline_row(row, names);
    let colour = colours.tone(words.tone);
    lanes(ui.painter(), (at, lane), row, Stroke::new(1.5, colours.quiet), colour);
    let columns = row.graph.chars().count().div_ceil(2);
    let more = if row.more > 0 { format!("+{} ", row.more) } else { String::new() };
    let left = at.left() + lane * points(columns) + if is_narrow { GAP } else { lane };
    let room = at.right() - GAP - left;
    if is_narrow {
        let (first, second) = present::timeline_lines(row, names);
        let (third, colour) = (at.height() / 4.0, colours.tone(first.tone));
        let text = line(ui, &format!("{more}{}", first.text), room, colour);
        put(ui, pos2(left, at.center().y - third + 1.0), text);
        let text = line(ui, &second.text, room, colours.tone(second.tone));
        put(ui, pos2(left, at.center().y + third - 1.0), text);
        return;
    }
    let text = line(ui, &format!("{more}{}", words.text), room, colour);
    let text = if text.elided {
        // Where not all has room, what matters most does.
        let (first, second) = present::timeline_lines(row, names);
        line(ui, &format!("{more}{}  {}", first.text, second.text), room, colour)
    } else {
        text
    };
    put(ui, pos2(left, at.center().y), text);
}

/// One line of words, cut at the end with a sign where they have no room.
fn line(ui: &Ui, text: &str, room: f32, colour: Color32) -> Arc<Galley> {
    let text = shown(text, WORDS_MAX);
    let mut job = LayoutJob::simple_singleline(text, FontId::proportional(14.0), colour);
    job.wrap = TextWrapping::truncate_at_width(room.max(0.0));
    ui.painter().layout_job(job)
}

fn put(ui: &Ui, left: Pos2, text: Arc<Galley>) {
    let top = left - vec2(0.0, text.size().y / 2.0);
    ui.painter().galley(top, text, Color32::PLACEHOLDER);
}

/// The lines of a row's box characters.
fn lanes(
    painter: &Painter,
    (at, lane): (Rect, f32),
    row: &TimelineRow,
    line: Stroke,
    colour: Color32,
) {
    for (column, c) in row.graph.chars().enumerate() {
        let x = at.left() + lane / 2.0 + lane / 2.0 * points(column);
        let here = pos2(x, at.center().y);
        let to = |end: Pos2| {
            painter.line_segment([here, end], line);
        };
        let (up, down, left, right) = match c {
            '│' => (true, true, false, false),
            '─' => (false, false, true, true),
            '╯' => (true, false, true, false),
            '╮' => (false, true, true, false),
            '╰' => (true, false, false, true),
            '╭' => (false, true, false, true),
            '┤' => (true, true, true, false),
            '├' => (true, true, false, true),
            '┴' => (true, false, true, true),
            '┬' => (false, true, true, true),
            '┼' => (true, true, true, true),
            ' ' => continue,
            mark => {
                let (up, down) = (row.followed, !row.follows.is_empty());
                ends((at, lane), here, (up, down, false, false), to);
                self::mark(painter, here, mark, colour);
                continue;
            }
        };
        ends((at, lane), here, (up, down, left, right), to);
    }
}

fn ends(
    (at, lane): (Rect, f32),
    here: Pos2,
    (up, down, left, right): (bool, bool, bool, bool),
    to: impl Fn(Pos2),
) {
    let all = [
        (up, pos2(here.x, at.top())),
        (down, pos2(here.x, at.bottom())),
        (left, pos2(here.x - lane / 2.0, here.y)),
        (right, pos2(here.x + lane / 2.0, here.y)),
    ];
    all.into_iter().filter(|(is, _)| *is).for_each(|(_, end)| to(end));
}

/// An event: its form says what its words say.
fn mark(painter: &Painter, here: Pos2, mark: char, colour: Color32) {
    let stroke = Stroke::new(1.5, colour);
    match mark {
        '○' => {
            painter.circle_filled(here, 4.0, colour);
        }
        '◎' => {
            painter.circle_filled(here, 2.0, colour);
            painter.circle_stroke(here, 5.0, stroke);
        }
        '·' => {
            painter.circle_filled(here, 2.0, colour);
        }
        '×' => {
            painter.line_segment([here - vec2(4.0, 4.0), here + vec2(4.0, 4.0)], stroke);
            painter.line_segment([here - vec2(4.0, -4.0), here + vec2(4.0, -4.0)], stroke);
        }
        '◇' => {
            painter.rect_stroke(
                Rect::from_center_size(here, vec2(8.0, 8.0)),
                0.0,
                stroke,
                egui::StrokeKind::Inside,
            );
        }
        other => {
            painter.text(here, Align2::CENTER_CENTER, other, FontId::monospace(14.0), colour);
        }
    }
}
