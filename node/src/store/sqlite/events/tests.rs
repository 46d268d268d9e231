//! Rows of several events: what goes into one, and what becomes of one that is damaged.

use std::path::Path;

use kernelos_protocol::event::{BodyRef, Class, Header, Run, Unsigned, Verified};
use kernelos_protocol::hash::{context, hash};
use kernelos_protocol::id::{EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{FRAME_EVENTS_MAX, PACKED_BYTES_MAX, PACKED_EVENTS_MIN};
use kernelos_protocol::store::contract::{place_of, read_all};
use kernelos_protocol::store::{EventStore as _, LoadRequest, Record, StoreError};
use kernelos_protocol::time::Stamp;

use super::super::tests::folder;
use super::super::{SqliteStore, rows};

const WORKSPACE: WorkspaceId = WorkspaceId([2; 32]);

fn event(workspace: WorkspaceId, before: Option<&Verified>, class: Class, len: usize) -> Verified {
    let key = DeviceKey::from_secret(&[7; 32]);
    let seq = before.map_or(0, |before| before.header().seq + 1);
    let salt = class.salt_bytes();
    let mut body = vec![seq.to_le_bytes()[0]; len + 2 * salt];
    if salt > 0 {
        // It commits to its salt, as an honest one: else it would come without its body.
        let commitment = hash(context::SALT, &[&body[..salt]]);
        body[salt..2 * salt].copy_from_slice(&commitment);
    }
    let header = Header {
        workspace,
        lane: Lane::Content,
        author: key.device(),
        incarnation: Incarnation([9; 8]),
        seq,
        prev: before.map(Verified::id),
        parents: Vec::new(),
        heard: vec![EventId([2; 32])],
        stamp: Stamp(1_700_000_000_000_000 + seq * 1_000),
        class,
        epoch: Some(EventId([4; 32])),
        body: Some(BodyRef::of(&body[salt..])),
    };
    Unsigned { header, body: Some(body) }.sign(&key).unwrap()
}

/// Events of one chain, each with its signature and a body of so many bytes.
fn sized(workspace: WorkspaceId, sizes: impl IntoIterator<Item = usize>) -> Vec<Verified> {
    let mut events: Vec<Verified> = Vec::new();
    for len in sizes {
        events.push(event(workspace, events.last(), Class::Sealed, len));
    }
    events
}

/// Events of one chain of content.
pub(in crate::store) fn chain(workspace: WorkspaceId, count: usize) -> Vec<Verified> {
    sized(workspace, (0..count).map(|_| 60))
}

/// The same as one run, so that only the last carries its signature.
pub(in crate::store) fn joined(events: &[Verified]) -> Vec<Verified> {
    let runs = events.iter().cloned().filter_map(Run::of);
    runs.reduce(|run, next| run.join(next).unwrap()).unwrap().into_events()
}

fn records(events: &[Verified]) -> Vec<Record> {
    events.iter().cloned().map(Record::Event).collect()
}

fn envelopes(events: &[Verified]) -> Vec<Vec<u8>> {
    events.iter().map(Verified::encode).collect()
}

fn counts(store: &SqliteStore) -> Vec<i64> {
    let mut query = store.connection.prepare("SELECT count FROM event ORDER BY arrival").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn store(path: &Path) -> SqliteStore {
    SqliteStore::create(&path.join("store.db")).unwrap()
}

#[test]
fn what_one_turn_brings_of_a_chain_is_a_row_and_less_is_a_row_each() {
    // SPEC: DUR-20
    let few = PACKED_EVENTS_MIN - 1;
    let long = chain(WORKSPACE, FRAME_EVENTS_MAX + 30);
    let head = chain(WORKSPACE, few + 1);
    let no_end = joined(&long[..60]);
    let mut with_a_salt = chain(WORKSPACE, 9);
    for _ in 0..9 {
        with_a_salt.push(event(WORKSPACE, with_a_salt.last(), Class::Shreddable, 60));
    }
    assert!(with_a_salt.iter().all(|event| event.body().is_some()));
    let mut with_no_body = chain(WORKSPACE, 20);
    with_no_body[9] = with_no_body[9].without_body().unwrap();
    let large = sized(WORKSPACE, (0..30).map(|_| PACKED_BYTES_MAX / 10));
    let one = |count: usize| vec![1; count];
    let rows: [(&str, Vec<Verified>, Vec<i64>); 8] = [
        ("few", head[..few].to_vec(), one(few)),
        ("enough", head.clone(), vec![few as i64 + 1]),
        ("as many as a frame has", long.clone(), vec![FRAME_EVENTS_MAX as i64, 30]),
        ("a run", joined(&long[..60]), vec![60]),
        ("no end", no_end[..59].to_vec(), one(59)),
        ("what may be shredded", with_a_salt, [vec![9], one(9)].concat()),
        ("no body", with_no_body, vec![9, 1, 10]),
        ("large ones", large, vec![9, 9, 9, 1, 1, 1]),
    ];
    for (what, events, expected) in rows {
        let folder = folder();
        let mut store = store(folder.path());
        store.commit(&records(&events)).unwrap();
        assert_eq!(counts(&store), expected, "{what}");
        assert_eq!(envelopes(&read_all(&mut store, 50)), envelopes(&events), "{what}");
    }
}

#[test]
fn a_row_that_is_written_stays_as_it_is_whatever_comes_behind_it() {
    // SPEC: DUR-20
    let folder = folder();
    let mut store = store(folder.path());
    let events = chain(WORKSPACE, 40);
    for event in &events[..10] {
        store.commit(&records(std::slice::from_ref(event))).unwrap();
    }
    store.commit(&records(&events[10..25])).unwrap();
    store.commit(&records(&events[25..30])).unwrap();
    // Of what a turn brings the first is here already: the rest is kept one by one.
    store.commit(&records(&events[29..])).unwrap();
    let expected = [vec![1; 10], vec![15], vec![1; 15]].concat();
    assert_eq!(counts(&store), expected);
    drop(store);
    let mut store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    let more = chain(WORKSPACE, 60);
    store.commit(&records(&more[40..])).unwrap();
    assert_eq!(counts(&store), [&expected[..], &[20]].concat());
    assert_eq!(envelopes(&read_all(&mut store, 7)), envelopes(&more));
}

#[test]
fn a_damaged_row_of_several_is_told_by_place_and_healed_in_whatever_form_they_come() {
    // SPEC: DUR-6, DUR-20
    let folder = folder();
    let path = folder.path().join("store.db");
    let all = chain(WORKSPACE, 50);
    let run = joined(&all[10..40]);
    let mut store = store(folder.path());
    for part in [&all[..10], &run, &all[40..]] {
        store.commit(&records(part)).unwrap();
    }
    let whole = read_all(&mut store, 64);
    let damage = |store: &SqliteStore, what: &str| {
        let update = format!("UPDATE event SET {what} WHERE seq = 10 AND fork = 0");
        store.connection.execute(&update, []).unwrap();
    };
    store.connection.execute_batch("CREATE TABLE was AS SELECT * FROM event").unwrap();
    let reset = "DELETE FROM event; INSERT INTO event SELECT * FROM was";
    let damages = ["envelope = x'00'", "row_check = x'00'", "row_check = x'00', count = 9000"];
    for what in damages {
        for limit in [1, 9, 64] {
            store.connection.execute_batch(reset).unwrap();
            damage(&store, what);
            let (mut told, mut read, mut next) = (Vec::new(), Vec::new(), Some(0));
            while let Some(cursor) = next {
                let slice = store.load(&LoadRequest::From { cursor, limit }).unwrap();
                told.extend(slice.damaged.into_iter().filter_map(|damage| damage.at));
                read.extend(slice.events);
                next = slice.next;
            }
            let lost: Vec<_> = run.iter().map(|e| (e.chain(), e.header().seq)).collect();
            assert_eq!(told, lost, "{what}");
            let rest = [&all[..10], &all[40..]].concat();
            assert_eq!(envelopes(&read), envelopes(&rest), "{what}: the rest is given");
            let asked = all[9..13].iter().map(place_of).collect();
            let slice = store.load(&LoadRequest::Events(asked)).unwrap();
            assert_eq!((slice.events.len(), slice.damaged.len()), (1, 3), "{what}");
        }
        let backwards: Vec<_> = run.iter().rev().cloned().collect();
        let by_one = |events: &[Verified]| events.chunks(1).map(records).collect::<Vec<_>>();
        let forms = [
            vec![records(&run)],
            vec![records(&all[10..40])],
            by_one(&run),
            by_one(&backwards),
            vec![records(&run[..12]), records(&run[12..])],
        ];
        for (form, commits) in forms.into_iter().enumerate() {
            store.connection.execute_batch(reset).unwrap();
            damage(&store, what);
            drop(store);
            store = SqliteStore::open(&path).unwrap();
            for records in commits {
                store.commit(&records).unwrap();
            }
            let slice = store.load(&LoadRequest::From { cursor: 0, limit: 64 }).unwrap();
            assert_eq!(slice.damaged, [], "{what}, form {form}");
            assert_eq!(slice.events, whole, "{what}, form {form}: where they stood");
            assert_eq!(slice.kept, 50, "{what}, form {form}");
        }
    }
}

#[test]
fn of_a_damaged_row_of_several_what_it_proves_stands_again_with_the_first_that_comes() {
    // SPEC: DUR-6, DUR-20
    let all = chain(WORKSPACE, 20);
    let flip = |row: &[u8], at: usize| {
        let mut row = row.to_vec();
        row[at] ^= 1;
        row
    };
    for (what, events, proven) in
        [("the check", &all, 0..20), ("a body", &all, 0..9), ("a run", &joined(&all), 0..0)]
    {
        let folder = folder();
        let mut store = store(folder.path());
        store.commit(&records(events)).unwrap();
        let query = "SELECT envelope FROM event";
        let row: Vec<u8> = store.connection.query_row(query, [], |row| row.get(0)).unwrap();
        let is_ninth = |at: &usize| row[*at..].starts_with(&[9; 40]);
        let at = (0..row.len()).find(is_ninth).unwrap();
        let damaged = if what == "the check" { row.clone() } else { flip(&row, at) };
        let update = "UPDATE event SET row_check = x'00', envelope = ?1";
        store.connection.execute(update, [damaged]).unwrap();
        store.commit(&records(&all[3..5])).unwrap();
        let slice = store.load(&LoadRequest::From { cursor: 0, limit: 64 }).unwrap();
        let is_there = |at: &usize| proven.contains(at) || (3..5).contains(at);
        let (there, lost): (Vec<_>, Vec<_>) = (0..20).partition(is_there);
        let there: Vec<_> = there.into_iter().map(|at| all[at].clone()).collect();
        assert_eq!(slice.events, there, "{what}");
        let told: Vec<_> = slice.damaged.iter().filter_map(|damage| damage.at).collect();
        let lost: Vec<_> =
            lost.into_iter().map(|at| (all[at].chain(), all[at].header().seq)).collect();
        assert_eq!(told, lost, "{what}");
        assert_eq!(slice.kept, 20, "{what}");
    }
}

#[test]
fn a_fork_beside_a_damaged_row_that_proves_the_others_is_kept_with_them() {
    // SPEC: DUR-6, DUR-20
    let folder = folder();
    let mut store = store(folder.path());
    let all = chain(WORKSPACE, 20);
    store.commit(&records(&all)).unwrap();
    store.connection.execute("UPDATE event SET row_check = x'00'", []).unwrap();
    let fork = event(WORKSPACE, Some(&all[6]), Class::Sealed, 61);
    store.commit(&records(std::slice::from_ref(&fork))).unwrap();
    let kept = read_all(&mut store, 64);
    assert_eq!(envelopes(&kept), envelopes(&[&all[..], &[fork]].concat()));
}

#[test]
fn a_row_whose_check_holds_reaches_as_far_as_it_says_whatever_its_count() {
    // SPEC: DUR-19, DUR-20
    let folder = folder();
    let path = folder.path().join("store.db");
    let all = chain(WORKSPACE, 60);
    for row in [0, 10, 40] {
        for count in [-1, 0, 1, 2, 19, 21, 31, 200, 9_000] {
            std::fs::remove_file(&path).ok();
            let mut store = store(folder.path());
            for part in [&all[..10], &all[10..40]] {
                store.commit(&records(part)).unwrap();
            }
            for event in &all[40..41] {
                store.commit(&records(std::slice::from_ref(event))).unwrap();
            }
            let newest = if row == 40 { 41 } else { 40 };
            if newest == 40 {
                store.connection.execute("DELETE FROM event WHERE seq = 40", []).unwrap();
            }
            let update = "UPDATE event SET count = ?1 WHERE seq = ?2";
            store.connection.execute(update, [count, row]).unwrap();
            drop(store);
            let what = format!("row {row}, count {count}");
            let mut store = SqliteStore::open(&path).unwrap();
            for limit in [1, 7, 64] {
                let (mut next, mut read) = (Some(0), Vec::new());
                while let Some(cursor) = next {
                    let slice = store.load(&LoadRequest::From { cursor, limit }).unwrap();
                    assert_eq!(slice.damaged, [], "{what}");
                    assert!(cursor > 0 || slice.kept == newest, "{what}: {}", slice.kept);
                    read.extend(slice.events);
                    next = slice.next;
                }
                assert_eq!(read, all[..usize::try_from(newest).unwrap()], "{what}");
            }
            let asked = all[9..40].iter().map(place_of).collect();
            let slice = store.load(&LoadRequest::Events(asked)).unwrap();
            assert_eq!((slice.events, slice.damaged), (all[9..40].to_vec(), vec![]), "{what}");
            let asked = vec![place_of(&all[39])];
            assert_eq!(store.load(&LoadRequest::Events(asked)).unwrap().events, all[39..40]);
            store.commit(&records(&all[usize::try_from(newest).unwrap()..])).unwrap();
            assert_eq!(envelopes(&read_all(&mut store, 64)), envelopes(&all), "{what}");
            assert_eq!(counts(&store).last(), Some(&(60 - newest as i64)), "{what}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_row_of_several_gives_out_none_of_them() {
    // SPEC: DUR-19, DUR-20
    let folder = folder();
    let mut store = store(folder.path());
    let events = joined(&chain(WORKSPACE, 12));
    store.commit(&records(&events)).unwrap();
    let row: Vec<u8> =
        store.connection.query_row("SELECT envelope FROM event", [], |row| row.get(0)).unwrap();
    for at in 0..row.len() {
        let mut damaged = row.clone();
        damaged[at] ^= 1;
        store.connection.execute("UPDATE event SET envelope = ?1", [damaged]).unwrap();
        let slice = store.load(&LoadRequest::From { cursor: 0, limit: 64 }).unwrap();
        assert_eq!((slice.events.len(), slice.damaged.len()), (0, 12), "byte {at}");
    }
}

#[test]
fn a_turn_that_found_no_room_is_kept_whole_when_there_is_some() {
    // SPEC: DUR-1, DUR-2
    let folder = folder();
    let mut store = store(folder.path());
    let events = sized(WORKSPACE, (0..200).map(|_| 400));
    store.commit(&records(&events[..30])).unwrap();
    let pages: i64 =
        store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
    assert_eq!(store.commit(&records(&events[30..])), Err(StoreError::Full));
    assert_eq!(read_all(&mut store, 64), events[..30]);
    store.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    store.commit(&records(&events[30..])).unwrap();
    assert_eq!(read_all(&mut store, 64), events);
    assert!(counts(&store).iter().all(|count| *count > 1));
}

#[test]
fn a_row_of_several_is_smaller_than_a_row_each() {
    // SPEC: DUR-20
    let bytes = |turns: Vec<Vec<Record>>| {
        let folder = folder();
        let mut store = store(folder.path());
        turns.iter().for_each(|records| store.commit(records).unwrap());
        let sum = "SELECT sum(length(envelope) + length(row_check)) FROM event";
        store.connection.query_row(sum, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let events = joined(&chain(WORKSPACE, 64));
    let alone = bytes(events.chunks(1).map(records).collect());
    let together = bytes(vec![records(&events)]);
    assert!(together * 3 < alone, "{together} bytes, and {alone} where each has a row");
}

#[test]
fn how_many_events_a_row_holds_is_told_by_it_and_not_beside_it() {
    // SPEC: DUR-19, DUR-20
    let events = joined(&chain(WORKSPACE, 10));
    let row = kernelos_protocol::store::packed::pack(&events.iter().collect::<Vec<_>>());
    let one = events[9].encode();
    for count in 0..FRAME_EVENTS_MAX as i64 {
        let read = |row: &[u8]| rows::read(count, row, &rows::row_check(row));
        assert_eq!(read(&row).as_ref(), Ok(&events), "{count}");
        assert_eq!(read(&one).as_deref(), Ok(&events[9..]), "{count}");
    }
}

#[test]
fn forks_of_all_that_rows_of_several_hold_read_each_row_once() {
    // SPEC: DUR-20
    let folder = folder();
    let mut store = store(folder.path());
    let all = chain(WORKSPACE, 2 * FRAME_EVENTS_MAX);
    store.commit(&records(&all)).unwrap();
    assert_eq!(counts(&store), [FRAME_EVENTS_MAX as i64; 2]);
    let fork =
        |at: usize| event(WORKSPACE, at.checked_sub(1).map(|at| &all[at]), Class::Sealed, 61);
    // From here and from there, so that neither row is the last one that was read.
    let half = (0..128).flat_map(|at| [at, at + FRAME_EVENTS_MAX]);
    let forks: Vec<_> = half.map(fork).collect();
    let before = rows::UNPACKED.get();
    store.commit(&records(&forks)).unwrap();
    assert!(rows::UNPACKED.get() - before <= 3, "{}", rows::UNPACKED.get() - before);
    let kept = read_all(&mut store, 64);
    assert_eq!(envelopes(&kept), envelopes(&[all, forks].concat()));
}
