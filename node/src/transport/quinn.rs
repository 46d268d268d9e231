//! Links over plain QUIC, by quinn: between fixed addresses, in networks that are closed.
//!
//! Nobody is asked for anything, not even a path: a device is reached at the addresses that the
//! caller knows, each by a handshake of its own, and the first that proves the key is taken.
//! What is at an address can also be learned: [`QuinnTransport::find`].
//!
//! An incoming connection becomes a link as over `iroh`: handshake, guard, the dialer's first
//! byte, the answer to it. `SPEC: LINK-3`

mod incoming;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use ::quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use ::quinn::{
    ClientConfig, ConnectError, Connection, ConnectionError, Endpoint, EndpointConfig,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::key::DeviceKey;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use super::handshakes::HANDSHAKES_MAX;
use super::link::readable;
use super::quic::{
    self, Door, EXPORTER_LABEL, IDLE_TIME_MAX, KEEP_ALIVE, STRANGER_WINDOW_BYTES, WAITING_MAX,
    WINDOW_BYTES, chain, given_back, kind_of, may_be_dialed, may_be_told,
};
use super::{
    BindError, BoxFuture, DIAL_ADDRESSES_MAX, DIAL_TIME_MAX, DialError, Guard, Link, PathKind,
    Protocol, Transport,
};
use crate::portable::{self, Task};
use tls::{Identity, Wanted};

/// TLS wants a name to call; nothing looks at it, and it is not sent.
const NO_NAME: &str = "kernelos";

/// A device on plain QUIC.
pub struct QuinnTransport {
    device: DeviceId,
    identity: Identity,
    config: Arc<TransportConfig>,
    /// None once it was closed: the socket is free when the last clone is dropped.
    endpoint: Mutex<Option<Endpoint>>,
    door: Arc<Door>,
    accepting: Mutex<Option<Task>>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Link>>,
}

impl QuinnTransport {
    /// Binds the device with this secret to `at`. Port 0 takes any.
    pub fn bind(secret: &[u8; 32], at: SocketAddr, guard: Guard) -> Result<Self, BindError> {
        let failed =
            |error: &(dyn std::error::Error + 'static)| BindError { at, why: chain(error) };
        let identity = Identity::new(secret).map_err(|error| failed(&error))?;
        let config = Arc::new(quic_config());
        let tls = identity.server().map_err(|error| failed(&error))?;
        let tls = QuicServerConfig::try_from(tls).map_err(|error| failed(&error))?;
        let mut server = ServerConfig::with_crypto(Arc::new(tls));
        server.transport_config(Arc::clone(&config));
        // What comes before a handshake has a place waits for no longer than a look at it takes.
        let buffer = u64::from(STRANGER_WINDOW_BYTES);
        server.max_incoming(usize::try_from(HANDSHAKES_MAX).unwrap_or(1));
        server.incoming_buffer_size(buffer);
        server.incoming_buffer_size_total(buffer * u64::from(HANDSHAKES_MAX));
        let socket = UdpSocket::bind(at).map_err(|error| failed(&error))?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(server), socket, runtime)
            .map_err(|error| failed(&error))?;
        let door = Arc::new(Door::new(guard));
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        let accepting =
            portable::spawn(incoming::accept_all(endpoint.clone(), Arc::clone(&door), sender));
        Ok(Self {
            device: DeviceKey::from_secret(secret).device(),
            identity,
            config,
            endpoint: Mutex::new(Some(endpoint)),
            door,
            accepting: Mutex::new(Some(accepting)),
            waiting: tokio::sync::Mutex::new(waiting),
        })
    }

    /// Who is at this address, and over what it is reached, where it is one of those that are
    /// wanted. Another one hears only that it is not, and not who asks.
    pub async fn find(
        &self,
        at: SocketAddr,
        wanted: impl Fn(&DeviceId) -> bool + Send + Sync + 'static,
    ) -> Result<(DeviceId, PathKind), DialError> {
        let own = self.device;
        let wanted: Wanted = Arc::new(move |device| *device != own && wanted(device));
        let connection = self.within_time(self.handshake(&[at], Protocol::Sync, wanted)).await?;
        let device = peer(&connection).ok_or(DialError::OtherDevice)?;
        Ok((device, kind_of(&connection.remote_address())))
    }

    fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn within_time<T>(
        &self,
        work: impl Future<Output = Result<T, DialError>>,
    ) -> Result<T, DialError> {
        let too_long = || Err(DialError::Unreachable("it took too long".to_owned()));
        portable::timeout(DIAL_TIME_MAX, work).await.unwrap_or_else(too_long)
    }

    /// A connection to who is wanted: of those at these addresses, the first.
    async fn handshake(
        &self,
        at: &[SocketAddr],
        protocol: Protocol,
        wanted: Wanted,
    ) -> Result<Connection, DialError> {
        let endpoint = self.endpoint().ok_or(DialError::Closed)?;
        let unusable = |why: &(dyn std::error::Error + 'static)| DialError::Unreachable(chain(why));
        let tls = self.identity.client(protocol, wanted).map_err(|error| unusable(&error))?;
        let tls = QuicClientConfig::try_from(tls).map_err(|error| unusable(&error))?;
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(Arc::clone(&self.config));
        let tries = at.iter().filter(|at| may_be_dialed(at)).take(DIAL_ADDRESSES_MAX).map(|at| {
            let connecting = endpoint.connect_with(config.clone(), *at, NO_NAME);
            async move {
                match connecting {
                    Ok(connecting) => connecting.await.map_err(|error| not_let_in(&error)),
                    Err(ConnectError::EndpointStopping) => Err(DialError::Closed),
                    Err(error) => Err(DialError::Unreachable(chain(&error))),
                }
            }
        });
        let nowhere = DialError::Unreachable("no address of it is known".to_owned());
        portable::first_good(tries).await.map_err(|errors| {
            // Who answered says more than who did not.
            let told = |error: &DialError| !matches!(error, DialError::Unreachable(_));
            let told = errors.iter().find(|error| told(error)).or_else(|| errors.first());
            told.cloned().unwrap_or(nowhere)
        })
    }

    async fn connect(
        &self,
        to: DeviceId,
        at: &[SocketAddr],
        protocol: Protocol,
    ) -> Result<Link, DialError> {
        if to == self.device && self.endpoint().is_some() {
            return Err(DialError::Unreachable("it is this device itself".to_owned()));
        }
        let wanted: Wanted = Arc::new(move |device| *device == to);
        let connection = self.handshake(at, protocol, wanted).await?;
        let (writer, reader) =
            stream::open(&connection).await.map_err(|error| not_let_in(&error))?;
        connection.set_receive_window(VarInt::from_u32(WINDOW_BYTES));
        let exporter = exporter(&connection)
            .ok_or_else(|| DialError::Unreachable("the channel has no name".to_owned()))?;
        let control = stream::control(connection, None);
        let halves = (Box::new(writer) as _, Box::new(reader) as _);
        Ok(Link::new((to, protocol, true), exporter, halves, control))
    }
}

impl Drop for QuinnTransport {
    fn drop(&mut self) {
        // Without this the task would keep the endpoint, and the endpoint the task.
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accepting) = accepting {
            accepting.abort();
        }
    }
}

impl Transport for QuinnTransport {
    fn device(&self) -> DeviceId {
        self.device
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        let bound = self.endpoint().and_then(|endpoint| endpoint.local_addr().ok());
        bound.into_iter().filter(may_be_told).collect()
    }

    fn dial<'a>(
        &'a self,
        to: DeviceId,
        at: &'a [SocketAddr],
        protocol: Protocol,
    ) -> BoxFuture<'a, Result<Link, DialError>> {
        Box::pin(self.within_time(self.connect(to, at, protocol)))
    }

    fn accept(&self) -> BoxFuture<'_, Option<Link>> {
        Box::pin(async move {
            let link = self.waiting.lock().await.recv().await?;
            self.endpoint().is_some().then_some(link)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let endpoint = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).take();
            let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(endpoint) = endpoint else { return };
            let bound = endpoint.local_addr().ok();
            endpoint.close(VarInt::from_u32(quic::LEFT), b"");
            if let Some(accepting) = accepting {
                accepting.ended().await;
            }
            self.door.handshakes.all_ended().await;
            // Those that nobody accepted hold the endpoint too.
            while self.waiting.lock().await.recv().await.is_some() {}
            // Until the peers were told; one that is silent is not waited for.
            portable::timeout(IDLE_TIME_MAX, endpoint.wait_idle()).await;
            drop(endpoint);
            given_back(bound.as_slice()).await;
        })
    }
}

fn quic_config() -> TransportConfig {
    let idle_ms = u32::try_from(IDLE_TIME_MAX.as_millis()).unwrap_or(u32::MAX);
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(VarInt::from_u32(idle_ms).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES))
        .send_window(u64::from(WINDOW_BYTES));
    config
}

/// Names the handshake (RFC 5705): both ends compute the same, nobody else can.
fn exporter(connection: &Connection) -> Option<[u8; 32]> {
    let mut exporter = [0; 32];
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
    Some(exporter)
}

/// Whose key the handshake proved.
fn peer(connection: &Connection) -> Option<DeviceId> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    tls::device(chain.first()?).ok()
}

/// The name of the protocol that both ends agreed on.
fn alpn(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

fn not_let_in(error: &ConnectionError) -> DialError {
    let code = match error {
        ConnectionError::ApplicationClosed(close) if !close.reason.is_empty() => {
            return DialError::Refused(readable(&close.reason));
        }
        ConnectionError::ApplicationClosed(_) => {
            return DialError::Refused("it left".to_owned());
        }
        ConnectionError::LocallyClosed => return DialError::Closed,
        ConnectionError::TimedOut => {
            return DialError::Unreachable("nobody answers at its addresses".to_owned());
        }
        ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
        ConnectionError::TransportError(error) => u64::from(error.code),
        _ => 0,
    };
    quic::not_let_in(code, readable(error.to_string().as_bytes()))
}
