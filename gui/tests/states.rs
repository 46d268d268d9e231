//! Empty, loading, failed and offline; the strip's honesty; the past.

use egui_kittest::kittest::Queryable as _;
use kernelos_gui::client::News;
use kernelos_gui::model::{Action, Link, Model, Past, Topic};
use kernelos_gui::panel::Panel;
use kernelos_gui::strip;
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::show::MissionView;
use kernelos_protocol::present::Tone;
use kernelos_protocol::role::Role;

use crate::mesh::{Mesh, id};
use crate::stage::{app, go, play, stage, words, world};

const WINDOW: [f32; 2] = [900.0, 600.0];

/// A mission under way and one that is done, as a node shows them.
pub(crate) fn missions() -> Vec<MissionView> {
    let oid = "0123456789abcdef0123456789abcdef01234567";
    let view = |mission: u8, state: &str, stage: &str| {
        let event = EventId([mission; 32]);
        let stage = |name: &str| {
            serde_json::json!({ "name": name, "devices": [id(2)], "state": stage,
                "evidence": event })
        };
        let stages = ["plan", "implement", "verify", "replay", "promote"].map(stage);
        let step = serde_json::json!({ "n": 1, "name": "make check", "device": id(2),
            "executions": 1, "input": null, "result": null, "outcome": "exit 0",
            "left_behind": null, "event": event });
        let view = serde_json::json!({ "id": event, "goal": "triage the inbox", "state": state,
            "why": null, "held_by": id(2), "resumed_by": null, "stages": stages, "steps": [step],
            "candidates": [], "repo": "site", "home": id(1), "branch": "main", "base": oid,
            "agent": "triage", "verify": "make test", "independent": state == "promoted",
            "promoted_commit": null });
        serde_json::from_value(view).unwrap()
    };
    vec![view(1, "running", "running"), view(2, "promoted", "done")]
}

fn line(stage: &crate::stage::Stage<'_>) -> String {
    words(stage).join(" ")
}

#[test]
fn the_strip_is_never_good_while_a_conflict_is_open() {
    let mut mesh = world();
    let Reply::Status(status) = mesh.ask(1, Command::Status) else { panic!() };
    let mut model = Model { link: Link::Up, ..Model::default() };
    let mut good = |conflicts: usize, link: Link| {
        let mut status = status.clone();
        status.conflicts = conflicts;
        // Nobody is behind.
        status.peers.iter_mut().for_each(|peer| peer.acked = peer.of);
        model.link = link;
        model.hear(Topic::Status, Ok(Reply::Status(status)));
        strip::texts(&model).iter().filter(|text| text.tone == Tone::Good).count()
    };
    assert_eq!(good(0, Link::Up), 3);
    assert_eq!(good(1, Link::Up), 0);
    let down = Link::Down(Failure::new(FailureKind::NotRunning, "down"));
    assert_eq!(good(0, down), 0, "what is not known any more is not good");
}

#[test]
fn a_peer_that_is_behind_is_told_by_how_much() {
    let mut mesh = world();
    let Reply::Status(mut status) = mesh.ask(1, Command::Status) else { panic!() };
    status.conflicts = 0;
    status.peers[0].acked = status.peers[0].of - 3;
    let mut model = Model { link: Link::Up, ..Model::default() };
    model.hear(Topic::Status, Ok(Reply::Status(status)));
    let texts = strip::texts(&model);
    let known = texts.iter().find(|text| text.text.starts_with("known on")).unwrap();
    assert!(known.text.contains("(3 behind)"), "{}", known.text);
    assert_ne!(known.tone, Tone::Good);
}

#[test]
fn a_node_that_stops_leaves_what_it_said_last_and_says_what_to_do() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Conflicts);
    let failure = Failure::new(FailureKind::NotRunning, "the node does not run");
    stage.state_mut().ends.news.try_send(News::Down(failure.with_hint("kern up"))).unwrap();
    stage.run();
    assert!(line(&stage).contains("the node does not run: this is what it said last"));
    assert!(line(&stage).contains("1 of 2, needs a decision"), "it is there still");
    let keep = stage.get_by_label_contains("Keep A: notes/today");
    assert!(egui_kittest::kittest::NodeT::accesskit_node(&keep).is_disabled());
    go_quietly(&mut stage, Panel::Devices);
    assert!(line(&stage).contains("kern up"), "{}", line(&stage));
    let info = crate::stage::info(&mut stage.state_mut().mesh);
    stage.state_mut().ends.news.try_send(News::Up(info)).unwrap();
    play(&mut stage);
    assert!(!line(&stage).contains("does not run"));
}

/// To a panel whose data the node does not give any more.
fn go_quietly(stage: &mut crate::stage::Stage<'_>, panel: Panel) {
    app(stage).apply(Action::Go(panel));
    stage.run();
}

#[test]
fn without_a_workspace_there_are_three_doors() {
    let mut stage = stage(WINDOW, Mesh::of(&[]));
    let mut info = crate::stage::info(&mut stage.state_mut().mesh);
    info.workspaces.clear();
    stage.state_mut().ends.news.try_send(News::Up(info)).unwrap();
    stage.run();
    for door in ["Create", "Join", "Restore"] {
        stage.get_by_label(&format!("Copy the command: {door}"));
    }
    assert!(line(&stage).contains("There is no workspace on this device yet"));
}

#[test]
fn a_failure_is_shown_where_its_answer_would_be() {
    let mut stage = stage(WINDOW, world());
    let workspace = stage.state_mut().mesh.device(1).config.workspace;
    go_quietly(&mut stage, Panel::Missions);
    assert!(line(&stage).contains("loading…"));
    let failure = Failure::new(FailureKind::Busy, "busy now").with_hint("try again");
    let news = News::Said(workspace, Topic::Missions, Err(failure));
    stage.state_mut().ends.news.try_send(news).unwrap();
    stage.run();
    assert!(line(&stage).contains("busy now try again"), "{}", line(&stage));
}

#[test]
fn a_later_failure_is_shown_above_what_was_said_before() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Timeline);
    let workspace = stage.state_mut().mesh.device(1).config.workspace;
    let chosen = kernelos_gui::model::Chosen {
        event: Some(EventId([7; 32])),
        ..app(&mut stage).model.chosen.clone()
    };
    app(&mut stage).apply(Action::Choose(chosen));
    let topics =
        [(Panel::Timeline, Topic::Event(EventId([7; 32]))), (Panel::Devices, Topic::Devices)];
    for (panel, topic) in topics {
        go(&mut stage, panel);
        let failure = Failure::new(FailureKind::Busy, format!("{panel:?}: busy now"));
        let news = News::Said(workspace, topic, Err(failure));
        stage.state_mut().ends.news.try_send(news).unwrap();
        stage.run();
        assert!(line(&stage).contains(&format!("{panel:?}: busy now")), "{}", line(&stage));
    }
    assert!(line(&stage).contains("server"), "what was said stays: {}", line(&stage));
}

#[test]
fn who_holds_a_workspace_and_is_no_member_finds_the_recovery_key_in_the_overview() {
    let mut stage = stage(WINDOW, world());
    assert!(!line(&stage).contains("who has the recovery key"));
    app(&mut stage).model.said.status.as_mut().unwrap().role = None;
    stage.run();
    stage.get_by_label("Restore a workspace…").click();
    stage.run();
    assert!(app(&mut stage).model.form.is_some());
}

#[test]
fn a_path_that_is_none_is_told() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Documents);
    let path = |stage: &crate::stage::Stage<'_>| {
        stage.get_by_role_and_label(eframe::egui::accesskit::Role::TextInput, "path").focus();
    };
    path(&stage);
    stage.run();
    let field = stage.get_by_role_and_label(eframe::egui::accesskit::Role::TextInput, "path");
    field.type_text("//");
    stage.run();
    stage.get_by_label("Read").click();
    stage.run();
    assert!(line(&stage).contains("this is no path"), "{}", line(&stage));
}

#[test]
fn a_mission_is_chosen_and_shown_whole() {
    let mut stage = stage([900.0, 1_000.0], Mesh::of(&[(2, Role::Member)]));
    go(&mut stage, Panel::Missions);
    let workspace = stage.state_mut().mesh.device(1).config.workspace;
    let said = Ok(Reply::Missions { missions: missions() });
    let news = News::Said(workspace, Topic::Missions, said);
    stage.state_mut().ends.news.try_send(news).unwrap();
    stage.run();
    stage.get_by_label_contains("promoted, ").click();
    stage.run();
    for part in ["promote done", "make check", "verify make test", "agent triage"] {
        assert!(line(&stage).contains(part), "{part}: {}", line(&stage));
    }
}

#[test]
fn while_in_the_past_every_panel_says_so_and_nothing_is_written() {
    let mut stage = stage(WINDOW, world());
    let past = Past { event: EventId([7; 32]), text: "as of 14:02".to_owned() };
    app(&mut stage).apply(Action::Past(Some(past)));
    for panel in Panel::ALL {
        go(&mut stage, panel);
        assert!(line(&stage).contains("the past, read only: as of 14:02"), "{panel:?}");
    }
    go(&mut stage, Panel::Conflicts);
    crate::stage::press(&mut stage, eframe::egui::Key::Num1);
    assert!(line(&stage).contains("the past is looked at"), "{}", line(&stage));
    assert!(line(&stage).contains("2 conflicts open"));
    stage.get_by_label("Back to now").click();
    play(&mut stage);
    assert!(!line(&stage).contains("the past, read only"));
}
