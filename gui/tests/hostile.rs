//! What other devices say may be anything: it is made printable, cut, and laid out in sight only.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use kernelos_gui::model::Topic;
use kernelos_gui::panel::Panel;
use kernelos_gui::render::{self, TEXT_BYTES_MAX};
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::present::{Block, Doc, Text};
use kernelos_protocol::time::Stamp;

use crate::stage::{Stage, app, go, name, nodes, play, stage, world};

fn texts(stage: &Stage<'_>) -> Vec<String> {
    nodes(stage).iter().map(|(_, node)| name(node)).collect()
}

#[test]
fn long_and_reordering_names_are_cut_and_made_visible() {
    let mut mesh = world();
    let long = "x".repeat(4_000);
    for value in ["\u{202e}gnp.exe\u{7}\u{1b}[2J", &long] {
        for number in [1, 2] {
            mesh.set(number, "tasks/hostile", value);
            mesh.set(number, &format!("tasks/{number}"), value);
        }
        let mut stage = stage([900.0, 600.0], mesh);
        for panel in Panel::ALL {
            go(&mut stage, panel);
            let device = crate::mesh::id(2);
            app(&mut stage).model.said.names.insert(device, value.to_owned());
            stage.run();
            for text in texts(&stage) {
                let hides = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
                assert!(!text.contains(hides), "{panel:?}: {text:?}");
                assert!(text.len() <= 2 * TEXT_BYTES_MAX, "{panel:?}: {} bytes", text.len());
            }
        }
        mesh = std::mem::replace(&mut stage.state_mut().mesh, world());
    }
}

#[test]
fn a_name_of_a_mebibyte_is_cut_on_every_panel() {
    let mut stage = stage([900.0, 1_000.0], world());
    for panel in Panel::ALL {
        go(&mut stage, panel);
        for number in 1..=3 {
            let name = "n".repeat(1 << 20);
            app(&mut stage).model.said.names.insert(crate::mesh::id(number), name);
        }
        stage.run();
        let longest = texts(&stage).iter().map(String::len).max().unwrap();
        assert!(longest <= 2 * TEXT_BYTES_MAX, "{panel:?}: {longest} bytes");
    }
}

#[test]
fn the_time_of_a_clock_that_was_wrong_is_not_shown_as_one() {
    let mut stage = stage([900.0, 1_000.0], world());
    go(&mut stage, Panel::Conflicts);
    let Reply::Conflicts(mut page) = stage.state_mut().mesh.ask(1, Command::Conflicts) else {
        panic!()
    };
    let said = |stage: &Stage<'_>| texts(stage).join(" ");
    assert!(said(&stage).contains("UTC") && !said(&stage).contains("its clock was wrong"));
    for row in &mut page.conflicts {
        for side in &mut row.sides {
            (side.time, side.clock_wrong) = (Some(Stamp(7)), true);
        }
    }
    app(&mut stage).model.hear(Topic::Conflicts(None), Ok(Reply::Conflicts(page)));
    stage.run();
    assert!(said(&stage).contains("its clock was wrong"), "{}", said(&stage));
    assert!(!said(&stage).contains("1970"), "{}", said(&stage));
    // Nor is anything decided by it.
    stage.key_press(eframe::egui::Key::X);
    stage.run();
    stage.get_by_label_contains("Keep the newest of 1").click();
    stage.run();
    assert!(said(&stage).contains("none of them is decided by that"), "{}", said(&stage));
}

#[test]
fn what_two_inspectors_decided_apart_is_a_conflict_of_both_and_nothing_is_lost() {
    let mut stage = stage([900.0, 1_000.0], world());
    go(&mut stage, Panel::Conflicts);
    let mesh = &mut stage.state_mut().mesh;
    let is_up = |(link, ends): (&_, &_)| (*ends != (0, 0)).then_some(*link);
    let links: Vec<_> = mesh.links.iter().filter_map(is_up).collect();
    links.into_iter().for_each(|link| mesh.cut(link));
    let Reply::Conflicts(page) = mesh.ask(1, Command::Conflicts) else { panic!() };
    let keep = Edit::Keep { resolve: page.conflicts[0].id, keep: "B".to_owned() };
    assert!(matches!(mesh.ask(2, Command::Edit { edits: vec![keep] }), Reply::Edited(_)));
    stage.key_press(eframe::egui::Key::Num1);
    play(&mut stage);
    assert!(texts(&stage).join(" ").contains("1 conflict open"), "decided, as far as it is known");
    stage.state_mut().mesh.connect(1, 2);
    play(&mut stage);
    assert!(texts(&stage).join(" ").contains("2 of 2, needs"), "what is looked at stays");
    stage.key_press(eframe::egui::Key::P);
    play(&mut stage);
    let said = texts(&stage).join(" ");
    assert!(said.contains("2 conflicts open"), "{said}");
    for value in ["\"sun\"", "\"snow\""] {
        assert!(said.contains(value), "{value}: {said}");
    }
    stage.state_mut().mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_text_of_a_mebibyte_is_cut_before_it_is_laid_out() {
    let big = "word ".repeat(1 << 18);
    let row = vec![Text::plain(&big), Text::plain(&big)];
    let doc = Doc(vec![
        Block::Heading(big.clone()),
        Block::Line(Text::plain(&big)),
        Block::Fields(vec![(big.clone(), Text::plain(&big))]),
        Block::Table { columns: vec![big.clone(), big.clone()], rows: vec![row] },
        Block::Verbatim(big.clone()),
    ]);
    let harness =
        Harness::builder().with_size([900.0, 20_000.0]).build_ui(move |ui| render::doc(ui, &doc));
    use egui_kittest::kittest::NodeT as _;
    let mut waiting = vec![harness.root().accesskit_node()];
    let mut cut = 0;
    while let Some(node) = waiting.pop() {
        waiting.extend(node.children());
        let text = name(&node);
        assert!(text.len() <= TEXT_BYTES_MAX + 4, "{} bytes", text.len());
        cut += usize::from(text.ends_with('…'));
    }
    assert!(cut >= 9, "{cut}");
}

#[test]
fn of_many_rows_only_those_in_sight_are_laid_out() {
    let row = |number: usize| vec![Text::plain(format!("row{number}")), Text::plain("x")];
    let rows: Vec<_> = (0..10_000).map(row).collect();
    let columns = vec!["a".to_owned(), "b".to_owned()];
    let lines: Vec<_> = (0..10_000).map(|number| format!("line{number}")).collect();
    for block in [Block::Table { columns, rows }, Block::Verbatim(lines.join("\n"))] {
        let doc = Doc(vec![block]);
        let harness = Harness::builder().with_size([600.0, 400.0]).build_ui(move |ui| {
            eframe::egui::ScrollArea::vertical().show(ui, |ui| render::doc(ui, &doc));
        });
        use egui_kittest::kittest::NodeT as _;
        let mut waiting = vec![harness.root().accesskit_node()];
        let mut laid_out = 0;
        while let Some(node) = waiting.pop() {
            waiting.extend(node.children());
            laid_out += 1;
        }
        assert!((20..400).contains(&laid_out), "{laid_out}");
    }
}

#[test]
fn two_inspectors_that_decide_differently_see_one_state() {
    let mut stage = stage([900.0, 600.0], world());
    go(&mut stage, Panel::Conflicts);
    let mesh = &mut stage.state_mut().mesh;
    let Reply::Conflicts(page) = mesh.ask(1, Command::Conflicts) else { panic!() };
    let keep = Edit::Keep { resolve: page.conflicts[0].id, keep: "B".to_owned() };
    // The other was faster; this one shows the conflict still.
    assert!(matches!(mesh.ask(2, Command::Edit { edits: vec![keep] }), Reply::Edited(_)));
    stage.key_press(eframe::egui::Key::Num1);
    play(&mut stage);
    let said = texts(&stage).join(" ");
    assert!(said.contains("there is no open conflict"), "{said}");
    assert!(said.contains("1 of 1, needs a decision"), "{said}");
    stage.state_mut().mesh.assert_equal(&[1, 2]);
}
