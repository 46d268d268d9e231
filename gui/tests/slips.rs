//! A slip of the hand decides nothing: a key that is held down, a click too many, a text that goes
//! on where no text is taken any more. And what is below the window is reached by keys.

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kernelos_gui::client::Order;
use kernelos_gui::model::{Action, Chosen};
use kernelos_gui::panel::Panel;
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::document::conflict::ConflictKind;
use serde_json::json;

use crate::full::full_world;
use crate::stage::{Stage, app, click, go, paced, play, press, stage, world};

/// A key goes down, or is said to be down still.
fn down(stage: &mut Stage<'_>, key: Key) {
    let (physical_key, modifiers, repeat) = (None, Modifiers::NONE, false);
    stage.event(Event::Key { key, physical_key, pressed: true, repeat, modifiers });
    stage.step();
    play(stage);
}

#[test]
fn a_key_that_is_held_down_decides_one_conflict() {
    let mut stage = stage([900.0, 1_200.0], world());
    go(&mut stage, Panel::Conflicts);
    let open = |stage: &mut Stage<'_>| app(stage).model.open_conflicts();
    assert_eq!(open(&mut stage), 2);
    for _ in 0..5 {
        down(&mut stage, Key::Num1);
    }
    assert_eq!(open(&mut stage), 1);
    // Let go of, and pressed again, it means the next.
    let (physical_key, modifiers, repeat) = (None, Modifiers::NONE, false);
    stage.event(Event::Key { key: Key::Num1, physical_key, pressed: false, repeat, modifiers });
    stage.step();
    press(&mut stage, Key::Num1);
    play(&mut stage);
    assert_eq!(open(&mut stage), 0);
}

#[test]
fn a_key_that_is_held_down_on_a_button_writes_once() {
    let mut stage = stage([900.0, 1_200.0], world());
    stage.state_mut().mesh.set(1, "notes/one", "this");
    press(&mut stage, Key::U);
    let undo = |stage: &Stage<'_>| stage.get_by_label_contains("Undo ").accesskit_node().id();
    stage.get_by_label_contains("Undo ").focus();
    stage.run();
    let (events, first) = (stage.state_mut().mesh.status(1).events, undo(&stage));
    for _ in 0..8 {
        down(&mut stage, Key::Enter);
    }
    assert_eq!(undo(&stage), first, "the focus is on the next one");
    assert_eq!(stage.state_mut().mesh.status(1).events, events + 1);
}

#[test]
fn a_second_click_of_two_quick_ones_does_not_decide_what_came_up_since() {
    let mut stage = paced([900.0, 1_200.0], (1.0, 0.01), world());
    go(&mut stage, Panel::Conflicts);
    let keep = |stage: &mut Stage<'_>| {
        stage.get_by_label_contains("1 Keep A").click();
        play(stage);
        app(stage).model.open_conflicts()
    };
    (0..60).for_each(|_| stage.step());
    assert_eq!(keep(&mut stage), 1);
    assert_eq!(keep(&mut stage), 1, "it was meant for the one before");
    (0..60).for_each(|_| stage.step());
    assert_eq!(keep(&mut stage), 0);
}

#[test]
fn what_no_undo_takes_back_is_asked_before() {
    let mut stage = stage([900.0, 4_000.0], full_world());
    go(&mut stage, Panel::Conflicts);
    let page = app(&mut stage).model.said.conflicts.clone().unwrap();
    let apart = page.conflicts.iter().find(|row| row.kind == ConflictKind::Quarantine).unwrap();
    let chosen = Chosen { conflict: Some(apart.id), ..app(&mut stage).model.chosen.clone() };
    app(&mut stage).apply(Action::Choose(chosen));
    play(&mut stage);
    let events = stage.state_mut().mesh.status(1).events;
    press(&mut stage, Key::Num2);
    assert_eq!(stage.state_mut().mesh.status(1).events, events);
    let question = app(&mut stage).model.question.clone().unwrap();
    assert!(question.text.contains("no undo takes that back"), "{}", question.text);
    assert!(matches!(question.order, Order::Do(..)));
}

#[test]
fn what_an_undo_takes_back_says_so_where_it_is_asked() {
    for kind in [ConflictKind::Quarantine, ConflictKind::Holders] {
        let mut stage = stage([900.0, 4_000.0], full_world());
        go(&mut stage, Panel::Conflicts);
        let all = app(&mut stage).model.said.conflicts.clone().unwrap().conflicts;
        let row = all.iter().find(|row| row.kind == kind).unwrap();
        let chosen = Chosen { conflict: Some(row.id), ..app(&mut stage).model.chosen.clone() };
        app(&mut stage).apply(Action::Choose(chosen));
        play(&mut stage);
        let open = app(&mut stage).model.open_conflicts();
        press(&mut stage, Key::Num1);
        let question = app(&mut stage).model.question.clone().unwrap();
        assert!(question.text.contains("one undo opens it again"), "{}", question.text);
        click(&mut stage, &question.verb);
        assert_eq!(app(&mut stage).model.open_conflicts(), open - 1, "{kind:?}");
        press(&mut stage, Key::U);
        assert_eq!(app(&mut stage).model.open_conflicts(), open, "{kind:?}");
    }
}

#[test]
fn who_read_one_path_types_the_next_and_runs_no_command_by_it() {
    let mut stage = stage([900.0, 600.0], world());
    go(&mut stage, Panel::Documents);
    let field = stage.get_by_role_and_label(Role::TextInput, "path");
    field.focus();
    stage.run();
    let events = stage.state_mut().mesh.status(1).events;
    for _ in 0..2 {
        press(&mut stage, Key::Enter);
        let field = stage.get_by_role_and_label(Role::TextInput, "path");
        assert!(field.accesskit_node().is_focused(), "the next one is typed here");
        press(&mut stage, Key::U);
        assert_eq!(stage.state_mut().mesh.status(1).events, events);
    }
}

#[test]
fn what_is_below_the_window_is_reached_by_page_and_end_keys() {
    let mut stage = stage([700.0, 420.0], world());
    let set = |number: usize| Edit::Set {
        set: format!("notes/long/{number:03}").parse().unwrap(),
        value: json!(format!("line {number}")),
    };
    let edits = (0..80).map(set).collect();
    let reply = stage.state_mut().mesh.ask(1, Command::Edit { edits });
    assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
    go(&mut stage, Panel::Documents);
    let chosen = Chosen { path: "notes/long".parse().ok(), ..Chosen::default() };
    app(&mut stage).apply(Action::Choose(chosen));
    play(&mut stage);
    let top = |stage: &Stage<'_>| stage.get_by_role_and_label(Role::TextInput, "path").rect().top();
    let first = top(&stage);
    let moved = |stage: &mut Stage<'_>, key| {
        press(stage, key);
        play(stage);
        top(stage)
    };
    let page = moved(&mut stage, Key::PageDown);
    assert!(page < first - 100.0, "{first} {page}");
    let end = moved(&mut stage, Key::End);
    assert!(end < page - 100.0, "{page} {end}");
    assert!(moved(&mut stage, Key::PageUp) > end);
    assert_eq!(moved(&mut stage, Key::Home), first);
}
