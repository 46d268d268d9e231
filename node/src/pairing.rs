//! Pairing on a real device: links for the machines of the protocol, and people for their
//! questions.

mod audit;
mod join;
mod standing;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernelos_protocol::api::PendingRow;
pub use kernelos_protocol::api::{By, InviteEvent, Invited, JoinEvent, StandingRow};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::{DeviceId, Signature, WorkspaceId};
use kernelos_protocol::key::SealingStatement;
use kernelos_protocol::pairing::standing::rule_of;
use kernelos_protocol::pairing::{
    CheckCode, InvitationId, Issuer, IssuerInput, IssuerOutput, LinkId, PairingCode, Secret, Terms,
};
use kernelos_protocol::role::Role;
use tokio::sync::{Notify, RwLock, mpsc};

use crate::clock;
use crate::engine::Engine;
use crate::home::random;
use crate::node::Node;
use crate::portable::{sleep, spawn, timeout};
use crate::transport::{Link, Receiver, Sender};

use audit::{Attempt, Audit};
pub use join::Joins;
pub(crate) use join::{HISTORY_LATE, NOT_STORED};
use standing::{Standings, admit};

/// Between two looks at the clock while an invitation is open.
const TICK: Duration = Duration::from_millis(200);
/// How long a caller waits for something to happen before it asks again.
const WAIT: Duration = Duration::from_secs(20);
/// Messages that wait for a newcomer.
const MESSAGES_WAITING_MAX: usize = 16;

enum Outgoing {
    Message(Vec<u8>),
    Close(String),
}

/// Events that wait for a person to ask for them.
pub(crate) struct Queue<T> {
    events: Mutex<VecDeque<T>>,
    more: Notify,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { events: Mutex::default(), more: Notify::new() }
    }
}

impl<T> Queue<T> {
    /// Is there such an event in it?
    fn any(&self, is: impl Fn(&T) -> bool) -> bool {
        lock(&self.events).iter().any(is)
    }

    pub(crate) fn push(&self, event: T) {
        lock(&self.events).push_back(event);
        self.more.notify_one();
    }

    pub(crate) async fn next(&self) -> Option<T> {
        if let Some(event) = lock(&self.events).pop_front() {
            return Some(event);
        }
        timeout(WAIT, self.more.notified()).await;
        lock(&self.events).pop_front()
    }
}

/// The invitations of this device.
pub(crate) struct PairingHost {
    issuer: Mutex<Issuer>,
    links: Mutex<(u64, BTreeMap<LinkId, mpsc::Sender<Outgoing>>)>,
    people: Mutex<BTreeMap<InvitationId, Arc<Queue<InviteEvent>>>>,
    standing: Mutex<Standings>,
    /// Shared by grants that join files ask for: who ends one waits for those under way.
    granting: RwLock<()>,
    audit: Audit,
    pub(crate) joins: Joins,
    has_invited: AtomicBool,
    /// Does somebody look at the clock?
    watches: AtomicBool,
}

/// Is an invitation over with this?
fn is_last(event: &InviteEvent) -> bool {
    matches!(event, InviteEvent::Granted(_) | InviteEvent::Refused(_))
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nobody panics while holding one; and if so, what it holds is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PairingHost {
    pub(crate) fn new(device: DeviceId) -> Self {
        Self {
            issuer: Mutex::new(Issuer::new(device)),
            links: Mutex::default(),
            people: Mutex::default(),
            standing: Mutex::default(),
            granting: RwLock::default(),
            audit: Audit::default(),
            joins: Joins::default(),
            has_invited: AtomicBool::new(false),
            watches: AtomicBool::new(false),
        }
    }

    /// Did this process ever invite? Who comes late is told why it is not let in; the machine
    /// bounds how many may ask.
    pub(crate) fn has_invited(&self) -> bool {
        self.has_invited.load(Ordering::Relaxed)
    }

    fn invited(&self) {
        self.has_invited.store(true, Ordering::Relaxed);
    }

    /// Opens an invitation.
    pub(crate) async fn invite(
        &self,
        node: &Arc<Node>,
        engine: &Arc<Engine>,
        role: Role,
        ttl_ms: Option<u64>,
    ) -> Result<Invited, Failure> {
        may_grant(engine, role).await?;
        let transport = node.transport().await?;
        let mut secret = [0; 16];
        secret.copy_from_slice(&random()?[..16]);
        let terms = Terms {
            secret: Secret(secret),
            workspace: engine.workspace(),
            workspace_name: engine.meta.name.clone(),
            inviter: engine.shared(|shared| shared.device.clone()),
            role,
            lifetime_ms: ttl_ms,
            addresses: transport.addresses().into_iter().take(2).collect(),
            names_taken: names_taken(engine).await,
        };
        let invitation = terms.secret.invitation();
        self.invited();
        self.audit.opened(invitation, engine.workspace());
        {
            let mut people = lock(&self.people);
            // What became of the last ones was heard by now.
            people.retain(|_, queue| !queue.any(is_last));
            people.insert(invitation, Arc::default());
        }
        let mut token = None;
        for output in self.step(IssuerInput::Open(Box::new(terms))) {
            match output {
                IssuerOutput::Opened { token: opened, .. } => token = Some(opened.to_text()),
                IssuerOutput::NotOpened { code, .. } => {
                    lock(&self.people).remove(&invitation);
                    return Err(Failure::new(FailureKind::Failed, code));
                }
                other => self.perform(node, other),
            }
        }
        let token = token.ok_or_else(|| Failure::new(FailureKind::Failed, "it was not opened"))?;
        self.watch_clock(node);
        node.changed();
        Ok(Invited { invitation: kernelos_protocol::id::to_hex(&invitation.0), token })
    }

    /// The invitations to a workspace that are open, and who waits by them.
    pub(crate) fn pending(&self, workspace: WorkspaceId) -> Vec<PendingRow> {
        lock(&self.issuer).pending(clock::now(), workspace)
    }

    /// The next thing that an inviting person is to hear.
    pub(crate) async fn next(&self, invitation: InvitationId) -> InviteEvent {
        let Some(queue) = lock(&self.people).get(&invitation).cloned() else {
            return InviteEvent::Refused("invitation_unknown".to_owned());
        };
        let event = queue.next().await.unwrap_or(InviteEvent::Waiting);
        if is_last(&event) {
            // Whoever asked may be gone, and asks again.
            queue.push(event.clone());
        }
        event
    }

    /// A person typed the digits, or gives up.
    pub(crate) fn answer(&self, node: &Arc<Node>, id: InvitationId, code: Option<CheckCode>) {
        self.handle(
            node,
            match code {
                Some(code) => IssuerInput::Code { invitation: id, code },
                None => IssuerInput::Cancel { invitation: id },
            },
        );
    }

    /// Somebody dialed.
    pub(crate) fn connected(&self, node: &Arc<Node>, link: Link) {
        let (device, exporter) = (link.peer, link.exporter);
        let (sender, receiver) = link.split();
        let (outgoing, waiting) = mpsc::channel(MESSAGES_WAITING_MAX);
        let id = {
            let mut links = lock(&self.links);
            links.0 += 1;
            let id = LinkId(links.0);
            links.1.insert(id, outgoing);
            id
        };
        spawn(write(sender, waiting));
        spawn(read(Arc::clone(node), id, receiver));
        self.handle(node, IssuerInput::Connected { link: id, device, exporter });
        self.watch_clock(node);
    }

    /// Looks at the clock as long as somebody waits by it.
    fn watch_clock(&self, node: &Arc<Node>) {
        if self.watches.swap(true, Ordering::SeqCst) {
            return;
        }
        let node = Arc::downgrade(node);
        spawn(async move {
            loop {
                sleep(TICK).await;
                let Some(node) = node.upgrade() else { return };
                let pairing = node.pairing();
                pairing.handle(&node, IssuerInput::Tick);
                // Both under the lock: who comes from now on begins to watch anew.
                let issuer = lock(&pairing.issuer);
                if !issuer.is_busy() {
                    pairing.watches.store(false, Ordering::SeqCst);
                    return;
                }
            }
        });
    }

    pub(crate) fn handle(&self, node: &Arc<Node>, input: IssuerInput) {
        for output in self.step(input) {
            self.perform(node, output);
        }
    }

    fn step(&self, input: IssuerInput) -> Vec<IssuerOutput> {
        lock(&self.issuer).handle(clock::now(), input)
    }

    fn perform(&self, node: &Arc<Node>, output: IssuerOutput) {
        match output {
            IssuerOutput::Send { link, bytes } => {
                if let Some(outgoing) = lock(&self.links).1.get(&link) {
                    outgoing.try_send(Outgoing::Message(bytes)).ok();
                }
            }
            IssuerOutput::Close { link, code } => {
                if let Some(outgoing) = lock(&self.links).1.remove(&link) {
                    let reason = code.map_or("done", |code| code.code());
                    outgoing.try_send(Outgoing::Close(reason.to_owned())).ok();
                }
            }
            IssuerOutput::AskCode { invitation, device, device_name } => {
                self.tell(invitation, InviteEvent::AskCode { device_name, device });
                node.changed();
            }
            IssuerOutput::Grant { invitation, workspace, device, sealing, role, device_name } => {
                let rule = "pairing".to_owned();
                let command = granting(device, sealing, role, device_name, rule, None);
                spawn(grant(Arc::clone(node), invitation, workspace.to_string(), command));
            }
            IssuerOutput::Admit {
                link,
                invitation,
                workspace,
                device,
                sealing,
                role,
                device_name,
            } => {
                let (rule, workspace) = (rule_of(&invitation), workspace.to_string());
                let command =
                    move |uses| granting(device, sealing, role, device_name, rule, Some(uses));
                spawn(admit(Arc::clone(node), link, invitation, workspace, command));
            }
            IssuerOutput::Ended { invitation, result } => {
                if let Err(code) = result {
                    self.end_standing(node, invitation, code);
                }
                let told = match result {
                    Ok(device) => InviteEvent::Granted(device),
                    Err(code) => InviteEvent::Refused(code.code().to_owned()),
                };
                self.tell(invitation, told);
                node.changed();
            }
            IssuerOutput::Audit { invitation, device, result } => {
                let standing = invitation.and_then(|id| lock(&self.standing).workspace(&id));
                let attempt = Attempt { invitation, device, result };
                self.audit.keep(node, &attempt, standing);
            }
            IssuerOutput::Opened { .. }
            | IssuerOutput::NotOpened { .. }
            | IssuerOutput::NotWaiting { .. } => {}
        }
    }

    fn tell(&self, invitation: InvitationId, event: InviteEvent) {
        if let Some(queue) = lock(&self.people).get(&invitation) {
            queue.push(event);
        }
    }
}

fn granting(
    device: DeviceId,
    sealing: SealingStatement,
    role: Role,
    name: String,
    rule: String,
    uses: Option<u32>,
) -> Command {
    let sealing_signature = Signature(sealing.signature);
    Command::Grant { device, sealing_key: sealing.key, sealing_signature, role, name, rule, uses }
}

async fn grant(node: Arc<Node>, invitation: InvitationId, workspace: String, command: Command) {
    let input = match node.ask(Some(&workspace), command).await {
        Reply::Granted { event, .. } => IssuerInput::Granted { invitation, grant: event },
        Reply::NameUsed => IssuerInput::NotGranted { invitation, code: PairingCode::NameUsed },
        _ => IssuerInput::NotGranted { invitation, code: PairingCode::NotGranted },
    };
    node.pairing().handle(&node, input);
}

async fn write(mut sender: Sender, mut waiting: mpsc::Receiver<Outgoing>) {
    while let Some(outgoing) = waiting.recv().await {
        match outgoing {
            Outgoing::Message(bytes) => {
                if sender.send(&bytes).await.is_err() {
                    return;
                }
            }
            Outgoing::Close(reason) => {
                // What was sent must arrive before the reason does.
                timeout(Duration::from_secs(2), sender.finish()).await;
                sender.close(&reason);
                return;
            }
        }
    }
}

async fn read(node: Arc<Node>, link: LinkId, mut receiver: Receiver) {
    while let Ok(Some(bytes)) = receiver.receive().await {
        node.pairing().handle(&node, IssuerInput::Received { link, bytes });
    }
    lock(&node.pairing().links).1.remove(&link);
    node.pairing().handle(&node, IssuerInput::Lost { link });
}

/// Who may not grant hears it before a code is shown to anybody.
async fn may_grant(engine: &Engine, role: Role) -> Result<(), Failure> {
    let Reply::Status(status) = engine.ask(Command::Status).await else { return Ok(()) };
    let needed = if role >= Role::Admin { Role::Owner } else { Role::Admin };
    if status.role >= Some(needed) {
        return Ok(());
    }
    let own = status.role.map_or("no member", Role::name);
    let text = format!("this device is {own} here and may not let in {}s", role.name());
    Err(Failure::new(FailureKind::Denied, text)
        .with_hint(format!("invite on a device that is {} there", needed.name())))
}

/// The names of a workspace's devices.
async fn names_taken(engine: &Engine) -> Vec<String> {
    let Ok(path) = "devices".parse() else { return Vec::new() };
    match engine.ask(Command::Read { path }).await {
        Reply::Read(read) => {
            let devices = read.value.as_object().into_iter().flatten();
            let names = devices.filter_map(|(_, about)| about.get("name")?.as_str());
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
