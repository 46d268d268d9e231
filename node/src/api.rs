//! The local API: HTTP with JSON on a Unix socket in the home, open to its owner alone.
//!
//! | method and path | takes | gives |
//! |---|---|---|
//! | `GET /v1/node` | | [`NodeInfo`] |
//! | `POST /v1/workspaces` | [`Founding`] | [`Founded`] |
//! | `POST /v1/command` | [`Asked`] | a [`Reply`] |
//!
//! A failure is a reply like any other: its kind is what the command line's exit code says.

pub mod client;

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::limits::API_REQUEST_BYTES_MAX;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;

use crate::founding::{Founded, Founding};
use crate::node::{Node, WorkspaceRow};

/// What a node says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its program's version.
    pub version: String,
    /// The device.
    pub device_id: DeviceId,
    /// The workspaces.
    pub workspaces: Vec<WorkspaceRow>,
}

/// A command for a workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Its name or id; none where the device has one only.
    pub workspace: Option<String>,
    /// What is asked.
    pub command: Command,
}

/// What the API gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// It was done.
    Done(T),
    /// It was not done.
    Failed(Failure),
}

/// Serves `node` at `socket` until `stop` is done, then finishes what is under way.
pub async fn serve(
    node: Arc<Node>,
    listener: UnixListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/v1/node", get(info))
        .route("/v1/workspaces", post(found))
        .route("/v1/command", post(command))
        .layer(DefaultBodyLimit::max(API_REQUEST_BYTES_MAX))
        .with_state(node);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// Opens the socket. One that an earlier process left is replaced: who owns the home owns it.
pub fn listen(socket: &Path) -> Result<UnixListener, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(FailureKind::Failed, format!("{}: {error}", socket.display()))
    };
    match fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(failed)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

async fn info(State(node): State<Arc<Node>>) -> Json<NodeInfo> {
    Json(NodeInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device_id: node.device(),
        workspaces: node.workspaces().await,
    })
}

async fn found(
    State(node): State<Arc<Node>>,
    asked: Result<Json<Founding>, axum::extract::rejection::JsonRejection>,
) -> Response {
    match asked {
        Ok(Json(founding)) => {
            let answer: Answer<Founded> = match node.found(&founding).await {
                Ok(founded) => Answer::Done(founded),
                Err(failure) => Answer::Failed(failure),
            };
            Json(answer).into_response()
        }
        Err(rejection) => rejected(&rejection),
    }
}

async fn command(
    State(node): State<Arc<Node>>,
    asked: Result<Json<Asked>, axum::extract::rejection::JsonRejection>,
) -> Response {
    match asked {
        Ok(Json(asked)) => {
            let reply = node.ask(asked.workspace.as_deref(), asked.command).await;
            Json::<Reply>(reply).into_response()
        }
        Err(rejection) => rejected(&rejection),
    }
}

fn rejected(rejection: &axum::extract::rejection::JsonRejection) -> Response {
    let failure = Failure::new(FailureKind::Usage, rejection.body_text());
    (StatusCode::BAD_REQUEST, Json(failure)).into_response()
}
