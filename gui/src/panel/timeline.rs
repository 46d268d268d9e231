//! The timeline: what happened, newest first, as lines of descent. Parts are asked for as they come
//! into sight, one after the other, until they fill the view and a page beside it; only the rows in
//! sight are laid out, however many there are.

use eframe::egui::{self, Rect, Sense, Ui, pos2, vec2};
use kernelos_protocol::command::{Command, LogRow, TimelineAt, TimelineQuery};
use kernelos_protocol::facts::EventView;
use kernelos_protocol::id::{EventId, Lane};
use kernelos_protocol::limits::TIMELINE_BLOCK;
use kernelos_protocol::present::{self, Doc, Text, Tone, shown};
use kernelos_protocol::workspace::Verdict;

use crate::form::Fill;
use crate::model::{Action, Chosen, Model, Past, Topic};
use crate::panel::{Panel, absent, can, empty};
use crate::{render, theme};

mod draw;
mod known;
mod moves;

use draw::row_id;
use known::{PART, Reach, Slot};
pub use known::{Place, RowKey, Timeline, event_at};

/// Parts in sight that are asked for again as something changes.
const PARTS_MAX: usize = 64;
/// Rows that are looked through for the last edit before an event.
const BEFORE_MAX: usize = 4 * PART;

/// How a part is asked for.
#[must_use]
pub fn query(part: Option<usize>, folded: bool) -> TimelineQuery {
    let at = part.map_or(TimelineAt::Newest, |part| {
        TimelineAt::Before(part.saturating_add(1).saturating_mul(PART))
    });
    TimelineQuery { at, limit: PART, folded, lanes: Vec::new() }
}

/// What is to be asked for: the end, what is in sight, the first part that is missing of it or of a
/// page beside it, and the chosen event.
#[must_use]
pub fn topics(model: &Model) -> Vec<Topic> {
    let timeline = &model.said.timeline;
    let folded = !model.chosen.each;
    let mut topics = vec![Topic::Timeline(None, folded)];
    if timeline.total > 0 {
        let reach = timeline.reach(&model.chosen.place);
        let end = timeline.total.saturating_sub(PART) / TIMELINE_BLOCK * TIMELINE_BLOCK;
        let mut parts: Vec<_> = reach.sight.iter().filter(|slot| !slot.is_gap()).collect();
        parts.retain(|slot| slot.span().0 < end);
        let mut parts: Vec<_> = parts.into_iter().map(|slot| slot.span().0 / PART).collect();
        parts.dedup();
        parts.truncate(PARTS_MAX);
        let missing = reach.all().find(|slot| slot.is_gap()).map(|slot| slot.span().1 / PART);
        parts.extend(missing.filter(|part| !parts.contains(part)));
        topics.extend(parts.into_iter().map(|part| Topic::Timeline(Some(part), folded)));
    }
    topics.extend(model.chosen.event.map(Topic::Event));
    topics
}

/// Is all that fills the view here?
#[must_use]
pub fn is_full(model: &Model) -> bool {
    let reach = model.said.timeline.reach(&model.chosen.place);
    !reach.sight.iter().any(Slot::is_gap)
}

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let timeline = &model.said.timeline;
    if !timeline.is_known {
        return absent(ui, model, &Topic::Timeline(None, !model.chosen.each));
    }
    if timeline.rows.is_empty() {
        let what = "Nothing happened yet: whatever anybody writes stands here. kern log lists it, \
                    too";
        return empty(ui, model, actions, (what, Some(Fill::SetValue)));
    }
    let mut now = model.chosen.clone();
    details_below(ui, model, &mut now, actions);
    // Its height does not depend on what it says: how many rows have room would depend on it.
    let height = ui.spacing().interact_size.y;
    let (_, line) = ui.allocate_space(vec2(ui.available_width(), height));
    let all = ui.available_rect_before_wrap();
    ui.set_clip_rect(all.intersect(ui.clip_rect()).union(line.intersect(ui.clip_rect())));
    let space = Rect::from_min_max(all.min, pos2(all.right() - moves::BAR, all.bottom()));
    let row = draw::height(ui, space.width());
    now.place.fits = rows_in(space.height(), row);
    moves::keep_in_sight(timeline, &model.chosen.place, &mut now.place);
    let reach = timeline.reach(&now.place);
    where_one_is(ui, line, (timeline, &reach), &mut now);
    let focus = rows(ui, (space, row), model, &reach, &mut now);
    now.place.focus = focus;
    ui.allocate_rect(all, Sense::hover());
    let bar = Rect::from_min_max(pos2(space.right(), all.top()), all.max);
    moves::bar(ui, bar, (timeline, &reach), &mut now);
    moves::scroll(ui, space, timeline, &mut now);
    if focus.is_some() || ui.memory(|memory| memory.focused().is_none()) {
        moves::keys(ui, (timeline, &reach), focus, &mut now);
    }
    if now != model.chosen {
        actions.push(Action::Choose(now));
    }
}

/// The rows in sight; gives which has the focus.
fn rows(
    ui: &Ui,
    (space, row): (Rect, f32),
    model: &Model,
    reach: &Reach<'_>,
    now: &mut Chosen,
) -> Option<RowKey> {
    let mut focus = None;
    // What was gone to before it was loaded is its row now; a run that grew is the same one.
    if let Some(cursor) = now.place.cursor {
        let key = model.said.timeline.at(cursor).key();
        if key != cursor {
            now.place.cursor = Some(key);
            ui.memory_mut(|memory| {
                if memory.has_focus(row_id(cursor)) {
                    memory.request_focus(row_id(key));
                }
            });
        }
    }
    for (number, slot) in reach.sight.iter().enumerate() {
        let response = draw::slot(ui, moves::place_of(space, row, number), slot, model);
        if response.has_focus() {
            focus = Some(slot.key());
            let filter = egui::EventFilter { vertical_arrows: true, ..Default::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        }
        if response.clicked()
            && let Slot::Row(key, row) = slot
        {
            (now.place.cursor, now.event) = (Some(*key), row.event.id.or(now.event));
        }
    }
    focus
}

/// Says by the events' numbers which part of the history is in sight, and lets each event be a row.
fn where_one_is(
    ui: &mut Ui,
    line: Rect,
    (timeline, reach): (&Timeline, &Reach<'_>),
    now: &mut Chosen,
) {
    let Some((first, last)) = reach.span() else { return };
    let gap = if reach.sight.iter().any(Slot::is_gap) { ", loading…" } else { "" };
    let (first, last) = (first.saturating_add(1), last.saturating_add(1));
    let text = format!("events {first} to {last} of {}{gap}", timeline.total);
    let text = egui::RichText::new(text).color(theme::palette(ui).tone(Tone::Quiet));
    let layout = egui::Layout::left_to_right(egui::Align::Center);
    let mut line = ui.new_child(egui::UiBuilder::new().max_rect(line).layout(layout));
    line.checkbox(&mut now.each, "each event");
    line.add(egui::Label::new(text).truncate());
}

/// The event that is looked at, below the rows.
fn details_below(ui: &mut Ui, model: &Model, now: &mut Chosen, actions: &mut Vec<Action>) {
    let Some(event) = details(model) else { return };
    let most = (ui.available_height() / 2.0).max(80.0);
    let size = 80.0..=most;
    let panel = egui::Panel::bottom("event").resizable(true).default_size(180.0).size_range(size);
    panel.show(ui, |ui| {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                if ui.button("Close").clicked() {
                    now.event = None;
                }
                let past = past_of(&event.row, model);
                let button = egui::Button::new("Show the workspace as of here").wrap();
                if ui.add_enabled(past.is_some(), button).clicked() {
                    actions.extend(past.clone().map(|past| Action::Past(Some(past))));
                }
                if past.is_none() {
                    let why = "no edit is known before this event";
                    render::text(ui, &Text::toned(Tone::Quiet, why));
                }
                ways(ui, event, model, (now, actions));
            });
            render::doc(ui, &present::event(event, &model.said.names));
        });
    });
}

/// What can be done about an event: the run that it ends is laid open, and it is taken back.
fn ways(
    ui: &mut Ui,
    event: &EventView,
    model: &Model,
    (now, actions): (&mut Chosen, &mut Vec<Action>),
) {
    if let Some(id) = event.row.id
        && is_taken_back(&event.row)
        && can(ui, model, &format!("Undo {}", id.short()))
    {
        actions.push(undoing(model, &event.row, id));
    }
    // It is the last of them: what goes lets nothing slide below a second click.
    let mut rows = model.said.timeline.rows.values();
    let run = rows.find(|row| row.event.id == event.row.id && row.events > 1);
    if let Some(run) = run
        && ui.button(format!("Show each of these {}", run.events)).clicked()
    {
        now.each = true;
    }
}

/// Is an event of this kind taken back at all? Nobody takes back that a workspace was made.
fn is_taken_back(row: &LogRow) -> bool {
    matches!(row.kind.as_str(), "change" | "undo" | "grant" | "revoke")
}

/// Takes back this event, whichever it is: the node says why not. Who is a member is changed by
/// nobody who was not asked first.
fn undoing(model: &Model, row: &LogRow, event: EventId) -> Action {
    let command = Command::Undo { begin: Some(event.to_string()), force: false };
    if !matches!(row.kind.as_str(), "grant" | "revoke") {
        return Action::Do(command);
    }
    let by = present::device_name(&row.author, &model.said.names);
    let text = format!(
        "{} {} by {} is taken back: that changes who is a member, on every device",
        row.kind,
        event.short(),
        shown(&by, 64)
    );
    model.ask(format!("Undo {}", event.short()), text, Doc::default(), command)
}

/// Takes back the event that is looked at.
pub(crate) fn undo(model: &Model) -> Option<Action> {
    let row = looked_at(model).filter(|row| is_taken_back(row))?;
    Some(undoing(model, row, row.id?))
}

/// The event that the cursor is on, or the focus, or that is looked at.
#[must_use]
pub fn looked_at(model: &Model) -> Option<&LogRow> {
    if model.panel != Panel::Timeline {
        return None;
    }
    let place = &model.chosen.place;
    let cursor = place.cursor.or(place.focus).and_then(|key| match model.said.timeline.at(key) {
        Slot::Row(_, row) => Some(&row.event),
        Slot::Gap { .. } => None,
    });
    let row = cursor.or_else(|| details(model).map(|view| &view.row));
    row.filter(|row| row.id.is_some())
}

/// The past of it. Who is a member says nothing of documents: of an event that only says that it is
/// the past of the last edit before it.
#[must_use]
pub fn past(model: &Model) -> Option<Past> {
    past_of(looked_at(model)?, model)
}

fn past_of(row: &LogRow, model: &Model) -> Option<Past> {
    let event = row.id?;
    let as_of = |row: &LogRow, event: EventId| {
        let who = shown(&present::device_name(&row.author, &model.said.names), 64);
        let when = present::utc(row.stamp);
        format!("as of event {}, {} by {who}, {when}", event.short(), row.kind)
    };
    if row.lane != Some(Lane::Control) {
        return Some(Past { event, text: as_of(row, event) });
    }
    let edit = edit_before(event, model)?;
    let last = edit.id?;
    let text =
        format!("{}: the last edit before {} {}", as_of(edit, last), row.kind, event.short());
    Some(Past { event: last, text })
}

/// The last event before this one, as far as it is known, that counts and writes in a document.
fn edit_before(event: EventId, model: &Model) -> Option<&LogRow> {
    let timeline = &model.said.timeline;
    let (key, row) = timeline.rows.iter().find(|(_, row)| row.event.id == Some(event))?;
    let mut slot = Slot::Row(*key, row);
    for _ in 0..BEFORE_MAX {
        slot = timeline.below(&slot)?;
        let Slot::Row(_, row) = slot else { return None };
        let event = &row.event;
        let counts = event.verdict == Some(Verdict::Admitted) && event.id.is_some();
        if counts && event.lane == Some(Lane::Content) {
            return Some(event);
        }
    }
    None
}

fn details(model: &Model) -> Option<&EventView> {
    let event = model.said.event.as_ref()?;
    (event.row.id.is_some() && event.row.id == model.chosen.event).then_some(event)
}

/// How many rows have room.
fn rows_in(height: f32, row: f32) -> usize {
    (0..512).take_while(|rows| draw::points(*rows + 1) * row <= height).count()
}

#[cfg(test)]
mod tests;
