//! The mesh: this device's transports, who dials whom, and whose an incoming link is.
//!
//! Nothing is decided here but where to knock and how often. Who may enter is asked of the
//! workspaces (the guard), what is said is the Replica's.

pub(crate) mod fixed;
mod nearby;

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use kernelos_protocol::command::{Failure, FailureKind, Mode};
use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::sync::{Message, NOT_MEMBER};
use tokio::sync::mpsc;

use self::nearby::Nearby;
use crate::clock;
use crate::engine::Engine;
use crate::gossip;
use crate::introduce;
use crate::node::{Node, may_sync};
use crate::portable::{Task, sleep, spawn, timeout};
use crate::transport::iroh::IrohTransport;
use crate::transport::iroh::gossip::Neighbour;
use crate::transport::quinn::QuinnTransport;
use crate::transport::{
    BindError, DialError, Guard, Link, NOT_A_MEMBER, Path, Protocol, Transport,
};

/// Between two looks at who is to be dialed.
const LOOK: Duration = Duration::from_millis(250);
/// How long a peer may take for its hello. `SPEC: LINK-7`
const HELLO: Duration = Duration::from_secs(10);
/// After a failed dial the next waits so long, doubled each time.
const RETRY_MS: (u64, u64) = (1_000, 15_000);
/// The device with the greater id leaves the first try to the other.
const POLITE_MS: u64 = 1_500;

/// Where a node waits for others.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// Those whose addresses are told to all members.
    pub listen: Listen,
    /// Plain QUIC, for those that were given this address.
    pub quic: Option<SocketAddr>,
    /// Those on the same local network are told and listened to where this device is reached.
    pub mdns: bool,
    /// Hints are passed on between members. `SPEC: HINT-3`
    pub gossip: bool,
}

impl Ways {
    /// Can they be opened? Nothing is sent, and nothing stays open.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let listen = match self.listen {
            Listen::At(at) => Some((at, "--listen")),
            Listen::None => None,
        };
        for (at, option) in listen.into_iter().chain(self.quic.map(|at| (at, "--quic"))) {
            UdpSocket::bind(at).map_err(|error| {
                let error = BindError { at, why: error.to_string() };
                not_opened(&error, option)
            })?;
        }
        Ok(())
    }
}

/// Where other devices reach this one over paths that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// There; port 0 is the one of the last time.
    At(SocketAddr),
    /// Nowhere.
    None,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self::None) } else { address(text).map(Self::At) }
    }
}

/// An address with a port, as people write it. Names of computers are looked up nowhere: who
/// answers for them would learn who is looked for.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "give an IP address and a port, such as 10.0.0.2:7447 or [fd77::2]:7447; names of \
         computers are not looked up"
            .to_owned()
    })
}

/// The transports that are open, with the tasks around them.
pub(crate) struct Online {
    iroh: Option<Arc<dyn Transport>>,
    quic: Option<Arc<QuinnTransport>>,
    tasks: Vec<Task>,
}

/// When a device is dialed next.
struct Attempt {
    at_ms: u64,
    delay_ms: u64,
    /// It was reached since; how that ended says whether it is dialed at once.
    was_met: bool,
    /// Since when it was there by gossip, when that was looked at last.
    since_ms: u64,
}

impl Attempt {
    fn new(now_ms: u64, polite_ms: u64) -> Self {
        Self { at_ms: now_ms + polite_ms, delay_ms: RETRY_MS.0, was_met: false, since_ms: 0 }
    }

    /// It is heard by gossip since then: it is dialed at once when that begins, and as often as
    /// ever after that. Whoever keeps this one out is not. `SPEC: HINT-5`
    fn hear(&mut self, since_ms: Option<u64>, now_ms: u64, is_kept_out: bool) {
        let since_ms = since_ms.filter(|since_ms| *since_ms > self.since_ms && !is_kept_out);
        if let Some(since_ms) = since_ms {
            *self = Self { since_ms, was_met: self.was_met, ..Self::new(now_ms, 0) };
        }
    }

    /// It is missed. Who was connected is dialed at once, unless the other side keeps this one out:
    /// that was as good as no connection. `SPEC: LINK-9`
    fn miss(&mut self, now_ms: u64, polite_ms: u64, is_kept_out: bool) {
        if std::mem::take(&mut self.was_met) && !is_kept_out {
            *self = Self { since_ms: self.since_ms, ..Self::new(now_ms, polite_ms) };
        }
    }

    fn dialed(&mut self, now_ms: u64) {
        self.at_ms = now_ms + self.delay_ms;
        self.delay_ms = (self.delay_ms * 2).min(RETRY_MS.1);
    }
}

impl Online {
    /// Opens the transports of `node`.
    pub(crate) async fn open(node: &Arc<Node>, secret: &[u8; 32]) -> Result<Self, Failure> {
        let weak = Arc::downgrade(node);
        let guard: Guard = Arc::new(move |device, protocol| {
            weak.upgrade().is_some_and(|node| node.admits(device, protocol))
        });
        let Ways { listen, quic, mdns, gossip: gossips } = node.ways();
        let mut tasks = Vec::new();
        let quic = quic.map(|at| QuinnTransport::bind(secret, at, Arc::clone(&guard)));
        let quic = quic.transpose().map_err(|error| not_opened(&error, "--quic"))?.map(Arc::new);
        let mut iroh = None;
        if let Listen::At(at) = listen {
            let (neighbours, arrived) = mpsc::channel(gossip::WAITING_MAX);
            let neighbours = gossips.then_some(neighbours);
            let bound = bind(node, secret, at, (guard, neighbours)).await;
            let bound = Arc::new(bound.map_err(|error| not_opened(&error, "--listen"))?);
            if gossips {
                let hints = gossip::run(Arc::downgrade(node), Arc::clone(&bound), arrived);
                tasks.push(spawn(hints));
            }
            let bound: Arc<dyn Transport> = bound;
            tasks.push(spawn(accept(Arc::downgrade(node), Arc::clone(&bound))));
            let nearby = mdns.then(|| Nearby::new(bound.device()));
            tasks.push(spawn(dial(Arc::downgrade(node), Arc::clone(&bound), nearby)));
            iroh = Some(bound);
        } else {
            for engine in node.synced() {
                // The others need not look where it was.
                engine.addresses(Vec::new()).await;
            }
        }
        if let Some(quic) = &quic {
            tasks.push(spawn(accept(Arc::downgrade(node), Arc::clone(quic) as _)));
            tasks.push(spawn(fixed::dial(Arc::downgrade(node), Arc::clone(quic))));
        }
        Ok(Self { iroh, quic, tasks })
    }

    /// The way to others whose paths may change.
    pub(crate) fn iroh(&self) -> Option<Arc<dyn Transport>> {
        self.iroh.clone()
    }

    /// The way to fixed addresses.
    pub(crate) fn quic(&self) -> Option<Arc<QuinnTransport>> {
        self.quic.clone()
    }

    /// Closes them; peers hear it.
    pub(crate) async fn close(self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(iroh) = self.iroh {
            iroh.close().await;
        }
        if let Some(quic) = self.quic {
            quic.close().await;
        }
    }
}

fn not_opened(error: &BindError, option: &str) -> Failure {
    Failure::new(FailureKind::Failed, format!("no transport can be opened: {error}"))
        .with_hint(format!("another address: kern up {option} ADDRESS:PORT"))
}

/// Binds the port of the last time, or another where that is taken.
async fn bind(
    node: &Node,
    secret: &[u8; 32],
    mut at: SocketAddr,
    (guard, neighbours): (Guard, Option<mpsc::Sender<Neighbour>>),
) -> Result<IrohTransport, BindError> {
    let bind = |at, guard| IrohTransport::bind_with(secret, at, guard, neighbours.clone());
    if let (0, Some(port)) = (at.port(), node.home().last_port()) {
        at.set_port(port);
        if let Ok(bound) = bind(at, Arc::clone(&guard)).await {
            return Ok(bound);
        }
        at.set_port(0);
    }
    let bound = bind(at, guard).await?;
    if let Some(address) = bound.addresses().first() {
        node.home().keep_port(address.port());
    }
    Ok(bound)
}

async fn accept(node: Weak<Node>, transport: Arc<dyn Transport>) {
    while let Some(link) = transport.accept().await {
        let Some(node) = node.upgrade() else { return };
        match link.protocol {
            Protocol::Sync => drop(spawn(greet(node, link))),
            Protocol::Pair => node.pairing().connected(&node, link),
            Protocol::Introduce => drop(spawn(introduce::answer(node, link))),
            // Never a link.
            Protocol::Gossip => {}
        }
    }
}

/// The hello names the workspace; who names none that is here learns nothing.
async fn greet(node: Arc<Node>, mut link: Link) {
    let said = async {
        loop {
            match link.receive().await {
                // It is there, and has nothing to say yet.
                Ok(Some(frame)) if frame.is_empty() => {}
                said => return said,
            }
        }
    };
    let Some(Ok(Some(frame))) = timeout(HELLO, said).await else { return };
    // A hello holds no event, so it is read before the workspace is known.
    let message = Message::decode(&frame, &WorkspaceId::UNBORN);
    let message = match message {
        Ok(message) => message,
        // Who dialed learns that it is of another version, and comes less often.
        Err(fault) => return link.close(fault.code()),
    };
    let Message::Hello { workspace, .. } = &message else { return link.close("hello") };
    match node.named(&link.exporter, workspace) {
        // The handshake asked for any workspace; this is the one that is meant.
        Some(engine) if !may_sync(&engine, &link.peer) => link.close(NOT_MEMBER),
        Some(engine) => engine.attach(link, Some(message)).await,
        None => link.close("unknown workspace"),
    }
}

/// Where devices were when they were last connected. One that moved is known there before its card
/// says so, and after both moved nobody else could tell. A hint only: a dial proves who answers.
#[derive(Default)]
struct Seen(BTreeMap<DeviceId, SocketAddr>);

impl Seen {
    fn note(&mut self, connected: &BTreeMap<DeviceId, Option<Path>>) {
        for (device, path) in connected {
            if let Some(address) = path.and_then(|path| path.again) {
                self.0.insert(*device, address);
            }
        }
    }

    /// These addresses, and where the device was seen.
    fn with(&self, device: &DeviceId, mut at: Vec<SocketAddr>) -> Vec<SocketAddr> {
        if let Some(address) = self.0.get(device).filter(|seen| !at.contains(seen)) {
            at.insert(0, *address);
        }
        at
    }
}

async fn dial(node: Weak<Node>, transport: Arc<dyn Transport>, mut nearby: Option<Nearby>) {
    let mut seen = Seen::default();
    let mut attempts: BTreeMap<(WorkspaceId, DeviceId), Attempt> = BTreeMap::new();
    let mut addresses: BTreeMap<WorkspaceId, Vec<SocketAddr>> = BTreeMap::new();
    loop {
        let Some(node) = node.upgrade() else { return };
        let now_ms = clock::now().monotonic_ms;
        let own = transport.addresses();
        let heard = match &mut nearby {
            Some(nearby) => nearby.look(now_ms, &node.missed(), &own).await,
            None => BTreeMap::new(),
        };
        for engine in node.synced() {
            if addresses.get(&engine.workspace()) != Some(&own) {
                addresses.insert(engine.workspace(), own.clone());
                engine.addresses(own.clone()).await;
                // Another network: who was not reached from the last one may be now.
                attempts.retain(|(workspace, _), _| *workspace != engine.workspace());
            }
            let connected = engine.shared(|shared| shared.connected.clone());
            seen.note(&connected);
            for (device, at) in node.targets(&engine, &heard) {
                // Who let this device in cannot know yet where it is.
                let is_introducer =
                    engine.meta.introducer.as_ref().is_some_and(|(by, _)| *by == device);
                let is_first = transport.device() < device || is_introducer;
                let polite = if is_first { 0 } else { POLITE_MS };
                let attempt = attempts
                    .entry((engine.workspace(), device))
                    .or_insert_with(|| Attempt::new(now_ms, polite));
                let is_kept_out = engine.shared(|shared| shared.is_kept_out_by(&device));
                attempt.miss(now_ms, polite, is_kept_out);
                let since_ms = engine.shared(|shared| Some(shared.heard.get(&device)?.since_ms));
                attempt.hear(since_ms, now_ms, is_kept_out);
                // Who says that it is here is dialed at once.
                if now_ms < attempt.at_ms && !heard.contains_key(&device) {
                    continue;
                }
                attempt.dialed(now_ms);
                let at = seen.with(&device, at);
                let (engine, transport) = (Arc::clone(&engine), Arc::clone(&transport));
                // What went wrong is tried again.
                spawn(async move { drop(knock(&engine, &*transport, device, &at).await) });
            }
            for ((workspace, device), attempt) in &mut attempts {
                attempt.was_met |=
                    *workspace == engine.workspace() && connected.contains_key(device);
            }
        }
        drop(node);
        sleep(LOOK).await;
    }
}

/// One try to connect. Who has not heard of this device's grant is shown it first: known by the
/// guard's word, or by the last connection's, where both share another workspace.
async fn knock(
    engine: &Engine,
    transport: &dyn Transport,
    device: DeviceId,
    at: &[SocketAddr],
) -> Result<(), DialError> {
    let now_ms = clock::now().monotonic_ms;
    if engine.shared(|shared| shared.keeps_out(&device, now_ms)) {
        let why = "it broke a rule, and is not met for a while: `kern status`";
        return Err(DialError::Unreachable(why.to_owned()));
    }
    let mut dialed = Err(DialError::Refused(NOT_A_MEMBER.to_owned()));
    if engine.shared(|shared| shared.is_revoked_for(&device)) {
        introduce::hand_over(engine, transport, device, at).await;
    }
    if !engine.shared(|shared| shared.is_stranger_to(&device)) {
        dialed = transport.dial(device, at, Protocol::Sync).await;
    }
    if dialed.as_ref().is_err_and(DialError::is_stranger)
        && introduce::to(engine, transport, device, at).await
    {
        dialed = transport.dial(device, at, Protocol::Sync).await;
    }
    engine.attach(dialed?, None).await;
    Ok(())
}

/// Does this mode speak with others?
pub(crate) fn speaks(mode: Mode) -> bool {
    mode == Mode::Synced
}

#[cfg(test)]
mod tests;
