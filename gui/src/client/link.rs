//! The loop behind a [`super::Client`]: connect, follow, ask, and begin again.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use kernelos_protocol::api::{Answer, Asked, NodeInfo};
use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::id::WorkspaceId;
use tokio::time::{sleep, timeout};

use super::http::{Events, not_running, send};
use super::{Ends, News, Order, Wanted};
use crate::model::Topic;

/// The first wait for a node that does not run.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
/// The longest.
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// A node that says nothing for so long is gone: it says that it is there every 15 s.
const SILENT_MAX: Duration = Duration::from_secs(45);

/// Why following ended.
enum Over {
    /// The window is closed.
    Closed,
    /// The node is gone.
    Gone(Failure),
    /// Another workspace is looked at.
    Elsewhere,
}

pub(super) struct Link<W> {
    socket: PathBuf,
    /// The name of the workspace that is looked at first.
    first: Option<String>,
    ends: Ends,
    wake: W,
}

impl<W: Fn()> Link<W> {
    pub(super) fn new(socket: PathBuf, first: Option<String>, ends: Ends, wake: W) -> Self {
        Self { socket, first, ends, wake }
    }

    pub(super) async fn run(mut self) {
        let mut again = AGAIN_FIRST;
        loop {
            match self.follow(&mut again).await {
                Over::Closed => return,
                Over::Elsewhere => continue,
                Over::Gone(failure) => {
                    if !self.tell(News::Down(failure)).await {
                        return;
                    }
                }
            }
            if !self.wait(again).await {
                return;
            }
            again = (again * 2).min(AGAIN_MAX);
        }
    }

    async fn tell(&self, news: News) -> bool {
        let is_heard = self.ends.news.send(news).await.is_ok();
        (self.wake)();
        is_heard
    }

    /// Waits before the node is tried again. What is asked meanwhile is tried at once, and tells
    /// that it does not run.
    async fn wait(&mut self, again: Duration) -> bool {
        let order = tokio::select! {
            () = sleep(again) => return true,
            order = self.ends.orders.recv() => order,
        };
        match order {
            Some(order) => self.perform(order).await,
            None => false,
        }
    }

    /// Follows the node until it is gone, or something else is looked at.
    async fn follow(&mut self, again: &mut Duration) -> Over {
        let info = match self.info().await {
            Ok(info) => info,
            Err(failure) => return Over::Gone(failure),
        };
        let wanted = self.ends.wanted.borrow_and_update().clone();
        let workspace = chosen(&info, &wanted, self.first.as_deref());
        let named = workspace.map(|id| id.to_string());
        let mut events = match Events::follow(&self.socket, named.as_deref()).await {
            Ok(events) => events,
            Err(failure) => return Over::Gone(failure),
        };
        *again = AGAIN_FIRST;
        let mut had = Vec::new();
        loop {
            let changed = tokio::select! {
                alive = timeout(SILENT_MAX, events.next()) => match alive {
                    Ok(Some(changed)) => changed,
                    Ok(None) | Err(_) => return Over::Gone(not_running()),
                },
                wanted = self.ends.wanted.changed() => match wanted {
                    Ok(()) => false,
                    Err(_) => return Over::Closed,
                },
                order = self.ends.orders.recv() => match order {
                    Some(order) => match self.perform(order).await {
                        true => false,
                        false => return Over::Closed,
                    },
                    None => return Over::Closed,
                },
            };
            let over = self.refresh(workspace, changed, &mut had).await;
            if let Some(over) = over {
                return over;
            }
        }
    }

    /// Asks what is looked at: all of it where something changed, otherwise what is new in it.
    async fn refresh(
        &mut self,
        workspace: Option<WorkspaceId>,
        changed: bool,
        had: &mut Vec<Topic>,
    ) -> Option<Over> {
        let wanted = self.ends.wanted.borrow_and_update().clone();
        if changed {
            match self.info().await {
                Ok(info) if chosen(&info, &wanted, self.first.as_deref()) == workspace => {
                    if !self.tell(News::Up(info)).await {
                        return Some(Over::Closed);
                    }
                }
                Ok(_) => return Some(Over::Elsewhere),
                Err(failure) => return Some(Over::Gone(failure)),
            }
        }
        let workspace = match (wanted.workspace, workspace) {
            (Some(now), before) if Some(now) != before => return Some(Over::Elsewhere),
            (_, None) => return None,
            (_, Some(workspace)) => workspace,
        };
        for topic in &wanted.topics {
            if !changed && had.contains(topic) {
                continue;
            }
            let Some(command) = topic.command() else { continue };
            let answer = self.ask(workspace, command).await;
            if !self.tell(News::Said(workspace, topic.clone(), answer)).await {
                return Some(Over::Closed);
            }
        }
        *had = wanted.topics;
        None
    }

    async fn info(&self) -> Result<NodeInfo, Failure> {
        send(&self.socket, Method::GET, "/v1/node", &()).await
    }

    async fn ask(&self, workspace: WorkspaceId, command: Command) -> Result<Reply, Failure> {
        let asked = Asked { workspace: Some(workspace.to_string()), command };
        match send(&self.socket, Method::POST, "/v1/command", &asked).await? {
            Reply::Failed(failure) => Err(failure),
            reply => Ok(reply),
        }
    }

    async fn perform(&self, order: Order) -> bool {
        let news = match order {
            Order::Do(workspace, command) => {
                let answer = self.ask(workspace, command.clone()).await;
                News::Done(command, answer)
            }
            Order::Found(founding) => {
                let answer = send(&self.socket, Method::POST, "/v1/workspaces", &founding).await;
                News::Founded(answer.and_then(|answer| match answer {
                    Answer::Done(founded) => Ok(founded),
                    Answer::Failed(failure) => Err(failure),
                }))
            }
        };
        self.tell(news).await
    }
}

/// Which workspace is looked at: the wished one, the named one, or the first.
fn chosen(info: &NodeInfo, wanted: &Wanted, first: Option<&str>) -> Option<WorkspaceId> {
    let ids = || info.workspaces.iter().map(|row| row.workspace_id);
    let wished = wanted.workspace.filter(|wished| ids().any(|id| id == *wished));
    let named = info.workspaces.iter().find(|row| Some(row.workspace.as_str()) == first);
    wished.or_else(|| named.map(|row| row.workspace_id)).or_else(|| ids().next())
}
