//! The palette reaches whatever writes: each command of the API has an entry that comes to it, or a
//! reason why a person does not ask for it.

use eframe::egui::{Key, accesskit};
use egui_kittest::kittest::Queryable as _;
use kernelos_gui::client::Order;
use kernelos_gui::form::{Fill, Form};
use kernelos_gui::model::Action;
use kernelos_gui::panel::Panel;
use kernelos_gui::run;
use kernelos_protocol::artifact::{ArtifactKey, seal};
use kernelos_protocol::command::{BranchCommand, Command, DeviceRow, RecoverySecret, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::registry::registry;
use kernelos_protocol::role::Role;
use serde_json::json;

use crate::mesh::id;
use crate::stage::{app, click, full_world, go, grant, line, play, press, stage, world};

/// How a person comes to a command.
#[derive(Debug, PartialEq)]
enum Way {
    /// It writes nothing.
    Reads,
    /// By this entry of the registry.
    Entry(&'static str),
    /// Not, and why.
    Never(&'static str),
}

/// All of them: a new one has no way until somebody says which.
fn way(command: &Command) -> Way {
    match command {
        Command::Edit { edits } => match edits.first() {
            Some(Edit::Rm { .. }) => Way::Entry("doc.remove"),
            Some(Edit::Keep { .. }) => Way::Entry("conflict.bulk"),
            Some(Edit::Decide { .. }) => Way::Entry("conflict.value"),
            _ => Way::Entry("doc.set"),
        },
        Command::Undo { .. } => Way::Entry("undo"),
        Command::CreateBoard { .. } => Way::Entry("board.create"),
        Command::ArchiveBoard { archived: true, .. } => Way::Entry("board.archive"),
        Command::ArchiveBoard { .. } => Way::Entry("board.back"),
        Command::Branch(BranchCommand::Create { .. }) => Way::Entry("branch.create"),
        Command::Branch(BranchCommand::Merge { .. }) => Way::Entry("branch.merge"),
        Command::Branch(BranchCommand::Archive { archived: true, .. }) => {
            Way::Entry("branch.archive")
        }
        Command::Branch(BranchCommand::Archive { .. }) => Way::Entry("branch.back"),
        Command::SetAgent { .. } => Way::Entry("agent.set"),
        Command::StartMission(_) => Way::Entry("mission.start"),
        Command::CancelMission { .. } => Way::Entry("mission.cancel"),
        Command::Revoke { .. } => Way::Entry("device.revoke"),
        Command::Readmit { .. } => Way::Entry("device.readmit"),
        Command::ReadmitEvent { .. } => Way::Entry("event.readmit"),
        Command::Strike { .. } => Way::Entry("event.strike"),
        Command::Purge { .. } => Way::Entry("event.purge"),
        Command::Rescue { .. } | Command::ImportEvents { .. } => Way::Entry("door.restore"),
        Command::Grant { .. } => {
            Way::Never("device.invite leads to it, once two people compared two digits")
        }
        Command::KeepChunks { .. } | Command::WriteArtifact { .. } => {
            Way::Never("a node writes what missions made; files come in by a run")
        }
        Command::Branch(_)
        | Command::Status
        | Command::Rest
        | Command::Read { .. }
        | Command::Glance { .. }
        | Command::Past(_)
        | Command::Boards { .. }
        | Command::Log { .. }
        | Command::Timeline(_)
        | Command::Event { .. }
        | Command::Conflicts
        | Command::ConflictsBehind(_)
        | Command::Devices
        | Command::Missions
        | Command::Mission { .. }
        | Command::Quarantine
        | Command::Preview { .. }
        | Command::Notice { .. }
        | Command::Introduction { .. }
        | Command::TakeTail { .. }
        | Command::TailAnswered { .. }
        | Command::Introduce { .. }
        | Command::ExportEvents { .. }
        | Command::SaveDocument { .. }
        | Command::ReadArtifact { .. } => Way::Reads,
    }
}

/// An entry, what is typed into its form, and the command that it comes to.
fn asked() -> Vec<(&'static str, Vec<&'static str>, Command)> {
    let reason = || "why".to_owned();
    let name = || "n".to_owned();
    let path = "notes/a".parse().unwrap();
    let branch = |command| Command::Branch(command);
    let archive = |archived| branch(BranchCommand::Archive { name: name(), archived });
    let create = BranchCommand::Create {
        name: name(),
        of: Default::default(),
        at: None,
        purpose: String::new(),
    };
    let set = Edit::Set { set: "notes/a".parse().unwrap(), value: json!(1) };
    let begin = || "1f2e3d4c".to_owned();
    let mission = EventId([7; 32]);
    vec![
        ("undo", vec![], Command::Undo { begin: None, force: false }),
        ("doc.set", vec!["notes/a", "1"], Command::Edit { edits: vec![set] }),
        ("doc.remove", vec!["notes/a"], Command::Edit { edits: vec![Edit::Rm { rm: path }] }),
        ("board.create", vec!["n"], Command::CreateBoard { name: name() }),
        ("board.archive", vec!["n"], Command::ArchiveBoard { name: name(), archived: true }),
        ("board.back", vec!["n"], Command::ArchiveBoard { name: name(), archived: false }),
        ("branch.create", vec!["n", "", "", ""], branch(create)),
        ("branch.archive", vec!["n"], archive(true)),
        ("branch.back", vec!["n"], archive(false)),
        (
            "agent.set",
            vec!["n", "case a in a) ./one ;; esac\n\n ./two\n"],
            Command::SetAgent {
                name: name(),
                commands: vec!["case a in a) ./one ;; esac".into(), "./two".into()],
            },
        ),
        (
            "mission.cancel",
            vec!["0707070707070707070707070707070707070707070707070707070707070707"],
            Command::CancelMission { id: mission },
        ),
        (
            "event.strike",
            vec!["1F2E3D4C", "why"],
            Command::Strike { begin: begin(), reason: reason() },
        ),
        (
            "event.readmit",
            vec!["1f2e3d4c", "why"],
            Command::ReadmitEvent { begin: begin(), reason: reason() },
        ),
        (
            "event.purge",
            vec!["1f2e3d4c 5a6b7c8d"],
            Command::Purge { begin: vec![begin(), "5a6b7c8d".to_owned()] },
        ),
        (
            "device.revoke",
            vec!["phone", "why"],
            Command::Revoke { device: id(2), reason: reason() },
        ),
        (
            "device.readmit",
            vec!["old laptop", "why"],
            Command::Readmit { device: id(4), reason: reason() },
        ),
    ]
}

#[test]
fn each_entry_of_the_palette_comes_to_its_command() {
    let mut stage = stage([900.0, 900.0], full_world());
    for (entry, typed, command) in asked() {
        assert_eq!(way(&command), Way::Entry(entry));
        let action = match run::action(entry, &app(&mut stage).model).unwrap() {
            Action::Form(Some(form)) => {
                let typed = typed.into_iter().map(str::to_owned).collect();
                Form { typed, ..form }.submit(&app(&mut stage).model).unwrap()
            }
            action => action,
        };
        let came_to = match action {
            Action::Do(command) => command,
            Action::Ask(question) => match question.order {
                Order::Do(_, command) => command,
                other => panic!("{entry}: {other:?}"),
            },
            other => panic!("{entry}: {other:?}"),
        };
        assert_eq!(came_to, command, "{entry}");
    }
}

#[test]
fn whatever_writes_is_in_the_palette_or_has_a_reason_why_not() {
    let mut mesh = world();
    let Reply::Conflicts(page) = mesh.ask(1, Command::Conflicts) else { panic!() };
    let resolve = page.conflicts[0].id;
    let (manifest, chunks) = seal("a", ArtifactKey([7; 32]), b"a").unwrap();
    let keep = Edit::Keep { resolve, keep: "A".to_owned() };
    let secret = RecoverySecret([0; 32]);
    let none = String::new;
    let mission = Box::new(crate::mission::mission());
    let mut all: Vec<_> = asked().into_iter().map(|(_, _, command)| command).collect();
    all.extend([
        Command::Edit { edits: vec![keep] },
        Command::Branch(BranchCommand::Merge { name: none() }),
        Command::StartMission(mission),
        Command::Rescue { recovery: secret, name: none(), keep: Vec::new(), reason: none() },
        Command::ImportEvents { runs: Vec::new() },
        grant(9, "tablet", Role::Member),
        Command::KeepChunks { chunks },
        Command::WriteArtifact { manifest },
    ]);
    let entries = registry(&app(&mut stage([900.0, 600.0], mesh)).model.standing());
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    for command in &all {
        assert!(command.writes(), "{command:?}");
        match way(command) {
            Way::Entry(entry) => assert!(ids.contains(&entry), "{entry}"),
            Way::Never(why) => assert!(why.len() > 20),
            Way::Reads => panic!("{command:?} writes"),
        }
    }
    for command in [Command::Status, Command::Branch(BranchCommand::List { all: true })] {
        assert!(!command.writes() && way(&command) == Way::Reads);
    }
    // And each entry that writes leads to some command.
    let led: Vec<_> = all.iter().map(way).collect();
    let writes = ["doc.", "board.", "branch.", "agent.", "mission.", "event.", "device."];
    for id in ids.iter().filter(|id| writes.iter().any(|kind| id.starts_with(kind))) {
        assert!(*id == "device.invite" || led.contains(&Way::Entry(id)), "{id}");
    }
}

#[test]
fn where_no_command_has_the_words_that_is_said() {
    let mut stage = stage([900.0, 700.0], world());
    for (typed, is_said) in [("board", false), ("board zz", true)] {
        app(&mut stage).apply(Action::Palette(Some(typed.to_owned()), 0));
        play(&mut stage);
        let said = stage.query_by_label("no command has all of these words");
        assert_eq!(said.is_some(), is_said, "{typed}");
    }
}

#[test]
fn an_event_is_struck_and_brought_back_from_the_inspector() {
    let mut stage = stage([900.0, 1_400.0], world());
    stage.state_mut().mesh.set(1, "notes/wrong", "mistake");
    go(&mut stage, Panel::Timeline);
    let log = stage.state_mut().mesh.ask(1, Command::Log { from: 0, limit: 100 });
    let Reply::Log(log) = log else { panic!() };
    let event = log.rows.last().and_then(|row| row.id).unwrap();
    let mut chosen = app(&mut stage).model.chosen.clone();
    chosen.event = Some(event);
    app(&mut stage).apply(Action::Choose(chosen));
    play(&mut stage);
    let strike = run::action("event.strike", &app(&mut stage).model).unwrap();
    app(&mut stage).apply(strike);
    play(&mut stage);
    click(&mut stage, "Strike an event");
    assert!(line(&stage).contains("so is what builds on it"), "{}", line(&stage));
    assert_eq!(stage.state_mut().mesh.get(2, "notes/wrong"), "\"mistake\"", "not before a yes");
    let verb = format!("Strike {event}");
    click(&mut stage, &verb);
    let gone = Command::Read { path: "notes/wrong".parse().unwrap() };
    assert!(matches!(stage.state_mut().mesh.ask(2, gone), Reply::Failed(_)));
    let said = line(&stage);
    assert!(said.contains(&format!("take it back: kern readmit --event {event}")), "{said}");
    go(&mut stage, Panel::Quarantine);
    let row = event.short();
    let mut chosen = app(&mut stage).model.chosen.clone();
    chosen.tip = Some(event);
    app(&mut stage).apply(Action::Choose(chosen));
    play(&mut stage);
    click(&mut stage, &format!("Bring {row} back…"));
    click(&mut stage, &format!("Bring {row} back"));
    assert_eq!(stage.state_mut().mesh.get(2, "notes/wrong"), "\"mistake\"");
}

#[test]
fn what_is_no_event_and_too_many_are_told_and_nothing_is_asked() {
    let mut stage = stage([900.0, 600.0], world());
    let many = vec!["1f2e3d4c"; 1_025].join(" ");
    let long = "a".repeat(65);
    for (entry, typed, why) in [
        ("event.strike", "1f2", "is no event"),
        ("event.strike", "nothing", "is no event"),
        ("event.readmit", long.as_str(), "is no event"),
        ("event.purge", "", "name 1 to 1024 artifacts"),
        ("event.purge", many.as_str(), "name 1 to 1024 artifacts"),
        ("event.purge", "1f2e3d4c \u{202e}", "is no event"),
        ("device.readmit", "nobody", "no device has this name"),
        ("agent.set", "fixer", "name 1 to 16 commands"),
    ] {
        let model = &app(&mut stage).model;
        let Some(Action::Form(Some(mut form))) = run::action(entry, model) else { panic!() };
        form.typed[0] = typed.to_owned();
        let told = form.submit(model).unwrap_err();
        assert!(told.contains(why), "{entry}: {told}");
    }
}

#[test]
fn a_purge_says_before_which_stores_keep_a_sealed_copy() {
    // SPEC: SEAL-5
    let mut stage = stage([900.0, 600.0], world());
    let model = &mut app(&mut stage).model;
    model.said.names.insert(id(7), "attic".to_owned());
    let row =
        |role| DeviceRow { id: id(7), role: Some(role), added_by: id(1), own: false, out: None };
    for (devices, says) in [
        (None, "hears of it, but a device of role store keeps its sealed copy: 1f2e3d4c"),
        (Some(vec![row(Role::Member)]), "hears of it: 1f2e3d4c"),
        (Some(vec![row(Role::Store)]), "sealed copy, not on attic: 1f2e3d4c"),
    ] {
        model.said.devices = devices;
        let form = Form { typed: vec!["1f2e3d4c".to_owned()], ..Form::of(Fill::Purge, model) };
        let Ok(Action::Ask(question)) = form.submit(model) else { panic!("{says}") };
        assert!(question.text.contains(says), "{}", question.text);
    }
}

#[test]
fn an_agent_is_typed_a_line_for_each_step_and_set_only_once_a_person_said_yes() {
    let mut stage = stage([900.0, 600.0], world());
    let form = Form::of(Fill::SetAgent, &app(&mut stage).model);
    app(&mut stage).apply(Action::Form(Some(form)));
    stage.run();
    app(&mut stage).model.form.as_mut().unwrap().typed[0] = "fixer".to_owned();
    stage.run();
    let (lines, steps) = (accesskit::Role::MultilineTextInput, "commands, a line for each step");
    stage.get_by_role_and_label(lines, steps).focus();
    stage.run();
    stage.get_by_role_and_label(lines, steps).type_text("./plan.sh");
    press(&mut stage, Key::Enter);
    stage.get_by_role_and_label(lines, steps).type_text("./edit.sh");
    stage.run();
    click(&mut stage, "Set an agent");
    let said = line(&stage);
    assert!(said.contains("1. ./plan.sh") && said.contains("2. ./edit.sh"), "{said}");
    assert!(said.contains("replace what it runs"), "{said}");
    let read = Command::Read { path: "agents/fixer".parse().unwrap() };
    let asked = stage.state_mut().mesh.ask(1, read.clone());
    assert!(matches!(asked, Reply::Failed(_)), "it is asked first");
    click(&mut stage, "Set fixer");
    let Reply::Read(now) = stage.state_mut().mesh.ask(1, read) else { panic!() };
    assert_eq!(now.value, json!({ "commands": ["./plan.sh", "./edit.sh"] }));
}
