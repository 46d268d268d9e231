//! One link: frames in both directions over whatever carries bytes.
//!
//! A frame is its length as four bytes, big-endian, and as many bytes. A transport gives the three
//! parts of `carrier`; limits, cancellation and words are the same for all of them. Nothing is
//! buffered but what the carrier's windows hold and one frame per direction.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use kernelos_protocol::id::DeviceId;

use super::{FRAME_BYTES_MAX, Protocol};
use carrier::{Control, Reader, Writer};

/// Words of a peer kept of its reason to close: enough for a sentence.
const REASON_BYTES_MAX: usize = 256;

/// Frames up to this length are written together with their length: one packet instead of two.
const JOINED_BYTES_MAX: usize = 1_024;

const BROKEN_OFF: &str = "a frame was broken off";

/// What a transport must give to carry a link.
pub(super) mod carrier {
    use super::{LinkClosed, Path};
    use crate::transport::BoxFuture;

    /// Bytes to the peer. Dropped without [`Self::finish`], the peer must not see a clean end.
    pub(in crate::transport) trait Writer: Send {
        /// Hands over all of `bytes`, and waits while the peer does not read.
        fn write<'a>(&'a mut self, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), LinkClosed>>;

        /// Nothing more will come. Done when nothing that was written can be lost any more.
        fn finish(&mut self) -> BoxFuture<'_, Result<(), LinkClosed>>;
    }

    /// Bytes from the peer.
    pub(in crate::transport) trait Reader: Send {
        /// Adds what has come to `into`, at least one byte and at most `limit`; `false` if the
        /// peer finished. Dropping the future loses nothing.
        fn read<'a>(
            &'a mut self,
            into: &'a mut Vec<u8>,
            limit: usize,
        ) -> BoxFuture<'a, Result<bool, LinkClosed>>;
    }

    /// The connection below both. It ends with the last half that holds it.
    pub(in crate::transport) trait Control: Send + Sync {
        /// Ends it at once; the peer sees `reason`.
        fn close(&self, reason: &str);

        /// How it reaches the peer now.
        fn path(&self) -> Path;
    }
}

/// Why a link is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkClosed {
    /// The peer closed it with these words.
    #[error("the peer closed the link: {0}")]
    Peer(String),
    /// The peer's program dropped its end without a word.
    #[error("the peer left")]
    Left,
    /// Nothing was heard of the peer for too long.
    #[error("the peer is gone")]
    Lost,
    /// It was closed at this end.
    #[error("the link was closed here: {0}")]
    Here(String),
}

/// What a link runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// An address of a private network.
    Lan,
    /// Any other address.
    Direct,
    /// A relay, which sees sealed packets only.
    Relay,
    /// The same process.
    Memory,
}

impl PathKind {
    /// Its name, as people see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Memory => "memory",
        }
    }
}

/// How a link reaches the peer: for people, never for decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The peer's address, if it is reached without a relay.
    pub address: Option<SocketAddr>,
    /// The same, where a dial by device may look for it again: not that of a fixed address.
    pub again: Option<SocketAddr>,
    /// The round trip, as last estimated.
    pub rtt_ms: Option<u64>,
    /// Over what.
    pub kind: PathKind,
}

/// A link to a device whose key is proven.
pub struct Link {
    /// Who is at the other end: proven by the handshake.
    pub peer: DeviceId,
    /// What it is for.
    pub protocol: Protocol,
    /// Was it dialed from here?
    pub dialed: bool,
    /// Names this handshake: the same at both ends, and nowhere else ever.
    pub exporter: [u8; 32],
    /// Frames to the peer.
    pub sender: Sender,
    /// Frames from the peer.
    pub receiver: Receiver,
}

/// Frames to the peer.
pub struct Sender {
    writer: Box<dyn Writer>,
    control: Arc<dyn Control>,
    /// A frame was begun and not ended: what comes after it would be read as its rest.
    begun: bool,
}

/// Frames from the peer.
pub struct Receiver {
    reader: Box<dyn Reader>,
    control: Arc<dyn Control>,
    /// The frame that is coming in, its length first: kept when a caller stops waiting.
    length: Vec<u8>,
    frame: Vec<u8>,
}

impl Link {
    pub(super) fn new(
        (peer, protocol, dialed): (DeviceId, Protocol, bool),
        exporter: [u8; 32],
        (writer, reader): (Box<dyn Writer>, Box<dyn Reader>),
        control: Arc<dyn Control>,
    ) -> Self {
        let sender = Sender { writer, control: Arc::clone(&control), begun: false };
        let receiver = Receiver { reader, control, length: Vec::new(), frame: Vec::new() };
        Self { peer, protocol, dialed, exporter, sender, receiver }
    }

    /// Sends one frame: [`Sender::send`].
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), LinkClosed> {
        self.sender.send(frame).await
    }

    /// Waits for one frame: [`Receiver::receive`].
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, LinkClosed> {
        self.receiver.receive().await
    }

    /// Ends the link at once: [`Sender::close`].
    pub fn close(&self, reason: &str) {
        self.sender.close(reason);
    }

    /// How it reaches the peer now.
    #[must_use]
    pub fn path(&self) -> Path {
        self.sender.path()
    }

    /// Both halves, to be used apart. The connection ends when both are dropped.
    #[must_use]
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the exporter: what proves a pairing stands in no log.
        f.debug_struct("Link")
            .field("peer", &self.peer)
            .field("protocol", &self.protocol)
            .field("dialed", &self.dialed)
            .finish_non_exhaustive()
    }
}

impl Sender {
    /// Sends one frame, and waits while the peer does not read. A frame that is too long ends the
    /// link, and so does the next call after one that was dropped before it was done.
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), LinkClosed> {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        if frame.len() > FRAME_BYTES_MAX {
            return Err(close_here(&*self.control, &too_long(frame.len())));
        }
        if self.begun {
            return Err(close_here(&*self.control, BROKEN_OFF));
        }
        self.begun = true;
        if frame.len() <= JOINED_BYTES_MAX {
            self.writer.write(&[&length.to_be_bytes(), frame].concat()).await?;
        } else {
            self.writer.write(&length.to_be_bytes()).await?;
            self.writer.write(frame).await?;
        }
        self.begun = false;
        Ok(())
    }

    /// Nothing more will be sent. Done when the peer's machine has everything; only then may the
    /// link be dropped without losing frames.
    pub async fn finish(&mut self) -> Result<(), LinkClosed> {
        if self.begun {
            return Err(close_here(&*self.control, BROKEN_OFF));
        }
        self.writer.finish().await
    }

    /// Ends the link at once, both directions. The peer sees `reason`; frames under way may be
    /// lost.
    pub fn close(&self, reason: &str) {
        self.control.close(clipped(reason));
    }

    /// How it reaches the peer now.
    #[must_use]
    pub fn path(&self) -> Path {
        self.control.path()
    }
}

impl Receiver {
    /// Waits for one frame; `None` when the peer finished cleanly. A caller that stops waiting
    /// loses nothing. A frame that is too long ends the link before it is read.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, LinkClosed> {
        loop {
            let Some(length) = self.length.first_chunk::<4>() else {
                let missing = 4 - self.length.len();
                if self.reader.read(&mut self.length, missing).await? {
                    continue;
                }
                if self.length.is_empty() {
                    return Ok(None);
                }
                return Err(close_here(&*self.control, BROKEN_OFF));
            };
            let length = u32::from_be_bytes(*length);
            let bytes = usize::try_from(length).unwrap_or(usize::MAX);
            if bytes > FRAME_BYTES_MAX {
                return Err(close_here(&*self.control, &too_long(bytes)));
            }
            let missing = bytes - self.frame.len();
            if missing == 0 {
                self.length.clear();
                return Ok(Some(std::mem::take(&mut self.frame)));
            }
            // The frame grows with what comes, not with what was announced.
            if !self.reader.read(&mut self.frame, missing).await? {
                return Err(close_here(&*self.control, BROKEN_OFF));
            }
        }
    }

    /// Ends the link at once: [`Sender::close`].
    pub fn close(&self, reason: &str) {
        self.control.close(clipped(reason));
    }

    /// How it reaches the peer now.
    #[must_use]
    pub fn path(&self) -> Path {
        self.control.path()
    }
}

/// A peer's words, fit to be shown: they are its own choice.
pub(super) fn readable(reason: &[u8]) -> String {
    let text = String::from_utf8_lossy(reason);
    clipped(&text).chars().filter(|character| !character.is_control()).collect()
}

fn close_here(control: &dyn Control, reason: &str) -> LinkClosed {
    control.close(reason);
    LinkClosed::Here(reason.to_owned())
}

fn too_long(bytes: usize) -> String {
    format!("a frame of {bytes} bytes is longer than {FRAME_BYTES_MAX}")
}

fn clipped(reason: &str) -> &str {
    reason.get(..reason.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or_default()
}

#[cfg(test)]
impl Sender {
    /// Bytes that need not be a frame, as a peer might send them.
    pub(super) async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), LinkClosed> {
        self.writer.write(bytes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_peer_are_short_and_cannot_steer_a_terminal() {
        assert_eq!(readable(b"bye\x1b[2J\r\n"), "bye[2J");
        assert_eq!(readable(&[0xff; 3]).chars().count(), 3);
        let long = "\u{e9}".repeat(200);
        assert_eq!(readable(long.as_bytes()), "\u{e9}".repeat(128));
    }
}
