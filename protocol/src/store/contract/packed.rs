//! The contract about many events of one chain in one turn, which a store may keep in one row.
//! `SPEC: DUR-20`

use crate::event::{BodyRef, Class, Header, Run, Unsigned, Verified};
use crate::id::{EventId, Incarnation, Lane, WorkspaceId};
use crate::key::DeviceKey;
use crate::store::{EventStore, LoadRequest, Record};
use crate::time::Stamp;

use super::{commit, load, place_of, read_all};

/// So many events are signed by the last of them, and as many behind them by themselves.
const HALF: usize = 20;

/// Checks a store that keeps `before` events: those that the contract was given, and three that
/// were shredded.
pub(super) fn check(open: &mut dyn FnMut() -> Box<dyn EventStore>, before: usize) {
    let signed = chain(2 * HALF);
    let mut events = run_of(&signed[..HALF]);
    events.extend_from_slice(&signed[HALF..]);
    commit(&mut *open(), &records(&events));
    is_read(open, before, &events, "as they came");
    commit(&mut *open(), &records(&events));
    commit(&mut *open(), &records(&events[5..9]));
    is_read(open, before, &events, "kept twice is kept once");

    let fork = event(Header { stamp: Stamp(9), ..signed[5].header().clone() }, 0xee);
    commit(&mut *open(), &[Record::Event(fork.clone())]);
    let asked = [&fork, &events[4], &events[5], &events[6], &fork, &events[30], &events[2]];
    let found = load(&mut *open(), &LoadRequest::Events(asked.map(place_of).to_vec()));
    assert_eq!(found.damaged, [], "a fork of one among many is found, and what it is one of");
    assert_eq!(envelopes(&found.events), envelopes(&asked.map(Clone::clone)), "each as asked for");
    events.push(fork);

    commit(&mut *open(), &records(&signed[3..4]));
    events[3] = signed[3].clone();
    is_read(open, before, &events, "a signature that comes later is kept");
    let bare = signed[30].without_body().unwrap_or_else(|| signed[30].clone());
    commit(&mut *open(), &[Record::Event(bare.clone())]);
    is_read(open, before, &events, "what is kept does not lose its body");
    let shred = Record::Shred { events: vec![place_of(&signed[30])], chunks: Vec::new() };
    commit(&mut *open(), &[shred]);
    events[30] = bare;
    is_read(open, before, &events, "one among many is shredded alone");

    let more = chain(2 * HALF + 30);
    commit(&mut *open(), &records(&more[2 * HALF..]));
    events.extend_from_slice(&more[2 * HALF..]);
    is_read(open, before, &events, "a chain goes on behind its fork");
}

fn is_read(
    open: &mut dyn FnMut() -> Box<dyn EventStore>,
    before: usize,
    events: &[Verified],
    what: &str,
) {
    for limit in [1, 3, HALF, HALF + 1, 500] {
        let read = read_all(&mut *open(), limit);
        let read = read.get(before..).unwrap_or_default();
        assert_eq!(envelopes(read), envelopes(events), "{what}, by slices of {limit}");
    }
    let kept = load(&mut *open(), &LoadRequest::From { cursor: 0, limit: 1 }).kept;
    assert_eq!(kept, (before + events.len()) as u64, "{what}: how many are kept");
}

fn records(events: &[Verified]) -> Vec<Record> {
    events.iter().cloned().map(Record::Event).collect()
}

fn envelopes(events: &[Verified]) -> Vec<Vec<u8>> {
    events.iter().map(Verified::encode).collect()
}

/// The events of the run of these.
fn run_of(events: &[Verified]) -> Vec<Verified> {
    let runs = events.iter().cloned().filter_map(Run::of);
    let run = runs.reduce(|run, next| match run.join(next) {
        Ok(run) => run,
        Err(_) => panic!("the events of a chain are joined"),
    });
    run.map(Run::into_events).unwrap_or_default()
}

/// Content events of a chain, each with its signature.
fn chain(count: usize) -> Vec<Verified> {
    let mut events: Vec<Verified> = Vec::new();
    for seq in 0..count as u64 {
        let byte = seq.to_le_bytes()[0];
        let last = events.last();
        let header = Header {
            workspace: WorkspaceId([2; 32]),
            lane: Lane::Content,
            author: key().device(),
            incarnation: Incarnation([8; 8]),
            seq,
            prev: last.map(Verified::id),
            parents: if seq % 7 == 3 { vec![EventId([byte; 32])] } else { Vec::new() },
            heard: vec![EventId([2; 32])],
            stamp: Stamp(seq * 3),
            class: Class::Sealed,
            epoch: Some(EventId([4; 32])),
            body: None,
        };
        events.push(event(header, byte));
    }
    events
}

fn key() -> DeviceKey {
    DeviceKey::from_secret(&[1; 32])
}

fn event(header: Header, byte: u8) -> Verified {
    let body = vec![byte; 40 + usize::from(byte)];
    let header = Header { body: Some(BodyRef::of(&body)), ..header };
    match (Unsigned { header, body: Some(body) }).sign(&key()) {
        Ok(event) => event,
        Err(fault) => panic!("an event is made: {fault}"),
    }
}
