//! What a person is asked, fills in or decides belongs to the workspace and to the row that were
//! looked at: whatever the node says meanwhile, nothing else is written.

use eframe::egui::Key;
use kernelos_gui::client::{News, Order};
use kernelos_gui::form::{Fill, Form};
use kernelos_gui::model::{Action, Chosen};
use kernelos_gui::panel::Panel;
use kernelos_protocol::api::{Founded, NodeInfo, PairAnswer, PairAsked};
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::id::Lane;
use kernelos_protocol::id::{EventId, WorkspaceId};

use crate::mesh::id;
use crate::stage::{Stage, app, click, go, info, line, play, press, stage, told, world};

const WINDOW: [f32; 2] = [900.0, 1_200.0];

fn form(stage: &mut Stage<'_>, fill: Fill, typed: &[&str]) {
    let model = &app(stage).model;
    let typed = typed.iter().map(|text| (*text).to_owned()).collect();
    let form = Form { typed, ..Form::of(fill, model) };
    app(stage).apply(Action::Form(Some(form)));
    stage.run();
}

/// The node lists this workspace, too, and the one that was here.
fn lists(stage: &mut Stage<'_>, other: WorkspaceId, name: &str) -> NodeInfo {
    let mut info = info(&mut stage.state_mut().mesh);
    let mut row = info.workspaces[0].clone();
    (row.workspace_id, row.workspace) = (other, name.to_owned());
    info.workspaces.push(row);
    info
}

fn joined(stage: &mut Stage<'_>, name: &str) {
    use kernelos_protocol::api::JoinEvent;
    let (workspace, device) = (name.to_owned(), "phone".to_owned());
    let event = JoinEvent::Joined { workspace, device, history_events: 1, left: None };
    told(stage, News::Pair(PairAsked::Joining { join: 7 }, Ok(PairAnswer::Join(event))));
}

#[test]
fn a_rescue_is_done_only_once_a_person_said_yes_and_names_its_workspace() {
    let mut stage = stage(WINDOW, world());
    let here = app(&mut stage).model.workspace.unwrap();
    form(&mut stage, Fill::Rescue, &["/media/usb/home.recovery", "laptop"]);
    click(&mut stage, "Rescue this workspace");
    assert!(stage.state().ordered.is_empty(), "it is asked first");
    let said = line(&stage);
    assert!(said.contains("In the workspace home, this device becomes the owner"), "{said}");
    click(&mut stage, "Rescue home");
    let ordered = &stage.state().ordered;
    let is_it = matches!(ordered.as_slice(), [Order::Rescue(id, _)] if *id == here);
    assert!(is_it, "{ordered:?}");
}

#[test]
fn what_was_begun_in_a_workspace_is_not_done_in_one_that_arrives_meanwhile() {
    let mut stage = stage(WINDOW, world());
    let here = app(&mut stage).model.workspace;
    let other = WorkspaceId([9; 32]);
    form(&mut stage, Fill::SetValue, &["notes/a", "1"]);
    let info = lists(&mut stage, other, "garden");
    joined(&mut stage, "garden");
    told(&mut stage, News::Up(info));
    assert_eq!(app(&mut stage).model.workspace, here, "who fills something in stays");
    assert!(app(&mut stage).model.form.is_some());
    // And what is asked for another workspace is refused, whatever led there.
    let form = app(&mut stage).model.form.clone().unwrap();
    let order = Order::Do(here.unwrap(), Command::CreateBoard { name: "plans".to_owned() });
    app(&mut stage).apply(Action::Workspace(other));
    assert!(app(&mut stage).model.form.is_none(), "it belongs to the one before");
    assert!(form.submit(&app(&mut stage).model).unwrap_err().contains("another workspace"));
    app(&mut stage).apply(Action::Order(order));
    stage.run();
    assert!(stage.state_mut().ends.orders.try_recv().is_err(), "nothing is ordered");
    assert!(line(&stage).contains("another workspace is looked at now"), "{}", line(&stage));
}

#[test]
fn a_question_stays_where_it_was_asked_while_a_workspace_is_made() {
    let mut stage = stage(WINDOW, world());
    let here = app(&mut stage).model.workspace.unwrap();
    form(&mut stage, Fill::Revoke, &["phone", "lost"]);
    click(&mut stage, "Revoke a device");
    let (workspace, workspace_id) = ("garden".to_owned(), WorkspaceId([9; 32]));
    let device = "laptop".to_owned();
    let founded = Founded { workspace, workspace_id, device, event: EventId([3; 32]) };
    told(&mut stage, News::Founded(Ok(founded)));
    let question = app(&mut stage).model.question.clone().unwrap();
    let Order::Do(of, Command::Revoke { device, .. }) = question.order else { panic!() };
    assert_eq!((of, device), (here, id(2)));
    assert_eq!(app(&mut stage).model.workspace, Some(here));
}

#[test]
fn nothing_of_a_workspace_stays_when_it_is_gone() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Conflicts);
    press(&mut stage, Key::X);
    form(&mut stage, Fill::SetValue, &["notes/a", "1"]);
    let mut info = info(&mut stage.state_mut().mesh);
    info.workspaces.clear();
    told(&mut stage, News::Up(info));
    let model = &app(&mut stage).model;
    assert!(model.workspace.is_none() && model.form.is_none() && model.selected.is_empty());
    assert!(model.said.status.is_none() && model.said.conflicts.is_none());
}

#[test]
fn a_workspace_that_was_joined_is_the_new_one_of_its_name() {
    let mut stage = stage(WINDOW, world());
    let other = WorkspaceId([9; 32]);
    joined(&mut stage, "home");
    let info = lists(&mut stage, other, "home");
    told(&mut stage, News::Up(info));
    assert_eq!(app(&mut stage).model.workspace, Some(other));
}

#[test]
fn no_key_decides_a_conflict_behind_the_doors() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Conflicts);
    app(&mut stage).apply(Action::Doors(true));
    play(&mut stage);
    press(&mut stage, Key::Num1);
    assert!(line(&stage).contains("no conflict is looked at"), "{}", line(&stage));
    app(&mut stage).apply(Action::Doors(false));
    play(&mut stage);
    assert!(line(&stage).contains("1 of 2, needs a decision"), "{}", line(&stage));
}

#[test]
fn the_key_goes_to_the_row_of_the_cursor_though_another_event_is_open() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Timeline);
    let log = stage.state_mut().mesh.ask(1, Command::Log { from: 0, limit: 100 });
    let Reply::Log(log) = log else { panic!() };
    // One that writes in a document: the past of what comes before all of them is not shown.
    let mut edits = log.rows.iter().filter(|row| row.lane == Some(Lane::Content));
    let open = edits.next().and_then(|row| row.id);
    let chosen = Chosen { event: open, ..app(&mut stage).model.chosen.clone() };
    app(&mut stage).apply(Action::Choose(chosen));
    play(&mut stage);
    press(&mut stage, Key::ArrowDown);
    assert!(app(&mut stage).model.chosen.place.cursor.is_some());
    assert_eq!(app(&mut stage).model.chosen.event, open, "its details stay open");
    press(&mut stage, Key::T);
    let past = app(&mut stage).model.past.clone().unwrap();
    assert_ne!(Some(past.event), open);
    app(&mut stage).apply(Action::Past(None));
    play(&mut stage);
    click(&mut stage, "Show the workspace as of here");
    let past = app(&mut stage).model.past.clone().unwrap();
    assert_eq!(Some(past.event), open, "the button is about what it stands in");
}
