//! What is taken in of other programs' documents: read as values, planned as edits.

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ObjType, ROOT, ScalarValue};
use kernelos_protocol::document::foreign::{
    Foreign, ForeignFault, PlanFault, plan, read, read_within,
};
use kernelos_protocol::document::{DocPath, DocumentDone, DocumentTask, Documents, Edit};
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::limits::{FOREIGN_CHANGE_OPS, Room};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// What a document of ours holds after every batch of a plan.
fn written(batches: Vec<Vec<Edit>>, path: &str) -> Json {
    let (mut documents, document) = (Documents::default(), DocumentId([1; 32]));
    for edits in batches {
        let done = documents.perform(DocumentTask::Transact { document, actor: [2; 16], edits });
        assert!(matches!(done, DocumentDone::Transacted(Ok(Some(_)))), "{done:?}");
    }
    match documents.perform(DocumentTask::Read { document, path: path.parse().unwrap() }) {
        DocumentDone::Read(Ok(read)) => read.value,
        other => panic!("{other:?}"),
    }
}

fn path(text: &str) -> DocPath {
    text.parse().unwrap()
}

#[test]
fn a_value_of_any_size_is_written_in_events_that_each_keep_the_limits() {
    // SPEC: PRJ-8
    let letters = "ü🦀x".repeat(4_000);
    let value = json!({
        "long": letters,
        "lists": [[], vec![letters.clone(), "short".to_owned()], 1, { "deep": letters }],
        "none": {}, "null": null, "float": 0.5,
        "many": (0..700).map(|i| format!("item number {i} of many")).collect::<Vec<_>>(),
    });
    let foreign = Foreign { value: value.clone(), ..Foreign::default() };
    let taken = plan(foreign, &path("notes/x")).unwrap();
    assert!(taken.batches.len() > 5);
    assert_eq!(taken.conflicts_at, None);
    assert!(written(taken.batches, "notes/x") == value);
}

#[test]
fn what_no_path_or_document_can_hold_is_refused_before_anything_is_written() {
    // SPEC: PRJ-8
    let long = "x".repeat(20_000);
    let mut deep = json!(1);
    for _ in 0..14 {
        deep = json!([deep]);
    }
    let foreign = |value| Foreign { value, ..Foreign::default() };
    let taken = plan(foreign(deep), &path("notes/x"));
    assert!(matches!(taken, Err(PlanFault::TooDeep(_))), "{taken:?}");
    let taken = plan(foreign(json!({ "a\nb": long })), &path("notes/x"));
    assert!(matches!(taken, Err(PlanFault::Path { .. })), "{taken:?}");
    // As part of one event it needs no path.
    let value = json!({ "a\nb": "short" });
    let taken = plan(foreign(value.clone()), &path("notes/x")).unwrap();
    assert_eq!(written(taken.batches, "notes/x"), value);
}

#[test]
fn kinds_that_have_no_form_here_are_counted_and_hidden_values_are_kept() {
    // SPEC: PRJ-8
    let mut ours = AutoCommit::new();
    ours.put(ROOT, "counter", ScalarValue::counter(4)).unwrap();
    ours.put(ROOT, "huge", ScalarValue::Uint(u64::MAX)).unwrap();
    ours.put(ROOT, "odd", f64::NAN).unwrap();
    let list = ours.put_object(ROOT, "list", ObjType::List).unwrap();
    ours.insert(&list, 0, 1).unwrap();
    let mut theirs = ours.fork();
    ours.put(&list, 0, 2).unwrap();
    theirs.put(&list, 0, 3).unwrap();
    ours.merge(&mut theirs).unwrap();
    let found = read(&ours.save()).unwrap();
    assert_eq!(found.value["counter"], 4);
    assert_eq!(found.value["huge"], u64::MAX.to_string());
    assert_eq!(found.value["odd"], "NaN");
    let converted = json!(found.converted);
    assert_eq!(converted, json!({ "counter": 1, "number": 2 }));
    let [conflict] = &found.conflicts[..] else { panic!("{:?}", found.conflicts) };
    assert_eq!(conflict.path, ["list", "0"]);
    let mut both = [conflict.value.as_i64(), found.value["list"][0].as_i64()];
    both.sort_unstable();
    assert_eq!(both, [Some(2), Some(3)]);
    let taken = plan(found, &path("notes/x")).unwrap();
    assert_eq!(taken.conflicts_at, Some(path("notes/x-conflicts")));
    let beside = written(taken.batches, "notes/x-conflicts");
    assert_eq!(beside[0]["path"], json!(["list", "0"]));
}

#[test]
fn bytes_that_automerge_does_not_expect_are_a_fault_and_no_panic() {
    // SPEC: PRJ-8
    let mut doc = AutoCommit::new();
    let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
    doc.splice_text(&text, 0, 0, "some text").unwrap();
    let good = doc.save();
    assert!(read(&good).is_ok());
    for at in 9..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x15;
        // With a right checksum, so that Automerge looks at what is in it.
        let sum = Sha256::digest(&bad[8..]);
        bad[4..8].copy_from_slice(&sum[..4]);
        match read(&bad) {
            Ok(_) | Err(ForeignFault::Broken | ForeignFault::Unreadable(_)) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn a_file_inflates_to_no_more_than_there_is_room_for_in_all_its_parts() {
    // SPEC: PRJ-14
    // Numbers that follow no rule, so that they are not one run, and deflate all the same.
    let mut doc = AutoCommit::new();
    let mut parts = Vec::new();
    for part in 0..2 {
        let list = doc.put_object(ROOT, format!("list{part}"), ObjType::List).unwrap();
        for index in 0..600 {
            doc.insert(&list, index, format!("item {}", index * index % 97)).unwrap();
        }
        let hash = doc.commit().unwrap();
        parts.push(doc.get_change_by_hash(&hash).unwrap());
    }
    let deflated: Vec<Vec<u8>> = parts.iter_mut().map(|part| part.bytes().to_vec()).collect();
    let raw: Vec<usize> = parts.iter().map(|part| part.raw_bytes().len()).collect();
    assert!(deflated.iter().zip(&raw).all(|(part, raw)| part.len() * 2 < *raw), "{raw:?}");
    let within = |file: &[u8], inflated| {
        read_within(file, Room { ops: 1 << 20, inflated, text: 1 << 20 }).map(drop)
    };
    let least = |file: &[u8]| {
        // By halves: the least room is near what it inflates to.
        let (mut too_small, mut enough) = (0, 1 << 20);
        while too_small + 1 < enough {
            let middle = (too_small + enough) / 2;
            match within(file, middle) {
                Ok(()) => enough = middle,
                Err(fault) => {
                    assert_eq!(fault, ForeignFault::TooLarge);
                    too_small = middle;
                }
            }
        }
        enough
    };
    let (one, both) = (least(&deflated[0]), least(&deflated.concat()));
    assert!((raw[0] / 2..=raw[0]).contains(&one), "{one} of {}", raw[0]);
    assert!(both > one + raw[1] / 2, "{both}: what the first took is not there for the second");
}

#[test]
fn a_file_takes_the_room_of_all_its_operations_changes_and_texts() {
    // SPEC: PRJ-14
    let key = "k".repeat(1_000);
    let mut doc = AutoCommit::new();
    let list = doc.put_object(ROOT, "list", ObjType::List).unwrap();
    for index in 0..99 {
        let map = doc.insert_object(&list, index, ObjType::Map).unwrap();
        doc.put(&map, key.as_str(), "four").unwrap();
        doc.commit();
    }
    doc.delete(&list, 98).unwrap();
    // The list, its maps and what stands in them, of which the last is deleted.
    let (made, changes) = (1 + 2 * 99, 100);
    let text = "list".len() + 98 * (key.len() + "four".len());
    let whole = doc.save();
    let apart: Vec<u8> = doc.get_changes(&[]).iter().flat_map(|c| c.raw_bytes().to_vec()).collect();
    // A document has the deletion as the successor of what it deletes, and a row a change with
    // what it depends on; a change has the deletion, with what that precedes.
    let of_changes = changes * FOREIGN_CHANGE_OPS;
    let repeated = Room { ops: 10_000, inflated: 98 * key.len(), text };
    let refused = read_within(&whole, repeated);
    assert_eq!(refused, Err(ForeignFault::TooLarge), "a key that is one run is there 99 times");
    let files =
        [(whole, made + 1 + of_changes + changes + (changes - 1)), (apart, made + 2 + of_changes)];
    for (file, takes) in files {
        let within = |ops, text| read_within(&file, Room { ops, inflated: 1 << 20, text });
        let least = (0..10_000).find(|ops| within(*ops, text).is_ok());
        assert_eq!(least, Some(takes));
        assert_eq!(within(takes, text - 1), Err(ForeignFault::TooLarge));
    }
}

#[test]
fn a_file_without_a_byte_is_none_and_a_document_without_a_change_is_one() {
    // SPEC: PRJ-8
    let Err(fault) = read(&[]) else { panic!("it was read") };
    assert_eq!(
        (fault.code(), fault.to_string().ends_with("it is empty")),
        ("automerge_unreadable", true)
    );
    assert_eq!(read(&AutoCommit::new().save()).unwrap().value, json!({}));
}
