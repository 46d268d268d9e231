//! Keys, as the command registry names them. While text is typed, only those with Ctrl, Alt or F
//! count.

use eframe::egui::style::ScrollAnimation;
use eframe::egui::{Context, Event, Key, Modifiers, Ui, vec2};
use kernelos_protocol::present::registry::{Entry, registry};

use crate::model::{Action, Model};
use crate::panel::conflicts;
use crate::run;

/// The keys that a text of the registry names.
#[must_use]
pub fn parse(keys: &str) -> Option<(Modifiers, Key)> {
    if keys == "?" {
        return Some((Modifiers::NONE, Key::Questionmark));
    }
    if let Some(key) = keys.strip_prefix("Ctrl+") {
        return Some((Modifiers::COMMAND, Key::from_name(key)?));
    }
    if let Some(key) = keys.strip_prefix("Alt+") {
        return Some((Modifiers::ALT, Key::from_name(key)?));
    }
    Some((Modifiers::NONE, Key::from_name(keys)?))
}

/// What the keys that were pressed ask for.
pub fn pressed(context: &Context, model: &Model, actions: &mut Vec<Action>) {
    let is_over = model.question.is_some() || model.form.is_some() || model.palette.is_some();
    if is_over || model.help {
        return;
    }
    let is_typing = context.text_edit_focused();
    for entry in registry(&model.standing()) {
        let Some((modifiers, key)) = parse(entry.keys) else { continue };
        // Leaving what one is not in needs no word.
        if entry.id == "now" && entry.why_not.is_some() {
            continue;
        }
        if is_typing && modifiers == Modifiers::NONE && key != Key::F6 {
            continue;
        }
        let is_held = is_held(context, key);
        let is_pressed = context.input_mut(|input| match key {
            // It is typed with Shift on most keyboards, and without on some.
            Key::Questionmark => {
                input.consume_key(Modifiers::SHIFT, key) || input.consume_key(modifiers, key)
            }
            _ => input.consume_key(modifiers, key),
        });
        if !is_pressed {
            continue;
        }
        let decides = entry.why_not.is_none() && entry.id.starts_with("conflict.keep.");
        // A key that is held down says the same again and again, of whatever comes up.
        if is_held && (decides || entry.id == "undo") {
            continue;
        }
        if !decides || conflicts::is_drawn(context, model) {
            actions.extend(asked(&entry, model));
        }
    }
}

/// Is what is clicked clicked by a key that is held down?
pub(crate) fn is_click_held(context: &Context) -> bool {
    is_held(context, Key::Enter) || is_held(context, Key::Space)
}

/// Was a key that is down said once more?
fn is_held(context: &Context, key: Key) -> bool {
    let is_it =
        |event: &Event| matches!(event, Event::Key { key: held, repeat: true, .. } if *held == key);
    context.input(|input| input.events.iter().any(is_it))
}

/// Page and end keys move what is shown of a panel, where nothing lies over it and nobody types.
pub fn scroll(ui: &Ui, model: &Model) {
    let is_over = model.question.is_some() || model.form.is_some() || model.palette.is_some();
    if is_over || model.help || ui.ctx().text_edit_focused() {
        return;
    }
    let page = ui.clip_rect().height() * 0.9;
    let far = ui.min_rect().height();
    let ways = [(Key::PageUp, page), (Key::PageDown, -page), (Key::Home, far), (Key::End, -far)];
    for (key, by) in ways {
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
            ui.scroll_with_delta_animation(vec2(0.0, by), ScrollAnimation::none());
        }
    }
}

/// What an entry asks for, or why it does not.
pub fn asked(entry: &Entry, model: &Model) -> Option<Action> {
    match entry.why_not {
        Some(why) => Some(Action::WhyNot(entry.title, why)),
        None => run::action(entry.id, model),
    }
}

#[cfg(test)]
mod tests {
    use kernelos_protocol::present::registry::{Standing, registry};

    use super::*;

    #[test]
    fn every_key_of_the_registry_is_a_key() {
        for entry in registry(&Standing::default()) {
            assert!(entry.keys.is_empty() || parse(entry.keys).is_some(), "{}", entry.keys);
        }
    }
}
