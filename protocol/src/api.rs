//! The words of a node's local API that are no command's: what the node says of itself, founding,
//! pairing, fixed addresses, missions. A surface needs no more of a node than these and
//! [`crate::command`].

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::command::{Command, Failure, Mode};
use crate::event::Verified;
use crate::id::{DeviceId, EventId, WorkspaceId};
use crate::pairing::PairingCode;
use crate::role::Role;

/// What a node says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its program's version.
    pub version: String,
    /// The device.
    pub device_id: DeviceId,
    /// How the device's secret is kept on its disk; none where its file is not readable any more.
    pub secret: Option<Protection>,
    /// Is a transport open?
    pub online: bool,
    /// The workspaces.
    pub workspaces: Vec<WorkspaceRow>,
}

/// How a device's secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// As it is, in a file that its owner alone may read.
    Clear,
    /// Sealed under a key file.
    KeyFile,
    /// Sealed under a passphrase.
    Passphrase,
    /// Sealed under a key in the keyring of a desktop session.
    Keyring,
}

impl Protection {
    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear: who reads this disk has it",
            Self::KeyFile => "sealed under a key file",
            Self::Passphrase => "sealed under a passphrase",
            Self::Keyring => "sealed under a key in the desktop's keyring",
        }
    }
}

/// A workspace of which an archive is here, to be made from its genesis. `SPEC: ARC-4`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entering {
    /// Its name here.
    pub name: String,
    /// This device's name.
    pub device: String,
    /// Its first event.
    pub genesis: Verified,
}

/// A workspace on this device, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceRow {
    /// Its name here.
    pub workspace: String,
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// This device's name in it.
    pub device: String,
    /// Does it speak with others?
    pub mode: Mode,
}

/// A command for a workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Its name or id; none where the device has one only.
    pub workspace: Option<String>,
    /// What is asked.
    pub command: Command,
}

/// What the API gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// It was done.
    Done(T),
    /// It was not done.
    Failed(Failure),
}

/// What a workspace is founded with. Only public halves of the recovery key come here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founding {
    /// Its name.
    pub name: String,
    /// This device's name.
    pub device: String,
    /// Does this device speak with others?
    pub mode: Mode,
    /// The signing half of the recovery key.
    pub recovery_signing: DeviceId,
    /// The sealing half of the recovery key: 64 hex digits.
    pub recovery_sealing: EventId,
}

/// A workspace that was founded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Founded {
    /// Its name.
    pub workspace: String,
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// This device's name.
    pub device: String,
    /// The genesis.
    pub event: EventId,
}

/// A step of pairing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "pair", rename_all = "snake_case", deny_unknown_fields)]
pub enum PairAsked {
    /// Open an invitation.
    Invite {
        /// To which workspace.
        workspace: Option<String>,
        /// As what.
        role: Role,
        /// For how long, in milliseconds.
        ttl_ms: Option<u64>,
    },
    /// What happened to an invitation? Waits a while.
    Invited {
        /// Which.
        invitation: String,
    },
    /// The digits that a person typed, or none where it gives up.
    Code {
        /// Which invitation.
        invitation: String,
        /// The digits.
        code: Option<String>,
    },
    /// Make a join file.
    Stand {
        /// To which workspace.
        workspace: Option<String>,
        /// As what.
        role: Role,
        /// For how many devices.
        uses: u32,
        /// For how long, in seconds.
        lifetime_s: u64,
    },
    /// Which invitations stand?
    Standing {
        /// To which workspace.
        workspace: Option<String>,
    },
    /// Which invitations are open, and who waits by one?
    Pending {
        /// To which workspace.
        workspace: Option<String>,
    },
    /// End one that stands.
    Withdraw {
        /// To which workspace.
        workspace: Option<String>,
        /// Which.
        invitation: String,
    },
    /// Join by a token or a join file.
    Join {
        /// By what.
        by: By,
        /// The name that this device wishes.
        device: String,
    },
    /// What happened to an attempt to join? Waits a while.
    Joining {
        /// Which.
        join: u64,
    },
    /// A person gives up.
    Leave {
        /// Which attempt.
        join: u64,
    },
    /// A person says yes or no.
    Consent {
        /// To which attempt.
        join: u64,
        /// Yes?
        yes: bool,
    },
}

/// The answer to a step of pairing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairAnswer {
    /// To `Stand`, with the text of the file.
    Stands(StandingRow, String),
    /// To `Standing` and `Withdraw`.
    Standing(Vec<StandingRow>),
    /// To `Pending`.
    Pending(Vec<PendingRow>),
    /// To `Invite`.
    Open(Invited),
    /// To `Invited`.
    Invite(InviteEvent),
    /// To `Join`.
    Began(u64),
    /// To `Joining`.
    Join(JoinEvent),
    /// To `Code`, `Leave` and `Consent`.
    Taken,
}

/// An invitation that is open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Invited {
    /// Its id.
    pub invitation: String,
    /// What the newcomer needs.
    pub token: String,
}

/// What an inviting person hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteEvent {
    /// A device waits for the two digits that it shows.
    AskCode {
        /// The name that it wishes.
        device_name: String,
        /// Which device.
        device: DeviceId,
    },
    /// It is a member.
    Granted(DeviceId),
    /// There is no new member, and why.
    Refused(String),
    /// Nothing happened yet: ask again.
    Waiting,
}

/// What a device joins by.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A token's text.
    Token(String),
    /// A join file's text.
    File(String),
}

/// What a joining person hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinEvent {
    /// May this device join that?
    AskConsent {
        /// The workspace's name.
        workspace: String,
        /// The inviting device's name.
        inviter: String,
        /// As what.
        role: String,
    },
    /// Two digits, to be typed on the inviting device.
    CheckCode(String),
    /// This device is a member, and the history is here.
    Joined {
        /// The workspace's name here.
        workspace: String,
        /// This device's name.
        device: String,
        /// How many events came.
        history_events: usize,
        /// How many more devices the join file lets in; none where it was a token.
        left: Option<u32>,
    },
    /// This device is no member, and why.
    Refused(String),
    /// Nothing happened yet: ask again.
    Waiting,
}

/// A standing invitation, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingRow {
    /// Its id.
    pub invitation: String,
    /// As what it lets in.
    pub role: Role,
    /// For how many devices it was made.
    pub uses: u32,
    /// How many it may let in yet.
    pub left: u32,
    /// Until when, in seconds since 1970.
    pub expires: u64,
    /// Why it is over, if it is.
    pub over: Option<PairingCode>,
}

/// An invitation that is open by a token, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRow {
    /// Its id.
    pub invitation: String,
    /// As what it lets in.
    pub role: Role,
    /// Until when, in seconds since 1970.
    pub expires: u64,
    /// The device that shows two digits, and the name that it wishes.
    pub asks: Option<(DeviceId, String)>,
}

/// What is asked about fixed addresses.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "peers", rename_all = "snake_case", deny_unknown_fields)]
pub enum PeersAsked {
    /// Meet the member there, and keep the address.
    Add {
        /// Of which workspace; none for any.
        workspace: Option<String>,
        /// Where.
        address: SocketAddr,
    },
    /// All that are kept.
    List,
    /// Keep it no longer.
    Remove {
        /// Where.
        address: SocketAddr,
    },
}

/// A mission to be started, for a workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartAsked {
    /// In which workspace.
    pub workspace: Option<String>,
    /// What is to be done.
    pub mission: Starting,
}

/// A mission to be started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Starting {
    /// What is to be reached.
    pub goal: String,
    /// A folder in the repository.
    pub repo: PathBuf,
    /// The branch; none for the one that is checked out.
    pub branch: Option<String>,
    /// The command that verifies.
    pub verify: String,
    /// The agent's name.
    pub agent: String,
    /// Which paths are tests; none for the usual ones.
    pub tests: Vec<String>,
    /// How many tests there must be at least.
    pub floor: u64,
}
