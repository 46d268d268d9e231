//! The newcomer: the device that read the code, and holds nothing yet.
//!
//! It dials whom the code names, tells nothing but its key until that one has proved the secret,
//! then asks its person, shows two digits and waits. What it becomes is not decided by what it is
//! told here: the history that follows holds the grant, and is judged like any other.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::code::PairingCode;
use super::messages::{MESSAGES_VERSION, Message, Ready, Welcome, is_name};
use super::proof::{Channel, CheckCode, Side};
use super::standing::JoinFile;
use super::token::{Intent, Secret, Token, workspace_prefix};
use crate::id::{DeviceId, EventId, WorkspaceId};
use crate::key::SealingStatement;
use crate::limits::{PAIRING_LIFETIME_MS, PAIRING_STEP_MS};
use crate::role::Role;
use crate::time::Time;

/// Everything that can happen to a newcomer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewcomerInput {
    /// The TLS handshake is complete and was without early data.
    Connected {
        /// The key that TLS proved.
        peer: DeviceId,
        /// What TLS exports of this channel.
        exporter: [u8; 32],
    },
    /// A whole message came.
    Received {
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The link is gone, or never came to be.
    Lost,
    /// The person was asked and says yes or no.
    Consent(bool),
    /// The person gives up.
    Cancel,
    /// A deadline has come.
    Tick,
}

/// Everything that a newcomer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewcomerOutput {
    /// Dial this device.
    Dial {
        /// Whom.
        endpoint: DeviceId,
        /// Where it may be, best first.
        addresses: Vec<SocketAddr>,
    },
    /// Send this message.
    Send {
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Ask the person whether to join; nothing was told yet but this device's key.
    AskConsent {
        /// The workspace.
        workspace: WorkspaceId,
        /// Its name, as the inviting device says.
        workspace_name: String,
        /// The inviting device.
        issuer: DeviceId,
        /// Its name, as it says.
        inviter: String,
        /// What this device is to be.
        role: Role,
    },
    /// Show these two digits until it is over.
    ShowCode(CheckCode),
    /// This device is a member; the history is to be fetched from the issuer.
    Done {
        /// Of this workspace.
        workspace: WorkspaceId,
        /// Its name.
        workspace_name: String,
        /// Who granted.
        issuer: DeviceId,
        /// As what.
        role: Role,
        /// By which event.
        grant: EventId,
        /// How many more devices the join file lets in; none where it was a token.
        left: Option<u32>,
    },
    /// It ended without a grant, or without the word of one.
    Failed {
        /// Why. After [`PairingCode::Unconfirmed`] the issuer may be asked for the history.
        code: PairingCode,
        /// The workspace, once it was offered.
        workspace: Option<WorkspaceId>,
    },
    /// Close the link once what was sent has arrived, or soon.
    Close,
}

/// Who comes.
#[derive(Debug, Clone)]
pub struct Applicant {
    /// This device.
    pub device: DeviceId,
    /// Its sealing key, signed by it.
    pub sealing: SealingStatement,
    /// The name that it wishes.
    pub device_name: String,
}

/// What a token or a join file says that matters here.
#[derive(Debug, Clone)]
struct Way {
    endpoint: DeviceId,
    secret: Secret,
    addresses: Vec<SocketAddr>,
    workspace: Named,
}

#[derive(Debug, Clone, Copy)]
enum Named {
    /// By a token, which a person confirms by two digits.
    Prefix([u8; 8]),
    /// By a join file, which is enough.
    Whole(WorkspaceId),
}

impl Way {
    fn leads_to(&self, workspace: &WorkspaceId) -> bool {
        match &self.workspace {
            Named::Prefix(prefix) => workspace_prefix(workspace) == *prefix,
            Named::Whole(whole) => workspace == whole,
        }
    }

    fn has_digits(&self) -> bool {
        matches!(self.workspace, Named::Prefix(_))
    }
}

/// One attempt to join by one token or join file.
#[derive(Debug, Clone)]
pub struct Newcomer {
    way: Way,
    applicant: Applicant,
    now_ms: u64,
    started_ms: u64,
    step_ms: u64,
    step: Step,
    outputs: Vec<NewcomerOutput>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Nobody has answered yet.
    Dialing,
    /// The hello is sent, the offer is awaited.
    Greeting(Channel),
    /// The proof is sent, the issuer's is awaited.
    Proving(Channel, WorkspaceId),
    /// The person is asked.
    Asking(Channel, WorkspaceId, Welcome),
    /// The digits are shown.
    Waiting(WorkspaceId, Welcome),
    /// It is over.
    Over,
}

impl Newcomer {
    /// Begins to join by `token`, or says at once why that cannot be. `SPEC: PAIR-14`
    pub fn start(
        now: Time,
        token: Token,
        applicant: Applicant,
    ) -> Result<(Self, Vec<NewcomerOutput>), PairingCode> {
        if token.intent != Intent::Invite {
            return Err(PairingCode::WrongIntent);
        }
        let Token { endpoint, secret, workspace_prefix, addresses, .. } = token;
        let workspace = Named::Prefix(workspace_prefix);
        Self::go_by(now, Way { endpoint, secret, addresses, workspace }, applicant)
    }

    /// Begins to join by a join file, or says at once why that cannot be. `SPEC: PAIR-14, PAIR-21`
    pub fn start_by_file(
        now: Time,
        file: JoinFile,
        applicant: Applicant,
    ) -> Result<(Self, Vec<NewcomerOutput>), PairingCode> {
        let JoinFile { endpoint, secret, workspace, addresses, .. } = file;
        let workspace = Named::Whole(workspace);
        Self::go_by(now, Way { endpoint, secret, addresses, workspace }, applicant)
    }

    fn go_by(
        now: Time,
        way: Way,
        applicant: Applicant,
    ) -> Result<(Self, Vec<NewcomerOutput>), PairingCode> {
        if way.endpoint == applicant.device {
            return Err(PairingCode::OwnToken);
        }
        if !is_name(&applicant.device_name) {
            return Err(PairingCode::BadName);
        }
        let addresses = way.addresses.clone();
        let dial = NewcomerOutput::Dial { endpoint: way.endpoint, addresses };
        let now_ms = now.monotonic_ms;
        let newcomer = Self {
            way,
            applicant,
            now_ms,
            started_ms: now_ms,
            step_ms: now_ms,
            step: Step::Dialing,
            outputs: Vec::new(),
        };
        Ok((newcomer, vec![dial]))
    }

    /// Takes one thing that happened, gives what is to be done, in order.
    pub fn handle(&mut self, now: Time, input: NewcomerInput) -> Vec<NewcomerOutput> {
        self.now_ms = self.now_ms.max(now.monotonic_ms);
        if self.next_deadline().is_some_and(|(at, _)| at <= self.now_ms) {
            self.give_up(PairingCode::Timeout);
        }
        match input {
            NewcomerInput::Connected { peer, exporter } => self.on_connected(peer, exporter),
            NewcomerInput::Received { bytes } => self.on_received(&bytes),
            NewcomerInput::Lost => self.on_lost(),
            NewcomerInput::Consent(yes) => self.on_consent(yes),
            NewcomerInput::Cancel => self.give_up(PairingCode::Declined),
            NewcomerInput::Tick => {}
        }
        std::mem::take(&mut self.outputs)
    }

    /// When to hand in a tick, by the monotonic clock, and what for. `SPEC: PAIR-16`
    #[must_use]
    pub fn next_deadline(&self) -> Option<(u64, &'static str)> {
        let step = (self.step_ms.saturating_add(PAIRING_STEP_MS), "pairing step");
        let whole = (self.started_ms.saturating_add(PAIRING_LIFETIME_MS), "pairing");
        match self.step {
            Step::Dialing | Step::Greeting(_) | Step::Proving(..) => Some(step.min(whole)),
            Step::Asking(..) | Step::Waiting(..) => Some(whole),
            Step::Over => None,
        }
    }

    /// Is there nothing more to come?
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.step, Step::Over)
    }

    fn on_connected(&mut self, peer: DeviceId, exporter: [u8; 32]) {
        if !matches!(self.step, Step::Dialing) {
            return;
        }
        if peer != self.way.endpoint {
            self.fail(PairingCode::WrongEndpoint, false);
            return;
        }
        let channel = Channel { newcomer: self.applicant.device, issuer: peer, exporter };
        let invitation = self.way.secret.invitation();
        self.send(&Message::Hello { version: MESSAGES_VERSION, invitation });
        self.go(Step::Greeting(channel));
    }

    /// Each step takes one message and no other. `SPEC: PAIR-9`
    fn on_received(&mut self, bytes: &[u8]) {
        if self.is_over() {
            return;
        }
        match (self.step.clone(), Message::decode(bytes)) {
            (Step::Dialing, _) => self.fail(PairingCode::OutOfOrder, false),
            (_, Err(code)) => self.fail(code, true),
            (_, Ok(Message::Refused(code))) => self.fail(PairingCode::from_code(&code), false),
            (Step::Greeting(channel), Ok(Message::Offer { workspace })) => {
                self.on_offer(channel, workspace);
            }
            (Step::Proving(channel, workspace), Ok(Message::IssuerProof { proof, welcome })) => {
                self.on_issuer_proof(channel, workspace, &proof, welcome);
            }
            (Step::Waiting(workspace, welcome), Ok(Message::Granted { grant }))
                if self.way.has_digits() =>
            {
                self.on_granted(workspace, welcome, grant, None);
            }
            (Step::Waiting(workspace, welcome), Ok(Message::Admitted { grant, left }))
                if !self.way.has_digits() =>
            {
                self.on_granted(workspace, welcome, grant, Some(left));
            }
            (_, Ok(_)) => self.fail(PairingCode::OutOfOrder, true),
        }
    }

    fn on_granted(
        &mut self,
        workspace: WorkspaceId,
        welcome: Welcome,
        grant: EventId,
        left: Option<u32>,
    ) {
        self.outputs.push(NewcomerOutput::Done {
            workspace,
            workspace_name: welcome.workspace_name,
            issuer: self.way.endpoint,
            role: welcome.role,
            grant,
            left,
        });
        self.outputs.push(NewcomerOutput::Close);
        self.step = Step::Over;
    }

    /// The whole id must be the one that the file names, or whose prefix the code holds.
    /// `SPEC: PAIR-14`
    fn on_offer(&mut self, channel: Channel, workspace: WorkspaceId) {
        if !self.way.leads_to(&workspace) {
            self.fail(PairingCode::ForeignWorkspace, true);
            return;
        }
        let proof = channel.prove(Side::Newcomer, &self.way.secret, &workspace);
        self.send(&Message::NewcomerProof(proof));
        self.go(Step::Proving(channel, workspace));
    }

    /// Only who knows the secret gets a consent, and more than the key. `SPEC: PAIR-7, PAIR-9`
    fn on_issuer_proof(
        &mut self,
        channel: Channel,
        workspace: WorkspaceId,
        proof: &[u8; 32],
        welcome: Welcome,
    ) {
        if !channel.is_proven(Side::Issuer, &self.way.secret, &workspace, proof) {
            self.fail(PairingCode::BadProof, true);
            return;
        }
        self.outputs.push(NewcomerOutput::AskConsent {
            workspace,
            workspace_name: welcome.workspace_name.clone(),
            issuer: channel.issuer,
            inviter: welcome.inviter.clone(),
            role: welcome.role,
        });
        self.go(Step::Asking(channel, workspace, welcome));
    }

    fn on_consent(&mut self, yes: bool) {
        let Step::Asking(channel, workspace, welcome) = self.step.clone() else { return };
        if !yes {
            self.give_up(PairingCode::Declined);
            return;
        }
        let Applicant { sealing, device_name, .. } = self.applicant.clone();
        self.send(&Message::Ready(Ready { sealing, device_name }));
        if self.way.has_digits() {
            let code = channel.check_code(&self.way.secret);
            self.outputs.push(NewcomerOutput::ShowCode(code));
        }
        self.go(Step::Waiting(workspace, welcome));
    }

    fn on_lost(&mut self) {
        match self.step {
            Step::Over => {}
            // The digits may have been typed: the grant may stand without its word.
            Step::Waiting(..) => self.fail(PairingCode::Unconfirmed, false),
            _ => self.fail(PairingCode::LinkLost, false),
        }
    }

    /// The person or the clock ends it.
    fn give_up(&mut self, code: PairingCode) {
        match self.step {
            Step::Over => {}
            Step::Dialing => self.fail(code, false),
            Step::Waiting(..) => {
                self.send(&Message::refused(code));
                self.fail(PairingCode::Unconfirmed, false);
            }
            _ => self.fail(code, true),
        }
    }

    fn fail(&mut self, code: PairingCode, tell: bool) {
        if tell {
            self.send(&Message::refused(code));
        }
        let workspace = match &self.step {
            Step::Proving(_, workspace)
            | Step::Asking(_, workspace, _)
            | Step::Waiting(workspace, _) => Some(*workspace),
            Step::Dialing | Step::Greeting(_) | Step::Over => None,
        };
        self.outputs.push(NewcomerOutput::Failed { code, workspace });
        self.outputs.push(NewcomerOutput::Close);
        self.step = Step::Over;
    }

    fn go(&mut self, step: Step) {
        self.step_ms = self.now_ms;
        self.step = step;
    }

    fn send(&mut self, message: &Message) {
        self.outputs.push(NewcomerOutput::Send { bytes: message.encode() });
    }
}
