//! Documents: the second state machine, a projection of the admitted events.
//!
//! Tasks come in, answers go out, in order; nothing else writes to a document. The node runs it
//! on a thread with a large stack, the simulator inline. Every change passed our own validator
//! before it comes here (SPEC: PRJ-3); a panic of Automerge is a fault of this node, caught, and
//! never decides state: the document is degraded and claims nothing any more.

mod board;
mod branch;
mod dump;
mod edit;
mod first;
mod inverse;
mod path;
mod policy;
mod read;
mod reopen;
mod restore;
mod saving;
mod several;
mod since;
mod sites;
mod standing;
mod task;

pub mod conflict;
pub mod foreign;
pub mod past;
pub mod preview;
pub mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::transaction::CommitOptions;
use automerge::{ActorId, Automerge, Change, ReadDoc};

pub use board::{BoardLink, Link, Links, NameFault, Routed, check_name, route};
pub use branch::{BranchLink, Fork, MergePreview, begin_branch, merging_change};
pub use dump::Dump;
pub use edit::{Edit, EditFault};
pub use first::{ROOT_MAPS, board_change, founding_change, mission_change};
pub use path::{DECIDED, DocPath, PathFault, WRITABLE, is_unshowable};
pub use policy::{POLICIES, is_stricter};
pub use read::ReadValue;
pub use saving::SavedPart;
pub use several::Hand;
pub use since::{BuiltOn, Taken};
pub use task::{Degraded, DocumentDone, DocumentTask, LocalChange, MayUndo, Reversal};

use crate::id::{ChangeHash, DocumentId};
use conflict::Conflicts;
use several::Part;

/// All documents of a workspace.
#[derive(Default)]
pub struct Documents {
    documents: BTreeMap<DocumentId, Document>,
    saving: saving::Saving,
}

struct Document {
    automerge: Automerge,
    conflicts: Conflicts,
    degraded: Option<Degraded>,
}

impl Default for Document {
    fn default() -> Self {
        // A new document draws a random actor; ours is set before anything is written with it.
        let automerge = Automerge::new().with_actor(ActorId::from(&[0; 16][..]));
        Self { automerge, conflicts: Conflicts::default(), degraded: None }
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
            DocumentTask::Close { document } => {
                self.saving.forget(&document);
                self.documents.remove(&document);
                DocumentDone::Holds { document, heads: Ok(Vec::new()) }
            }
            DocumentTask::Drop { document, changes } => self.leave_out(document, &changes),
            DocumentTask::Transact { document, actor, edits } => {
                self.saving.forget(&document);
                let held = self.documents.entry(document).or_default();
                let part = Part { edits, once: true, ..Part::default() };
                DocumentDone::Transacted(held.write(&document, actor, &part))
            }
            DocumentTask::Write { root, hand, edits, found, put_back } => {
                self.write(root, &hand, &edits, &found, put_back)
            }
            DocumentTask::Undo { root, hand, changes, may } => {
                self.undo(&root, &hand, &changes, &may)
            }
            DocumentTask::Reopen { root, hand, changes, may } => {
                DocumentDone::Reopened(self.reopen(&root, &hand, &changes, &may))
            }
            DocumentTask::Link { root, actor, link } => {
                self.saving.forget(&root);
                let held = self.documents.entry(root).or_default();
                DocumentDone::Transacted(held.link(actor, &link))
            }
            DocumentTask::Links { root } => {
                let held = self.documents.entry(root).or_default();
                DocumentDone::Links(held.try_with(|doc, _| Links::of(doc)))
            }
            DocumentTask::Past { root, task } => self.look_back(root, task),
            DocumentTask::Look { root, path } => self.look(root, &path),
            DocumentTask::Read { document, path } => {
                let held = self.documents.entry(document).or_default();
                DocumentDone::Read(held.try_with(|doc, known| policy::read(doc, known, &path)))
            }
            DocumentTask::Dump { documents } => DocumentDone::Dumped(self.dump(&documents)),
            DocumentTask::Conflicts { document, which, put_back } => {
                let held = self.documents.entry(document).or_default();
                DocumentDone::Conflicts(held.try_with(|doc, conflicts| {
                    conflicts.index().list_after_undos(doc, &document, &which, &put_back)
                }))
            }
            DocumentTask::Fork(fork) => self.fork(&fork),
            DocumentTask::Preview { changes } => DocumentDone::Preview(self.preview(changes)),
            DocumentTask::Wrote { root, changes } => {
                DocumentDone::Preview(self.wrote(&root, &changes))
            }
            DocumentTask::Save { document, from } => {
                let held = self.documents.entry(document).or_default();
                let saving = &mut self.saving;
                DocumentDone::Saved(held.try_with(|doc, _| Ok(saving.part(document, doc, from))))
            }
        }
    }

    /// Does some of what is done best while no task waits; says whether there is more.
    pub fn rest(&mut self) -> bool {
        // A document on which Automerge failed is asked for nothing any more.
        let is_late = |held: &&mut Document| held.degraded.is_none() && held.conflicts.is_late();
        let late = self.documents.values_mut().find(is_late);
        let Some(held) = late else { return false };
        held.guarded(|_, conflicts| {
            conflicts.catch_up();
            Ok(())
        });
        true
    }

    /// Takes changes out of a document, and what depends on them.
    fn leave_out(&mut self, document: DocumentId, changes: &BTreeSet<ChangeHash>) -> DocumentDone {
        let Some(held) = self.documents.get_mut(&document) else {
            return DocumentDone::Holds { document, heads: Ok(Vec::new()) };
        };
        if let Some(degraded) = held.degraded.clone() {
            return DocumentDone::Broken { document, degraded };
        }
        held.guarded(|doc, conflicts| {
            *doc = without(doc, changes)?;
            *conflicts = Conflicts::of(doc);
            Ok(())
        });
        DocumentDone::Holds { document, heads: held.heads() }
    }
}

impl Document {
    /// Takes changes in; where Automerge fails on one, the document is degraded there.
    fn apply(&mut self, changes: Vec<Vec<u8>>) {
        if self.degraded.is_some() {
            return;
        }
        let parsed = changes.iter().map(|bytes| Change::try_from(&bytes[..]));
        let new = match parsed.collect::<Result<Vec<_>, _>>() {
            Ok(parsed) => parsed,
            Err(error) => {
                self.degrade(error.to_string());
                return;
            }
        };
        // A change of our own is in the document already when its event comes around: Automerge and
        // the conflicts pass over it.
        let tried: Vec<_> = new.iter().map(Change::hash).collect();
        self.guarded(|doc, _| doc.apply_changes(new).map_err(|error| error.to_string()));
        if let Some(degraded) = &mut self.degraded {
            degraded.at = culprit(&self.automerge, &changes, tried);
            return;
        }
        self.guarded(|_, conflicts| {
            tried.into_iter().zip(changes).for_each(|(hash, chunk)| conflicts.later(hash, chunk));
            Ok(())
        });
    }

    fn degrade(&mut self, reason: String) {
        self.degraded = Some(Degraded { reason, at: None });
    }

    /// Runs `work`; when it fails or panics the document is degraded from here on.
    fn guarded(&mut self, work: impl FnOnce(&mut Automerge, &mut Conflicts) -> Result<(), String>) {
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
        work: impl FnOnce(&mut Automerge, &mut Conflicts) -> Result<T, EditFault>,
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
fn culprit(
    doc: &Automerge,
    changes: &[Vec<u8>],
    tried: Vec<automerge::ChangeHash>,
) -> Option<ChangeHash> {
    let tried: BTreeSet<_> = tried.into_iter().collect();
    let find = || {
        let new = changes.iter().filter_map(|bytes| Change::try_from(&bytes[..]).ok());
        let mut new = new.filter(|change| tried.contains(&change.hash()));
        let mut copy = Automerge::new();
        let before = doc.get_changes(&[]).into_iter().filter(|c| !tried.contains(&c.hash()));
        copy.apply_changes(before.collect::<Vec<_>>()).ok()?;
        let fails = |change: &Change| {
            let apply = || copy.apply_changes([change.clone()]).is_ok();
            !catch_unwind(AssertUnwindSafe(apply)).unwrap_or(false)
        };
        new.find(fails).map(|change| ChangeHash(change.hash().0))
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

/// One change of these edits; none where they come to nothing. Of what `is_once` says so it is not
/// written where it stands already.
fn transact(
    doc: &mut Automerge,
    conflicts: &mut Conflicts,
    actor: [u8; 16],
    edits: &[Edit],
    is_once: impl Fn(&DocPath) -> bool,
) -> Result<Option<LocalChange>, EditFault> {
    doc.set_actor(ActorId::from(&actor[..]));
    let mut tx = doc.transaction();
    for edit in edits {
        if let Edit::Set { set, value } = edit
            && standing::stands(&tx, set, value)
            && is_once(set)
        {
            continue;
        }
        if let Err(fault) = edit::apply(&mut tx, edit) {
            tx.rollback();
            return Err(fault);
        }
    }
    // Wall time never enters a change: the validator demands 0.
    let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
    let change = hash.and_then(|hash| doc.get_change_by_hash(&hash));
    if let Some(change) = &change {
        conflicts.made(change);
    }
    Ok(change.map(|change| local(doc, &change)))
}

/// A change that stands in `doc`.
fn local(doc: &Automerge, change: &Change) -> LocalChange {
    let hash = ChangeHash(change.hash().0);
    let chunk = change.raw_bytes().to_vec();
    let (places, decided, ended) = (Vec::new(), Vec::new(), Vec::new());
    LocalChange { hash, chunk, heads: heads(doc), places, decided, ended, ended_more: 0 }
}
