//! Branches in hostile hands, at the workspace: changes that two events carry, merges whose actor
//! forked, bodies that are lost. Whatever came first, a document holds the same.

use kernelos_protocol::content::DocumentChange;
use kernelos_protocol::control::{ControlBody, Strike};
use kernelos_protocol::document::conflict::Which;
use kernelos_protocol::document::{
    DocumentDone, DocumentTask, Edit, begin_branch, board_change, merging_change,
};
use kernelos_protocol::event::Verified;
use kernelos_protocol::hash;
use kernelos_protocol::id::{ChangeHash, DocumentId, EventId};
use kernelos_protocol::role::Role;

use super::orders::{granted, joined};
use super::recarried::carrier;
use super::samples::key;
use crate::kit::Peer;
use crate::rescue::craft;

/// Every order of these in which none is before what it names.
fn orders(events: &[Verified]) -> Vec<Vec<Verified>> {
    let Some((last, rest)) = events.split_last() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for order in orders(rest) {
        for at in 0..=order.len() {
            let mut order = order.clone();
            order.insert(at, last.clone());
            all.push(order);
        }
    }
    let is_before = |order: &[Verified], of: &Verified, name: &EventId| {
        let place = |id: &EventId| order.iter().position(|event| event.id() == *id);
        place(name).is_none_or(|named| Some(named) < place(&of.id()))
    };
    all.retain(|order| {
        order.iter().all(|of| of.header().before().all(|name| is_before(order, of, name)))
    });
    all
}

pub(super) fn actor(peer: &Peer, document: &DocumentId, generation: u64) -> [u8; 16] {
    hash::actor(&peer.key.device(), &peer.incarnation, document, generation)
}

/// The peer makes a branch of `origin`, without a name.
pub(super) fn begin(peer: &mut Peer, origin: DocumentId) -> (DocumentId, Vec<Verified>) {
    peer.project();
    let life = peer.incarnation;
    let branch = peer.workspace.next_branch(&peer.key.device(), &life, &origin).unwrap();
    let deps = peer.workspace.line(&origin).heads;
    let start = peer.workspace.next_op(&origin, &deps);
    let change = begin_branch(actor(peer, &branch, 1), &deps, start);
    let change = DocumentChange { document: None, generation: 1, change };
    let events =
        peer.write(|workspace, pen| workspace.write_branch(pen, origin, vec![change])).unwrap();
    (branch, peer.keep(events))
}

/// The change that sets a value in a document, after all that it holds at the peer.
pub(super) fn edit(
    peer: &mut Peer,
    document: DocumentId,
    generation: u64,
    (path, value): (&str, &str),
) -> DocumentChange {
    if !peer.workspace.is_open(&document) {
        peer.workspace.open(document);
    }
    peer.project();
    let edits = vec![Edit::Set { set: path.parse().unwrap(), value: value.into() }];
    let actor = actor(peer, &document, generation);
    match peer.documents.perform(DocumentTask::Transact { document, actor, edits }) {
        DocumentDone::Transacted(Ok(Some(change))) => {
            DocumentChange { document: Some(document), generation, change: change.chunk }
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn write(peer: &mut Peer, change: DocumentChange) -> Vec<Verified> {
    let events = peer.write(|workspace, pen| workspace.write_change(pen, vec![change])).unwrap();
    peer.keep(events)
}

/// The change by which `origin` knows all that the branch does.
pub(super) fn merging(
    peer: &mut Peer,
    origin: DocumentId,
    branch: DocumentId,
    generation: u64,
) -> DocumentChange {
    peer.project();
    let mut deps = peer.workspace.line(&origin).heads;
    deps.extend(peer.workspace.line(&branch).heads);
    joining(peer, origin, &deps, generation)
}

/// The change of a document that depends on these.
pub(super) fn joining(
    peer: &Peer,
    origin: DocumentId,
    deps: &[ChangeHash],
    generation: u64,
) -> DocumentChange {
    let start = peer.workspace.next_op(&origin, &deps);
    let change = merging_change(actor(peer, &origin, generation), deps, start);
    DocumentChange { document: Some(origin), generation, change }
}

/// The notes of a document and whether its conflicts can be told; opened now where it is not.
fn shown(peer: &mut Peer, document: DocumentId) -> String {
    if !peer.workspace.is_open(&document) {
        peer.workspace.open(document);
    }
    peer.project();
    assert!(peer.workspace.is_projected(), "something waits for ever");
    assert_eq!(heads(peer, document), peer.workspace.line(&document).heads);
    let which = Which::First;
    match peer.documents.perform(DocumentTask::Conflicts { document, which }) {
        DocumentDone::Conflicts(Ok(list)) => assert_eq!(list.total(), 0),
        other => panic!("{other:?}"),
    }
    let path = "notes".parse().unwrap();
    match peer.documents.perform(DocumentTask::Read { document, path }) {
        DocumentDone::Read(Ok(read)) => read.value.to_string(),
        other => panic!("{other:?}"),
    }
}

fn heads(peer: &mut Peer, document: DocumentId) -> Vec<ChangeHash> {
    match peer.documents.perform(DocumentTask::Apply { document, changes: Vec::new() }) {
        DocumentDone::Holds { heads, .. } => heads.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A board of the founder, beside the root.
fn board(founder: &mut Peer) -> (DocumentId, Vec<Verified>) {
    let life = founder.incarnation;
    let document = founder.workspace.next_document(&founder.key.device(), &life).unwrap();
    let change = board_change(actor(founder, &document, 1), "garden").unwrap();
    (document, founder.change(None, change).unwrap())
}

fn strike(founder: &Peer, events: &[Verified]) -> Verified {
    craft(founder, 1, |_| {
        let events = events.iter().map(Verified::id).collect();
        let authors = vec![key(2).device()];
        ControlBody::Strike(Strike { authors, events, reason: String::new() })
    })
}

/// A branch of a board, written and merged by who knows one carrier of what was written; another
/// event carries the same, and the first is struck.
#[test]
fn a_change_whose_second_carrier_comes_after_the_merge_is_in_every_document_that_holds_it() {
    // SPEC: BRA-2, BRA-11, EFF-8
    let (mut founder, mut base) = granted(&[Role::Member; 2]);
    let (garden, made) = board(&mut founder);
    base.extend(made);
    let mut two = joined(2, &base);
    let (branch, made) = begin(&mut two, garden);
    base.extend(made);
    let before = base[base.len() - 1].id();
    let written = edit(&mut two, branch, 1, ("notes/a", "x"));
    let again = carrier(&two, std::slice::from_ref(&written), &[before], 1);
    let written = write(&mut two, written);
    let mut three = joined(3, &[base.clone(), written.clone()].concat());
    let merge = merging(&mut three, garden, branch, 1);
    let merged = write(&mut three, merge);
    let on = edit(&mut three, garden, 2, ("notes/b", "y"));
    let on = write(&mut three, on);
    founder.take(&base);
    let struck = strike(&founder, &written);
    let all = [written, merged, on, vec![again, struck]].concat();
    for order in orders(&all) {
        for is_open in [true, false] {
            let mut peer = joined(1, &base);
            if is_open {
                peer.workspace.open(garden);
            }
            for event in &order {
                peer.take(std::slice::from_ref(event));
                peer.project();
            }
            let words = || order.iter().map(|event| event.id().short()).collect::<Vec<_>>();
            assert_eq!(shown(&mut peer, garden), r#"{"a":"x","b":"y"}"#, "{:?}", words());
            assert_eq!(shown(&mut peer, branch), r#"{"a":"x"}"#);
        }
    }
}

#[test]
fn what_came_in_by_a_merge_that_is_left_out_is_in_its_document_no_more() {
    // SPEC: BRA-2, PRJ-4
    let (mut founder, mut base) = granted(&[Role::Member; 2]);
    let root = founder.document();
    let (branch, made) = begin(&mut founder, root);
    base.extend(made);
    let mut two = joined(2, &base);
    let change = edit(&mut two, branch, 1, ("notes/a", "x"));
    let written = write(&mut two, change);
    let merge = merging(&mut two, root, branch, 5);
    let merged = write(&mut two, merge);
    // Another change of that number by that actor, on which somebody builds.
    let mut twin = joined(2, &[base.clone(), written.clone()].concat());
    let change = edit(&mut twin, root, 5, ("notes/b", "y"));
    let rival = write(&mut twin, change);
    let mut three = joined(3, &[base.clone(), written.clone(), rival.clone()].concat());
    let on = three.set("notes/c", "z");
    for order in orders(&[written, merged, rival, on].concat()) {
        let mut peer = joined(1, &base);
        for event in &order {
            peer.take(std::slice::from_ref(event));
            peer.project();
        }
        assert_eq!(shown(&mut peer, root), r#"{"b":"y","c":"z"}"#);
        assert_eq!(shown(&mut peer, branch), r#"{"a":"x"}"#);
    }
}

#[test]
fn what_a_document_knows_by_a_branch_alone_is_no_head_of_it() {
    // SPEC: BRA-2, BRA-6
    let (mut founder, _) = granted(&[]);
    let root = founder.document();
    founder.project();
    let first = founder.workspace.line(&root).heads;
    founder.set("notes/a", "x");
    let (branch, _) = begin(&mut founder, root);
    let change = edit(&mut founder, branch, 1, ("notes/b", "y"));
    write(&mut founder, change);
    founder.project();
    // It depends on what the branch wrote, and by that alone on the last change of its own.
    let deps = [first, founder.workspace.line(&branch).heads].concat();
    let merge = joining(&founder, root, &deps, 2);
    let merged = write(&mut founder, merge);
    assert_eq!(shown(&mut founder, root), r#"{"a":"x","b":"y"}"#);
    let heads = founder.workspace.line(&root).heads;
    assert_eq!(heads.len(), 1);
    let written = founder.workspace.written_at(&merged[0].id()).unwrap();
    assert_eq!(founder.workspace.heads_at(&root, &written), heads);
}
