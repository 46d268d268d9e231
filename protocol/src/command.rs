//! What callers ask of a workspace, and what they hear: plain data, the API's very words.

mod boards;
mod branches;
mod conflicts;
mod outcome;
mod past;
mod quarantine;
mod reply;
mod timeline;
mod undo;

pub use boards::*;
pub use branches::*;
pub use conflicts::*;
pub use outcome::*;
pub use past::*;
pub use quarantine::*;
pub use reply::*;
pub use timeline::*;
pub use undo::*;

use serde::{Deserialize, Serialize};

use crate::artifact::{Chunk, Manifest};
use crate::document::{DocPath, Edit};
use crate::event::{Run, Verified};
use crate::id::{DeviceId, DocumentId, EventId, SealingKey, Signature};
use crate::mission::record::Mission;
use crate::notice::NoticeKind;
use crate::role::Role;
use crate::sync::introduce::Answer;

/// Names a request, so that its reply finds the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

impl Command {
    /// Does it write something that others will have?
    #[must_use]
    pub fn writes(&self) -> bool {
        if let Self::Branch(branch) = self {
            return branch.writes();
        }
        matches!(
            self,
            Self::Edit { .. }
                | Self::Undo { .. }
                | Self::CreateBoard { .. }
                | Self::ArchiveBoard { .. }
                | Self::Grant { .. }
                | Self::Revoke { .. }
                | Self::Rescue { .. }
                | Self::Readmit { .. }
                | Self::ReadmitEvent { .. }
                | Self::Strike { .. }
                | Self::Purge { .. }
                | Self::SetAgent { .. }
                | Self::StartMission(_)
                | Self::CancelMission { .. }
                | Self::KeepChunks { .. }
                | Self::WriteArtifact { .. }
                | Self::ImportEvents { .. }
        )
    }
}

/// The bytes of a recovery key, in no log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySecret(pub [u8; 32]);

impl std::fmt::Debug for RecoverySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoverySecret")
    }
}

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Where this device stands.
    Status,
    /// The node stops: keeps what this device shows, for its next start.
    Rest,
    /// What is at a path of the document.
    Read {
        /// Where.
        path: DocPath,
    },
    /// The same for who takes it as it was, where that is here sooner: while a start reads its
    /// history. The reply says how many events it may lack. `SPEC: DUR-9`
    Glance {
        /// Where.
        path: DocPath,
    },
    /// Edits of the document, all or none, as one event.
    Edit {
        /// What changes.
        edits: Vec<Edit>,
    },
    /// Takes back what an event did.
    Undo {
        /// How its id begins: hex digits, four at least; without it the last of this device that
        /// can be taken back, which a revocation is by its name alone.
        begin: Option<String>,
        /// Also where something else was written there, since or apart from it.
        force: bool,
    },
    /// Makes a board: a document of its own, and its link. `SPEC: PRJ-9`
    CreateBoard {
        /// Its name.
        name: String,
    },
    /// Puts a board away, or brings it back; nothing of it is lost.
    ArchiveBoard {
        /// Its name.
        name: String,
        /// Is it put away?
        archived: bool,
    },
    /// What was, and when.
    Past(PastCommand),
    /// The boards.
    Boards {
        /// Those that are put away, too.
        all: bool,
    },
    /// What is about branches.
    Branch(BranchCommand),
    /// Events, in the order in which they came here.
    Log {
        /// How many to pass over.
        from: usize,
        /// How many at most.
        limit: usize,
    },
    /// Events as lines of descent, newest first. `SPEC: TIME-1`
    Timeline(TimelineQuery),
    /// One event, whole.
    Event {
        /// How its id begins: hex digits, four at least.
        begin: String,
    },
    /// Where changes disagree that did not know each other.
    Conflicts,
    /// The same, from behind a place on. `SPEC: CFL-9`
    ConflictsBehind(ConflictPlace),
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
        /// For how many devices the rule is good; none for any number. `SPEC: PAIR-24`
        #[serde(default)]
        uses: Option<u32>,
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
    /// End a mission. `SPEC: MIS-10`
    CancelMission {
        /// Its first record.
        id: EventId,
    },
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
    /// Makes this device an owner by the recovery key, and removes all that ever led but it.
    Rescue {
        /// The recovery key.
        recovery: RecoverySecret,
        /// This device's name.
        name: String,
        /// Who is not removed.
        keep: Vec<DeviceId>,
        /// Why, for people.
        reason: String,
    },
    /// Brings back everything of a device that revocations left out.
    Readmit {
        /// Whose.
        device: DeviceId,
        /// Why, for people.
        reason: String,
    },
    /// Takes the effect of an event, and of what depends on it.
    Strike {
        /// How its id begins: hex digits, four at least.
        begin: String,
        /// Why, for people.
        reason: String,
    },
    /// Destroys the bodies of events, here and wherever this is heard.
    Purge {
        /// How the id of each begins: hex digits, four at least.
        begin: Vec<String>,
    },
    /// Brings an event back that was struck, or a branch up to it that revocations left out.
    ReadmitEvent {
        /// How its id begins: hex digits, four at least.
        begin: String,
        /// Why, for people.
        reason: String,
    },
    /// What is kept apart.
    Quarantine,
    /// What a branch that is kept apart would set.
    Preview {
        /// How the id of its last event begins: hex digits, four at least.
        begin: String,
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
    Introduction {
        /// Which.
        to: DeviceId,
    },
    /// A revoked device shows events of its own.
    TakeTail {
        /// Which, as its connection proved.
        device: DeviceId,
        /// In causal order.
        events: Vec<Verified>,
    },
    /// What a member said to this device's own.
    TailAnswered {
        /// Who.
        device: DeviceId,
        /// What it said.
        answer: Answer,
        /// How many events it was sent.
        sent: usize,
    },
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
    /// All events in the order in which they came here, a page from the `from`th on.
    ExportEvents {
        /// How many to pass over.
        from: usize,
    },
    /// A document as a file that Automerge reads, a part of it from this byte on.
    SaveDocument {
        /// Which; without it the root.
        document: Option<DocumentId>,
        /// How many bytes to pass over.
        from: usize,
    },
    /// Takes events of a file in, in causal order.
    ImportEvents {
        /// A slice of it.
        runs: Vec<Run>,
    },
    /// One part of an artifact, opened.
    ReadArtifact {
        /// Its event.
        artifact: EventId,
        /// Which part, from 0.
        part: usize,
    },
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
    /// It is not allowed, or another device refused it.
    Denied,
    /// This device made too many keys and objects in this hour; it may be asked again later.
    Quota,
    /// Too much waits, the node is stopping, or another device is not reached or took too long; it
    /// may be asked again.
    Busy,
    /// A person interrupted it (SIGINT).
    Interrupted,
    /// It was told to end (SIGTERM), or lost its terminal (SIGHUP).
    Terminated,
}

impl FailureKind {
    /// The exit code of the command line. Approvals have 6; of a signal it is what a shell says of
    /// one, 128 and its number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::Conflicts => 4,
            Self::Denied => 5,
            Self::Busy | Self::Quota => 7,
            Self::Interrupted => 130,
            Self::Terminated => 143,
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
