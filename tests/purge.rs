//! An artifact is purged on one device, and no file of any other holds a byte of it any more.

use std::fs;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value as Json, json};

use crate::disks::store;
use crate::kern::{Home, until};
use crate::repository::Repository;

/// Does a file of the store hold these bytes?
fn holds(home: &Home, bytes: &[u8]) -> bool {
    let files =
        fs::read_dir(store(home).parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).any(|path| {
        let all = fs::read(path).unwrap();
        all.windows(bytes.len()).any(|window| window[0] == bytes[0] && window == bytes)
    })
}

/// The chunks of artifacts as a store keeps them.
fn chunks(home: &Home) -> Vec<Vec<u8>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(store(home), flags).unwrap();
    let mut query = connection.prepare("SELECT bytes FROM chunk").unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// The envelopes of an export, in their order.
fn envelopes(home: &Home, name: &str) -> Vec<Vec<u8>> {
    let file = home.file(name);
    home.run(&["export", "--events", file.to_str().unwrap()]).done();
    let bytes = fs::read(&file).unwrap();
    let (mut rest, mut envelopes) = (&bytes[16 + 4 + 32 + 8..bytes.len() - 32], Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (envelope, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        envelopes.push(envelope.to_vec());
        rest = behind;
    }
    envelopes
}

/// The bodies that the second list has no more, salts included.
fn lost(before: &[Vec<u8>], after: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let pairs = before.iter().zip(after).filter(|(before, after)| before != after);
    let body = |(before, after): (&Vec<u8>, &Vec<u8>)| {
        let end = after.len() - 1;
        assert_eq!((before[..end] == after[..end], after[end]), (true, 0xf6), "null, and no more");
        // The head of a byte string of less than 256 bytes, or of more.
        let head = match before[end] {
            0x58 => 2,
            0x59 => 3,
            other => panic!("{other:#x} begins no body"),
        };
        before[end + head..].to_vec()
    };
    pairs.map(body).collect()
}

fn row(home: &Home, event: &str) -> Json {
    home.log().into_iter().find(|row| row["id"] == event).unwrap_or_default()
}

#[test]
fn what_is_purged_is_in_no_file_of_any_device_and_a_newcomer_agrees() {
    // SPEC: DUR-11, EFF-11, EFF-12, SEAL-5, SYNC-16
    let [laptop, phone, tablet, keeper] = [Home::new(), Home::new(), Home::new(), Home::new()];
    laptop.init("home").done();
    let (_laptop, phone_node, _keeper) = (laptop.up(), phone.up(), keeper.up());
    laptop.pair(&keeper, "box", "store");
    laptop.pair(&phone, "phone", "member");
    until("the phone has the document", || (phone.get("notes") == json!({})).then_some(()));
    let repository = Repository::new();
    repository.mission(&laptop, "idle", &["true"]);
    let is_artifact = |row: &Json| row["kind"] == "artifact";
    let artifact = laptop.log().into_iter().find(is_artifact).unwrap();
    let artifact = artifact["id"].as_str().unwrap().to_owned();
    let kept = until("the phone has it all", || {
        let kept = chunks(&phone);
        (row(&phone, &artifact)["kind"] == "artifact" && !kept.is_empty()).then_some(kept)
    });
    let before = envelopes(&laptop, "before.events");

    let short = &artifact[..8];
    laptop.run(&["purge", short]).refused(2, "cannot be undone");
    laptop.run(&["purge", short, "--json"]).refused(2, "cannot be undone");
    phone.run(&["purge", short, "--yes"]).refused(5, "may not");
    let change = laptop.log().into_iter().find(|row| row["kind"] == "change").unwrap();
    let change = change["id"].as_str().unwrap();
    laptop.run(&["purge", change, "--yes"]).refused(1, "cannot be purged");
    let told = laptop.run(&["purge", short, "--yes", "--json"]).json();
    assert_eq!(told["purged"], json!([artifact]));
    assert_eq!(told["stores"], json!(["box"]), "it keeps a sealed copy");
    assert_eq!(laptop.run(&["mission", "list", "--json"]).json()[0]["purged"], json!([artifact]));
    laptop.run(&["purge", short, "--yes"]).refused(1, "purged already");

    let after = envelopes(&laptop, "after.events");
    let bodies = lost(&before, &after[..before.len()]);
    assert_eq!(bodies.len(), 1);
    let pieces: Vec<_> = bodies[0].chunks_exact(32).chain(kept[0].chunks_exact(32)).collect();
    until("the phone heard of it", || (row(&phone, &artifact)["kind"] == "purged").then_some(()));
    for home in [&laptop, &phone] {
        until("the files are searched and written", || chunks(home).is_empty().then_some(()));
        until("and nothing is owed", || home.status()["shredding"].is_null().then_some(()));
        assert!(!pieces.iter().any(|piece| holds(home, piece)), "a piece is left");
        let row = row(home, &artifact);
        assert_eq!(row["verdict"], "admitted");
        assert!(row["reason"].as_str().unwrap().starts_with("purged by "), "{row}");
        let shown = home.run(&["log", "--event", &artifact, "--json"]).json();
        assert_eq!((&shown["body"], &shown["facts"]), (&json!("purged"), &Json::Null));
        assert!(home.run(&["log", "--event", &artifact]).done().contains("destroyed"));
    }
    let purge = laptop.run(&["log", "--event", told["event"].as_str().unwrap(), "--json"]).json();
    assert_eq!(purge["facts"], json!({ "kind": "purge", "events": [artifact] }));

    let _tablet = tablet.up();
    laptop.pair(&tablet, "tablet", "member");
    phone_node.kill();
    let _phone = phone.up();
    assert!(!pieces.iter().any(|piece| holds(&phone, piece)), "nor after a start");
    until("all three agree", || {
        let states = [&laptop, &phone, &tablet].map(|home| home.status()["state_hash"].clone());
        (states[0].is_string() && states.iter().all(|state| *state == states[0])).then_some(())
    });
    assert_eq!(row(&tablet, &artifact)["kind"], "purged");
    assert!(!holds(&tablet, &bodies[0][..32]) && chunks(&tablet).is_empty());
    let file = fs::read(laptop.file("after.events"));
    assert!(!file.unwrap().windows(32).any(|window| window == &bodies[0][..32]));
}
