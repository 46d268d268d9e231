//! What other devices say may be anything: it is made printable, cut, and laid out in sight only.

use egui_kittest::Harness;
use kernelos_gui::model::Topic;
use kernelos_gui::panel::Panel;
use kernelos_gui::render::{self, TEXT_BYTES_MAX};
use kernelos_protocol::command::{Command, ConflictPage, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::present::{Block, Doc, Text};

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
fn ten_thousand_conflicts_are_counted_and_walked() {
    let mut stage = stage([900.0, 600.0], world());
    go(&mut stage, Panel::Conflicts);
    let Reply::Conflicts(page) = stage.state_mut().mesh.ask(1, Command::Conflicts) else {
        panic!()
    };
    let page = ConflictPage { conflicts: page.conflicts, more: 9_998, total: 10_000, next: None };
    app(&mut stage).model.hear(Topic::Conflicts(None), Ok(Reply::Conflicts(page)));
    stage.run();
    let said = texts(&stage).join(" ");
    assert!(said.contains("1 of 10000, needs a decision"), "{said}");
    assert!(said.contains("10000 conflicts open"), "{said}");
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
