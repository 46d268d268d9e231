//! Time travel: documents as they stood, a bar on every panel, and nothing that writes.

use std::path::Path;

use eframe::egui::accesskit::Role as AccessRole;
use eframe::egui::{Key, Modifiers};
use egui_kittest::SnapshotOptions;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kernelos_gui::client::{Order, Rescuing};
use kernelos_gui::model::{Action, Chosen};
use kernelos_gui::panel::Panel;
use kernelos_protocol::api::{PairAsked, Starting};
use kernelos_protocol::command::{Command, PastCommand, PastReply, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::registry::registry;
use kernelos_protocol::role::Role as Grant;

use crate::stage::{Stage, app, click, go, line, nodes, play, press, stage, world};
use crate::trees::{as_before, tree};

/// The event that wrote the first value of a path.
fn first(stage: &mut Stage<'_>, path: &str) -> EventId {
    let (path, limit) = (path.parse().unwrap(), 100);
    let command = Command::Past(PastCommand::History { path, limit });
    let Reply::Past(past) = stage.state_mut().mesh.ask(1, command) else { panic!() };
    let PastReply::History(page) = *past else { panic!() };
    page.rows[0].event.unwrap()
}

/// Looks at an event in the timeline.
fn choose(stage: &mut Stage<'_>, event: EventId) {
    go(stage, Panel::Timeline);
    let chosen = Chosen { event: Some(event), ..app(stage).model.chosen.clone() };
    app(stage).apply(Action::Choose(chosen));
    play(stage);
}

fn events(stage: &mut Stage<'_>) -> usize {
    let Reply::Status(status) = stage.state_mut().mesh.ask(1, Command::Status) else { panic!() };
    status.events
}

#[test]
fn a_document_is_shown_as_it_stood_and_escape_leads_back() {
    let mut stage = stage([900.0, 1_000.0], world());
    let event = first(&mut stage, "tasks/T-41/owner");
    choose(&mut stage, event);
    press(&mut stage, Key::T);
    let bar = format!("the past, read only: as of event {}", event.short());
    assert!(line(&stage).contains(&bar), "{}", line(&stage));
    stage.key_press_modifiers(Modifiers::ALT, Key::Num6);
    play(&mut stage);
    let said = line(&stage);
    assert!(said.contains("Dana") && !said.contains("triage"), "{said}");
    assert!(said.contains("so it was after event"), "{said}");
    assert!(!said.contains("shows is of now"), "this panel is of then: {said}");
    let now = tree(&stage);
    as_before("past", &now);
    press(&mut stage, Key::Escape);
    let said = line(&stage);
    assert!(!said.contains("the past") && !said.contains("Dana"), "{said}");
    press(&mut stage, Key::Escape);
    assert_eq!(line(&stage), said, "who is in the present is not told so");
}

#[test]
fn every_panel_says_whether_it_shows_the_past() {
    let mut stage = stage([900.0, 600.0], world());
    let event = first(&mut stage, "notes/today");
    choose(&mut stage, event);
    click(&mut stage, "Show the workspace as of here");
    for panel in Panel::ALL {
        go(&mut stage, panel);
        let of_now = line(&stage).contains(&format!("what {} shows is of now", panel.title()));
        assert_eq!(of_now, panel != Panel::Documents, "{panel:?}: {}", line(&stage));
    }
}

/// One of each that writes and is no command.
fn orders(stage: &mut Stage<'_>) -> Vec<Order> {
    let id = app(stage).model.workspace.unwrap();
    let invitation = "5e".repeat(16);
    let starting = Starting {
        goal: "g".to_owned(),
        repo: "/r".into(),
        branch: None,
        verify: "true".to_owned(),
        agent: "a".to_owned(),
        tests: Vec::new(),
        floor: 1,
    };
    let rescuing = Rescuing { device: "a".to_owned(), recovery_file: "/r".into() };
    vec![
        Order::Start(id, starting),
        Order::Rescue(id, rescuing),
        Order::Pair(PairAsked::Invite { workspace: None, role: Grant::Member, ttl_ms: None }),
        Order::Pair(PairAsked::Withdraw { workspace: None, invitation: invitation.clone() }),
        Order::Pair(PairAsked::Code { invitation, code: Some("42".to_owned()) }),
    ]
}

#[test]
fn nothing_is_written_while_the_past_is_looked_at() {
    let mut stage = stage([900.0, 1_400.0], world());
    let before = events(&mut stage);
    let event = first(&mut stage, "notes/today");
    choose(&mut stage, event);
    press(&mut stage, Key::T);
    let standing = app(&mut stage).model.standing();
    let writes = ["undo", "doc.", "board.", "branch.", "mission.", "device.", "conflict.bulk"];
    let entries = registry(&standing);
    let writing = entries.iter().filter(|entry| writes.iter().any(|w| entry.id.starts_with(w)));
    let why: Vec<_> = writing.map(|entry| entry.why_not).collect();
    assert!(why.len() >= 11 && why.iter().all(Option::is_some), "{why:?}");
    for (panel, button) in [
        (Panel::Devices, "Revoke phone…"),
        (Panel::Devices, "Invite a device…"),
        (Panel::Devices, "Let \"tablet\" in…"),
        (Panel::Conflicts, "Keep A: notes/today"),
    ] {
        go(&mut stage, panel);
        let found = stage.get_by_label_contains(button);
        assert!(found.accesskit_node().is_disabled(), "{button}");
    }
    for key in [Key::Num1, Key::U] {
        press(&mut stage, key);
        assert!(line(&stage).contains("go back to now first"), "{}", line(&stage));
    }
    // Whatever asks for it: the one place that orders refuses.
    for order in orders(&mut stage) {
        let asked = format!("{order:?}");
        app(&mut stage).apply(Action::Order(order));
        play(&mut stage);
        assert!(line(&stage).contains("go back to now first"), "{asked}: {}", line(&stage));
        assert!(stage.state().ordered.is_empty(), "{asked}");
    }
    app(&mut stage).apply(Action::Do(Command::CreateBoard { name: "plans".to_owned() }));
    play(&mut stage);
    assert_eq!(events(&mut stage), before);
    press(&mut stage, Key::Escape);
    app(&mut stage).apply(Action::Do(Command::CreateBoard { name: "plans".to_owned() }));
    play(&mut stage);
    assert!(events(&mut stage) > before, "and does it in the present");
}

#[test]
fn the_past_looks_as_it_did() {
    let mut stage = stage([520.0, 320.0], world());
    stage.set_render_cursor(false);
    let event = first(&mut stage, "tasks/T-41/owner");
    choose(&mut stage, event);
    press(&mut stage, Key::T);
    go(&mut stage, Panel::Documents);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures");
    let options = SnapshotOptions::new().threshold(1.0).output_path(&folder);
    stage.snapshot_options("past", &options.max_failed_pixels(200_usize));
}

#[test]
fn the_row_that_tab_led_to_is_the_one_that_is_looked_at() {
    let mut stage = stage([900.0, 1_200.0], world());
    go(&mut stage, Panel::Timeline);
    let is_on_row = |stage: &Stage<'_>| {
        let focused = nodes(stage).into_iter().find(|(_, node)| node.is_focused());
        focused.is_some_and(|(_, node)| node.role() == AccessRole::ListBoxOption)
    };
    for _ in 0..60 {
        if is_on_row(&stage) {
            break;
        }
        press(&mut stage, Key::Tab);
    }
    assert!(is_on_row(&stage));
    press(&mut stage, Key::T);
    assert!(line(&stage).contains("the past, read only: as of event "), "{}", line(&stage));
}
