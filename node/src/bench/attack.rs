//! `attack`: what a command takes and what a node needs while a member, whose key it has, or
//! strangers send what no honest device would; beside the same node a moment before.
//!
//! The node is a process of its own with an honest device beside it; the attacker is this one, with
//! the key of a device that was let in. It does so much a second; frames are all made before, so
//! that what is measured is the node and not who shares its processor. Handshakes cost whoever
//! begins them as much as the node. Changes come from the honest device, which
//! makes them before, by its own node.

mod chain;
mod changes;
mod member;
mod strangers;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::document::Edit as DocEdit;
use kernelos_protocol::id::{DeviceId, EventId, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::WANTS_MAX;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Bench;
use super::device::{failed, grant, path};
use super::figures::{Measured, Op, Row, ms, percentile};
use super::fleet::{Fleet, begin_peak, peak_mb};
use crate::api::client::Client;
use crate::home::{Home, random};
use crate::transport::BoxFuture;
use member::Rogue;
use strangers::{AT_ONCE, PACKETS, Strangers};

/// What it is measured against.
const BEFORE: &str = "without the attack";

/// How much slower a command may become, and how much more memory a node may need, in megabytes:
/// quarantine's room (SYNC-12).
const SLOWER: f64 = 2.0;
const MORE_MB: f64 = 67.108_864;

/// Between two commands: 50 a second.
const EVERY: Duration = Duration::from_millis(20);

/// How often the attacker does something, a second, and events in each frame of it: 2,560
/// signatures a second.
const FRAMES_A_SECOND: u32 = 20;
const EVENTS: usize = 128;

/// Devices that were revoked and go on writing: each has room for 1,638 events that are nothing but
/// a header, and writes more.
const REVOKED: usize = 4;

/// For how long the node may leave a dial unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

/// In the order in which they are measured. Who is refused is not met for a while then, so that
/// comes last. `SPEC: LINK-9`
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Packets that look like the first of a connection and are none, from many addresses.
    Packets,
    /// Handshakes that the node answered and that go no further, each from another address.
    HalfWay,
    /// Whole handshakes of devices that are no members.
    Strangers,
    /// Keys that nobody let in, each with a frame of good signatures that let nobody in.
    Introductions,
    /// A member asks for the whole history again and again, and says each time that it got it.
    Wants,
    /// Events after one that nobody has.
    Orphans,
    /// Events of devices that were revoked: quarantine takes them until it is full.
    Quarantine,
    /// Frames of good signatures but for the last: each ends the connection, and the next one is
    /// dialed at once, also while the node keeps its sender out.
    Refused,
    /// A member tells of values that it overwrote, over and over, in few events less than a long
    /// history has.
    Changes,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Packets,
        Self::HalfWay,
        Self::Strangers,
        Self::Introductions,
        Self::Wants,
        Self::Orphans,
        Self::Quarantine,
        Self::Refused,
        Self::Changes,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::HalfWay => "half-way",
            Self::Strangers => "strangers",
            Self::Introductions => "introductions",
            Self::Wants => "wants",
            Self::Orphans => "orphans",
            Self::Quarantine => "quarantine",
            Self::Refused => "refused",
            Self::Changes => "changes",
        }
    }

    /// What was done so many times.
    fn told(self, times: usize) -> [(&'static str, usize); 2] {
        match self {
            Self::Packets => [("times", times), ("packets", times * PACKETS)],
            Self::HalfWay | Self::Strangers => [("times", times), ("handshakes", times * AT_ONCE)],
            Self::Wants => [("frames", times), ("wants", times * WANTS_MAX)],
            Self::Introductions | Self::Orphans | Self::Quarantine | Self::Refused => {
                [("frames", times), ("events", times * EVENTS)]
            }
            Self::Changes => changes::told(times),
        }
    }
}

/// Who is attacked.
#[derive(Debug, Clone, Copy)]
struct Target {
    at: SocketAddr,
    node: DeviceId,
    workspace: WorkspaceId,
}

/// Who attack.
struct Attackers {
    rogue: Arc<Rogue>,
    strangers: Arc<Strangers>,
    /// Asks the honest device.
    member: Arc<Client>,
    /// Asks the node.
    node: Arc<Client>,
    /// How many events it tells of.
    changes: usize,
}

/// How often it was done.
type Attack = BoxFuture<'static, Result<usize, Failure>>;

impl Attackers {
    /// An attack that is ready, and begins when it is awaited.
    fn ready(&self, kind: Kind, times: usize) -> Result<Attack, Failure> {
        let (rogue, strangers) = (Arc::clone(&self.rogue), Arc::clone(&self.strangers));
        Ok(match kind {
            Kind::Packets => Box::pin(strangers.make_up_packets(times)),
            Kind::HalfWay => Box::pin(strangers.stop_half_way(times)),
            Kind::Strangers => Box::pin(strangers.dial(times)),
            Kind::Introductions => {
                let events = rogue.events(EVENTS)?;
                Box::pin(strangers.introduce(times, events))
            }
            Kind::Wants | Kind::Orphans | Kind::Quarantine | Kind::Refused => {
                let frames = rogue.frames(kind, times)?;
                Box::pin(rogue.attack(kind, frames))
            }
            Kind::Changes => {
                let (member, node) = (Arc::clone(&self.member), Arc::clone(&self.node));
                Box::pin(changes::tell(member, node, self.changes))
            }
        })
    }
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let at = socket.local_addr().map_err(failed)?;
    drop(socket);
    let quic = at.to_string();
    let mut fleet = Fleet::start(bench, &[&["--quic", &quic], &[], &[]]).await?;
    let [node, honest, rogue] = &mut fleet.0[..] else { return Err(failed("there is no device")) };
    rogue.stop().await;
    let client = Arc::new(Client::of(&Home::at(&node.home))?);
    let Reply::Status(status) = client.ask(None, Command::Status).await? else {
        return Err(failed("the node has no status"));
    };
    let target = Target { at, node: status.device_id, workspace: status.workspace_id };
    let revoked = revoked(&client).await?;
    let last = write(&client, bench.size(2_000, 100)).await?;
    let secret = Home::at(&rogue.home).own()?.device_secret()?;
    let rogue = Arc::new(Rogue::new(target, secret, revoked, last)?);
    let strangers = Arc::new(Strangers::new(target)?);
    let member = Arc::new(Client::of(&Home::at(&honest.home))?);
    let attackers = Attackers {
        rogue,
        strangers,
        member,
        node: Arc::clone(&client),
        changes: bench.size(200, 20),
    };
    let pid = node.pid.ok_or_else(|| failed("the node has no process"))?;
    let mut rows = Vec::new();
    for (turn, kind) in Kind::ALL.into_iter().enumerate() {
        bench.goes_on(kind.name(), turn, Kind::ALL.len(), Instant::now());
        if let Kind::Changes = kind {
            let (rounds, events) = (bench.size(50, 2), attackers.changes);
            changes::fill(&attackers.member, &client, (rounds, events)).await?;
        }
        rows.extend(measure(bench, &client, pid, &attackers, kind).await?);
    }
    attackers.rogue.close().await;
    attackers.strangers.close().await;
    fleet.stop().await;
    Ok(rows)
}

/// Latency and memory before an attack and during it.
async fn measure(
    bench: &Bench,
    client: &Client,
    pid: u32,
    attackers: &Attackers,
    kind: Kind,
) -> Result<[Row; 2], Failure> {
    let commands = bench.size(250, 20);
    let attack = attackers.ready(kind, commands * FRAMES_A_SECOND as usize / 50)?;
    begin_peak(pid)?;
    let before = (latency(client, commands, || true).await?, peak_mb(pid)?);
    begin_peak(pid)?;
    let attack: JoinHandle<Result<usize, Failure>> = tokio::spawn(attack);
    let during = latency(client, commands, || !attack.is_finished()).await?;
    let times = attack.await.map_err(failed)??;
    let during = (during, peak_mb(pid)?);
    let row = |ours, unit, before, limit: fn(f64) -> f64| {
        let mut measured = Measured::new("attack", ours, unit).with("kind", kind.name());
        for (name, count) in kind.told(times) {
            measured = measured.with(name, count);
        }
        let measured = measured.against(BEFORE, before);
        measured.judge(&bench.machine, Op::AtMost, |of| Some(limit(of(BEFORE)?)))
    };
    Ok([
        row(during.0, "ms p95", before.0, |before| SLOWER * before),
        row(during.1, "MB", before.1, |before| before + MORE_MB),
    ])
}

/// A history of so many events, and the last of them.
async fn write(client: &Client, events: usize) -> Result<EventId, Failure> {
    let mut last = Err(failed("nothing was written"));
    for number in 0..events {
        let set = path("notes/before")?;
        let edits = vec![DocEdit::Set { set, value: json!(number) }];
        if let Reply::Edited(edited) = client.ask(None, Command::Edit { edits }).await? {
            last = edited.event.ok_or_else(|| failed("nothing was written"));
        }
    }
    last
}

/// So often so many times a second, until all is done; how often it was.
async fn paced<F>(times: usize, mut once: impl FnMut(usize) -> F) -> Result<usize, Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let start = Instant::now();
    let every = Duration::from_secs(1) / FRAMES_A_SECOND;
    for (number, turn) in (0..times).zip(1..) {
        once(number).await?;
        sleep((every * turn).saturating_sub(start.elapsed())).await;
    }
    Ok(times)
}

/// Lets devices in and revokes them, before they wrote anything.
async fn revoked(client: &Client) -> Result<Vec<([u8; 32], EventId)>, Failure> {
    let mut revoked = Vec::new();
    for number in 0..REVOKED {
        let secret = random()?;
        let key = DeviceKey::from_secret(&secret);
        let granted = client.ask(None, grant(&key, &format!("gone-{number}"))).await?;
        let Reply::Granted { event, .. } = granted else {
            return Err(failed("a device was not let in"));
        };
        revoked.push((secret, event));
        let revoke = Command::Revoke { device: key.device(), reason: "bench".to_owned() };
        client.ask(None, revoke).await?;
    }
    Ok(revoked)
}

/// The 95th percentile of so many commands, 50 a second, or as many as come `while` it goes on.
async fn latency(
    client: &Client,
    commands: usize,
    goes_on: impl Fn() -> bool,
) -> Result<f64, Failure> {
    let mut times = Vec::new();
    while times.len() < commands && (goes_on() || times.is_empty()) {
        let set = path("notes/under-attack")?;
        let edits = vec![DocEdit::Set { set, value: json!(times.len()) }];
        let start = Instant::now();
        client.ask(None, Command::Edit { edits }).await?;
        times.push(ms(start.elapsed()));
        sleep(EVERY.saturating_sub(start.elapsed())).await;
    }
    Ok(percentile(&mut times, 95))
}
