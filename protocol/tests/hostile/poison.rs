//! What reaches the document and was not meant to: an Automerge that fails, values of another kind.

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjType, ROOT, ReadDoc as _, ScalarValue};
use kernelos_protocol::document::conflict::Which;
use kernelos_protocol::document::{DocumentDone, DocumentTask, Documents, Edit, EditFault};
use kernelos_protocol::hash;
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::role::Role;
use serde_json::json;

use super::samples::key;
use crate::changes::common::{Parts, World, commit, unsigned};
use crate::kit::Peer;

fn edit(documents: &mut Documents, document: DocumentId) -> Result<(), EditFault> {
    let edit = Edit::Set { set: "notes".parse().unwrap(), value: "x".into() };
    let task = DocumentTask::Transact { document, actor: [1; 16], edits: vec![edit] };
    match documents.perform(task) {
        DocumentDone::Transacted(done) => done.map(drop),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_automerge_that_panics_degrades_its_document_alone_and_the_events_give_it_back() {
    // SPEC: DOC-12, STATE-3
    // No change that passes does it: this one, which the validator refuses, is put past it.
    let world = World::new();
    let poison = world.parts(|parts| parts.start_op = unsigned(u64::from(u32::MAX)));
    assert_eq!(world.code(&poison), "start_op");
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.set("notes/a", "kept"));
    let document = founder.document();
    let mut peer = Peer::new(1, events[0].workspace());
    peer.take(&events);
    let state = peer.state();
    let other = DocumentId([9; 32]);
    assert_eq!(edit(&mut peer.documents, other), Ok(()));
    let task = DocumentTask::Apply { document, changes: vec![poisoned()] };
    let DocumentDone::Holds { .. } = peer.documents.perform(task) else { panic!() };
    let broken = edit(&mut peer.documents, document);
    assert!(matches!(broken, Err(EditFault::Document(_))), "{broken:?}");
    // From here on it says so, whatever is asked, and claims no heads.
    let task = DocumentTask::Apply { document, changes: Vec::new() };
    let DocumentDone::Holds { heads, .. } = peer.documents.perform(task) else { panic!() };
    assert!(heads.is_err(), "{heads:?}");
    assert!(peer.get("notes/a").contains("could not be used"));
    assert_eq!(edit(&mut peer.documents, other), Ok(()), "the other document goes on");
    // Nothing of it is an event: a start from the disk has the document whole.
    let mut again = Peer::new(1, events[0].workspace());
    again.take(&events);
    assert_eq!((again.state(), again.get("notes/a")), (state, "\"kept\"".to_owned()));
}

/// A change on which the next local write panics: no operation can have a number above it.
fn poisoned() -> Vec<u8> {
    let mut doc = AutoCommit::new().with_actor(ActorId::from([9; 16]));
    doc.put(ROOT, "x", 1).unwrap();
    commit(&mut doc).unwrap();
    let mut parts = Parts::of(doc.get_last_local_change().unwrap().raw_bytes());
    parts.start_op = unsigned(u64::from(u32::MAX));
    parts.bytes()
}

#[test]
fn values_of_another_kind_than_expected_are_read_as_what_they_are() {
    // SPEC: PRJ-5, DOC-24
    let (mut founder, mut events) = Peer::founder();
    events.extend(founder.grant(2, Role::Member));
    let mut member = Peer::new(2, events[0].workspace());
    member.take(&events);
    let document = member.document();
    let actor = hash::actor(&key(2).device(), &member.incarnation, &document, 1);
    member.project();
    let save = DocumentTask::Save { document, from: 0 };
    let DocumentDone::Saved(Ok(saved)) = member.documents.perform(save) else {
        panic!("the document is not written")
    };
    let mut doc = AutoCommit::load(&saved.bytes).unwrap().with_actor(ActorId::from(&actor[..]));
    // In place of maps and texts: lists, numbers at both ends, bytes.
    for (name, value) in [
        ("agents", ScalarValue::Int(i64::MIN)),
        ("missions", ScalarValue::Uint(u64::MAX)),
        ("policies", ScalarValue::F64(f64::MAX)),
        ("devices", ScalarValue::Bytes(vec![0xff; 9])),
        ("workspace", ScalarValue::Null),
    ] {
        doc.put(ROOT, name, value).unwrap();
    }
    let (_, tasks) = doc.get(ROOT, "tasks").unwrap().unwrap();
    let task = doc.put_object(&tasks, "x", ObjType::Map).unwrap();
    let state = doc.put_object(&task, "state", ObjType::List).unwrap();
    doc.insert(&state, 0, f64::MIN_POSITIVE).unwrap();
    doc.put(&task, "title", ScalarValue::counter(-(1 << 53))).unwrap();
    doc.increment(&task, "title", -(1 << 32)).unwrap();
    commit(&mut doc).unwrap();
    let change = doc.get_last_local_change().unwrap().raw_bytes().to_vec();
    let hostile = member.change(Some(document), change).unwrap();
    founder.take(&hostile);
    assert_eq!(founder.verdict(&hostile[0].id()), "admitted");
    for path in ["", "agents", "missions", "policies", "devices", "workspace"] {
        let read = founder.get(path);
        assert!(!read.contains("could not be used"), "{path}: {read}");
    }
    let task: serde_json::Value = serde_json::from_str(&founder.get("tasks/x")).unwrap();
    let low: i64 = -(1 << 53) - (1 << 32);
    assert_eq!(task["title"], json!(low));
    assert!(task["state"].is_array());
    // The work goes on.
    member.take(&founder.set("notes/a", "goes on"));
    assert_eq!(member.get("notes/a"), "\"goes on\"");
    let listed = founder.documents.perform(DocumentTask::Conflicts {
        document,
        which: Which::First,
        put_back: Default::default(),
    });
    assert!(matches!(listed, DocumentDone::Conflicts(Ok(_))), "{listed:?}");
    assert_eq!(member.state(), founder.state());
}
