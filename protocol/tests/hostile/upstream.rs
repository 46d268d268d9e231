//! What once broke Automerge, from its own tests (MIT): none of it is a change, and as a file each
//! is read or refused.

use kernelos_protocol::document::foreign::{ForeignFault, read};

use crate::changes::common::World;

macro_rules! of {
    ($($name:literal = $code:literal, $file:literal;)*) => {
        &[$((
            $name,
            include_bytes!(concat!("../../fuzz/corpus/foreign/upstream-", $name)).as_slice(),
            $code,
            $file,
        ),)*]
    };
}

/// Its name, its bytes, why it is no change, and what becomes of it as a file.
const FILES: &[(&str, &[u8], &str, &str)] = of! {
    "action-is-48" = "time", "automerge_unreadable";
    "crash-da39a3ee" = "document_chunk", "automerge_unreadable";
    "incorrect-max-op" = "document_chunk", "automerge_unreadable";
    "invalid-deflate-stream" = "document_chunk", "automerge_unreadable";
    "missing-actor" = "document_chunk", "automerge_unreadable";
    "overflow-in-length" = "document_chunk", "automerge_unreadable";
    "too-many-deps" = "document_chunk", "automerge_unreadable";
    "too-many-ops" = "document_chunk", "automerge_unreadable";
    "64bit-obj-id-change" = "start_op", "automerge_unreadable";
    "64bit-obj-id-doc" = "document_chunk", "automerge_unreadable";
    "broken-zero-width-mark" = "document_chunk", "automerge_unreadable";
    "counter-value-has-incorrect-meta" = "time", "automerge_unreadable";
    "counter-value-is-ok" = "time", "read";
    "counter-value-is-overlong" = "time", "automerge_unreadable";
    "two-change-chunks" = "trailing_bytes", "read";
    "two-change-chunks-compressed" = "compressed", "read";
    "two-change-chunks-out-of-order" = "trailing_bytes", "read";
};

#[test]
fn what_once_broke_automerge_is_no_change_and_breaks_no_import() {
    // SPEC: DOC-2, DOC-3, PRJ-8
    let world = World::new();
    let became = FILES.iter().map(|(name, bytes, ..)| {
        let file = read(bytes).err();
        (*name, world.code(bytes), file.as_ref().map_or("read", ForeignFault::code))
    });
    let expected = FILES.iter().map(|(name, _, code, file)| (*name, *code, *file));
    assert_eq!(became.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
