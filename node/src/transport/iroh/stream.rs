//! The one stream of a link, and the connection below it.

use std::sync::Arc;

use ::iroh::TransportAddr;
use ::iroh::endpoint::{
    Connection, ConnectionError, ReadError, RecvStream, SendStream, StoppedError, VarInt,
    WriteError,
};

use crate::transport::BoxFuture;
use crate::transport::admission::Place;
use crate::transport::link::carrier::{Control, Reader, Writer};
use crate::transport::link::{LinkClosed, Path, PathKind, readable};
use crate::transport::quic::{self, OPENER, kind_of};

const LEFT: VarInt = VarInt::from_u32(quic::LEFT);
pub(super) const CLOSED: VarInt = VarInt::from_u32(quic::CLOSED);
pub(super) const REFUSED: VarInt = VarInt::from_u32(quic::REFUSED);

/// Opens the stream and waits until the peer has let this side in.
pub(super) async fn open(
    connection: &Connection,
) -> Result<(QuicWriter, QuicReader), ConnectionError> {
    let (mut sending, mut receiving) = connection.open_bi().await?;
    let mut opener = OPENER;
    let answered = sending.write_all(&OPENER).await.is_ok()
        && receiving.read_exact(&mut opener).await.is_ok()
        && opener == OPENER;
    if answered {
        return Ok((QuicWriter { sending, finished: false }, QuicReader(receiving)));
    }
    // Why is known to the connection; if it is still open, the peer speaks another protocol.
    Err(connection.close_reason().unwrap_or(ConnectionError::VersionMismatch))
}

/// Waits for the peer's stream and answers it; just before that `let_in` is called.
pub(super) async fn answer(
    connection: &Connection,
    let_in: impl FnOnce(),
) -> Option<(QuicWriter, QuicReader)> {
    let (mut sending, mut receiving) = connection.accept_bi().await.ok()?;
    let mut opener = [0];
    receiving.read_exact(&mut opener).await.ok()?;
    // Early data can be sent twice by anybody who saw it.
    if opener != OPENER || receiving.is_0rtt() {
        connection.close(REFUSED, b"the stream was not opened as agreed");
        return None;
    }
    let_in();
    sending.write_all(&OPENER).await.ok()?;
    Some((QuicWriter { sending, finished: false }, QuicReader(receiving)))
}

/// What both halves of a link hold. The connection ends with it.
pub(super) fn control(connection: Connection, place: Option<Place>) -> Arc<dyn Control> {
    Arc::new(QuicControl { connection, _place: place })
}

pub(super) struct QuicWriter {
    sending: SendStream,
    finished: bool,
}

pub(super) struct QuicReader(RecvStream);

struct QuicControl {
    connection: Connection,
    _place: Option<Place>,
}

impl Writer for QuicWriter {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), LinkClosed>> {
        Box::pin(async move {
            self.sending.write_all(bytes).await.map_err(|error| match error {
                WriteError::ConnectionLost(error) => closed(&error),
                WriteError::Stopped(_) => LinkClosed::Left,
                WriteError::ClosedStream | WriteError::ZeroRttRejected => {
                    LinkClosed::Here("it has finished sending".to_owned())
                }
            })
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), LinkClosed>> {
        Box::pin(async move {
            self.finished = true;
            self.sending.finish().ok();
            match self.sending.stopped().await {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err(LinkClosed::Left),
                Err(StoppedError::ConnectionLost(error)) => Err(closed(&error)),
                Err(StoppedError::ZeroRttRejected) => Err(LinkClosed::Lost),
            }
        })
    }
}

impl Drop for QuicWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Dropping a QUIC stream finishes it, and the peer would take that for a clean end.
            self.sending.reset(LEFT).ok();
        }
    }
}

impl Reader for QuicReader {
    fn read<'a>(
        &'a mut self,
        into: &'a mut Vec<u8>,
        limit: usize,
    ) -> BoxFuture<'a, Result<bool, LinkClosed>> {
        Box::pin(async move {
            match self.0.read_chunk(limit).await {
                Ok(Some(chunk)) => {
                    into.extend_from_slice(&chunk);
                    Ok(true)
                }
                Ok(None) => Ok(false),
                Err(ReadError::ConnectionLost(error)) => Err(closed(&error)),
                Err(_) => Err(LinkClosed::Left),
            }
        })
    }
}

impl Control for QuicControl {
    fn close(&self, reason: &str) {
        self.connection.close(CLOSED, reason.as_bytes());
    }

    fn path(&self) -> Path {
        let paths = self.connection.paths();
        let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next());
        let Some(path) = path else {
            return Path { address: None, again: None, rtt_ms: None, kind: PathKind::Direct };
        };
        let rtt_ms = u64::try_from(path.rtt().as_millis()).ok();
        let (address, kind) = match path.remote_addr() {
            TransportAddr::Ip(address) => (Some(*address), kind_of(address)),
            TransportAddr::Relay(_) => (None, PathKind::Relay),
            _ => (None, PathKind::Direct),
        };
        Path { address, again: address, rtt_ms, kind }
    }
}

fn closed(error: &ConnectionError) -> LinkClosed {
    match error {
        ConnectionError::ApplicationClosed(close) if close.error_code == LEFT => LinkClosed::Left,
        ConnectionError::ApplicationClosed(close) => LinkClosed::Peer(readable(&close.reason)),
        ConnectionError::LocallyClosed => LinkClosed::Here("by this device".to_owned()),
        _ => LinkClosed::Lost,
    }
}
