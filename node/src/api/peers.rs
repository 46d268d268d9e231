//! The fixed addresses of others, from outside: kept, listed, taken out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse as _, Response};
pub use kernelos_protocol::api::PeersAsked;
use kernelos_protocol::command::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

use super::{Answer, rejected};
use crate::mesh::fixed;
pub use crate::mesh::fixed::{Found, PeerRow};
use crate::node::Node;

/// The answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeersAnswer {
    /// To `Add`.
    Found(Found),
    /// To `List`.
    List(Vec<PeerRow>),
    /// To `Remove`.
    Removed,
}

pub(super) async fn peers(
    State(node): State<Arc<Node>>,
    asked: Result<Json<PeersAsked>, JsonRejection>,
) -> Response {
    match asked {
        Ok(Json(asked)) => {
            let done = perform(&node, asked).await;
            Json(done.map_or_else(Answer::Failed, Answer::Done)).into_response()
        }
        Err(rejection) => rejected(&rejection),
    }
}

async fn perform(node: &Arc<Node>, asked: PeersAsked) -> Result<PeersAnswer, Failure> {
    match asked {
        PeersAsked::Add { workspace, address } => {
            fixed::add(node, workspace.as_deref(), address).await.map(PeersAnswer::Found)
        }
        PeersAsked::List => {
            let rows = node.peers().all().into_iter();
            Ok(PeersAnswer::List(rows.map(|(address, id)| PeerRow { address, id }).collect()))
        }
        PeersAsked::Remove { address } => {
            if node.peers().remove(address)? {
                return Ok(PeersAnswer::Removed);
            }
            Err(Failure::new(FailureKind::Failed, format!("{address} is not kept here"))
                .with_hint("`kern peer list` shows all"))
        }
    }
}
