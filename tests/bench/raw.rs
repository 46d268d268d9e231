//! Raw Automerge sync over TCP: a task a node, which owns its document and answers its links.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use automerge::sync::{Message, State, SyncDoc as _};
use automerge::{Automerge, ChangeHash};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::Fault;
use crate::edits::{Edit, Edits};
use crate::tasks::{EVERY, actor, commit, document, p95};

/// What a link reads at once.
pub(crate) const READ_BYTES: usize = 65_536;

/// Nothing was written for so long: nothing more comes.
const QUIET: Duration = Duration::from_millis(200);

enum Input {
    Frame(usize, Vec<u8>),
    Edits(Vec<Edit>),
    Start,
}

struct Link {
    state: State,
    writer: OwnedWriteHalf,
}

struct Node {
    document: Automerge,
    links: Vec<Link>,
    bytes: Arc<AtomicU64>,
    /// Its heads, whenever they may have changed.
    heads: mpsc::UnboundedSender<Vec<ChangeHash>>,
}

/// A node from outside.
struct Handle {
    inbox: mpsc::UnboundedSender<Input>,
    heads: mpsc::UnboundedReceiver<Vec<ChangeHash>>,
}

impl Node {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Input>) -> Result<(), Fault> {
        while let Some(input) = inbox.recv().await {
            self.take(input)?;
            while let Ok(input) = inbox.try_recv() {
                self.take(input)?;
            }
            for link in &mut self.links {
                while let Some(message) = self.document.generate_sync_message(&mut link.state) {
                    let message = message.encode();
                    let mut frame = u32::try_from(message.len())?.to_be_bytes().to_vec();
                    frame.extend_from_slice(&message);
                    link.writer.write_all(&frame).await?;
                    self.bytes.fetch_add(4 + message.len() as u64, Ordering::Relaxed);
                }
            }
            self.heads.send(heads(&self.document)).ok();
        }
        Ok(())
    }

    fn take(&mut self, input: Input) -> Result<(), Fault> {
        match input {
            Input::Frame(link, frame) => {
                let state = &mut self.links[link].state;
                self.document.receive_sync_message(state, Message::decode(&frame)?)?;
            }
            Input::Edits(edits) => {
                for edit in edits {
                    commit(&mut self.document, edit)?;
                }
            }
            Input::Start => {}
        }
        Ok(())
    }
}

impl Handle {
    fn say(&self, input: Input) -> Result<(), Fault> {
        self.inbox.send(input).map_err(|_| "a node ended".into())
    }

    async fn reaches(&mut self, target: &[ChangeHash]) -> Result<(), Fault> {
        while self.heads.recv().await.ok_or("a node ended")? != target {}
        Ok(())
    }
}

fn heads(document: &Automerge) -> Vec<ChangeHash> {
    let mut heads = document.get_heads();
    heads.sort();
    heads
}

/// Starts a node for each document, connected each with each; none has said anything yet.
async fn start(documents: Vec<Automerge>) -> Result<(Vec<Handle>, Arc<AtomicU64>), Fault> {
    let bytes = Arc::new(AtomicU64::new(0));
    let (mut nodes, mut handles, mut inboxes) = (Vec::new(), Vec::new(), Vec::new());
    for document in documents {
        let (inbox, waiting) = mpsc::unbounded_channel();
        let (tell, heads) = mpsc::unbounded_channel();
        nodes.push(Node { document, links: Vec::new(), bytes: Arc::clone(&bytes), heads: tell });
        handles.push(Handle { inbox, heads });
        inboxes.push(waiting);
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let at = listener.local_addr()?;
    for one in 0..nodes.len() {
        for other in one + 1..nodes.len() {
            let (near, far) = tokio::join!(TcpStream::connect(at), listener.accept());
            for (node, stream) in [(one, near?), (other, far?.0)] {
                stream.set_nodelay(true)?;
                let (reader, writer) = stream.into_split();
                let link = nodes[node].links.len();
                nodes[node].links.push(Link { state: State::new(), writer });
                tokio::spawn(read(link, reader, handles[node].inbox.clone()));
            }
        }
    }
    for (node, inbox) in nodes.into_iter().zip(inboxes) {
        // Who waits for a node that failed hears that it ended.
        tokio::spawn(node.run(inbox));
    }
    Ok((handles, bytes))
}

async fn read(
    link: usize,
    reader: OwnedReadHalf,
    inbox: mpsc::UnboundedSender<Input>,
) -> Result<(), Fault> {
    let mut reader = BufReader::with_capacity(READ_BYTES, reader);
    loop {
        let mut frame = vec![0; usize::try_from(reader.read_u32().await?)?];
        reader.read_exact(&mut frame).await?;
        inbox.send(Input::Frame(link, frame))?;
    }
}

pub(crate) async fn heal(nodes: usize, edits: usize) -> Result<Json, Fault> {
    let base = document()?.save();
    let (mut documents, mut target) = (Vec::new(), Vec::new());
    for node in 0..nodes {
        let mut document = Automerge::load(&base)?.with_actor(actor(u8::try_from(node)?));
        for edit in Edits::new(node as u64 + 1).take(edits) {
            commit(&mut document, edit)?;
        }
        target.extend(heads(&document));
        documents.push(document);
    }
    target.sort();
    let (mut handles, bytes) = start(documents).await?;
    let start = Instant::now();
    for handle in &handles {
        handle.say(Input::Start)?;
    }
    for handle in &mut handles {
        handle.reaches(&target).await?;
    }
    let ms = start.elapsed().as_secs_f64() * 1e3;
    Ok(json!({ "ms": ms, "bytes": quiet(&bytes).await }))
}

pub(crate) async fn bytes(edits: usize, single: bool) -> Result<Json, Fault> {
    let (mut handles, bytes, mut mirror) = pair().await?;
    let before = quiet(&bytes).await;
    let edits: Vec<_> = Edits::new(1).take(edits).collect();
    for edits in edits.chunks(if single { 1 } else { edits.len().max(1) }) {
        for edit in edits {
            commit(&mut mirror, *edit)?;
        }
        handles[0].say(Input::Edits(edits.to_vec()))?;
        handles[1].reaches(&heads(&mirror)).await?;
    }
    Ok(json!({ "bytes": quiet(&bytes).await - before }))
}

pub(crate) async fn live(edits: usize) -> Result<Json, Fault> {
    let (mut handles, _, mut mirror) = pair().await?;
    let mut times = Vec::with_capacity(edits);
    for edit in Edits::new(1).take(edits) {
        commit(&mut mirror, edit)?;
        let target = heads(&mirror);
        let start = Instant::now();
        handles[0].say(Input::Edits(vec![edit]))?;
        handles[1].reaches(&target).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        sleep(EVERY.saturating_sub(start.elapsed())).await;
    }
    Ok(json!({ "p95_ms": p95(times) }))
}

/// Two nodes that hold the same and are connected, and a document that makes the first one's
/// changes beside it, so that it is known which are waited for.
async fn pair() -> Result<(Vec<Handle>, Arc<AtomicU64>, Automerge), Fault> {
    let base = document()?.save();
    let load = |node| Ok::<_, Fault>(Automerge::load(&base)?.with_actor(actor(node)));
    let (handles, bytes) = start(vec![load(0)?, load(1)?]).await?;
    for handle in &handles {
        handle.say(Input::Start)?;
    }
    Ok((handles, bytes, load(0)?))
}

async fn quiet(bytes: &AtomicU64) -> u64 {
    loop {
        let before = bytes.load(Ordering::Relaxed);
        sleep(QUIET).await;
        if bytes.load(Ordering::Relaxed) == before {
            return before;
        }
    }
}
