//! What nobody means to write, as the inspector shows it: values of any shape where a task should
//! be, names that steer or never end, in every place that has one, and times of a clock of 1970.

use std::collections::BTreeSet;

use kernelos_gui::client::News;
use kernelos_gui::model::Topic;
use kernelos_gui::panel::Panel;
use kernelos_gui::render::TEXT_BYTES_MAX;
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::time::Stamp;
use serde_json::{Value as Json, json};

use crate::stage::{Stage, app, go, info, name, nodes, play, stage, world};
use crate::two::part;

fn said(stage: &Stage<'_>) -> String {
    nodes(stage).iter().map(|(_, node)| name(node)).collect::<Vec<_>>().join(" ")
}

/// Nothing that is laid out is long or steers.
#[track_caller]
fn assert_tame(stage: &Stage<'_>, panel: Panel) {
    for (_, node) in nodes(stage) {
        let text = name(&node);
        let steers = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(steers), "{panel:?}: {text:?}");
        assert!(text.len() <= 2 * TEXT_BYTES_MAX, "{panel:?}: {} bytes", text.len());
    }
}

#[test]
fn any_value_may_stand_where_a_task_should_and_every_panel_shows_it() {
    let shapes = [
        json!(1),
        json!("pack"),
        json!([1, [2, {}]]),
        Json::Null,
        json!(false),
        json!({}),
        json!({ "state": 3 }),
        json!({ "state": { "a": [null] } }),
        json!({ "state": "\u{202e}enod\u{1b}[2J", "title": ["c"] }),
        json!({ "title": "y".repeat(9_000) }),
    ];
    let mut mesh = world();
    let set = |at: usize, value: &Json| Edit::Set {
        set: format!("tasks/odd-{at}").parse().unwrap(),
        value: value.clone(),
    };
    let edits = shapes.iter().enumerate().map(|(at, value)| set(at, value)).collect();
    assert!(matches!(mesh.ask(1, Command::Edit { edits }), Reply::Edited(_)));
    // And both sides of a conflict may be of different kinds.
    part(&mut mesh);
    for (device, value) in [(1, json!({ "state": [1] })), (2, json!(7))] {
        let edits = vec![set(99, &value)];
        assert!(matches!(mesh.ask(device, Command::Edit { edits }), Reply::Edited(_)));
    }
    mesh.connect(1, 2);
    let mut stage = stage([900.0, 4_000.0], mesh);
    for panel in Panel::ALL {
        go(&mut stage, panel);
        assert_tame(&stage, panel);
    }
    go(&mut stage, Panel::Documents);
    let shown = said(&stage);
    let words: BTreeSet<_> = shown.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    for at in 0..shapes.len() {
        assert!(words.contains(format!("odd-{at}").as_str()), "{at}: {shown}");
    }
    go(&mut stage, Panel::Conflicts);
    app(&mut stage).apply(kernelos_gui::model::Action::Choose(Default::default()));
    let Reply::Conflicts(page) = stage.state_mut().mesh.ask(1, Command::Conflicts) else {
        panic!()
    };
    let odd = page.conflicts.iter().find(|row| row.path.to_string() == "tasks/odd-99").unwrap();
    let mut chosen = app(&mut stage).model.chosen.clone();
    chosen.conflict = Some(odd.id);
    app(&mut stage).apply(kernelos_gui::model::Action::Choose(chosen));
    play(&mut stage);
    for value in ["{\"state\":[1]}", "= 7"] {
        assert!(said(&stage).contains(value), "{value}: {}", said(&stage));
    }
    assert_eq!(stage.state_mut().mesh.status(1).damage, Vec::<String>::new());
}

#[test]
fn a_name_that_steers_or_never_ends_is_tame_wherever_one_stands() {
    let steers = "\u{202e}gnp.exe\u{7}\u{1b}[2J\u{2028}".to_owned();
    for odd in [steers, "n".repeat(1 << 20)] {
        let mut stage = stage([900.0, 1_000.0], world());
        for panel in Panel::ALL {
            go(&mut stage, panel);
            let show = stage.state_mut();
            let mut node = info(&mut show.mesh);
            let mut other = node.workspaces[0].clone();
            other.workspace_id.0 = [9; 32];
            (node.workspaces[0].workspace, node.workspaces[0].device) = (odd.clone(), odd.clone());
            other.workspace.clone_from(&odd);
            node.workspaces.push(other);
            show.ends.news.try_send(News::Up(node)).unwrap();
            let model = &mut app(&mut stage).model;
            for row in model.said.pending.iter_mut().flatten() {
                row.asks = row.asks.take().map(|(device, _)| (device, odd.clone()));
            }
            if let Some(page) = &mut model.said.branches {
                page.branches.iter_mut().for_each(|row| row.name = Some(odd.clone()));
            }
            let devices: Vec<_> = model.said.names.keys().copied().collect();
            model.said.names = devices.into_iter().map(|id| (id, odd.clone())).collect();
            stage.run();
            assert_tame(&stage, panel);
        }
    }
}

#[test]
fn rows_of_a_clock_of_1970_stand_where_their_events_do() {
    let mut stage = stage([900.0, 1_000.0], world());
    go(&mut stage, Panel::Timeline);
    let rows = |stage: &Stage<'_>| -> Vec<String> {
        let is_row = |role| role == eframe::egui::accesskit::Role::ListBoxOption;
        let nodes = nodes(stage).into_iter().map(|(_, node)| node);
        nodes.filter(|node| is_row(node.role())).map(|node| name(&node)).collect()
    };
    let place = |row: &String| row.split(':').next().unwrap().to_owned();
    let before: Vec<_> = rows(&stage).iter().map(place).collect();
    assert!(before.len() >= 5, "{before:?}");
    let topic = Topic::Timeline(None, true);
    let Reply::Timeline(mut page) = stage.state_mut().mesh.ask(1, topic.command().unwrap()) else {
        panic!()
    };
    page.rows.iter_mut().step_by(2).for_each(|row| row.event.stamp = Stamp(7));
    app(&mut stage).model.hear(topic, Ok(Reply::Timeline(page)));
    stage.run();
    assert_eq!(rows(&stage).iter().map(place).collect::<Vec<_>>(), before);
    assert!(
        rows(&stage)[0].contains("1970-01-01"),
        "what its author says is shown: {:?}",
        rows(&stage)[0]
    );
}
