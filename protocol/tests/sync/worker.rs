//! A node that works for missions, pretended: what it leaves follows from its number and the order.
//!
//! Nothing is random and nothing takes time, unless a test lets orders lie.

use std::collections::BTreeSet;

use kernelos_protocol::artifact::{ArtifactKey, seal};
use kernelos_protocol::change::{ChangedFile, Entry, MODE_FILE};
use kernelos_protocol::command::{Command, Reply, RequestId};
use kernelos_protocol::hash::hash_under;
use kernelos_protocol::id::{DeviceId, EventId, to_hex};
use kernelos_protocol::limits::JOIN_DELAY_MS;
use kernelos_protocol::mission::record::{Mission, ObjectId, Output, StepEnd};
use kernelos_protocol::mission::show::MissionView;
use kernelos_protocol::mission::state::State;
use kernelos_protocol::mission::verification::RUNS;
use kernelos_protocol::mission::work::{CommandLog, CommandRun, Order, Outcome, Task};
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::LinkId;

use super::mesh::{Mesh, id};
use crate::mission::{ended, good_logs, mission};

/// Devices, a mission on them, and who works.
pub(super) struct Site {
    pub(super) mesh: Mesh,
    pub(super) mission: EventId,
    /// Whose orders lie.
    pub(super) idle: BTreeSet<u8>,
    /// Each step that was done: by whom, and its number.
    pub(super) executed: Vec<(u8, u64)>,
    keys: u64,
}

impl Site {
    /// Device 1 is the home; `runners` were started with `--run`; all are connected.
    pub(super) fn of(roles: &[(u8, Role)], runners: &[u8]) -> Self {
        Self::on(Mesh::of(roles), runners)
    }

    /// The same of devices that are there already.
    pub(super) fn on(mut mesh: Mesh, runners: &[u8]) -> Self {
        let numbers: Vec<_> = mesh.devices.keys().copied().collect();
        for number in runners {
            mesh.device(*number).config.runs = true;
            mesh.restart(*number);
        }
        let mut site = Self {
            mesh,
            mission: EventId([0; 32]),
            idle: BTreeSet::new(),
            executed: Vec::new(),
            keys: 0,
        };
        for (at, a) in numbers.iter().enumerate() {
            for b in &numbers[at + 1..] {
                site.mesh.connect(*a, *b);
            }
        }
        // Who runs agents is known everywhere.
        site.pass(2 * JOIN_DELAY_MS);
        site
    }

    /// A home and two that run agents.
    pub(super) fn of_three() -> Self {
        Self::of(&[(2, Role::Runner), (3, Role::Runner)], &[2, 3])
    }

    /// The home starts a mission of so many steps.
    pub(super) fn start(&mut self, steps: usize) -> EventId {
        self.try_start(steps).unwrap()
    }

    /// The same; none where the home died on the way.
    pub(super) fn try_start(&mut self, steps: usize) -> Option<EventId> {
        let base_artifact = self.put(1, "base", b"all of it")?;
        let steps = (1..=steps).map(|step| format!("./step {step}")).collect();
        let asked = Box::new(Mission { base_artifact, steps, ..mission() });
        match self.try_ask(1, Command::StartMission(asked))? {
            Reply::Started { mission } => self.mission = mission,
            other => panic!("{other:?}"),
        }
        Some(self.mission)
    }

    /// Asks; none where the device died or has not answered.
    fn try_ask(&mut self, number: u8, command: Command) -> Option<Reply> {
        let now = self.mesh.now;
        self.mesh.device(number).replica.handle(now, Input::Command(RequestId(9), command));
        self.mesh.settle();
        self.mesh.device(number).replies.remove(&9)
    }

    /// Asks, and has the answer at once.
    pub(super) fn ask(&mut self, number: u8, command: Command) -> Reply {
        self.try_ask(number, command).unwrap()
    }

    fn put(&mut self, number: u8, name: &str, bytes: &[u8]) -> Option<EventId> {
        self.keys += 1;
        let key = ArtifactKey(hash_under("test key", &[&self.keys.to_be_bytes()]));
        let (manifest, chunks) = seal(name, key, bytes).unwrap();
        assert_eq!(self.try_ask(number, Command::KeepChunks { chunks })?, Reply::Kept);
        match self.try_ask(number, Command::WriteArtifact { manifest })? {
            Reply::ArtifactWritten { event } => Some(event),
            other => panic!("{other:?}"),
        }
    }

    /// The order that a device is to follow next.
    pub(super) fn order(&mut self, number: u8) -> Option<Order> {
        self.mesh.device(number).orders.first().cloned()
    }

    /// What comes of an order on a device; none where it died on the way.
    pub(super) fn outcome(&mut self, number: u8, order: &Order) -> Option<Outcome> {
        Some(match &order.task {
            Task::Step { number: step, input, .. } => {
                let input = input.as_ref().map_or(&order.base.commit, |input| &input.commit);
                let [commit, tree] = ["commit", "tree"].map(|what| object(what, input, number));
                let artifact = self.put(number, "step", commit.as_str().as_bytes())?;
                self.executed.push((number, *step));
                let output = Output { commit, tree, artifact };
                Outcome::Step(StepEnd { ms: 1_500, ..ended(Some(0), Some(output)) })
            }
            Task::Changes { .. } => Outcome::Changes(changes()),
            Task::Verify { .. } => {
                let mut runs = Vec::new();
                for (of, printed) in RUNS.iter().zip(good_logs()) {
                    let log = self.put(number, "run", &serde_json::to_vec(&printed).unwrap())?;
                    runs.push(CommandRun { of: (*of).to_owned(), log, printed, ms: 20 });
                }
                Outcome::Verified { changes: changes(), runs, sandbox: "all of it".to_owned() }
            }
            Task::Logs { logs } => {
                let read = |log: &EventId| self.read(number, *log);
                Outcome::Logs(logs.iter().map(read).collect::<Option<_>>()?)
            }
            Task::Promote { candidate, .. } => Outcome::Promoted(candidate.commit.clone()),
        })
    }

    fn read(&mut self, number: u8, artifact: EventId) -> Option<CommandLog> {
        match self.try_ask(number, Command::ReadArtifact { artifact, part: 0 })? {
            Reply::ArtifactPart(part) => serde_json::from_slice(&part.bytes).ok(),
            other => panic!("{other:?}"),
        }
    }

    /// The node says what came of an order.
    pub(super) fn answer(&mut self, number: u8, order: &Order, outcome: Outcome) {
        let now = self.mesh.now;
        let device = self.mesh.device(number);
        device.orders.retain(|other| other.ticket != order.ticket);
        device.replica.handle(now, Input::Worked(order.ticket, Box::new(outcome)));
        self.mesh.settle();
    }

    /// A device follows one order, if it has one.
    pub(super) fn work(&mut self, number: u8) -> bool {
        let Some(order) = self.order(number) else { return false };
        let Some(outcome) = self.outcome(number, &order) else { return false };
        self.answer(number, &order, outcome);
        true
    }

    /// Everybody works who is not idle.
    fn work_all(&mut self) {
        while self.work_any() {}
    }

    /// Somebody who is not idle follows one order.
    fn work_any(&mut self) -> bool {
        let numbers: Vec<_> = self.mesh.devices.keys().copied().collect();
        numbers.iter().any(|number| !self.idle.contains(number) && self.work(*number))
    }

    /// Time passes, and everybody works meanwhile.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let until = self.mesh.now.monotonic_ms + milliseconds;
        loop {
            self.work_all();
            let left = until - self.mesh.now.monotonic_ms;
            if left == 0 {
                return;
            }
            self.mesh.wait(left.min(10));
        }
    }

    /// Time passes until something holds; gives how much of it.
    #[track_caller]
    pub(super) fn until(&mut self, holds: impl Fn(&mut Self) -> bool) -> u64 {
        let begin = self.mesh.now.monotonic_ms;
        while !holds(self) {
            let passed = self.mesh.now.monotonic_ms - begin;
            assert!(passed < 60_000, "it never holds: {:?}", self.view(1));
            if !self.work_any() {
                self.mesh.wait(10);
            }
        }
        self.mesh.now.monotonic_ms - begin
    }

    /// The mission as a device knows it, if it does.
    pub(super) fn state(&self, number: u8) -> Option<&State> {
        let workspace = self.mesh.devices[&number].replica.workspace();
        let head = workspace.missions().head(workspace.content(), &self.mission)?;
        Some(&head.state)
    }

    /// How many steps are recorded, as a device knows.
    pub(super) fn steps(&self, number: u8) -> usize {
        self.state(number).map_or(0, |state| state.steps.len())
    }

    /// Who holds the lease, as a device knows.
    pub(super) fn holder(&self, number: u8) -> Option<u8> {
        let holder = self.state(number)?.lease.as_ref()?.holder;
        Some(self.number(holder))
    }

    /// The number of a device.
    pub(super) fn number(&self, device: DeviceId) -> u8 {
        self.mesh.devices.keys().copied().find(|number| id(*number) == device).unwrap()
    }

    /// The mission as a device shows it.
    pub(super) fn view(&mut self, number: u8) -> MissionView {
        match self.mesh.ask(number, Command::Mission { id: self.mission }) {
            Reply::Mission(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    /// Time passes until all these show the mission in this state.
    #[track_caller]
    pub(super) fn until_all(&mut self, numbers: &[u8], state: &str) {
        for number in numbers {
            self.until(|site| site.view(*number).state == state);
        }
    }

    /// How often each step was started.
    pub(super) fn executions(&mut self, number: u8) -> Vec<usize> {
        self.view(number).steps.iter().map(|step| step.executions).collect()
    }

    /// The connections of a device that are up.
    pub(super) fn links_of(&self, number: u8) -> Vec<LinkId> {
        let links = self.mesh.links.iter().filter(|(_, (a, b))| *a == number || *b == number);
        links.map(|(link, _)| *link).collect()
    }

    /// All connections of a device are cut.
    pub(super) fn isolate(&mut self, number: u8) {
        for link in self.links_of(number) {
            self.mesh.cut(link);
        }
    }

    /// The other one of the two that run agents.
    pub(super) fn other(&self, holder: u8) -> u8 {
        if holder == 2 { 3 } else { 2 }
    }
}

fn object(what: &str, input: &ObjectId, by: u8) -> ObjectId {
    let made = hash_under("test object", &[what.as_bytes(), input.as_str().as_bytes(), &[by]]);
    to_hex(&made[..20]).try_into().unwrap()
}

fn changes() -> Vec<ChangedFile> {
    let entry = |size| Some(Entry { mode: MODE_FILE, size, link_target: None });
    vec![ChangedFile { path: b"shout.sh".to_vec(), old: entry(9), new: entry(12) }]
}
