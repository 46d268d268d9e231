//! Branches in hostile hands, at the workspace: changes that two events carry, merges whose actor
//! forked, bodies that are lost. Whatever came first, a document holds the same.

use std::collections::BTreeMap;

use kernelos_protocol::content::{DocumentChange, encode_branch, encode_changes};
use kernelos_protocol::control::{ControlBody, Strike};
use kernelos_protocol::document::conflict::Which;
use kernelos_protocol::document::{
    DocumentDone, DocumentTask, Edit, begin_branch, board_change, merging_change,
};
use kernelos_protocol::event::Verified;
use kernelos_protocol::hash;
use kernelos_protocol::id::{ChangeHash, DocumentId, EventId};
use kernelos_protocol::limits::BRANCH_DEPTH_MAX;
use kernelos_protocol::role::Role;

use super::orders::{granted, joined, word};
use super::recarried::carrier;
use super::samples::key;
use crate::kit::Peer;
use crate::rescue::craft;

/// Every order of these in which none is before what it names.
pub(super) fn orders(events: &[Verified]) -> Vec<Vec<Verified>> {
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

/// What these documents hold at the peer, by its heads.
fn known(peer: &mut Peer, documents: &[DocumentId]) -> Vec<ChangeHash> {
    peer.project();
    documents.iter().flat_map(|document| peer.workspace.line(document).heads).collect()
}

/// The change of the peer that begins a branch after all that it holds of `origin`.
pub(super) fn begins(
    peer: &mut Peer,
    origin: DocumentId,
    branch: DocumentId,
    generation: u64,
) -> DocumentChange {
    let deps = known(peer, &[origin]);
    let start = peer.workspace.next_op(&origin, &deps);
    let change = begin_branch(actor(peer, &branch, generation), &deps, start);
    DocumentChange { document: None, generation, change }
}

/// The peer makes a branch of `origin`, without a name.
pub(super) fn begin(peer: &mut Peer, origin: DocumentId) -> (DocumentId, Vec<Verified>) {
    peer.project();
    let life = peer.incarnation;
    let branch = peer.workspace.next_branch(&peer.key.device(), &life, &origin).unwrap();
    let change = begins(peer, origin, branch, 1);
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
    let deps = known(peer, &[origin, branch]);
    joining(peer, origin, &deps, generation)
}

/// The change of a document that depends on these.
fn joining(
    peer: &Peer,
    origin: DocumentId,
    deps: &[ChangeHash],
    generation: u64,
) -> DocumentChange {
    let start = peer.workspace.next_op(&origin, deps);
    let change = merging_change(actor(peer, &origin, generation), deps, start);
    DocumentChange { document: Some(origin), generation, change }
}

/// The notes of a document and whether its conflicts can be told; opened now where it is not.
pub(super) fn shown(peer: &mut Peer, document: DocumentId) -> String {
    if !peer.workspace.is_open(&document) {
        peer.workspace.open(document);
    }
    peer.project();
    assert!(peer.workspace.is_projected(), "something waits for ever");
    assert_eq!(heads(peer, document), peer.workspace.line(&document).heads);
    let which = Which::First;
    match peer.documents.perform(DocumentTask::Conflicts {
        document,
        which,
        put_back: Default::default(),
    }) {
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
pub(super) fn board(founder: &mut Peer) -> (DocumentId, Vec<Verified>) {
    let life = founder.incarnation;
    let document = founder.workspace.next_document(&founder.key.device(), &life).unwrap();
    let change = board_change(actor(founder, &document, 1), "garden").unwrap();
    (document, founder.change(None, change).unwrap())
}

pub(super) fn strike(founder: &Peer, events: &[Verified]) -> Verified {
    craft(founder, 1, |_| {
        let mut events: Vec<_> = events.iter().map(Verified::id).collect();
        events.sort_unstable();
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
fn one_event_that_carries_a_merge_and_what_it_brings_in_again_tells_them_in_their_order() {
    // SPEC: BRA-11, EFF-8
    let (mut founder, mut base) = granted(&[Role::Member]);
    let (garden, made) = board(&mut founder);
    base.extend(made);
    let mut two = joined(2, &base);
    // The changes of an event stand in the order of their documents: the merge is first.
    let branch = loop {
        let (branch, made) = begin(&mut two, garden);
        base.extend(made);
        if garden < branch {
            break branch;
        }
    };
    let written = edit(&mut two, branch, 1, ("notes/a", "x"));
    let first = write(&mut two, written.clone());
    let merge = merging(&mut two, garden, branch, 1);
    let merged = write(&mut two, merge.clone());
    let again = carrier(&two, &[merge, written], &[first[0].id()], 1);
    founder.take(&base);
    let struck = strike(&founder, &[first.clone(), merged.clone()].concat());
    let all = [first, merged, vec![again, struck]].concat();
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
            assert_eq!(shown(&mut peer, garden), r#"{"a":"x"}"#);
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

/// What an event says, of documents by their names on the stage.
enum Said {
    /// It makes a branch of the first, on heads of the others.
    Begins(&'static str, &'static [&'static str]),
    /// A change of the first joins heads of the others.
    Joins(&'static str, &'static [&'static str]),
}
use Said::{Begins, Joins};

/// Documents by name, with their heads; who speaks of them, of whom one may not write.
struct Stage {
    documents: BTreeMap<&'static str, (DocumentId, Vec<ChangeHash>)>,
    member: Peer,
    runner: Peer,
    last: EventId,
    /// All events, of which they lack the last.
    events: Vec<Verified>,
}

impl Stage {
    fn new() -> Self {
        let (mut founder, mut events) = granted(&[Role::Member, Role::Runner]);
        let root = founder.document();
        let mut ids = vec![("root", root)];
        let (garden, made) = board(&mut founder);
        events.extend(made);
        ids.push(("garden", garden));
        let mut deep = root;
        for level in 0..BRANCH_DEPTH_MAX {
            let (next, made) = begin(&mut founder, deep);
            events.extend(made);
            deep = next;
            ids.extend((level == 0).then_some(("branch", deep)));
        }
        let last = events[events.len() - 1].id();
        let (mut member, mut runner) = (joined(2, &events), joined(3, &events));
        member.project();
        runner.project();
        let (unseen, made) = begin(&mut founder, root);
        events.extend(made);
        founder.project();
        ids.extend([("deep", deep), ("unseen", unseen)]);
        let with_heads = |(name, id)| (name, (id, founder.workspace.line(&id).heads));
        let mut documents: BTreeMap<_, _> = ids.into_iter().map(with_heads).collect();
        documents.insert("nothing", (DocumentId([9; 32]), vec![ChangeHash([7; 32])]));
        let itself = Self::next(&member, &root);
        documents.insert("itself", (itself, Vec::new()));
        Self { documents, member, runner, last, events }
    }

    fn id(&self, name: &str) -> DocumentId {
        self.documents[name].0
    }

    fn heads(&self, names: &[&str]) -> Vec<ChangeHash> {
        names.iter().flat_map(|name| self.documents[name].1.clone()).collect()
    }

    /// The branch that the peer's first event would make.
    fn next(peer: &Peer, origin: &DocumentId) -> DocumentId {
        hash::branch_id(&peer.key.device(), &peer.incarnation, 0, origin)
    }

    fn first(&self, by: &Peer, of: &str, on: &[&str]) -> DocumentChange {
        let (origin, deps) = (self.id(of), self.heads(on));
        let start = by.workspace.next_op(&origin, &deps);
        let change = begin_branch(actor(by, &Self::next(by, &origin), 1), &deps, start);
        DocumentChange { document: None, generation: 1, change }
    }

    fn inside(&self, by: &Peer, said: &Said) -> Vec<u8> {
        match said {
            Begins(of, on) => encode_branch(self.id(of), vec![self.first(by, of, on)]),
            Joins(into, on) => encode_changes(vec![joining(by, self.id(into), &self.heads(on), 9)]),
        }
    }

    /// Events of kind 9 that say something else.
    fn odd(&self) -> [(&'static str, Vec<u8>, &'static str); 4] {
        let (by, root) = (&self.member, self.id("root"));
        let join = |of| joining(by, self.id(of), &self.heads(&["root", "branch"]), 9);
        let first = self.first(by, "root", &["root"]);
        let by_another = DocumentChange { generation: 2, ..first.clone() };
        let of = |changes| encode_branch(root, changes);
        [
            ("by another actor", of(vec![by_another]), "void actor_mismatch"),
            ("that links nowhere", of(vec![first, join("nothing")]), "void unknown_document"),
            ("without a change", of(Vec::new()), "void body_decode"),
            ("of a document that is there", of(vec![join("root")]), "void body_decode"),
        ]
    }
}

/// What hostile hands say of branches, by what is found of it: events of kind 9, and merges.
const SAID: &[(&str, Said, &str)] = &[
    ("a branch", Begins("root", &["root"]), "admitted"),
    ("a branch of a branch", Begins("branch", &["branch"]), "admitted"),
    ("a branch of nothing", Begins("nothing", &["root"]), "void unknown_document"),
    ("of what it would be itself", Begins("itself", &["root"]), "void unknown_document"),
    ("of what it has not seen", Begins("unseen", &["unseen"]), "void unknown_document"),
    ("a branch that is too deep", Begins("deep", &["deep"]), "void branch_depth"),
    ("on another family's heads", Begins("root", &["garden"]), "void not_in_view"),
    ("on heads of nobody", Begins("root", &["nothing"]), "void not_in_view"),
    ("on no heads", Begins("root", &[]), "void branch_apart"),
    ("a merge", Joins("root", &["root", "branch"]), "admitted"),
    ("a merge the other way", Joins("branch", &["root", "branch"]), "admitted"),
    ("a merge of another family", Joins("root", &["root", "garden"]), "void not_in_view"),
    ("a merge of nobody's heads", Joins("root", &["root", "nothing"]), "void not_in_view"),
    ("a merge of what it has not seen", Joins("root", &["root", "unseen"]), "void not_in_view"),
    ("a merge of one", Joins("root", &["branch"]), "void empty"),
    ("a merge into nothing", Joins("nothing", &["root"]), "void unknown_document"),
];

#[test]
fn branches_and_merges_of_what_is_not_there_or_not_allowed_are_void() {
    // SPEC: BRA-1, BRA-2, BRA-4, BRA-13, CNT-13, EFF-3
    let stage = Stage::new();
    let (member, runner) = (&stage.member, &stage.runner);
    let said =
        |(what, said, code): &(_, Said, _)| (*what, member, stage.inside(member, said), *code);
    let mut cases: Vec<_> = SAID.iter().map(said).collect();
    cases.extend(stage.odd().map(|(what, inside, code)| (what, member, inside, code)));
    for (what, by_runner) in [("one by a runner", &SAID[0].1), ("a runner's merge", &SAID[9].1)] {
        cases.push((what, runner, stage.inside(runner, by_runner), "void role"));
    }
    let root = stage.id("root");
    let (mut found, mut shared) = (Vec::new(), joined(1, &stage.events));
    for (what, by, inside, expected) in &cases {
        let event = by.craft(inside, vec![stage.last]);
        // What has no effect changes nothing for what comes next.
        let mut apart = (*expected == "admitted").then(|| joined(1, &stage.events));
        let peer = apart.as_mut().unwrap_or(&mut shared);
        peer.take(std::slice::from_ref(&event));
        peer.project();
        found.push((*what, word(peer, &event)));
        assert_eq!(heads(peer, root), peer.workspace.line(&root).heads, "{what}");
    }
    let expected: Vec<_> =
        cases.iter().map(|(what, _, _, code)| (*what, (*code).to_owned())).collect();
    assert_eq!(found, expected);
    shared.set("notes/after", "x");
    assert_eq!(shared.get("notes"), r#"{"after":"x"}"#, "who lives here goes on");
}
