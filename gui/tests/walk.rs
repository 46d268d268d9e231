//! By keyboard alone, and by what things are called.

use std::collections::BTreeSet;

use eframe::egui::{Key, Modifiers, accessibility::is_input, accesskit::Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{AccessKitNode, Queryable as _};
use kernelos_gui::form::Form;
use kernelos_gui::model::Action;
use kernelos_gui::panel::Panel;
use kernelos_protocol::command::Reply;

use crate::stage::{
    Stage, app, click, every_fill, full_world, go, name, nodes, play, press, stage, words, world,
};

const WINDOW: [f32; 2] = [900.0, 600.0];

fn says(stage: &Stage<'_>, text: &str) -> bool {
    words(stage).join(" ").contains(text)
}

fn conflicts(stage: &mut Stage<'_>) -> usize {
    let command = kernelos_protocol::command::Command::Conflicts;
    match stage.state_mut().mesh.ask(2, command) {
        Reply::Conflicts(page) => page.conflicts.len(),
        other => panic!("{other:?}"),
    }
}

/// Everything that can be used now.
fn usable(stage: &Stage<'_>) -> BTreeSet<String> {
    let usable =
        nodes(stage).into_iter().filter(|(_, node)| is_input(node.role()) && !node.is_disabled());
    usable.map(|(_, node)| name(&node)).collect()
}

/// What has the focus, and where it lies.
fn focused(stage: &Stage<'_>) -> Option<(Role, String, [f64; 2])> {
    let all = nodes(stage);
    let (_, node) = all.iter().find(|(_, node)| node.is_focused())?;
    let place = node.bounding_box()?;
    Some((node.role(), name(node), [place.y0, place.y1]))
}

#[test]
fn every_panel_is_gone_to_by_its_key_and_by_its_button() {
    let mut stage = stage([900.0, 600.0], full_world());
    let keys = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7];
    let keys: Vec<_> = keys.into_iter().chain([Key::Num8]).collect();
    let is_there = |stage: &Stage<'_>, panel: Panel| {
        stage.query_by_role_and_label(Role::Heading, panel.title()).is_some()
    };
    for (panel, key) in Panel::ALL.into_iter().zip(keys) {
        stage.key_press_modifiers(Modifiers::ALT, key);
        play(&mut stage);
        assert!(is_there(&stage, panel), "{panel:?} by its key");
    }
    for panel in Panel::ALL {
        let title = match (panel, app(&mut stage).model.open_conflicts()) {
            (Panel::Conflicts, open) => format!("Conflicts ({open})"),
            (panel, _) => panel.title().to_owned(),
        };
        stage.get_by_role_and_label(Role::Button, &title).click();
        play(&mut stage);
        assert!(is_there(&stage, panel), "{panel:?} by its button");
    }
}

#[test]
fn tab_reaches_everything_on_every_panel() {
    let mut stage = stage([900.0, 300.0], full_world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        let (mut seen, mut reached) = (usable(&stage), BTreeSet::new());
        // Once around: until the first pane has the focus again.
        for turn in 0..96 {
            stage.key_press(Key::Tab);
            stage.step();
            seen.extend(usable(&stage));
            let Some((role, called, _)) = focused(&stage) else { continue };
            if turn > 0 && role == Role::Group && called == "What is saved and where" {
                break;
            }
            if is_input(role) {
                // What is reached is brought into sight in the frame after.
                stage.step();
                let (.., [top, bottom]) = focused(&stage).unwrap();
                assert!(top >= 0.0 && bottom <= 300.0, "{called} is in sight");
                reached.insert(called);
            }
        }
        let unreached: Vec<_> = seen.difference(&reached).collect();
        assert!(unreached.is_empty(), "{panel:?}: {unreached:?}");
        app(&mut stage).model.chosen = Default::default();
        stage.run();
        stage.get_by_label("Panels").focus();
    }
}

/// The inputs that a screen reader has no name for.
fn nameless(stage: &Stage<'_>) -> Vec<String> {
    let inputs = nodes(stage).into_iter().filter(|(_, node)| is_input(node.role()));
    let is_nameless = |node: &AccessKitNode<'_>| node.label().unwrap_or_default().is_empty();
    let found = inputs.filter(|(_, node)| is_nameless(node));
    found.map(|(_, node)| format!("{:?} {:?}", node.role(), node.value())).collect()
}

#[test]
fn no_input_is_without_a_name() {
    let mut stage = stage(WINDOW, full_world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        assert_eq!(nameless(&stage), [""; 0], "{panel:?}");
    }
    for fill in every_fill() {
        let form = Form::of(fill.clone(), &app(&mut stage).model);
        app(&mut stage).apply(Action::Form(Some(form)));
        stage.run();
        assert_eq!(nameless(&stage), [""; 0], "{fill:?}");
        app(&mut stage).apply(Action::Form(None));
    }
    for (with, key) in [(Modifiers::COMMAND, Key::K), (Modifiers::SHIFT, Key::Questionmark)] {
        stage.key_press_modifiers(with, key);
        stage.run();
        assert_eq!(nameless(&stage), [""; 0], "{key:?}");
        press(&mut stage, Key::Escape);
    }
}

/// Every stage looks for such at each of its frames.
#[test]
#[should_panic(expected = "lack accessible name")]
fn an_input_without_a_name_fails() {
    let mut text = String::new();
    Harness::new_ui(move |ui| drop(ui.text_edit_singleline(&mut text)));
}

#[test]
fn a_conflict_is_decided_and_undone_by_keys() {
    let mut stage = stage(WINDOW, world());
    stage.key_press_modifiers(Modifiers::ALT, Key::Num4);
    play(&mut stage);
    assert!(says(&stage, "1 of 2, needs a decision"), "{:?}", words(&stage));
    assert!(says(&stage, "2 conflicts open"));
    press(&mut stage, Key::N);
    assert!(says(&stage, "2 of 2, needs a decision"));
    press(&mut stage, Key::N);
    assert!(says(&stage, "Next conflict: it is the last"));
    press(&mut stage, Key::P);
    assert!(says(&stage, "1 of 2, needs a decision"));
    press(&mut stage, Key::Num2);
    assert_eq!(conflicts(&mut stage), 1, "another device hears of it");
    assert!(says(&stage, "1 conflict open"));
    press(&mut stage, Key::U);
    assert_eq!(conflicts(&mut stage), 2, "and that it was undone");
    assert!(says(&stage, "they take back event"));
    assert!(says(&stage, "takes back: a decision of "), "{:?}", words(&stage));
    press(&mut stage, Key::Num5);
    assert!(says(&stage, "the conflict has fewer sides"));
    assert_eq!(conflicts(&mut stage), 2);
}

#[test]
fn a_conflict_is_decided_by_what_things_are_called() {
    let mut stage = stage(WINDOW, world());
    click(&mut stage, "Conflicts (2)");
    stage.get_by_label_contains("Keep A: notes/today").click();
    play(&mut stage);
    assert_eq!(conflicts(&mut stage), 1);
    stage.get_by_label_contains("Undo ").click();
    play(&mut stage);
    assert_eq!(conflicts(&mut stage), 2);
}

#[test]
fn a_device_is_revoked_only_once_a_person_said_yes() {
    let mut stage = stage([900.0, 1_000.0], world());
    go(&mut stage, Panel::Devices);
    let roles = |stage: &mut Stage<'_>| {
        let command = kernelos_protocol::command::Command::Devices;
        let Reply::Devices { devices } = stage.state_mut().mesh.ask(1, command) else { panic!() };
        devices.iter().filter(|device| device.role.is_some()).count()
    };
    let revoke = |stage: &mut Stage<'_>| {
        stage.get_all_by_label_contains("Revoke ").last().unwrap().click();
        play(stage);
        press(stage, Key::Enter);
    };
    revoke(&mut stage);
    press(&mut stage, Key::Enter);
    assert_eq!(roles(&mut stage), 3, "the focus is on Cancel");
    assert!(app(&mut stage).model.question.is_none());
    press(&mut stage, Key::Escape);
    revoke(&mut stage);
    press(&mut stage, Key::Escape);
    assert_eq!(roles(&mut stage), 3);
    assert!(app(&mut stage).model.form.is_some(), "what was said of it is there still");
    press(&mut stage, Key::Escape);
    revoke(&mut stage);
    let verb = app(&mut stage).model.question.as_ref().unwrap().verb.clone();
    click(&mut stage, &verb);
    assert_eq!(roles(&mut stage), 2);
    // SPEC: UNDO-4
    press(&mut stage, Key::U);
    assert!(says(&stage, "is not taken back: it revoked "), "{:?}", words(&stage));
    assert_eq!(roles(&mut stage), 2, "one key lets nobody in again");
}

#[test]
fn the_palette_finds_does_and_says_why_not() {
    let mut stage = stage(WINDOW, world());
    stage.key_press_modifiers(Modifiers::COMMAND, Key::K);
    play(&mut stage);
    stage.get_by_role_and_label(Role::TextInput, "command").type_text("kept apart");
    play(&mut stage);
    press(&mut stage, Key::Enter);
    assert_eq!(app(&mut stage).model.panel, Panel::Quarantine);
    assert!(app(&mut stage).model.palette.is_none());
    stage.key_press_modifiers(Modifiers::COMMAND, Key::K);
    play(&mut stage);
    stage.get_by_role_and_label(Role::TextInput, "command").type_text("keep side a");
    play(&mut stage);
    let why = "Keep side A: no conflict is looked at";
    let named = stage.get_by_role_and_label(Role::Button, why);
    assert!(egui_kittest::kittest::NodeT::accesskit_node(&named).is_disabled());
    press(&mut stage, Key::Enter);
    assert!(says(&stage, why), "it is not done, and says why");
    assert_eq!(conflicts(&mut stage), 2);
}

#[test]
fn arrows_in_the_palette_pass_over_what_cannot_be_done() {
    let mut stage = stage(WINDOW, world());
    stage.key_press_modifiers(Modifiers::COMMAND, Key::K);
    play(&mut stage);
    let model = app(&mut stage).model.standing();
    let all = kernelos_protocol::present::registry::registry(&model);
    for _ in 0..all.len() {
        press(&mut stage, Key::ArrowDown);
        let marked = app(&mut stage).model.marked;
        assert_eq!(all[marked].why_not, None, "{}", all[marked].title);
    }
    assert_eq!(app(&mut stage).model.marked, all.len() - 1, "to the end");
}

#[test]
fn f6_goes_from_pane_to_pane_and_help_lists_the_keys() {
    let mut stage = stage(WINDOW, world());
    let mut heard = Vec::new();
    for _ in 0..3 {
        stage.key_press(Key::F6);
        stage.run();
        let all = nodes(&stage);
        let focused = all.iter().find(|(_, node)| node.is_focused());
        heard.push(focused.map(|(_, node)| name(node)).unwrap_or_default());
    }
    assert_eq!(heard, ["Panels", "Overview", "What is saved and where"]);
    stage.key_press_modifiers(Modifiers::SHIFT, Key::Questionmark);
    play(&mut stage);
    assert!(says(&stage, "U: Undo my last change, as kern undo"), "{:?}", words(&stage));
    let mut reached = Vec::new();
    for _ in 0..4 {
        stage.key_press(Key::Tab);
        stage.run();
        let all = nodes(&stage);
        let focused = all.iter().find(|(_, node)| node.is_focused());
        reached.extend(focused.map(|(_, node)| name(node)));
    }
    let is_row = |name: &String| name.starts_with("Alt+");
    assert!(reached.iter().filter(|name| is_row(name)).count() >= 2, "rows too: {reached:?}");
    press(&mut stage, Key::Escape);
    assert!(!app(&mut stage).model.help);
}

#[test]
fn what_is_listed_on_a_panel_is_chosen_by_keys_alone() {
    let mut stage = stage([900.0, 600.0], full_world());
    for (panel, first, shows) in [
        // Of missions one is shown before any is chosen: one that goes on.
        (Panel::Missions, "promoted", "by a device that executed no step"),
        (Panel::Quarantine, "old laptop", "what it and what it builds on"),
        (Panel::Branches, "try", "the merge would bring"),
    ] {
        go(&mut stage, panel);
        assert!(!says(&stage, shows), "{panel:?}");
        for _ in 0..64 {
            stage.key_press(Key::Tab);
            stage.run();
            let all = nodes(&stage);
            let is_it = |node: &AccessKitNode<'_>| {
                node.role() == Role::ListBoxOption && name(node).contains(first)
            };
            if all.iter().any(|(_, node)| node.is_focused() && is_it(node)) {
                break;
            }
        }
        press(&mut stage, Key::Enter);
        assert!(says(&stage, shows), "{panel:?}: {}", words(&stage).join(" "));
    }
}
