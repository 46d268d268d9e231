//! One home copied to two places, and a node on each: real processes that are one device twice.

use serde_json::json;

use crate::disks::{copy, holds_without_fork, lives, set};
use crate::kern::{Home, until};

#[test]
fn a_home_that_was_copied_and_runs_twice_is_two_lives_and_both_are_told() {
    // SPEC: DUR-5
    let [first, second, server] = [Home::new(), Home::new(), Home::new()];
    first.init("home").done();
    let node = first.up();
    let _server = server.up();
    first.pair(&server, "server", "member");
    let mut events = vec![set(&first, "notes/before", "1")];
    until("the server has it", || (server.get("notes/before") == 1).then_some(()));
    assert!(node.terminate().success());
    copy(&first.path(), &second.path());

    // The one goes on, and then the other wakes where it was.
    let first_node = first.up();
    events.push(set(&first, "notes/first", "2"));
    until("the server has that", || (server.get("notes/first") == 2).then_some(()));
    first_node.kill();
    let second_node = second.up();
    until("the copy learns of it", || (second.get("notes/first") == 2).then_some(()));
    events.push(set(&second, "notes/second", "3"));
    until("the server has both", || (server.get("notes/second") == 3).then_some(()));
    assert_eq!(lives(&second), ["new_life: own_event_elsewhere"]);

    // Now both at once: of two connections with one device one stays, so they take turns.
    let first_node = first.up();
    events.push(set(&first, "notes/together", "4"));
    events.push(set(&second, "notes/as_well", "5"));
    let all = ["before", "first", "second", "together", "as_well"];
    let has_all = |home: &Home| {
        (1..).zip(all).all(|(value, name)| home.get(&format!("notes/{name}")) == value)
    };
    until("all have all", || [&first, &second, &server].into_iter().all(has_all).then_some(()));
    for home in [&first, &second, &server] {
        holds_without_fork(home, &events);
        assert_eq!(home.status()["damage"], json!([]));
    }
    // The one that heard of the other before it wrote anything else needs no new life.
    assert_eq!(lives(&first), ["other_life"]);
    for (home, told) in [(&first, "another store with this device's key"), (&second, "a copy")] {
        assert!(home.run(&["status"]).done().contains(told), "{told}");
    }
    drop((first_node, second_node));
}
