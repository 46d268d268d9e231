//! Runs where they are kept: as envelopes, in archives and in stores.

use kernelos_protocol::archive::{self, ArchiveFault, Item, Reader};
use kernelos_protocol::cbor::{Writer, encode};
use kernelos_protocol::event::{EventFault, Header, Proving, Run, Runs, Signed, Verified};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX, UNPROVEN_BYTES_MAX};
use kernelos_protocol::store::{EventStore as _, LoadRequest, MemoryStore, Record};
use kernelos_protocol::time::Stamp;

use super::{WORKSPACE, after, chain, header, proven, sign};
use crate::kit::{Peer, secret};

fn envelopes(events: &[Verified]) -> Vec<Vec<u8>> {
    proven(events).into_iter().flat_map(Vec::<Vec<u8>>::from).collect()
}

/// Puts the envelopes of a run wrong.
type Change<'a> = &'a dyn Fn(&mut Vec<Vec<u8>>);

#[test]
fn envelopes_are_a_run_only_with_the_signature_that_proves_them() {
    // SPEC: EVT-3, EVT-12
    let events = chain(1, 6);
    let (five, signed) = (envelopes(&events[..5]), events[2].encode());
    let with = |change: Change<'_>| {
        let mut run = five.clone();
        change(&mut run);
        Run::try_from(run).map_err(|fault| fault.code())
    };
    let rows: [(&str, Change<'_>, &str); 6] = [
        ("none", &|run| run.clear(), "unsigned"),
        ("no end", &|run| run.truncate(4), "unsigned"),
        ("a gap", &|run| drop(run.remove(2)), "field"),
        ("another order", &|run| run.swap(1, 2), "field"),
        ("of two chains", &|run| run[0] = envelopes(&chain(2, 2))[0].clone(), "field"),
        ("two ends", &|run| run[2] = signed.clone(), "field"),
    ];
    assert!(with(&|_| {}).is_ok());
    for (what, change, code) in rows {
        assert_eq!(with(change), Err(code), "{what}");
    }
    let alone = Signed::decode(&five[0]).and_then(Signed::verify);
    assert_eq!(alone, Err(EventFault::Unsigned), "alone it is proven by nothing");
    assert!(serde_json::from_value::<Verified>(serde_json::json!(five[0])).is_err());
    let record = Record::Event(proven(&events[..5])[0].events()[0].clone());
    let written = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&written).unwrap(), record, "a store is trusted");
}

#[test]
fn events_of_a_run_come_together_in_whatever_order_they_stand() {
    // SPEC: DUR-6, EVT-12
    let whole = proven(&chain(1, 5));
    let events = whole[0].events();
    assert_eq!((whole.len(), events.iter().filter(|event| event.is_signed()).count()), (1, 1));
    let end = events.len() - 1;
    // The signed one comes last, whatever came before it in which order.
    for order in permutations(end) {
        let mut runs = Runs::default();
        assert!(order.iter().all(|at| runs.push(events[*at].clone()).is_none()), "{order:?}");
        assert_eq!(runs.push(events[end].clone()).as_ref(), Some(&whole[0]), "{order:?}");
        assert!(runs.take().is_empty(), "{order:?}");
    }
}

/// All orders of so many.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, last);
        order
    };
    let mut all = Vec::new();
    for order in permutations(last) {
        all.extend((0..count).map(|at| insert(&order, at)));
    }
    all
}

#[test]
fn its_author_can_sign_an_event_again_and_nobody_else() {
    // SPEC: EVT-5
    let events = chain(1, 2);
    let bare = proven(&events)[0].events()[0].clone();
    let by = |number| bare.signed_by(&DeviceKey::from_secret(&secret(number)));
    assert_eq!(by(1).encode(), events[0].encode(), "the same signature");
    assert!(!by(2).is_signed());
}

#[test]
fn a_store_adds_what_it_lacks_of_an_event_and_loses_nothing() {
    // SPEC: EVT-3, EVT-12
    let events = chain(1, 2);
    let bare = proven(&events)[0].events()[0].clone();
    let forms = [&events[0], &bare].map(|event| [event.clone(), event.without_body().unwrap()]);
    let forms = forms.concat();
    for first in &forms {
        for second in &forms {
            let mut store = MemoryStore::default();
            store.commit(&[Record::Event(first.clone())]).unwrap();
            store.commit(&[Record::Event(second.clone())]).unwrap();
            let request = LoadRequest::From { cursor: 0, limit: 9 };
            let kept = store.load(&request).unwrap().events.remove(0);
            assert_eq!(kept.is_signed(), first.is_signed() || second.is_signed());
            assert_eq!(kept.body().is_some(), first.body().is_some() || second.body().is_some());
        }
    }
}

/// An archive of a founding and of these events of its founder behind it.
fn archive(events: &[Verified]) -> (Vec<u8>, usize) {
    let workspace = events[0].workspace();
    let header = archive::Header { workspace, count: events.len() as u64 };
    let (mut writer, mut bytes) = archive::Writer::begin(header);
    for event in events {
        bytes.extend(writer.event(event).unwrap());
    }
    bytes.extend(writer.finish());
    (bytes, events.len())
}

fn unpack(bytes: &[u8]) -> Result<Vec<Run>, ArchiveFault> {
    let (mut reader, mut runs) = (Reader::default(), Vec::new());
    for piece in bytes.chunks(100) {
        reader.push(piece);
        while let Some(item) = reader.next_item()? {
            if let Item::Run(run) = item {
                runs.push(run);
            }
        }
    }
    reader.finish().map(|()| runs)
}

#[test]
fn an_archive_gives_runs_that_are_proven_and_no_other_event() {
    // SPEC: ARC-1, ARC-2, EVT-12
    let (mut peer, mut events) = Peer::founder();
    for number in 0..4 {
        events.extend(peer.set(&format!("notes/{number}"), "x"));
    }
    let few: Vec<_> = proven(&events).into_iter().flat_map(Run::into_events).collect();
    assert_eq!(few.iter().filter(|event| event.is_signed()).count(), 4, "control, and one end");
    let (bytes, _) = archive(&few);
    let runs = unpack(&bytes).unwrap();
    assert_eq!(runs.iter().map(|run| run.events().len()).collect::<Vec<_>>(), [1, 1, 1, 5]);
    assert_eq!(runs.into_iter().flat_map(Run::into_events).collect::<Vec<_>>(), events);
    for (what, order) in [
        ("no end", &few[..6]),
        ("what does not follow", &[&few[..4], &few[5..]].concat()),
        ("another chain between", &[&few[..4], &few[1..2], &few[4..]].concat()),
    ] {
        let fault = unpack(&archive(order).0).unwrap_err();
        assert_eq!(fault.code(), "unsigned", "{what}");
    }
    assert!(bytes.len() < few.len() * HEADER_BYTES_MAX);
    assert_eq!(Runs::of(few[..6].to_vec()).len(), 3, "what is not proven is left out");
}

/// What proves itself of these envelopes, and how many do not.
fn prove(envelopes: &[Vec<u8>]) -> (Vec<Verified>, u64) {
    let mut proving = Proving::of(WORKSPACE);
    let taken = envelopes.iter().flat_map(|envelope| proving.push(envelope)).collect();
    (taken, proving.left_out())
}

#[test]
fn of_a_file_that_nobody_vouches_for_only_what_proves_itself_is_taken() {
    // SPEC: DUR-7, EVT-12
    let (one, two) = (chain(1, 8), chain(2, 8));
    let (mut mixed, of_two) = (envelopes(&one), envelopes(&two));
    of_two.into_iter().enumerate().for_each(|(at, other)| mixed.insert(2 * at, other));
    let (taken, left_out) = prove(&mixed);
    assert_eq!((taken.len(), left_out), (16, 0), "chains come in any order");
    let whole = envelopes(&one[..5]);
    let signed = one[2].encode();
    let rows: [(&str, Change<'_>, usize, u64); 6] = [
        ("its end is gone", &|rows| rows.truncate(4), 0, 4),
        ("one is gone", &|rows| drop(rows.remove(2)), 2, 2),
        ("one is another's", &|rows| rows[2] = envelopes(&two)[2].clone(), 2, 3),
        ("one is no event", &|rows| rows[0] = vec![1, 2, 3], 4, 1),
        ("one is signed", &|rows| rows[2] = signed.clone(), 5, 0),
        ("the end is forged", &|rows| flip(&mut rows[4]), 0, 5),
    ];
    for (what, change, taken, left_out) in rows {
        let mut rows = whole.clone();
        change(&mut rows);
        let got = prove(&rows);
        assert_eq!((got.0.len(), got.1), (taken, left_out), "{what}");
        assert!(got.0.iter().all(|event| one.contains(&event.signed_by(&key(1)))), "{what}");
    }
}

#[test]
fn what_stands_behind_the_run_that_proves_it_is_taken_too() {
    // SPEC: DUR-6, DUR-7, EVT-12. So a store stands that was salvaged and healed.
    let whole = envelopes(&chain(1, 5));
    for order in permutations(5) {
        let rows: Vec<_> = order.iter().map(|at| whole[*at].clone()).collect();
        let (mut taken, left_out) = prove(&rows);
        taken.sort_by_key(|event| event.header().seq);
        assert_eq!(left_out, 0, "{order:?}");
        assert_eq!(taken, proven(&chain(1, 5))[0].events(), "{order:?}");
        // Without the signature nothing of it is.
        let rows: Vec<_> =
            order.iter().filter(|at| **at < 4).map(|at| whole[*at].clone()).collect();
        assert_eq!(prove(&rows), (Vec::new(), 4), "{order:?}");
    }
}

#[test]
fn no_row_takes_the_beginning_of_a_run_from_the_one_that_ends_it() {
    // SPEC: DUR-7, EVT-12
    let one = chain(1, 5);
    let mut rows = Vec::new();
    for (event, envelope) in one.iter().zip(envelopes(&one)) {
        let forged = Header { stamp: Stamp(77), ..event.header().clone() };
        let forged = sign(1, forged, event.body().map(<[u8]>::to_vec));
        let mut bare = Writer::default();
        bare.array(3).bytes(&encode(forged.header())).null().bytes(forged.body().unwrap());
        rows.extend([bare.finish(), envelope]);
    }
    let (taken, left_out) = prove(&rows);
    assert_eq!((taken.len(), left_out), (5, 5));
}

/// Changes the last byte of the signature.
fn flip(envelope: &mut [u8]) {
    let at = envelope.len() - 40 - 2 - 1;
    envelope[at] ^= 1;
}

fn key(number: u8) -> DeviceKey {
    DeviceKey::from_secret(&secret(number))
}

#[test]
fn no_row_is_proven_by_more_than_a_run_may_hold() {
    // SPEC: DUR-7, EVT-12
    let mut proving = Proving::of(WORKSPACE);
    let body = Some(vec![0; BODY_BYTES_MAX / 3]);
    let mut last = sign(1, header(1), body.clone());
    for _ in 0..8 {
        let mut bare = Writer::default();
        bare.array(3).bytes(&encode(last.header())).null().bytes(last.body().unwrap());
        assert_eq!(proving.push(&bare.finish()), []);
        last = sign(1, after(&last), body.clone());
    }
    let proven = proving.push(&last.encode());
    assert_eq!(proven.len(), 3, "as many as one signature proves");
    assert_eq!(proving.left_out(), 6);
}

#[test]
fn of_two_runs_that_fork_behind_an_event_the_one_that_has_room_proves_it() {
    // SPEC: DUR-7, EVT-12
    let first = sign(1, header(1), Some(vec![0; BODY_BYTES_MAX / 2]));
    let light = sign(1, after(&first), Some(vec![1]));
    let heavy = sign(1, after(&first), Some(vec![2; BODY_BYTES_MAX]));
    let mut bare = Writer::default();
    bare.array(3).bytes(&encode(first.header())).null().bytes(first.body().unwrap());
    let bare = bare.finish();
    for behind in [[&light, &heavy], [&heavy, &light]] {
        let mut proving = Proving::of(WORKSPACE);
        for event in behind {
            assert_eq!(proving.push(&event.encode()).len(), 1);
        }
        assert_eq!(proving.push(&bare).len(), 1);
        assert_eq!(proving.left_out(), 0);
    }
}

#[test]
fn what_waits_for_its_proof_has_a_bound() {
    // SPEC: DUR-7
    let mut proving = Proving::of(WORKSPACE);
    assert_eq!(proving.push(&envelopes(&chain(1, 2))[0]), []);
    let body = vec![0; 100_000];
    let count = UNPROVEN_BYTES_MAX / body.len() + 1;
    for at in 0..count {
        let stamp = Stamp(at as u64);
        let event = sign(1, Header { stamp, ..header(1) }, Some(body.clone()));
        let mut bare = Writer::default();
        bare.array(3).bytes(&encode(event.header())).null().bytes(&body);
        assert_eq!(proving.push(&bare.finish()), []);
    }
    let proven = proving.push(&chain(1, 2)[1].encode());
    assert_eq!(proven.len(), 1, "what waited before it was given up");
    assert_eq!(proving.left_out(), count as u64 + 1);
}
