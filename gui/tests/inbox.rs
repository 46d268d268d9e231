//! Many conflicts: page after page as one list, and the same choice for those that are selected.

use eframe::egui::Key;
use egui_kittest::kittest::Queryable as _;
use kernelos_gui::model::{Action, Topic};
use kernelos_gui::panel::Panel;
use kernelos_protocol::command::{Command, ConflictPage, ConflictPlace, ConflictRow, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::ConflictId;

use crate::stage::{Stage, app, click, go, line, nodes, press, stage, world};

const ALL: usize = 10_000;
const PAGE: usize = 1_000;

fn open(stage: &mut Stage<'_>) -> ConflictPage {
    match stage.state_mut().mesh.ask(2, Command::Conflicts) {
        Reply::Conflicts(page) => page,
        other => panic!("{other:?}"),
    }
}

/// The page of many that begins with this one.
fn page(like: &ConflictRow, from: usize) -> ConflictPage {
    let row = |at: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(at as u64).to_be_bytes());
        let path = format!("tasks/{at:05}").parse().unwrap();
        ConflictRow { id: ConflictId(id), path, ..like.clone() }
    };
    let conflicts: Vec<_> = (from..(from + PAGE).min(ALL)).map(row).collect();
    let more = ALL - from - conflicts.len();
    let last = conflicts.last().unwrap();
    let next = ConflictPlace { path: last.path.clone(), id: last.id };
    ConflictPage { conflicts, more, total: ALL, next: (more > 0).then_some(next) }
}

/// Answers what the inbox asks for by a page of many.
fn answer(stage: &mut Stage<'_>, like: &ConflictRow) {
    let wanted = stage.state_mut().ends.wanted.borrow().clone();
    let is_inbox = |topic: &Topic| matches!(topic, Topic::Conflicts(_));
    let topic = wanted.topics.into_iter().find(is_inbox).unwrap();
    let Topic::Conflicts(behind) = &topic else { panic!() };
    let from = behind.as_ref().map_or(0, |place| {
        let number: usize = place.path.segments()[1].parse().unwrap();
        number + 1
    });
    let said = Ok(Reply::Conflicts(page(like, from)));
    app(stage).model.hear(topic, said);
    stage.run();
}

#[test]
fn ten_thousand_conflicts_are_walked_across_pages_and_laid_out_in_sight_alone() {
    let mut stage = stage([900.0, 600.0], world());
    go(&mut stage, Panel::Conflicts);
    let like = open(&mut stage).conflicts[0].clone();
    answer(&mut stage, &like);
    assert!(line(&stage).contains("1 of 10000, needs a decision"), "{}", line(&stage));
    assert!((20..200).contains(&nodes(&stage).len()), "{}", nodes(&stage).len());
    let last = page(&like, 0).conflicts[PAGE - 1].id;
    let mut chosen = app(&mut stage).model.chosen.clone();
    chosen.conflict = Some(last);
    app(&mut stage).apply(Action::Choose(chosen));
    stage.run();
    assert!(line(&stage).contains("1000 of 10000, needs a decision"), "{}", line(&stage));
    let key = |stage: &mut Stage<'_>, key| {
        stage.key_press(key);
        stage.run();
    };
    key(&mut stage, Key::N);
    assert!(line(&stage).contains("loading…"), "the old page is not taken for the new one");
    answer(&mut stage, &like);
    assert!(line(&stage).contains("1001 of 10000, needs a decision"), "{}", line(&stage));
    assert!(line(&stage).contains("10000 conflicts open"), "those before the page count, too");
    key(&mut stage, Key::P);
    answer(&mut stage, &like);
    assert!(line(&stage).contains("1000 of 10000, needs a decision"), "{}", line(&stage));
    // To the end, page by page.
    for at in 1..ALL / PAGE {
        let mut chosen = app(&mut stage).model.chosen.clone();
        chosen.conflict = Some(page(&like, (at - 1) * PAGE).conflicts[PAGE - 1].id);
        app(&mut stage).apply(Action::Choose(chosen));
        stage.run();
        key(&mut stage, Key::N);
        answer(&mut stage, &like);
        let said = format!("{} of 10000, needs a decision", at * PAGE + 1);
        assert!(line(&stage).contains(&said), "{said}: {}", line(&stage));
    }
    assert!((20..200).contains(&nodes(&stage).len()), "{}", nodes(&stage).len());
}

#[test]
fn a_page_that_was_asked_for_before_is_not_shown_as_the_one_that_is_looked_at() {
    let mut stage = stage([900.0, 600.0], world());
    go(&mut stage, Panel::Conflicts);
    let like = open(&mut stage).conflicts[0].clone();
    answer(&mut stage, &like);
    let behind = page(&like, 0).next;
    let late = Ok(Reply::Conflicts(page(&like, PAGE)));
    app(&mut stage).model.hear(Topic::Conflicts(behind), late);
    stage.run();
    assert!(!line(&stage).contains("1001 of 10000"), "{}", line(&stage));
    assert!(line(&stage).contains("1 of 10000, needs a decision"), "{}", line(&stage));
}

#[test]
fn the_same_choice_for_many_is_shown_first_and_is_one_undo() {
    let mut stage = stage([900.0, 1_200.0], world());
    go(&mut stage, Panel::Conflicts);
    press(&mut stage, Key::X);
    assert!(line(&stage).contains("1 selected"), "{}", line(&stage));
    click(&mut stage, "Select these 2");
    click(&mut stage, "Keep what phone wrote of 2…");
    let said = line(&stage);
    assert!(said.contains("2 conflicts are decided by one event"), "{said}");
    assert!(said.contains("tasks/T-41/owner several values A \"agent:triage\""), "{said}");
    assert_eq!(open(&mut stage).conflicts.len(), 2, "a look changes nothing");
    click(&mut stage, "Decide 2");
    assert_eq!(open(&mut stage).conflicts.len(), 0);
    assert!(app(&mut stage).model.selected.is_empty());
    press(&mut stage, Key::U);
    assert_eq!(open(&mut stage).conflicts.len(), 2, "one undo opens both");
}

#[test]
fn of_what_others_decided_meanwhile_nothing_is_decided_over_and_the_rest_stays_selected() {
    let mut stage = stage([900.0, 1_200.0], world());
    go(&mut stage, Panel::Conflicts);
    click(&mut stage, "Select these 2");
    click(&mut stage, "Keep side A of 2…");
    let first = open(&mut stage).conflicts[0].id;
    let keep = Edit::Keep { resolve: first, keep: "B".to_owned() };
    stage.state_mut().mesh.ask(2, Command::Edit { edits: vec![keep] });
    click(&mut stage, "Decide 2");
    assert!(line(&stage).contains("there is no open conflict"), "{}", line(&stage));
    assert_eq!(open(&mut stage).conflicts.len(), 1);
    let left: Vec<_> = app(&mut stage).model.selected.keys().copied().collect();
    assert_eq!(left, [open(&mut stage).conflicts[0].id], "what is open no more is left out");
}

/// The inbox before the second of two conflicts, and those two.
fn second<'a>() -> (Stage<'a>, ConflictPage) {
    let mut stage = stage([900.0, 1_200.0], world());
    go(&mut stage, Panel::Conflicts);
    press(&mut stage, Key::N);
    let page = open(&mut stage);
    (stage, page)
}

fn hear(stage: &mut Stage<'_>, conflicts: &[ConflictRow]) {
    let (conflicts, total) = (conflicts.to_vec(), conflicts.len());
    let page = ConflictPage { conflicts, more: 0, total, next: None };
    app(stage).model.hear(Topic::Conflicts(None), Ok(Reply::Conflicts(page)));
}

#[test]
fn the_conflict_that_is_looked_at_stays_when_others_come_before_it() {
    let mut stage = stage([900.0, 1_200.0], world());
    go(&mut stage, Panel::Conflicts);
    let rows = open(&mut stage).conflicts;
    let model = &mut app(&mut stage).model;
    (model.said.conflicts, model.chosen) = (None, Default::default());
    hear(&mut stage, &rows[1..]);
    stage.run();
    assert!(line(&stage).contains("1 of 1, needs a decision"), "{}", line(&stage));
    hear(&mut stage, &rows);
    stage.run();
    assert!(line(&stage).contains("2 of 2, needs a decision"), "{}", line(&stage));
    assert!(!line(&stage).contains("decided elsewhere"), "{}", line(&stage));
}

#[test]
fn what_was_decided_elsewhere_is_told_and_no_key_decides_what_was_not_seen() {
    let (mut stage, page) = second();
    hear(&mut stage, &page.conflicts[..1]);
    stage.key_press(Key::Num1);
    stage.run();
    assert!(stage.state_mut().ends.orders.try_recv().is_err(), "it was pressed on another");
    let said = line(&stage);
    assert!(said.contains("the conflict at tasks/T-41/owner was decided elsewhere"), "{said}");
    assert!(said.contains("1 of 1, needs a decision"), "{said}");
    press(&mut stage, Key::Num1);
    assert_eq!(open(&mut stage).conflicts.len(), 1, "now it is seen");
    assert_eq!(open(&mut stage).conflicts[0].id, page.conflicts[1].id);
}

#[test]
fn a_button_that_is_pressed_on_one_conflict_and_let_go_of_on_another_decides_neither() {
    let (mut stage, page) = second();
    let at = stage.get_by_label_contains("Keep A: tasks").rect().center();
    stage.hover_at(at);
    stage.run();
    stage.drag_at(at);
    stage.run();
    hear(&mut stage, &page.conflicts[..1]);
    stage.run();
    let at = stage.get_by_label_contains("Keep A: notes").rect().center();
    stage.hover_at(at);
    stage.drop_at(at);
    stage.run();
    assert!(stage.state_mut().ends.orders.try_recv().is_err());
}

#[test]
fn what_each_button_does_is_read_above_it_and_what_a_value_does_as_it_is_typed() {
    // SPEC: CFL-11
    let mut stage = stage([900.0, 1_200.0], world());
    go(&mut stage, Panel::Conflicts);
    let page = open(&mut stage);
    let row = page.conflicts.iter().find(|row| row.path.to_string() == "notes/today").unwrap();
    let (now, heard) = (row.now.to_string(), line(&stage));
    assert!(heard.contains(&format!("{now} stays")), "{heard}");
    let other = row.sides.iter().find(|side| side.value != row.now).unwrap();
    assert!(heard.contains(&format!("{now} becomes {}", other.value)), "{heard}");
    for side in &row.sides {
        let who = if side.device == Some(crate::mesh::id(2)) { "phone" } else { "device 1" };
        assert!(heard.contains(&format!("lost: {} by {who}", side.value)), "{heard}");
    }
    let all = nodes(&stage);
    let at = |what: &str| {
        let named = |(_, node): &(usize, _)| crate::stage::name(node).contains(what);
        all.iter().position(named).unwrap_or_else(|| panic!("{what}: {heard}"))
    };
    let button = at("1 Keep A");
    assert!(at(&format!("{now} becomes")) < button && at(&format!("{now} stays")) < button);

    click(&mut stage, "Decide by a value of your own…");
    let heard = line(&stage);
    assert!(heard.contains("what is typed, once that is JSON"), "{heard}");
    let form = app(&mut stage).model.form.as_mut().unwrap();
    form.typed[0] = "\"hail\"".to_owned();
    stage.run();
    let heard = line(&stage);
    assert!(heard.contains(&format!("{now} becomes \"hail\"")), "{heard}");
    assert_eq!(open(&mut stage).conflicts.len(), page.conflicts.len(), "nothing is decided");
}
