//! How one moves through the timeline: by keys, the wheel, a finger, and the bar beside it that
//! says where in the history one is.

use eframe::egui::{self, Key, Modifiers, Rect, Sense, Ui, pos2, vec2};

use super::draw::{height, points, row_id};
use super::known::{Place, Reach, RowKey, Slot, Timeline, event_at};
use super::rows_in;
use crate::model::Chosen;
use crate::theme;

/// Points of the bar: wide enough to be taken.
pub(super) const BAR: f32 = 24.0;
/// The least of what is dragged along it.
const THUMB: f32 = 24.0;

/// By the wheel or a finger, a row at a time.
pub(super) fn scroll(ui: &Ui, space: Rect, timeline: &Timeline, now: &mut Chosen) {
    let row = height(ui, space.width());
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
    now.place.top = moved(timeline, &now.place, steps, rows < 0.0);
}

/// How far what was pressed here was dragged since the last frame.
fn dragged(input: &egui::InputState, space: Rect) -> f32 {
    let pointer = &input.pointer;
    let is_here = pointer.press_origin().is_some_and(|at| space.contains(at));
    let is_dragged = is_here && pointer.primary_down() && pointer.is_decidedly_dragging();
    if is_dragged { pointer.delta().y } else { 0.0 }
}

/// The uppermost row, so many rows further: towards the past or the end.
pub(super) fn moved(
    timeline: &Timeline,
    place: &Place,
    steps: usize,
    back: bool,
) -> Option<RowKey> {
    let reach = timeline.reach(place);
    let last = reach.sight.last();
    if back && last.is_none_or(|last| !last.is_gap() && timeline.below(last).is_none()) {
        return place.top;
    }
    let first = reach.sight.first().map_or_else(|| timeline.newest(), |slot| *slot);
    top(timeline, &timeline.walk(first, steps, back))
}

/// Where fewer rows have room than before, as where one was chosen and its details open below, the
/// one that is chosen stays in sight.
pub(super) fn keep_in_sight(timeline: &Timeline, before: &Place, now: &mut Place) {
    if now.fits >= before.fits || now.cursor.is_none() {
        return;
    }
    let was = timeline.reach(before);
    let at = was.sight.iter().position(|slot| Some(slot.key()) == now.cursor);
    let beyond = at.map(|at| at.saturating_add(1).saturating_sub(now.fits)).filter(|by| *by > 0);
    if let Some(by) = beyond {
        now.top = moved(timeline, now, by, true);
    }
}

/// As the uppermost row; the newest stays the newest.
fn top(timeline: &Timeline, slot: &Slot<'_>) -> Option<RowKey> {
    (slot.key() != timeline.newest().key()).then(|| slot.key())
}

/// Where in the history one is, newest above: a bar that is dragged.
pub(super) fn bar(ui: &Ui, at: Rect, (timeline, reach): (&Timeline, &Reach<'_>), now: &mut Chosen) {
    let (total, Some((first, last))) = (timeline.total, reach.span()) else { return };
    let sense = Sense::CLICK | Sense::DRAG;
    let response = ui.interact(at, egui::Id::unique("timeline bar"), sense);
    let part = |events: usize| events as f32 / total.max(1) as f32;
    let high = (at.height() * part(last.saturating_sub(first).saturating_add(1)))
        .clamp(THUMB.min(at.height()), at.height());
    let way = at.height() - high;
    // The newest in sight at the upper end, the oldest at the lower one.
    let left = total.saturating_sub(last.saturating_sub(first).saturating_add(1)).max(1);
    let share = (total.saturating_sub(last.saturating_add(1)) as f32 / left as f32).min(1.0);
    let thumb = Rect::from_min_size(pos2(at.left() + 8.0, at.top() + way * share), vec2(8.0, high));
    let colours = theme::palette(ui);
    let is_used = response.hovered() || response.dragged();
    let rail = Rect::from_center_size(at.center(), vec2(2.0, at.height()));
    ui.painter().rect_filled(rail, 1.0, colours.raised);
    ui.painter().rect_filled(thumb, 4.0, if is_used { colours.focus } else { colours.quiet });
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_role(egui::accesskit::Role::ScrollBar);
        node.set_label("place in the history");
        node.set_numeric_value(total.saturating_sub(last.saturating_add(1)) as f64);
        node.set_min_numeric_value(0.0);
        node.set_max_numeric_value(total.saturating_sub(1) as f64);
    });
    let pointer = response.interact_pointer_pos().filter(|_| {
        response.dragged() || response.clicked() || response.is_pointer_button_down_on()
    });
    if let Some(pointer) = pointer {
        let share = ((pointer.y - at.top() - high / 2.0) / way.max(1.0)).clamp(0.0, 1.0);
        let behind = share_of(total.saturating_sub(1), share);
        let event = total.saturating_sub(1).saturating_sub(behind);
        now.place.top = (behind > 0).then(|| event_at(event));
    }
}

/// So much of a number, found by halves.
fn share_of(number: usize, share: f32) -> usize {
    let goal = f64::from(share) * number as f64;
    let (mut low, mut high) = (0, number);
    while low < high {
        let middle = low.midpoint(high);
        if (middle as f64) < goal {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    low
}

/// From row to row; Home is the end of the history, End its beginning, as they stand on the screen.
pub(super) fn keys(
    ui: &Ui,
    (timeline, reach): (&Timeline, &Reach<'_>),
    focus: Option<RowKey>,
    now: &mut Chosen,
) {
    let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let page = now.place.fits.saturating_sub(1).max(1);
    let before = now.place.cursor.or(focus).map(|key| timeline.at(key));
    let step = |steps: usize, back: bool| match before {
        Some(slot) => Some(timeline.walk(slot, steps, back).key()),
        None => reach.sight.first().map(Slot::key),
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
        Some(timeline.newest().key())
    } else if key(Key::End) {
        now.place.top = Some((0, 0));
        Some(timeline.at((0, 0)).key())
    } else {
        if key(Key::Enter)
            && let Some(Slot::Row(_, row)) = before
        {
            now.event = row.event.id.or(now.event);
        }
        return;
    };
    let Some(cursor) = cursor else { return };
    now.place.cursor = Some(cursor);
    reveal(timeline, cursor, now);
    ui.memory_mut(|memory| memory.request_focus(row_id(cursor)));
}

/// Moves what is in sight so that the cursor is in it.
fn reveal(timeline: &Timeline, cursor: RowKey, now: &mut Chosen) {
    let reach = timeline.reach(&now.place);
    if reach.sight.iter().any(|slot| slot.key() == cursor) {
        return;
    }
    let slot = timeline.at(cursor);
    let is_above = reach.sight.first().is_some_and(|first| cursor > first.key());
    let steps = if is_above { 0 } else { now.place.fits.saturating_sub(1) };
    now.place.top = top(timeline, &timeline.walk(slot, steps, false));
}

/// Where rows stand, from the top.
pub(super) fn place_of(space: Rect, row: f32, number: usize) -> Rect {
    let top = space.top() + row * points(number);
    Rect::from_min_size(pos2(space.left(), top), vec2(space.width(), row))
}
