//! Every hash and derived key of the protocol, each under a context string of its own.
//!
//! BLAKE3 in its key derivation mode separates the domains: a hash made for one purpose is never
//! a hash for another. The strings are part of the protocol and stand in SPEC.md (HASH-1).

use blake3::hazmat::HasherExt as _;
use context::Context;

use crate::id::{DeviceId, DocumentId, EventId, Incarnation};

/// The purposes, each with its context string. `SPEC: HASH-1`
pub mod context {
    /// A purpose of hashes.
    #[derive(Debug, PartialEq, Eq)]
    pub struct Context {
        text: &'static str,
        /// What BLAKE3 makes of the string, which takes it as long as a short message.
        pub(super) key: blake3::hazmat::ContextKey,
    }

    impl Context {
        /// The string that names it.
        #[must_use]
        pub fn text(&self) -> &'static str {
            self.text
        }
    }

    macro_rules! contexts {
        ($($(#[$doc:meta])* $name:ident = $text:literal, $key:literal;)*) => {
            $($(#[$doc])* pub const $name: &Context =
                &Context { text: $text, key: super::of_hex($key) };)*
            /// All of them, for the tests that no two are equal, and that their keys are right.
            pub const ALL: &[&Context] = &[$($name),*];
        };
    }

    contexts! {
        /// Id of an event from its header.
        EVENT_ID = "kernelos 1 event id",
            "e65955456acc45afcb7fa3b7c0b30657a3d0df9efa3897c042f1189b969fddb3";
        /// Hash of a stored body.
        BODY = "kernelos 1 body hash",
            "698ee263e00272b79456de310b9a6b2a57db24d82be00c9ec371604c1f7dcd08";
        /// Commitment to an epoch key.
        EPOCH_COMMITMENT = "kernelos 1 epoch commitment",
            "0a1e012dbb9e11d2c306aefb33c8fa3254dbaf11a6ed98bcf652ce5230907f2d";
        /// Subkey of an epoch key that seals bodies.
        EPOCH_BODY_KEY = "kernelos 1 epoch body key",
            "78920eff47a6449d6711a2a9ba715e10cf997764e3822b9384e4fe635379eb11";
        /// Subkey of an epoch key that seals the older keys.
        EPOCH_OLDER_KEY = "kernelos 1 epoch older keys",
            "c6737b812b660cb71a5b900b893531c501107545ddc4e3b7f486b53794f9dc2f";
        /// Nonce of a sealed body.
        BODY_NONCE = "kernelos 1 body nonce",
            "2eaba6a91f3c60b02f7e1ff549abbbbea0d95a44a234ebb20a40d4fbc9a82553";
        /// Automerge actor of a device in a document.
        ACTOR = "kernelos 1 actor",
            "639b558e60ce828f5280c12b23e288850604ed72977a3f8fe9bc48326d85ea85";
        /// Id of a document.
        DOCUMENT = "kernelos 1 document id",
            "e5bb25b0883d11f5df2bf459791fa142ec511063b30c239d9652ed1480578fe1";
        /// Id of a branch.
        BRANCH = "kernelos 1 branch id",
            "45728f566c08bd5349aab50462d37a46725654d905127e6fc5799d3630715b3f";
        /// Secret half of a device's sealing key, from its signing key's seed.
        SEALING_SECRET = "kernelos 1 sealing secret",
            "008c15410fcba686bcb3f054b765040ff93dd16bed1f0dafdf0142f2f3a1ef86";
        /// Signing half of a recovery key, from its 32 bytes.
        RECOVERY_SIGNING = "kernelos 1 recovery signing secret",
            "b4748f205c224a399eeb81b427db7420855f1f4c94ea182768e2f20c0276f950";
        /// Sealing half of a recovery key, from its 32 bytes.
        RECOVERY_SEALING = "kernelos 1 recovery sealing secret",
            "d7805b3fc01dd056ad533ad3ba3510f3049f8333474ab77c883245f7ea87d3f3";
        /// Leaf of the state hash over the control lane.
        STATE_CONTROL = "kernelos 1 state control",
            "9bc5c9b409c49edd86e52591acf17395080a069bfbf6ddbd12ee0268e24f5f70";
        /// Leaf of the state hash over the admitted content.
        STATE_CONTENT = "kernelos 1 state content",
            "3dadce7e1d6d1568ce6b2594be0593bbbde03a7df0e3edfa720b5de7bc0bc839";
        /// Root over the first two leaves.
        STATE_LANES = "kernelos 1 state lanes",
            "eb49dbc14c8d38324948f625d360a7d3866bc5f48be6a30f790e83b1a35f313b";
        /// Leaf of the state hash over one document.
        STATE_DOCUMENT = "kernelos 1 state document",
            "6d322b9427ad85d78479ea4b111633d9d8899ee0309601cb2fb8a4fc000f0130";
        /// The whole state hash.
        STATE = "kernelos 1 state",
            "c16dc7c181edcc0feca09481fe6d11de5626343faa0d4fb92829d2811dc7afa5";
        /// Checksum of a pairing token.
        PAIRING_CHECKSUM = "kernelos 1 pairing token checksum",
            "2c97f51df04143506f2ba043c8153643098c3575d742c5fd2df95aa3ba739ecf";
        /// What a pairing token says of its workspace.
        PAIRING_WORKSPACE = "kernelos 1 pairing workspace prefix",
            "24421ae7006fc44c7c4137eadb98582c1d2d79c01f77e86c281ecd0f0a97dc24";
        /// Id of an invitation, from its secret.
        PAIRING_INVITATION = "kernelos 1 pairing invitation id",
            "f6acebe244941edf94cb94e4aba8cc49e43de4c735c2be2086f8e2a76c4fde84";
        /// The two digits that a person carries from one screen to the other.
        PAIRING_CHECK_CODE = "kernelos 1 pairing check code",
            "526aebdd7da57e363d93dfb52c6f914eccce7dedc4828ef2b475970e731ea7ac";
        /// Secret of a standing invitation, from its issuer's secret and its terms.
        PAIRING_STANDING = "kernelos 1 pairing standing invitation",
            "bb81c0cbb14821dd371dd4ee24fe4aa1ff74f99364a98b5ea707e6b6b4f139e9";
        /// Key that seals a device's secret, from a salt and a key file.
        KEY_FILE = "kernelos 1 key file",
            "91456990887ec7c352f8a011a743d3c29473c3ce9a8e2b643969378c02c2461f";
        /// Commitment to the salt of a shreddable body.
        SALT = "kernelos 1 salt commitment",
            "74349614cf24d1bebb26be4a80a132fac53242b55888dd88f93a88eb0b8e5488";
        /// Subkey of an epoch key and a salt that seals a shreddable body.
        SALTED_BODY_KEY = "kernelos 1 salted body key",
            "8d498c5ce8a40deaa70ab41d2e63722ada074fe7a8a201b2434d6eb2bfab8385";
        /// Digest of an address card.
        CARD = "kernelos 1 address card",
            "69ef333616c07fe8f4995b6a174d77307db1bf22791737446f397cf6943386d0";
        /// Digest of a receipt.
        RECEIPT = "kernelos 1 receipt",
            "2451c5e57a01079260bb613fff1231af287ff204938c674d0eda930d5b602b11";
        /// Digest of a hint.
        HINT = "kernelos 1 hint",
            "b4639f4e36d71baac779addd11abccd2c3ed1827fa373f3b01422b1a9d0b769e";
        /// The topic of a workspace's hints.
        GOSSIP_TOPIC = "kernelos 1 gossip topic",
            "0450345fab52a8c9b2a7fb52be94dede6082c3ef42a98fd2815cf6d5d22380c5";
        /// Name of a workspace in a sync hello.
        SYNC_WORKSPACE = "kernelos 1 sync workspace",
            "b4e13682c932dda87a40343bf77c937305ef464f175d56f3a5f60fafb39fa26e";
        /// Who announces itself on a local network.
        NEARBY = "kernelos 1 nearby",
            "8a6b9499a143ac55930ffade13f4ff48624d90000db54deed4dbb7552aea38d2";
        /// Id of a conflict in a document.
        CONFLICT = "kernelos 1 conflict id",
            "97dba96e5edfb144eb0791ba38c3d56ca73e20da1e6226a6829409b8cfa6154e";
        /// Hash of an artifact's plaintext.
        ARTIFACT = "kernelos 1 artifact",
            "9747079471790cd7a33ad3e00f1d9ea2eb7e5ffa9896164a438da535aae0e3bf";
        /// Hash of a sealed chunk of an artifact.
        ARTIFACT_CHUNK = "kernelos 1 artifact chunk",
            "8c03c07af4fe9ae6a4aeaffe076074e7276e8d5b75c72a97e62df64a45b84f9d";
        /// Hash at the end of an archive.
        ARCHIVE = "kernelos 1 archive",
            "af5c36ce173827b049cfc253aa08c89f7c638811655aac9499133bee9f4bda29";
        /// Check of a row in a store, against bad pages.
        STORED_ROW = "kernelos 1 stored row",
            "f527ef4eeef76d640d80c66b0995b0d8e22781fb7fb35c72f2903539b1a93955";
        /// Key of a device that seals what its store shows of it at a start.
        GLANCE_KEY = "kernelos 1 glance key",
            "fca2ae726f94b8af790c5f58f482e2e3a9aedbd29b770933cf87401dcd1d7c2a";
        /// Hash over the records of a mission, one after the other.
        MISSION_ROOT = "kernelos 1 mission root",
            "951de37f8db9416301dac3c29a89a494b36191188754dcac37e44fa24f944ed5";
        /// Order of the devices that may take a lease.
        LEASE_RANK = "kernelos 1 lease rank",
            "d9d3013a3af5dccb2f02f86592c4b27c2273fec4eb77909653a52ce8e20647ac";
        /// Order of leases of one epoch.
        LEASE_ORDER = "kernelos 1 lease order",
            "41b460b0a501395e28f1d3941ecaaa1b0cbff1c8f0e0d75f498b6fa81502d434";
        /// Digest of what the recovery key decides.
        RECOVERY = "kernelos 1 recovery",
            "2281698fc297a7786ee78b4434f6f47e6a3132e5c6095f8e05b07d7552170a7d";
    }
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

/// What stands before the digest of a hint when its device signs it. `SPEC: HASH-2`
pub const SIGN_HINT: &[u8] = b"kernelos/1/hint\0";

/// 32 bytes from 64 lower-case hexadecimal digits; other text does not compile.
const fn of_hex(text: &str) -> [u8; 32] {
    const fn digit(byte: u8) -> u8 {
        match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => panic!("no hexadecimal digit"),
        }
    }
    let text = text.as_bytes();
    assert!(text.len() == 64, "64 digits");
    let (mut bytes, mut at) = ([0; 32], 0);
    while at < bytes.len() {
        bytes[at] = 16 * digit(text[2 * at]) + digit(text[2 * at + 1]);
        at += 1;
    }
    bytes
}

/// BLAKE3 in its key derivation mode under `context`, of what comes bit by bit.
pub(crate) fn hasher(context: &Context) -> blake3::Hasher {
    blake3::Hasher::new_from_context_key(&context.key)
}

/// BLAKE3 of the parts, one after the other, under `context`. Parts have fixed sizes, or the
/// last alone has not, so that no two lists of parts give the same input.
#[must_use]
pub fn hash(context: &Context, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = hasher(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The same under any string: for what is no part of the protocol.
#[must_use]
pub fn hash_under(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Hash of a list of ids, which must be sorted.
#[must_use]
pub fn hash_ids(context: &Context, ids: &[EventId]) -> [u8; 32] {
    let mut hasher = hasher(context);
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
        let all: BTreeSet<_> = context::ALL.iter().map(|context| context.text()).collect();
        assert_eq!(all.len(), context::ALL.len());
        assert!(all.iter().all(|context| context.starts_with("kernelos 1 ")));
    }

    #[test]
    fn a_hash_is_that_of_key_derivation_under_the_string_of_its_context() {
        // SPEC: HASH-1
        for context in context::ALL {
            let key = blake3::hazmat::hash_derive_key_context(context.text());
            let expected = blake3::Hash::from_bytes(key).to_hex();
            assert_eq!(context.key, key, "of {}: {expected}", context.text());
            let expected = blake3::derive_key(context.text(), b"ab");
            assert_eq!(hash(context, &[b"a", b"b"]), expected, "{}", context.text());
        }
    }

    #[test]
    fn signing_prefixes_end_with_a_zero_so_that_none_is_the_start_of_another() {
        // SPEC: HASH-2
        for prefix in [SIGN_EVENT, SIGN_SEALING_KEY, SIGN_CARD, SIGN_RECEIPT, SIGN_HINT] {
            assert_eq!(prefix.iter().position(|byte| *byte == 0), Some(prefix.len() - 1));
        }
    }
}
