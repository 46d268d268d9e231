//! What a screen reader gets of each panel, as text. `UPDATE_SNAPSHOTS=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use kernelos_gui::panel::Panel;

use crate::stage::{Stage, go, name, nodes, stage, world};

/// A line for each node: what it is, what it is called, and its state.
pub(crate) fn tree(stage: &Stage<'_>) -> String {
    let mut text = String::new();
    for (depth, node) in nodes(stage) {
        write!(text, "{:width$}{:?}", "", node.role(), width = depth * 2).unwrap();
        let called = name(&node);
        if !called.is_empty() {
            write!(text, " {called:?}").unwrap();
        }
        let value = node.value().filter(|value| *value != called);
        value.iter().for_each(|value| write!(text, " = {value:?}").unwrap());
        let is_on = node.toggled().is_some_and(|toggled| toggled == egui_on());
        let states =
            [(node.is_disabled(), "disabled"), (is_on, "on"), (node.is_focused(), "focused")];
        for (_, state) in states.iter().filter(|(is, _)| *is) {
            write!(text, " {state}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn egui_on() -> eframe::egui::accesskit::Toggled {
    eframe::egui::accesskit::Toggled::True
}

pub(crate) fn updates() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

#[test]
fn each_panel_is_heard_as_it_was() {
    let mut stage = stage([900.0, 1_400.0], world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        let now = tree(&stage);
        let file = format!("{}.txt", panel.title().to_lowercase());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(file);
        if updates() {
            std::fs::write(&path, &now).unwrap();
        }
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(now, before, "{}: UPDATE_SNAPSHOTS=1 writes it anew", path.display());
    }
}
