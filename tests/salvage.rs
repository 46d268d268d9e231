//! Stores whose file is damaged: a bad page of a tree, a whole file, a log without its tail. What
//! can be read is salvaged, peers bring the rest, and it is told. And stores that are not this
//! device's.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use crate::disks::{agree, copy, holds_without_fork, lives, set, store};
use crate::kern::{Home, Node, until};

/// The size of a page of a store.
const PAGE: usize = 4_096;

/// Two devices with some history, each event of it larger than a page holds; the first is stopped.
struct Pair {
    laptop: Home,
    server: Home,
    _server: Node,
    events: Vec<Json>,
}

impl Pair {
    fn new(edits: usize) -> (Self, Node) {
        let [laptop, server] = [Home::new(), Home::new()];
        laptop.init("home").done();
        let (node, peer) = (laptop.up(), server.up());
        laptop.pair(&server, "server", "member");
        let mut pair = Self { laptop, server, _server: peer, events: Vec::new() };
        pair.edits(edits);
        agree(&[&pair.laptop, &pair.server]);
        (pair, node)
    }

    fn edits(&mut self, count: usize) {
        let mut dice = crate::faults::Dice(7);
        for _ in 0..count {
            // What is sealed is compressed first: this is not smaller for it.
            let text: String = (0..200).map(|_| format!("{:016x}", dice.throw())).collect();
            let path = format!("notes/{}", self.events.len());
            self.events.push(set(&self.laptop, &path, &json!(text).to_string()));
        }
    }

    fn store(&self) -> PathBuf {
        store(&self.laptop)
    }

    /// It goes on as a new life, tells why, and both hold everything.
    fn is_healed(&mut self, told: &[&str]) {
        self.edits(1);
        agree(&[&self.laptop, &self.server]);
        for home in [&self.laptop, &self.server] {
            holds_without_fork(home, &self.events);
        }
        assert_eq!(lives(&self.laptop), told);
        let shown = self.laptop.run(&["status"]);
        assert!(shown.done().contains("peers are asked"), "{}", shown.stdout);
    }

    /// What peers brought is on the disk: a start at which none of them is there has all of it.
    fn holds_all_alone(self, node: Node) {
        let before = self.laptop.status();
        assert!(node.terminate().success() && self._server.terminate().success());
        let _alone = self.laptop.up();
        let alone = self.laptop.status();
        for key in ["events", "state_hash", "damage", "documents"] {
            assert_eq!(alone[key], before[key], "{key}: {alone}");
        }
        holds_without_fork(&self.laptop, &self.events);
    }
}

/// What SQLite calls the first page of a table or an index.
fn root_of(store: &Path, name: &str) -> u64 {
    let query = "SELECT rootpage FROM sqlite_master WHERE name = ?1";
    let root: i64 =
        Connection::open(store).unwrap().query_row(query, [name], |row| row.get(0)).unwrap();
    root.unsigned_abs()
}

fn overwrite(store: &Path, page: u64, byte: u8) {
    let file = fs::OpenOptions::new().write(true).open(store).unwrap();
    file.write_all_at(&[byte; PAGE], (page - 1) * PAGE as u64).unwrap();
}

const SALVAGED: [&str; 2] = ["store_salvaged: store.db.damaged-1", "new_life: store_damaged"];

#[test]
fn a_tree_that_cannot_be_walked_is_salvaged_at_start_and_peers_bring_the_rest() {
    // SPEC: DUR-7
    let (mut pair, node) = Pair::new(12);
    node.terminate();
    let store = pair.store();
    let root = root_of(&store, "event");
    overwrite(&store, root, 0xff);
    let damaged = fs::read(&store).unwrap();
    let (node, ready) = pair.laptop.up_saying();
    let told = ready["told"].to_string();
    assert!(told.contains("home: the store was damaged") && told.contains("damaged-1"), "{told}");
    pair.is_healed(&SALVAGED);
    assert_eq!(fs::read(store.with_extension("db.damaged-1")).unwrap(), damaged);
    pair.holds_all_alone(node);
}

#[test]
fn any_page_that_goes_bad_costs_no_event_that_a_peer_holds() {
    // SPEC: DUR-7
    let (mut pair, node) = Pair::new(6);
    node.terminate();
    let (store, kept) = (pair.store(), pair.laptop.file("kept"));
    copy(&pair.laptop.path(), &kept);
    let pages = fs::metadata(&store).unwrap().len() / PAGE as u64;
    // The header, the schema, the last: the tests of the store take every one.
    for (page, byte) in [(1, 0), (1, 0xff), (2, 0xff), (pages, 0xff)] {
        fs::remove_dir_all(pair.laptop.path()).unwrap();
        copy(&kept, &pair.laptop.path());
        overwrite(&store, page, byte);
        let _node = pair.laptop.up();
        agree(&[&pair.laptop, &pair.server]);
        pair.edits(1);
        agree(&[&pair.laptop, &pair.server]);
        holds_without_fork(&pair.laptop, &pair.events);
    }
}

#[test]
fn a_store_of_which_nothing_can_be_read_starts_from_peers() {
    // SPEC: DUR-7
    let (mut pair, node) = Pair::new(3);
    node.terminate();
    let store = pair.store();
    let len = fs::metadata(&store).unwrap().len();
    fs::write(&store, vec![0; usize::try_from(len).unwrap()]).unwrap();
    let node = pair.laptop.up();
    until("its history came", || (pair.laptop.status()["events"] != 0).then_some(()));
    pair.is_healed(&SALVAGED);
    assert_eq!(pair.laptop.status()["role"], "owner");
    pair.holds_all_alone(node);
}

/// The node reads a page anew, once another program wrote to its store.
fn forgets_its_pages(store: &Path) {
    let connection = Connection::open(store).unwrap();
    let write = "BEGIN IMMEDIATE; CREATE TABLE passing (x); DROP TABLE passing; COMMIT;";
    connection.execute_batch(write).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

#[test]
fn a_tree_that_goes_bad_while_the_node_runs_is_salvaged_without_a_restart() {
    // SPEC: DUR-7
    for tree in ["sqlite_autoindex_event_1", "event"] {
        let (mut pair, mut node) = Pair::new(4);
        let store = pair.store();
        let root = root_of(&store, tree);
        forgets_its_pages(&store);
        overwrite(&store, root, 0xff);
        // The one that meets it hears that nothing was stored, and may try again.
        until("a command that is refused or done", || {
            let ran = pair.laptop.run(&["doc", "set", "notes/met", "1", "--json"]);
            let told = ran.stderr.contains("not stored: the store is damaged");
            assert!(ran.code == 0 || told || ran.stderr.contains("later"), "{}", ran.stderr);
            lives(&pair.laptop).contains(&json!(SALVAGED[0])).then_some(())
        });
        assert!(node.ended().is_none());
        pair.is_healed(&SALVAGED);
    }
}

#[test]
fn a_log_that_lost_its_middle_is_told_and_a_new_life_begins() {
    // SPEC: DUR-7
    let (mut pair, node) = Pair::new(6);
    node.kill();
    let log = pair.store().with_extension("db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).unwrap();
    let _node = pair.laptop.up();
    pair.is_healed(&["log_tail_dropped", "new_life: store_damaged"]);
}

#[test]
fn a_log_that_a_kill_left_is_no_damage() {
    // SPEC: DUR-7
    let (mut pair, node) = Pair::new(2);
    node.kill();
    let _node = pair.laptop.up();
    pair.edits(1);
    agree(&[&pair.laptop, &pair.server]);
    assert_eq!(lives(&pair.laptop), Vec::<Json>::new());
}

#[test]
fn the_store_of_another_device_or_workspace_is_refused() {
    // SPEC: DUR-8
    let (pair, node) = Pair::new(1);
    node.terminate();
    let own = pair.store();
    let kept = fs::read(&own).unwrap();
    let refused = |words: &str| {
        pair.laptop.run(&["up"]).refused(1, words);
        fs::write(&own, &kept).unwrap();
    };
    let theirs = pair.laptop.file("theirs.db");
    let backup = format!("VACUUM INTO '{}'", theirs.display());
    Connection::open(store(&pair.server)).unwrap().execute_batch(&backup).unwrap();
    fs::copy(&theirs, &own).unwrap();
    refused("this is the store of device");

    let other = Home::with_workspace();
    fs::copy(store(&other), &own).unwrap();
    refused("this is the store of workspace");

    fs::remove_file(&own).unwrap();
    Connection::open(&own).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    refused("is no KernelOS store");
    let _node = pair.laptop.up();
    assert_eq!(lives(&pair.laptop), Vec::<Json>::new());
}
