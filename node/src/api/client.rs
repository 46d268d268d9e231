//! Asking a node that runs, from another process of the same user.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use kernelos_protocol::api::Entering;
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::API_REQUEST_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::peers::{PeersAnswer, PeersAsked};
use crate::api::{Answer, Asked, NodeInfo, PairAnswer, PairAsked, StartAsked};
use crate::founding::{Founded, Founding};
use crate::home::Home;
use crate::missions::Starting;
use crate::node::WorkspaceRow;

/// Bytes of one answer: a whole document as JSON, with room.
const ANSWER_BYTES_MAX: usize = 8 * API_REQUEST_BYTES_MAX;

/// A door to a running node.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    /// Set when something was written that others will have.
    wrote: Arc<AtomicBool>,
}

impl Client {
    /// The node of this home; whether it runs is seen when it is asked.
    pub fn of(home: &Home) -> Result<Self, Failure> {
        Self::marking(home, Arc::default())
    }

    /// The same, that sets a mark when it wrote something that others will have.
    pub fn marking(home: &Home, wrote: Arc<AtomicBool>) -> Result<Self, Failure> {
        Ok(Self { socket: home.socket()?, wrote })
    }

    /// What the node says of itself.
    pub async fn info(&self) -> Result<NodeInfo, Failure> {
        self.send(Method::GET, "/v1/node", &()).await
    }

    /// Founds a workspace.
    pub async fn found(&self, founding: &Founding) -> Result<Founded, Failure> {
        let answer = self.send(Method::POST, "/v1/workspaces", founding).await?;
        match answer {
            Answer::Done(founded) => Ok(founded),
            Answer::Failed(failure) => Err(failure),
        }
    }

    /// Makes a workspace from its genesis.
    pub async fn enter_from(&self, entering: &Entering) -> Result<WorkspaceRow, Failure> {
        match self.send(Method::POST, "/v1/workspaces/from", entering).await? {
            Answer::Done(row) => Ok(row),
            Answer::Failed(failure) => Err(failure),
        }
    }

    /// Asks a workspace.
    pub async fn ask(&self, workspace: Option<&str>, command: Command) -> Result<Reply, Failure> {
        let writes = command.writes();
        let asked = Asked { workspace: workspace.map(str::to_owned), command };
        match self.send(Method::POST, "/v1/command", &asked).await? {
            Reply::Failed(failure) => Err(failure),
            reply => {
                if writes && !matches!(reply, Reply::NotUndone(_)) {
                    self.wrote.store(true, Ordering::Relaxed);
                }
                Ok(reply)
            }
        }
    }

    /// Starts a mission.
    pub async fn start_mission(
        &self,
        workspace: Option<&str>,
        mission: &Starting,
    ) -> Result<EventId, Failure> {
        let asked =
            StartAsked { workspace: workspace.map(str::to_owned), mission: mission.clone() };
        match self.send(Method::POST, "/v1/missions", &asked).await? {
            Answer::Done(id) => {
                self.wrote.store(true, Ordering::Relaxed);
                Ok(id)
            }
            Answer::Failed(failure) => Err(failure),
        }
    }

    /// A step of pairing.
    pub async fn pair(&self, asked: &PairAsked) -> Result<PairAnswer, Failure> {
        match self.send(Method::POST, "/v1/pair", asked).await? {
            Answer::Done(answer) => Ok(answer),
            Answer::Failed(failure) => Err(failure),
        }
    }

    /// Opens or closes the transport; is it open?
    pub async fn network(&self, what: &str) -> Result<bool, Failure> {
        match self.send(Method::POST, "/v1/network", &what).await? {
            Answer::Done(online) => Ok(online),
            Answer::Failed(failure) => Err(failure),
        }
    }

    /// Keeps, lists or takes out fixed addresses.
    pub async fn peers(&self, asked: &PeersAsked) -> Result<PeersAnswer, Failure> {
        match self.send(Method::POST, "/v1/peers", asked).await? {
            Answer::Done(answer) => Ok(answer),
            Answer::Failed(failure) => Err(failure),
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|_| not_running())?;
        let lost = |error: &dyn std::fmt::Display| {
            Failure::new(FailureKind::Busy, format!("the node did not answer: {error}"))
                .with_hint("it may have stopped: start it with `kern up`, then look at `kern log`")
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
        tokio::spawn(connection);
        let body = serde_json::to_vec(body).map_err(|error| lost(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "kern")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| lost(&error))?;
        let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let good = response.status().is_success();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| lost(&error))?.to_bytes();
        if !good {
            let failure = serde_json::from_slice::<Failure>(&body);
            return Err(failure.unwrap_or_else(|error| lost(&error)));
        }
        serde_json::from_slice(&body).map_err(|error| lost(&error))
    }
}

fn not_running() -> Failure {
    Failure::new(FailureKind::NotRunning, "the node does not run").with_hint("start it: kern up")
}
