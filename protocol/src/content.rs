//! What a content event says once its body is open: a kind's number and its payload.
//!
//! Kinds are open-ended: one that this program does not know is kept, forwarded and shown as
//! unknown, and has no effect here (SPEC: CNT-2).

mod purge;

pub use purge::Purge;

use crate::artifact::Manifest;
use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::id::{DocumentId, EventId};
use crate::limits::{BODY_INFLATED_MAX, EVENT_CHANGES_MAX};
use crate::mission::record::Record;

/// The numbers of content kinds. `SPEC: CNT-1`
pub mod kind {
    /// Automerge changes.
    pub const CHANGE: u64 = 1;
    /// An answer of the policy.
    pub const DECISION: u64 = 3;
    /// A lease, taken.
    pub const LEASE: u64 = 4;
    /// A step of a mission, ended.
    pub const RUN: u64 = 5;
    /// What was seen of a stage.
    pub const EVIDENCE: u64 = 6;
    /// A mission.
    pub const MISSION: u64 = 11;
    /// What became of a branch.
    pub const PROMOTE: u64 = 12;
    /// The manifest of an artifact.
    pub const ARTIFACT: u64 = 10;
    /// Bodies are destroyed.
    pub const PURGE: u64 = 13;
    /// A branch is made, by Automerge changes.
    pub const BRANCH: u64 = 9;
    /// Automerge changes that take an event back.
    pub const UNDO: u64 = 14;
    /// The names of all kinds, by number; those without a payload yet are reserved.
    pub const NAMES: [&str; 15] = [
        "reserved",
        "change",
        "resolve",
        "decision",
        "lease",
        "run",
        "evidence",
        "approval",
        "checkpoint",
        "branch",
        "artifact",
        "mission",
        "promote",
        "purge",
        "undo",
    ];

    /// The name of a kind.
    #[must_use]
    pub fn name(number: u64) -> String {
        let known = usize::try_from(number).ok().and_then(|n| NAMES.get(n));
        known.map_or_else(|| format!("unknown-{number}"), |name| (*name).to_owned())
    }
}

/// One change of one document. `SPEC: CNT-3`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChange {
    /// The document; none where the event itself makes it.
    pub document: Option<DocumentId>,
    /// Which of the author's actors made it. `SPEC: PRJ-2`
    pub generation: u64,
    /// An uncompressed Automerge change chunk.
    pub change: Vec<u8>,
}

/// An opened body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Changes, at most one per document.
    Change(Vec<DocumentChange>),
    /// Changes that take back what this event did.
    Undo(EventId, Vec<DocumentChange>),
    /// Changes, the first of which makes a branch of this document.
    Branch(DocumentId, Vec<DocumentChange>),
    /// A record of a mission.
    Record(Record),
    /// The manifest of an artifact.
    Artifact(Box<Manifest>),
    /// Bodies are destroyed.
    Purge(Purge),
    /// A kind that this program does not know.
    Unknown(u64),
}

impl Content {
    /// Its kind's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Change(_) => kind::CHANGE,
            Self::Undo(..) => kind::UNDO,
            Self::Branch(..) => kind::BRANCH,
            Self::Record(record) => record.kind(),
            Self::Artifact(_) => kind::ARTIFACT,
            Self::Purge(_) => kind::PURGE,
            Self::Unknown(number) => *number,
        }
    }

    /// The changes that it holds.
    #[must_use]
    pub fn changes(&self) -> &[DocumentChange] {
        match self {
            Self::Change(changes) | Self::Undo(_, changes) | Self::Branch(_, changes) => changes,
            Self::Record(_) | Self::Artifact(_) | Self::Purge(_) | Self::Unknown(_) => &[],
        }
    }

    /// Reads an opened body. A known kind must be in its one encoding and name each document
    /// once; of an unknown one only the number is read.
    pub fn decode(inside: &[u8]) -> Result<Self, CborFault> {
        let mut reader = Reader::new(inside);
        reader.array_of(2)?;
        let number = reader.uint()?;
        if [kind::CHANGE, kind::UNDO, kind::BRANCH].contains(&number) {
            let Changes { about, changes } = decode_changes(inside)?;
            return Ok(match about {
                About::Nothing => Self::Change(changes),
                About::Undo(event) => Self::Undo(event, changes),
                About::Branch(origin) => Self::Branch(origin, changes),
            });
        }
        if Record::is_kind(number) {
            return cbor::decode(inside).map(Self::Record);
        }
        if number == kind::ARTIFACT {
            return Ok(Self::Artifact(Box::new(cbor::decode(inside)?)));
        }
        if number == kind::PURGE {
            return cbor::decode(inside).map(Self::Purge);
        }
        reader.skip()?;
        reader.end()?;
        Ok(Self::Unknown(number))
    }
}

/// What [`cbor::decode`] gives, without writing it again: reading leaves nothing free but how long
/// the heads are.
fn decode_changes(inside: &[u8]) -> Result<Changes, CborFault> {
    let mut reader = Reader::new(inside);
    let changes = Changes::read(&mut reader)?;
    reader.end()?;
    let is_one = reader.is_shortest();
    debug_assert_eq!(is_one, cbor::encode(&changes) == inside, "one encoding of these changes");
    if is_one { Ok(changes) } else { Err(CborFault::NotCanonical) }
}

/// The inside of a change event's body.
#[must_use]
pub fn encode_changes(changes: Vec<DocumentChange>) -> Vec<u8> {
    cbor::encode(&Changes { about: About::Nothing, changes })
}

/// The inside of the body of an event that takes another back.
#[must_use]
pub fn encode_undo(undoes: EventId, changes: Vec<DocumentChange>) -> Vec<u8> {
    cbor::encode(&Changes { about: About::Undo(undoes), changes })
}

/// The inside of the body of an event that makes a branch of `origin`.
#[must_use]
pub fn encode_branch(origin: DocumentId, changes: Vec<DocumentChange>) -> Vec<u8> {
    cbor::encode(&Changes { about: About::Branch(origin), changes })
}

/// The payload of the kinds that change documents. `SPEC: CNT-3, CNT-12, CNT-13`
struct Changes {
    about: About,
    changes: Vec<DocumentChange>,
}

/// What an event says beside its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// No more.
    Nothing,
    /// They take this event back.
    Undo(EventId),
    /// The first makes a branch of this document.
    Branch(DocumentId),
}

impl Canonical for Changes {
    fn write(&self, to: &mut Writer) {
        match &self.about {
            About::Nothing => to.array(2).uint(kind::CHANGE),
            About::Undo(event) => to.array(2).uint(kind::UNDO).array(2).bytes(&event.0),
            About::Branch(origin) => to.array(2).uint(kind::BRANCH).array(2).bytes(&origin.0),
        };
        to.array(self.changes.len());
        for change in &self.changes {
            to.array(3).bytes_or_null(change.document.as_ref().map(|id| id.0.as_slice()));
            to.uint(change.generation).bytes(&change.change);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(2)?;
        let number = from.uint()?;
        if number != kind::CHANGE {
            from.array_of(2)?;
        }
        let about = match number {
            kind::CHANGE => About::Nothing,
            kind::UNDO => About::Undo(EventId(from.fixed()?)),
            _ => About::Branch(DocumentId(from.fixed()?)),
        };
        let len = from.array(EVENT_CHANGES_MAX)?;
        let mut changes: Vec<DocumentChange> = Vec::with_capacity(len);
        for _ in 0..len {
            from.array_of(3)?;
            let document = if from.is_null()? { None } else { Some(DocumentId(from.fixed()?)) };
            if changes.last().is_some_and(|last| last.document >= document) {
                return Err(CborFault::Malformed);
            }
            let generation = from.uint()?;
            let change = from.bytes(BODY_INFLATED_MAX)?.to_vec();
            changes.push(DocumentChange { document, generation, change });
        }
        let is_made = changes.first().is_some_and(|first| first.document.is_none());
        let is_whole = is_made || !(changes.is_empty() || matches!(about, About::Branch(_)));
        if is_whole { Ok(Self { about, changes }) } else { Err(CborFault::Malformed) }
    }
}
