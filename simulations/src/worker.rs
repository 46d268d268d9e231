//! Nodes that work for missions: what an agent leaves follows from the order and the device.
//!
//! No git and no process: a commit is a hash, and an artifact holds its name. Work takes virtual
//! time, in which its device can die; what it left in its repository outlives that.

use kernelos_protocol::artifact::{ArtifactKey, seal};
use kernelos_protocol::change::{ChangedFile, Entry, MODE_FILE};
use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::hash::hash_under;
use kernelos_protocol::id::{DeviceId, EventId, to_hex};
use kernelos_protocol::mission::record::{Mission, ObjectId, Output, StepEnd};
use kernelos_protocol::mission::verification::RUNS;
use kernelos_protocol::mission::work::{CommandLog, CommandRun, Order, Outcome, Task};
use kernelos_protocol::report;

use crate::world::World;

/// What a sandbox enforces here.
const SANDBOX: &str = "simulated";

/// How many virtual milliseconds an order takes.
#[must_use]
pub fn duration(task: &Task) -> u64 {
    match task {
        Task::Step { .. } => 1_500,
        Task::Verify { .. } => 1_000,
        Task::Promote { .. } => 100,
        Task::Changes { .. } | Task::Logs { .. } => 50,
    }
}

/// A device starts a mission of so many steps; none where it is off, refused or dies of it.
pub fn start_mission(world: &mut World, home: usize, steps: usize) -> Option<EventId> {
    let count = world.missions.len().to_be_bytes();
    let base = object("base", &[&count])?;
    let base_artifact = put(world, home, "base", base.as_str().as_bytes())?;
    let mission = Mission {
        goal: "make it pass".to_owned(),
        repository: "shop".to_owned(),
        branch: "main".to_owned(),
        base,
        base_artifact,
        agent: "fixer".to_owned(),
        steps: (1..=steps).map(|step| format!("./step {step}")).collect(),
        verify: "./test".to_owned(),
        tests: vec!["tests/**".to_owned()],
        floor: 1,
    };
    match world.ask(home, Command::StartMission(Box::new(mission)))? {
        Reply::Started { mission } => {
            world.missions.push((home, mission));
            Some(mission)
        }
        _ => None,
    }
}

/// What comes of an order on a device; none where it died on the way.
pub fn perform(world: &mut World, device: usize, order: &Order) -> Option<Outcome> {
    Some(match &order.task {
        Task::Step { number, input, .. } => {
            let input = input.as_ref().map_or(&order.base.commit, |input| &input.commit);
            let by: DeviceId = world.nodes[device].device();
            let parts = [input.as_str().as_bytes(), &number.to_be_bytes(), &by.0];
            let (commit, tree) = (object("commit", &parts)?, object("tree", &parts)?);
            let artifact = put(world, device, "step", commit.as_str().as_bytes())?;
            Outcome::Step(StepEnd {
                outcome: "exited".to_owned(),
                exit: Some(0),
                output: Some(Output { commit, tree, artifact }),
                log: None,
                ms: duration(&order.task),
                left_behind: 0,
                sandbox: SANDBOX.to_owned(),
            })
        }
        Task::Changes { .. } => Outcome::Changes(changes()),
        Task::Verify { .. } => {
            let mut runs = Vec::new();
            // Four runs are enough where one of the base's own tests failed.
            for (at, of) in RUNS.iter().take(4).enumerate() {
                let printed = printed(at > 0);
                let log = serde_json::to_vec(&printed).unwrap_or_default();
                let log = put(world, device, "run", &log)?;
                runs.push(CommandRun { of: (*of).to_owned(), log, printed, ms: 250 });
            }
            Outcome::Verified { changes: changes(), runs, sandbox: SANDBOX.to_owned() }
        }
        Task::Logs { logs } => {
            let read = logs.iter().map(|log| read(world, device, *log));
            match read.collect::<Option<_>>() {
                Some(logs) => Outcome::Logs(logs),
                None => Outcome::Failed("a log is not here".to_owned()),
            }
        }
        Task::Promote { candidate, .. } => {
            // The branch moves once, if it is where it was.
            let moves = world.nodes[device].moves.entry(order.mission).or_default();
            if moves.is_empty() {
                moves.push(candidate.commit.clone());
            }
            Outcome::Promoted(moves[0].clone())
        }
    })
}

fn put(world: &mut World, device: usize, name: &str, bytes: &[u8]) -> Option<EventId> {
    let key =
        ArtifactKey(hash_under("kernelos 1 simulated key", &[&world.next_key().to_be_bytes()]));
    let (manifest, chunks) = seal(name, key, bytes).ok()?;
    world.ask(device, Command::KeepChunks { chunks })?;
    match world.ask(device, Command::WriteArtifact { manifest })? {
        Reply::ArtifactWritten { event } => Some(event),
        _ => None,
    }
}

fn read(world: &mut World, device: usize, artifact: EventId) -> Option<CommandLog> {
    match world.ask(device, Command::ReadArtifact { artifact, part: 0 })? {
        Reply::ArtifactPart(part) => serde_json::from_slice(&part.bytes).ok(),
        _ => None,
    }
}

fn object(what: &str, parts: &[&[u8]]) -> Option<ObjectId> {
    let parts: Vec<_> = [what.as_bytes()].into_iter().chain(parts.iter().copied()).collect();
    let made = hash_under("kernelos 1 simulated object", &parts);
    to_hex(&made[..20]).try_into().ok()
}

fn changes() -> Vec<ChangedFile> {
    let entry = |size| Some(Entry { mode: MODE_FILE, size, link_target: None });
    vec![ChangedFile { path: b"shop.sh".to_vec(), old: entry(9), new: entry(12) }]
}

/// One test fails on the base and passes on the candidate.
fn printed(is_candidate: bool) -> CommandLog {
    let (code, word) = if is_candidate { (0, "ok") } else { (1, "not ok") };
    CommandLog {
        ended: report::Outcome::Exited(code),
        output: format!("1..2\nok 1 - greets\n{word} 2 - shouts\n"),
    }
}
