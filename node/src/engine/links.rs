//! The connections of one workspace: frames out in order, messages in, decoded where they come.
//!
//! A slow peer slows nobody: what is to be sent to it waits in a queue of a bounded length, and
//! one that lets it fill is disconnected. What comes in is decoded and its signatures are checked
//! here, before the Replica and beside it; a full inbox makes the peer wait.
//!
//! A transport may believe in a connection that carries nothing any more (its packets arrive, the
//! stream's do not): what says nothing says so every few seconds, and silence ends the link.
//! `SPEC: LINK-4`

use std::collections::BTreeMap;
use std::time::Duration;

use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::limits::{ALIVE_MS, SILENT_MS};
use kernelos_protocol::sync::{LinkId, Message, SyncFault};
use tokio::sync::mpsc;

use super::Wake;
use crate::portable::{Task, beside, spawn, timeout};
use crate::transport::{Link, LinkClosed, Path, Receiver, Sender};

/// Frames that wait for a peer: more than its window of eight and what is said beside them.
const FRAMES_WAITING_MAX: usize = 256;

/// Bytes of a frame from which on it is read on another thread: reading less takes less time than
/// handing it over.
const BESIDE_BYTES_MIN: usize = 4 * 1_024;

/// What is to be sent to a peer.
enum Outgoing {
    Frame(Vec<u8>),
    Close(String),
}

/// The connections that are up.
#[derive(Default)]
pub(super) struct Links {
    links: BTreeMap<LinkId, Open>,
    next: u64,
}

struct Open {
    device: DeviceId,
    outgoing: mpsc::Sender<Outgoing>,
    path: tokio::sync::watch::Receiver<Option<Path>>,
    reader: Task,
}

impl Links {
    /// Takes over a connection of `workspace`; what comes over it goes to `inbox`.
    pub(super) fn open(
        &mut self,
        link: Link,
        workspace: WorkspaceId,
        inbox: mpsc::WeakSender<Wake>,
    ) -> LinkId {
        self.next += 1;
        let id = LinkId(self.next);
        let device = link.peer;
        let (outgoing, waiting) = mpsc::channel(FRAMES_WAITING_MAX);
        let (tell, path) = tokio::sync::watch::channel(Some(link.path()));
        let (sender, receiver) = link.split();
        spawn(write(sender, waiting, tell));
        let reader = spawn(read((id, workspace), receiver, inbox));
        self.links.insert(id, Open { device, outgoing, path, reader });
        id
    }

    /// Sends a frame; false where the peer does not keep up or is gone.
    pub(super) fn send(&self, id: LinkId, frame: Vec<u8>) -> bool {
        let open = self.links.get(&id);
        open.is_none_or(|open| open.outgoing.try_send(Outgoing::Frame(frame)).is_ok())
    }

    /// Ends a connection with a reason, after what was to be sent before it.
    pub(super) fn close(&mut self, id: LinkId, reason: String) {
        if let Some(open) = self.links.remove(&id) {
            open.outgoing.try_send(Outgoing::Close(reason)).ok();
            open.reader.abort();
        }
    }

    /// A connection is gone.
    pub(super) fn gone(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    /// The device at the other end.
    pub(super) fn device(&self, id: LinkId) -> Option<DeviceId> {
        Some(self.links.get(&id)?.device)
    }

    /// All connections that are up.
    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// The devices that are connected, and over which path.
    pub(super) fn paths(&self) -> BTreeMap<DeviceId, Option<Path>> {
        self.links.values().map(|open| (open.device, *open.path.borrow())).collect()
    }
}

async fn write(
    mut sender: Sender,
    mut waiting: mpsc::Receiver<Outgoing>,
    tell: tokio::sync::watch::Sender<Option<Path>>,
) {
    loop {
        let frame = match timeout(Duration::from_millis(ALIVE_MS), waiting.recv()).await {
            Some(Some(Outgoing::Frame(frame))) => frame,
            Some(Some(Outgoing::Close(reason))) => return sender.close(&reason),
            Some(None) => return sender.close("the node stops"),
            // Nothing is to be said: that says it.
            None => Vec::new(),
        };
        // Who reads nothing for long is not there either; one that is busy reads later.
        match timeout(Duration::from_millis(4 * SILENT_MS), sender.send(&frame)).await {
            Some(Ok(())) => {}
            Some(Err(_)) => return,
            None => return sender.close("silent"),
        }
        tell.send(Some(sender.path())).ok();
    }
}

async fn read(
    (id, workspace): (LinkId, WorkspaceId),
    mut receiver: Receiver,
    inbox: mpsc::WeakSender<Wake>,
) {
    loop {
        let wait = Duration::from_millis(SILENT_MS);
        let received = timeout(wait, receiver.receive()).await;
        let wake = match received.unwrap_or(Err(LinkClosed::Lost)) {
            Ok(Some(frame)) if frame.is_empty() => continue,
            Ok(Some(frame)) => match decode(frame, workspace).await {
                Some(Ok(message)) => Wake::Message(id, message),
                Some(Err(fault)) => Wake::Fault(id, fault.code().to_owned()),
                None => Wake::Down(id, "its frame could not be read".to_owned()),
            },
            Ok(None) => Wake::Down(id, "the peer left".to_owned()),
            // The peer's own word: its code, where it is one of this program.
            Err(LinkClosed::Peer(reason)) => Wake::Down(id, reason),
            Err(closed) => Wake::Down(id, closed.to_string()),
        };
        let last = matches!(wake, Wake::Down(..));
        let Some(inbox) = inbox.upgrade() else { return };
        if inbox.send(wake).await.is_err() || last {
            return;
        }
    }
}

/// Reads a frame and checks its signatures; a long one on another thread, so that the workspace
/// goes on meanwhile. The next frame of the link is read when this one is: what waits stays
/// bounded, and in its order. `SPEC: SYNC-13`
async fn decode(frame: Vec<u8>, workspace: WorkspaceId) -> Option<Result<Message, SyncFault>> {
    if frame.len() < BESIDE_BYTES_MIN {
        return Some(Message::decode(&frame, &workspace));
    }
    beside(move || Message::decode(&frame, &workspace)).await
}

#[cfg(test)]
mod tests;
