//! The Replica behind its door: what it promises about turns, crashes and repetition.

mod boards;
mod branches;
mod following;

use std::collections::BTreeMap;

use kernelos_protocol::command::{Command, FailureKind, RecoverySecret, Reply, RequestId, Status};
use kernelos_protocol::document::{Documents, Edit};
use kernelos_protocol::event::{Run, Runs, Verified};
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::limits::{COMMANDS_WAITING_MAX, EDITS_UNDER_WAY_MAX};
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::store::{EventStore as _, LoadRequest, MemoryStore, Record, StoreError};

use crate::kit::{NOON, config, recovery};

/// The smallest shell: one device, its disk, its documents, and the replies that were given.
struct Device {
    config: Config,
    replica: Replica,
    disk: MemoryStore,
    documents: Documents,
    replies: BTreeMap<u64, Reply>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

/// Where a device dies.
#[derive(Clone, Copy)]
enum Crash {
    Never,
    /// Before it performs the output of this number, counted from now.
    Before(usize),
}

impl Device {
    fn founded() -> Self {
        Self::founded_by(1)
    }

    fn founded_by(number: u8) -> Self {
        let unborn = config(number, WorkspaceId::UNBORN);
        let replica = Replica::found(unborn, recovery().public(), NOON).unwrap();
        let config = config(number, replica.workspace().id());
        let mut device = Self::around(config, replica, MemoryStore::default());
        assert!(device.run(Crash::Never));
        device
    }

    fn around(config: Config, replica: Replica, disk: MemoryStore) -> Self {
        Self {
            config,
            replica,
            disk,
            documents: Documents::default(),
            replies: BTreeMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The same device after its process died: what it has is its disk.
    fn restarted(&self) -> Self {
        let replica = Replica::load(self.config.clone(), NOON);
        let mut device = Self::around(self.config.clone(), replica, self.disk.clone());
        assert!(device.run(Crash::Never));
        device
    }

    fn hand_in(&mut self, input: Input) {
        self.inputs.push(input.clone());
        self.replica.handle(NOON, input);
    }

    fn command(&mut self, request: u64, command: Command) {
        self.hand_in(Input::Command(RequestId(request), command));
    }

    /// Runs turns until nothing is left to do; false where it died on the way.
    fn run(&mut self, crash: Crash) -> bool {
        let mut performed = 0;
        loop {
            let mut outputs = Vec::new();
            while let Some(output) = self.replica.poll_output() {
                outputs.push(output);
            }
            if outputs.is_empty() {
                return true;
            }
            for output in outputs {
                if matches!(crash, Crash::Before(at) if at == performed) {
                    return false;
                }
                performed += 1;
                self.outputs.push(output.clone());
                self.perform(output);
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Persist(records) => self.disk.commit(&records).unwrap(),
            Output::Load(request) => {
                let slice = self.disk.load(&request).unwrap();
                self.hand_in(Input::Loaded(slice));
            }
            Output::Perform(task) => {
                let done = self.documents.perform(task);
                self.hand_in(Input::Done(done));
            }
            Output::Reply(request, reply) => {
                self.replies.insert(request.0, reply);
            }
            Output::Send(..)
            | Output::Disconnect(..)
            | Output::Reachable(..)
            | Output::Work(_)
            | Output::Cancel(_) => {
                panic!("nobody is here")
            }
        }
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.command(9_999, command);
        assert!(self.run(Crash::Never));
        self.replies.remove(&9_999).unwrap()
    }

    fn status(&mut self) -> Status {
        match self.ask(Command::Status) {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    fn get(&mut self, path: &str) -> String {
        match self.ask(Command::Read { path: path.parse().unwrap() }) {
            Reply::Read(read) => read.value.to_string(),
            other => format!("{other:?}"),
        }
    }
}

fn set(path: &str, value: impl Into<serde_json::Value>) -> Command {
    let edit = Edit::Set { set: path.parse().unwrap(), value: value.into() };
    Command::Edit { edits: vec![edit] }
}

fn rm(path: &str) -> Command {
    Command::Edit { edits: vec![Edit::Rm { rm: path.parse().unwrap() }] }
}

#[test]
fn a_founding_is_one_turn() {
    // SPEC: CTL-2, PRJ-6
    let replica = Replica::found(config(1, WorkspaceId::UNBORN), recovery().public(), NOON);
    let mut replica = replica.unwrap();
    let Some(Output::Persist(records)) = replica.poll_output() else { panic!("nothing to keep") };
    let events = records.iter().filter(|record| matches!(record, Record::Event(_))).count();
    assert_eq!(events, 4, "genesis, epoch, wrap, change");
    while let Some(output) = replica.poll_output() {
        assert!(!matches!(output, Output::Persist(_)));
    }
}

#[test]
fn what_was_written_is_read_also_after_a_restart() {
    // SPEC: PRJ-2
    let mut device = Device::founded();
    device.ask(set("notes/a", "one"));
    device.ask(set("notes/list", serde_json::json!([1, {"x": null}, 2.5])));
    device.ask(set("notes/list/3", true));
    device.ask(rm("notes/list/0"));
    let state = device.status().state_hash.unwrap();
    let mut again = device.restarted();
    assert_eq!(again.status().state_hash, Some(state));
    assert_eq!(again.get("notes"), r#"{"a":"one","list":[{"x":null},2.5,true]}"#);
    // A second life has another actor: what it writes never collides with the first's.
    let generation = |device: &mut Device| {
        let request = LoadRequest::From { cursor: 0, limit: 1 };
        device.disk.load(&request).unwrap().counters["generation"]
    };
    let before = generation(&mut again);
    again.ask(set("notes/b", "two"));
    assert_eq!(generation(&mut again), before + 1);
    assert_eq!(again.restarted().get("notes/b"), "\"two\"");
}

#[test]
fn a_batch_is_one_event_all_or_none() {
    let mut device = Device::founded();
    let before = device.status();
    let edits = serde_json::json!([{"set": "notes/a", "value": 1}, {"rm": "notes/absent"}]);
    let refused = device.ask(Command::Edit { edits: serde_json::from_value(edits).unwrap() });
    assert!(matches!(refused, Reply::Failed(_)), "{refused:?}");
    assert_eq!(device.get("notes"), "{}");
    assert_eq!(device.status(), before);
    let edits = serde_json::json!([{"set": "notes/a", "value": 1}, {"rm": "notes/a"}]);
    let done = device.ask(Command::Edit { edits: serde_json::from_value(edits).unwrap() });
    assert!(matches!(done, Reply::Edited(ref edited) if edited.edits == 2), "{done:?}");
    assert_eq!(device.status().events, before.events + 1);
}

#[test]
fn what_was_acknowledged_survives_a_crash_before_any_output() {
    // SPEC: DUR-1
    let commands = || [set("notes/a", 1), set("notes/b", "two"), rm("notes/a"), Command::Status];
    let mut total = 0;
    for crash_at in 0.. {
        let mut device = Device::founded();
        for (request, command) in commands().into_iter().enumerate() {
            device.command(request as u64, command);
        }
        let finished = device.run(Crash::Before(crash_at));
        let mut again = device.restarted();
        let status = again.status();
        assert_eq!(status.damage, Vec::<String>::new(), "crash at {crash_at}");
        let acknowledged = |request: u64| match device.replies.get(&request) {
            Some(Reply::Edited(edited)) => edited.event,
            _ => None,
        };
        for event in (0..3).filter_map(acknowledged) {
            assert!(again.replica.workspace().contains(&event), "crash at {crash_at}");
        }
        if acknowledged(1).is_some() {
            assert_eq!(again.get("notes/b"), "\"two\"");
        }
        // It goes on writing, on what it has.
        let edited = again.ask(set("notes/after", true));
        assert!(matches!(edited, Reply::Edited(_)), "crash at {crash_at}: {edited:?}");
        total = crash_at;
        if finished {
            break;
        }
    }
    assert!(total > 8, "the commands had {total} outputs");
}

#[test]
fn a_failed_commit_leaves_nothing_behind() {
    // SPEC: DUR-2
    let mut device = Device::founded();
    device.ask(set("notes/a", 1));
    let state = device.status().state_hash;
    device.disk.full_after(0);
    device.command(1, set("notes/b", 2));
    // The shell's part: at the failed commit everything else of the turn is dropped.
    let mut failed = None;
    while failed.is_none() {
        let Some(output) = device.replica.poll_output() else { break };
        match output {
            Output::Persist(records) => failed = device.disk.commit(&records).err(),
            output => device.perform(output),
        }
    }
    assert_eq!(failed, Some(StoreError::Full));
    device.disk.make_room();
    let mut again = device.restarted();
    assert_eq!(again.status().state_hash, state);
    assert_eq!(again.get("notes"), r#"{"a":1}"#);
    again.ask(set("notes/b", 2));
    assert_eq!(again.restarted().get("notes/b"), "2");
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut device = Device::founded();
        for i in 0..20 {
            device.command(i, set(&format!("notes/{}", i % 7), format!("value {i}")));
        }
        assert!(device.run(Crash::Never));
        serde_json::to_string(&device.outputs).unwrap()
    };
    assert_eq!(run(), run());
}

#[test]
fn what_a_device_lived_through_can_be_written_down_and_read_back() {
    let mut device = Device::founded();
    device.command(1, set("notes/a", serde_json::json!({"deep": ["x", 1.5]})));
    device.command(2, Command::Read { path: "notes".parse().unwrap() });
    assert!(device.run(Crash::Never));
    let written = serde_json::to_string(&device.inputs).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Input>>(&written).unwrap(), device.inputs);
    let written = serde_json::to_string(&device.outputs).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Output>>(&written).unwrap(), device.outputs);
}

#[test]
fn edits_that_cannot_be_done_say_why() {
    let mut device = Device::founded();
    device.ask(set("notes/text", "words"));
    device.ask(set("notes/list", serde_json::json!([1])));
    let mut check = |command: Command, expected: &str| match device.ask(command) {
        Reply::Failed(failure) => assert!(
            failure.message.contains(expected),
            "{:?} does not say {expected:?}",
            failure.message
        ),
        other => panic!("{expected}: {other:?}"),
    };
    check(set("notes/text/x", 1), "is a value");
    check(set("notes/list/9", 1), "list of 1");
    check(set("notes/list/x", 1), "list of 1");
    check(rm("notes/absent"), "nothing at");
    check(set("routing/x", 1), "only what is below notes/ and tasks/");
    check(set("notes", 1), "only what is below notes/ and tasks/");
    check(set("notes/n", u64::MAX), "64 bits");
    check(set("notes/n", serde_json::json!({"": 1})), "empty");
    check(set("notes/n", nested(40)), "levels");
    check(Command::Edit { edits: Vec::new() }, "nothing to edit");
    check(set("notes/n", serde_json::json!(1e19)), "64 bits");
    check(set("notes/huge", "a".repeat(20_000)), "too many operations");
    let noise = noise(250_000);
    let names = (0..1_000).map(|i| (noise[i * 250..][..250].to_owned(), serde_json::Value::Null));
    check(set("notes/huge", serde_json::Value::Object(names.collect())), "too large");
    assert_eq!(device.get("notes"), r#"{"list":[1],"text":"words"}"#);
    let edited = device.ask(set("notes/ok", 1));
    assert!(matches!(edited, Reply::Edited(_)), "{edited:?}");
}

fn nested(levels: usize) -> serde_json::Value {
    (0..levels).fold(serde_json::Value::Null, |value, _| serde_json::json!([value]))
}

/// Text that does not deflate.
fn noise(len: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn nothing_to_change_is_no_event() {
    let mut device = Device::founded();
    device.ask(set("notes/n", 7));
    let before = device.status().events;
    let again = device.ask(set("notes/n", 7));
    assert!(matches!(again, Reply::Edited(ref edited) if edited.event.is_none()), "{again:?}");
    assert_eq!(device.status().events, before);
}

#[test]
fn too_many_waiting_commands_are_answered_busy() {
    let mut device = Device::founded();
    for request in 0..=COMMANDS_WAITING_MAX as u64 {
        device.command(request, Command::Devices);
    }
    assert!(device.run(Crash::Never));
    let last = &device.replies[&(COMMANDS_WAITING_MAX as u64)];
    assert!(matches!(last, Reply::Failed(failure) if failure.kind == FailureKind::Busy));
    assert_eq!(device.replies.len(), COMMANDS_WAITING_MAX + 1);
}

#[test]
fn the_log_shows_every_event_with_its_verdict() {
    let mut device = Device::founded();
    device.ask(set("notes/a", 1));
    let Reply::Log(page) = device.ask(Command::Log { from: 0, limit: 3 }) else { panic!() };
    let kinds: Vec<_> = page.rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!((kinds, page.next), (vec!["genesis", "epoch", "wrap"], Some(3)));
    let Reply::Log(page) = device.ask(Command::Log { from: 3, limit: 3 }) else { panic!() };
    let rows: Vec<_> = page.rows.iter().map(|row| (row.kind.as_str(), row.seq)).collect();
    assert_eq!((rows, page.next), (vec![("change", Some(0)), ("change", Some(1))], None));
    assert_eq!(page.rows[1].parents, [page.rows[0].id.unwrap()]);
}

/// All events of a device, as an archive holds them.
fn exported(device: &mut Device) -> Vec<Verified> {
    let mut all = Vec::new();
    loop {
        match device.ask(Command::ExportEvents { from: all.len() }) {
            Reply::EventsPage { count, from, runs, .. } => {
                assert_eq!(from, all.len());
                all.extend(runs.into_iter().flat_map(Run::into_events));
                if all.len() == count {
                    return all;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_archive_goes_in_up_to_its_first_fault_and_is_durable_as_far_as_it_is_counted() {
    // SPEC: ARC-3, ARC-4
    let mut device = Device::founded();
    // More than one page.
    for number in 0..450 {
        device.ask(set(&format!("notes/{number}"), "x"));
    }
    assert!(matches!(
        device.ask(Command::ExportEvents { from: 0 }),
        Reply::EventsPage { count, runs, .. } if runs.len() < count
    ));
    let events = exported(&mut device);
    let workspace = device.status().workspace_id;
    let blank = || {
        let config = config(2, workspace);
        let replica = Replica::load(config.clone(), NOON);
        Device::around(config, replica, MemoryStore::default())
    };
    let taken = |device: &mut Device, events: &[Verified]| match device
        .ask(Command::ImportEvents { runs: Runs::of(events.to_vec()) })
    {
        Reply::EventsTaken { here, new, not_taken } => {
            (here, new, not_taken.map(|fault| fault.code))
        }
        other => panic!("{other:?}"),
    };
    let mut other = blank();
    let (head, tail) = events.split_at(3);
    let gap = [head, &tail[2..]].concat();
    assert_eq!(taken(&mut other, &gap), (3, 3, Some("archive_missing".to_owned())));
    let mut other = other.restarted();
    assert_eq!(other.status().events, 3);
    assert_eq!(taken(&mut other, &events), (events.len(), events.len() - 3, None));
    assert_eq!(taken(&mut other, &events), (events.len(), 0, None));
    let mut other = other.restarted();
    assert_eq!(other.status().role, None);
    assert_eq!(exported(&mut other), events);

    let Reply::Rescued { removed, .. } = other.ask(Command::Rescue {
        recovery: RecoverySecret([0xec; 32]),
        name: "second".to_owned(),
        keep: Vec::new(),
        reason: String::new(),
    }) else {
        panic!("no rescue")
    };
    assert_eq!(removed, [device.status().device_id]);
    // It is called what its person calls it now, also at the next start.
    assert_eq!(
        (other.status().device.as_str(), other.disk.device_name()),
        ("second", Some("second"))
    );
    assert_eq!(other.get("notes/4"), device.get("notes/4"));
    let mut stranger = Device::founded_by(3);
    let foreign = taken(&mut stranger, &events);
    assert_eq!(foreign, (0, 0, Some("wrong_workspace".to_owned())));
}
