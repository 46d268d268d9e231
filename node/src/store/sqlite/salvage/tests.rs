//! Every page of a store goes bad in turn, every log is torn, and every step of a salvage is the
//! last one of its process.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;

use kernelos_protocol::cbor::{Writer, encode};
use kernelos_protocol::event::{Header, Unsigned};
use kernelos_protocol::hash::SIGN_EVENT;
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::store::{LoadRequest, Slice};

use super::super::events;
use super::super::pages::PAGE_BYTES;
use super::super::tests::{events as kept_events, folder};
use super::*;

const OWN: DeviceId = DeviceId([9; 32]);

/// A store of some events, and of chunks on pages of their own; and what it gives.
fn closed(folder: &Path) -> (PathBuf, Slice, Vec<Chunk>) {
    let events = kept_events();
    let folder = folder.join(events[0].workspace().to_string());
    fs::create_dir(&folder).unwrap();
    let path = folder.join("store.db");
    let mut store = SqliteStore::create(&path).unwrap();
    store
        .write_meta(&Meta {
            workspace: events[0].workspace(),
            name: "home".to_owned(),
            device: "laptop".to_owned(),
            mode: Mode::Local,
            incarnation: Incarnation([1; 8]),
            introducer: None,
        })
        .unwrap();
    let mut dice = 1_u8;
    let chunks: Vec<_> = [40, 3_000, 9_000, 190_000, 100, 5_000]
        .map(|len| {
            dice += 1;
            Chunk::new(vec![dice; len]).unwrap()
        })
        .to_vec();
    let records = events.into_iter().map(Record::Event);
    let records: Vec<_> = records.chain(chunks.iter().cloned().map(Record::Chunk)).collect();
    store.commit(&records).unwrap();
    store.close().unwrap();
    let mut store = SqliteStore::take(&path, &OWN).unwrap();
    let slice = history(&mut store);
    store.close().unwrap();
    (path, slice, chunks)
}

fn history(store: &mut SqliteStore) -> Slice {
    store.load(&LoadRequest::From { cursor: 0, limit: 100 }).unwrap()
}

fn reasons(slice: &Slice) -> Vec<&str> {
    slice.notices.iter().map(|notice| notice.reason.as_str()).collect()
}

/// Puts a store's file back, and takes away what came beside it.
fn put_back(path: &Path, file: &[u8]) {
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    fs::write(path, file).unwrap();
}

#[test]
fn any_page_costs_only_what_stood_on_it() {
    // SPEC: DUR-7
    let folder = folder();
    let (path, whole, chunks) = closed(folder.path());
    let file = fs::read(&path).unwrap();
    let pages = Pages::open(&path).unwrap();
    let mut of_events = BTreeSet::new();
    for cell in pages.cells().unwrap() {
        let values = pages.record(&cell).unwrap().unwrap_or_default();
        if matches!(row(&values), Some(Row::Event(_))) {
            of_events.insert(cell.page);
        }
    }
    let (mut salvaged, mut lost) = (0, 0);
    for page in 1..=u32::try_from(file.len() / PAGE_BYTES).unwrap() {
        for byte in [0, 0x0d, 0xff] {
            put_back(&path, &file);
            let damaged = fs::OpenOptions::new().write(true).open(&path).unwrap();
            let at = u64::from(page - 1) * PAGE_BYTES as u64;
            damaged.write_all_at(&[byte; PAGE_BYTES], at).unwrap();
            let mut store = SqliteStore::take(&path, &OWN).unwrap();
            if store.load(&LoadRequest::From { cursor: 0, limit: 100 }).is_err() {
                drop(store);
                store = SqliteStore::salvage(&path, &OWN).unwrap();
            }
            let slice = history(&mut store);
            assert_eq!(slice.damaged, [], "page {page}");
            assert!(slice.events.iter().all(|event| whole.events.contains(event)), "page {page}");
            if slice.events.len() < whole.events.len() {
                lost += 1;
                assert!(of_events.contains(&page), "page {page} held no event");
            }
            let hashes = chunks.iter().map(Chunk::hash).collect();
            let kept = store.load(&LoadRequest::Chunks(hashes));
            assert!(kept.is_err() || kept.unwrap().chunks.len() + 1 >= chunks.len());
            if path.with_file_name("store.db.damaged-1").exists() {
                salvaged += 1;
                assert_ne!(slice.incarnation, whole.incarnation, "it is a new life");
                let told = ["store_salvaged: store.db.damaged-1", "new_life: store_damaged"];
                let reasons = reasons(&slice);
                let is_more = |reason: &&&str| !reason.starts_with(ROWS_LEFT_OUT);
                assert!(reasons.iter().filter(is_more).eq(told.iter()), "page {page}: {reasons:?}");
            }
        }
    }
    assert!(salvaged > 10 && lost > 0, "{salvaged} were salvaged, {lost} lost events");
}

#[test]
fn a_salvage_that_dies_at_any_step_is_gone_on_with() {
    // SPEC: DUR-7
    let folder = folder();
    let (path, whole, _) = closed(folder.path());
    let mut file = fs::read(&path).unwrap();
    file[..100].fill(0xff);
    let steps: [fn(&Path); 4] = [
        |path| fs::write(path.with_file_name(UNFINISHED), "half of it").unwrap(),
        |path| {
            let fresh = path.with_file_name(UNFINISHED);
            fill(path, &fresh, &OWN).unwrap();
            fs::rename(&fresh, path.with_file_name(SALVAGED)).unwrap();
        },
        |path| fs::rename(wal::path_of(path), wal::path_of(&aside(path))).unwrap(),
        |path| fs::rename(path, aside(path)).unwrap(),
    ];
    for last in 0..steps.len() {
        put_back(&path, &file);
        fs::write(wal::path_of(&path), "the log").unwrap();
        steps[usize::from(last > 0)..=last].iter().for_each(|step| step(&path));
        let mut store = SqliteStore::take(&path, &OWN).unwrap();
        assert_eq!(history(&mut store).events, whole.events, "after step {last}");
        let kept = fs::read(path.with_file_name("store.db.damaged-1")).unwrap();
        assert_eq!(kept[100..], file[100..], "after step {last}");
        // A log beside the new file would make it the old one again.
        let log = fs::read(wal::path_of(&path.with_file_name("store.db.damaged-1")));
        assert!(last == 0 || log.unwrap() == b"the log", "after step {last}");
        assert!(
            !path.with_file_name(SALVAGED).exists() && !path.with_file_name(UNFINISHED).exists()
        );
    }
}

#[test]
fn a_flipped_bit_in_the_log_is_told_where_a_commit_stood_behind_it() {
    // SPEC: DUR-7
    let folder = folder();
    let (path, ..) = closed(folder.path());
    let mut store = SqliteStore::open(&path).unwrap();
    for byte in 1..8 {
        store.commit(&[Record::Chunk(Chunk::new(vec![byte; 60]).unwrap())]).unwrap();
    }
    let (file, log) = (fs::read(&path).unwrap(), fs::read(wal::path_of(&path)).unwrap());
    drop(store);
    let frame = 24 + PAGE_BYTES;
    let last = log.len() - frame;
    for at in (0..log.len()).step_by(211) {
        put_back(&path, &file);
        let mut torn = log.clone();
        torn[at] ^= 1 << (at % 8);
        fs::write(wal::path_of(&path), torn).unwrap();
        let slice = history(&mut SqliteStore::take(&path, &OWN).unwrap());
        let told = reasons(&slice).contains(&"log_tail_dropped");
        // The last commit's own words may be what is damaged: then nothing says that it was one.
        assert!(told || at >= last, "byte {at}: {:?}", reasons(&slice));
    }
    for whole in [&log[..], &log[..last], &log[..last + 9], &[]] {
        put_back(&path, &file);
        fs::write(wal::path_of(&path), whole).unwrap();
        let slice = history(&mut SqliteStore::take(&path, &OWN).unwrap());
        assert_eq!(reasons(&slice), Vec::<&str>::new());
    }
}

/// An envelope of these parts, whatever they say.
fn envelope(header: &Header, signature: Option<&[u8; 64]>, body: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.array(3).bytes(&encode(header));
    writer.bytes_or_null(signature.map(|signature| &signature[..]));
    writer.bytes_or_null(body);
    writer.finish()
}

#[test]
fn a_file_that_lies_with_right_checks_gets_nothing_in() {
    // SPEC: DUR-7, EVT-12
    let folder = folder();
    let (path, whole, _) = closed(folder.path());
    let file = fs::read(&path).unwrap();
    let last = whole.events.last().unwrap();
    let (header, body) = (last.header().clone(), last.body());
    let signature = DeviceKey::from_secret(&[7; 32]).sign(SIGN_EVENT, &last.id().0);
    let later = Header { stamp: Stamp(header.stamp.0 + 1), ..header.clone() };
    let next = Header { seq: header.seq + 1, prev: Some(last.id()), ..later.clone() };
    let of_another = DeviceKey::from_secret(&[8; 32]);
    let strange = Header { workspace: WorkspaceId([5; 32]), ..later.clone() };
    let strange = Header { author: of_another.device(), ..strange };
    let strange = Unsigned { header: strange, body: body.map(<[u8]>::to_vec) };
    let lies: [(&str, Vec<u8>); 5] = [
        ("another header", envelope(&later, Some(&signature), body)),
        ("another body", envelope(&header, Some(&signature), Some(&[1; 40]))),
        ("a signature of nobody", envelope(&next, Some(&[7; 64]), body)),
        ("no signature, and nothing behind it", envelope(&next, None, body)),
        ("of another workspace", strange.sign(&of_another).unwrap().encode()),
    ];
    for (what, lie) in lies {
        put_back(&path, &file);
        let store = SqliteStore::open(&path).unwrap();
        let insert = "INSERT INTO event (chain, seq, fork, envelope, row_check)
            SELECT chain, seq + 1, 0, ?1, ?2 FROM event ORDER BY arrival DESC LIMIT 1";
        let row = rusqlite::params![lie, &events::row_check(&lie)[..]];
        store.connection.execute(insert, row).unwrap();
        let lie = "UPDATE chunk SET bytes = zeroblob(40) WHERE length(bytes) = 100";
        store.connection.execute(lie, []).unwrap();
        store.close().unwrap();
        let mut damaged = fs::read(&path).unwrap();
        damaged[..100].fill(0xff);
        fs::write(&path, damaged).unwrap();
        let mut store = SqliteStore::take(&path, &OWN).unwrap();
        let slice = history(&mut store);
        assert_eq!(slice.events, whole.events, "{what}");
        let told = reasons(&slice).contains(&"rows_left_out: 2");
        assert!(told, "{what}: {:?}", reasons(&slice));
    }
}

#[test]
fn a_log_that_lost_its_tail_is_told_once_though_the_process_dies_behind_it() {
    // SPEC: DUR-7
    let folder = folder();
    let (path, ..) = closed(folder.path());
    let mut store = SqliteStore::open(&path).unwrap();
    for byte in 1..8 {
        store.commit(&[Record::Chunk(Chunk::new(vec![byte; 60]).unwrap())]).unwrap();
    }
    let (file, mut log) = (fs::read(&path).unwrap(), fs::read(wal::path_of(&path)).unwrap());
    drop(store);
    log[24 + PAGE_BYTES / 2] ^= 1;
    put_back(&path, &file);
    fs::write(wal::path_of(&path), log).unwrap();
    let mut store = SqliteStore::take(&path, &OWN).unwrap();
    let told = history(&mut store);
    assert!(reasons(&told).contains(&"log_tail_dropped"));
    // What is on the disk while nobody has closed it.
    let (file, log) = (fs::read(&path).unwrap(), fs::read(wal::path_of(&path)).unwrap());
    drop(store);
    put_back(&path, &file);
    fs::write(wal::path_of(&path), log).unwrap();
    let again = history(&mut SqliteStore::take(&path, &OWN).unwrap());
    assert_eq!((&again.incarnation, &again.notices), (&told.incarnation, &told.notices));
}

#[test]
fn the_store_of_another_device_is_refused_and_left_alone() {
    // SPEC: DUR-8
    let folder = folder();
    let (path, whole, _) = closed(folder.path());
    let kept = fs::read(&path).unwrap();
    let refused = SqliteStore::take(&path, &DeviceId([8; 32])).map(drop).unwrap_err();
    assert!(refused.to_string().contains("this is the store of device"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), kept);
    let elsewhere = folder.path().join(WorkspaceId([7; 32]).to_string());
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(&path, elsewhere.join("store.db")).unwrap();
    let refused = SqliteStore::take(&elsewhere.join("store.db"), &OWN).map(drop).unwrap_err();
    assert!(refused.to_string().contains("this is the store of workspace"), "{refused}");
    assert_eq!(history(&mut SqliteStore::take(&path, &OWN).unwrap()).events, whole.events);
}

#[test]
fn no_bytes_make_it_fail() {
    // SPEC: DUR-7
    let folder = folder();
    let (path, whole, _) = closed(folder.path());
    let file = fs::read(&path).unwrap();
    let mut dice = 88_172_645_463_325_252_u64;
    for round in 0..60 {
        let mut bytes = file.clone();
        for _ in 0..=round * 20 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let at = usize::try_from(dice >> 16).unwrap() % bytes.len();
            bytes[at] = dice.to_le_bytes()[0];
        }
        put_back(&path, &bytes);
        fs::write(wal::path_of(&path), &bytes[..bytes.len() / 2]).unwrap();
        let mut store = SqliteStore::salvage(&path, &OWN).unwrap();
        let slice = history(&mut store);
        assert_eq!(slice.damaged, [], "round {round}");
        assert!(slice.events.iter().all(|event| whole.events.contains(event)), "round {round}");
    }
}
