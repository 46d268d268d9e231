//! What callers hear of a workspace: plain data, the API's very words.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    BoardPage, BranchPreview, BranchReply, ConflictPage, Failure, LogPage, NotUndone, PastReply,
    QuarantinePage, TimelinePage, Undone,
};
use crate::document::DocPath;
use crate::event::{Run, Verified};
use crate::facts::EventView;
use crate::id::{ChangeHash, DeviceId, DocumentId, EventId, WorkspaceId};
use crate::mission::show::MissionView;
use crate::role::Role;
use crate::sync::PeerState;
use crate::sync::introduce::Answer;
use crate::time::Stamp;
use crate::workspace::StateHash;

/// What a caller hears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To `Status`.
    Status(Box<Status>),
    /// To `Read`.
    Read(ReadReply),
    /// To `Edit` and `ArchiveBoard`.
    Edited(Edited),
    /// To `Undo`.
    Undone(Undone),
    /// To `Undo`: nothing was done.
    NotUndone(NotUndone),
    /// To `CreateBoard`.
    BoardMade {
        /// Its document.
        document: DocumentId,
        /// The event that makes and links it.
        event: EventId,
    },
    /// To `Past`.
    Past(Box<PastReply>),
    /// To `Boards`.
    Boards(BoardPage),
    /// To `Branch`.
    Branch(BranchReply),
    /// To `Log`.
    Log(LogPage),
    /// To `Timeline`.
    Timeline(Box<TimelinePage>),
    /// To `Event`.
    Event(Box<EventView>),
    /// To `Conflicts` and `ConflictsBehind`.
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
        /// How many more devices the rule is good for, where it has a bound.
        #[serde(default)]
        left: Option<u32>,
    },
    /// To `Grant`: nothing was done, another device has the name.
    NameUsed,
    /// To `Grant`: nothing was done, the rule has let in as many as it is good for, or has let in
    /// this device, which was revoked.
    RuleUsed,
    /// To `StartMission`.
    Started {
        /// Its first record.
        mission: EventId,
    },
    /// To `CancelMission`.
    Cancelled {
        /// The decision.
        event: EventId,
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
    /// To `Rescue`.
    Rescued {
        /// By which this device leads.
        event: EventId,
        /// Who was removed.
        removed: Vec<DeviceId>,
    },
    /// To `Strike`.
    Struck {
        /// The strike.
        event: EventId,
        /// How many events lost their effect.
        events: usize,
    },
    /// To `Purge`.
    Purged {
        /// The purge.
        event: EventId,
        /// What is purged by it.
        purged: Vec<EventId>,
    },
    /// To `Quarantine`.
    Quarantine(QuarantinePage),
    /// To `Preview`.
    Preview(BranchPreview),
    /// To `Readmit` and `ReadmitEvent`.
    Readmitted {
        /// The readmission.
        event: EventId,
        /// How many events came back.
        events: usize,
        /// The readmissions after it, where one has no room for all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<EventId>,
    },
    /// To `Notice`, `TailAnswered` and `Rest`.
    Noted,
    /// To `Introduction`.
    Introduction {
        /// In causal order, the grant last.
        events: Vec<Verified>,
        /// What it wrote and nobody is known to hold, the first of it: to be shown once it is told
        /// that it was revoked.
        tail: Vec<Verified>,
        /// Is it a member by what it knows?
        member: bool,
    },
    /// To `Introduce` and `TakeTail`.
    Introduced {
        /// What it came to.
        answer: Answer,
    },
    /// To `ExportEvents`.
    EventsPage {
        /// Whose events they are.
        workspace: WorkspaceId,
        /// How many are here.
        count: usize,
        /// How many stand before these.
        from: usize,
        /// As many as one page holds.
        runs: Vec<Run>,
    },
    /// To `SaveDocument`.
    DocumentPart(Box<DocumentPart>),
    /// To `ImportEvents`: they are durable.
    EventsTaken {
        /// How many of the slice, from its beginning, are here now.
        here: usize,
        /// How many of those, or their bodies, were not before.
        new: usize,
        /// Why the one behind them did not go in.
        not_taken: Option<NotTaken>,
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

/// A part of a document as a file. Parts belong together where all but the bytes is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentPart {
    /// Which document.
    pub document: DocumentId,
    /// The other documents of the workspace; said with the first part.
    pub others: Vec<DocumentId>,
    /// How many events the documents hold something of, each once; said with the first part.
    pub events: usize,
    /// Its heads, sorted.
    pub heads: Vec<ChangeHash>,
    /// How many changes it holds.
    pub changes: usize,
    /// Bytes of the whole.
    pub size: usize,
    /// The bytes of this part.
    pub bytes: Vec<u8>,
}

/// Why an event did not go in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTaken {
    /// The reason code.
    pub code: String,
    /// In words.
    pub message: String,
}

/// Where a device stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The workspace's name.
    pub workspace: String,
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// When this was said, by this device's clock.
    #[serde(default)]
    pub said_at: Stamp,
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
    /// In how many documents no conflicts were counted yet: the next status counts more of them.
    #[serde(default)]
    pub uncounted: usize,
    /// How many documents there are, the root included.
    #[serde(default)]
    pub documents: usize,
    /// How many of them are held in memory.
    #[serde(default)]
    pub loaded: usize,
    /// What is wrong with this device's store or documents, in words.
    pub damage: Vec<String>,
    /// How many events are here without their body, which nothing waits for. `SPEC: DUR-17`
    #[serde(default)]
    pub absent: usize,
    /// Is something of what is purged left in the files of this device's store? `SPEC: DUR-15`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shredding: bool,
    /// Is a transport of this device open?
    pub online: bool,
    /// All that the connected peers said they have is here.
    #[serde(default)]
    pub current: bool,
    /// The other members, connected or not, and how far each is.
    pub peers: Vec<PeerState>,
    /// Devices that were disconnected because they broke a rule, and which.
    pub notices: Vec<(DeviceId, String)>,
    /// What is here and not in the document yet, and for whose quota it waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingRow>,
    /// The format of the workspace, where this program does not know it and so writes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_format: Option<u64>,
    /// What became of the lives of this device's store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lives: Vec<LifeRow>,
    /// The history is read still: this is how it was. `SPEC: DUR-9`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loading: Option<Loading>,
}

/// How far a start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loading {
    /// How many events are read.
    pub events: usize,
    /// Of how many.
    pub of: usize,
    /// Of how many of them what is shown was taken.
    pub shown: usize,
}

/// Something became of the life of a device's store. `SPEC: DUR-5`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeRow {
    /// What: a code.
    pub reason: String,
    /// When last, by this device's clock.
    pub at: Stamp,
}

/// Changes that are here and not in the document yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRow {
    /// Why: `quota`.
    pub reason: String,
    /// The device that made too many keys and objects. What depends on its changes waits with
    /// them.
    pub device: DeviceId,
    /// How many events wait.
    pub events: usize,
    /// When the next of them goes in, in seconds from now.
    pub next_s: u64,
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

impl Status {
    /// May this device read what is here? Who was put out goes on to read what it had.
    pub fn reads(&self) -> bool {
        self.role.is_none_or(Role::reads)
    }
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
    /// Is a conflict open below? Told of what is there now, once the history is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conflict_below: bool,
    /// The event that wrote it; none for the whole document.
    pub event: Option<EventId>,
    /// It is as it was, and the history is read still: what came behind `shown` of its events is
    /// not in it. Only who asks by [`super::Command::Glance`] hears that. `SPEC: DUR-9`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loading: Option<Loading>,
}

/// What an edit became.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The event; none where everything was so already.
    pub event: Option<EventId>,
    /// How many edits it holds.
    pub edits: usize,
    /// Where it wrote over several values that were put there apart, and so decided between them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<DocPath>,
    /// Where it ended conflicts below what it wrote, which no undo opens again. `SPEC: UNDO-2`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<DocPath>,
    /// How many more.
    #[serde(default)]
    pub ended_more: usize,
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
    /// How it was taken out, where it was and is no member now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<TakenOut>,
}

/// How a device was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOut {
    /// By whom.
    pub by: DeviceId,
    /// When, as that device says.
    pub at: Stamp,
    /// The revocation: of several the last, and of those made apart that with the lowest id.
    pub event: EventId,
    /// Why, as written there.
    pub reason: String,
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
