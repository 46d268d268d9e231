//! A dump of a document reads like the document, at every path.

use kernelos_protocol::document::{
    DocPath, DocumentDone, DocumentTask, Documents, Dump, Edit, ReadValue,
};
use kernelos_protocol::id::DocumentId;
use serde_json::{Value, json};

const DOCUMENT: DocumentId = DocumentId([1; 32]);

fn transact(documents: &mut Documents, actor: u8, edits: Vec<Edit>) -> Vec<u8> {
    let task = DocumentTask::Transact { document: DOCUMENT, actor: [actor; 16], edits };
    match documents.perform(task) {
        DocumentDone::Transacted(Ok(Some(change))) => change.chunk,
        other => panic!("{other:?}"),
    }
}

fn set(path: &str, value: Value) -> Edit {
    Edit::Set { set: path.parse().unwrap(), value }
}

fn apply(documents: &mut Documents, changes: Vec<Vec<u8>>) {
    documents.perform(DocumentTask::Apply { document: DOCUMENT, changes });
}

fn read(documents: &mut Documents, path: &DocPath) -> Option<ReadValue> {
    match documents.perform(DocumentTask::Read { document: DOCUMENT, path: path.clone() }) {
        DocumentDone::Read(read) => read.ok(),
        other => panic!("{other:?}"),
    }
}

/// Every path below `value`, and one beside each.
fn paths(at: &str, value: &Value, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
    found.push(below("absent"));
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| paths(&below(key), value, found)),
        Value::Array(list) => {
            (0..).zip(list).for_each(|(i, value)| paths(&below(&i.to_string()), value, found));
            found.push(below(&list.len().to_string()));
        }
        _ => {}
    }
}

#[test]
fn a_dump_reads_like_the_document_at_every_path() {
    // SPEC: DUR-9
    let founding = kernelos_protocol::document::founding_change([9; 16], "w", ("d", "n")).unwrap();
    let (mut one, mut other) = (Documents::default(), Documents::default());
    for documents in [&mut one, &mut other] {
        apply(documents, vec![founding.clone()]);
    }
    let nested = json!({ "list": [1, "two", { "three": [true, null] }], "text": "long", "f": 1.5 });
    let ours = [
        transact(&mut one, 1, vec![set("notes/a", json!("ours")), set("notes/deep", nested)]),
        transact(&mut one, 1, vec![set("notes/deep/list/1", json!({ "in": "a list" }))]),
    ];
    let theirs = [
        transact(&mut other, 2, vec![set("notes/a", json!("theirs")), set("tasks/1", json!({}))]),
        transact(&mut other, 2, vec![set("notes/b", json!(7))]),
    ];
    apply(&mut one, theirs.to_vec());
    let dump: Dump = match one.perform(DocumentTask::Dump { documents: vec![DOCUMENT] }) {
        DocumentDone::Dumped(Ok(mut dumps)) => dumps.remove(&DOCUMENT).unwrap(),
        other => panic!("{other:?}"),
    };
    let dump: Dump = serde_json::from_slice(&serde_json::to_vec(&dump).unwrap()).unwrap();
    let mut found = Vec::new();
    let root = "".parse().or_else(|_| "/".parse::<DocPath>()).unwrap();
    paths("", &read(&mut one, &root).unwrap().value, &mut found);
    let mut seen = (0, 0);
    for path in found.iter().filter_map(|path| path.parse::<DocPath>().ok()).chain([root]) {
        let expected = read(&mut one, &path);
        assert_eq!(dump.read(&path), expected, "{path}");
        let conflict = expected.as_ref().is_some_and(|read| read.conflict);
        seen = (seen.0 + usize::from(expected.is_some()), seen.1 + usize::from(conflict));
    }
    assert!(seen.0 > 30 && seen.1 == 1, "{seen:?}");
    assert_eq!(ours.len() + theirs.len() + 1, dump.changes().len());
}
