//! Pictures of the panels from a workspace's data, drawn without a display. A machine that cannot
//! draw fails: a test that is passed over looks like one that passed.

use std::path::Path;

use eframe::egui::vec2;
use egui_kittest::SnapshotOptions;
use kernelos_gui::model::Action;
use kernelos_gui::panel::Panel;

use crate::full::looks;
use crate::stage::{Stage, app, full_world, go, play, stage};

/// Bytes of one picture, and of all of them.
const PICTURE_BYTES_MAX: u64 = 128 * 1024;
const ALL_BYTES_MAX: u64 = 640 * 1024;

/// What is looked at in each, the panel as it opens or what is called so, and how high that is.
const LOOKS: [(Panel, &str, f32); 8] = [
    (Panel::Overview, "", 320.0),
    (Panel::Timeline, "", 440.0),
    (Panel::Devices, "", 320.0),
    (Panel::Conflicts, "conflict, Values", 640.0),
    (Panel::Missions, "mission, promoted", 640.0),
    (Panel::Documents, "", 320.0),
    (Panel::Quarantine, "apart, Revoked", 440.0),
    (Panel::Branches, "branch try", 440.0),
];

fn draw(stage: &mut Stage<'_>, name: &str) -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures");
    // Letters are drawn a little otherwise by another version of the renderer.
    let options = SnapshotOptions::new().threshold(1.0).output_path(&folder);
    stage.snapshot_options(name, &options.max_failed_pixels(200_usize));
    let size = std::fs::metadata(folder.join(format!("{name}.png"))).unwrap().len();
    assert!(size <= PICTURE_BYTES_MAX, "{name}: {size} bytes");
    size
}

#[test]
fn each_panel_looks_as_it_did() {
    let mut stage = stage([520.0, 320.0], full_world());
    stage.set_render_cursor(false);
    let mut bytes = 0;
    for (panel, look, height) in LOOKS {
        stage.set_size(vec2(520.0, height));
        go(&mut stage, panel);
        let named = looks(panel, &app(&mut stage).model);
        let chosen = named.into_iter().find(|(what, _)| what == look);
        assert_eq!(chosen.is_some(), !look.is_empty(), "{panel:?}: {look}");
        if let Some((_, chosen)) = chosen {
            app(&mut stage).apply(Action::Choose(chosen));
            play(&mut stage);
        }
        bytes += draw(&mut stage, &panel.title().to_lowercase());
    }
    assert_eq!(LOOKS.map(|(panel, ..)| panel), Panel::ALL);
    assert!(bytes <= ALL_BYTES_MAX, "{bytes} bytes");
}
