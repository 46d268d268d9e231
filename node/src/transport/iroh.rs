//! Links over QUIC, by iroh: a device's key is its address, its paths may change under a link.
//!
//! Nothing here asks anybody on the internet: no relay, no look-up service, no port mapping. A
//! device is reached at the addresses that the caller knows.
//!
//! An incoming connection is a link once four things are done: the whole handshake (early data is
//! refused), the guard's answer, the dialer's first byte, which makes the stream visible, and the
//! answer to it. So a dial that succeeds was let in, and one that was not hears why.

mod callee;
pub(crate) mod gossip;
mod incoming;
mod stream;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use ::iroh::endpoint::{
    BindOpts, ConnectOptions, ConnectWithOptsError, ConnectingError, Connection, ConnectionError,
    NetReportConfig, QuicTransportConfig, VarInt, presets,
};
use ::iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey, TransportAddr};
use kernelos_protocol::id::DeviceId;
use tokio::sync::mpsc;

use super::link::readable;
use super::quic::{
    self, Door, EXPORTER_LABEL, IDLE_TIME_MAX, KEEP_ALIVE, OTHER_PROTOCOL, STRANGER_WINDOW_BYTES,
    WAITING_MAX, WINDOW_BYTES, chain, given_back, may_be_dialed, may_be_told,
};
use super::{
    BindError, BoxFuture, DIAL_ADDRESSES_MAX, DIAL_TIME_MAX, DialError, Guard, Link, NOT_A_MEMBER,
    Protocol, Transport,
};
use crate::portable::{self, Task};
use gossip::{DialsNobody, Gossip, Neighbour};

/// Devices on QUIC.
pub struct IrohTransport {
    device: DeviceId,
    /// None once it was closed: the socket is free when the last clone is dropped.
    endpoint: Mutex<Option<Endpoint>>,
    door: Arc<Door>,
    accepting: Mutex<Option<Task>>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Link>>,
}

impl IrohTransport {
    /// Binds the device with this secret to `at`: one address, or with an unspecified one all of
    /// this machine. Port 0 takes any.
    pub async fn bind(secret: &[u8; 32], at: SocketAddr, guard: Guard) -> Result<Self, BindError> {
        Self::bind_with(secret, at, guard, None).await
    }

    /// The same where gossip is let in: those that come for it go to `neighbours`.
    pub(crate) async fn bind_with(
        secret: &[u8; 32],
        at: SocketAddr,
        guard: Guard,
        neighbours: Option<mpsc::Sender<Neighbour>>,
    ) -> Result<Self, BindError> {
        let endpoint = endpoint(secret, at, neighbours.is_some())
            .await
            .map_err(|error| BindError { at, why: chain(&*error) })?;
        let device = DeviceId(*endpoint.id().as_bytes());
        let door = Arc::new(Door::new(guard));
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        let accepting = portable::spawn(incoming::accept_all(
            endpoint.clone(),
            device,
            Arc::clone(&door),
            incoming::Rooms { links: sender, neighbours },
        ));
        Ok(Self {
            device,
            endpoint: Mutex::new(Some(endpoint)),
            door,
            accepting: Mutex::new(Some(accepting)),
            waiting: tokio::sync::Mutex::new(waiting),
        })
    }

    fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins gossip; none where the transport is closed.
    pub(crate) fn gossip(&self) -> Option<Gossip> {
        Gossip::begin(self.endpoint()?)
    }

    async fn connect(
        &self,
        to: DeviceId,
        at: &[SocketAddr],
        protocol: Protocol,
    ) -> Result<Link, DialError> {
        let endpoint = self.endpoint().ok_or(DialError::Closed)?;
        let connection = handshake(&endpoint, to, at, protocol.alpn()).await?;
        let (writer, reader) =
            stream::open(&connection).await.map_err(|error| not_let_in(&error))?;
        connection.set_receive_window(VarInt::from_u32(WINDOW_BYTES));
        let exporter = exporter(&connection)
            .ok_or_else(|| DialError::Unreachable("the channel has no name".to_owned()))?;
        let peer = DeviceId(*connection.remote_id().as_bytes());
        let control = stream::control(connection, None);
        let halves = (Box::new(writer) as _, Box::new(reader) as _);
        Ok(Link::new((peer, protocol, true), exporter, halves, control))
    }
}

impl Drop for IrohTransport {
    fn drop(&mut self) {
        // Without this the task would keep the endpoint, and the endpoint the task.
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accepting) = accepting {
            accepting.abort();
        }
    }
}

impl Transport for IrohTransport {
    fn device(&self) -> DeviceId {
        self.device
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        let Some(endpoint) = self.endpoint() else { return Vec::new() };
        let addresses = endpoint.addr();
        addresses.ip_addrs().filter(|at| may_be_told(at)).copied().collect()
    }

    fn dial<'a>(
        &'a self,
        to: DeviceId,
        at: &'a [SocketAddr],
        protocol: Protocol,
    ) -> BoxFuture<'a, Result<Link, DialError>> {
        Box::pin(async move {
            portable::timeout(DIAL_TIME_MAX, self.connect(to, at, protocol))
                .await
                .unwrap_or_else(|| Err(DialError::Unreachable("it took too long".to_owned())))
        })
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
            let bound = endpoint.bound_sockets();
            endpoint.close().await;
            if let Some(accepting) = accepting {
                accepting.ended().await;
            }
            self.door.handshakes.all_ended().await;
            // Those that nobody accepted hold the endpoint too.
            while self.waiting.lock().await.recv().await.is_some() {}
            drop(endpoint);
            given_back(&bound).await;
        })
    }
}

/// A connection with the device, which is looked for at these addresses.
async fn handshake(
    endpoint: &Endpoint,
    to: DeviceId,
    at: &[SocketAddr],
    alpn: &[u8],
) -> Result<Connection, DialError> {
    let id = EndpointId::from_bytes(&to.0)
        .map_err(|_| DialError::Unreachable("its id is no key".to_owned()))?;
    let at: Vec<_> = at.iter().filter(|at| may_be_dialed(at)).take(DIAL_ADDRESSES_MAX).collect();
    if at.is_empty() {
        return Err(DialError::Unreachable("no address of it is known".to_owned()));
    }
    let addresses = at.into_iter().map(|at| TransportAddr::Ip(*at));
    let address = EndpointAddr::from_parts(id, addresses);
    let options =
        ConnectOptions::new().with_additional_alpns(callee::name(&to).into_iter().collect());
    let connecting = endpoint
        .connect_with_opts(address, alpn, options)
        .await
        .map_err(|error| not_begun(&error))?;
    let connection = connecting.await.map_err(|error| match error {
        ConnectingError::ConnectionError { source, .. } => not_let_in(&source),
        other => DialError::Unreachable(chain(&other)),
    })?;
    if connection.alpn() != alpn {
        return Err(DialError::Refused(OTHER_PROTOCOL.to_owned()));
    }
    Ok(connection)
}

async fn endpoint(
    secret: &[u8; 32],
    at: SocketAddr,
    gossips: bool,
) -> Result<Endpoint, Box<dyn std::error::Error + Send + Sync>> {
    let protocols = Protocol::ALL.into_iter().chain(gossips.then_some(Protocol::Gossip));
    let mut builder = Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(secret))
        .alpns(protocols.map(|protocol| protocol.alpn().to_vec()).collect())
        .hooks(DialsNobody)
        .relay_mode(RelayMode::Disabled)
        .net_report_config(NetReportConfig::minimal())
        .transport_config(quic_config())
        .clear_relay_transports()
        .clear_address_lookup()
        .clear_ip_transports()
        .bind_addr(at)?;
    if at.ip().is_unspecified() {
        // The other family too, where the machine has it.
        let other: IpAddr = match at.ip() {
            IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED.into(),
        };
        let options = BindOpts::default().set_is_required(false);
        builder = builder.bind_addr_with_opts(SocketAddr::new(other, at.port()), options)?;
    }
    Ok(builder.bind().await?)
}

fn quic_config() -> QuicTransportConfig {
    let idle_ms = u32::try_from(IDLE_TIME_MAX.as_millis()).unwrap_or(u32::MAX);
    QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(VarInt::from_u32(idle_ms).into()))
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_max_idle_timeout(IDLE_TIME_MAX)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES))
        .send_window(u64::from(WINDOW_BYTES))
        .build()
}

/// Names the handshake (RFC 5705): both ends compute the same, nobody else can.
fn exporter(connection: &Connection) -> Option<[u8; 32]> {
    let mut exporter = [0; 32];
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
    Some(exporter)
}

fn not_begun(error: &ConnectWithOptsError) -> DialError {
    match error {
        ConnectWithOptsError::EndpointClosed { .. } => DialError::Closed,
        ConnectWithOptsError::SelfConnect { .. } => {
            DialError::Unreachable("it is this device itself".to_owned())
        }
        other => DialError::Unreachable(chain(other)),
    }
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
