//! Strikes and forked numbers, delivered in every order: the same effects, the same documents.

use kernelos_protocol::content::DocumentChange;
use kernelos_protocol::control::{ControlBody, Readmit, Strike, Upgrade};
use kernelos_protocol::document::{DocumentDone, DocumentTask, Edit};
use kernelos_protocol::event::Verified;
use kernelos_protocol::hash;
use kernelos_protocol::id::{DeviceId, DocumentId, EventId, Incarnation};
use kernelos_protocol::limits::{CUTS_MAX, READMITTED_AUTHORS_MAX};
use kernelos_protocol::role::Role;
use kernelos_protocol::workspace::AuthorFault;

use super::orders::{granted, in_every_order, joined};
use super::samples::key;
use crate::kit::Peer;
use crate::rescue::{code, craft};

const STRUCK: &str = "void struck";
const DEPENDENT: &str = "void struck_dependency";

fn strike(peer: &mut Peer, event: EventId) -> Result<Vec<Verified>, AuthorFault> {
    peer.write(|workspace, pen| workspace.write_strike(pen, &event, "gone wrong"))
}

fn readmit(peer: &mut Peer, event: EventId) -> Result<Vec<Verified>, AuthorFault> {
    peer.write(|workspace, pen| workspace.write_readmit_event(pen, &event, "after all"))
}

#[test]
fn a_strike_or_upgrade_that_breaks_its_form_has_a_code() {
    // SPEC: CTL-1, CTL-10, CTL-11
    let header = granted(&[]).1[1].header().clone();
    let body = |bytes: &[u8]| {
        ControlBody::decode(&header, bytes).map_or_else(|fault| fault.code(), |_| "body")
    };
    let upgrade = |format: u64| ControlBody::Upgrade(Upgrade { format }).encode();
    let ids = |bytes: &[u8]| bytes.iter().map(|byte| [*byte; 32]).collect::<Vec<_>>();
    let strike = |authors: &[u8], events: &[u8]| {
        let authors = ids(authors).into_iter().map(DeviceId).collect();
        let events = ids(events).into_iter().map(EventId).collect();
        ControlBody::Strike(Strike { authors, events, reason: "r".repeat(256) }).encode()
    };
    let most: Vec<u8> = (0..READMITTED_AUTHORS_MAX as u8).collect();
    for (what, bytes, code) in [
        ("an upgrade", upgrade(2), "body"),
        ("an upgrade to any later format", upgrade(u64::MAX), "body"),
        ("an upgrade to the first format", upgrade(1), "first_format"),
        ("an upgrade to none", upgrade(0), "first_format"),
        ("an upgrade with more to say", vec![0x83, 8, 2, 0], "control_decode"),
        ("an upgrade in words", vec![0x82, 8, 0x61, 0x32], "control_decode"),
        ("another encoding of one", vec![0x82, 8, 0x18, 2], "non_canonical"),
        ("a strike", strike(&most, &[1, 2]), "body"),
        ("a strike of nobody", strike(&[], &[1]), "nothing_struck"),
        ("a strike of nothing", strike(&[1], &[]), "nothing_struck"),
        ("its authors unsorted", strike(&[2, 1], &[1]), "unsorted"),
        ("an event twice", strike(&[1], &[1, 1]), "unsorted"),
        ("more authors", strike(&[1; READMITTED_AUTHORS_MAX + 1], &[1]), "control_decode"),
        ("more events", strike(&[1], &[1; CUTS_MAX + 1]), "control_decode"),
        ("a strike cut short", strike(&[1], &[1])[..60].to_vec(), "control_decode"),
        ("a kind that no format has here", vec![0x82, 10, 0], "newer_format"),
    ] {
        assert_eq!(body(&bytes), code, "{what}");
    }
}

/// The only one of these events.
fn one(events: &[Verified]) -> &Verified {
    assert_eq!(events.len(), 1);
    &events[0]
}

#[test]
fn a_struck_event_and_what_builds_on_it_have_no_effect() {
    // SPEC: EFF-8, CTL-10, DOC-14
    let (mut founder, base) = granted(&[Role::Admin, Role::Member, Role::Member]);
    let (mut admin, mut three) = (joined(2, &base), joined(3, &base));
    let mut four = joined(4, &base);
    let apart = four.set("notes/apart", "nothing to do with it");
    let bad = three.set("notes/bad", "gone wrong");
    let after = three.set("notes/after", "its author's next");
    founder.take(&bad);
    let built = founder.set("notes/built", "on it");
    admin.take(&bad);
    let event = one(&bad).id();
    let decided = strike(&mut admin, event).unwrap();
    let all = [bad.clone(), after.clone(), apart.clone(), built.clone(), decided].concat();
    let end = in_every_order(&base, &all);
    assert_eq!(end.of(&bad[0]), STRUCK);
    assert_eq!((end.of(&after[0]), end.of(&built[0])), (DEPENDENT, DEPENDENT));
    assert_eq!(end.of(&apart[0]), "admitted");
    assert_eq!(end.notes, r#"{"apart":"nothing to do with it"}"#);

    // Who has heard the strike brings it back, with what builds on it.
    let back = readmit(&mut admin, event).unwrap();
    let end = in_every_order(&base, &[all, back].concat());
    assert!([&bad, &after, &built].iter().all(|events| end.of(&events[0]) == "admitted"));
    for note in [r#""after":"its author's next""#, r#""bad":"gone wrong""#, r#""built":"on it""#] {
        assert!(end.notes.contains(note), "{}", end.notes);
    }
}

#[test]
fn a_readmission_that_did_not_hear_the_strike_does_not_undo_it() {
    // SPEC: EFF-8
    let (mut founder, base) = granted(&[Role::Admin, Role::Admin, Role::Member]);
    let mut member = joined(4, &base);
    let bad = member.set("notes/bad", "x");
    let event = one(&bad).id();
    let mut two = joined(2, &[base.clone(), bad.clone()].concat());
    let mut three = joined(3, &[base.clone(), bad.clone()].concat());
    let first = strike(&mut two, event).unwrap();
    let second = strike(&mut three, event).unwrap();
    let back = readmit(&mut two, event).unwrap();
    let all = [bad.clone(), first, second, back].concat();
    let end = in_every_order(&base, &all);
    assert_eq!((end.of(&bad[0]), end.notes.as_str()), (STRUCK, "{}"));
    founder.take(&all);
    let back = readmit(&mut founder, event).unwrap();
    let end = in_every_order(&base, &[all.clone(), back.clone()].concat());
    assert_eq!((end.of(&bad[0]), end.notes.as_str()), ("admitted", r#"{"bad":"x"}"#));
    // And who has heard of that strikes it again.
    three.take(&[all.clone(), back.clone()].concat());
    let again = strike(&mut three, event).unwrap();
    let end = in_every_order(&base, &[all, back, again].concat());
    assert_eq!(end.of(&bad[0]), STRUCK);
}

#[test]
fn a_strike_takes_effect_while_its_author_stands_for_it() {
    // SPEC: AUTH-4, AUTH-10, CTL-10
    let (mut founder, base) = granted(&[Role::Admin, Role::Member, Role::Admin]);
    let mut member = joined(3, &base);
    let bad = member.set("notes/bad", "x");
    let event = one(&bad).id();
    let (mut admin, mut other) = (joined(2, &base), joined(4, &base));
    admin.take(&bad);
    assert!(matches!(strike(&mut member, event), Err(AuthorFault::Role(Some(Role::Member)))));
    let owned = founder.set("notes/owned", "by an owner");
    admin.take(&owned);
    let refused = strike(&mut admin, one(&owned).id());
    assert!(matches!(refused, Err(AuthorFault::Role(Some(Role::Admin)))), "{refused:?}");
    // Nor does anybody take it from them.
    for (author, expected) in [(3, "authority"), (2, "authority"), (1, "taken")] {
        let devices = vec![key(1).device()];
        let made = craft(&admin, author, |_| {
            let events = vec![one(&owned).id()];
            ControlBody::Strike(Strike { authors: devices.clone(), events, reason: String::new() })
        });
        assert_eq!(code(&mut joined(5, &base), &made), expected, "by {author}");
    }
    let first = base[3].id();
    assert!(matches!(strike(&mut founder, first), Err(AuthorFault::FirstChange)));
    let genesis = base[0].id();
    assert!(matches!(strike(&mut founder, genesis), Err(AuthorFault::NotContent)));

    other.take(&bad);
    let decided = strike(&mut other, event).unwrap();
    let removal = founder.revoke(4);
    let end = in_every_order(&base, &[bad.clone(), decided, removal].concat());
    assert_eq!((end.of(&bad[0]), end.notes.as_str()), ("admitted", r#"{"bad":"x"}"#));
}

#[test]
fn a_strike_names_events_of_the_authors_that_it_names_alone() {
    // SPEC: EFF-8
    let (founder, base) = granted(&[Role::Member, Role::Member]);
    let (mut two, mut three) = (joined(2, &base), joined(3, &base));
    let (one_, other) = (two.set("notes/a", "x"), three.set("notes/b", "y"));
    let mut events = vec![one(&one_).id(), one(&other).id(), EventId([7; 32])];
    events.sort_unstable();
    let decided = craft(&founder, 1, |_| {
        let authors = vec![key(2).device()];
        ControlBody::Strike(Strike { authors, events, reason: String::new() })
    });
    let end = in_every_order(&base, &[one_.clone(), other.clone(), vec![decided]].concat());
    assert_eq!((end.of(&one_[0]), end.of(&other[0])), (STRUCK, "admitted"));
    assert_eq!(end.notes, r#"{"b":"y"}"#);
}

#[test]
fn of_an_event_of_several_documents_all_or_nothing_has_effect() {
    // SPEC: EFF-4, EFF-8
    let (mut founder, mut base) = granted(&[Role::Member]);
    let mut two = joined(2, &base);
    // A second document, made by the founder.
    let second = hash::document_id(&founder.key.device(), &founder.incarnation, 1);
    let actor = |peer: &Peer, document: &DocumentId| {
        hash::actor(&peer.key.device(), &peer.incarnation, document, 1)
    };
    let of = |peer: &mut Peer, document: DocumentId, path: &str| {
        peer.project();
        let edit = Edit::Set { set: path.parse().unwrap(), value: "x".into() };
        let actor = actor(peer, &document);
        let task = DocumentTask::Transact { document, actor, edits: vec![edit] };
        match peer.documents.perform(task) {
            DocumentDone::Transacted(Ok(Some(change))) => change.chunk,
            other => panic!("{other:?}"),
        }
    };
    let made = of(&mut founder, second, "made");
    base.extend(founder.change(None, made).unwrap());
    two.take(&base[base.len() - 1..]);
    let bad = two.set("notes/bad", "x");
    founder.take(&bad);
    let root = founder.document();
    let change = |document, change| DocumentChange { document, generation: 1, change };
    let mut both = vec![
        change(Some(root), of(&mut founder, root, "notes/both")),
        change(Some(second), of(&mut founder, second, "both")),
    ];
    both.sort_by_key(|change| change.document);
    let both = founder.write(|workspace, pen| workspace.write_change(pen, both)).unwrap();
    let after = of(&mut founder, second, "after");
    let after = founder.change(Some(second), after).unwrap();
    let decided = strike(&mut founder, one(&bad).id()).unwrap();
    let all = [bad, both.clone(), after.clone(), decided].concat();
    let end = in_every_order(&base, &all);
    // In the second document nothing was struck, and both go with what was in the first.
    assert_eq!((end.of(&both[0]), end.of(&after[0])), (DEPENDENT, DEPENDENT));
    let mut peer = joined(1, &[base, all].concat());
    peer.project();
    peer.workspace.open(second);
    peer.project();
    let read = DocumentTask::Read { document: second, path: "".parse().unwrap() };
    let DocumentDone::Read(Ok(read)) = peer.documents.perform(read) else { panic!() };
    assert_eq!(read.value.to_string(), r#"{"made":"x"}"#);
}

#[test]
fn a_readmission_of_a_branch_up_to_an_event_brings_back_no_more() {
    // SPEC: AUTH-21
    let (mut founder, base) = granted(&[Role::Member]);
    let mut two = joined(2, &base);
    let late = [two.set("notes/a", "1"), two.set("notes/b", "2"), two.set("notes/c", "3")];
    let removal = founder.revoke(2);
    founder.take(&late.concat());
    let refused = readmit(&mut founder, base[3].id());
    assert!(matches!(refused, Err(AuthorFault::NotApart)), "{refused:?}");
    let back = readmit(&mut founder, one(&late[1]).id()).unwrap();
    let end = in_every_order(&base, &[late.concat(), removal, back].concat());
    let verdicts = late.each_ref().map(|events| end.of(&events[0]));
    assert_eq!(verdicts, ["admitted", "admitted", "quarantined"]);
    assert_eq!(end.notes, r#"{"a":"1","b":"2"}"#);
}

/// A device that forks: two stores with one life, one key, and what each writes.
fn twins(base: &[Verified]) -> [Peer; 2] {
    [joined(2, base), joined(2, base)]
}

#[test]
fn of_forked_numbers_the_one_stays_that_more_members_built_on() {
    // SPEC: PRJ-4
    let (_, base) = granted(&[Role::Member; 4]);
    let [mut left, mut right] = twins(&base);
    let (one_, other) = (left.set("notes/left", "x"), right.set("notes/right", "y"));
    // On a tie the lowest event id decides.
    let end = in_every_order(&base, &[one_.clone(), other.clone()].concat());
    let lower = if one(&one_).id() < one(&other).id() { "left" } else { "right" };
    assert!(end.notes.contains(lower), "{}", end.notes);
    // Its own device does not count, however much it writes on it.
    let other_twin = if lower == "left" { &mut right } else { &mut left };
    let own = [other_twin.set("notes/own", "1"), other_twin.set("notes/own", "2")].concat();
    let end = in_every_order(&base, &[one_.clone(), other.clone(), own.clone()].concat());
    assert!(end.notes.contains(lower) && !end.notes.contains("own"), "{}", end.notes);
    let (mut three, mut four) = (joined(3, &base), joined(4, &base));
    three.take(&other);
    let built = three.set("notes/three", "z");
    let all = [one_.clone(), other.clone(), own, built.clone()].concat();
    let end = in_every_order(&base, &all);
    assert!(end.notes.contains("right") && !end.notes.contains("left"), "{}", end.notes);
    // Of those who built on one, two are more than one; who built on both is nobody's.
    let mut five = joined(5, &[base.clone(), one_.clone()].concat());
    four.take(&one_);
    let more = [four.set("notes/four", "4"), five.set("notes/five", "5")].concat();
    let end = in_every_order(&base, &[all, more].concat());
    assert!(end.notes.contains("left") && !end.notes.contains("right"), "{}", end.notes);
}

#[test]
fn a_number_behind_what_is_left_out_goes_to_who_builds_on_what_stays() {
    // SPEC: PRJ-4
    let (_, base) = granted(&[Role::Member; 4]);
    let [mut left, mut right] = twins(&base);
    let left = [left.set("notes/a", "left"), left.set("notes/b", "left")];
    let right = [right.set("notes/a", "right"), right.set("notes/b", "right")];
    // One member built on the left's first number alone.
    let mut three = joined(3, &[base.clone(), left[0].clone()].concat());
    let built = three.set("notes/three", "x");
    // Two had both of the first numbers, which count for neither, and the right's second.
    let apart = [base.clone(), left[0].clone(), right.concat()].concat();
    let (mut four, mut five) = (joined(4, &apart), joined(5, &apart));
    let more = [four.set("tasks/four", "y"), five.set("tasks/five", "y")].concat();
    let all = [left.concat(), right.concat(), built, more].concat();
    let end = in_every_order(&base, &all);
    assert_eq!(end.notes, r#"{"a":"left","b":"left","three":"x"}"#);
}

#[test]
fn of_forked_numbers_the_other_stays_where_one_is_struck() {
    // SPEC: PRJ-4, EFF-8
    let (mut founder, base) = granted(&[Role::Member; 2]);
    let [mut left, mut right] = twins(&base);
    let (one_, other) = (left.set("notes/left", "x"), right.set("notes/right", "y"));
    let mut three = joined(3, &[base.clone(), one_.clone()].concat());
    let built = three.set("notes/three", "z");
    founder.take(&[one_.clone(), other.clone(), built.clone()].concat());
    let decided = strike(&mut founder, one(&one_).id()).unwrap();
    let end = in_every_order(&base, &[one_, other, built, decided].concat());
    assert_eq!(end.notes, r#"{"right":"y"}"#);
}

#[test]
fn a_change_that_two_events_carry_is_lost_with_the_last_of_them() {
    // SPEC: EFF-8
    let (mut founder, base) = granted(&[Role::Member; 2]);
    let mut two = joined(2, &base);
    let change = two.change_of("notes/a", "x");
    let first = two.craft_change(change.clone(), vec![base[3].id()]);
    let mut other = joined(2, &base);
    other.incarnation = Incarnation([2; 8]);
    let second = other.craft_change(change, vec![base[3].id()]);
    // Their headers differ in nothing: a fork needs another stamp.
    let header = kernelos_protocol::event::Header {
        stamp: kernelos_protocol::time::Stamp(9),
        ..second.header().clone()
    };
    let second = other.resign(&second, header);
    let mut three = joined(3, &[base.clone(), vec![first.clone()]].concat());
    let built = three.set("notes/b", "y");
    let pair = vec![first.clone(), second.clone()];
    founder.take(&[pair.clone(), built.clone()].concat());
    let decided = strike(&mut founder, first.id()).unwrap();
    let all = [pair, built.clone(), decided].concat();
    let end = in_every_order(&base, &all);
    assert_eq!((end.of(&first), end.of(&second)), (STRUCK, "admitted"));
    assert_eq!(end.notes, r#"{"a":"x","b":"y"}"#);
    let decided = strike(&mut founder, second.id()).unwrap();
    let end = in_every_order(&base, &[all, decided].concat());
    assert_eq!((end.of(&built[0]), end.notes.as_str()), (DEPENDENT, "{}"));
}

#[test]
fn readmissions_that_name_another_author_or_event_bring_nothing_back() {
    // SPEC: EFF-8
    let (mut founder, base) = granted(&[Role::Member; 2]);
    let mut two = joined(2, &base);
    let (bad, after) = (two.set("notes/a", "x"), two.set("notes/b", "y"));
    founder.take(&[bad.clone(), after.clone()].concat());
    let decided = strike(&mut founder, one(&bad).id()).unwrap();
    let back = |number: u8, event: &Verified| {
        craft(&founder, 1, |_| {
            let authors = vec![key(number).device()];
            ControlBody::Readmit(Readmit { authors, tips: vec![event.id()], reason: String::new() })
        })
    };
    // The one behind it in its chain is another event, and does not name it.
    for wrong in [back(3, &bad[0]), back(2, &after[0])] {
        let all = [bad.clone(), after.clone(), decided.clone(), vec![wrong]].concat();
        assert_eq!(in_every_order(&base, &all).of(&bad[0]), STRUCK);
    }
}

#[test]
fn of_several_decisions_that_hold_every_device_names_the_same() {
    // SPEC: EFF-9
    let (mut founder, base) = granted(&[Role::Owner, Role::Member]);
    let (mut two, mut three) = (joined(2, &base), joined(3, &base));
    let bad = three.set("notes/a", "x");
    founder.take(&bad);
    two.take(&bad);
    let struck = [&mut founder, &mut two].map(|peer| strike(peer, one(&bad).id()).unwrap());
    let removed = [&mut founder, &mut two].map(|peer| peer.revoke(3));
    let late = three.set("notes/b", "unheard");
    let named = |order: [usize; 2]| {
        let decided = order.map(|at| [struck[at].clone(), removed[at].clone()].concat());
        let mut peer = joined(1, &[base.clone(), bad.clone(), late.clone()].concat());
        peer.take(&decided.concat());
        peer.project();
        peer.workspace.quarantine()
    };
    let page = named([0, 1]);
    assert_eq!(page.branches.len(), 2, "one that is struck and one that is revoked: {page:?}");
    assert!(page.branches.iter().all(|row| row.decision.is_some()));
    assert_eq!(page, named([1, 0]));
}
