//! What lies over the panels: a question, the palette, the help, and what a command became.

use eframe::egui::{self, Align, Key, Modal, Modifiers, TextEdit, Ui};
use kernelos_protocol::command::Command;
use kernelos_protocol::present::registry::{Entry, registry};
use kernelos_protocol::present::{Text, Tone, shown};

use crate::model::{Action, Model, Told};
use crate::panel::{Panel, can};
use crate::{keys, render, theme};

/// For so many seconds a click on a notice means what stood there before.
const NEW_SECONDS: f64 = 0.5;

/// Draws what lies over the panels.
pub fn show(ui: &Ui, model: &Model, actions: &mut Vec<Action>) {
    if model.question.is_some() {
        // A form that led to it is there again if the answer is no.
        question(ui, model, actions);
    } else {
        crate::form::show(ui, model, actions);
    }
    palette(ui, model, actions);
    help(ui, model, actions);
}

pub(crate) fn width(ui: &Ui) -> f32 {
    (ui.ctx().content_rect().width() - 48.0).clamp(200.0, 520.0)
}

/// What scrolls in something that lies over the rest: it has the room that it needs, also where
/// what was there before needed less.
pub(crate) fn over_all(most: f32) -> egui::ScrollArea {
    egui::ScrollArea::vertical().max_height(most).min_scrolled_height(most)
}

/// Names what lies over the rest, for who does not see it.
pub(crate) fn dialog(ui: &Ui, name: &str) {
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
        node.set_role(egui::accesskit::Role::Dialog);
        node.set_label(name);
        node.set_modal();
    });
}

fn question(ui: &Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(question) = &model.question else { return };
    let modal = Modal::new(egui::Id::unique("question")).show(ui.ctx(), |ui| {
        ui.set_width(width(ui));
        dialog(ui, &question.verb);
        render::heading(ui, &question.verb);
        render::text(ui, &Text::plain(&question.text));
        let most = (ui.ctx().content_rect().height() - 200.0).max(80.0);
        over_all(most).show(ui, |ui| {
            render::doc(ui, &question.doc);
        });
        ui.horizontal_wrapped(|ui| {
            let cancel = ui.button("Cancel");
            if ui.memory(|memory| memory.focused().is_none()) {
                cancel.request_focus();
            }
            if cancel.clicked() {
                actions.push(Action::Cancel);
            }
            if ui.button(&question.verb).clicked() {
                actions.push(Action::Order(question.order.clone()));
            }
        });
    });
    if modal.should_close() {
        actions.push(Action::Cancel);
    }
}

/// The entries whose title or id has all words that were typed.
fn found(typed: &str, model: &Model) -> Vec<Entry> {
    let typed = typed.to_lowercase();
    let words: Vec<_> = typed.split_whitespace().collect();
    let mut all = registry(&model.standing());
    all.retain(|entry| {
        let text = format!("{} {} {}", entry.title, entry.id, entry.kern).to_lowercase();
        words.iter().all(|word| text.contains(word))
    });
    all
}

/// The next that can be done, `by` steps from where the mark is.
fn next(entries: &[Entry], from: usize, forwards: bool) -> usize {
    let can = |at: &usize| entries.get(*at).is_some_and(|entry| entry.why_not.is_none());
    match forwards {
        true => (from.saturating_add(1)..entries.len()).find(can).unwrap_or(from),
        false => (0..from.min(entries.len())).rev().find(can).unwrap_or(from),
    }
}

fn palette(ui: &Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(typed) = &model.palette else { return };
    let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let (up, down, enter) = (key(Key::ArrowUp), key(Key::ArrowDown), key(Key::Enter));
    let mut now = typed.clone();
    let entries = found(typed, model);
    let first = next(&entries, usize::MAX, true).min(first(&entries));
    let mut marked = if entries.get(model.marked).is_some_and(|entry| entry.why_not.is_none()) {
        model.marked
    } else {
        first
    };
    if up || down {
        marked = next(&entries, marked, down);
    }
    let modal = Modal::new(egui::Id::unique("palette")).show(ui.ctx(), |ui| {
        ui.set_width(width(ui));
        dialog(ui, "All commands");
        let edit = ui.add(TextEdit::singleline(&mut now).desired_width(f32::INFINITY));
        let edit = edit.accessible_name("command");
        edit.request_focus();
        rows(ui, (&entries, marked), model, actions);
    });
    if enter && let Some(entry) = entries.get(marked) {
        actions.push(Action::Palette(None, 0));
        actions.extend(keys::asked(entry, model));
    } else if modal.should_close() {
        actions.push(Action::Palette(None, 0));
    } else if now != *typed {
        actions.push(Action::Palette(Some(now), 0));
    } else if marked != model.marked {
        actions.push(Action::Palette(Some(now), marked));
    }
}

fn first(entries: &[Entry]) -> usize {
    entries.iter().position(|entry| entry.why_not.is_none()).unwrap_or(0)
}

fn rows(
    ui: &mut Ui,
    (entries, marked): (&[Entry], usize),
    model: &Model,
    actions: &mut Vec<Action>,
) {
    let most = (ui.ctx().content_rect().height() - 140.0).max(80.0);
    // Other words, other rows: they are seen from the first.
    over_all(most).id_salt(&model.palette).show(ui, |ui| {
        if entries.is_empty() {
            render::text(ui, &Text::toned(Tone::Quiet, "no command has all of these words"));
        }
        for (index, entry) in entries.iter().enumerate() {
            let text = match (entry.why_not, entry.keys) {
                (Some(why), _) => format!("{}: {why}", entry.title),
                (None, "") => entry.title.to_owned(),
                (None, keys) => format!("{}  ({keys})", entry.title),
            };
            let button = egui::Button::selectable(index == marked, text).wrap();
            let response = ui.add_enabled(entry.why_not.is_none(), button);
            if index == marked && marked != model.marked {
                response.scroll_to_me(Some(Align::Center));
            }
            if response.clicked() {
                actions.push(Action::Palette(None, 0));
                actions.extend(keys::asked(entry, model));
            }
        }
    });
}

fn help(ui: &Ui, model: &Model, actions: &mut Vec<Action>) {
    if !model.help {
        return;
    }
    let modal = Modal::new(egui::Id::unique("help")).show(ui.ctx(), |ui| {
        ui.set_width(width(ui));
        dialog(ui, "Help: all keys");
        render::heading(ui, "Keys");
        let close = ui.button("Close");
        if ui.memory(|memory| memory.focused().is_none()) {
            close.request_focus();
        }
        if close.clicked() {
            actions.push(Action::Help(false));
        }
        let most = (ui.ctx().content_rect().height() - 160.0).max(80.0);
        over_all(most).show(ui, |ui| {
            for entry in registry(&model.standing()).iter().filter(|entry| !entry.keys.is_empty()) {
                let kern = match entry.kern {
                    "" => String::new(),
                    kern => format!(", as {kern}"),
                };
                let text = format!("{}: {}{kern}", entry.keys, entry.title);
                // Tab and arrows reach what is below, too.
                let row = egui::Label::new(shown(&text, 256)).wrap();
                ui.add(row.sense(egui::Sense::focusable_noninteractive()));
            }
            theme::reveal_focus(ui);
            let tab = "Tab and arrows: from one thing to the next; Enter or Space: do it; Page Up, \
                       Page Down, Home, End: what is above and below";
            render::text(ui, &Text::toned(Tone::Quiet, tab));
        });
    });
    if modal.should_close() {
        actions.push(Action::Help(false));
    }
}

/// What the last command became, said aloud, with undo beside it.
pub fn told(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(told) = &model.told else { return };
    let is_new = is_new(ui, told);
    let frame = egui::Frame::new().fill(theme::palette(ui).raised).inner_margin(6.0);
    frame.show(ui, |ui| {
        ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
            node.set_role(egui::accesskit::Role::Status);
            node.set_live(if told.failed {
                egui::accesskit::Live::Assertive
            } else {
                egui::accesskit::Live::Polite
            });
        });
        render::doc(ui, &told.doc);
        ui.horizontal_wrapped(|ui| {
            if let Some(event) = told.event
                && can(ui, model, &format!("Undo {}", event.short()))
            {
                let begin = Some(event.to_string());
                let command = Command::Undo { begin, force: false };
                let action = if told.asks {
                    let text = "That changes who is a member, on every device".to_owned();
                    model.ask(format!("Undo {}", event.short()), text, told.doc.clone(), command)
                } else {
                    Action::Do(command)
                };
                // The second of two quick clicks was meant for the notice before.
                actions.extend((!is_new).then_some(action));
            }
            if let Some(instead) = told.instead
                && can(ui, model, &format!("{}…", instead.title()))
            {
                let (title, text) = (instead.title().to_owned(), instead.text().to_owned());
                actions.push(model.ask(title, text, told.doc.clone(), instead.command()));
            }
            if ui.button("Dismiss").clicked() {
                actions.push(Action::Dismiss);
            }
        });
    });
}

/// Does this notice stand there since a moment ago?
fn is_new(ui: &Ui, told: &Told) -> bool {
    let key = egui::Id::unique("notice since");
    let now = ui.input(|input| input.time);
    let before: Option<(Told, f64)> = ui.data(|data| data.get_temp(key));
    let since = match before {
        Some((before, since)) if before == *told => since,
        _ => {
            ui.data_mut(|data| data.insert_temp(key, (told.clone(), now)));
            now
        }
    };
    now - since < NEW_SECONDS
}

/// A bar on every panel while the past is looked at.
pub fn past(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(past) = &model.past else { return };
    let frame = egui::Frame::new().fill(theme::palette(ui).chosen).inner_margin(6.0);
    frame.show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            let text = format!("the past, read only: {}", past.text);
            render::text(ui, &Text::toned(Tone::Attention, text));
            if model.panel != Panel::Documents {
                let text = format!("what {} shows is of now", model.panel.title());
                render::text(ui, &Text::toned(Tone::Quiet, text));
            }
            if ui.button("Back to now").clicked() {
                actions.push(Action::Past(None));
            }
        });
    });
}
