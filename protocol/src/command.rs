//! What callers ask of a workspace, and what they hear: plain data, the API's very words.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::artifact::{Chunk, Manifest};
use crate::document::conflict::ConflictKind;
use crate::document::{DocPath, Edit};
use crate::event::Verified;
use crate::id::{
    ConflictId, DeviceId, EventId, Incarnation, Lane, SealingKey, Signature, WorkspaceId,
};
use crate::mission::record::Mission;
use crate::mission::show::MissionView;
use crate::notice::NoticeKind;
use crate::role::Role;
use crate::sync::PeerState;
use crate::sync::introduce::Answer;
use crate::time::Stamp;
use crate::workspace::{StateHash, Verdict};

/// Names a request, so that its reply finds the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Where this device stands.
    Status,
    /// What is at a path of the document.
    Read {
        /// Where.
        path: DocPath,
    },
    /// Edits of the document, all or none, as one event.
    Edit {
        /// What changes.
        edits: Vec<Edit>,
    },
    /// Events, in the order in which they came here.
    Log {
        /// How many to pass over.
        from: usize,
        /// How many at most.
        limit: usize,
    },
    /// Where changes disagree that did not know each other.
    Conflicts,
    /// Who is a member.
    Devices,
    /// Makes a device a member, and names it in the document.
    Grant {
        /// Whom.
        device: DeviceId,
        /// Its sealing key.
        sealing_key: SealingKey,
        /// The device's signature of it.
        sealing_signature: Signature,
        /// As what.
        role: Role,
        /// Its name.
        name: String,
        /// The rule of the policy that allowed it.
        rule: String,
    },
    /// Sets the commands of an agent, one a step.
    SetAgent {
        /// Its name.
        name: String,
        /// What is run in the work tree, one after the other.
        commands: Vec<String>,
    },
    /// Starts a mission, whose base is an artifact already. The device that does is its home.
    StartMission(Box<Mission>),
    /// All missions.
    Missions,
    /// One mission.
    Mission {
        /// Which.
        id: EventId,
    },
    /// Removes a device, and starts a new epoch.
    Revoke {
        /// Whom.
        device: DeviceId,
        /// Why, for people.
        reason: String,
    },
    /// Keeps what the node saw a device do: it stands in the log.
    Notice {
        /// What it is about.
        kind: NoticeKind,
        /// Which device.
        device: DeviceId,
        /// What it did, in codes.
        reason: String,
    },
    /// What this device shows to a member that has not heard of its grant.
    Introduction,
    /// A device shows control events that end in its grant.
    Introduce {
        /// Which, as its connection proved.
        device: DeviceId,
        /// In causal order.
        events: Vec<Verified>,
    },
    /// Keeps sealed chunks of an artifact that is written next.
    KeepChunks {
        /// At most four mebibytes of them.
        chunks: Vec<Chunk>,
    },
    /// Writes the event of an artifact, whose chunks are kept.
    WriteArtifact {
        /// What it names.
        manifest: Manifest,
    },
    /// One part of an artifact, opened.
    ReadArtifact {
        /// Its event.
        artifact: EventId,
        /// Which part, from 0.
        part: usize,
    },
}

/// What a caller hears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To `Status`.
    Status(Status),
    /// To `Read`.
    Read(ReadReply),
    /// To `Edit`.
    Edited(Edited),
    /// To `Log`.
    Log(LogPage),
    /// To `Conflicts`.
    Conflicts(ConflictPage),
    /// To `Devices`.
    Devices {
        /// One row each.
        devices: Vec<DeviceRow>,
    },
    /// To `Grant`.
    Granted {
        /// The grant.
        event: EventId,
    },
    /// To `Grant`: nothing was done, another device has the name.
    NameUsed,
    /// To `StartMission`.
    Started {
        /// Its first record.
        mission: EventId,
    },
    /// To `Missions`.
    Missions {
        /// A row each.
        missions: Vec<MissionView>,
    },
    /// To `Mission`.
    Mission(Box<MissionView>),
    /// To `Revoke`.
    Revoked {
        /// The revocation.
        event: EventId,
    },
    /// To `Notice`.
    Noted,
    /// To `Introduction`.
    Introduction {
        /// In causal order, the grant last.
        events: Vec<Verified>,
    },
    /// To `Introduce`.
    Introduced {
        /// What it came to.
        answer: Answer,
    },
    /// To `KeepChunks`: they are durable.
    Kept,
    /// To `WriteArtifact`.
    ArtifactWritten {
        /// The event that names the artifact.
        event: EventId,
    },
    /// To `ReadArtifact`: it is wrong wherever it is read.
    ArtifactWrong(Failure),
    /// To `ReadArtifact`.
    ArtifactPart(ArtifactPart),
    /// It was not done.
    Failed(Failure),
}

/// Where a device stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The workspace's name.
    pub workspace: String,
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// This device's name.
    pub device: String,
    /// This device.
    pub device_id: DeviceId,
    /// `local` or `synced`.
    pub mode: Mode,
    /// This device's role; none when it was revoked.
    pub role: Option<Role>,
    /// Was this device revoked?
    pub revoked: bool,
    /// Over both lanes and every document; none while one of them claims nothing.
    pub state_hash: Option<StateHash>,
    /// How many events are here.
    pub events: usize,
    /// How many conflicts are open.
    pub conflicts: usize,
    /// What is wrong with this device's store or documents, in words.
    pub damage: Vec<String>,
    /// Is a transport of this device open?
    pub online: bool,
    /// The other members, connected or not, and how far each is.
    pub peers: Vec<PeerState>,
    /// Devices that were disconnected because they broke a rule, and which.
    pub notices: Vec<(DeviceId, String)>,
}

/// Does this device speak with others?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// No transport opens.
    Local,
    /// It meets its peers.
    Synced,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadReply {
    /// Where.
    pub path: DocPath,
    /// What.
    pub value: Json,
    /// Were several values written apart?
    pub conflict: bool,
    /// The event that wrote it; none for the whole document.
    pub event: Option<EventId>,
}

/// What an edit became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The event; none where everything was so already.
    pub event: Option<EventId>,
    /// How many edits it holds.
    pub edits: usize,
}

/// Some rows of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The rows.
    pub rows: Vec<LogRow>,
    /// Where to go on; none at the end.
    pub next: Option<usize>,
}

/// One event of the log, or a notice: what this device saw another do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRow {
    /// Its id; none for a notice, and so for what else only an event has.
    pub id: Option<EventId>,
    /// Who signed it; the device that a notice is about.
    pub author: DeviceId,
    /// The life of the author's store.
    pub incarnation: Option<Incarnation>,
    /// Its place in its chain.
    pub seq: Option<u64>,
    /// Control or content.
    pub lane: Option<Lane>,
    /// What it says; `notice` for a notice.
    pub kind: String,
    /// The events of its lane that it follows, prev first.
    pub parents: Vec<EventId>,
    /// When, as its author says, in microseconds since 1970.
    pub stamp: Stamp,
    /// Is the stamp further ahead of our clock than an honest one? Shown, never decides.
    pub stamp_ahead: bool,
    /// What became of it.
    pub verdict: Option<Verdict>,
    /// Why, where it does not count; what a notice says.
    pub reason: Option<String>,
    /// How often a notice was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// The open conflicts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictPage {
    /// As many as are listed at once, by path.
    pub conflicts: Vec<ConflictRow>,
    /// How many there are beyond those.
    pub more: usize,
}

/// A place on which changes disagree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictRow {
    /// Its name, the same on every device.
    pub id: ConflictId,
    /// Where.
    pub path: DocPath,
    /// How the sides disagree.
    pub kind: ConflictKind,
    /// What all sides knew there; null where nothing was.
    pub base: Json,
    /// Who disagrees.
    pub sides: Vec<SideRow>,
    /// Why none of them gave way to another.
    pub why: String,
    /// Resolved ones are not listed.
    pub open: bool,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideRow {
    /// Its name within the conflict.
    pub side: String,
    /// The device that wrote it.
    pub device: Option<DeviceId>,
    /// What it shows there; null where that is nothing.
    pub value: Json,
    /// Does it leave nothing there?
    pub deleted: bool,
    /// The event that brought it.
    pub event: Option<EventId>,
    /// When, as its author says, in microseconds since 1970.
    pub time: Option<Stamp>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// The device.
    pub id: DeviceId,
    /// Its role; none when it was revoked.
    pub role: Option<Role>,
    /// Who granted its last role; the founder added itself.
    pub added_by: DeviceId,
    /// Is it this device?
    pub own: bool,
}

/// A part of an artifact, opened under its key. The whole is what it should be where its parts,
/// joined, hash to `plain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactPart {
    /// The artifact's name.
    pub name: String,
    /// Bytes of the whole.
    pub size: usize,
    /// Hash of the whole. `SPEC: ART-1`
    pub plain: [u8; 32],
    /// How many parts there are; none where the artifact is empty.
    pub parts: usize,
    /// The bytes of this part.
    pub bytes: Vec<u8>,
}

/// Why a command was not done, for people and for exit codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Kinds of failure, each with an exit code of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It could not be done.
    Failed,
    /// It was asked wrongly.
    Usage,
    /// The node does not run.
    NotRunning,
    /// Conflicts are open, and the caller wants to know.
    Conflicts,
    /// It is not allowed.
    Denied,
    /// Too much waits, or the node is stopping; it may be asked again.
    Busy,
}

impl FailureKind {
    /// The exit code of the command line.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::Conflicts => 4,
            Self::Denied => 5,
            Self::Busy => 7,
        }
    }
}

impl Failure {
    /// A failure of this kind.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl ToString) -> Self {
        Self { kind, message: message.to_string(), hint: None }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn with_hint(self, hint: impl ToString) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }
}
