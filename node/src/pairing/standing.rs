//! Standing invitations on the disk of their issuer: made, handed in again after a restart, and
//! ended for good. Their secrets are not there: they follow from the device's own. `SPEC: PAIR-22`
//!
//! ```text
//! workspaces/<id>/invitations    what each is to, JSON, mode 0600
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kernelos_protocol::api::StandingRow;
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::limits::STANDING_MAX;
use kernelos_protocol::pairing::standing::{JoinFile, Standing};
use kernelos_protocol::pairing::{
    InvitationId, IssuerInput, IssuerOutput, LinkId, PairingCode, Terms,
};
use kernelos_protocol::role::Role;

use super::{PairingHost, lock, may_grant};
use crate::clock;
use crate::engine::Engine;
use crate::home::{random, replace_private};
use crate::node::Node;
use crate::portable::{sleep, spawn};

/// Between two times that the passing of time is made durable: what a clock that was set back while
/// the node was off can give back of it.
const MARK: Duration = Duration::from_secs(600);

/// What this device keeps of them.
#[derive(Default)]
pub(super) struct Standings {
    kept: BTreeMap<InvitationId, Standing>,
    /// Workspaces whose file cannot be read or written, and why: nobody comes in there by one.
    shut: BTreeMap<WorkspaceId, Failure>,
    /// When time was last told to them, by the monotonic clock.
    marked_ms: u64,
}

impl Standings {
    /// To which workspace an invitation is.
    pub(super) fn workspace(&self, invitation: &InvitationId) -> Option<WorkspaceId> {
        self.kept.get(invitation).map(|standing| standing.workspace)
    }

    fn of(&self, workspace: WorkspaceId) -> impl Iterator<Item = (&InvitationId, &Standing)> {
        self.kept.iter().filter(move |(_, standing)| standing.workspace == workspace)
    }

    fn pass_time(&mut self) {
        let now = clock::now();
        let passed_s = now.monotonic_ms.saturating_sub(self.marked_ms) / 1_000;
        // Whole seconds were told; the rest counts next time.
        self.marked_ms = self.marked_ms.saturating_add(passed_s.saturating_mul(1_000));
        for standing in self.kept.values_mut() {
            standing.saw(now.wall_us / 1_000_000, passed_s);
        }
    }

    /// What was kept is on the disk when this returns.
    fn keep(&mut self, node: &Node, workspace: WorkspaceId) -> Result<(), Failure> {
        self.pass_time();
        let records: Vec<_> = self.of(workspace).map(|(_, standing)| standing).collect();
        let path = path(node, workspace);
        let bytes = serde_json::to_vec(&records).map_err(io::Error::from);
        bytes.and_then(|bytes| replace_private(&path, &bytes)).map_err(|error| {
            Failure::new(FailureKind::Failed, format!("{}: {error}", path.display()))
                .with_hint("make room or make it writable, and try again")
        })
    }
}

fn path(node: &Node, workspace: WorkspaceId) -> PathBuf {
    node.home().store(&workspace).with_file_name("invitations")
}

fn load(node: &Node, workspace: WorkspaceId) -> Result<Vec<Standing>, Failure> {
    let path = path(node, workspace);
    let read = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from)),
    };
    read.map_err(|error| {
        Failure::new(FailureKind::Failed, format!("{} is damaged: {error}", path.display()))
            .with_hint("move it away: then no join file of this workspace is good any more")
    })
}

fn terms(node: &Node, engine: &Engine, standing: &Standing) -> Terms {
    Terms {
        secret: standing.secret(node.secret()),
        workspace: standing.workspace,
        workspace_name: engine.meta.name.clone(),
        inviter: engine.shared(|shared| shared.device.clone()),
        role: standing.role,
        lifetime_ms: Some(standing.left_ms()),
        addresses: Vec::new(),
        names_taken: Vec::new(),
    }
}

impl PairingHost {
    /// Hands in what stood before the node's last stop. `SPEC: PAIR-22, PAIR-23`
    pub(crate) fn load_standing(&self, node: &Arc<Node>) {
        lock(&self.standing).marked_ms = clock::now().monotonic_ms;
        for engine in node.synced() {
            self.open(node, &engine).ok();
        }
        self.mark_time(node);
    }

    /// The same of one workspace. While its file cannot be read, or the passing of time not be made
    /// durable, nobody comes in by it and the rest of the node goes on. `SPEC: PAIR-26`
    fn open(&self, node: &Node, engine: &Engine) -> Result<(), Failure> {
        let workspace = engine.workspace();
        let mut standings = lock(&self.standing);
        standings.pass_time();
        let opened = load(node, workspace).and_then(|records| {
            if records.is_empty() {
                return Ok(());
            }
            for record in records.into_iter().take(STANDING_MAX) {
                let invitation = record.secret(node.secret()).invitation();
                standings.kept.insert(invitation, record);
            }
            standings.keep(node, workspace)
        });
        if let Err(failure) = opened {
            standings.kept.retain(|_, standing| standing.workspace != workspace);
            standings.shut.insert(workspace, failure.clone());
            return Err(failure);
        }
        standings.shut.remove(&workspace);
        let mut issuer = lock(&self.issuer);
        for (invitation, standing) in standings.of(workspace) {
            match standing.over {
                Some(code) => issuer.remember(*invitation, code),
                None => {
                    let terms = terms(node, engine, standing);
                    issuer.handle(clock::now(), IssuerInput::Stand(Box::new(terms)));
                }
            }
            self.invited();
        }
        Ok(())
    }

    /// Why nobody comes in by a join file to this workspace.
    pub(crate) fn shut(&self, workspace: WorkspaceId) -> Option<Failure> {
        lock(&self.standing).shut.get(&workspace).cloned()
    }

    /// Tries again what could not be opened.
    fn opened(&self, node: &Node, engine: &Engine) -> Result<(), Failure> {
        if self.shut(engine.workspace()).is_some() { self.open(node, engine) } else { Ok(()) }
    }

    /// Makes what passed durable, now and then, as long as the node runs.
    fn mark_time(&self, node: &Arc<Node>) {
        let node = Arc::downgrade(node);
        spawn(async move {
            loop {
                sleep(MARK).await;
                let Some(node) = node.upgrade() else { return };
                node.pairing().mark(&node);
            }
        });
    }

    /// The same once. A disk that is full is no reason to end anything: time only goes on.
    pub(crate) fn mark(&self, node: &Node) {
        for engine in node.synced() {
            self.opened(node, &engine).ok();
        }
        let mut standings = lock(&self.standing);
        let open = standings.kept.values().filter(|standing| standing.over.is_none());
        let workspaces: std::collections::BTreeSet<_> =
            open.map(|standing| standing.workspace).collect();
        for workspace in workspaces {
            standings.keep(node, workspace).ok();
        }
    }

    /// Makes a join file; the invitation is durable before anybody sees it. `SPEC: PAIR-21`
    pub(crate) async fn stand(
        &self,
        node: &Arc<Node>,
        engine: &Arc<Engine>,
        (role, uses): (Role, u32),
        lifetime_s: u64,
    ) -> Result<(StandingRow, String), Failure> {
        may_grant(engine, role).await?;
        self.opened(node, engine)?;
        let addresses = node.transport().await?.addresses();
        let (drawn, now, workspace) = (random()?, clock::now(), engine.workspace());
        let nonce = std::array::from_fn(|at| drawn[at]);
        let now_s = now.wall_us / 1_000_000;
        let standing = Standing::new(nonce, workspace, (role, uses), now_s, lifetime_s);
        let standing = standing.ok_or_else(|| {
            Failure::new(FailureKind::Usage, "no join file is good for that")
                .with_hint("up to the role of member, 1 to 64 devices, at most 30 days")
        })?;
        let secret = standing.secret(node.secret());
        let invitation = secret.invitation();
        let mut standings = lock(&self.standing);
        forget_oldest(&mut standings, workspace)?;
        standings.kept.insert(invitation, standing.clone());
        if let Err(failure) = standings.keep(node, workspace) {
            standings.kept.remove(&invitation);
            return Err(failure);
        }
        let stand = IssuerInput::Stand(Box::new(terms(node, engine, &standing)));
        let outputs = self.step(stand);
        drop(standings);
        for output in outputs {
            match output {
                IssuerOutput::NotOpened { code, .. } => {
                    self.end_standing(node, invitation, code);
                    return Err(Failure::new(FailureKind::Failed, code.code()));
                }
                other => self.perform(node, other),
            }
        }
        self.invited();
        let file = JoinFile {
            endpoint: node.device(),
            secret,
            workspace,
            role,
            uses,
            expires_s: standing.expires_s,
            addresses,
        };
        Ok((row(&invitation, &standing), file.to_text()))
    }

    /// The standing invitations to a workspace.
    pub(crate) fn standing(
        &self,
        node: &Node,
        engine: &Engine,
    ) -> Result<Vec<StandingRow>, Failure> {
        self.opened(node, engine)?;
        let mut standings = lock(&self.standing);
        standings.pass_time();
        let rows = standings.of(engine.workspace());
        Ok(rows.map(|(invitation, standing)| row(invitation, standing)).collect())
    }

    /// Ends one for good; who has its file is told so. A grant under way is seen to its end first:
    /// after the answer nobody comes in by it. `SPEC: PAIR-23, PAIR-26`
    pub(crate) async fn withdraw(
        &self,
        node: &Arc<Node>,
        engine: &Engine,
        invitation: InvitationId,
    ) -> Result<StandingRow, Failure> {
        let workspace = engine.workspace();
        self.opened(node, engine)?;
        let known = lock(&self.standing).kept.get(&invitation).cloned();
        let known = known.filter(|standing| standing.workspace == workspace);
        let Some(standing) = known else {
            let text = format!("there is no standing invitation {invitation} here");
            return Err(
                Failure::new(FailureKind::Failed, text).with_hint("`kern invite --list` shows all")
            );
        };
        if standing.over.is_none() {
            let mut standings = lock(&self.standing);
            let over = |kept: &mut Standings, over| {
                if let Some(standing) = kept.kept.get_mut(&invitation) {
                    standing.over = over;
                }
            };
            over(&mut standings, Some(PairingCode::Cancelled));
            if let Err(failure) = standings.keep(node, workspace) {
                over(&mut standings, None);
                return Err(failure);
            }
            drop(standings);
            self.handle(node, IssuerInput::Cancel { invitation });
        }
        drop(self.granting.write().await);
        let standings = lock(&self.standing);
        Ok(row(&invitation, standings.kept.get(&invitation).unwrap_or(&standing)))
    }

    /// It is over by itself.
    pub(super) fn end_standing(&self, node: &Node, invitation: InvitationId, code: PairingCode) {
        let mut standings = lock(&self.standing);
        let Some(standing) = standings.kept.get_mut(&invitation) else { return };
        let workspace = standing.workspace;
        standing.over.get_or_insert(code);
        // What is not kept now ends anew at the next start: its time is over there too.
        standings.keep(node, workspace).ok();
    }

    /// How many one lets in yet is shown.
    fn used(&self, node: &Node, invitation: InvitationId, left: u32) {
        let mut standings = lock(&self.standing);
        let Some(standing) = standings.kept.get_mut(&invitation) else { return };
        let workspace = standing.workspace;
        standing.left = left;
        standings.keep(node, workspace).ok();
    }

    /// For how many devices it was made, unless it is over now. `SPEC: PAIR-23`
    pub(super) fn uses(&self, invitation: &InvitationId) -> Result<u32, PairingCode> {
        let mut standings = lock(&self.standing);
        standings.pass_time();
        let standing = standings.kept.get(invitation).ok_or(PairingCode::Unknown)?;
        standing.over.map_or(Ok(standing.uses), Err)
    }
}

/// Of too many the first that is over makes room.
fn forget_oldest(standings: &mut Standings, workspace: WorkspaceId) -> Result<(), Failure> {
    if standings.of(workspace).count() < STANDING_MAX {
        return Ok(());
    }
    let over = standings.of(workspace).filter(|(_, standing)| standing.over.is_some());
    let oldest = over.min_by_key(|(_, standing)| standing.expires_s).map(|(id, _)| *id);
    let Some(oldest) = oldest else {
        let text = format!("{STANDING_MAX} invitations stand already");
        return Err(Failure::new(FailureKind::Failed, text)
            .with_hint("end one: kern invite --list, kern invite --revoke ID"));
    };
    standings.kept.remove(&oldest);
    Ok(())
}

fn row(invitation: &InvitationId, standing: &Standing) -> StandingRow {
    StandingRow {
        invitation: invitation.to_string(),
        role: standing.role,
        uses: standing.uses,
        left: standing.left,
        expires: standing.expires_s,
        over: standing.over,
    }
}

/// Asks the workspace to let in who comes by a join file. `SPEC: PAIR-24`
pub(super) async fn admit(
    node: Arc<Node>,
    link: LinkId,
    invitation: InvitationId,
    workspace: String,
    command: impl FnOnce(u32) -> Command,
) {
    let under_way = node.pairing().granting.read().await;
    let reply = match node.pairing().uses(&invitation) {
        Ok(uses) => Ok(node.ask(Some(&workspace), command(uses)).await),
        Err(code) => Err(code),
    };
    let input = match reply {
        Err(code) => IssuerInput::NotAdmitted { link, code },
        Ok(Reply::Granted { event, left }) => {
            let left = left.unwrap_or(0);
            node.pairing().used(&node, invitation, left);
            IssuerInput::Admitted { link, grant: event, left }
        }
        Ok(Reply::NameUsed) => IssuerInput::NotAdmitted { link, code: PairingCode::NameUsed },
        Ok(Reply::RuleUsed) => IssuerInput::NotAdmitted { link, code: PairingCode::Used },
        Ok(_) => IssuerInput::NotAdmitted { link, code: PairingCode::NotGranted },
    };
    drop(under_way);
    node.pairing().handle(&node, input);
}

#[cfg(test)]
mod tests;
