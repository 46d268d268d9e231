//! Disks that fail at the N-th call of a device's life: every write, sync, truncation, lock, map
//! and name; full disks; and power cuts that lose what was not synced.
//!
//! Each life is real processes over `faults/shim.c`: a device is made, edits, pairs, edits, starts
//! again and edits. Whatever fails, it stops or refuses in words; after a start without faults
//! nothing is lost that was acknowledged or that another saw, and it goes on.
//!
//! The tests take a few N of each kind. All of them, for some hours:
//! `KERNELOS_FAULTS=1 cargo test -p kernelos-tests faults:: -- --nocapture --test-threads 2`, or
//! every tenth by `KERNELOS_FAULTS=10`.

pub(crate) mod disk;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use serde_json::Value as Json;

use crate::disks::{agree, holds_without_fork, store};
use crate::kern::{Home, Node, Ran, until};
pub(crate) use disk::Dice;
use disk::{Action, Disk, FOLDER, LOCK, MAP, NAME, SYNC, TRUNCATE, WRITE};

/// How many lives of each kind are lived, where nobody asks for more.
const LIVES: u64 = 2;

/// What became of a life.
struct Lived {
    founded: bool,
    /// Events that a command named.
    acknowledged: Vec<Json>,
    /// Those that the other device showed at the end.
    seen: Vec<Json>,
}

/// A command that failed says why, and what to do; nothing panics.
#[track_caller]
fn is_clear(ran: &Ran) {
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let words = ["message", "error"].iter().any(|word| ran.stderr.contains(word));
    let words = words && ran.stderr.contains("hint");
    assert!(ran.code == -1 || ran.code == 0 || words, "{}: {:?}", ran.code, ran.stderr);
}

impl Lived {
    /// Edits so often, where the node is up.
    fn edits(&mut self, home: &Home, begin: &str, count: usize) {
        for number in 0..count {
            let path = format!("notes/{begin}{}", number % 4);
            let ran = home.run_apart(&["doc", "set", &path, &number.to_string(), "--json"]);
            is_clear(&ran);
            if ran.code == 0 {
                self.acknowledged.push(ran.json()["event"].clone());
            }
        }
    }

    /// As much of a life as the disk lets it have.
    fn live(disk: &Disk, [home, other]: [&Home; 2], then: Then) -> Self {
        let mut lived = Self { founded: false, acknowledged: Vec::new(), seen: Vec::new() };
        let init = home.init("home");
        is_clear(&init);
        lived.founded = init.code == 0;
        if !lived.founded {
            return lived;
        }
        let other_node = other.up();
        for start in ["a", "b"] {
            let node = match home.try_up() {
                Ok(node) => node,
                Err(ran) => {
                    is_clear(&ran);
                    break;
                }
            };
            lived.edits(home, start, 5);
            if start == "a" {
                pairs(disk, home, other);
            }
            lived.edits(home, start, 5);
            if disk.fired() == 0 {
                // What fails may do so only now, by what the other makes it write.
                until("the other saw it", || {
                    (lived.is_seen(other) || disk.fired() != 0).then_some(())
                });
            }
            if then == Then::ThereIsRoom && disk.fired() != 0 {
                // A turn that must write on a peer's behalf takes its readers with it.
                until("it is read", || (home.run_apart(&["status"]).code == 0).then_some(()));
                disk.works();
                let ran = home.run_apart(&["doc", "set", "notes/room", "1", "--json"]);
                lived.acknowledged.push(ran.json()["event"].clone());
            }
            ends_cleanly(node);
        }
        lived.is_seen(other);
        other_node.kill();
        lived
    }

    /// Looks what the other device shows; is all there that was acknowledged?
    fn is_seen(&mut self, other: &Home) -> bool {
        if other.run(&["log", "--json"]).code != 0 {
            return false;
        }
        let own = other.status()["device_id"].clone();
        let rows = other.log();
        let from_it = rows.iter().filter(|row| row["kind"] != "notice" && row["author"] != own);
        self.seen = from_it.map(|row| row["id"].clone()).collect();
        self.acknowledged.iter().all(|event| self.seen.contains(event))
    }

    /// After a start without faults all is there, also what stands in the file by itself.
    fn is_kept(&self, home: &Home, other: &Home) {
        if !self.founded {
            // It was refused, or died on the way: it can be had now, under another name at worst.
            let init = home.init("again");
            init.done();
        }
        let node = home.up();
        let log = home.log_of(if self.founded { "home" } else { "again" });
        let ids: BTreeSet<_> = log.iter().map(|row| row["id"].to_string()).collect();
        for event in self.acknowledged.iter().chain(&self.seen) {
            assert!(ids.contains(&event.to_string()), "{event} is gone");
        }
        if !self.founded {
            return;
        }
        home.run(&["doc", "set", "notes/after", "1"]).done();
        if !self.seen.is_empty() {
            let _other = other.up();
            agree(&[home, other]);
        }
        holds_without_fork(home, &self.acknowledged);
        assert_eq!(home.status()["damage"], serde_json::json!([]));
        assert!(node.terminate().success());
        is_whole(&store(home));
    }
}

/// SQLite finds nothing wrong with the file.
#[track_caller]
fn is_whole(store: &Path) {
    let connection = rusqlite::Connection::open(store).unwrap();
    let told: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(told, "ok");
}

/// Pairs two devices, if both live through it. Who waits for a device that failed waits for people,
/// for minutes.
fn pairs(disk: &Disk, home: &Home, other: &Home) -> Option<()> {
    let begun = Instant::now();
    let hopes = || disk.fired() == 0 || begun.elapsed() < Duration::from_secs(4);
    let mut invite = home.talk(&["invite", "--role", "member", "--json"]);
    let token = invite.line_while(hopes)?["token"].as_str()?.to_owned();
    let mut join = other.talk(&["join", &token, "--device", "server", "--json"]);
    let code = join.line_while(hopes)?["check_code"].as_str()?.to_owned();
    invite.try_say(&code)?;
    join.line_while(hopes).map(drop)
}

/// It is told to stop; where it stopped before, that was an abort on purpose.
fn ends_cleanly(mut node: Node) {
    if let Some(status) = node.ended() {
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        let known = [Some(6), Some(9)].contains(&signal);
        assert!(known, "the node ended: {status}");
        return;
    }
    node.terminate();
}

/// What comes after the life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// There is room again while it runs.
    ThereIsRoom,
    /// The device starts again.
    Starts,
    /// The power is gone: each sector not synced is lost with this chance in a hundred.
    PowerIsGone(u64),
}

/// Lives with a fault at calls that are evenly apart, the first in the middle of the first part: as
/// many as `LIVES`, or one in each so many calls as `KERNELOS_FAULTS` says (1: at every call).
fn lives(classes: u64, width: u64, action: Action, then: Then) {
    let calls = {
        let (disk, home) = Disk::with_home();
        disk.fails(classes, u64::MAX..=u64::MAX, action);
        let other = Home::new();
        let lived = Lived::live(&disk, [&home, &other], then);
        assert_eq!((lived.founded, lived.acknowledged.len(), disk.fired()), (true, 20, 0));
        assert!(lived.seen.len() >= 20, "the other saw it");
        lived.is_kept(&home, &other);
        disk.calls()
    };
    let asked = std::env::var("KERNELOS_FAULTS").ok().and_then(|stride| stride.parse().ok());
    let stride = asked.unwrap_or_else(|| calls.div_ceil(LIVES).max(1));
    let (mut fired, begun) = (0, Instant::now());
    for call in (stride.div_ceil(2)..=calls).step_by(usize::try_from(stride).unwrap()) {
        println!("call {call} of {calls}: after {:?}", begun.elapsed());
        let (disk, home) = Disk::with_home();
        let other = Home::new();
        disk.fails(classes, call..=call.saturating_add(width), action);
        let lived = Lived::live(&disk, [&home, &other], then);
        fired += disk.fired().min(1);
        if let Then::PowerIsGone(lost) = then {
            disk.loses_power(lost, call);
        }
        disk.works();
        lived.is_kept(&home, &other);
    }
    assert!(fired > 0, "no call failed");
}

const IO: Action = Action::Error(Errno::IO.raw_os_error());
const NO_ROOM: i32 = Errno::NOSPC.raw_os_error();

#[test]
fn any_write_that_fails_loses_nothing_acknowledged() {
    // SPEC: DUR-1, DUR-2
    lives(WRITE, 0, IO, Then::Starts);
}

#[test]
fn a_disk_that_is_full_from_any_write_on_refuses_and_goes_on_when_there_is_room() {
    // SPEC: DUR-2
    lives(WRITE, u64::MAX, Action::Error(NO_ROOM), Then::ThereIsRoom);
}

#[test]
fn a_disk_that_lets_nothing_be_written_any_more_is_read_and_goes_on_when_it_does() {
    // SPEC: DUR-2
    let classes = WRITE | TRUNCATE | NAME;
    lives(classes, u64::MAX, Action::Error(Errno::ROFS.raw_os_error()), Then::ThereIsRoom);
}

#[test]
fn a_write_that_is_cut_short_loses_nothing_acknowledged() {
    // SPEC: DUR-1, DUR-2
    lives(WRITE, 1, Action::Half(NO_ROOM), Then::Starts);
}

#[test]
fn any_truncation_lock_map_or_name_that_fails_loses_nothing_acknowledged() {
    // SPEC: DUR-1, DUR-2
    lives(TRUNCATE | LOCK | MAP | NAME, 0, IO, Then::Starts);
}

#[test]
fn any_sync_that_fails_stops_it_and_what_it_did_not_keep_was_not_acknowledged() {
    // SPEC: DUR-3
    lives(SYNC, 0, IO, Then::PowerIsGone(100));
}

#[test]
fn a_folder_that_is_not_synced_any_more_lets_nothing_be_acknowledged_that_a_power_cut_takes() {
    // SPEC: DUR-12
    lives(FOLDER, u64::MAX, IO, Then::PowerIsGone(100));
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_acknowledged() {
    // SPEC: DUR-1, DUR-3
    lives(WRITE | SYNC | TRUNCATE | NAME, 0, Action::Kill, Then::PowerIsGone(100));
}

#[test]
fn a_power_cut_that_tears_pages_loses_nothing_acknowledged() {
    // SPEC: DUR-1, DUR-3
    lives(WRITE | SYNC | TRUNCATE | NAME, 0, Action::Kill, Then::PowerIsGone(80));
}
