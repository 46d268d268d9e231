//! What is filled in: the palette's writes, the doors, and devices on their way in.

use std::path::PathBuf;

use eframe::egui::{Key, Modifiers, accesskit::Role};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kernelos_gui::client::{News, Order, Restored};
use kernelos_gui::form::{Fill, Form};
use kernelos_gui::model::Action;
use kernelos_gui::panel::Panel;
use kernelos_protocol::api::{InviteEvent, Invited, JoinEvent, PairAnswer, PairAsked};
use kernelos_protocol::command::{BranchCommand, Command, Failure, FailureKind, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::present::registry::registry;
use serde_json::json;

use crate::mesh::id;
use crate::stage::{Stage, app, click, go, homeless, info, line, play, press, stage, told, world};

const WINDOW: [f32; 2] = [900.0, 1_200.0];

/// Types into a field of the form.
fn fill(stage: &mut Stage<'_>, field: &str, text: &str) {
    stage.get_by_role_and_label(Role::TextInput, field).focus();
    stage.run();
    stage.get_by_role_and_label(Role::TextInput, field).type_text(text);
    stage.run();
}

#[test]
fn the_palette_writes_by_keys_alone() {
    let mut stage = stage(WINDOW, world());
    stage.key_press_modifiers(Modifiers::COMMAND, Key::K);
    play(&mut stage);
    stage.get_by_role_and_label(Role::TextInput, "command").type_text("set a value");
    play(&mut stage);
    press(&mut stage, Key::Enter);
    let path = stage.get_by_role_and_label(Role::TextInput, "path");
    assert_eq!(path.accesskit_node().value().as_deref(), Some("tasks"), "what is looked at");
    fill(&mut stage, "path", "/T-9/owner");
    fill(&mut stage, "value as JSON", "Dana");
    press(&mut stage, Key::Enter);
    assert!(line(&stage).contains("this is no JSON, a text has quotes"), "{}", line(&stage));
    let typed = app(&mut stage).model.form.as_ref().unwrap().typed.clone();
    assert_eq!(typed, ["tasks/T-9/owner", "Dana"], "nothing that was typed is lost");
    app(&mut stage).model.form.as_mut().unwrap().typed[1] = "\"Dana\"".to_owned();
    click(&mut stage, "Set a value");
    assert!(app(&mut stage).model.form.is_none());
    go(&mut stage, Panel::Documents);
    assert!(line(&stage).contains("T-9"), "{}", line(&stage));
    press(&mut stage, Key::U);
    let told = "takes back: an edit of tasks/T-9";
    assert!(line(&stage).contains(told), "{}", line(&stage));
    let rest = line(&stage).replace(told, "");
    assert!(!rest.contains("T-9"), "it is undone as any change: {rest}");
}

#[test]
fn what_is_filled_in_is_what_is_ordered() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Devices);
    let model = &app(&mut stage).model;
    let of = "boards/plans".parse().unwrap();
    let branch = |command| Action::Do(Command::Branch(command));
    let rm = Edit::Rm { rm: "notes/a".parse().unwrap() };
    let set = Edit::Set { set: "notes/a".parse().unwrap(), value: json!({ "x": 1 }) };
    let edit = |edit| Action::Do(Command::Edit { edits: vec![edit] });
    let rows = [
        (Fill::SetValue, vec!["notes/a", "{\"x\":1}"], edit(set)),
        (Fill::RemoveValue, vec!["notes/a"], edit(rm)),
        (
            Fill::CreateBoard,
            vec!["plans"],
            Action::Do(Command::CreateBoard { name: "plans".to_owned() }),
        ),
        (
            Fill::CreateBranch,
            vec!["try", "boards/plans", "1f2e3d4c", "to see"],
            branch(BranchCommand::Create {
                name: "try".to_owned(),
                of,
                at: Some("1f2e3d4c".to_owned()),
                purpose: "to see".to_owned(),
            }),
        ),
    ];
    for (fill, typed, asked) in rows {
        let typed = typed.into_iter().map(str::to_owned).collect();
        let form = Form { typed, ..Form::of(fill.clone(), model) };
        let action = form.submit(model).unwrap();
        assert_eq!(format!("{action:?}"), format!("{asked:?}"), "{fill:?}");
        let empty = Form { typed: vec![" ".to_owned(); form.typed.len()], ..form };
        assert!(empty.submit(model).is_err(), "{fill:?} asks for something");
    }
    let revoke = Form {
        typed: vec!["phone".to_owned(), "lost".to_owned()],
        ..Form::of(Fill::Revoke, model)
    };
    let Ok(Action::Ask(question)) = revoke.submit(model) else { panic!() };
    let reason = "lost".to_owned();
    let Order::Do(_, command) = question.order else { panic!() };
    assert_eq!(command, Command::Revoke { device: id(2), reason });
    let nobody = Form { typed: vec!["nobody".to_owned(); 2], ..revoke };
    assert_eq!(nobody.submit(model).unwrap_err(), "no device has this name");
}

#[test]
fn every_entry_that_asks_for_something_says_so_and_opens_its_form() {
    let mut stage = stage(WINDOW, world());
    let model = &app(&mut stage).model;
    let forms = [
        "doc.set",
        "doc.remove",
        "board.create",
        "branch.create",
        "branch.merge",
        "mission.start",
        "mission.cancel",
        "device.invite",
        "device.revoke",
        "conflict.bulk",
        "door.create",
        "door.join",
        "door.restore",
        "board.archive",
        "branch.archive",
        "agent.set",
        "event.strike",
        "event.readmit",
        "event.purge",
        "device.readmit",
    ];
    let entries = registry(&model.standing());
    for id in forms {
        assert!(entries.iter().any(|entry| entry.id == id && entry.title.ends_with('…')), "{id}");
        let opened = kernelos_gui::run::action(id, model);
        assert!(matches!(opened, Some(Action::Form(Some(_)))), "{id}");
    }
}

#[test]
fn a_workspace_is_created_with_its_recovery_file() {
    let mut stage = homeless(WINDOW);
    click(&mut stage, "Create a workspace…");
    fill(&mut stage, "name of the workspace", "home");
    fill(&mut stage, "name of this device", "lap/top");
    fill(&mut stage, "recovery file", "home.recovery");
    click(&mut stage, "Create a workspace");
    assert!(line(&stage).contains("\"lap/top\" is no name"), "{}", line(&stage));
    let form = app(&mut stage).model.form.as_mut().unwrap();
    form.typed[1] = "laptop".to_owned();
    click(&mut stage, "Create a workspace");
    assert!(line(&stage).contains("write the path from / on"), "{}", line(&stage));
    let form = app(&mut stage).model.form.as_mut().unwrap();
    form.typed[2] = "/media/usb/home.recovery".to_owned();
    click(&mut stage, "Create a workspace");
    let ordered = std::mem::take(&mut stage.state_mut().ordered);
    let [Order::Create(creating)] = ordered.as_slice() else { panic!("{ordered:?}") };
    assert_eq!((creating.name.as_str(), creating.device.as_str()), ("home", "laptop"));
    assert_eq!(creating.recovery_file, PathBuf::from("/media/usb/home.recovery"));
    let failure = Failure::new(FailureKind::Failed, "the disk is full").with_hint("make room");
    told(&mut stage, News::Founded(Err(failure)));
    assert!(line(&stage).contains("the disk is full: make room"), "{}", line(&stage));
    let typed = app(&mut stage).model.form.as_ref().unwrap().typed.clone();
    assert_eq!(typed[1..], ["laptop", "/media/usb/home.recovery"], "it can be sent again");
    click(&mut stage, "Cancel");
    assert!(line(&stage).contains("There is no workspace on this device yet"));
}

#[test]
fn a_device_joins_here_once_both_people_said_yes() {
    let mut stage = homeless(WINDOW);
    click(&mut stage, "Join a workspace…");
    fill(&mut stage, "token", "KOS1:abc");
    fill(&mut stage, "name of this device", "phone");
    click(&mut stage, "Join a workspace");
    let ordered = std::mem::take(&mut stage.state_mut().ordered);
    let [Order::Pair(join)] = ordered.as_slice() else { panic!("{ordered:?}") };
    told(&mut stage, News::Pair(join.clone(), Ok(PairAnswer::Began(7))));
    assert!(line(&stage).contains("Joining: the inviting device is awaited"), "{}", line(&stage));
    let heard = |stage: &mut Stage<'_>, event| {
        told(stage, News::Pair(PairAsked::Joining { join: 7 }, Ok(PairAnswer::Join(event))));
    };
    let (workspace, inviter) = ("home".to_owned(), "lap\u{202e}top".to_owned());
    let role = "member".to_owned();
    heard(&mut stage, JoinEvent::AskConsent { workspace, inviter, role });
    assert!(!line(&stage).contains('\u{202e}'), "{}", line(&stage));
    click(&mut stage, "Join");
    let ordered = std::mem::take(&mut stage.state_mut().ordered);
    let is_yes =
        matches!(ordered.as_slice(), [Order::Pair(PairAsked::Consent { join: 7, yes: true })]);
    assert!(is_yes, "{ordered:?}");
    heard(&mut stage, JoinEvent::CheckCode("42".to_owned()));
    assert!(line(&stage).contains("on the inviting device: 42"), "{}", line(&stage));
    let (workspace, device) = ("home".to_owned(), "phone".to_owned());
    heard(&mut stage, JoinEvent::Joined { workspace, device, history_events: 9, left: None });
    assert!(line(&stage).contains("its history of 9 events is here"), "{}", line(&stage));
    let info = info(&mut stage.state_mut().mesh);
    let id = info.workspaces[0].workspace_id;
    told(&mut stage, News::Up(info));
    assert_eq!(app(&mut stage).model.workspace, Some(id), "it is looked at");
    assert!(!line(&stage).contains("Joining"));
}

#[test]
fn who_is_refused_is_told_why_and_may_try_again() {
    let mut stage = homeless(WINDOW);
    let join = PairAsked::Joining { join: 7 };
    let began = PairAnswer::Began(7);
    let by = kernelos_gui::pairing::by("KOS1:abc");
    told(&mut stage, News::Pair(PairAsked::Join { by, device: "a".to_owned() }, Ok(began)));
    let refused = PairAnswer::Join(JoinEvent::Refused("name_used".to_owned()));
    told(&mut stage, News::Pair(join, Ok(refused)));
    assert!(line(&stage).contains("name_used another device has this name: choose another"));
    assert!(!line(&stage).contains("Give up"));
    let join = PairAsked::Joining { join: 8 };
    let refused = PairAnswer::Join(JoinEvent::Refused("invitation_expired".to_owned()));
    told(&mut stage, News::Pair(join, Ok(refused)));
    assert!(line(&stage).contains("the code is older than five minutes: ask for a new one"));
    stage.get_by_role_and_label(Role::Button, "Join a workspace…");
}

#[test]
fn a_device_that_waits_is_let_in_by_its_digits_or_refused() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Devices);
    assert!(line(&stage).contains("\"tablet\" (") && line(&stage).contains("wants to come in"));
    click(&mut stage, "Let \"tablet\" in…");
    let who = line(&stage).matches("\"tablet\" (").count();
    assert_eq!(who, 2, "the form says who waits: {}", line(&stage));
    fill(&mut stage, "the two digits that it shows", "4");
    click(&mut stage, "Let the device in");
    assert!(line(&stage).contains("a check code is two digits"));
    fill(&mut stage, "the two digits that it shows", "2");
    click(&mut stage, "Let the device in");
    let mut ordered = std::mem::take(&mut stage.state_mut().ordered);
    let [Order::Pair(asked)] = ordered.as_slice() else { panic!("{ordered:?}") };
    told(&mut stage, News::Pair(asked.clone(), Ok(PairAnswer::Taken)));
    click(&mut stage, "Refuse a7a7a7a7");
    ordered.append(&mut stage.state_mut().ordered);
    let codes: Vec<_> = ordered
        .iter()
        .map(|order| match order {
            Order::Pair(PairAsked::Code { invitation, code }) => {
                assert_eq!(*invitation, "a7".repeat(16));
                code.as_deref()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [Some("42"), None]);
    click(&mut stage, "End invitation 5e5e5e5e");
    let ordered = std::mem::take(&mut stage.state_mut().ordered);
    assert!(matches!(&ordered[..], [Order::Pair(PairAsked::Withdraw { .. })]), "{ordered:?}");
}

#[test]
fn a_token_is_shown_until_its_invitation_is_over() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Devices);
    click(&mut stage, "Invite a device…");
    click(&mut stage, "Invite a device");
    let ordered = std::mem::take(&mut stage.state_mut().ordered);
    let [Order::Pair(invite @ PairAsked::Invite { .. })] = &ordered[..] else { panic!() };
    let invitation = "a7".repeat(16);
    let open = Invited { invitation: invitation.clone(), token: "KOS1:token".to_owned() };
    stage.state_mut().pending[0].asks = None;
    told(&mut stage, News::Pair(invite.clone(), Ok(PairAnswer::Open(open))));
    play(&mut stage);
    assert!(line(&stage).contains("KOS1:token"), "{}", line(&stage));
    stage.get_by_role_and_label(Role::Button, "Copy the token of a7a7a7a7");
    stage.state_mut().pending.clear();
    let granted = Ok(PairAnswer::Invite(InviteEvent::Granted(id(4))));
    told(&mut stage, News::Pair(PairAsked::Invited { invitation }, granted));
    play(&mut stage);
    assert!(!line(&stage).contains("KOS1:token"));
    assert!(line(&stage).contains("is a member"), "{}", line(&stage));
}

#[test]
fn what_was_typed_stays_until_the_node_did_it_and_a_click_beside_it_closes_nothing() {
    let mut stage = stage(WINDOW, world());
    let fill = Form::of(Fill::CreateBoard, &app(&mut stage).model);
    let form = Form { typed: vec!["plans".to_owned()], ..fill };
    app(&mut stage).apply(Action::Form(Some(form)));
    stage.run();
    stage.hover_at(eframe::egui::pos2(5.0, 5.0));
    stage.drag_at(eframe::egui::pos2(5.0, 5.0));
    stage.drop_at(eframe::egui::pos2(5.0, 5.0));
    stage.run();
    assert!(app(&mut stage).model.form.is_some(), "a click beside it is a slip");
    stage.get_by_role_and_label(Role::Button, "Create a board").click();
    stage.run();
    assert!(line(&stage).contains("the node is asked…"), "{}", line(&stage));
    let Ok(Order::Do(_, command)) = stage.state_mut().ends.orders.try_recv() else { panic!() };
    let failure = Failure::new(FailureKind::Failed, "the disk is full").with_hint("make room");
    told(&mut stage, News::Done(command, Err(failure)));
    assert!(line(&stage).contains("the disk is full: make room"), "{}", line(&stage));
    assert_eq!(app(&mut stage).model.form.as_ref().unwrap().typed, ["plans"]);
    click(&mut stage, "Create a board");
    stage.run();
    assert!(app(&mut stage).model.form.is_none(), "it is done");
    assert!(app(&mut stage).model.told.as_ref().is_some_and(|told| !told.failed));
}

#[test]
fn a_mission_is_ended_for_good_only_by_an_id_that_names_one_and_a_yes() {
    let mut stage = stage(WINDOW, world());
    let mut missions = crate::states::missions();
    let id = |end: char| format!("{}{end}", "0".repeat(63));
    for (view, end) in missions.iter_mut().zip(['1', '2']) {
        view.id = id(end).parse().unwrap();
    }
    let form = Form::of(Fill::CancelMission, &app(&mut stage).model);
    app(&mut stage).apply(Action::Form(Some(form.clone())));
    let wanted = stage.state().ends.wanted.borrow().topics.clone();
    assert!(wanted.contains(&kernelos_gui::model::Topic::Missions), "it is asked for");
    app(&mut stage).model.said.missions = Some(missions);
    let asked = |stage: &mut Stage<'_>, typed: &str| {
        Form { typed: vec![typed.to_owned()], ..form.clone() }.submit(&app(stage).model)
    };
    assert!(asked(&mut stage, "0000").unwrap_err().contains("several missions begin so"));
    assert!(asked(&mut stage, "1111").is_err());
    let Ok(Action::Ask(question)) = asked(&mut stage, &id('2')) else { panic!() };
    assert!(question.text.contains("ends for good"), "{}", question.text);
    let Order::Do(_, command) = question.order else { panic!() };
    assert_eq!(command, Command::CancelMission { id: id('2').parse().unwrap() });
}

#[test]
fn a_merge_says_first_what_it_brings() {
    let mut mesh = world();
    let create = BranchCommand::Create {
        name: "try".to_owned(),
        of: kernelos_protocol::document::DocPath::default(),
        at: None,
        purpose: String::new(),
    };
    assert!(matches!(mesh.ask(1, Command::Branch(create)), Reply::Branch(_)));
    mesh.set(1, "branches/try/notes/try", "short");
    let mut stage = stage(WINDOW, mesh);
    let form = Form::of(Fill::MergeBranch, &app(&mut stage).model);
    let form = Form { typed: vec!["try".to_owned()], ..form };
    app(&mut stage).apply(Action::Form(Some(form)));
    play(&mut stage);
    click(&mut stage, "Merge a branch");
    assert!(line(&stage).contains("1 changes come to the workspace"), "{}", line(&stage));
    click(&mut stage, "Merge try");
    stage.run();
    assert!(app(&mut stage).model.form.is_none() && app(&mut stage).model.question.is_none());
}

#[test]
fn an_invitation_that_was_opened_from_elsewhere_leads_to_its_token() {
    let mut stage = stage(WINDOW, world());
    let asked = PairAsked::Invite {
        workspace: None,
        role: kernelos_protocol::role::Role::Member,
        ttl_ms: None,
    };
    let open = Invited { invitation: "a7".repeat(16), token: "KOS1:token".to_owned() };
    stage.state_mut().pending[0].asks = None;
    told(&mut stage, News::Pair(asked, Ok(PairAnswer::Open(open))));
    play(&mut stage);
    assert!(line(&stage).contains("KOS1:token"), "{}", line(&stage));
}

#[test]
fn a_workspace_is_restored_from_two_files_only_once_a_person_said_yes() {
    let mut stage = homeless(WINDOW);
    click(&mut stage, "Restore a workspace…");
    fill(&mut stage, "file of its events", "home.events");
    fill(&mut stage, "recovery file", "/media/usb/home.recovery");
    fill(&mut stage, "name of the workspace here", "home");
    fill(&mut stage, "name of this device", "laptop");
    click(&mut stage, "Restore a workspace");
    assert!(line(&stage).contains("write the path from / on"), "{}", line(&stage));
    let form = app(&mut stage).model.form.as_mut().unwrap();
    form.typed[0] = "/media/usb/home.events".to_owned();
    click(&mut stage, "Restore a workspace");
    for says in ["if it is here, it keeps its name", "is removed for good", "Unless this device"] {
        assert!(line(&stage).contains(says), "{says}: {}", line(&stage));
    }
    assert!(stage.state().ordered.is_empty(), "it is asked first");
    click(&mut stage, "Restore home");
    let ordered = std::mem::take(&mut stage.state_mut().ordered);
    let [Order::Restore(restoring)] = ordered.as_slice() else { panic!("{ordered:?}") };
    assert_eq!(restoring.events, PathBuf::from("/media/usb/home.events"));
    assert!(line(&stage).contains("restoring…"), "{}", line(&stage));
    // One at a time; what else is asked is answered before it, and is not its answer.
    let again = Order::Restore(restoring.clone());
    app(&mut stage).apply(Action::Order(again));
    stage.run();
    assert!(line(&stage).contains("is being restored already"), "{}", line(&stage));
    assert!(stage.state_mut().ends.orders.try_recv().is_err(), "it is not ordered");
    let undo = Command::Undo { begin: None, force: false };
    let failure = Failure::new(FailureKind::Failed, "nothing is to undo");
    told(&mut stage, News::Done(undo, Err(failure)));
    assert!(app(&mut stage).model.form.as_ref().unwrap().sent.is_some(), "it is awaited still");
    told(&mut stage, News::Restoring { here: 512, of: 3_000 });
    assert!(line(&stage).contains("restoring: 512 of 3000 events are here"), "{}", line(&stage));
    let failure = Failure::new(FailureKind::Failed, "the disk is full").with_hint("make room");
    told(&mut stage, News::Restored(Err(failure)));
    assert!(line(&stage).contains("the disk is full: make room"), "{}", line(&stage));
    assert!(!line(&stage).contains("restoring:"), "{}", line(&stage));
    click(&mut stage, "Restore a workspace");
    click(&mut stage, "Restore home");
    let info = info(&mut stage.state_mut().mesh);
    let workspace_id = info.workspaces[0].workspace_id;
    let workspace = "home".to_owned();
    let restored = Restored { workspace, workspace_id, events: 3_000, is_rescued: true };
    told(&mut stage, News::Restored(Ok(restored)));
    told(&mut stage, News::Up(info));
    assert!(app(&mut stage).model.form.is_none());
    assert_eq!(app(&mut stage).model.workspace, Some(workspace_id));
    assert!(line(&stage).contains("3000 events are here; this device leads it"));
}
