//! The two bounded pipes of a link in memory, and how they end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, watch};

use crate::transport::BoxFuture;
use crate::transport::admission::Place;
use crate::transport::link::carrier::{Control, Reader, Writer};
use crate::transport::link::{LinkClosed, Path, PathKind};

/// What one direction holds at most: chunks and their size, together as much as a small window.
const CHUNKS_MAX: usize = 8;
const CHUNK_BYTES_MAX: usize = 32_768;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Dialer,
    Acceptor,
}

/// How a line came to its end.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Closed(Side, String),
    Left(Side),
    Lost,
}

/// What both ends of a link share.
pub(super) struct Line {
    ended: watch::Sender<Option<Ending>>,
    /// What all links of the network carried, in bytes.
    carried: Arc<AtomicU64>,
}

impl Line {
    pub(super) fn new(carried: Arc<AtomicU64>) -> Self {
        Self { ended: watch::Sender::new(None), carried }
    }

    /// Ends it, unless it has ended already.
    pub(super) fn end(&self, ending: Ending) {
        self.ended.send_if_modified(|current| {
            let open = current.is_none();
            if open {
                *current = Some(ending);
            }
            open
        });
    }

    /// Waits for the end, as `side` sees it.
    async fn ended(&self, side: Side) -> LinkClosed {
        let mut receiver = self.ended.subscribe();
        let ending = receiver.wait_for(Option::is_some).await;
        ending
            .ok()
            .and_then(|ending| ending.as_ref().map(|ending| ending.seen_by(side)))
            .unwrap_or(LinkClosed::Lost)
    }

    /// The end that has come, as `side` sees it.
    fn end_now(&self, side: Side) -> Option<LinkClosed> {
        self.ended.borrow().as_ref().map(|ending| ending.seen_by(side))
    }
}

impl Ending {
    fn seen_by(&self, side: Side) -> LinkClosed {
        match self {
            Self::Closed(by, reason) if *by == side => LinkClosed::Here(reason.clone()),
            Self::Closed(_, reason) => LinkClosed::Peer(reason.clone()),
            Self::Left(by) if *by == side => {
                LinkClosed::Here("the transport was closed".to_owned())
            }
            Self::Left(_) => LinkClosed::Left,
            Self::Lost => LinkClosed::Lost,
        }
    }
}

/// Both directions of one end.
pub(super) type Halves = (Box<dyn Writer>, Box<dyn Reader>);

/// The dialer's end and the acceptor's, with the addresses that each sees of the other.
pub(super) fn ends(
    line: &Arc<Line>,
    [seen_by_dialer, seen_by_acceptor]: [SocketAddr; 2],
    place: Place,
) -> ([Halves; 2], [Arc<dyn Control>; 2]) {
    let (to_acceptor, from_dialer) = mpsc::channel(CHUNKS_MAX);
    let (to_dialer, from_acceptor) = mpsc::channel(CHUNKS_MAX);
    let halves = |side, sender, receiver| -> Halves {
        let writer = PipeWriter { line: Arc::clone(line), side, sender: Some(sender) };
        let reader = PipeReader {
            line: Arc::clone(line),
            side,
            receiver,
            chunk: Vec::new(),
            read: 0,
            finished: false,
        };
        (Box::new(writer), Box::new(reader))
    };
    let end = |side, peer, place| -> Arc<dyn Control> {
        Arc::new(End { line: Arc::clone(line), side, peer, _place: place })
    };
    (
        [
            halves(Side::Dialer, to_acceptor, from_acceptor),
            halves(Side::Acceptor, to_dialer, from_dialer),
        ],
        [
            end(Side::Dialer, seen_by_dialer, None),
            end(Side::Acceptor, seen_by_acceptor, Some(place)),
        ],
    )
}

/// What the halves of one end share; the link ends with it.
struct End {
    line: Arc<Line>,
    side: Side,
    peer: SocketAddr,
    _place: Option<Place>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.line.end(Ending::Left(self.side));
    }
}

impl Control for End {
    fn close(&self, reason: &str) {
        self.line.end(Ending::Closed(self.side, reason.to_owned()));
    }

    fn path(&self) -> Path {
        Path { address: Some(self.peer), again: None, rtt_ms: None, kind: PathKind::Memory }
    }
}

struct PipeWriter {
    line: Arc<Line>,
    side: Side,
    /// None once it has finished.
    sender: Option<mpsc::Sender<Vec<u8>>>,
}

impl PipeWriter {
    async fn put(&self, chunk: Vec<u8>) -> Result<(), LinkClosed> {
        let Some(sender) = &self.sender else {
            return Err(LinkClosed::Here("it has finished sending".to_owned()));
        };
        tokio::select! {
            biased;
            ended = self.line.ended(self.side) => Err(ended),
            sent = sender.send(chunk) => sent.map_err(|_| LinkClosed::Left),
        }
    }
}

impl Writer for PipeWriter {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), LinkClosed>> {
        Box::pin(async move {
            for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
                self.put(chunk.to_vec()).await?;
                self.line.carried.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
            Ok(())
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), LinkClosed>> {
        Box::pin(async move {
            // No write is empty, so an empty chunk can say that no more will come.
            self.put(Vec::new()).await?;
            self.sender = None;
            Ok(())
        })
    }
}

struct PipeReader {
    line: Arc<Line>,
    side: Side,
    receiver: mpsc::Receiver<Vec<u8>>,
    /// The chunk that was taken out, and how much of it was read.
    chunk: Vec<u8>,
    read: usize,
    finished: bool,
}

impl Reader for PipeReader {
    fn read<'a>(
        &'a mut self,
        into: &'a mut Vec<u8>,
        limit: usize,
    ) -> BoxFuture<'a, Result<bool, LinkClosed>> {
        Box::pin(async move {
            if self.read == self.chunk.len() && !self.finished {
                // What came before the end is still read, as with QUIC.
                let chunk = tokio::select! {
                    biased;
                    chunk = self.receiver.recv() => chunk,
                    ended = self.line.ended(self.side) => return Err(ended),
                };
                let Some(chunk) = chunk else {
                    // The peer dropped its sending half: with words, or without.
                    return Err(self.line.end_now(self.side).unwrap_or(LinkClosed::Left));
                };
                self.chunk = chunk;
                self.read = 0;
                self.finished = self.chunk.is_empty();
            }
            let rest = self.chunk.get(self.read..).unwrap_or_default();
            let taken = rest.get(..limit).unwrap_or(rest);
            into.extend_from_slice(taken);
            self.read += taken.len();
            Ok(!self.finished)
        })
    }
}
