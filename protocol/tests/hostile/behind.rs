//! Events that can go into the documents only after what was told later, since the first carrier
//! of it is struck: some wait for each other, some for one that many merges bring in.

use kernelos_protocol::content::DocumentChange;
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::role::Role;

use super::branches::{begin, board, edit, merging, orders, shown, strike, write};
use super::orders::{granted, joined};
use super::recarried::carrier;
use crate::kit::Peer;

/// Two events that each carry what the other builds on, after what was struck.
fn carried_again(
    two: &Peer,
    struck: &[Verified],
    pairs: [Vec<DocumentChange>; 2],
) -> Vec<Verified> {
    let mut before: Vec<_> = struck.iter().map(Verified::id).collect();
    before.sort_unstable();
    let again = pairs.into_iter().zip(1..).map(|(mut changes, stamp)| {
        changes.sort_by_key(|change| change.document);
        carrier(two, &changes, &before, stamp)
    });
    again.collect()
}

/// Whatever came first, how much of it came in one turn at the end, and whether a document is told
/// as it comes or anew: these notes are shown.
fn tells_them(base: &[Verified], all: &[Verified], shows: [(DocumentId, &str); 2]) {
    let orders = orders(all);
    for order in &orders {
        for (is_open, single) in [true, false]
            .into_iter()
            .flat_map(|is_open| (0..=order.len()).map(move |single| (is_open, single)))
        {
            let mut peer = joined(1, base);
            if is_open {
                peer.workspace.open(shows[1].0);
            }
            peer.project();
            for (at, event) in order.iter().enumerate() {
                peer.take(std::slice::from_ref(event));
                if at < single {
                    peer.project();
                }
            }
            for (document, notes) in shows {
                assert_eq!(shown(&mut peer, document), notes);
            }
            let mut anew = joined(1, &[base, order].concat());
            anew.workspace.open(shows[1].0);
            assert_eq!(anew.state(), peer.state());
        }
    }
    assert!(orders.len() > 2);
}

#[test]
fn two_events_that_wait_for_each_other_in_two_open_documents_go_in_together() {
    // SPEC: EFF-8, BRA-11
    let (mut founder, mut base) = granted(&[Role::Member]);
    let root = founder.document();
    let (garden, made) = board(&mut founder);
    base.extend(made);
    let mut two = joined(2, &base);
    let in_root = edit(&mut two, root, 1, ("notes/a", "x"));
    let mut struck = write(&mut two, in_root.clone());
    let in_garden = edit(&mut two, garden, 1, ("notes/a", "x"));
    struck.extend(write(&mut two, in_garden.clone()));
    let on_root = edit(&mut two, root, 1, ("notes/b", "y"));
    let on_garden = edit(&mut two, garden, 1, ("notes/b", "y"));
    let pairs = [vec![in_root, on_garden], vec![in_garden, on_root]];
    let again = carried_again(&two, &struck, pairs);
    let strike = strike(&founder, &struck);
    let notes = r#"{"a":"x","b":"y"}"#;
    tells_them(&base, &[struck, again, vec![strike]].concat(), [(root, notes), (garden, notes)]);
}

#[test]
fn what_builds_on_a_change_stays_where_its_second_carrier_comes_with_the_strike_of_the_first() {
    // SPEC: EFF-8
    let (mut founder, mut base) = granted(&[Role::Member]);
    let root = founder.document();
    let (garden, made) = board(&mut founder);
    base.extend(made);
    for (document, shows) in [
        (root, [(root, r#"{"a":"x","b":"y"}"#), (root, r#"{"a":"x","b":"y"}"#)]),
        (garden, [(garden, r#"{"a":"x","b":"y"}"#), (garden, r#"{"a":"x","b":"y"}"#)]),
    ] {
        let (mut one, mut two) = (joined(1, &base), joined(2, &base));
        let written = edit(&mut two, document, 1, ("notes/a", "x"));
        let struck = write(&mut two, written.clone());
        let again = carrier(&two, &[written], &[struck[0].id()], 1);
        let strike = strike(&one, &struck);
        one.take(&struck);
        let on = edit(&mut one, document, 1, ("notes/b", "y"));
        let built = write(&mut one, on);
        tells_them(&base, &[struck, vec![again, strike], built].concat(), shows);
    }
}

#[test]
fn two_events_that_wait_for_each_other_by_a_merge_go_in_together() {
    // SPEC: EFF-8, BRA-2, BRA-11
    let (mut founder, mut base) = granted(&[Role::Member]);
    let root = founder.document();
    let mut two = joined(2, &base);
    let (branch, made) = begin(&mut two, root);
    base.extend(made);
    let written = edit(&mut two, branch, 1, ("notes/a", "x"));
    let mut struck = write(&mut two, written.clone());
    let merge = merging(&mut two, root, branch, 1);
    struck.extend(write(&mut two, merge.clone()));
    let on = edit(&mut two, root, 1, ("notes/b", "y"));
    let again = carried_again(&two, &struck, [vec![written, on], vec![merge]]);
    founder.take(&base);
    let strike = strike(&founder, &struck);
    let shows = [(root, r#"{"a":"x","b":"y"}"#), (branch, r#"{"a":"x"}"#)];
    tells_them(&base, &[struck, again, vec![strike]].concat(), shows);
}

/// A branch whose first change was struck and comes again last, and a merge of each that builds
/// on it; how often it was looked at whether one can go in.
fn looks(merges: usize) -> u64 {
    let (mut founder, mut base) = granted(&[Role::Member]);
    let root = founder.document();
    let mut two = joined(2, &base);
    let (branch, made) = begin(&mut two, root);
    base.extend(made);
    let before = base[base.len() - 1].id();
    let first = edit(&mut two, branch, 1, ("notes/first", "x"));
    let again = carrier(&two, std::slice::from_ref(&first), &[before], 1);
    let struck = write(&mut two, first);
    let mut built = Vec::new();
    for n in 0..merges {
        let on = edit(&mut two, branch, 1, (&format!("notes/{n}"), "y"));
        built.extend(write(&mut two, on));
        let merge = merging(&mut two, root, branch, n as u64 + 1);
        built.extend(write(&mut two, merge));
    }
    founder.take(&base);
    let strike = strike(&founder, &struck);
    let mut peer = joined(1, &base);
    peer.workspace.open(branch);
    peer.project();
    let looked = peer.workspace.tell_looks();
    peer.take(&[vec![strike], struck, built, vec![again]].concat());
    peer.project();
    let looks = peer.workspace.tell_looks() - looked;
    assert!(shown(&mut peer, root).contains(&format!(r#""{}":"y""#, merges - 1)));
    looks
}

#[test]
fn merges_of_what_waits_cost_as_much_as_there_are() {
    // SPEC: BRA-2, BRA-11
    for merges in [10, 20] {
        let looks = looks(merges);
        assert!(looks <= 8 * merges as u64, "{merges} merges: {looks} looks");
    }
}

/// Merges of a branch that is told and closed, each after the one before; how often the documents
/// were handed something until all are in.
fn rounds(merges: usize) -> usize {
    let (mut founder, mut base) = granted(&[Role::Member; 2]);
    let root = founder.document();
    let (branch, made) = begin(&mut founder, root);
    base.extend(made);
    let (mut two, mut three) = (joined(2, &base), joined(3, &base));
    let (mut written, mut merged) = (Vec::new(), Vec::new());
    for n in 0..merges {
        let on = edit(&mut two, branch, 1, (&format!("notes/{n}"), "y"));
        let on = write(&mut two, on);
        three.take(&on);
        written.extend(on);
        let merge = merging(&mut three, root, branch, n as u64 + 1);
        merged.extend(write(&mut three, merge));
    }
    founder.take(&written);
    assert_eq!(founder.get("notes"), "{}", "the branch is told, and is not open");
    founder.take(&merged);
    let before = founder.rounds;
    founder.project();
    let rounds = founder.rounds - before;
    assert!(shown(&mut founder, root).contains(&format!(r#""{}":"y""#, merges - 1)));
    rounds
}

#[test]
fn merges_of_a_closed_branch_ask_for_what_they_bring_in_at_once() {
    // SPEC: BRA-2, SYNC-9
    assert_eq!([5, 20].map(rounds), [2, 2]);
}

/// Two events that wait for each other, and one of them for a third whose body is lost: what is
/// said of them, in both orders.
#[test]
fn events_that_wait_for_each_other_and_for_a_lost_body_hold_up_nothing_else() {
    // SPEC: DUR-16, EFF-8
    let (mut founder, mut base) = granted(&[Role::Member]);
    let root = founder.document();
    let (garden, made) = board(&mut founder);
    base.extend(made);
    let mut two = joined(2, &base);
    let in_root = edit(&mut two, root, 1, ("notes/a", "x"));
    let mut struck = write(&mut two, in_root.clone());
    let in_garden = edit(&mut two, garden, 1, ("notes/a", "x"));
    struck.extend(write(&mut two, in_garden.clone()));
    let third = edit(&mut two, root, 1, ("notes/lost", "z"));
    struck.extend(write(&mut two, third.clone()));
    let on_root = edit(&mut two, root, 1, ("notes/b", "y"));
    let on_garden = edit(&mut two, garden, 1, ("notes/b", "y"));
    let pairs = [vec![in_root, on_garden], vec![in_garden, on_root]];
    let mut again = carried_again(&two, &struck, pairs);
    let before = {
        let mut before: Vec<_> = struck.iter().map(Verified::id).collect();
        before.sort_unstable();
        before
    };
    let lost = carrier(&two, std::slice::from_ref(&third), &before, 3);
    let strike = strike(&founder, &struck);
    for _ in 0..2 {
        again.reverse();
        let mut peer = joined(1, &base);
        peer.workspace.open(garden);
        peer.take(&[vec![strike.clone()], struck.clone(), again.clone()].concat());
        peer.take(std::slice::from_ref(&lost));
        let notes = r#"{"a":"x","b":"y","lost":"z"}"#;
        assert_eq!(shown(&mut peer, root), notes);
        peer.workspace.tell_anew(root);
        peer.workspace.tell_anew(garden);
        peer.workspace.bodies_lost([lost.id()].into_iter());
        peer.project();
        assert!(!peer.workspace.is_projected(), "something is lost");
        assert!(peer.workspace.is_told(), "nothing else is to come");
        assert!(peer.workspace.lacks_bodies(), "no receipt claims it");
        peer.workspace.body_found(&lost.id());
        assert_eq!(shown(&mut peer, root), notes);
        assert_eq!(shown(&mut peer, garden), r#"{"a":"x","b":"y"}"#);
    }
}

#[test]
fn a_merge_that_falls_while_it_waits_takes_back_what_it_was_to_bring_in() {
    // SPEC: BRA-2
    let (mut founder, mut base) = granted(&[Role::Member]);
    let root = founder.document();
    let mut two = joined(2, &base);
    let (branch, made) = begin(&mut two, root);
    base.extend(made);
    let change = edit(&mut two, branch, 1, ("notes/a", "x"));
    base.extend(write(&mut two, change));
    founder.take(&base);
    founder.project();
    let merge = merging(&mut two, root, branch, 1);
    let merged = write(&mut two, merge);
    founder.take(&merged);
    founder.workspace.settle();
    let tasks = founder.workspace.document_tasks(&mut |_, _| true);
    tasks.into_iter().for_each(|task| drop(founder.documents.perform(task)));
    assert!(!founder.workspace.wanted_places().is_empty(), "what it brings in is in the store");
    let struck = strike(&founder, &merged);
    founder.take(&[struck]);
    assert_eq!(shown(&mut founder, root), "{}");
    assert_eq!(shown(&mut founder, branch), r#"{"a":"x"}"#);
}
