//! A form as it is drawn: its fields, what is wrong, and how it ends.

use eframe::egui::{self, Key, Modal, Modifiers, TextEdit, Ui};
use kernelos_protocol::command::{Deciding, outcome};
use kernelos_protocol::id::ConflictId;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};

use super::{Fill, Form};
use crate::model::{Action, Model};
use crate::{over, render, theme};

/// Draws it.
pub fn show(ui: &Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(form) = &model.form else { return };
    let mut now = form.clone();
    let (mut done, mut cancelled) = (false, false);
    let modal = Modal::new(egui::Id::unique("form")).show(ui.ctx(), |ui| {
        ui.set_width(over::width(ui));
        over::dialog(ui, form.fill.title());
        render::heading(ui, form.fill.title());
        let most = (ui.ctx().content_rect().height() - 160.0).max(80.0);
        over::over_all(most).show(ui, |ui| {
            says(ui, form, model);
            done |= fields(ui, form, &mut now);
            theme::reveal_focus(ui);
        });
        told(ui, form);
        ui.horizontal_wrapped(|ui| {
            // What was sent is not taken back by closing this.
            let close = if form.sent.is_some() { "Close" } else { "Cancel" };
            cancelled |= ui.button(close).clicked();
            let send = egui::Button::new(form.fill.title());
            done |= ui.add_enabled(form.sent.is_none(), send).clicked();
        });
    });
    // A click beside it is no answer: what was typed would be lost by a slip.
    let is_top = modal.is_top_modal && !modal.any_popup_open;
    let escape = |input: &mut egui::InputState| input.consume_key(Modifiers::NONE, Key::Escape);
    if cancelled || (is_top && ui.input_mut(escape) && !done) {
        return actions.push(Action::Form(None));
    }
    if done && form.sent.is_none() {
        now.fault = None;
        match now.submit(model) {
            // It closes once the node said that it is done.
            Ok(action) => return actions.extend([Action::Form(Some(now)), action]),
            Err(fault) => (now.fault, now.is_down) = (Some(fault), false),
        }
    } else if now.typed != form.typed {
        now.fault = None;
    }
    if now != *form {
        actions.push(Action::Form(Some(now)));
    }
}

/// What a person should know before: of whom the digits are, what a value decides.
fn says(ui: &mut Ui, form: &Form, model: &Model) {
    let says = form.fill.says();
    if !says.is_empty() {
        render::text(ui, &Text::toned(Tone::Quiet, says));
    }
    match &form.fill {
        Fill::Code(invitation) => {
            let mut rows = model.said.pending.iter().flatten();
            if let Some(row) = rows.find(|row| row.invitation == *invitation) {
                render::doc(ui, &present::pending(row));
            }
        }
        Fill::Decide(id) => render::doc(ui, &decides(form, id, model)),
        _ => {}
    }
}

/// What the value comes to that is typed, as far as it is one.
fn decides(form: &Form, id: &ConflictId, model: &Model) -> Doc {
    let page = model.said.conflicts.as_ref();
    let row = page.and_then(|page| page.conflicts.iter().find(|row| row.id == *id));
    let typed = form.typed.first().and_then(|text| super::read::value(text.trim()).ok());
    let is_json = typed.is_some();
    let deciding = Deciding::Value(typed.unwrap_or_default());
    let outcome = row.and_then(|row| outcome(row, &deciding));
    let mut doc = present::outcomes(outcome.as_slice(), &model.said.names);
    // It stands there from the first, so that nothing moves while one types.
    if let (false, Some(Block::Fields(fields))) = (is_json, doc.0.first_mut())
        && let Some((_, comes_to)) = fields.first_mut()
    {
        *comes_to = Text::toned(Tone::Quiet, "what is typed, once that is JSON");
    }
    doc
}

/// The fields; true as Enter ends one, which it does where there is one line.
fn fields(ui: &mut Ui, form: &Form, now: &mut Form) -> bool {
    let mut done = false;
    // Of a form that is filled in already, what is still to be said comes first.
    let first = now.typed.iter().position(String::is_empty).unwrap_or(0);
    for (field, ((label, hint), text)) in form.fill.asks().iter().zip(&mut now.typed).enumerate() {
        let label = ui.label(*label);
        let edit = match form.fill.takes_lines(field) {
            true => TextEdit::multiline(text),
            false => TextEdit::singleline(text),
        };
        let edit = edit.hint_text(*hint).desired_width(f32::INFINITY);
        let edit = edit.interactive(form.sent.is_none());
        let edit = ui.add(edit).labelled_by(label.id);
        if ui.memory(|memory| memory.focused().is_none()) && field == first && !edit.lost_focus() {
            edit.request_focus();
        }
        if edit.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
            // Where it is refused one goes on here.
            edit.request_focus();
            done = true;
        }
    }
    done
}

/// What is wrong with it, or that the node is awaited.
fn told(ui: &mut Ui, form: &Form) {
    let (text, tone) = match (&form.fault, form.sent) {
        (Some(fault), _) => (present::shown(fault, 512), Tone::Attention),
        (None, Some(_)) => ("the node is asked…".to_owned(), Tone::Plain),
        (None, None) => return,
    };
    let colour = theme::palette(ui).tone(tone);
    let told = ui.label(egui::RichText::new(text).color(colour));
    ui.ctx().accesskit_node_builder(told.id, |node| {
        node.set_live(egui::accesskit::Live::Assertive);
    });
}
