//! samod over TCP, in memory.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use ::samod::{BackoffConfig, DialError, Dialer, DocHandle, Repo, Transport};
use automerge::ChangeHash;
use futures::StreamExt as _;
use serde_json::{Value as Json, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use url::Url;

use crate::Fault;
use crate::edits::Edits;
use crate::tasks::{EVERY, actor, commit, document, p95};

/// Connects once the gate is open.
struct Gated {
    at: SocketAddr,
    gate: watch::Receiver<bool>,
}

impl Dialer for Gated {
    type Error = Infallible;

    fn url(&self) -> Url {
        url(self.at)
    }

    fn connect(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Transport, DialError<Infallible>>> + Send>> {
        let (at, mut gate) = (self.at, self.gate.clone());
        Box::pin(async move {
            gate.wait_for(|open| *open).await.map_err(DialError::transient)?;
            let stream = TcpStream::connect(at).await.map_err(DialError::transient)?;
            stream.set_nodelay(true).map_err(DialError::transient)?;
            Ok(Transport::from_tokio_io(stream))
        })
    }
}

fn url(at: SocketAddr) -> Url {
    // An address is always a good host and port.
    Url::parse(&format!("tcp://{at}")).unwrap_or_else(|_| unreachable!())
}

struct Node {
    repo: Repo,
    at: SocketAddr,
}

/// A node that takes whoever connects.
async fn node() -> Result<Node, Fault> {
    let repo = Repo::build_tokio().load().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let at = listener.local_addr()?;
    let acceptor = repo.make_acceptor(url(at))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if stream.set_nodelay(true).is_ok() {
                acceptor.accept(Transport::from_tokio_io(stream)).ok();
            }
        }
    });
    Ok(Node { repo, at })
}

fn heads(handle: &DocHandle) -> Vec<ChangeHash> {
    let mut heads = handle.with_document(|document| document.get_heads());
    heads.sort();
    heads
}

async fn reaches(handle: &DocHandle, target: &[ChangeHash]) -> Result<(), Fault> {
    let mut changes = handle.changes();
    while heads(handle) != target {
        changes.next().await.ok_or("a node ended")?;
    }
    Ok(())
}

/// Nodes that hold the same document, connected in a star around the first, and those links.
async fn met(
    nodes: usize,
) -> Result<(Vec<Node>, Vec<DocHandle>, Vec<::samod::DialerHandle>), Fault> {
    let first = node().await?;
    let mut handles = vec![first.repo.create(document()?).await?];
    let (mut all, mut dialers) = (vec![first], Vec::new());
    for number in 1..nodes {
        let node = node().await?;
        let gate = watch::Sender::new(false);
        let dialer = Arc::new(Gated { at: all[0].at, gate: gate.subscribe() });
        let dialer = node.repo.dial(BackoffConfig::default(), dialer)?;
        gate.send_replace(true);
        dialer.established().await?;
        let found = node.repo.find(handles[0].document_id().clone()).await?;
        let handle = found.ok_or("samod found no document")?;
        reaches(&handle, &heads(&handles[0])).await?;
        let actor = actor(u8::try_from(number)?);
        handle.with_document(|document| {
            document.set_actor(actor);
        });
        handles.push(handle);
        dialers.push(dialer);
        all.push(node);
    }
    handles[0].with_document(|document| {
        document.set_actor(actor(0));
    });
    Ok((all, handles, dialers))
}

pub(crate) async fn heal(nodes: usize, edits: usize) -> Result<Json, Fault> {
    let (nodes, handles, dialers) = met(nodes).await?;
    for dialer in dialers {
        dialer.close();
    }
    for node in &nodes {
        while !node.repo.connected_peers().0.is_empty() {
            sleep(EVERY / 10).await;
        }
    }
    let mut target = Vec::new();
    for (handle, seed) in handles.iter().zip(1..) {
        handle.with_document(|document| {
            Edits::new(seed).take(edits).try_for_each(|edit| commit(document, edit))
        })?;
        target.extend(heads(handle));
    }
    target.sort();
    let (gate, mut dialers) = (watch::Sender::new(false), Vec::new());
    for (number, node) in nodes.iter().enumerate() {
        for other in &nodes[number + 1..] {
            let dialer = Arc::new(Gated { at: other.at, gate: gate.subscribe() });
            dialers.push(node.repo.dial(BackoffConfig::default(), dialer)?);
        }
    }
    // What was registered is under way now, at the gate.
    sleep(EVERY).await;
    let start = Instant::now();
    gate.send_replace(true);
    for handle in &handles {
        reaches(handle, &target).await?;
    }
    Ok(json!({ "ms": start.elapsed().as_secs_f64() * 1e3 }))
}

pub(crate) async fn live(edits: usize) -> Result<Json, Fault> {
    let (_nodes, handles, _dialers) = met(2).await?;
    let mut times = Vec::with_capacity(edits);
    for edit in Edits::new(1).take(edits) {
        let start = Instant::now();
        handles[0].with_document(|document| commit(document, edit))?;
        let target = heads(&handles[0]);
        reaches(&handles[1], &target).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        sleep(EVERY.saturating_sub(start.elapsed())).await;
    }
    Ok(json!({ "p95_ms": p95(times) }))
}
