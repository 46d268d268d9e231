//! Plain QUIC between fixed addresses: who is there is learned by its key, and must be a member.
//!
//! Only addresses that a person gave are dialed. Whoever answers without a member's key hears that
//! it is not wanted, and not who asked. `SPEC: LINK-3`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::id::{DeviceId, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::{Attempt, LOOK, Listen, POLITE_MS, knock};
use crate::clock;
use crate::node::Node;
use crate::portable::{Task, sleep, spawn};
use crate::transport::quinn::QuinnTransport;
use crate::transport::{DialError, Transport as _};

/// A device that was found at an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// Which.
    pub id: DeviceId,
    /// Over what it is reached.
    pub path: String,
}

/// An address that is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerRow {
    /// Where.
    pub address: SocketAddr,
    /// Who was found there since the node runs.
    pub id: Option<DeviceId>,
}

/// Dials the addresses that are kept while a member is missing that may be there.
pub(super) async fn dial(node: Weak<Node>, quic: Arc<QuinnTransport>) {
    let mut attempts: BTreeMap<SocketAddr, (Attempt, Option<Task>)> = BTreeMap::new();
    loop {
        let Some(node) = node.upgrade() else { return };
        let now_ms = clock::now().monotonic_ms;
        let missing = |(at, device): (SocketAddr, Option<DeviceId>)| {
            // Who was there may be no member any more, and another one may be there now.
            let device = device.filter(|device| node.speaks_with(device, None));
            let is_missing = match &device {
                Some(device) => !node.lacking(device).is_empty(),
                None => node.lacks_any(),
            };
            is_missing.then_some((at, device))
        };
        let kept = node.peers().all();
        attempts.retain(|at, _| kept.iter().any(|(address, _)| address == at));
        let peers: BTreeMap<_, _> = kept.into_iter().filter_map(missing).collect();
        for (at, (attempt, _)) in &mut attempts {
            attempt.was_met |= !peers.contains_key(at);
        }
        for (at, device) in peers {
            let is_first = device.is_none_or(|device| quic.device() < device);
            // Two connections at once would end each other; the other transport goes first.
            let is_alone = node.ways().listen == Listen::None;
            let polite = (u64::from(!is_first) + u64::from(!is_alone)) * POLITE_MS;
            let (attempt, task) =
                attempts.entry(at).or_insert_with(|| (Attempt::new(now_ms, polite), None));
            attempt.miss(now_ms, polite, device.is_some_and(|device| node.is_kept_out_by(&device)));
            if now_ms < attempt.at_ms || task.as_ref().is_some_and(|task| !task.is_over()) {
                continue;
            }
            attempt.dialed(now_ms);
            let (node, quic) = (Arc::clone(&node), Arc::clone(&quic));
            *task = Some(spawn(async move {
                // What went wrong is tried again.
                meet(&node, &quic, at, device).await.ok();
            }));
        }
        drop(node);
        sleep(LOOK).await;
    }
}

/// Connects the workspaces that lack the device at this address.
async fn meet(
    node: &Arc<Node>,
    quic: &QuinnTransport,
    at: SocketAddr,
    known: Option<DeviceId>,
) -> Result<(), DialError> {
    let device = match known {
        Some(device) => device,
        None => find(node, quic, at, None).await?.0,
    };
    node.peers().learned(at, Some(device));
    let met = connect(node, quic, at, device, None).await;
    if met == Err(DialError::OtherDevice) {
        node.peers().learned(at, None);
    }
    met
}

/// The member at this address, of one workspace or of any.
async fn find(
    node: &Arc<Node>,
    quic: &QuinnTransport,
    at: SocketAddr,
    workspace: Option<WorkspaceId>,
) -> Result<(DeviceId, &'static str), DialError> {
    let node = Arc::downgrade(node);
    let wanted = move |device: &DeviceId| {
        node.upgrade().is_some_and(|node| node.speaks_with(device, workspace))
    };
    let (device, path) = quic.find(at, wanted).await?;
    Ok((device, path.name()))
}

/// Good where one workspace has a connection now, or none lacked it.
async fn connect(
    node: &Node,
    quic: &QuinnTransport,
    at: SocketAddr,
    device: DeviceId,
    workspace: Option<WorkspaceId>,
) -> Result<(), DialError> {
    let mut met = None;
    for engine in node.lacking(&device) {
        if workspace.is_none_or(|workspace| engine.workspace() == workspace) {
            let knocked = knock(&engine, quic, device, &[at]).await;
            met = met.filter(Result::is_ok).or(Some(knocked));
        }
    }
    met.unwrap_or(Ok(()))
}

/// Keeps an address once the member there was found and has let this device in.
pub(crate) async fn add(
    node: &Arc<Node>,
    workspace: Option<&str>,
    at: SocketAddr,
) -> Result<Found, Failure> {
    let workspace = workspace.map(|name| node.engine(Some(name))).transpose()?;
    let workspace = workspace.map(|engine| engine.workspace());
    let quic = node.plain_quic().await?;
    let told = |error| failure(at, error);
    let (id, path) = find(node, &quic, at, workspace).await.map_err(told)?;
    connect(node, &quic, at, id, workspace).await.map_err(told)?;
    node.peers().add(at, id)?;
    Ok(Found { id, path: path.to_owned() })
}

fn failure(at: SocketAddr, error: DialError) -> Failure {
    match error {
        DialError::OtherDevice => {
            Failure::new(FailureKind::Denied, format!("no other member of a workspace is at {at}"))
                .with_hint("nothing was kept; `kern devices` shows the members")
        }
        error if error.is_busy() => {
            Failure::new(FailureKind::Busy, format!("{at}: {error}")).with_hint("try again")
        }
        DialError::Refused(_) => Failure::new(FailureKind::Denied, format!("{at}: {error}"))
            .with_hint("nothing was kept; is this device still a member there?"),
        DialError::Unreachable(why) => {
            Failure::new(FailureKind::Busy, format!("{at} is not reached: {why}")).with_hint(
                "nothing was kept; the other device runs `kern up --quic ADDRESS:PORT`, then again",
            )
        }
        DialError::Closed => {
            Failure::new(FailureKind::Failed, "the transport was closed").with_hint("kern online")
        }
    }
}
