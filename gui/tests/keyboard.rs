//! What writes, and where one looks, by the keyboard alone: Tab, Enter and what is typed.

use eframe::egui::{Event, Key, Modifiers};
use kernelos_gui::client::Order;
use kernelos_gui::panel::Panel;
use kernelos_protocol::api::PairAsked;
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::present::registry::registry;
use serde_json::json;

use crate::stage::{Stage, app, go, homeless, line, name, nodes, play, press, stage, world};

fn focused(stage: &Stage<'_>) -> String {
    let all = nodes(stage);
    let found = all.iter().find(|(_, node)| node.is_focused());
    found.map(|(_, node)| name(node)).unwrap_or_default()
}

/// Tab until what is called so has the focus.
fn tab_to(stage: &mut Stage<'_>, called: &str) {
    let mut passed = Vec::new();
    for _ in 0..128 {
        let now = focused(stage);
        if now.contains(called) {
            return;
        }
        passed.push(now);
        stage.key_press(Key::Tab);
        stage.run();
    }
    panic!("{called} is not reached: {passed:?}");
}

/// Goes there, and presses it.
fn enter(stage: &mut Stage<'_>, called: &str) {
    tab_to(stage, called);
    press(stage, Key::Enter);
}

fn types(stage: &mut Stage<'_>, text: &str) {
    stage.event(Event::Text(text.to_owned()));
    play(stage);
}

/// Fills in the form that is open, field by field, and sends it by Enter in the last.
fn fill(stage: &mut Stage<'_>, fields: &[&str]) {
    play(stage);
    for (at, text) in fields.iter().enumerate() {
        if at > 0 {
            stage.key_press(Key::Tab);
            play(stage);
        }
        stage.key_press_modifiers(Modifiers::COMMAND, Key::A);
        types(stage, text);
    }
    let typed = app(stage).model.form.as_ref().map(|form| form.typed.clone());
    assert_eq!(typed.unwrap(), fields, "each went where it belongs");
    press(stage, Key::Enter);
}

fn members(stage: &mut Stage<'_>) -> usize {
    let Reply::Devices { devices } = stage.state_mut().mesh.ask(1, Command::Devices) else {
        panic!()
    };
    devices.iter().filter(|device| device.role.is_some()).count()
}

#[test]
fn the_digits_that_go_to_panels_are_in_the_order_in_which_these_stand() {
    let entries = registry(&app(&mut stage([900.0, 600.0], world())).model.standing());
    for (panel, digit) in Panel::ALL.iter().zip(1..) {
        let entry = entries.iter().find(|entry| entry.id == panel.entry()).unwrap();
        assert_eq!(entry.keys, format!("Alt+{digit}"), "{}", panel.title());
    }
}

#[test]
fn a_device_is_revoked_by_the_keyboard_alone() {
    let mut stage = stage([900.0, 600.0], world());
    stage.key_press_modifiers(Modifiers::ALT, Key::Num3);
    play(&mut stage);
    assert_eq!(members(&mut stage), 3);
    enter(&mut stage, "Revoke phone…");
    assert_eq!(focused(&stage), "why, for the others", "which device is known");
    types(&mut stage, "lost");
    press(&mut stage, Key::Enter);
    let told = app(&mut stage).model.question.as_ref().unwrap().doc.clone();
    assert!(format!("{told:?}").contains("why: lost"), "{told:?}");
    assert_eq!(focused(&stage), "Cancel", "what cannot be taken back is never one Enter away");
    let verb = app(&mut stage).model.question.as_ref().unwrap().verb.clone();
    enter(&mut stage, &verb);
    assert_eq!(members(&mut stage), 2);
}

#[test]
fn a_device_is_let_in_by_the_keyboard_alone() {
    let mut stage = stage([900.0, 600.0], world());
    go(&mut stage, Panel::Devices);
    enter(&mut stage, "Let \"tablet\" in…");
    fill(&mut stage, &["42"]);
    let asked = stage.state().ordered.first();
    let Some(Order::Pair(PairAsked::Code { invitation, code })) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!((invitation.as_str(), code.as_deref()), (&*"a7".repeat(16), Some("42")));
}

#[test]
fn another_path_of_the_documents_is_read_by_the_keyboard_alone() {
    let mut stage = stage([900.0, 600.0], world());
    stage.key_press_modifiers(Modifiers::ALT, Key::Num6);
    play(&mut stage);
    assert!(!line(&stage).contains("today"), "{}", line(&stage));
    tab_to(&mut stage, "path");
    stage.key_press_modifiers(Modifiers::COMMAND, Key::A);
    types(&mut stage, "notes");
    press(&mut stage, Key::Enter);
    assert!(line(&stage).contains("today"), "{}", line(&stage));
}

#[test]
fn the_three_doors_are_opened_by_the_keyboard_alone() {
    let doors: [(&str, &[&str]); 3] = [
        ("Create a workspace…", &["home", "laptop", "/media/usb/home.recovery"]),
        ("Join a workspace…", &["KOS1:abc", "laptop"]),
        (
            "Restore a workspace…",
            &["/media/usb/home.events", "/media/usb/home.recovery", "home", "laptop"],
        ),
    ];
    for (door, fields) in doors {
        let mut stage = homeless([900.0, 700.0]);
        enter(&mut stage, door);
        fill(&mut stage, fields);
        if app(&mut stage).model.question.is_some() {
            enter(&mut stage, "Restore home");
        }
        let ordered = &stage.state().ordered;
        let is_it = |order: &Order| match order {
            Order::Create(creating) => door.starts_with("Create") && creating.name == "home",
            Order::Pair(PairAsked::Join { device, .. }) => {
                door.starts_with("Join") && device == "laptop"
            }
            Order::Restore(of) => door.starts_with("Restore") && of.name == "home",
            _ => false,
        };
        assert!(matches!(&ordered[..], [order] if is_it(order)), "{door}: {ordered:?}");
    }
}

#[test]
fn a_conflict_gets_a_value_that_no_side_shows_by_the_keyboard_alone() {
    let mut stage = stage([900.0, 600.0], world());
    stage.key_press_modifiers(Modifiers::ALT, Key::Num4);
    play(&mut stage);
    let path = app(&mut stage).model.said.conflicts.as_ref().unwrap().conflicts[0].path.clone();
    enter(&mut stage, "Decide by a value of your own…");
    fill(&mut stage, &["no JSON"]);
    assert!(line(&stage).contains("this is no JSON, a text has quotes"), "{}", line(&stage));
    tab_to(&mut stage, "value as JSON");
    fill(&mut stage, &["{\"both\": [1, 2]}"]);
    let Reply::Conflicts(page) = stage.state_mut().mesh.ask(2, Command::Conflicts) else {
        panic!()
    };
    assert_eq!(page.conflicts.len(), 1, "another device hears of it");
    let Reply::Read(read) = stage.state_mut().mesh.ask(2, Command::Read { path }) else { panic!() };
    assert_eq!(read.value, json!({ "both": [1, 2] }));
    assert!(app(&mut stage).model.form.is_none());
    let open = app(&mut stage).model.said.conflicts.as_ref().unwrap().conflicts.len();
    assert_eq!(open, 1, "and is looked at no more here");
}
