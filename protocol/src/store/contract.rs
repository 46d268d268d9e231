//! What every store must do, as checks that each implementation's tests run.
//!
//! A check panics with the fact that does not hold.

use crate::artifact::Chunk;
use crate::epoch::EpochKey;
use crate::event::{BodyRef, Class, Header, Unsigned, Verified};
use crate::id::{DeviceId, EventId, Incarnation, Lane};
use crate::limits::CHUNK_BYTES_MAX;
use crate::notice::Notice;
use crate::seal::{pack, seal_shreddable};
use crate::store::{EventStore, LoadRequest, Place, Record, Sought};
use crate::time::Stamp;

/// Where `event` stands.
#[must_use]
pub fn place_of(event: &Verified) -> Place {
    Place { chain: event.chain(), seq: event.header().seq, id: event.id() }
}

/// All events of a store, read in slices of `limit`.
///
/// # Panics
/// Where the store fails.
pub fn read_all(store: &mut dyn EventStore, limit: usize) -> Vec<Verified> {
    let mut events = Vec::new();
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let slice = load(store, &LoadRequest::From { cursor: from, limit });
        assert!(slice.events.len() <= limit, "a slice holds at most its limit");
        events.extend(slice.events);
        cursor = slice.next;
    }
    events
}

/// Checks a store that `open` opens anew on the same kept bytes at every call, empty at first.
/// `events` are at least three, in causal order. `SPEC: DUR-1`
///
/// # Panics
/// Where a fact of the contract does not hold.
pub fn check(open: &mut dyn FnMut() -> Box<dyn EventStore>, events: &[Verified]) {
    assert!(events.len() >= 3, "the contract needs three events");
    assert!(read_all(&mut *open(), 8).is_empty(), "a new store is empty");

    let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    commit(&mut *open(), &records[..2]);
    assert_eq!(read_all(&mut *open(), 8), events[..2], "a commit outlives its store");

    commit(&mut *open(), &records);
    for limit in 1..=events.len() + 1 {
        let read = read_all(&mut *open(), limit);
        assert_eq!(read, events, "kept twice is kept once, in order, by slices of {limit}");
    }

    let last = &events[events.len() - 1];
    if let Some(bare) = last.without_body() {
        commit(&mut *open(), &[Record::Event(bare)]);
        assert_eq!(read_all(&mut *open(), 8), events, "what is kept does not lose its body");
    }

    let backwards: Vec<_> = events.iter().rev().map(place_of).collect();
    let found = load(&mut *open(), &LoadRequest::Events(backwards));
    let expected: Vec<_> = events.iter().rev().cloned().collect();
    assert_eq!(found.events, expected, "events come in the order asked for");

    let mut absent = place_of(&events[0]);
    absent.id.0[0] ^= 1;
    let found = load(&mut *open(), &LoadRequest::Events(vec![absent]));
    assert!(found.events.is_empty() && found.damaged.len() == 1, "what is not kept is told");

    check_sought(open, events);
    let mut some: Vec<_> = events.iter().map(place_of).collect();
    some[1].id.0[0] ^= 1;
    some.push(Place { seq: u64::from(u32::MAX), id: EventId([7; 32]), ..place_of(last) });
    let found = load(&mut *open(), &LoadRequest::Events(some.clone()));
    let expected: Vec<_> = [&events[..1], &events[2..]].concat();
    assert_eq!(found.events, expected, "what stands beside it is given");
    let told: Vec<_> = found.damaged.iter().map(|damage| damage.event).collect();
    let absent = [Some(some[1].id), Some(EventId([7; 32]))];
    assert_eq!(told, absent, "each that is not kept is told");

    let key = crate::key::DeviceKey::from_secret(&[1; 32]);
    let card = |counter| crate::sync::Card::sign(&key, counter, Vec::new());
    commit(&mut *open(), &[Record::Card(card(1)), Record::Card(card(2))]);
    let slice = load(&mut *open(), &LoadRequest::From { cursor: 0, limit: 1 });
    assert_eq!(slice.cards, [card(2)], "the last card of a device stays");

    let receipt = |life, counter| {
        let claims =
            crate::sync::Claims::new(vec![last.id()], Vec::new(), Vec::new(), vec![], true);
        let life = crate::id::Incarnation([life; 8]);
        crate::sync::Receipt::sign(&key, crate::id::WorkspaceId([2; 32]), life, counter, claims)
    };
    let kept = [receipt(1, 1), receipt(2, 1), receipt(1, 2)].map(Record::Receipt);
    commit(&mut *open(), &kept);
    let slice = load(&mut *open(), &LoadRequest::From { cursor: 0, limit: 1 });
    assert_eq!(slice.receipts, [receipt(1, 2), receipt(2, 1)], "the last receipt of a life stays");
    let rest = load(&mut *open(), &LoadRequest::From { cursor: 1, limit: 1 });
    assert!(rest.receipts.is_empty(), "receipts come with the first slice only");
    check_notices(open);
    check_incarnation(open);
    check_glance(open, events.len() as u64);

    let counter = |value| Record::Counter { name: "generation".to_owned(), value };
    commit(&mut *open(), &[counter(1), counter(u64::MAX >> 1)]);
    let slice = load(&mut *open(), &LoadRequest::From { cursor: 0, limit: 1 });
    assert_eq!(slice.counters.get("generation"), Some(&(u64::MAX >> 1)), "the last number stays");
    check_chunks(open);
    check_shred(open);
}

/// The headers that are at hand change nothing of what is given, and be they others' headers.
fn check_sought(open: &mut dyn FnMut() -> Box<dyn EventStore>, events: &[Verified]) {
    let envelopes = |events: &[Verified]| events.iter().map(Verified::encode).collect::<Vec<_>>();
    let headers: Vec<_> = events.iter().map(|event| Some(event.shared_header())).collect();
    let mut others = headers.clone();
    others.rotate_left(1);
    for headers in [vec![None; events.len()], headers, others] {
        let sought = events.iter().zip(headers);
        let sought = sought.map(|(event, header)| Sought { place: place_of(event), header });
        let found = load(&mut *open(), &LoadRequest::Sought(sought.collect()));
        assert_eq!(envelopes(&found.events), envelopes(events), "and in the order asked for");
        assert!(found.damaged.is_empty(), "{:?}", found.damaged);
    }
}

/// Chunks of artifacts: kept by hash, listed without their bytes, dropped when told. `SPEC: ART-7`
fn check_chunks(open: &mut dyn FnMut() -> Box<dyn EventStore>) {
    let chunk = |byte: u8, len: usize| match Chunk::new(vec![byte; len]) {
        Ok(chunk) => chunk,
        Err(fault) => panic!("a chunk is made: {fault}"),
    };
    let mut chunks = vec![chunk(1, 17), chunk(2, CHUNK_BYTES_MAX), chunk(3, 40)];
    let records: Vec<_> = chunks.iter().cloned().map(Record::Chunk).collect();
    commit(&mut *open(), &records);
    commit(&mut *open(), &records[..1]);
    let hashes: Vec<_> = chunks.iter().map(Chunk::hash).collect();
    let absent = chunk(4, 40).hash();
    let asked = [vec![absent], hashes.clone()].concat();
    let found = load(&mut *open(), &LoadRequest::Chunks(asked));
    assert_eq!(found.chunks, chunks, "chunks come in the order asked for, absent ones do not");
    assert!(found.damaged.is_empty(), "a chunk that is absent is no damage");

    chunks.sort_by_key(Chunk::hash);
    let all: Vec<_> = chunks.iter().map(|chunk| (chunk.hash(), chunk.bytes().len())).collect();
    for limit in 1..=chunks.len() + 1 {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let request = LoadRequest::ChunkList { after, limit };
            let list = load(&mut *open(), &request).chunk_list;
            let is_last = list.len() < limit;
            after = list.last().map(|(hash, _)| *hash);
            listed.extend(list);
            if is_last {
                break;
            }
        }
        assert_eq!(listed, all, "the list names each once, by slices of {limit}");
    }
    commit(&mut *open(), &[Record::DropChunks(hashes[1..].to_vec())]);
    let left = load(&mut *open(), &LoadRequest::ChunkList { after: None, limit: 9 });
    assert_eq!(left.chunk_list, [(hashes[0], 17)], "what is dropped is gone");
}

/// What is shredded is gone, and the rest of it stays. `SPEC: DUR-11`
fn check_shred(open: &mut dyn FnMut() -> Box<dyn EventStore>) {
    let events: Vec<_> = (0..3).map(shreddable).collect();
    let chunk = match Chunk::new(vec![9; 50]) {
        Ok(chunk) => chunk,
        Err(fault) => panic!("a chunk is made: {fault}"),
    };
    let mut kept: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    kept.push(Record::Chunk(chunk.clone()));
    commit(&mut *open(), &kept);
    let mut absent = place_of(&events[1]);
    absent.id.0[0] ^= 1;
    let places = vec![place_of(&events[1]), absent];
    commit(&mut *open(), &[Record::Shred { events: places, chunks: vec![chunk.hash()] }]);
    let request = LoadRequest::Events(events.iter().map(place_of).collect());
    let slice = load(&mut *open(), &request);
    let bodies: Vec<_> = slice.events.iter().map(|event| event.body().is_some()).collect();
    assert_eq!(bodies, [true, false, true], "the body that was named is gone");
    let envelope = events[1].without_body().map(|bare| bare.encode());
    assert_eq!(slice.events.get(1).map(Verified::encode), envelope, "its header stays");
    let chunks = load(&mut *open(), &LoadRequest::Chunks(vec![chunk.hash()])).chunks;
    assert!(chunks.is_empty(), "the chunk is gone");
}

/// An event whose body can be shredded.
fn shreddable(seq: u8) -> Verified {
    let key = crate::key::DeviceKey::from_secret(&[1; 32]);
    let header = Header {
        workspace: crate::id::WorkspaceId([2; 32]),
        lane: Lane::Content,
        author: key.device(),
        incarnation: Incarnation([9; 8]),
        seq: seq.into(),
        prev: (seq > 0).then_some(EventId([3; 32])),
        parents: Vec::new(),
        heard: vec![EventId([2; 32])],
        stamp: Stamp(1),
        class: Class::Shreddable,
        epoch: Some(EventId([4; 32])),
        body: None,
    };
    let epoch = EpochKey::from_bytes([5; 32]);
    let sealed = pack(&[seq; 40])
        .and_then(|inside| seal_shreddable(&epoch, &header, inside, &[seq.wrapping_add(0x51); 32]));
    let body = sealed.unwrap_or_default();
    let named = body.get(header.class.salt_bytes()..).map(BodyRef::of);
    let event = Unsigned { header: Header { body: named, ..header }, body: Some(body) };
    match event.sign(&key) {
        Ok(event) => event,
        Err(fault) => panic!("an event is made: {fault}"),
    }
}

/// `SPEC: DUR-5`
fn check_incarnation(open: &mut dyn FnMut() -> Box<dyn EventStore>) {
    let lives = [1, 2].map(|life| Record::Incarnation(Incarnation([life; 8])));
    commit(&mut *open(), &lives);
    let slice = load(&mut *open(), &LoadRequest::From { cursor: 0, limit: 1 });
    assert_eq!(slice.incarnation, Some(Incarnation([2; 8])), "the last life stays");
    let rest = load(&mut *open(), &LoadRequest::From { cursor: 1, limit: 1 });
    assert_eq!(rest.incarnation, None, "the life comes with the first slice");
}

/// `SPEC: DUR-9`
fn check_glance(open: &mut dyn FnMut() -> Box<dyn EventStore>, kept: u64) {
    let first = |open: &mut dyn FnMut() -> Box<dyn EventStore>| {
        let slice = load(&mut *open(), &LoadRequest::From { cursor: 0, limit: 1 });
        (slice.glance, slice.kept)
    };
    assert_eq!(first(open), (None, kept), "how many events are kept comes with the first slice");
    for glance in [vec![1; 100_000], Vec::new()] {
        commit(&mut *open(), &[Record::Glance(glance.clone())]);
        assert_eq!(first(open), (Some(glance), kept), "the last glance stays");
    }
    let rest = load(&mut *open(), &LoadRequest::From { cursor: 1, limit: 1 });
    assert_eq!((rest.glance, rest.kept), (None, 0), "both come with the first slice only");
}

/// `SPEC: DUR-4`
fn check_notices(open: &mut dyn FnMut() -> Box<dyn EventStore>) {
    let notice = |slot, number| Notice {
        slot,
        number,
        device: DeviceId([7; 32]),
        reason: "frame_decode".to_owned(),
        stamp: Stamp(1),
        after: 3,
        times: number,
    };
    let kept = [notice(300, 1), notice(0, 2), notice(300, 3)];
    commit(&mut *open(), &kept.map(Record::Notice));
    let slice = load(&mut *open(), &LoadRequest::From { cursor: 0, limit: 1 });
    assert_eq!(slice.notices, [notice(0, 2), notice(300, 3)], "the last notice of a slot stays");
    let rest = load(&mut *open(), &LoadRequest::From { cursor: 1, limit: 1 });
    assert!(rest.notices.is_empty(), "notices come with the first slice");
}

fn commit(store: &mut dyn EventStore, records: &[Record]) {
    let done = store.commit(records);
    assert!(done.is_ok(), "a commit succeeds: {done:?}");
}

fn load(store: &mut dyn EventStore, request: &LoadRequest) -> crate::store::Slice {
    match store.load(request) {
        Ok(slice) => slice,
        Err(error) => panic!("a load succeeds: {error}"),
    }
}
