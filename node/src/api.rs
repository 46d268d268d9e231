//! The local API: HTTP with JSON on a Unix socket in the home, open to its owner alone.
//!
//! | method and path | takes | gives |
//! |---|---|---|
//! | `GET /v1/node` | | [`NodeInfo`] |
//! | `POST /v1/workspaces` | [`Founding`] | [`Founded`] |
//! | `POST /v1/workspaces/from` | [`Entering`] | a `WorkspaceRow` |
//! | `POST /v1/command` | [`Asked`] | a [`Reply`] |
//! | `POST /v1/pair` | [`PairAsked`] | a [`PairAnswer`] |
//! | `POST /v1/missions` | [`StartAsked`] | the mission's id |
//! | `GET /v1/watch?workspace=W` | | events: something changed; without `W`, of the node alone |
//! | `POST /v1/network` | `"offline"`, `"online"` | is a transport open |
//!
//! A failure is a reply like any other: its kind is what the command line's exit code says.

pub mod client;
pub mod peers;
mod watch;

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
pub use kernelos_protocol::api::{Answer, Asked, NodeInfo, PairAnswer, PairAsked, StartAsked};
use kernelos_protocol::api::{Entering, Founded, Founding};
use kernelos_protocol::command::{Failure, FailureKind, Reply};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::API_REQUEST_BYTES_MAX;
use kernelos_protocol::pairing::{InvitationId, NewcomerInput};
use tokio::net::UnixListener;

use crate::node::Node;

/// Serves `node` at `socket` until `stop` is done, then finishes what is under way.
pub async fn serve(
    node: Arc<Node>,
    listener: UnixListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (ending, ends) = tokio::sync::watch::channel(());
    let stop = async move {
        stop.await;
        // Who only waits for something to happen is not waited for.
        drop(ending);
    };
    let router = Router::new()
        .route("/v1/node", get(info))
        .route("/v1/workspaces", post(found))
        .route("/v1/workspaces/from", post(enter_from))
        .route("/v1/command", post(command))
        .route("/v1/pair", post(pair))
        .route("/v1/missions", post(start_mission))
        .route("/v1/network", post(network))
        .route("/v1/peers", post(peers::peers))
        .route("/v1/watch", get(async move |node, asked| watch::watch(node, asked, ends)))
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
        secret: node.home().home().kept().ok().flatten().map(|kept| kept.protection),
        online: node.is_online().await,
        workspaces: node.workspaces(),
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

async fn enter_from(
    State(node): State<Arc<Node>>,
    asked: Result<Json<Entering>, axum::extract::rejection::JsonRejection>,
) -> Response {
    match asked {
        Ok(Json(entering)) => {
            let entered = node.enter_from(&entering).await;
            Json(entered.map_or_else(Answer::Failed, Answer::Done)).into_response()
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

async fn pair(
    State(node): State<Arc<Node>>,
    asked: Result<Json<PairAsked>, axum::extract::rejection::JsonRejection>,
) -> Response {
    match asked {
        Ok(Json(asked)) => {
            let answer = match step(&node, asked).await {
                Ok(answer) => Answer::Done(answer),
                Err(failure) => Answer::Failed(failure),
            };
            Json(answer).into_response()
        }
        Err(rejection) => rejected(&rejection),
    }
}

async fn step(node: &Arc<Node>, asked: PairAsked) -> Result<PairAnswer, Failure> {
    let pairing = node.pairing();
    let named = |id: &str| {
        let id = kernelos_protocol::id::from_hex(id).map(InvitationId);
        id.ok_or_else(|| Failure::new(FailureKind::Usage, "this names no invitation"))
    };
    match asked {
        PairAsked::Invite { workspace, role, ttl_ms } => {
            let engine = node.engine(workspace.as_deref())?;
            pairing.invite(node, &engine, role, ttl_ms).await.map(PairAnswer::Open)
        }
        PairAsked::Invited { invitation } => {
            Ok(PairAnswer::Invite(pairing.next(named(&invitation)?).await))
        }
        PairAsked::Code { invitation, code } => {
            let code = code.map(|code| code.trim().parse()).transpose();
            let code = code.map_err(|_| {
                Failure::new(FailureKind::Usage, "a check code is two digits")
                    .with_hint("type the two digits that the new device shows")
            })?;
            pairing.answer(node, named(&invitation)?, code);
            Ok(PairAnswer::Taken)
        }
        PairAsked::Stand { workspace, role, uses, lifetime_s } => {
            let engine = node.engine(workspace.as_deref())?;
            let (row, file) = pairing.stand(node, &engine, (role, uses), lifetime_s).await?;
            Ok(PairAnswer::Stands(row, file))
        }
        PairAsked::Standing { workspace } => {
            let engine = node.engine(workspace.as_deref())?;
            Ok(PairAnswer::Standing(pairing.standing(node, &engine)?))
        }
        PairAsked::Pending { workspace } => {
            let engine = node.engine(workspace.as_deref())?;
            Ok(PairAnswer::Pending(pairing.pending(engine.workspace())))
        }
        PairAsked::Withdraw { workspace, invitation } => {
            let engine = node.engine(workspace.as_deref())?;
            let row = pairing.withdraw(node, &engine, named(&invitation)?).await?;
            Ok(PairAnswer::Standing(vec![row]))
        }
        PairAsked::Join { by, device } => {
            pairing.joins.begin(node, &by, &device).map(PairAnswer::Began)
        }
        PairAsked::Joining { join } => Ok(PairAnswer::Join(pairing.joins.next(join).await)),
        PairAsked::Consent { join, yes } => {
            pairing.joins.answer(join, NewcomerInput::Consent(yes));
            Ok(PairAnswer::Taken)
        }
        PairAsked::Leave { join } => {
            pairing.joins.answer(join, NewcomerInput::Cancel);
            Ok(PairAnswer::Taken)
        }
    }
}

async fn start_mission(
    State(node): State<Arc<Node>>,
    asked: Result<Json<StartAsked>, axum::extract::rejection::JsonRejection>,
) -> Response {
    match asked {
        Ok(Json(asked)) => {
            let started = match node.engine(asked.workspace.as_deref()) {
                Ok(engine) => crate::missions::start(&node, &engine, asked.mission).await,
                Err(failure) => Err(failure),
            };
            Json(started.map_or_else(Answer::Failed, Answer::<EventId>::Done)).into_response()
        }
        Err(rejection) => rejected(&rejection),
    }
}

async fn network(
    State(node): State<Arc<Node>>,
    asked: Result<Json<String>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let done = match asked.as_ref().map(|asked| asked.as_str()) {
        Ok("offline") => node.offline().await,
        Ok("online") => node.online().await,
        Ok(_) => Err(Failure::new(FailureKind::Usage, "offline or online")),
        Err(rejection) => return rejected(rejection),
    };
    let answer = match done {
        Ok(()) => Answer::Done(node.is_online().await),
        Err(failure) => Answer::Failed(failure),
    };
    Json(answer).into_response()
}

fn rejected(rejection: &axum::extract::rejection::JsonRejection) -> Response {
    let failure = Failure::new(FailureKind::Usage, rejection.body_text());
    (StatusCode::BAD_REQUEST, Json(failure)).into_response()
}
