//! What is asked of the documents, and what they answer: plain data, in order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::branch::{Fork, MergePreview};
use super::conflict::{ConflictList, PutBack, Which};
use super::past::{PastDone, PastTask};
use super::preview::Preview;
use super::{DocPath, Dump, Edit, EditFault, Hand, Link, Links, ReadValue, SavedPart};
use crate::id::{ChangeHash, ConflictId, DocumentId};

/// What is asked of the documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DocumentTask {
    /// Apply changes, which are causally complete and in order.
    Apply {
        /// To which document.
        document: DocumentId,
        /// Uncompressed change chunks.
        changes: Vec<Vec<u8>>,
    },
    /// Build the document anew without some changes.
    Drop {
        /// Which document.
        document: DocumentId,
        /// What falls out.
        changes: BTreeSet<ChangeHash>,
    },
    /// Begin the document anew, with nothing in it and nothing wrong with it.
    Begin {
        /// Which document.
        document: DocumentId,
    },
    /// Hold the document no longer: what it held is in events. `SPEC: PRJ-12`
    Close {
        /// Which document.
        document: DocumentId,
    },
    /// Make a change of each document that edits lead to, all or none. `SPEC: PRJ-10`
    Write {
        /// The root, whose links lead to the others.
        root: DocumentId,
        /// Who writes.
        hand: Hand,
        /// What changes, as seen from the root.
        edits: Vec<Edit>,
        /// In which documents the conflicts are that they resolve, where not in the root.
        found: BTreeMap<ConflictId, DocumentId>,
        /// Of the documents in which conflicts are decided, the changes that put several values
        /// back: the sides have their letters by them.
        #[serde(default)]
        put_back: BTreeMap<DocumentId, PutBack>,
    },
    /// Take changes back: make a change of each document that does, all or none. `SPEC: UNDO-2`
    Undo {
        /// The document with the links: places are called as they are seen from there.
        root: DocumentId,
        /// Who writes.
        hand: Hand,
        /// The changes, one a document.
        changes: BTreeMap<DocumentId, Reversal>,
        /// What may be overwritten.
        may: MayUndo,
    },
    /// Take changes back that resolved conflicts: as many changes as one had values, each by an
    /// actor of its own.
    Reopen {
        /// The document with the links.
        root: DocumentId,
        /// The first of who write; the others are of the generations behind.
        hand: Hand,
        /// The changes, one a document.
        changes: BTreeMap<DocumentId, Reversal>,
        /// What may be overwritten.
        may: MayUndo,
    },
    /// Make a change of the root that links a document, or of such a link. `SPEC: PRJ-9`
    Link {
        /// The root.
        root: DocumentId,
        /// The actor that makes it.
        actor: [u8; 16],
        /// Which link.
        link: Link,
    },
    /// List the links of the root.
    Links {
        /// The root.
        root: DocumentId,
    },
    /// Read what is at a path, as seen from the root.
    Look {
        /// The root, whose links lead to the others.
        root: DocumentId,
        /// Where.
        path: DocPath,
    },
    /// Look at the past, as seen from the root.
    Past {
        /// The root, whose links lead to the others.
        root: DocumentId,
        /// At what.
        task: PastTask,
    },
    /// Make a change of edits of one document, all or none.
    Transact {
        /// Of which document.
        document: DocumentId,
        /// The actor that makes it.
        actor: [u8; 16],
        /// What changes.
        edits: Vec<Edit>,
    },
    /// Read what is at a path.
    Read {
        /// Of which document.
        document: DocumentId,
        /// Where.
        path: DocPath,
    },
    /// Everything that documents show.
    Dump {
        /// Which documents.
        documents: Vec<DocumentId>,
    },
    /// List the open conflicts.
    Conflicts {
        /// Of which document.
        document: DocumentId,
        /// Which of them.
        which: Which,
        /// The changes that put several values back.
        #[serde(default)]
        put_back: PutBack,
    },
    /// Show what a branch changed, or what its merge would. `SPEC: BRA-7`
    Fork(Fork),
    /// Show what changes would set, on copies of their documents.
    Preview {
        /// Document and uncompressed change chunk, causes first.
        changes: Vec<(DocumentId, Vec<u8>)>,
    },
    /// Show what changes of documents changed there, as seen from the root, of those that are held.
    Wrote {
        /// The document with the links.
        root: DocumentId,
        /// The changes, one a document.
        changes: BTreeMap<DocumentId, Reversal>,
    },
    /// Write the whole document, as other programs with Automerge read it: a part of that file.
    Save {
        /// Which document.
        document: DocumentId,
        /// How many bytes to pass over.
        from: usize,
    },
}

/// What the documents answer, one for each task and in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DocumentDone {
    /// After `Apply`, `Begin`, `Close` and `Drop`: what the document holds now.
    Holds {
        /// Which document.
        document: DocumentId,
        /// Its heads, sorted; or why it claims none.
        heads: Result<Vec<ChangeHash>, Degraded>,
    },
    /// After `Drop`, of a document that is degraded: it holds less than it was told, so it is to
    /// begin anew without what fell out.
    Broken {
        /// Which document.
        document: DocumentId,
        /// Why.
        degraded: Degraded,
    },
    /// After `Transact` and `Link`: the change, or none where nothing was to change.
    Transacted(Result<Option<LocalChange>, EditFault>),
    /// After `Write` and `Undo`: the changes, by document; none where nothing was to change.
    Written(Result<Vec<(DocumentId, LocalChange)>, EditFault>),
    /// After `Reopen`: the changes of each actor, by document.
    Reopened(Result<Vec<Vec<(DocumentId, LocalChange)>>, EditFault>),
    /// After `Fork`.
    Forked(Result<Box<MergePreview>, EditFault>),
    /// After `Write`, `Undo`, `Look`, `Past` and `Fork`: nothing was done, since these are to be
    /// opened first, if they are documents at all.
    Closed(BTreeSet<DocumentId>),
    /// After `Links`.
    Links(Result<Links, EditFault>),
    /// After `Look`: what is there, and in which document.
    Looked(DocumentId, Result<ReadValue, EditFault>),
    /// After `Past`.
    Past(Result<PastDone, EditFault>),
    /// After `Read`.
    Read(Result<ReadValue, EditFault>),
    /// After `Dump`.
    Dumped(Result<BTreeMap<DocumentId, Dump>, EditFault>),
    /// After `Conflicts`.
    Conflicts(Result<ConflictList, EditFault>),
    /// After `Preview` and `Wrote`.
    Preview(Result<Preview, EditFault>),
    /// After `Save`.
    Saved(Result<SavedPart, EditFault>),
}

/// Why a document claims nothing. `SPEC: PRJ-3`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct Degraded {
    /// What Automerge said.
    pub reason: String,
    /// The change on which it failed, where that is known.
    pub at: Option<ChangeHash>,
}

/// What may be overwritten by taking a change back. `SPEC: UNDO-3`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MayUndo {
    /// Whatever stands there.
    All,
    /// What the change left; also where one of these put the same there: undos, and what they took
    /// back. What else counts for nothing came in by merges that were taken back.
    PutBackBy {
        /// Changes of undos, and of what they took back.
        undos: BTreeSet<ChangeHash>,
        /// Of origins the changes of branches.
        #[serde(default)]
        gone: BTreeMap<DocumentId, BTreeSet<ChangeHash>>,
    },
}

impl MayUndo {
    /// Changes of undos, and of what they took back; none where all may be overwritten.
    #[must_use]
    pub fn undos(&self) -> &BTreeSet<ChangeHash> {
        static NONE: BTreeSet<ChangeHash> = BTreeSet::new();
        match self {
            Self::All => &NONE,
            Self::PutBackBy { undos, .. } => undos,
        }
    }
}

/// A change that is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversal {
    /// Which.
    pub change: ChangeHash,
    /// What it joined of other documents: what that brought in is taken back too. `SPEC: BRA-9`
    pub joined: Vec<ChangeHash>,
    /// Did one change take it back, and not one for each side of a conflict?
    #[serde(default)]
    pub by_one: bool,
}

/// A change that this device made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// The uncompressed chunk.
    pub chunk: Vec<u8>,
    /// The heads of its document, which holds it, sorted.
    pub heads: Vec<ChangeHash>,
    /// Where it takes back, of an undo, as seen from the root: each place once, sorted.
    pub places: Vec<DocPath>,
    /// Where it wrote over several values that were put there apart, as seen from the root.
    #[serde(default)]
    pub decided: Vec<DocPath>,
    /// Where it ended what was in conflict below what it wrote, which no undo opens again.
    #[serde(default)]
    pub ended: Vec<DocPath>,
    /// How many more it ended than are named.
    #[serde(default)]
    pub ended_more: usize,
}
