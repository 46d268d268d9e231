//! What is purged is in no byte of the store's folder: not in the file, not in its log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use kernelos_protocol::artifact::Chunk;
use kernelos_protocol::event::{BodyRef, Class, Header, Unsigned, Verified};
use kernelos_protocol::id::{EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::store::contract::{place_of, read_all};
use kernelos_protocol::store::{EventStore as _, Record};
use kernelos_protocol::time::Stamp;
use rusqlite::Connection;

use super::super::SqliteStore;
use super::super::tests::folder;
use super::{CHUNK_STEP, Pace, Shredding, Stopper, TRACE_BYTES, TRACES_MAX, Trace, traces_of};

/// Bytes that are found nowhere else.
fn noise(number: u32, len: usize) -> Vec<u8> {
    let blocks = (0_u32..).take(len.div_ceil(32)).flat_map(|at| {
        let parts: [&[u8]; 2] = [&number.to_be_bytes(), &at.to_be_bytes()];
        kernelos_protocol::hash::hash_under("kernelos test noise", &parts)
    });
    blocks.take(len).collect()
}

/// An event whose shreddable body is noise. It commits to its salt, as an honest one.
fn event(number: u32, len: usize) -> Verified {
    use kernelos_protocol::hash::{context, hash};
    let key = DeviceKey::from_secret(&[1; 32]);
    let salt = noise(number, 32);
    let commitment = hash(context::SALT, &[&salt]);
    let body = [&salt[..], &commitment, &noise(number + 1_000_000, len)].concat();
    let header = Header {
        workspace: WorkspaceId([2; 32]),
        lane: Lane::Content,
        author: key.device(),
        incarnation: Incarnation([9; 8]),
        seq: number.into(),
        prev: (number > 0).then_some(EventId([3; 32])),
        parents: Vec::new(),
        heard: vec![EventId([2; 32])],
        stamp: Stamp(1),
        class: Class::Shreddable,
        epoch: Some(EventId([4; 32])),
        body: Some(BodyRef::of(&body[32..])),
    };
    let event = Unsigned { header, body: Some(body) }.sign(&key).unwrap();
    assert!(event.body().is_some());
    event
}

/// Does any file of the folder hold these bytes?
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<_> =
        files.filter(|path| contains(&std::fs::read(path).unwrap(), bytes)).collect();
    !found.is_empty()
}

fn contains(all: &[u8], bytes: &[u8]) -> bool {
    let first = bytes[0];
    all.windows(bytes.len()).any(|window| window[0] == first && window == bytes)
}

/// Pieces of a body by which any copy of it would be found.
fn pieces(stored: &[u8]) -> Vec<&[u8]> {
    let mut pieces: Vec<_> = stored.chunks_exact(16).step_by(3).collect();
    // Of what no hash covers, and of what was sealed; the commitment is told by the header's hash.
    pieces.push(&stored[..32]);
    pieces
}

fn shred(store: &mut SqliteStore, events: &[&Verified], chunks: &[&Chunk]) {
    let events = events.iter().map(|event| place_of(event)).collect();
    let chunks = chunks.iter().map(|chunk| chunk.hash()).collect();
    store.commit(&[Record::Shred { events, chunks }]).unwrap();
}

#[test]
fn no_byte_of_what_is_purged_is_in_any_file_of_the_store() {
    // SPEC: DUR-11
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let events: Vec<_> = (0..60).map(|number| event(number, 300)).collect();
    let large = event(60, 9_000);
    let chunks: Vec<_> =
        [400, 150_000].map(|len| Chunk::new(noise(len, len as usize)).unwrap()).into();
    let mut records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    records.push(Record::Event(large.clone()));
    records.extend(chunks.iter().cloned().map(Record::Chunk));
    store.commit(&records).unwrap();
    let purged = [&events[3], &events[4], &events[40], &large];
    let gone: Vec<Vec<u8>> = purged.iter().map(|event| event.body().unwrap().to_vec()).collect();
    for body in &gone {
        assert!(pieces(body).iter().all(|piece| holds(folder.path(), piece)), "it was there");
    }
    assert!(holds(folder.path(), &chunks[1].bytes()[70_000..70_032]));

    shred(&mut store, &purged, &[&chunks[0], &chunks[1]]);
    let none_left = |what: &str| {
        for body in &gone {
            for piece in pieces(body) {
                assert!(!holds(folder.path(), piece), "{what}");
            }
        }
        for chunk in &chunks {
            for piece in chunk.bytes().chunks_exact(32).step_by(97) {
                assert!(!holds(folder.path(), piece), "{what}: a chunk");
            }
        }
    };
    none_left("while it is open");
    let kept = read_all(&mut store, 16);
    assert_eq!(kept.len(), 61);
    let bare: Vec<_> = kept.iter().filter(|e| e.body().is_none()).map(Verified::id).collect();
    assert_eq!(bare, purged.map(Verified::id));
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    none_left("opened anew");
    drop(store);
}

/// How often each of these 32 bytes stands in the store's file.
fn counts(path: &Path, events: &[Verified]) -> Vec<usize> {
    let salts: BTreeMap<_, _> =
        events.iter().enumerate().map(|(at, event)| (&event.body().unwrap()[..32], at)).collect();
    let firsts: BTreeSet<_> = salts.keys().map(|salt| salt[0]).collect();
    let mut counts = vec![0; events.len()];
    let file = std::fs::read(path).unwrap();
    for window in file.windows(32).filter(|window| firsts.contains(&window[0])) {
        if let Some(at) = salts.get(window) {
            counts[*at] += 1;
        }
    }
    counts
}

#[test]
fn what_a_page_that_was_split_left_behind_is_found_and_destroyed() {
    // SPEC: DUR-11
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let sizes = [30, 130, 380, 560, 1_200];
    let size = |number: u32| sizes[usize::from(noise(number + 5_000, 1)[0]) % sizes.len()];
    let whole: Vec<_> = (0..400).map(|number| event(number, size(number))).collect();
    // Every second comes without its body: when that comes too, pages in the middle are split.
    let records = whole.iter().enumerate().map(|(at, event)| match at % 2 {
        0 => event.clone(),
        _ => event.without_body().unwrap(),
    });
    store.commit(&records.map(Record::Event).collect::<Vec<_>>()).unwrap();
    let mut later: Vec<_> = whole.iter().skip(1).step_by(2).cloned().collect();
    later.sort_by_key(Verified::id);
    store.commit(&later.into_iter().map(Record::Event).collect::<Vec<_>>()).unwrap();
    assert!(store.empty_wal().unwrap());
    let copies = counts(&path, &whole).into_iter().filter(|count| *count > 1).count();
    assert!(copies > 0, "SQLite leaves copies behind: else there is nothing to search for");
    shred(&mut store, &whole.iter().collect::<Vec<_>>(), &[]);
    assert_eq!(counts(&path, &whole), vec![0; whole.len()]);
    assert_eq!(read_all(&mut store, 64).len(), whole.len(), "nothing else is lost");
}

#[test]
fn what_a_reader_or_a_death_kept_from_being_destroyed_is_destroyed_later() {
    // SPEC: DUR-11
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let events: Vec<_> = (0..3).map(|number| event(number, 300)).collect();
    store.commit(&events.iter().cloned().map(Record::Event).collect::<Vec<_>>()).unwrap();
    let reader = Connection::open(&path).unwrap();
    let hold = || {
        reader.execute_batch("BEGIN").unwrap();
        reader.query_row("SELECT count(*) FROM event", [], |_| Ok(())).unwrap();
    };
    let salt = |at: usize| events[at].body().unwrap()[..32].to_vec();
    hold();
    shred(&mut store, &[&events[0]], &[]);
    assert!(holds(folder.path(), &salt(0)), "somebody reads what was before");
    reader.execute_batch("COMMIT").unwrap();
    store.commit(&[]).unwrap();
    assert!(!holds(folder.path(), &salt(0)), "the next commit goes on with it");

    hold();
    shred(&mut store, &[&events[1]], &[]);
    assert!(holds(folder.path(), &salt(1)));
    reader.execute_batch("COMMIT").unwrap();
    // As a process that is killed: what it had in mind is gone, the files stay.
    std::mem::forget(store);
    let mut store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.owes(), Some(0), "a start is told of it, and answers first");
    store.settle();
    assert!(!holds(folder.path(), &salt(1)), "and so does the next start");
    assert_eq!(store.owes(), None);
    let left = "SELECT count(*) FROM meta WHERE name = 'shredding'";
    let left: i64 = store.connection.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    assert!(holds(folder.path(), &salt(2)), "what was not purged is there");
}

#[test]
fn a_damaged_row_of_a_purged_event_goes_whole() {
    // SPEC: DUR-6, DUR-11
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let events: Vec<_> = (0..2).map(|number| event(number, 300)).collect();
    store.commit(&events.iter().cloned().map(Record::Event).collect::<Vec<_>>()).unwrap();
    store.connection.execute("UPDATE event SET row_check = x'00' WHERE seq = 0", []).unwrap();
    shred(&mut store, &[&events[0]], &[]);
    assert!(!holds(folder.path(), &events[0].body().unwrap()[..32]));
    let bare = events[0].without_body().unwrap();
    store.commit(&[Record::Event(bare.clone())]).unwrap();
    let kept = read_all(&mut store, 8);
    assert_eq!(kept, [bare, events[1].clone()], "it comes again to where it stood");
}

#[test]
fn the_file_is_not_searched_for_each_purge() {
    // SPEC: DUR-15
    let folder = folder();
    let mut store = SqliteStore::create(&folder.path().join("store.db")).unwrap();
    let events: Vec<_> = (0..3).map(|number| event(number, 300)).collect();
    store.commit(&events.iter().cloned().map(Record::Event).collect::<Vec<_>>()).unwrap();
    shred(&mut store, &[&events[0]], &[]);
    assert_eq!(store.owes(), None, "the first is done at once");
    shred(&mut store, &[&events[1]], &[]);
    store.commit(&[]).unwrap();
    store.settle();
    let left = store.owes().unwrap();
    assert!((1..=60_000).contains(&left), "the next waits, whoever commits: {left}");
    assert_eq!(std::fs::metadata(folder.path().join("store.db-wal")).unwrap().len(), 0);
    let bare = |store: &mut SqliteStore| {
        read_all(store, 16).iter().filter(|event| event.body().is_none()).count()
    };
    assert_eq!(bare(&mut store), 2, "its row is destroyed with its turn, the log emptied");
    shred(&mut store, &[&events[2]], &[]);
    assert!(store.owes() > Some(0));
    store.shredding.pace.pass();
    store.settle();
    assert_eq!(store.owes(), None, "one search is for all that came until then");
    for event in &events {
        assert!(pieces(event.body().unwrap()).iter().all(|piece| !holds(folder.path(), piece)));
    }
}

#[test]
fn a_file_that_cannot_be_written_anew_is_tried_at_longer_and_longer_intervals() {
    // SPEC: DUR-15
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let mark = "INSERT INTO meta (name, value) VALUES ('shredding', x'')";
    store.connection.execute(mark, []).unwrap();
    store.must_shred(None);
    store.connection.pragma_update(None, "query_only", "ON").unwrap();
    for least in [60_000, 120_000, 240_000] {
        store.settle();
        let left = store.owes().unwrap();
        assert!(left > least && left <= 2 * least, "{left} after {least}");
        // No commit and no wake in between is a try.
        store.commit(&[]).unwrap();
        store.settle();
        assert!(store.owes().unwrap() <= left);
        store.shredding.pace.pass();
    }
    store.connection.pragma_update(None, "query_only", "OFF").unwrap();
    store.settle();
    assert_eq!(store.owes(), None);
}

#[test]
fn a_stop_ends_a_sweep_and_the_next_start_goes_on_with_it() {
    // SPEC: DUR-15
    let folder = folder();
    let path = folder.path().join("store.db");
    let stopper = Stopper::default();
    let mut store = SqliteStore::create(&path).unwrap().stopped_by(&stopper);
    let events: Vec<_> = (0..2).map(|number| event(number, 300)).collect();
    store.commit(&events.iter().cloned().map(Record::Event).collect::<Vec<_>>()).unwrap();
    let endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                   SELECT max(x) FROM n";
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                stopper.stop();
                std::thread::yield_now();
            }
        });
        let connection = &store.connection;
        let ask = || connection.query_row(endless, [], |_| Ok(()));
        let ended = stopper.interruptible(connection.get_interrupt_handle(), ask);
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        ended
    });
    assert!(ended.is_err());
    shred(&mut store, &[&events[0]], &[]);
    assert!(store.owes().is_some(), "it begins none any more");
    drop(store);
    let mut store = SqliteStore::open(&path).unwrap();
    store.settle();
    assert_eq!(store.owes(), None);
    assert!(!holds(folder.path(), &events[0].body().unwrap()[..32]));
}

#[test]
fn a_sweep_takes_a_twentieth_of_the_time_at_most() {
    // SPEC: DUR-15
    let mut pace = Pace::default();
    let began = Instant::now();
    assert!(pace.left(began).is_zero());
    // Seconds that it took, whether it failed, and seconds until the next.
    let rows = [(1, false, 60), (10, false, 200), (0, true, 120), (0, true, 240), (30, true, 600)];
    for (took, fails, gap) in rows {
        let ended = began + Duration::from_secs(took);
        pace.ran(began, ended, !fails);
        assert_eq!(pace.left(ended), Duration::from_secs(gap), "{took} {fails}");
    }
    (0..100).for_each(|_| pace.ran(began, began, false));
    assert_eq!(pace.left(began), Duration::from_mins(64));
}

#[test]
fn more_traces_than_are_kept_have_the_file_written_anew() {
    // SPEC: DUR-11
    let folder = folder();
    let mut store = SqliteStore::create(&folder.path().join("store.db")).unwrap();
    let traces = |from: usize, count: usize| -> BTreeSet<Trace> {
        let trace = |number: usize| {
            let mut trace = [0; TRACE_BYTES];
            trace[..8].copy_from_slice(&number.to_be_bytes());
            trace
        };
        (from..from + count).map(trace).collect()
    };
    for (more, is_kept) in [(99, true), (100, false)] {
        store.shredding = Shredding::default();
        store.must_shred(Some(traces(0, TRACES_MAX - 100)));
        store.must_shred(Some(traces(TRACES_MAX, more)));
        assert_eq!(store.shredding.traces.is_some(), is_kept, "{more}");
    }
    store.must_shred(Some(traces(0, 1)));
    assert!(store.shredding.traces.is_none(), "what was not kept is not forgotten");
}

#[test]
fn zeros_are_searched_for_nowhere_and_whatever_else_a_body_holds_is() {
    // SPEC: DUR-11
    assert_eq!(traces_of(&[0; 6_400], 1).count(), 0, "they stand in every file");
    let secret = b"not so many bytes as a trace";
    for (before, behind) in [(0, 0), (0, 70), (70, 0), (64, 64), (31, 33), (4_000, 4_000)] {
        let body = [&vec![0; before][..], secret, &vec![0; behind]].concat();
        let found: BTreeSet<u8> = traces_of(&body, 1).flatten().collect();
        let told = body.len() < TRACE_BYTES || secret.iter().all(|byte| found.contains(byte));
        assert!(told, "{before} zeros, and {behind} behind it");
    }
    // Of a chunk that is nearly all zeros the rest is found, wherever it stands.
    for at in [0, 1, CHUNK_STEP - 1, CHUNK_STEP, 3 * CHUNK_STEP + 7] {
        let mut chunk = vec![0; 5 * CHUNK_STEP * TRACE_BYTES];
        chunk[at * TRACE_BYTES] = 7;
        assert_eq!(traces_of(&chunk, CHUNK_STEP).count(), 1, "{at}");
    }
    assert_eq!(traces_of(&noise(1, 5 * CHUNK_STEP * TRACE_BYTES), CHUNK_STEP).count(), 6);
}
