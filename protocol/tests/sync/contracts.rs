//! What stands in the document of agents and missions.

use kernelos_protocol::artifact::{ArtifactKey, seal};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::record::Mission;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;

fn read(mesh: &mut Mesh, device: u8, path: &str) -> Json {
    serde_json::from_str(&mesh.get(device, path)).unwrap()
}

pub(super) fn artifact(mesh: &mut Mesh, device: u8) -> EventId {
    let (manifest, chunks) = seal("base", ArtifactKey([7; 32]), b"a pack").unwrap();
    assert_eq!(mesh.ask(device, Command::KeepChunks { chunks }), Reply::Kept);
    match mesh.ask(device, Command::WriteArtifact { manifest }) {
        Reply::ArtifactWritten { event } => event,
        other => panic!("{other:?}"),
    }
}

pub(super) fn mission(base_artifact: EventId) -> Mission {
    Mission { base_artifact, ..crate::mission::runs::mission() }
}

fn failed(reply: Reply) -> FailureKind {
    match reply {
        Reply::Failed(Failure { kind, hint, .. }) => {
            assert!(hint.is_some() || kind == FailureKind::Usage);
            kind
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_is_its_commands_in_the_document_of_all() {
    // SPEC: PRJ-7
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let commands = vec!["./one".to_owned(), "./two".to_owned()];
    let set = |name: &str, commands| Command::SetAgent { name: name.to_owned(), commands };
    assert!(matches!(mesh.ask(1, set("fixer", commands.clone())), Reply::Edited(_)));
    assert_eq!(read(&mut mesh, 2, "agents/fixer"), json!({ "commands": commands }));
    for (name, commands) in [("", commands.clone()), ("a/b", commands), ("none", Vec::new())] {
        assert_eq!(failed(mesh.ask(1, set(name, commands))), FailureKind::Usage, "{name:?}");
    }
}

#[test]
fn the_home_writes_the_contract_of_a_mission_before_anything_is_done() {
    // SPEC: MIS-2, MIS-8, EVD-1
    let mut mesh = Mesh::of(&[(2, Role::Runner)]);
    mesh.connect(1, 2);
    let base = artifact(&mut mesh, 1);
    let started = mesh.ask(1, Command::StartMission(Box::new(mission(base))));
    let Reply::Started { mission: id } = started else { panic!("{started:?}") };
    let contract = read(&mut mesh, 2, &format!("missions/{id}"));
    let keys: Vec<_> = contract.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["architecture", "plan", "progress", "risk", "verification"]);
    assert_eq!(contract["plan"]["steps"], json!(["./one", "./two"]));
    assert_eq!(contract["verification"]["command"], "sh tests/run.sh");
    let Reply::Mission(view) = mesh.ask(2, Command::Mission { id }) else { panic!("no mission") };
    assert_eq!((view.state.as_str(), view.held_by), ("planned", None), "nobody runs agents here");
    assert!(view.stages[0].evidence.is_some());
    assert!(mesh.device(1).orders.is_empty() && mesh.device(2).orders.is_empty());
}

#[test]
fn a_mission_that_cannot_be_is_not_started() {
    // SPEC: MIS-2, CNT-5
    let mut mesh = Mesh::of(&[(2, Role::Runner)]);
    mesh.connect(1, 2);
    let base = artifact(&mut mesh, 1);
    let start = |mission| Command::StartMission(Box::new(mission));
    let nowhere = mission(EventId([9; 32]));
    assert_eq!(failed(mesh.ask(1, start(nowhere))), FailureKind::Failed);
    let endless = Mission { goal: "x".repeat(5_000), ..mission(base) };
    assert_eq!(failed(mesh.ask(1, start(endless))), FailureKind::Usage);
    assert_eq!(failed(mesh.ask(2, start(mission(base)))), FailureKind::Denied);
    assert_eq!(mesh.ask(1, Command::Missions), Reply::Missions { missions: Vec::new() });
}

#[test]
fn a_contract_beyond_the_quota_of_its_home_is_written_when_there_is_room() {
    // SPEC: SYNC-9, MIS-8
    let mut mesh = Mesh::of(&[(2, Role::Runner)]);
    mesh.device(1).config.quota = 1_000;
    mesh.restart(1);
    mesh.connect(1, 2);
    let base = artifact(&mut mesh, 1);
    let used: serde_json::Map<_, _> = (0..990).map(|key| (key.to_string(), 1.into())).collect();
    let edits = vec![Edit::Set { set: "notes/used".parse().unwrap(), value: used.into() }];
    assert!(matches!(mesh.ask(1, Command::Edit { edits }), Reply::Edited(_)));
    let started = mesh.ask(1, Command::StartMission(Box::new(mission(base))));
    let Reply::Started { mission: id } = started else { panic!("{started:?}") };
    let view = |mesh: &mut Mesh, device| match mesh.ask(device, Command::Mission { id }) {
        Reply::Mission(view) => view,
        other => panic!("{other:?}"),
    };
    assert!(view(&mut mesh, 1).stages[0].evidence.is_none(), "it is not planned yet");
    assert_eq!(mesh.get(2, "missions"), "{}", "and nothing of it is written in part");
    // What the contract makes comes back within minutes: an hour's is a thousand.
    for _ in 0..60 {
        mesh.wait(60_000);
    }
    assert!(view(&mut mesh, 2).stages[0].evidence.is_some());
    assert_eq!(read(&mut mesh, 2, &format!("missions/{id}"))["plan"]["agent"], "fixer");
    mesh.assert_equal(&[1, 2]);
}
