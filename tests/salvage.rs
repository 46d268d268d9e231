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
const PAGE: u64 = 4_096;

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
    file.write_all_at(&[byte; PAGE as usize], (page - 1) * PAGE).unwrap();
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
    let _node = pair.laptop.up();
    pair.is_healed(&SALVAGED);
    assert_eq!(fs::read(store.with_extension("db.damaged-1")).unwrap(), damaged);
}
