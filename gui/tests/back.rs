//! Taking back from the window, whatever it is: an undo itself, an event that is looked at, what
//! was refused; and the way to each event, also of a run that is one row.

use eframe::egui::Key;
use eframe::egui::accesskit::Role as AccessRole;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kernelos_gui::model::Action;
use kernelos_gui::panel::Panel;
use kernelos_protocol::command::{Command, FailureKind, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;
use kernelos_protocol::role::Role;

use crate::mesh::id;
use crate::stage::{
    Stage, app, click, go, grant, homeless, line, name, nodes, paced, play, press, stage, world,
};

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
        node.role() == AccessRole::Button && name(node).starts_with(with)
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

#[test]
fn who_is_a_member_is_changed_by_no_undo_that_was_not_asked() {
    let mut stage = stage(SIZE, world());
    let members = |stage: &mut Stage<'_>| {
        let Reply::Devices { devices } = stage.state_mut().mesh.ask(1, Command::Devices) else {
            panic!()
        };
        devices.iter().filter(|row| row.role.is_some()).count()
    };
    let Reply::Granted { event, .. } = stage.state_mut().mesh.ask(1, grant(7, "new", Role::Member))
    else {
        panic!()
    };
    let before = members(&mut stage);
    look_at(&mut stage, event);
    let button = format!("Undo {}", event.short());
    click(&mut stage, &button);
    assert_eq!(members(&mut stage), before, "it is asked first");
    press(&mut stage, Key::Escape);
    click(&mut stage, &button);
    let asked = app(&mut stage).model.question.clone().unwrap();
    assert!(asked.text.contains("changes who is a member"), "{}", asked.text);
    stage.get_all_by_role_and_label(AccessRole::Button, &button).last().unwrap().click();
    play(&mut stage);
    assert_eq!(members(&mut stage), before - 1);
}

#[test]
fn who_was_taken_out_twice_is_shown_with_the_last_reason_and_undone_once_it_was_asked() {
    let mut stage = stage(SIZE, world());
    let revoke = |stage: &mut Stage<'_>, reason: &str| {
        let command = Command::Revoke { device: id(2), reason: reason.to_owned() };
        app(stage).apply(Action::Do(command));
        play(stage);
    };
    let out = |stage: &mut Stage<'_>| {
        let Reply::Devices { devices } = stage.state_mut().mesh.ask(1, Command::Devices) else {
            panic!()
        };
        devices.into_iter().find(|row| row.id == id(2)).unwrap().out.map(|out| out.reason)
    };
    for reason in ["first", "second", "third"] {
        revoke(&mut stage, reason);
        assert_eq!(out(&mut stage).as_deref(), Some(reason));
        begins(&mut stage, "Undo ");
        assert_eq!(out(&mut stage).as_deref(), Some(reason), "it is asked first");
        let asked = app(&mut stage).model.question.clone().unwrap();
        let all = stage.get_all_by_role_and_label(AccessRole::Button, &asked.verb);
        all.last().unwrap().click();
        play(&mut stage);
        assert_eq!(out(&mut stage), None, "a member is not taken out");
    }
}

#[test]
fn a_device_is_let_in_again_by_its_own_button_also_where_no_notice_offers_it() {
    let mut stage = stage(SIZE, world());
    let role = |stage: &mut Stage<'_>| {
        let Reply::Devices { devices } = stage.state_mut().mesh.ask(1, Command::Devices) else {
            panic!()
        };
        devices.into_iter().find(|row| row.id == id(2)).unwrap().role
    };
    let before = role(&mut stage);
    stage.state_mut().mesh.ask(1, Command::Revoke { device: id(2), reason: "lost".to_owned() });
    go(&mut stage, Panel::Devices);
    assert_eq!(role(&mut stage), None);
    begins(&mut stage, "Let phone in again…");
    press(&mut stage, Key::Escape);
    assert_eq!(role(&mut stage), None, "it is asked first");
    begins(&mut stage, "Let phone in again…");
    assert!(line(&stage).contains("is a member again as what it was"), "{}", line(&stage));
    click(&mut stage, "Let phone in again");
    assert_eq!(role(&mut stage), before);
    assert!(!line(&stage).contains("Let phone in again"), "{}", line(&stage));
}

#[test]
fn an_undo_that_is_looked_at_is_taken_back_by_its_own_button() {
    let mut stage = stage(SIZE, world());
    let event = set(&mut stage, "notes/one", "this");
    let undo = Command::Undo { begin: Some(event.to_string()), force: false };
    let Reply::Undone(undone) = stage.state_mut().mesh.ask(1, undo) else { panic!() };
    assert!(read(&mut stage, "notes/one").is_null());
    look_at(&mut stage, undone.event);
    click(&mut stage, &format!("Undo {}", undone.event.short()));
    assert_eq!(read(&mut stage, "notes/one"), "this");
}

#[test]
fn nobody_is_offered_to_take_back_that_a_workspace_was_made() {
    let mut stage = stage(SIZE, world());
    let workspace = stage.state_mut().mesh.device(1).replica.workspace();
    let genesis = workspace.order(0).next().copied().unwrap();
    look_at(&mut stage, genesis);
    assert!(line(&stage).contains(&genesis.to_string()), "{}", line(&stage));
    assert!(!line(&stage).contains("Undo "), "{}", line(&stage));
}

#[test]
fn what_is_taken_back_already_is_brought_back_by_what_took_it() {
    let mut stage = stage(SIZE, world());
    let first = set(&mut stage, "notes/one", "this");
    press(&mut stage, Key::U);
    look_at(&mut stage, first);
    click(&mut stage, &format!("Undo {}", first.short()));
    let said = line(&stage);
    assert!(said.contains("it is taken back already"), "{said}");
    assert!(said.contains("` brings back what it did"), "{said}");
    click(&mut stage, "Bring it back…");
    click(&mut stage, "Bring it back");
    assert_eq!(read(&mut stage, "notes/one"), "this");
}

#[test]
fn the_second_of_two_quick_clicks_on_a_notice_takes_nothing_back() {
    let mut stage = paced(SIZE, (1.0, 0.01), world());
    set(&mut stage, "notes/one", "this");
    press(&mut stage, Key::U);
    begins(&mut stage, "Undo ");
    assert_eq!(read(&mut stage, "notes/one"), serde_json::Value::Null, "it came up just now");
    (0..60).for_each(|_| stage.step());
    begins(&mut stage, "Undo ");
    assert_eq!(read(&mut stage, "notes/one"), "this");
    begins(&mut stage, "Undo ");
    assert_eq!(read(&mut stage, "notes/one"), "this", "the notice is another one");
    (0..60).for_each(|_| stage.step());
    begins(&mut stage, "Undo ");
    assert!(read(&mut stage, "notes/one").is_null());
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
        let is_row = |role| role == AccessRole::ListBoxOption;
        let all = nodes(stage).into_iter().map(|(_, node)| node);
        let named = all.filter(|node| is_row(node.role())).map(|node| name(&node));
        named.filter(|row| row.contains(words)).collect::<Vec<_>>()
    };
    let folded = rows(&stage, "changes");
    assert!(folded[0].contains("12 changes"), "{folded:?}");
    let before = rows(&stage, "").len();
    stage.get_by_role_and_label(AccessRole::ListBoxOption, &folded[0]).click();
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
    stage.get_by_role_and_label(AccessRole::ListBoxOption, &one[0]).click();
    play(&mut stage);
    assert_eq!(app(&mut stage).model.chosen.event, Some(notes[4]));
    let each = rows(&stage, "");
    stage.get_by_role_and_label(AccessRole::CheckBox, "each event").click();
    stage.run();
    assert_eq!(rows(&stage, ""), each, "what was there stays until the node answers");
    play(&mut stage);
    assert_eq!(rows(&stage, "changes"), folded, "and folded again");
}

#[test]
fn nothing_is_looked_at_where_there_is_no_workspace() {
    let mut stage = homeless(SIZE);
    for panel in Panel::ALL {
        let way = stage.get_by_role_and_label(AccessRole::Button, panel.title());
        assert!(way.accesskit_node().is_disabled(), "{}", panel.title());
        let why = way.accesskit_node().description();
        assert_eq!(why.as_deref(), Some("there is no workspace yet"));
    }
    stage.get_by_role_and_label(AccessRole::Button, "Devices").click();
    stage.run();
    assert_eq!(app(&mut stage).model.panel, Panel::Overview);
}
