//! The loop behind a [`super::Client`]: connect, follow, ask, and begin again.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use kernelos_protocol::api::{
    Answer, Asked, InviteEvent, JoinEvent, NodeInfo, PairAnswer, PairAsked, WorkspaceRow,
};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::WorkspaceId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use super::http::{Events, hangs, not_running, send};
use super::{Ends, News, Order, Restoring, Wanted, doors, restore};
use crate::model::Topic;

/// The first wait for a node that does not run.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
/// The longest.
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// A node that says nothing for so long hangs: it says that it is there every 5 s.
const SILENT_MAX: Duration = Duration::from_secs(20);

/// A node that has not said what is looked at by then hangs: it reads its own memory for that.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// The same of what it writes, which waits for its disk.
const ORDER_MAX: Duration = Duration::from_secs(60);
/// The same of a step of pairing: it waits 20 s for people before it says that nothing happened.
const PAIR_MAX: Duration = Duration::from_secs(35);

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
    /// A restore is over.
    restored: Arc<Notify>,
}

impl<W: Fn() + Clone + Send + Sync + 'static> Link<W> {
    pub(super) fn new(socket: PathBuf, first: Option<String>, ends: Ends, wake: W) -> Self {
        Self { socket, first, ends, wake, restored: Arc::default() }
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
        // Another is not looked at in its place: what is done there would be done elsewhere.
        let first = self.first.as_deref().filter(|_| wanted.workspace.is_none());
        if let Some(first) = first.filter(|first| is_missing(&info, first)) {
            return Over::Gone(missing(&info, first));
        }
        let workspace = chosen(&info, &wanted, self.first.as_deref());
        let named = workspace.map(|id| id.to_string());
        let following = Events::follow(&self.socket, named.as_deref());
        let mut events = match within(ANSWER_MAX, following).await {
            Ok(events) => events,
            Err(failure) => return Over::Gone(failure),
        };
        *again = AGAIN_FIRST;
        let mut had = Vec::new();
        // Something changed while it was looked at.
        let mut is_old = false;
        loop {
            let changed = tokio::select! {
                biased;
                order = self.ends.orders.recv() => match order {
                    // What it changed is looked at, also where the node does not say so.
                    Some(order) => match self.perform_watched(order, &mut events).await {
                        None => true,
                        Some(over) => return over,
                    },
                    None => return Over::Closed,
                },
                wanted = self.ends.wanted.changed() => match wanted {
                    Ok(()) => is_old,
                    Err(_) => return Over::Closed,
                },
                () = self.restored.notified() => true,
                () = std::future::ready(()), if is_old => true,
                alive = timeout(SILENT_MAX, events.next()) => match alive {
                    Ok(Some(changed)) => changed,
                    Ok(None) => return Over::Gone(not_running()),
                    Err(_) => return Over::Gone(hangs()),
                },
            };
            is_old &= !changed;
            let refreshing = std::pin::pin!(self.refresh(workspace, changed, &mut had));
            match watched(refreshing, &mut events, &mut is_old).await {
                Ok(None) => {}
                Ok(Some(over)) => return over,
                Err(failure) => return Over::Gone(failure),
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
            let news = self.look(workspace, topic.clone()).await;
            match news {
                Ok(news) => {
                    if !self.tell(news).await {
                        return Some(Over::Closed);
                    }
                }
                Err(failure) => return Some(Over::Gone(failure)),
            }
        }
        *had = wanted.topics;
        None
    }

    /// What the node says of something that is looked at. Where it does not say in time how it
    /// stands it hangs; any other view that takes so long fails alone.
    async fn look(&self, workspace: WorkspaceId, topic: Topic) -> Result<News, Failure> {
        let named = || Some(workspace.to_string());
        let steps = match &topic {
            Topic::Standing => Some(PairAsked::Standing { workspace: named() }),
            Topic::Pending => Some(PairAsked::Pending { workspace: named() }),
            _ => None,
        };
        if let Some(asked) = steps {
            let answer = view(pair(&self.socket, &asked)).await;
            return Ok(News::Pair(asked, answer));
        }
        let asked = topic.command().ok_or_else(not_running);
        let answer = match asked {
            Ok(command) if topic == Topic::Status => {
                heard(ANSWER_MAX, self.ask(workspace, command)).await?
            }
            Ok(command) => view(self.ask(workspace, command)).await,
            Err(failure) => Err(failure),
        };
        Ok(News::Said(workspace, topic, answer))
    }

    async fn info(&self) -> Result<NodeInfo, Failure> {
        within(ANSWER_MAX, send(&self.socket, Method::GET, "/v1/node", &())).await
    }

    async fn ask(&self, workspace: WorkspaceId, command: Command) -> Result<Reply, Failure> {
        let asked = Asked { workspace: Some(workspace.to_string()), command };
        match send(&self.socket, Method::POST, "/v1/command", &asked).await? {
            Reply::Failed(failure) => Err(failure),
            reply => Ok(reply),
        }
    }

    /// Performs an order, and hears meanwhile whether the node is alive: what it waits for may take
    /// long, and a node that hangs is told of before that.
    async fn perform_watched(&self, order: Order, events: &mut Events) -> Option<Over> {
        let mut performing = std::pin::pin!(self.perform(order));
        // What changed meanwhile is looked at afterwards in any case.
        let failure = match watched(performing.as_mut(), events, &mut false).await {
            Ok(is_heard) => return (!is_heard).then_some(Over::Closed),
            Err(failure) => failure,
        };
        if !self.tell(News::Down(failure.clone())).await || !performing.await {
            return Some(Over::Closed);
        }
        Some(Over::Gone(failure))
    }

    async fn perform(&self, order: Order) -> bool {
        let news = match order {
            Order::Do(workspace, command) => {
                let asked = command.clone();
                News::Done(command, ordered(self.ask(workspace, asked)).await)
            }
            Order::Create(creating) => News::Founded(match doors::founding(&creating) {
                Ok(founding) => {
                    let path = "/v1/workspaces";
                    let founded = ordered(answered(&self.socket, path, &founding)).await;
                    founded.inspect_err(|failure| doors::forget(&creating, failure))
                }
                Err(failure) => Err(failure),
            }),
            Order::Rescue(workspace, rescuing) => News::Rescued(match doors::rescue(&rescuing) {
                Ok(command) => ordered(self.ask(workspace, command)).await,
                Err(failure) => Err(failure),
            }),
            Order::Restore(restoring) => {
                self.restore(restoring);
                return true;
            }
            Order::Start(workspace, mission) => {
                let workspace = workspace.to_string();
                let asked = serde_json::json!({ "workspace": workspace, "mission": mission });
                News::Started(ordered(answered(&self.socket, "/v1/missions", &asked)).await)
            }
            Order::Pair(asked) => {
                let answer = ordered(pair(&self.socket, &asked)).await;
                match &answer {
                    Ok(PairAnswer::Open(open)) => {
                        self.attend(PairAsked::Invited { invitation: open.invitation.clone() });
                    }
                    Ok(PairAnswer::Began(join)) => self.attend(PairAsked::Joining { join: *join }),
                    _ => {}
                }
                News::Pair(asked, answer)
            }
        };
        self.tell(news).await
    }

    /// Restores beside what else is asked, and tells what became of it: an archive may be of any
    /// size.
    fn restore(&self, restoring: Restoring) {
        let (socket, news, wake) = (self.socket.clone(), self.ends.news.clone(), self.wake.clone());
        let restored = Arc::clone(&self.restored);
        tokio::spawn(async move {
            let tell = (&news, &wake as &(dyn Fn() + Send + Sync));
            let answer = restore::restore(&socket, &restoring, tell).await;
            news.send(News::Restored(answer)).await.ok();
            wake();
            restored.notify_one();
        });
    }

    /// Tells what becomes of an invitation or an attempt to join, until it is over.
    fn attend(&self, asked: PairAsked) {
        let (socket, wake) = (self.socket.clone(), self.wake.clone());
        tokio::spawn(attend(socket, asked, self.ends.news.clone(), wake));
    }
}

/// Waits for something, and hears meanwhile whether the node is alive, and whether something
/// changed there: one that hangs is told of by its silence, however much it was asked.
async fn watched<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
    events: &mut Events,
    changed: &mut bool,
) -> Result<T, Failure> {
    loop {
        let alive = tokio::select! {
            done = &mut work => return Ok(done),
            alive = timeout(SILENT_MAX, events.next()) => alive,
        };
        match alive {
            Ok(Some(is_change)) => *changed |= is_change,
            Ok(None) => return Err(not_running()),
            Err(_) => return Err(hangs()),
        }
    }
}

async fn attend(socket: PathBuf, asked: PairAsked, news: mpsc::Sender<News>, wake: impl Fn()) {
    loop {
        let answer = within(PAIR_MAX, pair(&socket, &asked)).await;
        let goes_on = match &answer {
            Ok(PairAnswer::Invite(InviteEvent::Waiting) | PairAnswer::Join(JoinEvent::Waiting)) => {
                continue;
            }
            // The node may come back, and knows then.
            Err(failure) if matches!(failure.kind, FailureKind::Busy | FailureKind::NotRunning) => {
                sleep(AGAIN_MAX).await;
                if news.is_closed() {
                    return;
                }
                continue;
            }
            Ok(PairAnswer::Invite(InviteEvent::AskCode { .. })) => true,
            Ok(PairAnswer::Join(event)) => {
                matches!(event, JoinEvent::AskConsent { .. } | JoinEvent::CheckCode(_))
            }
            _ => false,
        };
        let is_heard = news.send(News::Pair(asked.clone(), answer)).await.is_ok();
        wake();
        if !goes_on || !is_heard {
            return;
        }
    }
}

/// Asks, and hears whether it was done.
pub(super) async fn answered<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    asked: &impl Serialize,
) -> Result<T, Failure> {
    match send(socket, Method::POST, path, asked).await? {
        Answer::Done(done) => Ok(done),
        Answer::Failed(failure) => Err(failure),
    }
}

async fn pair(socket: &Path, asked: &PairAsked) -> Result<PairAnswer, Failure> {
    answered(socket, "/v1/pair", asked).await
}

/// Waits for an answer for so long.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(limit, answer).await.unwrap_or_else(|_| Err(hangs()))
}

/// The same, apart from what the answer says.
async fn heard<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<Result<T, Failure>, Failure> {
    timeout(limit, answer).await.map_err(|_| hangs())
}

/// Waits for what is looked at and may take long.
async fn view<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(ANSWER_MAX, answer).await.unwrap_or_else(|_| {
        Err(Failure::new(FailureKind::Busy, "the node takes too long to say this")
            .with_hint("it is asked again as soon as something changes"))
    })
}

/// Waits for what something that was ordered became.
pub(super) async fn ordered<T>(
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let done = heard(ORDER_MAX, answer).await;
    let late = "it may be done all the same: look at the timeline before you ask for it again";
    done.unwrap_or_else(|failure| Err(failure.with_hint(late)))
}

/// The workspace of this name, or id.
fn named<'i>(info: &'i NodeInfo, first: &str) -> Option<&'i WorkspaceRow> {
    let by_name = info.workspaces.iter().find(|row| row.workspace == first);
    let is_id = |row: &&WorkspaceRow| row.workspace_id.to_string() == first.to_ascii_lowercase();
    by_name.or_else(|| info.workspaces.iter().find(is_id))
}

/// Are there workspaces, and none is the named one?
fn is_missing(info: &NodeInfo, first: &str) -> bool {
    !info.workspaces.is_empty() && named(info, first).is_none()
}

fn missing(info: &NodeInfo, first: &str) -> Failure {
    let names: Vec<_> = info.workspaces.iter().map(|row| format!("{:?}", row.workspace)).collect();
    let text = format!("there is no workspace {first:?} here");
    let hint = format!("close this window and name one of these: {}", names.join(", "));
    Failure::new(FailureKind::Failed, text).with_hint(hint)
}

/// Which workspace is looked at: the wished one, the named one, or the first.
fn chosen(info: &NodeInfo, wanted: &Wanted, first: Option<&str>) -> Option<WorkspaceId> {
    let ids = || info.workspaces.iter().map(|row| row.workspace_id);
    let wished = wanted.workspace.filter(|wished| ids().any(|id| id == *wished));
    let named = first.and_then(|first| named(info, first));
    wished.or_else(|| named.map(|row| row.workspace_id)).or_else(|| ids().next())
}

#[cfg(test)]
mod tests;
