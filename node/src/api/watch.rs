//! Tells who watches that something changed: server-sent events, the number of changes alone.
//!
//! ```text
//! event: changed
//! data: {"revision":7}
//! ```
//!
//! At most so many a second are told, and a slow reader hears of the last. A comment says that the
//! node is there where nothing changes. At each connect one event comes at once.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use http_body_util::channel::{Channel, Sender};
use serde::Deserialize;
use tokio::sync::watch;

use crate::node::Node;
use crate::portable::{sleep, spawn, timeout};

/// Between two events.
const PACE: Duration = Duration::from_millis(100);
/// Between two signs of life.
const ALIVE: Duration = Duration::from_secs(5);

/// What is watched.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Which workspace, by name or id; none for the node alone.
    workspace: Option<String>,
}

/// What is followed: the node, a workspace of it, and the end of the API.
struct Followed {
    node: watch::Receiver<u64>,
    workspace: Option<watch::Receiver<u64>>,
    ends: watch::Receiver<()>,
}

/// Begins to follow.
pub(super) fn watch(
    State(node): State<Arc<Node>>,
    Query(asked): Query<Asked>,
    ends: watch::Receiver<()>,
) -> Response {
    let workspace = match asked.workspace {
        Some(name) => match node.engine(Some(&name)) {
            Ok(engine) => Some(engine.changes()),
            Err(failure) => return (StatusCode::NOT_FOUND, Json(failure)).into_response(),
        },
        None => None,
    };
    let (to, body) = Channel::<Bytes>::new(1);
    spawn(follow(to, Followed { node: node.changes(), workspace, ends }));
    ([(CONTENT_TYPE, "text/event-stream")], Body::new(body)).into_response()
}

async fn follow(mut to: Sender<Bytes>, mut followed: Followed) {
    loop {
        let text = format!("event: changed\ndata: {{\"revision\":{}}}\n\n", followed.revision());
        if to.send_data(text.into()).await.is_err() {
            return;
        }
        sleep(PACE).await;
        loop {
            match timeout(ALIVE, followed.changed()).await {
                Some(true) => break,
                Some(false) => return,
                None if to.send_data(":\n\n".into()).await.is_err() => return,
                None => {}
            }
        }
    }
}

impl Followed {
    /// What is told now counts as seen.
    fn revision(&mut self) -> u64 {
        let node = *self.node.borrow_and_update();
        let workspace = self.workspace.as_mut().map_or(0, |changes| *changes.borrow_and_update());
        node.saturating_add(workspace)
    }

    /// Waits for a change; false at the end.
    async fn changed(&mut self) -> bool {
        let workspace = async {
            match &mut self.workspace {
                Some(changes) => changes.changed().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.node.changed() => changed.is_ok(),
            changed = workspace => changed,
            // Nothing is ever sent: it ends.
            _ = self.ends.changed() => false,
        }
    }
}
