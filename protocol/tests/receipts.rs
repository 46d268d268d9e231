//! Receipts by themselves: their bytes, which of them are kept, and what they stand for.

use kernelos_protocol::cbor::{Writer, encode};
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::id::{EventId, Incarnation, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{
    RECEIPT_ARTIFACTS_MAX, RECEIPT_BYTES_MAX, RECEIPT_EPOCHS_MAX, RECEIPT_LIVES_MAX,
    RECEIPT_TIPS_MAX, RECEIPTS_MAX,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{Claims, LinkId, Message, Own, Receipt, Receipts};

use crate::kit::{NOON, Peer, secret};

const HERE: WorkspaceId = WorkspaceId([8; 32]);

fn key(number: u8) -> DeviceKey {
    DeviceKey::from_secret(&secret(number))
}

fn ids(numbers: impl IntoIterator<Item = usize>) -> Vec<EventId> {
    let id = |number: usize| EventId(std::array::from_fn(|i| (number >> (8 * (i % 2))) as u8));
    numbers.into_iter().map(id).collect()
}

/// A receipt with these sets as they are, signed as it should be.
fn written(sets: [&[EventId]; 4], flags: u64, items: usize) -> Vec<u8> {
    let key = key(2);
    let body = |len: usize, signature: Option<[u8; 64]>| {
        let mut to = Writer::default();
        to.array(len).bytes(&HERE.0).bytes(&key.device().0).bytes(&[1; 8]).uint(7);
        for set in sets {
            to.array(set.len());
            for id in set {
                to.bytes(&id.0);
            }
        }
        to.uint(flags);
        if let Some(signature) = signature {
            to.bytes(&signature);
        }
        to.finish()
    };
    let digest = hash::hash(context::RECEIPT, &[&body(9, None)]);
    body(items, Some(key.sign(hash::SIGN_RECEIPT, &digest)))
}

#[test]
fn a_receipt_is_read_as_it_was_written_and_nothing_else_is() {
    // SPEC: RCPT-1
    let sorted = {
        let mut sorted = ids(0..RECEIPT_TIPS_MAX + 1);
        sorted.sort_unstable();
        sorted
    };
    let few = &sorted[..3];
    let good = written([few, &few[..1], &[], &few[1..]], 1, 10);
    let receipt = Receipt::decode(&good).unwrap();
    assert_eq!(encode(&receipt), good);
    let claims = receipt.claims();
    assert_eq!((claims.control(), claims.content(), claims.epochs()), (few, &few[..1], &[][..]));
    assert!(claims.holds_artifact(&few[2]) && !claims.holds_artifact(&few[0]) && claims.runs());
    // Flags that this program does not know are carried on.
    let unknown = written([&[]; 4], 6, 10);
    let read = Receipt::decode(&unknown).unwrap();
    assert!(encode(&read) == unknown && !read.claims().runs());

    for len in 0..good.len() {
        assert!(Receipt::decode(&good[..len]).is_err(), "cut at {len}");
    }
    for at in 0..good.len() {
        let mut forged = good.clone();
        forged[at] ^= 1;
        assert!(Receipt::decode(&forged).is_err(), "byte {at}");
    }
    let mut trailing = good;
    trailing.push(0);
    assert!(Receipt::decode(&trailing).is_err());
    let unsorted: Vec<_> = few.iter().rev().copied().collect();
    let twice = [few[0], few[0]];
    let (tips, epochs) = (&sorted[..RECEIPT_TIPS_MAX], &sorted[..RECEIPT_EPOCHS_MAX]);
    let artifacts = &sorted[..RECEIPT_ARTIFACTS_MAX];
    let fullest = written([tips, tips, epochs, artifacts], u64::MAX, 10);
    assert!(fullest.len() <= RECEIPT_BYTES_MAX && Receipt::decode(&fullest).is_ok());
    for (what, bytes) in [
        ("not sorted", written([&unsorted, &[], &[], &[]], 0, 10)),
        ("twice", written([&[], &twice, &[], &[]], 0, 10)),
        ("too many control heads", written([&sorted, &[], &[], &[]], 0, 10)),
        ("too many content heads", written([&[], &sorted, &[], &[]], 0, 10)),
        ("too many epochs", written([&[], &[], &sorted[..RECEIPT_EPOCHS_MAX + 1], &[]], 0, 10)),
        ("too many artifacts", written([&[], &[], &[], &sorted], 0, 10)),
        ("an item too many", written([&[]; 4], 0, 11)),
    ] {
        assert!(Receipt::decode(&bytes).is_err(), "{what}");
    }
}

#[test]
fn a_receipt_follows_from_the_one_before_and_its_renewal_and_from_nothing_else() {
    // SPEC: SYNC-14
    let claims = |content: usize, epoch: usize, runs| {
        Claims::new(ids([1]), ids([content]), ids([epoch]), Vec::new(), runs)
    };
    let sign = |counter, claims| Receipt::sign(&key(2), HERE, Incarnation([1; 8]), counter, claims);
    let before = sign(7, claims(2, 3, false));
    for (after, given) in [
        (sign(8, claims(4, 3, false)), [false, true, false, false]),
        (sign(900, claims(4, 5, true)), [false, true, true, false]),
        (sign(8, claims(2, 3, true)), [false; 4]),
        (
            sign(8, Claims::new(Vec::new(), ids([2]), ids([3]), ids([9]), false)),
            [true, false, false, true],
        ),
    ] {
        let renewal = after.renewal(&before);
        assert_eq!(renewal.sets.each_ref().map(Option::is_some), given);
        assert_eq!(before.renewed(&renewal), Some(after.clone()));
        let message = Message::Renewal(renewal.clone());
        let frame = message.encode();
        assert_eq!(Message::decode(&frame, &HERE), Ok(message));
        assert_eq!(Message::kind_of(&frame), "receipts");
        for len in 0..frame.len() {
            assert!(Message::decode(&frame[..len], &HERE).is_err(), "cut at {len}");
        }
        let mut lies = vec![renewal.clone(); 4];
        lies[0].counter += 1;
        lies[1].flags ^= 2;
        lies[2].signature.0[9] ^= 1;
        lies[3].sets[1] = Some(ids([6]));
        for lie in lies {
            assert_eq!(before.renewed(&lie), None, "{lie:?}");
        }
        assert_eq!(
            sign(7, claims(2, 8, true)).renewed(&renewal).is_some(),
            given[2],
            "another base"
        );
    }
    // One renewal says it, not one with what is known already.
    let mut again = sign(8, claims(4, 3, false)).renewal(&before);
    assert!(Message::Renewal(again.clone()).encode().len() <= 112, "one head is new");
    again.sets[0] = Some(ids([1]));
    assert_eq!(before.renewed(&again), None);
}

#[test]
fn a_message_of_receipts_is_bounded() {
    // SPEC: RCPT-4
    let message = |count| Message::Receipts(vec![signed(1, 1, 1, 1); count]);
    let read = |message: Message| Message::decode(&message.encode(), &WorkspaceId::UNBORN);
    assert_eq!(read(message(RECEIPTS_MAX)), Ok(message(RECEIPTS_MAX)));
    assert!(read(message(RECEIPTS_MAX + 1)).is_err());
}

#[test]
fn of_more_heads_than_a_receipt_holds_it_claims_fewer() {
    // SPEC: RCPT-2
    let many = ids((0..RECEIPT_TIPS_MAX + 9).rev());
    let claims = Claims::new(many.clone(), many.clone(), Vec::new(), many.clone(), false);
    let mut sorted = many;
    sorted.sort_unstable();
    assert_eq!(claims.control(), &sorted[..RECEIPT_TIPS_MAX]);
    assert_eq!(claims.content(), &sorted[..RECEIPT_TIPS_MAX]);
    assert!(claims.holds_artifact(&sorted[RECEIPT_ARTIFACTS_MAX - 1]));
    assert!(!claims.holds_artifact(&sorted[RECEIPT_ARTIFACTS_MAX]));
}

/// A receipt of a device's life that names one head.
fn signed(device: u8, life: u8, counter: u64, head: u8) -> Receipt {
    let claims =
        Claims::new(ids([usize::from(head)]), Vec::new(), Vec::new(), Vec::new(), head == 1);
    Receipt::sign(&key(device), HERE, Incarnation([life; 8]), counter, claims)
}

/// All orders of a list.
fn orders<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    if list.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |first: usize| {
        let mut rest = list.to_vec();
        let first = rest.remove(first);
        orders(&rest).into_iter().map(move |mut order| {
            order.push(first.clone());
            order
        })
    };
    (0..list.len()).flat_map(with_first).collect()
}

#[test]
fn the_same_receipts_are_kept_in_whatever_order_they_came() {
    // SPEC: RCPT-3
    let (peer, _) = Peer::founder();
    // Two lives of one device, one of another, and two that a copied store made at one count.
    let receipts = [
        signed(2, 1, 4, 1),
        signed(2, 1, 5, 2),
        signed(2, 1, 5, 3),
        signed(2, 2, 0, 4),
        signed(2, 2, u64::MAX, 5),
        signed(3, 1, 1, 6),
    ];
    let keep = |order: Vec<Receipt>| {
        let mut known = Receipts::default();
        for receipt in &order {
            known.hear(LinkId(1), receipt, &peer.workspace);
            assert!(!known.hear(LinkId(2), receipt, &peer.workspace), "the same is no news");
        }
        known.all().cloned().collect::<Vec<_>>()
    };
    let first = keep(receipts.to_vec());
    assert_eq!(first.len(), 3);
    assert_eq!(first[1], receipts[4]);
    for order in orders(&receipts) {
        assert_eq!(keep(order.clone()), first, "{order:?}");
    }
}

#[test]
fn lives_of_one_device_are_bounded() {
    // SPEC: RCPT-3
    let (peer, _) = Peer::founder();
    let mut known = Receipts::default();
    for life in 0..=RECEIPT_LIVES_MAX as u8 {
        let room = usize::from(life) < RECEIPT_LIVES_MAX;
        assert_eq!(known.hear(LinkId(1), &signed(2, life, 0, 1), &peer.workspace), room);
    }
    assert!(known.hear(LinkId(1), &signed(3, 0, 0, 1), &peer.workspace), "another device's");
}

/// Founder and a second device whose store had two lives; the second began as `knows` says: after
/// the first, or beside it.
fn two_lives(knows: bool) -> (Peer, [EventId; 2], Receipts) {
    let (mut founder, events) = Peer::founder();
    let grant = founder.grant(2, Role::Member);
    let mut device = Peer::new(2, founder.workspace.id());
    device.take(&events);
    device.take(&grant);
    let mut copy = Peer::new(2, founder.workspace.id());
    copy.take(&events);
    copy.take(&grant);
    copy.incarnation = Incarnation([0xee; 8]);
    let first = device.write(|workspace, pen| workspace.write_join(pen)).unwrap();
    if knows {
        copy.take(std::slice::from_ref(&first));
    }
    let second = copy.write(|workspace, pen| workspace.write_join(pen)).unwrap();
    let first_id = first.id();
    let second_id = second.id();
    founder.take(&[first, second]);
    let mut known = Receipts::default();
    for (life, head) in [(device.incarnation, first_id), (copy.incarnation, second_id)] {
        let claims = Claims::new(vec![head], Vec::new(), Vec::new(), Vec::new(), false);
        let receipt = Receipt::sign(&key(2), founder.workspace.id(), life, 1, claims);
        assert!(known.hear(LinkId(1), &receipt, &founder.workspace));
    }
    let (key, incarnation) = (&founder.key, founder.incarnation);
    let own = Own { key, incarnation, claims: None, is_doubtful: false };
    known.speak(NOON, own, &[], &founder.workspace);
    (founder, [first_id, second_id], known)
}

#[test]
fn a_later_life_of_a_store_outlives_the_earlier_and_of_two_beside_each_other_both_stand() {
    // SPEC: RCPT-5
    let device = key(2).device();
    let (founder, [first, second], known) = two_lives(true);
    let covers = |id| known.covers(&founder.workspace, &device, id);
    assert!(covers(&second) && covers(&first), "the later life has the earlier in its past");
    assert_eq!(known.count(&founder.workspace, &device), founder.workspace.control().len());

    let (founder, [first, second], known) = two_lives(false);
    let covers = |id| known.covers(&founder.workspace, &device, id);
    assert!(!covers(&first) && !covers(&second), "not every store of it has these");
    assert!(covers(&founder.workspace.id().genesis()));
    let both = founder.workspace.control().len() - 2;
    assert_eq!(known.count(&founder.workspace, &device), both);
}

#[test]
fn a_receipt_whose_heads_are_not_here_counts_when_they_come() {
    // SPEC: RCPT-5
    let (mut founder, events) = Peer::founder();
    let grant = founder.grant(2, Role::Member);
    let mut device = Peer::new(2, founder.workspace.id());
    device.take(&events);
    device.take(&grant);
    let join = device.write(|workspace, pen| workspace.write_join(pen)).unwrap();
    let mut known = Receipts::default();
    let mut hear = |founder: &Peer, counter, head| {
        let claims = Claims::new(vec![head], Vec::new(), Vec::new(), Vec::new(), false);
        let workspace = &founder.workspace;
        let receipt =
            Receipt::sign(&device.key, workspace.id(), device.incarnation, counter, claims);
        known.hear(LinkId(1), &receipt, workspace);
        let (key, incarnation) = (&founder.key, founder.incarnation);
        let own = Own { key, incarnation, claims: None, is_doubtful: false };
        known.speak(NOON, own, &[], workspace);
        known.count(workspace, &device.key.device())
    };
    assert_eq!(hear(&founder, 2, join.id()), 0, "nothing is known of what is before it");
    founder.take(std::slice::from_ref(&join));
    let all = founder.workspace.control().len();
    assert_eq!(hear(&founder, 2, join.id()), all);
    assert_eq!(hear(&founder, 3, EventId([9; 32])), all, "the one before goes on counting");
}

#[test]
fn an_event_is_known_to_every_life_or_to_one_of_those_beside_each_other() {
    // SPEC: RCPT-5, RCPT-6
    let (mut founder, events) = Peer::founder();
    let first = events.last().unwrap().id();
    let last = founder.set("notes/a", "x").last().unwrap().id();
    let control = founder.workspace.control();
    let heads = control.heads(&control.all());
    let [older, newer] = [first, last].map(|tip| founder.workspace.cover(&heads, &[tip]).unwrap());
    let life = |number| (key(8).device(), Incarnation([number; 8]));
    let (one, two) = ((life(1), &older), (life(2), &newer));
    for (lives, is_beside, event, is_known) in [
        (vec![one, two], false, first, true),
        (vec![one, two], false, last, false),
        (vec![one, two], true, last, true),
        (vec![one], true, last, false),
        (Vec::new(), true, last, true),
        (Vec::new(), false, last, true),
    ] {
        let found = founder.workspace.is_known(&lives, is_beside, &event);
        assert_eq!(found, is_known, "{} lives, beside: {is_beside}", lives.len());
    }
}
