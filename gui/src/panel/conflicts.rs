//! The conflict inbox: what was, who wrote what, why neither gave way, what each decision comes to,
//! and deciding, one by one or the same choice for many. Pages follow each other as one list.

mod list;

use std::collections::BTreeSet;

use eframe::egui::{self, Ui};
use kernelos_protocol::command::{
    Command, ConflictPage, ConflictPlace, ConflictRow, Deciding, Outcome, Take, batches, choose,
    outcome, outcomes,
};
use kernelos_protocol::document::Edit;
use kernelos_protocol::document::conflict::ConflictKind;
use kernelos_protocol::id::{ConflictId, EventId};
use kernelos_protocol::present::{self, Doc, Text, Tone, shown};

use crate::form::{Fill, Form};
use crate::model::{Action, Chosen, Link, Model, Topic};
use crate::panel::{absent, can, empty};
use crate::render;

/// For so many seconds a click does not decide what came up in another's place.
const NEW_SECONDS: f64 = 0.5;

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(page) = &model.said.conflicts else {
        return absent(ui, model, &Topic::Conflicts(model.chosen.pages.last().cloned()));
    };
    if let Some(text) = is_older(model, page) {
        render::text(ui, &text);
    }
    let Some((at, row)) = looked_at(model) else {
        // What comes up next takes nobody's place.
        ui.data_mut(|data| data.remove::<(ConflictId, f64)>(since()));
        render::doc(ui, &present::conflicts(page, &model.said.names));
        let what = "What devices write at one place while apart comes here, with what each wrote, \
                    to be decided: nothing is to be done now. kern conflicts lists them, too";
        return empty(ui, model, actions, (what, None));
    };
    if let Some(gone) = &model.gone {
        let path = shown(&gone.to_string(), 96);
        let text = format!("the conflict at {path} was decided elsewhere: this is the next");
        ui.scope(|ui| {
            ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
                node.set_role(egui::accesskit::Role::Status);
                node.set_live(egui::accesskit::Live::Assertive);
            });
            render::text(ui, &Text::toned(Tone::Attention, text));
        });
    }
    let of = total(page);
    let place = format!("{} of {of}, needs a decision", before(page) + at + 1);
    render::text(ui, &Text::toned(Tone::Attention, place));
    ui.horizontal_wrapped(|ui| {
        for (name, forwards) in [("Previous", false), ("Next", true)] {
            let to = step(model, forwards);
            if ui.add_enabled(to.is_some(), egui::Button::new(name)).clicked() {
                actions.extend(to.map(Action::Choose));
            }
        }
    });
    render::doc(ui, &present::conflict(row, &model.said.names));
    // What each button does is read before one is pressed.
    // What ends below it is said above.
    let alone = |one| Outcome { below: Vec::new(), ..one };
    let outcomes: Vec<_> = outcomes(row).into_iter().map(alone).collect();
    render::doc(ui, &present::outcomes(&outcomes, &model.said.names));
    if let Some(tip) = tip(row) {
        match preview(model, tip) {
            Some(doc) => ui.push_id("preview", |ui| render::doc(ui, &doc)).inner,
            None => absent(ui, model, &Topic::Preview(tip)),
        }
    }
    // What is pressed on one conflict and let go of on another decides neither.
    ui.push_id(row.id.to_string(), |ui| sides(ui, row, model, actions));
    ui.data_mut(|data| data.insert_temp(drawn(), row.clone()));
    if of > 1 {
        ui.separator();
        list::show(ui, model, page, actions);
        many(ui, model, row, actions);
    }
}

/// The last event of the branch that comes back by keeping a side, where one does.
pub(crate) fn tip(row: &ConflictRow) -> Option<EventId> {
    // What a fork left out cannot come back, though its side says which branch it is.
    let sides = row.sides.iter().filter(|_| row.kind == ConflictKind::Quarantine);
    sides.into_iter().find(|side| side.readmits)?.event
}

/// What such a branch would set, once it is known.
fn preview(model: &Model, tip: EventId) -> Option<Doc> {
    let preview = model.said.preview.as_ref().filter(|preview| preview.tip == tip);
    preview.map(present::preview)
}

/// How many there are, as the node says.
pub(crate) fn total(page: &ConflictPage) -> usize {
    page.total.max(page.conflicts.len().saturating_add(page.more))
}

/// What is said where more are open than the list knows of: the node told how many there are, and
/// did not come to say which.
fn is_older(model: &Model, page: &ConflictPage) -> Option<Text> {
    let more = model.open_conflicts().saturating_sub(total(page));
    let is_down = matches!(model.link, Link::Down(_));
    (is_down && more > 0).then(|| {
        let are =
            if more == 1 { "1 more is open".to_owned() } else { format!("{more} more are open") };
        let text = format!("{are}: this list is older, and comes anew when the node answers");
        Text::toned(Tone::Attention, text)
    })
}

/// How many stand before the page.
fn before(page: &ConflictPage) -> usize {
    total(page).saturating_sub(page.conflicts.len().saturating_add(page.more))
}

/// The chosen conflict and where it is on its page: the first where none is, or the last where one
/// came from behind.
pub(crate) fn looked_at(model: &Model) -> Option<(usize, &ConflictRow)> {
    let rows = &model.said.conflicts.as_ref()?.conflicts;
    let chosen = rows.iter().position(|row| Some(row.id) == model.chosen.conflict);
    let end = if model.chosen.from_end { rows.len().checked_sub(1)? } else { 0 };
    let at = chosen.unwrap_or(end);
    Some((at, rows.get(at)?))
}

/// The next conflict or the one before it, also on another page.
#[must_use]
pub fn step(model: &Model, forwards: bool) -> Option<Chosen> {
    let page = model.said.conflicts.as_ref()?;
    let (at, _) = looked_at(model)?;
    let mut chosen = Chosen { from_end: false, ..model.chosen.clone() };
    let to = if forwards { at.checked_add(1) } else { at.checked_sub(1) };
    chosen.conflict = to.and_then(|to| page.conflicts.get(to)).map(|row| row.id);
    if chosen.conflict.is_some() {
        return Some(chosen);
    }
    if forwards {
        chosen.pages.push(page.next.clone()?);
    } else {
        chosen.pages.pop()?;
        chosen.from_end = true;
    }
    Some(chosen)
}

/// Where it stands which conflict was drawn last.
fn drawn() -> egui::Id {
    egui::Id::unique("conflict drawn")
}

/// Was the conflict that is looked at drawn as it is now? Before that no key decides it.
pub(crate) fn is_drawn(context: &egui::Context, model: &Model) -> bool {
    let last = context.data(|data| data.get_temp::<ConflictRow>(drawn()));
    looked_at(model).is_some_and(|(_, row)| last.as_ref() == Some(row))
}

/// Where it stands since when a conflict is drawn.
fn since() -> egui::Id {
    egui::Id::unique("conflict since")
}

/// Did it take the place of another a moment ago? Who clicks twice means the one that stood there.
fn is_new(ui: &Ui, row: &ConflictRow) -> bool {
    let key = since();
    let now = ui.input(|input| input.time);
    let before = ui.data(|data| data.get_temp::<(ConflictId, f64)>(key));
    let since = match before {
        Some((id, since)) if id == row.id => since,
        Some(_) => now,
        None => f64::NEG_INFINITY,
    };
    ui.data_mut(|data| data.insert_temp(key, (row.id, since)));
    now - since < NEW_SECONDS
}

/// Where the conflict that was looked at is no more, the one that stands there now is.
fn follow(model: &mut Model, old: &[ConflictRow], new: &[ConflictRow]) {
    let is_there = |row: &ConflictRow| Some(row.id) == model.chosen.conflict;
    let was = old.iter().position(is_there).filter(|_| !new.iter().any(is_there));
    if let Some(was) = was {
        let at = was.min(new.len().saturating_sub(1));
        model.chosen.conflict = new.get(at).map(|row| row.id);
    }
}

/// These were decided here: the next is looked at.
pub(crate) fn decided(model: &mut Model, ids: &BTreeSet<ConflictId>) {
    model.selected.retain(|id, _| !ids.contains(id));
    let Some(mut page) = model.said.conflicts.take() else { return };
    let old = page.conflicts.clone();
    let of = total(&page);
    page.conflicts.retain(|row| !ids.contains(&row.id));
    page.total = of.saturating_sub(old.len().saturating_sub(page.conflicts.len()));
    follow(model, &old, &page.conflicts);
    model.said.conflicts = Some(page);
}

/// Takes a page, and stays with the conflict that is looked at: where that was decided elsewhere,
/// the one that stands there now is, and it is told. What is open no more is selected no more.
pub(crate) fn take(model: &mut Model, page: ConflictPage) {
    if let Some(old) = model.said.conflicts.take() {
        let before = model.chosen.conflict;
        follow(model, &old.conflicts, &page.conflicts);
        if before != model.chosen.conflict {
            let row = old.conflicts.into_iter().find(|row| Some(row.id) == before);
            model.gone = row.map(|row| row.path);
        }
    }
    let first = model.chosen.pages.last();
    let place = |row: &ConflictRow| ConflictPlace { path: row.path.clone(), id: row.id };
    let last = page.next.as_ref().and_then(|_| page.conflicts.last()).map(place);
    model.selected.retain(|_, row| {
        let at = place(row);
        let is_of_page =
            first.is_none_or(|first| at > *first) && last.as_ref().is_none_or(|last| at <= *last);
        !is_of_page || page.conflicts.iter().any(|other| other.id == row.id)
    });
    for row in &page.conflicts {
        if let Some(selected) = model.selected.get_mut(&row.id) {
            selected.clone_from(row);
        }
    }
    if page.conflicts.is_empty() && model.chosen.pages.pop().is_some() {
        // Everything behind that place was decided meanwhile: the page before it is the last.
        model.chosen.from_end = true;
        model.said.conflicts = None;
        return;
    }
    model.said.conflicts = Some(page);
    // The one that is shown is the chosen one, whatever comes before it later.
    model.chosen.conflict = looked_at(model).map(|(_, row)| row.id);
    model.chosen.from_end = false;
}

/// Keeps what this side says.
pub(crate) fn keep(row: &ConflictRow, side: &str) -> Command {
    Command::Edit { edits: vec![Edit::Keep { resolve: row.id, keep: side.to_owned() }] }
}

/// Keeps what this side says, or asks before, where no undo takes that back.
pub(crate) fn keeping(model: &Model, row: &ConflictRow, side: &str) -> Action {
    let command = keep(row, side);
    if row.kind.has_place() {
        return Action::Do(command);
    }
    let of = outcome(row, &Deciding::Keep(side.to_owned()));
    let readmits = row.sides.iter().any(|of| of.side == side && of.readmits);
    let comes_back = readmits && row.kind == ConflictKind::Quarantine;
    let then = match (row.kind, comes_back) {
        (_, true) => {
            "it counts again on every device, with what it builds on; no undo takes that back, \
             only kern strike"
        }
        (ConflictKind::Divergent, _) if readmits => {
            "it cannot come back, since its number is taken: what it set can be set anew"
        }
        (ConflictKind::Holders, _) => "this is decided on every device; one undo opens it again",
        (_, false) => {
            "it stays apart on every device, and this is asked no more; one undo opens it again"
        }
    };
    let text = format!("{}: {then}", row.kind.words());
    let mut doc = present::outcomes(of.as_slice(), &model.said.names);
    let brings = tip(row).filter(|_| comes_back).and_then(|tip| preview(model, tip));
    doc.0.extend(brings.unwrap_or_default().0);
    model.ask(format!("Keep {}", shown(side, 8)), text, doc, command)
}

/// What the same choice comes to for all that are selected, to be confirmed: one event, so that one
/// undo takes it back. Why not, where it decides nothing.
pub fn bulk(model: &Model, take: &Take) -> Result<Action, String> {
    let mut rows: Vec<_> = model.selected.values().cloned().collect();
    rows.sort_by(|a, b| (&a.path, a.id).cmp(&(&b.path, b.id)));
    let choices = choose(&rows, take);
    let all = batches(&choices);
    let Some(batch) = all.first() else {
        return Err("none of them is decided by that".to_owned());
    };
    let edits: Vec<_> = batch.iter().filter_map(|choice| choice.edit()).collect();
    let (now, open) = (edits.len(), rows.len().saturating_sub(edits.len()));
    let rest = if open > 0 { format!("; {open} stay selected and open") } else { String::new() };
    let text = format!("{now} conflicts are decided by one event, which one undo takes back{rest}");
    let verb = format!("Decide {now}");
    let doc: Doc = present::choices(&choices);
    Ok(model.ask(verb, text, doc, Command::Edit { edits }))
}

/// The same choice for all that are selected.
fn many(ui: &mut Ui, model: &Model, row: &ConflictRow, actions: &mut Vec<Action>) {
    let selected = model.selected.len();
    if selected == 0 {
        return;
    }
    let mut takes = vec![("the newest".to_owned(), Take::Newest)];
    for side in &row.sides {
        takes.push((format!("side {}", shown(&side.side, 8)), Take::Side(side.side.clone())));
    }
    for device in row.sides.iter().filter_map(|side| side.device) {
        let name = shown(&present::device_name(&device, &model.said.names), 64);
        let take = (format!("what {name} wrote"), Take::Device(device));
        if !takes.contains(&take) {
            takes.push(take);
        }
    }
    ui.horizontal_wrapped(|ui| {
        for (name, take) in takes {
            if can(ui, model, &format!("Keep {name} of {selected}…")) {
                actions.push(match bulk(model, &take) {
                    Ok(action) => action,
                    Err(why) => Action::Told(why),
                });
            }
        }
    });
}

/// A button a side, which says what will stand there; and why it does nothing now.
fn sides(ui: &mut Ui, row: &ConflictRow, model: &Model, actions: &mut Vec<Action>) {
    let why_not = model.why_no_write();
    let is_new = is_new(ui, row);
    for (index, side) in row.sides.iter().enumerate() {
        let who = side.device.map(|device| present::device_name(&device, &model.said.names));
        let who = who.unwrap_or_default();
        let kept = shown(&present::kept(row, side, &model.said.names), 192);
        let key = if index < 9 { format!("{} ", index + 1) } else { String::new() };
        let text = match who.is_empty() || !row.kind.has_place() {
            true => format!("{key}Keep {}: {kept}", side.side),
            false => format!("{key}Keep {}: {kept}, by {}", side.side, shown(&who, 64)),
        };
        let button = egui::Button::new(text).wrap();
        let size = [ui.available_width().min(640.0), ui.spacing().interact_size.y];
        let is_clicked = ui.add_enabled_ui(why_not.is_none(), |ui| ui.add_sized(size, button));
        if is_clicked.inner.clicked() && !is_new {
            actions.push(keeping(model, row, &side.side));
        }
    }
    // What stands at no place is decided by keeping a side alone.
    let takes_value = outcome(row, &Deciding::Value(serde_json::Value::Null)).is_some();
    let own = egui::Button::new("Decide by a value of your own…").wrap();
    if takes_value && ui.add_enabled(why_not.is_none(), own).clicked() {
        actions.push(Action::Form(Some(Form::of(Fill::Decide(row.id), model))));
    }
    if let Some(why) = why_not {
        render::text(ui, &Text::toned(Tone::Attention, why));
    }
}
