//! Taking back from the window, whatever it is: an undo itself, an event that is looked at, what
//! was refused; and the way to each event, also of a run that is one row.

use eframe::egui::Key;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kernelos_gui::model::Action;
use kernelos_gui::panel::Panel;
use kernelos_protocol::command::{Command, FailureKind, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;

use crate::stage::{Stage, app, click, go, homeless, line, name, nodes, play, press, stage, world};

const SIZE: [f32; 2] = [900.0, 1_200.0];

fn read(stage: &mut Stage<'_>, path: &str) -> serde_json::Value {
    let command = Command::Read { path: path.parse().unwrap() };
    match stage.state_mut().mesh.ask(1, command) {
        Reply::Read(read) => read.value,
        Reply::Failed(failure) if failure.kind == FailureKind::Failed => serde_json::Value::Null,
        other => panic!("{other:?}"),
    }
}

/// Writes a note; gives its event.
fn set(stage: &mut Stage<'_>, at: &str, value: &str) -> EventId {
    let edits = vec![Edit::Set { set: at.parse().unwrap(), value: value.into() }];
    let reply = stage.state_mut().mesh.ask(1, Command::Edit { edits });
    let Reply::Edited(edited) = reply else { panic!("{reply:?}") };
    edited.event.unwrap()
}

/// The button that begins so.
fn begins(stage: &mut Stage<'_>, with: &str) {
    let is_it = |node: &egui_kittest::kittest::AccessKitNode<'_>| {
        node.role() == Role::Button && name(node).starts_with(with)
    };
    let label = nodes(stage).iter().map(|(_, node)| node).find(|node| is_it(node)).map(name);
    click(stage, &label.unwrap_or_else(|| panic!("no button begins with {with}")));
}

#[test]
fn an_undo_is_taken_back_by_the_button_of_its_notice() {
    let mut stage = stage(SIZE, world());
    set(&mut stage, "notes/keep", "this");
    press(&mut stage, Key::U);
    assert!(read(&mut stage, "notes/keep").is_null());
    begins(&mut stage, "Undo ");
    assert_eq!(read(&mut stage, "notes/keep"), "this");
}

/// The event of the newest row of the timeline is looked at.
fn look_at(stage: &mut Stage<'_>, event: EventId) {
    go(stage, Panel::Timeline);
    let mut chosen = app(stage).model.chosen.clone();
    chosen.event = Some(event);
    app(stage).apply(Action::Choose(chosen));
    play(stage);
}

#[test]
fn an_event_that_is_looked_at_is_taken_back() {
    let mut stage = stage(SIZE, world());
    let first = set(&mut stage, "notes/one", "this");
    set(&mut stage, "notes/two", "that");
    look_at(&mut stage, first);
    click(&mut stage, &format!("Undo {}", first.short()));
    assert!(read(&mut stage, "notes/one").is_null(), "it is the one that is looked at");
    assert_eq!(read(&mut stage, "notes/two"), "that", "not the last");
}

#[test]
fn what_is_refused_is_done_all_the_same_once_a_person_said_yes() {
    let mut stage = stage(SIZE, world());
    let first = set(&mut stage, "notes/one", "this");
    set(&mut stage, "notes/one", "other");
    look_at(&mut stage, first);
    click(&mut stage, &format!("Undo {}", first.short()));
    assert!(line(&stage).contains("is not taken back"), "{}", line(&stage));
    click(&mut stage, "Undo it all the same…");
    assert_eq!(read(&mut stage, "notes/one"), "other", "it is asked first");
    press(&mut stage, Key::Escape);
    assert_eq!(read(&mut stage, "notes/one"), "other");
    click(&mut stage, "Undo it all the same…");
    click(&mut stage, "Undo it all the same");
    assert!(read(&mut stage, "notes/one").is_null());
    // What that took is there again by one undo more.
    begins(&mut stage, "Undo ");
    assert_eq!(read(&mut stage, "notes/one"), "other");
}

#[test]
fn a_run_is_laid_open_and_each_of_its_events_is_a_row() {
    let mut stage = stage(SIZE, world());
    let notes: Vec<EventId> =
        (0..12).map(|number| set(&mut stage, &format!("notes/n{number}"), "rain")).collect();
    go(&mut stage, Panel::Timeline);
    let rows = |stage: &Stage<'_>, words: &str| {
        let is_row = |role| role == Role::ListBoxOption;
        let all = nodes(stage).into_iter().map(|(_, node)| node);
        let named = all.filter(|node| is_row(node.role())).map(|node| name(&node));
        named.filter(|row| row.contains(words)).collect::<Vec<_>>()
    };
    let folded = rows(&stage, "changes");
    assert!(folded[0].contains("12 changes"), "{folded:?}");
    let before = rows(&stage, "").len();
    stage.get_by_role_and_label(Role::ListBoxOption, &folded[0]).click();
    play(&mut stage);
    // Two clicks in a row are one: nothing slides below the second.
    let events = stage.state_mut().mesh.device(1).replica.workspace().len();
    let more = stage.get_by_label_contains("Show each of these ").rect().center();
    for _ in 0..2 {
        stage.hover_at(more);
        stage.drag_at(more);
        stage.drop_at(more);
        play(&mut stage);
    }
    assert_eq!(stage.state_mut().mesh.device(1).replica.workspace().len(), events);
    assert_eq!(rows(&stage, "changes"), [""; 0]);
    assert!(rows(&stage, "").len() > before);
    let one = rows(&stage, &format!("{} device", notes[4].short()));
    assert_eq!(one.len(), 1, "in the middle of the run: {one:?}");
    stage.get_by_role_and_label(Role::ListBoxOption, &one[0]).click();
    play(&mut stage);
    assert_eq!(app(&mut stage).model.chosen.event, Some(notes[4]));
    stage.get_by_role_and_label(Role::CheckBox, "each event").click();
    play(&mut stage);
    assert_eq!(rows(&stage, "changes"), folded, "and folded again");
}

#[test]
fn nothing_is_looked_at_where_there_is_no_workspace() {
    let mut stage = homeless(SIZE);
    for panel in Panel::ALL {
        let way = stage.get_by_role_and_label(Role::Button, panel.title());
        assert!(way.accesskit_node().is_disabled(), "{}", panel.title());
        let why = way.accesskit_node().description();
        assert_eq!(why.as_deref(), Some("there is no workspace yet"));
    }
    stage.get_by_role_and_label(Role::Button, "Devices").click();
    stage.run();
    assert_eq!(app(&mut stage).model.panel, Panel::Overview);
}
