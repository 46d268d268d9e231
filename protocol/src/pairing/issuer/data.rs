//! What goes into the issuer's machine and what comes out: plain data, so that what it lived
//! through can be recorded and played again.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, EventId, WorkspaceId};
use crate::key::SealingStatement;
use crate::pairing::code::PairingCode;
use crate::pairing::messages::statement;
use crate::pairing::proof::CheckCode;
use crate::pairing::token::{InvitationId, Secret, Token};
use crate::role::Role;

/// One connection of pairing, named by the caller and never named so again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkId(pub u64);

/// What an invitation is to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// 16 fresh random bytes.
    pub secret: Secret,
    /// Into which workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub workspace_name: String,
    /// This device's name.
    pub inviter: String,
    /// As what. The caller has checked that this device may grant it.
    pub role: Role,
    /// For how long; none, and anything longer, means five minutes, but where it stands.
    pub lifetime_ms: Option<u64>,
    /// Where this device may be found, best first.
    pub addresses: Vec<SocketAddr>,
    /// The names of the workspace's devices: a newcomer wishes another. Where it stands there are
    /// none: names are looked at when the grant is written.
    pub names_taken: Vec<String>,
}

/// Everything that can happen to an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerInput {
    /// The person wants to invite.
    Open(Box<Terms>),
    /// An invitation stands: one that was made now, or before a restart. `SPEC: PAIR-21`
    Stand(Box<Terms>),
    /// Somebody dialled; the TLS handshake is complete and without early data.
    Connected {
        /// The new link.
        link: LinkId,
        /// The key that TLS proved.
        device: DeviceId,
        /// What TLS exports of this channel.
        exporter: [u8; 32],
    },
    /// A whole message came.
    Received {
        /// From where.
        link: LinkId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The link is gone.
    Lost {
        /// Which.
        link: LinkId,
    },
    /// The person typed two digits.
    Code {
        /// For which invitation.
        invitation: InvitationId,
        /// The digits.
        code: CheckCode,
    },
    /// The person ends an invitation.
    Cancel {
        /// Which.
        invitation: InvitationId,
    },
    /// The events of a grant are durable.
    Granted {
        /// Of which invitation.
        invitation: InvitationId,
        /// The grant.
        grant: EventId,
    },
    /// A grant was not written.
    NotGranted {
        /// Of which invitation.
        invitation: InvitationId,
        /// Why.
        code: PairingCode,
    },
    /// The events of an admission are durable.
    Admitted {
        /// Of which link.
        link: LinkId,
        /// The grant.
        grant: EventId,
        /// How many more the invitation lets in.
        left: u32,
    },
    /// An admission was not written.
    NotAdmitted {
        /// Of which link.
        link: LinkId,
        /// Why.
        code: PairingCode,
    },
    /// A deadline has come.
    Tick,
}

/// Everything that an issuer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerOutput {
    /// Show this token.
    Opened {
        /// The invitation.
        invitation: InvitationId,
        /// What to show.
        token: Token,
        /// For how long it is good.
        lifetime_ms: u64,
    },
    /// It was not opened.
    NotOpened {
        /// The invitation.
        invitation: InvitationId,
        /// Why.
        code: PairingCode,
    },
    /// Send this message.
    Send {
        /// To where.
        link: LinkId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Close the link once what was sent has arrived, or soon.
    Close {
        /// Which.
        link: LinkId,
        /// Why; none when all went well.
        code: Option<PairingCode>,
    },
    /// Ask the person for the two digits that the new device shows.
    AskCode {
        /// For which invitation.
        invitation: InvitationId,
        /// The key that TLS proved.
        device: DeviceId,
        /// The name that the device wishes.
        device_name: String,
    },
    /// Write the grant, and answer with [`IssuerInput::Granted`] or [`IssuerInput::NotGranted`].
    Grant {
        /// Of which invitation.
        invitation: InvitationId,
        /// In which workspace.
        workspace: WorkspaceId,
        /// To whom.
        device: DeviceId,
        /// Its sealing key, signed by it.
        #[serde(with = "statement")]
        sealing: SealingStatement,
        /// As what.
        role: Role,
        /// The name that it wishes, which nobody has.
        device_name: String,
    },
    /// Write the grant unless the invitation is used up, and answer with [`IssuerInput::Admitted`]
    /// or [`IssuerInput::NotAdmitted`].
    Admit {
        /// For which link.
        link: LinkId,
        /// Of which invitation.
        invitation: InvitationId,
        /// In which workspace.
        workspace: WorkspaceId,
        /// To whom.
        device: DeviceId,
        /// Its sealing key, signed by it.
        #[serde(with = "statement")]
        sealing: SealingStatement,
        /// As what.
        role: Role,
        /// The name that it wishes.
        device_name: String,
    },
    /// The invitation is over: the new member, or why there is none.
    Ended {
        /// Which.
        invitation: InvitationId,
        /// How.
        result: Result<DeviceId, PairingCode>,
    },
    /// One attempt, to be kept. `SPEC: PAIR-15`
    Audit {
        /// The invitation that it was for; none where it named none that was ever open here.
        invitation: Option<InvitationId>,
        /// The key that TLS proved.
        device: DeviceId,
        /// The grant, or why there is none.
        result: Result<EventId, PairingCode>,
    },
    /// Answer to digits, a cancellation or a grant that nothing waits for (any more).
    NotWaiting {
        /// The invitation named.
        invitation: InvitationId,
    },
}
