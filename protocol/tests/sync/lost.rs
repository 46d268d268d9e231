//! What a device shows while bodies cannot be read, and while its documents are behind.

use kernelos_protocol::command::{BranchCommand, Command, Reply, RequestId};
use kernelos_protocol::document::DocumentTask;
use kernelos_protocol::id::EventId;
use kernelos_protocol::replica::{Input, Output};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::EventStore as _;
use kernelos_protocol::store::contract::read_all;

use super::mesh::{Device, Mesh, id};

/// The events of content of device `of` that stand on the disk of device `at`.
fn changes(mesh: &mut Mesh, at: u8, of: u8) -> Vec<EventId> {
    let events = read_all(&mut mesh.device(at).disk, 512);
    let of = events.iter().filter(|event| event.header().author == id(of));
    of.filter(|event| event.header().epoch.is_some()).map(|event| event.id()).collect()
}

#[test]
fn only_what_builds_on_a_lost_body_waits_for_it() {
    // SPEC: DUR-16
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Admin)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    mesh.set(1, "notes/first", "x");
    let names = changes(&mut mesh, 3, 2).len();
    for number in 0..3 {
        mesh.set(2, &format!("notes/own{number}"), "theirs");
    }
    let theirs = changes(&mut mesh, 3, 2).split_off(names);
    links.into_iter().for_each(|link| mesh.cut(link));
    let begin = theirs[0].to_string();
    let reason = "by mistake".to_owned();
    let reply = mesh.ask(3, Command::Strike { begin: begin.clone(), reason: reason.clone() });
    assert!(matches!(reply, Reply::Struck { .. }), "{reply:?}");
    mesh.set(3, "notes/apart", "y");
    assert_eq!(mesh.get(3, "notes"), r#"{"apart":"y","first":"x"}"#);

    // What was struck comes from the store again, and one of it is lost.
    mesh.device(3).disk.damage_event(&theirs[1]);
    let reply = mesh.ask(3, Command::ReadmitEvent { begin, reason });
    assert!(matches!(reply, Reply::Readmitted { .. }), "{reply:?}");
    let status = mesh.status(3);
    assert!(status.damage.iter().any(|what| what.contains("asked of peers")), "{status:?}");
    assert_eq!(status.state_hash, None, "nothing is claimed");
    assert_eq!(mesh.get(3, "notes"), r#"{"apart":"y","first":"x","own0":"theirs"}"#);
    mesh.set(3, "notes/more", "goes on");
    assert!(mesh.get(3, "notes").contains("goes on"));
    assert_eq!(mesh.status(3).state_hash, None);

    mesh.connect(1, 3);
    mesh.wait(1_000);
    mesh.assert_equal(&[1, 3]);
    let theirs = r#""own0":"theirs","own1":"theirs","own2":"theirs"}"#;
    let all = format!(r#"{{"apart":"y","first":"x","more":"goes on",{theirs}"#);
    assert_eq!(mesh.get(3, "notes"), all, "it came again, and what waited for it");
    mesh.restart(3);
    assert_eq!(mesh.get(3, "notes"), all);
}

#[test]
fn a_merge_waits_for_the_lost_body_of_what_it_brings_in() {
    // SPEC: DUR-16, BRA-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Admin)]);
    let links = [mesh.connect(1, 2), mesh.connect(1, 3)];
    mesh.set(1, "notes/first", "x");
    let (name, of) = ("try".to_owned(), "".parse().unwrap());
    let create = BranchCommand::Create { name, of, at: None, purpose: String::new() };
    assert!(matches!(mesh.ask(1, Command::Branch(create)), Reply::Branch(_)));
    let before = changes(&mut mesh, 3, 2).len();
    mesh.set(2, "branches/try/notes/theirs", "y");
    let theirs = changes(&mut mesh, 3, 2).split_off(before);
    let merge = BranchCommand::Merge { name: "try".to_owned() };
    assert!(matches!(mesh.ask(1, Command::Branch(merge)), Reply::Branch(_)));
    links.into_iter().for_each(|link| mesh.cut(link));
    let (begin, reason) = (theirs[0].to_string(), "by mistake".to_owned());
    let reply = mesh.ask(3, Command::Strike { begin: begin.clone(), reason: reason.clone() });
    assert!(matches!(reply, Reply::Struck { .. }), "{reply:?}");
    assert_eq!(mesh.get(3, "notes"), r#"{"first":"x"}"#);

    // The branch is not open: what it wrote is to go into the document that knows it alone.
    mesh.device(3).disk.damage_event(&theirs[0]);
    let reply = mesh.ask(3, Command::ReadmitEvent { begin, reason });
    assert!(matches!(reply, Reply::Readmitted { .. }), "{reply:?}");
    assert_eq!(mesh.conflicts(3), []);
    assert_eq!(mesh.status(3).state_hash, None, "nothing is claimed");
    assert_eq!(mesh.get(3, "notes"), r#"{"first":"x"}"#);
    mesh.set(3, "notes/more", "goes on");

    mesh.connect(1, 3);
    mesh.wait(1_000);
    mesh.assert_equal(&[1, 3]);
    let all = r#"{"first":"x","more":"goes on","theirs":"y"}"#;
    assert_eq!((mesh.get(3, "notes"), mesh.get(1, "notes")), (all.to_owned(), all.to_owned()));
    assert_eq!(mesh.conflicts(3), []);
    mesh.restart(3);
    assert_eq!(mesh.get(3, "notes"), all);
}

/// Does all that is wanted but what the documents are asked.
fn run_apart(device: &mut Device, mesh_now: kernelos_protocol::time::Time) -> Vec<DocumentTask> {
    let mut tasks = Vec::new();
    while let Some(output) = device.replica.poll_output() {
        match output {
            Output::Persist(records) => device.disk.commit(&records).unwrap(),
            Output::Load(request) => {
                let slice = device.disk.load(&request).unwrap();
                device.replica.handle(mesh_now, Input::Loaded(slice));
            }
            Output::Perform(task) => tasks.push(task),
            Output::Reply(request, reply) => drop(device.replies.insert(request.0, reply)),
            Output::Send(link, frame) => device.wire.push_back((link, frame)),
            other => panic!("{other:?}"),
        }
    }
    tasks
}

#[test]
fn no_state_is_claimed_of_what_came_before_the_documents_answered() {
    // SPEC: STATE-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "before");
    let before = mesh.status(2).state_hash.unwrap();
    let now = mesh.now;
    mesh.device(2).replica.handle(now, Input::Command(RequestId(9), Command::Status));
    let asked = run_apart(mesh.device(2), now);
    assert!(matches!(asked[..], [DocumentTask::Conflicts { .. }]), "{asked:?}");

    // A change comes while the documents look for conflicts.
    let edit = kernelos_protocol::document::Edit::Set {
        set: "notes/a".parse().unwrap(),
        value: "after".into(),
    };
    let command = Command::Edit { edits: vec![edit] };
    mesh.device(1).replica.handle(now, Input::Command(RequestId(8), command));
    mesh.device(1).run(now);
    let frames: Vec<_> = mesh.device(1).wire.drain(..).collect();
    assert!(!frames.is_empty());
    frames.iter().for_each(|(on, frame)| {
        assert_eq!(*on, link);
        mesh.deliver(1, *on, frame);
    });
    let told = run_apart(mesh.device(2), now);
    assert!(matches!(told[..], [DocumentTask::Apply { .. }]), "{told:?}");
    let mut answer = |tasks: Vec<DocumentTask>| {
        let device = mesh.device(2);
        for task in tasks {
            let done = device.documents.perform(task);
            device.replica.handle(now, Input::Done(done));
            let more = run_apart(device, now);
            assert!(more.is_empty(), "{more:?}");
        }
        device.replies.remove(&9)
    };
    let Some(Reply::Status(status)) = answer(asked) else { panic!("no status") };
    assert_eq!(status.state_hash, None, "the lanes are newer than the heads");
    assert_eq!(answer(told), None);
    let after = mesh.status(2).state_hash.unwrap();
    assert_ne!(before, after);
    mesh.assert_equal(&[1, 2]);
}
