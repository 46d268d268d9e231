//! Documents: the second state machine, a projection of the admitted events.
//!
//! Tasks come in, answers go out, in order; nothing else writes to a document. The node runs it
//! on a thread with a large stack, the simulator inline. Every change passed our own validator
//! before it comes here (SPEC: PRJ-3); a panic of Automerge is a fault of this node, caught, and
//! never decides state: the document is degraded and claims nothing any more.

mod dump;
mod edit;
mod inverse;
mod path;
mod read;
mod saving;
mod write;

pub mod conflict;
pub mod foreign;
pub mod preview;
pub mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Automerge, Change, ReadDoc};
use serde::{Deserialize, Serialize};

pub use dump::Dump;
pub use edit::{Edit, EditFault};
pub use path::{DocPath, PathFault, WRITABLE, is_unshowable};
pub use read::ReadValue;
pub use saving::SavedPart;
pub use write::founding_change;

use crate::id::{ChangeHash, DocumentId};
use conflict::{ConflictIndex, ConflictList};
use preview::Preview;

/// The maps that the first change of a workspace makes, so that no two devices make one apart.
/// `SPEC: PRJ-6`
pub const ROOT_MAPS: [&str; 16] = [
    "agents",
    "artifacts",
    "capabilities",
    "devices",
    "memory",
    "missions",
    "notes",
    "plugins",
    "policies",
    "providers",
    "routing",
    "runtimes",
    "skills",
    "tasks",
    "workflows",
    "workspace",
];

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
    /// Make a change of edits, all or none.
    Transact {
        /// Of which document.
        document: DocumentId,
        /// The actor that makes it.
        actor: [u8; 16],
        /// What changes.
        edits: Vec<Edit>,
    },
    /// Take a change back that resolved a conflict: as many changes as it had values.
    Reopen {
        /// Of which document.
        document: DocumentId,
        /// The actors that make them, one each.
        actors: Vec<[u8; 16]>,
        /// The change that is taken back.
        undo: ChangeHash,
        /// Also where it does not stand any more.
        force: bool,
    },
    /// Read what is at a path.
    Read {
        /// Of which document.
        document: DocumentId,
        /// Where.
        path: DocPath,
    },
    /// Everything that it shows.
    Dump {
        /// Of which document.
        document: DocumentId,
    },
    /// List the open conflicts.
    Conflicts {
        /// Of which document.
        document: DocumentId,
    },
    /// Show what changes would set, on copies of their documents.
    Preview {
        /// Document and uncompressed change chunk, causes first.
        changes: Vec<(DocumentId, Vec<u8>)>,
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
    /// After `Apply` and `Drop`: what the document holds now.
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
    /// After `Transact`: the change, or none where nothing was to change.
    Transacted(Result<Option<LocalChange>, EditFault>),
    /// After `Reopen`: a change of each actor.
    Reopened(Result<Vec<LocalChange>, EditFault>),
    /// After `Read`.
    Read(Result<ReadValue, EditFault>),
    /// After `Dump`.
    Dumped(Result<Dump, EditFault>),
    /// After `Conflicts`.
    Conflicts(Result<ConflictList, EditFault>),
    /// After `Preview`.
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

/// A change that this device made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// The uncompressed chunk.
    pub chunk: Vec<u8>,
}

/// All documents of a workspace.
#[derive(Default)]
pub struct Documents {
    documents: BTreeMap<DocumentId, Document>,
    saving: saving::Saving,
}

struct Document {
    automerge: Automerge,
    conflicts: ConflictIndex,
    degraded: Option<Degraded>,
}

impl Default for Document {
    fn default() -> Self {
        // A new document draws a random actor; ours is set before anything is written with it.
        let automerge = Automerge::new().with_actor(ActorId::from(&[0; 16][..]));
        Self { automerge, conflicts: ConflictIndex::default(), degraded: None }
    }
}

impl Documents {
    /// Does one task.
    pub fn perform(&mut self, task: DocumentTask) -> DocumentDone {
        match task {
            DocumentTask::Apply { document, changes } => {
                self.saving.forget(&document);
                let held = self.documents.entry(document).or_default();
                held.apply(changes);
                DocumentDone::Holds { document, heads: held.heads() }
            }
            DocumentTask::Begin { document } => {
                self.documents.insert(document, Document::default());
                DocumentDone::Holds { document, heads: Ok(Vec::new()) }
            }
            DocumentTask::Drop { document, changes } => {
                let held = self.documents.entry(document).or_default();
                if let Some(degraded) = held.degraded.clone() {
                    return DocumentDone::Broken { document, degraded };
                }
                held.guarded(|doc, conflicts| {
                    *doc = without(doc, &changes)?;
                    *conflicts = ConflictIndex::of(doc);
                    Ok(())
                });
                DocumentDone::Holds { document, heads: held.heads() }
            }
            DocumentTask::Transact { document, actor, edits } => {
                let held = self.documents.entry(document).or_default();
                DocumentDone::Transacted(held.transact(&document, actor, &edits))
            }
            DocumentTask::Reopen { document, actors, undo, force } => {
                let held = self.documents.entry(document).or_default();
                DocumentDone::Reopened(held.reopen(&actors, undo, force))
            }
            DocumentTask::Read { document, path } => {
                let held = self.documents.entry(document).or_default();
                DocumentDone::Read(held.try_with(|doc, _| read::read(doc, &path)))
            }
            DocumentTask::Dump { document } => {
                let held = self.documents.entry(document).or_default();
                DocumentDone::Dumped(held.try_with(|doc, _| Dump::of(doc)))
            }
            DocumentTask::Conflicts { document } => {
                let held = self.documents.entry(document).or_default();
                DocumentDone::Conflicts(
                    held.try_with(|doc, conflicts| conflicts.list(doc, &document)),
                )
            }
            DocumentTask::Preview { changes } => {
                let mut preview = Preview::default();
                for (document, changes) in preview::by_document(changes) {
                    let held = self.documents.entry(document).or_default();
                    let shown =
                        held.copied(|doc| preview::of(document, doc, changes, &mut preview));
                    if let Err(fault) = shown {
                        return DocumentDone::Preview(Err(fault));
                    }
                }
                DocumentDone::Preview(Ok(preview))
            }
            DocumentTask::Save { document, from } => {
                let held = self.documents.entry(document).or_default();
                let saving = &mut self.saving;
                DocumentDone::Saved(held.try_with(|doc, _| Ok(saving.part(document, doc, from))))
            }
        }
    }
}

impl Document {
    /// Takes changes in; where Automerge fails on one, the document is degraded there.
    fn apply(&mut self, changes: Vec<Vec<u8>>) {
        if self.degraded.is_some() {
            return;
        }
        let parsed = changes.into_iter().map(Change::from_bytes).collect::<Result<Vec<_>, _>>();
        let new: Vec<_> = match parsed {
            // A change of our own is in the document already when its event comes around.
            Ok(parsed) => {
                let is_new = |c: &Change| self.automerge.get_change_by_hash(&c.hash()).is_none();
                parsed.into_iter().filter(is_new).collect()
            }
            Err(error) => {
                self.degrade(error.to_string());
                return;
            }
        };
        self.guarded(|doc, conflicts| {
            doc.apply_changes(new.iter().cloned()).map_err(|error| error.to_string())?;
            new.iter().for_each(|change| conflicts.learn(change));
            Ok(())
        });
        if let Some(degraded) = &mut self.degraded {
            degraded.at = culprit(&self.automerge, &new);
        }
    }

    fn degrade(&mut self, reason: String) {
        self.degraded = Some(Degraded { reason, at: None });
    }

    /// Runs `work`; when it fails or panics the document is degraded from here on.
    fn guarded(
        &mut self,
        work: impl FnOnce(&mut Automerge, &mut ConflictIndex) -> Result<(), String>,
    ) {
        if self.degraded.is_some() {
            return;
        }
        let (doc, conflicts) = (&mut self.automerge, &mut self.conflicts);
        match catch_unwind(AssertUnwindSafe(|| work(doc, conflicts))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.degrade(error),
            Err(_) => self.degrade(PANICKED.to_owned()),
        }
    }

    fn try_with<T>(
        &mut self,
        work: impl FnOnce(&mut Automerge, &mut ConflictIndex) -> Result<T, EditFault>,
    ) -> Result<T, EditFault> {
        if let Some(degraded) = &self.degraded {
            return Err(EditFault::Document(degraded.reason.clone()));
        }
        let (doc, conflicts) = (&mut self.automerge, &mut self.conflicts);
        catch_unwind(AssertUnwindSafe(|| work(doc, conflicts))).unwrap_or_else(|_| {
            self.degrade(PANICKED.to_owned());
            Err(EditFault::Document(PANICKED.to_owned()))
        })
    }

    /// Runs `work`, which changes nothing here; the document stays what it is if that fails.
    fn copied<T>(
        &self,
        work: impl FnOnce(&Automerge) -> Result<T, EditFault>,
    ) -> Result<T, EditFault> {
        if let Some(degraded) = &self.degraded {
            return Err(EditFault::Document(degraded.reason.clone()));
        }
        catch_unwind(AssertUnwindSafe(|| work(&self.automerge)))
            .unwrap_or_else(|_| Err(EditFault::Document(PANICKED.to_owned())))
    }

    fn heads(&self) -> Result<Vec<ChangeHash>, Degraded> {
        match &self.degraded {
            Some(degraded) => Err(degraded.clone()),
            None => Ok(heads(&self.automerge)),
        }
    }
}

const PANICKED: &str = "Automerge panicked";

/// The first of these changes on which Automerge fails, after what the document held before them:
/// found on a copy, one by one.
fn culprit(doc: &Automerge, new: &[Change]) -> Option<ChangeHash> {
    let tried: BTreeSet<_> = new.iter().map(Change::hash).collect();
    let find = || {
        let mut copy = Automerge::new();
        let before = doc.get_changes(&[]).into_iter().filter(|c| !tried.contains(&c.hash()));
        copy.apply_changes(before.collect::<Vec<_>>()).ok()?;
        let fails = |change: &&Change| {
            let apply = || copy.apply_changes([(*change).clone()]).is_ok();
            !catch_unwind(AssertUnwindSafe(apply)).unwrap_or(false)
        };
        new.iter().find(fails).map(|change| ChangeHash(change.hash().0))
    };
    catch_unwind(AssertUnwindSafe(find)).ok().flatten()
}

fn heads(doc: &Automerge) -> Vec<ChangeHash> {
    let mut heads: Vec<_> = doc.get_heads().into_iter().map(|hash| ChangeHash(hash.0)).collect();
    heads.sort();
    heads
}

/// A document of all changes of `doc` but `dropped` and what depends on them.
fn without(doc: &Automerge, dropped: &BTreeSet<ChangeHash>) -> Result<Automerge, String> {
    let mut fallen = dropped.clone();
    let mut kept = Vec::new();
    for change in doc.get_changes(&[]) {
        if fallen.contains(&ChangeHash(change.hash().0))
            || change.deps().iter().any(|dep| fallen.contains(&ChangeHash(dep.0)))
        {
            fallen.insert(ChangeHash(change.hash().0));
        } else {
            kept.push(change.clone());
        }
    }
    let mut anew = Automerge::new().with_actor(doc.get_actor().clone());
    anew.apply_changes(kept).map_err(|error| error.to_string())?;
    Ok(anew)
}
