//! Changes that several events carry, some of them struck: what is void is the least set of which
//! the rule is true, whatever came first, and finding it costs about as much as it changes.

use kernelos_protocol::content::{DocumentChange, encode_changes};
use kernelos_protocol::control::{ControlBody, Readmit, Strike};
use kernelos_protocol::document::{DocumentDone, DocumentTask, Edit};
use kernelos_protocol::event::{Header, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{DocumentId, EventId};
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Stamp;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::orders::{granted, in_every_order, joined};
use super::samples::key;
use crate::kit::{Peer, setting};
use crate::rescue::craft;

/// An event of these changes after `before`, in a branch of its own.
pub(super) fn carrier(
    peer: &Peer,
    changes: &[DocumentChange],
    before: &[EventId],
    stamp: u64,
) -> Verified {
    let mut parents = before.to_vec();
    parents.sort_unstable();
    let event = peer.craft(&encode_changes(changes.to_vec()), parents);
    // Nothing else makes two of them different.
    let header = Header { stamp: Stamp(stamp), ..event.header().clone() };
    peer.resign(&event, header)
}

fn strike(founder: &Peer, authors: &[u8], events: &[EventId]) -> Verified {
    let mut events = events.to_vec();
    events.sort_unstable();
    craft(founder, 1, |_| {
        let authors = authors.iter().map(|number| key(*number).device()).collect();
        ControlBody::Strike(Strike { authors: sorted(authors), events, reason: String::new() })
    })
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}

/// A change of a document after all that the peer knows.
fn edit(peer: &mut Peer, document: DocumentId, path: &str) -> DocumentChange {
    peer.project();
    let actor = hash::actor(&peer.key.device(), &peer.incarnation, &document, 1);
    let edits = vec![Edit::Set { set: path.parse().unwrap(), value: "x".into() }];
    let task = DocumentTask::Transact { document, actor, edits };
    match peer.documents.perform(task) {
        DocumentDone::Transacted(Ok(Some(change))) => {
            DocumentChange { document: Some(document), generation: 1, change: change.chunk }
        }
        other => panic!("{other:?}"),
    }
}

/// A chain of struck changes, each carried again by events that are not struck, in this order, as
/// often as it names one; what was looked at for that.
fn looks(changes: usize, order: impl IntoIterator<Item = usize>) -> u64 {
    let (mut founder, base) = granted(&[Role::Member; 2]);
    let mut two = joined(2, &base);
    let root = two.document();
    let (mut written, mut carried) = (Vec::new(), Vec::new());
    let mut before = base[3].id();
    for n in 0..changes {
        let change = edit(&mut two, root, &format!("notes/{n}"));
        carried.push((change.clone(), before));
        let events = two.write(|workspace, pen| workspace.write_change(pen, vec![change]));
        written.extend(events.unwrap());
        before = written[n].id();
    }
    let mut three = joined(3, &[base, written.clone()].concat());
    let built: Vec<_> = (0..changes).flat_map(|n| three.set(&format!("tasks/{n}"), "y")).collect();
    founder.take(&[written.clone(), built.clone()].concat());
    let ids: Vec<_> = written.iter().map(Verified::id).collect();
    founder.take(&[strike(&founder, &[2], &ids)]);
    let last = built[changes - 1].id();
    assert_eq!(founder.verdict(&last), "void", "all of it is void");
    let looked = founder.workspace.strike_looks();
    for (stamp, at) in order.into_iter().enumerate() {
        let (change, before) = &carried[at];
        let again = carrier(&two, std::slice::from_ref(change), &[*before], stamp as u64);
        founder.take(&[again]);
        founder.workspace.settle();
    }
    assert_eq!(founder.verdict(&last), "admitted", "all that it builds on is carried again");
    founder.workspace.strike_looks() - looked
}

#[test]
fn changes_that_are_carried_again_cost_as_much_as_they_bring_back() {
    // SPEC: CTL-12
    for n in [20, 40] {
        let (up, down) = (looks(n, 0..n), looks(n, (0..n).rev()));
        // From the last to the first none puts in doubt what is behind it: what it builds on is
        // struck itself.
        let n = n as u64;
        assert!(up <= 9 * n && down <= 9 * n, "{n} changes: {up} and {down} looks");
    }
}

/// The copies of the first pass are void and not struck: each of the second puts in doubt what is
/// behind it, and that is found void again.
#[test]
fn second_copies_of_a_struck_chain_from_its_end_cost_its_square_and_no_more() {
    // SPEC: CTL-12
    for n in [20, 40] {
        let order = (1..n).rev().chain((0..n).rev());
        let (twice, n) = (looks(n, order), n as u64);
        assert!(twice <= 5 * n * n, "{n} changes: {twice} looks");
    }
}

/// Devices that build on each other's events of one or two documents, copies of these with all or
/// some of their changes, strikes, perhaps a readmission: without what all know.
fn history(seed: u8) -> (Vec<Verified>, Vec<Verified>) {
    let mut dice = ChaCha20Rng::from_seed([seed; 32]);
    let mut roll = move |n: usize| (dice.next_u64() % n as u64) as usize;
    let (mut founder, mut base) = granted(&[Role::Member; 2]);
    let second = hash::document_id(&founder.key.device(), &founder.incarnation, 1);
    let made = edit(&mut founder, second, "made").change;
    base.extend(founder.change(None, made).unwrap());
    let mut peers = [joined(2, &base), joined(3, &base)];
    let documents = sorted(vec![founder.document(), second]);
    let mut all: Vec<Verified> = Vec::new();
    for step in 0..9 {
        let by = roll(2);
        if roll(2) == 0 {
            peers[by].take(&all);
        }
        let peer = &mut peers[by];
        let one = roll(3);
        let chosen = documents.iter().enumerate().filter(|(at, _)| one == 2 || *at == one);
        let chosen: Vec<_> = chosen.map(|(_, document)| *document).collect();
        let changes: Vec<_> =
            chosen.into_iter().map(|of| edit(peer, of, &format!("notes-{step}"))).collect();
        let part = changes[roll(changes.len())..].to_vec();
        let event = peer.write(|workspace, pen| workspace.write_change(pen, changes)).unwrap();
        let event = event.into_iter().next_back().unwrap();
        if roll(2) == 0 {
            let before: Vec<_> = event.header().before().copied().collect();
            all.push(carrier(peer, &part, &before, step));
        }
        all.push(event);
    }
    founder.take(&all);
    for _ in 0..2 {
        let ids: Vec<_> = all.iter().map(Verified::id).filter(|_| roll(4) == 0).collect();
        if !ids.is_empty() {
            all.push(strike(&founder, &[2, 3], &ids));
        }
        founder.take(&all);
        if let Some(id) = ids.first().filter(|_| roll(3) == 0) {
            all.push(craft(&founder, 1, |_| {
                let authors = sorted(vec![key(2).device(), key(3).device()]);
                let tips = vec![*id];
                ControlBody::Readmit(Readmit { authors, tips, reason: String::new() })
            }));
        }
    }
    (base, all)
}

/// Where a strike comes last, all is found anew by it; where it comes first, event by event.
#[test]
fn what_is_void_is_the_same_whatever_came_first() {
    // SPEC: EFF-8, CTL-12
    for seed in 0..setting("KERNELOS_WORLDS", 4) {
        let (base, all) = history(seed as u8);
        in_every_order(&base, &all);
    }
}

/// Each carries what the other builds on, and the first carriers of both are struck.
#[test]
fn two_events_that_carry_for_each_other_what_was_struck_count_whatever_came_first() {
    // SPEC: EFF-8
    let (mut founder, mut base) = granted(&[Role::Member; 2]);
    let (a, b) =
        (founder.document(), hash::document_id(&founder.key.device(), &founder.incarnation, 1));
    let made = edit(&mut founder, b, "made").change;
    base.extend(founder.change(None, made).unwrap());
    let (mut two, mut three) = (joined(2, &base), joined(3, &base));
    let (in_a, in_b) = (edit(&mut two, a, "tasks"), edit(&mut three, b, "tasks"));
    let write = |peer: &mut Peer, change: &DocumentChange| {
        let change = change.clone();
        peer.write(|workspace, pen| workspace.write_change(pen, vec![change])).unwrap()
    };
    let first = [write(&mut two, &in_a), write(&mut three, &in_b)].concat();
    two.take(&first);
    three.take(&first);
    let (on_b, on_a) = (edit(&mut two, b, "runs"), edit(&mut three, a, "runs"));
    let ids: Vec<_> = first.iter().map(Verified::id).collect();
    let again = |peer: &Peer, mut changes: Vec<DocumentChange>| {
        changes.sort_by_key(|change| change.document);
        carrier(peer, &changes, &ids, 1)
    };
    let again = vec![again(&two, vec![in_a, on_b]), again(&three, vec![in_b, on_a])];
    founder.take(&first);
    let all = [first, again.clone(), vec![strike(&founder, &[2, 3], &ids)]].concat();
    in_every_order(&base, &all);
    let mut last = joined(2, &[base, all].concat());
    last.workspace.settle();
    for event in again {
        assert_eq!(last.verdict(&event.id()), "admitted");
    }
}

/// What came late and is void carries what others are void for, and these carry what it builds on:
/// a last copy frees all of them.
#[test]
fn what_is_void_by_nothing_but_each_other_counts_again() {
    // SPEC: EFF-8
    let (mut founder, mut base) = granted(&[Role::Member]);
    let documents: Vec<_> =
        (0..3).map(|n| hash::document_id(&founder.key.device(), &founder.incarnation, n)).collect();
    for document in &documents[1..] {
        let made = edit(&mut founder, *document, "made").change;
        base.extend(founder.change(None, made).unwrap());
    }
    let mut two = joined(2, &base);
    let first: Vec<_> = documents.iter().map(|of| edit(&mut two, *of, "tasks")).collect();
    let mut struck = Vec::new();
    for change in first.clone() {
        struck
            .extend(two.write(|workspace, pen| workspace.write_change(pen, vec![change])).unwrap());
    }
    let [x, z, v] = first.try_into().unwrap();
    let on: Vec<_> = documents.iter().map(|of| edit(&mut two, *of, "runs")).collect();
    let [on_x, on_z, on_v] = on.try_into().unwrap();
    let ids: Vec<_> = struck.iter().map(Verified::id).collect();
    let again = |mut changes: Vec<DocumentChange>| {
        changes.sort_by_key(|change| change.document);
        carrier(&two, &changes, &ids[2..], 1)
    };
    let again = vec![again(vec![z, on_v]), again(vec![v, on_x, on_z]), again(vec![x])];
    founder.take(&struck);
    let all = [struck, again.clone(), vec![strike(&founder, &[2], &ids)]].concat();
    in_every_order(&base, &all);
    let mut last = joined(1, &[base, all].concat());
    last.workspace.settle();
    for event in again {
        assert_eq!(last.verdict(&event.id()), "admitted");
    }
}
