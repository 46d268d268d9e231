//! A member that is not ours any more: it sends frames that were made before, over plain QUIC.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use kernelos_protocol::command::Failure;
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{EventId, Incarnation};
use kernelos_protocol::limits::{WANT_COUNT_MAX, WANTS_MAX};
use kernelos_protocol::sync::{Message, workspace_tag};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::super::device::{everybody, failed};
use super::chain::Chain;
use super::{EVENTS, Kind, PATIENCE, REVOKED, Target, paced};
use crate::home::random;
use crate::transport::quinn::QuinnTransport;
use crate::transport::{Link, Protocol, Sender, Transport as _};

/// A device that was let in.
pub(super) struct Rogue {
    target: Target,
    secret: Zeroizing<[u8; 32]>,
    /// Secrets of revoked devices, and their grants.
    revoked: Vec<([u8; 32], EventId)>,
    /// The end of a long chain.
    last: EventId,
    transport: QuinnTransport,
}

impl Rogue {
    pub(super) fn new(
        target: Target,
        secret: Zeroizing<[u8; 32]>,
        revoked: Vec<([u8; 32], EventId)>,
        last: EventId,
    ) -> Result<Self, Failure> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let transport = QuinnTransport::bind(&secret, any, everybody()).map_err(failed)?;
        Ok(Self { target, secret, revoked, last, transport })
    }

    pub(super) async fn close(&self) {
        self.transport.close().await;
    }

    fn chain(&self) -> Result<Chain, Failure> {
        let workspace = self.target.workspace;
        Chain::of(&self.secret, workspace, workspace.genesis())
    }

    /// So many events of its own.
    pub(super) fn events(&self, count: usize) -> Result<Vec<Verified>, Failure> {
        let mut chain = self.chain()?;
        (0..count).map(|_| chain.next()).collect()
    }

    /// So many frames to send.
    pub(super) fn frames(&self, kind: Kind, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let mut frames = Vec::new();
        let mut chain = self.chain()?;
        for number in 0..count {
            match kind {
                Kind::Wants => {
                    frames.push(self.want(number));
                    continue;
                }
                Kind::Quarantine if number % count.div_ceil(REVOKED) == 0 => {
                    let by = self.revoked.get(number / count.div_ceil(REVOKED));
                    let (secret, grant) = by.ok_or_else(|| failed("nobody is revoked"))?;
                    chain = Chain::of(secret, self.target.workspace, *grant)?;
                }
                Kind::Orphans => {
                    chain = self.chain()?;
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

    /// All before the end of the long chain, over and over; in turns with the word that all came,
    /// so that it is sent again.
    fn want(&self, number: usize) -> Vec<u8> {
        if number % 2 == 1 {
            return Message::Ack(u64::MAX).encode();
        }
        Message::Want(vec![(self.last, WANT_COUNT_MAX); WANTS_MAX]).encode()
    }

    /// Sends them, so many a second; on a new connection where the last was ended. How many were
    /// sent?
    pub(super) async fn attack(
        self: Arc<Self>,
        kind: Kind,
        frames: Vec<Vec<u8>>,
    ) -> Result<usize, Failure> {
        let link = Mutex::new(None);
        let (link, frames, rogue) = (&link, &frames, &self);
        paced(frames.len(), |number| async move {
            let mut link = link.lock().await;
            if link.is_none() || matches!(kind, Kind::Refused) {
                *link = Some(rogue.meet().await?);
            }
            let sent = match (&mut *link, frames.get(number)) {
                (Some((sender, _)), Some(frame)) => Sender::send(sender, frame).await.is_ok(),
                _ => false,
            };
            if !sent {
                *link = None;
            }
            Ok(())
        })
        .await
    }

    /// Connects and says hello; what the node says is read and dropped.
    async fn meet(&self) -> Result<(Sender, Drain), Failure> {
        let Target { at, node, workspace } = self.target;
        let addresses = [at];
        let dial = self.transport.dial(node, &addresses, Protocol::Sync);
        let link: Link = timeout(PATIENCE, dial).await.map_err(failed)?.map_err(failed)?;
        let workspace = workspace_tag(&link.exporter, &workspace);
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
