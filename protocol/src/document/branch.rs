//! Branches: their links in the root, the changes that make and merge them, and what one would
//! bring to its origin.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Automerge, Change, ChangeHash as Hash, ExpandedChange, ScalarValue};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::board::linked;
use super::conflict::{ConflictIndex, ConflictList, PutBack, Which};
use super::preview::{self, Preview, places};
use super::read::Seen;
use super::{DocumentDone, Documents, EditFault, is_unshowable};
use crate::id::{ChangeHash, DocumentId};
use crate::limits::PURPOSE_BYTES_MAX;

/// A link to a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchLink {
    /// The branch's name.
    pub name: String,
    /// Its document.
    pub document: DocumentId,
    /// What it is for, as its author said.
    pub purpose: String,
    /// Is it put away?
    pub archived: bool,
    /// Does the name lead there, where there are several of that name?
    pub is_shown: bool,
    /// Has the name several links, written apart?
    pub conflict: bool,
    /// The change that wrote it.
    pub change: Option<ChangeHash>,
}

impl BranchLink {
    /// The links at one name, of which the last is shown.
    pub(super) fn all<'a>(
        name: &'a str,
        values: &'a [(Json, Option<ChangeHash>)],
    ) -> impl Iterator<Item = Self> + 'a {
        let last = values.len().saturating_sub(1);
        values.iter().enumerate().filter_map(move |(at, (link, change))| {
            let purpose = link.get("purpose").and_then(Json::as_str);
            Some(Self {
                name: name.to_owned(),
                document: linked(link)?,
                purpose: shortened(purpose.unwrap_or_default()),
                archived: link.get("archived") == Some(&Json::Bool(true)),
                is_shown: at == last,
                conflict: values.len() > 1,
                change: *change,
            })
        })
    }
}

/// As much of a purpose as one may have, whoever wrote the link. `SPEC: BRA-12`
fn shortened(purpose: &str) -> String {
    let mut short = String::new();
    for c in purpose.chars().map(|c| if is_unshowable(c) { '?' } else { c }) {
        if short.len().saturating_add(c.len_utf8()) > PURPOSE_BYTES_MAX {
            break;
        }
        short.push(c);
    }
    short
}

/// The first change of a branch, which builds on these of its origin, with the number of its first
/// operation. A change holds an operation at least: it puts a key that it removes again, so that
/// it shows nothing and no merge brings anything. `SPEC: BRA-3`
#[must_use]
pub fn begin_branch(actor: [u8; 16], deps: &[ChangeHash], start: u64) -> Vec<u8> {
    let by = ActorId::from(&actor[..]);
    let op = |action, pred: Vec<OpId>| Op {
        action,
        obj: ObjectId::Root,
        key: Key::Map("branch".into()),
        pred: pred.into(),
        insert: false,
    };
    let put = op(OpType::Put(ScalarValue::Boolean(true)), Vec::new());
    let removed = op(OpType::Delete, vec![OpId(start, by.clone())]);
    change(by, deps, start, vec![put, removed])
}

/// The change of a document that joins these, its own and others', and writes nothing: the first
/// of its actor. `SPEC: BRA-4`
#[must_use]
pub fn merging_change(actor: [u8; 16], deps: &[ChangeHash], start: u64) -> Vec<u8> {
    change(ActorId::from(&actor[..]), deps, start, Vec::new())
}

fn change(actor_id: ActorId, deps: &[ChangeHash], start: u64, operations: Vec<Op>) -> Vec<u8> {
    let deps: BTreeSet<_> = deps.iter().map(|dep| Hash(dep.0)).collect();
    let change = Change::from(ExpandedChange {
        operations,
        actor_id,
        hash: None,
        seq: 1,
        start_op: NonZeroU64::new(start).unwrap_or(NonZeroU64::MIN),
        // Wall time never enters a change: the validator demands 0.
        time: 0,
        message: None,
        deps: deps.into_iter().collect(),
        extra_bytes: Vec::new(),
        author: None,
    });
    change.raw_bytes().to_vec()
}

/// What is asked of a branch and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The branch.
    pub branch: DocumentId,
    /// What it is a branch of.
    pub origin: DocumentId,
    /// Where it left that.
    pub from: Vec<ChangeHash>,
    /// What would its merge bring? Otherwise: what was changed on it?
    pub merge: bool,
    /// The changes of both that put several values back: conflicts have the same letters then.
    #[serde(default)]
    pub put_back: PutBack,
}

/// What a branch changed, or what its merge would.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MergePreview {
    /// The places.
    pub shown: Preview,
    /// The conflicts that the origin would have beside those that it has.
    pub conflicts: ConflictList,
}

impl Documents {
    /// Nothing is changed: a merge is tried on a copy.
    pub(super) fn fork(&mut self, fork: &Fork) -> DocumentDone {
        let documents = [fork.branch, fork.origin];
        let is_closed = |id: &&DocumentId| !self.documents.contains_key(id);
        let closed: BTreeSet<_> = documents.iter().filter(is_closed).copied().collect();
        let origin = self.documents.get_mut(&fork.origin).filter(|_| fork.merge);
        let before = origin.map(|origin| origin.conflicts_of(&fork.origin, &fork.put_back));
        let (Some(branch), Some(origin)) =
            (self.documents.get(&fork.branch), self.documents.get(&fork.origin))
        else {
            return DocumentDone::Closed(closed);
        };
        let done = branch.copied(|branch| {
            let Some(before) = before else { return diff(fork, branch) };
            let before = before?;
            origin.copied(|origin| merged(fork, branch, origin, &before))
        });
        DocumentDone::Forked(done.map(Box::new))
    }
}

impl super::Document {
    fn conflicts_of(
        &mut self,
        document: &DocumentId,
        put_back: &PutBack,
    ) -> Result<ConflictList, EditFault> {
        self.try_with(|doc, conflicts| {
            conflicts.index().list_after_undos(doc, document, &Which::First, put_back)
        })
    }
}

fn diff(fork: &Fork, branch: &Automerge) -> Result<MergePreview, EditFault> {
    let from: Vec<_> = fork.from.iter().map(|hash| Hash(hash.0)).collect();
    let paths = places(branch, &from, &branch.get_heads());
    let (before, now) = (Seen::at(branch, &from), Seen::now(branch));
    let mut shown = Preview::default();
    preview::rows(fork.branch, &paths, (&before, &now), &mut shown);
    Ok(MergePreview { shown, ..MergePreview::default() })
}

fn merged(
    fork: &Fork,
    branch: &Automerge,
    origin: &Automerge,
    before: &ConflictList,
) -> Result<MergePreview, EditFault> {
    let failed = |error: automerge::AutomergeError| EditFault::Document(error.to_string());
    let (mut then, mut branch) = (origin.clone(), branch.clone());
    then.merge(&mut branch).map_err(failed)?;
    let paths = places(&then, &origin.get_heads(), &then.get_heads());
    let mut shown = Preview::default();
    preview::rows(fork.origin, &paths, (&Seen::now(origin), &Seen::now(&then)), &mut shown);
    // What is only in conflict then is told as that.
    shown.rows.retain(|row| row.then != row.now || !row.conflict);
    let mut conflicts = ConflictIndex::of(&then).list_after_undos(
        &then,
        &fork.origin,
        &Which::First,
        &fork.put_back,
    )?;
    let known: BTreeSet<_> = before.conflicts.iter().map(|conflict| conflict.id).collect();
    conflicts.conflicts.retain(|conflict| !known.contains(&conflict.id));
    conflicts.more = conflicts.more.saturating_sub(before.more);
    Ok(MergePreview { shown, conflicts })
}
