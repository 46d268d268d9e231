//! `attack`: what a command takes and what a node needs while a member, whose key it has, sends
//! what no honest device would; beside the same node a moment before.
//!
//! The node is a process of its own with an honest device beside it; the attacker is this one, with
//! the key of a device that was let in. It sends so many frames a second, all of them made before,
//! so that what is measured is the node and not who shares its processor.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::document::Edit as DocEdit;
use kernelos_protocol::event::{Class, Header, Unsigned, Verified};
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::sync::{Message, workspace_tag};
use kernelos_protocol::time::Stamp;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::Bench;
use super::device::{everybody, failed, grant, path};
use super::figures::{Measured, Op, Row, ms, percentile};
use super::fleet::{Fleet, begin_peak, peak_mb};
use crate::api::client::Client;
use crate::home::{Home, random};
use crate::transport::quinn::QuinnTransport;
use crate::transport::{Link, Protocol, Transport as _};

/// What it is measured against.
const BEFORE: &str = "without the attack";

/// How much slower a command may become, and how much more memory a node may need, in megabytes:
/// quarantine's room (SYNC-12).
const SLOWER: f64 = 2.0;
const MORE_MB: f64 = 67.108_864;

/// Between two commands: 50 a second.
const EVERY: Duration = Duration::from_millis(20);

/// Frames of the attacker a second, and events in each: 2,560 signatures a second.
const FRAMES_A_SECOND: u32 = 20;
const EVENTS: usize = 128;

/// Devices that were revoked and go on writing: each has room for 1,638 events that are nothing but
/// a header, and writes more.
const REVOKED: usize = 4;

/// For how long the node may leave a dial unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Frames of good signatures but for the last: each ends the connection, and the next one is
    /// dialed at once, also while the node keeps its sender out.
    Refused,
    /// Events after one that nobody has.
    Orphans,
    /// Events of devices that were revoked: quarantine takes them until it is full.
    Quarantine,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Orphans => "orphans",
            Self::Quarantine => "quarantine",
        }
    }
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let at = socket.local_addr().map_err(failed)?;
    drop(socket);
    let quic = at.to_string();
    let mut fleet = Fleet::start(bench, &[&["--quic", &quic], &[], &[]]).await?;
    let [node, _, rogue] = &mut fleet.0[..] else { return Err(failed("there is no device")) };
    rogue.stop().await;
    let client = Client::of(&Home::at(&node.home))?;
    let Reply::Status(status) = client.ask(None, Command::Status).await? else {
        return Err(failed("the node has no status"));
    };
    let secret = Home::at(&rogue.home).own()?.device_secret()?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let transport = QuinnTransport::bind(&secret, any, everybody()).map_err(failed)?;
    let (device, workspace) = (status.device_id, status.workspace_id);
    let revoked = revoked(&client).await?;
    let rogue = Arc::new(Rogue { at, node: device, workspace, secret, revoked, transport });
    let pid = node.pid.ok_or_else(|| failed("the node has no process"))?;
    let commands = bench.size(250, 20);
    let mut rows = Vec::new();
    // Who is refused is not met for a while then: that comes last. `SPEC: LINK-9`
    for (turn, kind) in [Kind::Orphans, Kind::Quarantine, Kind::Refused].into_iter().enumerate() {
        bench.goes_on(kind.name(), turn, 3, Instant::now());
        let frames = rogue.frames(kind, commands * FRAMES_A_SECOND as usize / 50)?;
        begin_peak(pid)?;
        let before = (latency(&client, commands, || true).await?, peak_mb(pid)?);
        begin_peak(pid)?;
        let attack = Arc::clone(&rogue).attack(kind, frames);
        let attack: JoinHandle<Result<usize, Failure>> = tokio::spawn(attack);
        let during = latency(&client, commands, || !attack.is_finished()).await?;
        let sent = attack.await.map_err(failed)??;
        let during = (during, peak_mb(pid)?);
        let row = |ours, unit, before, limit: fn(f64) -> f64| {
            let measured = Measured::new("attack", ours, unit)
                .with("kind", kind.name())
                .with("frames", sent)
                .with("events", sent * EVENTS)
                .against(BEFORE, before);
            measured.judge(&bench.machine, Op::AtMost, |of| Some(limit(of(BEFORE)?)))
        };
        rows.push(row(during.0, "ms p95", before.0, |before| SLOWER * before));
        rows.push(row(during.1, "MB", before.1, |before| before + MORE_MB));
    }
    rogue.transport.close().await;
    fleet.stop().await;
    Ok(rows)
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

/// Who attacks.
struct Rogue {
    at: SocketAddr,
    node: DeviceId,
    workspace: WorkspaceId,
    secret: Zeroizing<[u8; 32]>,
    /// Secrets of revoked devices, and their grants.
    revoked: Vec<([u8; 32], EventId)>,
    transport: QuinnTransport,
}

impl Rogue {
    /// So many frames to send.
    fn frames(&self, kind: Kind, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let mut frames = Vec::new();
        let mut chain = Chain::of(&self.secret, self.workspace, self.workspace.genesis())?;
        for number in 0..count {
            match kind {
                Kind::Quarantine if number % count.div_ceil(REVOKED) == 0 => {
                    let by = self.revoked.get(number / count.div_ceil(REVOKED));
                    let (secret, grant) = by.ok_or_else(|| failed("nobody is revoked"))?;
                    chain = Chain::of(secret, self.workspace, *grant)?;
                }
                Kind::Orphans => {
                    chain = Chain::of(&self.secret, self.workspace, self.workspace.genesis())?;
                    chain.last = Some((1, EventId(random()?)));
                }
                _ => {}
            }
            let events = (0..EVENTS).map(|_| chain.next()).collect::<Result<Vec<_>, _>>()?;
            // Each with its signature: no one of them proves another.
            let mut frame = Message::events(events).encode();
            if let (Kind::Refused, Some(last)) = (kind, frame.last_mut()) {
                *last ^= 1;
            }
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Sends them, so many a second; on a new connection where the last was ended. How many were
    /// sent?
    async fn attack(self: Arc<Self>, kind: Kind, frames: Vec<Vec<u8>>) -> Result<usize, Failure> {
        let (start, mut link) = (Instant::now(), None);
        let every = Duration::from_secs(1) / FRAMES_A_SECOND;
        for (number, frame) in (1..).zip(&frames) {
            if link.is_none() || matches!(kind, Kind::Refused) {
                link = Some(self.meet().await?);
            }
            let sent = match &mut link {
                Some((link, _)) => link.send(frame).await.is_ok(),
                None => false,
            };
            if !sent {
                link = None;
            }
            sleep((every * number).saturating_sub(start.elapsed())).await;
        }
        Ok(frames.len())
    }

    /// Connects and says hello; what the node says is read and dropped.
    async fn meet(&self) -> Result<(crate::transport::Sender, Drain), Failure> {
        let addresses = [self.at];
        let dial = self.transport.dial(self.node, &addresses, Protocol::Sync);
        let link: Link = timeout(PATIENCE, dial).await.map_err(failed)?.map_err(failed)?;
        let workspace = workspace_tag(&link.exporter, &self.workspace);
        let hello =
            Message::Hello { workspace, incarnation: Incarnation([7; 8]), lanes_hash: [0; 32] };
        let (mut sender, mut receiver) = link.split();
        sender.send(&hello.encode()).await.map_err(failed)?;
        let drain = async move { while let Ok(Some(_)) = receiver.receive().await {} };
        Ok((sender, Drain(tokio::spawn(drain))))
    }
}

/// Reads what the node says, until it is dropped.
struct Drain(JoinHandle<()>);

impl Drop for Drain {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Events of one author, one after the other, that say nothing.
struct Chain {
    key: DeviceKey,
    workspace: WorkspaceId,
    heard: EventId,
    incarnation: Incarnation,
    last: Option<(u64, EventId)>,
}

impl Chain {
    fn of(secret: &[u8; 32], workspace: WorkspaceId, heard: EventId) -> Result<Self, Failure> {
        let (key, life) = (DeviceKey::from_secret(secret), random()?);
        let incarnation = Incarnation(std::array::from_fn(|i| life[i]));
        Ok(Self { key, workspace, heard, incarnation, last: None })
    }

    fn next(&mut self) -> Result<Verified, Failure> {
        let seq = self.last.map_or(0, |(seq, _)| seq + 1);
        let header = Header {
            workspace: self.workspace,
            lane: Lane::Content,
            author: self.key.device(),
            incarnation: self.incarnation,
            seq,
            prev: self.last.map(|(_, id)| id),
            parents: Vec::new(),
            heard: vec![self.heard],
            stamp: Stamp(seq),
            class: Class::Plain,
            epoch: None,
            body: None,
        };
        let event = Unsigned { header, body: None }.sign(&self.key).map_err(failed)?;
        self.last = Some((seq, event.id()));
        Ok(event)
    }
}
