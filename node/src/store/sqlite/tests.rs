//! SQLite keeps the contract of stores, and tells what is damaged.

use std::sync::Arc;

use kernelos_protocol::artifact::Chunk;
use kernelos_protocol::event::{Header, Proving, Run, Runs, Unsigned, Verified};
use kernelos_protocol::id::Lane;
use kernelos_protocol::key::{DeviceKey, RecoveryKey};
use kernelos_protocol::limits::QUOTA_MAKES;
use kernelos_protocol::replica::{Config, Output, Replica};
use kernelos_protocol::store::{Sought, contract};

use super::*;

/// A folder that goes away with the test.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("kern").tempdir().unwrap()
}

pub(super) fn events() -> Vec<Verified> {
    let config = Config {
        secret: [7; 32],
        incarnation: Incarnation([1; 8]),
        seed: [2; 32],
        workspace: WorkspaceId::UNBORN,
        workspace_name: "home".to_owned(),
        device_name: "laptop".to_owned(),
        mode: Mode::Local,
        runs: false,
        quota: QUOTA_MAKES,
    };
    let recovery = RecoveryKey::from_bytes([3; 32]).public();
    let mut replica = Replica::found(config, recovery, crate::clock::now()).unwrap();
    let mut events = Vec::new();
    while let Some(output) = replica.poll_output() {
        if let Output::Persist(records) = output {
            events.extend(records.into_iter().filter_map(|record| match record {
                Record::Event(event) => Some(event),
                _ => None,
            }));
        }
    }
    events
}

#[test]
fn sqlite_keeps_the_contract() {
    // SPEC: DUR-1
    let folder = folder();
    let path = folder.path().join("store.db");
    drop(SqliteStore::create(&path).unwrap());
    contract::check(&mut || Box::new(SqliteStore::open(&path).unwrap()), &events());
}

#[test]
fn an_event_without_its_signature_is_kept_with_its_run_and_gets_it_later() {
    // SPEC: EVT-12, DUR-1
    let folder = folder();
    let path = folder.path().join("store.db");
    let key = DeviceKey::from_secret(&[7; 32]);
    let mut events = events();
    let last = events.last().unwrap();
    let header = last.header();
    let (seq, prev, body) = (header.seq + 1, Some(last.id()), last.body().map(<[u8]>::to_vec));
    let header = Header { seq, prev, parents: Vec::new(), ..header.clone() };
    events.push(Unsigned { header, body }.sign(&key).unwrap());
    let [first, second] = [3, 4].map(|at: usize| Run::of(events[at].clone()).unwrap());
    let run = first.join(second).unwrap();
    let mut store = SqliteStore::create(&path).unwrap();
    let control = events[..3].iter().chain(run.events()).cloned().map(Record::Event);
    store.commit(&control.collect::<Vec<_>>()).unwrap();
    let mut store = SqliteStore::open(&path).unwrap();
    let kept = contract::read_all(&mut store, 2);
    assert_eq!(Runs::of(kept.clone()).last(), Some(&run));
    assert_eq!(kept[3].encode(), run.events()[0].encode(), "as it came");
    store.commit(&[Record::Event(events[3].clone())]).unwrap();
    let kept = contract::read_all(&mut store, 2);
    assert_eq!(kept[3].encode(), events[3].encode(), "what is known more is kept");
    store.commit(&[Record::Event(run.events()[0].clone())]).unwrap();
    assert!(contract::read_all(&mut store, 2)[3].is_signed(), "and never lost");
}

#[test]
fn an_event_that_came_without_its_body_gets_it_later() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let events = events();
    let bare = events[3].without_body().unwrap();
    let first = events[..3].iter().cloned().chain([bare]).map(Record::Event).collect::<Vec<_>>();
    store.commit(&first).unwrap();
    store.commit(&[Record::Event(events[3].clone())]).unwrap();
    let slice = store.load(&LoadRequest::From { cursor: 0, limit: 10 }).unwrap();
    assert_eq!(slice.events, events);
}

#[test]
fn a_commit_waits_for_the_disk() {
    // SPEC: DUR-1
    let folder = folder();
    let path = folder.path().join("store.db");
    drop(SqliteStore::create(&path).unwrap());
    let store = SqliteStore::open(&path).unwrap();
    let full: i64 =
        store.connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    let mode: String =
        store.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!((full, mode.as_str()), (2, "wal"));
}

#[test]
fn a_damaged_row_is_told_and_not_given_out() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let events = events();
    let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    store.commit(&records).unwrap();
    let envelope = events[3].encode();
    for at in 0..envelope.len() {
        let mut damaged = envelope.clone();
        damaged[at] ^= 1;
        let update = "UPDATE event SET envelope = ?1 WHERE arrival = 4";
        store.connection.execute(update, [damaged]).unwrap();
        let slice = store.load(&LoadRequest::From { cursor: 0, limit: 10 }).unwrap();
        assert_eq!(slice.events, events[..3], "byte {at}");
        assert_eq!(slice.damaged.len(), 1, "byte {at}");
        let asked = LoadRequest::Events(vec![contract::place_of(&events[3])]);
        let slice = store.load(&asked).unwrap();
        assert!(slice.events.is_empty() && slice.damaged.len() == 1, "byte {at}");
        let header = Some(Arc::new(events[3].header().clone()));
        let sought = Sought { place: contract::place_of(&events[3]), header };
        let slice = store.load(&LoadRequest::Sought(vec![sought])).unwrap();
        assert!(slice.events.is_empty() && slice.damaged.len() == 1, "byte {at}");
    }
}

#[test]
fn an_event_that_comes_again_heals_its_row_where_it_stood() {
    // SPEC: DUR-6
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let events = events();
    let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    store.commit(&records).unwrap();
    for damage in ["envelope = x'00'", "row_check = x'00'", "envelope = zeroblob(9), seq = seq"] {
        let update = format!("UPDATE event SET {damage} WHERE arrival = 2");
        store.connection.execute(&update, []).unwrap();
        let slice = store.load(&LoadRequest::From { cursor: 0, limit: 10 }).unwrap();
        let place = contract::place_of(&events[1]);
        assert_eq!(slice.damaged[0].at, Some((place.chain, place.seq)));
        store.commit(&records[1..2]).unwrap();
        let slice = store.load(&LoadRequest::From { cursor: 0, limit: 10 }).unwrap();
        assert_eq!((slice.events, slice.damaged), (events.clone(), vec![]), "{damage}");
    }
}

#[test]
fn a_row_whose_check_holds_is_read_as_it_was_written_and_proves_nothing_to_a_salvage() {
    // SPEC: DUR-19
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let events = events();
    let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    store.commit(&records).unwrap();
    // The last byte of a body is another one: the event's signature does not cover it, a hash does.
    let is_content = |event: &Verified| event.header().lane == Lane::Content;
    let at = events.iter().position(is_content).unwrap();
    let mut altered = events[at].encode();
    *altered.last_mut().unwrap() ^= 1;
    assert!(Verified::try_from(altered.clone()).is_err());
    let update =
        format!("UPDATE event SET envelope = ?1, row_check = ?2 WHERE arrival = {}", at + 1);
    let check = events::row_check(&altered);
    for (check, is_given) in [(&check[..], true), (&[0; 16][..], false), (&check[..15], false)] {
        store.connection.execute(&update, params![altered, check]).unwrap();
        let slice = store.load(&LoadRequest::From { cursor: 0, limit: 10 }).unwrap();
        let given = slice.events.get(at).filter(|given| given.id() == events[at].id());
        assert_eq!(given.map(Verified::encode), is_given.then(|| altered.clone()));
        assert_eq!(slice.damaged.len(), usize::from(!is_given));
    }
    let mut proving = Proving::of(events[0].workspace());
    let proven: Vec<_> =
        [&events[0].encode(), &altered].iter().flat_map(|row| proving.push(row)).collect();
    assert_eq!(proven, events[..1]);
}

/// A store of some events on the disk, closed; its bytes, and the events.
fn closed(path: &Path) -> (Vec<u8>, Vec<Verified>) {
    let mut store = SqliteStore::create(path).unwrap();
    let events = events();
    let records: Vec<_> = events.iter().cloned().map(Record::Event).collect();
    store.commit(&records).unwrap();
    drop(store);
    (std::fs::read(path).unwrap(), events)
}

#[test]
fn a_flipped_bit_anywhere_in_the_file_is_an_error_or_told_and_gives_out_nothing_false() {
    // SPEC: DUR-6
    let folder = folder();
    let path = folder.path().join("store.db");
    let (file, events) = closed(&path);
    let (mut refused, mut told) = (0, 0);
    for at in (0..file.len()).step_by(97) {
        let mut flipped = file.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, flipped).unwrap();
        let slice = SqliteStore::open(&path)
            .and_then(|mut store| store.load(&LoadRequest::From { cursor: 0, limit: 100 }));
        let Ok(slice) = slice else {
            refused += 1;
            continue;
        };
        told += usize::from(!slice.damaged.is_empty());
        assert!(slice.events.iter().all(|event| events.contains(event)), "offset {at}");
    }
    assert!(refused > 0 && told > 0, "{refused} refused, {told} told");
}

#[test]
fn a_torn_tail_of_the_log_loses_what_is_behind_it_and_nothing_before() {
    // SPEC: DUR-1
    let folder = folder();
    let (path, torn) = (folder.path().join("store.db"), folder.path().join("torn.db"));
    let mut store = SqliteStore::create(&path).unwrap();
    let events = events();
    for event in &events {
        store.commit(&[Record::Event(event.clone())]).unwrap();
    }
    let wal = std::fs::read(folder.path().join("store.db-wal")).unwrap();
    let mut counts = std::collections::BTreeSet::new();
    for len in (0..=wal.len()).step_by(1_531) {
        std::fs::copy(&path, &torn).unwrap();
        std::fs::write(folder.path().join("torn.db-wal"), &wal[..len]).unwrap();
        // As long as its first page is not there it is no store yet.
        if let Ok(mut store) = SqliteStore::open(&torn)
            && let Ok(slice) = store.load(&LoadRequest::From { cursor: 0, limit: 100 })
        {
            assert_eq!(slice.damaged, [], "{len} bytes");
            assert_eq!(slice.events, events[..slice.events.len()], "{len} bytes");
            counts.insert(slice.events.len());
        }
        std::fs::remove_file(folder.path().join("torn.db-wal")).ok();
    }
    assert!(counts.len() > 2, "{counts:?}");
}

#[test]
fn a_damaged_chunk_counts_as_missing_and_is_kept_anew() {
    // SPEC: ART-7
    let folder = folder();
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    let chunk = Chunk::new((0..200).collect()).unwrap();
    let asked = LoadRequest::Chunks(vec![chunk.hash()]);
    for at in 0..chunk.bytes().len() {
        store.commit(&[Record::Chunk(chunk.clone())]).unwrap();
        let whole = Slice { chunks: vec![chunk.clone()], ..Slice::default() };
        assert_eq!(store.load(&asked).unwrap(), whole, "byte {at}");
        let mut damaged = chunk.bytes().to_vec();
        damaged[at] ^= 1;
        store.connection.execute("UPDATE chunk SET bytes = ?1", [damaged]).unwrap();
        assert_eq!(store.load(&asked).unwrap(), Slice::default(), "byte {at}");
    }
}

#[test]
fn a_store_of_the_first_version_gets_what_later_ones_added() {
    // SPEC: ART-7, DUR-4
    let folder = folder();
    let path = folder.path().join("store.db");
    let events = events();
    let mut store = SqliteStore::create(&path).unwrap();
    store.commit(&events.iter().cloned().map(Record::Event).collect::<Vec<_>>()).unwrap();
    let added = "DROP TABLE chunk; DROP TABLE receipt; DROP TABLE notice; PRAGMA user_version = 1";
    store.connection.execute_batch(added).unwrap();
    drop(store);
    let mut store = SqliteStore::open(&path).unwrap();
    let notice = kernelos_protocol::notice::Notice {
        slot: 1,
        number: 2,
        device: DeviceId([3; 32]),
        reason: "hello".to_owned(),
        stamp: kernelos_protocol::time::Stamp(4),
        after: 5,
        times: 6,
    };
    store.commit(&[Record::Notice(notice.clone())]).unwrap();
    let chunk = Chunk::new(vec![7; 40]).unwrap();
    store.commit(&[Record::Chunk(chunk.clone())]).unwrap();
    drop(store);
    let mut store = SqliteStore::open(&path).unwrap();
    let slice = store.load(&LoadRequest::Chunks(vec![chunk.hash()])).unwrap();
    assert_eq!(slice.chunks, [chunk]);
    let slice = store.load(&LoadRequest::From { cursor: 0, limit: 10 }).unwrap();
    assert_eq!((slice.events, slice.notices), (events.clone(), vec![notice]));
    let path = path.with_file_name("empty.db");
    let store = SqliteStore::create(&path).unwrap();
    store.connection.execute_batch(added).unwrap();
    drop(store);
    contract::check(&mut || Box::new(SqliteStore::open(&path).unwrap()), &events);
}

#[test]
fn a_newer_store_is_refused_and_another_file_is_none() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let store = SqliteStore::create(&path).unwrap();
    store.connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    drop(store);
    let refused = SqliteStore::open(&path).err().map(|error| to_failure(&error)).unwrap();
    assert!(refused.message.contains("newer"), "a newer store is refused");
    assert!(refused.hint.is_some_and(|hint| hint.contains("upgrade kern")));
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let refused = SqliteStore::open(&other).err().map(|error| error.to_string());
    assert!(refused.unwrap().contains("no KernelOS store"));
}

#[test]
fn a_failed_fsync_stops_the_process_and_a_full_disk_does_not() {
    // SPEC: DUR-2, DUR-3
    let error = |code| store_error(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    assert!(error(ffi::SQLITE_IOERR_FSYNC).is_fatal());
    assert!(error(ffi::SQLITE_IOERR_DIR_FSYNC).is_fatal());
    assert!(!error(ffi::SQLITE_IOERR_WRITE).is_fatal());
    assert_eq!(error(ffi::SQLITE_FULL), StoreError::Full);
}

#[test]
fn what_a_store_is_was_said_once() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let meta = Meta {
        workspace: WorkspaceId([1; 32]),
        name: "home".to_owned(),
        device: "laptop".to_owned(),
        mode: Mode::Local,
        incarnation: Incarnation([2; 8]),
        introducer: Some((DeviceId([3; 32]), vec!["192.0.2.1:7".parse().unwrap()])),
    };
    let mut store = SqliteStore::create(&path).unwrap();
    store.write_meta(&meta).unwrap();
    assert!(store.write_meta(&meta).is_err());
    drop(store);
    assert_eq!(SqliteStore::open(&path).unwrap().meta(), Ok(meta));
}
