//! Every hash and derived key of the protocol, each under a context string of its own.
//!
//! BLAKE3 in its key derivation mode separates the domains: a hash made for one purpose is never
//! a hash for another. The strings are part of the protocol and stand in SPEC.md (HASH-1).

use crate::id::{DeviceId, DocumentId, EventId, Incarnation};

/// The context strings. `SPEC: HASH-1`
pub mod context {
    /// Id of an event from its header.
    pub const EVENT_ID: &str = "kernelos 1 event id";
    /// Hash of a stored body.
    pub const BODY: &str = "kernelos 1 body hash";
    /// Commitment to an epoch key.
    pub const EPOCH_COMMITMENT: &str = "kernelos 1 epoch commitment";
    /// Subkey of an epoch key that seals bodies.
    pub const EPOCH_BODY_KEY: &str = "kernelos 1 epoch body key";
    /// Subkey of an epoch key that seals the older keys.
    pub const EPOCH_OLDER_KEY: &str = "kernelos 1 epoch older keys";
    /// Nonce of a sealed body.
    pub const BODY_NONCE: &str = "kernelos 1 body nonce";
    /// Automerge actor of a device in a document.
    pub const ACTOR: &str = "kernelos 1 actor";
    /// Id of a document.
    pub const DOCUMENT: &str = "kernelos 1 document id";
    /// Id of a branch.
    pub const BRANCH: &str = "kernelos 1 branch id";
    /// Secret half of a device's sealing key, from its signing key's seed.
    pub const SEALING_SECRET: &str = "kernelos 1 sealing secret";
    /// Signing half of a recovery key, from its 32 bytes.
    pub const RECOVERY_SIGNING: &str = "kernelos 1 recovery signing secret";
    /// Sealing half of a recovery key, from its 32 bytes.
    pub const RECOVERY_SEALING: &str = "kernelos 1 recovery sealing secret";
    /// Leaf of the state hash over the control lane.
    pub const STATE_CONTROL: &str = "kernelos 1 state control";
    /// Leaf of the state hash over the admitted content.
    pub const STATE_CONTENT: &str = "kernelos 1 state content";
    /// Root over the first two leaves.
    pub const STATE_LANES: &str = "kernelos 1 state lanes";
    /// Leaf of the state hash over one document.
    pub const STATE_DOCUMENT: &str = "kernelos 1 state document";
    /// The whole state hash.
    pub const STATE: &str = "kernelos 1 state";
    /// Checksum of a pairing token.
    pub const PAIRING_CHECKSUM: &str = "kernelos 1 pairing token checksum";
    /// What a pairing token says of its workspace.
    pub const PAIRING_WORKSPACE: &str = "kernelos 1 pairing workspace prefix";
    /// Id of an invitation, from its secret.
    pub const PAIRING_INVITATION: &str = "kernelos 1 pairing invitation id";
    /// The two digits that a person carries from one screen to the other.
    pub const PAIRING_CHECK_CODE: &str = "kernelos 1 pairing check code";
    /// Secret of a standing invitation, from its issuer's secret and its terms.
    pub const PAIRING_STANDING: &str = "kernelos 1 pairing standing invitation";
    /// Key that seals a device's secret, from a salt and a key file.
    pub const KEY_FILE: &str = "kernelos 1 key file";
    /// Commitment to the salt of a shreddable body.
    pub const SALT: &str = "kernelos 1 salt commitment";
    /// Subkey of an epoch key and a salt that seals a shreddable body.
    pub const SALTED_BODY_KEY: &str = "kernelos 1 salted body key";
    /// Digest of an address card.
    pub const CARD: &str = "kernelos 1 address card";
    /// Digest of a receipt.
    pub const RECEIPT: &str = "kernelos 1 receipt";
    /// Name of a workspace in a sync hello.
    pub const SYNC_WORKSPACE: &str = "kernelos 1 sync workspace";
    /// Who announces itself on a local network.
    pub const NEARBY: &str = "kernelos 1 nearby";
    /// Id of a conflict in a document.
    pub const CONFLICT: &str = "kernelos 1 conflict id";
    /// Hash of an artifact's plaintext.
    pub const ARTIFACT: &str = "kernelos 1 artifact";
    /// Hash of a sealed chunk of an artifact.
    pub const ARTIFACT_CHUNK: &str = "kernelos 1 artifact chunk";
    /// Hash at the end of an archive.
    pub const ARCHIVE: &str = "kernelos 1 archive";
    /// Check of a row in a store, against bad pages.
    pub const STORED_ROW: &str = "kernelos 1 stored row";
    /// Key of a device that seals what its store shows of it at a start.
    pub const GLANCE_KEY: &str = "kernelos 1 glance key";

    /// Hash over the records of a mission, one after the other.
    pub const MISSION_ROOT: &str = "kernelos 1 mission root";
    /// Order of the devices that may take a lease.
    pub const LEASE_RANK: &str = "kernelos 1 lease rank";
    /// Order of leases of one epoch.
    pub const LEASE_ORDER: &str = "kernelos 1 lease order";

    /// Digest of what the recovery key decides.
    pub const RECOVERY: &str = "kernelos 1 recovery";

    /// All of them, for the test that no two are equal.
    pub const ALL: [&str; 39] = [
        EVENT_ID,
        BODY,
        EPOCH_COMMITMENT,
        EPOCH_BODY_KEY,
        EPOCH_OLDER_KEY,
        BODY_NONCE,
        ACTOR,
        DOCUMENT,
        BRANCH,
        SEALING_SECRET,
        RECOVERY_SIGNING,
        RECOVERY_SEALING,
        STATE_CONTROL,
        STATE_CONTENT,
        STATE_LANES,
        STATE_DOCUMENT,
        STATE,
        PAIRING_CHECKSUM,
        PAIRING_WORKSPACE,
        PAIRING_INVITATION,
        PAIRING_CHECK_CODE,
        PAIRING_STANDING,
        KEY_FILE,
        SALT,
        SALTED_BODY_KEY,
        CARD,
        RECEIPT,
        SYNC_WORKSPACE,
        NEARBY,
        CONFLICT,
        ARTIFACT,
        ARTIFACT_CHUNK,
        ARCHIVE,
        STORED_ROW,
        GLANCE_KEY,
        MISSION_ROOT,
        LEASE_RANK,
        LEASE_ORDER,
        RECOVERY,
    ];
}

/// What stands before the 32 bytes of an id when it is signed. `SPEC: HASH-2`
pub const SIGN_EVENT: &[u8] = b"kernelos/1/event\0";
/// What stands before a sealing key when its device signs it. `SPEC: HASH-2`
pub const SIGN_SEALING_KEY: &[u8] = b"kernelos/1/sealing-key\0";

/// What stands before the digest of a decision when the recovery key signs it. `SPEC: HASH-2`
pub const SIGN_RECOVERY: &[u8] = b"kernelos/1/recovery\0";

/// What stands before the digest of an address card when its device signs it. `SPEC: HASH-2`
pub const SIGN_CARD: &[u8] = b"kernelos/1/card\0";

/// What stands before the digest of a receipt when its device signs it. `SPEC: HASH-2`
pub const SIGN_RECEIPT: &[u8] = b"kernelos/1/receipt\0";

/// BLAKE3 of the parts, one after the other, under `context`. Parts have fixed sizes, or the
/// last alone has not, so that no two lists of parts give the same input.
#[must_use]
pub fn hash(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Hash of a list of ids, which must be sorted.
#[must_use]
pub fn hash_ids(context: &str, ids: &[EventId]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for id in ids {
        hasher.update(&id.0);
    }
    *hasher.finalize().as_bytes()
}

/// Id of the document that the event (author, incarnation, seq) of the content lane makes.
/// `SPEC: PRJ-1`
#[must_use]
pub fn document_id(author: &DeviceId, incarnation: &Incarnation, seq: u64) -> DocumentId {
    DocumentId(hash(context::DOCUMENT, &[&author.0, &incarnation.0, &seq.to_be_bytes()]))
}

/// Id of the branch of `origin` that an event makes. It names the origin, so that a device that
/// forks makes no branch of two documents. `SPEC: BRA-1`
#[must_use]
pub fn branch_id(
    author: &DeviceId,
    incarnation: &Incarnation,
    seq: u64,
    origin: &DocumentId,
) -> DocumentId {
    let seq = seq.to_be_bytes();
    DocumentId(hash(context::BRANCH, &[&author.0, &incarnation.0, &seq, &origin.0]))
}

/// Automerge actor of (author, incarnation, document, generation). `SPEC: PRJ-2`
#[must_use]
pub fn actor(
    author: &DeviceId,
    incarnation: &Incarnation,
    document: &DocumentId,
    generation: u64,
) -> [u8; 16] {
    let generation = generation.to_be_bytes();
    let full = hash(context::ACTOR, &[&author.0, &incarnation.0, &document.0, &generation]);
    let mut actor = [0; 16];
    actor.copy_from_slice(&full[..16]);
    actor
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_purposes_share_a_context() {
        // SPEC: HASH-1
        let all: BTreeSet<_> = context::ALL.into_iter().collect();
        assert_eq!(all.len(), context::ALL.len());
        assert!(all.iter().all(|context| context.starts_with("kernelos 1 ")));
    }

    #[test]
    fn signing_prefixes_end_with_a_zero_so_that_none_is_the_start_of_another() {
        // SPEC: HASH-2
        for prefix in [SIGN_EVENT, SIGN_SEALING_KEY, SIGN_CARD, SIGN_RECEIPT] {
            assert_eq!(prefix.iter().position(|byte| *byte == 0), Some(prefix.len() - 1));
        }
    }
}
