//! What can be seen: contrast, narrow windows, great letters, and no work while nothing happens.

use eframe::egui::{Color32, accessibility::is_input, accesskit::Role};
use egui_kittest::kittest::Queryable as _;
use kernelos_gui::form::Form;
use kernelos_gui::model::{Action, Past};
use kernelos_gui::panel::Panel;
use kernelos_gui::theme::{DARK, LIGHT};
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::Tone;

use crate::full::looks;
use crate::stage::{
    Stage, app, every_fill, full_world, go, homeless, name, nodes, play, scaled, stage, world,
};

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

/// All that is used lies within the width of the window; gives how many that are.
fn fits(stage: &Stage<'_>, (width, scale): (f32, f32), what: &str) -> usize {
    let mut inputs = 0;
    for (_, node) in nodes(stage) {
        if is_input(node.role()) {
            inputs += 1;
            let place = node.bounding_box().unwrap();
            let (left, right) = (place.x0 / f64::from(scale), place.x1 / f64::from(scale));
            let fits = left >= 0.0 && right <= f64::from(width) + 0.5;
            assert!(fits, "{what} at {width}: {} {left} {right}", name(&node));
        }
    }
    inputs
}

/// Every panel, with the first of whatever is listed there looked at.
fn panels_fit([width, height]: [f32; 2], scale: f32) {
    let mut stage = scaled([width, height], scale, full_world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        let all = nodes(&stage);
        let strip = all.iter().find(|(_, node)| name(node) == "What is saved and where");
        let top = strip.unwrap().1.bounding_box().unwrap().y0 / f64::from(scale);
        assert!(top >= f64::from(height) / 2.0, "{panel:?}: the strip begins at {top}");
        assert!(fits(&stage, (width, scale), panel.title()) >= Panel::ALL.len(), "{panel:?}");
        if let Some((what, chosen)) = looks(panel, &app(&mut stage).model).into_iter().next() {
            app(&mut stage).apply(Action::Choose(chosen));
            play(&mut stage);
            fits(&stage, (width, scale), &what);
        }
    }
    let past = Past { event: EventId([7; 32]), text: "as of 14:02".to_owned() };
    app(&mut stage).apply(Action::Past(Some(past)));
    play(&mut stage);
    let back = stage.get_by_role_and_label(Role::Button, "Back to now").rect();
    assert!(back.right() <= width && back.left() >= 0.0, "the bar of the past: {back:?}");
}

#[test]
fn nothing_to_use_on_a_panel_is_cut_off_at_320_points() {
    panels_fit([320.0, 640.0], 1.0);
}

#[test]
fn nothing_to_use_on_a_panel_is_cut_off_at_twice_the_size() {
    panels_fit([320.0, 640.0], 2.0);
    panels_fit([512.0, 384.0], 2.0);
}

#[test]
fn nothing_to_use_is_cut_off_in_forms_the_palette_and_the_doors() {
    for (width, height, scale) in [(320.0, 640.0, 1.0), (512.0, 384.0, 2.0)] {
        let mut stage = scaled([width, height], scale, world());
        for fill in every_fill() {
            let form = Form::of(fill.clone(), &app(&mut stage).model);
            app(&mut stage).apply(Action::Form(Some(form)));
            stage.run();
            assert!(fits(&stage, (width, scale), fill.title()) > 2, "{fill:?}");
            let cancel = stage.get_by_role_and_label(Role::Button, "Cancel").rect();
            assert!(cancel.bottom() <= height, "{fill:?}: Cancel is in sight");
            app(&mut stage).apply(Action::Form(None));
        }
        app(&mut stage).apply(Action::Palette(Some(String::new()), 0));
        stage.run();
        fits(&stage, (width, scale), "palette");
        let stage = homeless([width, height]);
        assert!(fits(&stage, (width, 1.0), "doors") >= 6);
    }
}

#[test]
fn nothing_is_drawn_while_nothing_happens() {
    let mut stage = stage([900.0, 600.0], full_world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        // A frame more, as if something else woke the window: it asks for none by itself.
        stage.step();
        let delay = stage.output().viewport_output.values().map(|out| out.repaint_delay).min();
        assert!(delay.unwrap() > std::time::Duration::from_secs(2), "{panel:?}: {delay:?}");
    }
}
