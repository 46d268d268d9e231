//! Hints by themselves: their bytes, whose count, and what becomes of neighbours that deliver junk.

use std::collections::BTreeSet;

use kernelos_protocol::cbor::{Writer, encode};
use kernelos_protocol::hash::{self, context};
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{
    CONDUCT_WAIT_MS, HINT_BYTES_MAX, HINT_HEADS_MAX, HINT_JUNK_AT_ONCE_MAX, HINTS_AT_ONCE_MAX,
    HINTS_PER_SECOND, RECEIPT_LIVES_MAX,
};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::hint::{Frontier, Hint, topic};
use kernelos_protocol::sync::hints::{Heard, Hints, Ignored};
use kernelos_protocol::time::Time;

use crate::kit::{Peer, secret};

const HERE: WorkspaceId = WorkspaceId([8; 32]);
const LIFE: Incarnation = Incarnation([1; 8]);

fn key(number: u8) -> DeviceKey {
    DeviceKey::from_secret(&secret(number))
}

fn device(number: u8) -> DeviceId {
    key(number).device()
}

fn at(monotonic_ms: u64) -> Time {
    Time { monotonic_ms, wall_us: 0 }
}

fn frontier() -> Frontier {
    Frontier::new([5; 32], 9, vec![EventId([2; 32]), EventId([1; 32])])
}

fn hint(number: u8, counter: u64) -> Hint {
    Hint::sign(&key(number), HERE, LIFE, counter, frontier())
}

/// What device 1 hears, of whom 2, 3 and 4 are members too.
struct Ear {
    hints: Hints,
    members: BTreeSet<DeviceId>,
}

impl Ear {
    fn new() -> Self {
        let members = (1..=4).map(device).collect();
        Self { hints: Hints::new(HERE, device(1)), members }
    }

    fn hear(&mut self, now_ms: u64, from: u8, bytes: &[u8]) -> Heard {
        self.hints.hear(at(now_ms), &self.members, &device(from), bytes)
    }

    #[track_caller]
    fn takes(&mut self, now_ms: u64, from: u8, hint: &Hint) {
        let heard = self.hear(now_ms, from, &encode(hint));
        assert_eq!(heard, Heard::Presence(Box::new(hint.clone())));
    }

    #[track_caller]
    fn ignores(&mut self, now_ms: u64, from: u8, bytes: &[u8], why: Ignored) {
        assert_eq!(self.hear(now_ms, from, bytes), Heard::Ignored(why));
    }
}

/// A hint with these items, signed as it should be.
fn written(version: u64, heads: &[[u8; 32]], items: usize) -> Vec<u8> {
    let key = key(2);
    let body = |len: usize, signature: Option<[u8; 64]>| {
        let mut to = Writer::default();
        to.array(len).uint(version).bytes(&HERE.0).bytes(&key.device().0).bytes(&LIFE.0);
        to.uint(7).uint(9).bytes(&[5; 32]).array(heads.len());
        for head in heads {
            to.bytes(head);
        }
        if let Some(signature) = signature {
            to.bytes(&signature);
        }
        to.finish()
    };
    let digest = hash::hash(context::HINT, &[&body(8, None)]);
    body(items, Some(key.sign(hash::SIGN_HINT, &digest)))
}

#[test]
fn a_hint_is_read_as_it_was_written_and_nothing_else_is() {
    // SPEC: HINT-1
    let good = written(1, &[[1; 32], [2; 32]], 9);
    let hint = Hint::decode(&good).unwrap();
    assert_eq!(encode(&hint), good);
    assert_eq!(hint, Hint::sign(&key(2), HERE, LIFE, 7, frontier()));
    assert_eq!((hint.workspace(), hint.device(), hint.counter()), (HERE, device(2), 7));
    let four = [[1; 32], [2; 32], [3; 32], [4; 32]];
    for (bad, why) in [
        (written(2, &[[1; 32]], 9), "another version"),
        (written(1, &[[1; 32]], 10), "an item more"),
        (written(1, &[[2; 32], [1; 32]], 9), "heads that are not sorted"),
        (written(1, &[[1; 32], [1; 32]], 9), "a head twice"),
        (written(1, &four, 9), "too many heads"),
        ([&good[..], &[0]].concat(), "bytes behind it"),
    ] {
        assert!(Hint::decode(&bad).is_err(), "{why}");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(Hint::decode(&bad).is_err(), "a bit at {at} is another one");
        assert!(Hint::decode(&good[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn the_longest_hint_fits_its_bound() {
    // SPEC: HINT-1
    let heads = (0..9).map(|n| EventId([n; 32])).collect();
    let longest = Frontier::new([0; 32], u64::MAX, heads);
    let longest = Hint::sign(&key(2), HERE, LIFE, u64::MAX, longest);
    let bytes = encode(&longest).len();
    assert!(bytes <= HINT_BYTES_MAX && HINT_BYTES_MAX - bytes < 34, "{bytes}");
    let heads = |n| (0..n).map(|n| [n; 32]).collect::<Vec<_>>();
    let most = u8::try_from(HINT_HEADS_MAX).unwrap();
    assert!(Hint::decode(&written(1, &heads(most), 9)).is_ok());
    assert_ne!(topic(&HERE), topic(&WorkspaceId([9; 32])));
    assert_ne!(topic(&HERE), HERE.0, "what neighbours say tells no workspace");
}

#[test]
fn a_hint_counts_by_its_own_signature_whoever_delivers_it() {
    // SPEC: HINT-2
    let mut ear = Ear::new();
    ear.takes(0, 3, &hint(2, 1));
    ear.takes(0, 3, &hint(3, 1));
    // Signed by who is none, or by another than it names, or for elsewhere.
    ear.ignores(0, 3, &encode(&hint(5, 1)), Ignored::NoMember);
    ear.ignores(0, 5, &encode(&hint(2, 2)), Ignored::NoMember);
    ear.ignores(0, 3, &encode(&hint(1, 1)), Ignored::Own);
    let elsewhere = Hint::sign(&key(2), WorkspaceId([9; 32]), LIFE, 2, frontier());
    ear.ignores(0, 3, &encode(&elsewhere), Ignored::Junk);
    let mut forged = encode(&hint(2, 2));
    *forged.last_mut().unwrap() ^= 1;
    ear.ignores(0, 3, &forged, Ignored::Junk);
    // And what was forged takes no number from who it names.
    ear.takes(0, 3, &hint(2, 2));
}

#[test]
fn an_old_hint_that_is_said_again_is_refused_and_a_device_has_four_lives() {
    // SPEC: HINT-2
    let mut ear = Ear::new();
    ear.takes(0, 3, &hint(2, 5));
    for counter in [0, 4, 5] {
        ear.ignores(1_000, 4, &encode(&hint(2, counter)), Ignored::Old);
    }
    ear.takes(1_000, 4, &hint(2, 6));
    let life = |life: usize, counter| {
        let life = Incarnation([10 + u8::try_from(life).unwrap(); 8]);
        Hint::sign(&key(2), HERE, life, counter, frontier())
    };
    for number in 1..RECEIPT_LIVES_MAX {
        ear.takes(2_000, 3, &life(number, 1));
    }
    ear.ignores(2_000, 3, &encode(&life(RECEIPT_LIVES_MAX, 1)), Ignored::Old);
    ear.ignores(2_000, 3, &encode(&hint(2, 6)), Ignored::Old);
    ear.takes(2_000, 3, &life(1, 2));
}

#[test]
fn who_delivers_junk_is_put_away_for_a_while_longer_each_time_and_others_are_heard() {
    // SPEC: HINT-4
    let mut ear = Ear::new();
    for _ in 0..HINT_JUNK_AT_ONCE_MAX {
        ear.ignores(0, 3, b"junk", Ignored::Junk);
    }
    ear.ignores(0, 3, b"junk", Ignored::PutAway);
    ear.ignores(0, 3, &encode(&hint(2, 1)), Ignored::PutAway);
    ear.takes(0, 4, &hint(2, 1));
    let (first, _) = CONDUCT_WAIT_MS;
    ear.takes(first, 3, &hint(2, 2));
    for _ in 0..HINT_JUNK_AT_ONCE_MAX {
        ear.ignores(first, 3, &encode(&hint(6, 1)), Ignored::NoMember);
    }
    ear.ignores(first, 3, b"junk", Ignored::PutAway);
    ear.ignores(2 * first, 3, &encode(&hint(2, 3)), Ignored::PutAway);
    ear.takes(3 * first, 3, &hint(2, 3));
    // A little junk now and then, as a good neighbour passes on before it looks, is no flood.
    for second in 4..400 {
        ear.ignores(1_000 * second, 4, b"junk", Ignored::Junk);
    }
}

#[test]
fn who_delivers_too_much_is_put_away_however_good_it_is() {
    // SPEC: HINT-4
    let mut ear = Ear::new();
    let once = u64::from(HINTS_AT_ONCE_MAX);
    for counter in 1..=once {
        ear.takes(0, 3, &hint(2, counter));
    }
    // As many more come over a second.
    let second = u64::from(HINTS_PER_SECOND);
    for more in 1..=second {
        ear.takes((1_000 * more).div_ceil(second), 3, &hint(2, once + more));
    }
    ear.ignores(1_000, 3, &encode(&hint(2, 9_000)), Ignored::PutAway);
    assert!(ear.hints.is_put_away(at(1_000), &device(3)));
    assert!(!ear.hints.is_put_away(at(1_000), &device(4)));
}

#[test]
fn who_is_no_member_any_more_is_forgotten() {
    // SPEC: HINT-2
    let mut ear = Ear::new();
    ear.takes(0, 3, &hint(2, 5));
    ear.members.remove(&device(2));
    ear.ignores(0, 3, &encode(&hint(2, 6)), Ignored::NoMember);
    ear.members.insert(device(2));
    ear.takes(0, 3, &hint(2, 5));
}

#[test]
fn whoever_names_a_head_that_is_not_here_is_ahead_and_no_number_makes_it_so() {
    // SPEC: HINT-5
    let (mut founder, events) = Peer::founder();
    let mut other = Peer::new(2, events[1].workspace());
    founder.grant(2, Role::Member);
    other.take(&events);
    let (ours, theirs) = (other.workspace.frontier(), founder.workspace.frontier());
    let digest = other.workspace.lanes_hash();
    assert!(theirs.is_ahead_of(&digest, |id| other.workspace.contains(id)));
    assert!(
        !ours.is_ahead_of(&founder.workspace.lanes_hash(), |id| founder.workspace.contains(id))
    );
    assert!(!ours.is_ahead_of(&digest, |_| false), "equal lanes are equal");
    let boast = Frontier::new([7; 32], u64::MAX, vec![events[0].id()]);
    assert!(!boast.is_ahead_of(&digest, |id| other.workspace.contains(id)));
    assert_eq!(usize::try_from(theirs.events()).unwrap(), founder.workspace.len());
}
