//! Pictures of the panels from a workspace's data, drawn without a display. A machine that cannot
//! draw fails: a test that is passed over looks like one that passed.

use std::path::Path;

use egui_kittest::SnapshotOptions;
use kernelos_gui::panel::Panel;

use crate::stage::{go, stage, world};

/// Bytes of one picture.
const PICTURE_BYTES_MAX: u64 = 72 * 1024;

#[test]
fn each_panel_looks_as_it_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures");
    let mut stage = stage([520.0, 320.0], world());
    stage.set_render_cursor(false);
    for panel in [Panel::Overview, Panel::Devices, Panel::Conflicts, Panel::Documents] {
        go(&mut stage, panel);
        let name = panel.title().to_lowercase();
        // Letters are drawn a little otherwise by another version of the renderer.
        let options = SnapshotOptions::new().threshold(1.0).output_path(&folder);
        let options = options.max_failed_pixels(200_usize);
        stage.snapshot_options(&name, &options);
        let size = std::fs::metadata(folder.join(format!("{name}.png"))).unwrap().len();
        assert!(size <= PICTURE_BYTES_MAX, "{name}: {size} bytes");
    }
}
