//! The state hash: two devices with equal hashes hold the same workspace (SPEC: STATE-1).

use serde::{Deserialize, Serialize};

use super::Workspace;
use crate::hash::{self, context};
use crate::id::{ChangeHash, DocumentId, EventId, to_hex};

/// A state hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateHash(pub [u8; 32]);

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl Serialize for StateHash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for StateHash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = crate::id::from_hex(&text);
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("expected 64 hex digits"))
    }
}

impl Workspace {
    /// The root over both lanes. Heads stand for what they end: equal heads, equal sets.
    /// `SPEC: STATE-1`
    #[must_use]
    pub fn lanes_hash(&self) -> [u8; 32] {
        let control = self.control.heads(&self.control.all());
        let control = hash::hash_ids(context::STATE_CONTROL, &control);
        let content = hash::hash_ids(context::STATE_CONTENT, &self.content.admitted_heads());
        hash::hash(context::STATE_LANES, &[&control, &content])
    }

    /// The events that cuts name and that are not here; for a minute they are waited for.
    /// `SPEC: AUTH-13`
    #[must_use]
    pub fn absent_cuts(&self) -> Vec<EventId> {
        self.content.missing_cuts(&self.control)
    }

    /// The whole hash, with the heads of every document. None while something that is admitted is
    /// not in the documents, or cannot be read here. `SPEC: STATE-3`
    #[must_use]
    pub fn state_hash<'a>(
        &self,
        documents: impl Iterator<Item = (&'a DocumentId, &'a Vec<ChangeHash>)>,
    ) -> Option<StateHash> {
        if self.is_empty() || !self.is_projected() || self.has_unread() {
            return None;
        }
        let mut leaves = Vec::new();
        for (id, heads) in documents {
            leaves.extend(document_leaf(id, heads));
        }
        Some(StateHash(hash::hash(context::STATE, &[&self.lanes_hash(), &leaves])))
    }
}

/// The leaf of one document. `SPEC: STATE-2`
#[must_use]
pub fn document_leaf(id: &DocumentId, heads: &[ChangeHash]) -> [u8; 32] {
    let heads: Vec<u8> = heads.iter().flat_map(|head| head.0).collect();
    hash::hash(context::STATE_DOCUMENT, &[&id.0, &heads])
}
