//! What a screen reader gets of each panel, as text. `UPDATE_SNAPSHOTS=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use eframe::egui::accesskit::{Role, Toggled};
use kernelos_gui::client::News;
use kernelos_gui::form::Form;
use kernelos_gui::model::{Action, Link, Model, Said, Topic};
use kernelos_gui::panel::Panel;
use kernelos_protocol::command::{Failure, FailureKind};

use crate::full::looks;
use crate::mesh::Mesh;
use crate::stage::{
    Stage, app, every_fill, full_world, go, homeless, line, name, nodes, play, stage, told,
};

/// All of a panel has room in it.
const WINDOW: [f32; 2] = [900.0, 2_400.0];

/// A line for each node: what it is, what it is called, and its state.
pub(crate) fn tree(stage: &Stage<'_>) -> String {
    let mut text = String::new();
    // The runs of a text say what the text says.
    for (depth, node) in nodes(stage).iter().filter(|(_, node)| node.role() != Role::TextRun) {
        write!(text, "{:width$}{:?}", "", node.role(), width = depth * 2).unwrap();
        let called = name(node);
        if !called.is_empty() {
            write!(text, " {called:?}").unwrap();
        }
        let value = node.value().filter(|value| *value != called);
        value.iter().for_each(|value| write!(text, " = {value:?}").unwrap());
        let is_on = node.toggled().is_some_and(|toggled| toggled == Toggled::True);
        let states =
            [(node.is_disabled(), "disabled"), (is_on, "on"), (node.is_focused(), "focused")];
        for (_, state) in states.iter().filter(|(is, _)| *is) {
            write!(text, " {state}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// The last of what lies side by side: the panel itself, or what lies over it.
fn inner(stage: &Stage<'_>) -> String {
    let all = tree(stage);
    let panes = all.rfind("\n  Pane\n").map_or(0, |at| at + 1);
    all[panes..].to_owned()
}

pub(crate) fn updates() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

/// Compares with what was heard before.
#[track_caller]
pub(crate) fn as_before(file: &str, now: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees");
    let path = folder.join(format!("{file}.txt"));
    if updates() {
        std::fs::write(&path, now).unwrap();
    }
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(now, before, "{}: UPDATE_SNAPSHOTS=1 writes it anew", path.display());
}

#[test]
fn each_panel_is_heard_as_it_was() {
    let mut stage = stage(WINDOW, full_world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        let mut heard = tree(&stage);
        let before = app(&mut stage).model.chosen.clone();
        for (what, chosen) in looks(panel, &app(&mut stage).model) {
            app(&mut stage).apply(Action::Choose(chosen));
            play(&mut stage);
            write!(heard, "\n# {what}\n{}", inner(&stage)).unwrap();
        }
        app(&mut stage).apply(Action::Choose(before));
        as_before(&panel.title().to_lowercase(), &heard);
    }
}

/// What each panel says in such a state.
fn in_state(name: &str, stage: &mut Stage<'_>, set: impl Fn(&mut Model)) {
    let mut heard = String::new();
    for panel in Panel::ALL {
        go(stage, panel);
        set(&mut app(stage).model);
        stage.run();
        write!(heard, "# {}\n{}", panel.title(), inner(stage)).unwrap();
    }
    as_before(name, &heard);
}

fn nothing_said(model: &mut Model) {
    model.said = Said::default();
}

#[test]
fn loading_failed_and_offline_are_heard_on_each_panel() {
    let mut stage = stage(WINDOW, full_world());
    in_state("loading", &mut stage, nothing_said);
    in_state("failed", &mut stage, |model| {
        nothing_said(model);
        let failure = Failure::new(FailureKind::Busy, "busy now").with_hint("try again");
        let mut topics = model.panel.topics(model);
        topics.push(Topic::Status);
        model.said.failed.extend(topics.into_iter().map(|topic| (topic, failure.clone())));
    });
    in_state("offline", &mut stage, |model| {
        nothing_said(model);
        let failure = Failure::new(FailureKind::NotRunning, "the node does not run");
        model.link = Link::Down(failure.with_hint("kern up"));
    });
    // What it said last stays, and nothing can be pressed that it would have to do.
    app(&mut stage).model.link = Link::Up;
    in_state("stale", &mut stage, |model| {
        let failure = Failure::new(FailureKind::NotRunning, "the node does not run");
        model.link = Link::Down(failure.with_hint("kern up"));
    });
}

#[test]
fn an_empty_panel_says_what_it_is_and_what_to_do() {
    let mut stage = stage(WINDOW, Mesh::of(&[]));
    in_state("empty", &mut stage, |model| {
        let page = serde_json::json!({ "rows": [], "total": 0, "from": 0, "to": 0, "lanes": [] });
        if model.panel == Panel::Timeline {
            let page = serde_json::from_value(page).unwrap();
            model.said.timeline = Default::default();
            model.said.timeline.take(page, &model.chosen.place);
        }
    });
    for panel in Panel::ALL {
        go(&mut stage, panel);
        let (command, button) = match panel {
            Panel::Overview | Panel::Devices => ("kern invite does it", "Invite a device…"),
            // There it all began: it has an event always.
            Panel::Timeline => continue,
            Panel::Conflicts => ("kern conflicts lists them", "Conflicts"),
            Panel::Missions => ("kern mission start begins one", "Start a mission…"),
            Panel::Documents => ("kern doc set puts a value", "Set a value…"),
            Panel::Quarantine => ("kern strike takes an event", "Strike an event…"),
            Panel::Branches => ("kern branch create makes one", "Create a branch…"),
        };
        assert!(line(&stage).contains(command), "{panel:?}: {}", line(&stage));
        let all = nodes(&stage);
        let found = all.iter().find(|(_, node)| {
            node.role() == Role::Button && name(node) == button && !node.is_disabled()
        });
        assert!(found.is_some(), "{panel:?}: {button}");
    }
}

#[test]
fn what_lies_over_the_panels_is_heard_as_it_was() {
    let mut stage = stage(WINDOW, full_world());
    go(&mut stage, Panel::Missions);
    let mut heard = String::new();
    for fill in every_fill() {
        let form = Form::of(fill.clone(), &app(&mut stage).model);
        app(&mut stage).apply(Action::Form(Some(form)));
        stage.run();
        let all = tree(&stage);
        let dialog = all.find("Dialog").unwrap();
        let begin = all[..dialog].rfind('\n').unwrap();
        write!(heard, "# {}{}", fill.title(), &all[begin..]).unwrap();
        app(&mut stage).apply(Action::Form(None));
        stage.run();
    }
    as_before("forms", &heard);
    app(&mut stage).apply(Action::Palette(Some(String::new()), 0));
    stage.run();
    let all = tree(&stage);
    as_before("palette", &all[all.find("Dialog").unwrap()..]);
}

#[test]
fn the_doors_are_heard_as_they_were() {
    let mut stage = homeless(WINDOW);
    as_before("doors", &inner(&stage));
    let failure = Failure::new(FailureKind::NotRunning, "the node does not run");
    told(&mut stage, News::Down(failure.with_hint("kern up")));
    as_before("doors-offline", &inner(&stage));
}
