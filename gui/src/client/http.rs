//! Requests to the node's API, and its stream of events. What `kern` asks by stands in the node,
//! on which this crate does not depend; both speak the words of `protocol::api`, which does no I/O.

use std::path::Path;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::limits::API_REQUEST_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

/// Bytes of one answer: a whole document as JSON, with room.
const ANSWER_BYTES_MAX: usize = 8 * API_REQUEST_BYTES_MAX;
/// Bytes of one event of the stream.
const EVENT_BYTES_MAX: usize = 4_096;

/// The node does not run.
pub(super) fn not_running() -> Failure {
    Failure::new(FailureKind::NotRunning, "the node does not run").with_hint("start it: kern up")
}

/// It runs and says nothing.
pub(super) fn hangs() -> Failure {
    Failure::new(FailureKind::Busy, "the node does not answer").with_hint(
        "it runs and has much to do, or is stuck. It is asked again and again; if it stays so, \
         stop it and start it again: kern up. What was saved is not lost",
    )
}

fn lost(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Busy, format!("the node did not answer: {error}"))
        .with_hint("it may have stopped: start it with `kern up`, then look at the log")
}

/// Asks with `body` as JSON, and hears JSON.
pub(super) async fn send<T: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: &impl Serialize,
) -> Result<T, Failure> {
    let response = request(socket, method, path, body).await?;
    let good = response.status().is_success();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| lost(&error))?.to_bytes();
    if !good {
        let failure = serde_json::from_slice::<Failure>(&body);
        return Err(failure.unwrap_or_else(|error| lost(&error)));
    }
    serde_json::from_slice(&body).map_err(|error| lost(&error))
}

async fn request(
    socket: &Path,
    method: Method,
    path: &str,
    body: &impl Serialize,
) -> Result<Response<Incoming>, Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|_| not_running())?;
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
    sender.send_request(request).await.map_err(|error| lost(&error))
}

/// The node's stream of events, which says that something changed.
pub(super) struct Events {
    body: Incoming,
    /// The beginning of a line.
    line: Vec<u8>,
    /// What came behind the last line.
    rest: Bytes,
}

impl Events {
    /// Follows a workspace, or the node alone.
    pub(super) async fn follow(socket: &Path, workspace: Option<&str>) -> Result<Self, Failure> {
        let path = match workspace {
            Some(workspace) => format!("/v1/watch?workspace={workspace}"),
            None => "/v1/watch".to_owned(),
        };
        let response = request(socket, Method::GET, &path, &()).await?;
        if !response.status().is_success() {
            return Err(lost(&response.status()));
        }
        Ok(Self { body: response.into_body(), line: Vec::new(), rest: Bytes::new() })
    }

    /// Waits for the next sign of life: true where something changed, false where the node only
    /// says that it is there; none at the end. Nothing is lost where it is not waited for.
    pub(super) async fn next(&mut self) -> Option<bool> {
        loop {
            if let Some(is_change) = self.taken() {
                return Some(is_change);
            }
            if self.line.len() > EVENT_BYTES_MAX {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.rest = data;
            }
        }
    }

    /// The next line that is there already.
    fn taken(&mut self) -> Option<bool> {
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&self.rest.split_to(end + 1));
            let line = std::mem::take(&mut self.line);
            if line.starts_with(b"data:") {
                return Some(true);
            }
            if line.starts_with(b":") {
                return Some(false);
            }
        }
        self.line.extend_from_slice(&std::mem::take(&mut self.rest));
        None
    }
}
