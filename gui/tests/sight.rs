//! What can be seen: contrast, narrow windows, great letters, and no work while nothing happens.

use eframe::egui::{
    Color32, Event, Modifiers, MouseWheelSource, MouseWheelUnit, Pos2, Rect, Shape, TouchPhase,
    accessibility::is_input, accesskit::Role, epaint::ClippedShape, vec2,
};
use egui_kittest::kittest::Queryable as _;
use kernelos_gui::form::Form;
use kernelos_gui::model::{Action, Past};
use kernelos_gui::panel::Panel;
use kernelos_gui::theme::{DARK, DISABLED, LIGHT};
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
        let backs = [palette.back, palette.raised, palette.chosen, palette.under];
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
fn what_cannot_be_used_now_is_read_all_the_same() {
    for palette in [DARK, LIGHT] {
        let button = palette.back.lerp_to_gamma(palette.raised, DISABLED);
        let text = button.lerp_to_gamma(palette.text, DISABLED);
        let contrast = contrast(text, button);
        assert!(contrast >= 4.5, "{contrast:.2}");
        assert!(text != palette.text, "and looks like what cannot be used");
    }
    let stage = stage([400.0, 300.0], world());
    for theme in [eframe::egui::Theme::Dark, eframe::egui::Theme::Light] {
        assert_eq!(stage.ctx.style_of(theme).visuals.disabled_alpha(), DISABLED);
    }
}

/// A text that is painted, and where.
struct Painted {
    at: Rect,
    /// What of it can be seen at most.
    clip: Rect,
    /// The letters, without those that a sign stands for.
    text: String,
}

fn painted(stage: &Stage<'_>) -> Vec<Painted> {
    let mut found = Vec::new();
    for ClippedShape { clip_rect, shape, .. } in &stage.output().shapes {
        let mut waiting = vec![shape];
        while let Some(shape) = waiting.pop() {
            match shape {
                Shape::Vec(shapes) => waiting.extend(shapes),
                Shape::Text(text) => {
                    let rows = text.galley.rows.iter();
                    let lines = rows.map(|row| row.glyphs.iter().map(|glyph| glyph.chr));
                    let said = lines.map(Iterator::collect).collect::<Vec<String>>().join(" ");
                    let at = text.galley.rect.translate(text.pos.to_vec2());
                    found.push(Painted { at, clip: *clip_rect, text: said });
                }
                _ => {}
            }
        }
    }
    found
}

/// The texts that go beyond what can be seen, to the left or right.
fn cut(stage: &Stage<'_>, width: f32) -> Vec<Painted> {
    let is_cut = |text: &Painted| {
        let (left, right) = (text.clip.left().max(0.0), text.clip.right().min(width));
        let is_seen = text.clip.intersects(text.at);
        is_seen && (text.at.left() < left - 0.5 || text.at.right() > right + 0.5)
    };
    painted(stage).into_iter().filter(is_cut).collect()
}

/// The wheel is turned sideways over a place.
fn turn(stage: &mut Stage<'_>, over: Pos2, by: f32) {
    stage.event(Event::PointerMoved(over));
    stage.event(Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        source: MouseWheelSource::Wheel,
        delta: vec2(by, 0.0),
        phase: TouchPhase::Move,
        modifiers: Modifiers::NONE,
    });
    // It goes on for a moment; and nothing is hovered over after.
    stage.run_steps(8);
    stage.event(Event::PointerGone);
    stage.run_steps(1);
}

/// Those of them whose end nobody comes to by scrolling the table that they stand in.
fn lost(stage: &mut Stage<'_>, width: f32) -> Vec<String> {
    let mut lost = Vec::new();
    for text in cut(stage, width) {
        let seen = text.at.intersect(text.clip).center();
        turn(stage, seen, text.clip.right() - text.at.right() - 8.0);
        let same = |other: &Painted| {
            other.text == text.text && (other.at.top() - text.at.top()).abs() < 1.0
        };
        let now = painted(stage).into_iter().find(same);
        if now.is_none_or(|now| now.at.right() > now.clip.right().min(width) + 0.5) {
            lost.push(format!("{:?} at {:?} in {:?}", text.text, text.at, text.clip));
        }
        turn(stage, seen, 10_000.0);
    }
    lost
}

/// All that is used lies within the width of the window; gives how many that are.
fn fits(stage: &mut Stage<'_>, (width, scale): (f32, f32), what: &str) -> usize {
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
    assert!(painted(stage).len() >= inputs / 2, "{what}: nothing is measured");
    assert_eq!(lost(stage, width), [""; 0], "{what} at {width}");
    inputs
}

/// Every panel, with the first of whatever is listed there looked at, in a window that is so large
/// before it is enlarged: twice as large, half as many points have room.
fn panels_fit(window: [f32; 2], scale: f32) {
    let [width, height] = window.map(|side| side / scale);
    let mut stage = scaled([width, height], scale, full_world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        let all = nodes(&stage);
        let strip = all.iter().find(|(_, node)| name(node) == "What is saved and where");
        let top = strip.unwrap().1.bounding_box().unwrap().y0 / f64::from(scale);
        assert!(top >= f64::from(height) / 2.0, "{panel:?}: the strip begins at {top}");
        assert!(fits(&mut stage, (width, scale), panel.title()) >= Panel::ALL.len(), "{panel:?}");
        if let Some((what, chosen)) = looks(panel, &app(&mut stage).model).into_iter().next() {
            app(&mut stage).apply(Action::Choose(chosen));
            play(&mut stage);
            fits(&mut stage, (width, scale), &what);
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

/// Only a document's own lines are wider than the window; those are scrolled.
#[test]
fn no_table_is_wider_than_320_points() {
    let mut stage = scaled([320.0, 640.0], 1.0, full_world());
    for panel in Panel::ALL.into_iter().filter(|panel| *panel != Panel::Documents) {
        go(&mut stage, panel);
        let all = looks(panel, &app(&mut stage).model).into_iter().map(|(_, chosen)| chosen);
        for chosen in all.collect::<Vec<_>>() {
            app(&mut stage).apply(Action::Choose(chosen));
            play(&mut stage);
            let cut: Vec<_> = cut(&stage, 320.0).into_iter().map(|text| text.text).collect();
            assert_eq!(cut, [""; 0], "{panel:?}");
        }
    }
}

/// The window as it opens (WCAG 2.2, 1.4.4).
#[test]
fn nothing_on_a_panel_is_cut_off_at_twice_the_size() {
    panels_fit([1_100.0, 720.0], 2.0);
}

/// The least that leaves 320 points then (WCAG 2.2, 1.4.10).
#[test]
fn nothing_on_a_panel_is_cut_off_in_a_narrow_window_at_twice_the_size() {
    panels_fit([640.0, 1_280.0], 2.0);
}

#[test]
fn a_row_of_the_timeline_says_at_320_points_what_matters_first() {
    let mut stage = scaled([320.0, 640.0], 1.0, full_world());
    go(&mut stage, Panel::Timeline);
    let texts: Vec<_> = painted(&stage).into_iter().map(|text| text.text).collect();
    let disputed = texts.iter().filter(|text| text.starts_with("change in conflict  ")).count();
    assert!(disputed >= 2, "in words, whole: {texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("revoke of old laptop")), "{texts:?}");
    let rows = nodes(&stage).iter().filter(|(_, node)| node.role() == Role::ListBoxOption).count();
    assert!(texts.iter().filter(|text| text.contains(" UTC")).count() >= rows, "with their dates");
}

#[test]
fn a_window_that_was_narrow_looks_as_if_it_had_never_been() {
    let beside = |stage: &Stage<'_>| {
        let all = nodes(stage);
        let place = |node: &egui_kittest::kittest::AccessKitNode<'_>| node.bounding_box().unwrap();
        let way = all.iter().find(|(_, node)| is_input(node.role()) && name(node) == "Timeline");
        let place = place(&way.unwrap().1);
        [place.x0, place.x1, place.y0, place.y1]
    };
    let mut wide = stage([1_000.0, 640.0], world());
    go(&mut wide, Panel::Overview);
    let mut narrow = stage([320.0, 640.0], world());
    go(&mut narrow, Panel::Overview);
    let above = beside(&narrow);
    for _ in 0..2 {
        narrow.set_size(vec2(1_000.0, 640.0));
        play(&mut narrow);
        assert_eq!(beside(&narrow), beside(&wide));
        narrow.set_size(vec2(320.0, 640.0));
        play(&mut narrow);
        assert_eq!(beside(&narrow), above);
    }
}

#[test]
fn nothing_to_use_is_cut_off_in_forms_the_palette_and_the_doors() {
    for (width, height, scale) in [(320.0, 640.0, 1.0), (550.0, 360.0, 2.0)] {
        let mut stage = scaled([width, height], scale, world());
        for fill in every_fill() {
            let form = Form::of(fill.clone(), &app(&mut stage).model);
            app(&mut stage).apply(Action::Form(Some(form)));
            stage.run();
            assert!(fits(&mut stage, (width, scale), fill.title()) > 2, "{fill:?}");
            let cancel = stage.get_by_role_and_label(Role::Button, "Cancel").rect();
            assert!(cancel.bottom() <= height, "{fill:?}: Cancel is in sight");
            app(&mut stage).apply(Action::Form(None));
        }
        app(&mut stage).apply(Action::Palette(Some(String::new()), 0));
        stage.run();
        fits(&mut stage, (width, scale), "palette");
        let mut stage = homeless([width, height]);
        assert!(fits(&mut stage, (width, 1.0), "doors") >= 6);
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
