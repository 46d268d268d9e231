//! By a finger: what it uses is large enough, it scrolls by dragging, and nothing needs a second
//! button or a pointer that hovers.

use eframe::egui::{Event, Modifiers, PointerButton, Pos2, TouchDeviceId, TouchId, TouchPhase};
use eframe::egui::{accessibility::is_input, accesskit::Role};
use egui_kittest::kittest::Queryable as _;
use kernelos_gui::form::Form;
use kernelos_gui::model::Action;
use kernelos_gui::panel::Panel;
use kernelos_gui::theme::FINGER;
use kernelos_protocol::command::{Command, Reply};

use crate::stage::{
    Stage, app, every_fill, full_world, go, homeless, name, nodes, play, scaled, stage, world,
};

/// A phone.
const WINDOW: [f32; 2] = [360.0, 720.0];

/// One finger, and the pointer that the window's system makes of it.
fn finger(stage: &mut Stage<'_>, phase: TouchPhase, pos: Pos2) {
    let touch = |phase| Event::Touch {
        device_id: TouchDeviceId(1),
        id: TouchId(1),
        phase,
        pos,
        force: None,
    };
    let button = |pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    stage.event(touch(phase));
    match phase {
        TouchPhase::Start => {
            stage.event(Event::PointerMoved(pos));
            stage.event(button(true));
        }
        TouchPhase::Move => stage.event(Event::PointerMoved(pos)),
        TouchPhase::End | TouchPhase::Cancel => {
            stage.event(button(false));
            stage.event(Event::PointerGone);
        }
    }
    stage.step();
}

fn tap(stage: &mut Stage<'_>, at: Pos2) {
    finger(stage, TouchPhase::Start, at);
    finger(stage, TouchPhase::End, at);
    play(stage);
}

/// Drags what is in the middle up by so many points.
fn drag(stage: &mut Stage<'_>, by: f32) {
    let from = Pos2::new(WINDOW[0] / 2.0, WINDOW[1] * 0.7);
    finger(stage, TouchPhase::Start, from);
    for step in 1..=8 {
        let at = from - eframe::egui::vec2(0.0, by * step as f32 / 8.0);
        finger(stage, TouchPhase::Move, at);
    }
    finger(stage, TouchPhase::End, from - eframe::egui::vec2(0.0, by));
    // It glides on for a little.
    stage.run_steps(16);
    play(stage);
}

fn touched<'a>(mut stage: Stage<'a>) -> Stage<'a> {
    tap(&mut stage, Pos2::new(WINDOW[0] - 1.0, WINDOW[1] / 2.0));
    stage
}

/// What is used and is smaller than this.
fn small(stage: &Stage<'_>, points: f32) -> Vec<String> {
    let mut small = Vec::new();
    for (_, node) in nodes(stage) {
        let is_row = node.role() == Role::ListBoxOption;
        if !is_row && (!is_input(node.role()) || node.role() == Role::ScrollBar) {
            continue;
        }
        let Some(at) = node.bounding_box() else { continue };
        // Half a point is lost where edges are put on pixels.
        let most = f64::from(points) - 0.5;
        let (width, height) = (at.x1 - at.x0, at.y1 - at.y0);
        if width < most || height < most {
            small.push(format!("{:?} {:?} {width}x{height}", node.role(), name(&node)));
        }
    }
    small
}

/// Runs over every panel with everything in it, every form, the palette and the doors.
fn everywhere(stage: &mut Stage<'_>, check: impl Fn(&Stage<'_>, &str)) {
    for panel in Panel::ALL {
        go(stage, panel);
        let before = app(stage).model.chosen.clone();
        check(stage, panel.title());
        for (what, chosen) in crate::full::looks(panel, &app(stage).model) {
            app(stage).apply(Action::Choose(chosen));
            play(stage);
            check(stage, &what);
        }
        app(stage).apply(Action::Choose(before));
    }
    for fill in every_fill() {
        let form = Form::of(fill.clone(), &app(stage).model);
        app(stage).apply(Action::Form(Some(form)));
        stage.run();
        check(stage, fill.title());
        app(stage).apply(Action::Form(None));
        stage.run();
    }
    app(stage).apply(Action::Palette(Some(String::new()), 0));
    stage.run();
    check(stage, "palette");
}

#[test]
fn what_a_finger_uses_is_as_large_as_one_everywhere() {
    let mut stage = touched(stage([WINDOW[0], 4_000.0], full_world()));
    everywhere(&mut stage, |stage, what| {
        assert_eq!(small(stage, FINGER), [""; 0], "{what}");
    });
    let stage = touched(homeless([WINDOW[0], 2_000.0]));
    assert_eq!(small(&stage, FINGER), [""; 0], "doors");
}

#[test]
fn what_a_mouse_uses_is_24_points_at_least() {
    let mut stage = scaled([900.0, 2_400.0], 1.0, full_world());
    everywhere(&mut stage, |stage, what| assert_eq!(small(stage, 24.0), [""; 0], "{what}"));
}

/// Where the strip begins, and where what stands on the panel ends.
fn ends(stage: &Stage<'_>, title: &str) -> (f64, f64) {
    let all = nodes(stage);
    let strip = all.iter().find(|(_, node)| name(node) == "What is saved and where").unwrap();
    let at = all.iter().position(|(_, node)| node.role() == Role::Group && name(node) == title);
    let inside = all[at.unwrap() + 1..].iter().filter_map(|(_, node)| node.bounding_box());
    let lowest = inside.fold(0.0_f64, |lowest, at| lowest.max(at.y1));
    (strip.1.bounding_box().unwrap().y0, lowest)
}

#[test]
fn every_panel_that_is_longer_than_the_window_is_scrolled_by_dragging_it() {
    let mut stage = touched(stage(WINDOW, full_world()));
    let mut dragged = 0;
    for panel in Panel::ALL {
        go(&mut stage, panel);
        let place = |stage: &Stage<'_>| {
            let all = nodes(stage);
            let inside = all.iter().rev().filter(|(_, node)| {
                matches!(node.role(), Role::Label | Role::Heading | Role::ListBoxOption)
            });
            let first = inside.filter_map(|(_, node)| Some((name(node), node.bounding_box()?.y0)));
            first.map(|(name, y)| format!("{name} {y:.0}")).collect::<Vec<_>>()
        };
        let before = place(&stage);
        let (strip, lowest) = ends(&stage, panel.title());
        drag(&mut stage, 160.0);
        let is_moved = place(&stage) != before;
        if lowest > strip + 1.0 || panel == Panel::Timeline {
            assert!(is_moved, "{panel:?} ends at {lowest}, below {strip}");
        } else if lowest < strip - 24.0 {
            assert!(!is_moved, "{panel:?} ends at {lowest}, above {strip}");
        }
        dragged += usize::from(is_moved);
    }
    assert!(dragged >= 4, "{dragged} are");
}

#[test]
fn a_conflict_is_decided_and_undone_by_a_finger_alone() {
    let mut stage = touched(stage(WINDOW, world()));
    let open = |stage: &mut Stage<'_>| match stage.state_mut().mesh.ask(2, Command::Conflicts) {
        Reply::Conflicts(page) => page.conflicts.len(),
        other => panic!("{other:?}"),
    };
    for (button, left) in [("Conflicts (2)", 2), ("Keep A: notes/today", 1), ("Undo ", 2)] {
        let middle = |stage: &Stage<'_>| stage.get_by_label_contains(button).rect().center();
        for _ in 0..8 {
            if middle(&stage).y < WINDOW[1] * 0.8 {
                break;
            }
            drag(&mut stage, 160.0);
        }
        let at = middle(&stage);
        tap(&mut stage, at);
        assert_eq!(open(&mut stage), left, "{button}");
    }
}

/// Why something cannot be done stands on the panel: nobody hovers with a finger.
#[test]
fn no_source_of_a_panel_waits_for_a_second_button_or_a_hover() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut waiting = vec![folder];
    let mut read = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for word in [
            "secondary",
            "middle_clicked",
            "context_menu",
            "double_clicked",
            "hover_text",
            "hover_ui",
        ] {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
        read += 1;
    }
    assert!(read >= 30, "{read} files");
}
