//! What can be seen: contrast, narrow windows, great letters, and no work while nothing happens.

use eframe::egui::{Color32, accessibility::is_input};
use kernelos_gui::panel::Panel;
use kernelos_gui::theme::{DARK, LIGHT};
use kernelos_protocol::present::Tone;

use crate::stage::{go, name, nodes, scaled, stage, world};

/// Relative luminance (WCAG 2.2).
fn luminance(colour: Color32) -> f64 {
    let linear = |channel: u8| {
        let channel = f64::from(channel) / 255.0;
        if channel <= 0.040_45 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    };
    let [red, green, blue, _] = colour.to_array();
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

fn contrast(a: Color32, b: Color32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn texts_and_the_focus_stand_out() {
    assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 0.001);
    for palette in [DARK, LIGHT] {
        let backs = [palette.back, palette.raised, palette.chosen];
        for back in backs {
            for tone in [Tone::Plain, Tone::Good, Tone::Attention, Tone::Quiet] {
                let contrast = contrast(palette.tone(tone), back);
                assert!(contrast >= 4.5, "{tone:?} on {back:?}: {contrast:.2}");
            }
            let contrast = contrast(palette.focus, back);
            assert!(contrast >= 3.0, "the focus on {back:?}: {contrast:.2}");
        }
    }
}

#[test]
fn nothing_to_use_is_cut_off_at_320_points_and_at_twice_the_size() {
    for (width, height, scale) in [(320.0, 640.0, 1.0), (320.0, 640.0, 2.0), (512.0, 384.0, 2.0)] {
        let mut stage = scaled([width, height], scale, world());
        for panel in Panel::ALL {
            go(&mut stage, panel);
            let all = nodes(&stage);
            let strip = all.iter().find(|(_, node)| name(node) == "What is saved and where");
            let top = strip.unwrap().1.bounding_box().unwrap().y0 / f64::from(scale);
            assert!(top >= f64::from(height) / 2.0, "{panel:?}: the strip begins at {top}");
            let mut inputs = 0;
            for (_, node) in nodes(&stage) {
                if is_input(node.role()) {
                    inputs += 1;
                    let place = node.bounding_box().unwrap();
                    let (left, right) = (place.x0 / f64::from(scale), place.x1 / f64::from(scale));
                    let fits = left >= 0.0 && right <= f64::from(width) + 0.5;
                    assert!(fits, "{panel:?} at {width}: {} {left} {right}", name(&node));
                }
            }
            assert!(inputs >= Panel::ALL.len(), "{panel:?}");
        }
    }
}

#[test]
fn nothing_is_drawn_while_nothing_happens() {
    let mut stage = stage([900.0, 600.0], world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        // A frame more, as if something else woke the window: it asks for none by itself.
        stage.step();
        let delay = stage.output().viewport_output.values().map(|out| out.repaint_delay).min();
        assert!(delay.unwrap() > std::time::Duration::from_secs(2), "{panel:?}: {delay:?}");
    }
}
