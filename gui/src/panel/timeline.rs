//! The timeline: what happened, newest first, as lines of descent. Parts are asked for as they come
//! into sight, and only the rows in sight are laid out, however many there are.

use std::collections::BTreeMap;

use eframe::egui::{
    self, Align2, FontId, Key, Modifiers, Painter, Pos2, Rect, Sense, Stroke, Ui, pos2, vec2,
};
use kernelos_protocol::command::{LogRow, TimelineAt, TimelinePage, TimelineQuery, TimelineRow};
use kernelos_protocol::present::{self, shown};

use crate::form::Fill;
use crate::model::{Action, Chosen, Model, Past, Topic};
use crate::panel::{Panel, absent, empty};
use crate::{render, theme};

/// Events of one part: a multiple of the blocks in which runs are folded.
const PART: usize = 256;
/// Points between two lanes.
const LANE: f32 = 14.0;
/// Rows this many events from what is looked at are forgotten.
const KEPT: usize = 4 * PART;
/// Bytes of a row's words that are laid out.
const WORDS_MAX: usize = 512;

/// A row's place: its causal index; behind its event stand the notices of that place.
type RowKey = (usize, usize);

/// Where in the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The causal index of the uppermost row; none for the end, also as it moves on.
    pub top: Option<usize>,
    /// Which row the cursor is on.
    pub cursor: Option<RowKey>,
}

/// The rows that the node said.
#[derive(Debug, Default)]
pub struct Timeline {
    /// How many events there are.
    pub total: usize,
    rows: BTreeMap<RowKey, TimelineRow>,
    is_known: bool,
}

impl Timeline {
    /// Takes a page: what was known of the events that it covers is replaced.
    pub fn take(&mut self, page: TimelinePage, place: &Place) {
        self.total = page.total;
        self.is_known = true;
        let end = if page.to >= page.total { usize::MAX } else { page.to };
        let near = place.top.unwrap_or(page.total);
        let keeps = |at: usize| at.abs_diff(near) <= KEPT || page.total.saturating_sub(at) <= KEPT;
        self.rows.retain(|(at, _), _| keeps(*at) && !(page.from..end).contains(at));
        for (number, row) in page.rows.into_iter().enumerate() {
            // Newest first, so a notice behind another is the older one.
            let behind = if row.events > 0 { usize::MAX } else { usize::MAX - 1 - number };
            self.rows.insert((row.index, behind), row);
        }
    }

    /// Is it known what stands here?
    #[must_use]
    pub fn covers(&self, at: usize) -> bool {
        let next = self.from(Some(at)).next();
        next.is_some_and(|((index, _), _)| at.saturating_sub(*index) < PART)
    }

    /// The rows from this event on, newest first.
    fn from(&self, top: Option<usize>) -> impl Iterator<Item = (&RowKey, &TimelineRow)> {
        let last = (top.unwrap_or(usize::MAX), usize::MAX);
        self.rows.range(..=last).rev()
    }
}

/// How a part is asked for.
#[must_use]
pub fn query(part: Option<usize>) -> TimelineQuery {
    let at = part.map_or(TimelineAt::Newest, |part| {
        TimelineAt::Before(part.saturating_add(1).saturating_mul(PART))
    });
    TimelineQuery { at, limit: PART, folded: true, lanes: Vec::new() }
}

/// What is to be asked for: the end, what is in sight and what is below, and the chosen event.
#[must_use]
pub fn topics(model: &Model) -> Vec<Topic> {
    let mut topics = vec![Topic::Timeline(None)];
    if let Some(top) = model.chosen.place.top {
        let part = top / PART;
        topics.push(Topic::Timeline(Some(part)));
        topics.extend(part.checked_sub(1).map(|below| Topic::Timeline(Some(below))));
    }
    topics.extend(model.chosen.event.map(Topic::Event));
    topics
}

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let timeline = &model.said.timeline;
    if !timeline.is_known {
        return absent(ui, model, &Topic::Timeline(None));
    }
    if timeline.rows.is_empty() {
        let what = "Nothing happened yet: whatever anybody writes stands here. kern log lists it, \
                    too";
        return empty(ui, model, actions, (what, Some(Fill::SetValue)));
    }
    let place = model.chosen.place;
    let mut now = model.chosen.clone();
    if let Some(event) = details(model) {
        egui::Panel::bottom("event").resizable(true).default_size(180.0).show(ui, |ui| {
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                ui.horizontal_wrapped(|ui| {
                    if ui.button("Close").clicked() {
                        now.event = None;
                    }
                    if let Some(past) = past_of(&event.row, model)
                        && ui.button("Show the workspace as of here").clicked()
                    {
                        actions.push(Action::Past(Some(past)));
                    }
                });
                render::doc(ui, &present::event(event, &model.said.names));
            });
        });
    }
    let space = ui.available_rect_before_wrap();
    ui.set_clip_rect(space.intersect(ui.clip_rect()));
    let row_points = theme::row(ui);
    let fits = rows_in(space.height(), row_points);
    let in_sight: Vec<_> = timeline.from(place.top).take(fits).collect();
    let mut focus = None;
    for (number, (key, row)) in in_sight.iter().enumerate() {
        let top = space.top() + row_points * points(number);
        let at = Rect::from_min_size(pos2(space.left(), top), vec2(space.width(), row_points));
        let response = draw(ui, at, row, model, **key);
        if response.has_focus() {
            focus = Some(**key);
            let filter = egui::EventFilter { vertical_arrows: true, ..Default::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        }
        if response.clicked() {
            (now.place.cursor, now.event) = (Some(**key), row.event.id.or(now.event));
        }
    }
    ui.allocate_rect(space, Sense::hover());
    scroll(ui, space, timeline, &mut now);
    if focus.is_some() || ui.memory(|memory| memory.focused().is_none()) {
        keys(ui, timeline, fits, focus, &mut now);
    }
    if now != model.chosen {
        actions.push(Action::Choose(now));
    }
}

/// The past of the row that the cursor is on, or of the event that is looked at.
#[must_use]
pub fn looked_at(model: &Model) -> Option<Past> {
    if model.panel != Panel::Timeline {
        return None;
    }
    let cursor = model.chosen.place.cursor.and_then(|key| model.said.timeline.rows.get(&key));
    let row = cursor.map(|row| &row.event).or_else(|| details(model).map(|view| &view.row));
    past_of(row?, model)
}

fn past_of(row: &LogRow, model: &Model) -> Option<Past> {
    let who = present::device_name(&row.author, &model.said.names);
    let event = row.id?;
    let text = format!(
        "as of event {}, {} by {}, {}",
        event.short(),
        row.kind,
        shown(&who, 64),
        present::utc(row.stamp)
    );
    Some(Past { event, text })
}

fn details(model: &Model) -> Option<&kernelos_protocol::facts::EventView> {
    let event = model.said.event.as_ref()?;
    (event.row.id.is_some() && event.row.id == model.chosen.event).then_some(event)
}

fn points(rows: usize) -> f32 {
    f32::from(u16::try_from(rows).unwrap_or(u16::MAX))
}

/// How many rows have room.
fn rows_in(height: f32, row: f32) -> usize {
    (0..512).take_while(|rows| points(*rows + 1) * row <= height).count()
}

fn row_id(key: RowKey) -> egui::Id {
    egui::Id::unique(("timeline row", key))
}

/// One row: a button that is named by its sentence, since its lanes are not seen by everybody.
fn draw(ui: &Ui, at: Rect, row: &TimelineRow, model: &Model, key: RowKey) -> egui::Response {
    let (names, total) = (&model.said.names, model.said.timeline.total);
    let response = ui.interact(at, row_id(key), Sense::click());
    let is_chosen = model.chosen.place.cursor == Some(key);
    let sentence = shown(&present::timeline_sentence(row, total, names), WORDS_MAX);
    let role = egui::accesskit::Role::ListBoxOption;
    response.widget_info(|| egui::WidgetInfo::selected(role, true, is_chosen, &sentence));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_position_in_set(total.saturating_sub(row.index));
        node.set_size_of_set(total);
    });
    let colours = theme::palette(ui);
    if is_chosen || response.hovered() {
        ui.painter().rect_filled(at, 3.0, colours.chosen);
    }
    let words = present::timeline_row(row, names);
    let colour = colours.tone(words.tone);
    lanes(ui.painter(), at, row, Stroke::new(1.5, colours.quiet), colour);
    let columns = row.graph.chars().count().div_ceil(2);
    let more = if row.more > 0 { format!("+{} ", row.more) } else { String::new() };
    let text = format!("{more}{}", shown(&words.text, WORDS_MAX));
    let left = pos2(at.left() + LANE * points(columns + 1), at.center().y);
    ui.painter().text(left, Align2::LEFT_CENTER, text, FontId::proportional(14.0), colour);
    response
}

/// The lines of a row's box characters.
fn lanes(painter: &Painter, at: Rect, row: &TimelineRow, line: Stroke, colour: egui::Color32) {
    for (column, c) in row.graph.chars().enumerate() {
        let x = at.left() + LANE / 2.0 + LANE / 2.0 * points(column);
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
                ends(at, here, (up, down, false, false), to);
                self::mark(painter, here, mark, colour);
                continue;
            }
        };
        ends(at, here, (up, down, left, right), to);
    }
}

fn ends(
    at: Rect,
    here: Pos2,
    (up, down, left, right): (bool, bool, bool, bool),
    to: impl Fn(Pos2),
) {
    let all = [
        (up, pos2(here.x, at.top())),
        (down, pos2(here.x, at.bottom())),
        (left, pos2(here.x - LANE / 2.0, here.y)),
        (right, pos2(here.x + LANE / 2.0, here.y)),
    ];
    all.into_iter().filter(|(is, _)| *is).for_each(|(_, end)| to(end));
}

/// An event: its form says what its words say.
fn mark(painter: &Painter, here: Pos2, mark: char, colour: egui::Color32) {
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

/// By the wheel or a finger, a row at a time.
fn scroll(ui: &Ui, space: Rect, timeline: &Timeline, now: &mut Chosen) {
    let row = theme::row(ui);
    let is_over = ui.rect_contains_pointer(space);
    let wheel = if is_over { ui.input(|input| input.smooth_scroll_delta().y) } else { 0.0 };
    let by = wheel + if is_over { ui.input(|input| dragged(input, space)) } else { 0.0 };
    if by == 0.0 {
        return;
    }
    let rest_id = egui::Id::unique("timeline scroll");
    let rest: f32 = ui.data(|data| data.get_temp(rest_id)).unwrap_or(0.0) + by;
    let rows = (rest / row).trunc();
    ui.data_mut(|data| data.insert_temp(rest_id, rest - rows * row));
    let steps = rows_in(rows.abs() * row, row);
    now.place.top = moved(timeline, now.place.top, steps, rows < 0.0);
}

/// How far what was pressed here was dragged since the last frame.
fn dragged(input: &egui::InputState, space: Rect) -> f32 {
    let pointer = &input.pointer;
    let is_here = pointer.press_origin().is_some_and(|at| space.contains(at));
    let is_dragged = is_here && pointer.primary_down() && pointer.is_decidedly_dragging();
    if is_dragged { pointer.delta().y } else { 0.0 }
}

/// The uppermost row, so many rows further: towards the past or the end.
fn moved(timeline: &Timeline, top: Option<usize>, steps: usize, back: bool) -> Option<usize> {
    let at = |key: &RowKey| Some(key.0);
    if back {
        let below = timeline.from(top).map(|(key, _)| key);
        return below.take(steps.saturating_add(1)).last().map_or(top, at);
    }
    let first = top.and_then(|top| timeline.from(Some(top)).next()).map(|(key, _)| *key)?;
    let mut above = timeline.rows.range(first..).map(|(key, _)| key).skip(steps);
    above.next().and_then(at).filter(|_| above.next().is_some())
}

/// From row to row; Home is the end of the history, End its beginning, as they stand on the screen.
fn keys(ui: &Ui, timeline: &Timeline, fits: usize, focus: Option<RowKey>, now: &mut Chosen) {
    let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let page = fits.saturating_sub(1).max(1);
    let before = now.place.cursor.or(focus);
    let from = |cursor: RowKey, steps: usize, back: bool| {
        let reached = if back {
            timeline.rows.range(..=cursor).rev().map(|(key, _)| *key).nth(steps)
        } else {
            timeline.rows.range(cursor..).map(|(key, _)| *key).nth(steps)
        };
        let end =
            if back { timeline.rows.first_key_value() } else { timeline.rows.last_key_value() };
        reached.or_else(|| end.map(|(key, _)| *key))
    };
    let first = timeline.from(now.place.top).next().map(|(key, _)| *key);
    let step = |steps: usize, back: bool| match before {
        Some(cursor) => from(cursor, steps, back),
        None => first,
    };
    let cursor = if key(Key::ArrowDown) {
        step(1, true)
    } else if key(Key::ArrowUp) {
        step(1, false)
    } else if key(Key::PageDown) {
        step(page, true)
    } else if key(Key::PageUp) {
        step(page, false)
    } else if key(Key::Home) {
        now.place.top = None;
        timeline.rows.last_key_value().map(|(key, _)| *key)
    } else if key(Key::End) {
        now.place.top = Some(fits.saturating_sub(1));
        now.place.cursor = Some((0, usize::MAX));
        return;
    } else {
        if key(Key::Enter)
            && let Some(row) = before.and_then(|cursor| timeline.rows.get(&cursor))
        {
            now.event = row.event.id.or(now.event);
        }
        return;
    };
    let Some(cursor) = cursor else { return };
    now.place.cursor = Some(cursor);
    reveal(timeline, fits, cursor, now);
    ui.memory_mut(|memory| memory.request_focus(row_id(cursor)));
}

/// Moves what is in sight so that the cursor is in it.
fn reveal(timeline: &Timeline, fits: usize, cursor: RowKey, now: &mut Chosen) {
    let at = timeline.from(now.place.top).position(|(key, _)| *key == cursor);
    match at {
        Some(at) if at < fits => {}
        Some(at) => {
            let steps = at.saturating_add(1).saturating_sub(fits);
            now.place.top = moved(timeline, now.place.top, steps, true);
        }
        None => {
            let is_end = timeline.rows.last_key_value().is_some_and(|(key, _)| *key == cursor);
            now.place.top = (!is_end).then_some(cursor.0);
        }
    }
}

#[cfg(test)]
mod tests;
