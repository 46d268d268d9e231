//! Joining: from a token to a workspace whose history is here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernelos_protocol::api::{By, JoinEvent};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply, Status};
use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::pairing::{
    Applicant, JoinFile, Newcomer, NewcomerInput, NewcomerOutput, PairingCode, Token, TokenFault,
};
use tokio::sync::mpsc;

use super::{Queue, lock};
use crate::clock;
use crate::engine::Engine;
use crate::founding::check_name;
use crate::node::Node;
use crate::pairing::audit::refused_here;
use crate::portable::{sleep, spawn, timeout};
use crate::transport::{Link, Protocol};

/// Between two looks at the clock or at the history.
const TICK: Duration = Duration::from_millis(50);
/// How long the last message may take to arrive.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long the history may take before the person is told that it is on its way.
const HISTORY_MS: u64 = 120_000;

/// Why a join ends of a device that is a member, and whose history is on its way still: the code.
pub(crate) const HISTORY_LATE: &str = "history_late";
/// What stands before the reason why a workspace could not be kept here.
pub(crate) const NOT_STORED: &str = "not stored";

type Attempt = (Arc<Queue<JoinEvent>>, mpsc::UnboundedSender<NewcomerInput>);

/// The attempts of this device to join something.
#[derive(Default)]
pub struct Joins(Mutex<(u64, BTreeMap<u64, Attempt>)>);

impl Joins {
    /// Begins an attempt, by a token or by what stands in a join file.
    pub(crate) fn begin(
        &self,
        node: &Arc<Node>,
        by: &By,
        device_name: &str,
    ) -> Result<u64, Failure> {
        check_name("device", device_name)?;
        node.may_pair()?;
        let refused = |code: &str| {
            refused_here(node, code);
            Failure::new(FailureKind::Denied, code.to_owned())
        };
        let key = node.key();
        let applicant = Applicant {
            device: key.device(),
            sealing: key.sealing_statement(),
            device_name: device_name.to_owned(),
        };
        let read = |fault: TokenFault| {
            refused(fault.code()).with_hint("copy the whole of it, or ask for a new one")
        };
        let (addresses, began) = match by {
            By::Token(text) => {
                let token = Token::from_text(text).map_err(read)?;
                (token.addresses.clone(), Newcomer::start(clock::now(), token, applicant))
            }
            By::File(text) => {
                let file = JoinFile::from_text(text).map_err(read)?;
                (file.addresses.clone(), Newcomer::start_by_file(clock::now(), file, applicant))
            }
        };
        let (newcomer, first) = began.map_err(|code| refused(code.code()))?;
        let queue: Arc<Queue<JoinEvent>> = Arc::default();
        let (answer, answers) = mpsc::unbounded_channel();
        let mut joins = lock(&self.0);
        joins.0 += 1;
        let id = joins.0;
        joins.1.insert(id, (Arc::clone(&queue), answer));
        let attempt = Joining {
            node: Arc::clone(node),
            queue,
            newcomer,
            addresses,
            name: device_name.to_owned(),
        };
        spawn(attempt.run(first, answers));
        Ok(id)
    }

    /// The next thing that a joining person is to hear.
    pub(crate) async fn next(&self, id: u64) -> JoinEvent {
        let Some((queue, _)) = lock(&self.0).1.get(&id).cloned() else {
            // Of one that this node knows nothing of, another did: it was started anew.
            return JoinEvent::Refused(PairingCode::LinkLost.code().to_owned());
        };
        let event = queue.next().await.unwrap_or(JoinEvent::Waiting);
        if matches!(event, JoinEvent::Joined { .. } | JoinEvent::Refused(_)) {
            lock(&self.0).1.remove(&id);
        }
        event
    }

    /// A person says yes or no, or gives up.
    pub(crate) fn answer(&self, id: u64, said: NewcomerInput) {
        if let Some((_, answer)) = lock(&self.0).1.get(&id) {
            answer.send(said).ok();
        }
    }
}

struct Joining {
    node: Arc<Node>,
    queue: Arc<Queue<JoinEvent>>,
    newcomer: Newcomer,
    addresses: Vec<SocketAddr>,
    name: String,
}

impl Joining {
    async fn run(
        mut self,
        first: Vec<NewcomerOutput>,
        mut answers: mpsc::UnboundedReceiver<NewcomerInput>,
    ) {
        let mut link = None;
        let mut outputs = first;
        loop {
            for output in std::mem::take(&mut outputs) {
                if self.perform(output, &mut link).await {
                    // What was sent last must arrive: it says why.
                    if let Some(open) = &mut link {
                        timeout(FAREWELL, open.sender.finish()).await;
                    }
                    return;
                }
            }
            let input = self.next_input(&mut link, &mut answers).await;
            outputs = self.newcomer.handle(clock::now(), input);
        }
    }

    async fn next_input(
        &self,
        link: &mut Option<Link>,
        answers: &mut mpsc::UnboundedReceiver<NewcomerInput>,
    ) -> NewcomerInput {
        let Some(open) = link else {
            return NewcomerInput::Lost;
        };
        tokio::select! {
            frame = open.receive() => match frame {
                Ok(Some(bytes)) => NewcomerInput::Received { bytes },
                Ok(None) | Err(_) => {
                    *link = None;
                    NewcomerInput::Lost
                }
            },
            Some(answer) = answers.recv() => answer,
            () = sleep(TICK) => NewcomerInput::Tick,
        }
    }

    /// Does one thing; true when it is over.
    async fn perform(&mut self, output: NewcomerOutput, link: &mut Option<Link>) -> bool {
        match output {
            NewcomerOutput::Dial { endpoint, addresses } => {
                let input = self.dial(endpoint, &addresses, link).await;
                let more = self.newcomer.handle(clock::now(), input);
                for output in more {
                    if Box::pin(self.perform(output, link)).await {
                        return true;
                    }
                }
            }
            NewcomerOutput::Send { bytes } => {
                if let Some(open) = link {
                    open.send(&bytes).await.ok();
                }
            }
            NewcomerOutput::AskConsent { workspace, workspace_name, inviter, role, .. } => {
                // What a file brought is here without being a member of it.
                let own = self.node.device();
                let is_member = |engine: Arc<Engine>| {
                    engine.meta.introducer.is_some()
                        || engine.shared(|shared| shared.members.contains(&own))
                };
                if self.node.engine(Some(&workspace.to_string())).is_ok_and(is_member) {
                    self.queue.push(JoinEvent::Refused("already_member".to_owned()));
                    return true;
                }
                let role = role.name().to_owned();
                let asked = JoinEvent::AskConsent { workspace: workspace_name, inviter, role };
                self.queue.push(asked);
            }
            NewcomerOutput::ShowCode(code) => {
                self.queue.push(JoinEvent::CheckCode(code.to_string()));
            }
            NewcomerOutput::Done { workspace, workspace_name, issuer, left, .. } => {
                let entered = self.enter(workspace, &workspace_name, issuer, left).await;
                self.queue.push(entered.unwrap_or_else(|failure| {
                    JoinEvent::Refused(match failure.kind {
                        FailureKind::Busy => HISTORY_LATE.to_owned(),
                        _ => format!("{NOT_STORED}: {failure}"),
                    })
                }));
                return true;
            }
            NewcomerOutput::Failed { code, .. } => {
                self.queue.push(JoinEvent::Refused(code.code().to_owned()));
                return true;
            }
            NewcomerOutput::Close => *link = None,
        }
        false
    }

    async fn dial(
        &self,
        endpoint: DeviceId,
        addresses: &[SocketAddr],
        link: &mut Option<Link>,
    ) -> NewcomerInput {
        let Ok(transport) = self.node.transport().await else { return NewcomerInput::Lost };
        match transport.dial(endpoint, addresses, Protocol::Pair).await {
            Ok(open) => {
                let (peer, exporter) = (open.peer, open.exporter);
                *link = Some(open);
                NewcomerInput::Connected { peer, exporter }
            }
            Err(_) => NewcomerInput::Lost,
        }
    }

    /// Makes the store of the workspace, and waits until its history is here.
    async fn enter(
        &self,
        workspace: WorkspaceId,
        name: &str,
        issuer: DeviceId,
        left: Option<u32>,
    ) -> Result<JoinEvent, Failure> {
        let introducer = (issuer, self.addresses.clone());
        // Weak: a node that stops waits for whoever holds an engine.
        let entered = self.node.enter(workspace, name, &self.name, introducer).await?;
        let engine = Arc::downgrade(&entered);
        drop(entered);
        let until = clock::now().monotonic_ms + HISTORY_MS;
        while clock::now().monotonic_ms < until {
            let Some(engine) = engine.upgrade() else { break };
            if let Some(status) = history(&engine).await {
                return Ok(JoinEvent::Joined {
                    workspace: status.workspace,
                    device: status.device,
                    history_events: status.events,
                    left,
                });
            }
            drop(engine);
            sleep(TICK).await;
        }
        Err(Failure::new(FailureKind::Busy, "the history did not come yet")
            .with_hint("this device is a member; `kern status` shows when it is here"))
    }
}

/// The status of a workspace whose history is here, with our grant in it. Who reads nothing claims
/// no state; it holds what its peers said they have.
async fn history(engine: &Engine) -> Option<Status> {
    let reply = timeout(Duration::from_secs(5), engine.ask(Command::Status)).await?;
    let Reply::Status(status) = reply else { return None };
    let is_here = match status.role {
        Some(role) if role.reads() => status.state_hash.is_some(),
        role => role.is_some() && status.current,
    };
    is_here.then_some(*status)
}
