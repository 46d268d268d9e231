//! The issuer: the device that invites, shows the code and asks for the two digits.
//!
//! An invitation has one session, that of the first who proves the secret. Whatever goes wrong in
//! it burns the invitation, and a second who proves the secret burns it too: somebody else has
//! seen the code. Only when the digits of this very channel were typed is a grant asked for, and
//! from there on nothing burns it but that the grant cannot be written.

mod data;
mod ending;
mod network;
mod standing;

use std::collections::{BTreeMap, VecDeque};

pub use data::{IssuerInput, IssuerOutput, LinkId, Terms};

use super::code::PairingCode;
use super::messages::{Message, Ready};
use super::proof::{Channel, CheckCode};
use super::token::{Intent, InvitationId, Token, workspace_prefix};
use crate::api::PendingRow;
use crate::id::{DeviceId, EventId, WorkspaceId, to_hex};
use crate::limits::{
    NAME_BYTES_MAX, PAIRING_INVITATIONS_MAX, PAIRING_LIFETIME_MS, PAIRING_NAMES_MAX,
    PAIRING_STEP_MS,
};
use crate::time::Time;

/// The invitations of one device. A new one knows none. `SPEC: PAIR-10`
#[derive(Debug, Clone)]
pub struct Issuer {
    device: DeviceId,
    now_ms: u64,
    invitations: BTreeMap<InvitationId, Invitation>,
    standing: BTreeMap<InvitationId, Standing>,
    links: BTreeMap<LinkId, Link>,
    /// What was open, and what who comes late is told.
    over: VecDeque<(InvitationId, PairingCode)>,
    outputs: Vec<IssuerOutput>,
}

#[derive(Debug, Clone)]
struct Invitation {
    terms: Terms,
    expires_ms: u64,
    bad_proofs: u8,
    session: Option<Session>,
}

/// An invitation that has as many sessions as come, and no digits.
#[derive(Debug, Clone)]
struct Standing {
    terms: Terms,
    expires_ms: u64,
}

/// The one session of an invitation.
#[derive(Debug, Clone)]
struct Session {
    link: LinkId,
    channel: Channel,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    /// Both have proved the secret.
    Proven,
    /// The newcomer shows the digits; the person is asked for them.
    Asking(Ready),
    /// The digits were right; the grant is being written.
    Granting,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    channel: Channel,
    step: LinkStep,
    opened_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkStep {
    /// Nothing came yet.
    Silent,
    /// It named this invitation and is to prove the secret.
    Offered(InvitationId),
    /// It has the session of this invitation.
    Session(InvitationId),
    /// It has proved the secret of this standing invitation.
    Proven(InvitationId),
    /// Its grant is being written; whether it still listens.
    Entering(InvitationId, bool),
}

impl Invitation {
    /// Were the digits right? Then nothing takes the session back.
    fn is_granting(&self) -> bool {
        matches!(self.session, Some(Session { step: Step::Granting, .. }))
    }
}

impl Issuer {
    /// The issuer of the device with this key. Nothing is loaded: what was open is burned.
    #[must_use]
    pub fn new(device: DeviceId) -> Self {
        Self {
            device,
            now_ms: 0,
            invitations: BTreeMap::new(),
            standing: BTreeMap::new(),
            links: BTreeMap::new(),
            over: VecDeque::new(),
            outputs: Vec::new(),
        }
    }

    /// Takes one thing that happened, gives what is to be done, in order.
    pub fn handle(&mut self, now: Time, input: IssuerInput) -> Vec<IssuerOutput> {
        self.now_ms = self.now_ms.max(now.monotonic_ms);
        self.expire();
        match input {
            IssuerInput::Open(terms) => self.on_open(now, *terms),
            IssuerInput::Stand(terms) => self.on_stand(*terms),
            IssuerInput::Connected { link, device, exporter } => {
                self.on_connected(link, device, exporter);
            }
            IssuerInput::Received { link, bytes } => self.on_received(link, &bytes),
            IssuerInput::Lost { link } => self.on_lost(link),
            IssuerInput::Code { invitation, code } => self.on_code(invitation, code),
            IssuerInput::Cancel { invitation } => self.on_cancel(invitation),
            IssuerInput::Granted { invitation, grant } => self.on_granted(invitation, grant),
            IssuerInput::NotGranted { invitation, code } => {
                self.on_not_granted(invitation, code);
            }
            IssuerInput::Admitted { link, grant, left } => self.on_admitted(link, grant, left),
            IssuerInput::NotAdmitted { link, code } => self.on_not_admitted(link, code),
            IssuerInput::Tick => {}
        }
        std::mem::take(&mut self.outputs)
    }

    /// When to hand in a tick, by the monotonic clock, and what for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(u64, &'static str)> {
        let open = self.invitations.values().filter(|invitation| !invitation.is_granting());
        let invitations = open.map(|invitation| (invitation.expires_ms, "pairing invitation"));
        let links = self.links.values().filter_map(Link::deadline_ms);
        let standing = self.standing.values();
        let standing = standing.map(|standing| (standing.expires_ms, "standing invitation"));
        invitations.chain(links.map(|at| (at, "pairing proof"))).chain(standing).min()
    }

    /// Does anything wait for the next seconds? A standing invitation alone does not.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.invitations.is_empty() || !self.links.is_empty()
    }

    /// The invitations that are open, but those that stand.
    pub fn open(&self) -> impl Iterator<Item = InvitationId> {
        self.invitations.keys().copied()
    }

    /// What of the open invitations to a workspace a person may see.
    #[must_use]
    pub fn pending(&self, now: Time, workspace: WorkspaceId) -> Vec<PendingRow> {
        let of = move |(_, one): &(_, &Invitation)| one.terms.workspace == workspace;
        let row = |(id, one): (&InvitationId, &Invitation)| {
            let asks = one.session.as_ref().and_then(|session| match &session.step {
                Step::Asking(ready) => Some((session.channel.newcomer, ready.device_name.clone())),
                _ => None,
            });
            let left_ms = one.expires_ms.saturating_sub(self.now_ms);
            let expires = (now.wall_us / 1_000).saturating_add(left_ms) / 1_000;
            PendingRow { invitation: to_hex(&id.0), role: one.terms.role, expires, asks }
        };
        self.invitations.iter().filter(of).map(row).collect()
    }

    // What the person does.

    /// Opens an invitation. `SPEC: PAIR-4, PAIR-10`
    fn on_open(&mut self, now: Time, terms: Terms) {
        let invitation = terms.secret.invitation();
        if let Err(code) = self.may_open(&terms) {
            self.outputs.push(IssuerOutput::NotOpened { invitation, code });
            return;
        }
        let lifetime_ms = terms.lifetime_ms.unwrap_or(u64::MAX).min(PAIRING_LIFETIME_MS);
        let expires = (now.wall_us / 1_000).saturating_add(lifetime_ms) / 1_000;
        let token = Token {
            intent: Intent::Invite,
            endpoint: self.device,
            secret: terms.secret.clone(),
            workspace_prefix: workspace_prefix(&terms.workspace),
            expires: u32::try_from(expires).unwrap_or(u32::MAX),
            addresses: terms.addresses.clone(),
        };
        let expires_ms = self.now_ms.saturating_add(lifetime_ms);
        let opened = Invitation { terms, expires_ms, bad_proofs: 0, session: None };
        self.invitations.insert(invitation, opened);
        self.outputs.push(IssuerOutput::Opened { invitation, token, lifetime_ms });
    }

    fn may_open(&self, terms: &Terms) -> Result<(), PairingCode> {
        let invitation = terms.secret.invitation();
        if self.invitations.contains_key(&invitation)
            || self.standing.contains_key(&invitation)
            || self.was_over(&invitation).is_some()
        {
            return Err(PairingCode::Used);
        }
        if self.invitations.len() >= PAIRING_INVITATIONS_MAX
            || terms.names_taken.len() > PAIRING_NAMES_MAX
        {
            return Err(PairingCode::Busy);
        }
        // These two are only shown, and were names when they were given.
        let names = [&terms.workspace_name, &terms.inviter];
        if names.into_iter().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(PairingCode::BadName);
        }
        Ok(())
    }

    /// One guess. `SPEC: PAIR-8, PAIR-12, PAIR-13`
    fn on_code(&mut self, id: InvitationId, code: CheckCode) {
        let invitation = self.invitations.get_mut(&id);
        let Some((terms, session)) =
            invitation.and_then(|open| Some((&open.terms, open.session.as_mut()?)))
        else {
            self.outputs.push(IssuerOutput::NotWaiting { invitation: id });
            return;
        };
        let Step::Asking(Ready { sealing, device_name }) = &session.step else {
            self.outputs.push(IssuerOutput::NotWaiting { invitation: id });
            return;
        };
        if session.channel.check_code(&terms.secret) != code {
            self.burn(id, PairingCode::WrongCode);
            return;
        }
        self.outputs.push(IssuerOutput::Grant {
            invitation: id,
            workspace: terms.workspace,
            device: session.channel.newcomer,
            sealing: *sealing,
            role: terms.role,
            device_name: device_name.clone(),
        });
        session.step = Step::Granting;
    }

    fn on_cancel(&mut self, id: InvitationId) {
        match self.invitations.get(&id) {
            Some(open) if !open.is_granting() => self.burn(id, PairingCode::Cancelled),
            None if self.standing.contains_key(&id) => {
                self.end_standing(id, PairingCode::Cancelled)
            }
            _ => self.outputs.push(IssuerOutput::NotWaiting { invitation: id }),
        }
    }

    // What the workspace does.

    /// The new member is durable: only now it is told. `SPEC: PAIR-13`
    fn on_granted(&mut self, id: InvitationId, grant: EventId) {
        let Some(session) = self.take_granting(id) else { return };
        let device = session.channel.newcomer;
        if self.links.remove(&session.link).is_some() {
            self.send(session.link, &Message::Granted { grant });
            self.outputs.push(IssuerOutput::Close { link: session.link, code: None });
        }
        self.audit(Some(id), device, Ok(grant));
        self.end(id, Ok(device), PairingCode::Used);
    }

    fn on_not_granted(&mut self, id: InvitationId, code: PairingCode) {
        let Some(session) = self.take_granting(id) else { return };
        if self.links.contains_key(&session.link) {
            self.refuse(session.link, code);
        } else {
            self.audit(Some(id), session.channel.newcomer, Err(code));
        }
        self.end(id, Err(code), PairingCode::Burned);
    }

    /// Takes the session whose grant was being written, and with it the invitation.
    fn take_granting(&mut self, id: InvitationId) -> Option<Session> {
        if !self.invitations.get(&id).is_some_and(Invitation::is_granting) {
            self.outputs.push(IssuerOutput::NotWaiting { invitation: id });
            return None;
        }
        self.invitations.remove(&id)?.session
    }
}

impl Link {
    /// Until when it must have proved the secret, or all that a machine does; none once it has.
    /// `SPEC: PAIR-16`
    fn deadline_ms(&self) -> Option<u64> {
        let is_done = matches!(self.step, LinkStep::Session(_) | LinkStep::Entering(..));
        (!is_done).then(|| self.opened_ms.saturating_add(PAIRING_STEP_MS))
    }

    fn invitation(&self) -> Option<InvitationId> {
        match self.step {
            LinkStep::Silent => None,
            LinkStep::Offered(id)
            | LinkStep::Session(id)
            | LinkStep::Proven(id)
            | LinkStep::Entering(id, _) => Some(id),
        }
    }
}
