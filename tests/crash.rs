//! SIGKILL at random moments: nothing that was acknowledged is lost.
//!
//! By hand, longer than a test may last:
//! `KERNELOS_KILLS=500 cargo test -p kernelos-tests crash:: -- --nocapture`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::kern::Home;

/// How often the node is killed, where nobody asks for more by `KERNELOS_KILLS`.
const KILLS: u64 = 50;

/// The moments, the same at every run of the test (splitmix64).
fn moment(round: u64) -> Duration {
    let mut z = round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_micros((z ^ (z >> 31)) % 120_000)
}

#[test]
fn fifty_kills_lose_no_acknowledged_event() {
    // SPEC: DUR-1
    let asked = std::env::var("KERNELOS_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills = asked.unwrap_or(KILLS);
    let home = Home::with_workspace();
    let mut acknowledged: Vec<Json> = Vec::new();
    for round in 0..kills {
        let node = home.up();
        let dead = AtomicBool::new(false);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let tell = tell;
                for write in 0.. {
                    let (path, value) = (format!("notes/{}", write % 5), format!("{round}{write}"));
                    let ran = home.run(&["doc", "set", &path, &value, "--json"]);
                    if ran.code == 0 {
                        tell.send(ran.json()["event"].clone()).unwrap();
                    }
                    if dead.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            // At least one write is under way when the clock of the kill starts.
            acknowledged.extend(told.recv_timeout(Duration::from_secs(20)));
            let until = Instant::now() + moment(round);
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                acknowledged.extend(told.recv_timeout(left));
            }
            node.kill();
            dead.store(true, Ordering::Relaxed);
            acknowledged.extend(told.iter());
        });
    }
    assert!(acknowledged.len() as u64 >= kills, "every round acknowledged something");
    let _node = home.up();
    let status = home.run(&["status", "--json"]).json();
    assert_eq!(status["damage"], serde_json::json!([]));
    let log = home.log();
    for event in &acknowledged {
        let row = log.iter().find(|row| row["id"] == *event);
        let row = row.unwrap_or_else(|| panic!("{event} was acknowledged and is gone"));
        assert_eq!(row["verdict"], "admitted", "{row}");
    }
    // What was not acknowledged may be there, one write of each kill; nothing else is.
    let written = log.iter().filter(|row| row["kind"] == "change").count() as u64;
    let known = acknowledged.len() as u64 + 1;
    assert!((known..=known + kills).contains(&written), "{written} changes, {known} known");
    let ids: BTreeSet<_> = log.iter().map(|row| row["id"].to_string()).collect();
    assert_eq!(ids.len(), log.len(), "each event is there once");
    home.run(&["doc", "set", "notes/after", "true"]).done();
}
