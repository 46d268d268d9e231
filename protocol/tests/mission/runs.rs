//! A run of a mission for tests: devices that write records as the rules derive them.

use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{EventId, to_hex};
use kernelos_protocol::mission::evidence::{Admission, PlanFacts, RunFacts};
use kernelos_protocol::mission::record::{Act, Mission, ObjectId, Output, Record, StepEnd};
use kernelos_protocol::mission::state::{Seen, Who};
use kernelos_protocol::mission::verification::{RUNS, weigh_logs};
use kernelos_protocol::mission::work::CommandLog;
use kernelos_protocol::report::Outcome;
use kernelos_protocol::role::Role;

use crate::kit::Peer;

/// Some git object.
pub(crate) fn object(number: u8) -> ObjectId {
    to_hex(&[number; 20]).try_into().unwrap()
}

/// A mission of two steps.
pub(crate) fn mission() -> Mission {
    Mission {
        goal: "make it pass".to_owned(),
        repository: "shop".to_owned(),
        branch: "main".to_owned(),
        base: object(1),
        base_artifact: EventId([7; 32]),
        agent: "fixer".to_owned(),
        steps: vec!["./one".to_owned(), "./two".to_owned()],
        verify: "sh tests/run.sh".to_owned(),
        tests: vec!["tests/**".to_owned()],
        floor: 1,
    }
}

/// What four runs print where the candidate mends what the base fails at.
pub(crate) fn good_logs() -> Vec<CommandLog> {
    let log = |exit, second: &str| CommandLog {
        ended: Outcome::Exited(exit),
        output: format!("1..2\nok 1 - greets\n{second} 2 - shouts\n"),
    };
    vec![log(1, "not ok"), log(0, "ok"), log(0, "ok"), log(0, "ok")]
}

/// The founder and a second device of this role, which know each other.
pub(crate) fn two_homes(role: Role) -> (Peer, Peer) {
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, role));
    let mut other = Peer::new(2, founder.workspace.id());
    other.take(&events);
    (founder, other)
}

/// A mission that is under way.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) id: EventId,
    /// All its events so far.
    pub(crate) events: Vec<Verified>,
}

impl Run {
    /// `home` starts a mission.
    pub(crate) fn start(home: &mut Peer) -> Self {
        let record = Record::Mission(Box::new(mission()));
        let events = home.write(|workspace, pen| workspace.write_record(pen, &record)).unwrap();
        Self { id: events.last().unwrap().id(), events }
    }

    /// What would follow on the head of `peer`, if `seen` is what it saw.
    pub(crate) fn derive(&self, peer: &Peer, seen: &Seen) -> Result<Record, &'static str> {
        let (journal, content) = (peer.workspace.missions(), peer.workspace.content());
        let control = peer.workspace.control();
        let device = peer.key.device();
        let role = control.role(&device, &control.all());
        let who = Who { device, role, epoch: journal.epoch(content, &self.id) };
        let head = journal.head(content, &self.id).unwrap();
        head.state.derive(&who, seen).map_err(|reason| reason.code)
    }

    /// `peer` writes any record, whatever rules it breaks.
    pub(crate) fn force(&mut self, peer: &mut Peer, record: &Record) -> EventId {
        let events = peer.write(|workspace, pen| workspace.write_record(pen, record)).unwrap();
        let id = events.last().unwrap().id();
        self.events.extend(events);
        id
    }

    /// `peer` writes what follows from what it saw.
    pub(crate) fn write(&mut self, peer: &mut Peer, seen: &Seen) -> EventId {
        let record = self.derive(peer, seen).unwrap();
        self.force(peer, &record)
    }

    /// `peer` writes all of these.
    pub(crate) fn write_all(&mut self, peer: &mut Peer, seen: &[Seen]) {
        for seen in seen {
            self.write(peer, seen);
        }
    }

    /// The void code of an event on `peer`, if it is void.
    pub(crate) fn void(&self, peer: &Peer, id: &EventId) -> Option<String> {
        let (_, reason) = peer.workspace.verdict(id).unwrap();
        reason.map(|reason| reason.split(':').next().unwrap_or_default().to_owned())
    }
}

pub(crate) fn plan() -> Seen {
    Seen::Plan(PlanFacts { contract: EventId([8; 32]), rulebook: 1 })
}

pub(crate) fn lease() -> [Seen; 2] {
    [Seen::Decide(Act::RunAgent), Seen::Claim]
}

/// A step that left the object of this number.
pub(crate) fn step(number: u8) -> [Seen; 2] {
    let output = Some(Output {
        commit: object(number),
        tree: object(number + 100),
        artifact: EventId([number; 32]),
    });
    [Seen::Decide(Act::StartStep), Seen::Step(ended(Some(0), output))]
}

pub(crate) fn ended(exit: Option<u64>, output: Option<Output>) -> StepEnd {
    StepEnd {
        outcome: "exited".to_owned(),
        exit,
        output,
        log: None,
        ms: 12,
        left_behind: 0,
        sandbox: "all of it".to_owned(),
    }
}

pub(crate) fn admitted() -> Admission {
    Admission { files: 1, bytes: 12, refusals: Vec::new() }
}

/// What a verifier saw whose runs printed this.
pub(crate) fn verified(logs: &[CommandLog]) -> Seen {
    let run =
        |(of, at): (&&str, u8)| RunFacts { of: (*of).to_owned(), log: EventId([at; 32]), ms: 5 };
    let runs: Vec<_> = RUNS.iter().zip(20..).take(logs.len()).map(run).collect();
    let verdict = weigh_logs(&runs, logs, 1);
    Seen::Verify { admission: admitted(), runs, verdict, sandbox: "all of it".to_owned() }
}

/// Everything from the plan to a candidate, by one device that is home and holder.
pub(crate) fn to_candidate() -> Vec<Seen> {
    let mut seen = vec![plan()];
    seen.extend(lease());
    seen.extend(step(2));
    seen.extend(step(3));
    seen.push(Seen::Implement(Some(admitted())));
    seen
}

/// From a candidate to a replayed one.
pub(crate) fn to_replayed() -> Vec<Seen> {
    let mut seen = lease().to_vec();
    seen.extend([Seen::Decide(Act::Verify), verified(&good_logs()), Seen::Replay(None)]);
    seen
}
