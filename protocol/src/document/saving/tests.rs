//! A file in parts.

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ROOT};

use super::*;

const ID: DocumentId = DocumentId([1; 32]);

/// A document whose file has three parts.
fn large() -> Automerge {
    let mut doc = AutoCommit::new();
    let mut dice = 1_u64;
    let mut bytes = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        dice.to_le_bytes()[7]
    };
    let bytes: Vec<u8> = (0..2 * ARCHIVE_SLICE_BYTES + 9).map(|_| bytes()).collect();
    doc.put(ROOT, "a", bytes).unwrap();
    doc.commit();
    doc.document().clone()
}

#[test]
fn a_file_is_written_once_and_kept_until_its_last_part() {
    // SPEC: PRJ-8
    let doc = large();
    let (whole, mut saving, mut given) = (doc.save(), Saving::default(), Vec::new());
    let mut at = None;
    for part in 0..3 {
        let got = saving.part(ID, &doc, given.len());
        assert_eq!((got.size, got.changes), (whole.len(), 1));
        given.extend(got.bytes);
        let file = saving.0.as_ref().map(|kept| kept.file.as_ptr());
        assert_eq!(file.is_some(), part < 2, "part {part}");
        if part == 1 {
            assert_eq!(file, at, "it is the same file");
        }
        at = file;
    }
    assert_eq!(given, whole);
}

#[test]
fn a_document_that_changed_or_is_another_is_another_file() {
    // SPEC: PRJ-8
    let doc = large();
    let mut saving = Saving::default();
    let first = saving.part(ID, &doc, 0);
    let mut changed = doc.clone();
    let mut transaction = changed.transaction();
    transaction.put(ROOT, "b", 1).unwrap();
    transaction.commit();
    let next = saving.part(ID, &changed, first.bytes.len());
    assert_eq!((next.heads != first.heads, next.changes), (true, 2));
    let other = saving.part(DocumentId([2; 32]), &doc, 0);
    assert_eq!(other, first);
    saving.forget(&ID);
    assert!(saving.0.is_some());
    saving.forget(&DocumentId([2; 32]));
    assert!(saving.0.is_none());
    assert!(saving.part(ID, &doc, usize::MAX).bytes.is_empty());
}
